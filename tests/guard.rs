//! Does a mistake in a policy stop before it costs many people their access, and does a person's decision release
//! exactly what was shown?
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use rollcall_support::checks::{email, grant, person, person_with, usual, usual_policies};
use rollcall_support::merge::Company;
use rollcall_support::operator::Operator;
use rollcall_support::proxy::{Script, When};
use rollcall_support::world::{World, WorldOptions};

const QUIET: Duration = Duration::from_secs(2);
const DIRECTORY: (&str, &str) = ("TargetSystem", "directory");
const TARGET: &str = "directory";

/// What the policy should have said, and what it says by mistake: nobody has that title.
const ALL_ENGINEERS: &str = "{department: {in: [Engineering]}}";
const NOBODY: &str = "{department: {in: [Engineering]}, jobTitle: [Astronaut]}";

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("e{i:02}")).collect()
}

/// So many engineers, and Sam in sales, all with what policies give them.
async fn engineers(world: &World, count: usize) -> (Operator, Vec<String>) {
    let names = names(count);
    let people: String = names.iter().map(|name| person(name, "Engineering")).collect();
    world.apply(&[people, person("sam", "Sales")].concat()).await;
    let operator = world.start().await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Granted").await;
        world.has_grant(&operator, name, "everyone", "Granted").await;
    }
    world.has_grant(&operator, "sam", "sales", "Granted").await;
    (operator, names)
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

async fn select(world: &World, selector: &str) {
    world
        .apply(&World::policy("engineering", selector, &["engineering"]))
        .await;
}

/// Waits until the loss of so many people waits for a decision; returns the digest.
async fn held(world: &World, operator: &Operator, people: usize) -> String {
    let words = [
        &*format!("{people} people would lose {people} grants or accounts"),
        "the budget is 10 in 24 h",
        "kubectl annotate tsys directory --overwrite rollcall.dev/release-held=",
    ];
    let message = world
        .says(operator, DIRECTORY, "ChangesHeld=True/OverBudget", &words)
        .await;
    let (_, digest) = message.rsplit_once('=').unwrap();
    let status = world.get("TargetSystem", TARGET).await["status"]["held"].clone();
    assert_eq!(status["digest"], digest);
    assert_eq!(status["people"], people);
    digest.to_owned()
}

async fn release(world: &World, digest: &str) {
    let annotation = format!("rollcall.dev/release-held={digest}");
    world
        .kubectl(&["annotate", "tsys", TARGET, "--overwrite", &annotation])
        .await;
}

/// I6: a policy that would cost twelve people their group costs nobody anything until somebody says so, and meanwhile
/// neither leavers nor single moves wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_narrowed_too_far() {
    let world = usual(env!("CARGO_BIN_EXE_rollcall"), Company::empty()).await;
    let (operator, names) = engineers(&world, 13).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    select(&world, NOBODY).await;
    held(&world, &operator, 13).await;
    world
        .warns(
            &operator,
            DIRECTORY,
            "OverBudget",
            &["13 people would lose", "rollcall.dev/release-held="],
        )
        .await;
    for name in &names {
        let employee = world.has_grant(&operator, name, "engineering", "Held").await;
        assert_eq!(grant(&employee, "everyone"), "Granted");
        assert_eq!(employee["status"]["counts"]["held"], 1);
    }
    let ready = world.condition("TargetSystem", TARGET, "Ready").await;
    assert_eq!(ready["status"], "True", "held changes never make a target not ready");
    world
        .says(
            &operator,
            ("ProvisioningPolicy", "engineering"),
            "Ready=True/Accepted",
            &[],
        )
        .await;
    assert_eq!(world.changes(), Vec::<String>::new());

    // A leaver goes at once, held or not; one who moves is judged by what is not held.
    world
        .apply(&person_with(
            "e00",
            "departments: [{path: [Engineering]}]\nterminationDate: '2026-01-01'",
        ))
        .await;
    world.apply(&person("sam", "Legal")).await;
    world.has_members(&operator, "Sales", &[]).await;
    world.has_members(&operator, "Engineering", &refs(&names[1..])).await;
    world
        .eventually(&operator, "the leaver's account is deactivated", async || {
            let user = world.scim.user(&email("e00")).await.unwrap().ok_or("gone")?;
            (user["active"] == false).then_some(()).ok_or_else(|| user.to_string())
        })
        .await;
    let digest = held(&world, &operator, 12).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();

    release(&world, "another").await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new(), "a wrong digest does nothing");

    release(&world, &digest).await;
    world.has_members(&operator, "Engineering", &[]).await;
    for name in &names[1..] {
        let employee = world.has_grant(&operator, name, "engineering", "Revoked").await;
        assert_eq!(grant(&employee, "everyone"), "Granted");
        let record = employee["status"]["entitlements"].as_array().unwrap();
        let record = record
            .iter()
            .find(|record| record["entitlement"] == "engineering")
            .unwrap();
        assert_eq!(
            (&record["release"], &record["approval"]),
            (&"Approved".into(), &digest.clone().into())
        );
    }
    world
        .says(&operator, DIRECTORY, "ChangesHeld=False/AsExpected", &[])
        .await;
    world
        .has_members(&operator, "Everyone", &[&refs(&names[1..])[..], &["sam"]].concat())
        .await;

    // What was approved is not charged to the budget of those who come after.
    world.apply(&World::policy("sales", NOBODY, &["sales"])).await;
    world.apply(&person("eve", "Sales")).await;
    world.has_grant(&operator, "eve", "everyone", "Granted").await;
    world
        .apply(&World::policy(
            "everyone",
            "{everyone: true, not: [{employees: [eve@example.com]}]}",
            &["everyone"],
        ))
        .await;
    world.has_grant(&operator, "eve", "everyone", "Revoked").await;
}

