//! Taking jobs off a desk and saying what came of them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{
    CALM, DOUBTS_WAIT, LINGER, LINGER_FOR_ACCOUNTS, NEAR, REFUSED_AGAIN, REFUSED_SOON, ROUND, Writer, backoff,
};
use crate::api::entitlement::RemoteObject;
use crate::controllers::desk::{DeskState, Job, PersonDesk, wake};
use crate::decide::effect::{AccountAction, AccountSight, Intent, IntentKey, Outcome};
use crate::targets::AccountFacts;
use crate::targets::pace::Lane;

/// A job as it is taken off the desk.
#[derive(Clone)]
pub(super) struct Task {
    /// Name of the Employee.
    pub employee: String,
    /// What the account is matched by and made of.
    pub facts: AccountFacts,
    /// Digest of those facts.
    pub digest: String,
    /// What is to be done.
    pub job: Job,
}

impl Task {
    fn new(employee: &str, known: &PersonDesk, job: &Job) -> Self {
        Self {
            employee: employee.to_owned(),
            facts: known.facts.clone(),
            digest: known.digest.clone(),
            job: job.clone(),
        }
    }
}

/// What waits for others of its kind, since one request serves many.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gathers {
    /// Look-ups, for a list.
    pub look_ups: bool,
    /// Creations of accounts, for bulk.
    pub creations: bool,
}

impl Job {
    fn creates_account(&self) -> bool {
        let Intent::Account { action, .. } = &self.intent else {
            return false;
        };
        *action == AccountAction::Create
    }

    /// Whether it is to create an account, is due, and was not tried yet.
    fn is_new_creation(&self, now: Instant) -> bool {
        self.creates_account() && self.running.is_none() && self.tries == 0 && self.due <= now
    }

    /// Whether it may have created an account that is still to be looked for.
    fn is_in_doubt(&self) -> bool {
        self.creates_account() && self.running.is_none() && self.attempted.is_some()
    }

    /// Whether what was sent may still be under way.
    fn may_still_come(&self, now: Instant) -> bool {
        self.settled.is_some_and(|settled| settled > now)
    }
}

/// The lane of an intent.
fn lane(intent: &Intent) -> Lane {
    if intent.is_loss() { Lane::Losses } else { Lane::Rest }
}

impl Writer {
    /// How long until something is due; where nothing may be looked at, no look is. `gathers` is what waits for others.
    pub(super) fn next_due(&self, of: Lane, sees: bool, gathers: Gathers) -> Duration {
        let looks = of == Lane::Rest && sees;
        let now = Instant::now();
        let state = self.desk.state.lock();
        let look_ups = state.people.values().filter_map(|known| known.look_up);
        let looked_up = calm(state.new_look_ups(now)).filter(|_| gathers.look_ups);
        let created = state.creations_at(now).filter(|_| gathers.creations);
        let doubted = state.doubts_at();
        let soon = doubted.filter(|at| *at <= now + NEAR);
        let calm_at = |job: &Job| {
            let created = created.filter(|_| job.is_new_creation(now));
            let doubted = doubted.filter(|_| job.is_in_doubt() && job.due <= now);
            let granted = || calm_at(job).map(|at| soon.map_or(at, |soon| at.max(soon)));
            created.or(doubted).or_else(granted).unwrap_or(job.due)
        };
        let jobs = state.people.values().flat_map(|known| {
            let jobs = known.jobs.values();
            jobs.filter(|job| job.running.is_none() && known.can_begin(job))
                .filter(|job| lane(&job.intent) == of)
                .map(|job| job.due.max(calm_at(job)))
        });
        let look_ups = look_ups.map(|due| looked_up.map_or(due, |calm| due.max(calm)));
        let again = state.resolved.values().map(|resolved| resolved.again);
        let going_on = self.unread.lock().is_some();
        let next_resync = if going_on {
            Instant::now()
        } else {
            *self.next_resync.lock()
        };
        let others = again.chain([next_resync]).chain(look_ups).filter(|_| looks);
        let idle = Instant::now() + Duration::from_mins(1);
        let next = jobs.chain(others).min().unwrap_or(idle);
        next.saturating_duration_since(Instant::now())
            .max(Duration::from_millis(5))
    }

