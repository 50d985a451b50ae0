//! What the story is played on: a Kubernetes control plane, an HR system, a directory, and Rollcall installed as in any
//! other cluster.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, ListParams};
use rollcall::api::{ChangeSet, Employee, HRISConnection, ProvisioningPolicy, TargetSystem};
use rollcall_support::control_plane::ControlPlane;
use rollcall_support::merge::{Company, MergeSim};
use rollcall_support::operator::{Operator, OperatorOptions};
use rollcall_support::process::{PortLease, TempDir};
use rollcall_support::scim_server::{ScimOptions, ScimServer};
use rollcall_support::world::{OPERATOR, checkout};

use crate::people::{GROUPS, Rules, Staff};
use crate::shell::Shell;
use crate::style::Style;
use crate::{Result, program};

/// The tenant's namespace, as `deploy/tenant.yaml` makes it.
pub const NAMESPACE: &str = "acme";
/// Whoever is to leave, and everybody else, is the same in every run.
const SEED: u64 = 7;
/// How long anything may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);

/// Everything that runs, the operator aside.
pub struct Stage {
    pub plane: ControlPlane,
    pub merge: MergeSim,
    pub directory: ScimServer,
    pub shell: Shell,
    pub style: Style,
    pub kubeconfig: PathBuf,
    client: kube::Client,
    program: PathBuf,
    health: PortLease,
    files: TempDir,
}

/// What is held at the targets, read there.
#[derive(PartialEq)]
pub struct Held {
    /// By group of the directory: the members' logins.
    pub groups: Vec<(&'static str, BTreeSet<String>)>,
    /// The subjects of the binding `rollcall-view`.
    pub viewers: BTreeSet<String>,
}

impl Stage {
    /// Starts everything but the operator.
    pub async fn raise(people: usize) -> Result<Self> {
        let program = program::rollcall()?;
        eprintln!("starting a Kubernetes control plane, a directory and an HR system of {people} people");
        // Together, so that what is missing on this machine is said at once, and what must be built is built together.
        let (plane, directory) = tokio::try_join!(ControlPlane::start(), ScimServer::start(ScimOptions::default()))?;
        let merge = MergeSim::start(Company::realistic(people, SEED)).await;
        merge.set_rate_limit(None);
        for group in GROUPS {
            directory.create_group(group).await?;
        }
        let style = Style::detect();
        let files = TempDir::new("quickstart")?;
        let kubeconfig = plane.kubeconfig(plane.admin_token(), None, Some(NAMESPACE))?;
        let path = std::env::var("PATH").unwrap_or_default();
        let variable = |name: &str, value: String| (name.to_owned(), value);
        let environment = vec![
            variable("KUBECONFIG", kubeconfig.display().to_string()),
            variable("PATH", format!("{}:{path}", plane.bin_dir().display())),
            variable("KUBECACHEDIR", files.path().join("kubectl-cache").display().to_string()),
            variable("KUBERC", "off".to_owned()),
            variable("MERGE_URL", merge.base_url()),
            variable("MERGE_API_KEY", merge.api_key()),
            variable("MERGE_ACCOUNT_TOKEN", merge.account_token()),
            variable("DIRECTORY_URL", directory.base_url()),
            variable("DIRECTORY_TOKEN", directory.token().to_owned()),
            variable("AUDIT_LOG", files.path().join("audit.jsonl").display().to_string()),
        ];
        let shell = Shell {
            directory: checkout().canonicalize()?,
            environment,
            style,
        };
        Ok(Self {
            client: rollcall_support::control_plane::client(&kubeconfig).await?,
            plane,
            merge,
            directory,
            shell,
            style,
            kubeconfig,
            program,
            health: PortLease::new()?,
            files,
        })
    }

    /// Starts the operator as its own `ServiceAccount` and waits until it leads.
    pub async fn start_operator(&self) -> Result<Operator> {
        let kubeconfig = self
            .plane
            .service_account_kubeconfig(OPERATOR.0, OPERATOR.1, None)
            .await?;
        let mut options = OperatorOptions::new(&self.program, kubeconfig);
        let audit = self.files.path().join("audit.jsonl").display().to_string();
        let health = format!("127.0.0.1:{}", self.health.port());
        options.args = [
            "run",
            "--log-format",
            "text",
            "--health-address",
            &health,
            "--audit-log",
            &audit,
            // The directory and the HR system are on this machine.
            "--egress-allow",
            "127.0.0.0/8,::1",
            // Nobody waits half a minute for a story to go on.
            "--policy-settle-seconds",
            "3",
        ]
        .map(str::to_owned)
        .to_vec();
        let operator = Operator::start(options)?;
        operator
            .ready(&format!("{}/readyz", self.health.http_url()), PATIENCE)
            .await?;
        Ok(operator)
    }

