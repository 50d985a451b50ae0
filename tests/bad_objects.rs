//! What of objects that cannot be decoded, and of an API server that goes away? On control planes of their own, since
//! both disturb everybody else.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use rollcall_support::checks::{directory_effects, person, usual_policies};
use rollcall_support::control_plane::ControlPlane;
use rollcall_support::merge::Company;
use rollcall_support::proxy::RequestInfo;
use rollcall_support::world::{World, WorldOptions};
use serde_json::{Value, json};

const QUIET: Duration = Duration::from_secs(2);

async fn world() -> World {
    let plane = Box::leak(Box::new(ControlPlane::start().await.expect("a control plane")));
    let options = WorldOptions {
        script: Some(directory_effects()),
        ..WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::empty())
    };
    let world = World::on(plane, options).await;
    world.apply(&usual_policies()).await;
    world
}

/// The CRDs as they are, without what the API server adds.
async fn crds(world: &World) -> Vec<Value> {
    let text = world.kubectl(&["get", "crds", "-o", "json"]).await;
    let list: Value = serde_json::from_str(&text).unwrap();
    let mut crds = list["items"].as_array().cloned().unwrap();
    crds.retain(|crd| crd["spec"]["group"] == "rollcall.dev");
    for crd in &mut crds {
        crd["metadata"] = json!({"name": crd["metadata"]["name"]});
        crd.as_object_mut().unwrap().remove("status");
    }
    crds
}

/// A CRD as an older version may have been, which let any spec through.
fn looser(crd: &Value) -> Value {
    let mut crd = crd.clone();
    let version = &mut crd["spec"]["versions"][0];
    version.as_object_mut().unwrap().remove("selectableFields");
    let schema = &mut version["schema"]["openAPIV3Schema"];
    schema.as_object_mut().unwrap().remove("x-kubernetes-validations");
    schema["properties"]["spec"] = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    crd
}

async fn replace(world: &World, crds: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": crds}).to_string();
    world
        .plane
        .kubectl_with(&["replace", "-f", "-"], Some(&list), None)
        .await
        .unwrap();
}

