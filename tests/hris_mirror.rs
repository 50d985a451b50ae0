//! Does the mirror say what HR says, and nothing when HR cannot be believed? Stories over real HTTP against the Merge
//! simulator; what would be written to the cluster is kept in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use rollcall::api::common::{Duration as ApiDuration, SecretKeyRef};
use rollcall::api::employee::{DeletionPolicy, EmployeeSpec, SourceState};
use rollcall::api::hris_connection::{Field, HRISConnectionSpec, InactiveMeans, Merge, SyncKind, Termination};
use rollcall::decide::index::Person;
use rollcall::egress::{Egress, Rules};
use rollcall::hris::client::Patience;
use rollcall::hris::names::employee_name;
use rollcall::hris::{Book, ClientOptions, Diff, Distrust, MergeClient, ReadRequest, diff, read_all};
use rollcall_support::merge::{CANARIES, Company, FieldMappingShape, MergeSim, NewHire, REMOTE_DATA_PATH};
use secrecy::SecretString;
use serde_json::{Value, json};

const CONNECTION: &str = "hr";

fn connection() -> HRISConnectionSpec {
    HRISConnectionSpec {
        merge: Merge::default(),
        api_key_secret_ref: SecretKeyRef::default(),
        account_token_secret_ref: SecretKeyRef::default(),
        sync_interval: ApiDuration::new("5m"),
        full_sync_interval: ApiDuration::new("24h"),
        department_group_types: vec!["DEPARTMENT".into()],
        business_unit_group_types: vec!["BUSINESS_UNIT".into()],
        fields: Field::all(),
        custom_fields: Vec::new(),
        termination: Termination {
            default_time_zone: "UTC".into(),
            ..Termination::default()
        },
        inactive_means: InactiveMeans::Terminated,
        requests_per_minute: 60_000,
    }
}

fn options(sim: &MergeSim) -> ClientOptions {
    let mut options = ClientOptions::new(
        sim.base_url(),
        SecretString::from(sim.api_key()),
        SecretString::from(sim.account_token()),
        Egress::new(Rules::opening(&["127.0.0.0/8"]).unwrap()),
    );
    options.requests_per_minute = 60_000;
    options.patience = Patience {
        retries: 2,
        first_pause: Duration::from_millis(5),
        ..Patience::default()
    };
    options
}

/// A mirror whose cluster is a map.
struct Mirror {
    sim: MergeSim,
    client: MergeClient,
    spec: HRISConnectionSpec,
    book: Book,
    watermark: Option<Timestamp>,
    people: BTreeMap<String, Person>,
    kind: Option<SyncKind>,
    pages: u32,
}

impl Mirror {
    async fn of(company: Company) -> Self {
        let sim = MergeSim::start(company).await;
        sim.set_rate_limit(None);
        Self::with(sim, connection())
    }

    /// A mirror with these custom fields beside every attribute.
    async fn with_custom_fields(company: Company, declared: Value) -> Self {
        let mut mirror = Self::of(company).await;
        mirror.spec.custom_fields = serde_json::from_value(declared).unwrap();
        mirror
    }

    fn with(sim: MergeSim, spec: HRISConnectionSpec) -> Self {
        Self {
            client: MergeClient::new(&options(&sim)).unwrap(),
            sim,
            spec,
            book: Book::default(),
            watermark: None,
            people: BTreeMap::new(),
            kind: None,
            pages: 0,
        }
    }

    async fn sync(&mut self, kind: SyncKind) -> Result<Diff, Distrust> {
        let deleted = |person: &&Person| person.spec.source.as_ref().unwrap().state == SourceState::Deleted;
        let request = ReadRequest {
            kind,
            watermark: self.watermark,
            mirrored: self.people.len() - self.people.values().filter(deleted).count(),
            fields: &self.spec.fields,
            custom_fields: &self.spec.custom_fields,
        };
        let read = read_all(&self.client, &self.book, &request).await?;
        let existing: Vec<_> = self.people.values().collect();
        let diff = diff(
            CONNECTION,
            &self.spec,
            &read.book,
            read.kind,
            &existing,
            Timestamp::now(),
        );
        for (name, spec) in diff.creates.iter().chain(&diff.updates) {
            // Through JSON, as through the API server.
            let spec: EmployeeSpec = serde_json::from_value(serde_json::to_value(spec).unwrap()).unwrap();
            let person = self.people.entry(name.clone()).or_default();
            person.name.clone_from(name);
            person.spec = spec;
        }
        (self.book, self.watermark) = (read.book, read.watermark);
        (self.kind, self.pages) = (Some(read.kind), read.pages);
        Ok(diff)
    }

    async fn full(&mut self) -> Diff {
        self.sync(SyncKind::Full).await.unwrap()
    }

