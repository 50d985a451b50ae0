//! Reading everything that a sync needs, and believing it or not.
//!
//! Absence is no evidence, and neither is a read that Merge itself has doubts about: whatever is wrong, nothing of the
//! read is used.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::book::{Book, Model, Table};
use super::client::{ListParams, Listing, MergeClient};
use super::error::HrisError;
use super::models::{AccountDetails, Row, SyncStatus};
use crate::api::conditions::{ADDRESS_REFUSED, INVALID, MALFORMED, UNAUTHORIZED, UNREACHABLE};
use crate::api::hris_connection::{CustomField, Field, SyncKind};

/// Merge throttles us for longer than we wait.
pub const THROTTLED: &str = "Throttled";
/// Merge has lost its access to the HR system.
pub const RELINK_NEEDED: &str = "RelinkNeeded";
/// The linked account was never linked whole.
pub const LINK_INCOMPLETE: &str = "LinkIncomplete";
/// Merge's first sync with the HR system is not done.
pub const INITIAL_SYNC: &str = "InitialSync";
/// Merge's last sync with the HR system failed.
pub const SYNC_FAILED: &str = "SyncFailed";
/// Merge's last sync with the HR system brought a part only.
pub const SYNC_PARTIAL: &str = "SyncPartial";
/// Merge no longer syncs with the HR system.
pub const SYNC_PAUSED: &str = "SyncPaused";
/// Merge may not read the employees.
pub const SYNC_DISABLED: &str = "SyncDisabled";
/// A list that had rows has none.
pub const EMPTY: &str = "Empty";

/// How far before the watermark an incremental read begins: whether Merge's bounds include their instant is not
/// documented, and rows show up a little after the instant that they carry.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest<'a> {
    /// Everything, or what changed. Without a watermark, and with a book that lacks what is needed, everything is read
    /// whatever this says.
    pub kind: SyncKind,
    /// The watermark of the last trusted read of this connection.
    pub watermark: Option<Timestamp>,
    /// How many Employees the mirror holds that are not deleted.
    pub mirrored: usize,
    /// The attributes to mirror, which decide which lists are needed.
    pub fields: &'a [Field],
    /// The custom fields to mirror. Where the book was read for others, everything is read.
    pub custom_fields: &'a [CustomField],
}

/// A read that can be believed.
#[derive(Clone, Debug)]
pub struct Read {
    /// The rows: a new book, or a copy of the old one with what changed.
    pub book: Book,
    /// What was read in the end.
    pub kind: SyncKind,
    /// How many pages it took, over all lists and `sync-status`.
    pub pages: u32,
    /// Where the next incremental read begins, by Merge's clock: the earliest `Date` of this read's first answers. `None`
    /// where Merge tells no time, and then the next read is a full one.
    pub watermark: Option<Timestamp>,
}

/// Why a read cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Distrust {
    /// The reason of the condition `SourceTrusted`: one of the constants of this module, or `Invalid`,
    /// `Unauthorized`, `Unreachable` or `Malformed` of [`crate::api::conditions`].
    pub reason: &'static str,
    /// A sentence for a person: what is wrong, and how to mend it. Holds no credential and no word of an answer, and
    /// leaves it to the caller to name Secrets.
    pub message: String,
}

