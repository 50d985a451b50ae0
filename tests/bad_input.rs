//! What of input that is wrong: is it said, in words that say how to mend it, is nothing lost meanwhile, and does it
//! converge by itself once it is mended?
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use rollcall_support::checks::{email, grant, person, person_with, usual};
use rollcall_support::merge::{Company, NewHire};
use rollcall_support::operator::Operator;
use rollcall_support::world::World;
use serde_json::{Value, json};

/// How long nothing may happen before a story says that nothing happens.
const QUIET: Duration = Duration::from_secs(2);

const DIRECTORY: (&str, &str) = ("TargetSystem", "directory");

/// Ada in engineering and Sam in sales, both with all that policies give them.
async fn ada_and_sam() -> (World, Operator) {
    let world = usual(env!("CARGO_BIN_EXE_rollcall"), Company::empty()).await;
    world
        .apply(&[person("ada", "Engineering"), person("sam", "Sales")].concat())
        .await;
    let operator = world.start().await;
    settled(&world, &operator).await;
    (world, operator)
}

async fn settled(world: &World, operator: &Operator) {
    world.has_members(operator, "Everyone", &["ada", "sam"]).await;
    world.has_members(operator, "Engineering", &["ada"]).await;
    world.has_members(operator, "Sales", &["sam"]).await;
    for (name, entitlement) in [
        ("ada", "engineering"),
        ("ada", "everyone"),
        ("sam", "everyone"),
        ("sam", "sales"),
    ] {
        world.has_grant(operator, name, entitlement, "Granted").await;
    }
}

fn secret(name: &str, data: &Value) -> String {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}).to_string()
}

/// A credential of the directory that is missing, has no such key, or is refused is said, and costs nobody anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_without_its_credential() {
    let (world, operator) = ada_and_sam().await;
    let before = world.memberships().await;
    operator.kill();
    world.free_lease().await;
    world.script.as_ref().unwrap().reset();
    world.kubectl(&["delete", "secret", "directory"]).await;
    // Meanwhile one comes and one moves.
    world
        .apply(&[person("eve", "Engineering"), person("sam", "Engineering")].concat())
        .await;
    operator.restart().unwrap();
    world
        .complains(
            &operator,
            DIRECTORY,
            "Reachable=False/SecretMissing",
            &["Secret directory does not exist", "create it with the key token"],
        )
        .await;

    world.apply(&secret("directory", &json!({"password": "x"}))).await;
    world
        .says(
            &operator,
            DIRECTORY,
            "Reachable=False/SecretMissing",
            &["Secret directory has no key token", "add it"],
        )
        .await;

    world.apply(&secret("directory", &json!({"token": "wrong"}))).await;
    world
        .complains(
            &operator,
            DIRECTORY,
            "Reachable=False/Unauthorized",
            &["refuses the credentials", "put valid credentials in the Secret"],
        )
        .await;
    let ready = world.condition("TargetSystem", "directory", "Ready").await;
    assert_eq!(
        ready["status"], "True",
        "a target that does not answer is accepted all the same"
    );
    assert_eq!(world.memberships().await, before);
    assert_eq!(world.losses(), Vec::<String>::new());

    world
        .apply(&secret("directory", &json!({"token": world.scim.token()})))
        .await;
    world.says(&operator, DIRECTORY, "Reachable=True/Answering", &[]).await;
    world.has_members(&operator, "Everyone", &["ada", "eve", "sam"]).await;
    world
        .has_members(&operator, "Engineering", &["ada", "eve", "sam"])
        .await;
    world.has_members(&operator, "Sales", &[]).await;
}

