//! `rollcall run`: reach the API server, wait for the Lease, lead until told to stop or the Lease is lost.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use ipnet::IpNet;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use url::Host;

use super::leadership::{LeaseOptions, acquire};
use super::server::{self, Health};
use crate::api::crds;
use crate::api::target::Budget;
use crate::controllers::audit::Audit;
use crate::controllers::gate::Gate;
use crate::controllers::{self, Context, Scope, Settings};
use crate::egress::{self, Egress, Rules};

/// How long controllers may take to finish what they are writing when told to stop.
const GRACE: Duration = Duration::from_secs(20);
/// How long until the API server is asked again for what it lacks.
const AGAIN: Duration = Duration::from_secs(2);

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct RunOptions {
    /// Watch this namespace only; all, if left out.
    #[arg(long, env = "ROLLCALL_NAMESPACE", value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Where /healthz and /readyz are served.
    #[arg(
        long,
        env = "ROLLCALL_HEALTH_ADDRESS",
        default_value = "0.0.0.0:8081",
        value_name = "ADDRESS:PORT"
    )]
    health_address: SocketAddr,
    /// How logs look.
    #[arg(long, env = "ROLLCALL_LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: super::telemetry::LogFormat,
    /// What is logged.
    #[arg(long, env = "ROLLCALL_LOG", default_value = "info,kube=warn", value_name = "FILTER")]
    pub log: String,
    /// Where audit lines go: a file that is appended to, or - for standard output.
    #[arg(long, env = "ROLLCALL_AUDIT_LOG", default_value = "-", value_name = "FILE")]
    audit_log: PathBuf,
    /// Namespace of the Lease; by default the one that the process runs in.
    #[arg(long, env = "ROLLCALL_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    lease_namespace: Option<String>,
    /// Name of the Lease. Operators for different namespaces need different names.
    #[arg(long, env = "ROLLCALL_LEASE_NAME", default_value = "rollcall", value_name = "NAME")]
    lease_name: String,
    /// How many seconds a Lease that nobody renews stays good.
    #[arg(long, env = "ROLLCALL_LEASE_SECONDS", default_value = "15", value_name = "SECONDS",
          value_parser = clap::value_parser!(u16).range(1..=300))]
    lease_seconds: u16,
    /// How many milliseconds without further changes pass before losses that no exit explains are judged together.
    #[arg(
        long,
        env = "ROLLCALL_SETTLE_MILLISECONDS",
        default_value = "2000",
        value_name = "MILLISECONDS"
    )]
    settle_milliseconds: u32,
    /// How many seconds pass between comparisons of the clock with the API server's.
    #[arg(long, env = "ROLLCALL_CLOCK_SECONDS", default_value = "30", value_name = "SECONDS",
          value_parser = clap::value_parser!(u16).range(1..=300))]
    clock_seconds: u16,
    /// How many seconds must pass without a further edit of policies, entitlements or exceptions before what an edit
    /// would take is judged; what it gives follows at once.
    #[arg(
        long,
        env = "ROLLCALL_POLICY_SETTLE_SECONDS",
        default_value = "30",
        value_name = "SECONDS"
    )]
    policy_settle_seconds: u16,
    /// How many people may lose something in one namespace within 24 hours, for each cause, before a person must decide;
    /// or the share of --namespace-max-percent, where that is more.
    #[arg(
        long,
        env = "ROLLCALL_NAMESPACE_MAX_PEOPLE",
        default_value = "25",
        value_name = "PEOPLE"
    )]
    namespace_max_people: u32,
    /// The same as a share of the people who hold anything in the namespace.
    #[arg(long, env = "ROLLCALL_NAMESPACE_MAX_PERCENT", default_value = "10", value_name = "PERCENT",
          value_parser = clap::value_parser!(u32).range(0..=100))]
    namespace_max_percent: u32,
    /// What connections and targets may reach though it is not public, by plain http too: an address, or a range as in
    /// 10.1.0.0/16. May be repeated. Where a cloud gives out credentials, and the API server, are opened only by exactly that
    /// address.
    #[arg(long, env = "ROLLCALL_EGRESS_ALLOW", value_name = "CIDR", value_delimiter = ',', value_parser = egress::range)]
    egress_allow: Vec<IpNet>,
    /// What they may not reach, whatever --egress-allow says: an address or a range. May be repeated.
    #[arg(long, env = "ROLLCALL_EGRESS_DENY", value_name = "CIDR", value_delimiter = ',', value_parser = egress::range)]
    egress_deny: Vec<IpNet>,
}

