//! Does the kubernetes target give and take access on a real API server, as its `ServiceAccount` and no more?
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rollcall::api::NameRef;
use rollcall::api::entitlement::{
    ClusterRoleBindingIdentity, EntitlementSpec, RemoteObject, RoleBindingIdentity, RoleKind, RoleRef,
};
use rollcall::targets::kubernetes::{KubernetesOptions, KubernetesTarget};
use rollcall::targets::{AccountFacts, Found, Holders, Target, TargetError, orders};
use rollcall_support::control_plane::{ControlPlane, Namespace};
use rollcall_support::proxy::{Proxy, Script, request};
use serde_json::{Value, json};

/// A tenant: a namespace with a `ServiceAccount` called `binder`, and whatever `rights` gives it in that namespace.
struct Tenant {
    plane: &'static ControlPlane,
    namespace: Namespace,
}

/// Writes bindings, and may bind `view` without holding what it gives.
const BIND_VIEW: &str = r"
- {apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [get, create, patch]}
- {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind], resourceNames: [view]}
";

/// Writes bindings, and may bind nothing.
const BIND_NOTHING: &str = r"
- {apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [get, create, patch]}
";

impl Tenant {
    async fn new(rights: &str) -> Self {
        let plane = ControlPlane::shared().await;
        let namespace = plane.namespace("tenant").await.unwrap();
        let tenant = Self { plane, namespace };
        let rights = rights.replace('\n', "\n  ");
        tenant
            .apply(&format!(
                r"
apiVersion: v1
kind: ServiceAccount
metadata: {{name: binder, namespace: {0}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: binder, namespace: {0}}}
rules: {rights}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: binder, namespace: {0}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: binder}}
subjects: [{{kind: ServiceAccount, name: binder, namespace: {0}}}]
",
                tenant.namespace
            ))
            .await;
        tenant
    }

    async fn apply(&self, yaml: &str) {
        self.plane.apply(yaml).await.unwrap();
    }

    async fn target(&self) -> KubernetesTarget {
        self.target_as("binder", &config(self.plane).await).await
    }

    async fn target_as(&self, service_account: &str, config: &Config) -> KubernetesTarget {
        KubernetesTarget::new(KubernetesOptions {
            pace: std::sync::Arc::new(rollcall::targets::pace::Pace::per_minute(60_000)),
            client_config: config.clone(),
            operator: self.plane.admin_client().await.unwrap(),
            namespace: self.namespace.to_string(),
            service_account: service_account.to_owned(),
        })
    }

    async fn can_list_pods(&self, user: &str) -> bool {
        let args = ["auth", "can-i", "list", "pods", "--as", user, "-n", &self.namespace];
        self.plane
            .kubectl_output(&args, None, None)
            .await
            .unwrap()
            .stdout
            .trim()
            == "yes"
    }

    async fn get(&self, what: &str) -> Value {
        let args = [
            "get",
            what,
            "-n",
            &self.namespace,
            "-o",
            "json",
            "--show-managed-fields",
        ];
        serde_json::from_str(&self.plane.kubectl(&args).await.unwrap()).unwrap()
    }

    fn binding(&self, name: &str) -> RemoteObject {
        RemoteObject {
            kind: "RoleBinding".to_owned(),
            id: format!("{}/{name}", self.namespace),
        }
    }
}

/// The cluster as the operator knows it, with the operator's credentials, which must not be used.
async fn config(plane: &ControlPlane) -> Config {
    let file = Kubeconfig::read_from(plane.admin_kubeconfig()).unwrap();
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .unwrap()
}

fn binding_of(role: &str) -> EntitlementSpec {
    EntitlementSpec {
        target_ref: NameRef::new("cluster"),
        role_binding: Some(RoleBindingIdentity {
            namespace: None,
            role_ref: RoleRef {
                kind: RoleKind::ClusterRole,
                name: role.to_owned(),
            },
            binding_name: None,
        }),
        ..EntitlementSpec::default()
    }
}

