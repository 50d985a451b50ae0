//! Why an entitlement stands as it does, in sentences, the strongest reason first.

use std::collections::BTreeMap;

use super::access::Desk;
use super::person::unreachable;
use crate::api::change_set::ChangeSetState;
use crate::api::employee::{Cause, EntitlementRecord, GrantState, Release};
use crate::api::policy::Mode;
use crate::decide::effect::{RemoteKey, exception_of};
use crate::decide::guard::Lost;
use crate::decide::index::Entry;
use crate::decide::record::waits;
use crate::decide::resolve::in_force;

impl Desk<'_> {
    pub(super) fn because(
        &self,
        name: &str,
        key: Option<&RemoteKey>,
        record: Option<&EntitlementRecord>,
        fault: Option<String>,
    ) -> Vec<String> {
        let resolution = &self.resolution;
        let mut because = Vec::new();
        because.extend(resolution.frozen.clone());
        if let Some(cause) = resolution.ending {
            because.push(format!("everything goes: {}", in_words(cause)));
        }
        let of = |said: &BTreeMap<RemoteKey, String>| key.and_then(|key| said.get(key)).cloned();
        because.extend(of(&resolution.denied).map(|why| format!("must not be had: {why}")));
        let conflict = resolution
            .conflicts
            .iter()
            .find(|conflict| Some(&conflict.key) == key)
            .map(|conflict| format!("Conflict between {}", conflict.policies.join(" and ")));
        because.extend(conflict);
        because.extend(of(&resolution.undecided).map(|why| format!("neither granted nor taken: {why}")));
        let there = record.is_some_and(|record| record.state.may_be_held());
        because.extend(of(&resolution.blocked).map(|why| {
            if there {
                format!("what is held stays, though a new grant would wait: {why}")
            } else {
                format!("not to be granted now: {why}")
            }
        }));
        let desired = key.and_then(|key| resolution.desired.get(key));
        if let Some(desired) = desired {
            because.push(match desired.grantors.as_slice() {
                [one] => format!("given by {one}"),
                several => format!(
                    "given by {}: it goes when the last of them withdraws",
                    several.join(", ")
                ),
            });
        }
        let gives = |grantor: &String| desired.is_some_and(|desired| desired.grantors.contains(grantor));
        let recorded = record.filter(|record| record.state.may_be_held());
        for (record, grantor) in recorded
            .iter()
            .flat_map(|record| record.grantors.iter().map(move |grantor| (record, grantor)))
        {
            if let Some(why) = resolution.undecided_grantors.get(grantor) {
                because.push(format!("{grantor} gave it, and what it gave stays: {why}"));
            } else if let Some(exception) = exception_of(grantor) {
                let entry = self.namespace.exceptions.get(exception).and_then(Entry::readable);
                if entry.is_none_or(|exception| !in_force(exception, self.now)) {
                    because.push(format!("AccessException {exception}, which gave it, has ended"));
                }
            } else if !self.namespace.policies.contains_key(grantor) {
                because.push(format!("policy {grantor}, which gave it, is not there any more"));
            } else if resolution.ending.is_none() && !gives(grantor) && !self.speaks(grantor, record) {
                because.push(format!("policy {grantor} gave it, and gives it no more"));
            }
        }
        because.extend(fault);
        if let Some(record) = record {
            self.record(record, &mut because);
        } else if key.is_some_and(|key| resolution.desired.contains_key(key) && !resolution.blocked.contains_key(key)) {
            because.push("nothing is on record yet: Rollcall looks at the target first".to_owned());
        }
        let wanted = key.filter(|key| record.is_some() || resolution.desired.contains_key(key));
        because.extend(wanted.and_then(|key| unreachable(self.namespace, &key.target)));
        if because.is_empty() {
            because.push(if self.would_give(name) {
                "no policy in mode Enforce gives it".to_owned()
            } else {
                "no policy gives it".to_owned()
            });
        }
        because
    }

    /// Whether a policy that gave what the record speaks of still says that the person should have it; something stronger
    /// may be against it.
    fn speaks(&self, policy: &str, record: &EntitlementRecord) -> bool {
        let entry = self.namespace.policies.get(policy).and_then(Entry::readable);
        let names = entry.is_some_and(|policy| {
            let mut grants = policy.spec.entitlements.iter();
            grants.any(|grant| grant.name == record.entitlement)
        });
        names && self.resolution.matched.contains(policy)
    }

    fn would_give(&self, name: &str) -> bool {
        let planned = |policy: &String| {
            let policy = self.namespace.policies.get(policy).and_then(Entry::readable);
            policy.is_some_and(|policy| {
                policy.spec.mode == Mode::Plan && policy.spec.entitlements.iter().any(|grant| grant.name == name)
            })
        };
        self.resolution.matched.iter().any(planned)
    }

    /// What the record says: what holds it, what goes wrong, how it was let go.
    fn record(&self, record: &EntitlementRecord, because: &mut Vec<String>) {
        let loss = self.losses.iter().find(|loss| {
            let what = Lost::Membership(RemoteKey::of(record).object, record.account_id.clone());
            loss.id.target == record.target && loss.id.what == what
        });
        match (record.state, loss) {
            (GrantState::Held, _) => self.held(record, because),
            (GrantState::Revoking | GrantState::Revoked, _) => {
                let cause = record.cause.map(|cause| format!(": {}", in_words(cause)));
                let ground = record.release.map(|release| match release {
                    Release::Evidence => ", as an evidenced exit",
                    Release::Budget => ", within the budget",
                    Release::Approved => ", by approval",
                });
                let at = record.released_at.as_ref().map(|at| format!(" at {}", at.0));
                because.push(format!(
                    "let go{}{}{}",
                    at.unwrap_or_default(),
                    ground.unwrap_or_default(),
                    cause.unwrap_or_default()
                ));
            }
            (_, Some(loss)) if self.resolution.denied.contains_key(&RemoteKey::of(record)) => {
                because.push(format!("it is to go ({:?}), and was not let go yet", loss.cause));
            }
            (_, Some(loss)) => because.push(format!(
                "it is to go ({:?}), and was not let go yet: {}",
                loss.cause,
                in_words(loss.cause)
            )),
            _ => {}
        }
        if record.scheduled_at.is_none()
            && let Some(grace) = self.grace(record).filter(|grace| grace.until > self.now)
        {
            because.push(format!(
                "given no more, and left for the grace of policy {}",
                grace.policy
            ));
        }
        let own_words = record.cause.map(in_words) == Some(record.reason.as_str());
        // What is still on its way waits as well, and is held once it is there.
        let waits = waits(&record.change_set, &record.approval);
        if waits && record.state != GrantState::Held {
            self.held(record, because);
        } else if !record.reason.is_empty() && !own_words && record.state != GrantState::Held {
            because.push(record.reason.clone());
        }
        match record.state {
            GrantState::Invited => because.push("invited, not accepted yet".to_owned()),
            GrantState::NoSeat => {
                because.push("no free seat: tried again when one is given back, and rarely".to_owned());
            }
            _ => {}
        }
        if record.state == GrantState::Unknown {
            because.push("whether the target did it is not known, and nothing more is sent until it is".to_owned());
        }
        if !record.last_error.is_empty() {
            because.push(format!("last error: {}", record.last_error));
        }
        let mut accounts = self.person.status.accounts.iter();
        let account = accounts.find(|account| account.target == record.target && !account.last_error.is_empty());
        because.extend(account.map(|account| {
            let (target, state, error) = (&account.target, account.state, &account.last_error);
            format!("the account at {target} is {state:?}, last error: {error}")
        }));
    }

    /// What a record waits for that a person must decide.
    fn held(&self, record: &EntitlementRecord, because: &mut Vec<String>) {
        let cause = record.cause.map(|cause| format!(" ({cause:?}: {})", in_words(cause)));
        let cause = cause.unwrap_or_default();
        if record.change_set.is_empty() {
            because.push(format!("waits for a decision{cause}: {}", record.reason));
            return;
        }
        let name = &record.change_set;
        because.push(format!("waits in ChangeSet {name}{cause}: {}", record.reason));
        let status = self
            .namespace
            .change_sets
            .get(name)
            .and_then(Entry::readable)
            .and_then(|set| set.status.as_ref());
        because.push(match status {
            Some(status) if status.state == ChangeSetState::Rejected => {
                format!("ChangeSet {name} was rejected: it stays as it is for as long as the same is called for")
            }
            Some(status) if status.state == ChangeSetState::Open => format!(
                "to decide: `rollcall changeset show {name}`, then approve or reject its {} changes for {} people",
                status.changes, status.people
            ),
            Some(status) => format!("ChangeSet {name} is {:?}", status.state),
            None => format!("ChangeSet {name} is not there; it is made again for what is still called for"),
        });
    }
}

/// A cause for people.
fn in_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Termination => "the person has left",
        Cause::AttributeChange => "the person's facts changed, and no policy gives it any more",
        Cause::Absence => "the person has been missing from the HRIS for too long",
        Cause::PolicyChange => "a policy was edited or deleted, and none gives it any more",
        Cause::Drift => "no record explains it",
        Cause::Manual => "a person asked for it",
    }
}