    /// Whether a grant has waited long enough for the accounts of others.
    pub(super) fn has_lingered(&self) -> bool {
        let state = self.desk.state.lock();
        state.people.values().any(|known| {
            known.jobs.values().any(|job| {
                let new = matches!(job.intent, Intent::Membership { hold: true, .. }) && job.tries == 0;
                let ready = known.usable_since.map_or(job.since, |usable| usable.max(job.since));
                new && known.can_begin(job) && ready.elapsed() > LINGER_FOR_ACCOUNTS
            })
        })
    }

    /// Whether accounts in doubt are about to be looked for: a moment later their grants go with all others.
    pub(super) fn doubts_end_soon(&self) -> bool {
        let doubts_at = self.desk.state.lock().doubts_at();
        doubts_at.is_some_and(|at| at <= Instant::now() + NEAR)
    }

    fn is_closed(&self) -> bool {
        self.desk.closing.load(Ordering::SeqCst) || !self.context.gate.is_open()
    }

    /// Takes jobs of accounts that are due off the desk; they are marked as running until an outcome is posted.
    /// Creations that go in one request wait for each other, and those in doubt until no other is left, or they can no longer
    /// come: one look may do for many.
    pub(super) fn take_accounts(&self, of: Lane, gathers: Gathers) -> Vec<Task> {
        if self.is_closed() {
            return Vec::new();
        }
        let now = Instant::now();
        let mut state = self.desk.state.lock();
        let waits = gathers.creations && state.creations_at(now).is_some_and(|at| now < at);
        let others = !waits && state.new_creations(now).next().is_some();
        let doubts_wait = state.doubts_at().is_some_and(|at| now < at);
        let mut number = 0;
        let mut taken = Vec::new();
        for (name, known) in &mut state.people {
            let Some(job) = known.jobs.get_mut(&IntentKey::Account) else {
                continue;
            };
            let together = gathers.creations && job.creates_account();
            let doubtful = job.is_in_doubt();
            let waits = (waits && job.is_new_creation(now))
                || (doubtful && doubts_wait)
                || (others && doubtful && job.may_still_come(now));
            if waits || (!together && number == ROUND) {
                continue;
            }
            if job.running.is_none() && job.due <= now && lane(&job.intent) == of {
                job.running = Some(of);
                number += usize::from(!together);
                let job = job.clone();
                taken.push(Task::new(name, known, &job));
            }
        }
        taken
    }

    /// Takes jobs of memberships that are due off the desk, by object and not more of one than `most` says; they are
    /// marked as running until an outcome is posted. For the lane of losses those of objects that lose somebody, and then
    /// also who is to be put there, since both travel together.
    pub(super) fn take_memberships(&self, of: Lane, most: impl Fn(&str) -> usize) -> BTreeMap<RemoteObject, Vec<Task>> {
        if self.is_closed() {
            return BTreeMap::new();
        }
        let mut state = self.desk.state.lock();
        let mut taken = BTreeMap::new();
        for (object, mut ready) in ready(&state, Instant::now()) {
            // Losses before all, and one that goes by itself before those that travel together.
            ready.sort_by_key(|ready| (ready.hold, !ready.alone));
            let loses = ready.first().is_some_and(|first| !first.hold);
            if of == Lane::Rest {
                ready.retain(|ready| ready.hold);
                if more_may_come(ready.iter().filter_map(|ready| ready.since), Instant::now()) {
                    continue;
                }
            } else if !loses {
                continue;
            }
            let alone = ready.first().is_some_and(|first| first.alone);
            let number = if alone { 1 } else { most(&object.kind).max(1) };
            let chosen = ready.into_iter().filter(|ready| ready.alone == alone).take(number);
            let mut tasks = Vec::new();
            for Ready { employee, key, .. } in chosen {
                let Some(known) = state.people.get_mut(&employee) else {
                    continue;
                };
                let Some(job) = known.jobs.get_mut(&key) else { continue };
                job.running = Some(of);
                let job = job.clone();
                tasks.push(Task::new(&employee, known, &job));
            }
            if !tasks.is_empty() {
                taken.insert(object, tasks);
            }
        }
        taken
    }

