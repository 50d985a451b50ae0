//! Does the program answer from a real cluster, as kubectl's plugin, with the kubeconfig and the rights of whoever asks?
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use rollcall::api::change_set::ChangeSetSpec;
use rollcall::api::{ChangeSet, Employee, Entitlement};
use rollcall_support::checks::{person, usual};
use rollcall_support::control_plane::client;
use rollcall_support::merge::Company;
use rollcall_support::process::TempDir;
use rollcall_support::world::{OPERATOR, World, WorldOptions};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rollcall");
const DIGEST: &str = "0123456789abcdef";

/// Somebody at a shell whose `PATH` has kubectl and, beside it, the program under the name that kubectl looks for.
struct Shell {
    path: OsString,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    _directory: TempDir,
}

impl Shell {
    fn new(world: &World, kubeconfig: PathBuf) -> Self {
        let directory = TempDir::new("plugin").unwrap();
        std::os::unix::fs::symlink(PROGRAM, directory.path().join("kubectl-rollcall")).unwrap();
        let kubectl = world.plane.binaries().path("kubectl");
        let path = std::env::join_paths([directory.path(), kubectl.parent().unwrap_or(Path::new("/"))]).unwrap();
        Self {
            path,
            kubectl,
            kubeconfig,
            _directory: directory,
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(&self.kubectl)
            .arg("rollcall")
            .args(args)
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .output()
            .unwrap()
    }

    fn said(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// A tenant as the operator would have left it: Ada has `code`, and its loss waits for a decision. No operator runs, so
/// that nothing moves while people look.
async fn tenant() -> World {
    let world = World::new(WorldOptions::new(PROGRAM, Company::empty())).await;
    let entitlement = World::group_entitlement("code", "Engineering");
    let policy = World::policy("engineering", "{department: {in: [Engineering]}}", &["code"]);
    world
        .apply(
            &[
                person("ada", "Sales"),
                person("bob", "Engineering"),
                entitlement,
                policy,
            ]
            .concat(),
        )
        .await;
    let remote = json!({"status": {"observedGeneration": 1, "remote": {"kind": "Group", "id": "g-1"},
        "holders": 1, "pending": 0, "held": 1}});
    write_status::<Entitlement>(&world, "code", &remote).await;
    let record = json!({"status": {"phase": "Active", "entitlements": [{"entitlement": "code", "target": "directory",
        "kind": "Group", "remoteId": "g-1", "accountId": "a-1", "state": "Held", "grantors": ["engineering"],
        "cause": "PolicyChange", "changeSet": "cs-1", "reason": "more than 10 people would lose access",
        "grantedAt": "2026-01-12T08:00:00Z"}]}});
    write_status::<Employee>(&world, "ada", &record).await;
    world
}

/// Objects of a kind, as the operator writes them.
async fn as_operator<K>(world: &World) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let operator = world
        .plane
        .service_account_kubeconfig(OPERATOR.0, OPERATOR.1, None)
        .await;
    Api::namespaced(client(&operator.unwrap()).await.unwrap(), &world.namespace)
}

async fn write_status<K>(world: &World, name: &str, status: &Value)
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned,
{
    let api = as_operator::<K>(world).await;
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
}

/// A `ChangeSet` as the operator makes it, of which nothing was decided.
async fn open_change_set(world: &World, name: &str) {
    let set = ChangeSet::new(name, ChangeSetSpec::default());
    as_operator(world)
        .await
        .create(&PostParams::default(), &set)
        .await
        .unwrap();
    let status = json!({"status": {"state": "Open", "cause": "PolicyChange", "why": "more than 10 people would lose access",
        "digest": DIGEST, "people": 1, "changes": 1, "waiting": 1, "openedAt": "2026-06-15T10:00:00Z",
        "targets": [{"target": "directory", "people": 1, "changes": 1}], "sample": ["ada: -code at directory"]}});
    write_status::<ChangeSet>(world, name, &status).await;
}

/// A person's own kubeconfig, with these `ClusterRole`s in the tenant's namespace and that namespace in its context.
async fn user(world: &World, name: &str, roles: &[&str]) -> PathBuf {
    for role in roles {
        let account = format!("--serviceaccount={}:{name}", &*world.namespace);
        let role = format!("--clusterrole={role}");
        let binding = format!("{name}-{}", role.rsplit('=').next().unwrap());
        world
            .kubectl(&["create", "rolebinding", &binding, &role, &account])
            .await;
    }
    let made = world
        .plane
        .service_account_kubeconfig(&world.namespace, name, None)
        .await;
    made.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_rollcall_answers_with_the_context_and_the_rights_of_the_user() {
    let world = tenant().await;
    let shell = Shell::new(&world, user(&world, "auditor", &["view"]).await);

    let usage = shell.said(&["who", "--help"]);
    assert!(usage.contains("Usage: kubectl rollcall who"), "{usage}");

    // The namespace is that of the context.
    let who = shell.said(&["who", "code"]);
    assert!(
        who.contains("ada") && who.contains("Held") && who.contains("engineering"),
        "{who}"
    );
    let why = shell.said(&["explain", "ada@example.com", "code"]);
    assert!(why.contains("department in [Engineering]: false, is Sales"), "{why}");
    assert!(why.contains("waits in ChangeSet cs-1"), "{why}");
    let why_not = shell.said(&["explain", "bob", "code"]);
    assert!(why_not.contains("code: not held, to be granted"), "{why_not}");

    // What the user may not read is not shown, and the sentence says what is missing.
    let elsewhere = shell.refused(&["who", "code", "-n", "default"]);
    assert!(
        elsewhere.contains("in namespace default") && elsewhere.contains("you need the verb list"),
        "{elsewhere}"
    );
    assert!(elsewhere.starts_with("kubectl rollcall: "), "{elsewhere}");
}

/// A decision is the user's own: with their rights, for the digest that was shown, and once.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_takes_the_right_to_decide_and_the_digest_that_was_shown() {
    let world = tenant().await;
    open_change_set(&world, "cs-1").await;
    let auditor = Shell::new(&world, user(&world, "auditor", &["view"]).await);
    let approver = Shell::new(&world, user(&world, "approver", &["view", "rollcall-approve"]).await);
    let decision = async || world.get("ChangeSet", "cs-1").await["spec"].clone();
    let approve = [
        "changeset",
        "approve",
        "cs-1",
        "--reason",
        "the reorganisation is meant",
    ];
    let and = |more: &[&'static str]| [&approve[..], more].concat();

    let shown = auditor.said(&["changeset", "show", "cs-1"]);
    assert!(
        shown.contains("ada") && shown.contains("-code") && shown.contains(DIGEST),
        "{shown}"
    );
    let refused = auditor.refused(&and(&["--yes"]));
    assert!(
        refused.contains("you need the ClusterRole rollcall-approve in this namespace"),
        "{refused}"
    );

    let unasked = approver.refused(&approve);
    assert!(unasked.contains("--yes"), "{unasked}");
    let other = approver.refused(&and(&["--digest", "fedcba9876543210"]));
    assert!(
        other.contains(DIGEST) && other.contains("not fedcba9876543210"),
        "{other}"
    );
    let silent = approver.refused(&["changeset", "approve", "cs-1", "--reason", " ", "--yes"]);
    assert!(silent.contains("say why"), "{silent}");
    assert_eq!(decision().await, json!({}));

    let said = approver.said(&and(&["--digest", DIGEST]));
    assert!(said.contains("approved"), "{said}");
    let spec = json!({"decision": "Approve", "digest": DIGEST, "reason": "the reorganisation is meant"});
    assert_eq!(decision().await, spec);

    let again = approver.refused(&["changeset", "reject", "cs-1", "--reason", "a second thought", "--yes"]);
    assert!(again.contains("was decided (Approve) and stays so"), "{again}");
    assert_eq!(decision().await, spec);
}

/// I6, as people meet it: a policy narrowed too far costs nobody anything, whoever asks is told what holds it, and what
/// an approver has looked at goes once they say so.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_found_explained_and_released() {
    let world = usual(PROGRAM, Company::empty()).await;
    let names: Vec<String> = (0..13).map(|i| format!("e{i:02}")).collect();
    let people: String = names.iter().map(|name| person(name, "Engineering")).collect();
    world.apply(&people).await;
    let operator = world.start().await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Granted").await;
    }
    let shell = Shell::new(&world, user(&world, "approver", &["view", "rollcall-approve"]).await);
    assert!(
        shell
            .said(&["changeset", "list"])
            .contains("Nothing waits for a decision")
    );

    let nobody = "{department: {in: [Engineering]}, jobTitle: [Astronaut]}";
    world
        .apply(&World::policy("engineering", nobody, &["engineering"]))
        .await;
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Held").await;
    }
    let mut set = String::new();
    world
        .eventually(&operator, "a ChangeSet is listed", async || {
            let list = shell.said(&["changeset", "list"]);
            let row: Vec<&str> = list.lines().nth(1).unwrap_or_default().split_whitespace().collect();
            set = (*row.first().unwrap_or(&"")).to_owned();
            (row.get(1..6) == Some(&["PolicyChange", "Open", "13", "13", "13"]))
                .then_some(())
                .ok_or(list)
        })
        .await;
    let shown = shell.said(&["changeset", "show", &set]);
    for name in &names {
        assert!(shown.contains(&**name), "{name}: {shown}");
    }
    let said = |args: &[&str]| shell.said(args).split_whitespace().collect::<Vec<_>>().join(" ");
    let explained = said(&["explain", "e00", "engineering"]);
    for piece in [
        "engineering: Held".to_owned(),
        format!("waits in ChangeSet {set} (PolicyChange"),
        format!("to decide: `rollcall changeset show {set}`"),
    ] {
        assert!(explained.contains(&piece), "{piece:?}: {explained}");
    }
    assert!(said(&["who", "engineering"]).contains("0 granted, 0 pending, 13 held"));

    let reason = "the reorganisation is meant";
    shell.said(&["changeset", "approve", &set, "--yes", "--reason", reason]);
    for name in &names {
        world.has_grant(&operator, name, "engineering", "Revoked").await;
    }
    world.has_members(&operator, "Engineering", &[]).await;
    world
        .eventually(&operator, "the ChangeSet is done", async || {
            let list = shell.said(&["changeset", "list"]);
            let row = list.lines().find(|line| line.starts_with(&set)).unwrap_or_default();
            (row.contains("Done") && row.contains(reason)).then_some(()).ok_or(list)
        })
        .await;
    let explained = said(&["explain", "e00", "engineering"]);
    assert!(!explained.contains("waits in"), "{explained}");
    assert!(
        explained.contains("let go") && explained.contains("by approval"),
        "{explained}"
    );
    let who = said(&["who", "engineering"]);
    assert!(
        who.contains("0 granted, 0 pending, 0 held") && !who.contains("e00"),
        "{who}"
    );
}
