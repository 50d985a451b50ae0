//! Does a mistake in a policy stop before it costs many people their access, and does a person's decision release
//! exactly what was shown?
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use rollcall_support::checks::{directory_effects, email, grant, grants, person, person_with, usual, usual_policies};
use rollcall_support::merge::Company;
use rollcall_support::operator::Operator;
use rollcall_support::proxy::{Script, When};
use rollcall_support::world::{OPERATOR, World, WorldOptions};
use serde_json::{Value, json};

const QUIET: Duration = Duration::from_secs(2);
const DIRECTORY: (&str, &str) = ("TargetSystem", "directory");
const TARGET: &str = "directory";
const BINARY: &str = env!("CARGO_BIN_EXE_rollcall");

/// What the policy should have said, and what it says by mistake: nobody has that title.
const ALL_ENGINEERS: &str = "{department: {in: [Engineering]}}";
const NOBODY: &str = "{department: {in: [Engineering]}, jobTitle: [Astronaut]}";

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("e{i:02}")).collect()
}

fn people(names: &[String]) -> String {
    names.iter().map(|name| person(name, "Engineering")).collect()
}

/// So many engineers, and Sam in sales, all with what policies give them.
async fn engineers(world: &World, count: usize) -> (Operator, Vec<String>) {
    let names = names(count);
    world.apply(&[people(&names), person("sam", "Sales")].concat()).await;
    let operator = world.start().await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Granted").await;
        world.has_grant(&operator, name, "everyone", "Granted").await;
    }
    world.has_grant(&operator, "sam", "sales", "Granted").await;
    enforced(world, &operator, "engineering").await;
    (operator, names)
}

