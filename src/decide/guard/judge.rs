//! The judgement of one namespace.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::budget::{Line, Spent, budget, namespace_budget};
use super::members::{Member, Opening, count, digest, name_of};
use super::memory::{ChangeId, Item, Memory};
use super::{Admission, Docket, Judgement, Keeper, Lost, Verdict};
use crate::api::change_set::{ChangeSet, ChangeSetState, Decision};
use crate::api::conditions::clip;
use crate::api::employee::{Cause, Release};
use crate::api::target::{Budget, Guard, HeldReport};

/// The most `ChangeSet`s that a target's status names.
const NAMES_MAX: usize = 64;
/// The longest part of a decision's reason that a record repeats, in bytes.
const REASON_MAX: usize = 120;

/// What is judged: the changes of a namespace, what was spent, and what people decided.
pub struct Case<'a> {
    /// By target: what is known of its changes, and its guard. Without the target's own words there is no guard, and
    /// nothing more goes there.
    pub targets: BTreeMap<&'a str, (&'a Docket, Option<&'a Guard>)>,
    /// People who lost something anywhere within the namespace's window, on the budget.
    pub spent: &'a Spent,
    /// By name of the `ChangeSet`: its members, as far as records name it.
    pub members: &'a BTreeMap<String, BTreeSet<Member>>,
    /// The `ChangeSet`s that are there, by name.
    pub sets: BTreeMap<&'a str, Known>,
    /// The version of an object, or `None` once it is gone.
    pub version: &'a dyn Fn(Keeper<'_>) -> Option<&'a str>,
}

/// How and when a namespace is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// How many people may lose something anywhere in the namespace within 24 hours, for each cause.
    pub limits: Budget,
    /// Whether the edits of policies have settled. Until then their losses are not judged.
    pub settled: bool,
    /// The present.
    pub now: Timestamp,
}

/// What is known of a `ChangeSet` that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its digest; `None` before its status was written, or where it cannot be read.
    pub digest: Option<String>,
    /// Why its changes were called for.
    pub line: Option<Line>,
    /// Its members as lines, where all of them are shown; empty otherwise.
    pub shown: BTreeSet<String>,
    /// What was decided, on exactly its digest.
    pub decision: Option<Decision>,
    /// Why it was decided so.
    pub reason: String,
    /// Whether nothing of it waits any more.
    pub done: bool,
    /// Whether it cannot be read.
    pub broken: bool,
}

impl From<&ChangeSet> for Known {
    fn from(set: &ChangeSet) -> Self {
        let status = set.status.clone().unwrap_or_default();
        let digest = Some(status.digest).filter(|digest| !digest.is_empty());
        // The CRD's own rule says so too; nothing is let go on another digest.
        let on_this = digest.is_some() && set.spec.digest == digest;
        let all_shown = status.sample.len() == status.changes as usize;
        Self {
            shown: status.sample.into_iter().filter(|_| all_shown).collect(),
            line: status.cause.parse().ok(),
            decision: set.spec.decision.filter(|_| on_this),
            reason: set.spec.reason.clone().unwrap_or_default(),
            done: status.state == ChangeSetState::Done,
            broken: false,
            digest,
        }
    }
}

/// Judges the changes of a namespace. `memory` is what was judged before and is not on record yet; it is brought up to
/// date.
pub fn judge(case: &Case<'_>, terms: &Terms, memory: &mut Memory) -> Judgement {
    let mut items = items(case);
    let line_of = |name: &str| case.sets.get(name).and_then(|known| known.line);
    memory.keep_up(&mut items, &line_of, case.version, terms.now);
    memory.closed.retain(|name| case.sets.contains_key(name.as_str()));
    rejoin(case, &mut items, memory);
    open(case, terms, &mut items, memory);

    let mut judgement = Judgement::default();
    for item in &items {
        rule(case, terms, item, memory, &mut judgement);
    }
    keep_accounts_in_use(&mut judgement, memory);
    tally(case, &items, memory, &mut judgement);
    let on_its_way = |item: &Item| {
        let loss = match &item.id {
            ChangeId::Loss(id) => id,
            ChangeId::Gain(_) => return false,
        };
        item.line == Line::Losses(Cause::PolicyChange)
            && judgement
                .verdicts
                .get(loss)
                .is_some_and(|verdict| *verdict != Verdict::Wait)
            && !is_recorded(case, item)
    };
    judgement.enforced = terms.settled && !items.iter().any(on_its_way);
    judgement
}