    /// Whether a job that was taken is still to be sent. One that the record no longer means is not.
    pub(super) fn still_meant(&self, task: &Task) -> bool {
        let mut state = self.desk.state.lock();
        let Some(known) = state.people.get_mut(&task.employee) else {
            return true;
        };
        let key = task.job.intent.key();
        if known.jobs.get(&key).is_none_or(|job| !job.superseded) {
            return true;
        }
        known.jobs.remove(&key);
        drop(state);
        // What the record means instead comes when it is looked at.
        self.context.employees.wake(&self.desk.namespace, &task.employee);
        false
    }

    /// Puts jobs back that a halt kept from being sent.
    pub(super) fn put_back(&self, of: Lane) {
        let mut state = self.desk.state.lock();
        let mut changed = Vec::new();
        for (name, known) in &mut state.people {
            let before = known.jobs.len();
            known.jobs.retain(|_, job| !(job.superseded && job.running == Some(of)));
            if known.jobs.len() < before {
                changed.push(name.clone());
            }
            let ours = known.jobs.values_mut().filter(|job| job.running == Some(of));
            ours.for_each(|job| job.running = None);
        }
        drop(state);
        for name in &changed {
            wake(&self.context, &self.desk.namespace, name);
        }
    }

    /// Changes what the desk keeps of a job that was taken.
    pub(super) fn note(&self, task: &Task, change: impl FnOnce(&mut Job)) {
        let mut state = self.desk.state.lock();
        let known = state.people.get_mut(&task.employee);
        if let Some(job) = known.and_then(|known| known.jobs.get_mut(&task.job.intent.key())) {
            change(job);
        }
    }

    /// Posts what came of a job, and wakes the person when nothing else is being done for them here.
    pub(super) fn post(&self, employee: &str, job: &Job, outcome: Outcome) {
        self.audit(employee, job, &outcome);
        let now = Instant::now();
        let mut state = self.desk.state.lock();
        let freed = matches!(outcome, Outcome::Done { .. }) && job.intent.is_loss();
        let Some(known) = state.people.get_mut(employee) else {
            return;
        };
        let waited = known.waits_for_seat();
        known.take_in(job, outcome, now);
        let seats = known.waits_for_seat() != waited;
        let done = !known.is_busy(now) && !known.outcomes.is_empty();
        let again = freed && state.seat_is_free(now);
        drop(state);
        if again {
            self.desk.news.notify_one();
        }
        if seats {
            self.context.targets.wake(&self.desk.namespace, &self.desk.target);
        }
        if done {
            self.finished([&employee.to_owned()]);
        }
    }
}

impl PersonDesk {
    /// Takes in what came of a job.
    fn take_in(&mut self, job: &Job, outcome: Outcome, now: Instant) {
        if let (Intent::Account { .. }, Outcome::Done { account_id, .. }) = (&job.intent, &outcome) {
            let usable = !job.intent.is_loss() && !account_id.is_empty();
            self.account_id = usable.then(|| account_id.clone());
            self.usable_since = usable.then_some(now);
            self.sight = AccountSight::Unseen;
        }
        let key = job.intent.key();
        let news = match &outcome {
            Outcome::Done { .. } | Outcome::Unknown(_) => {
                self.jobs.remove(&key);
                true
            }
            Outcome::Retrying(_) | Outcome::Refused(_) | Outcome::NoSeat(_) => {
                let superseded = self.jobs.get(&key).is_some_and(|kept| kept.superseded);
                if superseded {
                    self.jobs.remove(&key);
                }
                self.jobs.get_mut(&key).is_none_or(|kept| {
                    kept.running = None;
                    kept.due = now + pause(kept, &outcome);
                    if let Some(settled) = kept.settled.filter(|settled| *settled > now) {
                        // One look soon, and one when it can no longer come: those in between would tell no more. What is
                        // to be taken does not wait for that.
                        kept.due = if kept.tries == 0 || kept.intent.is_loss() {
                            kept.due.min(settled)
                        } else {
                            settled
                        };
                    }
                    kept.tries += 1;
                    let news = kept.said.as_ref() != Some(&outcome);
                    kept.said = Some(outcome.clone());
                    news
                })
            }
        };
        if news {
            self.outcomes.push((job.intent.clone(), outcome));
        }
    }
}

