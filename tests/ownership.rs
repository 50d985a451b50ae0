//! What becomes of holders that no record explains: are they listed, and where an Entitlement is Authoritative, do exactly
//! those lose it who should, once, and after the guard?
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use rollcall_support::checks::{email, person, person_with, usual};
use rollcall_support::merge::Company;
use rollcall_support::operator::Operator;
use rollcall_support::world::World;
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_rollcall");
const QUIET: Duration = Duration::from_secs(3);

/// A tenant whose people are written by hand, whose directory is read every second; Eve and Finn are engineers.
async fn tenant(more: &str) -> (World, Operator) {
    let world = usual(BINARY, Company::empty()).await;
    // Its people are not to be waited for.
    world.kubectl(&["delete", "hrisconnection", "hr"]).await;
    target(&world, more).await;
    world
        .apply(&[person("eve", "Engineering"), person("finn", "Engineering")].concat())
        .await;
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["eve", "finn"]).await;
    world.has_members(&operator, "Everyone", &["eve", "finn"]).await;
    (world, operator)
}

async fn target(world: &World, more: &str) {
    let patch = format!("{{\"spec\": {{\"resync\": \"1s\"{more}}}}}");
    world
        .kubectl(&["patch", "tsys", "directory", "--type=merge", "-p", &patch])
        .await;
}

async fn own(world: &World, entitlement: &str, ownership: &str) {
    let patch = json!({"spec": {"ownership": ownership}}).to_string();
    world
        .kubectl(&["patch", "ent", entitlement, "--type=merge", "-p", &patch])
        .await;
}

/// Somebody puts a new account into a group by hand.
async fn add_by_hand(world: &World, group: &str, name: &str) -> String {
    let user = world.scim.create_user(&email(name)).await.unwrap();
    join(world, group, &user).await;
    user
}

async fn join(world: &World, group: &str, user: &str) {
    let groups = world.scim.groups().await.unwrap();
    let group = groups.iter().find(|found| found["displayName"] == group).unwrap();
    world
        .scim
        .add_member(group["id"].as_str().unwrap(), user)
        .await
        .unwrap();
}

fn unmanaged(entitlement: &Value) -> Vec<(String, String)> {
    let list = entitlement["status"]["unmanaged"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.iter()
        .map(|entry| (text(&entry["accountId"]), text(&entry["state"])))
        .collect()
}

/// Waits until the list of an Entitlement has these accounts in these states; returns the Entitlement.
async fn lists(world: &World, operator: &Operator, entitlement: &str, wanted: &[(&str, &str)]) -> Value {
    let mut wanted: Vec<(String, String)> = wanted
        .iter()
        .map(|(id, state)| ((*id).to_owned(), (*state).to_owned()))
        .collect();
    wanted.sort();
    let mut found = Value::Null;
    world
        .eventually(operator, &format!("{entitlement} lists {wanted:?}"), async || {
            found = world.get("Entitlement", entitlement).await;
            (unmanaged(&found) == wanted)
                .then_some(())
                .ok_or_else(|| found["status"].to_string())
        })
        .await;
    found
}

fn removals(world: &World) -> Vec<Value> {
    let audit = world.audit();
    let done = |line: &Value| line["effect"] == "revoke" && line["answer"] == "done, and read back";
    audit.into_iter().filter(done).collect()
}

/// I1, I7: a stranger is listed, and nothing more; Authoritative, the stranger goes, and only the stranger.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_listed_and_then_taken() {
    let (world, operator) = tenant("").await;
    let stranger = add_by_hand(&world, "Engineering", "stranger").await;
    lists(&world, &operator, "engineering", &[(&stranger, "Found")]).await;
    let figures = json!({"holders": 2, "held": 0, "unmanagedHolders": 1});
    world
        .eventually(&operator, "the figures follow", async || {
            let status = &world.get("Entitlement", "engineering").await["status"];
            let shown = json!({"holders": status["holders"], "held": status["held"],
                "unmanagedHolders": status["unmanagedHolders"]});
            if shown == figures {
                Ok(())
            } else {
                Err(shown.to_string())
            }
        })
        .await;
    let found = world.get("Entitlement", "engineering").await;
    let table = world.kubectl(&["get", "ent", "engineering"]).await;
    assert!(table.contains("UNMANAGED"), "{table}");

    // I7: looks go on, writes do not.
    world.script.as_ref().unwrap().reset();
    tokio::time::sleep(QUIET).await;
    let later = world.get("Entitlement", "engineering").await;
    assert_eq!(
        later["metadata"]["resourceVersion"],
        found["metadata"]["resourceVersion"]
    );
    assert_eq!(world.changes(), Vec::<String>::new());

    own(&world, "engineering", "Authoritative").await;
    world.has_members(&operator, "Engineering", &["eve", "finn"]).await;
    let gone = lists(&world, &operator, "engineering", &[(&stranger, "Revoked")]).await;
    let entry = &gone["status"]["unmanaged"][0];
    assert_eq!(
        (&entry["cause"], &entry["release"]),
        (&json!("Drift"), &json!("Budget"))
    );
    assert!(
        entry["releasedAt"].is_string() && entry["revokedAt"].is_string(),
        "{entry}"
    );
    assert_eq!(world.losses().len(), 1, "{:?}", world.losses());
    let lines = removals(&world);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&lines[0]["account"], &lines[0]["cause"]),
        (&json!(stranger), &json!("Drift"))
    );
    world.has_members(&operator, "Everyone", &["eve", "finn"]).await;
}

