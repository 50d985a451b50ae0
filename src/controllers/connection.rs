//! The sync loop of one HRIS connection: read all that is needed, believe it or not, compute the whole diff, and only
//! then write.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::metadata::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use parking_lot::Mutex;

use super::broken;
use super::context::Context;
use super::recorder::{RecordError, api_error, may_act, patch_status, versioned};
use super::report::{self, announce, set_all};
use super::secrets::{self, SecretError};
use crate::api::conditions::{self, Fact};
use crate::api::employee::{EmployeeSpec, SourceState};
use crate::api::hris_connection::{HRISConnectionStatus, SyncKind, SyncReport};
use crate::api::{EMPLOYEE_FINALIZER, Employee, HRISConnection, MANAGER, PAUSED_ANNOTATION};
use crate::decide::Person;
use crate::decide::index::Entry;
use crate::decide::phase;
use crate::hris::book::Book;
use crate::hris::client::{ClientOptions, MergeClient, base_url};
use crate::hris::sync::{Diff, diff};
use crate::hris::trust::{Distrust, ReadRequest, read_all};

/// Employees written at the same time; an API server takes about this many to be at its best.
const WRITES: usize = 8;
const SYNC_INTERVAL: Duration = Duration::from_mins(5);
const FULL_SYNC_INTERVAL: Duration = Duration::from_hours(24);

/// What was last read from each connection.
#[derive(Debug, Default)]
pub struct Mirrors(Mutex<HashMap<(String, String), Mirror>>);

#[derive(Debug)]
struct Mirror {
    generation: Option<i64>,
    book: Book,
    watermark: Option<Timestamp>,
    full_due: Instant,
    due: Instant,
}

impl Mirror {
    fn new(generation: Option<i64>) -> Self {
        let now = Instant::now();
        Self {
            generation,
            book: Book::default(),
            watermark: None,
            full_due: now,
            due: now,
        }
    }
}

/// What one sync came to.
struct Synced {
    report: SyncReport,
    failed: Option<String>,
}

/// Syncs one connection when it is due.
pub async fn reconcile(
    object: Arc<PartialObjectMeta<HRISConnection>>,
    context: Arc<Context>,
) -> Result<Action, RecordError> {
    let (namespace, name) = report::key(object.meta());

    // 1. The connection (pure).
    let entry = {
        let index = context.index.read();
        if !index.is_synced() {
            return Ok(Action::await_change());
        }
        index
            .namespace(&namespace)
            .and_then(|content| content.connections.get(&name).cloned())
    };
    let connection = match entry {
        Some(Entry::Readable(connection)) => connection,
        Some(Entry::Broken { error, .. }) => {
            let fact = Fact::no(
                conditions::READY,
                conditions::INVALID,
                format!(
                    "The connection cannot be read, so that its employees stay as they are: {error}. Apply it anew as the \
                 installed CRD describes it."
                ),
            );
            broken::say::<HRISConnection>(&context, object.meta(), &fact).await?;
            return Ok(Action::await_change());
        }
        None => return Ok(Action::await_change()),
    };
    if connection.annotations().contains_key(PAUSED_ANNOTATION) {
        return Ok(Action::await_change());
    }

    // 2. Is it due? An edit makes it so.
    let key = (namespace.clone(), name.clone());
    let mut mirror = {
        let mut mirrors = context.mirrors.0.lock();
        let mirror = mirrors
            .remove(&key)
            .filter(|mirror| mirror.generation == connection.metadata.generation);
        mirror.unwrap_or_else(|| Mirror::new(connection.metadata.generation))
    };
    let wait = mirror.due.saturating_duration_since(Instant::now());
    if wait > Duration::ZERO {
        context.mirrors.0.lock().insert(key, mirror);
        return Ok(Action::requeue(wait));
    }

    // 3. Read, diff, write (IO, pure, IO).
    let outcome = sync(&context, &namespace, &connection, &mut mirror).await;
    let interval = connection.spec.sync_interval.get_or(SYNC_INTERVAL);
    mirror.due = Instant::now() + interval;
    context.mirrors.0.lock().insert(key, mirror);

    // 4. Say how it went (IO): the one heartbeat that a connection has.
    say(&context, &namespace, &connection, outcome).await?;
    Ok(Action::requeue(interval))
}

