//! What becomes of accounts and access over an employment: found and taken over, paused, ended, deleted, given by two,
//! and moved with an organisation that changes above people's heads.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use rollcall_support::checks::{email, grant, grants, person, person_with, usual};
use rollcall_support::merge::{Company, Id, NewHire};
use rollcall_support::operator::Operator;
use rollcall_support::world::World;
use serde_json::Value;

const QUIET: Duration = Duration::from_secs(2);

async fn world() -> World {
    usual(env!("CARGO_BIN_EXE_rollcall"), Company::empty()).await
}

async fn patch_directory(world: &World, spec: &str) {
    let patch = format!(r#"{{"spec": {spec}}}"#);
    world
        .kubectl(&["patch", "tsys", "directory", "--type=merge", "-p", &patch])
        .await;
}

/// Makes somebody a member of a group by hand.
async fn add_by_hand(world: &World, group: &str, name: &str) {
    let groups = world.scim.groups().await.unwrap();
    let group = groups.iter().find(|found| found["displayName"] == group).unwrap();
    let user = world.scim.user(&email(name)).await.unwrap().unwrap();
    let (group, user) = (group["id"].as_str().unwrap(), user["id"].as_str().unwrap());
    world.scim.add_member(group, user).await.unwrap();
}

/// What a record says of one entitlement.
fn record(employee: &Value, entitlement: &str) -> Value {
    let records = employee["status"]["entitlements"].as_array();
    let found = records
        .into_iter()
        .flatten()
        .find(|record| record["entitlement"] == entitlement);
    found.cloned().unwrap_or_default()
}

async fn has_account(world: &World, operator: &Operator, name: &str, active: Option<bool>) {
    let what = format!("the account of {name} is {active:?}");
    world
        .eventually(operator, &what, async || {
            let user = world.scim.user(&email(name)).await.unwrap();
            let is = user.as_ref().map(|user| user["active"] != false);
            (is == active).then_some(()).ok_or_else(|| format!("{user:?}"))
        })
        .await;
}

/// I1: with `adopt: Desired`, access that was there and that a policy gives becomes ours, account and all, and goes when
/// the policy no longer gives it. What no policy gives is not ours.
#[tokio::test(flavor = "multi_thread")]
async fn access_that_was_there_before_is_adopted() {
    let world = world().await;
    world.scim.create_user(&email("ada")).await.unwrap();
    add_by_hand(&world, "Engineering", "ada").await;
    add_by_hand(&world, "Managers", "ada").await;
    world.apply(&person("ada", "Engineering")).await;
    let operator = world.start().await;
    let employee = world.has_grant(&operator, "ada", "engineering", "Granted").await;
    assert_eq!(record(&employee, "engineering")["origin"], "Adopted");
    world.has_members(&operator, "Everyone", &["ada"]).await;
    let employee = world.has_grant(&operator, "ada", "everyone", "Granted").await;
    assert_ne!(record(&employee, "everyone")["origin"], "Adopted");
    assert_eq!(employee["status"]["accounts"][0]["origin"], "Adopted");
    let users = world.scim.users().await.unwrap();
    assert_eq!(users.len(), 1, "no second account");
    // What the target declares of accounts holds of one that was there, too.
    world
        .eventually(&operator, "the account has what ours have", async || {
            let users = world.scim.users().await.unwrap();
            let key = format!("{}/ada", world.namespace);
            (users[0]["externalId"] == *key)
                .then_some(())
                .ok_or_else(|| format!("{users:?}"))
        })
        .await;
    assert_eq!(world.losses(), Vec::<String>::new());

    world.apply(&person("ada", "Sales")).await;
    world.has_members(&operator, "Engineering", &[]).await;
    world.has_members(&operator, "Sales", &["ada"]).await;
    world.has_members(&operator, "Managers", &["ada"]).await;
}

/// I1: with `adopt: Never`, what others gave stays theirs: it is not taken over, the record says why, and it is there
/// when the policy no longer gives it and when the person has left.
#[tokio::test(flavor = "multi_thread")]
async fn access_that_was_there_before_is_left_alone() {
    let world = world().await;
    patch_directory(&world, r#"{"adopt": "Never"}"#).await;
    world.scim.create_user(&email("ada")).await.unwrap();
    add_by_hand(&world, "Engineering", "ada").await;
    world
        .apply(&[person("ada", "Engineering"), person("sam", "Legal")].concat())
        .await;
    let operator = world.start().await;
    let employee = world.has_grant(&operator, "ada", "engineering", "Pending").await;
    let why = &grants(&employee)["engineering"].1;
    assert!(
        why.contains("an account is there that Rollcall did not make, and adopt is Never"),
        "{why}"
    );

    // Sam's account is ours; that he is in sales is not.
    world.has_grant(&operator, "sam", "everyone", "Granted").await;
    // What was seen of sales before must have grown old.
    world.quiet(Duration::from_secs(6)).await;
    add_by_hand(&world, "Sales", "sam").await;
    world.apply(&person("sam", "Sales")).await;
    let employee = world.has_grant(&operator, "sam", "sales", "Pending").await;
    let why = &grants(&employee)["sales"].1;
    assert!(
        why.contains("already there, given by somebody else, and adopt is Never"),
        "{why}"
    );
    assert_eq!(world.losses(), Vec::<String>::new());

    let left = |name: &str| person_with(name, "departments: [{path: [Legal]}]\nterminationDate: '2026-01-01'");
    world.apply(&[left("ada"), left("sam")].concat()).await;
    has_account(&world, &operator, "sam", Some(false)).await;
    world.has_members(&operator, "Everyone", &[]).await;
    world.quiet(QUIET).await;
    has_account(&world, &operator, "ada", Some(true)).await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    world.has_members(&operator, "Sales", &["sam"]).await;
}

/// I4: hired again in the same row, a person gets the same account back, and the groups.
#[tokio::test(flavor = "multi_thread")]
async fn hired_again_in_the_same_row() {
    let world = world().await;
    let today = jiff::Zoned::now().date();
    let yesterday = today.yesterday().unwrap();
    let before = yesterday.yesterday().unwrap();
    world.merge.add_group("Engineering", "DEPARTMENT", None);
    let ada = world.merge.hire(NewHire {
        department: "Engineering".into(),
        work_email: Some(email("ada")),
        start_date: Some(before.yesterday().unwrap()),
        ..NewHire::named("Ada", "Example")
    });
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    let id = world.scim.user(&email("ada")).await.unwrap().unwrap()["id"].clone();
    world.merge.leave(&ada, before);
    world.merge.deactivate(&ada);
    has_account(&world, &operator, "ada", Some(false)).await;
    world.has_members(&operator, "Engineering", &[]).await;
    world.has_members(&operator, "Everyone", &[]).await;

    world.merge.rehire_same_row(&ada, yesterday);
    world.has_members(&operator, "Engineering", &["ada"]).await;
    world.has_members(&operator, "Everyone", &["ada"]).await;
    has_account(&world, &operator, "ada", Some(true)).await;
    let users = world.scim.users().await.unwrap();
    assert_eq!((users.len(), &users[0]["id"]), (1, &id));
    let employee = world.employee(&email("ada")).await.unwrap();
    let name = employee["metadata"]["name"].as_str().unwrap();
    let employee = world.has_grant(&operator, name, "engineering", "Granted").await;
    assert!(
        record(&employee, "engineering")["releasedAt"].is_null(),
        "the old end is forgotten"
    );
}

/// I8: what two policies give goes only with the last of them. Without any HR system: the people here are written by
/// hand.
#[tokio::test(flavor = "multi_thread")]
async fn access_that_two_policies_give() {
    let world = world().await;
    world.kubectl(&["delete", "hris", "hr"]).await;
    world
        .apply(&World::policy(
            "platform",
            "{employees: [ada@example.com]}",
            &["engineering"],
        ))
        .await;
    world
        .apply(&[person("ada", "Engineering"), person("sam", "Engineering")].concat())
        .await;
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada", "sam"]).await;
    world
        .eventually(&operator, "the record names both", async || {
            let grantors = record(&world.get("Employee", "ada").await, "engineering")["grantors"].to_string();
            (grantors == r#"["engineering","platform"]"#)
                .then_some(())
                .ok_or(grantors)
        })
        .await;
    world.kubectl(&["delete", "provpol", "engineering"]).await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    world.has_grant(&operator, "sam", "engineering", "Revoked").await;
    world.quiet(QUIET).await;
    let employee = world.get("Employee", "ada").await;
    assert_eq!(
        record(&employee, "engineering")["grantors"].to_string(),
        r#"["platform"]"#
    );
    world.kubectl(&["delete", "provpol", "platform"]).await;
    world.has_members(&operator, "Engineering", &[]).await;
    world.has_members(&operator, "Everyone", &["ada", "sam"]).await;
}

/// While the annotation is there, nothing is sent for an Employee or to a target, an exit included; then all of it is.
#[tokio::test(flavor = "multi_thread")]
async fn paused() {
    let world = world().await;
    world
        .apply(&[person("ada", "Engineering"), person("sam", "Sales")].concat())
        .await;
    let operator = world.start().await;
    world.has_members(&operator, "Everyone", &["ada", "sam"]).await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    world.has_members(&operator, "Sales", &["sam"]).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();

    world
        .kubectl(&["annotate", "employee", "ada", "rollcall.dev/paused=yes"])
        .await;
    world
        .apply(&person_with(
            "ada",
            "departments: [{path: [Sales]}]\nterminationDate: '2026-01-01'",
        ))
        .await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
    world
        .kubectl(&["annotate", "employee", "ada", "rollcall.dev/paused-"])
        .await;
    has_account(&world, &operator, "ada", Some(false)).await;
    world.has_members(&operator, "Everyone", &["sam"]).await;
    world.has_members(&operator, "Engineering", &[]).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();

    world
        .kubectl(&["annotate", "tsys", "directory", "rollcall.dev/paused=yes"])
        .await;
    world
        .says(
            &operator,
            ("TargetSystem", "directory"),
            "Ready=True/Paused",
            &["nothing is sent while the annotation rollcall.dev/paused is there"],
        )
        .await;
    world
        .apply(&[person("sam", "Engineering"), person("eve", "Sales")].concat())
        .await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
    world
        .kubectl(&["annotate", "tsys", "directory", "rollcall.dev/paused-"])
        .await;
    world.has_members(&operator, "Engineering", &["sam"]).await;
    world.has_members(&operator, "Sales", &["eve"]).await;
    world.has_members(&operator, "Everyone", &["eve", "sam"]).await;
}

/// `onUnused: Deactivate` ends an account that nothing needs any more, and it comes back with the next grant;
/// `onTerminated: Delete` deletes it a while after it was deactivated.
#[tokio::test(flavor = "multi_thread")]
async fn how_an_account_ends() {
    let world = world().await;
    world.kubectl(&["delete", "provpol", "everyone"]).await;
    patch_directory(
        &world,
        r#"{"account": {"onUnused": {"action": "Deactivate"}, "onTerminated": {"action": "Delete", "after": "5s"}}}"#,
    )
    .await;
    world.apply(&person("ada", "Engineering")).await;
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    let id = world.scim.user(&email("ada")).await.unwrap().unwrap()["id"].clone();

    world.apply(&person("ada", "Legal")).await;
    world.has_members(&operator, "Engineering", &[]).await;
    has_account(&world, &operator, "ada", Some(false)).await;
    world.apply(&person("ada", "Sales")).await;
    has_account(&world, &operator, "ada", Some(true)).await;
    world.has_members(&operator, "Sales", &["ada"]).await;
    let users = world.scim.users().await.unwrap();
    assert_eq!((users.len(), &users[0]["id"]), (1, &id));

    world
        .apply(&person_with(
            "ada",
            "departments: [{path: [Sales]}]\nterminationDate: '2026-01-01'",
        ))
        .await;
    has_account(&world, &operator, "ada", Some(false)).await;
    world
        .eventually(&operator, "the deletion is announced", async || {
            let next = world.get("Employee", "ada").await["status"]["nextTransition"]["what"].clone();
            (next == "delete the account at directory")
                .then_some(())
                .ok_or_else(|| next.to_string())
        })
        .await;
    has_account(&world, &operator, "ada", None).await;
    world
        .eventually(&operator, "the record says so", async || {
            let state = world.get("Employee", "ada").await["status"]["accounts"][0]["state"].clone();
            (state == "Deleted").then_some(()).ok_or_else(|| state.to_string())
        })
        .await;
}

/// Where a person's name is the account, another name is another grant: the new one comes and the old one goes.
#[tokio::test(flavor = "multi_thread")]
async fn another_address_at_the_cluster() {
    let world = world().await;
    world
        .apply(
            &[
                World::view_entitlement("view"),
                World::policy("view", "{department: {in: [Engineering]}}", &["view"]),
            ]
            .concat(),
        )
        .await;
    world.apply(&person("ada", "Engineering")).await;
    let operator = world.start().await;
    let may_look = async |name: &str, wanted: &str| {
        let what = format!("whether {name} may look: {wanted}");
        world
            .eventually(&operator, &what, async || {
                let (namespace, email) = (world.namespace.to_string(), email(name));
                let args = ["auth", "can-i", "list", "pods", "-n", &namespace, "--as", &email];
                // kubectl fails where the answer is no.
                let output = world.plane.kubectl_output(&args, None, None).await.unwrap();
                let answer = output.stdout.trim().to_owned();
                (answer == wanted).then_some(()).ok_or(answer)
            })
            .await;
    };
    may_look("ada", "yes").await;
    world
        .apply(&person("ada", "Engineering").replace(&email("ada"), &email("ada.lovelace")))
        .await;
    may_look("ada.lovelace", "yes").await;
    may_look("ada", "no").await;
    // At the directory it is the same account under another name.
    world.has_members(&operator, "Engineering", &["ada.lovelace"]).await;
    assert_eq!(world.scim.users().await.unwrap().len(), 1);
}

/// A department that moves below another takes everybody in it along, and so does one that moves away.
#[tokio::test(flavor = "multi_thread")]
async fn a_department_moves() {
    let world = world().await;
    world.merge.add_group("Engineering", "DEPARTMENT", None);
    world.merge.add_group("Data", "DEPARTMENT", None);
    world.merge.add_group("Insights", "DEPARTMENT", Some("Data"));
    for (name, department) in [("ada", "Insights"), ("sam", "Data")] {
        world.merge.hire(NewHire {
            department: department.into(),
            work_email: Some(email(name)),
            ..NewHire::named(name, "Example")
        });
    }
    let operator = world.start().await;
    world.has_members(&operator, "Everyone", &["ada", "sam"]).await;
    world.has_members(&operator, "Engineering", &[]).await;
    world.merge.move_group("Data", Some("Engineering"));
    world.has_members(&operator, "Engineering", &["ada", "sam"]).await;
    world.merge.move_group("Insights", None);
    world.has_members(&operator, "Engineering", &["sam"]).await;
    world.has_members(&operator, "Everyone", &["ada", "sam"]).await;
}

/// A manager who reports to somebody else takes everybody below along.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_moves() {
    let world = world().await;
    world
        .apply(
            &[
                World::group_entitlement("managers", "Managers"),
                World::policy("below-grace", "{manager: {under: [grace@example.com]}}", &["managers"]),
            ]
            .concat(),
        )
        .await;
    let hire = |name: &str, manager: Option<&Id>| {
        world.merge.hire(NewHire {
            manager: manager.cloned(),
            work_email: Some(email(name)),
            ..NewHire::named(name, "Example")
        })
    };
    let (grace, linus) = (hire("grace", None), hire("linus", None));
    let bob = hire("bob", Some(&linus));
    let cleo = hire("cleo", Some(&bob));
    hire("dora", Some(&cleo));
    let operator = world.start().await;
    world
        .has_members(&operator, "Everyone", &["bob", "cleo", "dora", "grace", "linus"])
        .await;
    world.has_members(&operator, "Managers", &[]).await;
    world.merge.new_manager(&bob, &grace);
    world.has_members(&operator, "Managers", &["bob", "cleo", "dora"]).await;
    world.merge.new_manager(&cleo, &linus);
    world.has_members(&operator, "Managers", &["bob"]).await;
    let employee = world.employee(&email("dora")).await.unwrap();
    let name = employee["metadata"]["name"].as_str().unwrap();
    let employee = world.has_grant(&operator, name, "managers", "Revoked").await;
    assert_eq!(grant(&employee, "everyone"), "Granted");
}
