//! Does access follow people from their first day to their last, on real parts?
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use rollcall_support::merge::{Company, NewHire};
use rollcall_support::world::{World, WorldOptions};
use serde_json::Value;

fn today() -> jiff::civil::Date {
    jiff::Zoned::now().date()
}

fn states(employee: &Value) -> Vec<(String, String)> {
    let records = employee["status"]["entitlements"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    records
        .iter()
        .map(|record| (text(&record["entitlement"]), text(&record["state"])))
        .collect()
}

async fn world() -> World {
    let world = World::new(WorldOptions::new(
        env!("CARGO_BIN_EXE_rollcall"),
        Company::realistic(12, 7),
    ))
    .await;
    let yaml = [
        World::group_entitlement("everyone", "Everyone"),
        World::group_entitlement("engineering", "Engineering"),
        World::group_entitlement("sales", "Sales"),
        World::view_entitlement("cluster-view"),
        World::policy("everyone", "{everyone: true}", &["everyone"]),
        World::policy(
            "engineering",
            "{department: {in: [Engineering]}}",
            &["engineering", "cluster-view"],
        ),
        World::policy("sales", "{department: {in: [Sales]}}", &["sales"]),
    ];
    world.apply(&yaml.concat()).await;
    world
}

/// I1, I2, I3: a hire gains what the policies give, a transfer swaps it, and after the last day nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_hire_a_transfer_and_a_leaver() {
    let world = world().await;
    let operator = world.start().await;
    let email = "ada.lovelace@example.com";
    let id = world.merge.hire(NewHire {
        department: "Platform".into(),
        work_email: Some(email.into()),
        start_date: Some(today().yesterday().unwrap()),
        ..NewHire::named("Ada", "Lovelace")
    });
    world
        .eventually(&operator, "the hire gains what policies give", async || {
            let members = world.scim.members("Engineering").await.unwrap();
            let employee = world.employee(email).await.ok_or("not mirrored")?;
            let granted = states(&employee);
            let wanted = ["everyone", "engineering", "cluster-view"];
            (members.contains(&email.to_owned())
                && wanted
                    .iter()
                    .all(|name| granted.contains(&((*name).to_owned(), "Granted".to_owned()))))
            .then_some(())
            .ok_or_else(|| format!("members {members:?}, record {granted:?}"))
        })
        .await;
    let can = ["auth", "can-i", "list", "pods", "--as", email];
    assert_eq!(world.kubectl(&can).await.trim(), "yes");

    world.merge.transfer(&id, "Sales");
    world
        .eventually(&operator, "the transfer swaps groups", async || {
            let engineering = world.scim.members("Engineering").await.unwrap();
            let sales = world.scim.members("Sales").await.unwrap();
            (!engineering.contains(&email.to_owned()) && sales.contains(&email.to_owned()))
                .then_some(())
                .ok_or_else(|| format!("engineering {engineering:?}, sales {sales:?}"))
        })
        .await;

    world.merge.leave(&id, today().yesterday().unwrap());
    world
        .eventually(&operator, "the leaver holds nothing", async || {
            let employee = world.employee(email).await.ok_or("gone")?;
            let sales = world.scim.members("Sales").await.unwrap();
            let user = world.scim.user(email).await.unwrap();
            let account = employee["status"]["accounts"][0]["state"].clone();
            let left = states(&employee).iter().all(|(_, state)| state == "Revoked");
            (left && !sales.contains(&email.to_owned()) && account == "Deactivated")
                .then_some(())
                .ok_or_else(|| {
                    format!(
                        "record {:?}, sales {sales:?}, account {account}, user {user:?}",
                        states(&employee)
                    )
                })
        })
        .await;
    let user = world.scim.user(email).await.unwrap().expect("the account is kept");
    assert_eq!(user["active"], false);
}
