//! Accounts: looked up, created at most once, changed, ended, and read back.

use std::time::Instant;

use futures::{StreamExt, stream};

use super::jobs::Task;
use super::{CONCURRENCY, Connection, Halt, REFUSED_AGAIN, ROUND, Writer, backoff, is_whole};
use crate::decide::effect::{self, AccountAction, AccountSight, Intent, Outcome};
use crate::targets::{Account, AccountFacts, Found, TargetError};

impl Writer {
    /// Works on accounts: those being ended, or all others. Returns how many.
    pub(super) async fn accounts(&self, connection: &Connection, losses: bool) -> Result<usize, Halt> {
        let jobs = self.take(ROUND, |job| {
            matches!(job.intent, Intent::Account { .. }) && job.intent.is_loss() == losses
        });
        let count = jobs.len();
        let results: Vec<_> = stream::iter(jobs)
            .map(|task| async move {
                let result = self.account(connection, &task).await;
                (task, result)
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let mut halt = None;
        for (task, result) in results {
            match settle(result) {
                Ok(outcome) => self.post(&task.employee, &task.job, outcome),
                Err(error) => halt = Some(error),
            }
        }
        self.halted(halt).map(|()| count)
    }

    async fn account(&self, connection: &Connection, task: &Task) -> Result<Outcome, TargetError> {
        let Task { facts, digest, job, .. } = task;
        let Intent::Account { id, action, sought, .. } = &job.intent else {
            return Ok(Outcome::Refused("is no account".to_owned()));
        };
        let done = |id: &str, attributes: Option<&str>| Outcome::done(id.to_owned(), attributes.map(str::to_owned));
        let id = match (action, id.as_str()) {
            (AccountAction::Create, _) => return self.create(connection, task).await,
            // The account was being made when it was ended.
            (_, "") => match connection.target.find_account(facts).await? {
                Found::One(account) if may_be_ours(&account, facts, sought) => account.id,
                _ => return Ok(done("", None)),
            },
            (_, id) => id.to_owned(),
        };
        match action {
            AccountAction::Create => Ok(done(&id, None)),
            AccountAction::Update => match connection.target.update_account(&id, facts, false).await {
                Err(TargetError::Gone(_)) => Ok(done("", None)),
                other => Ok(done(&other?, Some(digest))),
            },
            AccountAction::Activate => {
                let id = match connection.target.update_account(&id, facts, true).await {
                    Err(TargetError::Gone(_)) => return Ok(done("", None)),
                    other => other?,
                };
                match connection.target.read_account(&id).await? {
                    Some(account) if account.active => Ok(done(&id, Some(digest))),
                    Some(_) => Ok(Outcome::Retrying(
                        "was told to activate the account, and it is not active".into(),
                    )),
                    None => Ok(done("", None)),
                }
            }
            AccountAction::Deactivate => {
                match connection.target.deactivate_account(&id).await {
                    Err(TargetError::Gone(_)) => return Ok(done(&id, None)),
                    other => other?,
                }
                match connection.target.read_account(&id).await? {
                    Some(account) if account.active => Ok(Outcome::Retrying(
                        "was told to deactivate the account, and it is still active".into(),
                    )),
                    _ => Ok(done(&id, None)),
                }
            }
            AccountAction::Delete => {
                connection.target.delete_account(&id).await?;
                match connection.target.read_account(&id).await? {
                    Some(_) => Ok(Outcome::Retrying(
                        "was told to delete the account, and it is still there".into(),
                    )),
                    None => Ok(done(&id, None)),
                }
            }
        }
    }

    /// Creates an account at most once: what may have been done is looked for before it is tried again.
    async fn create(&self, connection: &Connection, task: &Task) -> Result<Outcome, TargetError> {
        let Task { facts, digest, job, .. } = task;
        let sought = match &job.intent {
            Intent::Account { sought, .. } => sought.as_str(),
            Intent::Membership { .. } => "",
        };
        let ours = |found: Found<Account>| match found {
            Found::One(account) if may_be_ours(&account, facts, sought) => Some(Ok(account)),
            Found::One(account) => {
                let sight = AccountSight::Present {
                    id: account.id,
                    active: account.active,
                    ours: false,
                    by: account.matched,
                    names: account.names,
                };
                self.saw(&facts.external_id, sight);
                Some(Err(
                    "has an account of that user name that Rollcall did not make".to_owned()
                ))
            }
            Found::Foreign(account, why) => {
                self.saw(&facts.external_id, foreign(account, &why));
                Some(Err(why))
            }
            Found::Several(why) => Some(Err(why)),
            Found::None => None,
        };
        // The look-up that led to this intent was made by this process a moment ago, or not at all.
        let fresh = job.tries == 0 && self.forget_absence(&facts.external_id);
        if !fresh && let Some(found) = ours(connection.target.find_account(facts).await?) {
            return take_up(connection, found, facts, digest).await;
        }
        match connection.target.create_account(facts, job.intent.operation_id()).await {
            Ok(account) => Ok(created(account.id, digest)),
            Err(TargetError::Ambiguous(why) | TargetError::Conflict(why)) => {
                match ours(connection.target.find_account(facts).await?) {
                    Some(found) => take_up(connection, found, facts, digest).await,
                    None => Ok(Outcome::Retrying(why)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the account was looked for and not found. What was seen no longer counts once a creation may be sent:
    /// however that ends, the next one begins with a look.
    fn forget_absence(&self, external_id: &str) -> bool {
        let mut state = self.desk.state.lock();
        let known = state
            .people
            .values_mut()
            .find(|known| known.facts.external_id == external_id);
        known.is_some_and(|known| std::mem::take(&mut known.sight) == AccountSight::Absent)
    }

    /// Somebody else's account stands where ours should be: whether it is adopted is for the planner to say.
    fn saw(&self, external_id: &str, sight: AccountSight) {
        let mut state = self.desk.state.lock();
        if let Some(known) = state
            .people
            .values_mut()
            .find(|known| known.facts.external_id == external_id)
        {
            known.sight = sight;
        }
    }

    /// Looks accounts up. Returns how many.
    pub(super) async fn look_up(&self, connection: &Connection) -> Result<usize, Halt> {
        let now = Instant::now();
        let wanted: Vec<(String, AccountFacts)> = {
            let state = self.desk.state.lock();
            let due = state
                .people
                .iter()
                .filter(|(_, known)| known.look_up.is_some_and(|due| due <= now));
            due.take(ROUND)
                .map(|(name, known)| (name.clone(), known.facts.clone()))
                .collect()
        };
        let results: Vec<_> = stream::iter(wanted)
            .map(|(name, facts)| async move {
                let found = connection.target.find_account(&facts).await;
                (name, facts, found)
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let count = results.len();
        let mut halt = None;
        for (name, facts, found) in results {
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
                Err(error) if is_whole(&error) => {
                    halt = Some(Halt(error));
                    continue;
                }
                Err(error) => AccountSight::Failed(format!("target {} {error}", self.desk.target)),
            };
            let mut state = self.desk.state.lock();
            let Some(known) = state.people.get_mut(&name) else {
                continue;
            };
            if known.facts != facts {
                continue;
            }
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
            drop(state);
            self.context.desks.finished(&self.context, &self.desk.namespace, &name);
        }
        self.halted(halt).map(|()| count)
    }
}

fn foreign(account: Account, why: &str) -> AccountSight {
    AccountSight::Foreign {
        id: account.id,
        why: why.to_owned(),
    }
}

fn created(id: String, digest: &str) -> Outcome {
    Outcome::done(id, Some(digest.to_owned()))
}

/// Makes an account that an earlier try left behind what it should be: the facts may have changed since, and the person
/// may have left and come back.
async fn take_up(
    connection: &Connection,
    found: Result<Account, String>,
    facts: &AccountFacts,
    digest: &str,
) -> Result<Outcome, TargetError> {
    match found {
        Ok(account) => {
            let target = &connection.target;
            let id = target.update_account(&account.id, facts, !account.active).await?;
            Ok(created(id, digest))
        }
        Err(why) => Ok(Outcome::Refused(why)),
    }
}

/// What an error of one account's effect comes to.
fn settle(result: Result<Outcome, TargetError>) -> Result<Outcome, Halt> {
    match result {
        Ok(outcome) => Ok(outcome),
        Err(error) if is_whole(&error) => Err(Halt(error)),
        Err(TargetError::Refused(why)) => Ok(Outcome::Refused(why)),
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
