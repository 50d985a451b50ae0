//! Grants, changes and revocations, as a definition describes them; and sets that are written whole.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value as Json;
use tokio::sync::MutexGuard;

use super::HttpTarget;
use super::accounts::checked;
use super::answers::Verdict;
use super::observe::{of_object, typed_all, version as version_of};
use super::request::With;
use super::speech::Speech;
use crate::api::entitlement::RemoteObject;
use crate::api::http::SetOf;
use crate::decide::definition::{By, Kind, Replace, Request, split_id};
use crate::decide::effect::short_digest;
use crate::decide::expression::Values;
use crate::targets::{Holding, Order, Receipt, Receipts, TargetError, Verb, sides};

/// What an order came to; `None` where a look must tell.
type Done = Result<Option<Receipt>, TargetError>;

impl HttpTarget {
    pub(super) async fn change(&self, object: &RemoteObject, orders: &[Order]) -> Result<Receipts, TargetError> {
        let kind = self.kind(&object.kind)?;
        match &kind.replace {
            Some(replace) if replace.of == SetOf::Object => {
                let (add, remove) = sides(orders);
                self.write_holders(object, kind, replace, &add, &remove).await?;
                Ok(Receipts::new())
            }
            Some(replace) => {
                let mut receipts = Receipts::new();
                for order in orders {
                    let change = [(object, order.verb)];
                    let done = self.write_held(&object.kind, replace, &order.account_id, &change).await;
                    if let Some(error) = settle(&mut receipts, &order.account_id, done.map(|()| None)) {
                        return stopped(receipts, &error);
                    }
                }
                Ok(receipts)
            }
            None => {
                let mut receipts = Receipts::new();
                for order in orders {
                    let done = self.obey(object, kind, order).await;
                    if let Some(error) = settle(&mut receipts, &order.account_id, done) {
                        return stopped(receipts, &error);
                    }
                }
                Ok(receipts)
            }
        }
    }

    /// Several objects at once: what one account is to hold of a kind whose sets are written whole travels together.
    pub(super) async fn change_sets(
        &self,
        changes: &[(RemoteObject, Vec<Order>)],
    ) -> Vec<Result<Receipts, TargetError>> {
        let set_of = |object: &RemoteObject| {
            let replace = self.kind(&object.kind).ok()?.replace.as_ref()?;
            (replace.of == SetOf::Account).then_some(replace)
        };
        let mut sets: BTreeMap<(&str, &str), Vec<(&RemoteObject, Verb)>> = BTreeMap::new();
        for (object, orders) in changes.iter().filter(|(object, _)| set_of(object).is_some()) {
            for order in orders {
                let set = (object.kind.as_str(), order.account_id.as_str());
                sets.entry(set).or_default().push((object, order.verb));
            }
        }
        let mut written: BTreeMap<(&str, &str), Result<(), TargetError>> = BTreeMap::new();
        for ((kind, account), set) in &sets {
            let Some(replace) = set.first().and_then(|(object, _)| set_of(object)) else {
                continue;
            };
            written.insert((*kind, *account), self.write_held(kind, replace, account, set).await);
        }
        let mut answers = Vec::with_capacity(changes.len());
        for (object, orders) in changes {
            if set_of(object).is_none() {
                answers.push(self.change(object, orders).await);
                continue;
            }
            let mut receipts = Receipts::new();
            for order in orders {
                if let Some(Err(error)) = written.get(&(object.kind.as_str(), order.account_id.as_str())) {
                    receipts.insert(order.account_id.clone(), Err(error.clone()));
                }
            }
            answers.push(Ok(receipts));
        }
        answers
    }

    async fn obey(&self, object: &RemoteObject, kind: &Kind, order: &Order) -> Done {
        match order.verb {
            Verb::Grant => self.give(object, kind, order).await,
            Verb::Update => self.adjust(object, kind, order).await,
            Verb::Revoke => self.take(object, kind, order).await,
        }
    }

    async fn give(&self, object: &RemoteObject, kind: &Kind, order: &Order) -> Done {
        let Some(grant) = &kind.grant else {
            return Err(TargetError::Refused("grant is not described".to_owned()));
        };
        let key = order.key();
        let speech = giving(object, kind, order, &key)?;
        let words = format!("the grant of the {}", object.kind);
        let answer = self.effect(grant, &speech, with(&key), &words).await?;
        match answer.verdict {
            Verdict::Good => {
                let id = kind.grant_id.as_ref().and_then(|reading| {
                    let id = reading.text(&Values::new().json("response", &answer.response));
                    checked(id.ok().flatten())
                });
                if kind.grant_id.is_some() && id.is_none() {
                    return Err(TargetError::Ambiguous(format!(
                        "{words} was answered well, but not with the grant's id"
                    )));
                }
                Ok(Some(Receipt {
                    grant_id: id.unwrap_or_default(),
                }))
            }
            Verdict::Already | Verdict::Conflict => Ok(None),
            Verdict::Gone => Err(TargetError::Gone(format!("such {}, or no such account", object.kind))),
        }
    }

