//! Everybody at once: what the policies do in figures, and what every target would lose and gain.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::deletions::deletions;
use super::effect::{RemoteKey, short_digest};
use super::gains::{gains, is_about_gain, is_gain};
use super::guard::{
    Case, Docket, Judgement, Keeper, Known, Member, Memory, NAMESPACE_WINDOW, Spent, Terms, What, judge,
    label_of_change, window,
};
use super::index::{Entry, Namespace, Person};
use super::losses::losses;
use super::record::waits;
use super::resolve::{Resolution, resolve, would};
use super::unmanaged::strays;
use crate::api::ChangeSet;
use crate::api::employee::{
    AccountRecord, AccountState, Cause, Counts, EntitlementRecord, GrantState, Origin, Phase, Release,
};
use crate::api::policy::{Mode, PlanReport};

/// The most names that a plan shows.
const NAMES_MAX: usize = 20;

/// A namespace in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// By policy.
    pub policies: BTreeMap<String, PolicyTally>,
    /// By entitlement, from the records that name it.
    pub entitlements: BTreeMap<String, Counts>,
    /// By target.
    pub targets: BTreeMap<String, TargetTally>,
    /// People who lost something anywhere within the namespace's window, on the budget.
    pub spent: Spent,
    /// By name of the `ChangeSet`: its members, as far as records name it.
    pub members: BTreeMap<String, BTreeSet<Member>>,
    /// People by connection and phase.
    pub phases: BTreeMap<(String, Phase), u32>,
}

/// A policy in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyTally {
    /// The generation that everybody was judged by.
    pub generation: Option<i64>,
    /// People it matches, in a phase in which it gives access.
    pub matched: u32,
    /// Its grants.
    pub grants: Counts,
    /// In Plan mode: what `Enforce` would do.
    pub plan: Option<PlanReport>,
    /// Policies that contradict it.
    pub at_odds_with: BTreeSet<String>,
    /// Why nothing can be decided about it, for at least one person.
    pub undecided: Option<String>,
}

/// A target in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetTally {
    /// Accounts that are ours and there.
    pub accounts: u32,
    /// Its losses, and what the guard counts.
    pub docket: Docket,
    /// Account ids that our records explain, by remote object.
    pub explained: BTreeMap<RemoteKey, BTreeSet<String>>,
}

/// Looks at everybody of a namespace.
pub fn survey(namespace: &Namespace, now: Timestamp) -> Survey {
    survey_with(namespace, now, &mut |_, _| {})
}

/// Looks at everybody of a namespace, and shows `visit` each person and what they should have.
pub fn survey_with(namespace: &Namespace, now: Timestamp, visit: &mut dyn FnMut(&Person, &Resolution)) -> Survey {
    let mut survey = Survey::default();
    for (name, policy) in &namespace.policies {
        let generation = policy.readable().and_then(|policy| policy.metadata.generation);
        survey.policies.insert(
            name.clone(),
            PolicyTally {
                generation,
                ..PolicyTally::default()
            },
        );
    }
    let planned: Vec<&String> = namespace
        .policies
        .iter()
        .filter(|(_, entry)| entry.readable().is_some_and(|policy| policy.spec.mode == Mode::Plan))
        .map(|(name, _)| name)
        .collect();
    let mut plans: BTreeMap<&String, Plan> = planned.iter().map(|name| (*name, Plan::default())).collect();

    for person in namespace.employees.values() {
        let resolution = resolve(namespace, person, now);
        count_person(&mut survey, namespace, person, &resolution, now);
        visit(person, &resolution);
        for (name, plan) in &mut plans {
            let delta = would(namespace, person, name, now);
            plan.grants.extend(
                delta
                    .grants
                    .into_iter()
                    .map(|change| (person.name.clone(), change.entitlement)),
            );
            plan.revokes.extend(
                delta
                    .revokes
                    .into_iter()
                    .map(|change| (person.name.clone(), change.entitlement)),
            );
        }
    }
    for stray in strays(namespace, now) {
        stray.put_in(&mut survey);
    }
    for (name, plan) in plans {
        if let Some(tally) = survey.policies.get_mut(name) {
            tally.plan = Some(plan.report());
        }
    }
    survey
}