    async fn incremental(&mut self) -> Diff {
        let diff = self.sync(SyncKind::Incremental).await.unwrap();
        assert_eq!(self.kind, Some(SyncKind::Incremental));
        diff
    }

    fn find(&self, merge_id: &str) -> &EmployeeSpec {
        let mut found = self
            .people
            .values()
            .filter(|person| person.spec.source.as_ref().unwrap().merge_id.as_deref() == Some(merge_id));
        let person = found.next().expect("the person is mirrored");
        assert!(found.next().is_none(), "{merge_id} is mirrored once");
        &person.spec
    }

    fn state(&self, merge_id: &str) -> SourceState {
        self.find(merge_id).source.as_ref().unwrap().state
    }

    fn unconfirmed(&self, merge_id: &str) -> Vec<String> {
        self.find(merge_id).source.as_ref().unwrap().unconfirmed.clone()
    }
}

fn counts(diff: &Diff) -> (usize, usize, usize) {
    (diff.creates.len(), diff.updates.len(), diff.departed)
}

fn paths(groups: &[rollcall::api::employee::GroupPath]) -> Vec<String> {
    groups.iter().map(|group| group.path.join("/")).collect()
}

/// Somebody at work in the department, whom nothing is odd about.
fn somebody(sim: &MergeSim, department: &str) -> rollcall_support::merge::Person {
    let people = sim.in_department(department);
    let plain = people
        .into_iter()
        .find(|person| person.status.as_deref() == Some("ACTIVE") && person.title.is_some());
    plain.expect("the department has somebody")
}

#[tokio::test]
async fn a_company_of_250_is_mirrored_in_pages_and_agrees_person_by_person() {
    let mut mirror = Mirror::of(Company::realistic(250, 7)).await;
    let first = mirror.full().await;
    let expected = mirror.sim.people();
    assert_eq!(counts(&first), (expected.len(), 0, 0));
    assert_eq!(first.unchanged, 0);

    let log = mirror.sim.requests();
    let employee_pages = log.iter().filter(|request| request.path == "/employees").count();
    assert_eq!(employee_pages, 3);
    assert!(log.iter().all(|request| request.unknown_parameters.is_empty()));
    assert!(log.iter().all(|request| request.user_agent.starts_with("rollcall/")));
    // Every page but account-details counts.
    assert_eq!(usize::try_from(mirror.pages).unwrap() + 1, log.len());
    println!("a full sync of {} people took {} requests", expected.len(), log.len());

    for person in &expected {
        let spec = mirror.find(&person.id);
        assert_eq!(spec.work_email, person.work_email.as_deref().map(str::to_lowercase));
        assert_eq!(spec.job_title, person.title);
        assert_eq!(spec.employment_type, person.employment_type);
        assert_eq!(spec.employment_status, person.status);
        assert_eq!(
            spec.start_date,
            person.start_date.as_ref().map(|date| date[..10].to_owned())
        );
        assert_eq!(
            spec.termination_date,
            person.termination_date.as_ref().map(|date| date[..10].to_owned())
        );
        assert_eq!(spec.display_name, person.name);
        assert_eq!(
            spec.departments.first().and_then(|path| path.path.last()),
            person.department.as_ref()
        );
        let place = spec.work_location.as_ref();
        assert_eq!(place.and_then(|place| place.name.clone()), person.location);
        assert_eq!(place.and_then(|place| place.country.clone()), person.country);
        let manager = spec
            .manager_ref
            .as_ref()
            .map(|manager| &mirror.people[&manager.name].spec);
        let manager = manager.and_then(|manager| manager.source.clone()?.merge_id);
        assert_eq!(manager, person.manager);
        assert_eq!(mirror.unconfirmed(&person.id), [""; 0]);
        let name = employee_name(CONNECTION, person.remote_id.as_deref().unwrap());
        assert_eq!(mirror.people[&name].spec, *spec);
    }
}

#[tokio::test]
async fn i7_a_second_sync_writes_nothing() {
    let mut mirror = Mirror::of(Company::realistic(120, 3)).await;
    mirror.full().await;
    for kind in [SyncKind::Full, SyncKind::Incremental, SyncKind::Full] {
        let diff = mirror.sync(kind).await.unwrap();
        assert_eq!(
            diff,
            Diff {
                unchanged: mirror.people.len(),
                ..Diff::default()
            }
        );
    }
    // Nor does another process that begins with an empty book.
    let mut restarted = Mirror::with(mirror.sim.clone(), connection());
    restarted.people.clone_from(&mirror.people);
    let diff = restarted.sync(SyncKind::Incremental).await.unwrap();
    assert_eq!(restarted.kind, Some(SyncKind::Full));
    assert!(diff.is_empty());
}

