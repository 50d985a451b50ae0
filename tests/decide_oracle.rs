//! Does `resolve` decide what the design says, for any small company?
//!
//! An oracle decides the same from a plain model, in another way: a three-valued answer is a pair "can be yes, can be
//! no", the chain of managers is laid out as a list of rungs first, and dates are compared as text. `now` is at half
//! past noon UTC, when Berlin, UTC and UTC-12 have the same date; the edges of days have their own tests.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::api::ObjectMeta;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::RngSeed;
use rollcall::api::employee::{Cause, Phase};
use rollcall::api::{Employee, Entitlement, HRISConnection, ProvisioningPolicy, TargetSystem};
use rollcall::decide::index::{Index, Indexed};
use rollcall::decide::phase::Zone;
use rollcall::decide::selector::Tri;
use rollcall::decide::{Namespace, Resolution, resolve, would};
use serde_json::{Map, Value, json};

const PEOPLE: usize = 10;
const TODAY: &str = "2026-06-15";
const TOMORROW: &str = "2026-06-16";
const STARTS: [&str; 6] = [
    "2019-02-28",
    "2026-03-17",
    "2026-06-15",
    "2026-06-16",
    "2026-02-31",
    "9999-12-31",
];
const ENDS: [&str; 6] = [
    "2018-12-31",
    "2026-06-14",
    "2026-06-15",
    "2026-12-31",
    "2026-02-31",
    "9999-12-31",
];
const STATUSES: [&str; 6] = ["ACTIVE", "ACTIVE", " active", "PENDING", "INACTIVE", "Gardening"];
const PHASES: [Phase; 6] = [
    Phase::PreHire,
    Phase::Active,
    Phase::OnLeave,
    Phase::Leaving,
    Phase::Terminated,
    Phase::Missing,
];
const GROUPS: [&str; 4] = ["Sales", "EMEA", "Core", "Board"];
const TITLES: [&str; 4] = ["Engineer", "senior engineer", "VP Sales", "Köchin"];
const GLOBS: [&str; 6] = ["*engineer*", "ENGINEER", "VP ?*", "k?CHIN", "*", "[a-z]*"];
const PLACES: [&str; 3] = ["DE", "FR", "US"];
const STATES: [&str; 8] = [
    "Pending", "Granting", "Granted", "Updating", "Held", "Revoking", "Revoked", "Failed",
];
/// Name and group of each entitlement, and whether it can be granted. The last two are not there, or point nowhere.
const THINGS: [(&str, Option<&str>, bool); 6] = [
    ("t0", Some("g0"), true),
    ("t1", Some("g0"), true),
    ("t2", Some("g1"), true),
    ("t3", Some("g2"), false),
    ("t4", None, false),
    ("t5", Some("g3"), false),
];
/// What connections say that INACTIVE means; there is none of the last name.
const CONNECTIONS: [(&str, &str); 3] = [("on-leave", "OnLeave"), ("left", "Terminated"), ("gone", "")];
const LOSABLE: [&str; 11] = [
    "workEmail",
    "employeeNumber",
    "jobTitle",
    "employmentStatus",
    "startDate",
    "terminationDate",
    "managerRef",
    "departments",
    "workLocation",
    "company",
    "groups",
];

fn now() -> Timestamp {
    format!("{TODAY}T12:30:00Z").parse().unwrap()
}

/// A person. Numbers name people; from `PEOPLE` on, nobody.
#[derive(Clone, Debug)]
struct Worker {
    connection: Option<usize>,
    listed: &'static str,
    lost: BTreeSet<&'static str>,
    status: Option<&'static str>,
    start: Option<&'static str>,
    end: Option<&'static str>,
    email: Option<usize>,
    number: Option<usize>,
    manager: Option<usize>,
    departments: Vec<Vec<&'static str>>,
    title: Option<&'static str>,
    company: Option<&'static str>,
    country: Option<&'static str>,
    city: Option<&'static str>,
    last: Option<Phase>,
    paused: bool,
    deleting: bool,
    revoke: bool,
    records: BTreeMap<&'static str, Record>,
}

/// A record, of the group that it is kept by.
#[derive(Clone, Debug)]
struct Record {
    state: &'static str,
    grantors: Vec<String>,
    limit: &'static str,
}

