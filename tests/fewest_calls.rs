//! How many requests does a change of the directory take, next to the least that could do?
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use rollcall_support::checks::{email, person, person_with, usual_policies};
use rollcall_support::merge::Company;
use rollcall_support::operator::Operator;
use rollcall_support::proxy::Script;
use rollcall_support::story::{list, shape};
use rollcall_support::world::{World, WorldOptions};

/// How many members one PATCH of a group adds and removes at the most.
const MEMBERS_A_PATCH: usize = 100;

/// An account, as far as it is ours to write.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    active: bool,
    name: String,
}

/// A directory: accounts by address, and the members of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Directory {
    accounts: BTreeMap<String, Account>,
    groups: BTreeMap<String, BTreeSet<String>>,
}

type Calls = BTreeMap<&'static str, usize>;

/// The least requests that lead from one state to the other without bulk, for one who has seen the first and believes
/// only what is read back:
///
/// - A new account: a search, since one may be there that nobody told of, and the creation; its answer is the read-back.
/// - Other attributes: a read, since addresses that others put there are written back, and the change.
/// - One that ends or begins to be usable: the change, and a read, since a 200 may have changed nothing.
/// - A group: as few changes as its members fit into, and one read for all of them.
fn least(before: &Directory, after: &Directory) -> Calls {
    let mut calls = Calls::new();
    let mut add = |what: &'static str, number: usize| *calls.entry(what).or_default() += number;
    for (address, account) in &after.accounts {
        match before.accounts.get(address) {
            None => {
                add("scim GET Users", 1);
                add("scim POST Users", 1);
            }
            Some(was) if was.active != account.active || was.name != account.name => {
                add("scim PATCH Users/*", 1);
                add("scim GET Users/*", 1);
            }
            Some(_) => {}
        }
    }
    let none = BTreeSet::new();
    for (group, members) in &after.groups {
        let changes = members
            .symmetric_difference(before.groups.get(group).unwrap_or(&none))
            .count();
        if changes > 0 {
            add("scim PATCH Groups/*", changes.div_ceil(MEMBERS_A_PATCH));
            add("scim GET Groups/*", 1);
        }
    }
    calls
}

#[test]
fn the_least_is_what_no_order_of_requests_can_undercut() {
    let account = |active: bool, name: &str| Account {
        active,
        name: name.to_owned(),
    };
    let members = |number: usize| (0..number).map(|number| number.to_string()).collect::<BTreeSet<_>>();
    let mut before = Directory::default();
    before.groups.insert("all".to_owned(), members(0));
    assert_eq!(least(&before, &before), Calls::new());
    let mut after = before.clone();
    after.groups.insert("all".to_owned(), members(201));
    assert_eq!(
        least(&before, &after),
        [("scim PATCH Groups/*", 3), ("scim GET Groups/*", 1)].into()
    );
    before.accounts.insert("ada".to_owned(), account(true, "Ada"));
    let mut after = before.clone();
    after.accounts.insert("ada".to_owned(), account(false, "Ada"));
    after.accounts.insert("bob".to_owned(), account(true, "Bob"));
    let wanted = [
        ("scim PATCH Users/*", 1),
        ("scim GET Users/*", 1),
        ("scim GET Users", 1),
        ("scim POST Users", 1),
    ];
    assert_eq!(least(&before, &after), wanted.into());
}

async fn directory(world: &World) -> Directory {
    let users = world.scim.users().await.expect("the directory lists users");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let accounts = users.iter().map(|user| {
        let account = Account {
            active: user["active"] != false,
            name: text(&user["displayName"]),
        };
        (text(&user["userName"]), account)
    });
    let groups = world.memberships().await.into_iter();
    Directory {
        accounts: accounts.collect(),
        groups: groups
            .map(|(group, members)| (group, members.into_iter().collect()))
            .collect(),
    }
}

/// Waits until no record says that anything is under way, and of these people what they are to hold.
async fn settled(world: &World, operator: &Operator, wanted: &BTreeMap<String, &[&str]>) {
    world
        .eventually(operator, "everybody has what they should", async || {
            let employees = world.list("Employee").await;
            let mut wrong = Vec::new();
            for (name, wanted) in wanted {
                let found = employees.iter().find(|employee| employee["metadata"]["name"] == **name);
                let records = found.map(|employee| &employee["status"]["entitlements"]);
                let live = records
                    .into_iter()
                    .flat_map(list)
                    .filter(|record| record["state"] != "Revoked");
                let states: BTreeMap<_, _> = live
                    .map(|record| {
                        (
                            record["entitlement"].as_str().unwrap_or_default(),
                            record["state"].clone(),
                        )
                    })
                    .collect();
                let right = states.keys().eq(wanted.iter()) && states.values().all(|state| state == "Granted");
                let account = found.map(|employee| employee["status"]["accounts"][0]["state"].clone());
                let ended = account.is_some_and(|state| state == "Deactivated");
                if !right || ended != wanted.is_empty() {
                    wrong.push(format!("{name}: {states:?}"));
                }
            }
            wrong.is_empty().then_some(()).ok_or_else(|| wrong.join("\n"))
        })
        .await;
}