#[tokio::test]
async fn an_incremental_sync_follows_what_hr_does() {
    for (bump, inclusive) in [(false, false), (true, true)] {
        let mut mirror = Mirror::of(Company::realistic(150, 11)).await;
        // Nothing of the initial sync lies within the overlap.
        mirror.sim.set_related_changes_bump(bump);
        mirror.sim.set_bounds_inclusive(inclusive);
        mirror.full().await;
        let sim = mirror.sim.clone();

        sim.reset_requests();
        assert!(mirror.incremental().await.is_empty());
        println!(
            "an incremental sync without changes took {} requests",
            sim.request_count()
        );
        assert_eq!(sim.request_count(), 7);

        let boss = somebody(&sim, "Platform");
        let ada = sim.hire(NewHire {
            job_title: "Platform Engineer".into(),
            department: "Platform".into(),
            manager: Some(boss.id.clone()),
            ..NewHire::named("Ada", "Lovelace")
        });
        assert_eq!(counts(&mirror.incremental().await), (1, 0, 0));
        let spec = mirror.find(&ada).clone();
        assert_eq!(spec.job_title.as_deref(), Some("Platform Engineer"));
        assert_eq!(spec.departments[0].path.last().unwrap(), "Platform");
        assert_eq!(spec.deletion_policy, DeletionPolicy::Orphan);
        assert_eq!(
            mirror.people[&spec.manager_ref.unwrap().name].spec.work_email,
            boss.work_email
        );

        sim.promote(&ada, "Staff Platform Engineer");
        assert_eq!(counts(&mirror.incremental().await), (0, 1, 0));
        assert_eq!(mirror.find(&ada).job_title.as_deref(), Some("Staff Platform Engineer"));

        sim.retitle_in_place(&ada, "Principal Engineer");
        assert_eq!(counts(&mirror.incremental().await), (0, 1, 0));
        assert_eq!(mirror.find(&ada).job_title.as_deref(), Some("Principal Engineer"));

        let before = paths(&mirror.find(&ada).departments);
        let other = sim
            .groups()
            .into_iter()
            .find(|group| {
                group.group_type.as_deref() == Some("DEPARTMENT") && group.name.as_deref() != Some("Platform")
            })
            .unwrap();
        sim.transfer(&ada, other.name.as_deref().unwrap());
        assert_eq!(counts(&mirror.incremental().await), (0, 1, 0));
        assert_ne!(paths(&mirror.find(&ada).departments), before);

        sim.leave(&ada, date(2026, 12, 31));
        assert_eq!(counts(&mirror.incremental().await), (0, 1, 0));
        assert_eq!(mirror.find(&ada).termination_date.as_deref(), Some("2026-12-31"));
        assert_eq!(mirror.state(&ada), SourceState::Present);

        sim.delete(&ada);
        assert_eq!(counts(&mirror.incremental().await), (0, 1, 1));
        assert_eq!(mirror.state(&ada), SourceState::Deleted);
        assert!(mirror.full().await.is_empty());
    }
}

#[tokio::test]
async fn a_moved_group_reaches_everybody_below_it() {
    let mut mirror = Mirror::of(Company::realistic(150, 11)).await;
    mirror.full().await;
    let sim = mirror.sim.clone();
    let members = sim.in_department("Platform");
    assert!(members.len() > 1);
    let unit = sim.add_group("Moonshots", "BUSINESS_UNIT", None);
    sim.move_group("Platform", Some(&unit));
    let diff = mirror.incremental().await;
    assert!(diff.creates.is_empty() && diff.updates.len() >= members.len());
    for member in &members {
        let path = paths(&mirror.find(&member.id).departments);
        assert!(path.iter().any(|path| path == "Moonshots/Platform"), "{path:?}");
    }
    sim.rename_group(&unit, "Horizons");
    mirror.incremental().await;
    assert_eq!(paths(&mirror.find(&members[0].id).departments), ["Horizons/Platform"]);
}

#[tokio::test]
async fn absence_is_recorded_by_a_full_read_only_and_keeps_the_facts() {
    let mut mirror = Mirror::of(Company::realistic(60, 5)).await;
    mirror.full().await;
    let sim = mirror.sim.clone();
    let gone = somebody(&sim, "Platform").id;
    let before = mirror.find(&gone).clone();
    sim.forget(&gone);
    assert!(mirror.incremental().await.is_empty());
    assert_eq!(counts(&mirror.full().await), (0, 1, 1));
    let after = mirror.find(&gone).clone();
    assert_eq!(mirror.state(&gone), SourceState::Absent);
    assert_eq!(
        EmployeeSpec {
            source: before.source.clone(),
            ..after
        },
        before
    );
    assert!(mirror.full().await.is_empty());

    sim.remember(&gone);
    assert_eq!(counts(&mirror.full().await), (0, 1, 0));
    assert_eq!(mirror.state(&gone), SourceState::Present);
}

