//! A Kubernetes control plane of one's own: etcd, API server and controller manager, without nodes.
//!
//! RBAC is on, namespaces are deleted to the end, owners' dependents are collected, service accounts get tokens, cluster
//! roles aggregate. Nothing runs Pods. The garbage collector learns of a new CRD within 30 seconds, not at once.

mod binaries;

pub use binaries::{Binaries, KUBERNETES_VERSION};

use crate::process::{Context as _, Error, Output, PortLease, Process, Result, Spec, TempDir, lock, output};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace as KubeNamespace, ServiceAccount};
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

const START: Duration = Duration::from_secs(90);
const TRIES: usize = 3;

/// A running control plane. Dropping it ends it.
#[derive(Debug)]
pub struct ControlPlane {
    // In the order in which they are to be dropped: the daemons before the data.
    controller_manager: Mutex<Option<Process>>,
    api_server: Mutex<Option<Process>>,
    etcd: Mutex<Option<Process>>,
    binaries: Binaries,
    ports: Ports,
    ca_pem: String,
    token: String,
    next: AtomicU64,
    dir: TempDir,
}

#[derive(Debug)]
struct Ports {
    etcd: PortLease,
    etcd_peer: PortLease,
    api_server: PortLease,
}

impl ControlPlane {
    /// Starts one, in about five seconds. The first ever on a machine builds the programs.
    pub async fn start() -> Result<ControlPlane> {
        let binaries = Binaries::find().await?;
        let mut last = Error(String::new());
        // A port that was free a moment ago may have been taken by a stranger. Then others are tried.
        for _ in 0..TRIES {
            match ControlPlane::try_start(binaries.clone()).await {
                Ok(plane) => return Ok(plane),
                Err(error) if error.0.contains("address already in use") => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// The one that all tests of this process share. Use a [namespace](ControlPlane::namespace) in it.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn shared() -> &'static ControlPlane {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED
            .get_or_try_init(ControlPlane::start)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    async fn try_start(binaries: Binaries) -> Result<ControlPlane> {
        let dir = TempDir::new("control-plane")?;
        let ports = Ports {
            etcd: PortLease::new()?,
            etcd_peer: PortLease::new()?,
            api_server: PortLease::new()?,
        };
        let ca_pem = write_keys(dir.path())?;
        let token = format!("{:032x}", rand::random::<u128>());
        write(
            dir.path(),
            "tokens.csv",
            &format!("{token},admin,admin,system:masters\n"),
        )?;
        let plane = ControlPlane {
            controller_manager: Mutex::new(None),
            api_server: Mutex::new(None),
            etcd: Mutex::new(None),
            binaries,
            ports,
            ca_pem,
            token,
            next: AtomicU64::new(0),
            dir,
        };
        plane.write_kubeconfig("admin", &plane.url(), &plane.token, None)?;
        plane.start_etcd().await?;
        plane.start_api_server().await?;
        plane.start_controller_manager()?;
        Ok(plane)
    }

    async fn start_etcd(&self) -> Result<()> {
        let client = self.ports.etcd.http_url();
        let peer = self.ports.etcd_peer.http_url();
        let spec = Spec::new(self.binaries.path("etcd"))
            .arg("--data-dir")
            .arg(self.dir.path().join("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args([
                "--initial-cluster",
                &format!("default={peer}"),
                "--unsafe-no-fsync",
                "--log-level",
                "warn",
            ]);
        let process = Process::start(&spec, self.dir.path().join("etcd.log"))?;
        crate::process::ready_while(&format!("{client}/readyz"), START, None, None, &process).await?;
        *lock(&self.etcd) = Some(process);
        Ok(())
    }

    /// Starts the API server again after [`stop_api_server`](ControlPlane::stop_api_server), on the same port and with
    /// the same objects, and waits until it is ready.
    pub async fn start_api_server(&self) -> Result<()> {
        let dir = self.dir.path();
        let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
        let spec = Spec::new(self.binaries.path("kube-apiserver"))
            .arg(format!("--etcd-servers={}", self.ports.etcd.http_url()))
            .args([
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",
            ])
            .arg(format!("--secure-port={}", self.ports.api_server.port()))
            .arg(file("tls-cert-file", "server.crt"))
            .arg(file("tls-private-key-file", "server.key"))
            .arg(file("token-auth-file", "tokens.csv"))
            .args(["--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24"])
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(file("service-account-key-file", "service-accounts.pub"))
            .arg(file("service-account-signing-key-file", "service-accounts.key"))
            .arg("--profiling=false");
        let process = Process::start(&spec, dir.join("kube-apiserver.log"))?;
        let (ca, token) = (Some(self.ca_pem.as_str()), Some(self.token.as_str()));
        crate::process::ready_while(&format!("{}/readyz", self.url()), START, ca, token, &process).await?;
        *lock(&self.api_server) = Some(process);
        Ok(())
    }

    /// Kills the API server. Its objects stay in etcd. Not for the [shared](ControlPlane::shared) one, which others use.
    pub fn stop_api_server(&self) {
        // Dropped, and so killed, outside of the lock.
        let process = lock(&self.api_server).take();
        drop(process);
    }

    /// Kills the API server and starts it again on the same port and with the same objects.
    pub async fn restart_api_server(&self) -> Result<()> {
        self.stop_api_server();
        self.start_api_server().await
    }

    fn start_controller_manager(&self) -> Result<()> {
        let dir = self.dir.path();
        let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
        let spec = Spec::new(self.binaries.path("kube-controller-manager"))
            .arg(file("kubeconfig", "admin.kubeconfig"))
            .arg(
                "--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller,\
                 serviceaccount-token-controller,clusterrole-aggregation-controller",
            )
            .args([
                "--leader-elect=false",
                "--secure-port=0",
                "--kube-api-qps=300",
                "--kube-api-burst=600",
            ])
            .arg(file("service-account-private-key-file", "service-accounts.key"))
            .arg(file("root-ca-file", "ca.crt"));
        let process = Process::start(&spec, dir.join("kube-controller-manager.log"))?;
        *lock(&self.controller_manager) = Some(process);
        Ok(())
    }

    /// Where the API server listens: `https://127.0.0.1:` and a port.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api_server.port())
    }

    /// The certificate authority of the API server's certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The bearer token of the administrator.
    pub fn admin_token(&self) -> &str {
        &self.token
    }

    /// The directory with its programs, kubectl among them.
    pub fn bin_dir(&self) -> &Path {
        &self.binaries.directory
    }

    /// Where its programs come from.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Its directory: data, logs, kubeconfigs. It goes away with the control plane.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The ends of the logs of its daemons, for error messages.
    pub fn log_tails(&self, lines: usize) -> String {
        ["etcd", "kube-apiserver", "kube-controller-manager"]
            .map(|name| crate::process::tail(&self.dir.path().join(format!("{name}.log")), lines))
            .join("\n")
    }

    /// The kubeconfig of an administrator.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.dir.path().join("admin.kubeconfig")
    }

    /// A client of an administrator. Each call makes a new one, since a client lives no longer than its runtime, and
    /// each test has its own runtime.
    pub async fn admin_client(&self) -> Result<kube::Client> {
        client(&self.admin_kubeconfig()).await
    }

    /// Writes a kubeconfig for a bearer token; without `server_url`, for the API server itself.
    ///
    /// At a plain HTTP address kube-rs sends the token, while kubectl does not.
    pub fn kubeconfig(&self, token: &str, server_url: Option<&str>, namespace: Option<&str>) -> Result<PathBuf> {
        let name = format!("kubeconfig-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let url = self.url();
        self.write_kubeconfig(&name, server_url.unwrap_or(&url), token, namespace)
    }

    fn write_kubeconfig(&self, name: &str, server: &str, token: &str, namespace: Option<&str>) -> Result<PathBuf> {
        let mut cluster = json!({"server": server});
        if server.starts_with("https:") {
            cluster["certificate-authority-data"] = data_encoding::BASE64.encode(self.ca_pem.as_bytes()).into();
        }
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "main",
            "clusters": [{"name": "main", "cluster": cluster}],
            "users": [{"name": "main", "user": {"token": token}}],
            "contexts": [{"name": "main", "context": {
                "cluster": "main", "user": "main", "namespace": namespace.unwrap_or("default"),
            }}],
        });
        write(self.dir.path(), &format!("{name}.kubeconfig"), &config.to_string())
    }