/// A credential of Merge that is missing, has no such key, or is refused leaves the mirror as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_its_credential() {
    let world = usual(env!("CARGO_BIN_EXE_rollcall"), Company::empty()).await;
    world.merge.add_group("Engineering", "DEPARTMENT", None);
    let hire = |name: &str| {
        world.merge.hire(NewHire {
            department: "Engineering".into(),
            work_email: Some(email(name)),
            ..NewHire::named(name, "Example")
        })
    };
    hire("ada");
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    let before = world.memberships().await;
    world.quiet(QUIET).await;
    let connection = ("HRISConnection", "hr");

    world.kubectl(&["delete", "secret", "merge"]).await;
    let missing = [
        "Secret merge does not exist",
        "create it with the key api-key",
        "Nothing was changed",
    ];
    world
        .complains(&operator, connection, "SourceTrusted=False/SecretMissing", &missing)
        .await;
    world
        .apply(&secret("merge", &json!({"api-key": world.merge.api_key()})))
        .await;
    let no_key = ["Secret merge has no key account-token", "add it"];
    world
        .says(&operator, connection, "SourceTrusted=False/SecretMissing", &no_key)
        .await;
    let wrong = json!({"api-key": world.merge.api_key(), "account-token": "wrong"});
    world.apply(&secret("merge", &wrong)).await;
    let refused = [
        "Merge refuses the credentials",
        "put a valid API key and the linked account's token",
    ];
    world
        .complains(&operator, connection, "SourceTrusted=False/Unauthorized", &refused)
        .await;
    hire("eve");
    assert_eq!(world.memberships().await, before);
    assert_eq!(world.losses(), Vec::<String>::new());

    let right = json!({"api-key": world.merge.api_key(), "account-token": world.merge.account_token()});
    world.apply(&secret("merge", &right)).await;
    world
        .says(&operator, connection, "SourceTrusted=True/AsExpected", &[])
        .await;
    world.has_members(&operator, "Engineering", &["ada", "eve"]).await;
}

/// I2: while the directory is down it is said, and when it is back everything that changed meanwhile is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_down() {
    let (world, operator) = ada_and_sam().await;
    let proxy = world.scim_proxy.as_ref().unwrap();
    proxy.block(true);
    world
        .apply(
            &[
                person("eve", "Sales"),
                person("ada", "Sales"),
                person_with("sam", "departments: [{path: [Sales]}]\nterminationDate: '2026-01-01'"),
            ]
            .concat(),
        )
        .await;
    world
        .complains(
            &operator,
            DIRECTORY,
            "Reachable=False/Unreachable",
            &[
                "cannot be reached",
                "tried again by itself",
                "nothing is lost meanwhile",
            ],
        )
        .await;
    world.has_grant(&operator, "sam", "sales", "Revoking").await;
    proxy.block(false);
    world.says(&operator, DIRECTORY, "Reachable=True/Answering", &[]).await;
    world.has_members(&operator, "Everyone", &["ada", "eve"]).await;
    world.has_members(&operator, "Engineering", &[]).await;
    world.has_members(&operator, "Sales", &["ada", "eve"]).await;
    let user = world
        .scim
        .user(&email("sam"))
        .await
        .unwrap()
        .expect("the account is kept");
    assert_eq!(user["active"], false);
}

/// An entitlement whose group is not there, and a policy that names no entitlement at all: nobody loses anything by
/// either, and both are granted once what they name is there.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_things_that_are_not_there() {
    let (world, operator) = ada_and_sam().await;
    let before = world.memberships().await;
    world.script.as_ref().unwrap().reset();
    world
        .apply(
            &[
                World::group_entitlement("oncall", "On-call"),
                World::policy("oncall", "{department: {in: [Engineering]}}", &["oncall"]),
                World::policy("sales", "{department: {in: [Sales]}}", &["sales", "quotes"]),
            ]
            .concat(),
        )
        .await;
    world
        .complains(
            &operator,
            ("Entitlement", "oncall"),
            "Ready=False/RemoteMissing",
            &[
                "directory has no such object",
                "create it there, or correct this Entitlement",
            ],
        )
        .await;
    world
        .complains(
            &operator,
            ("ProvisioningPolicy", "sales"),
            "Ready=False/ReferenceMissing",
            &[
                "There is no Entitlement quotes",
                "create it, or correct the name in spec.entitlements",
            ],
        )
        .await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
    let mut now = world.memberships().await;
    assert_eq!(now, before);

    world.scim.create_group("On-call").await.unwrap();
    world.scim.create_group("Quotes").await.unwrap();
    world.apply(&World::group_entitlement("quotes", "Quotes")).await;
    world
        .says(&operator, ("ProvisioningPolicy", "sales"), "Ready=True/Accepted", &[])
        .await;
    world.has_members(&operator, "Quotes", &["sam"]).await;
    world
        .says(&operator, ("Entitlement", "oncall"), "Ready=True/Accepted", &[])
        .await;
    world.has_members(&operator, "On-call", &["ada"]).await;
    now = world.memberships().await;
    assert_eq!(
        (&now["Sales"], &now["Everyone"]),
        (&before["Sales"], &before["Everyone"])
    );
    assert_eq!(world.losses(), Vec::<String>::new());
}

