//! What was last seen of who holds what, and which part of that a change made out of date.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::api::entitlement::RemoteObject;
use crate::decide::effect::{Holding, Look};
use crate::targets::{Holders, Looks};

/// How long it is remembered that something was changed; longer than any look takes.
const CHANGED_FOR: Duration = Duration::from_hours(1);

/// What one look shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The holders of one object.
    Object(RemoteObject),
    /// The holders of all objects of a kind.
    Kind(String),
    /// What one account holds of a kind.
    Account(String, String),
    /// What one account holds of one object.
    One(RemoteObject, String),
}

impl Place {
    /// Where to look for what `account` holds of `object`.
    pub fn of(looks: Looks, object: &RemoteObject, account: &str) -> Self {
        match looks {
            Looks::Object => Self::Object(object.clone()),
            Looks::Kind => Self::Kind(object.kind.clone()),
            Looks::Account => Self::Account(object.kind.clone(), account.to_owned()),
            Looks::One => Self::One(object.clone(), account.to_owned()),
        }
    }
}

/// What was seen, and when.
#[derive(Clone, Debug)]
pub struct Seen<T> {
    /// What was seen.
    pub shown: T,
    /// When.
    pub at: Instant,
    /// The same, for records.
    pub time: Timestamp,
}

/// The last look at an object's holders.
#[derive(Clone, Debug)]
pub struct HoldersSeen {
    /// Who holds it; `None` where the object is gone.
    pub holders: Option<Holders>,
    /// When they were read.
    pub at: Instant,
    /// The same, for records.
    pub time: Timestamp,
}

/// What a look showed.
#[derive(Clone, Debug)]
pub enum Shown {
    /// The holders of an object; `None` where it is gone.
    Holders(RemoteObject, Option<Holders>),
    /// The holders of all objects of a kind. One that is not among them is held by nobody.
    Kind(String, BTreeMap<RemoteObject, Holders>),
    /// What an account holds of a kind, and nothing else of it.
    Holdings(String, String, BTreeMap<RemoteObject, Holding>),
    /// What an account holds of an object.
    One(RemoteObject, String, Option<Holding>),
}

impl Shown {
    /// What it shows of `account` and `object`; `None` where it shows nothing of them.
    pub fn holding(&self, object: &RemoteObject, account: &str) -> Option<Option<Holding>> {
        let of = |holders: Option<&Holders>| holders.and_then(|holders| holders.ids.get(account).cloned());
        match self {
            Self::Holders(seen, holders) => (seen == object).then(|| of(holders.as_ref())),
            Self::Kind(kind, all) => (*kind == object.kind).then(|| of(all.get(object))),
            Self::Holdings(kind, of, held) => {
                (*kind == object.kind && of == account).then(|| held.get(object).cloned())
            }
            Self::One(seen, of, held) => (seen == object && of == account).then(|| held.clone()),
        }
    }

    /// Whether it shows that `object` itself is gone.
    pub fn is_gone(&self, object: &RemoteObject) -> bool {
        matches!(self, Self::Holders(seen, None) if seen == object)
    }
}

/// The last looks.
#[derive(Debug, Default)]
pub struct LastLooks {
    /// By object.
    pub holders: BTreeMap<RemoteObject, HoldersSeen>,
    /// When all objects of a kind were seen: one that was not among them is held by nobody.
    kinds: BTreeMap<String, Seen<()>>,
    /// By kind and account.
    pub holdings: BTreeMap<(String, String), Seen<BTreeMap<RemoteObject, Holding>>>,
    /// By object and account.
    pub ones: BTreeMap<(RemoteObject, String), Seen<Option<Holding>>>,
    /// When something was last sent for an object and an account.
    changed: BTreeMap<(RemoteObject, String), Instant>,
    /// When the last look at everything that came to its end began.
    pub whole_since: Option<Instant>,
}

