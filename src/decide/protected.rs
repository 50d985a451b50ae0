//! Accounts that nobody may touch, whatever policies say: `TargetSystem.spec.protectedAccounts`.

use super::drift::is_own;
use super::facts::fold;
use super::index::{Namespace, Person};
use super::losses::{Named, account_name, readable_target};
use super::selector::matches_glob;
use crate::api::target::TargetSystemSpec;

/// What a record says of something at such an account.
pub const PROTECTED: &str = "the account is one of protectedAccounts of the TargetSystem, so that Rollcall neither gives nor takes \
                             anything: do it there by hand, or take the account out of that list";

/// Whether the account that goes by `id` and `names` is protected; equal but for case, as sign-in names are compared.
pub fn is_protected<'a>(spec: &TargetSystemSpec, id: &'a str, names: impl IntoIterator<Item = &'a str>) -> bool {
    if spec.protected_accounts.is_empty() {
        return false;
    }
    let patterns: Vec<String> = spec.protected_accounts.iter().map(|pattern| fold(pattern)).collect();
    let names = std::iter::once(id)
        .chain(names)
        .map(fold)
        .filter(|name| !name.is_empty());
    names
        .into_iter()
        .any(|name| patterns.iter().any(|pattern| matches_glob(pattern, &name)))
}

/// Whether the account of `person` at `target` is protected, as far as facts and record tell: by its id, and by the names
/// that the person has. What else it goes by, only the target knows.
pub fn is_known_protected(namespace: &Namespace, person: &Person, target: &str) -> bool {
    let Some(spec) = readable_target(namespace, target).map(|target| &target.spec) else {
        return false;
    };
    let of_target = person.status.accounts.iter().filter(|record| record.target == target);
    let ids = of_target
        .filter(|record| is_own(record))
        .map(|record| record.id.as_str());
    let grants = person.status.entitlements.iter();
    let grants = grants.filter(|record| record.target == target && record.state.may_be_held());
    let named = match account_name(namespace, person, target) {
        Named::By(name) => Some(name),
        Named::Account | Named::Nothing => None,
    };
    let facts = [&person.spec.work_email, &person.spec.username];
    let names = facts.into_iter().flatten().map(String::as_str);
    let ids = ids.chain(grants.map(|record| record.account_id.as_str()));
    is_protected(spec, "", names.chain(ids).chain(named.as_deref()))
}
