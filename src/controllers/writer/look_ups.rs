//! Whose account is whose: one search each, or one list for many.

use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::connection::Connection;
use super::jobs::more_may_come;
use super::{Halt, REFUSED_AGAIN, ROUND, Writer, backoff, is_whole};
use crate::controllers::desk::Seen;
use crate::decide::effect::AccountSight;
use crate::targets::listing::Listing;
use crate::targets::pace::Lane;
use crate::targets::{Account, AccountFacts, Found, Target, TargetError};

/// How many requests a list takes of which nobody knows how long it is.
const PAGES_UNKNOWN: usize = 4;
/// How many accounts a page of a list holds, as most services have it.
const PAGE: usize = 100;

/// What came of listing all accounts.
pub(super) enum Listed {
    /// All of them.
    All(Arc<Seen<Listing>>),
    /// It could not be read this time.
    Failed,
    /// The target does not list them.
    Never,
}

type Wanted = Vec<(String, AccountFacts)>;

impl Writer {
    /// Looks accounts up. Returns how many.
    pub(super) async fn look_up(&self, connection: &Connection) -> Result<usize, Halt> {
        if connection.gathers().look_ups
            && more_may_come(self.desk.state.lock().new_look_ups(Instant::now()), Instant::now())
        {
            return Ok(0);
        }
        let mut wanted = self.wanted();
        if let Some(listing) = self.list_for(connection, wanted.len()).await? {
            let count = wanted.len();
            for (name, facts) in wanted {
                self.found(&name, &facts, Ok(listing.shown.find(&facts)));
            }
            return Ok(count);
        }
        wanted.truncate(ROUND);
        let count = wanted.len();
        let mut results = stream::iter(wanted)
            .map(|(name, facts)| async move {
                let found = connection.read(|target| target.find_account(&facts)).await;
                (name, facts, found)
            })
            .buffer_unordered(connection.concurrency);
        let mut halt = None;
        while let Some((name, facts, found)) = results.next().await {
            match found {
                Err(error) if is_whole(&error) => halt = Some(Halt(error)),
                found => self.found(&name, &facts, found),
            }
        }
        drop(results);
        self.halted(Lane::Rest, halt).map(|()| count)
    }

    /// A list of all accounts, where that takes fewer requests than so many look-ups.
    pub(super) async fn list_for(
        &self,
        connection: &Connection,
        look_ups: usize,
    ) -> Result<Option<Arc<Seen<Listing>>>, Halt> {
        if !connection.gathers().look_ups || !is_list_better(look_ups, self.known_accounts()) {
            return Ok(None);
        }
        Ok(match self.list(connection).await? {
            Listed::All(listing) => Some(listing),
            Listed::Failed | Listed::Never => None,
        })
    }

    /// How many accounts there are at least, where a list showed them.
    fn known_accounts(&self) -> Option<usize> {
        let listed = self.desk.state.lock().accounts.as_ref().map(|seen| seen.shown.len())?;
        // Those that were made since are on record.
        Some(listed.max(self.accounts_on_record().len()))
    }

    /// Who is to be looked up.
    fn wanted(&self) -> Wanted {
        let now = Instant::now();
        let state = self.desk.state.lock();
        let due = state
            .people
            .iter()
            .filter(|(_, known)| known.look_up.is_some_and(|due| due <= now));
        due.map(|(name, known)| (name.clone(), known.facts.clone())).collect()
    }

    /// Reads all accounts.
    pub(super) async fn list(&self, connection: &Connection) -> Result<Listed, Halt> {
        let (at, time) = (Instant::now(), Timestamp::now());
        let accounts = match connection.read(Target::accounts).await {
            Ok(accounts) => accounts,
            Err(error) if is_whole(&error) => return Err(Halt(error)),
            Err(error) => {
                tracing::warn!(target = self.desk.target, %error, "accounts could not be listed");
                return Ok(Listed::Failed);
            }
        };
        let Some(accounts) = accounts else {
            return Ok(Listed::Never);
        };
        let shown = Listing::new(accounts);
        let seen = Arc::new(Seen { shown, at, time });
        let mut state = self.desk.state.lock();
        state.accounts = Some(seen.clone());
        // Everything that was sent before this list began shows in it.
        state.touched.retain(|_, touched| *touched >= at);
        drop(state);
        self.doubt_who_is_gone();
        Ok(Listed::All(seen))
    }

