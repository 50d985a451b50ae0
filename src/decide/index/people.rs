//! People by name, and by the accounts that their records name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use super::Person;

/// People by object name. It reads as the map that it is; who names an account is kept along with every change.
#[derive(Clone, Debug, Default)]
pub struct People {
    by_name: BTreeMap<String, Arc<Person>>,
    /// By target and account id: those whose records name the account, of an account or of a grant.
    by_account: HashMap<String, HashMap<String, Names>>,
}

/// Nearly always one.
type Names = Vec<String>;

impl Deref for People {
    type Target = BTreeMap<String, Arc<Person>>;

    fn deref(&self) -> &Self::Target {
        &self.by_name
    }
}

impl<'a> IntoIterator for &'a People {
    type Item = (&'a String, &'a Arc<Person>);
    type IntoIter = std::collections::btree_map::Iter<'a, String, Arc<Person>>;

    fn into_iter(self) -> Self::IntoIter {
        self.by_name.iter()
    }
}

impl People {
    /// Puts a person in; returns who had the name before.
    pub fn insert(&mut self, name: String, person: Arc<Person>) -> Option<Arc<Person>> {
        let old = self.by_name.get(&name).cloned();
        let before = old.as_deref().map(accounts).unwrap_or_default();
        let after = accounts(&person);
        for (target, id) in before.difference(&after) {
            self.forget(target, id, &name);
        }
        for (target, id) in after.difference(&before) {
            let of_target = self.by_account.entry((*target).to_owned()).or_default();
            let names = of_target.entry((*id).to_owned()).or_default();
            if let Err(place) = names.binary_search(&name) {
                names.insert(place, name.clone());
            }
        }
        self.by_name.insert(name, person)
    }

    /// Takes a person out.
    pub fn remove(&mut self, name: &str) -> Option<Arc<Person>> {
        let old = self.by_name.remove(name)?;
        for (target, id) in accounts(&old) {
            self.forget(target, id, name);
        }
        Some(old)
    }

    fn forget(&mut self, target: &str, id: &str, name: &str) {
        let Some(of_target) = self.by_account.get_mut(target) else {
            return;
        };
        if let Some(names) = of_target.get_mut(id) {
            names.retain(|known| known != name);
            if names.is_empty() {
                of_target.remove(id);
            }
        }
        if of_target.is_empty() {
            self.by_account.remove(target);
        }
    }

    /// Those whose records name the account `id` of `target`, in order of name: of an account, of a claim to one, or of a
    /// grant, whatever its state.
    pub fn with_account<'a>(&'a self, target: &str, id: &str) -> impl Iterator<Item = &'a Arc<Person>> + use<'a> {
        let names = self.by_account.get(target).and_then(|of_target| of_target.get(id));
        names.into_iter().flatten().filter_map(|name| self.by_name.get(name))
    }

    /// Names of the others whose records name an account that those of `name` name too.
    pub fn who_shares_an_account(&self, name: &str) -> BTreeSet<String> {
        let Some(person) = self.by_name.get(name) else {
            return BTreeSet::new();
        };
        let sharing = accounts(person)
            .into_iter()
            .flat_map(|(target, id)| self.with_account(target, id));
        let others = sharing.filter(|other| other.name != name);
        others.map(|other| other.name.clone()).collect()
    }
}

/// The accounts that records of a person name: target and id.
pub fn accounts(person: &Person) -> BTreeSet<(&str, &str)> {
    let of_grants = person.status.entitlements.iter();
    let of_grants = of_grants.map(|record| (record.target.as_str(), record.account_id.as_str()));
    let of_accounts = person.status.accounts.iter();
    let of_accounts = of_accounts.map(|record| (record.target.as_str(), record.id.as_str()));
    of_grants.chain(of_accounts).filter(|(_, id)| !id.is_empty()).collect()
}