    /// Whether any group of the directory has a member.
    pub async fn somebody_is_member(&self) -> Result<bool> {
        let groups = self.directory.groups().await?;
        let members = |group: &serde_json::Value| group["members"].as_array().map_or(0, Vec::len);
        Ok(groups.iter().any(|group| members(group) > 0))
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub async fn employees(&self) -> Result<Vec<Employee>> {
        Ok(self.api().list(&ListParams::default()).await?.items)
    }

    pub async fn connection(&self) -> Result<HRISConnection> {
        Ok(self.api().get("hr").await?)
    }

    pub async fn policy(&self, name: &str) -> Result<ProvisioningPolicy> {
        Ok(self.api().get(name).await?)
    }

    pub async fn change_sets(&self) -> Result<Vec<ChangeSet>> {
        Ok(self.api().list(&ListParams::default()).await?.items)
    }

    pub async fn target(&self, name: &str) -> Result<TargetSystem> {
        Ok(self.api().get(name).await?)
    }

    /// What is held, as the directory and the API server say it.
    pub async fn held(&self) -> Result<Held> {
        let mut groups = Vec::new();
        for group in GROUPS {
            let members = self.directory.members(group).await?;
            groups.push((group, members.iter().map(|member| member.to_lowercase()).collect()));
        }
        let binding = self.api::<RoleBinding>().get_opt("rollcall-view").await?;
        let subjects = binding.and_then(|binding| binding.subjects).unwrap_or_default();
        let viewers = subjects
            .into_iter()
            .map(|subject| subject.name.to_lowercase())
            .collect();
        Ok(Held { groups, viewers })
    }

    /// What should be held, by the HR system's rows.
    pub fn due(&self, rules: Rules) -> Result<Held> {
        let staff = Staff::of(&self.merge)?;
        Ok(Held {
            groups: GROUPS.map(|group| (group, staff.members(group, rules))).to_vec(),
            viewers: staff.viewers(),
        })
    }

    /// How many requests the directory was sent that could change something.
    pub fn directory_writes(&self) -> usize {
        let changes = |line: &&str| {
            ["\"POST ", "\"PUT ", "\"PATCH ", "\"DELETE "]
                .iter()
                .any(|verb| line.contains(verb))
        };
        self.directory.logs().lines().filter(changes).count()
    }
}

impl Held {
    /// The members of a group.
    pub fn group(&self, name: &str) -> &BTreeSet<String> {
        static NOBODY: BTreeSet<String> = BTreeSet::new();
        let found = self.groups.iter().find(|(group, _)| *group == name);
        found.map_or(&NOBODY, |(_, members)| members)
    }

    /// In figures.
    pub fn figures(&self) -> String {
        let groups: Vec<String> = self
            .groups
            .iter()
            .map(|(group, members)| format!("{group} {}", members.len()))
            .collect();
        format!("{}; cluster view {}", groups.join(", "), self.viewers.len())
    }

    /// Fails with every difference to what should be so.
    pub fn is(&self, due: &Self) -> std::result::Result<(), String> {
        let mut complaints = Vec::new();
        let held = self.groups.iter().map(|(group, members)| (*group, members));
        for (what, have) in held.chain([("the binding rollcall-view", &self.viewers)]) {
            let want = match what {
                "the binding rollcall-view" => &due.viewers,
                group => due.group(group),
            };
            let list = |names: Vec<&String>| {
                let first: Vec<&str> = names.iter().take(5).map(|name| name.as_str()).collect();
                format!("{} ({})", names.len(), first.join(", "))
            };
            let (missing, extra) = (
                want.difference(have).collect::<Vec<_>>(),
                have.difference(want).collect::<Vec<_>>(),
            );
            if !missing.is_empty() {
                complaints.push(format!("{what} lacks {}", list(missing)));
            }
            if !extra.is_empty() {
                complaints.push(format!("{what} has {} too many", list(extra)));
            }
        }
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(complaints.join("; "))
        }
    }
}

/// Waits until `check` has nothing to complain of. Fails with its last complaint, and at once when the operator ends.
pub async fn until<T>(
    operator: &Operator,
    what: &str,
    mut check: impl AsyncFnMut() -> Result<std::result::Result<T, String>>,
) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let complaint = match check().await? {
            Ok(value) => return Ok(value),
            Err(complaint) => complaint,
        };
        if !operator.is_running() {
            return Err(format!("the operator has ended before: {what} ({complaint})").into());
        }
        if Instant::now() > deadline {
            return Err(format!("not within {} s: {what} ({complaint})", PATIENCE.as_secs()).into());
        }
        tokio::time::sleep(POLL).await;
    }
}
