//! Controllers: thin steps that read, decide, act and record.
//!
//! ```text
//! feed ─▶ index ─▶ employee ─▶ releaser (losses) ─▶ recorder ─▶ desk ─▶ writer ─▶ target
//!                     ▲                                          │
//!                     └──────────── what came of it ◀────────────┘
//! connection (Merge ─▶ Employees)     standing (conditions and figures of the other kinds)
//! ```

pub mod audit;
pub mod broken;
pub mod connect;
pub mod connection;
pub mod context;
pub mod desk;
pub mod employee;
pub mod feed;
pub mod gate;
pub mod opening;
pub mod recorder;
pub mod releaser;
pub mod report;
pub mod secrets;
pub mod standing;
pub mod wake;
pub mod writer;

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::{self, Action, Config, Controller};

pub use context::{Context, Scope, Settings};
use employee::EmployeeError;
use feed::{Fed, feed};
use recorder::RecordError;
use releaser::Releaser;
use report::Failures;
use wake::Wake;

use crate::api::{AccessException, ChangeSet, Employee, Entitlement, HRISConnection, ProvisioningPolicy, TargetSystem};

/// Employees reconciled at the same time; each writes at most one record.
const EMPLOYEES: u16 = 16;
/// Objects of another kind reconciled at the same time.
const OTHERS: u16 = 4;

/// How long writers may take to finish what they are sending when told to stop.
const LAST_ROUND: Duration = Duration::from_secs(10);

/// Whether an error only says that the object changed meanwhile.
trait MayBeStale: std::error::Error + Send + Sync + 'static {
    fn is_stale(&self) -> bool;
}

impl MayBeStale for RecordError {
    fn is_stale(&self) -> bool {
        matches!(self, Self::Stale(_))
    }
}

impl MayBeStale for EmployeeError {
    fn is_stale(&self) -> bool {
        matches!(self, Self::Record(error) if error.is_stale())
    }
}

/// Runs everything that only the leader may run, until `stop`; what is being written then is finished first.
pub async fn run(context: Arc<Context>, stop: impl Future<Output = ()> + Clone + Send + Sync + 'static) {
    let controllers: Vec<BoxFuture<'static, ()>> = vec![
        Box::pin(control::<Employee, _, _, _>(
            &context,
            &context.employees,
            EMPLOYEES,
            stop.clone(),
            employee::reconcile,
        )),
        Box::pin(control::<HRISConnection, _, _, _>(
            &context,
            &context.connections,
            OTHERS,
            stop.clone(),
            connection::reconcile,
        )),
        Box::pin(control::<ProvisioningPolicy, _, _, _>(
            &context,
            &context.policies,
            OTHERS,
            stop.clone(),
            standing::policy,
        )),
        Box::pin(control::<AccessException, _, _, _>(
            &context,
            &context.exceptions,
            OTHERS,
            stop.clone(),
            standing::exception,
        )),
        Box::pin(control::<ChangeSet, _, _, _>(
            &context,
            &context.change_sets,
            OTHERS,
            stop.clone(),
            standing::change_set,
        )),
        Box::pin(control::<Entitlement, _, _, _>(
            &context,
            &context.entitlements,
            OTHERS,
            stop.clone(),
            standing::entitlement,
        )),
        Box::pin(control::<TargetSystem, _, _, _>(
            &context,
            &context.targets,
            OTHERS,
            stop.clone(),
            standing::target,
        )),
    ];
    let releaser = tokio::spawn(Releaser::run(context.clone()));
    futures::future::join_all(controllers).await;
    releaser.abort();
    context.desks.shut(LAST_ROUND).await;
}

/// The controller of one kind: its watch feeds the index, its echo and the wakes trigger `reconcile`.
fn control<K, E, F, R>(
    context: &Arc<Context>,
    wake: &Wake<K>,
    concurrency: u16,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
    reconcile: R,
) -> impl Future<Output = ()> + Send + 'static
where
    K: Fed,
    E: MayBeStale,
    F: Future<Output = Result<Action, E>> + Send + 'static,
    R: Fn(Arc<PartialObjectMeta<K>>, Arc<Context>) -> F + Send + Sync + 'static,
{
    let (stream, reader) = feed::<K>(context);
    let failures = Arc::new(Failures::default());
    let reconcile = Arc::new(reconcile);
    let controller = Controller::for_stream(stream, reader)
        .with_config(Config::default().concurrency(concurrency))
        .reconcile_on(wake.stream())
        .graceful_shutdown_on(stop);
    let run = {
        let failures = failures.clone();
        move |object: Arc<PartialObjectMeta<K>>, context: Arc<Context>| {
            let (reconcile, failures) = (reconcile.clone(), failures.clone());
            async move {
                let (namespace, name) = report::key(&object.metadata);
                let result = reconcile(object, context).await;
                if result.is_ok() {
                    failures.clear(&namespace, &name);
                }
                result
            }
        }
    };
    let retry = move |object: Arc<PartialObjectMeta<K>>, error: &E, _: Arc<Context>| {
        let (namespace, name) = report::key(&object.metadata);
        if error.is_stale() {
            tracing::debug!(kind = %K::kind(&()), namespace, name, "changed meanwhile; planned again");
        } else {
            let error = error as &dyn std::error::Error;
            tracing::warn!(kind = %K::kind(&()), namespace, name, error, "could not be reconciled; tried again");
        }
        failures.again(&object, error.is_stale())
    };
    controller.run(run, retry, context.clone()).for_each(|result| {
        // Reconciliation errors were logged with their object; an object that is gone needs nothing.
        if let Err(error) = result
            && !matches!(
                error,
                controller::Error::ReconcilerFailed(..) | controller::Error::ObjectNotFound(_)
            )
        {
            log_queue_error(&error);
        }
        std::future::ready(())
    })
}

fn log_queue_error<E: Debug>(error: &E) {
    tracing::warn!(?error, "a watch failed and starts again");
}