/// What decides over everybody as far as people edit it: policies, entitlements and exceptions. It differs after every
/// edit.
pub fn edition(namespace: &Namespace) -> String {
    fn parts<K: kube::Resource>(kind: &str, entries: &BTreeMap<String, Entry<K>>) -> Vec<String> {
        let part = |(name, entry): (&String, &Entry<K>)| match entry {
            Entry::Readable(object) => {
                let metadata = object.meta();
                let (uid, deleted) = (&metadata.uid, &metadata.deletion_timestamp);
                format!("{kind} {name} {:?} {uid:?} {deleted:?}", metadata.generation)
            }
            Entry::Broken { generation, .. } => format!("{kind} {name} broken {generation:?}"),
        };
        entries.iter().map(part).collect()
    }
    let all = [
        parts("policy", &namespace.policies),
        parts("entitlement", &namespace.entitlements),
        parts("exception", &namespace.exceptions),
    ];
    short_digest(all.iter().flatten().map(String::as_str))
}

/// Judges everything that a namespace calls for. `memory` is what was judged before and is not on record yet; it is
/// brought up to date.
pub fn judge_all(namespace: &Namespace, survey: &Survey, terms: &Terms, memory: &mut Memory) -> Judgement {
    let guard = |name: &String| {
        namespace
            .targets
            .get(name)
            .and_then(Entry::readable)
            .map(|target| &target.spec.guard)
    };
    let known = |entry: &Entry<ChangeSet>| match entry {
        Entry::Readable(set) => Known::from(set.as_ref()),
        Entry::Broken { .. } => Known {
            broken: true,
            ..Known::default()
        },
    };
    let version = |keeper: Keeper<'_>| match keeper {
        Keeper::Employee(name) => {
            let person = namespace.employees.get(name);
            person.map(|person| person.resource_version.as_str())
        }
        Keeper::Entitlement(name) => {
            let entitlement = namespace.entitlements.get(name).and_then(Entry::readable);
            entitlement.and_then(|entitlement| entitlement.metadata.resource_version.as_deref())
        }
    };
    let case = Case {
        targets: survey
            .targets
            .iter()
            .map(|(name, tally)| (name.as_str(), (&tally.docket, guard(name))))
            .collect(),
        spent: &survey.spent,
        members: &survey.members,
        sets: namespace
            .change_sets
            .iter()
            .map(|(name, entry)| (name.as_str(), known(entry)))
            .collect(),
        version: &version,
    };
    judge(&case, terms, memory)
}

fn count_person(survey: &mut Survey, namespace: &Namespace, person: &Person, resolution: &Resolution, now: Timestamp) {
    if let Some(connection) = &person.spec.connection_ref {
        *survey
            .phases
            .entry((connection.name.clone(), resolution.phase))
            .or_default() += 1;
    }
    for name in &resolution.matched {
        if let Some(tally) = survey.policies.get_mut(name) {
            tally.matched += 1;
        }
    }
    for (name, why) in resolution.undecided_grantors.iter().chain(&resolution.unclear_denials) {
        if let Some(tally) = survey.policies.get_mut(name) {
            tally.undecided.get_or_insert_with(|| why.clone());
        }
    }
    for conflict in &resolution.conflicts {
        for name in &conflict.policies {
            if let Some(tally) = survey.policies.get_mut(name) {
                tally
                    .at_odds_with
                    .extend(conflict.policies.iter().filter(|other| *other != name).cloned());
            }
        }
    }
    for record in &person.status.entitlements {
        survey
            .entitlements
            .entry(record.entitlement.clone())
            .or_default()
            .add(record.state);
        for grantor in &record.grantors {
            if let Some(tally) = survey.policies.get_mut(grantor) {
                tally.grants.add(record.state);
            }
        }
        count_grant(survey, namespace, person, record, now);
    }
    for record in &person.status.accounts {
        count_account(survey, namespace, person, record, now);
    }
    for loss in losses(namespace, person, resolution) {
        // An evidenced exit goes at once; the deletions that it brings do not.
        if loss.cause != Cause::Termination {
            survey.docket(&loss.id.target).losses.push(loss);
        }
    }
    for loss in deletions(namespace, person, resolution, now) {
        survey.docket(&loss.id.target).losses.push(loss);
    }
    for gain in gains(namespace, person, resolution) {
        survey.docket(&gain.id.key.target).gains.push(gain);
    }
}

impl Survey {
    fn docket(&mut self, target: &str) -> &mut Docket {
        &mut self.targets.entry(target.to_owned()).or_default().docket
    }

    /// Says that a record names a `ChangeSet`.
    fn has_member(&mut self, change_set: &str, member: Member) {
        if !change_set.is_empty() {
            self.members.entry(change_set.to_owned()).or_default().insert(member);
        }
    }

