//! Denials, exceptions and grace on the record; what moves between policies; and a rehire in a new row.

use jiff::SignedDuration;

use super::*;
use crate::api::AccessException;

impl Story {
    fn hours(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
    }

    fn exception(&mut self, name: &str, effect: &str) {
        let spec = json!({"employee": "ada@x.io", "entitlementRef": {"name": "chat"}, "effect": effect,
            "reason": "asked for", "expiresAt": "2026-06-20T00:00:00Z"});
        self.put::<AccessException>(&object("AccessException", name, &spec, &json!({})));
    }

    /// Edits a policy, which is not enforced as it is now before everybody was judged by it.
    fn edited(&mut self, name: &str, with: &Value) {
        self.policy(name, with);
        let policy = self.namespace.policies[name].readable().unwrap();
        let mut policy = policy.as_ref().clone();
        policy.metadata.generation = Some(2);
        policy.put(&mut self.namespace);
    }

    /// Ada has `chat` by a policy for Sales that leaves this grace.
    fn with_grace(grace: &str) -> Self {
        let mut story = Self::new();
        story.drop_policy("basics");
        story.policy("sales", &sales(grace));
        story.settle()
    }

    fn until(&self) -> Option<Timestamp> {
        self.grant("chat").scheduled_at.as_ref().map(|at| at.0)
    }
}

fn sales(grace: &str) -> Value {
    let selector = json!({"department": {"in": ["Sales"]}});
    if grace.is_empty() {
        json!({"selector": selector})
    } else {
        json!({"selector": selector, "lifecycle": {"grace": grace}})
    }
}

/// Semantics 2: what a policy gives stays for its grace, says so, and then goes for the same cause.
#[test]
fn what_is_given_no_more_stays_for_its_grace() {
    let mut story = Story::with_grace("7d");
    story.account = json!({"onUnused": {"action": "Deactivate"}});
    story.target("okta");
    story.facts(&json!({"departments": [{"path": ["Core"]}]}));
    let next = story.step();
    assert!(!next.unjudged, "nothing is lost that would have to be judged");
    assert_eq!(story.state("chat"), GrantState::Granted);
    assert_eq!(story.until(), Some(at("2026-06-22T12:00:00Z")));
    assert!(
        story
            .grant("chat")
            .reason
            .contains("left until 2026-06-22 12:00:00 UTC by the grace of policy sales")
    );
    let transition = next.status.next_transition.unwrap();
    assert_eq!(
        (transition.at.0, transition.what.as_str()),
        (at("2026-06-22T12:00:00Z"), "the grace of chat ends")
    );
    story.assert_stable();
    // Time goes on, and the process starts anew: the record says when.
    story.hours(24);
    story.assert_stable();
    story.hours(24 * 6 - 1);
    story.assert_stable();
    assert_eq!(story.account().state, AccountState::Active, "its account is in use");
    story.hours(1);
    story.step();
    assert_eq!(
        (story.state("chat"), story.grant("chat").cause, story.until()),
        (GrantState::Revoking, Some(Cause::AttributeChange), None)
    );
    assert_eq!(story.account().state, AccountState::Deactivating);
}

/// What is wanted again in time was never lost.
#[test]
fn who_comes_back_within_the_grace_keeps_what_was_left() {
    let mut story = Story::with_grace("7d");
    let before = story.ada().status.clone();
    story.facts(&json!({"departments": []}));
    story.step();
    assert!(story.until().is_some());
    story.facts(&json!({}));
    story.step();
    assert_eq!(story.ada().status, before);
    // The next time counts from the next time.
    story.hours(24);
    story.facts(&json!({"departments": []}));
    story.step();
    assert_eq!(story.until(), Some(at("2026-06-23T12:00:00Z")));
}