#[tokio::test]
async fn a_rehire_is_the_same_employee_in_the_same_row_and_another_in_a_new_one() {
    let mut mirror = Mirror::of(Company::realistic(60, 5)).await;
    mirror.full().await;
    let sim = mirror.sim.clone();
    let person = somebody(&sim, "Platform").id;
    sim.leave(&person, date(2026, 10, 31));
    sim.deactivate(&person);
    assert_eq!(counts(&mirror.incremental().await), (0, 1, 0));
    sim.rehire_same_row(&person, date(2026, 11, 16));
    assert_eq!(counts(&mirror.incremental().await), (0, 1, 0));
    let spec = mirror.find(&person).clone();
    assert_eq!(spec.start_date.as_deref(), Some("2026-11-16"));
    assert_eq!(spec.termination_date.as_deref(), Some("2026-10-31"));
    let anew = sim.rehire_new_row(&person, date(2026, 11, 20));
    assert_eq!(counts(&mirror.incremental().await), (1, 0, 0));
    assert_eq!(mirror.find(&anew).work_email, spec.work_email);
    assert_eq!(*mirror.find(&person), spec);
}

#[tokio::test]
async fn an_attribute_that_vanishes_is_unconfirmed_until_a_later_full_read() {
    let mut mirror = Mirror::of(Company::realistic(60, 5)).await;
    mirror.full().await;
    let sim = mirror.sim.clone();
    let person = somebody(&sim, "Platform").id;
    sim.update(&person, |row| {
        row.groups.clear();
        row.employment_status = None;
    });
    mirror.incremental().await;
    let marked = mirror.unconfirmed(&person);
    for name in ["departments", "employmentStatus"] {
        assert!(marked.iter().any(|n| n == name), "{marked:?}");
    }
    assert!(mirror.find(&person).departments.is_empty());
    assert!(mirror.incremental().await.is_empty());
    assert_eq!(counts(&mirror.full().await), (0, 1, 0));
    assert_eq!(mirror.unconfirmed(&person), [""; 0]);
    assert!(mirror.full().await.is_empty());
}

#[tokio::test]
async fn a_group_that_is_not_there_leaves_its_members_in_doubt() {
    let mut mirror = Mirror::of(Company::realistic(60, 5)).await;
    mirror.full().await;
    let sim = mirror.sim.clone();
    let person = somebody(&sim, "Platform").id;
    sim.update_group("Platform", |row| row.meta.forgotten = true);
    mirror.full().await;
    assert_eq!(mirror.unconfirmed(&person), ["departments", "businessUnits", "groups"]);
    // However often it is read.
    assert!(mirror.full().await.is_empty());
    let platform = sim
        .groups()
        .into_iter()
        .find(|group| group.name.as_deref() == Some("Platform"));
    sim.update_group(&platform.unwrap().meta.id, |row| row.meta.forgotten = false);
    mirror.full().await;
    assert_eq!(mirror.unconfirmed(&person), [""; 0]);
}

#[tokio::test]
async fn a_title_does_not_go_back_when_its_position_is_not_there() {
    let mut mirror = Mirror::of(Company::realistic(60, 5)).await;
    let sim = mirror.sim.clone();
    let person = somebody(&sim, "Platform").id;
    let position = sim.promote(&person, "Distinguished Engineer");
    mirror.full().await;
    sim.update_employment(&position, |row| row.meta.forgotten = true);
    assert_eq!(counts(&mirror.full().await), (0, 1, 0));
    assert_eq!(
        mirror.find(&person).job_title.as_deref(),
        Some("Distinguished Engineer")
    );
    assert_eq!(mirror.unconfirmed(&person), ["jobTitle"]);
    assert!(mirror.full().await.is_empty());
    sim.update_employment(&position, |row| row.meta.forgotten = false);
    mirror.full().await;
    assert_eq!(mirror.unconfirmed(&person), [""; 0]);
}