/// Waits until the last edit of a policy is enforced, losses included.
async fn enforced(world: &World, operator: &Operator, policy: &str) {
    world
        .eventually(operator, &format!("policy {policy} is enforced"), async || {
            let policy = world.get("ProvisioningPolicy", policy).await;
            (policy["status"]["enforcedGeneration"] == policy["metadata"]["generation"])
                .then_some(())
                .ok_or_else(|| policy["status"].to_string())
        })
        .await;
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

async fn select(world: &World, selector: &str) {
    world
        .apply(&World::policy("engineering", selector, &["engineering"]))
        .await;
}

fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

/// The ChangeSets in a state.
async fn change_sets(world: &World, state: &str) -> Vec<Value> {
    let all = world.list("ChangeSet").await;
    all.into_iter().filter(|set| set["status"]["state"] == state).collect()
}

/// Waits until one ChangeSet is open whose status says all of this; returns it.
async fn open(world: &World, operator: &Operator, status: &Value) -> Value {
    let mut found = Value::Null;
    world
        .eventually(operator, &format!("an open ChangeSet with {status}"), async || {
            let sets = change_sets(world, "Open").await;
            let fits = |set: &&Value| status.as_object().unwrap().iter().all(|(k, v)| set["status"][k] == *v);
            found = sets.iter().find(fits).cloned().unwrap_or_default();
            let seen = || format!("{:?}", sets.iter().map(|set| &set["status"]).collect::<Vec<_>>());
            (!found.is_null()).then_some(()).ok_or_else(seen)
        })
        .await;
    found
}

/// Waits until a ChangeSet is in a state.
async fn becomes(world: &World, operator: &Operator, name: &str, state: &str) {
    world
        .eventually(operator, &format!("{name} is {state}"), async || {
            let set = world.get("ChangeSet", name).await;
            (set["status"]["state"] == state)
                .then_some(())
                .ok_or_else(|| set["status"].to_string())
        })
        .await;
}

async fn try_decide(world: &World, set: &str, decision: &str, digest: &str) -> Result<String, String> {
    let patch = json!({"spec": {"decision": decision, "digest": digest, "reason": "as agreed"}}).to_string();
    let args = [
        "patch",
        "chgset",
        set,
        "--type=merge",
        "-p",
        &patch,
        "-n",
        &world.namespace,
    ];
    world.plane.kubectl(&args).await.map_err(|error| error.to_string())
}

async fn decide(world: &World, set: &Value, decision: &str) {
    let digest = set["status"]["digest"].as_str().unwrap();
    try_decide(world, &name_of(set), decision, digest).await.unwrap();
}

fn record(employee: &Value, entitlement: &str) -> Value {
    let records = employee["status"]["entitlements"].as_array().unwrap();
    let found = records.iter().find(|record| record["entitlement"] == entitlement);
    found.cloned().unwrap_or_default()
}

async fn nothing_held(world: &World, operator: &Operator) {
    world
        .says(operator, DIRECTORY, "ChangesHeld=False/AsExpected", &[])
        .await;
    let status = world.get("TargetSystem", TARGET).await["status"]["held"].clone();
    assert!(status.is_null(), "{status}");
}

/// I6: a policy that would cost thirteen people their group costs nobody anything until somebody says so. Meanwhile
/// neither leavers nor single moves wait, what is mended drops out, and what comes later waits by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_narrowed_too_far() {
    let world = usual(BINARY, Company::empty()).await;
    let (operator, names) = engineers(&world, 13).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    select(&world, NOBODY).await;
    let shown = json!({"cause": "PolicyChange", "people": 13, "changes": 13, "waiting": 13});
    let set = open(&world, &operator, &shown).await;
    let first = name_of(&set);
    assert_eq!(
        set["status"]["targets"],
        json!([{"target": TARGET, "people": 13, "changes": 13}])
    );
    assert_eq!(set["status"]["sample"][0], "e00: -engineering at directory");
    for name in &names {
        let employee = world.has_grant(&operator, name, "engineering", "Held").await;
        assert_eq!(grant(&employee, "everyone"), "Granted");
        assert_eq!(record(&employee, "engineering")["changeSet"], first);
        assert_eq!(employee["status"]["counts"]["held"], 1);
    }
    let words = ["13 people", &*first, "kubectl get chgset"];
    world
        .says(&operator, DIRECTORY, "ChangesHeld=True/OverBudget", &words)
        .await;
    let words = [
        "for 13 people",
        "its budget for PolicyChange is 10",
        "rollcall changeset show",
    ];
    world.warns(&operator, DIRECTORY, "OverBudget", &words).await;
    world
        .warns(&operator, ("ChangeSet", &first), "OverBudget", &words)
        .await;
    let held = world.get("TargetSystem", TARGET).await["status"]["held"].clone();
    assert_eq!(held, json!({"people": 13, "changes": 13, "changeSets": [first]}));
    for object in [DIRECTORY, ("ProvisioningPolicy", "engineering"), ("ChangeSet", &*first)] {
        world.says(&operator, object, "Ready=True/Accepted", &[]).await;
    }
    assert_eq!(world.changes(), Vec::<String>::new());

    // A leaver goes at once, held or not, and so does one who moves.
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
    open(
        &world,
        &operator,
        &json!({"digest": set["status"]["digest"], "waiting": 12}),
    )
    .await;

    // Newcomers of the same cause are judged by themselves; what is mended drops out by itself.
    world.apply(&World::policy("everyone", NOBODY, &["everyone"])).await;
    let later = open(
        &world,
        &operator,
        &json!({"cause": "PolicyChange", "people": 13, "waiting": 13}),
    )
    .await;
    assert_ne!(name_of(&later), first);
    let keep = World::policy("keep", "{employees: [e12@example.com]}", &["engineering"]);
    world.apply(&keep).await;
    world.has_grant(&operator, "e12", "engineering", "Granted").await;
    let set = open(
        &world,
        &operator,
        &json!({"digest": set["status"]["digest"], "waiting": 11}),
    )
    .await;

    // Whoever deletes it decides nothing.
    let kubeconfig = world
        .plane
        .service_account_kubeconfig(OPERATOR.0, OPERATOR.1, None)
        .await
        .unwrap();
    let args = ["delete", "chgset", &first, "-n", &world.namespace];
    world.plane.kubectl_with(&args, None, Some(&kubeconfig)).await.unwrap();
    world
        .eventually(&operator, "it is made anew", async || {
            let anew = world.get("ChangeSet", &first).await;
            (anew["metadata"]["uid"] != set["metadata"]["uid"] && anew["status"]["waiting"] == 11)
                .then_some(())
                .ok_or_else(|| anew.to_string())
        })
        .await;
    let set = world.get("ChangeSet", &first).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();

    let digest = set["status"]["digest"].as_str().unwrap();
    let other = later["status"]["digest"].as_str().unwrap();
    let said = try_decide(&world, &first, "Approve", other).await.unwrap_err();
    assert!(said.contains("decide on what is there: set spec.digest"), "{said}");
    assert_eq!(world.changes(), Vec::<String>::new(), "a wrong digest does nothing");

    try_decide(&world, &first, "Approve", digest).await.unwrap();
    world.has_members(&operator, "Engineering", &["e12"]).await;
    for name in &names[1..12] {
        let employee = world.has_grant(&operator, name, "engineering", "Revoked").await;
        let record = record(&employee, "engineering");
        let expected = json!(["Approved", digest, first, "PolicyChange"]);
        let found = json!([
            record["release"],
            record["approval"],
            record["changeSet"],
            record["cause"]
        ]);
        assert_eq!(found, expected);
        assert_eq!(grant(&employee, "everyone"), "Held");
    }
    becomes(&world, &operator, &first, "Done").await;
    world
        .kubectl(&["wait", "--for=condition=Done", "chgset", &first, "--timeout=5s"])
        .await;

    // The other one is mended before anybody decides.
    world
        .apply(&World::policy("everyone", "{everyone: true}", &["everyone"]))
        .await;
    becomes(&world, &operator, &name_of(&later), "Done").await;
    for name in &names[1..] {
        world.has_grant(&operator, name, "everyone", "Granted").await;
    }
    nothing_held(&world, &operator).await;

    // What was approved is not charged to the budget of those who come after.
    world
        .apply(&World::policy(
            "everyone",
            "{everyone: true, not: [{employees: [e12@example.com]}]}",
            &["everyone"],
        ))
        .await;
    world.has_grant(&operator, "e12", "everyone", "Revoked").await;
}

