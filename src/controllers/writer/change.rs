//! One round of changes: look where that is needed, send what is not so already, look again, and say what came of it.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::connection::Connection;
use super::looks::Places;
use super::memberships::{Batch, Part};
use super::once::{self, Unseen};
use super::verdict::{Told, is_open, is_so, may_be_anothers, verdict};
use super::{Halt, Writer, is_whole};
use crate::api::entitlement::RemoteObject;
use crate::controllers::desk::{Place, Shown};
use crate::decide::effect::{Holding, Outcome};
use crate::targets::{Holders, Order, Receipts, Repeats, TargetError, Verb};

/// How old a look may be on which a creation rests that must not be done twice.
const RECENT: Duration = Duration::from_secs(5);
/// How long an account that we made can hold nothing but what we gave it.
const NEW: Duration = Duration::from_mins(5);

/// What is known before anything is sent.
enum Known {
    /// What the account holds, for sure.
    Now(Option<Holding>),
    /// What it held when last looked at: that spares no call.
    Before(Option<Holding>),
    /// It has to be looked at.
    Nothing,
}

/// What is to be done about a part.
enum Next {
    Send,
    /// Nothing: it came to this.
    Answer(Outcome),
    /// The same, and it is looked for again before this instant.
    Wait(Outcome, Instant),
}

impl Batch {
    /// Whether a part makes something that a second call would make twice.
    fn creates(&self, part: &Part) -> bool {
        part.order.verb == Verb::Grant && self.repeats(part) != Repeats::Safely
    }

    /// How what a part makes can be made again now.
    fn repeats(&self, part: &Part) -> Repeats {
        let (key, now) = (&part.order.operation_id, Timestamp::now());
        let mut all = part
            .tasks
            .iter()
            .map(|task| once::now(self.repeats, &task.job, key, now));
        let first = all.next().unwrap_or(self.repeats);
        all.fold(
            first,
            |known, other| if known == other { known } else { Repeats::Found },
        )
    }

    fn place(&self, part: &Part) -> Place {
        Place::of(self.looks, &self.object, &part.order.account_id)
    }
}

impl Part {
    /// What is looked for: the grant on record, or what the target said that it made.
    fn grant_id(&self) -> String {
        let made = self.tasks.iter().map(|task| &task.job.made);
        let ids = std::iter::once(&self.order.grant_id).chain(made);
        ids.into_iter().find(|id| !id.is_empty()).cloned().unwrap_or_default()
    }

    /// What came of a revocation. A grant that was sent before it, and of which nobody heard, may still come: it is not gone
    /// before that can no longer be.
    fn unless_coming(&self, outcome: Outcome) -> Outcome {
        let now = Instant::now();
        let coming = self.tasks.iter().filter_map(|task| task.job.settled).any(|at| at > now);
        match outcome {
            Outcome::Done { .. } if coming && self.order.verb == Verb::Revoke => {
                Outcome::Retrying("does not show it, and was told before to give it, which may still come".to_owned())
            }
            other => other,
        }
    }

    fn age(&self) -> Option<Duration> {
        self.tasks.iter().filter_map(|task| once::age(&task.job)).min()
    }
}

impl Writer {
    /// Changes objects, and posts what came of it.
    pub(super) async fn change(&self, connection: &Connection, mut group: Vec<Batch>) -> Result<(), Halt> {
        // 1. What the record no longer means is left out.
        for batch in &mut group {
            for part in &mut batch.parts {
                part.tasks.retain(|task| self.still_meant(task));
            }
            batch.parts.retain(|part| !part.tasks.is_empty());
        }
        // 2. Looks that must come first (IO).
        let seen = self.look_first(connection, &group).await?;
        // 3. What is so already, and what must not be sent, is answered.
        for batch in &mut group {
            self.sort_out(connection, batch, &seen).await;
        }
        group.retain(|batch| !batch.parts.is_empty());
        if group.is_empty() {
            return Ok(());
        }
        // 4. The rest is sent (IO).
        let told = self.send(connection, &group).await;
        // 5. Whatever was said, only a look tells (IO).
        let mut places = Places::new();
        for batch in &group {
            places.extend(batch.parts.iter().map(|part| (batch.place(part), part.grant_id())));
        }
        for (batch, told) in group.iter().zip(&told) {
            self.remember(connection, batch, told);
        }
        if let Some(error) = told.iter().flatten().find_map(not_sent) {
            return Err(Halt(error.clone()));
        }
        let seen = self.look_at_all(connection, &places).await?;
        // 6. What came of it.
        for (batch, told) in group.iter().zip(told) {
            self.conclude(connection, batch, &told, &seen).await;
        }
        Ok(())
    }