    /// Counts what was let go on the budget, where it is within the windows. Without a cause, for every cause.
    fn spend(&mut self, namespace: &Namespace, person: &Person, target: &str, spending: &Spending, now: Timestamp) {
        let (Some(Release::Budget), Some(at)) = (spending.release, spending.at) else {
            return;
        };
        if at.duration_until(now) < target_window(namespace, target) {
            self.docket(target).spent.add(spending.cause, &person.name);
        }
        if at.duration_until(now) < NAMESPACE_WINDOW {
            self.spent.add(spending.cause, &person.name);
        }
    }
}

/// What a record says of something that was let go.
struct Spending {
    release: Option<Release>,
    at: Option<Timestamp>,
    cause: Option<Cause>,
}

/// The window over which a target counts; the namespace's, where the target does not say.
pub(super) fn target_window(namespace: &Namespace, target: &str) -> SignedDuration {
    let target = namespace.targets.get(target).and_then(Entry::readable);
    target.map_or(NAMESPACE_WINDOW, |target| window(&target.spec.guard))
}

/// Counts a record into its target, the budgets and the `ChangeSet`s.
pub(super) fn count_grant(
    survey: &mut Survey,
    namespace: &Namespace,
    person: &Person,
    record: &EntitlementRecord,
    now: Timestamp,
) {
    let tally = survey.targets.entry(record.target.clone()).or_default();
    if record.state.may_be_held() {
        tally.docket.holders.insert(person.name.clone());
        tally
            .explained
            .entry(RemoteKey::of(record))
            .or_default()
            .insert(record.account_id.clone());
    }
    let since = record.granted_at.as_ref().map_or(now, |at| at.0);
    let recent =
        record.state == GrantState::Granting || since.duration_until(now) < target_window(namespace, &record.target);
    if is_gain(record) && recent && record.origin == Origin::Operator {
        tally.docket.gained.insert(person.name.clone());
    }
    let waits = waits(&record.change_set, &record.approval);
    let spending = Spending {
        release: record.release,
        at: record.released_at.as_ref().map(|at| at.0),
        // While another loss of the same thing waits, the record says why that is.
        cause: record.cause.filter(|_| !waits),
    };
    survey.spend(namespace, person, &record.target, &spending, now);
    let label = label_of_change(&record.entitlement, &record.parameter_change);
    let (what, label) = if !record.parameter_change.is_empty() {
        (What::Parameters, label.as_str())
    } else if is_about_gain(record) {
        (What::Grant, record.entitlement.as_str())
    } else {
        (What::Entitlement, record.entitlement.as_str())
    };
    let member = Member::new(&person.name, &record.target, what, label);
    survey.has_member(&record.change_set, member);
}

/// Counts an account into its target, the budgets and the `ChangeSet`s.
pub(super) fn count_account(
    survey: &mut Survey,
    namespace: &Namespace,
    person: &Person,
    record: &AccountRecord,
    now: Timestamp,
) {
    let tally = survey.targets.entry(record.target.clone()).or_default();
    if is_there(record) {
        tally.accounts += 1;
    }
    let waits = waits(&record.change_set, &record.approval);
    let spending = Spending {
        release: record.release,
        at: record.released_at.as_ref().map(|at| at.0),
        cause: record.cause.filter(|_| !waits),
    };
    survey.spend(namespace, person, &record.target, &spending, now);
    let member = |what| Member::new(&person.name, &record.target, what, "");
    survey.has_member(&record.change_set, member(What::Account));
    if let Some(deletion) = &record.deletion {
        let spending = Spending {
            release: deletion.release,
            at: deletion.released_at.as_ref().map(|at| at.0),
            cause: Some(deletion.cause),
        };
        survey.spend(namespace, person, &record.target, &spending, now);
        survey.has_member(&deletion.change_set, member(What::Deletion));
    }
}

/// Whether an account is ours and there.
pub(super) fn is_there(record: &AccountRecord) -> bool {
    !matches!(
        record.state,
        AccountState::Pending | AccountState::Creating | AccountState::NoSeat | AccountState::Deleted
    )
}

/// What a policy in Plan mode would do: person, and entitlement by name.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub grants: BTreeSet<(String, String)>,
    pub revokes: BTreeSet<(String, String)>,
}

impl Plan {
    pub(super) fn report(&self) -> PlanReport {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let lines = |set: &BTreeSet<(String, String)>, sign: char| {
            set.iter()
                .map(|(person, what)| format!("{person}: {sign}{what}"))
                .collect::<Vec<_>>()
        };
        // Losses first: they are what a reader must not miss.
        let all = [lines(&self.revokes, '-'), lines(&self.grants, '+')].concat();
        PlanReport {
            would_grant: count(self.grants.len()),
            would_revoke: count(self.revokes.len()),
            digest: short_digest(all.iter().map(String::as_str)),
            names: all.into_iter().take(NAMES_MAX).collect(),
        }
    }
}