/// I6, I7: the mistake is mended before anybody decides: everything is as it was, without a word to the directory.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_restored_in_time() {
    let world = usual(BINARY, Company::empty()).await;
    let (operator, names) = engineers(&world, 11).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    world.kubectl(&["delete", "provpol", "engineering"]).await;
    let set = open(&world, &operator, &json!({"cause": "PolicyChange", "waiting": 11})).await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Held").await;
    }
    select(&world, ALL_ENGINEERS).await;
    for name in &names {
        let employee = world.has_grant(&operator, name, "engineering", "Granted").await;
        assert_eq!(record(&employee, "engineering")["changeSet"], Value::Null);
    }
    nothing_held(&world, &operator).await;
    becomes(&world, &operator, &name_of(&set), "Done").await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
}

/// I6: ten people may lose something by an edit without a decision; one more within the window may not. A move has a budget
/// of its own.
#[tokio::test(flavor = "multi_thread")]
async fn ten_people_and_then_one_more() {
    let world = usual(BINARY, Company::empty()).await;
    let (operator, names) = engineers(&world, 10).await;
    select(&world, NOBODY).await;
    world.has_members(&operator, "Engineering", &[]).await;
    for name in &names {
        let employee = world.has_grant(&operator, name, "engineering", "Revoked").await;
        let record = record(&employee, "engineering");
        assert_eq!(
            (&record["release"], &record["cause"]),
            (&json!("Budget"), &json!("PolicyChange"))
        );
    }
    world.apply(&person("sue", "Sales")).await;
    world.has_grant(&operator, "sue", "sales", "Granted").await;
    world.apply(&person("sue", "Legal")).await;
    world.has_grant(&operator, "sue", "sales", "Revoked").await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    world.apply(&World::policy("sales", NOBODY, &["sales"])).await;
    world.has_grant(&operator, "sam", "sales", "Held").await;
    open(
        &world,
        &operator,
        &json!({"cause": "PolicyChange", "people": 1, "waiting": 1}),
    )
    .await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
}

/// I6: a rejection keeps things as they are, and says so on the records of those whom it concerns.
#[tokio::test(flavor = "multi_thread")]
async fn rejected_changes_stay_for_as_long_as_they_are_called_for() {
    let world = usual(BINARY, Company::empty()).await;
    let (operator, names) = engineers(&world, 11).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    select(&world, NOBODY).await;
    let set = open(&world, &operator, &json!({"waiting": 11})).await;
    decide(&world, &set, "Reject").await;
    becomes(&world, &operator, &name_of(&set), "Rejected").await;
    for name in &names {
        world
            .eventually(&operator, "the record says why it stays", async || {
                let employee = world.get("Employee", name).await;
                let (state, reason) = grants(&employee)["engineering"].clone();
                (state == "Held" && reason.contains("was rejected: as agreed"))
                    .then_some(())
                    .ok_or(format!("{state}: {reason}"))
            })
            .await;
    }
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
    select(&world, ALL_ENGINEERS).await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Granted").await;
    }
    becomes(&world, &operator, &name_of(&set), "Done").await;
    assert_eq!(world.changes(), Vec::<String>::new());
}

