//! A target as it really is: accounts and holders. It does not know what we think of it.

use std::collections::BTreeMap;

use crate::company::Deed;

/// An account.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub external: Option<String>,
    pub user: String,
    pub active: bool,
    pub digest: String,
    /// Others made it unusable.
    pub locked: bool,
}

/// A system that holds access.
#[derive(Clone, Debug, Default)]
pub struct Remote {
    pub unique: bool,
    pub accounts: BTreeMap<String, Account>,
    /// Account ids by group, each with its limit.
    pub holders: BTreeMap<String, BTreeMap<String, usize>>,
    /// How many accounts there ever were.
    pub made: usize,
    /// How often something was changed.
    pub changes: usize,
}

/// What a search finds.
#[derive(Clone, Debug)]
pub enum Match {
    None,
    One(String),
    /// It carries another key.
    Foreign(String),
    Several,
}

impl Remote {
    pub fn add(&mut self, name: &str, account: Account) -> String {
        self.made += 1;
        self.changes += 1;
        let id = format!("{name}-{}", self.made);
        self.accounts.insert(id.clone(), account);
        id
    }

    /// As SCIM targets do: by our key, else by the user name; one that carries another key is nobody's.
    pub fn find(&self, external: &str, user: &str) -> Match {
        let by_key = |account: &Account| account.external.as_deref() == Some(external);
        if let Some((id, _)) = self.accounts.iter().find(|(_, account)| by_key(account)) {
            return Match::One(id.clone());
        }
        let named: Vec<_> = self
            .accounts
            .iter()
            .filter(|(_, account)| account.user == user)
            .collect();
        match &named[..] {
            [] => Match::None,
            [(id, account)] if account.external.is_none() => Match::One((*id).clone()),
            [(id, _)] => Match::Foreign((*id).clone()),
            _ => Match::Several,
        }
    }

    pub fn takes_name(&self, user: &str, but: &str) -> bool {
        !self.unique
            || !self
                .accounts
                .iter()
                .any(|(id, account)| account.user == user && id != but)
    }

    pub fn update(&mut self, id: &str, user: &str, digest: &str, activate: bool) {
        let account = self.accounts.get_mut(id).unwrap();
        let old = account.clone();
        user.clone_into(&mut account.user);
        digest.clone_into(&mut account.digest);
        account.active |= activate;
        account.locked &= !activate;
        self.changes += usize::from(*account != old);
    }

    pub fn delete(&mut self, id: &str) {
        self.changes += usize::from(self.accounts.remove(id).is_some());
        for holders in self.holders.values_mut() {
            holders.remove(id);
        }
    }

    /// What others do; nothing of it counts as a change of ours.
    pub fn suffer(&mut self, deed: Deed, pick: usize) {
        let before = self.changes;
        let ids: Vec<String> = self.accounts.keys().cloned().collect();
        let account = (!ids.is_empty()).then(|| ids[pick % ids.len()].clone());
        match (deed, account) {
            (Deed::Remove, _) => {
                let places = self
                    .holders
                    .iter()
                    .flat_map(|(group, ids)| ids.keys().map(move |id| (group.clone(), id.clone())));
                let places: Vec<_> = places.collect();
                if !places.is_empty() {
                    let (group, id) = &places[pick % places.len()];
                    self.holders.get_mut(group).unwrap().remove(id);
                }
            }
            (Deed::Limit, _) => {
                let mut limits: Vec<&mut usize> = self.holders.values_mut().flat_map(BTreeMap::values_mut).collect();
                if !limits.is_empty() {
                    let place = pick % limits.len();
                    *limits[place] = pick % 4;
                }
            }
            (Deed::Delete, Some(id)) => self.delete(&id),
            (Deed::Lock, Some(id)) => {
                let account = self.accounts.get_mut(&id).unwrap();
                account.locked |= account.active;
                account.active = false;
            }
            (_, None) => {}
        }
        self.changes = before;
    }

    pub fn holds(&self, group: &str, id: &str) -> bool {
        self.limit(group, id).is_some()
    }

    pub fn limit(&self, group: &str, id: &str) -> Option<usize> {
        self.holders.get(group)?.get(id).copied()
    }
}
