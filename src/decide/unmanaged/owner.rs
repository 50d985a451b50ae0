//! Whose account it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Listed, Scene};
use crate::decide::effect::{AccountSight, RemoteKey};
use crate::decide::facts::identifier;
use crate::decide::index::{Namespace, Person};
use crate::decide::losses::{Named, account_name};

/// What records say of the holders of one object.
#[derive(Debug, Default)]
pub(super) struct Explained<'a> {
    /// Accounts that hold it by us, or may.
    pub accounts: HashSet<&'a str>,
    /// An Employee who may hold it by an account that the record does not know yet.
    pub nameless: Option<&'a str>,
}

/// What records say of the holders of `key`.
pub(super) fn explained<'a>(namespace: &'a Namespace, key: &RemoteKey) -> Explained<'a> {
    let mut explained = Explained::default();
    for person in namespace.employees.values() {
        for record in &person.status.entitlements {
            let about =
                record.target == key.target && record.remote_id == key.object.id && record.kind == key.object.kind;
            if !about || !record.state.may_be_held() {
                continue;
            }
            if record.account_id.is_empty() {
                explained.nameless.get_or_insert(person.name.as_str());
            } else {
                explained.accounts.insert(&record.account_id);
            }
        }
    }
    explained
}

/// The Employees whose account each of `ids` is, or may be: by a record, as last looked up, or by what the target's list
/// says of it.
pub(super) fn owners<'a>(scene: &Scene<'a>, ids: &BTreeSet<&'a str>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    if ids.is_empty() {
        return owners;
    }
    let target = &scene.key.target;
    let called = called(scene.listed, ids);
    for person in scene.namespace.employees.values() {
        let mut own = |id: &str| {
            if let Some(id) = ids.get(id) {
                owners.entry(id).or_default().insert(&person.name);
            }
        };
        for id in ids_of(scene, person, target) {
            own(id);
        }
        if let Named::By(name) = account_name(scene.namespace, person, target) {
            own(&name);
        }
        let key = format!("{}/{}", scene.tenant, person.name);
        let names = [&person.spec.work_email, &person.spec.username];
        let names = names.into_iter().flatten().map(|name| identifier(name));
        for id in names.chain([key]).filter_map(|name| called.get(&name)).flatten() {
            own(id);
        }
    }
    owners
}

/// The ids of accounts that records of a person name, or that was found when theirs was looked up.
fn ids_of<'a>(scene: &Scene<'a>, person: &'a Person, target: &'a str) -> impl Iterator<Item = &'a str> {
    let accounts = person.status.accounts.iter();
    let accounts = accounts
        .filter(move |record| record.target == target)
        .map(|record| record.id.as_str());
    let grants = person.status.entitlements.iter();
    let grants = grants.filter(move |record| record.target == target);
    let seen = match scene.sights.get(&person.name) {
        Some(AccountSight::Present { id, .. } | AccountSight::Foreign { id, .. }) => Some(id.as_str()),
        _ => None,
    };
    accounts
        .chain(grants.map(|record| record.account_id.as_str()))
        .chain(seen)
}

/// Ids of accounts by what they are called: their key as it is, their names as identifiers are compared.
fn called<'a>(listed: &BTreeMap<&'a str, Listed<'a>>, ids: &BTreeSet<&'a str>) -> HashMap<String, Vec<&'a str>> {
    let mut called: HashMap<String, Vec<&str>> = HashMap::new();
    for (id, account) in ids.iter().filter_map(|id| Some((*id, listed.get(id)?))) {
        let names = account.names.iter().map(|name| identifier(name));
        for name in names.chain(account.key.map(str::to_owned)).collect::<BTreeSet<_>>() {
            called.entry(name).or_default().push(id);
        }
    }
    called
}