    /// Makes a service account, if it is not there, and a kubeconfig with a token of it that lives a day. With
    /// `server_url`, say that of a proxy, it leads there and not to the API server itself.
    pub async fn service_account_kubeconfig(
        &self,
        namespace: &str,
        name: &str,
        server_url: Option<&str>,
    ) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin_client().await?, namespace);
        let what = || format!("get a token for the ServiceAccount {namespace}/{name}");
        let metadata = ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        };
        let account = ServiceAccount {
            metadata,
            ..ServiceAccount::default()
        };
        match accounts.create(&PostParams::default(), &account).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            other => drop(other.context(what)?),
        }
        let spec = TokenRequestSpec {
            expiration_seconds: Some(24 * 3600),
            ..TokenRequestSpec::default()
        };
        let request = TokenRequest {
            spec,
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .context(what)?;
        let status = answer.status.ok_or_else(|| Error(format!("{}: no status", what())))?;
        self.kubeconfig(&status.token, server_url, Some(namespace))
    }

    /// Runs kubectl as administrator and returns what it printed on standard output.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.kubectl_with(args, None, None).await
    }

    /// Runs kubectl with a standard input and as the user of a kubeconfig.
    pub async fn kubectl_with(&self, args: &[&str], input: Option<&str>, kubeconfig: Option<&Path>) -> Result<String> {
        let result = self.kubectl_output(args, input, kubeconfig).await?;
        if result.status.success() {
            return Ok(result.stdout);
        }
        Err(Error(format!(
            "kubectl {} ({}): {}{}",
            args.join(" "),
            result.status,
            result.stderr,
            result.stdout
        )))
    }

    /// The same, for those who want to see its warnings or its failure.
    pub async fn kubectl_output(
        &self,
        args: &[&str],
        input: Option<&str>,
        kubeconfig: Option<&Path>,
    ) -> Result<Output> {
        let spec = Spec::new(self.binaries.path("kubectl"))
            .args(args)
            .env(
                "KUBECONFIG",
                kubeconfig.map_or_else(|| self.admin_kubeconfig(), Path::to_owned),
            )
            // Where kubectl caches what it discovered, and where it looks for a person's preferences.
            .env("KUBECACHEDIR", self.dir.path().join("kubectl-cache"))
            .env("KUBERC", "off")
            .directory(self.dir.path());
        output(spec, input.map(str::to_owned)).await
    }

    /// Applies documents of YAML or JSON, server-side, as administrator, and waits until CRDs among them are served.
    pub async fn apply(&self, yaml: &str) -> Result<String> {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let said = self.kubectl_with(&args, Some(yaml), None).await?;
        let mut wait = vec!["wait", "--for=condition=Established", "--timeout=30s"];
        let crds: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("customresourcedefinition.apiextensions.k8s.io/"))
            .filter_map(|line| line.split(' ').next())
            .collect();
        if !crds.is_empty() {
            wait.extend(crds);
            self.kubectl(&wait).await?;
        }
        Ok(said)
    }

    /// Makes a namespace whose name starts with `prefix` and is unique.
    pub async fn namespace(&self, prefix: &str) -> Result<Namespace> {
        let name = format!("{prefix}-{:08x}", rand::random::<u32>());
        let namespaces: Api<KubeNamespace> = Api::all(self.admin_client().await?);
        let metadata = ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        };
        let namespace = KubeNamespace {
            metadata,
            ..KubeNamespace::default()
        };
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .context(|| format!("make the namespace {name}"))?;
        Ok(Namespace {
            name,
            kubeconfig: self.admin_kubeconfig(),
        })
    }
}