/// A world that kills the operator at a status patch of an Employee that holds this text.
async fn killed_at(text: &'static str, people: usize) -> (World, Operator, Vec<String>, Script) {
    let patches = Script::new(move |request| {
        request.method == http::Method::PATCH
            && request.path.ends_with("/status")
            && request.path.contains("/employees/")
            && String::from_utf8_lossy(&request.body).contains(text)
    });
    let options = WorldOptions {
        script: Some(patches.clone()),
        ..WorldOptions::new(BINARY, Company::empty())
    };
    let world = World::new(options).await;
    world.apply(&usual_policies()).await;
    let (operator, names) = engineers(&world, people).await;
    (world, operator, names, patches)
}

async fn restart(world: &World, operator: &Operator, script: &Script) {
    script.wait_fired(Duration::from_mins(1)).await.unwrap();
    script.reopen();
    world.free_lease().await;
    operator.restart().unwrap();
    world.ready(operator).await;
}

/// I6: killed between making a ChangeSet and recording its members, the operator finds them again, and nobody who was
/// shown as waiting is judged anew.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_holding() {
    let (world, operator, names, holds) = killed_at("\"Held\"", 14).await;
    let killed = operator.clone();
    holds.arm(holds.total() + 5, When::Before, move || killed.kill());
    select(&world, NOBODY).await;
    restart(&world, &operator, &holds).await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Held").await;
    }
    let set = open(&world, &operator, &json!({"people": 14, "waiting": 14})).await;
    let sets = world.list("ChangeSet").await;
    assert_eq!(sets.len(), 1, "{sets:?}");
    for name in &names {
        let employee = world.get("Employee", name).await;
        assert_eq!(record(&employee, "engineering")["changeSet"], name_of(&set));
    }
    world.has_members(&operator, "Engineering", &refs(&names)).await;
}

/// I6: killed while an approved release is being recorded, the operator finishes it after its restart, and lets nobody
/// else go.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_an_approved_release() {
    let (world, operator, names, releases) = killed_at("Revoking", 14).await;
    select(&world, NOBODY).await;
    let set = open(&world, &operator, &json!({"waiting": 14})).await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Held").await;
    }
    let killed = operator.clone();
    releases.arm(releases.total() + 5, When::Before, move || killed.kill());
    decide(&world, &set, "Approve").await;
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
    restart(&world, &operator, &releases).await;
    world.has_members(&operator, "Engineering", &[]).await;
    for name in &names {
        let employee = world.has_grant(&operator, name, "engineering", "Revoked").await;
        assert_eq!(grant(&employee, "everyone"), "Granted");
    }
    world
        .has_members(&operator, "Everyone", &[&refs(&names)[..], &["sam"]].concat())
        .await;
    world.has_members(&operator, "Sales", &["sam"]).await;
    becomes(&world, &operator, &name_of(&set), "Done").await;
    nothing_held(&world, &operator).await;
}

/// The directory of [`World`] with more in its spec.
async fn with_guard(world: &World, spec: &Value) {
    let patch = json!({"spec": spec}).to_string();
    world
        .kubectl(&["patch", "tsys", TARGET, "--type=merge", "-p", &patch])
        .await;
}

/// I2, I6: a layoff of sixty takes the use of sixty accounts at once; what cannot be undone, their deletion, waits for a
/// person beyond the budget for exits.
#[tokio::test(flavor = "multi_thread")]
async fn a_layoff() {
    const BUDGET: usize = 5;
    let world = usual(BINARY, Company::empty()).await;
    with_guard(
        &world,
        &json!({
            "guard": {"causes": [{"cause": "Termination", "maxPeople": BUDGET, "maxPercent": 0}]},
            "account": {"onTerminated": {"action": "Delete", "after": "1s"}},
        }),
    )
    .await;
    let (operator, names) = engineers(&world, 60).await;
    let leavers: String = names
        .iter()
        .map(|name| {
            person_with(
                name,
                "departments: [{path: [Engineering]}]\nterminationDate: '2026-01-01'",
            )
        })
        .collect();
    world.apply(&leavers).await;
    let accounts = async || {
        let users = world.scim.users().await.unwrap();
        let mut left: Vec<Value> = users
            .into_iter()
            .filter(|user| user["userName"] != email("sam"))
            .collect();
        let deleted = names.len() - left.len();
        left.retain(|user| user["active"] == true);
        (left.len(), deleted)
    };
    world
        .eventually(&operator, "no leaver can use an account", async || {
            match accounts().await {
                (0, _) => Ok(()),
                (usable, _) => Err(format!("{usable} are usable")),
            }
        })
        .await;
    world.has_members(&operator, "Engineering", &[]).await;
    world.has_members(&operator, "Everyone", &["sam"]).await;
    let waiting = async || -> u64 {
        let sets = change_sets(&world, "Open").await;
        sets.iter().map(|set| set["status"]["waiting"].as_u64().unwrap()).sum()
    };
    world
        .eventually(&operator, "every deletion was let go or waits", async || {
            let (waiting, (_, deleted)) = (waiting().await, accounts().await);
            (waiting as usize + deleted == names.len())
                .then_some(())
                .ok_or(format!("{waiting} wait, {deleted} are deleted"))
        })
        .await;
    let (_, deleted) = accounts().await;
    assert!(deleted <= BUDGET, "{deleted} were deleted on a budget of {BUDGET}");
    for set in change_sets(&world, "Open").await {
        assert_eq!(set["status"]["cause"], "Termination");
        assert!(
            set["status"]["sample"][0]
                .as_str()
                .unwrap()
                .ends_with(": account deleted at directory")
        );
        decide(&world, &set, "Approve").await;
    }
    world
        .eventually(&operator, "what was approved is deleted", async || {
            let (_, deleted) = accounts().await;
            (deleted == names.len()).then_some(()).ok_or(format!("{deleted}"))
        })
        .await;
    nothing_held(&world, &operator).await;
}