impl LastLooks {
    /// The newest look at what `account` holds of `object`.
    pub fn of(&self, object: &RemoteObject, account: &str) -> Option<(Look, Instant)> {
        let seen = |holding: Option<Holding>, at: Instant, time: Timestamp| (Look { holding, at: time }, at);
        let by_object = self.holders.get(object).map(|looked| {
            let holders = looked.holders.as_ref();
            let holding = holders.and_then(|holders| holders.ids.get(account).cloned());
            seen(holding, looked.at, looked.time)
        });
        let by_kind = self
            .without_holders(object)
            .map(|looked| seen(None, looked.at, looked.time));
        let by_account = self
            .holdings
            .get(&(object.kind.clone(), account.to_owned()))
            .map(|looked| seen(looked.shown.get(object).cloned(), looked.at, looked.time));
        let by_both = self
            .ones
            .get(&(object.clone(), account.to_owned()))
            .map(|looked| seen(looked.shown.clone(), looked.at, looked.time));
        let all = [by_object, by_kind, by_account, by_both].into_iter().flatten();
        all.max_by_key(|(_, at)| *at)
    }

    /// The last look at all objects of its kind, where that did not show this one and nothing was sent for it since.
    fn without_holders(&self, object: &RemoteObject) -> Option<&Seen<()>> {
        let seen = self.kinds.get(&object.kind)?;
        let is_told = !self.holders.contains_key(object) && !self.object_changed(object, seen.at);
        is_told.then_some(seen)
    }

    /// The objects of which something may have been seen of `account`: all whose holders were, the `others`, and what it
    /// holds of their kinds.
    pub fn objects(&self, account: &str, others: &BTreeSet<RemoteObject>) -> BTreeSet<RemoteObject> {
        let kinds: BTreeSet<&String> = others.iter().map(|object| &object.kind).collect();
        let held = kinds
            .into_iter()
            .filter_map(|kind| self.holdings.get(&(kind.clone(), account.to_owned())))
            .flat_map(|looked| looked.shown.keys());
        self.holders.keys().chain(others).chain(held).cloned().collect()
    }