/// A namespace. It stays when this is dropped: the control plane goes anyway.
#[derive(Debug, Clone)]
pub struct Namespace {
    name: String,
    kubeconfig: PathBuf,
}

impl Namespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Begins to delete it and returns at once.
    pub async fn start_delete(&self) -> Result<()> {
        let namespaces: Api<KubeNamespace> = Api::all(client(&self.kubeconfig).await?);
        let deleted = namespaces.delete(&self.name, &DeleteParams::default()).await;
        deleted
            .map(drop)
            .context(|| format!("delete the namespace {}", self.name))
    }

    /// Waits until it is gone; the error says what keeps it.
    pub async fn wait_gone(&self, timeout: Duration) -> Result<()> {
        let namespaces: Api<KubeNamespace> = Api::all(client(&self.kubeconfig).await?);
        let end = Instant::now() + timeout;
        loop {
            let found = namespaces
                .get_opt(&self.name)
                .await
                .context(|| format!("read the namespace {}", self.name))?;
            let Some(namespace) = found else { return Ok(()) };
            if Instant::now() >= end {
                let status = serde_json::to_string(&namespace.status).unwrap_or_default();
                return Err(Error(format!(
                    "the namespace {} is not gone within {timeout:?}: {status}",
                    self.name
                )));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Deletes it and waits until it is gone, 60 seconds at most.
    pub async fn delete(&self) -> Result<()> {
        self.start_delete().await?;
        self.wait_gone(Duration::from_mins(1)).await
    }
}

impl std::ops::Deref for Namespace {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// A client with the rights of a kubeconfig.
pub async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    let what = || format!("make a client from {}", kubeconfig.display());
    let file = kube::config::Kubeconfig::read_from(kubeconfig).context(what)?;
    let mut config = kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default())
        .await
        .context(what)?;
    config.proxy_url = None;
    kube::Client::try_from(config).context(what)
}

fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let path = dir.join(name);
    std::fs::File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// Makes a certificate authority, the API server's certificate and the key that signs service accounts' tokens.
fn write_keys(dir: &Path) -> Result<String> {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

    let what = || "make certificates".to_owned();
    let ca_key = KeyPair::generate().context(what)?;
    let mut ca = CertificateParams::new(Vec::new()).context(what)?;
    ca.distinguished_name.push(DnType::CommonName, "tests");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca_pem = ca.self_signed(&ca_key).context(what)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate().context(what)?;
    let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(String::from);
    let mut server = CertificateParams::new(names).context(what)?;
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    let certificate = server.signed_by(&key, &issuer).context(what)?;

    write(dir, "ca.crt", &ca_pem)?;
    write(dir, "server.crt", &certificate.pem())?;
    write(dir, "server.key", &key.serialize_pem())?;
    let tokens_key = KeyPair::generate().context(what)?;
    write(dir, "service-accounts.key", &tokens_key.serialize_pem())?;
    write(dir, "service-accounts.pub", &tokens_key.public_key_pem())?;
    Ok(ca_pem)
}