/// A grace is for those whom a policy matches no more: not for a leaver, a denial, a policy that is gone or gives
/// something else, or one that never had it.
#[test]
fn nothing_else_leaves_a_grace() {
    type Change = fn(&mut Story);
    let changes: [(&str, Change, Option<Cause>); 8] = [
        ("terminated", Story::terminate, Some(Cause::Termination)),
        (
            "a policy denies it",
            |story| story.policy("no", &json!({"effect": "Deny"})),
            Some(Cause::AttributeChange),
        ),
        (
            "an exception denies it",
            |story| story.exception("no", "Deny"),
            Some(Cause::Manual),
        ),
        (
            "the policy is gone",
            |story| story.drop_policy("sales"),
            Some(Cause::PolicyChange),
        ),
        (
            "the policy gives something else",
            |story| {
                let mut other = sales("7d");
                other["entitlements"] = json!([{"name": "code"}]);
                story.edited("sales", &other);
            },
            Some(Cause::PolicyChange),
        ),
        (
            "the policy was edited to leave none",
            |story| {
                story.facts(&json!({"departments": []}));
                story.step();
                story.edited("sales", &sales(""));
            },
            Some(Cause::PolicyChange),
        ),
        (
            "the policy was narrowed",
            |story| {
                let mut narrow = sales("7d");
                narrow["selector"] = json!({"company": ["Y"]});
                story.edited("sales", &narrow);
            },
            None,
        ),
        (
            "the policy gives in another phase only",
            |story| {
                let mut at_work = sales("7d");
                at_work["lifecycle"]["phases"] = json!(["Leaving"]);
                story.policy("sales", &at_work);
            },
            None,
        ),
    ];
    for (case, change, cause) in changes {
        let mut story = Story::with_grace("7d");
        change(&mut story);
        story.saw(AccountSight::Absent);
        story.step();
        let (state, why) = (story.state("chat"), story.grant("chat").cause);
        match cause {
            Some(_) => assert_eq!((state, why), (GrantState::Revoking, cause), "{case}"),
            None => assert_eq!((state, story.until().is_some()), (GrantState::Granted, true), "{case}"),
        }
    }
}

/// A grace that is edited can end sooner, and never later.
#[test]
fn an_edited_grace_is_never_longer() {
    let mut story = Story::with_grace("7d");
    story.facts(&json!({"departments": []}));
    story.step();
    story.edited("sales", &sales("30d"));
    story.hours(1);
    story.step();
    assert_eq!(story.until(), Some(at("2026-06-22T12:00:00Z")));
    story.edited("sales", &sales("2d"));
    story.step();
    assert_eq!(story.until(), Some(at("2026-06-17T13:00:00Z")));
    // Paused, it takes nothing, however late it is.
    let paused = story.namespace.policies["sales"].readable().unwrap();
    let mut paused = paused.as_ref().clone();
    paused.metadata.annotations = Some([("rollcall.dev/paused".to_owned(), String::new())].into());
    paused.put(&mut story.namespace);
    story.hours(1000);
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granted);
}

/// I6: a loss whose grace is over and that waits for a person goes on waiting, and does not begin anew.
#[test]
fn a_grace_that_is_over_is_not_left_again() {
    let mut story = Story::with_grace("7d");
    story.facts(&json!({"departments": []}));
    story.step();
    story.guard = json!({"maxPeople": 0, "maxPercent": 0});
    story.target("okta");
    story.hours(24 * 8);
    story.step();
    assert_eq!(
        (story.state("chat"), story.grant("chat").cause),
        (GrantState::Held, Some(Cause::AttributeChange))
    );
    story.assert_stable();
    story.hours(24 * 8);
    story.assert_stable();
    // The cause is that of the day on which it was held, but for an exit.
    story.drop_policy("sales");
    story.step();
    assert_eq!(story.grant("chat").cause, Some(Cause::AttributeChange));
    story.terminate();
    story.step();
    assert_eq!(
        (story.state("chat"), story.grant("chat").cause),
        (GrantState::Revoking, Some(Cause::Termination))
    );
}

/// I6: what is lost by an exception is asked for; by a policy that denies, as evidence has it.
#[test]
fn a_denial_and_an_ended_exception_have_their_causes() {
    type Change = fn(&mut Story);
    let changes: [(&str, Change, Cause); 6] = [
        (
            "new denial",
            |story| story.edited("no", &json!({"effect": "Deny"})),
            Cause::PolicyChange,
        ),
        (
            "old denial",
            |story| story.policy("no", &json!({"effect": "Deny"})),
            Cause::AttributeChange,
        ),
        (
            "old and new",
            |story| {
                story.policy("no", &json!({"effect": "Deny"}));
                story.edited("never", &json!({"effect": "Deny"}));
            },
            Cause::AttributeChange,
        ),
        (
            "exception and policy",
            |story| {
                story.exception("no", "Deny");
                story.edited("never", &json!({"effect": "Deny"}));
            },
            Cause::Manual,
        ),
        (
            "expired",
            |story| {
                story.exception("yes", "Allow");
                story.drop_policy("basics");
                story.step();
                assert_eq!(story.grant("chat").grantors, ["AccessException/yes"]);
                story.hours(24 * 5);
            },
            Cause::Manual,
        ),
        (
            "deleted",
            |story| {
                story.exception("yes", "Allow");
                story.drop_policy("basics");
                story.step();
                AccessException::remove(&mut story.namespace, "yes");
            },
            Cause::Manual,
        ),
    ];
    for (case, change, cause) in changes {
        let mut story = Story::settled();
        change(&mut story);
        story.step();
        assert_eq!(
            (story.state("chat"), story.grant("chat").cause),
            (GrantState::Revoking, Some(cause)),
            "{case}"
        );
    }
}