/// Why the operator ended otherwise than asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No configuration for the API server.
    #[error("no way to the API server: set KUBECONFIG, or run in a Pod with a ServiceAccount")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A client could not be made.
    #[error("the configuration for the API server cannot be used")]
    Client(#[source] Box<kube::Error>),
    /// The health address is taken.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The audit log cannot be written.
    #[error("cannot append to the audit log {0}")]
    Audit(PathBuf, #[source] std::io::Error),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals(#[source] std::io::Error),
    /// The Lease was lost: the process must end at once.
    #[error("no longer leading")]
    Leadership(#[from] super::leadership::LeadershipLost),
}

/// Runs the operator until SIGTERM or SIGINT, or until its Lease is lost.
pub async fn run(options: RunOptions) -> Result<(), RunError> {
    let mut config = Config::infer()
        .await
        .map_err(|error| RunError::Config(Box::new(error)))?;
    // A dead connection must not look like a quiet watch; the API server ends watches after five minutes by itself.
    config.read_timeout = Some(Duration::from_secs(330));
    let client = Client::try_from(config.clone()).map_err(|error| RunError::Client(Box::new(error)))?;
    let audit = audit(&options)?;
    let stop = stop_signal()?;

    let health = Health::default();
    let listener = server::bind(options.health_address)
        .await
        .map_err(|error| RunError::Listen(options.health_address, error))?;
    tokio::spawn(server::serve(listener, health.clone()));

    let lead = lead(client, config, options, audit, health, stop.clone());
    tokio::select! {
        result = lead => result,
        // Told to stop before leading: there is nothing to finish.
        () = stopped_for(stop, GRACE) => Ok(()),
    }
}

async fn lead(
    client: Client,
    config: Config,
    options: RunOptions,
    audit: Audit,
    health: Health,
    stop: watch::Receiver<bool>,
) -> Result<(), RunError> {
    wait_for_crds(&client).await;
    health.stand_by();
    let identity = identity();
    let lease = LeaseOptions {
        namespace: options
            .lease_namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone()),
        name: options.lease_name.clone(),
        identity: identity.clone(),
        duration: Duration::from_secs(options.lease_seconds.into()),
    };
    let gate = Arc::new(Gate::default());
    let mut stop_waiting = stop.clone();
    let leadership = tokio::select! {
        leadership = acquire(client.clone(), lease, gate.clone()) => leadership,
        _ = stop_waiting.wait_for(|stop| *stop) => return Ok(()),
    };

    let settings = Settings {
        scope: options.namespace.clone().map_or(Scope::All, Scope::Namespace),
        settle: Duration::from_millis(options.settle_milliseconds.into()),
        compare_clocks: Duration::from_secs(options.clock_seconds.into()),
        policy_settle: Duration::from_secs(options.policy_settle_seconds.into()),
        limits: Budget {
            max_people: options.namespace_max_people,
            max_percent: options.namespace_max_percent,
        },
        egress: egress(&options),
    };
    let context = Arc::new(Context::new(client, config, settings, gate, audit, identity));
    health.lead(context.clone());
    let (ended, end) = watch::channel(false);
    let stopped = {
        let mut stop = stop.clone();
        async move {
            let _ = stop.wait_for(|stop| *stop).await;
        }
        .boxed()
        .shared()
    };
    let controllers = async {
        controllers::run(context, stopped).await;
        let _ = ended.send(true);
    };
    // The Lease is given back only when nothing of ours is being written any more.
    let (result, ()) = tokio::join!(
        async {
            let result = leadership.hold(end).await;
            if let Err(lost) = &result {
                // Fail-stop: whatever is under way must not go on for another moment (I5).
                tracing::error!(
                    error = lost as &dyn std::error::Error,
                    "no longer leading: ending at once"
                );
                std::process::exit(1);
            }
            result
        },
        controllers
    );
    Ok(result?)
}

/// Waits until every CRD is there and keeps all that we write: an older one would prune records.
async fn wait_for_crds(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in crds::all() {
        let name = crd.metadata.name.clone().unwrap_or_default();
        loop {
            match api.get_opt(&name).await {
                Ok(Some(installed)) => match crds::would_prune(&installed, &crd) {
                    None => break,
                    Some(field) => tracing::error!(
                        crd = name,
                        field,
                        "older than this operator, and would lose what it writes: apply the output of `rollcall crds`"
                    ),
                },
                Ok(None) => tracing::warn!(crd = name, "not installed: apply the output of `rollcall crds`"),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the API server does not answer yet"
                    );
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// In a Pod the kubelet says where the API server is; elsewhere it is not a neighbour.
fn egress(options: &RunOptions) -> Egress {
    let api_server = std::env::var("KUBERNETES_SERVICE_HOST").ok().and_then(|host| {
        let address = host.parse::<IpAddr>().ok().map(|address| match address {
            IpAddr::V4(four) => Host::Ipv4(four),
            IpAddr::V6(six) => Host::Ipv6(six),
        });
        address.or_else(|| Host::parse(&host).ok())
    });
    Egress::new(Rules {
        allow: options.egress_allow.clone(),
        deny: options.egress_deny.clone(),
        api_server,
    })
}

fn audit(options: &RunOptions) -> Result<Audit, RunError> {
    if options.audit_log.as_os_str() == "-" {
        return Ok(Audit::to(std::io::stdout()));
    }
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&options.audit_log);
    file.map(Audit::to)
        .map_err(|error| RunError::Audit(options.audit_log.clone(), error))
}

/// Unique to this process: a Pod's name comes again after a restart of its container.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "rollcall".to_owned());
    let nanos = jiff::Timestamp::now().as_nanosecond();
    format!("{host}-{}-{nanos:x}", std::process::id())
}

fn stop_signal() -> Result<watch::Receiver<bool>, RunError> {
    let (sender, receiver) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        let _ = sender.send(true);
        sender.closed().await;
    });
    Ok(receiver)
}

async fn stopped_for(mut stop: watch::Receiver<bool>, grace: Duration) {
    if stop.wait_for(|stop| *stop).await.is_ok() {
        tokio::time::sleep(grace).await;
        tracing::warn!("stopping took too long; what was under way is on record");
    }
}