#[derive(Clone, Debug)]
enum Key {
    Everyone,
    Department(Vec<Vec<&'static str>>, bool),
    Title(Vec<&'static str>),
    Under(Vec<usize>, Option<u32>),
    Work(Vec<&'static str>, Vec<&'static str>),
    Company(Vec<&'static str>),
    Tenure(Option<i64>, Option<i64>),
    Called(Vec<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    Broken,
    Deleting,
    Paused,
}

#[derive(Clone, Debug)]
struct Rule {
    fate: Fate,
    plan: bool,
    priority: i32,
    phases: Vec<&'static str>,
    all: Vec<Key>,
    any: Vec<Vec<Key>>,
    not: Vec<Vec<Key>>,
    gives: Vec<(usize, &'static str)>,
}

#[derive(Clone, Debug)]
struct Company {
    workers: Vec<Worker>,
    rules: Vec<Rule>,
}

// ---- Any company -------------------------------------------------------------------------------------------------

fn seldom() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.08)
}

fn mostly<T: Clone + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.85, select(values))
}

fn record() -> impl Strategy<Value = Record> {
    let policies = prop::collection::vec(0..7_usize, 0..3);
    (select(&STATES[..]), policies, select(&["1", "2"][..])).prop_map(|(state, grantors, limit)| Record {
        state,
        grantors: grantors.into_iter().map(|number| format!("p{number}")).collect(),
        limit,
    })
}

fn worker() -> impl Strategy<Value = Worker> {
    let connection = prop_oneof![3 => Just(None), 6 => (0..2_usize).prop_map(Some), 1 => Just(Some(2))];
    let listed = prop_oneof![8 => Just("Present"), 1 => Just("Absent"), 1 => Just("Deleted")];
    let facts = (
        connection,
        listed,
        subsequence(&LOSABLE[..], 0..4),
        mostly(&STATUSES),
        mostly(&STARTS),
        prop::option::weighted(0.3, select(&ENDS[..])),
    );
    let place = (
        prop::option::weighted(0.9, 0..PEOPLE),
        prop::option::weighted(0.3, 0..PEOPLE),
        prop::option::weighted(0.8, 0..PEOPLE + 1),
        prop::collection::vec(prop::collection::vec(select(&GROUPS[..]), 1..4), 0..3),
        mostly(&TITLES),
        mostly(&["X", "Y"]),
        mostly(&PLACES),
        mostly(&["Bonn", "Lyon"]),
    );
    let object = (
        prop::option::weighted(0.8, select(&PHASES[..])),
        seldom(),
        seldom(),
        seldom(),
        prop::collection::btree_map(select(&["g0", "g1", "g2", "g3", "g9"][..]), record(), 0..3),
    );
    (facts, place, object).prop_map(|(facts, place, object)| Worker {
        connection: facts.0,
        // Who is written by hand has no source.
        listed: if facts.0.is_some() { facts.1 } else { "Present" },
        lost: facts.2.into_iter().filter(|_| facts.0.is_some()).collect(),
        status: facts.3,
        start: facts.4,
        end: facts.5,
        email: place.0,
        number: place.1,
        manager: place.2,
        departments: place.3,
        title: place.4,
        company: place.5,
        country: place.6,
        city: place.7,
        last: object.0,
        paused: object.1,
        deleting: object.2,
        revoke: object.3,
        records: object.4,
    })
}

fn key() -> impl Strategy<Value = Key> {
    let days = || prop::option::of(select(&[1_i64, 90, 91, 3000][..]));
    let some = |values: &'static [&'static str]| prop::collection::vec(select(values), 1..3);
    prop_oneof![
        1 => Just(Key::Everyone),
        4 => (prop::collection::vec(prop::collection::vec(select(&GROUPS[..]), 1..3), 1..3), any::<bool>())
            .prop_map(|(names, exact)| Key::Department(names, exact)),
        2 => some(&GLOBS).prop_map(Key::Title),
        4 => (prop::collection::vec(0..PEOPLE + 2, 1..3), prop::option::of(1..4_u32))
            .prop_map(|(names, depth)| Key::Under(names, depth)),
        2 => (some(&PLACES), prop::collection::vec(select(&["Bonn", "Lyon"][..]), 0..2))
            .prop_map(|(countries, cities)| Key::Work(countries, cities)),
        2 => some(&["X", "y "]).prop_map(Key::Company),
        2 => (days(), days()).prop_filter("one of the two", |(a, b)| a.is_some() || b.is_some())
            .prop_map(|(least, most)| Key::Tenure(least, most)),
        1 => prop::collection::vec(0..PEOPLE + 2, 1..4).prop_map(Key::Called),
    ]
}

/// Keys of different kinds.
fn clause(size: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Key>> {
    prop::collection::vec(key(), size).prop_map(|keys| {
        let mut kinds = Vec::new();
        keys.into_iter()
            .filter(|key| {
                let kind = std::mem::discriminant(key);
                let new = !kinds.contains(&kind);
                kinds.push(kind);
                new
            })
            .collect()
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let fate = prop_oneof![12 => Just(Fate::Fine), 1 => Just(Fate::Broken), 1 => Just(Fate::Deleting), 1 => Just(Fate::Paused)];
    (
        fate,
        prop::bool::weighted(0.2),
        0..2_i32,
        subsequence(&["Active", "OnLeave", "Leaving"][..], 1..=3),
        // Without a key of `all` or a clause of `anyOf` it cannot be compiled.
        clause(0..3),
        prop::collection::vec(clause(1..3), 0..3),
        prop_oneof![3 => Just(Vec::new()).boxed(), 1 => prop::collection::vec(clause(1..3), 1..3).boxed()],
        prop::collection::btree_map(0..THINGS.len(), select(&["", "1", "2"][..]), 1..4),
    )
        .prop_map(|(fate, plan, priority, phases, all, any, not, gives)| Rule {
            fate,
            plan,
            priority,
            phases,
            all,
            any,
            not,
            gives: gives.into_iter().collect(),
        })
}

fn company() -> impl Strategy<Value = Company> {
    (
        prop::collection::vec(worker(), PEOPLE),
        prop::collection::vec(rule(), 1..6),
    )
        .prop_map(|(workers, rules)| Company { workers, rules })
}

// ---- The company as objects --------------------------------------------------------------------------------------

fn email(number: usize) -> String {
    format!("p{number}@x.io")
}

fn object(kind: &str, name: &str, spec: &Value, status: &Value) -> Value {
    json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": kind,
        "metadata": {"namespace": "tenant", "name": name, "generation": 1}, "spec": spec, "status": status})
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        other => other,
    }
}