#[tokio::test]
async fn a_place_that_loses_its_country_is_unconfirmed_until_a_later_full_read() {
    let mut mirror = Mirror::of(Company::realistic(60, 5)).await;
    mirror.full().await;
    let sim = mirror.sim.clone();
    let person = sim
        .people()
        .into_iter()
        .find(|person| person.country.is_some())
        .unwrap();
    sim.update_location(person.location.as_deref().unwrap(), |row| row.country = None);
    mirror.incremental().await;
    assert_eq!(mirror.unconfirmed(&person.id), ["workLocation"]);
    assert!(mirror.incremental().await.is_empty());
    mirror.full().await;
    assert_eq!(mirror.unconfirmed(&person.id), [""; 0]);
    assert!(mirror.full().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_believed_changes_nothing_and_says_why() {
    type Break = fn(&MergeSim);
    let cases: &[(&str, &str, Break)] = &[
        ("a page fails", "Unreachable", |sim| {
            sim.faults().fail_page("/employees", 1, 500);
        }),
        ("groups fail", "Unreachable", |sim| {
            sim.faults().fail_always(503, "/groups");
        }),
        ("cut JSON", "Malformed", |sim| sim.faults().truncated_json("/employees")),
        ("cut connection", "Unreachable", |sim| {
            sim.faults().cut_connection("/employments");
        }),
        ("an error with status 200", "Malformed", |sim| {
            sim.faults().error_body_with_200("/employees");
        }),
        ("an error instead of the account", "Malformed", |sim| {
            sim.faults().error_body_with_200("/account-details");
        }),
        ("a gateway's page", "Unreachable", |sim| {
            sim.faults().non_json_502("/locations");
        }),
        ("nobody", "Empty", |sim| sim.faults().empty_results("/employees")),
        ("no groups", "Empty", |sim| sim.faults().empty_results("/groups")),
        ("no positions", "Empty", |sim| {
            sim.faults().empty_results("/employments");
        }),
        ("a failed sync", "SyncFailed", |sim| {
            sim.faults().set_sync_status("Employee", "FAILED");
        }),
        ("failed groups", "SyncFailed", |sim| {
            sim.faults().set_sync_status("Group", "FAILED");
        }),
        ("a partial sync", "SyncPartial", |sim| {
            sim.faults().set_sync_status("Employee", "PARTIALLY_SYNCED");
        }),
        ("a pause", "SyncPaused", |sim| {
            sim.faults().set_sync_status("Employee", "PAUSED");
        }),
        ("no scope", "SyncDisabled", |sim| {
            sim.faults().set_sync_status("Employee", "DISABLED");
        }),
        ("a first sync", "InitialSync", |sim| sim.faults().set_initial_sync(true)),
        ("a lost link", "RelinkNeeded", |sim| sim.faults().relink_needed()),
        ("other credentials", "Unauthorized", |sim| {
            sim.set_credentials("other-CANARY", "other-CANARY");
        }),
        ("forbidden", "Unauthorized", |sim| {
            sim.faults().fail_always(403, "/employees");
        }),
        ("no such place", "Malformed", |sim| {
            sim.faults().fail_always(404, "/employees");
        }),
        ("throttled for good", "Throttled", |sim| {
            sim.faults().throttle(Duration::from_mins(10), 1000);
        }),
    ];
    let mut mirror = Mirror::of(Company::realistic(150, 9)).await;
    mirror.full().await;
    let sim = mirror.sim.clone();
    let (key, token) = (sim.api_key(), sim.account_token());
    let (people, book, watermark) = (mirror.people.clone(), mirror.book.clone(), mirror.watermark);
    // Somebody leaves meanwhile, so that a read that is believed would show.
    let leaver = somebody(&sim, "Platform").id;
    sim.deactivate(&leaver);
    for (what, reason, break_it) in cases {
        break_it(&sim);
        let refused = mirror.sync(SyncKind::Full).await.expect_err(what);
        println!("{what}: {refused}");
        assert_eq!(refused.reason, *reason, "{what}: {refused}");
        assert!(refused.message.contains("Nothing was changed: "), "{what}");
        assert!(!refused.message.contains("CANARY"), "{what}");
        assert!(refused.message.len() < 400 && refused.message.ends_with('.'), "{what}");
        assert_eq!(
            (&mirror.people, &mirror.book, mirror.watermark),
            (&people, &book, watermark)
        );
        sim.faults().clear();
        sim.set_credentials(&key, &token);
    }
    assert_eq!(counts(&mirror.full().await), (0, 1, 0));
    assert_eq!(mirror.find(&leaver).employment_status.as_deref(), Some("INACTIVE"));
}

#[tokio::test]
async fn a_sync_under_way_and_passing_trouble_are_borne() {
    let mut mirror = Mirror::of(Company::realistic(150, 9)).await;
    mirror.full().await;
    let sim = mirror.sim.clone();
    let faults = sim.faults();
    faults.set_sync_status("*", "SYNCING");
    faults.fail_next(1, 500, "/employees");
    faults.fail_next(1, 408, "/groups");
    faults.fail_always(404, "/account-details");
    assert!(mirror.full().await.is_empty());
    faults.clear();
    faults.fail_always(404, "/sync-status");
    assert!(mirror.full().await.is_empty());
    // Models that no attribute needs may do as they like.
    faults.clear();
    faults.set_sync_status("TimeOff", "FAILED");
    assert!(mirror.full().await.is_empty());
}

#[tokio::test]
async fn a_well_formed_answer_that_lacks_people_makes_them_absent_and_no_more() {
    let mut mirror = Mirror::of(Company::realistic(150, 9)).await;
    mirror.full().await;
    mirror.sim.faults().short_results("/employees", 100);
    let missing = mirror.people.len() - 100;
    let diff = mirror.full().await;
    assert_eq!(counts(&diff), (0, missing, missing));
    let absent = |person: &&Person| person.spec.source.as_ref().unwrap().state == SourceState::Absent;
    assert_eq!(mirror.people.values().filter(absent).count(), missing);
    mirror.sim.faults().clear();
    assert_eq!(counts(&mirror.full().await), (0, missing, 0));
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let mut mirror = Mirror::of(Company::realistic(20, 2)).await;
    mirror.sim.faults().throttle(Duration::from_secs(1), 2);
    let start = Instant::now();
    mirror.full().await;
    assert!(start.elapsed() >= Duration::from_millis(1_900), "{:?}", start.elapsed());
    assert_eq!(mirror.people.len(), mirror.sim.people().len());
}

#[tokio::test]
async fn the_budget_of_requests_is_kept() {
    let sim = MergeSim::start(Company::realistic(20, 2)).await;
    sim.set_rate_limit(None);
    let mut options = options(&sim);
    // A burst of 6, then one each second or so.
    options.requests_per_minute = 60;
    let client = MergeClient::new(&options).unwrap();
    let start = Instant::now();
    for _ in 0..8 {
        client.account_details().await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn merges_clock_sets_the_watermark() {
    let mut mirror = Mirror::of(Company::realistic(20, 2)).await;
    let skew = SignedDuration::from_hours(-7);
    mirror.sim.set_clock_skew(skew);
    mirror.full().await;
    let off = (mirror.watermark.unwrap() - Timestamp::now())
        .total(jiff::Unit::Second)
        .unwrap();
    assert!((off - skew.as_secs_f64()).abs() < 10.0, "{off}");
    let ada = mirror.sim.hire(NewHire::named("Ada", "Lovelace"));
    mirror.incremental().await;
    assert_eq!(mirror.find(&ada).given_name.as_deref(), Some("Ada"));
    let request = mirror
        .sim
        .requests()
        .into_iter()
        .rfind(|request| request.path == "/groups")
        .unwrap();
    let after: Timestamp = request.parameter("modified_after").unwrap().parse().unwrap();
    assert!(after < mirror.sim.now() - SignedDuration::from_mins(4));
}

#[tokio::test]
async fn somebody_hired_while_pages_are_read_is_there_after_the_next_read() {
    let mut mirror = Mirror::of(Company::realistic(250, 4)).await;
    let (sim, mover) = (mirror.sim.clone(), somebody(&mirror.sim, "Platform").id);
    let id = mover.clone();
    mirror.sim.before_request("/employees", 1, move || {
        sim.hire(NewHire::named("Ada", "Lovelace"));
        sim.rename(&id, "New", "Name");
    });
    mirror.full().await;
    mirror.incremental().await;
    assert_eq!(mirror.people.len(), mirror.sim.people().len());
    assert_eq!(mirror.find(&mover).given_name.as_deref(), Some("New"));
}

#[tokio::test]
async fn odd_answers_are_borne_and_raw_words_come_through() {
    let mut mirror = Mirror::of(Company::realistic(80, 6)).await;
    mirror.sim.quirks(|quirks| {
        quirks.unknown_fields = true;
        quirks.raw_enums = true;
        quirks.null_elements = true;
        quirks.omit_nulls = true;
    });
    // The HR system's own words, in whatever case.
    mirror.spec.department_group_types = vec!["Department (custom)".into()];
    mirror.spec.business_unit_group_types = vec!["business unit (Custom)".into()];
    mirror.full().await;
    let person = somebody(&mirror.sim, "Platform");
    let spec = mirror.find(&person.id);
    assert_eq!(spec.employment_status.as_deref(), Some("active (Custom)"));
    assert_eq!(spec.departments[0].path.last().unwrap(), "Platform");
    assert_eq!(mirror.unconfirmed(&person.id), [""; 0]);
    assert!(mirror.full().await.is_empty());
}

#[tokio::test]
async fn nulled_attributes_never_fail_a_row() {
    let mut mirror = Mirror::of(Company::realistic(80, 6)).await;
    mirror.full().await;
    let fields = [
        "work_email",
        "groups",
        "employments",
        "manager",
        "modified_at",
        "name",
        "effective_date",
    ];
    mirror
        .sim
        .quirks(|quirks| quirks.null_fields = fields.map(str::to_owned).to_vec());
    mirror.full().await;
    let person = somebody(&mirror.sim, "Platform");
    let spec = mirror.find(&person.id);
    assert_eq!((&spec.work_email, spec.departments.len()), (&None, 0));
    assert!(mirror.unconfirmed(&person.id).contains(&"workEmail".to_owned()));
    mirror.sim.quirks(|quirks| quirks.null_fields.clear());
    mirror.full().await;
    assert_eq!(mirror.find(&person.id).work_email, person.work_email);
    assert_eq!(mirror.unconfirmed(&person.id), [""; 0]);
}

#[tokio::test]
async fn i9_what_is_sensitive_reaches_no_spec_and_what_is_not_allowed_neither() {
    let mut mirror = Mirror::of(Company::realistic(120, 8)).await;
    mirror.sim.quirks(|quirks| quirks.always_sensitive = true);
    mirror.full().await;
    let person = somebody(&mirror.sim, "Platform");
    mirror.sim.delete(&person.id);
    mirror.incremental().await;
    for person in mirror.people.values() {
        let text = serde_json::to_string(&person.spec).unwrap();
        for canary in CANARIES.iter().chain(&["CANARY"]) {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
    // The rows in memory hold none either.
    let book = format!("{:?} {:?}", mirror.book, mirror.client);
    assert!(CANARIES.iter().chain(&["CANARY"]).all(|canary| !book.contains(canary)));

    // Taking attributes off the list takes them out of the mirror, without a mark, and spares the lists behind them.
    mirror.spec.fields = vec![Field::WorkEmail, Field::EmploymentStatus];
    mirror.sim.reset_requests();
    mirror.full().await;
    assert!(mirror.sim.requests().iter().all(|request| request.path != "/groups"));
    for person in mirror.people.values() {
        assert!(person.spec.display_name.is_none() && person.spec.departments.is_empty());
        assert_eq!(person.spec.source.as_ref().unwrap().unconfirmed, [""; 0]);
    }
    // Putting one back needs a list that the book lacks, so everything is read whatever was asked.
    mirror.spec.fields = Field::all();
    mirror.sync(SyncKind::Incremental).await.unwrap();
    assert_eq!(mirror.kind, Some(SyncKind::Full));
    assert!(
        !mirror
            .find(&somebody(&mirror.sim, "Platform").id)
            .departments
            .is_empty()
    );
}

/// A cost centre and a desk from field mappings, one of either kind, and what a badge says from remote data.
fn declared() -> Value {
    json!([
        {"name": "costCenter", "fieldMapping": "cost_center"},
        {"name": "desk", "type": "Integer", "fieldMapping": "desk"},
        {"name": "badge", "remoteData": {"path": REMOTE_DATA_PATH, "pointer": "/badge/number"}},
        {"name": "firstAider", "type": "Boolean", "remoteData": {"path": REMOTE_DATA_PATH, "pointer": "/firstAider"}},
        {"name": "vested", "type": "Date", "remoteData": {"path": REMOTE_DATA_PATH, "pointer": "/vested"}},
    ])
}

fn custom(spec: &EmployeeSpec, name: &str) -> Option<String> {
    spec.custom_fields.get(name).cloned()
}

#[tokio::test]
async fn custom_fields_follow_their_mappings_and_remote_data() {
    let mut mirror = Mirror::with_custom_fields(Company::realistic(60, 5), declared()).await;
    let sim = mirror.sim.clone();
    let row = somebody(&sim, "Platform");
    let person = row.id;
    sim.update(&person, |row| {
        row.remote_fields.insert("firstAider".into(), json!(true));
        row.remote_fields.insert("vested".into(), json!("2027-01-01T00:00:00Z"));
    });
    mirror.full().await;
    let spec = mirror.find(&person).clone();
    assert!(
        custom(&spec, "costCenter").unwrap().starts_with("CC-"),
        "{:?}",
        spec.custom_fields
    );
    assert!(custom(&spec, "desk").unwrap().parse::<u32>().is_ok());
    assert_eq!(custom(&spec, "badge"), row.remote_id.map(|id| format!("B{id}")));
    assert_eq!(custom(&spec, "firstAider").as_deref(), Some("true"));
    assert_eq!(custom(&spec, "vested").as_deref(), Some("2027-01-01"));
    let read = ["badge", "costCenter", "desk", "firstAider", "vested"];
    for employee in mirror.people.values() {
        let source = employee.spec.source.as_ref().unwrap();
        assert_eq!(source.custom_fields, read);
        assert_eq!(source.unconfirmed, [""; 0]);
    }
    // Merge documents two shapes of a mapping, and the order of remote data is no information.
    sim.quirks(|quirks| quirks.field_mappings = FieldMappingShape::Wrapped);
    assert!(mirror.full().await.is_empty());

    sim.update(&person, |row| {
        row.organization_fields.insert("cost_center".into(), json!("CC-9999"));
        row.remote_fields.insert("firstAider".into(), json!(false));
    });
    assert_eq!(counts(&mirror.incremental().await), (0, 1, 0));
    let spec = mirror.find(&person).clone();
    assert_eq!(custom(&spec, "costCenter").as_deref(), Some("CC-9999"));
    assert_eq!(custom(&spec, "firstAider").as_deref(), Some("false"));
    let documented = sim
        .requests()
        .iter()
        .all(|request| request.unknown_parameters.is_empty());
    assert!(documented, "nothing is asked for in a way that Merge does not document");
}

#[tokio::test]
async fn a_custom_field_that_vanishes_or_changes_its_type_is_unconfirmed_until_a_later_full_read() {
    let mut mirror = Mirror::with_custom_fields(Company::realistic(60, 5), declared()).await;
    mirror.full().await;
    let sim = mirror.sim.clone();
    let person = somebody(&sim, "Platform").id;
    sim.update(&person, |row| {
        row.organization_fields.remove("cost_center");
        row.account_fields.insert("desk".into(), json!("by the window"));
        row.remote_fields.insert("badge".into(), json!(["B1", "B2"]));
    });
    assert_eq!(counts(&mirror.incremental().await), (0, 1, 0));
    assert_eq!(mirror.find(&person).custom_fields, BTreeMap::new());
    let marks = ["customFields.badge", "customFields.costCenter", "customFields.desk"];
    assert_eq!(mirror.unconfirmed(&person), marks);
    assert!(mirror.incremental().await.is_empty());
    assert_eq!(counts(&mirror.full().await), (0, 1, 0));
    assert_eq!(mirror.unconfirmed(&person), [""; 0]);
    assert!(mirror.full().await.is_empty());
}

#[tokio::test]
async fn remote_data_that_merge_no_longer_passes_on_leave_what_was_known() {
    let mut mirror = Mirror::with_custom_fields(Company::realistic(60, 5), declared()).await;
    mirror.full().await;
    let person = somebody(&mirror.sim, "Platform").id;
    let before = mirror.find(&person).custom_fields.clone();
    mirror.sim.quirks(|quirks| quirks.no_remote_data = true);
    for _ in 0..3 {
        mirror.full().await;
        assert_eq!(mirror.find(&person).custom_fields, before);
        let marks = ["customFields.badge", "customFields.firstAider", "customFields.vested"];
        assert_eq!(mirror.unconfirmed(&person), marks);
    }
    mirror.sim.quirks(|quirks| quirks.no_remote_data = false);
    mirror.full().await;
    assert_eq!(mirror.find(&person).custom_fields, before);
    assert_eq!(mirror.unconfirmed(&person), [""; 0]);
}

#[tokio::test]
async fn i9_of_mappings_and_remote_data_nothing_is_kept_or_requested_that_is_not_declared() {
    let remote_data = |mirror: &Mirror| {
        let log = mirror.sim.requests();
        let asked = log
            .iter()
            .filter(|request| request.parameter("include_remote_data").is_some());
        asked.map(|request| request.path.clone()).collect::<Vec<_>>()
    };
    // Nothing declared: mappings come all the same, and are dropped.
    let mut mirror = Mirror::of(Company::realistic(60, 5)).await;
    mirror.full().await;
    assert_eq!(remote_data(&mirror), [""; 0]);
    assert!(!format!("{:?}", mirror.book).contains("CC-"));
    assert!(
        mirror
            .people
            .values()
            .all(|person| person.spec.custom_fields.is_empty())
    );

    // A mapping: one value, and no remote data. The book lacks it, so that everything is read whatever was asked.
    mirror.spec.custom_fields = serde_json::from_value(json!([{"name": "desk", "fieldMapping": "desk"}])).unwrap();
    mirror.sync(SyncKind::Incremental).await.unwrap();
    assert_eq!(mirror.kind, Some(SyncKind::Full));
    assert_eq!(remote_data(&mirror), [""; 0]);
    assert!(!format!("{:?}", mirror.book).contains("CC-"));
    let person = somebody(&mirror.sim, "Platform").id;
    assert_eq!(mirror.find(&person).custom_fields.keys().collect::<Vec<_>>(), ["desk"]);

    // Remote data: of people only, where the national id and the salary stand beside the badge.
    mirror.spec.custom_fields = serde_json::from_value(declared()).unwrap();
    mirror.sync(SyncKind::Incremental).await.unwrap();
    mirror.sync(SyncKind::Incremental).await.unwrap();
    let asked = remote_data(&mirror);
    assert!(
        asked.len() > 1 && asked.iter().all(|path| path == "/employees"),
        "{asked:?}"
    );
    let kept = format!(
        "{:?} {}",
        mirror.book,
        json!(mirror.people.values().map(|p| &p.spec).collect::<Vec<_>>())
    );
    assert!(kept.contains("CC-"));
    for canary in CANARIES.iter().chain(&["CANARY", "lobby", "nationalId"]) {
        assert!(!kept.contains(canary), "{canary} is kept");
    }

    // Taken back, they go, without a mark.
    mirror.spec.custom_fields.clear();
    mirror.full().await;
    assert!(!format!("{:?}", mirror.book).contains("CC-"));
    for person in mirror.people.values() {
        let source = person.spec.source.as_ref().unwrap();
        assert_eq!((person.spec.custom_fields.len(), source.unconfirmed.len()), (0, 0));
        assert_eq!(source.custom_fields, [""; 0]);
    }
}
