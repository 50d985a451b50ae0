//! `deploy/`: the operator may do what it needs and no more, people may not write what is the operator's, and who is
//! refused is told what to do instead.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use rollcall::api::crds;
use rollcall_support::control_plane::{ControlPlane, Namespace, client};
use serde_json::json;
use tokio::sync::OnceCell;

/// Who tries something.
#[derive(Clone, Copy, Debug)]
enum Who {
    /// The operator's `ServiceAccount`.
    Operator,
    /// A person with the role `edit` in the namespace.
    Editor,
    /// A person with the role `view` in the namespace.
    Viewer,
    /// A person with the role `rollcall-approve` in the namespace.
    Approver,
    /// An administrator of the cluster.
    Administrator,
}

/// A control plane with the CRDs and everything in `deploy/` but `tenant.yaml`.
async fn plane() -> &'static ControlPlane {
    static READY: OnceCell<()> = OnceCell::const_new();
    let plane = ControlPlane::shared().await;
    READY
        .get_or_init(async || {
            let mut documents: Vec<String> = crds::manifests().unwrap().into_iter().map(|(_, yaml)| yaml).collect();
            documents.extend(["operator.yaml", "admission.yaml"].map(manifest));
            plane.apply(&documents.join("---\n")).await.unwrap();
            let namespace = Tenant::new(plane, "ready").await;
            // Admission policies take effect, and roles aggregate, a moment after they are written.
            let mirrored = employee("it", MIRRORED);
            eventually("admission policies", async || {
                let said = namespace.create(Who::Administrator, &mirrored, true).await;
                said.is_err_and(|said| said.contains("only Rollcall creates"))
            })
            .await;
            eventually("aggregated roles", async || {
                let viewer = namespace.kubectl(Who::Viewer, &["get", "emp"], None).await;
                let editor = namespace.create(Who::Editor, &employee("it", BY_HAND), true).await;
                viewer.is_ok() && editor.is_ok()
            })
            .await;
        })
        .await;
    plane
}

