//! What is in the cluster now: every kind of one namespace, read with the user's own kubeconfig and rights.

use std::fmt::Debug;
use std::path::PathBuf;

use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::{Client, Config};
use serde::de::DeserializeOwned;

use crate::api::{AccessException, ChangeSet, Employee, Entitlement, HRISConnection, ProvisioningPolicy, TargetSystem};
use crate::decide::Namespace;
use crate::decide::index::Indexed;

/// How many objects one answer of the API server has at most.
const PAGE: u32 = 500;

/// Which cluster, and which namespace of it, as `kubectl` is told.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterOptions {
    /// The namespace; by default the one of the kubeconfig's context, or that which the files name.
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The kubeconfig's context; by default its current one.
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// The kubeconfig; by default that of $KUBECONFIG, or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Why the cluster cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No configuration for the API server.
    #[error("no way to a cluster: set KUBECONFIG or --kubeconfig, or name files instead")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A client could not be made.
    #[error("the kubeconfig cannot be used")]
    Client(#[source] Box<kube::Error>),
    /// A kind cannot be listed.
    #[error(
        "cannot list {plural} in namespace {namespace}: the CRDs must be installed, and you need the verb list on them"
    )]
    List {
        /// The kind's plural.
        plural: String,
        /// The namespace.
        namespace: String,
        /// What the API server said.
        #[source]
        error: Box<kube::Error>,
    },
}

/// A way into one namespace of a cluster.
#[derive(Clone)]
pub struct Cluster {
    /// Reads and writes as the user.
    pub client: Client,
    /// The namespace: the one that was named, or that of the kubeconfig's context.
    pub namespace: String,
}

/// Reaches for the cluster that the options name. Nothing is sent yet.
pub async fn connect(options: &ClusterOptions) -> Result<Cluster, ClusterError> {
    let fault = |error: kube::config::KubeconfigError| ClusterError::Config(Box::new(error));
    let config = if options.kubeconfig.is_some() || options.context.is_some() {
        let file = match &options.kubeconfig {
            Some(file) => Kubeconfig::read_from(file),
            None => Kubeconfig::read(),
        };
        let chosen = KubeConfigOptions {
            context: options.context.clone(),
            ..KubeConfigOptions::default()
        };
        Config::from_custom_kubeconfig(file.map_err(fault)?, &chosen)
            .await
            .map_err(fault)?
    } else {
        let inferred = Config::infer().await;
        inferred.map_err(|error| ClusterError::Config(Box::new(error)))?
    };
    let namespace = options
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).map_err(|error| ClusterError::Client(Box::new(error)))?;
    Ok(Cluster { client, namespace })
}

impl Cluster {
    /// Lists every kind into a tenant. `progress` is told what is being read, and how many objects of it there are so far.
    pub async fn read(&self, progress: &mut dyn FnMut(&str, usize)) -> Result<Namespace, ClusterError> {
        let mut into = Namespace::default();
        self.list::<HRISConnection>(&mut into, progress).await?;
        self.list::<TargetSystem>(&mut into, progress).await?;
        self.list::<Entitlement>(&mut into, progress).await?;
        self.list::<ProvisioningPolicy>(&mut into, progress).await?;
        self.list::<AccessException>(&mut into, progress).await?;
        self.list::<ChangeSet>(&mut into, progress).await?;
        self.list::<Employee>(&mut into, progress).await?;
        Ok(into)
    }

    async fn list<K>(&self, into: &mut Namespace, progress: &mut dyn FnMut(&str, usize)) -> Result<(), ClusterError>
    where
        K: Indexed + kube::Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Debug,
    {
        let api: Api<DeserializeGuard<K>> = Api::namespaced(self.client.clone(), &self.namespace);
        let plural = K::plural(&());
        let mut params = ListParams::default().limit(PAGE);
        let mut count = 0;
        loop {
            let page = api.list(&params).await.map_err(|error| ClusterError::List {
                plural: plural.to_string(),
                namespace: self.namespace.clone(),
                error: Box::new(error),
            })?;
            count += page.items.len();
            progress(&plural, count);
            for object in page.items {
                match object.0 {
                    Ok(object) => object.put(into),
                    Err(invalid) => K::put_broken(into, &invalid.metadata, invalid.error),
                };
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(()),
            }
        }
    }
}
