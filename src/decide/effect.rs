//! What is to be done at a target, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE32_NOPAD;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use crate::api::employee::{AccountRecord, AccountState, EmployeeSpec, EmployeeStatus, EntitlementRecord, GrantState};
use crate::api::entitlement::RemoteObject;
use crate::api::target::{Subject, SubjectAttribute};

/// A remote object of a target: what grants are counted by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemoteKey {
    /// Name of the `TargetSystem`.
    pub target: String,
    /// The object there.
    pub object: RemoteObject,
}

impl RemoteKey {
    /// The remote object that a record is about.
    pub fn of(record: &EntitlementRecord) -> Self {
        Self {
            target: record.target.clone(),
            object: RemoteObject {
                kind: record.kind.clone(),
                id: record.remote_id.clone(),
            },
        }
    }
}

/// How a record names the `AccessException` called `name` among its grantors. No policy's name has a slash.
pub fn exception_grantor(name: &str) -> String {
    format!("AccessException/{name}")
}

/// The name of the `AccessException` that a grantor is, or `None` where it is a policy.
pub fn exception_of(grantor: &str) -> Option<&str> {
    grantor.strip_prefix("AccessException/")
}

/// One acknowledged intent of one person, for the writer of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Make the account be what it should: create it, change it, end it.
    Account {
        /// Name of the `TargetSystem`.
        target: String,
        /// The target's own id, where it is known.
        id: String,
        /// What the account should be.
        action: AccountAction,
        /// [`identity_digest`] of the facts under which no account was there when a creation was put on record; empty for
        /// what is no creation. See [`may_be_ours`].
        sought: String,
        /// Identifies this effect.
        operation_id: String,
    },
    /// Put the person among the holders of a remote object, or take them out.
    Membership {
        /// The remote object.
        key: RemoteKey,
        /// The target's own id of the account; empty where the account is being made.
        account_id: String,
        /// True to hold it, false to lose it.
        hold: bool,
        /// The target's own id of what was made for this grant alone; empty where that is not known, or there is none.
        grant_id: String,
        /// What the grant's parameters are to be; nothing for a loss.
        parameters: BTreeMap<String, String>,
        /// Identifies this effect.
        operation_id: String,
    },
}

/// What an account should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountAction {
    /// There: found by its correlation key, else created.
    Create,
    /// There, with the attributes of today.
    Update,
    /// Usable again, with the attributes of today.
    Activate,
    /// There and unusable.
    Deactivate,
    /// Gone.
    Delete,
}

/// Names an intent among those of one person at one target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IntentKey {
    /// The person's account.
    Account,
    /// The person's place among the holders of an object, by account id.
    Membership(RemoteObject, String),
}

impl Intent {
    /// Name of the `TargetSystem`.
    pub fn target(&self) -> &str {
        match self {
            Self::Account { target, .. } => target,
            Self::Membership { key, .. } => &key.target,
        }
    }

    /// What it is among the intents of one person at its target.
    pub fn key(&self) -> IntentKey {
        match self {
            Self::Account { .. } => IntentKey::Account,
            Self::Membership { key, account_id, .. } => IntentKey::Membership(key.object.clone(), account_id.clone()),
        }
    }

    /// Identifies this effect.
    pub fn operation_id(&self) -> &str {
        match self {
            Self::Account { operation_id, .. } | Self::Membership { operation_id, .. } => operation_id,
        }
    }

    /// Whether it takes something away.
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Account { action, .. } => matches!(action, AccountAction::Deactivate | AccountAction::Delete),
            Self::Membership { hold, .. } => !hold,
        }
    }
}

/// What came of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Read back and as intended. For an account: its id at the target, and the digest of the attributes it has.
    Done {
        /// The account's id; empty where there is none.
        account_id: String,
        /// For accounts: digest of the attributes sent, where any were.
        attributes: Option<String>,
        /// For grants: how it is held, as read back; `None` for a loss, and where a look shows no more than that it is held.
        holding: Option<Holding>,
        /// Whether it is an invitation that the person has not accepted yet.
        invited: bool,
    },
    /// No seat, licence or budget is free. It is tried again when one is given back, and rarely.
    NoSeat(String),
    /// The target did not do it, and it will be tried again.
    Retrying(String),
    /// The target refuses it; a person must mend something. It is tried again, rarely.
    Refused(String),
    /// It cannot be found out whether it was done. Nothing more is sent.
    Unknown(String),
}