/// Two policies that contradict each other change nothing for those whom both match, and say so to both authors.
#[tokio::test(flavor = "multi_thread")]
async fn two_policies_at_odds() {
    let (world, operator) = ada_and_sam().await;
    world.script.as_ref().unwrap().reset();
    let card = |name: &str, priority: i32, limit: &str| {
        json!({
            "apiVersion": "rollcall.dev/v1alpha1", "kind": "ProvisioningPolicy", "metadata": {"name": name},
            "spec": {
                "mode": "Enforce", "priority": priority, "selector": {"department": {"in": ["Engineering"]}},
                "entitlements": [{"name": "engineering", "parameters": {"limit": limit}}],
            },
        })
        .to_string()
    };
    let with_limit = json!({
        "apiVersion": "rollcall.dev/v1alpha1", "kind": "Entitlement", "metadata": {"name": "engineering"},
        "spec": {
            "targetRef": {"name": "directory"}, "scimGroup": {"displayName": "Engineering"},
            "parameters": [{"name": "limit", "type": "Integer"}],
        },
    });
    world.apply(&with_limit.to_string()).await;
    world.apply(&card("engineering", 0, "10")).await;
    world.apply(&card("platform", 0, "20")).await;
    for (name, other) in [("engineering", "platform"), ("platform", "engineering")] {
        world
            .complains(
                &operator,
                ("ProvisioningPolicy", name),
                "Conflict=True/ParametersDiffer",
                &[
                    other,
                    "equal priority",
                    "give one of them a higher priority, or the same parameters",
                ],
            )
            .await;
    }
    world
        .says(
            &operator,
            ("Employee", "ada"),
            "Conflict=True/ParametersDiffer",
            &["engineering, platform", "it stays as it is"],
        )
        .await;
    world.apply(&person("eve", "Engineering")).await;
    world.has_grant(&operator, "eve", "everyone", "Granted").await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    world.quiet(QUIET).await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    assert_eq!(world.losses(), Vec::<String>::new());

    world.apply(&card("platform", 1, "20")).await;
    world.has_members(&operator, "Engineering", &["ada", "eve"]).await;
    for name in ["engineering", "platform"] {
        world
            .says(
                &operator,
                ("ProvisioningPolicy", name),
                "Conflict=False/AsExpected",
                &[],
            )
            .await;
    }
    assert_eq!(world.losses(), Vec::<String>::new());
}

/// Two Entitlements for one group: the later stands back, and steps in when the first goes. Then the same the other way
/// round. Whoever holds the group notices nothing: what is counted is the group, not its names.
#[tokio::test(flavor = "multi_thread")]
async fn an_entitlement_gets_another_name() {
    let (world, operator) = ada_and_sam().await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();

    // The new name before the old one goes.
    world.apply(&World::group_entitlement("eng", "Engineering")).await;
    world
        .complains(
            &operator,
            ("Entitlement", "eng"),
            "Ready=False/Duplicate",
            &[
                "Entitlement engineering already stands for the same object",
                "delete one of the two",
            ],
        )
        .await;
    // A third that calls the same group by its id.
    let groups = world.scim.groups().await.unwrap();
    let group = groups
        .iter()
        .find(|group| group["displayName"] == "Engineering")
        .unwrap();
    let by_id = json!({
        "apiVersion": "rollcall.dev/v1alpha1", "kind": "Entitlement", "metadata": {"name": "by-id"},
        "spec": {"targetRef": {"name": "directory"}, "scimGroup": {"id": group["id"]}, "parameters": [{"name": "limit", "type": "Integer"}]},
    });
    world.apply(&by_id.to_string()).await;
    world
        .complains(
            &operator,
            ("Entitlement", "by-id"),
            "Ready=False/Duplicate",
            &["Entitlement engineering already stands for the same object"],
        )
        .await;
    world.kubectl(&["delete", "entitlement", "by-id"]).await;

    let selector = "{department: {in: [Engineering]}}";
    world.apply(&World::policy("engineering", selector, &["eng"])).await;
    world.quiet(QUIET).await;
    world.kubectl(&["delete", "entitlement", "engineering"]).await;
    world.has_grant(&operator, "ada", "eng", "Granted").await;
    world
        .says(&operator, ("Entitlement", "eng"), "Ready=True/Accepted", &[])
        .await;

    // The old name goes before there is a new one.
    world.kubectl(&["delete", "entitlement", "eng"]).await;
    world
        .complains(
            &operator,
            ("ProvisioningPolicy", "engineering"),
            "Ready=False/ReferenceMissing",
            &[
                "There is no Entitlement eng",
                "Until then nothing is granted or revoked for it",
            ],
        )
        .await;
    world.quiet(QUIET).await;
    world
        .apply(&World::policy("engineering", selector, &["developers"]))
        .await;
    world.quiet(QUIET).await;
    world
        .apply(&World::group_entitlement("developers", "Engineering"))
        .await;
    world.has_grant(&operator, "ada", "developers", "Granted").await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
    world.has_members(&operator, "Engineering", &["ada"]).await;
}

