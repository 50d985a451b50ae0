//! What was judged and is not on record yet. It is lost in a crash, and then judged anew from the records.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::budget::Line;
use super::members::{Member, Opening};
use super::{GainId, LossId};
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

/// What was let go on the budget.
#[derive(Clone, Debug)]
struct Issued {
    line: Line,
    /// Set once it is no longer called for: the version of the person at that time, and until when a record that was
    /// planned on that version may still be written.
    fading: Option<(String, Timestamp)>,
}

/// What was judged and is not on record yet.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    issued: BTreeMap<ChangeId, Issued>,
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
        version: &dyn Fn(&str) -> Option<&'v str>,
        now: Timestamp,
    ) {
        for item in &mut *items {
            if let Some(issued) = self.issued.get(&item.id) {
                item.line = issued.line;
            }
            if let Some(line) = line_of(&item.home) {
                if is_same(line, item.line) {
                    item.line = line;
                } else {
                    // It is called for otherwise than what was held: another change.
                    item.home.clear();
                }
            }
            if !item.home.is_empty() {
                self.joined.remove(&item.id);
            } else if let Some((line, name)) = self.joined.get(&item.id) {
                if is_same(*line, item.line) {
                    item.line = *line;
                    item.home.clone_from(name);
                } else {
                    self.joined.remove(&item.id);
                }
            }
        }
        let called_for: BTreeSet<&ChangeId> = items.iter().map(|item| &item.id).collect();
        self.joined.retain(|id, _| called_for.contains(id));
        self.issued.retain(|id, issued| {
            if called_for.contains(id) {
                issued.fading = None;
                return true;
            }
            // The record that lets it go may be on its way: until the person is recorded again, or nothing can come of
            // it any more, it counts.
            let Some(version) = version(employee(id)) else {
                return false;
            };
            match &issued.fading {
                None => {
                    issued.fading = now.checked_add(IN_FLIGHT).ok().map(|until| (version.to_owned(), until));
                    true
                }
                Some((seen, until)) => seen == version && now < *until,
            }
        });
    }

    pub(super) fn issue(&mut self, item: &Item) {
        self.issued.insert(
            item.id.clone(),
            Issued {
                line: item.line,
                fading: None,
            },
        );
    }

    pub(super) fn is_issued(&self, id: &ChangeId) -> bool {
        self.issued.contains_key(id)
    }

    pub(super) fn take_back(&mut self, id: &ChangeId) {
        self.issued.remove(id);
    }

    pub(super) fn join(&mut self, item: &Item, name: &str) {
        self.joined.insert(item.id.clone(), (item.line, name.to_owned()));
    }

    /// People who were let go by this line, everywhere or at a target.
    pub(super) fn issued_people(&self, line: Line, target: Option<&str>) -> impl Iterator<Item = &str> {
        self.issued
            .iter()
            .filter(move |(id, issued)| issued.line == line && target.is_none_or(|target| target_of(id) == target))
            .map(|(id, _)| employee(id))
    }
}

/// Whether a change that was judged by the line `judged` is still the same one. Once an edit is enforced, what it calls
/// for looks like any other change.
fn is_same(judged: Line, now: Line) -> bool {
    judged == now || (judged == Line::Losses(Cause::PolicyChange) && now == Line::Losses(Cause::AttributeChange))
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