impl Outcome {
    /// Done, and read back; `attributes` is the digest of those sent, for accounts.
    pub fn done(account_id: impl Into<String>, attributes: Option<String>) -> Self {
        Self::Done {
            account_id: account_id.into(),
            attributes,
            holding: None,
            invited: false,
        }
    }
}

/// What a target knows of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccountSight {
    /// Not looked up yet, or the look-up is under way.
    #[default]
    Unseen,
    /// There is none.
    Absent,
    /// There is one that matches the person's identifying attributes.
    Present {
        /// The target's own id.
        id: String,
        /// Whether it is usable.
        active: bool,
        /// Whether it carries our correlation key: it is ours, whatever became of the record.
        ours: bool,
        /// How it was found to match.
        by: Match,
        /// What else it goes by: user name, email addresses.
        names: BTreeSet<String>,
    },
    /// There is one that matches, and carries the correlation key of another.
    Foreign {
        /// The target's own id.
        id: String,
        /// What was found, for a person.
        why: String,
    },
    /// It could not be looked up; it will be tried again.
    Failed(String),
    /// More than one matches: a person must decide.
    Ambiguous(String),
}

/// How an account was found to match a person. The order is that of strength.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Match {
    /// By our correlation key.
    Key,
    /// By the name that the person signs in with, equal but for case; or as the target's definition says.
    #[default]
    Name,
    /// By an email address alone, which no other account has; its user name is not the one that we would give it.
    Email,
}

/// What a look at an account by its own id showed, be it a reading of that account or a complete list of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLook {
    /// The id that was looked for.
    pub id: String,
    /// The account of that id; `None` where the target has none.
    pub found: Option<AccountSeen>,
    /// When that was read; of a list, when its reading began.
    pub at: Timestamp,
}

/// An account as a look by its id showed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSeen {
    /// Whether it is usable.
    pub active: bool,
    /// Whether it is an invitation that the person has not accepted yet.
    pub invited: bool,
    /// What else it goes by: user name, email addresses.
    pub names: BTreeSet<String>,
}

/// How an account holds an object, as a target shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// The target's own id of the grant, such as a card's; empty where it has none.
    pub grant_id: String,
    /// The operation that made it, where the target keeps that for us.
    pub operation_id: String,
    /// Its parameters, those that the target shows.
    pub parameters: BTreeMap<String, String>,
    /// Whether it is an invitation that the person has not accepted yet.
    pub invited: bool,
}

/// A look at whether an account holds an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// How it holds it; `None` where it does not.
    pub holding: Option<Holding>,
    /// When that was read.
    pub at: Timestamp,
}

impl Look {
    /// A look that showed no more than whether it is held.
    pub fn plain(held: bool, at: Timestamp) -> Self {
        Self {
            holding: held.then(Holding::default),
            at,
        }
    }
}

/// What is known beyond the records, from the last look at the targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// The person's account, by target; absent is [`AccountSight::Unseen`].
    pub accounts: BTreeMap<String, AccountSight>,
    /// The last look by id at the account that the record names, by target, where there was one.
    pub looks: BTreeMap<String, AccountLook>,
    /// The last look at whether the person's account is among the holders, where there was one. Neither one that could not
    /// be read to its end nor one from before our last call about the object counts as a look.
    pub holds: BTreeMap<RemoteKey, Look>,
    /// Objects that the last look did not find at all: nobody was taken out of them. Never in `holds`.
    pub missing: BTreeSet<RemoteKey>,
    /// What came of intents since the last record.
    pub outcomes: Vec<(Intent, Outcome)>,
}

impl Sight {
    /// Whether the person's account holds `key`, where that is known.
    pub fn holds(&self, key: &RemoteKey) -> Option<bool> {
        self.holds.get(key).map(|look| look.holding.is_some())
    }