    /// What is known of a part before it is sent.
    fn known(&self, batch: &Batch, part: &Part) -> Known {
        let (object, account) = (&batch.object, &part.order.account_id);
        let state = self.desk.state.lock();
        let look = state.looks.of(object, account);
        let made = part.tasks.iter().any(|task| {
            let known = state.people.get(&task.employee);
            let made = known.filter(|known| known.account_id.as_ref() == Some(account));
            made.and_then(|known| known.made)
                .is_some_and(|made| made.elapsed() < NEW)
        });
        let new = made && state.looks.is_untouched(object, account);
        if !batch.creates(part) {
            return match look {
                Some((look, _)) => Known::Before(look.holding),
                None if new => Known::Now(None),
                None => Known::Nothing,
            };
        }
        if part.age().is_some() {
            return Known::Nothing;
        }
        match look {
            Some((look, at)) if at.elapsed() < RECENT => Known::Now(look.holding),
            _ if new => Known::Now(None),
            _ => Known::Nothing,
        }
    }

    async fn look_first(&self, connection: &Connection, group: &[Batch]) -> Result<Seen, Halt> {
        let mut places = Places::new();
        for batch in group {
            let unknown = batch
                .parts
                .iter()
                .filter(|part| matches!(self.known(batch, part), Known::Nothing));
            places.extend(unknown.map(|part| (batch.place(part), part.grant_id())));
        }
        self.look_at_all(connection, &places).await
    }

    /// Answers what need not, or must not, be sent, and leaves the rest.
    async fn sort_out(&self, connection: &Connection, batch: &mut Batch, seen: &Seen) {
        let mut rest = Vec::new();
        for mut part in std::mem::take(&mut batch.parts) {
            let next = match seen.get(&batch.place(&part)) {
                Some(Err(error)) => Next::Answer(Outcome::Retrying(error.to_string())),
                Some(Ok(shown)) if shown.is_gone(&batch.object) => Next::Answer(gone(&batch.object, &part.order)),
                Some(Ok(shown)) => {
                    let held = shown.holding(&batch.object, &part.order.account_id).flatten();
                    next(batch, &mut part, Some(&held), connection.timeout)
                }
                None => match self.known(batch, &part) {
                    Known::Now(held) => next(batch, &mut part, Some(&held), connection.timeout),
                    Known::Before(held) => {
                        fill_in(&mut part.order, held.as_ref());
                        Next::Send
                    }
                    Known::Nothing => next(batch, &mut part, None, connection.timeout),
                },
            };
            match next {
                Next::Send => rest.push(part),
                Next::Answer(outcome) if part.order.verb == Verb::Revoke => {
                    let outcome = part.unless_coming(outcome);
                    self.post_nothing_taken(connection, &part, &outcome).await;
                }
                Next::Answer(outcome) => self.post_part(&part, &outcome),
                Next::Wait(outcome, until) => {
                    for task in &part.tasks {
                        self.note(task, |job| job.settled = Some(until));
                    }
                    self.post_part(&part, &outcome);
                }
            }
        }
        batch.parts = rest;
    }