impl Worker {
    fn object(&self, name: &str) -> Value {
        let paths: Vec<Value> = self.departments.iter().map(|path| json!({"path": path})).collect();
        let place = (self.country.is_some() || self.city.is_some())
            .then(|| json!({"country": self.country, "city": self.city}));
        let source = self
            .connection
            .map(|_| json!({"state": self.listed, "unconfirmed": self.lost}));
        let spec = json!({
            "connectionRef": self.connection.map(|c| json!({"name": CONNECTIONS[c].0})),
            "source": source,
            "deletionPolicy": if self.revoke { "Revoke" } else { "Orphan" },
            "employmentStatus": self.status, "startDate": self.start, "terminationDate": self.end,
            "workEmail": self.email.map(email), "employeeNumber": self.number.map(email),
            "managerRef": self.manager.map(|manager| json!({"name": format!("e{manager}")})),
            "departments": paths, "jobTitle": self.title, "company": self.company, "workLocation": place,
        });
        let records: Vec<Value> = self
            .records
            .iter()
            .map(|(group, record)| {
                json!({"entitlement": "t", "target": "okta", "kind": "Group", "remoteId": group, "accountId": "a",
                "state": record.state, "grantors": record.grantors, "desiredParameters": {"limit": record.limit}})
            })
            .collect();
        let status = json!({"phase": self.last.map(|phase| format!("{phase:?}")), "entitlements": records});
        let mut object = object("Employee", name, &without_nulls(spec), &without_nulls(status));
        if self.deleting {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        if self.paused {
            object["metadata"]["annotations"] = json!({"rollcall.dev/paused": ""});
        }
        object
    }
}

impl Key {
    fn write(&self, into: &mut Map<String, Value>) {
        let (name, value) = match self {
            Self::Everyone => ("everyone", json!(true)),
            Self::Department(names, exact) => {
                let names: Vec<String> = names.iter().map(|path| path.join(" > ")).collect();
                ("department", json!({"in": names, "exact": exact}))
            }
            Self::Title(globs) => ("jobTitle", json!(globs)),
            Self::Under(names, depth) => {
                let under: Vec<String> = names.iter().map(|number| email(*number)).collect();
                ("manager", without_nulls(json!({"under": under, "depth": depth})))
            }
            Self::Work(countries, cities) => ("workLocation", json!({"country": countries, "city": cities})),
            Self::Company(names) => ("company", json!(names)),
            Self::Tenure(least, most) => {
                let days = |days: &Option<i64>| days.map(|days| format!("{days}d"));
                (
                    "tenure",
                    without_nulls(json!({"atLeast": days(least), "lessThan": days(most)})),
                )
            }
            Self::Called(names) => {
                let names: Vec<String> = names.iter().map(|number| email(*number).to_uppercase()).collect();
                ("employees", json!(names))
            }
        };
        into.insert(name.to_owned(), value);
    }
}

impl Rule {
    fn object(&self, name: &str) -> Value {
        let clause = |keys: &Vec<Key>| {
            let mut map = Map::new();
            for key in keys {
                key.write(&mut map);
            }
            map
        };
        let clauses = |clauses: &[Vec<Key>]| -> Vec<Value> { clauses.iter().map(|keys| clause(keys).into()).collect() };
        let mut selector = clause(&self.all);
        selector.insert("anyOf".to_owned(), clauses(&self.any).into());
        selector.insert("not".to_owned(), clauses(&self.not).into());
        let gives: Vec<Value> = self
            .gives
            .iter()
            .map(|(thing, limit)| {
                let parameters = if limit.is_empty() {
                    json!({})
                } else {
                    json!({"limit": limit})
                };
                json!({"name": THINGS[*thing].0, "parameters": parameters})
            })
            .collect();
        let spec = json!({"mode": if self.plan { "Plan" } else { "Enforce" }, "priority": self.priority,
            "selector": selector, "lifecycle": {"phases": self.phases}, "entitlements": gives});
        let mut object = object("ProvisioningPolicy", name, &spec, &json!({}));
        match self.fate {
            Fate::Fine | Fate::Broken => {}
            Fate::Deleting => object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
            Fate::Paused => object["metadata"]["annotations"] = json!({"rollcall.dev/paused": ""}),
        }
        object
    }
}

fn put<K: Indexed + serde::de::DeserializeOwned>(index: &mut Index, object: Value) {
    let object: K = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{object}: {error}"));
    index.put(object);
}

impl Company {
    fn put_nth(&self, index: &mut Index, number: usize) {
        if let Some(worker) = self.workers.get(number) {
            put::<Employee>(index, worker.object(&format!("e{number}")));
        } else if let Some(rule) = self.rules.get(number - PEOPLE) {
            let name = format!("p{}", number - PEOPLE);
            if rule.fate == Fate::Broken {
                let metadata = ObjectMeta {
                    name: Some(name),
                    namespace: Some("tenant".to_owned()),
                    ..ObjectMeta::default()
                };
                index.put_broken::<ProvisioningPolicy>(&metadata, "no mode".to_owned());
            } else {
                put::<ProvisioningPolicy>(index, rule.object(&name));
            }
        }
    }