/// Merges `spec` into an object's, and tries again until the CRD that allows it is served.
async fn spoil(world: &World, kind: &str, name: &str, spec: Value) {
    let patch = json!({ "spec": spec }).to_string();
    let args = [
        "-n",
        &world.namespace,
        "patch",
        kind,
        name,
        "--type=merge",
        "-p",
        &patch,
    ];
    let mut last = String::new();
    for _ in 0..100 {
        match world.plane.kubectl(&args).await {
            Ok(_) => return,
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{last}");
}

/// How many accounts a request is to make, by itself or as a bulk request (RFC 7644 section 3.7).
fn creations(request: &RequestInfo) -> usize {
    let is_creation = |method: &Value, path: &Value| method == "POST" && path == "/Users";
    if request.method == "POST" && request.path.ends_with("/Users") {
        return 1;
    }
    if !request.path.ends_with("/Bulk") {
        return 0;
    }
    let body = request.json().unwrap_or_default();
    let operations = body["Operations"].as_array().cloned().unwrap_or_default();
    let made = operations
        .iter()
        .filter(|one| is_creation(&one["method"], &one["path"]));
    made.count()
}

/// I1, I10: a policy, a target and an Employee that cannot be decoded say so; they and everything else keep what they
/// have, others go on, and applied anew they work again.
#[tokio::test(flavor = "multi_thread")]
async fn objects_that_an_older_crd_let_through() {
    let world = world().await;
    let people = [person("ada", "Engineering"), person("sam", "Sales")].concat();
    world.apply(&people).await;
    let operator = world.start().await;
    world.has_members(&operator, "Everyone", &["ada", "sam"]).await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    world.has_grant(&operator, "sam", "sales", "Granted").await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    let before = world.memberships().await;

    let strict = crds(&world).await;
    replace(&world, &strict.iter().map(looser).collect::<Vec<_>>()).await;
    spoil(&world, "provpol", "engineering", json!({"mode": "Sometimes"})).await;
    spoil(&world, "employee", "sam", json!({"departments": "Sales"})).await;
    let policy = ("ProvisioningPolicy", "engineering");
    let words = [
        "cannot be read",
        "Sometimes",
        "What cannot be read is at spec.mode",
        "Apply it anew",
    ];
    world.complains(&operator, policy, "Ready=False/Invalid", &words).await;
    let sam = ("Employee", "sam");
    let words = [
        "cannot be read",
        "Sales",
        "What cannot be read is at spec.departments",
        "Apply it anew",
    ];
    world.complains(&operator, sam, "Ready=False/Invalid", &words).await;

    // Under the strict CRD, as an upgrade leaves it, and for an operator that begins with them.
    replace(&world, &strict).await;
    operator.restart().unwrap();
    world.free_lease().await;
    world.ready(&operator).await;
    world.apply(&person("eve", "Sales")).await;
    world.has_members(&operator, "Sales", &["eve", "sam"]).await;
    world.has_members(&operator, "Everyone", &["ada", "eve", "sam"]).await;
    assert_eq!(world.losses(), Vec::<String>::new());
    assert_eq!(world.memberships().await["Engineering"], before["Engineering"]);

    // A target, last, since without it nothing goes on there.
    replace(&world, &strict.iter().map(looser).collect::<Vec<_>>()).await;
    spoil(&world, "tsys", "directory", json!({"adopt": "Sometimes"})).await;
    let target = ("TargetSystem", "directory");
    let words = ["cannot be read", "Sometimes", "at spec.adopt", "Apply it anew"];
    world.complains(&operator, target, "Ready=False/Invalid", &words).await;
    world.apply(&person("ada", "Sales")).await;
    world.quiet(QUIET).await;
    assert_eq!(world.losses(), Vec::<String>::new());
    world.has_members(&operator, "Engineering", &["ada"]).await;

    // Deleted, an Employee that cannot be read goes, and its access stays.
    world.apply(&person("max", "Legal")).await;
    spoil(&world, "employee", "max", json!({"departments": "Legal"})).await;
    let args = ["delete", "employee", "max", "--wait=true", "--timeout=30s"];
    world.kubectl(&args).await;
    assert_eq!(world.losses(), Vec::<String>::new());

    // All three mended.
    replace(&world, &strict).await;
    spoil(&world, "tsys", "directory", json!({"adopt": "Desired"})).await;
    spoil(&world, "provpol", "engineering", json!({"mode": "Enforce"})).await;
    spoil(
        &world,
        "employee",
        "sam",
        json!({"departments": [{"path": ["Engineering"]}]}),
    )
    .await;
    world.has_members(&operator, "Engineering", &["sam"]).await;
    world.has_members(&operator, "Sales", &["ada", "eve"]).await;
    world.says(&operator, policy, "Ready=True/Accepted", &[]).await;
    world.says(&operator, target, "Ready=True/Accepted", &[]).await;
    assert!(
        world.condition("Employee", "sam", "Ready").await.is_null(),
        "mended, and said no more"
    );
}

/// I3, I4: an API server that goes away in the middle of grants, and comes back, costs nothing and doubles nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_restarts_in_the_middle() {
    let world = world().await;
    let names: Vec<String> = (0..15).map(|i| format!("p{i:02}")).collect();
    let operator = world.start().await;
    let proxy = world.scim_proxy.as_ref().unwrap();
    // Slow enough that the restart comes in the middle.
    proxy.delay(|_| true, Duration::from_millis(50), usize::MAX);
    world
        .apply(&names.iter().map(|name| person(name, "Engineering")).collect::<String>())
        .await;
    world
        .eventually(&operator, "accounts are being made", async || {
            let count = world.scim.users().await.unwrap().len();
            (count >= 3).then_some(()).ok_or_else(|| count.to_string())
        })
        .await;
    world.plane.restart_api_server().await.unwrap();
    proxy.clear_faults();
    if !operator.is_running() {
        // It could not renew its Lease in time, and ends as it must; a Deployment starts it again.
        operator.restart().unwrap();
    }
    world.ready(&operator).await;
    let everybody: Vec<&str> = names.iter().map(String::as_str).collect();
    world.has_members(&operator, "Engineering", &everybody).await;
    world.has_members(&operator, "Everyone", &everybody).await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Granted").await;
        world.has_grant(&operator, name, "everyone", "Granted").await;
    }
    world.quiet(QUIET).await;
    assert_eq!(world.losses(), Vec::<String>::new());
    let mut made: Vec<String> = world
        .scim
        .users()
        .await
        .unwrap()
        .iter()
        .map(|user| user["userName"].to_string())
        .collect();
    let count = made.len();
    made.sort();
    made.dedup();
    assert_eq!((made.len(), count), (names.len(), names.len()), "one account each");
    let effects = world.script.as_ref().unwrap().log();
    let created: usize = effects.iter().map(|effect| creations(&effect.request)).sum();
    assert_eq!(created, names.len());
}