/// I2, I8: a target that is deleted takes nothing with it, and made anew it goes on where it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_deleted_and_made_again() {
    let (world, operator) = ada_and_sam().await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    let text = world.kubectl(&["get", "tsys", "directory", "-o", "json"]).await;
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    manifest["metadata"] = json!({"name": "directory"});
    manifest.as_object_mut().unwrap().remove("status");
    world.kubectl(&["delete", "tsys", "directory"]).await;
    world
        .complains(
            &operator,
            ("Entitlement", "engineering"),
            "Ready=False/ReferenceMissing",
            &[
                "There is no TargetSystem directory",
                "create it",
                "What was granted stays",
            ],
        )
        .await;
    // One moves and one leaves while there is nobody to ask.
    world
        .apply(
            &[
                person("ada", "Sales"),
                person_with("sam", "departments: [{path: [Sales]}]\nterminationDate: '2026-01-01'"),
            ]
            .concat(),
        )
        .await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());

    world.apply(&manifest.to_string()).await;
    world.says(&operator, DIRECTORY, "Reachable=True/Answering", &[]).await;
    world.has_members(&operator, "Everyone", &["ada"]).await;
    world.has_members(&operator, "Engineering", &[]).await;
    world.has_members(&operator, "Sales", &["ada"]).await;
}

/// Deletion is not evidence: without a connection nobody is synced, and nobody loses anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_deleted() {
    let world = usual(env!("CARGO_BIN_EXE_rollcall"), Company::empty()).await;
    world.merge.add_group("Engineering", "DEPARTMENT", None);
    let ada = world.merge.hire(NewHire {
        department: "Engineering".into(),
        work_email: Some(email("ada")),
        ..NewHire::named("Ada", "Example")
    });
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    world.kubectl(&["delete", "hris", "hr"]).await;
    world.merge.deactivate(&ada);
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
    let employee = world.employee(&email("ada")).await.expect("the Employee stays");
    assert_eq!(grant(&employee, "engineering"), "Granted");
    world.has_members(&operator, "Engineering", &["ada"]).await;
}

/// Deletion is not evidence: a deleted Employee keeps its access unless it says Revoke, and then it goes first.
#[tokio::test(flavor = "multi_thread")]
async fn an_employee_is_deleted() {
    let (world, operator) = ada_and_sam().await;
    world
        .apply(&person_with(
            "sam",
            "departments: [{path: [Sales]}]\ndeletionPolicy: Revoke",
        ))
        .await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    world
        .kubectl(&["delete", "employee", "ada", "--wait=true", "--timeout=20s"])
        .await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
    world.has_members(&operator, "Engineering", &["ada"]).await;

    world
        .kubectl(&["delete", "employee", "sam", "--wait=true", "--timeout=20s"])
        .await;
    let members = world.memberships().await;
    assert_eq!(members["Sales"], Vec::<String>::new(), "gone only after its access");
    assert_eq!(members["Everyone"], [email("ada")]);
}

/// A namespace that is deleted goes promptly, and takes nothing from anybody, whatever its objects say.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_deleted() {
    let (world, operator) = ada_and_sam().await;
    world
        .apply(&person_with(
            "sam",
            "departments: [{path: [Sales]}]\ndeletionPolicy: Revoke",
        ))
        .await;
    let more: Vec<String> = (0..20).map(|i| person(&format!("p{i}"), "Sales")).collect();
    world.apply(&more.concat()).await;
    world.has_grant(&operator, "p19", "sales", "Granted").await;
    world.quiet(QUIET).await;
    let before = world.memberships().await;
    world.script.as_ref().unwrap().reset();
    world.namespace.start_delete().await.unwrap();
    world.namespace.wait_gone(Duration::from_secs(45)).await.unwrap();
    assert_eq!(world.memberships().await, before);
    assert_eq!(world.changes(), Vec::<String>::new());
    assert!(operator.is_running());
}