    /// The last look at who holds `object`: at the object itself or its kind, or else account by account, as far as the last
    /// look at everything went; `None` where there was none, or one of `needed` was not among the accounts.
    pub fn whole<'a>(&self, object: &RemoteObject, mut needed: impl Iterator<Item = &'a str>) -> Option<HoldersSeen> {
        if let Some(seen) = self.holders.get(object) {
            return Some(seen.clone());
        }
        if let Some(seen) = self.without_holders(object) {
            return Some(HoldersSeen {
                holders: Some(Holders::default()),
                at: seen.at,
                time: seen.time,
            });
        }
        let since = self.whole_since?;
        let of_kind = self.holdings.range((object.kind.clone(), String::new())..);
        let of_kind = of_kind.take_while(|((kind, _), _)| *kind == object.kind);
        let read: BTreeMap<&str, _> = of_kind
            .filter(|(_, seen)| seen.at >= since)
            .map(|((_, account), seen)| (account.as_str(), seen))
            .collect();
        // What they show together is as old as the oldest of them.
        let oldest = read.values().min_by_key(|seen| seen.at)?;
        let ids = read.iter().filter_map(|(account, seen)| {
            let holding = seen.shown.get(object)?;
            Some(((*account).to_owned(), holding.clone()))
        });
        needed.all(|account| read.contains_key(account)).then(|| HoldersSeen {
            holders: Some(Holders {
                ids: ids.collect(),
                version: None,
            }),
            at: oldest.at,
            time: oldest.time,
        })
    }

    /// Something is sent, or was just sent, for these accounts: what was seen of them is out of date, and so is what is
    /// being read now.
    pub fn changed<'a>(&mut self, object: &RemoteObject, accounts: impl Iterator<Item = &'a String>) {
        self.holders.remove(object);
        let now = Instant::now();
        for account in accounts {
            self.holdings.remove(&(object.kind.clone(), account.clone()));
            let key = (object.clone(), account.clone());
            self.ones.remove(&key);
            self.changed.insert(key, now);
        }
    }

    /// Whether `object` itself was last seen to be gone.
    pub fn is_gone(&self, object: &RemoteObject) -> bool {
        self.holders.get(object).is_some_and(|seen| seen.holders.is_none())
    }

    /// Whether nothing was sent for `object` and `account` in the last hour, or since this process began.
    pub fn is_untouched(&self, object: &RemoteObject, account: &str) -> bool {
        !self.changed.contains_key(&(object.clone(), account.to_owned()))
    }

    /// Keeps what a look that began at `since` showed, but for what was changed meanwhile.
    pub fn keep(&mut self, shown: Shown, since: Instant, time: Timestamp) {
        let at = since;
        match shown {
            Shown::Holders(object, holders) => {
                if !self.object_changed(&object, since) {
                    self.holders.insert(object, HoldersSeen { holders, at, time });
                }
            }
            Shown::Kind(kind, mut all) => {
                self.kinds.insert(kind.clone(), Seen { shown: (), at, time });
                let known = self.holders.keys().filter(|object| object.kind == kind);
                let objects: BTreeSet<RemoteObject> = known.chain(all.keys()).cloned().collect();
                for object in objects {
                    if !self.object_changed(&object, since) {
                        let holders = Some(all.remove(&object).unwrap_or_default());
                        self.holders.insert(object, HoldersSeen { holders, at, time });
                    }
                }
            }
            Shown::Holdings(kind, account, shown) => {
                let changed = |((object, of), when): (&(RemoteObject, String), &Instant)| {
                    object.kind == kind && *of == account && *when > since
                };
                if !self.changed.iter().any(changed) {
                    self.holdings.insert((kind, account), Seen { shown, at, time });
                }
            }
            Shown::One(object, account, shown) => {
                let key = (object, account);
                if self.changed.get(&key).is_none_or(|when| *when <= since) {
                    self.ones.insert(key, Seen { shown, at, time });
                }
            }
        }
        self.changed.retain(|_, when| when.elapsed() < CHANGED_FOR);
    }

    fn object_changed(&self, object: &RemoteObject, since: Instant) -> bool {
        let from = (object.clone(), String::new());
        let of_object = self.changed.range(from..).take_while(|((of, _), _)| of == object);
        of_object.into_iter().any(|(_, when)| *when > since)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn object(kind: &str, id: &str) -> RemoteObject {
        RemoteObject {
            kind: kind.to_owned(),
            id: id.to_owned(),
        }
    }

    fn held_by(ids: &[&str]) -> Holders {
        Holders {
            ids: ids.iter().map(|id| ((*id).to_owned(), Holding::default())).collect(),
            version: None,
        }
    }

    fn holds(looks: &LastLooks, object: &RemoteObject, account: &str) -> Option<bool> {
        looks.of(object, account).map(|(look, _)| look.holding.is_some())
    }

    #[test]
    fn whichever_way_it_was_looked_it_tells_who_holds_what() {
        let (admin, user) = (object("role", "admin"), object("role", "user"));
        let now = Instant::now();
        let keep = |shown: Shown| {
            let mut looks = LastLooks::default();
            looks.keep(shown, now, Timestamp::UNIX_EPOCH);
            looks
        };
        let by_object = keep(Shown::Holders(admin.clone(), Some(held_by(&["ada"]))));
        let by_kind = keep(Shown::Kind("role".into(), [(admin.clone(), held_by(&["ada"]))].into()));
        let held = BTreeMap::from([(admin.clone(), Holding::default())]);
        let by_account = keep(Shown::Holdings("role".into(), "ada".into(), held));
        let by_one = keep(Shown::One(admin.clone(), "ada".into(), Some(Holding::default())));
        for looks in [&by_object, &by_kind, &by_account, &by_one] {
            assert_eq!(holds(looks, &admin, "ada"), Some(true));
        }
        assert_eq!(holds(&by_object, &admin, "bob"), Some(false));
        assert_eq!(holds(&by_object, &user, "ada"), None);
        // What an account holds of a kind is all that it holds of it.
        assert_eq!(holds(&by_account, &user, "ada"), Some(false));
        assert_eq!(holds(&by_account, &admin, "bob"), None);
        assert_eq!(holds(&by_one, &admin, "bob"), None);
        assert_eq!(by_account.objects("ada", &[user.clone()].into()), [admin, user].into());
    }

    /// An object that a look at its kind once showed and now leaves out is held by nobody.
    #[test]
    fn what_a_look_at_the_kind_leaves_out_is_held_by_nobody() {
        let (admin, user) = (object("role", "admin"), object("role", "user"));
        let mut looks = LastLooks::default();
        let all = BTreeMap::from([(admin.clone(), held_by(&["ada"])), (user.clone(), held_by(&["bob"]))]);
        looks.keep(Shown::Kind("role".into(), all), Instant::now(), Timestamp::UNIX_EPOCH);
        let all = BTreeMap::from([(user.clone(), held_by(&["bob"]))]);
        looks.keep(Shown::Kind("role".into(), all), Instant::now(), Timestamp::UNIX_EPOCH);
        assert_eq!(holds(&looks, &admin, "ada"), Some(false));
        assert_eq!(holds(&looks, &user, "bob"), Some(true));
        // So is one that no look has shown yet; of other kinds, and since something was sent, nothing is known.
        let owner = object("role", "owner");
        assert_eq!(holds(&looks, &owner, "ada"), Some(false));
        assert_eq!(
            looks.whole(&owner, std::iter::empty()).unwrap().holders,
            Some(Holders::default())
        );
        assert_eq!(holds(&looks, &object("team", "owner"), "ada"), None);
        std::thread::sleep(Duration::from_millis(1));
        looks.changed(&owner, [&"ada".to_owned()].into_iter());
        assert_eq!(holds(&looks, &owner, "ada"), None);
        std::thread::sleep(Duration::from_millis(1));
        looks.keep(
            Shown::Kind("role".into(), BTreeMap::new()),
            Instant::now(),
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(holds(&looks, &owner, "ada"), Some(false));
    }

    /// What is seen account by account is a look at all holders once everything was looked at, and as old as its oldest part.
    #[test]
    fn looks_at_accounts_make_one_at_the_holders() {
        let admin = object("role", "admin");
        let mut looks = LastLooks::default();
        let began = Instant::now();
        let later = Timestamp::UNIX_EPOCH + Duration::from_mins(1);
        let held = BTreeMap::from([(admin.clone(), Holding::default())]);
        looks.keep(
            Shown::Holdings("role".into(), "ada".into(), held.clone()),
            began,
            Timestamp::UNIX_EPOCH,
        );
        looks.keep(
            Shown::Holdings("role".into(), "bob".into(), BTreeMap::new()),
            began + Duration::from_secs(1),
            later,
        );
        assert!(looks.whole(&admin, std::iter::empty()).is_none());
        looks.whole_since = Some(began);
        let seen = looks.whole(&admin, ["bob"].into_iter()).unwrap();
        assert_eq!(
            (seen.holders, seen.time),
            (Some(held_by(&["ada"])), Timestamp::UNIX_EPOCH)
        );
        // Of whom nothing was read, nothing can be said; and what was read before counts no more.
        assert!(looks.whole(&admin, ["eve"].into_iter()).is_none());
        looks.whole_since = Some(began + Duration::from_secs(1));
        let seen = looks.whole(&admin, std::iter::empty()).unwrap();
        assert_eq!((seen.holders, seen.time), (Some(Holders::default()), later));
    }

    /// I4: a look that was under way while something was sent proves nothing.
    #[test]
    fn a_look_that_a_change_overtook_is_not_kept() {
        let admin = object("role", "admin");
        let ada = "ada".to_owned();
        for shown in [
            Shown::Holders(admin.clone(), Some(Holders::default())),
            Shown::Kind("role".into(), [(admin.clone(), Holders::default())].into()),
            Shown::Holdings("role".into(), ada.clone(), BTreeMap::new()),
            Shown::One(admin.clone(), ada.clone(), None),
        ] {
            let mut looks = LastLooks::default();
            let began = Instant::now();
            std::thread::sleep(Duration::from_millis(1));
            assert!(looks.is_untouched(&admin, &ada));
            looks.changed(&admin, [&ada].into_iter());
            assert!(!looks.is_untouched(&admin, &ada));
            looks.keep(shown.clone(), began, Timestamp::UNIX_EPOCH);
            assert_eq!(holds(&looks, &admin, &ada), None, "{shown:?}");
            std::thread::sleep(Duration::from_millis(1));
            looks.keep(shown, Instant::now(), Timestamp::UNIX_EPOCH);
            assert_eq!(holds(&looks, &admin, &ada), Some(false));
            looks.changed(&admin, [&ada].into_iter());
            assert_eq!(holds(&looks, &admin, &ada), None);
        }
    }
}