    /// Sends orders: in one request where the target takes that, else object by object. What it said of each part.
    async fn send(&self, connection: &Connection, group: &[Batch]) -> Vec<Vec<Told>> {
        if connection.bulk && group.len() > 1 {
            let changes: Vec<_> = group
                .iter()
                .map(|batch| (batch.object.clone(), orders(batch)))
                .collect();
            self.out_of_date(group);
            let answers = connection.target.change_many(&changes).await;
            self.out_of_date(group);
            let none = || Err(TargetError::Ambiguous("the answer says nothing of this".to_owned()));
            let mut answers = answers.into_iter();
            return group
                .iter()
                .map(|batch| said(batch, &answers.next().unwrap_or_else(none)))
                .collect();
        }
        let sent = stream::iter(0..group.len()).map(|at| self.send_one(connection, &group[at]));
        sent.buffered(connection.concurrency).collect().await
    }

    async fn send_one(&self, connection: &Connection, batch: &Batch) -> Vec<Told> {
        // Where the whole is written, two at the same time would undo each other.
        let _turn = if connection.patch {
            None
        } else {
            Some(self.desk.turn(&batch.object).await)
        };
        let seen: Option<Holders> = {
            let state = self.desk.state.lock();
            let looked = state.looks.holders.get(&batch.object);
            looked.and_then(|looked| looked.holders.clone())
        };
        let orders = orders(batch);
        let once = batch.parts.iter().any(|part| batch.creates(part));
        self.out_of_date(std::slice::from_ref(batch));
        let (object, seen) = (&batch.object, seen.as_ref());
        let answer = if once {
            connection
                .once(|target| target.change_holders(object, &orders, seen))
                .await
        } else {
            connection
                .change(|target| target.change_holders(object, &orders, seen))
                .await
        };
        self.out_of_date(std::slice::from_ref(batch));
        said(batch, &answer)
    }

    /// What was seen of these no longer tells.
    fn out_of_date(&self, group: &[Batch]) {
        let mut state = self.desk.state.lock();
        for batch in group {
            state.looks.changed(&batch.object, batch.accounts().iter());
        }
    }

    /// Keeps of creations that they were sent, until it is known what came of them.
    fn remember(&self, connection: &Connection, batch: &Batch, told: &[Told]) {
        let now = Instant::now();
        for (part, told) in batch.parts.iter().zip(told) {
            let made = match told {
                Told::Done(receipt) => receipt.grant_id.clone(),
                Told::Not(error) if is_open(error) => String::new(),
                _ => continue,
            };
            if part.order.verb == Verb::Grant {
                for task in &part.tasks {
                    self.note(task, |job| {
                        job.attempted = Some(now);
                        job.attempted_as.clone_from(&part.order.operation_id);
                        job.settled = Some(once::settled(now, connection.timeout));
                        job.made.clone_from(&made);
                    });
                }
            }
        }
    }

    /// Posts what came of a batch.
    async fn conclude(&self, connection: &Connection, batch: &Batch, told: &[Told], seen: &Seen) {
        for (part, told) in batch.parts.iter().zip(told) {
            let outcome = match seen.get(&batch.place(part)) {
                Some(Ok(shown)) if shown.is_gone(&batch.object) => gone(&batch.object, &part.order),
                Some(Ok(shown)) => {
                    let held = shown.holding(&batch.object, &part.order.account_id).flatten();
                    verdict(&part.order, told, held.as_ref())
                }
                Some(Err(error)) => Outcome::Retrying(error.to_string()),
                None => Outcome::Retrying("could not be looked at".to_owned()),
            };
            let outcome = part.unless_coming(outcome);
            let not_done = !matches!(outcome, Outcome::Done { .. });
            match told {
                Told::Not(error)
                    if not_done && is_open(error) && batch.creates(part) && batch.repeats == Repeats::Never =>
                {
                    self.post_part(part, &Outcome::Unknown(once::stopped(&batch.object.kind, "")));
                }
                // One that is refused must not keep the others: whose refusal it is shows when each goes by itself.
                _ if may_be_anothers(&outcome) && batch.parts.len() > 1 => {
                    for task in &part.tasks {
                        self.note(task, |job| (job.running, job.alone) = (None, true));
                    }
                }
                Told::Not(TargetError::Gone(_)) if part.order.verb == Verb::Revoke => {
                    self.post_nothing_taken(connection, part, &outcome).await;
                }
                _ => self.post_part(part, &outcome),
            }
        }
    }

