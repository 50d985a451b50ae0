//! Why a person has what they have, and why not what they have not: every policy key by key, what stands in the way, and
//! what happens next.
//!
//! It asks the same functions that decide, and puts what they answer beside the facts and the record. Nothing is decided
//! here.

mod access;
mod find;
mod held;
mod person;
mod policy;
mod reasons;
mod who;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use self::access::Desk;
pub use self::access::{Access, ExceptionReport};
pub use self::find::{find, label};
pub use self::held::{Held, Sheet, sheet, sheets};
pub use self::person::{AccountReport, Identity, PhaseReport, SourceReport};
pub use self::policy::{PolicyReport, Says, Terms};
pub use self::who::{Holder, Holders, Stranger, who};
use super::index::{Entry, Namespace, Person};

/// Why a person has what they have.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The instant that it speaks of.
    pub at: Timestamp,
    /// Who it is.
    pub person: Identity,
    /// Where the person is between joining and leaving, and why.
    pub phase: PhaseReport,
    /// The sync that the facts came from; absent for those kept by hand or in Git.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceReport>,
    /// Accounts on record, in order of target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountReport>,
    /// The entitlement that was asked about, or each that concerns the person, in order of name.
    pub entitlements: Vec<Access>,
    /// What the person's accounts hold by no record of ours, or held until it was taken, in order of entitlement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmanaged: Vec<Stranger>,
    /// Where none was asked about: entitlements that nothing gives to the person, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_given: Vec<String>,
    /// What happens next by time alone, in order of time.
    pub next: Vec<Upcoming>,
}

/// Something that happens at a known time, if nothing changes before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Upcoming {
    /// When.
    pub at: Timestamp,
    /// What, in plain words.
    pub what: String,
}

/// Explains what `person` has at `now`: the `entitlement` of this name, or everything that concerns the person.
///
/// The error is a sentence: no entitlement is called so, and no record names it.
pub fn explain(
    namespace: &Namespace,
    person: &Person,
    entitlement: Option<&str>,
    now: Timestamp,
) -> Result<Explanation, String> {
    let desk = Desk::new(namespace, person, now);
    let mut not_given = Vec::new();
    let names = if let Some(name) = entitlement {
        is_known(namespace, name)?;
        BTreeSet::from([name])
    } else {
        let names = desk.concerning();
        let others = namespace
            .entitlements
            .keys()
            .filter(|name| !names.contains(name.as_str()));
        not_given.extend(others.cloned());
        names
    };
    let unmanaged = Stranger::all_about(namespace, &person.name).into_iter();
    let unmanaged = unmanaged.filter(|stranger| entitlement.is_none_or(|name| name == stranger.entitlement));
    let entitlements: Vec<Access> = names.into_iter().map(|name| desk.access(name)).collect();
    let accounts = person::accounts(namespace, person);
    let mut next: BTreeSet<Upcoming> = entitlements.iter().flat_map(|access| &access.next).cloned().collect();
    for coming in desk.next() {
        // What is said of an entitlement may say more.
        if !next
            .iter()
            .any(|known| known.at == coming.at && known.what.starts_with(&coming.what))
        {
            next.insert(coming);
        }
    }
    for account in &accounts {
        if let Some(at) = account.scheduled_at.filter(|at| *at > now) {
            next.insert(Upcoming {
                at,
                what: format!("the account at {} is deleted", account.target),
            });
        }
    }
    Ok(Explanation {
        at: now,
        person: Identity::of(namespace, person),
        phase: PhaseReport::of(namespace, person, &desk.resolution),
        source: SourceReport::of(namespace, person),
        accounts,
        unmanaged: unmanaged.collect(),
        entitlements,
        not_given,
        next: next.into_iter().collect(),
    })
}

/// Whether anything in the namespace speaks of an entitlement called so.
fn is_known(namespace: &Namespace, name: &str) -> Result<(), String> {
    let named = |policy: &Entry<crate::api::ProvisioningPolicy>| {
        let policy = policy.readable();
        policy.is_some_and(|policy| policy.spec.entitlements.iter().any(|grant| grant.name == name))
    };
    let recorded = |person: &Person| {
        person
            .status
            .entitlements
            .iter()
            .any(|record| record.entitlement == name)
    };
    if namespace.entitlements.contains_key(name)
        || namespace.policies.values().any(named)
        || namespace.employees.values().any(|person| recorded(person))
    {
        return Ok(());
    }
    let known: Vec<&str> = namespace.entitlements.keys().map(String::as_str).take(20).collect();
    Err(match known.as_slice() {
        [] => format!("no Entitlement is called {name}: there is none in this namespace"),
        known => format!("no Entitlement is called {name}: there are {}", known.join(", ")),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests;