/// A target's ceiling on grants holds a flood, and what was approved is not charged to those who come after.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_grants() {
    let world = usual(BINARY, Company::empty()).await;
    with_guard(&world, &json!({"guard": {"grants": {"maxPeople": 5, "maxPercent": 0}}})).await;
    let names = names(8);
    world.apply(&people(&names)).await;
    let operator = world.start().await;
    let set = open(
        &world,
        &operator,
        &json!({"cause": "Grants", "people": 8, "changes": 16}),
    )
    .await;
    for name in &names {
        let employee = world.has_grant(&operator, name, "engineering", "Pending").await;
        world
            .eventually(&operator, "the record names the ChangeSet", async || {
                let record = record(&world.get("Employee", name).await, "engineering");
                (record["changeSet"] == name_of(&set))
                    .then_some(())
                    .ok_or_else(|| record.to_string())
            })
            .await;
        assert_eq!(employee["status"]["counts"]["granted"], 0);
    }
    world.has_members(&operator, "Engineering", &[]).await;
    decide(&world, &set, "Approve").await;
    world.has_members(&operator, "Engineering", &refs(&names)).await;
    world.has_members(&operator, "Everyone", &refs(&names)).await;
    becomes(&world, &operator, &name_of(&set), "Done").await;
    world.apply(&person("sam", "Sales")).await;
    world.has_grant(&operator, "sam", "sales", "Granted").await;
    nothing_held(&world, &operator).await;
}

/// I8: a grant moves from one policy to another, in either order of arrival, and nobody loses it for a moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_moves_between_policies() {
    let options = WorldOptions {
        script: Some(directory_effects()),
        args: ["--policy-settle-seconds", "6"].map(str::to_owned).to_vec(),
        ..WorldOptions::new(BINARY, Company::empty())
    };
    let world = World::new(options).await;
    world.apply(&usual_policies()).await;
    let (operator, names) = engineers(&world, 6).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    let given_by = async |policy: &str| {
        for name in &names {
            world
                .eventually(&operator, &format!("{name} has it by {policy}"), async || {
                    let record = record(&world.get("Employee", name).await, "engineering");
                    (record["grantors"] == json!([policy]) && record["state"] == "Granted")
                        .then_some(())
                        .ok_or_else(|| record.to_string())
                })
                .await;
        }
    };
    // Taken from one first, and later given by the other: longer than other losses wait, shorter than those of edits.
    select(&world, NOBODY).await;
    world
        .eventually(&operator, "the edit is seen", async || {
            let policy = world.get("ProvisioningPolicy", "engineering").await;
            (policy["status"]["matched"] == 0)
                .then_some(())
                .ok_or_else(|| policy["status"].to_string())
        })
        .await;
    world
        .apply(&World::policy("builders", ALL_ENGINEERS, &["engineering"]))
        .await;
    given_by("builders").await;
    enforced(&world, &operator, "engineering").await;
    enforced(&world, &operator, "builders").await;
    // Given by one first, and then taken from the other.
    select(&world, ALL_ENGINEERS).await;
    world.apply(&World::policy("builders", NOBODY, &["engineering"])).await;
    given_by("engineering").await;
    enforced(&world, &operator, "builders").await;
    assert_eq!(world.changes(), Vec::<String>::new());
    // And what nobody gives any more goes, once the edits have settled.
    select(&world, NOBODY).await;
    world.has_members(&operator, "Engineering", &[]).await;
}
