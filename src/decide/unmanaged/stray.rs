//! What the lists of all Entitlements call for, and what the guard counts of them.

use jiff::Timestamp;

use crate::api::employee::{Cause, Release};
use crate::api::entitlement::{Ownership, Unmanaged, UnmanagedState};
use crate::decide::guard::{Loss, LossId, Lost, Member, NAMESPACE_WINDOW};
use crate::decide::index::{Entry, Namespace};
use crate::decide::record::waits;
use crate::decide::survey::{Survey, target_window};

/// What one entry of a list adds to the figures of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Name of the `TargetSystem`.
    target: String,
    /// Whom the budgets count.
    who: String,
    /// The loss, where one is called for.
    loss: Option<Loss>,
    /// Whether it was let go on the budget within the target's window, and within the namespace's.
    spent: (bool, bool),
    /// The `ChangeSet` that the entry names.
    member: Option<(String, Member)>,
}

/// Names the loss of what the account `id` holds by no record.
pub fn loss_id(target: &str, entitlement: &str, id: &str) -> LossId {
    LossId {
        // No Employee's name has a slash. It is the account's also where its Employee is known, so that a ChangeSet stays
        // the same when that is found out.
        employee: format!("account/{id}"),
        target: target.to_owned(),
        what: Lost::Unmanaged(entitlement.to_owned()),
    }
}

/// What the lists of all Entitlements add to the figures, in order.
pub fn strays(namespace: &Namespace, now: Timestamp) -> Vec<Stray> {
    let mut strays = Vec::new();
    for (name, entitlement) in &namespace.entitlements {
        let Some(entitlement) = entitlement.readable() else {
            continue;
        };
        let target = &entitlement.spec.target_ref.name;
        let takes =
            entitlement.spec.ownership == Ownership::Authoritative && entitlement.metadata.deletion_timestamp.is_none();
        let list = entitlement.status.iter().flat_map(|status| &status.unmanaged);
        strays.extend(list.filter_map(|entry| stray(namespace, name, target, takes, entry, now)));
    }
    strays
}

fn stray(
    namespace: &Namespace,
    name: &str,
    target: &str,
    takes: bool,
    entry: &Unmanaged,
    now: Timestamp,
) -> Option<Stray> {
    let id = loss_id(target, name, &entry.account_id);
    let called_for = takes
        && entry.cause == Some(Cause::Drift)
        && matches!(entry.state, UnmanagedState::Found | UnmanagedState::Held)
        && namespace.targets.get(target).and_then(Entry::readable).is_some();
    let waiting = waits(&entry.change_set, &entry.approval);
    let age = entry
        .released_at
        .as_ref()
        .filter(|_| entry.release == Some(Release::Budget));
    let age = age.map(|at| at.0.duration_until(now));
    let within = |window| age.is_some_and(|age| age < window);
    let stray = Stray {
        target: target.to_owned(),
        who: id.employee.clone(),
        spent: (within(target_window(namespace, target)), within(NAMESPACE_WINDOW)),
        loss: called_for.then(|| Loss {
            id: id.clone(),
            cause: Cause::Drift,
            change_set: if waiting {
                entry.change_set.clone()
            } else {
                String::new()
            },
            label: name.to_owned(),
        }),
        member: (!entry.change_set.is_empty()).then(|| (entry.change_set.clone(), Member::unmanaged(&id, name))),
    };
    let says_something = stray.loss.is_some() || stray.member.is_some() || stray.spent.0 || stray.spent.1;
    says_something.then_some(stray)
}

impl Stray {
    /// Adds it to a survey.
    pub(in crate::decide) fn put_in(&self, survey: &mut Survey) {
        let docket = &mut survey.targets.entry(self.target.clone()).or_default().docket;
        if let Some(loss) = &self.loss {
            // Sorted by whom it concerns, as those of people are.
            let place = docket.losses.partition_point(|other| other.id.employee <= self.who);
            docket.losses.insert(place, loss.clone());
        }
        if self.spent.0 {
            docket.spent.add(Some(Cause::Drift), &self.who);
        }
        if self.spent.1 {
            survey.spent.add(Some(Cause::Drift), &self.who);
        }
        if let Some((change_set, member)) = &self.member {
            survey
                .members
                .entry(change_set.clone())
                .or_default()
                .insert(member.clone());
        }
    }

    /// Takes it out of a survey again. The target stays, for whoever else names it.
    pub(in crate::decide) fn take_out(&self, survey: &mut Survey) {
        if let Some(tally) = survey.targets.get_mut(&self.target) {
            let losses = &mut tally.docket.losses;
            let from = losses.partition_point(|loss| loss.id.employee < self.who);
            let to = losses.partition_point(|loss| loss.id.employee <= self.who);
            losses.drain(from..to);
            tally.docket.spent.remove(&self.who);
        }
        survey.spent.remove(&self.who);
        if let Some((change_set, member)) = &self.member
            && let Some(members) = survey.members.get_mut(change_set)
        {
            members.remove(member);
            if members.is_empty() {
                survey.members.remove(change_set);
            }
        }
    }

    /// The loss that it calls for, where it does.
    pub(super) fn into_loss(self) -> Option<Loss> {
        self.loss
    }

    /// One that is nothing but a loss.
    pub(in crate::decide) fn of_loss(loss: &Loss) -> Self {
        Self {
            target: loss.id.target.clone(),
            who: loss.id.employee.clone(),
            loss: Some(loss.clone()),
            spent: (false, false),
            member: None,
        }
    }

    /// The target that it names.
    pub(in crate::decide) fn target(&self) -> &str {
        &self.target
    }
}
