//! `sync-status`, `account-details` and `linked-accounts`: how Merge itself is doing.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::state::State;

/// The models with a sync of their own. The last is one that a mirror has no use for and whose scope is off.
pub(super) const MODELS: &[&str] = &[
    "Employee",
    "Employment",
    "Group",
    "Location",
    "Company",
    "PayGroup",
    "TimeOff",
];

const INTEGRATION: &str = "BambooHR";
const SLUG: &str = "bamboohr";

/// The model, or all of them for `*`.
pub(super) fn models(model: &str) -> Vec<String> {
    if model == "*" {
        return MODELS.iter().map(|&name| name.to_owned()).collect();
    }
    assert!(MODELS.contains(&model), "the simulator syncs {MODELS:?}, not {model:?}");
    vec![model.to_owned()]
}

/// The end of the model's last complete sync: the last full interval, or the last change if that was later.
pub(super) fn last_finished(state: &State, model: &str) -> Option<Timestamp> {
    let sync = &state.sync;
    if sync.initial {
        return None;
    }
    if let Some(&at) = sync.pinned.get(model) {
        return Some(at);
    }
    let now = sync.relink_needed.unwrap_or_else(|| state.now());
    match sync.forced.get(model) {
        Some((status, finished)) if status != "PARTIALLY_SYNCED" => return *finished,
        _ => {}
    }
    let interval = sync.interval.as_secs().max(1);
    let full = Timestamp::from_second(now.as_second().div_euclid(interval) * interval).unwrap_or(now);
    Some(sync.changed.get(model).map_or(full, |&at| at.max(full)))
}

/// The entry of one model.
fn status(state: &State, model: &str) -> Value {
    let base = json!({"model_name": model, "model_id": format!("hris.{model}"), "is_initial_sync": state.sync.initial});
    let mut entry = base.as_object().cloned().unwrap_or_default();
    let mut put = |name: &str, value: Value| {
        entry.insert(name.to_owned(), value);
    };
    let forced = state.sync.forced.get(model).map(|(status, _)| status.as_str());
    if model == "TimeOff" && forced.is_none() {
        put("status", json!("DISABLED"));
        return entry.into();
    }
    let finished = last_finished(state, model);
    let status = forced.unwrap_or(if state.sync.initial { "SYNCING" } else { "DONE" });
    // A sync that runs has no result yet; one that is paused or disabled does not change the last result.
    let result = match status {
        _ if state.sync.initial => Value::Null,
        "SYNCING" | "PAUSED" | "DISABLED" | "DONE" => json!("DONE"),
        other => json!(other),
    };
    let started = match status {
        "SYNCING" | "FAILED" => state.now() - SignedDuration::from_secs(5),
        _ => finished.unwrap_or_else(|| state.now()) - SignedDuration::from_secs(30),
    };
    put("last_sync_start", json!(started));
    put("next_sync_start", json!(started + state.sync.interval));
    put("last_sync_result", result);
    put("last_sync_finished", json!(finished));
    put("status", json!(status));
    put("selective_sync_configurations_usage", json!("IN_LAST_SYNC"));
    entry.into()
}

/// The entries of all models.
pub(super) fn statuses(state: &State) -> Vec<Value> {
    MODELS.iter().map(|model| status(state, model)).collect()
}

/// Starts a sync of everything; the answer shows it under way.
pub(super) fn resync(state: &mut State) -> Value {
    state.sync.resyncs += 1;
    let mut entries = statuses(state);
    let now = state.now();
    for entry in &mut entries {
        if entry["status"] == "DONE" {
            entry["status"] = json!("SYNCING");
            entry["last_sync_start"] = json!(now);
        }
    }
    for model in MODELS {
        state.sync.changed.insert(model, now);
    }
    entries.into()
}

fn account_status(state: &State) -> &'static str {
    if state.sync.relink_needed.is_some() {
        "RELINK_NEEDED"
    } else {
        "COMPLETE"
    }
}

const ORGANISATION: &str = "Example Works";
const ADMINISTRATOR: &str = "hr-admin@example.com";
const LISTENER: &str = "https://example.com/webhook-listener/simulated";
const LINKED_AT: &str = "2026-05-31T23:58:11.277118Z";

/// The linked account as `account-details` describes it: the integration is its name.
pub(super) fn account_details(state: &State) -> Value {
    json!({
        "id": state.account_id,
        "integration": INTEGRATION,
        "integration_slug": SLUG,
        "category": "hris",
        "end_user_origin_id": "simulated-tenant",
        "end_user_organization_name": ORGANISATION,
        "end_user_email_address": ADMINISTRATOR,
        "status": account_status(state),
        "webhook_listener_url": LISTENER,
        "is_duplicate": false,
        "account_type": "PRODUCTION",
        "completed_at": LINKED_AT,
    })
}

/// The linked account as the list of all has it: the integration is an object.
pub(super) fn linked_account(state: &State) -> Value {
    let status = account_status(state);
    let detail = if status == "COMPLETE" { "" } else { "Invalid API key" };
    json!({
        "id": state.account_id,
        "category": "hris",
        "status": status,
        "status_detail": detail,
        "end_user_origin_id": "simulated-tenant",
        "end_user_organization_name": ORGANISATION,
        "end_user_email_address": ADMINISTRATOR,
        "subdomain": "example",
        "webhook_listener_url": LISTENER,
        "is_duplicate": false,
        "integration": {
            "name": INTEGRATION,
            "categories": ["hris"],
            "color": "#73C41D",
            "slug": SLUG,
            "passthrough_available": true,
        },
        "account_type": "PRODUCTION",
        "completed_at": LINKED_AT,
    })
}
