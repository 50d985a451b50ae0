//! Holders of objects: changes to one object travel together, and count when they were read back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::Timestamp;

use super::accounts::may_be_ours;
use super::jobs::Task;
use super::{Connection, Halt, Writer, is_whole};
use crate::api::entitlement::RemoteObject;
use crate::controllers::desk::{HoldersSeen, Job, PersonDesk};
use crate::decide::effect::{Intent, Outcome};
use crate::targets::{AccountFacts, Found, Holders, TargetError, orders};

/// Jobs by the account that they are about, each with the name of its Employee.
type ByAccount = BTreeMap<String, Vec<(String, Job)>>;

impl Writer {
    /// Changes holders, object by object: of objects that lose somebody, or of all. Returns how many changes.
    pub(super) async fn memberships(&self, connection: &Connection, losses: bool) -> Result<usize, Halt> {
        let now = Instant::now();
        let objects: BTreeSet<RemoteObject> = {
            let state = self.desk.state.lock();
            let due = state.people.values().flat_map(|known| known.jobs.values());
            due.filter(|job| !job.running && job.due <= now)
                .filter_map(|job| match &job.intent {
                    Intent::Membership { key, hold, .. } if !losses || !hold => Some(key.object.clone()),
                    _ => None,
                })
                .collect()
        };
        let mut count = 0;
        for object in objects {
            let jobs = self.take(
                usize::MAX,
                |job| matches!(&job.intent, Intent::Membership { key, .. } if key.object == object),
            );
            count += jobs.len();
            if let Err(halt) = self.membership(connection, &object, jobs).await {
                self.put_back();
                return Err(halt);
            }
        }
        Ok(count)
    }

    async fn membership(&self, connection: &Connection, object: &RemoteObject, jobs: Vec<Task>) -> Result<(), Halt> {
        let mut add = ByAccount::new();
        let mut remove = ByAccount::new();
        for Task {
            employee: name,
            facts,
            job,
            ..
        } in jobs
        {
            let Intent::Membership { hold, .. } = job.intent else {
                continue;
            };
            match self.account_id(connection, &name, &facts, &job).await {
                Ok(Some(id)) if hold => add.entry(id).or_default().push((name, job)),
                Ok(Some(id)) => remove.entry(id).or_default().push((name, job)),
                Ok(None) if hold => self.post(&name, &job, Outcome::Retrying("has no account for it yet".into())),
                Ok(None) => self.post(&name, &job, done("")),
                Err(error) if is_whole(&error) => return Err(Halt(error)),
                Err(error) => self.post(&name, &job, Outcome::Retrying(error.to_string())),
            }
        }
        // An account that two people share, one to gain and one to lose, keeps it: taking is what cannot be made good.
        for (name, job) in remove
            .extract_if(.., |id, _| add.contains_key(id))
            .flat_map(|(_, jobs)| jobs)
        {
            self.post(
                &name,
                &job,
                not_seen("is the account of somebody else too, who is to keep this"),
            );
        }
        let outcome = self.change(connection, object, &add, &remove).await;
        let post = |jobs: ByAccount, outcome: &dyn Fn(&str, &Job) -> Outcome| {
            for (id, jobs) in jobs {
                for (name, job) in jobs {
                    let outcome = outcome(&id, &job);
                    self.post(&name, &job, outcome);
                }
            }
        };
        match outcome {
            Ok(Some(holders)) => {
                post(add, &|id, _| {
                    if holders.ids.contains_key(id) {
                        done(id)
                    } else {
                        not_seen("was told to add the account, and it is not there")
                    }
                });
                post(remove, &|id, _| {
                    if holders.ids.contains_key(id) {
                        not_seen("was told to remove the account, and it is still there")
                    } else {
                        done(id)
                    }
                });
            }
            Ok(None) => {
                post(add, &|_, _| {
                    Outcome::Refused(format!("has no such {} any more", object.kind))
                });
                post(remove, &|id, _| done(id));
            }
            Err(error) if is_whole(&error) => return Err(Halt(error)),
            Err(TargetError::Refused(why)) => {
                post(add, &|_, _| Outcome::Refused(why.clone()));
                post(remove, &|_, _| Outcome::Refused(why.clone()));
            }
            Err(error) => {
                post(add, &|_, _| Outcome::Retrying(error.to_string()));
                post(remove, &|_, _| Outcome::Retrying(error.to_string()));
            }
        }
        Ok(())
    }