/// I6, I7: the mistake is mended before anybody decides: everything is as it was, without a word to the directory.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_restored_in_time() {
    let world = usual(env!("CARGO_BIN_EXE_rollcall"), Company::empty()).await;
    let (operator, names) = engineers(&world, 11).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    world.kubectl(&["delete", "provpol", "engineering"]).await;
    held(&world, &operator, 11).await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Held").await;
    }
    select(&world, ALL_ENGINEERS).await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Granted").await;
    }
    world
        .says(&operator, DIRECTORY, "ChangesHeld=False/AsExpected", &[])
        .await;
    let status = world.get("TargetSystem", TARGET).await["status"]["held"].clone();
    assert!(status.is_null(), "{status}");
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
}

/// I6: ten people may lose something without a decision; one more within the window may not.
#[tokio::test(flavor = "multi_thread")]
async fn ten_people_and_then_one_more() {
    let world = usual(env!("CARGO_BIN_EXE_rollcall"), Company::empty()).await;
    let (operator, names) = engineers(&world, 10).await;
    select(&world, NOBODY).await;
    world.has_members(&operator, "Engineering", &[]).await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Revoked").await;
    }
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    world.apply(&person("sam", "Legal")).await;
    world.has_grant(&operator, "sam", "sales", "Held").await;
    held(&world, &operator, 1).await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
}

/// I6: killed while an approved release is being recorded, the operator finishes it after its restart, and lets nobody
/// else go.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_an_approved_release() {
    // Counts the records that let a grant go.
    let releases = Script::new(|request| {
        request.method == http::Method::PATCH
            && request.path.ends_with("/status")
            && request.path.contains("/employees/")
            && String::from_utf8_lossy(&request.body).contains("Revoking")
    });
    let options = WorldOptions {
        script: Some(releases.clone()),
        ..WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::empty())
    };
    let world = World::new(options).await;
    world.apply(&usual_policies()).await;
    let (operator, names) = engineers(&world, 14).await;
    select(&world, NOBODY).await;
    let digest = held(&world, &operator, 14).await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Held").await;
    }
    let killed = operator.clone();
    releases.arm(releases.total() + 5, When::Before, move || killed.kill());
    release(&world, &digest).await;
    releases.wait_fired(Duration::from_mins(1)).await.unwrap();
    let mut held = 0;
    for name in &names {
        let employee = world.get("Employee", name).await;
        held += usize::from(grant(&employee, "engineering") == "Held");
    }
    assert!(
        0 < held && held < names.len(),
        "{held} of {} are still held",
        names.len()
    );

    releases.reopen();
    world.free_lease().await;
    operator.restart().unwrap();
    world.ready(&operator).await;
    world.has_members(&operator, "Engineering", &[]).await;
    for name in &names {
        let employee = world.has_grant(&operator, name, "engineering", "Revoked").await;
        assert_eq!(grant(&employee, "everyone"), "Granted");
    }
    world
        .has_members(&operator, "Everyone", &[&refs(&names)[..], &["sam"]].concat())
        .await;
    world.has_members(&operator, "Sales", &["sam"]).await;
    world
        .says(&operator, DIRECTORY, "ChangesHeld=False/AsExpected", &[])
        .await;
}