async fn sync(
    context: &Arc<Context>,
    namespace: &str,
    connection: &HRISConnection,
    mirror: &mut Mirror,
) -> Result<Synced, Distrust> {
    let spec = &connection.spec;
    let name = connection.name_any();
    let client = client(context, namespace, connection).await?;
    let kind = if mirror.full_due <= Instant::now() {
        SyncKind::Full
    } else {
        SyncKind::Incremental
    };
    let mirrored = {
        let index = context.index.read();
        let people = people_of(&index, namespace, &name);
        people
            .iter()
            .filter(|person| state(person) != Some(SourceState::Deleted))
            .count()
    };
    let request = ReadRequest {
        kind,
        watermark: mirror.watermark,
        mirrored,
        fields: &spec.fields,
        custom_fields: &spec.custom_fields,
    };
    let read = read_all(&client, &mirror.book, &request).await?;

    let now = context.clock.now();
    let diff = {
        let index = context.index.read();
        let people = people_of(&index, namespace, &name);
        let people: Vec<&Person> = people.iter().map(AsRef::as_ref).collect();
        diff(&name, spec, &read.book, read.kind, &people, now)
    };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut report = SyncReport {
        finished_at: None,
        kind: read.kind,
        pages: read.pages,
        created: count(diff.creates.len()),
        updated: count(diff.updates.len()),
        unchanged: count(diff.unchanged),
        departed: count(diff.departed),
    };
    let failed = write(context, namespace, diff).await;
    report.finished_at = Some(Time(Timestamp::now()));
    // What could not be written is found again: the next diff is against the Employees themselves.
    mirror.book = read.book;
    mirror.watermark = read.watermark;
    if read.kind == SyncKind::Full {
        mirror.full_due = Instant::now() + spec.full_sync_interval.get_or(FULL_SYNC_INTERVAL);
    }
    Ok(Synced { report, failed })
}

fn people_of(index: &crate::decide::Index, namespace: &str, connection: &str) -> Vec<Arc<Person>> {
    let people = index
        .namespace(namespace)
        .into_iter()
        .flat_map(|content| content.employees.values());
    people
        .filter(|person| {
            person
                .spec
                .connection_ref
                .as_ref()
                .is_some_and(|reference| reference.name == connection)
        })
        .cloned()
        .collect()
}

fn state(person: &Person) -> Option<SourceState> {
    person.spec.source.as_ref().map(|source| source.state)
}

async fn client(context: &Context, namespace: &str, connection: &HRISConnection) -> Result<MergeClient, Distrust> {
    let spec = &connection.spec;
    let unreadable = |error: SecretError| {
        let reason = match error {
            SecretError::Missing(_) => conditions::SECRET_MISSING,
            SecretError::Unreadable(_) => conditions::UNREACHABLE,
        };
        Distrust {
            reason,
            message: format!("{error}. Nothing was changed."),
        }
    };
    let api_key = secrets::read(&context.client, namespace, &spec.api_key_secret_ref)
        .await
        .map_err(unreadable)?;
    let token = secrets::read(&context.client, namespace, &spec.account_token_secret_ref)
        .await
        .map_err(unreadable)?;
    let egress = context.settings.egress.clone();
    let mut options = ClientOptions::new(base_url(&spec.merge), api_key, token, egress);
    options.requests_per_minute = spec.requests_per_minute;
    MergeClient::new(&options).map_err(Distrust::from)
}

/// Writes the diff. Returns what the first failure said, where there was one.
async fn write(context: &Arc<Context>, namespace: &str, diff: Diff) -> Option<String> {
    // An Employee that cannot be decoded is there all the same, and says so by itself.
    let broken: BTreeSet<String> = {
        let index = context.index.read();
        let broken = index
            .namespace(namespace)
            .map(|content| content.broken_employees.keys().cloned().collect());
        broken.unwrap_or_default()
    };
    let creates = diff.creates.into_iter().filter(|(name, _)| !broken.contains(name));
    let creates = creates.map(|(name, spec)| (name, spec, true));
    let updates = diff.updates.into_iter().map(|(name, spec)| (name, spec, false));
    let results: Vec<Result<(), RecordError>> = stream::iter(creates.chain(updates))
        .map(|(name, spec, new)| {
            let (context, namespace) = (context.clone(), namespace.to_owned());
            async move {
                if new {
                    create(&context, &namespace, &name, &spec).await
                } else {
                    update(&context, &namespace, &name, &spec).await
                }
            }
        })
        .buffer_unordered(WRITES)
        .collect()
        .await;
    let mut first = None;
    for error in results.into_iter().filter_map(Result::err) {
        tracing::warn!(
            namespace,
            error = &error as &dyn std::error::Error,
            "an Employee could not be written"
        );
        first.get_or_insert_with(|| match &error {
            RecordError::Api(what, cause) => format!("{what}: {cause}"),
            other => other.to_string(),
        });
    }
    first
}