fn items(case: &Case<'_>) -> Vec<Item> {
    let dockets = case.targets.values().map(|(docket, _)| docket);
    let mut items = Vec::new();
    for docket in dockets {
        items.extend(docket.losses.iter().map(|loss| Item {
            id: ChangeId::Loss(loss.id.clone()),
            member: Member::of_loss(loss),
            line: Line::Losses(loss.cause),
            home: loss.change_set.clone(),
        }));
        items.extend(docket.gains.iter().map(|gain| Item {
            id: ChangeId::Gain(gain.id.clone()),
            member: Member::of_gain(gain),
            line: Line::Grants,
            home: gain.change_set.clone(),
        }));
    }
    items
}

/// Whether the record of a person says that this change waits.
fn is_recorded(case: &Case<'_>, item: &Item) -> bool {
    case.members
        .get(&item.home)
        .is_some_and(|members| members.contains(&item.member))
}

/// Puts newcomers back into the `ChangeSet` that they were shown in, where only the records of some members say so: as
/// after a crash between making it and recording the last of them.
fn rejoin(case: &Case<'_>, items: &mut [Item], memory: &mut Memory) {
    let none = BTreeSet::new();
    for (name, known) in &case.sets {
        let (Some(shown), Some(line)) = (&known.digest, known.line) else {
            continue;
        };
        if known.done || memory.closed.contains(*name) {
            continue;
        }
        let newcomers = |item: &&mut Item| {
            let shown = known.shown.is_empty() || known.shown.contains(&item.member.line());
            item.home.is_empty() && item.line == line && shown && !memory.is_issued(item)
        };
        let mut newcomers: Vec<&mut Item> = items.iter_mut().filter(newcomers).collect();
        let recorded = case.members.get(*name).unwrap_or(&none);
        let all = recorded.iter().chain(newcomers.iter().map(|item| &item.member));
        if newcomers.is_empty() || digest(all) != *shown {
            continue;
        }
        for item in &mut newcomers {
            memory.join(item, name);
            (*name).clone_into(&mut item.home);
        }
    }
}

/// Opens a `ChangeSet` for each cause whose newcomers would exceed a budget, and puts them into it.
fn open(case: &Case<'_>, terms: &Terms, items: &mut [Item], memory: &mut Memory) {
    let mut by_line: BTreeMap<Line, Vec<&mut Item>> = BTreeMap::new();
    for item in items {
        let waits = item.is_of_an_edit() && !terms.settled;
        if item.home.is_empty() && !waits && guard_of(case, item).is_some() && !memory.is_issued(item) {
            by_line.entry(item.line).or_default().push(item);
        }
    }
    for (line, mut newcomers) in by_line {
        let why = {
            let newcomers: Vec<&Item> = newcomers.iter().map(|item| &**item).collect();
            exceeded(case, terms, memory, line, &newcomers)
        };
        newcomers.retain(|item| why.whole.is_some() || why.targets.contains_key(&item.member.target));
        if newcomers.is_empty() {
            continue;
        }
        let members: BTreeSet<Member> = newcomers.iter().map(|item| item.member.clone()).collect();
        let name = free_name(case, memory, &digest(&members));
        for item in &mut newcomers {
            memory.join(item, &name);
            item.home.clone_from(&name);
        }
        let sentences: Vec<String> = why.whole.into_iter().chain(why.targets.into_values()).collect();
        let opening = Opening {
            name: name.clone(),
            line,
            why: sentences.join(" "),
            members,
        };
        memory.opened.insert(name, opening);
    }
}

fn guard_of<'a>(case: &Case<'a>, item: &Item) -> Option<&'a Guard> {
    case.targets
        .get(item.member.target.as_str())
        .and_then(|(_, guard)| *guard)
}

/// Which budgets newcomers would exceed, each with a sentence.
#[derive(Default)]
struct Exceeded {
    targets: BTreeMap<String, String>,
    whole: Option<String>,
}

