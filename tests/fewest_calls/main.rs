//! How many requests does a change of the directory take, next to the least that could do?
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

mod bank;
mod faults;
mod least;
mod stage;
mod with_faults;

use std::collections::BTreeMap;

use rollcall_support::checks::{email, person, person_with, usual_policies};
use rollcall_support::merge::Company;
use rollcall_support::proxy::Script;
use rollcall_support::story::shape;
use rollcall_support::world::{World, WorldOptions};

use crate::least::{Account, Directory, least};
use crate::stage::{Arrival, arrive, settled};

/// How long a change may take where nothing fails.
const SOON: std::time::Duration = std::time::Duration::from_mins(1);

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

/// What it is called, who it is about, what is applied, how that comes in, and what everybody holds afterwards.
type Chapter<'a> = (&'a str, &'a [String], Vec<String>, Arrival, &'a [&'a str]);

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
    settled(&world, &operator, "directory", SOON, &settled_before).await;

    let engineer: &[&str] = &["engineering", "everyone"];
    let seller: &[&str] = &["everyone", "sales"];
    let script = world.script.clone().expect("the world has a script");
    let mut report = Vec::new();
    let (many, others, few) = (stage::names("p", 50), stage::names("q", 30), stage::names("r", 3));
    let (movers, leavers) = (many[..8].to_vec(), many[8..12].to_vec());
    let left = |name: &String| person_with(name, "departments: [{path: [Sales]}]\nterminationDate: '2026-01-01'");
    let gone = |name: &String| {
        person_with(
            name,
            "departments: [{path: [Engineering]}]\nterminationDate: '2026-01-01'",
        )
    };
    let engineers = |names: &[String]| names.iter().map(|name| person(name, "Engineering")).collect::<Vec<_>>();
    let sellers = |names: &[String]| names.iter().map(|name| person(name, "Sales")).collect::<Vec<_>>();
    let renamed = |people: Vec<String>| -> Vec<String> {
        let married = |person: String| person.replace("displayName: ", "displayName: married ");
        people.into_iter().map(married).collect()
    };
    let ada = ["ada".to_owned()];
    let chapters: [Chapter<'_>; 9] = [
        ("hire", &ada, engineers(&ada), Arrival::AsTheyCome, engineer),
        ("transfer", &ada, sellers(&ada), Arrival::Intents(2), seller),
        ("leave", &ada, ada.iter().map(left).collect(), Arrival::Intents(2), &[]),
        ("50 hires", &many, engineers(&many), Arrival::LookUps, engineer),
        ("3 hires", &few, engineers(&few), Arrival::LookUps, engineer),
        (
            "department move of 8",
            &movers,
            sellers(&movers),
            Arrival::Intents(16),
            seller,
        ),
        (
            "8 other names",
            &movers,
            renamed(sellers(&movers)),
            Arrival::AsTheyCome,
            seller,
        ),
        (
            "4 leave",
            &leavers,
            leavers.iter().map(gone).collect(),
            Arrival::Intents(8),
            &[],
        ),
        (
            "30 hires as they come",
            &others,
            engineers(&others),
            Arrival::AsTheyCome,
            engineer,
        ),
    ];
    for (chapter, names, people, arrival, wanted) in chapters {
        world.quiet(std::time::Duration::from_secs(1)).await;
        let before = directory(&world).await;
        script.reset();
        arrive(&world, &operator, "directory", names, &people, arrival).await;
        let wanted = names.iter().map(|name| (name.clone(), wanted)).collect();
        settled(&world, &operator, "directory", SOON, &wanted).await;
        world.quiet(std::time::Duration::from_secs(1)).await;
        let mut ours: BTreeMap<String, usize> = BTreeMap::new();
        for entry in script.log() {
            *ours.entry(shape(&entry.request)).or_default() += 1;
        }
        let least: BTreeMap<String, usize> = least(&before, &directory(&world).await, false)
            .into_iter()
            .map(|(what, number)| (what.to_owned(), number))
            .collect();
        let sum = |calls: &BTreeMap<String, usize>| calls.values().sum::<usize>();
        eprintln!("{chapter}: {} requests, {} at least", sum(&ours), sum(&least));
        // Into how many batches people fall who come one after the other is kubectl's doing: a figure, and no more.
        if ours != least && *names != *others {
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