impl Distrust {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

impl From<HrisError> for Distrust {
    fn from(error: HrisError) -> Self {
        let (reason, mend) = match &error {
            HrisError::Options(_) => (
                INVALID,
                "correct the connection's merge.baseURL or the content of its Secrets.",
            ),
            HrisError::Refused(_) => (ADDRESS_REFUSED, "the next sync tries again."),
            HrisError::Unauthorized { status: 401, .. } => (
                UNAUTHORIZED,
                "put a valid API key and the linked account's token into the connection's Secrets.",
            ),
            HrisError::Unauthorized { .. } => (
                UNAUTHORIZED,
                "allow the API key and the linked account to read this model in Merge's scopes.",
            ),
            HrisError::NotFound { .. } => (
                MALFORMED,
                "check the connection's merge.region or merge.baseURL, which ends in /api/hris/v1.",
            ),
            HrisError::Throttled { .. } => (
                THROTTLED,
                "lower requestsPerMinute if this lasts; the next sync tries again.",
            ),
            HrisError::Status { status, .. } if *status >= 500 || *status == 408 => (
                UNREACHABLE,
                "the next sync tries again; ask Merge's support if this lasts.",
            ),
            HrisError::Status { .. } => (
                MALFORMED,
                "check the connection's merge.region or merge.baseURL, and what stands between here and Merge.",
            ),
            HrisError::Unreachable { .. } => (
                UNREACHABLE,
                "check the connection's merge.baseURL and the way there; the next sync tries again.",
            ),
            HrisError::Malformed { .. } | HrisError::TooLarge { .. } | HrisError::Paging { .. } => (
                MALFORMED,
                "the next sync tries again; ask Merge's support if this lasts.",
            ),
        };
        Self::new(reason, format!("{error}. Nothing was changed: {mend}"))
    }
}

/// Reads what `request` asks for, starting from `book`, the book of the last trusted read or an empty one.
///
/// # Errors
/// [`Distrust`] where anything could not be read whole, where Merge says that what it has is not whole, or where a list
/// that had rows is empty. `book` is left as it is.
pub async fn read_all(client: &MergeClient, book: &Book, request: &ReadRequest<'_>) -> Result<Read, Distrust> {
    let needed = Model::needed_for(request.fields);
    let mut clock = Clock::default();

    // The account first: a lost link is why syncs fail, and what has to be mended.
    if let Some(account) = found(client.account_details().await)? {
        judge_account(&account)?;
    }
    let statuses = found(client.sync_status().await)?.unwrap_or_default();
    clock.page(&statuses);
    judge_statuses(&statuses.rows, &needed)?;

    let whole =
        book.read.is_superset(&needed) && book.custom_fields == request.custom_fields && !book.employees.is_empty();
    let after = request
        .watermark
        .filter(|_| request.kind == SyncKind::Incremental && whole);
    let kind = after.map_or(SyncKind::Full, |_| SyncKind::Incremental);
    let mut new = match kind {
        SyncKind::Full => Book::default(),
        SyncKind::Incremental => book.clone(),
    };
    new.read.extend(&needed);
    new.custom_fields = request.custom_fields.to_vec();
    let params = ListParams {
        modified_after: after.map(|after| after.checked_sub(OVERLAP).unwrap_or(after)),
        // Elsewhere than with people too: a position whose deletion is hidden would go on being the present one.
        include_deleted: true,
        custom_fields: &[],
    };
    let of_people = ListParams {
        custom_fields: request.custom_fields,
        ..params
    };
    // People first: what they refer to is then rather there already than not yet.
    for model in needed {
        match model {
            Model::Employee => read(client, model, of_people, &mut new.employees, &mut clock).await?,
            Model::Employment => read(client, model, params, &mut new.employments, &mut clock).await?,
            Model::Group => read(client, model, params, &mut new.groups, &mut clock).await?,
            Model::Location => read(client, model, params, &mut new.locations, &mut clock).await?,
            Model::Company => read(client, model, params, &mut new.companies, &mut clock).await?,
        }
    }
    if kind == SyncKind::Full {
        judge_emptiness(book, &new, request.mirrored)?;
    }
    Ok(Read {
        book: new,
        kind,
        pages: clock.pages,
        watermark: clock.first,
    })
}

#[derive(Default)]
struct Clock {
    pages: u32,
    first: Option<Timestamp>,
}

impl Clock {
    fn page<T>(&mut self, listing: &Listing<T>) {
        self.pages += listing.pages;
        // The earliest of all, as several servers with a clock each may answer.
        self.first = self.first.into_iter().chain(listing.started_at).min();
    }
}

async fn read<T: Row>(
    client: &MergeClient,
    model: Model,
    params: ListParams<'_>,
    table: &mut Table<T>,
    clock: &mut Clock,
) -> Result<(), Distrust> {
    let listing = client.list::<T>(model.path(), params).await;
    let listing = match model {
        Model::Employee => Some(listing?),
        // Not every integration has every model.
        _ => found(listing)?,
    };
    if let Some(listing) = listing {
        clock.page(&listing);
        table.upsert(listing.rows);
    }
    Ok(())
}

/// `None` where there is no such endpoint, which is as good as not knowing.
fn found<T>(result: Result<T, HrisError>) -> Result<Option<T>, Distrust> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(HrisError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn judge_account(account: &AccountDetails) -> Result<(), Distrust> {
    let system = "the HR system";
    match account.status.as_deref().map(str::trim) {
        Some(status) if status.eq_ignore_ascii_case("RELINK_NEEDED") => Err(Distrust::new(
            RELINK_NEEDED,
            format!(
                "Merge has lost its access to {system} (account status RELINK_NEEDED), so what it has grows old. \
                 Nothing was changed: link the account anew in Merge; its token stays the same."
            ),
        )),
        Some(status) if status.eq_ignore_ascii_case("INCOMPLETE") => Err(Distrust::new(
            LINK_INCOMPLETE,
            format!(
                "Merge's linked account was never linked whole (account status INCOMPLETE). Nothing was changed: finish \
                 linking {system} in Merge."
            ),
        )),
        _ => Ok(()),
    }
}

/// Judges what Merge says of its own syncs with the HR system. A model that is not listed, and a word that is not known,
/// says nothing.
fn judge_statuses(statuses: &[SyncStatus], needed: &BTreeSet<Model>) -> Result<(), Distrust> {
    for model in needed {
        let name = model.name();
        let entries = statuses.iter().filter(|entry| entry.model().eq_ignore_ascii_case(name));
        for entry in entries {
            judge_status(entry, *model)?;
        }
    }
    Ok(())
}

fn judge_status(entry: &SyncStatus, model: Model) -> Result<(), Distrust> {
    let word = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_ascii_uppercase();
    let status = word(&entry.status);
    // While a sync runs, the rows are those of the last one that ended.
    let result = if status == "SYNCING" || status.is_empty() {
        word(&entry.last_sync_result)
    } else {
        status.clone()
    };
    let name = model.name();
    let people = model == Model::Employee;
    if entry.is_initial_sync && status != "DONE" || status == "SYNCING" && entry.last_sync_finished.is_none() {
        // Other models than people may be turned off, and then never begin.
        if people || !matches!(status.as_str(), "DISABLED" | "PAUSED") {
            return Err(Distrust::new(
                INITIAL_SYNC,
                format!(
                    "Merge's first sync of {name} with the HR system is not done (status {}). Nothing was changed: it can \
                     take a day; the mirror starts by itself after it.",
                    shown(&status)
                ),
            ));
        }
    }
    match result.as_str() {
        "FAILED" => Err(Distrust::new(
            SYNC_FAILED,
            format!(
                "Merge's last sync of {name} with the HR system failed. Nothing was changed: see the linked account's \
                 issues in Merge."
            ),
        )),
        "PARTIALLY_SYNCED" => Err(Distrust::new(
            SYNC_PARTIAL,
            format!(
                "Merge's last sync of {name} with the HR system brought a part only. Nothing was changed: Merge fetches \
                 the rest with its next sync; see the linked account's issues in Merge if this lasts."
            ),
        )),
        "PAUSED" if people => Err(Distrust::new(
            SYNC_PAUSED,
            format!(
                "Merge has paused its sync of {name} with the HR system. Nothing was changed: start a sync of the linked \
                 account in Merge, or link it anew."
            ),
        )),
        "DISABLED" if people => Err(Distrust::new(
            SYNC_DISABLED,
            format!(
                "Merge does not sync {name} with the HR system. Nothing was changed: turn on that model's scope in Merge."
            ),
        )),
        _ => Ok(()),
    }
}

/// A status as it may be shown: Merge's own words, and nothing else that an answer may hold.
fn shown(status: &str) -> &str {
    match status {
        "SYNCING" | "FAILED" | "DISABLED" | "PAUSED" | "PARTIALLY_SYNCED" => status,
        _ => "unknown",
    }
}

fn judge_emptiness(old: &Book, new: &Book, mirrored: usize) -> Result<(), Distrust> {
    let empty = |model: Model, had: String| {
        Err(Distrust::new(
            EMPTY,
            format!(
                "Merge lists no {} at all, {had}. Nothing was changed: see the linked account in Merge; the next sync \
                 tries again.",
                model.path()
            ),
        ))
    };
    if new.employees.is_empty() && mirrored > 0 {
        return empty(Model::Employee, format!("but {mirrored} are mirrored"));
    }
    let people = || new.employees.iter().map(|(_, row)| row);
    for (model, lost, referred) in [
        (
            Model::Employment,
            lost(&old.employments, &new.employments),
            people().any(|row| !row.employments.is_empty()),
        ),
        (
            Model::Group,
            lost(&old.groups, &new.groups),
            people().any(|row| !row.groups.is_empty()),
        ),
        (
            Model::Location,
            lost(&old.locations, &new.locations),
            people().any(|row| row.work_location.is_some() || row.home_location.is_some()),
        ),
        (
            Model::Company,
            lost(&old.companies, &new.companies),
            people().any(|row| row.company.is_some()),
        ),
    ] {
        if lost && referred && new.read.contains(&model) {
            return empty(model, "but it did before, and people refer to them".to_owned());
        }
    }
    Ok(())
}

fn lost<T: Row>(old: &Table<T>, new: &Table<T>) -> bool {
    new.is_empty() && !old.is_empty()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::hris::testing::book;

    const ALL: [Model; 5] = [
        Model::Employee,
        Model::Employment,
        Model::Group,
        Model::Location,
        Model::Company,
    ];

    fn judged(mut status: Value) -> Option<&'static str> {
        if status.get("model_id").is_none() {
            status["model_id"] = json!("hris.Employee");
        }
        let status: SyncStatus = serde_json::from_value(status).unwrap();
        judge_statuses(&[status], &ALL.into())
            .err()
            .map(|distrust| distrust.reason)
    }

    #[test]
    fn a_sync_of_merge_is_judged_by_how_it_stands() {
        let ended = "2026-11-23T00:00:00Z";
        for (status, reason) in [
            (json!({"status": "DONE"}), None),
            (json!({"status": "DONE", "is_initial_sync": true}), None),
            (json!({"status": "done", "last_sync_result": "FAILED"}), None),
            (json!({"status": "SYNCING", "last_sync_finished": ended}), None),
            (
                json!({"status": "SYNCING", "last_sync_finished": ended, "last_sync_result": "DONE"}),
                None,
            ),
            (
                json!({"status": "SYNCING", "last_sync_finished": ended, "last_sync_result": "FAILED"}),
                Some(SYNC_FAILED),
            ),
            (json!({"status": "SYNCING"}), Some(INITIAL_SYNC)),
            (
                json!({"status": "SYNCING", "is_initial_sync": true, "last_sync_finished": ended}),
                Some(INITIAL_SYNC),
            ),
            (
                json!({"status": "PARTIALLY_SYNCED", "is_initial_sync": true}),
                Some(INITIAL_SYNC),
            ),
            (json!({"status": "PARTIALLY_SYNCED"}), Some(SYNC_PARTIAL)),
            (json!({"status": "FAILED"}), Some(SYNC_FAILED)),
            (json!({"status": null, "last_sync_result": "FAILED"}), Some(SYNC_FAILED)),
            (json!({"status": "PAUSED"}), Some(SYNC_PAUSED)),
            (json!({"status": "DISABLED"}), Some(SYNC_DISABLED)),
            (json!({"status": "A_WORD_OF_LATER_DAYS"}), None),
            (json!({"status": {"odd": 1}}), None),
            (json!({}), None),
            (json!({"model_id": "hris.Group", "status": "FAILED"}), Some(SYNC_FAILED)),
            (
                json!({"model_id": "hris.Group", "status": "SYNCING"}),
                Some(INITIAL_SYNC),
            ),
            (
                json!({"model_id": "hris.Group", "status": "DISABLED", "is_initial_sync": true}),
                None,
            ),
            (json!({"model_id": "hris.Group", "status": "PAUSED"}), None),
            (json!({"model_id": "hris.TimeOff", "status": "FAILED"}), None),
        ] {
            assert_eq!(judged(status.clone()), reason, "{status}");
        }
    }

    #[test]
    fn an_account_is_judged_by_its_link() {
        for (status, reason) in [
            (json!("COMPLETE"), None),
            (json!("IDLE"), None),
            (json!(null), None),
            (json!("RELINK_NEEDED"), Some(RELINK_NEEDED)),
            (json!("INCOMPLETE"), Some(LINK_INCOMPLETE)),
        ] {
            let account = serde_json::from_value(json!({"status": status})).unwrap();
            assert_eq!(judge_account(&account).err().map(|distrust| distrust.reason), reason);
        }
    }

    #[test]
    fn a_list_that_lost_all_its_rows_is_not_believed_while_people_refer_to_it() {
        let person = json!({"id": "m1", "groups": ["g1"]});
        let old = book(json!({"employees": [person], "groups": [{"id": "g1"}], "companies": [{"id": "c1"}]}));
        let reason = |new: Value, mirrored| judge_emptiness(&old, &book(new), mirrored).err().map(|d| d.reason);
        assert_eq!(reason(json!({"employees": [person]}), 1), Some(EMPTY));
        assert_eq!(reason(json!({"employees": [{"id": "m1"}]}), 1), None);
        assert_eq!(reason(json!({"employees": []}), 1), Some(EMPTY));
        assert_eq!(reason(json!({"employees": []}), 0), None);
        // What no attribute needs was not read, and is empty for that.
        let mut unread = book(json!({"employees": [person]}));
        unread.read = [Model::Employee].into();
        assert!(judge_emptiness(&old, &unread, 1).is_ok());
    }

    #[test]
    fn the_needed_lists_follow_from_the_attributes() {
        let needed = |fields: &[Field]| Model::needed_for(fields).into_iter().collect::<Vec<_>>();
        assert_eq!(needed(&Field::all()), ALL);
        assert_eq!(needed(&[Field::WorkEmail, Field::Manager]), [Model::Employee]);
        assert_eq!(needed(&[Field::Groups]), [Model::Employee, Model::Group]);
    }

    #[test]
    fn every_error_becomes_a_sentence_that_says_what_to_do() {
        let model = || "employees".to_owned();
        let status = |status| HrisError::Status {
            model: model(),
            status,
            retry_after: None,
        };
        for (error, reason) in [
            (
                HrisError::Unauthorized {
                    model: model(),
                    status: 401,
                },
                UNAUTHORIZED,
            ),
            (
                HrisError::Unauthorized {
                    model: model(),
                    status: 403,
                },
                UNAUTHORIZED,
            ),
            (HrisError::NotFound { model: model() }, MALFORMED),
            (
                HrisError::Refused("10.0.0.7 is a private address".into()),
                ADDRESS_REFUSED,
            ),
            (
                HrisError::Throttled {
                    model: model(),
                    retry_after: None,
                },
                THROTTLED,
            ),
            (status(500), UNREACHABLE),
            (status(302), MALFORMED),
            (
                HrisError::Unreachable {
                    model: model(),
                    cause: "connection refused".into(),
                },
                UNREACHABLE,
            ),
            (
                HrisError::TooLarge {
                    model: model(),
                    limit: 1,
                },
                MALFORMED,
            ),
        ] {
            let distrust = Distrust::from(error);
            assert_eq!(distrust.reason, reason);
            assert!(distrust.message.contains(". Nothing was changed: ") && distrust.message.ends_with('.'));
        }
    }
}