    fn put_rest(index: &mut Index) {
        let key = json!({"name": "s", "key": "k"});
        for (name, meaning) in &CONNECTIONS[..2] {
            let spec = json!({"merge": {"region": "EU"}, "apiKeySecretRef": key, "accountTokenSecretRef": key,
                "termination": {"defaultTimeZone": "Europe/Berlin"}, "inactiveMeans": meaning});
            put::<HRISConnection>(index, object("HRISConnection", name, &spec, &Value::Null));
        }
        let scim = json!({"baseURL": "https://x", "bearerTokenSecretRef": key});
        let okta = object(
            "TargetSystem",
            "okta",
            &json!({"adopt": "Never", "scim": scim}),
            &Value::Null,
        );
        put::<TargetSystem>(index, okta);
        for (name, group, ready) in THINGS {
            let Some(group) = group else { continue };
            let target = if name == "t5" { "nowhere" } else { "okta" };
            let spec = json!({"targetRef": {"name": target}, "scimGroup": {"id": group}});
            let seen = i64::from(ready || name == "t5");
            let status = json!({"observedGeneration": seen, "remote": {"kind": "Group", "id": group},
                "holders": 0, "pending": 0, "held": 0});
            put::<Entitlement>(index, object("Entitlement", name, &spec, &status));
        }
    }

    /// The index that has seen it all, in the order that `order` makes of it.
    fn index(&self, order: impl IntoIterator<Item = usize>, rest_first: bool) -> Index {
        let mut index = Index::default();
        if rest_first {
            Self::put_rest(&mut index);
        }
        for number in order {
            self.put_nth(&mut index, number);
        }
        if !rest_first {
            Self::put_rest(&mut index);
        }
        index
    }

