//! Accounts are created at most once: what may have been done is looked for before it is tried again (I4).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::accounts::{done, may_be_ours, settle, update};
use super::connection::Connection;
use super::jobs::Task;
use super::look_ups::foreign;
use super::once::{self, First, Unseen};
use super::verdict::is_open;
use super::{Halt, Writer};
use crate::api::employee::EmployeeSpec;
use crate::decide::effect::{AccountSight, Intent, Outcome, identity_digest, short_digest};
use crate::targets::{Account, AccountFacts, Found, Repeats, TargetError};

/// The account that a creation is to make, as it was found: ours, or why it cannot be.
type Standing = Option<Result<Account, String>>;

/// What was found, and whether it may be the account that is to be made.
pub(super) type Seen = (Found<Account>, bool);

impl Writer {
    /// Creates accounts, each at most once.
    pub(super) async fn create_all(&self, connection: &Connection, tasks: Vec<Task>) -> Result<(), Halt> {
        let tasks: Vec<Task> = tasks.into_iter().filter(|task| self.still_meant(task)).collect();
        // 1. Whose account may be there is looked for (IO).
        let (unseen, mut absent): (Vec<Task>, Vec<Task>) = tasks
            .into_iter()
            .partition(|task| self.first(connection, task) == First::Look);
        // As it is before the look: what came after it, it does not show.
        let ages: Vec<_> = unseen.iter().map(|task| age(repeats(connection, task), task)).collect();
        let seen = self.look_for(connection, &unseen).await?;
        // 2. What was found is taken up (IO); what may still come is waited for.
        let mut halt = None;
        let looked = stream::iter(unseen.into_iter().zip(ages).zip(seen)).map(|((task, age), seen)| async move {
            let next = self.after_look(connection, &task, age, seen).await;
            (task, next)
        });
        let mut looked = looked.buffer_unordered(connection.concurrency);
        while let Some((task, next)) = looked.next().await {
            match next.transpose().map(settle) {
                Some(Ok(outcome)) => self.post(&task.employee, &task.job, outcome),
                Some(Err(error)) => halt = Some(error),
                None => absent.push(task),
            }
        }
        drop(looked);
        if let Some(halt) = halt {
            return Err(halt);
        }
        // 3. The rest is made: in one request where the target takes that and refused none of them before (IO).
        let fits = |task: &Task| task.job.tries == 0 || task.job.attempted.is_some();
        let (mut together, mut single): (Vec<Task>, Vec<Task>) = absent
            .into_iter()
            .filter(|task| self.still_meant(task))
            .partition(|task| connection.bulk && fits(task));
        if together.len() < 2 {
            single.append(&mut together);
        }
        let mut halt = self.create_together(connection, together).await.err();
        let work = stream::iter(single).map(|task| async move {
            let answer = self.send_creation(connection, &task).await;
            self.post_created(connection, &task, answer).await
        });
        let mut results = work.buffer_unordered(connection.concurrency);
        while let Some(result) = results.next().await {
            halt = result.err().or(halt);
        }
        halt.map_or(Ok(()), Err)
    }

    /// What comes first. What was seen no longer counts once a creation may be sent: however that ends, the next one begins
    /// with a look.
    fn first(&self, connection: &Connection, task: &Task) -> First {
        let repeats = repeats(connection, task);
        // The look-up that led to this intent was made by this process a moment ago, or not at all.
        let absent = self.forget_absence(&task.employee) && task.job.tries == 0;
        once::first(repeats, age(repeats, task), absent)
    }

    /// Looks for accounts that may be there: by a list where that takes fewer requests, else each by itself. In order.
    async fn look_for(&self, connection: &Connection, tasks: &[Task]) -> Result<Vec<Result<Seen, TargetError>>, Halt> {
        if let Some(listing) = self.list_for(connection, tasks.len()).await? {
            let seen = tasks.iter().map(|task| {
                let search = Search::of(task);
                let found = listing.shown.find(search.today);
                let earlier = search.earlier(&found).map(|names| listing.shown.find(names));
                Ok(search.seen(found, earlier))
            });
            return Ok(seen.collect());
        }
        let looks = stream::iter(tasks.to_vec())
            .map(|task| async move { look_for(connection, &task).await })
            .buffered(connection.concurrency);
        Ok(looks.collect().await)
    }

    /// What a look leads to; `None` where the account is to be made.
    async fn after_look(
        &self,
        connection: &Connection,
        task: &Task,
        age: Option<Duration>,
        seen: Result<Seen, TargetError>,
    ) -> Result<Option<Outcome>, TargetError> {
        if let Some(standing) = self.standing(task, seen?) {
            return self.take_up(connection, standing, task).await.map(Some);
        }
        let repeats = repeats(connection, task);
        Ok(match once::unseen(repeats, age, false, connection.timeout) {
            Unseen::Send => None,
            Unseen::Wait => Some(Outcome::Retrying(
                "may have been told to make the account, and does not show it yet".to_owned(),
            )),
            Unseen::Stop => Some(Outcome::Unknown(once::stopped("the account", ""))),
        })
    }