/// Has all of this become so at the same time: the target is paused until the intents are on record.
async fn at_once(world: &World, operator: &Operator, people: &[String], ready: usize) {
    world
        .kubectl(&["annotate", "tsys", "directory", "rollcall.dev/paused=yes"])
        .await;
    world
        .says(operator, ("TargetSystem", "directory"), "Ready=True/Paused", &[])
        .await;
    // The writer looks at the annotation between rounds, and a round that began before is over by then.
    world.quiet(std::time::Duration::from_secs(1)).await;
    world.apply(&people.concat()).await;
    world
        .eventually(operator, "the intents are on record", async || {
            let employees = world.list("Employee").await;
            let records = employees
                .iter()
                .flat_map(|employee| list(&employee["status"]["entitlements"]));
            let found = records
                .filter(|record| record["state"] == "Granting" || record["state"] == "Revoking")
                .count();
            (found == ready)
                .then_some(())
                .ok_or_else(|| format!("{found} of {ready}"))
        })
        .await;
    world
        .kubectl(&["annotate", "tsys", "directory", "rollcall.dev/paused-"])
        .await;
}

/// What it is called, who it is about, what is applied, how many intents are then ready together (0: as they come), and what
/// everybody holds afterwards.
type Chapter<'a> = (&'a str, &'a [String], Vec<String>, usize, &'a [&'a str]);

/// Without faults, every change takes the least requests there are.
#[tokio::test(flavor = "multi_thread")]
async fn without_faults_every_change_takes_the_least_requests() {
    let mut options = WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::empty());
    options.script = Some(Script::new(|request| &*request.proxy == "scim"));
    // One that has Bulk takes fewer.
    let config = rollcall_support::scim_server::service_provider_config(true, true, false);
    options.scim.service_provider_config = Some(config);
    let world = World::new(options).await;
    world.apply(&usual_policies()).await;
    let operator = world.start().await;
    let settled_before = BTreeMap::from([("first".to_owned(), ["engineering", "everyone"].as_slice())]);
    world.apply(&person("first", "Engineering")).await;
    settled(&world, &operator, &settled_before).await;

    let engineer: &[&str] = &["engineering", "everyone"];
    let seller: &[&str] = &["everyone", "sales"];
    let script = world.script.clone().expect("the world has a script");
    let mut report = Vec::new();
    let many: Vec<String> = (0..50).map(|number| format!("p{number}")).collect();
    let movers: Vec<String> = many.iter().take(8).cloned().collect();
    let left = |name: &String| person_with(name, "departments: [{path: [Sales]}]\nterminationDate: '2026-01-01'");
    let engineers = |names: &[String]| names.iter().map(|name| person(name, "Engineering")).collect::<Vec<_>>();
    let sellers = |names: &[String]| names.iter().map(|name| person(name, "Sales")).collect::<Vec<_>>();
    let ada = ["ada".to_owned()];
    let chapters: [Chapter<'_>; 5] = [
        ("hire", &ada, engineers(&ada), 0, engineer),
        ("transfer", &ada, sellers(&ada), 2, seller),
        ("leave", &ada, ada.iter().map(left).collect(), 2, &[]),
        ("50 hires", &many, engineers(&many), 0, engineer),
        ("department move of 8", &movers, sellers(&movers), 16, seller),
    ];
    for (chapter, names, people, ready, wanted) in chapters {
        world.quiet(std::time::Duration::from_secs(1)).await;
        let before = directory(&world).await;
        script.reset();
        if ready == 0 {
            world.apply(&people.concat()).await;
        } else {
            at_once(&world, &operator, &people, ready).await;
        }
        let wanted = names.iter().map(|name| (name.clone(), wanted)).collect();
        settled(&world, &operator, &wanted).await;
        world.quiet(std::time::Duration::from_secs(1)).await;
        let mut ours: BTreeMap<String, usize> = BTreeMap::new();
        for entry in script.log() {
            *ours.entry(shape(&entry.request)).or_default() += 1;
        }
        let least: BTreeMap<String, usize> = least(&before, &directory(&world).await)
            .into_iter()
            .map(|(what, number)| (what.to_owned(), number))
            .collect();
        let sum = |calls: &BTreeMap<String, usize>| calls.values().sum::<usize>();
        eprintln!("{chapter}: {} requests, {} at least", sum(&ours), sum(&least));
        if ours != least {
            report.push(format!("{chapter}: {ours:?} and not {least:?}"));
        }
    }
    assert!(
        world
            .scim
            .user(&email("ada"))
            .await
            .expect("the directory answers")
            .is_some()
    );
    assert!(report.is_empty(), "{report:#?}");
}