    /// Reads accounts by their ids, and keeps what was seen.
    pub(super) async fn read_accounts(&self, connection: &Connection, ids: Vec<String>) -> Result<(), Halt> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut results = stream::iter(ids)
            .map(|id| async move {
                let (at, time) = (Instant::now(), Timestamp::now());
                let read = connection.read(|target| target.read_account(&id)).await;
                (id, read.map(|shown| Seen { shown, at, time }))
            })
            .buffer_unordered(connection.concurrency);
        while let Some((id, read)) = results.next().await {
            match read {
                Err(error) if is_whole(&error) => return Err(Halt(error)),
                Err(error) => {
                    tracing::warn!(target = self.desk.target, %error, id, "an account could not be read");
                }
                Ok(seen) => {
                    self.desk.state.lock().read.insert(id, seen);
                }
            }
        }
        self.doubt_who_is_gone();
        Ok(())
    }

    /// Forgets where those accounts were found that were just seen to be gone: they are searched for again by our key.
    fn doubt_who_is_gone(&self) {
        let index = self.context.index.read();
        let people = index.namespace(&self.desk.namespace).map(|content| &content.employees);
        let mut state = self.desk.state.lock();
        for person in people.into_iter().flat_map(|people| people.values()) {
            if state.is_seen_gone(&self.desk.target, person)
                && let Some(known) = state.people.get_mut(&person.name)
            {
                known.sight = AccountSight::Unseen;
            }
        }
    }

    /// Takes in what a look-up found.
    fn found(&self, name: &str, facts: &AccountFacts, found: Result<Found<Account>, TargetError>) {
        let now = Instant::now();
        let sight = match found {
            Ok(Found::None) => AccountSight::Absent,
            Ok(Found::Several(why)) => AccountSight::Ambiguous(why),
            Ok(Found::Foreign(account, why)) => foreign(account, &why),
            Ok(Found::One(account)) => AccountSight::Present {
                ours: account.external_id.as_deref() == Some(&facts.external_id),
                id: account.id,
                active: account.active,
                by: account.matched,
                names: account.names,
            },
            Err(error) => AccountSight::Failed(format!("target {} {error}", self.desk.target)),
        };
        let mut state = self.desk.state.lock();
        let Some(known) = state.people.get_mut(name).filter(|known| known.facts == *facts) else {
            return;
        };
        known.look_up_tries = if matches!(sight, AccountSight::Failed(_)) {
            known.look_up_tries + 1
        } else {
            0
        };
        known.look_up = match sight {
            AccountSight::Failed(_) => Some(now + backoff(known.look_up_tries)),
            // A person may mend it at the target, or its owner may leave.
            AccountSight::Ambiguous(_) | AccountSight::Foreign { .. } => Some(now + REFUSED_AGAIN),
            _ => None,
        };
        known.sight = sight;
        known.looked_up = Some(now);
        drop(state);
        self.finished([&name.to_owned()]);
    }
}

/// Whether one list takes fewer requests than so many look-ups; `known` is how many accounts there are.
fn is_list_better(look_ups: usize, known: Option<usize>) -> bool {
    look_ups > known.map_or(PAGES_UNKNOWN, pages)
}

/// How many requests a list of so many accounts takes: that a page was the last only an empty one proves.
fn pages(accounts: usize) -> usize {
    accounts.div_ceil(PAGE) + 1
}

pub(super) fn foreign(account: Account, why: &str) -> AccountSight {
    AccountSight::Foreign {
        id: account.id,
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_taken_where_it_is_shorter() {
        assert!(!is_list_better(4, None));
        assert!(is_list_better(5, None));
        assert!(is_list_better(50, Some(2_000)));
        // A hundred pages for fifty people.
        assert!(!is_list_better(50, Some(10_000)));
        // As many requests are no fewer, and show of everybody what is wanted of some.
        assert!(!is_list_better(101, Some(10_000)));
        assert!(is_list_better(102, Some(10_000)));
        assert!(is_list_better(3, Some(1)) && !is_list_better(2, Some(1)));
    }
}