    fn plain_index(&self) -> Index {
        self.index(0..PEOPLE + self.rules.len(), true)
    }
}

fn decided(index: &Index) -> Vec<Resolution> {
    let namespace = index.namespace("tenant").unwrap();
    (0..PEOPLE)
        .map(|number| resolve(namespace, &namespace.employees[&format!("e{number}")], now()))
        .collect()
}

// ---- The oracle --------------------------------------------------------------------------------------------------

/// Can be yes, can be no.
type Bits = (bool, bool);

const YES: Bits = (true, false);
const NO: Bits = (false, true);
const EITHER: Bits = (true, true);

fn sure(answer: bool) -> Bits {
    if answer { YES } else { NO }
}

fn real(date: Option<&'static str>) -> Option<&'static str> {
    date.filter(|date| *date != "2026-02-31")
}

/// Days since some day long ago, counted out.
fn day_number(date: &str) -> i64 {
    let part = |range: std::ops::Range<usize>| date[range].parse::<i64>().unwrap();
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let years: i64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let lengths = [
        31,
        if leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    years + lengths.iter().take(usize::try_from(month - 1).unwrap()).sum::<i64>() + day
}

fn glob_fits(glob: &[char], text: &[char]) -> bool {
    match (glob.first(), text.first()) {
        (None, None) => true,
        (Some('*'), _) => glob_fits(&glob[1..], text) || (!text.is_empty() && glob_fits(glob, &text[1..])),
        (Some(g), Some(t)) => (*g == '?' || g == t) && glob_fits(&glob[1..], &text[1..]),
        _ => false,
    }
}

/// One step up the chain of managers, and whether somebody else may stand there.
enum Rung {
    Boss(usize),
    Fog,
    BossInFog(usize),
}

#[derive(Debug, PartialEq)]
struct Verdict {
    phase: Phase,
    frozen: bool,
    ending: Option<Cause>,
    /// Group to entitlement, grantors and limit.
    desired: BTreeMap<String, (String, Vec<String>, String)>,
    undecided: BTreeSet<String>,
    undecided_grantors: BTreeSet<String>,
    conflicts: BTreeSet<String>,
    matched: BTreeSet<String>,
}

impl Verdict {
    fn of(resolution: &Resolution) -> Self {
        let limit = |parameters: &BTreeMap<String, String>| parameters.get("limit").cloned().unwrap_or_default();
        Self {
            phase: resolution.phase,
            frozen: resolution.frozen.is_some(),
            ending: resolution.ending,
            desired: resolution
                .desired
                .iter()
                .map(|(key, d)| {
                    (
                        key.object.id.clone(),
                        (d.entitlement.clone(), d.grantors.clone(), limit(&d.parameters)),
                    )
                })
                .collect(),
            undecided: resolution.undecided.keys().map(|key| key.object.id.clone()).collect(),
            undecided_grantors: resolution.undecided_grantors.keys().cloned().collect(),
            conflicts: resolution.conflicts.iter().map(|c| c.key.object.id.clone()).collect(),
            matched: resolution.matched.clone(),
        }
    }
}

impl Company {
    fn phase(worker: &Worker) -> Phase {
        let (start, end) = (real(worker.start), real(worker.end));
        let end = end.filter(|end| *end != "9999-12-31" && start.is_none_or(|start| *end >= start));
        let over = end.is_some_and(|end| end < TODAY);
        let start_lost = worker.start.is_none() && worker.lost.contains("startDate");
        let status = worker.status.map(|status| status.trim().to_uppercase());
        let meaning = worker
            .connection
            .map_or("Terminated", |connection| CONNECTIONS[connection].1);
        let word = match status.as_deref() {
            Some("INACTIVE") => meaning,
            Some("ACTIVE") => "Active",
            Some("PENDING") => "Pending",
            None if worker.connection.is_none() => "Active",
            _ => "",
        };
        let stays = worker.last.unwrap_or(Phase::PreHire);
        if worker.listed == "Deleted" || word == "Terminated" || (over && !start_lost) {
            return Phase::Terminated;
        }
        if worker.listed == "Absent" {
            return if stays == Phase::Terminated {
                stays
            } else {
                Phase::Missing
            };
        }
        if word.is_empty() || over {
            return stays;
        }
        // Where days begin is not known without the connection, and somewhere on earth it is tomorrow already.
        let begun = meaning.is_empty() && [Phase::Active, Phase::OnLeave, Phase::Leaving].contains(&stays);
        let day = if begun { TOMORROW } else { TODAY };
        let to_come =
            start.is_some_and(|start| start > day) || (start_lost && stays == Phase::PreHire && worker.last.is_some());
        if word == "Pending" || to_come {
            return Phase::PreHire;
        }
        if word == "OnLeave" {
            return Phase::OnLeave;
        }
        let end_lost = worker.end.is_none() && worker.lost.contains("terminationDate");
        if end.is_some() || (end_lost && stays == Phase::Leaving) {
            return Phase::Leaving;
        }
        Phase::Active
    }

    fn called(&self, number: usize) -> Vec<usize> {
        (0..PEOPLE)
            .filter(|who| self.workers[*who].email == Some(number) || self.workers[*who].number == Some(number))
            .collect()
    }

    fn nameless(worker: &Worker) -> bool {
        (worker.email.is_none() && worker.lost.contains("workEmail"))
            || (worker.number.is_none() && worker.lost.contains("employeeNumber"))
    }

    /// Everybody above, nearest first.
    fn rungs(&self, who: usize) -> Vec<Rung> {
        let mut met = vec![who];
        let mut rungs = Vec::new();
        loop {
            let at = &self.workers[met[met.len() - 1]];
            match at.manager {
                None if at.lost.contains("managerRef") => rungs.push(Rung::Fog),
                None => {}
                Some(boss) if met.contains(&boss) => {}
                Some(boss) if boss >= PEOPLE => rungs.push(Rung::Fog),
                Some(boss) => {
                    rungs.push(if Self::nameless(&self.workers[boss]) {
                        Rung::BossInFog(boss)
                    } else {
                        Rung::Boss(boss)
                    });
                    met.push(boss);
                    continue;
                }
            }
            return rungs;
        }
    }

    fn key(&self, who: usize, key: &Key) -> Bits {
        let worker = &self.workers[who];
        let absent = |name: &str| if worker.lost.contains(name) { EITHER } else { NO };
        match key {
            Key::Everyone => YES,
            Key::Department(names, exact) => {
                let fits = |path: &Vec<&str>, name: &Vec<&str>| {
                    let ends: Vec<usize> = if *exact {
                        vec![path.len()]
                    } else {
                        (1..=path.len()).collect()
                    };
                    ends.into_iter().any(|end| path[..end].ends_with(name))
                };
                let found = worker
                    .departments
                    .iter()
                    .any(|path| names.iter().any(|name| fits(path, name)));
                if found { YES } else { absent("departments") }
            }
            Key::Title(globs) => worker.title.map_or_else(
                || absent("jobTitle"),
                |title| {
                    let chars = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
                    sure(globs.iter().any(|glob| glob_fits(&chars(glob), &chars(title))))
                },
            ),
            Key::Under(names, depth) => {
                let mut rungs = self.rungs(who);
                rungs.truncate(depth.map_or(usize::MAX, |depth| depth as usize));
                let meant: Vec<Vec<usize>> = names.iter().map(|number| self.called(*number)).collect();
                let is_meant = |boss: &usize| meant.iter().any(|people| people.contains(boss));
                if rungs
                    .iter()
                    .any(|rung| matches!(rung, Rung::Boss(boss) | Rung::BossInFog(boss) if is_meant(boss)))
                {
                    return YES;
                }
                let fog = rungs.iter().any(|rung| !matches!(rung, Rung::Boss(_)));
                if fog || meant.iter().any(Vec::is_empty) {
                    EITHER
                } else {
                    NO
                }
            }
            Key::Work(countries, cities) => {
                let part = |value: Option<&str>, wanted: &[&str]| {
                    value.map_or_else(
                        || absent("workLocation"),
                        |value| sure(wanted.is_empty() || wanted.contains(&value)),
                    )
                };
                let mut parts = vec![part(worker.country, countries)];
                if !cities.is_empty() {
                    parts.push(part(worker.city, cities));
                }
                both(parts)
            }
            Key::Company(names) => worker.company.map_or_else(
                || absent("company"),
                |company| sure(names.iter().any(|name| name.trim().eq_ignore_ascii_case(company))),
            ),
            Key::Tenure(least, most) => match worker.start {
                None => absent("startDate"),
                Some("2026-02-31") => EITHER,
                Some(start) => {
                    let within = |today: &str| {
                        let days = day_number(today) - day_number(start);
                        least.is_none_or(|least| days >= least) && most.is_none_or(|most| days < most)
                    };
                    // Without the connection it may be tomorrow already.
                    let here = within(TODAY);
                    let everywhere = worker.connection != Some(2) || within(TOMORROW) == here;
                    if everywhere { sure(here) } else { EITHER }
                }
            },
            Key::Called(names) => {
                if names.iter().any(|number| self.called(*number).contains(&who)) {
                    YES
                } else if Self::nameless(worker) {
                    EITHER
                } else {
                    NO
                }
            }
        }
    }

    fn selects(&self, who: usize, rule: &Rule) -> Bits {
        let clause = |keys: &Vec<Key>| both(keys.iter().map(|key| self.key(who, key)).collect());
        let mut parts = vec![clause(&rule.all)];
        if !rule.any.is_empty() {
            let any: Vec<Bits> = rule.any.iter().map(clause).collect();
            parts.push((any.iter().any(|bits| bits.0), any.iter().all(|bits| bits.1)));
        }
        for keys in &rule.not {
            let (yes, no) = clause(keys);
            parts.push((no, yes));
        }
        both(parts)
    }

    fn verdict(&self, who: usize) -> Verdict {
        let worker = &self.workers[who];
        let phase = Self::phase(worker);
        let mut verdict = Verdict {
            phase,
            frozen: worker.paused || phase == Phase::Missing,
            ending: None,
            desired: BTreeMap::new(),
            undecided: BTreeSet::new(),
            undecided_grantors: BTreeSet::new(),
            conflicts: BTreeSet::new(),
            matched: BTreeSet::new(),
        };
        if !verdict.frozen && phase == Phase::Terminated {
            verdict.ending = Some(Cause::Termination);
            return verdict;
        }
        if !verdict.frozen && worker.deleting && worker.revoke {
            verdict.ending = Some(Cause::Manual);
            return verdict;
        }
        let phase_name = format!("{phase:?}");
        let mut offers: Vec<(&str, usize, &str, &str)> = Vec::new();
        let mut doubtful: BTreeSet<&str> = BTreeSet::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let name = format!("p{number}");
            let recorded = worker.records.values().any(|record| record.grantors.contains(&name));
            let compiles = !rule.all.is_empty() || !rule.any.is_empty();
            let acts = !rule.plan && rule.fate == Fate::Fine;
            if rule.fate == Fate::Broken {
                verdict.undecided_grantors.insert(name);
                continue;
            }
            if rule.fate == Fate::Deleting && !rule.plan {
                continue;
            }
            if (rule.plan && recorded) || (!rule.plan && rule.fate == Fate::Paused) {
                verdict.undecided_grantors.insert(name.clone());
            }
            let answer = if !compiles {
                EITHER
            } else if rule.phases.contains(&phase_name.as_str()) {
                self.selects(who, rule)
            } else {
                NO
            };
            if answer == YES {
                verdict.matched.insert(name.clone());
            }
            if !acts || answer == NO {
                continue;
            }
            for (thing, limit) in &rule.gives {
                let (entitlement, group, ready) = THINGS[*thing];
                match group {
                    Some(group) if answer == YES && ready => offers.push((group, number, entitlement, limit)),
                    _ => {
                        doubtful.extend(group);
                        verdict.undecided_grantors.insert(name.clone());
                    }
                }
            }
        }
        for group in ["g0", "g1", "g2", "g3"] {
            let mine: Vec<_> = offers.iter().filter(|offer| offer.0 == group).collect();
            let top = mine.iter().map(|offer| self.rules[offer.1].priority).max();
            let limits: BTreeSet<&str> = mine
                .iter()
                .filter(|offer| Some(self.rules[offer.1].priority) == top)
                .map(|offer| offer.3)
                .collect();
            let grantors: BTreeSet<String> = mine.iter().map(|offer| format!("p{}", offer.1)).collect();
            match limits.len() {
                0 if doubtful.contains(group) => {
                    verdict.undecided.insert(group.to_owned());
                }
                0 => {}
                1 => {
                    let entitlement = mine.iter().map(|offer| offer.2).min().unwrap();
                    let mut limit = (*limits.first().unwrap()).to_owned();
                    let record = worker
                        .records
                        .get(group)
                        .filter(|r| r.state != "Pending" && r.state != "Revoked");
                    for name in record.iter().flat_map(|record| &record.grantors) {
                        let outranks = self.rules.iter().enumerate().any(|(number, rule)| {
                            format!("p{number}") == *name && (rule.fate == Fate::Broken || Some(rule.priority) >= top)
                        });
                        if outranks && verdict.undecided_grantors.contains(name) && !grantors.contains(name) {
                            record.unwrap().limit.clone_into(&mut limit);
                        }
                    }
                    let grantors = grantors.into_iter().collect();
                    verdict
                        .desired
                        .insert(group.to_owned(), (entitlement.to_owned(), grantors, limit));
                }
                _ => {
                    verdict.undecided.insert(group.to_owned());
                    verdict.conflicts.insert(group.to_owned());
                }
            }
        }
        verdict
    }
}

fn both(parts: Vec<Bits>) -> Bits {
    (parts.iter().all(|bits| bits.0), parts.iter().any(|bits| bits.1))
}

// ---- What must hold ----------------------------------------------------------------------------------------------

/// What can befall a company without being evidence of anything.
#[derive(Clone, Debug)]
enum Trouble {
    /// An attribute of a person turns null, and that is not confirmed yet.
    Lost(usize, &'static str),
    /// A policy can no longer be read, is paused, or goes to Plan.
    Policy(usize, u8),
    /// An entitlement is gone.
    Thing(usize),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        6 => (0..PEOPLE, select(&LOSABLE[..])).prop_map(|(who, name)| Trouble::Lost(who, name)),
        1 => (0..6_usize, 0..3_u8).prop_map(|(rule, how)| Trouble::Policy(rule, how)),
        1 => (0..3_usize).prop_map(Trouble::Thing),
    ]
}

impl Company {
    fn suffer(&mut self, trouble: &Trouble) {
        match trouble {
            Trouble::Thing(_) => {}
            Trouble::Policy(number, how) => {
                if let Some(rule) = self.rules.get_mut(*number).filter(|rule| rule.fate == Fate::Fine) {
                    match how {
                        0 => rule.fate = Fate::Broken,
                        1 => rule.fate = Fate::Paused,
                        _ => rule.plan = true,
                    }
                }
            }
            Trouble::Lost(who, name) => {
                let worker = &mut self.workers[*who];
                // A rehire clears the termination date, and must not have to wait for a second read.
                let rehire = *name == "terminationDate" && worker.last == Some(Phase::Terminated);
                if worker.connection.is_none() || rehire {
                    return;
                }
                let had = match *name {
                    "workEmail" => worker.email.take().is_some(),
                    "employeeNumber" => worker.number.take().is_some(),
                    "jobTitle" => worker.title.take().is_some(),
                    "employmentStatus" => worker.status.take().is_some(),
                    "startDate" => worker.start.take().is_some(),
                    "terminationDate" => worker.end.take().is_some(),
                    "managerRef" => worker.manager.take().is_some(),
                    "departments" => worker.departments.pop().is_some(),
                    "workLocation" => worker.country.take().is_some() | worker.city.take().is_some(),
                    "company" => worker.company.take().is_some(),
                    _ => false,
                };
                if had {
                    worker.lost.insert(name);
                }
            }
        }
    }

    /// The company on a good day: everybody listed and at work or leaving, every policy in force, and most of them of
    /// one key, so that much hangs on each attribute.
    fn healthy(mut self) -> Self {
        for worker in &mut self.workers {
            (worker.connection, worker.listed, worker.status) = (Some(1), "Present", Some("ACTIVE"));
            (worker.paused, worker.deleting, worker.lost) = (false, false, BTreeSet::new());
            worker.start = worker.start.filter(|start| STARTS[..3].contains(start));
            let rehired = worker.start.is_some();
            worker.end = worker.end.filter(|end| *end > TODAY || (rehired && *end == ENDS[0]));
        }
        for rule in &mut self.rules {
            (rule.fate, rule.plan) = (Fate::Fine, false);
            if !rule.all.is_empty() {
                rule.all.truncate(1);
                rule.any.clear();
                rule.not.clear();
            }
        }
        self
    }

    /// The company once everything that was decided is done and recorded.
    fn settled(mut self) -> Self {
        let index = self.plain_index();
        for (worker, resolution) in self.workers.iter_mut().zip(decided(&index)) {
            worker.last = Some(resolution.phase);
            worker.records = Verdict::of(&resolution)
                .desired
                .into_iter()
                .filter_map(|(group, (_, grantors, limit))| {
                    let group = ["g0", "g1"].into_iter().find(|known| *known == group)?;
                    let limit = ["1", "2"].into_iter().find(|known| *known == limit).unwrap_or_default();
                    Some((
                        group,
                        Record {
                            state: "Granted",
                            grantors,
                            limit,
                        },
                    ))
                })
                .collect();
        }
        self
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: seed(),
        ..ProptestConfig::default()
    }
}

/// A change is judged by the same cases as the one before it; a campaign (`PROPTEST_CASES`) looks for new ones.
fn seed() -> RngSeed {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default().rng_seed
    } else {
        RngSeed::Fixed(20_261_123)
    }
}

proptest! {
    #![proptest_config(config(128))]

    /// Semantics 1 to 6, all at once: what is desired, by whom, with what, and what is undecided.
    #[test]
    fn resolve_decides_what_the_oracle_decides(company in company()) {
        let resolutions = decided(&company.plain_index());
        for (who, resolution) in resolutions.iter().enumerate() {
            prop_assert_eq!(Verdict::of(resolution), company.verdict(who), "e{}: {:?}", who, company.workers[who]);
        }
    }

    /// Nothing is missed for speed: a policy that is not among a person's candidates says no, on any day, and gave
    /// nothing that is on record. The policies are edited in place, so that what was filed before must not stay.
    #[test]
    fn a_policy_that_is_no_candidate_says_no(company in company(), edited in company()) {
        let mut index = company.plain_index();
        decided(&index);
        for number in 0..edited.rules.len() {
            edited.put_nth(&mut index, PEOPLE + number);
        }
        let namespace = index.namespace("tenant").unwrap();
        for person in namespace.employees.values() {
            let candidates: BTreeSet<&String> = namespace.candidates(person).into_iter().map(|(name, _)| name).collect();
            for (name, entry) in namespace.policies.iter().filter(|(name, _)| !candidates.contains(name)) {
                let selector = namespace.selector(entry.readable().unwrap());
                for years in [-10, 0, 1, 20] {
                    let then = now() + jiff::SignedDuration::from_hours(years * 8_766);
                    let found = selector.as_ref().as_ref().unwrap().matches(namespace, person, then, &Zone::utc());
                    prop_assert_eq!(found.tri, Tri::False, "{} {:?}", name, person.spec);
                }
                prop_assert!(person.status.entitlements.iter().all(|record| !record.grantors.contains(name)));
            }
        }
    }

    /// I7: the order in which watches bring objects decides nothing.
    #[test]
    fn the_order_of_arrival_decides_nothing(
        company in company(),
        order in Just((0..PEOPLE + 6).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let objects = PEOPLE + company.rules.len();
        let shuffled = company.index(order.into_iter().filter(|number| *number < objects), false);
        prop_assert_eq!(decided(&company.plain_index()), decided(&shuffled));
    }

    /// I2: who has left desires nothing, and only a pause keeps what they have.
    #[test]
    fn who_has_left_desires_nothing(company in company()) {
        for (worker, resolution) in company.workers.iter().zip(decided(&company.plain_index())) {
            if resolution.phase == Phase::Terminated {
                prop_assert!(resolution.desired.is_empty());
                prop_assert_eq!(resolution.ending.is_none(), worker.paused);
            }
            prop_assert!(resolution.ending.is_none() || resolution.frozen.is_none());
            prop_assert!(resolution.ending.is_none() || resolution.desired.is_empty());
        }
    }

    /// I8: one more policy, of whatever kind, takes nothing that others give, unless it outranks or equals them.
    #[test]
    fn one_more_policy_takes_nothing(company in company(), mut more in rule()) {
        let before = decided(&company.plain_index());
        more.priority = -1;
        let mut larger = company;
        larger.rules.push(more);
        for (before, after) in before.iter().zip(decided(&larger.plain_index())) {
            for (key, desired) in &before.desired {
                let now = after.desired.get(key);
                prop_assert!(now.is_some_and(|now| desired.grantors.iter().all(|one| now.grantors.contains(one))));
            }
        }
    }

    /// What Plan mode announces is what Enforce then decides.
    #[test]
    fn plan_announces_what_enforce_decides(company in company()) {
        let index = company.plain_index();
        let namespace: &Namespace = index.namespace("tenant").unwrap();
        for (number, rule) in company.rules.iter().enumerate() {
            let name = format!("p{number}");
            let mut enforced = company.clone();
            enforced.rules[number].plan = false;
            for who in 0..PEOPLE {
                let delta = would(namespace, &namespace.employees[&format!("e{who}")], &name, now());
                let grants: BTreeSet<String> = delta.grants.into_iter().map(|one| one.key.object.id).collect();
                let revokes: BTreeSet<String> = delta.revokes.into_iter().map(|one| one.key.object.id).collect();
                let (before, after) = (company.verdict(who), enforced.verdict(who));
                let records = &company.workers[who].records;
                let has = |group: &str| {
                    records.get(group).is_some_and(|r| !["Pending", "Revoked", "Revoking"].contains(&r.state))
                };
                let speaks = rule.plan && rule.fate != Fate::Broken && !after.frozen && after.ending.is_none();
                let expected: BTreeSet<String> = after
                    .desired
                    .iter()
                    .filter(|(group, (_, grantors, _))| {
                        speaks && grantors.contains(&name) && !before.desired.contains_key(*group) && !has(group)
                    })
                    .map(|(group, _)| group.clone())
                    .collect();
                prop_assert_eq!(grants, expected, "{} e{}", name, who);
                let expected: BTreeSet<String> = records
                    .iter()
                    .filter(|(group, record)| {
                        let stays = after.desired.contains_key(**group)
                            || (after.undecided.contains(**group) && **group != "g3")
                            || record.grantors.iter().any(|one| after.undecided_grantors.contains(one));
                        speaks && has(group) && record.grantors.contains(&name) && !stays
                    })
                    .map(|(group, _)| (*group).to_owned())
                    .collect();
                prop_assert_eq!(revokes, expected, "{} e{}", name, who);
            }
        }
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// I1 and semantics 3: nulls, unreadable policies and vanished entitlements take nothing, lower nothing, give nothing.
    #[test]
    fn trouble_without_evidence_takes_nothing(
        company in company(),
        troubles in prop::collection::vec(trouble(), 1..6),
    ) {
        let mut company = company.healthy().settled();
        let before = decided(&company.plain_index());
        for trouble in &troubles {
            company.suffer(trouble);
        }
        let mut index = company.plain_index();
        for trouble in &troubles {
            if let Trouble::Thing(thing) = trouble {
                index.remove::<Entitlement>("tenant", THINGS[*thing].0);
            }
        }
        for (who, (before, after)) in before.iter().zip(decided(&index)).enumerate() {
            let worker = &company.workers[who];
            prop_assert_eq!(before.ending, after.ending, "e{}: {:?}", who, worker);
            if after.frozen.is_some() {
                continue;
            }
            for (key, desired) in &before.desired {
                let kept = after.undecided.contains_key(key)
                    || desired.grantors.iter().any(|one| after.undecided_grantors.contains_key(one));
                match after.desired.get(key) {
                    Some(now) => prop_assert_eq!(&now.parameters.get("limit").map_or("", String::as_str),
                        &desired.parameters.get("limit").map_or("", String::as_str), "e{}: {:?}", who, worker),
                    None => prop_assert!(kept, "e{} loses {:?}: {:?}", who, key, worker),
                }
            }
            for key in after.desired.keys() {
                let contradicted = before.conflicts.iter().any(|conflict| conflict.key == *key);
                prop_assert!(before.desired.contains_key(key) || contradicted, "e{} gains {:?}: {:?}", who, key, worker);
            }
        }
    }
}