/// I6: a whole crowd waits for a person, and goes once approved.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_held_until_a_person_decides() {
    let (world, operator) = tenant("").await;
    let mut crowd = Vec::new();
    for number in 0..30 {
        crowd.push(
            world
                .scim
                .create_user(&email(&format!("crowd{number:02}")))
                .await
                .unwrap(),
        );
    }
    for user in &crowd {
        join(&world, "Engineering", user).await;
    }
    let all = |state: &'static str| -> Vec<(&str, &str)> { crowd.iter().map(|id| (id.as_str(), state)).collect() };
    lists(&world, &operator, "engineering", &all("Found")).await;
    world.script.as_ref().unwrap().reset();
    own(&world, "engineering", "Authoritative").await;
    let held = lists(&world, &operator, "engineering", &all("Held")).await;
    assert_eq!(held["status"]["held"], 30);
    let name = held["status"]["unmanaged"][0]["changeSet"].as_str().unwrap().to_owned();
    let set = world.get("ChangeSet", &name).await;
    let status = &set["status"];
    assert_eq!((&status["cause"], &status["people"]), (&json!("Drift"), &json!(30)));
    let line = status["sample"][0].as_str().unwrap();
    assert!(
        line.starts_with("account/") && line.contains("-engineering at directory"),
        "{line}"
    );
    world
        .says(
            &operator,
            ("TargetSystem", "directory"),
            "ChangesHeld=True/OverBudget",
            &["30 people", &name],
        )
        .await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(world.losses(), Vec::<String>::new());

    let digest = status["digest"].as_str().unwrap();
    let patch = json!({"spec": {"decision": "Approve", "digest": digest, "reason": "as agreed"}}).to_string();
    world
        .kubectl(&["patch", "chgset", &name, "--type=merge", "-p", &patch])
        .await;
    world.has_members(&operator, "Engineering", &["eve", "finn"]).await;
    let gone = lists(&world, &operator, "engineering", &all("Revoked")).await;
    assert_eq!(gone["status"]["unmanaged"][0]["release"], "Approved");
    assert_eq!(removals(&world).len(), 30);
}

/// A leaver who still holds what somebody else gave: the Employee says so until it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_with_what_others_gave() {
    let (world, operator) = tenant("").await;
    let users = world.scim.users().await.unwrap();
    let eve = users.iter().find(|user| user["userName"] == email("eve")).unwrap();
    let eve = eve["id"].as_str().unwrap().to_owned();
    join(&world, "Sales", &eve).await;
    lists(&world, &operator, "sales", &[(&eve, "Found")]).await;
    assert!(world.condition("Employee", "eve", "UnmanagedAccess").await.is_null());
    let leaving = "departments: [{path: [Engineering]}]\nterminationDate: '2026-01-01'";
    world.apply(&person_with("eve", leaving)).await;
    world
        .complains(
            &operator,
            ("Employee", "eve"),
            "UnmanagedAccess=True/GivenByOthers",
            &["sales at directory", "Authoritative"],
        )
        .await;
    own(&world, "sales", "Authoritative").await;
    world.has_members(&operator, "Sales", &[]).await;
    world
        .eventually(&operator, "nothing is left to say", async || {
            let condition = world.condition("Employee", "eve", "UnmanagedAccess").await;
            condition.is_null().then_some(()).ok_or_else(|| condition.to_string())
        })
        .await;
}