    /// Creates accounts that were just seen not to be there, in as few requests as the target takes.
    async fn create_together(&self, connection: &Connection, tasks: Vec<Task>) -> Result<(), Halt> {
        if tasks.is_empty() {
            return Ok(());
        }
        let people: Vec<_> = tasks.iter().map(|task| (task.facts.clone(), key(task))).collect();
        let answers = connection.target.create_accounts(&people).await;
        let mut answers = answers.into_iter();
        let mut halt = None;
        for task in tasks {
            let none = || TargetError::Ambiguous("the answer says nothing of this account".to_owned());
            let answer = answers.next().unwrap_or_else(|| Err(none()));
            halt = self.post_created(connection, &task, answer).await.err().or(halt);
        }
        halt.map_or(Ok(()), Err)
    }

    async fn post_created(
        &self,
        connection: &Connection,
        task: &Task,
        answer: Result<Account, TargetError>,
    ) -> Result<(), Halt> {
        let outcome = settle(self.created(connection, task, answer).await)?;
        self.post(&task.employee, &task.job, outcome);
        Ok(())
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
        if is_open(&error) {
            let now = Instant::now();
            self.note(task, |job| {
                job.attempted = Some(now);
                job.attempted_as = key(task);
                job.settled = Some(once::settled(now, connection.timeout));
                job.sent.clone_from(&task.digest);
            });
            // It is looked for in a moment, together with others.
            return Ok(Outcome::Retrying(error.to_string()));
        }
        if !matches!(error, TargetError::Conflict(_)) {
            return Err(error);
        }
        let seen = look_for(connection, task).await?;
        match self.standing(task, seen) {
            Some(standing) => self.take_up(connection, standing, task).await,
            None => Ok(Outcome::Retrying(error.to_string())),
        }
    }

    /// The account that is to be made, where it was found.
    fn standing(&self, task: &Task, (found, is_ours): Seen) -> Standing {
        match found {
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
        }
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
                // It is what this process sent a moment ago: a creation is done whole or not at all.
                let ours = account.external_id.as_ref() == Some(&task.facts.external_id);
                if ours && account.active && !task.job.sent.is_empty() && task.job.sent == task.digest {
                    self.touch(&account.id);
                    return Ok(done(&account, &task.digest));
                }
                let id = update(connection, &account.id, &task.facts, !account.active).await?;
                self.touch(&id);
                Ok(done(&Account { id, ..account }, &task.digest))
            }
            Err(why) => Ok(Outcome::Refused(why)),
        }
    }

    /// Whether the account was looked for and not found. What was seen no longer counts once a creation may be sent:
    /// however that ends, the next one begins with a look.
    fn forget_absence(&self, employee: &str) -> bool {
        let mut state = self.desk.state.lock();
        let known = state.people.get_mut(employee);
        known.is_some_and(|known| std::mem::take(&mut known.sight) == AccountSight::Absent)
    }
}

/// How long ago the creation may have been sent, so that it may still come. Where a look shows what was made, an earlier
/// process's is settled by one: names are not given twice.
fn age(repeats: Repeats, task: &Task) -> Option<Duration> {
    match repeats {
        Repeats::Never => once::age(&task.job),
        _ => task.job.attempted.map(|at| at.elapsed()),
    }
}

/// Looks for the account that is to be made, or may have been.
pub(super) async fn look_for(connection: &Connection, task: &Task) -> Result<Seen, TargetError> {
    let search = Search::of(task);
    let look = |facts: AccountFacts| async move { connection.read(|target| target.find_account(&facts)).await };
    let found = look(search.today.clone()).await?;
    let earlier = match search.earlier(&found) {
        Some(names) => Some(look(names.clone()).await?),
        None => None,
    };
    Ok(search.seen(found, earlier))
}

/// How the account of a task is looked for. Where there is none under the names of today, it is looked for under those that it was
/// first to be made with: a service that never shows our key knows it by them.
struct Search<'a> {
    today: &'a AccountFacts,
    before: Option<AccountFacts>,
    sought: &'a str,
}

impl<'a> Search<'a> {
    fn of(task: &'a Task) -> Self {
        let sought = match &task.job.intent {
            Intent::Account { sought, .. } => sought.as_str(),
            Intent::Membership { .. } => "",
        };
        Self {
            today: &task.facts,
            before: under_sought_names(&task.facts, sought, &task.job.note.sought),
            sought,
        }
    }

    /// The names to look under next, after this was found.
    fn earlier(&self, found: &Found<Account>) -> Option<&AccountFacts> {
        self.before.as_ref().filter(|_| *found == Found::None)
    }

    /// What was found in the end, and whether it may be the account that is to be made.
    fn seen(&self, found: Found<Account>, earlier: Option<Found<Account>>) -> Seen {
        let is_ours = |found: &Found<Account>, facts: &AccountFacts| matches!(found, Found::One(account) if may_be_ours(account, facts, self.sought));
        let earlier = earlier.zip(self.before.as_ref());
        if let Some((earlier, _)) = earlier.filter(|(earlier, before)| is_ours(earlier, before)) {
            return (earlier, true);
        }
        let ours = is_ours(&found, self.today);
        (found, ours)
    }
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
