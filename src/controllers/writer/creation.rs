//! Accounts are created at most once: what may have been done is looked for before it is tried again (I4).

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::accounts::{done, may_be_ours, settle, update};
use super::connection::Connection;
use super::jobs::Task;
use super::look_ups::foreign;
use super::once::{self, First, Unseen};
use super::verdict::is_open;
use super::{Halt, Writer};
use crate::api::employee::EmployeeSpec;
use crate::decide::effect::{AccountAction, AccountSight, Intent, Outcome, identity_digest, short_digest};
use crate::targets::{Account, AccountFacts, Found, Repeats, TargetError};

/// The account that a creation is to make, as it was found: ours, or why it cannot be.
type Standing = Option<Result<Account, String>>;

impl Writer {
    /// Parts the creations that can go in one request from everything else.
    pub(super) fn creations(&self, connection: &Connection, tasks: Vec<Task>) -> (Vec<Task>, Vec<Task>) {
        let fits = |task: &Task| {
            let create = matches!(
                task.job.intent,
                Intent::Account {
                    action: AccountAction::Create,
                    ..
                }
            );
            create && task.job.tries == 0 && task.job.attempted.is_none() && self.is_absent(&task.employee)
        };
        if !connection.bulk || tasks.iter().filter(|task| fits(task)).count() < 2 {
            return (Vec::new(), tasks);
        }
        tasks.into_iter().partition(fits)
    }

    /// Creates accounts that were just seen not to be there.
    pub(super) async fn create_together(&self, connection: &Connection, tasks: Vec<Task>) -> Result<(), Halt> {
        let tasks: Vec<Task> = tasks.into_iter().filter(|task| self.still_meant(task)).collect();
        if tasks.is_empty() {
            return Ok(());
        }
        for task in &tasks {
            self.forget_absence(&task.employee);
        }
        let people: Vec<_> = tasks.iter().map(|task| (task.facts.clone(), key(task))).collect();
        let answers = connection.target.create_accounts(&people).await;
        let mut answers = answers.into_iter();
        let mut halt = None;
        for task in tasks {
            let none = || TargetError::Ambiguous("the answer says nothing of this account".to_owned());
            let answer = answers.next().unwrap_or_else(|| Err(none()));
            match settle(self.created(connection, &task, answer).await) {
                Ok(outcome) => self.post(&task.employee, &task.job, outcome),
                Err(error) => halt = Some(error),
            }
        }
        halt.map_or(Ok(()), Err)
    }

    /// Creates an account at most once.
    pub(super) async fn create(&self, connection: &Connection, task: &Task) -> Result<Outcome, TargetError> {
        let repeats = repeats(connection, task);
        // Where a look shows what was made, an earlier process's creation is settled by one: names are not given twice.
        let age = match repeats {
            Repeats::Never => once::age(&task.job),
            _ => task.job.attempted.map(|at| at.elapsed()),
        };
        // The look-up that led to this intent was made by this process a moment ago, or not at all.
        let absent = self.forget_absence(&task.employee) && task.job.tries == 0;
        if once::first(repeats, age, absent) == First::Look {
            if let Some(standing) = self.standing(connection, task).await? {
                return self.take_up(connection, standing, task).await;
            }
            match once::unseen(repeats, age, false, connection.timeout) {
                Unseen::Send => {}
                Unseen::Wait => {
                    return Ok(Outcome::Retrying(
                        "may have been told to make the account, and does not show it yet".to_owned(),
                    ));
                }
                Unseen::Stop => return Ok(Outcome::Unknown(once::stopped("the account", ""))),
            }
        }
        let answer = self.send_creation(connection, task).await;
        self.created(connection, task, answer).await
    }

    async fn send_creation(&self, connection: &Connection, task: &Task) -> Result<Account, TargetError> {
        let key = key(task);
        connection.once(|target| target.create_account(&task.facts, &key)).await
    }

    /// What comes of a creation's answer.
    async fn created(
        &self,
        connection: &Connection,
        task: &Task,
        answer: Result<Account, TargetError>,
    ) -> Result<Outcome, TargetError> {
        let mut answer = answer;
        let repeats = repeats(connection, task);
        if answer.as_ref().is_err_and(is_open) && repeats == Repeats::Safely {
            answer = self.send_creation(connection, task).await;
        }
        let error = match answer {
            Ok(account) => {
                self.touch(&account.id);
                self.know(&task.employee, |known| known.made = Some(Instant::now()));
                return Ok(done(&account, &task.digest));
            }
            Err(error) => error,
        };
        let open = is_open(&error);
        if open {
            let now = Instant::now();
            self.note(task, |job| {
                job.attempted = Some(now);
                job.attempted_as = key(task);
                job.settled = Some(once::settled(now, connection.timeout));
            });
        } else if !matches!(error, TargetError::Conflict(_)) {
            return Err(error);
        }
        match self.standing(connection, task).await? {
            Some(standing) => self.take_up(connection, standing, task).await,
            None if open && repeats == Repeats::Never => Ok(Outcome::Unknown(once::stopped("the account", ""))),
            None => Ok(Outcome::Retrying(error.to_string())),
        }
    }