async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !check().await {
        assert!(Instant::now() < end, "no {what} within 30 seconds");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn manifest(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const MIRRORED: &str = "{workEmail: a@b.c, connectionRef: {name: acme}, source: {state: Present}}";
const BY_HAND: &str = "{workEmail: a@b.c}";

fn employee(name: &str, spec: &str) -> String {
    object("Employee", name, spec)
}

fn object(kind: &str, name: &str, spec: &str) -> String {
    format!("{{apiVersion: rollcall.dev/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {spec}}}")
}

/// A namespace with people in it.
struct Tenant {
    plane: &'static ControlPlane,
    namespace: Namespace,
    operator: PathBuf,
}

impl Tenant {
    async fn new(plane: &'static ControlPlane, prefix: &str) -> Tenant {
        let namespace = plane.namespace(prefix).await.unwrap();
        for (name, role) in [
            ("the-editor", "edit"),
            ("the-viewer", "view"),
            ("the-approver", "rollcall-approve"),
        ] {
            let (role, user) = (format!("--clusterrole={role}"), format!("--user={name}"));
            let args = ["create", "rolebinding", name, &role, &user, "-n", &namespace];
            plane.kubectl(&args).await.unwrap();
        }
        let operator = plane
            .service_account_kubeconfig("rollcall-system", "rollcall", None)
            .await
            .unwrap();
        Tenant {
            plane,
            namespace,
            operator,
        }
    }

    /// Runs kubectl as `who`; an error is what it said.
    async fn kubectl(&self, who: Who, args: &[&str], input: Option<&str>) -> Result<String, String> {
        let mut all = args.to_vec();
        all.extend(["-n", &self.namespace]);
        let kubeconfig = match who {
            Who::Operator => Some(self.operator.as_path()),
            Who::Administrator => None,
            Who::Editor => {
                all.extend(["--as=the-editor", "--as-group=system:authenticated"]);
                None
            }
            Who::Viewer => {
                all.extend(["--as=the-viewer", "--as-group=system:authenticated"]);
                None
            }
            Who::Approver => {
                all.extend(["--as=the-approver", "--as-group=system:authenticated"]);
                None
            }
        };
        let said = self.plane.kubectl_with(&all, input, kubeconfig).await;
        said.map_err(|error| error.to_string())
    }

    async fn create(&self, who: Who, yaml: &str, dry_run: bool) -> Result<String, String> {
        let mut args = vec!["create", "-f", "-"];
        if dry_run {
            args.push("--dry-run=server");
        }
        self.kubectl(who, &args, Some(yaml)).await
    }

    async fn patch(&self, who: Who, kind: &str, name: &str, patch: &str) -> Result<String, String> {
        let args = ["patch", kind, name, "--type=merge", "-p", patch];
        self.kubectl(who, &args, None).await
    }

    /// Not by kubectl, which reads the status first and is refused that.
    async fn patch_status(&self, who: Who, kind: &str, resource: &str, name: &str) -> Result<String, String> {
        let client = match who {
            Who::Operator => client(&self.operator).await.unwrap(),
            Who::Administrator => self.plane.admin_client().await.unwrap(),
            Who::Editor => self.client_as("the-editor").await,
            Who::Viewer => self.client_as("the-viewer").await,
            Who::Approver => self.client_as("the-approver").await,
        };
        let kind = GroupVersionKind::gvk("rollcall.dev", "v1alpha1", kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, resource);
        let api: Api<DynamicObject> = Api::namespaced_with(client, &self.namespace, &resource);
        let patch = Patch::Merge(json!({"status": {"observedGeneration": 1}}));
        let patched = api.patch_status(name, &PatchParams::default(), &patch).await;
        patched.map(|_| String::new()).map_err(|error| error.to_string())
    }

    async fn client_as(&self, user: &str) -> kube::Client {
        let kubeconfig = Kubeconfig::read_from(self.plane.admin_kubeconfig()).unwrap();
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:authenticated".to_owned()]);
        config.proxy_url = None;
        kube::Client::try_from(config).unwrap()
    }
}

#[track_caller]
fn assert_refused(result: Result<String, String>, expected: &str) {
    match result {
        Ok(said) => panic!("was allowed: {said}"),
        Err(said) => assert!(said.contains(expected), "{said}"),
    }
}

#[tokio::test]
async fn only_the_operator_makes_mirrored_employees() {
    let tenant = Tenant::new(plane().await, "mirrored").await;
    for who in [Who::Editor, Who::Administrator] {
        assert_refused(
            tenant.create(who, &employee("ada", MIRRORED), false).await,
            "only Rollcall creates Employees with connectionRef, from what the HR system says: add the person there, or \
             leave out connectionRef and source to keep the person by hand",
        );
    }
    tenant
        .create(Who::Operator, &employee("ada", MIRRORED), false)
        .await
        .unwrap();

    // One kept by hand cannot be tied to a connection either.
    tenant
        .create(Who::Editor, &employee("bob", BY_HAND), false)
        .await
        .unwrap();
    let tie = r#"{"spec":{"connectionRef":{"name":"acme"},"source":{"state":"Present"}}}"#;
    for who in [Who::Editor, Who::Administrator] {
        assert_refused(
            tenant.patch(who, "emp", "bob", tie).await,
            "only Rollcall ties an Employee to a connection: leave out connectionRef and source",
        );
    }
    tenant.patch(Who::Operator, "emp", "bob", tie).await.unwrap();
}

#[tokio::test]
async fn only_the_operator_changes_mirrored_facts() {
    let tenant = Tenant::new(plane().await, "facts").await;
    tenant
        .create(Who::Operator, &employee("ada", MIRRORED), false)
        .await
        .unwrap();
    for patch in [
        r#"{"spec":{"terminationDate":"2026-01-01"}}"#,
        r#"{"spec":{"deletionPolicy":"Revoke"}}"#,
        r#"{"spec":{"source":{"state":"Deleted"}}}"#,
        r#"{"spec":{"connectionRef":null,"source":null}}"#,
    ] {
        for who in [Who::Editor, Who::Administrator] {
            assert_refused(
                tenant.patch(who, "emp", "ada", patch).await,
                "the next sync would undo this change: change the person in the HR system (labels and annotations can \
                 be changed here)",
            );
        }
    }
    // What is not a fact stays open to people: labels, annotations, and deletion, which is no evidence of anything.
    tenant
        .patch(
            Who::Editor,
            "emp",
            "ada",
            r#"{"metadata":{"labels":{"a":"b"},"annotations":{"rollcall.dev/paused":"audit"}}}"#,
        )
        .await
        .unwrap();
    tenant
        .patch(Who::Operator, "emp", "ada", r#"{"spec":{"jobTitle":"Engineer"}}"#)
        .await
        .unwrap();
    tenant
        .kubectl(Who::Editor, &["delete", "emp", "ada"], None)
        .await
        .unwrap();
}

#[tokio::test]
async fn employees_kept_by_hand_belong_to_people() {
    let tenant = Tenant::new(plane().await, "hand").await;
    tenant
        .create(Who::Editor, &employee("ada", BY_HAND), false)
        .await
        .unwrap();
    tenant
        .patch(
            Who::Editor,
            "emp",
            "ada",
            r#"{"spec":{"terminationDate":"2026-12-31"}}"#,
        )
        .await
        .unwrap();
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let again = employee("ada", "{workEmail: a@b.c, deletionPolicy: Revoke}");
    tenant.kubectl(Who::Editor, &apply, Some(&again)).await.unwrap();
    assert_refused(
        tenant
            .patch(Who::Viewer, "emp", "ada", r#"{"spec":{"username":"a"}}"#)
            .await,
        "cannot patch resource \"employees\"",
    );
    tenant.kubectl(Who::Viewer, &["get", "rollcall"], None).await.unwrap();
    tenant
        .kubectl(Who::Editor, &["delete", "emp", "ada"], None)
        .await
        .unwrap();
}

#[tokio::test]
async fn only_the_operator_writes_status() {
    let tenant = Tenant::new(plane().await, "status").await;
    let scim = "{adopt: Never, scim: {baseURL: 'https://a.example', bearerTokenSecretRef: {name: s, key: k}}}";
    let connection = "{merge: {region: EU}, apiKeySecretRef: {name: m, key: a}, accountTokenSecretRef: {name: m, key: t}, \
                      termination: {defaultTimeZone: UTC}}";
    let policy = "{mode: Plan, selector: {everyone: true}, entitlements: [{name: one}]}";
    for (kind, resource, spec) in [
        ("Employee", "employees", BY_HAND),
        (
            "Entitlement",
            "entitlements",
            "{targetRef: {name: t}, scimGroup: {id: x}}",
        ),
        ("HRISConnection", "hrisconnections", connection),
        ("ProvisioningPolicy", "provisioningpolicies", policy),
        ("TargetSystem", "targetsystems", scim),
    ] {
        tenant
            .create(Who::Editor, &object(kind, "it", spec), false)
            .await
            .unwrap();
        assert_refused(
            tenant.patch_status(Who::Editor, kind, resource, "it").await,
            &format!("cannot patch resource \"{resource}/status\""),
        );
        assert_refused(
            tenant.patch_status(Who::Administrator, kind, resource, "it").await,
            "status is Rollcall's record of what it granted and found, and access is revoked by it: change the spec, a \
             policy or the access at its target instead",
        );
        tenant.patch_status(Who::Operator, kind, resource, "it").await.unwrap();
        // The specs of all kinds but Employee are not the operator's to write.
        let said = tenant
            .patch(Who::Operator, resource, "it", r#"{"metadata":{"labels":{"a":"b"}}}"#)
            .await;
        if kind == "Employee" {
            said.unwrap();
        } else {
            assert_refused(said, &format!("cannot patch resource \"{resource}\""));
        }
        assert_refused(
            tenant.kubectl(Who::Operator, &["delete", resource, "it"], None).await,
            &format!("cannot delete resource \"{resource}\""),
        );
    }
    // Status that comes with a new object is dropped, so nobody smuggles a record in.
    let with_status = employee("smuggler", &format!("{BY_HAND}, status: {{phase: Active}}"));
    tenant.create(Who::Editor, &with_status, false).await.unwrap();
    let args = ["get", "emp", "smuggler", "-o", "jsonpath={.status}"];
    assert_eq!(tenant.kubectl(Who::Editor, &args, None).await.unwrap(), "");
}

/// I6: who decides on held changes, and on what. The decision is a person's; what it is about is the operator's word.
#[tokio::test]
async fn only_people_who_may_decide_decide_on_what_they_were_shown() {
    let tenant = Tenant::new(plane().await, "decide").await;
    for who in [Who::Approver, Who::Editor, Who::Administrator] {
        let said = tenant.create(who, &object("ChangeSet", "cs-one", "{}"), false).await;
        let expected = match who {
            Who::Administrator => "only Rollcall makes ChangeSets, of changes that exceed a budget",
            _ => "cannot create resource \"changesets\"",
        };
        assert_refused(said, expected);
    }
    tenant
        .create(Who::Operator, &object("ChangeSet", "cs-one", "{}"), false)
        .await
        .unwrap();
    let decide =
        |decision: &str, digest: &str| format!(r#"{{"spec":{{"decision":"{decision}","digest":"{digest}"}}}}"#);
    let on_what = "decide on what is there: set spec.digest to the value of status.digest";
    assert_refused(
        tenant
            .patch(Who::Approver, "chgset", "cs-one", &decide("Approve", "d"))
            .await,
        on_what,
    );
    for who in [Who::Approver, Who::Administrator] {
        assert!(
            tenant
                .patch_status(who, "ChangeSet", "changesets", "cs-one")
                .await
                .is_err()
        );
    }
    let kind = GroupVersionKind::gvk("rollcall.dev", "v1alpha1", "ChangeSet");
    let operator = client(&tenant.operator).await.unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(operator, &tenant.namespace, &ApiResource::from_gvk(&kind));
    let shown = Patch::Merge(json!({"status": {"digest": "shown"}}));
    api.patch_status("cs-one", &PatchParams::default(), &shown)
        .await
        .unwrap();
    for who in [Who::Viewer, Who::Editor, Who::Operator] {
        assert_refused(
            tenant.patch(who, "chgset", "cs-one", &decide("Approve", "shown")).await,
            "cannot patch resource \"changesets\"",
        );
    }
    assert_refused(
        tenant
            .patch(Who::Approver, "chgset", "cs-one", &decide("Approve", "another"))
            .await,
        on_what,
    );
    tenant
        .patch(Who::Approver, "chgset", "cs-one", &decide("Reject", "shown"))
        .await
        .unwrap();
    for patch in [
        decide("Approve", "shown"),
        r#"{"spec":{"decision":null,"digest":null}}"#.to_owned(),
    ] {
        assert_refused(
            tenant.patch(Who::Administrator, "chgset", "cs-one", &patch).await,
            "it was decided and stays so: what is called for again goes into a new ChangeSet",
        );
    }
    assert_refused(
        tenant
            .kubectl(Who::Administrator, &["delete", "chgset", "cs-one"], None)
            .await,
        "a ChangeSet is not deleted by hand, and what waits in it would wait all the same",
    );
    tenant
        .kubectl(Who::Operator, &["delete", "chgset", "cs-one"], None)
        .await
        .unwrap();
}

/// What the API server says the operator may do in a namespace, one `verb group/resource` each, without what every
/// authenticated user may ask about itself.
async fn operator_rules(tenant: &Tenant, namespace: &str) -> BTreeSet<String> {
    let reviews: Api<SelfSubjectRulesReview> = Api::all(client(&tenant.operator).await.unwrap());
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec {
            namespace: Some(namespace.to_owned()),
        },
        ..SelfSubjectRulesReview::default()
    };
    let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
    let status = answer.status.unwrap();
    assert!(!status.incomplete);
    let mut rules = BTreeSet::new();
    for rule in status.resource_rules {
        let names = rule.resource_names.unwrap_or_default();
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                if !resource.starts_with("selfsubject") {
                    let whole = [String::new()];
                    for name in if names.is_empty() { &whole[..] } else { &names } {
                        let what = format!("{group}/{resource} {name}");
                        rules.extend(rule.verbs.iter().map(|verb| format!("{verb} {}", what.trim_end())));
                    }
                }
            }
        }
    }
    rules
}

#[tokio::test]
async fn the_operator_may_do_what_it_needs_and_no_more() {
    let tenant = Tenant::new(plane().await, "rights").await;
    let mut everywhere = BTreeSet::new();
    let kinds = [
        "accessexceptions",
        "changesets",
        "employees",
        "entitlements",
        "hrisconnections",
        "provisioningpolicies",
        "targetsystems",
    ];
    for kind in kinds {
        everywhere.extend(["get", "list", "watch"].map(|verb| format!("{verb} rollcall.dev/{kind}")));
        everywhere.insert(format!("patch rollcall.dev/{kind}/status"));
        // Whether the installed definition keeps all that this operator writes.
        let definition = "apiextensions.k8s.io/customresourcedefinitions";
        everywhere.insert(format!("get {definition} {kind}.rollcall.dev"));
    }
    everywhere.extend(["create", "patch"].map(|verb| format!("{verb} rollcall.dev/employees")));
    everywhere.extend(["create", "delete"].map(|verb| format!("{verb} rollcall.dev/changesets")));
    everywhere.extend(["create", "patch"].map(|verb| format!("{verb} events.k8s.io/events")));
    everywhere.insert("get /namespaces".to_owned());
    assert_eq!(operator_rules(&tenant, &tenant.namespace).await, everywhere);

    let mut at_home = everywhere.clone();
    at_home.extend(["get", "create", "update"].map(|verb| format!("{verb} coordination.k8s.io/leases")));
    assert_eq!(operator_rules(&tenant, "rollcall-system").await, at_home);

    // Only where a tenant says so.
    let yaml = manifest("tenant.yaml").replace("acme", &tenant.namespace);
    tenant.plane.apply(&yaml).await.unwrap();
    let mut in_a_tenant = everywhere.clone();
    in_a_tenant.insert("get /secrets".to_owned());
    in_a_tenant.insert("create /serviceaccounts/token".to_owned());
    eventually("rights in the tenant", async || {
        operator_rules(&tenant, &tenant.namespace).await == in_a_tenant
    })
    .await;
    assert_eq!(operator_rules(&tenant, "rollcall-system").await, at_home);
}

#[tokio::test]
async fn kubectl_can_tell() {
    let tenant = Tenant::new(plane().await, "can-i").await;
    let operator = "--as=system:serviceaccount:rollcall-system:rollcall";
    for (who, verb, resource, expected) in [
        (operator, "list", "employees.rollcall.dev", true),
        (operator, "create", "employees.rollcall.dev", true),
        (operator, "delete", "employees.rollcall.dev", false),
        (operator, "patch", "targetsystems.rollcall.dev", false),
        (operator, "create", "events.events.k8s.io", true),
        (operator, "get", "secrets", false),
        (operator, "list", "secrets", false),
        (operator, "create", "serviceaccounts/token", false),
        (operator, "impersonate", "serviceaccounts", false),
        (operator, "create", "rolebindings.rbac.authorization.k8s.io", false),
        (operator, "bind", "clusterroles.rbac.authorization.k8s.io", false),
        (operator, "get", "leases.coordination.k8s.io", false),
        (operator, "list", "namespaces", false),
        (operator, "create", "changesets.rollcall.dev", true),
        (operator, "patch", "changesets.rollcall.dev", false),
        (operator, "patch", "changesets.rollcall.dev/status", true),
        (operator, "patch", "accessexceptions.rollcall.dev", false),
        ("--as=the-editor", "create", "accessexceptions.rollcall.dev", true),
        ("--as=the-editor", "list", "changesets.rollcall.dev", true),
        ("--as=the-editor", "patch", "changesets.rollcall.dev", false),
        ("--as=the-editor", "delete", "changesets.rollcall.dev", false),
        ("--as=the-viewer", "list", "changesets.rollcall.dev", true),
        ("--as=the-viewer", "list", "accessexceptions.rollcall.dev", true),
        ("--as=the-approver", "patch", "changesets.rollcall.dev", true),
        ("--as=the-approver", "update", "changesets.rollcall.dev", true),
        ("--as=the-approver", "create", "changesets.rollcall.dev", false),
        ("--as=the-approver", "delete", "changesets.rollcall.dev", false),
        ("--as=the-approver", "patch", "changesets.rollcall.dev/status", false),
        ("--as=the-approver", "patch", "provisioningpolicies.rollcall.dev", false),
        (
            operator,
            "list",
            "customresourcedefinitions.apiextensions.k8s.io",
            false,
        ),
        ("--as=the-editor", "create", "provisioningpolicies.rollcall.dev", true),
        ("--as=the-editor", "delete", "targetsystems.rollcall.dev", true),
        ("--as=the-editor", "list", "employees.rollcall.dev", true),
        ("--as=the-editor", "patch", "employees.rollcall.dev/status", false),
        ("--as=the-editor", "update", "targetsystems.rollcall.dev/status", false),
        ("--as=the-viewer", "watch", "entitlements.rollcall.dev", true),
        ("--as=the-viewer", "create", "entitlements.rollcall.dev", false),
        ("--as=nobody", "list", "employees.rollcall.dev", false),
    ] {
        // It answers by its exit code too.
        let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
        let subresource = format!("--subresource={sub}");
        let mut args = vec!["auth", "can-i", verb, resource, who, "-n", &tenant.namespace];
        if !sub.is_empty() {
            args.push(&subresource);
        }
        let output = tenant.plane.kubectl_output(&args, None, None).await.unwrap();
        let said = output.stdout.trim();
        assert_eq!(
            said,
            if expected { "yes" } else { "no" },
            "{who} {verb} {resource} {sub}"
        );
    }
}
