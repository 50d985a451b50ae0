//! What the writers know of a person beyond the record, for the planner.

use std::collections::BTreeSet;
use std::time::Duration;

use super::person::correlation_key;
use super::{Desk, DeskState, Desks};
use crate::api::employee::{AccountRecord, AccountState};
use crate::api::target::Adopt;
use crate::controllers::context::Context;
use crate::decide::Person;
use crate::decide::drift::{is_account_news, is_own, looked_through, stirs, stirs_account};
use crate::decide::effect::{AccountLook, AccountSeen, AccountSight, RemoteKey, Sight};
use crate::decide::losses::readable_target;
use crate::targets::Account;

/// Where nothing is taken over, how old a look at the holders may be that a grant rests on: what others gave since is
/// theirs, and would be taken for ours.
const RECENT: Duration = Duration::from_secs(5);

impl Desks {
    /// What the writers know of a person beyond the record.
    pub fn sight(&self, context: &Context, namespace: &str, person: &Person) -> Sight {
        let mut sight = Sight::default();
        for desk in self.of(namespace) {
            desk.add_to(&mut sight, context, person);
        }
        sight
    }
}

impl Desk {
    fn add_to(&self, sight: &mut Sight, context: &Context, person: &Person) {
        let named = self.named(context, person);
        let takes_nothing_over = {
            let index = context.index.read();
            let target = index
                .namespace(&self.namespace)
                .and_then(|content| readable_target(content, &self.target));
            target.is_some_and(|target| target.spec.adopt == Adopt::Never)
        };
        let state = self.state.lock();
        if let Some(known) = state.people.get(&person.name) {
            sight.outcomes.extend(known.outcomes.iter().cloned());
            sight.accounts.insert(self.target.clone(), known.sight.clone());
        }
        let key = correlation_key(&self.namespace, &person.name);
        if *sight.account(&self.target) == AccountSight::Unseen
            && let Some(listed) = state.listed(&self.target, &key, person)
        {
            sight.accounts.insert(self.target.clone(), listed);
        }
        if let Some(look) = state.account_look(&self.target, person) {
            sight.looks.insert(self.target.clone(), look);
        }
        let Some(account) = looked_through(named, person, sight, &self.target) else {
            return;
        };
        for object in state.looks.objects(&account, &state.objects(&self.target, person)) {
            let Some((look, at)) = state.looks.of(&object, &account) else {
                continue;
            };
            let gone = state.looks.is_gone(&object);
            let key = RemoteKey {
                target: self.target.clone(),
                object,
            };
            // What is on record is ours whatever its age, and an old look tells what became of it.
            if takes_nothing_over && at.elapsed() >= RECENT && !is_recorded(person, &key, &account) {
                continue;
            }
            if gone {
                sight.missing.insert(key);
            } else {
                sight.holds.insert(key, look);
            }
        }
    }
}

impl DeskState {
    /// The account that a person's record names as theirs, as the last list of all accounts or the last reading by its id shows
    /// it; `None` where something was sent for it since, or there was no such look.
    pub fn account_look(&self, target: &str, person: &Person) -> Option<AccountLook> {
        let record = own(target, person)?;
        let untouched = |at| self.touched.get(&record.id).is_none_or(|touched| *touched < at);
        let listed = self.accounts.as_ref().filter(|seen| untouched(seen.at));
        let listed = listed.map(|seen| (seen.shown.get(&record.id), seen.at, seen.time));
        let read = self.read.get(&record.id).filter(|seen| untouched(seen.at));
        let read = read.map(|seen| (seen.shown.as_ref(), seen.at, seen.time));
        let (found, _, time) = listed.into_iter().chain(read).max_by_key(|(_, at, _)| *at)?;
        Some(AccountLook {
            id: record.id.clone(),
            found: found.map(seen),
            at: time,
        })
    }

    /// The account on record, as the last list shows it; of one that the list leaves out only a search by our key tells what
    /// became of it.
    fn listed(&self, target: &str, key: &str, person: &Person) -> Option<AccountSight> {
        let ended = |record: &&AccountRecord| matches!(record.state, AccountState::Deleting | AccountState::Deleted);
        let record = own(target, person).filter(|record| !ended(record))?;
        let seen = self.accounts.as_ref()?;
        let told = self.touched.get(&record.id).is_none_or(|touched| *touched < seen.at);
        let account = seen.shown.get(&record.id).filter(|_| told)?;
        Some(AccountSight::Present {
            id: account.id.clone(),
            active: account.active,
            ours: account.external_id.as_deref() == Some(key),
            by: account.matched,
            names: account.names.clone(),
        })
    }

