//! A whole tenant on real parts: a namespace of a control plane with Rollcall's CRDs, RBAC and admission rules, a Merge
//! simulator, a SCIM server, and the operator as a process under its own `ServiceAccount`.
//!
//! Everything the operator sends can go through a proxy that counts requests and kills it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams};
use serde_json::Value;

use crate::control_plane::{ControlPlane, Namespace};
use crate::merge::{Company, MergeSim};
use crate::operator::{Operator, OperatorOptions};
use crate::process::{PortLease, TempDir};
use crate::proxy::{Proxy, Script};
use crate::scim_server::{ScimOptions, ScimServer};

/// Namespace and name of the operator's `ServiceAccount`, as `deploy/operator.yaml` makes it.
pub const OPERATOR: (&str, &str) = ("rollcall-system", "rollcall");

/// The checkout's folder.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Installs the CRDs, what the operator may do, and the admission rules: once a control plane, whoever asks.
pub async fn install(plane: &ControlPlane) {
    static INSTALLED: tokio::sync::Mutex<Vec<String>> = tokio::sync::Mutex::const_new(Vec::new());
    let mut installed = INSTALLED.lock().await;
    if installed.iter().any(|url| *url == plane.url()) {
        return;
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(checkout().join("crds"))
        .expect("crds/ is part of the checkout")
        .map(|entry| entry.expect("crds/ can be listed").path())
        .collect();
    files.sort();
    files.push(checkout().join("deploy/operator.yaml"));
    files.push(checkout().join("deploy/admission.yaml"));
    for file in files {
        let yaml = std::fs::read_to_string(&file).expect("a manifest of the checkout can be read");
        plane
            .apply(&yaml)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    installed.push(plane.url().clone());
}

/// What a world is made of.
pub struct WorldOptions {
    /// The operator's program.
    pub binary: PathBuf,
    /// The company in the HR system.
    pub company: Company,
    /// What the SCIM server announces and enforces; by default all it can do.
    pub scim: ScimOptions,
    /// Groups that the SCIM server has.
    pub groups: Vec<String>,
    /// How often the operator asks Merge what changed.
    pub sync_interval: String,
    /// Counts requests and kills; none by default. Requests to the API server and to SCIM go through it.
    pub script: Option<Script>,
    /// More arguments for `rollcall run`.
    pub args: Vec<String>,
}

impl WorldOptions {
    /// The operator `binary`, with `company` in the HR system.
    pub fn new(binary: impl Into<PathBuf>, company: Company) -> Self {
        Self {
            binary: binary.into(),
            company,
            scim: ScimOptions::default(),
            groups: ["Everyone", "Engineering", "Sales", "Managers"]
                .map(str::to_owned)
                .to_vec(),
            sync_interval: "1s".to_owned(),
            script: None,
            args: Vec::new(),
        }
    }
}

/// A tenant, its HR system and its targets.
pub struct World {
    /// The control plane that it shares with others.
    pub plane: &'static ControlPlane,
    /// Its namespace.
    pub namespace: Namespace,
    /// The HR system.
    pub merge: MergeSim,
    /// The directory.
    pub scim: ScimServer,
    /// In the way to the API server, where a script was given.
    pub kube_proxy: Option<Proxy>,
    /// In the way to the directory, where a script was given.
    pub scim_proxy: Option<Proxy>,
    /// The script of both.
    pub script: Option<Script>,
    /// The API server past every proxy, as an administrator.
    pub client: kube::Client,
    options: OperatorOptions,
    health: PortLease,
    directory: TempDir,
}

impl World {
    /// Makes the tenant with its connection `hr` and its targets `directory` (SCIM) and `cluster` (RBAC), and starts no
    /// operator yet.
    pub async fn new(options: WorldOptions) -> Self {
        let plane = ControlPlane::shared().await;
        Self::on(plane, options).await
    }

    /// The same on a control plane of the caller's own.
    pub async fn on(plane: &'static ControlPlane, options: WorldOptions) -> Self {
        install(plane).await;
        let namespace = plane.namespace("tenant").await.expect("a namespace");
        let merge = MergeSim::start(options.company).await;
        merge.set_rate_limit(None);
        let scim = ScimServer::start(options.scim).await.expect("the SCIM server starts");
        for group in &options.groups {
            scim.create_group(group).await.expect("a group");
        }
        let directory = TempDir::new("world").expect("a temporary directory");
        let (mut kube_proxy, mut scim_proxy, mut scim_url) = (None, None, scim.base_url().clone());
        let mut server = None;
        if let Some(script) = &options.script {
            let kube = Proxy::start("kubernetes", &plane.url(), Some(plane.ca_pem()), script).expect("a proxy");
            let target = Proxy::start("scim", &scim.base_url(), None, script).expect("a proxy");
            target.url().clone_into(&mut scim_url);
            server = Some(kube.url().clone());
            kube_proxy = Some(kube);
            scim_proxy = Some(target);
        }
        let kubeconfig = plane
            .service_account_kubeconfig(OPERATOR.0, OPERATOR.1, server.as_deref())
            .await
            .expect("a kubeconfig for the operator");
        let health = PortLease::new().expect("a free port");
        let mut run = OperatorOptions::new(&options.binary, kubeconfig);
        run.name.clone_from(&namespace.to_string());
        run.args = [
            "run",
            "--namespace",
            &namespace,
            "--lease-name",
            &namespace,
            "--lease-namespace",
            OPERATOR.0,
            "--log-format",
            "text",
            "--log",
            "info,rollcall=debug,kube=warn",
            "--settle-milliseconds",
            "500",
            // Merge and the targets are on this machine.
            "--egress-allow",
            "127.0.0.0/8,::1",
            "--health-address",
            &format!("127.0.0.1:{}", health.port()),
            "--audit-log",
            &directory.path().join("audit.jsonl").display().to_string(),
        ]
        .map(str::to_owned)
        .to_vec();
        let settle = "--policy-settle-seconds";
        if !options.args.iter().any(|arg| arg == settle) {
            run.args.extend([settle, "1"].map(str::to_owned));
        }
        run.args.extend(options.args);
        let world = Self {
            plane,
            namespace,
            merge,
            scim,
            kube_proxy,
            scim_proxy,
            script: options.script,
            client: plane.admin_client().await.expect("a client"),
            options: run,
            health,
            directory,
        };
        world.apply(&world.tenant(&scim_url, &options.sync_interval)).await;
        world
    }

    fn tenant(&self, scim_url: &str, sync_interval: &str) -> String {
        let (system, account) = OPERATOR;
        let namespace = &*self.namespace;
        format!(
            r"
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: rollcall-tenant}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: rollcall-tenant}}
subjects: [{{kind: ServiceAccount, name: {account}, namespace: {system}}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: merge}}
stringData: {{api-key: {api_key}, account-token: {account_token}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: directory}}
stringData: {{token: {scim_token}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: access-binder}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: access-binder}}
rules:
  - apiGroups: [rbac.authorization.k8s.io]
    resources: [rolebindings]
    verbs: [get, list, create, update, patch]
  - apiGroups: [rbac.authorization.k8s.io]
    resources: [clusterroles]
    resourceNames: [view]
    verbs: [bind]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: access-binder}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: access-binder}}
