//! What was judged and is not on record yet. It is lost in a crash, and then judged anew from the records.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::budget::Line;
use super::members::{Member, Opening};
use super::{GainId, Keeper, LossId, Lost};
use crate::api::employee::Cause;

/// The longest that the write of a record may be under way: the client gives up earlier.
const IN_FLIGHT: SignedDuration = SignedDuration::from_mins(15);

/// One change, of either kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ChangeId {
    Loss(LossId),
    Gain(GainId),
}

/// One change that is called for.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub id: ChangeId,
    pub member: Member,
    pub line: Line,
    /// The `ChangeSet` that it waits in, by its record or by memory; empty for a newcomer.
    pub home: String,
}

impl Item {
    /// Whether an edit that is still going on may call it off: one of policies, or of whose object it is.
    pub(super) fn is_of_an_edit(&self) -> bool {
        let stray = matches!(&self.id, ChangeId::Loss(loss) if matches!(loss.what, Lost::Unmanaged(_)));
        stray || self.line == Line::Losses(Cause::PolicyChange)
    }
}

/// Set once something that was let go is no longer called for: the version of its object at that time, and until when a
/// record that was planned on that version may still be written.
type Fading = Option<(String, Timestamp)>;

/// What was judged and is not on record yet.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// What was let go on the budget, and by which line.
    issued: BTreeMap<(ChangeId, Line), Fading>,
    joined: BTreeMap<ChangeId, (Line, String)>,
    /// What was opened, for as long as something waits in it and is not on record.
    pub(super) opened: BTreeMap<String, Opening>,
    /// In which nothing waited any more at the last judgement.
    pub(super) closed: BTreeSet<String>,
}

impl Memory {
    /// Forgets what is on record by now, and what can no longer come to be; gives each change the line that it was
    /// judged by, and the `ChangeSet` that it was put into.
    pub(super) fn keep_up<'v>(
        &mut self,
        items: &mut [Item],
        line_of: &dyn Fn(&str) -> Option<Line>,
        version: &dyn Fn(Keeper<'_>) -> Option<&'v str>,
        now: Timestamp,
    ) {
        for item in &mut *items {
            let of_an_edit = (item.id.clone(), Line::Losses(Cause::PolicyChange));
            if item.line == Line::Losses(Cause::AttributeChange)
                && self.issued.get(&of_an_edit).is_some_and(Option::is_none)
            {
                item.line = of_an_edit.1;
            }
            if let Some(line) = line_of(&item.home) {
                if is_kin_line(line, item.line) {
                    item.line = line;
                } else {
                    // It is called for otherwise than what was held: another change.
                    item.home.clear();
                }
            }
            if !item.home.is_empty() {
                self.joined.remove(&item.id);
            } else if let Some((line, name)) = self.joined.get(&item.id) {
                if is_kin_line(*line, item.line) {
                    item.line = *line;
                    item.home.clone_from(name);
                } else {
                    self.joined.remove(&item.id);
                }
            }
        }
        let called_for: BTreeSet<(&ChangeId, Line)> = items.iter().map(|item| (&item.id, item.line)).collect();
        self.joined.retain(|id, (line, _)| called_for.contains(&(id, *line)));
        self.issued.retain(|(id, line), fading| {
            if called_for.contains(&(id, *line)) {
                *fading = None;
                return true;
            }
            // The record that lets it go may be on its way: until its object is recorded again, or nothing can come of
            // it any more, it counts.
            let Some(version) = version(keeper(id)) else {
                return false;
            };
            match fading {
                None => {
                    let until = now.checked_add(IN_FLIGHT);
                    *fading = until.ok().map(|until| (version.to_owned(), until));
                    true
                }
                Some((seen, until)) => seen == version && now < *until,
            }
        });
    }

    pub(super) fn issue(&mut self, item: &Item) {
        self.issued.insert((item.id.clone(), item.line), None);
    }

    pub(super) fn is_issued(&self, item: &Item) -> bool {
        self.issued.contains_key(&(item.id.clone(), item.line))
    }

    pub(super) fn take_back(&mut self, id: &LossId, cause: Cause) {
        self.issued.remove(&(ChangeId::Loss(id.clone()), Line::Losses(cause)));
    }

    pub(super) fn join(&mut self, item: &Item, name: &str) {
        self.joined.insert(item.id.clone(), (item.line, name.to_owned()));
    }

    /// People who were let go by this line, everywhere or at a target.
    pub(super) fn issued_people(&self, line: Line, target: Option<&str>) -> impl Iterator<Item = &str> {
        let issued = self
            .issued
            .keys()
            .filter(move |(id, issued_by)| *issued_by == line && target.is_none_or(|target| target_of(id) == target));
        issued.map(|(id, _)| employee(id))
    }
}

/// Whether a loss that was let go for the cause `judged` is still the same one. Once an edit is enforced, what it calls for
/// looks like any other change.
pub fn is_same(judged: Cause, now: Cause) -> bool {
    judged == now || (judged == Cause::PolicyChange && now == Cause::AttributeChange)
}

/// Whether a loss that waits for the cause `judged` is still the same one: no policy gives it any more, whether by an edit
/// or by facts.
pub fn is_kin(judged: Cause, now: Cause) -> bool {
    let by_policies = |cause| matches!(cause, Cause::AttributeChange | Cause::PolicyChange);
    judged == now || (by_policies(judged) && by_policies(now))
}

fn is_kin_line(judged: Line, now: Line) -> bool {
    match (judged, now) {
        (Line::Losses(judged), Line::Losses(now)) => is_kin(judged, now),
        (judged, now) => judged == now,
    }
}

fn keeper(id: &ChangeId) -> Keeper<'_> {
    match id {
        ChangeId::Loss(loss) => loss.keeper(),
        ChangeId::Gain(gain) => Keeper::Employee(&gain.employee),
    }
}

fn employee(id: &ChangeId) -> &str {
    match id {
        ChangeId::Loss(loss) => &loss.employee,
        ChangeId::Gain(gain) => &gain.employee,
    }
}

fn target_of(id: &ChangeId) -> &str {
    match id {
        ChangeId::Loss(loss) => &loss.target,
        ChangeId::Gain(gain) => &gain.key.target,
    }
}
