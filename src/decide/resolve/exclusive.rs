//! Separation of duties: of the entitlements with one word in `exclusiveGroup`, nobody is given two.

use std::collections::{BTreeMap, BTreeSet};

use super::heard::Heard;
use super::{Conflict, Disagreement, Resolution};
use crate::api::employee::GrantState;
use crate::decide::effect::RemoteKey;
use crate::decide::index::{Entry, Namespace, Person};

/// An object of one group that the person may hold, and by which entitlement.
struct Holding<'a> {
    key: RemoteKey,
    entitlement: &'a str,
    leaving: bool,
}

/// Blocks what must not be begun beside something else: what is held stays, and bars the rest until it is gone.
pub(super) fn block_rivals(heard: &Heard<'_>, namespace: &Namespace, person: &Person, resolution: &mut Resolution) {
    for (word, keys) in contests(heard, namespace, resolution) {
        let holdings = holdings(namespace, person, word);
        let firm = holdings.iter().find(|holding| !holding.leaving);
        for key in &keys {
            let is_held = |holding: &&Holding<'_>| holding.key == *key;
            if holdings.iter().filter(is_held).any(|holding| !holding.leaving) {
                continue;
            }
            let why = if let Some(other) = firm {
                Some(format!(
                    "entitlement {} of the exclusive group {word} is held: nobody holds two of it",
                    other.entitlement
                ))
            } else {
                match winner(heard, &keys, &holdings) {
                    Winner::Tie(rivals) => {
                        let policies = policies(heard, &rivals);
                        let about = Disagreement::Exclusive(word.to_owned());
                        if rivals.contains(key) {
                            resolution.conflicts.push(Conflict {
                                key: key.clone(),
                                policies: policies.clone(),
                                about,
                            });
                        }
                        Some(format!(
                            "more than one entitlement of the exclusive group {word} is given at equal priority, by {}: give \
                             one of them a higher priority, or take one away",
                            policies.join(", ")
                        ))
                    }
                    Winner::Key(first) if first != key => {
                        let name = resolution
                            .desired
                            .get(first)
                            .map_or("another", |desired| &desired.entitlement);
                        Some(format!(
                            "entitlement {name} of the exclusive group {word} comes first: nobody holds two of it"
                        ))
                    }
                    Winner::Key(_) => holdings.iter().find(|holding| holding.key != *key).map(|other| {
                        format!(
                            "waits until entitlement {} of the exclusive group {word} is gone: nobody holds two of it",
                            other.entitlement
                        )
                    }),
                }
            };
            if let Some(why) = why {
                resolution.blocked.entry(key.clone()).or_insert(why);
            }
        }
    }
}

/// What is desired of each exclusive group.
fn contests<'a>(
    heard: &Heard<'_>,
    namespace: &'a Namespace,
    resolution: &Resolution,
) -> BTreeMap<&'a str, BTreeSet<RemoteKey>> {
    let offered = heard
        .offers
        .iter()
        .flat_map(|(key, offers)| offers.iter().map(move |offer| (key, offer.entitlement)));
    let allowed = heard
        .allowances
        .iter()
        .flat_map(|(key, allowances)| allowances.iter().map(move |allowance| (key, allowance.entitlement)));
    let mut contests: BTreeMap<&str, BTreeSet<RemoteKey>> = BTreeMap::new();
    for (key, entitlement) in offered.chain(allowed) {
        if let Some(word) = group_of(namespace, entitlement).filter(|_| resolution.desired.contains_key(key)) {
            contests.entry(word).or_default().insert(key.clone());
        }
    }
    contests
}

fn group_of<'a>(namespace: &'a Namespace, entitlement: &str) -> Option<&'a str> {
    let found = namespace.entitlements.get(entitlement).and_then(Entry::readable)?;
    found.spec.exclusive_group.as_deref()
}

fn holdings<'a>(namespace: &Namespace, person: &'a Person, word: &str) -> Vec<Holding<'a>> {
    let records = person.status.entitlements.iter();
    records
        .filter(|record| record.state.may_be_held() && group_of(namespace, &record.entitlement) == Some(word))
        .map(|record| Holding {
            key: RemoteKey::of(record),
            entitlement: &record.entitlement,
            leaving: record.state == GrantState::Revoking,
        })
        .collect()
}

/// Who is to have the place, where nothing holds it for good.
enum Winner<'a> {
    Key(&'a RemoteKey),
    Tie(BTreeSet<&'a RemoteKey>),
}

/// What is on its way out and wanted again comes first, then what is given at the highest priority. An exception is
/// stronger than any policy.
fn winner<'a>(heard: &Heard<'_>, keys: &'a BTreeSet<RemoteKey>, holdings: &[Holding<'_>]) -> Winner<'a> {
    let strength = |key: &RemoteKey| {
        let back = holdings.iter().any(|holding| holding.key == *key);
        let priority = heard.offers.get(key).into_iter().flatten().map(|offer| offer.priority);
        (back, heard.allowances.contains_key(key), priority.max())
    };
    let highest = keys.iter().map(strength).max();
    let mut first: BTreeSet<&RemoteKey> = keys.iter().filter(|key| Some(strength(key)) == highest).collect();
    match first.pop_first() {
        Some(only) if first.is_empty() => Winner::Key(only),
        Some(one) => {
            first.insert(one);
            Winner::Tie(first)
        }
        None => Winner::Tie(first),
    }
}

fn policies(heard: &Heard<'_>, keys: &BTreeSet<&RemoteKey>) -> Vec<String> {
    let offers = keys.iter().filter_map(|key| heard.offers.get(key)).flatten();
    let allowances = keys.iter().filter_map(|key| heard.allowances.get(key)).flatten();
    let names: BTreeSet<String> = offers
        .map(|offer| offer.policy.to_owned())
        .chain(allowances.map(|allowance| allowance.grantor.clone()))
        .collect();
    names.into_iter().collect()
}