/// How long a job waits after what came of it. I2: a refusal may pass, as one that an API sends with status 200 while it is
/// being mended, and whoever left must not keep for ten minutes what a second request would have taken.
fn pause(job: &Job, outcome: &Outcome) -> Duration {
    let takes = job.intent.is_loss() || job.note.updates;
    match outcome {
        Outcome::NoSeat(_) if !takes => REFUSED_AGAIN,
        Outcome::Refused(_) if !takes => (REFUSED_SOON * (1 << job.tries.min(6))).min(REFUSED_AGAIN),
        _ => backoff(job.tries),
    }
}

impl DeskState {
    /// When the look-ups came in that are due and were not tried yet.
    pub(super) fn new_look_ups(&self, now: Instant) -> impl Iterator<Item = Instant> + Clone {
        let new = self.people.values().filter(|known| known.look_up_tries == 0);
        new.filter_map(|known| known.look_up).filter(move |due| *due <= now)
    }

    /// When the creations of accounts came in that are due and were not tried yet.
    fn new_creations(&self, now: Instant) -> impl Iterator<Item = Instant> + Clone {
        let jobs = self.people.values().flat_map(|known| known.jobs.values());
        jobs.filter(move |job| job.is_new_creation(now)).map(|job| job.since)
    }

    /// When new creations are sent together: once none came for a moment, and none is expected of those who were just
    /// looked up and have no account; no later than the first of them can wait.
    fn creations_at(&self, now: Instant) -> Option<Instant> {
        let first = self.new_creations(now).min()?;
        let expected = self
            .people
            .values()
            .filter(|known| known.sight == AccountSight::Absent && !known.jobs.contains_key(&IntentKey::Account));
        let expected = expected.filter_map(|known| known.looked_up).max().map(|at| at + LINGER);
        let calm = calm(self.new_creations(now))?;
        Some(expected.map_or(calm, |expected| calm.max(expected)).min(first + LINGER))
    }

    /// When accounts that may have been made are looked for: all that are due about the same time at once.
    fn doubts_at(&self) -> Option<Instant> {
        let jobs = self.people.values().flat_map(|known| known.jobs.values());
        let dues = jobs.filter(|job| job.is_in_doubt()).map(|job| job.due);
        let first = dues.clone().min()?;
        let last = dues.filter(|due| *due <= first + DOUBTS_WAIT).max();
        Some(last.unwrap_or(first) + CALM)
    }

    /// Something was given back: who waits for a seat may have it. Returns whether anybody does.
    fn seat_is_free(&mut self, now: Instant) -> bool {
        let jobs = self.people.values_mut().flat_map(|known| known.jobs.values_mut());
        let mut any = false;
        for job in jobs.filter(|job| matches!(job.said, Some(Outcome::NoSeat(_))) && job.running.is_none()) {
            job.due = now;
            any = true;
        }
        any
    }
}

/// A membership that is due.
struct Ready {
    employee: String,
    key: IntentKey,
    hold: bool,
    alone: bool,
    /// When it came in, where it was not tried yet.
    since: Option<Instant>,
}

/// When a new grant is sent if none comes after it.
fn calm_at(job: &Job) -> Option<Instant> {
    let new = job.tries == 0 && matches!(job.intent, Intent::Membership { hold: true, .. });
    new.then(|| job.since + CALM)
}

/// When what came in at these times is sent together: once none came for a moment, and no later than the first of them
/// can wait. `None` where nothing did.
fn calm(since: impl Iterator<Item = Instant> + Clone) -> Option<Instant> {
    let (first, last) = (since.clone().min()?, since.max()?);
    Some((last + CALM).min(first + LINGER))
}

/// Whether what came in at these times waits for more.
pub(super) fn more_may_come(since: impl Iterator<Item = Instant> + Clone, now: Instant) -> bool {
    calm(since).is_some_and(|calm| now < calm)
}