    async fn adjust(&self, object: &RemoteObject, kind: &Kind, order: &Order) -> Done {
        let Some(update) = &kind.update else {
            return self.give(object, kind, order).await;
        };
        let key = order.key();
        let mut speech = giving(object, kind, order, &key)?;
        speech = speech.grant(&self.known_grant(object, kind, order).await?);
        let words = format!("the change of the {}", object.kind);
        let answer = self.effect(update, &speech, with(&key), &words).await?;
        match answer.verdict {
            Verdict::Good | Verdict::Already | Verdict::Conflict => Ok(None),
            Verdict::Gone => Err(TargetError::Gone(format!("such grant of the {}", object.kind))),
        }
    }

    async fn take(&self, object: &RemoteObject, kind: &Kind, order: &Order) -> Done {
        let Some(revoke) = &kind.revoke else {
            return Err(TargetError::Refused("revoke is not described".to_owned()));
        };
        let mut grant_id = order.grant_id.clone();
        let words = format!("the revocation of the {}", object.kind);
        // The second time for what is still held by another grant of the same operation.
        for again in [true, false] {
            if kind.revoke_needs_grant_id && grant_id.is_empty() {
                match self.look_at_one(object, &order.account_id, "").await? {
                    Some(Holding { grant_id: seen, .. }) if !seen.is_empty() => grant_id = seen,
                    Some(_) => {
                        return Err(TargetError::Refused(format!(
                            "{words} needs the grant's id, and no look shows it"
                        )));
                    }
                    None => return Ok(None),
                }
            }
            let key = if again {
                order.key()
            } else {
                short_digest([order.key().as_str(), &grant_id])
            };
            let speech = of_object(Speech::default(), object, kind)?;
            let speech = speech
                .account(&order.account_id)
                .grant(&grant_id)
                .operation_sent_as(&order.operation_id, &key);
            let answer = self.effect(revoke, &speech, with(&key), &words).await?;
            match answer.verdict {
                Verdict::Good | Verdict::Already | Verdict::Conflict => return Ok(None),
                Verdict::Gone if !again || !kind.revoke_needs_grant_id || order.grant_id.is_empty() => return Ok(None),
                Verdict::Gone => {}
            }
            match self.look_at_one(object, &order.account_id, "").await? {
                Some(seen)
                    if !order.operation_id.is_empty()
                        && seen.operation_id == order.operation_id
                        && seen.grant_id != grant_id =>
                {
                    grant_id = seen.grant_id;
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The grant's own id: from the record, or else as a look shows it.
    async fn known_grant(&self, object: &RemoteObject, kind: &Kind, order: &Order) -> Result<String, TargetError> {
        if !order.grant_id.is_empty() || !kind.has_grant_ids {
            return Ok(order.grant_id.clone());
        }
        let seen = self.look_at_one(object, &order.account_id, "").await?;
        Ok(seen.map(|holding| holding.grant_id).unwrap_or_default())
    }

    pub(super) async fn lock(&self, set: (&str, &str)) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        set.hash(&mut hasher);
        let place = hasher.finish() % (self.locks.len() as u64);
        let place = usize::try_from(place).unwrap_or_default();
        self.locks[place].lock().await
    }

    /// Writes the set of what one account holds: as it is, with what is to come and without what is to go.
    async fn write_held(
        &self,
        name: &str,
        replace: &Replace,
        account_id: &str,
        changes: &[(&RemoteObject, Verb)],
    ) -> Result<(), TargetError> {
        let kind = self.kind(name)?;
        // Several sets, and the account's attributes, may stand in one record that is written whole.
        let _one_at_a_time = self.lock(("account", account_id)).await;
        let mut again = true;
        loop {
            let seen = self.look_at_account(name, account_id).await?;
            let loses_only = changes.iter().all(|(_, verb)| *verb == Verb::Revoke);
            let Some(answer) = seen.answer else {
                // Who is gone holds nothing.
                return if loses_only {
                    Ok(())
                } else {
                    Err(TargetError::Gone("such account".to_owned()))
                };
            };
            let before: BTreeSet<String> = seen.held.into_keys().collect();
            let mut after = before.clone();
            for (object, verb) in changes {
                match verb {
                    Verb::Grant | Verb::Update => after.insert(object.id.clone()),
                    Verb::Revoke => after.remove(&object.id),
                };
            }
            if after == before {
                return Ok(());
            }
            let set = after.iter().map(|id| self.bare(name, id));
            let set = set.collect::<Result<Vec<String>, TargetError>>()?;
            let request = writer(replace, set.is_empty());
            let mut speech = Speech::default().account(account_id).tree("set", Json::from(set));
            if kind.observe.each.is_some() {
                let record = seen
                    .record
                    .ok_or_else(|| TargetError::Gone("such account".to_owned()))?;
                speech = speech.tree("item", record);
            }
            let version = version_of(kind, &answer)?;
            if self.write(request, speech, *answer, version.as_deref(), name).await? {
                return Ok(());
            }
            if !again {
                return Err(TargetError::Conflict(format!(
                    "the set of the kind {name}, which others keep changing"
                )));
            }
            again = false;
        }
    }

    /// Writes the set of who holds an object.
    async fn write_holders(
        &self,
        object: &RemoteObject,
        kind: &Kind,
        replace: &Replace,
        add: &BTreeSet<String>,
        remove: &BTreeSet<String>,
    ) -> Result<(), TargetError> {
        let By::Holders(list) = &kind.observe.by else {
            return Err(TargetError::Refused("observe.holders is not described".to_owned()));
        };
        let _one_at_a_time = self.lock((&format!("object {}", object.kind), &object.id)).await;
        let mut again = true;
        loop {
            let Some(seen) = self.holders_of(object, kind, list).await? else {
                return if add.is_empty() {
                    Ok(())
                } else {
                    Err(TargetError::Gone(format!("such {}", object.kind)))
                };
            };
            let before: BTreeSet<String> = seen.held.into_keys().collect();
            let after: BTreeSet<String> = before.union(add).filter(|id| !remove.contains(*id)).cloned().collect();
            if after == before {
                return Ok(());
            }
            let set: Vec<String> = after.into_iter().collect();
            let request = writer(replace, set.is_empty());
            let speech = of_object(Speech::default(), object, kind)?.tree("set", Json::from(set));
            let version = version_of(kind, &seen.answer)?;
            if self
                .write(request, speech, *seen.answer, version.as_deref(), &object.kind)
                .await?
            {
                return Ok(());
            }
            if !again {
                let name = &object.kind;
                return Err(TargetError::Conflict(format!(
                    "the set of the kind {name}, which others keep changing"
                )));
            }
            again = false;
        }
    }

    /// Writes a set. False where somebody else was faster.
    async fn write(
        &self,
        request: &Request,
        speech: Speech,
        read: super::answers::Answer,
        version: Option<&str>,
        name: &str,
    ) -> Result<bool, TargetError> {
        let speech = speech.tree("response", read.response);
        // What it is made of was just read, so that no other is the same effect.
        let key = self.new_key();
        let with = With {
            operation_id: &key,
            version,
        };
        let words = format!("the set of the kind {name}");
        let answer = self.effect(request, &speech, with, &words).await?;
        match answer.verdict {
            Verdict::Good | Verdict::Already => Ok(true),
            Verdict::Conflict => Ok(false),
            Verdict::Gone => Err(TargetError::Gone(format!("such {name}, or no such account"))),
        }
    }

    /// An object's id as its API spells it in a set.
    fn bare(&self, name: &str, id: &str) -> Result<String, TargetError> {
        if self.kind(name)?.identity.is_none() {
            return Ok(id.to_owned());
        }
        let parts = split_id(id).filter(|parts| parts.len() == 1);
        let part = parts.and_then(|parts| parts.into_iter().next());
        part.ok_or_else(|| TargetError::Refused(format!("an id of the kind {name} that no set can hold")))
    }
}

/// What writes a set; some APIs refuse to write an empty one and have another call for that.
fn writer(replace: &Replace, empty: bool) -> &Request {
    replace.empty.as_ref().filter(|_| empty).unwrap_or(&replace.request)
}

fn giving(object: &RemoteObject, kind: &Kind, order: &Order, key: &str) -> Result<Speech, TargetError> {
    let speech = Speech::person(&order.person)
        .account(&order.account_id)
        .operation_sent_as(&order.operation_id, key)
        .record("inputs", typed_all(&kind.inputs, &order.inputs)?)
        .record("parameters", typed_all(&kind.parameters, &order.parameters)?);
    of_object(speech, object, kind)
}

fn with(key: &str) -> With<'_> {
    With {
        operation_id: key,
        version: None,
    }
}

/// Files what an order came to. Returns what ends all the others too.
fn settle(receipts: &mut Receipts, account_id: &str, done: Done) -> Option<TargetError> {
    let error = match done {
        Ok(None) => return None,
        Ok(Some(receipt)) => {
            receipts.insert(account_id.to_owned(), Ok(receipt));
            return None;
        }
        Err(error) => error,
    };
    let concerns_all = matches!(
        error,
        TargetError::Unreachable(_)
            | TargetError::Unauthorized(_)
            | TargetError::Misconfigured(_)
            | TargetError::AddressRefused(_)
            | TargetError::Throttled(_)
    );
    receipts.insert(account_id.to_owned(), Err(error.clone()));
    concerns_all.then_some(error)
}

/// What ended the round ends the call, unless an answer came before it that no look would show again: of whom nothing is
/// said then, the look tells.
fn stopped(receipts: Receipts, error: &TargetError) -> Result<Receipts, TargetError> {
    if receipts.values().any(Result::is_ok) {
        Ok(receipts)
    } else {
        Err(error.clone())
    }
}
