//! A product of the kind that grew: one way to ask, forms, an envelope of its own around answers that are all 200, tickets that
//! die early, numbers for ids and logins for members, accounts that can only be listed, and a role set within each.

use std::collections::{BTreeMap, BTreeSet};
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use serde_json::{Value, json};

use crate::tenant::{Tenant, leaver, object, person, secret};

/// Members on a page of a list.
const PAGE: usize = 2;
/// How often a ticket can be shown.
const USES: usize = 40;
const KEY: &str = "key-of-the-intranet";

#[derive(Debug, Clone)]
struct Member {
    number: u32,
    login: String,
    mail: String,
    roles: BTreeSet<u32>,
    open: bool,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    born: u32,
    clubs: BTreeMap<String, BTreeSet<String>>,
    tickets: BTreeMap<String, usize>,
    sessions: usize,
    asked: usize,
    /// What was done, in order.
    done: Vec<String>,
}

/// Of each member by login, whether they can log in, and the numbers of their roles.
type Members = BTreeMap<String, (bool, Vec<u32>)>;
/// What is wrong, how it comes about, and what is said of it.
type Mistake = (&'static str, fn(&mut Value), &'static [&'static str]);

#[derive(Clone)]
struct Intranet {
    url: String,
    state: Arc<Mutex<State>>,
}

const ROLES: [(u32, &str); 3] = [(11, "reader"), (12, "writer"), (13, "auditor")];

impl Intranet {
    async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let kept = state.clone();
        let answer = move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
            let ticket = headers.get("x-ticket").map_or("", |ticket| ticket.to_str().unwrap());
            let (code, payload) = serve(&mut kept.lock().unwrap(), uri.path(), &form, ticket);
            let envelope = json!({"result": {"code": code, "text": "see the code"}, "payload": payload});
            async move { Json(envelope) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, axum::Router::new().fallback(answer)).into_future());
        Self { url, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Everybody, and who is in the club.
    fn seen(&self) -> (Members, Vec<String>) {
        let state = self.state();
        let members = state.members.iter();
        let members = members.map(|member| {
            let roles = member.roles.iter().copied().collect();
            (member.login.clone(), (member.open, roles))
        });
        let club = state.clubs.get("chess").into_iter().flatten().cloned();
        (members.collect(), club.collect())
    }

    fn by_hand(&self, login: &str, change: impl FnOnce(&mut BTreeSet<u32>)) {
        let mut state = self.state();
        let member = state.members.iter_mut().find(|member| member.login == login).unwrap();
        change(&mut member.roles);
    }
}

fn serve(state: &mut State, path: &str, form: &[(String, String)], ticket: &str) -> (u32, Value) {
    let field = |name: &str| {
        let found = form.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    if path == "/rpc/session.open" {
        if field("secret") != KEY {
            return (4010, Value::Null);
        }
        state.sessions += 1;
        let ticket = format!("ticket-{}", state.sessions);
        state.tickets.insert(ticket.clone(), USES);
        return (0, json!({"session": {"ticket": ticket, "seconds": "3600"}}));
    }
    match state.tickets.get_mut(ticket) {
        Some(left) if *left > 0 => *left -= 1,
        _ => return (4010, Value::Null),
    }
    state.asked += 1;
    if state.asked == 30 {
        return (4291, Value::Null);
    }
    let shown = |member: &Member| {
        json!({"no": member.number, "login": member.login, "mail": member.mail, "roles": member.roles,
            "state": u8::from(member.open)})
    };
    let number: u32 = field("no").parse().unwrap_or_default();
    let place = state.members.iter().position(|member| member.number == number);
    let verb = path.strip_prefix("/rpc/").unwrap_or_default();
    if verb.starts_with("member.") && !matches!(verb, "member.list" | "member.add") {
        let Some(place) = place else { return (4040, Value::Null) };
        let roles: Vec<&(String, String)> = form.iter().filter(|(name, _)| name == "role[]").collect();
        let member = &mut state.members[place];
        match verb {
            "member.lock" => member.open = false,
            "member.unlock" => member.open = true,
            "member.roles" if roles.is_empty() => return (4000, Value::Null),
            "member.roles" => member.roles = roles.iter().map(|(_, role)| role.parse().unwrap()).collect(),
            "member.noroles" => member.roles.clear(),
            "member.drop" => drop(state.members.remove(place)),
            _ => return (4000, Value::Null),
        }
        state.done.push(format!("{verb} {number}"));
        return (0, Value::Null);
    }
    match verb {
        "member.list" => {
            let offset: usize = field("offset").parse().unwrap();
            let page: Vec<Value> = state.members.iter().skip(offset).take(PAGE).map(shown).collect();
            (
                0,
                json!({"offset": offset, "total": state.members.len(), "members": page}),
            )
        }
        "member.add" => {
            if state.members.iter().any(|member| member.login == field("login")) {
                return (4090, Value::Null);
            }
            state.born += 1;
            let member = Member {
                number: 7000 + state.born,
                login: field("login").to_owned(),
                mail: field("mail").to_owned(),
                roles: BTreeSet::new(),
                open: true,
            };
            state.done.push(format!("member.add {}", member.login));
            state.members.push(member.clone());
            (0, json!({"member": shown(&member)}))
        }
        "role.list" => {
            let after: u32 = field("after").parse().unwrap_or_default();
            let role = ROLES.iter().find(|(number, _)| *number > after);
            let roles: Vec<Value> = role
                .iter()
                .map(|(no, title)| json!({"no": no, "title": title}))
                .collect();
            let next = role.map(|(number, _)| *number).filter(|number| *number < 13);
            (0, json!({"roles": roles, "next": next}))
        }
        "club.members" => {
            let logins = state.clubs.get(field("club")).filter(|logins| !logins.is_empty());
            (0, json!({"logins": logins}))
        }
        "club.join" | "club.leave" => {
            let login = field("login").to_owned();
            state.done.push(format!("{verb} {login}"));
            let club = state.clubs.entry(field("club").to_owned()).or_default();
            match (verb, club.contains(&login)) {
                ("club.join", true) => return (4090, Value::Null),
                ("club.leave", false) => return (4040, Value::Null),
                ("club.join", false) => drop(club.insert(login)),
                _ => drop(club.remove(&login)),
            }
            (0, Value::Null)
        }
        _ => (4000, Value::Null),
    }
}

/// The description, with the address in it.
fn described(url: &str) -> Value {
    let text = include_str!("intranet.yaml").replace("BASE", url);
    serde_yaml::from_str(&text).unwrap()
}

fn entitlement(name: &str, http: &Value) -> String {
    object(
        "Entitlement",
        name,
        &json!({"targetRef": {"name": "intranet"}, "http": http}),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_and_forms_and_everything_else_of_its_own() {
    let (intranet, tenant) = tokio::join!(Intranet::start(), Tenant::new());
    let outsider = |number: u32| Member {
        number,
        login: format!("outsider{number}"),
        mail: format!("outsider{number}@example.org"),
        roles: BTreeSet::from([12, 13]),
        open: true,
    };
    intranet.state().members.extend([1, 2, 3].map(outsider));
    let others: Members = (1..=3)
        .map(|number| (format!("outsider{number}"), (true, vec![12, 13])))
        .collect();
    let with = |people: &[(&str, bool, &[u32])], club: &[&str]| {
        let people = people
            .iter()
            .map(|(name, open, roles)| ((*name).to_owned(), (*open, roles.to_vec())));
        let club: Vec<String> = club.iter().map(|name| (*name).to_owned()).collect();
        (others.clone().into_iter().chain(people).collect::<Members>(), club)
    };
    let look = async || intranet.seen();
    tenant
        .apply(&[
            secret("intranet", "key", KEY),
            object("TargetSystem", "intranet", &described(&intranet.url)),
            entitlement("reader", &json!({"kind": "role", "inputs": {"title": "reader"}})),
            entitlement("writer", &json!({"kind": "role", "inputs": {"title": "writer"}})),
            entitlement("chess", &json!({"kind": "club", "inputs": {"club": "chess"}})),
            rollcall_support::world::World::policy("everyone", "{everyone: true}", &["reader"]),
            rollcall_support::world::World::policy("editors", "{department: {in: [Content]}}", &["writer", "chess"]),
            person("ada", "Content"),
            person("bob", "Content"),
        ])
        .await;
    let hired = with(&[("ada", true, &[11, 12]), ("bob", true, &[11, 12])], &["ada", "bob"]);
    tenant.until("both are hired", hired.clone(), look).await;
    let granted = [("reader", "Granted"), ("writer", "Granted"), ("chess", "Granted")];
    tenant.holds("ada", &granted).await;
    tenant.holds("bob", &granted).await;
    tenant
        .unmanaged("writer", &["outsider1", "outsider2", "outsider3"])
        .await;

    intranet.by_hand("ada", BTreeSet::clear);
    intranet.state().clubs.get_mut("chess").unwrap().remove("bob");
    tenant.until("what was taken is given again", hired, look).await;

    // A role of others' stays through every change, and where the set would be empty the other call is sent.
    intranet.by_hand("ada", |roles| roles.extend([13]));
    tenant.apply(&[person("ada", "Sales"), person("bob", "Sales")]).await;
    let moved = with(&[("ada", true, &[11, 13]), ("bob", true, &[11])], &[]);
    tenant.until("both are moved", moved, look).await;
    tenant.holds("ada", &[("reader", "Granted")]).await;
    tenant.holds("bob", &[("reader", "Granted")]).await;

    tenant.apply(&[leaver("bob", "Sales")]).await;
    let left = with(&[("ada", true, &[11, 13])], &[]);
    tenant.until("one has left", left, look).await;
    tenant.holds("bob", &[]).await;

    // I4: each was made once.
    let done = intranet.state().done.clone();
    let made: Vec<&String> = done.iter().filter(|what| what.starts_with("member.add")).collect();
    assert_eq!(made.len(), 2, "{done:?}");
    let joined: Vec<&String> = done.iter().filter(|what| *what == "club.join ada").collect();
    assert_eq!(joined.len(), 1, "{done:?}");
    assert!(intranet.state().sessions > 1, "a ticket died");
}

/// I1: what is wrong with a description is said where it stands, sends nothing, and takes nothing from anybody.
#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_said_and_take_nothing() {
    let (intranet, tenant) = tokio::join!(Intranet::start(), Tenant::new());
    let good = described(&intranet.url);
    let reader = entitlement("reader", &json!({"kind": "role", "inputs": {"title": "reader"}}));
    tenant
        .apply(&[
            secret("intranet", "key", KEY),
            object("TargetSystem", "intranet", &good),
            reader.clone(),
            rollcall_support::world::World::policy("editors", "{department: {in: [Content]}}", &["reader"]),
            person("ada", "Content"),
        ])
        .await;
    tenant.holds("ada", &[("reader", "Granted")]).await;
    let held = intranet.seen();

    let mistakes: [Mistake; 5] = [
        (
            "an unknown variable",
            |spec| spec["http"]["account"]["deactivate"]["form"]["no"] = json!("${itm.no}"),
            &["spec.http.account.deactivate.form[no]: line 1, column 3", "itm"],
        ),
        (
            "an attribute that is misspelt",
            |spec| spec["http"]["account"]["matches"] = json!("item.login == employee.userName"),
            &["spec.http.account.matches: line 1", "username"],
        ),
        (
            "a text where a truth is wanted",
            |spec| spec["http"]["account"]["active"] = json!("'yes'"),
            &["spec.http.account.active: it is a text, and must be true or false"],
        ),
        (
            "a revocation that speaks of the Employee",
            |spec| spec["http"]["kinds"][1]["revoke"]["form"]["login"] = json!("${employee.username}"),
            &["spec.http.kinds[1].revoke.form[login]", "employee"],
        ),
        (
            "a missing operation",
            |spec| drop(spec["http"]["kinds"][1].as_object_mut().unwrap().remove("revoke")),
            &["spec.http.kinds[1].revoke: is missing"],
        ),
    ];
    for (what, change, words) in mistakes {
        let mut broken = good.clone();
        change(&mut broken);
        tenant.apply(&[object("TargetSystem", "intranet", &broken)]).await;
        println!("{what}");
        tenant.ready("TargetSystem", "intranet", "False", words).await;
    }
    // While it is broken somebody moves: nothing is sent.
    tenant.apply(&[person("ada", "Sales")]).await;
    tenant
        .ready(
            "Entitlement",
            "reader",
            "False",
            &["TargetSystem intranet is not valid"],
        )
        .await;
    let asked = intranet.state().asked;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!((intranet.seen(), intranet.state().asked), (held.clone(), asked));

    // What the API server can tell is refused at once, with the field.
    let mut typo = good.clone();
    typo["http"]["account"]["creat"] = json!({"method": "POST", "path": "/member.add"});
    let refused = tenant.world.try_apply(&object("TargetSystem", "intranet", &typo)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("spec.http.account.creat"), "{refused}");

    // The same of an Entitlement.
    tenant.apply(&[object("TargetSystem", "intranet", &good)]).await;
    tenant.ready("TargetSystem", "intranet", "True", &[]).await;
    tenant.holds("ada", &[]).await;
    // The list of everybody names no role that nobody has, and that is an answer too.
    tenant.apply(&[person("ada", "Content")]).await;
    tenant.holds("ada", &[("reader", "Granted")]).await;
    for (http, words) in [
        (
            json!({"kind": "roles", "inputs": {"title": "reader"}}),
            &["spec.http.kind", "role"][..],
        ),
        (
            json!({"kind": "role", "inputs": {"name": "reader"}}),
            &["spec.http.inputs", "title"][..],
        ),
    ] {
        tenant.world.kubectl(&["delete", "ent", "reader"]).await;
        tenant.apply(&[entitlement("reader", &http)]).await;
        tenant.ready("Entitlement", "reader", "False", words).await;
    }
    tenant.world.kubectl(&["delete", "ent", "reader"]).await;
    tenant.apply(&[reader]).await;
    tenant.ready("Entitlement", "reader", "True", &[]).await;
    tenant.holds("ada", &[("reader", "Granted")]).await;
    assert_eq!(intranet.seen(), held);
    let done = intranet.state().done.clone();
    let [given, taken] = ["member.roles 7001", "member.noroles 7001"];
    assert_eq!(done, ["member.add ada", given, taken, given]);
}