    /// Whether the account on record was seen to be gone since it was last confirmed.
    pub fn is_seen_gone(&self, target: &str, person: &Person) -> bool {
        let look = self.account_look(target, person);
        let gone = look.filter(|look| look.found.is_none());
        gone.is_some_and(|look| own(target, person).is_some_and(|record| is_account_news(record, &look)))
    }

    /// Whether what was seen of a person is something that the record does not say.
    pub fn is_stirred(&self, target: &str, person: &Person) -> bool {
        let grants = person.status.entitlements.iter().any(|record| {
            let look = || self.looks.of(&RemoteKey::of(record).object, &record.account_id);
            record.target == target && look().is_some_and(|(look, _)| stirs(record, &look))
        });
        let look = || self.account_look(target, person);
        grants || own(target, person).is_some_and(|record| look().is_some_and(|look| stirs_account(record, &look)))
    }

    /// The accounts on record at the target of these people.
    pub fn on_record<'a>(target: &str, people: impl IntoIterator<Item = &'a Person>) -> BTreeSet<String> {
        let records = people.into_iter().filter_map(|person| own(target, person));
        records.map(|record| record.id.clone()).collect()
    }
}

fn own<'a>(target: &str, person: &'a Person) -> Option<&'a AccountRecord> {
    let mut records = person.status.accounts.iter();
    records.find(|record| record.target == target && is_own(record))
}

fn is_recorded(person: &Person, key: &RemoteKey, account: &str) -> bool {
    let mut records = person.status.entitlements.iter();
    records.any(|record| record.state.may_be_held() && record.account_id == account && RemoteKey::of(record) == *key)
}

fn seen(account: &Account) -> AccountSeen {
    AccountSeen {
        active: account.active,
        invited: account.invited,
        names: account.names.iter().chain(&account.login).cloned().collect(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use jiff::{SignedDuration, Timestamp};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::controllers::desk::Seen;
    use crate::decide::effect::Match;
    use crate::targets::listing::Listing;

    fn account(active: bool) -> Account {
        Account {
            id: "A1".to_owned(),
            active,
            external_id: Some("hr/ada".to_owned()),
            matched: Match::Key,
            login: Some("ada".to_owned()),
            names: BTreeSet::new(),
            invited: false,
        }
    }

    fn list(state: &mut DeskState, accounts: Vec<Account>, time: Timestamp) {
        let (shown, at) = (Listing::new(accounts), Instant::now());
        state.accounts = Some(Arc::new(Seen { shown, at, time }));
    }

    /// I4: what others did to an account shows in the next list, unless something was sent for it after that list began.
    #[test]
    fn a_list_tells_what_became_of_an_account_until_something_is_sent_for_it() {
        let mut ada = Person {
            name: "ada".to_owned(),
            ..Person::default()
        };
        let made = Timestamp::UNIX_EPOCH;
        ada.status.accounts.push(AccountRecord {
            target: "okta".to_owned(),
            id: "A1".to_owned(),
            state: AccountState::Active,
            confirmed_at: Some(Time(made)),
            ..AccountRecord::default()
        });
        let later = made.checked_add(SignedDuration::from_hours(1)).unwrap();
        let mut state = DeskState::default();
        assert!(!state.is_stirred("okta", &ada));
        list(&mut state, vec![account(true)], later);
        assert!(!state.is_stirred("okta", &ada) && !state.is_seen_gone("okta", &ada));
        let shown = state.listed("okta", "hr/ada", &ada);
        assert!(matches!(shown, Some(AccountSight::Present { ours: true, .. })));
        list(&mut state, vec![account(false)], later);
        assert!(state.is_stirred("okta", &ada) && !state.is_seen_gone("okta", &ada));
        list(&mut state, Vec::new(), later);
        assert!(state.is_stirred("okta", &ada) && state.is_seen_gone("okta", &ada));
        // It is not in the list; whether it is there under another id, only a search tells.
        assert_eq!(state.listed("okta", "hr/ada", &ada), None);
        // A later reading by its id counts more.
        let (shown, at) = (Some(account(true)), Instant::now());
        state.read.insert("A1".to_owned(), Seen { shown, at, time: later });
        assert!(!state.is_stirred("okta", &ada));
        state.read.clear();
        state.touched.insert("A1".to_owned(), Instant::now());
        assert_eq!(state.account_look("okta", &ada), None);
        assert!(!state.is_stirred("okta", &ada) && !state.is_seen_gone("okta", &ada));
        // What began before the account was confirmed proves nothing.
        state.touched.clear();
        list(&mut state, Vec::new(), made);
        assert!(!state.is_stirred("okta", &ada) && !state.is_seen_gone("okta", &ada));
    }
}
