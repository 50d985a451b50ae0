//! The Lease: one operator acts, and one that cannot prove that it leads stops at once.
//!
//! After client-go's protocol: a holder renews; others take over when `renewTime` has not moved for `leaseDurationSeconds`
//! by their own clocks, so that no two clocks are compared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::watch;

use crate::controllers::gate::Gate;

/// How the Lease is held.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who we are: unique to this process.
    pub identity: String,
    /// How long a Lease that nobody renews stays good. Default 15 s.
    pub duration: Duration,
}

/// Why leadership ended.
#[derive(Debug, thiserror::Error)]
pub enum LeadershipLost {
    /// Somebody else holds the Lease.
    #[error("{0} holds the Lease now")]
    Taken(String),
    /// It could not be renewed in time.
    #[error("the Lease could not be renewed in time")]
    NotRenewed,
}

/// A Lease that is ours.
#[derive(Debug)]
pub struct Leadership {
    api: Api<Lease>,
    options: LeaseOptions,
    lease: Lease,
    renewed: Instant,
    gate: Arc<Gate>,
}

/// Waits until the Lease is ours. Failures are tried again: an operator that cannot reach the API server does nothing.
pub async fn acquire(client: Client, options: LeaseOptions, gate: Arc<Gate>) -> Leadership {
    let api: Api<Lease> = Api::namespaced(client, &options.namespace);
    let mut seen: Option<(String, Instant)> = None;
    let pause = options.duration / 5;
    loop {
        let asked = Instant::now();
        match attempt(&api, &options, &mut seen).await {
            Ok(Some(lease)) => {
                tracing::info!(identity = options.identity, "leading");
                let leadership = Leadership {
                    api,
                    options,
                    lease,
                    renewed: asked,
                    gate,
                };
                leadership.open();
                return leadership;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the Lease could not be read or taken"
            ),
        }
        tokio::time::sleep(pause).await;
    }
}

async fn attempt(
    api: &Api<Lease>,
    options: &LeaseOptions,
    seen: &mut Option<(String, Instant)>,
) -> Result<Option<Lease>, kube::Error> {
    let Some(mut lease) = api.get_opt(&options.name).await? else {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(options.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(claim(options, None)),
        };
        return won(api.create(&PostParams::default(), &lease).await);
    };
    let version = lease.metadata.resource_version.clone().unwrap_or_default();
    let spec = lease.spec.clone().unwrap_or_default();
    let free = spec.holder_identity.as_deref().unwrap_or_default().is_empty();
    let stands = Duration::from_secs(u64::try_from(spec.lease_duration_seconds.unwrap_or(0)).unwrap_or(0));
    match seen {
        _ if free => {}
        // It moved, or it is new to us: only from now on does the time count.
        Some((known, _)) if *known != version => *seen = Some((version, Instant::now())),
        None => *seen = Some((version, Instant::now())),
        Some(_) => {}
    }
    if !free && seen.as_ref().is_none_or(|(_, since)| since.elapsed() < stands) {
        return Ok(None);
    }
    lease.spec = Some(claim(options, Some(&spec)));
    won(api.replace(&options.name, &PostParams::default(), &lease).await)
}

/// Losing the race for the Lease is no failure.
fn won(result: Result<Lease, kube::Error>) -> Result<Option<Lease>, kube::Error> {
    match result {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(error),
    }
}

fn claim(options: &LeaseOptions, old: Option<&LeaseSpec>) -> LeaseSpec {
    let now = MicroTime(Timestamp::now());
    let ours = old.and_then(|old| old.holder_identity.as_deref()) == Some(&options.identity);
    let kept = old.filter(|_| ours);
    LeaseSpec {
        holder_identity: Some(options.identity.clone()),
        // Whole seconds, never fewer than meant.
        lease_duration_seconds: i32::try_from(options.duration.as_millis().div_ceil(1_000)).ok(),
        acquire_time: kept
            .and_then(|old| old.acquire_time.clone())
            .or_else(|| Some(now.clone())),
        renew_time: Some(now),
        lease_transitions: Some(
            old.and_then(|old| old.lease_transitions).unwrap_or(0) + i32::from(old.is_some() && !ours),
        ),
        ..LeaseSpec::default()
    }
}

impl Leadership {
    /// Lets effects be sent for two thirds of the time that the Lease stays good, so that we stop before others start.
    fn open(&self) {
        self.gate.open_until(self.renewed + self.options.duration * 2 / 3);
    }

    /// Renews until `stop`, and then gives the Lease back; or until it is lost.
    pub async fn hold(mut self, mut stop: watch::Receiver<bool>) -> Result<(), LeadershipLost> {
        let pause = self.options.duration / 5;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => self.renew(pause).await?,
                _ = stop.wait_for(|stop| *stop) => {
                    self.release().await;
                    return Ok(());
                }
            }
        }
    }

    async fn renew(&mut self, patience: Duration) -> Result<(), LeadershipLost> {
        let asked = Instant::now();
        let mut lease = self.lease.clone();
        lease.spec = Some(claim(&self.options, lease.spec.as_ref()));
        let params = PostParams::default();
        let request = self.api.replace(&self.options.name, &params, &lease);
        match tokio::time::timeout(patience, request).await {
            Ok(Ok(lease)) => {
                self.lease = lease;
                self.renewed = asked;
                self.open();
                return Ok(());
            }
            // Somebody wrote it: it is ours still, or it is not.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 || status.code == 404 => {
                if let Ok(Some(lease)) = self.api.get_opt(&self.options.name).await {
                    let holder = lease
                        .spec
                        .as_ref()
                        .and_then(|spec| spec.holder_identity.clone())
                        .unwrap_or_default();
                    if holder != self.options.identity {
                        return Err(LeadershipLost::Taken(holder));
                    }
                    self.lease = lease;
                } else {
                    return Err(LeadershipLost::Taken("nobody".to_owned()));
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the Lease could not be renewed yet"
                );
            }
            Err(_) => tracing::warn!("renewing the Lease takes too long"),
        }
        if self.renewed.elapsed() > self.options.duration * 2 / 3 {
            return Err(LeadershipLost::NotRenewed);
        }
        Ok(())
    }

    async fn release(mut self) {
        if let Some(spec) = &mut self.lease.spec {
            spec.holder_identity = Some(String::new());
        }
        if let Err(error) = self
            .api
            .replace(&self.options.name, &PostParams::default(), &self.lease)
            .await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the Lease could not be given back, and runs out"
            );
        }
    }
}
