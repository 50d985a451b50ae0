//! Accounts: changed, ended, and read back. Creations are next door.

use std::time::Instant;

use futures::{StreamExt, stream};

use super::connection::Connection;
use super::creation::look_for;
use super::jobs::Task;
use super::verdict::is_open;
use super::{Halt, Writer, is_whole};
use crate::controllers::desk::PersonDesk;
use crate::decide::effect::{self, AccountAction, Intent, Outcome};
use crate::targets::pace::Lane;
use crate::targets::{Account, AccountFacts, Found, TargetError};

impl Writer {
    /// Works on accounts: those being ended, or all others. Returns how many.
    pub(super) async fn accounts(&self, connection: &Connection, lane: Lane) -> Result<usize, Halt> {
        let mut tasks = self.take_accounts(lane, connection.gathers());
        let count = tasks.len();
        tasks.retain(|task| match self.forbids(task, id(task)) {
            Some(why) => {
                self.answer(task, Outcome::Retrying(why));
                false
            }
            None => true,
        });
        for task in &mut tasks {
            task.facts.manager_account = self.manager_account(&task.facts);
        }
        let (creations, single): (Vec<Task>, Vec<Task>) = tasks.into_iter().partition(creates);
        let mut halt = self.create_all(connection, creations).await.err();
        let work = stream::iter(single).map(|task| async move {
            if !self.still_meant(&task) {
                return Ok(());
            }
            let outcome = settle(self.account(connection, &task).await)?;
            self.post(&task.employee, &task.job, outcome);
            Ok(())
        });
        let mut results = work.buffer_unordered(connection.concurrency);
        while let Some(result) = results.next().await {
            halt = result.err().or(halt);
        }
        drop(results);
        self.halted(lane, halt).map(|()| count)
    }

    async fn account(&self, connection: &Connection, task: &Task) -> Result<Outcome, TargetError> {
        let job = &task.job;
        let Intent::Account { id, action, .. } = &job.intent else {
            return Ok(Outcome::Refused("is no account".to_owned()));
        };
        let id = match (action, id.as_str()) {
            // The account was being made when it was ended.
            (_, "") => match look_for(connection, task).await? {
                (Found::One(account), true) => {
                    if let Some(why) = self.forbids_found(task, &account) {
                        return Ok(Outcome::Retrying(why));
                    }
                    account.id
                }
                _ => return Ok(Outcome::done("", None)),
            },
            (_, id) => id.to_owned(),
        };
        self.touch(&id);
        let outcome = if job.intent.is_loss() {
            self.end_wherever(connection, *action, &id, task).await
        } else {
            change(connection, *action, &id, task).await
        };
        // A list that was read meanwhile may show it as it was.
        self.touch(&id);
        outcome
    }

    /// The account of a person's manager here.
    fn manager_account(&self, facts: &AccountFacts) -> Option<String> {
        let manager = facts.employee.manager_ref.as_ref()?;
        let index = self.context.index.read();
        let manager = index.namespace(&self.desk.namespace)?.employees.get(&manager.name)?;
        let records = manager.status.accounts.iter();
        let record = records.into_iter().find(|record| record.target == self.desk.target)?;
        Some(record.id.clone()).filter(|id| !id.is_empty())
    }

    /// What was seen of an account no longer tells.
    pub(super) fn touch(&self, id: &str) {
        let now = Instant::now();
        self.desk.state.lock().touched.insert(id.to_owned(), now);
    }

    /// Changes what the desk keeps of a person.
    pub(super) fn know(&self, employee: &str, change: impl FnOnce(&mut PersonDesk)) {
        if let Some(known) = self.desk.state.lock().people.get_mut(employee) {
            change(known);
        }
    }
}

fn creates(task: &Task) -> bool {
    matches!(
        task.job.intent,
        Intent::Account {
            action: AccountAction::Create,
            ..
        }
    )
}

/// The id of the account that a job is about; empty while there is none.
fn id(task: &Task) -> &str {
    match &task.job.intent {
        Intent::Account { id, .. } => id,
        Intent::Membership { account_id, .. } => account_id,
    }
}

async fn change(connection: &Connection, action: AccountAction, id: &str, task: &Task) -> Result<Outcome, TargetError> {
    let Task { facts, digest, .. } = task;
    let gone = Outcome::done("", None);
    match action {
        AccountAction::Create => Ok(Outcome::done(id, None)),
        AccountAction::Update => match update(connection, id, facts, false).await {
            Err(TargetError::Gone(_)) => Ok(gone),
            other => Ok(Outcome::done(other?, Some(digest.clone()))),
        },
        AccountAction::Activate => {
            let id = match update(connection, id, facts, true).await {
                Err(TargetError::Gone(_)) => return Ok(gone),
                other => other?,
            };
            Ok(match read(connection, &id).await? {
                Some(account) if account.active => done(&account, digest),
                Some(_) => Outcome::Retrying("was told to activate the account, and it is not active".into()),
                None => gone,
            })
        }
        AccountAction::Deactivate | AccountAction::Delete => Ok(end(connection, action, id)
            .await?
            .unwrap_or_else(|| Outcome::done(id, None))),
    }
}

/// Ends an account; `None` where it is not there any more.
pub(super) async fn end(
    connection: &Connection,
    action: AccountAction,
    id: &str,
) -> Result<Option<Outcome>, TargetError> {
    let told = if action == AccountAction::Delete {
        connection.change(|target| target.delete_account(id)).await
    } else {
        connection.change(|target| target.deactivate_account(id)).await
    };
    match told {
        Err(TargetError::Gone(_)) => return Ok(None),
        // Whether it was done is seen.
        Err(error) if is_open(&error) => {}
        other => other?,
    }
    let Some(account) = read(connection, id).await? else {
        return Ok(None);
    };
    Ok(Some(match action {
        AccountAction::Delete => Outcome::Retrying("was told to delete the account, and it is still there".into()),
        _ if account.active => Outcome::Retrying("was told to deactivate the account, and it is still active".into()),
        _ => Outcome::done(id, None),
    }))
}

async fn read(connection: &Connection, id: &str) -> Result<Option<Account>, TargetError> {
    connection.read(|target| target.read_account(id)).await
}

pub(super) async fn update(
    connection: &Connection,
    id: &str,
    facts: &AccountFacts,
    activate: bool,
) -> Result<String, TargetError> {
    connection
        .change(|target| target.update_account(id, facts, activate))
        .await
}

/// There, with the attributes of that digest.
pub(super) fn done(account: &Account, digest: &str) -> Outcome {
    Outcome::Done {
        account_id: account.id.clone(),
        attributes: Some(digest.to_owned()),
        holding: None,
        invited: account.invited,
    }
}

/// What an error of one account's effect comes to.
pub(super) fn settle(result: Result<Outcome, TargetError>) -> Result<Outcome, Halt> {
    match result {
        Ok(outcome) => Ok(outcome),
        Err(error) if is_whole(&error) => Err(Halt(error)),
        Err(TargetError::Refused(why)) => Ok(Outcome::Refused(why)),
        Err(TargetError::NoSeat(why)) => Ok(Outcome::NoSeat(why)),
        Err(error @ TargetError::Gone(_)) => Ok(Outcome::Refused(error.to_string())),
        Err(error) => Ok(Outcome::Retrying(error.to_string())),
    }
}

/// Whether an account found after a creation was recorded as intended is the one that was then made.
pub(super) fn may_be_ours(account: &Account, facts: &AccountFacts, sought: &str) -> bool {
    effect::may_be_ours(
        account.external_id.as_deref(),
        &facts.external_id,
        sought,
        &facts.employee,
    )
}