fn ready(state: &DeskState, now: Instant) -> BTreeMap<RemoteObject, Vec<Ready>> {
    let mut ready: BTreeMap<RemoteObject, Vec<Ready>> = BTreeMap::new();
    for (name, known) in &state.people {
        for (intent_key, job) in &known.jobs {
            let Intent::Membership { key, hold, .. } = &job.intent else {
                continue;
            };
            if job.running.is_none() && job.due <= now && known.can_begin(job) {
                ready.entry(key.object.clone()).or_default().push(Ready {
                    employee: name.clone(),
                    key: intent_key.clone(),
                    hold: *hold,
                    alone: job.alone,
                    since: (job.tries == 0).then_some(job.since),
                });
            }
        }
    }
    ready
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::desk::Note;
    use crate::decide::effect::RemoteKey;

    fn job(intent: Intent, now: Instant) -> Job {
        Job {
            running: Some(Lane::Rest),
            ..Job::new(intent, Note::default(), now)
        }
    }

    fn grant(account_id: &str) -> Intent {
        Intent::Membership {
            key: RemoteKey::default(),
            account_id: account_id.to_owned(),
            hold: true,
            grant_id: String::new(),
            parameters: BTreeMap::new(),
            operation_id: String::new(),
        }
    }

    fn creation() -> Intent {
        Intent::Account {
            target: String::new(),
            id: String::new(),
            action: AccountAction::Create,
            sought: String::new(),
            operation_id: String::new(),
        }
    }

    fn desk(intents: impl IntoIterator<Item = Intent>, now: Instant) -> PersonDesk {
        let jobs = intents.into_iter().map(|intent| (intent.key(), job(intent, now)));
        PersonDesk {
            jobs: jobs.collect(),
            ..PersonDesk::default()
        }
    }

    #[test]
    fn grants_of_one_object_wait_for_each_other_but_not_for_long() {
        let start = Instant::now();
        let came = |millis: &[u64]| {
            let times: Vec<_> = millis
                .iter()
                .map(|millis| start + Duration::from_millis(*millis))
                .collect();
            times.into_iter()
        };
        let at = |millis| start + Duration::from_millis(millis);
        assert!(more_may_come(came(&[0, 100]), at(399)));
        assert!(!more_may_come(came(&[0, 100]), at(400)));
        // Who came first does not wait for an inflow without end.
        assert!(!more_may_come(came(&[0, 4_999]), start + LINGER));
        // What was tried before waits for nobody.
        assert!(!more_may_come(came(&[]), start));
    }

    /// Without a free seat it waits ten minutes, and not a moment longer once one is given back.
    #[test]
    fn who_has_no_seat_is_served_when_one_is_given_back() {
        let now = Instant::now();
        let mut known = desk([grant("ada")], now);
        let job = job(grant("ada"), now);
        known.take_in(&job, Outcome::NoSeat("all are taken".to_owned()), now);
        let due = |known: &PersonDesk| known.jobs[&job.intent.key()].due;
        assert!(known.waits_for_seat() && due(&known) == now + REFUSED_AGAIN);
        let mut state = DeskState::default();
        state.people.insert("ada".to_owned(), known);
        assert_eq!(state.waiting_for_seats(), 1);
        let later = now + Duration::from_secs(9);
        assert!(state.seat_is_free(later));
        assert_eq!(due(&state.people["ada"]), later);
        if let Some(known) = state.people.get_mut("ada") {
            known.take_in(&job, Outcome::done("ada", None), later);
        }
        assert_eq!((state.waiting_for_seats(), state.seat_is_free(later)), (0, false));
    }

    /// I2: what is to be taken is asked for again within seconds, however it was refused, and for ever; what is to be given
    /// may wait for whoever mends it.
    #[test]
    fn a_refused_loss_is_asked_for_again_soon_and_a_refused_grant_ever_more_rarely() {
        let mut revocation = grant("ada");
        if let Intent::Membership { hold, .. } = &mut revocation {
            *hold = false;
        }
        let pauses = |intent: Intent, updates: bool| -> Vec<u64> {
            let now = Instant::now();
            let mut known = desk([intent.clone()], now);
            let mut pauses = Vec::new();
            for _ in 0..12 {
                let job = known.jobs.values_mut().next().map(|job| {
                    job.note.updates = updates;
                    job.clone()
                });
                known.take_in(&job.unwrap_or_else(|| self::job(intent.clone(), now)), refused(), now);
                pauses.extend(known.jobs.values().map(|job| (job.due - now).as_secs()));
            }
            pauses
        };
        let soon = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
        assert_eq!(pauses(revocation, false), soon);
        // A parameter that is set lower is a loss too.
        assert_eq!(pauses(grant("ada"), true), soon);
        let rarely = [15, 30, 60, 120, 240, 480, 600, 600, 600, 600, 600, 600];
        assert_eq!(pauses(grant("ada"), false), rarely);
        assert_eq!(pauses(creation(), false), rarely);
    }

    fn refused() -> Outcome {
        Outcome::Refused("200, and says in the body that it failed".to_owned())
    }

    /// One request makes many: it waits for those who were found to have no account, and not for long.
    #[test]
    fn creations_wait_for_those_who_are_about_to_be_made_too() {
        let start = Instant::now();
        let mut state = DeskState::default();
        let mut ada = desk([creation()], start);
        ada.jobs.values_mut().for_each(|job| job.running = None);
        state.people.insert("ada".to_owned(), ada);
        assert_eq!(state.creations_at(start), Some(start + CALM));
        let bob = PersonDesk {
            sight: AccountSight::Absent,
            looked_up: Some(start),
            ..PersonDesk::default()
        };
        state.people.insert("bob".to_owned(), bob);
        assert_eq!(state.creations_at(start), Some(start + LINGER));
        let later = start + Duration::from_secs(1);
        let mut bob = desk([creation()], later);
        bob.jobs.values_mut().for_each(|job| job.running = None);
        state.people.insert("bob".to_owned(), bob);
        assert_eq!(state.creations_at(later), Some(later + CALM));
        // What was tried before waits for nobody.
        let jobs = state.people.values_mut().flat_map(|known| known.jobs.values_mut());
        jobs.for_each(|job| job.tries = 1);
        assert_eq!(state.creations_at(later), None);
    }

    /// One look does for many: those that are due about the same time wait for each other, and no longer.
    #[test]
    fn accounts_in_doubt_are_looked_for_together() {
        let start = Instant::now();
        let mut state = DeskState::default();
        assert_eq!(state.doubts_at(), None);
        for (name, due) in [("ada", 0), ("bob", 9), ("eve", 40)] {
            let mut known = desk([creation()], start);
            for job in known.jobs.values_mut() {
                (job.running, job.attempted) = (None, Some(start));
                job.due = start + Duration::from_secs(due);
            }
            state.people.insert(name.to_owned(), known);
        }
        assert_eq!(state.doubts_at(), Some(start + Duration::from_secs(9) + CALM));
        state.people.remove("ada");
        state.people.remove("bob");
        assert_eq!(state.doubts_at(), Some(start + Duration::from_secs(40) + CALM));
    }

    /// A person is told of an account that is refused, though the grants that wait for it are due.
    #[test]
    fn a_grant_that_waits_for_its_account_keeps_nobody_waiting() {
        let now = Instant::now();
        let mut known = desk([creation(), grant("")], now);
        known.jobs.values_mut().for_each(|job| job.running = None);
        assert!(known.is_busy(now));
        known.take_in(&job(creation(), now), Outcome::Refused("400".to_owned()), now);
        assert!(!known.is_busy(now) && known.outcomes.len() == 1);
        known.take_in(&job(creation(), now), Outcome::done("ada", None), now);
        assert!(known.is_busy(now), "the grant can begin");
    }

    /// I4: one that may still come is looked for again when it no longer can, whatever the pauses between tries.
    #[test]
    fn a_creation_of_which_nobody_heard_is_looked_for_when_it_can_no_longer_come() {
        let now = Instant::now();
        let mut known = desk([creation()], now);
        let settled = now + Duration::from_secs(35);
        if let Some(job) = known.jobs.get_mut(&IntentKey::Account) {
            (job.tries, job.settled) = (8, Some(settled));
        }
        known.take_in(&job(creation(), now), Outcome::Retrying("504".to_owned()), now);
        assert_eq!(known.jobs[&IntentKey::Account].due, settled);
    }
}