    /// The person's account at `target`.
    pub fn account(&self, target: &str) -> &AccountSight {
        self.accounts.get(target).unwrap_or(&AccountSight::Unseen)
    }
}

/// Digest of the facts that accounts are made of; where it differs from what the target confirmed, the account is
/// updated.
pub fn attributes_digest(facts: &EmployeeSpec) -> String {
    let parts = [
        &facts.work_email,
        &facts.username,
        &facts.display_name,
        &facts.given_name,
        &facts.family_name,
        &facts.job_title,
    ];
    // An absent value and an empty one differ.
    short_digest(parts.into_iter().flat_map(|part| match part {
        Some(text) => ["1", text.as_str()],
        None => ["0", ""],
    }))
}

/// Digest of the facts that an account is found by where it carries no key of ours.
pub fn identity_digest(facts: &EmployeeSpec) -> String {
    let parts = [&facts.work_email, &facts.username];
    short_digest(parts.into_iter().flat_map(|part| match part {
        Some(text) => ["1", text.as_str()],
        None => ["0", ""],
    }))
}

/// Whether an account that was found while one is being made is the one that was then made. `external_id` is the key that it
/// shows, `key` ours, `sought` what the intent says, `facts` those that it was found by. One that shows no key is only ours
/// where nobody had these very names before: some services take our key and never show it again, and under other names it
/// may be somebody else's account.
pub fn may_be_ours(external_id: Option<&str>, key: &str, sought: &str, facts: &EmployeeSpec) -> bool {
    external_id.map_or_else(|| sought == identity_digest(facts), |shown| shown == key)
}

/// How a cluster names a person, or `None` where the person lacks the attribute.
pub fn subject_name(subject: &Subject, facts: &EmployeeSpec) -> Option<String> {
    let attribute = match subject.from {
        SubjectAttribute::WorkEmail => &facts.work_email,
        SubjectAttribute::Username => &facts.username,
        SubjectAttribute::EmployeeNumber => &facts.employee_number,
    };
    // Names that begin with `system:` are the cluster's own, and no HR record makes a person one of them.
    let name = format!(
        "{}{}",
        subject.prefix,
        attribute.as_ref().filter(|value| !value.is_empty())?
    );
    (!name.starts_with("system:")).then_some(name)
}

/// Identifies an effect: the same for the same employment, person and remote object, so that even a lost record finds
/// its effect again; different after a rehire. `before` is the operation that the record says was done before and has ended,
/// by us or by others; empty for the first. An API that remembers idempotency keys would else answer with what it made then.
pub fn operation_id(employee_uid: &str, key: &RemoteKey, start_date: Option<&str>, before: &str) -> String {
    let parts = [
        "operation",
        employee_uid,
        &key.target,
        &key.object.kind,
        &key.object.id,
        start_date.unwrap_or_default(),
    ];
    short_digest(
        parts
            .into_iter()
            .chain(Some(before).filter(|before| !before.is_empty())),
    )
}

/// Twenty base32 characters of SHA-256 over the parts, each with its length, so that no two lists of parts collide.
pub fn short_digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut text = BASE32_NOPAD.encode(&hash.finalize()).to_lowercase();
    text.truncate(20);
    text
}

/// The intents that a record holds: what it says is under way, and what the target refused and may take one day. Only
/// ever called on an acknowledged record.
pub fn intents(accounts: &[AccountRecord], entitlements: &[EntitlementRecord]) -> Vec<Intent> {
    let account = accounts.iter().filter_map(|record| {
        Some(Intent::Account {
            target: record.target.clone(),
            id: record.id.clone(),
            action: action(record)?,
            sought: record.sought.clone(),
            operation_id: record.operation_id.clone(),
        })
    });
    let membership = entitlements.iter().filter_map(|record| {
        let hold = hold(record)?;
        Some(Intent::Membership {
            key: RemoteKey::of(record),
            account_id: record.account_id.clone(),
            hold,
            grant_id: record.grant_id.clone(),
            parameters: if hold {
                record.desired_parameters.clone()
            } else {
                BTreeMap::new()
            },
            operation_id: record.operation_id.clone(),
        })
    });
    account.chain(membership).collect()
}

