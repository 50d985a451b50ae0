//! Who holds what: changes of one object travel together, and so do objects that one request can change or one look
//! shows.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use super::accounts::may_be_ours;
use super::connection::Connection;
use super::jobs::Task;
use super::{Halt, Writer, is_whole};
use crate::api::entitlement::RemoteObject;
use crate::controllers::desk::PersonDesk;
use crate::decide::effect::{Intent, Outcome};
use crate::decide::index::Entry;
use crate::targets::pace::Lane;
use crate::targets::{Found, Looks, Order, Repeats, TargetError, Verb};

/// What is to become of one account's hold of an object, and whose jobs that is.
pub(super) struct Part {
    pub tasks: Vec<Task>,
    pub order: Order,
}

/// Changes of one object.
pub(super) struct Batch {
    pub object: RemoteObject,
    pub looks: Looks,
    pub repeats: Repeats,
    pub parts: Vec<Part>,
}

impl Writer {
    /// Changes who holds what: of objects that lose somebody, or of all others. Returns how many changes.
    pub(super) async fn memberships(&self, connection: &Connection, lane: Lane) -> Result<usize, Halt> {
        let target = &connection.target;
        let taken = self.take_memberships(lane, |kind| target.most_orders(kind));
        let count = taken.values().map(Vec::len).sum();
        let mut batches = Vec::new();
        for (object, tasks) in taken {
            match self.batch(connection, object, tasks).await {
                Ok(batch) => batches.push(batch),
                Err(halt) => return self.halted(lane, Some(halt)).map(|()| count),
            }
        }
        let mut results = stream::iter(together(batches, connection.bulk))
            .map(|group| self.change(connection, group))
            .buffer_unordered(connection.concurrency);
        let mut halt = None;
        while let Some(result) = results.next().await {
            halt = result.err().or(halt);
        }
        drop(results);
        self.halted(lane, halt).map(|()| count)
    }

    /// The orders that jobs come to; what cannot be ordered is answered at once.
    async fn batch(&self, connection: &Connection, object: RemoteObject, tasks: Vec<Task>) -> Result<Batch, Halt> {
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        let mut losses = Vec::new();
        for task in tasks {
            let Intent::Membership { hold, .. } = task.job.intent else {
                continue;
            };
            // Before anything is looked up for it, and again by the account that was.
            if let Some(why) = self.forbids(&task, "") {
                self.answer(&task, Outcome::Retrying(why));
                continue;
            }
            let found = self.account_id(connection, &task).await;
            if let Ok(Some(id)) = &found
                && let Some(why) = self.forbids(&task, id)
            {
                self.answer(&task, Outcome::Retrying(why));
                continue;
            }
            match found {
                Ok(Some(id)) if hold => {
                    let order = self.order(&id, &task);
                    let part = parts.entry(id).or_insert_with(|| Part {
                        tasks: Vec::new(),
                        order,
                    });
                    part.tasks.push(task);
                }
                Ok(Some(id)) => losses.push((id, task)),
                Ok(None) if hold => self.answer(&task, Outcome::Retrying("has no account for it yet".into())),
                Ok(None) => self.answer(&task, Outcome::done("", None)),
                Err(error) if is_whole(&error) => return Err(Halt(error)),
                Err(error) => self.answer(&task, Outcome::Retrying(error.to_string())),
            }
        }
        for (id, task) in losses {
            let keeps = parts.get(&id).is_some_and(|part| part.order.verb != Verb::Revoke);
            if keeps {
                // An account that two people share, one to gain and one to lose, keeps it: taking is what cannot be made good.
                let why = "is the account of somebody else too, who is to keep this";
                self.answer(&task, Outcome::Retrying(why.to_owned()));
                continue;
            }
            let order = self.order(&id, &task);
            let part = parts.entry(id).or_insert_with(|| Part {
                tasks: Vec::new(),
                order,
            });
            part.tasks.push(task);
        }
        Ok(Batch {
            looks: connection.target.looks(&object.kind),
            repeats: connection.target.repeats(Some(&object)),
            object,
            parts: parts.into_values().collect(),
        })
    }

    pub(super) fn answer(&self, task: &Task, outcome: Outcome) {
        self.post(&task.employee, &task.job, outcome);
    }