    /// The account that a membership is about: from the record, from the writer's own work, else looked up.
    async fn account_id(
        &self,
        connection: &Connection,
        name: &str,
        facts: &AccountFacts,
        job: &Job,
    ) -> Result<Option<String>, TargetError> {
        let Intent::Membership { account_id, .. } = &job.intent else {
            return Ok(None);
        };
        if !account_id.is_empty() {
            return Ok(Some(account_id.clone()));
        }
        let (known, sought) = {
            let state = self.desk.state.lock();
            let known = state.people.get(name);
            let sought = known.map(PersonDesk::sought).unwrap_or_default();
            (known.and_then(|known| known.account_id.clone()), sought)
        };
        if known.is_some() {
            return Ok(known);
        }
        Ok(match connection.target.find_account(facts).await? {
            Found::One(account) if may_be_ours(&account, facts, &sought) => Some(account.id),
            _ => None,
        })
    }

    /// Changes the holders of an object to include and exclude these accounts, as far as they do not already, and reads
    /// them back.
    async fn change(
        &self,
        connection: &Connection,
        object: &RemoteObject,
        add: &ByAccount,
        remove: &ByAccount,
    ) -> Result<Option<Holders>, TargetError> {
        let seen = self.desk.state.lock().holders.get(object).cloned();
        let (seen, fresh) = match seen {
            Some(HoldersSeen {
                holders: Some(holders), ..
            }) => (holders, false),
            _ => match self.read(connection, object).await? {
                Some(holders) => (holders, true),
                None => return Ok(None),
            },
        };
        // Only a fresh look may spare the call: an older one may be out of date.
        let needed = |ids: &ByAccount, there: bool| -> BTreeSet<String> {
            ids.keys()
                .filter(|id| !fresh || seen.ids.contains_key(*id) == there)
                .cloned()
                .collect()
        };
        let (add, remove) = (needed(add, false), needed(remove, true));
        if add.is_empty() && remove.is_empty() {
            return Ok(Some(seen));
        }
        let orders = orders(&add, &remove);
        match connection.target.change_holders(object, &orders, Some(&seen)).await {
            Ok(_) => {}
            Err(TargetError::Gone(_)) => {
                self.desk.state.lock().holders.remove(object);
            }
            Err(error) => {
                // What is there now is not what was seen.
                self.desk.state.lock().holders.remove(object);
                return Err(error);
            }
        }
        self.read(connection, object).await
    }

    pub(super) async fn read(
        &self,
        connection: &Connection,
        object: &RemoteObject,
    ) -> Result<Option<Holders>, TargetError> {
        let holders = connection.target.holders(object).await?;
        self.desk.state.lock().holders.insert(
            object.clone(),
            HoldersSeen {
                holders: holders.clone(),
                at: Instant::now(),
                time: Timestamp::now(),
            },
        );
        Ok(holders)
    }

    /// Reads the holders that somebody waits for.
    pub(super) async fn look_at(&self, connection: &Connection) -> Result<(), Halt> {
        let wanted = std::mem::take(&mut self.desk.state.lock().look_at);
        for (object, people) in wanted {
            if let Err(error) = self.read(connection, &object).await {
                self.desk.state.lock().look_at.entry(object).or_default().extend(people);
                if is_whole(&error) {
                    return Err(Halt(error));
                }
                tracing::warn!(target = self.desk.target, %error, "holders could not be read");
                continue;
            }
            for name in people {
                self.context.desks.finished(&self.context, &self.desk.namespace, &name);
            }
        }
        Ok(())
    }
}

fn done(id: &str) -> Outcome {
    Outcome::done(id.to_owned(), None)
}

fn not_seen(why: &str) -> Outcome {
    Outcome::Retrying(why.to_owned())
}