fn in_namespace(mut entitlement: EntitlementSpec, namespace: &str) -> EntitlementSpec {
    entitlement.role_binding.as_mut().unwrap().namespace = Some(namespace.to_owned());
    entitlement
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn one(found: Found<RemoteObject>) -> RemoteObject {
    match found {
        Found::One(object) => object,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn access_is_given_and_taken() {
    let tenant = Tenant::new(BIND_VIEW).await;
    let target = tenant.target().await;
    target.capabilities().await.unwrap();
    let object = one(target.find_object(&binding_of("view")).await.unwrap());
    assert_eq!(object, tenant.binding("rollcall-view"));
    assert_eq!(target.holders(&object).await.unwrap(), Some(Holders::default()));
    assert!(!tenant.can_list_pods("ada@x.io").await);

    target
        .change_holders(&object, &orders(&names(&["ada@x.io", "bob@x.io"]), &names(&[])), None)
        .await
        .unwrap();
    assert!(tenant.can_list_pods("ada@x.io").await);
    assert!(!tenant.can_list_pods("Ada@x.io").await);
    let seen = target.holders(&object).await.unwrap().unwrap();
    assert_eq!(seen.accounts(), names(&["ada@x.io", "bob@x.io"]));
    assert!(seen.version.is_some());
    let written = tenant.get("rolebinding/rollcall-view").await;
    assert_eq!(
        written["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "rollcall"
    );
    assert_eq!(written["roleRef"]["name"], "view");

    // In and out at once; and what is so already is not written.
    target
        .change_holders(
            &object,
            &orders(&names(&["eve@x.io"]), &names(&["ada@x.io"])),
            Some(&seen),
        )
        .await
        .unwrap();
    assert!(!tenant.can_list_pods("ada@x.io").await);
    assert!(tenant.can_list_pods("eve@x.io").await);
    let seen = target.holders(&object).await.unwrap().unwrap();
    target
        .change_holders(
            &object,
            &orders(&names(&["eve@x.io"]), &names(&["ada@x.io"])),
            Some(&seen),
        )
        .await
        .unwrap();
    assert_eq!(target.holders(&object).await.unwrap().unwrap(), seen);

    // A revoke needs the record and the target alone: a target that has never seen the Entitlement.
    let later = tenant.target().await;
    later
        .change_holders(&object, &orders(&names(&[]), &names(&["bob@x.io", "eve@x.io"])), None)
        .await
        .unwrap();
    assert!(!tenant.can_list_pods("eve@x.io").await);
    assert!(later.holders(&object).await.unwrap().unwrap().ids.is_empty());
    let managers: Vec<Value> = tenant.get("rolebinding/rollcall-view").await["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["manager"].clone())
        .collect();
    assert!(managers.iter().all(|manager| manager == "rollcall"), "{managers:?}");
    // Where there is no binding any more, nothing is left to take and nothing tells which role to give.
    tenant
        .plane
        .kubectl(&["delete", "rolebinding", "rollcall-view", "-n", &tenant.namespace])
        .await
        .unwrap();
    later
        .change_holders(&object, &orders(&names(&[]), &names(&["eve@x.io"])), None)
        .await
        .unwrap();
    let error = later
        .change_holders(&object, &orders(&names(&["eve@x.io"]), &names(&[])), None)
        .await
        .unwrap_err();
    assert!(matches!(error, TargetError::Gone(_)), "{error}");
}

#[tokio::test]
async fn nobody_gets_more_than_the_service_account_may_bind() {
    let tenant = Tenant::new(BIND_VIEW).await;
    let target = tenant.target().await;
    // It may not read roles, so the role is taken to be there, and the API server judges.
    let object = one(target.find_object(&binding_of("admin")).await.unwrap());
    let error = target
        .change_holders(&object, &orders(&names(&["ada@x.io"]), &names(&[])), None)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "refuses the request: ServiceAccount {}/binder may not bind ClusterRole admin: give it the verb bind on that role, or all that the role gives",
            tenant.namespace
        )
    );
    assert!(!tenant.can_list_pods("ada@x.io").await);

    // The operator is an administrator here, and that changes nothing.
    let cluster = EntitlementSpec {
        role_binding: None,
        cluster_role_binding: Some(ClusterRoleBindingIdentity {
            cluster_role: "view".to_owned(),
            binding_name: Some(format!("rollcall-{}", tenant.namespace)),
        }),
        ..binding_of("view")
    };
    let error = target.find_object(&cluster).await.unwrap_err();
    assert!(
        matches!(&error, TargetError::Refused(words) if words.contains("may not get ClusterRoleBinding")),
        "{error}"
    );
    let elsewhere = in_namespace(binding_of("view"), "kube-system");
    assert!(matches!(
        target.find_object(&elsewhere).await,
        Err(TargetError::Refused(_))
    ));

    // Who loses the right to bind a role can give it to nobody, and take it from nobody: the API server judges any
    // change of a binding's subjects alike.
    let view = one(target.find_object(&binding_of("view")).await.unwrap());
    target
        .change_holders(&view, &orders(&names(&["ada@x.io"]), &names(&[])), None)
        .await
        .unwrap();
    let rules = json!([{"op": "remove", "path": "/rules/1"}]).to_string();
    tenant
        .plane
        .kubectl(&[
            "patch",
            "role",
            "binder",
            "-n",
            &tenant.namespace,
            "--type=json",
            "-p",
            &rules,
        ])
        .await
        .unwrap();
    let mut error = None;
    for _ in 0..50 {
        // Its rights are cached for a moment.
        match target
            .change_holders(&view, &orders(&names(&["eve@x.io"]), &names(&[])), None)
            .await
        {
            Ok(_) => {
                target
                    .change_holders(&view, &orders(&names(&[]), &names(&["eve@x.io"])), None)
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(refused) => {
                error = Some(refused);
                break;
            }
        }
    }
    assert!(matches!(error, Some(TargetError::Refused(_))), "{error:?}");
    let error = target
        .change_holders(&view, &orders(&names(&[]), &names(&["ada@x.io"])), None)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, TargetError::Refused(words) if words.contains("may not bind")),
        "{error}"
    );
}

#[tokio::test]
async fn a_cluster_role_binding_is_written_by_who_may() {
    let tenant = Tenant::new(BIND_NOTHING).await;
    let name = format!("rollcall-{}", tenant.namespace);
    tenant
        .apply(&format!(
            r"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {name}}}
rules:
- {{apiGroups: [rbac.authorization.k8s.io], resources: [clusterrolebindings], verbs: [get, create, patch]}}
- {{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind, get]}}
- {{apiGroups: [''], resources: [namespaces], verbs: [get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}
subjects: [{{kind: ServiceAccount, name: binder, namespace: {0}}}]
",
            tenant.namespace
        ))
        .await;
    let target = tenant.target().await;
    let cluster = |role: &str| EntitlementSpec {
        role_binding: None,
        cluster_role_binding: Some(ClusterRoleBindingIdentity {
            cluster_role: role.to_owned(),
            binding_name: Some(format!("{name}-{role}")),
        }),
        ..binding_of(role)
    };
    let object = one(target.find_object(&cluster("view")).await.unwrap());
    assert_eq!(object.kind, "ClusterRoleBinding");
    assert_eq!(object.id, format!("{name}-view"));
    target
        .change_holders(&object, &orders(&names(&["zoe@x.io"]), &names(&[])), None)
        .await
        .unwrap();
    assert!(tenant.can_list_pods("zoe@x.io").await);
    target
        .change_holders(&object, &orders(&names(&[]), &names(&["zoe@x.io"])), None)
        .await
        .unwrap();
    assert!(!tenant.can_list_pods("zoe@x.io").await);

    // It may read roles and namespaces, so it sees what is not there.
    assert_eq!(target.find_object(&cluster("no-such-role")).await.unwrap(), Found::None);
    let nowhere = in_namespace(binding_of("view"), "no-such-namespace");
    assert_eq!(target.find_object(&nowhere).await.unwrap(), Found::None);
}

#[tokio::test]
async fn a_namespace_that_is_gone_takes_its_binding_along() {
    let tenant = Tenant::new(BIND_NOTHING).await;
    let other = tenant.plane.namespace("other").await.unwrap();
    let name = format!("rollcall-{}", tenant.namespace);
    tenant
        .apply(&format!(
            r"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {name}}}
rules:
- {{apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [get, create, patch]}}
- {{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}}
- {{apiGroups: [''], resources: [namespaces], verbs: [get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}
subjects: [{{kind: ServiceAccount, name: binder, namespace: {0}}}]
",
            tenant.namespace
        ))
        .await;
    let target = tenant.target().await;
    let object = one(target
        .find_object(&in_namespace(binding_of("view"), &other))
        .await
        .unwrap());
    target
        .change_holders(&object, &orders(&names(&["ada@x.io"]), &names(&[])), None)
        .await
        .unwrap();
    assert_eq!(
        target.holders(&object).await.unwrap().unwrap().accounts(),
        names(&["ada@x.io"])
    );
    other.delete().await.unwrap();
    assert_eq!(target.holders(&object).await.unwrap(), None);
    let error = target
        .change_holders(&object, &orders(&names(&["ada@x.io"]), &names(&[])), None)
        .await
        .unwrap_err();
    assert!(matches!(error, TargetError::Gone(_)), "{error}");
    target
        .change_holders(&object, &orders(&names(&[]), &names(&["ada@x.io"])), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn subjects_of_others_stay() {
    let tenant = Tenant::new(BIND_VIEW).await;
    tenant
        .apply(&format!(
            r"
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: rollcall-view, namespace: {0}, labels: {{team: blue}}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}
subjects:
- {{kind: User, name: root@x.io, apiGroup: rbac.authorization.k8s.io}}
- {{kind: Group, name: ada@x.io, apiGroup: rbac.authorization.k8s.io}}
- {{kind: ServiceAccount, name: ci, namespace: {0}}}
",
            tenant.namespace
        ))
        .await;
    let target = tenant.target().await;
    let object = one(target.find_object(&binding_of("view")).await.unwrap());
    assert_eq!(
        target.holders(&object).await.unwrap().unwrap().accounts(),
        names(&["root@x.io"])
    );
    target
        .change_holders(&object, &orders(&names(&["ada@x.io"]), &names(&[])), None)
        .await
        .unwrap();
    target
        .change_holders(&object, &orders(&names(&[]), &names(&["ada@x.io"])), None)
        .await
        .unwrap();
    let binding = tenant.get("rolebinding/rollcall-view").await;
    let subjects: Vec<(&str, &str)> = binding["subjects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|subject| (subject["kind"].as_str().unwrap(), subject["name"].as_str().unwrap()))
        .collect();
    assert_eq!(
        subjects,
        [("Group", "ada@x.io"), ("ServiceAccount", "ci"), ("User", "root@x.io")]
    );
    assert_eq!(binding["metadata"]["labels"]["team"], "blue");
}

#[tokio::test]
async fn a_binding_to_another_role_is_left_alone() {
    let tenant = Tenant::new(BIND_VIEW).await;
    let target = tenant.target().await;
    let object = one(target.find_object(&binding_of("view")).await.unwrap());
    tenant
        .plane
        .kubectl(&[
            "create",
            "rolebinding",
            "rollcall-view",
            "--clusterrole=edit",
            "--user=x",
            "-n",
            &tenant.namespace,
        ])
        .await
        .unwrap();
    let found = target.find_object(&binding_of("view")).await.unwrap();
    assert!(
        matches!(&found, Found::Several(why) if why.contains("is bound to ClusterRole edit") && why.contains("bindingName")),
        "{found:?}"
    );
    let error = target
        .change_holders(&object, &orders(&names(&["ada@x.io"]), &names(&[])), None)
        .await
        .unwrap_err();
    assert!(matches!(error, TargetError::Refused(_)), "{error}");
}

#[tokio::test]
async fn writers_at_once_lose_nothing() {
    let tenant = Tenant::new(BIND_VIEW).await;
    let config = config(tenant.plane).await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..6 {
        let target = tenant.target_as("binder", &config).await;
        writers.spawn(async move {
            let object = one(target.find_object(&binding_of("view")).await.unwrap());
            let mut conflicts = 0;
            for name in [format!("a{number}@x.io"), format!("b{number}@x.io")] {
                // The first of all creates the binding, so this is where all of them meet.
                while let Err(error) = target
                    .change_holders(&object, &orders(&names(&[&name]), &names(&[])), None)
                    .await
                {
                    assert!(matches!(error, TargetError::Conflict(_)), "{error}");
                    conflicts += 1;
                }
            }
            conflicts
        });
    }
    let conflicts: u32 = writers.join_all().await.into_iter().sum();
    assert!(conflicts > 0, "they never met");
    let target = tenant.target().await;
    let holders = target.holders(&tenant.binding("rollcall-view")).await.unwrap().unwrap();
    assert_eq!(holders.ids.len(), 12, "{:?}", holders.accounts());
}

#[tokio::test]
async fn a_missing_service_account_and_a_token_that_is_taken_back() {
    let tenant = Tenant::new(BIND_VIEW).await;
    let config = config(tenant.plane).await;
    let target = tenant.target_as("nobody", &config).await;
    let words = format!(
        "ServiceAccount nobody does not exist in namespace {}: create it",
        tenant.namespace
    );
    for error in [
        target.capabilities().await.unwrap_err(),
        target.find_object(&binding_of("view")).await.unwrap_err(),
        target.holders(&tenant.binding("rollcall-view")).await.unwrap_err(),
    ] {
        assert_eq!(error, TargetError::Misconfigured(words.clone()));
    }

    // With its ServiceAccount its tokens go, and a new one of the same name needs another.
    let target = tenant.target().await;
    target.capabilities().await.unwrap();
    tenant
        .plane
        .kubectl(&["delete", "serviceaccount", "binder", "-n", &tenant.namespace])
        .await
        .unwrap();
    let mut refused = None;
    for _ in 0..100 {
        // Tokens that were good are believed for 10 s.
        match target.capabilities().await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    assert!(matches!(refused, Some(TargetError::Unauthorized(_))), "{refused:?}");
    let error = target.capabilities().await.unwrap_err();
    assert!(matches!(error, TargetError::Misconfigured(_)), "{error}");
    tenant
        .plane
        .kubectl(&["create", "serviceaccount", "binder", "-n", &tenant.namespace])
        .await
        .unwrap();
    target.capabilities().await.unwrap();
}

#[tokio::test]
async fn requests_and_faults_on_the_way() {
    let tenant = Tenant::new(BIND_VIEW).await;
    let plane = tenant.plane;
    let proxy = Proxy::start("kubernetes", &plane.url(), Some(plane.ca_pem()), &Script::none()).unwrap();
    let mut config = Config::new(proxy.url().parse().unwrap());
    // Somebody else's credentials, which must not be sent.
    config.auth_info.token = Some(plane.admin_token().to_owned().into());
    let operator = Client::try_from(config.clone()).unwrap();
    config.auth_info.impersonate = Some("admin".to_owned());
    config.headers.push((
        http::header::HeaderName::from_static("impersonate-group"),
        http::HeaderValue::from_static("system:masters"),
    ));
    let target = KubernetesTarget::new(KubernetesOptions {
        pace: std::sync::Arc::new(rollcall::targets::pace::Pace::per_minute(60_000)),
        client_config: config,
        operator,
        namespace: tenant.namespace.to_string(),
        service_account: "binder".to_owned(),
    });
    // One token serves all, those too that ask at once.
    let object = tenant.binding("rollcall-view");
    let (one_look, other) = tokio::join!(target.holders(&object), target.holders(&object));
    assert_eq!(one_look.unwrap(), other.unwrap());
    target.capabilities().await.unwrap();
    assert_eq!(proxy.count("POST", "*/serviceaccounts/binder/token"), 1);
    proxy.forget();
    let spent = |most: usize| {
        let requests: Vec<String> = proxy.requests().iter().map(ToString::to_string).collect();
        proxy.forget();
        assert_eq!(requests.len(), most, "{requests:#?}");
    };
    // Namespace, role, binding.
    let object = one(target.find_object(&binding_of("view")).await.unwrap());
    spent(3);
    target
        .change_holders(&object, &orders(&names(&["a", "b", "c"]), &names(&[])), None)
        .await
        .unwrap();
    spent(2);
    target
        .change_holders(&object, &orders(&names(&["d"]), &names(&["a", "b"])), None)
        .await
        .unwrap();
    spent(2);
    target
        .change_holders(&object, &orders(&names(&["d"]), &names(&["a", "b"])), None)
        .await
        .unwrap();
    spent(1);
    target.holders(&object).await.unwrap();
    spent(1);

    proxy.lose_answer(request("PATCH", "*/rolebindings/*"), 1);
    let error = target
        .change_holders(&object, &orders(&names(&["e"]), &names(&[])), None)
        .await
        .unwrap_err();
    assert!(matches!(error, TargetError::Ambiguous(_)), "{error}");
    assert!(target.holders(&object).await.unwrap().unwrap().ids.contains_key("e"));
    let busy = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 429, "reason": "TooManyRequests",
        "message": "", "details": {"retryAfterSeconds": 4}});
    proxy.respond_with(request("GET", "*/rolebindings/*"), 429, &[], busy.to_string(), 1);
    let error = target.holders(&object).await.unwrap_err();
    assert_eq!(error, TargetError::Throttled(Some(Duration::from_secs(4))));
    let dead = Config::new("http://127.0.0.1:1".parse().unwrap());
    let target = tenant.target_as("binder", &dead).await;
    for error in [
        target.capabilities().await.unwrap_err(),
        target.holders(&object).await.unwrap_err(),
    ] {
        assert!(matches!(error, TargetError::Unreachable(_)), "{error}");
    }
    let target = KubernetesTarget::new(KubernetesOptions {
        pace: std::sync::Arc::new(rollcall::targets::pace::Pace::per_minute(60_000)),
        client_config: dead.clone(),
        operator: Client::try_from(dead).unwrap(),
        namespace: tenant.namespace.to_string(),
        service_account: "binder".to_owned(),
    });
    let error = target.capabilities().await.unwrap_err();
    assert!(matches!(error, TargetError::Unreachable(_)), "{error}");
    let error = target.find_account(&AccountFacts::default()).await.unwrap_err();
    assert!(matches!(error, TargetError::Refused(_)), "{error}");
}