/// I1, I3, I6: killed while strangers are being taken, it takes each once more or not at all, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle() {
    let (world, operator) = tenant("").await;
    let strangers = [
        add_by_hand(&world, "Engineering", "one").await,
        add_by_hand(&world, "Engineering", "two").await,
    ];
    let all = |state: &'static str| -> Vec<(&str, &str)> { strangers.iter().map(|id| (id.as_str(), state)).collect() };
    lists(&world, &operator, "engineering", &all("Found")).await;
    own(&world, "engineering", "Authoritative").await;
    world
        .eventually(&operator, "they are let go", async || {
            let list = unmanaged(&world.get("Entitlement", "engineering").await);
            let gone = list.iter().any(|(_, state)| state == "Revoking" || state == "Revoked");
            gone.then_some(()).ok_or_else(|| format!("{list:?}"))
        })
        .await;
    operator.kill();
    operator.wait(Duration::from_secs(10)).await.unwrap();
    world.free_lease().await;
    operator.restart().unwrap();
    world.ready(&operator).await;
    world.has_members(&operator, "Engineering", &["eve", "finn"]).await;
    lists(&world, &operator, "engineering", &all("Revoked")).await;
    world.has_members(&operator, "Everyone", &["eve", "finn"]).await;
}

/// Semantics 10: deleting an Employee takes nothing, Authoritative or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_employee_keeps_everything() {
    let (world, operator) = tenant("").await;
    own(&world, "engineering", "Authoritative").await;
    world.kubectl(&["delete", "emp", "eve", "--wait"]).await;
    let stranger = add_by_hand(&world, "Engineering", "stranger").await;
    world
        .eventually(&operator, "the stranger goes", async || {
            let list = unmanaged(&world.get("Entitlement", "engineering").await);
            let gone = list.contains(&(stranger.clone(), "Revoked".to_owned()));
            gone.then_some(()).ok_or_else(|| format!("{list:?}"))
        })
        .await;
    tokio::time::sleep(QUIET).await;
    world.has_members(&operator, "Engineering", &["eve", "finn"]).await;
    let list = world.get("Entitlement", "engineering").await["status"]["unmanaged"].clone();
    let left: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["left"] == true)
        .collect();
    assert_eq!(left.len(), 1, "{list}");
    assert_eq!(left[0]["employee"], "eve");
}

/// Accounts that explain themselves by nobody are counted and named, a protected one is not, and none of them is touched;
/// one that turns out to be an employee's is no orphan any more.
#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_counted_and_left_alone() {
    let (world, operator) = tenant(", \"protectedAccounts\": [\"breakglass@example.com\"]").await;
    let mut made = Vec::new();
    for name in ["contractor", "gus", "breakglass"] {
        made.push(world.scim.create_user(&email(name)).await.unwrap());
    }
    let (contractor, gus) = (&made[0], &made[1]);
    let orphans = async |wanted: &mut [&String]| {
        wanted.sort();
        let wanted = json!({"count": wanted.len(), "samples": wanted});
        world
            .eventually(&operator, &format!("the orphans are {wanted}"), async || {
                let shown = world.get("TargetSystem", "directory").await["status"]["orphans"].clone();
                if shown == wanted {
                    Ok(())
                } else {
                    Err(shown.to_string())
                }
            })
            .await;
    };
    orphans(&mut [contractor, gus]).await;
    let table = world.kubectl(&["get", "tsys", "directory", "-o", "wide"]).await;
    assert!(table.contains("ORPHANS"), "{table}");

    world.script.as_ref().unwrap().reset();
    world.apply(&person("gus", "Engineering")).await;
    world
        .has_members(&operator, "Engineering", &["eve", "finn", "gus"])
        .await;
    orphans(&mut [contractor]).await;
    assert_eq!(world.losses(), Vec::<String>::new());
    let users = world.scim.users().await.unwrap();
    assert_eq!(users.len(), 5, "{users:?}");
    assert!(users.iter().all(|user| user["active"] != false), "{users:?}");
}
