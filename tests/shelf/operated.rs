//! The shelf as people use it: applied to a cluster, with the operator running, and seen with kubectl and at the product.

use std::collections::BTreeMap;

use rollcall_support::merge::Company;
use rollcall_support::operator::Operator;
use rollcall_support::products::JupyterHub;
use rollcall_support::world::{World, WorldOptions};
use serde_json::json;

use crate::stage::{documents, shelf};

/// The files of an example, with another address, and with policies that do what they say.
fn applied(name: &str, base_url: &str) -> String {
    let mut yaml = String::new();
    for file in ["target.yaml", "entitlements.yaml", "policy.yaml"] {
        for mut document in documents(&shelf().join(name).join(file)) {
            match document["kind"].as_str() {
                Some("TargetSystem") => document["spec"]["http"]["baseURL"] = json!(base_url),
                Some("ProvisioningPolicy") => document["spec"]["mode"] = json!("Enforce"),
                _ => {}
            }
            yaml.push_str(&document.to_string());
            yaml.push_str("\n---\n");
        }
    }
    yaml
}

fn ada(title: &str, last_day: Option<&str>) -> String {
    let mut employee = json!({
        "apiVersion": "rollcall.dev/v1alpha1", "kind": "Employee", "metadata": {"name": "ada"},
        "spec": {
            "employeeNumber": "1", "displayName": "Ada Lovelace", "workEmail": "ada@example.com", "jobTitle": title,
            "employmentStatus": "ACTIVE", "startDate": "2024-02-29", "departments": [{"path": ["Data"]}],
        },
    });
    if let Some(day) = last_day {
        employee["spec"]["terminationDate"] = json!(day);
    }
    format!("{employee}\n---\n")
}

async fn shows(world: &World, operator: &Operator, hub: &JupyterHub, what: &str, users: &[&str], groups: [&[&str]; 2]) {
    let wanted: BTreeMap<String, Vec<String>> = [("analysts", groups[0]), ("gpu", groups[1])]
        .into_iter()
        .map(|(group, members)| {
            (
                group.to_owned(),
                members.iter().map(|name| (*name).to_owned()).collect(),
            )
        })
        .collect();
    world
        .eventually(operator, what, async || {
            let seen = (hub.users().await.unwrap(), hub.groups().await.unwrap());
            let record = world.get("Employee", "ada").await["status"].take();
            let states: Vec<&str> = record["entitlements"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|grant| grant["state"].as_str())
                .collect();
            let granted = states.iter().filter(|state| **state == "Granted").count();
            let held: usize = wanted.values().map(Vec::len).sum();
            if seen.0 == users && seen.1 == wanted && granted == held {
                Ok(())
            } else {
                Err(format!("{seen:?}, {record}"))
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jupyterhub_by_the_operator() {
    let hub = JupyterHub::start().await.unwrap();
    for group in ["analysts", "gpu"] {
        let made = hub.request("POST", &format!("/groups/{group}"), None).await.unwrap();
        assert_eq!(made.status, 201);
    }
    let world = World::new(WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::empty())).await;
    let operator = world.start().await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "jupyterhub"}, "stringData": {"token": hub.token()},
    });
    world
        .apply(&format!(
            "{secret}\n---\n{}{}",
            applied("jupyterhub", &hub.url()),
            ada("Research Engineer", None)
        ))
        .await;
    let name = ["ada@example.com"];
    shows(&world, &operator, &hub, "Ada is hired", &name, [&name, &name]).await;
    world.apply(&ada("Analyst", None)).await;
    shows(&world, &operator, &hub, "Ada changes her role", &name, [&name, &[]]).await;
    world.apply(&ada("Analyst", Some("2025-01-31"))).await;
    shows(&world, &operator, &hub, "Ada has left", &[], [&[], &[]]).await;
}