/// An exception that allows gives access, and an exception that freezes keeps things as they are.
#[test]
fn exceptions_give_and_freeze() {
    let mut story = Story::new();
    story.drop_policy("basics");
    story.exception("yes", "Allow");
    let mut story = story.settle();
    assert_eq!(story.state("chat"), GrantState::Granted);
    story.assert_stable();
    AccessException::remove(&mut story.namespace, "yes");
    story.exception("stay", "Freeze");
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granted);
    story.assert_stable();
    story.terminate();
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking, "I2: but for an exit");

    let mut story = Story::new();
    story.exception("stay", "Freeze");
    story.saw(AccountSight::Absent);
    story.step();
    assert!(story.ada().status.entitlements.is_empty() && story.ada().status.accounts.is_empty());
}

/// Semantics 3: an unclear denial begins nothing, an account included, and says why; what is under way out is not
/// turned around.
#[test]
fn what_is_blocked_waits_with_a_reason() {
    let unsure = json!({"effect": "Deny", "selector": {"manager": {"under": ["nobody@x.io"]}}});
    let mut story = Story::new();
    story.policy("unsure", &unsure);
    story.saw(AccountSight::Absent);
    let next = story.step();
    assert!(next.look_up.is_empty() && next.status.accounts.is_empty());
    assert_eq!(story.state("chat"), GrantState::Pending);
    assert!(
        story
            .grant("chat")
            .reason
            .contains("whether policy unsure denies it cannot be told")
    );
    story.assert_stable();
    story.drop_policy("unsure");
    story.step();
    assert_eq!(
        (story.state("chat"), story.grant("chat").reason.as_str()),
        (GrantState::Granting, "")
    );

    let mut story = Story::settled();
    story.policy("unsure", &json!({"effect": "Deny"}));
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
    story.policy("unsure", &unsure);
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
    story.all_done();
    story.step();
    assert_eq!(story.state("chat"), GrantState::Pending);
    story.assert_stable();
}

/// I8: an entitlement that moves from one policy to another is lost in neither order of arrival, since an edit is not
/// judged before it has settled.
#[test]
fn an_entitlement_that_moves_between_policies_is_not_lost() {
    let nobody = json!({"selector": {"company": ["nobody's"]}});
    for give_first in [true, false] {
        let mut story = Story::settled();
        story.policy("other", &nobody);
        // An edit waits until it has settled.
        story.ruling = Ruling::Wait;
        let before = story.grant("chat").clone();
        for give in [give_first, !give_first] {
            if give {
                story.edited("other", &json!({}));
            } else {
                story.edited("basics", &nobody);
            }
            story.step();
            assert_eq!(story.state("chat"), GrantState::Granted);
        }
        story.ruling = Ruling::Judged;
        story.policy("basics", &nobody);
        story.policy("other", &json!({}));
        story.step();
        let after = story.grant("chat");
        assert_eq!((after.grantors[0].as_str(), after.grantors.len()), ("other", 1));
        assert_eq!((after.state, &after.operation_id), (before.state, &before.operation_id));
        assert!(after.released_at.is_none());
        story.assert_stable();
    }
}

/// Ada left, and her account is deactivated; then the HR system has her in a new row.
fn rehired_in_a_new_row() -> (Story, Person) {
    let mut story = Story::settled();
    story.account = json!({"onTerminated": {"action": "Delete", "after": "30d"}});
    story.target("okta");
    story.terminate();
    story.step();
    story.all_done();
    assert_eq!(story.account().state, AccountState::Deactivated);
    let name = json!({"displayName": "Ada Lovelace"});
    let mut old = story.ada().clone();
    old.name = "e-old".to_owned();
    old.spec.display_name = Some("ada lovelace ".to_owned());
    story
        .namespace
        .employees
        .insert(old.name.clone(), Arc::new(old.clone()));
    story.edit(|ada| ada.status = EmployeeStatus::default());
    story.facts(&name);
    let foreign = AccountSight::Foreign {
        id: "A1".to_owned(),
        why: "carries another key".to_owned(),
    };
    story.saw(foreign);
    story.holds("chat", false);
    (story, old)
}