/// What a record says is under way with the account.
fn action(record: &AccountRecord) -> Option<AccountAction> {
    Some(match record.state {
        AccountState::Failed if !record.id.is_empty() => AccountAction::Update,
        AccountState::Creating | AccountState::Failed | AccountState::NoSeat => AccountAction::Create,
        AccountState::Updating => AccountAction::Update,
        AccountState::Activating => AccountAction::Activate,
        AccountState::Deactivating => AccountAction::Deactivate,
        AccountState::Deleting => AccountAction::Delete,
        _ => return None,
    })
}

/// Whether what a record says is under way gives, or takes.
fn hold(record: &EntitlementRecord) -> Option<bool> {
    match record.state {
        GrantState::Granting | GrantState::Updating | GrantState::Failed | GrantState::NoSeat => Some(true),
        GrantState::Revoking => Some(false),
        _ => None,
    }
}

/// Says of every effect that `before` does not have that it was begun now. What is under way already, refused or not, keeps its
/// date.
pub fn date_effects(status: &mut EmployeeStatus, before: &EmployeeStatus, now: Timestamp) {
    for record in &mut status.entitlements {
        let Some(effect) = hold(record) else { continue };
        let mut records = before.entitlements.iter();
        let known = records
            .find(|known| known.operation_id == record.operation_id && RemoteKey::of(known) == RemoteKey::of(record));
        let is_same = known.is_some_and(|known| {
            hold(known) == Some(effect) && (!effect || known.desired_parameters == record.desired_parameters)
        });
        if !is_same {
            record.begun_at = Some(begun(now, known.and_then(|known| known.begun_at.as_ref())));
        }
    }
    for record in &mut status.accounts {
        let Some(effect) = action(record) else { continue };
        let known = before.accounts.iter().find(|known| known.target == record.target);
        let is_same =
            known.is_some_and(|known| action(known) == Some(effect) && known.operation_id == record.operation_id);
        if !is_same {
            record.begun_at = Some(begun(now, known.and_then(|known| known.begun_at.as_ref())));
        }
    }
}

/// Now, in whole seconds as a record keeps them, and later than the effect before.
fn begun(now: Timestamp, before: Option<&Time>) -> Time {
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let next = before.and_then(|before| before.0.checked_add(SignedDuration::from_secs(1)).ok());
    Time(next.map_or(now, |next| now.max(next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I4: what is made anew is not taken for what was made before, however often; and a lost record finds the first again.
    #[test]
    fn what_is_done_again_is_another_operation() {
        let id = |before: &str| operation_id("uid", &RemoteKey::default(), Some("2026-01-01"), before);
        let (first, second) = (id(""), id(&id("")));
        let third = id(&second);
        assert_eq!(first, id(""));
        let all: BTreeSet<&String> = [&first, &second, &third].into();
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn a_person_is_named_by_one_attribute_and_never_as_a_part_of_the_cluster() {
        let name = |from, prefix: &str, username: &str| {
            let facts = EmployeeSpec {
                work_email: Some("ada@x.io".to_owned()),
                username: Some(username.to_owned()),
                ..EmployeeSpec::default()
            };
            let prefix = prefix.to_owned();
            subject_name(&Subject { from, prefix }, &facts)
        };
        assert_eq!(
            name(SubjectAttribute::WorkEmail, "", "ada").as_deref(),
            Some("ada@x.io")
        );
        assert_eq!(
            name(SubjectAttribute::Username, "oidc:", "ada").as_deref(),
            Some("oidc:ada")
        );
        assert_eq!(name(SubjectAttribute::EmployeeNumber, "", "ada"), None);
        assert_eq!(name(SubjectAttribute::Username, "oidc:", ""), None);
        assert_eq!(name(SubjectAttribute::Username, "", "system:admin"), None);
        assert_eq!(name(SubjectAttribute::Username, "sys", "tem:masters"), None);
        assert_eq!(
            name(SubjectAttribute::Username, "oidc:", "system:admin").as_deref(),
            Some("oidc:system:admin")
        );
    }
}
