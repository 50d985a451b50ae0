//! One tenant to ask about: the cluster's namespace, or manifests.

use jiff::{Timestamp, Unit};

use super::cluster::{ClusterError, ClusterOptions, connect};
use super::complete::complete;
use super::load::{Problem, load};
use super::source::{Source, SourceError};
use crate::decide::Namespace;

/// Which tenant, and as of when.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TenantOptions {
    /// Which cluster and namespace.
    #[command(flatten)]
    pub cluster: ClusterOptions,
    /// Ask manifests instead of the cluster: a file, a directory, - for standard input, or git:REV[:PATH]. Can be said more
    /// than once. `kubectl get rollcall -o yaml` writes what can be read here.
    #[arg(short = 'f', long = "filename", value_name = "SOURCE")]
    pub files: Vec<Source>,
    /// Say how things stand at this instant, such as 2026-12-31T18:00:00Z, with the facts and policies of now.
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
}

/// Why a tenant cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A file, a directory, or git.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Manifests that cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
    /// Manifests of several tenants.
    #[error("the manifests are for the namespaces {}: choose one with --namespace", .0.join(", "))]
    Namespaces(Vec<String>),
    /// Both were asked for.
    #[error("--filename and cluster do not go together: leave out --filename to ask the cluster")]
    Mixed,
}

impl TenantOptions {
    /// The instant to speak of: `--at`, or the present, to the second.
    pub fn now(&self) -> Timestamp {
        let now = self.at.unwrap_or_else(Timestamp::now);
        now.round(Unit::Second).unwrap_or(now)
    }

    /// Reads the tenant.
    pub async fn read(&self) -> Result<Namespace, TenantError> {
        if self.files.is_empty() {
            return Ok(connect(&self.cluster).await?.read(&mut |_, _| ()).await?);
        }
        self.read_files()
    }

    fn read_files(&self) -> Result<Namespace, TenantError> {
        if self.files.contains(&Source::Cluster) {
            return Err(TenantError::Mixed);
        }
        let mut manifests = load(&self.files)?;
        if !manifests.problems.is_empty() {
            return Err(TenantError::Problems(manifests.problems));
        }
        let named: Vec<String> = manifests.namespaces().into_iter().map(str::to_owned).collect();
        let own = match (&self.cluster.namespace, named.as_slice()) {
            (Some(own), _) => own.clone(),
            (None, []) => "default".to_owned(),
            (None, [one]) => one.clone(),
            (None, _) => return Err(TenantError::Namespaces(named)),
        };
        manifests.keep_to(&own);
        let mut namespace = Namespace::default();
        for manifest in manifests.objects {
            manifest.object.put(&mut namespace);
        }
        complete(&mut namespace, &own);
        Ok(namespace)
    }
}
