//! How fast a target is called, in which order, and what becomes of one that is sick.
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

use std::time::{Duration, Instant};

use rollcall_support::checks::{email, person, person_with, usual_policies};
use rollcall_support::merge::Company;
use rollcall_support::operator::Operator;
use rollcall_support::proxy::{Entry, Script, request};
use rollcall_support::scim_server::{ScimOptions, service_provider_config};
use rollcall_support::story::{list, text};
use rollcall_support::world::{World, WorldOptions};

/// What goes to the directory, and the records that it follows.
fn exchanges() -> Script {
    Script::new(|request| {
        let record = request.path.contains("/employees/") && request.path.ends_with("/status");
        &*request.proxy == "scim" || (record && request.method == http::Method::PATCH)
    })
}

async fn world() -> World {
    world_at(ScimOptions::default()).await
}

async fn world_at(scim: ScimOptions) -> World {
    let mut options = WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::empty());
    options.script = Some(exchanges());
    options.scim = scim;
    let world = World::new(options).await;
    world.apply(&usual_policies()).await;
    world
}

fn without_bulk() -> ScimOptions {
    ScimOptions {
        service_provider_config: Some(service_provider_config(true, true, false)),
        ..ScimOptions::default()
    }
}

async fn patch_directory(world: &World, spec: &str) {
    let patch = format!(r#"{{"spec": {spec}}}"#);
    world
        .kubectl(&["patch", "tsys", "directory", "--type=merge", "-p", &patch])
        .await;
}

fn log(world: &World) -> Vec<Entry> {
    world.script.as_ref().expect("the world has a script").log()
}

fn is_scim(entry: &Entry) -> bool {
    &*entry.request.proxy == "scim"
}

fn creates(entry: &Entry) -> bool {
    is_scim(entry) && entry.request.method == http::Method::POST
}

fn left(name: &str) -> String {
    person_with(
        name,
        "departments: [{path: [Engineering]}]\nterminationDate: '2026-01-01'",
    )
}

/// Who came and left, and what went to the directory from the record of the exit on.
struct Exit {
    /// Requests before the first of the exit.
    before: Vec<String>,
    /// Requests from then on until the last of the exit.
    during: Vec<String>,
    /// From the hint to the account's deactivation.
    took: Duration,
}

/// Has `name` leave, and waits until nothing of theirs is left.
async fn leave(world: &World, operator: &Operator, name: &str) -> Exit {
    let account = world.scim.user(&email(name)).await.expect("the directory answers");
    let id = text(&account.expect("has an account")["id"]).to_owned();
    let said = Instant::now();
    world.apply(&left(name)).await;
    let mut took = None;
    world
        .eventually_within(
            Duration::from_mins(5),
            operator,
            &format!("{name} is gone"),
            async || {
                let user = world.scim.user(&email(name)).await.map_err(|error| error.to_string())?;
                if user.is_some_and(|user| user["active"] == false) {
                    took.get_or_insert_with(|| said.elapsed());
                }
                if took.is_none() {
                    return Err("the account is active".to_owned());
                }
                let employee = world.get("Employee", name).await;
                let live = list(&employee["status"]["entitlements"]).any(|record| record["state"] != "Revoked");
                let account = text(&employee["status"]["accounts"][0]["state"]).to_owned();
                (!live && account == "Deactivated").then_some(()).ok_or(account)
            },
        )
        .await;
    let log = log(world);
    let records = |entry: &Entry| {
        let body = String::from_utf8_lossy(&entry.request.body);
        entry.request.path.contains(&format!("/employees/{name}/")) && body.contains("Deactivating")
    };
    let recorded = log.iter().position(records).expect("the exit was recorded");
    let after: Vec<&Entry> = log[recorded..].iter().filter(|entry| is_scim(entry)).collect();
    let own = |entry: &&Entry| {
        let body = String::from_utf8_lossy(&entry.request.body);
        entry.request.path.contains(&id) || body.contains(&id)
    };
    let first = after.iter().position(own).expect("the account was ended");
    let last = after.iter().rposition(own).expect("the account was ended");
    let words = |entries: &[&Entry]| entries.iter().map(ToString::to_string).collect();
    Exit {
        before: words(&after[..first]),
        during: words(&after[first..=last]),
        took: took.unwrap_or_default(),
    }
}

async fn backlog(world: &World, people: usize) {
    for some in (0..people).collect::<Vec<_>>().chunks(100) {
        let people: Vec<String> = some
            .iter()
            .map(|number| person(&format!("p{number}"), "Engineering"))
            .collect();
        world.apply(&people.concat()).await;
    }
}

/// I1, semantics 9: a leaver who comes in behind a queue of grants goes out with the next permits. The requests that go
/// before theirs are counted, not timed.
#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_overtakes_a_queue_of_grants() {
    // With bulk there is no queue: a few requests make everybody.
    let world = world_at(without_bulk()).await;
    world.apply(&person("ada", "Engineering")).await;
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    world.has_members(&operator, "Everyone", &["ada"]).await;
    patch_directory(&world, r#"{"rateLimit": {"requestsPerMinute": 180}}"#).await;
    let before = log(&world).len();
    backlog(&world, 300).await;
    world
        .eventually(&operator, "accounts are being made", async || {
            let made = log(&world)[before..].iter().filter(|entry| creates(entry)).count();
            (made > 5).then_some(()).ok_or_else(|| format!("{made} so far"))
        })
        .await;
    let exit = leave(&world, &operator, "ada").await;
    let made = log(&world).iter().filter(|entry| creates(entry)).count();
    assert!(made < 150, "the queue was over before: {made} accounts");
    // What already had its permit when the record was written, and one more while the writer wakes.
    assert!(exit.before.len() <= 6, "{:#?}", exit.before);
    // Deactivated and read back, two groups left and read back; between two of these a grant may go.
    assert!(exit.during.len() <= 18, "{:#?}", exit.during);
    eprintln!(
        "{} requests before the exit's, {} during, {:?} from the hint to the deactivation",
        exit.before.len(),
        exit.during.len(),
        exit.took
    );
}

/// A measure, not a test of CI: from the hint to the revocation, idle and under a backlog of 10,000 grants; of fewer with
/// `PEOPLE=500`, who have two grants each.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; prints figures"]
async fn hint_to_revoke_under_a_backlog_of_ten_thousand_grants() {
    // With bulk, a few requests would carry all of it.
    let world = world_at(without_bulk()).await;
    world
        .apply(&[person("ada", "Engineering"), person("eve", "Engineering")].concat())
        .await;
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada", "eve"]).await;
    world.has_members(&operator, "Everyone", &["ada", "eve"]).await;
    let asked = Instant::now();
    for _ in 0..2 {
        world.scim.users().await.expect("the directory answers");
    }
    eprintln!("two round trips to the directory: {:?}", asked.elapsed());
    patch_directory(&world, r#"{"rateLimit": {"requestsPerMinute": 180}}"#).await;
    let idle = leave(&world, &operator, "ada").await;
    eprintln!("idle: {:?}, {} requests before", idle.took, idle.before.len());
    // Two grants each.
    let people: usize = std::env::var("PEOPLE")
        .ok()
        .and_then(|people| people.parse().ok())
        .unwrap_or(5_000);
    let began = Instant::now();
    backlog(&world, people).await;
    eprintln!("{people} people came in {:?}", began.elapsed());
    let busy = leave(&world, &operator, "eve").await;
    eprintln!(
        "under {} grants: {:?}, {} requests before",
        2 * people,
        busy.took,
        busy.before.len()
    );
}

/// Retry-After is heeded by everything, and costs the one request that was told.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_asks_for_a_pause_gets_it() {
    // With bulk, the one request would be everybody's.
    let world = world_at(without_bulk()).await;
    let operator = world.start().await;
    world
        .says(
            &operator,
            ("TargetSystem", "directory"),
            "Reachable=True/Answering",
            &[],
        )
        .await;
    let proxy = world.scim_proxy.as_ref().expect("the world has a proxy");
    proxy.respond_with(request("POST", "*/Users"), 429, &[("Retry-After", "2")], "", 1);
    let since = Instant::now();
    world
        .apply(&[person("ada", "Engineering"), person("bob", "Engineering")].concat())
        .await;
    world.has_members(&operator, "Engineering", &["ada", "bob"]).await;
    assert!(since.elapsed() >= Duration::from_secs(2));
    assert_eq!(proxy.count("POST", "*/Users"), 3, "one more than there are accounts");
    assert_eq!(world.scim.users().await.expect("the directory answers").len(), 2);
    let quarantine = world.condition("TargetSystem", "directory", "Quarantined").await;
    assert_eq!(quarantine["status"], "False");
}

/// A target that fails five times in a row is left in peace, and says so; when its Secret is mended it is tried soon.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_keeps_failing_is_in_quarantine_until_somebody_mends_it() {
    let world = world().await;
    let operator = world.start().await;
    world.apply(&person("ada", "Engineering")).await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    let token = |token: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: directory}}\nstringData: {{token: {token}}}\n---\n")
    };
    let proxy = world.scim_proxy.as_ref().expect("the world has a proxy");
    proxy.respond_with(|_| true, 401, &[], "", usize::MAX);
    world.apply(&person("bob", "Engineering")).await;
    world
        .says(
            &operator,
            ("TargetSystem", "directory"),
            "Quarantined=True/Unreachable",
            &["It failed 5 times in a row", "nothing else is sent meanwhile"],
        )
        .await;
    let system = world.get("TargetSystem", "directory").await;
    assert_eq!(system["status"]["quarantine"]["failures"], 5);
    assert!(system["status"]["quarantine"]["until"].is_string());
    let ready = world.condition("TargetSystem", "directory", "Ready").await;
    assert_eq!(
        ready["status"], "True",
        "a target that is down is no reason for a GitOps wait to hang"
    );

    // It is mended, and nobody waits for the half minute to pass: the Secret was written again.
    proxy.clear_faults();
    let sent = proxy.requests().len();
    world
        .apply(&token(world.scim.token()).replace("{token:", "{note: mended, token:"))
        .await;
    world.has_members(&operator, "Engineering", &["ada", "bob"]).await;
    assert!(proxy.requests().len() > sent);
    world
        .says(
            &operator,
            ("TargetSystem", "directory"),
            "Quarantined=False/AsExpected",
            &[],
        )
        .await;
    let system = world.get("TargetSystem", "directory").await;
    assert!(system["status"]["quarantine"].is_null());
}

/// One whom the target refuses does not keep the others, and is not asked about again and again.
#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_refused_keeps_nobody_else() {
    let world = world().await;
    let operator = world.start().await;
    let proxy = world.scim_proxy.as_ref().expect("the world has a proxy");
    let bob = email("bob");
    let is_bob = move |request: &rollcall_support::proxy::RequestInfo| {
        request.method == http::Method::POST && String::from_utf8_lossy(&request.body).contains(&bob)
    };
    proxy.respond_with(is_bob, 400, &[], r#"{"status": "400"}"#, usize::MAX);
    let people = ["ada", "bob", "cyd", "dan"].map(|name| person(name, "Engineering"));
    world.apply(&people.concat()).await;
    world
        .has_members(&operator, "Engineering", &["ada", "cyd", "dan"])
        .await;
    world.has_members(&operator, "Everyone", &["ada", "cyd", "dan"]).await;
    world
        .eventually(&operator, "bob's account is refused", async || {
            let bob = world.get("Employee", "bob").await;
            let state = bob["status"]["accounts"][0]["state"].clone();
            (state == "Failed").then_some(()).ok_or_else(|| state.to_string())
        })
        .await;
}
