//! Is a person hired, moved and let go through an API that is described as data, by the operator itself? And is nothing
//! sent or lost while the description cannot be read?
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "http_target/server.rs"]
mod server;

use axum::http::Method;
use rollcall_support::merge::Company;
use rollcall_support::operator::Operator;
use rollcall_support::world::{World, WorldOptions};
use serde_json::{Value, json};

use crate::server::Server;

fn object(kind: &str, name: &str, spec: &Value) -> String {
    let object = json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    format!("{object}\n---\n")
}

fn definition(server: &Server) -> Value {
    let text = include_str!("http_target/definition.yaml").replace("BASE", &server.url);
    let mut tree: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    tree.apply_merge().unwrap();
    let mut tree = serde_json::to_value(&tree).unwrap();
    tree["adopt"] = json!("Never");
    tree
}

fn ada(department: &str, title: &str, last_day: Option<&str>) -> String {
    let mut spec = json!({
        "employeeNumber": "1", "displayName": "Ada Lovelace", "workEmail": "ada@x.io", "jobTitle": title,
        "employmentStatus": "ACTIVE", "startDate": "2024-02-29", "departments": [{"path": [department]}],
    });
    if let Some(day) = last_day {
        spec["terminationDate"] = json!(day);
    }
    object("Employee", "ada", &spec)
}

async fn service_shows(world: &World, operator: &Operator, server: &Server, what: &str, wanted: &Value) {
    world
        .eventually(operator, what, async || {
            let seen = {
                let state = server.state();
                let user = state.users.get("u1").cloned().unwrap_or_default();
                json!({
                    "title": user["title"], "active": user["active"],
                    "platform": state.teams["t1"].1, "ops": state.teams["t/2"].1,
                })
            };
            if seen == *wanted { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
}

async fn ready(world: &World, operator: &Operator, kind: &str, name: &str, status: &str, words: &str) {
    world
        .eventually(operator, &format!("{kind} {name} is {status}"), async || {
            let object = world.get(kind, name).await;
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let current = |condition: &&Value| {
                condition["type"] == "Ready" && condition["observedGeneration"] == object["metadata"]["generation"]
            };
            let ready = conditions.iter().find(current).cloned().unwrap_or_default();
            let says = ready["message"].as_str().is_some_and(|message| message.contains(words));
            if ready["status"] == status && says {
                Ok(())
            } else {
                Err(ready.to_string())
            }
        })
        .await;
}

/// A service with two teams, and Ada, who is an engineer.
async fn stage() -> (Server, World, Operator) {
    let server = Server::start().await;
    let world = World::new(WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::empty())).await;
    let operator = world.start().await;
    let entitlement = |name: &str, team: &str| {
        let http = json!({"kind": "team", "inputs": {"name": team}});
        object(
            "Entitlement",
            name,
            &json!({"targetRef": {"name": "api"}, "http": http}),
        )
    };
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: api}\nstringData: {token: static}\n---\n";
    world
        .apply(
            &[
                secret.to_owned(),
                object("TargetSystem", "api", &definition(&server)),
                entitlement("platform", "Platform"),
                entitlement("ops", "R&D + Ops"),
                World::policy("engineers", "{department: {in: [Engineering]}}", &["platform"]),
                World::policy("operators", "{department: {in: [Operations]}}", &["ops"]),
                ada("Engineering", "Engineer", None),
            ]
            .concat(),
        )
        .await;
    (server, world, operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_hired_moved_and_let_go() {
    let (server, world, operator) = stage().await;
    let engineer = json!({"title": "Engineer", "active": true, "platform": ["u1"], "ops": []});
    service_shows(&world, &operator, &server, "Ada is hired", &engineer).await;
    ready(&world, &operator, "Entitlement", "platform", "True", "Found").await;

    // I1: a description that cannot be read takes nothing away, and sends nothing.
    let mut broken = definition(&server);
    broken["http"]["account"]["id"] = json!("itm.id");
    world.apply(&object("TargetSystem", "api", &broken)).await;
    let place = "spec.http.account.id: line 1, column 1";
    ready(&world, &operator, "TargetSystem", "api", "False", place).await;
    world.apply(&ada("Operations", "Operator", None)).await;
    ready(&world, &operator, "Entitlement", "ops", "False", "not valid").await;
    world.apply(&object("TargetSystem", "api", &definition(&server))).await;
    ready(&world, &operator, "TargetSystem", "api", "True", "Accepted").await;

    let moved = json!({"title": "Operator", "active": true, "platform": [], "ops": ["u1"]});
    service_shows(&world, &operator, &server, "Ada is moved", &moved).await;
    world.apply(&ada("Operations", "Operator", Some("2025-01-31"))).await;
    let gone = json!({"title": "Operator", "active": false, "platform": [], "ops": []});
    service_shows(&world, &operator, &server, "Ada is gone", &gone).await;

    // I4: one account and one grant of each were ever made.
    assert_eq!(server.asked(&Method::POST, "/users").len(), 1);
    assert_eq!(server.asked(&Method::PUT, "/teams").len(), 2);
    assert_eq!(server.asked(&Method::DELETE, "/teams").len(), 2);
}

/// I1: what was called for while nothing could be sent is not sent when that is over, if it is no longer called for.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_there_and_back_while_the_description_is_broken_takes_nothing() {
    let (server, world, operator) = stage().await;
    let engineer = json!({"title": "Engineer", "active": true, "platform": ["u1"], "ops": []});
    service_shows(&world, &operator, &server, "Ada is hired", &engineer).await;
    world.has_grant(&operator, "ada", "platform", "Granted").await;

    let mut broken = definition(&server);
    broken["http"]["account"]["id"] = json!("itm.id");
    world.apply(&object("TargetSystem", "api", &broken)).await;
    ready(
        &world,
        &operator,
        "TargetSystem",
        "api",
        "False",
        "spec.http.account.id",
    )
    .await;
    world.apply(&ada("Operations", "Operator", None)).await;
    world.has_grant(&operator, "ada", "platform", "Revoking").await;
    world.apply(&ada("Engineering", "Engineer", None)).await;
    world
        .eventually(&operator, "it is known that Ada is back", async || {
            let employee = world.get("Employee", "ada").await;
            let (seen, is) = (
                &employee["status"]["observedGeneration"],
                &employee["metadata"]["generation"],
            );
            if seen == is {
                Ok(())
            } else {
                Err(employee["status"].to_string())
            }
        })
        .await;
    world.apply(&object("TargetSystem", "api", &definition(&server))).await;
    ready(&world, &operator, "TargetSystem", "api", "True", "Accepted").await;
    world.has_grant(&operator, "ada", "platform", "Granted").await;
    service_shows(&world, &operator, &server, "Ada keeps it", &engineer).await;
    assert_eq!(server.asked(&Method::DELETE, "/teams").len(), 0);
}