subjects: [{{kind: ServiceAccount, name: access-binder, namespace: {namespace}}}]
---
apiVersion: rollcall.dev/v1alpha1
kind: HRISConnection
metadata: {{name: hr}}
spec:
  merge: {{baseURL: '{merge}'}}
  apiKeySecretRef: {{name: merge, key: api-key}}
  accountTokenSecretRef: {{name: merge, key: account-token}}
  syncInterval: {sync_interval}
  requestsPerMinute: 60000
  termination: {{defaultTimeZone: Europe/Berlin}}
---
apiVersion: rollcall.dev/v1alpha1
kind: TargetSystem
metadata: {{name: directory}}
spec:
  scim:
    baseURL: '{scim_url}'
    bearerTokenSecretRef: {{name: directory, key: token}}
  adopt: Desired
  rateLimit: {{requestsPerMinute: 600000}}
---
apiVersion: rollcall.dev/v1alpha1
kind: TargetSystem
metadata: {{name: cluster}}
spec:
  kubernetes:
    serviceAccountRef: {{name: access-binder}}
  adopt: Never
  rateLimit: {{requestsPerMinute: 600000}}
",
            api_key = self.merge.api_key(),
            account_token = self.merge.account_token(),
            scim_token = self.scim.token(),
            merge = self.merge.base_url(),
        )
    }

    /// Applies manifests in the tenant's namespace, as an administrator.
    pub async fn apply(&self, yaml: &str) {
        self.try_apply(yaml).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Applies manifests in the tenant's namespace, or says why they are refused.
    ///
    /// # Errors
    /// What kubectl said.
    pub async fn try_apply(&self, yaml: &str) -> crate::process::Result<String> {
        let args = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "-n",
            &self.namespace,
            "-f",
            "-",
        ];
        self.plane.kubectl_with(&args, Some(yaml), None).await
    }

    /// An entitlement of this name for the SCIM group `group`.
    pub fn group_entitlement(name: &str, group: &str) -> String {
        format!(
            "apiVersion: rollcall.dev/v1alpha1\nkind: Entitlement\nmetadata: {{name: {name}}}\nspec:\n  targetRef: {{name: \
             directory}}\n  scimGroup: {{displayName: {group}}}\n---\n"
        )
    }

    /// An entitlement of this name that binds the ClusterRole `view` in the tenant's namespace.
    pub fn view_entitlement(name: &str) -> String {
        format!(
            "apiVersion: rollcall.dev/v1alpha1\nkind: Entitlement\nmetadata: {{name: {name}}}\nspec:\n  targetRef: {{name: \
             cluster}}\n  roleBinding: {{roleRef: {{kind: ClusterRole, name: view}}}}\n---\n"
        )
    }

    /// A policy in mode Enforce.
    pub fn policy(name: &str, selector: &str, entitlements: &[&str]) -> String {
        let entitlements: Vec<String> = entitlements.iter().map(|name| format!("{{name: {name}}}")).collect();
        format!(
            "apiVersion: rollcall.dev/v1alpha1\nkind: ProvisioningPolicy\nmetadata: {{name: {name}}}\nspec:\n  mode: Enforce\n  \
             selector: {selector}\n  entitlements: [{}]\n---\n",
            entitlements.join(", ")
        )
    }

    /// Runs kubectl in the tenant's namespace, as an administrator.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        let args: Vec<&str> = ["-n", &self.namespace]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        self.plane
            .kubectl(&args)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Objects of a kind of ours (`Employee`, ...) in the tenant's namespace, read past every proxy.
    pub async fn list(&self, kind: &str) -> Vec<Value> {
        let gvk = GroupVersionKind::gvk("rollcall.dev", "v1alpha1", kind);
        let resource = match kind {
            "ProvisioningPolicy" => ApiResource::from_gvk_with_plural(&gvk, "provisioningpolicies"),
            _ => ApiResource::from_gvk(&gvk),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let list = api.list(&ListParams::default()).await.expect("the API server lists");
        list.items
            .into_iter()
            .map(|item| serde_json::to_value(item).expect("an object is JSON"))
            .collect()
    }

    /// The object of this kind and name.
    pub async fn get(&self, kind: &str, name: &str) -> Value {
        let list = self.list(kind).await;
        list.into_iter()
            .find(|object| object["metadata"]["name"] == name)
            .unwrap_or_default()
    }

    /// The Employee of this work email.
    pub async fn employee(&self, email: &str) -> Option<Value> {
        self.list("Employee")
            .await
            .into_iter()
            .find(|employee| employee["spec"]["workEmail"] == email)
    }

    /// Starts the operator and waits until it is ready.
    pub async fn start(&self) -> Operator {
        let operator = Operator::start(self.options.clone()).expect("the operator starts");
        self.ready(&operator).await;
        operator
    }

    /// Starts another operator of the same Lease, without waiting for it; it serves its health on `port`.
    pub fn start_another(&self, port: &PortLease) -> Operator {
        let mut options = self.options.clone();
        for arg in &mut options.args {
            if arg.starts_with("127.0.0.1:") {
                *arg = format!("127.0.0.1:{}", port.port());
            }
        }
        options.name.push_str("-other");
        Operator::start(options).expect("the operator starts")
    }

    /// How this tenant's operator is run, for tests that run several.
    pub fn operator_options(&self) -> OperatorOptions {
        self.options.clone()
    }

    /// Waits until the operator leads and has listed every kind.
    pub async fn ready(&self, operator: &Operator) {
        let url = format!("{}/readyz", self.health.http_url());
        operator
            .ready(&url, Duration::from_mins(1))
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", operator.logs()));
    }

    /// Has the Lease taken over at once after a kill, as it else is when it has run out.
    pub async fn free_lease(&self) {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), OPERATOR.0);
        match leases.delete(&self.namespace, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => drop(other.expect("the Lease can be deleted")),
        }
    }

    /// The audit lines so far.
    pub fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.directory.path().join("audit.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("an audit line is JSON"))
            .collect()
    }

    /// Waits until `check` has nothing to complain of, or panics with its last complaint and the end of the log.
    pub async fn eventually(&self, operator: &Operator, what: &str, check: impl AsyncFnMut() -> Result<(), String>) {
        self.eventually_within(Duration::from_mins(1), operator, what, check)
            .await;
    }

    /// The same, for what may take longer.
    pub async fn eventually_within(
        &self,
        patience: Duration,
        operator: &Operator,
        what: &str,
        mut check: impl AsyncFnMut() -> Result<(), String>,
    ) {
        let mut last = String::new();
        let deadline = tokio::time::Instant::now() + patience;
        while tokio::time::Instant::now() < deadline {
            match check().await {
                Ok(()) => return,
                Err(complaint) => last = complaint,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "{what}: {last}\n--- the operator's log ends:\n{}",
            crate::process::tail(operator.log(), 60)
        );
    }
}
