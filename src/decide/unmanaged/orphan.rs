//! Accounts that no Employee explains.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Listed;
use super::standing::Protected;
use crate::api::target::Orphans;
use crate::decide::facts::identifier;
use crate::decide::index::Namespace;
use crate::decide::losses::readable_target;

/// The most ids that a status names.
const SAMPLES_MAX: usize = 50;

/// The accounts at `target` that no record names and that match no Employee, the protected ones aside; `None` where that
/// cannot be told. Those of people who left are named by their records.
pub fn orphans(
    tenant: &str,
    namespace: &Namespace,
    target: &str,
    accounts: &BTreeMap<&str, Listed<'_>>,
) -> Option<Orphans> {
    let protected = Protected::of(readable_target(namespace, target)?);
    // The record that explains one may be theirs.
    if !namespace.broken_employees.is_empty() {
        return None;
    }
    let mut named: HashSet<&str> = HashSet::new();
    let mut called: HashSet<String> = HashSet::new();
    for person in namespace.employees.values() {
        let accounts = person.status.accounts.iter().filter(|record| record.target == target);
        named.extend(accounts.map(|record| record.id.as_str()));
        let grants = person
            .status
            .entitlements
            .iter()
            .filter(|record| record.target == target);
        named.extend(grants.map(|record| record.account_id.as_str()));
        let names = [&person.spec.work_email, &person.spec.username];
        called.extend(names.into_iter().flatten().map(|name| identifier(name)));
    }
    let is_ours = |key: &str| {
        let name = key.strip_prefix(tenant).and_then(|rest| rest.strip_prefix('/'));
        name.is_some_and(|name| namespace.employees.contains_key(name))
    };
    let orphans: BTreeSet<&str> = accounts
        .iter()
        .filter(|(id, account)| {
            let names = || account.names.iter().map(String::as_str).chain([**id]);
            !named.contains(*id)
                && !account.key.is_some_and(is_ours)
                && !names().any(|name| called.contains(&identifier(name)))
                && !protected.speak_of(names())
        })
        .map(|(id, _)| *id)
        .collect();
    Some(Orphans {
        count: u32::try_from(orphans.len()).unwrap_or(u32::MAX),
        samples: orphans.into_iter().take(SAMPLES_MAX).map(str::to_owned).collect(),
    })
}