async fn create(context: &Context, namespace: &str, name: &str, spec: &EmployeeSpec) -> Result<(), RecordError> {
    may_act(context)?;
    let mut employee = Employee::new(name, spec.clone());
    employee.metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        finalizers: Some(vec![EMPLOYEE_FINALIZER.to_owned()]),
        ..ObjectMeta::default()
    };
    let api: Api<Employee> = Api::namespaced(context.client.clone(), namespace);
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let created = api
        .create(&params, &employee)
        .await
        .map_err(|error| api_error(name, error))?;
    super::feed::overlay(context, created);
    Ok(())
}

async fn update(context: &Context, namespace: &str, name: &str, spec: &EmployeeSpec) -> Result<(), RecordError> {
    may_act(context)?;
    let version = {
        let index = context.index.read();
        let person = index
            .namespace(namespace)
            .and_then(|content| content.employees.get(name));
        person.map(|person| person.resource_version.clone())
    };
    // Gone since the diff: the next sync decides anew.
    let Some(version) = version else { return Ok(()) };
    let value = serde_json::to_value(spec).map_err(|error| RecordError::Json(name.to_owned(), error))?;
    let patch = Patch::<()>::Json(versioned(&version, "/spec", value));
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let api: Api<Employee> = Api::namespaced(context.client.clone(), namespace);
    let updated = api
        .patch(name, &params, &patch)
        .await
        .map_err(|error| api_error(name, error))?;
    super::feed::overlay(context, updated);
    Ok(())
}

async fn say(
    context: &Arc<Context>,
    namespace: &str,
    connection: &HRISConnection,
    outcome: Result<Synced, Distrust>,
) -> Result<(), RecordError> {
    let name = connection.name_any();
    let generation = connection.metadata.generation;
    let now = Timestamp::now();
    // The newest status, not the one from before the sync.
    let (mut status, version, employees): (HRISConnectionStatus, _, _) = {
        let index = context.index.read();
        let Some(content) = index.namespace(namespace) else {
            return Ok(());
        };
        let Some(current) = content.connections.get(&name).and_then(Entry::readable) else {
            return Ok(());
        };
        let people = people_of(&index, namespace, &name).len();
        (
            current.status.clone().unwrap_or_default(),
            current.resource_version().unwrap_or_default(),
            people,
        )
    };
    let ready = match phase::fault(&connection.spec.termination) {
        Some(fault) => Fact::no(conditions::READY, conditions::INVALID, fault),
        None => Fact::yes(conditions::READY, conditions::ACCEPTED, "Accepted."),
    };
    let trusted = match &outcome {
        Ok(Synced { failed: None, .. }) => Fact::yes(
            conditions::SOURCE_TRUSTED,
            conditions::AS_EXPECTED,
            "The last read was whole, and is mirrored.",
        ),
        Ok(Synced { failed: Some(why), .. }) => Fact::yes(
            conditions::SOURCE_TRUSTED,
            "PartlyWritten",
            format!(
                "The last read was whole, but not every Employee could be written: {why}. The rest is tried again."
            ),
        ),
        Err(distrust) => Fact::no(conditions::SOURCE_TRUSTED, distrust.reason, distrust.message.clone()),
    };
    status.observed_generation = generation;
    status.employees = u32::try_from(employees).ok();
    let news = set_all(&mut status.conditions, &[ready, trusted], generation, now);
    if let Ok(synced) = outcome {
        status.last_trusted_sync = Some(Time(now));
        if synced.report.kind == SyncKind::Full {
            status.last_full_sync = Some(Time(now));
        }
        status.last_sync = Some(synced.report);
    }
    let written: HRISConnection = patch_status(context, namespace, &name, &version, &status).await?;
    super::feed::overlay(context, written);
    announce::<HRISConnection>(context, connection.meta(), &news).await;
    Ok(())
}