fn exceeded(case: &Case<'_>, terms: &Terms, memory: &Memory, line: Line, newcomers: &[&Item]) -> Exceeded {
    let mut exceeded = Exceeded::default();
    for (target, (docket, guard)) in &case.targets {
        let Some(budget) = guard.and_then(|guard| budget(guard, line, docket.holders.len())) else {
            continue;
        };
        let here = newcomers.iter().filter(|item| item.member.target == **target);
        let new: BTreeSet<&str> = here.map(|item| item.member.employee.as_str()).collect();
        let spent: Box<dyn Iterator<Item = &str>> = match line {
            Line::Losses(cause) => Box::new(docket.spent.people(cause)),
            Line::Grants => Box::new(docket.gained.iter().map(String::as_str)),
        };
        let mut people: BTreeSet<&str> = spent.chain(memory.issued_people(line, Some(target))).collect();
        people.extend(&new);
        if !new.is_empty() && people.len() > budget {
            let verb = if line == Line::Grants { "gain" } else { "lose" };
            let sentence = format!(
                "{} people would {verb} something at {target} within its window, {} of them now, and its budget for {line} \
                 is {budget}.",
                people.len(),
                new.len()
            );
            exceeded.targets.insert((*target).to_owned(), sentence);
        }
    }
    let Line::Losses(cause) = line else {
        return exceeded;
    };
    let holders: BTreeSet<&String> = case.targets.values().flat_map(|(docket, _)| &docket.holders).collect();
    let mut people: BTreeSet<&str> = case
        .spent
        .people(cause)
        .chain(memory.issued_people(line, None))
        .collect();
    let rest = newcomers
        .iter()
        .filter(|item| !exceeded.targets.contains_key(&item.member.target));
    let rest: BTreeSet<&str> = rest.map(|item| item.member.employee.as_str()).collect();
    people.extend(&rest);
    if let Some(budget) = namespace_budget(&terms.limits, line, holders.len())
        && !rest.is_empty()
        && people.len() > budget
    {
        exceeded.whole = Some(format!(
            "{} people would lose something in this namespace within 24 h, and its budget for {line} is {budget}.",
            people.len()
        ));
    }
    exceeded
}

/// The name after the digest, or that name with a number where an earlier `ChangeSet` over the same changes has it: what
/// was decided then says nothing of now.
fn free_name(case: &Case<'_>, memory: &Memory, digest: &str) -> String {
    let base = name_of(digest);
    let is_free = |name: &String| {
        let empty = |known: &Known| known.digest.is_none() && known.decision.is_none() && !known.broken;
        case.sets.get(name.as_str()).is_none_or(empty)
            && !case.members.contains_key(name)
            && !memory.opened.contains_key(name)
    };
    let numbered = (2_u32..).map(|number| format!("{base}-{number}"));
    let mut names = std::iter::once(base.clone()).chain(numbered);
    names.find(is_free).unwrap_or(base)
}

fn rule(case: &Case<'_>, terms: &Terms, item: &Item, memory: &mut Memory, judgement: &mut Judgement) {
    let cause = match item.line {
        Line::Losses(cause) => cause,
        Line::Grants => Cause::Manual,
    };
    let known = case.sets.get(item.home.as_str());
    let decision = known.and_then(|known| known.decision);
    let approval = known.and_then(|known| known.digest.clone()).unwrap_or_default();
    let has_guard = guard_of(case, item).is_some();
    let waits = item.is_of_an_edit() && !terms.settled;
    let verdict = if !item.home.is_empty() && decision != Some(Decision::Approve) {
        Verdict::Held {
            cause,
            change_set: item.home.clone(),
            reason: reason(&item.home, decision, known),
        }
    } else if !has_guard {
        Verdict::Wait
    } else if !item.home.is_empty() {
        Verdict::Released {
            release: Release::Approved,
            approval,
            cause,
        }
    } else if memory.is_issued(item) || !waits {
        memory.issue(item);
        Verdict::Released {
            release: Release::Budget,
            approval: String::new(),
            cause,
        }
    } else {
        Verdict::Wait
    };
    match &item.id {
        ChangeId::Loss(id) => {
            judgement.verdicts.insert(id.clone(), verdict);
        }
        ChangeId::Gain(id) => {
            let admission = match verdict {
                Verdict::Released {
                    release: Release::Approved,
                    approval,
                    ..
                } => Admission::Approved {
                    change_set: item.home.clone(),
                    approval,
                },
                Verdict::Released { .. } => Admission::Free,
                Verdict::Held { change_set, reason, .. } => Admission::Held { change_set, reason },
                Verdict::Wait => Admission::Wait,
            };
            judgement.admissions.insert(id.clone(), admission);
        }
    }
}