/// I4: a rehire in a new row takes the account of the old one over, and the old one lets go of it.
#[test]
fn a_rehire_in_a_new_row_takes_the_old_account_over() {
    let (mut story, old) = rehired_in_a_new_row();
    story.step();
    assert_eq!(
        (
            story.account().state,
            story.account().id.as_str(),
            story.account().origin
        ),
        (AccountState::Activating, "A1", Origin::Operator)
    );
    assert!(story.account().reason.contains("Employee e-old"));
    assert_eq!(
        (story.state("chat"), story.grant("chat").account_id.as_str()),
        (GrantState::Granting, "A1")
    );
    // The old row, when its deletion comes due.
    let mut theirs = Story::new();
    theirs.now = story.now + SignedDuration::from_hours(24 * 31);
    theirs.account = story.account.clone();
    theirs.target("okta");
    theirs.namespace.employees = story.namespace.employees.clone();
    let mut new = theirs.ada().clone();
    new.name = "e-new".to_owned();
    theirs.namespace.employees.insert(new.name.clone(), Arc::new(new));
    theirs.namespace.employees.remove("e-old");
    theirs.edit(|ada| (ada.spec, ada.status) = (old.spec.clone(), old.status.clone()));
    theirs.step();
    assert_eq!(theirs.account().state, AccountState::Deleted);
    assert_eq!(theirs.account().reason, "its account is now Employee e-new's");
    assert_eq!(theirs.intents(), []);
    theirs.assert_stable();
}

/// I1: nothing is taken over from somebody who is there, whose access is still on its way out, who is paused, or who is
/// another human being that had the same address.
#[test]
fn an_account_that_is_not_left_behind_stays_where_it_is() {
    type Change = fn(&mut Person);
    let changes: [(&str, Change); 6] = [
        ("still there", |old| {
            old.spec.employment_status = Some("ACTIVE".to_owned());
        }),
        ("paused", |old| old.paused = true),
        ("being ended", |old| {
            old.status.accounts[0].state = AccountState::Deactivating;
        }),
        ("losing", |old| old.status.entitlements[0].state = GrantState::Revoking),
        ("somebody else of that address", |old| {
            old.spec.display_name = Some("Ada Byron".to_owned());
        }),
        ("somebody whose name is not known", |old| old.spec.display_name = None),
    ];
    for (case, change) in changes {
        let (mut story, mut old) = rehired_in_a_new_row();
        change(&mut old);
        story.namespace.employees.insert(old.name.clone(), Arc::new(old));
        story.step();
        assert_eq!(
            (story.account().state, story.account().id.as_str()),
            (AccountState::Pending, "A1"),
            "{case}"
        );
        assert_eq!(story.intents(), [], "{case}");
        assert_eq!(story.state("chat"), GrantState::Pending, "{case}");
        assert!(
            story.grant("chat").reason.contains("belongs to Employee e-old"),
            "{case}"
        );
        story.assert_stable();
    }
}

/// I1: what was let go when it was not wanted, and could not be sent yet, is not sent once it is wanted again or nobody can tell;
/// it is once it is known to be unwanted, and of somebody who leaves whatever else is not known.
#[test]
fn a_loss_that_is_no_longer_called_for_is_not_sent() {
    let mut story = Story::settled();
    story.drop_policy("basics");
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
    let taken = story.intents();
    assert_eq!(taken.iter().filter(|intent| intent.is_loss()).count(), taken.len());
    assert_eq!(story.plan().suspended, []);

    // A policy that may give it cannot be read.
    story.policy("basics", &json!({}));
    story.break_policy("basics");
    let next = story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
    assert_eq!(next.suspended, story.intents());
    // And one that can gives something else.
    story.policy("basics", &json!({"entitlements": [{"name": "code"}]}));
    assert_eq!(story.plan().suspended, []);
    story.break_policy("basics");
    story.terminate();
    assert_eq!(story.step().suspended, []);
    assert!(story.intents().iter().any(Intent::is_loss));
}