    /// Posts what came of a revocation from an account of which there was nothing to take.
    async fn post_nothing_taken(&self, connection: &Connection, part: &Part, outcome: &Outcome) {
        for task in &part.tasks {
            let outcome = match outcome {
                Outcome::Done { .. } => {
                    let id = &part.order.account_id;
                    self.unless_moved(connection, task, id, outcome.clone()).await
                }
                other => other.clone(),
            };
            self.answer(task, outcome);
        }
    }

    fn post_part(&self, part: &Part, outcome: &Outcome) {
        for task in &part.tasks {
            self.answer(task, outcome.clone());
        }
    }
}

type Seen = std::collections::BTreeMap<Place, Result<Shown, TargetError>>;

/// What is to be done about a part of whose account this was just seen.
fn next(batch: &Batch, part: &mut Part, held: Option<&Option<Holding>>, timeout: Duration) -> Next {
    let held = held.and_then(Option::as_ref);
    // A look may hide who holds something: what is to be taken is taken once, whatever was seen before.
    let untried = part.order.verb == Verb::Revoke && part.tasks.iter().all(|task| task.job.tries == 0);
    if is_so(&part.order, held) && !untried {
        return Next::Answer(verdict(&part.order, &Told::Nothing, held));
    }
    fill_in(&mut part.order, held);
    match (part.order.verb, held) {
        // It is there already, and not as it should be.
        (Verb::Grant, Some(_)) => part.order.verb = Verb::Update,
        // Others took it; it is given again where that makes no second one.
        (Verb::Update, None) if batch.repeats == Repeats::Safely => part.order.verb = Verb::Grant,
        (Verb::Update, None) => {
            return Next::Answer(Outcome::Retrying("is to be changed, and is not there".to_owned()));
        }
        (Verb::Grant, None) if batch.creates(part) => {
            let age = part.age();
            let made = part.grant_id();
            return match once::unseen(batch.repeats(part), age, !made.is_empty(), timeout) {
                Unseen::Send => Next::Send,
                Unseen::Wait => {
                    let why = "may have been told to make it, and does not show it yet";
                    let until = once::settled(Instant::now(), timeout.saturating_sub(age.unwrap_or_default()));
                    Next::Wait(Outcome::Retrying(why.to_owned()), until)
                }
                Unseen::Stop => Next::Answer(Outcome::Unknown(once::stopped(&batch.object.kind, &made))),
            };
        }
        _ => {}
    }
    Next::Send
}

/// The target's own id of the grant, where only a look told it.
fn fill_in(order: &mut Order, held: Option<&Holding>) {
    if let Some(holding) = held.filter(|_| order.grant_id.is_empty()) {
        order.grant_id.clone_from(&holding.grant_id);
    }
}

fn gone(object: &RemoteObject, order: &Order) -> Outcome {
    match order.verb {
        Verb::Revoke => Outcome::done(&order.account_id, None),
        Verb::Grant | Verb::Update => Outcome::Refused(format!("has no such {} any more", object.kind)),
    }
}

fn orders(batch: &Batch) -> Vec<Order> {
    batch.parts.iter().map(|part| part.order.clone()).collect()
}

/// What the target said of each part: of whom it says nothing, a look tells.
fn said(batch: &Batch, answer: &Result<Receipts, TargetError>) -> Vec<Told> {
    let told = |part: &Part| match answer {
        Err(error) => Told::Not(error.clone()),
        Ok(receipts) => match receipts.get(&part.order.account_id) {
            Some(Err(error)) => Told::Not(error.clone()),
            Some(Ok(receipt)) => Told::Done(receipt.clone()),
            None => Told::Done(crate::targets::Receipt::default()),
        },
    };
    batch.parts.iter().map(told).collect()
}

/// The error that kept everything from being sent.
fn not_sent(told: &Told) -> Option<&TargetError> {
    match told {
        Told::Not(error) if is_whole(error) => Some(error),
        _ => None,
    }
}