fn reason(name: &str, decision: Option<Decision>, known: Option<&Known>) -> String {
    match decision {
        Some(Decision::Reject) => {
            let words = known.map_or("", |known| clip(&known.reason, REASON_MAX));
            let words = if words.is_empty() {
                String::new()
            } else {
                format!(": {words}")
            };
            format!("stays as it is, since ChangeSet {name} was rejected{words}")
        }
        _ => format!("waits for a person to decide on ChangeSet {name}: look with rollcall changeset show {name}"),
    }
}

/// An account stays usable for as long as something that it holds is not let go.
fn keep_accounts_in_use(judgement: &mut Judgement, memory: &mut Memory) {
    let stays = |(id, verdict): (&super::LossId, &Verdict)| {
        let stays = matches!(id.what, Lost::Membership(..)) && !matches!(verdict, Verdict::Released { .. });
        stays.then(|| (id.employee.clone(), id.target.clone()))
    };
    let in_use: BTreeSet<(String, String)> = judgement.verdicts.iter().filter_map(stays).collect();
    for (id, verdict) in &mut judgement.verdicts {
        if let Verdict::Released { cause, .. } = verdict
            && id.what == Lost::Account
            && in_use.contains(&(id.employee.clone(), id.target.clone()))
        {
            memory.take_back(id, *cause);
            *verdict = Verdict::Wait;
        }
    }
}

/// Counts what waits, by `ChangeSet` and by target, and says which `ChangeSet`s are to be made.
fn tally(case: &Case<'_>, items: &[Item], memory: &mut Memory, judgement: &mut Judgement) {
    judgement.waiting = case.sets.keys().map(|name| ((*name).to_owned(), 0)).collect();
    let mut waiting: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    let mut held: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in items.iter().filter(|item| !item.home.is_empty()) {
        waiting.entry(&item.home).or_default().push(item);
        held.entry(&item.member.target).or_default().push(item);
    }
    memory.opened.retain(|name, _| waiting.contains_key(name.as_str()));
    for (name, items) in &waiting {
        judgement.waiting.insert((*name).to_owned(), count(items.len()));
        let known = case.sets.get(name);
        if known.is_none_or(|known| known.digest.is_none() && !known.broken) {
            let opening = memory.opened.get(*name).cloned();
            judgement
                .openings
                .push(opening.unwrap_or_else(|| made_anew(name, items)));
        } else if items.iter().all(|item| is_recorded(case, item)) {
            memory.opened.remove(*name);
        }
    }
    for (name, waiting) in &judgement.waiting {
        if *waiting == 0 {
            memory.closed.insert(name.clone());
        } else {
            memory.closed.remove(name);
        }
    }
    let report = |(target, items): (&str, Vec<&Item>)| {
        let names: BTreeSet<&String> = items.iter().map(|item| &item.home).collect();
        let people: BTreeSet<&String> = items.iter().map(|item| &item.member.employee).collect();
        let report = HeldReport {
            people: count(people.len()),
            changes: count(items.len()),
            change_sets: names.into_iter().take(NAMES_MAX).cloned().collect(),
        };
        (target.to_owned(), report)
    };
    judgement.held = held.into_iter().map(report).collect();
}

/// Somebody deleted it: what still waits in it, under the same name.
fn made_anew(name: &str, items: &[&Item]) -> Opening {
    Opening {
        name: name.to_owned(),
        line: items.first().map_or(Line::Grants, |item| item.line),
        why: "Made anew for what still waits, since it was deleted before anybody decided.".to_owned(),
        members: items.iter().map(|item| item.member.clone()).collect(),
    }
}
