//! Does the cluster show what `rollcall plan` foretold? A real control plane, SCIM server and operator.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::process::Command;

use rollcall_support::checks::{person, usual};
use rollcall_support::merge::Company;
use rollcall_support::operator::Operator;
use rollcall_support::world::World;
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_rollcall");

/// Runs the plan in a temporary folder with the files.
fn plan(world: &World, files: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, Value) {
    let folder = world.plane.dir().join(format!("plan-{}", world.namespace.name()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, content) in files {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let output = Command::new(BINARY)
        .args(["plan", "-o", "json", "-n", world.namespace.name(), "--kubeconfig"])
        .arg(world.plane.admin_kubeconfig())
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let plan = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), plan)
}

/// Waits until an edit of the policy is enforced, so that nothing of it is under way.
async fn enforced(world: &World, operator: &Operator) {
    world
        .eventually(operator, "the policy is enforced", async || {
            let policy = world.get("ProvisioningPolicy", "engineering").await;
            (policy["status"]["enforcedGeneration"] == policy["metadata"]["generation"])
                .then_some(())
                .ok_or_else(|| policy["status"].to_string())
        })
        .await;
}

/// I6, foretold: a policy that is narrowed too far. The plan names everybody, and the set in which their losses will wait;
/// then the same file is applied, and the set is there, by that name and digest.
#[tokio::test(flavor = "multi_thread")]
async fn the_digest_of_the_plan_is_the_digest_in_the_cluster() {
    let world = usual(BINARY, Company::empty()).await;
    let names: Vec<String> = (0..13).map(|i| format!("e{i:02}")).collect();
    let people: String = names.iter().map(|name| person(name, "Engineering")).collect();
    world.apply(&people).await;
    let operator = world.start().await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Granted").await;
        world.has_grant(&operator, name, "everyone", "Granted").await;
    }
    enforced(&world, &operator).await;

    let same = World::policy("engineering", "{department: {in: [Engineering]}}", &["engineering"]);
    let (code, none) = plan(&world, &[("same.yaml", &same)], &["--after", "same.yaml"]);
    assert_eq!((code, &none["people"]), (Some(0), &json!([])), "{none}");

    let narrow = "{department: {in: [Engineering]}, jobTitle: [Astronaut]}";
    let narrow = World::policy("engineering", narrow, &["engineering"]);
    let (code, foretold) = plan(&world, &[("narrow.yaml", &narrow)], &["--after", "narrow.yaml"]);
    assert_eq!(code, Some(4), "{foretold}");
    let who: Vec<&str> = foretold["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["employee"].as_str().unwrap())
        .collect();
    assert_eq!(who, names);
    assert_eq!(foretold["summary"]["losses"], 13);
    let set = &foretold["held"][0];
    assert_eq!((&set["people"], &set["cause"]), (&json!(13), &json!("PolicyChange")));

    // The same from files alone: nothing is on record there, and the digest is of names.
    let dump = world.kubectl(&["get", "tsys,ent", "-o", "yaml"]).await;
    let files = [
        ("dump.yaml", dump.as_str()),
        ("people.yaml", &people),
        ("same.yaml", &same),
        ("narrow.yaml", &narrow),
    ];
    let sources = [
        "--employees",
        "dump.yaml",
        "--employees",
        "people.yaml",
        "--before",
        "same.yaml",
        "--after",
        "narrow.yaml",
    ];
    let (code, offline) = plan(&world, &files, &sources);
    assert_eq!((code, &offline["held"]), (Some(4), &foretold["held"]));

    world.apply(&narrow).await;
    world
        .eventually(&operator, "the set that was foretold", async || {
            let sets = world.list("ChangeSet").await;
            let is = |there: &Value| {
                there["metadata"]["name"] == set["changeSet"]
                    && there["status"]["digest"] == set["digest"]
                    && there["status"]["people"] == set["people"]
            };
            sets.iter().any(is).then_some(()).ok_or_else(|| format!("{sets:?}"))
        })
        .await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Held").await;
    }
    // Now that it is held, the same plan changes nothing more; and the old policy would keep everybody's.
    let (code, again) = plan(&world, &[], &["--after", "narrow.yaml"]);
    assert_eq!((code, &again["people"]), (Some(0), &json!([])), "{again}");
    let (code, back) = plan(&world, &[], &["--after", "same.yaml"]);
    assert_eq!(code, Some(3), "{back}");
    assert_eq!(
        back["people"][12]["kept"],
        json!([{"target": "directory", "entitlement": "engineering"}])
    );
}