    fn order(&self, account_id: &str, task: &Task) -> Order {
        let plain = |verb| Order::new(verb, account_id);
        let Intent::Membership {
            hold,
            grant_id,
            parameters,
            operation_id,
            ..
        } = &task.job.intent
        else {
            return plain(Verb::Revoke);
        };
        let verb = match hold {
            false => Verb::Revoke,
            true if task.job.note.updates => Verb::Update,
            true => Verb::Grant,
        };
        Order {
            person: task.facts.clone(),
            inputs: if *hold {
                self.inputs(&task.job.note.entitlement)
            } else {
                BTreeMap::new()
            },
            parameters: parameters.clone(),
            grant_id: grant_id.clone(),
            operation_id: operation_id.clone(),
            effect: task.job.note.begun.map(|at| at.to_string()).unwrap_or_default(),
            ..plain(verb)
        }
    }

    /// What the Entitlement of this name says of its object.
    fn inputs(&self, entitlement: &str) -> BTreeMap<String, String> {
        let index = self.context.index.read();
        let found = index
            .namespace(&self.desk.namespace)
            .and_then(|content| content.entitlements.get(entitlement))
            .and_then(Entry::readable);
        let http = found.and_then(|entitlement| entitlement.spec.http.as_ref());
        http.map(|http| http.inputs.clone()).unwrap_or_default()
    }

    /// The account that a membership is about: from the record, from the writer's own work, else looked up.
    async fn account_id(&self, connection: &Connection, task: &Task) -> Result<Option<String>, TargetError> {
        let Intent::Membership { account_id, .. } = &task.job.intent else {
            return Ok(None);
        };
        if !account_id.is_empty() {
            let state = self.desk.state.lock();
            let known = state.people.get(&task.employee).and_then(|known| known.moved.as_ref());
            let moved = known.filter(|(old, _)| old == account_id).map(|(_, new)| new);
            return Ok(Some(moved.unwrap_or(account_id).clone()));
        }
        let (known, sought) = {
            let state = self.desk.state.lock();
            let known = state.people.get(&task.employee);
            let sought = known.map(PersonDesk::sought).unwrap_or_default();
            (known.and_then(|known| known.account_id.clone()), sought)
        };
        if known.is_some() {
            return Ok(known);
        }
        let facts = &task.facts;
        Ok(match connection.read(|target| target.find_account(facts)).await? {
            Found::One(account) if may_be_ours(&account, facts, &sought) => Some(account.id),
            _ => None,
        })
    }
}

/// What goes together: everything where a request takes several changes, else what one look shows.
fn together(batches: Vec<Batch>, bulk: bool) -> Vec<Vec<Batch>> {
    let mut groups: BTreeMap<(String, String), Vec<Batch>> = BTreeMap::new();
    for batch in batches {
        let RemoteObject { kind, id } = &batch.object;
        let key = match batch.looks {
            _ if bulk => (String::new(), String::new()),
            Looks::Kind | Looks::Account => (kind.clone(), String::new()),
            Looks::Object | Looks::One => (kind.clone(), id.clone()),
        };
        groups.entry(key).or_default().push(batch);
    }
    groups.into_values().collect()
}

impl Batch {
    /// The accounts that it is about.
    pub fn accounts(&self) -> BTreeSet<String> {
        self.parts.iter().map(|part| part.order.account_id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(looks: Looks, bulk: bool) -> Vec<Vec<String>> {
        let batch = |(kind, id): (&str, &str)| Batch {
            object: RemoteObject {
                kind: kind.to_owned(),
                id: id.to_owned(),
            },
            looks,
            repeats: Repeats::Safely,
            parts: Vec::new(),
        };
        let batches = [("role", "a"), ("role", "b"), ("seat", "a")].map(batch);
        let ids = |group: Vec<Batch>| group.into_iter().map(|batch| batch.object.id).collect();
        together(batches.into(), bulk).into_iter().map(ids).collect()
    }

    #[test]
    fn objects_that_one_look_shows_or_one_request_changes_go_together() {
        for looks in [Looks::Object, Looks::One] {
            assert_eq!(groups(looks, false), [["a"], ["b"], ["a"]]);
        }
        for looks in [Looks::Kind, Looks::Account] {
            assert_eq!(groups(looks, false), [vec!["a", "b"], vec!["a"]]);
        }
        assert_eq!(groups(Looks::Object, true), [["a", "b", "a"]]);
    }
}
