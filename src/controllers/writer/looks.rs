//! Looks at who holds what: each shared by everybody who waits for it, and kept for whoever asks next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::connection::Connection;
use super::{Halt, Writer, is_whole};
use crate::controllers::desk::{Place, Shown};
use crate::targets::TargetError;

/// What a look needs to know besides its place: the target's own id of the grant, for one that looks at one grant.
pub(super) type Places = BTreeMap<Place, String>;

impl Writer {
    /// Looks, and keeps what was seen.
    pub(super) async fn look(
        &self,
        connection: &Connection,
        place: &Place,
        grant_id: &str,
    ) -> Result<Shown, TargetError> {
        let (at, time) = (Instant::now(), Timestamp::now());
        let shown = match place {
            Place::Object(object) => {
                let holders = connection.read(|target| target.holders(object)).await?;
                Shown::Holders(object.clone(), holders)
            }
            Place::Kind(kind) => Shown::Kind(kind.clone(), connection.read(|target| target.all_holders(kind)).await?),
            Place::Account(kind, account) => {
                let held = connection.read(|target| target.holdings(kind, account)).await?;
                Shown::Holdings(kind.clone(), account.clone(), held)
            }
            Place::One(object, account) => {
                let held = connection
                    .read(|target| target.holding(object, account, grant_id))
                    .await?;
                Shown::One(object.clone(), account.clone(), held)
            }
        };
        self.desk.state.lock().looks.keep(shown.clone(), at, time);
        Ok(shown)
    }

    /// Looks at several places at the same time. A failure of the whole target ends it.
    pub(super) async fn look_at_all(
        &self,
        connection: &Connection,
        places: &Places,
    ) -> Result<BTreeMap<Place, Result<Shown, TargetError>>, Halt> {
        let mut results = stream::iter(places.clone())
            .map(|(place, grant_id)| async move {
                let shown = self.look(connection, &place, &grant_id).await;
                (place, shown)
            })
            .buffer_unordered(connection.concurrency);
        let mut seen = BTreeMap::new();
        while let Some((place, shown)) = results.next().await {
            match shown {
                Err(error) if is_whole(&error) => return Err(Halt(error)),
                shown => {
                    seen.insert(place, shown);
                }
            }
        }
        Ok(seen)
    }

    /// Looks at what somebody waits for.
    pub(super) async fn look_at(&self, connection: &Connection) -> Result<(), Halt> {
        let wanted = std::mem::take(&mut self.desk.state.lock().look_at);
        let mut waiting: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
        let mut places = Places::new();
        for ((object, account), people) in &wanted {
            let place = Place::of(connection.target.looks(&object.kind), object, account);
            if matches!(place, Place::Account(..) | Place::One(..)) && account.is_empty() {
                // Asked for again once the account is on record.
                continue;
            }
            places.insert(place.clone(), String::new());
            waiting.entry(place).or_default().extend(people.iter().cloned());
        }
        let seen = match self.look_at_all(connection, &places).await {
            Ok(seen) => seen,
            Err(halt) => {
                let mut state = self.desk.state.lock();
                for (key, people) in wanted {
                    state.look_at.entry(key).or_default().extend(people);
                }
                return Err(halt);
            }
        };
        let failed: BTreeSet<&Place> = seen
            .iter()
            .filter(|(_, shown)| shown.is_err())
            .map(|(place, _)| place)
            .collect();
        for (place, error) in seen
            .iter()
            .filter_map(|(place, shown)| Some((place, shown.as_ref().err()?)))
        {
            tracing::warn!(target = self.desk.target, %error, ?place, "holders could not be read");
        }
        {
            let mut state = self.desk.state.lock();
            for ((object, account), people) in wanted {
                let place = Place::of(connection.target.looks(&object.kind), &object, &account);
                if failed.contains(&place) {
                    state.look_at.entry((object, account)).or_default().extend(people);
                }
            }
        }
        let seen = waiting.iter().filter(|(place, _)| !failed.contains(place));
        self.finished(seen.flat_map(|(_, people)| people));
        Ok(())
    }
}