    /// Looks for the account that is to be made.
    async fn standing(&self, connection: &Connection, task: &Task) -> Result<Standing, TargetError> {
        let (found, is_ours) = look_for(connection, task).await?;
        Ok(match found {
            Found::One(account) if is_ours => Some(Ok(account)),
            Found::One(account) => {
                // Somebody else's account stands where ours should be: whether it is adopted is for the planner to say.
                let sight = AccountSight::Present {
                    id: account.id,
                    active: account.active,
                    ours: false,
                    by: account.matched,
                    names: account.names,
                };
                self.know(&task.employee, |known| known.sight = sight);
                Some(Err(
                    "has an account of that user name that Rollcall did not make".to_owned()
                ))
            }
            Found::Foreign(account, why) => {
                let sight = foreign(account, &why);
                self.know(&task.employee, |known| known.sight = sight);
                Some(Err(why))
            }
            Found::Several(why) => Some(Err(why)),
            Found::None => None,
        })
    }

    /// Makes an account that an earlier try left behind what it should be: the facts may have changed since, and the
    /// person may have left and come back.
    async fn take_up(
        &self,
        connection: &Connection,
        standing: Result<Account, String>,
        task: &Task,
    ) -> Result<Outcome, TargetError> {
        match standing {
            Ok(account) => {
                if let Some(why) = self.forbids_found(task, &account) {
                    return Ok(Outcome::Retrying(why));
                }
                let id = update(connection, &account.id, &task.facts, !account.active).await?;
                self.touch(&id);
                Ok(done(&Account { id, ..account }, &task.digest))
            }
            Err(why) => Ok(Outcome::Refused(why)),
        }
    }

    fn is_absent(&self, employee: &str) -> bool {
        let state = self.desk.state.lock();
        let known = state.people.get(employee);
        known.is_some_and(|known| known.sight == AccountSight::Absent)
    }

    /// Whether the account was looked for and not found. What was seen no longer counts once a creation may be sent:
    /// however that ends, the next one begins with a look.
    fn forget_absence(&self, employee: &str) -> bool {
        let mut state = self.desk.state.lock();
        let known = state.people.get_mut(employee);
        known.is_some_and(|known| std::mem::take(&mut known.sight) == AccountSight::Absent)
    }
}

/// Looks for the account that is to be made, or may have been, and says whether it is ours. Where there is none under the names of
/// today, it is looked for under those that it was first to be made with: a service that never shows our key knows it by them.
pub(super) async fn look_for(connection: &Connection, task: &Task) -> Result<(Found<Account>, bool), TargetError> {
    let facts = &task.facts;
    let sought = match &task.job.intent {
        Intent::Account { sought, .. } => sought.as_str(),
        Intent::Membership { .. } => "",
    };
    let is_ours = |found: &Found<Account>, facts: &AccountFacts| matches!(found, Found::One(account) if may_be_ours(account, facts, sought));
    let found = connection.read(|target| target.find_account(facts)).await?;
    if found == Found::None
        && let Some(before) = &under_sought_names(facts, sought, &task.job.note.sought)
    {
        let earlier = connection.read(|target| target.find_account(before)).await?;
        if is_ours(&earlier, before) {
            return Ok((earlier, true));
        }
    }
    let ours = is_ours(&found, facts);
    Ok((found, ours))
}

/// The person under the names that are on record as sought, where those of today are others.
fn under_sought_names(facts: &AccountFacts, sought: &str, names: &[Option<String>; 2]) -> Option<AccountFacts> {
    let [email, username] = names.clone();
    let mut employee = EmployeeSpec::clone(&facts.employee);
    (employee.work_email, employee.username) = (email.clone(), username.clone());
    let others = sought == identity_digest(&employee) && sought != identity_digest(&facts.employee);
    others.then(|| AccountFacts {
        work_email: email,
        username,
        employee: Arc::new(employee),
        ..facts.clone()
    })
}

/// Under which key a creation is sent: made with other attributes it is another effect, which an API that remembers keys would
/// refuse under the same.
fn key(task: &Task) -> String {
    short_digest(["create", task.job.intent.operation_id(), &task.digest])
}

/// How the account can be made again now.
fn repeats(connection: &Connection, task: &Task) -> Repeats {
    once::now(connection.target.repeats(None), &task.job, &key(task), Timestamp::now())
}
