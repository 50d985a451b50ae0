//! What others do at the targets.

use super::*;
use crate::decide::drift::LOCKED;
use crate::decide::effect::{AccountLook, AccountSeen, Holding};
use crate::decide::protected::PROTECTED;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

impl Story {
    /// An hour later somebody looks: `chat` is held, or not.
    fn seen_later(&mut self, holds: bool) -> Next {
        self.now += HOUR;
        self.holds("chat", holds);
        self.step()
    }

    fn shows(&mut self, holding: Holding) {
        self.now += HOUR;
        let look = Look {
            holding: Some(holding),
            at: self.now,
        };
        self.sight.holds.insert(key("okta", "chat"), look);
    }

    /// An hour later somebody looks at the account by its id.
    fn account_shows(&mut self, found: Option<AccountSeen>) {
        self.now += HOUR;
        let look = AccountLook {
            id: self.account().id.clone(),
            found,
            at: self.now,
        };
        self.sight.looks.insert("okta".to_owned(), look);
    }

    fn spec_of_okta(&mut self, with: &Value) {
        let mut spec = json!({"adopt": self.adopt, "account": self.account, "guard": self.guard,
            "scim": {"baseURL": "https://x", "bearerTokenSecretRef": {"name": "s", "key": "k"}}});
        spec.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        self.put::<TargetSystem>(&object("TargetSystem", "okta", &spec, &json!({})));
    }

    fn condition(&self, type_: &str) -> Option<&str> {
        let conditions = &self.ada().status.conditions;
        let found = conditions.iter().find(|condition| condition.type_ == type_);
        found.map(|condition| condition.message.as_str())
    }

    /// Somebody else with the same record, who is `name`.
    fn twin(&mut self, name: &str, change: impl FnOnce(&mut Person)) {
        let mut twin = self.ada().clone();
        name.clone_into(&mut twin.name);
        change(&mut twin);
        self.namespace.employees.insert(twin.name.clone(), Arc::new(twin));
    }
}

fn seen(active: bool) -> AccountSeen {
    AccountSeen {
        active,
        ..AccountSeen::default()
    }
}

/// What others take from a person who should have it is granted again, once; the record says so until it is there.
#[test]
fn what_others_removed_is_granted_again() {
    let mut story = Story::settled();
    let operation = story.grant("chat").operation_id.clone();
    story.seen_later(true);
    story.assert_stable();
    let gone_at = story.now + HOUR;
    story.seen_later(false);
    let grant = story.grant("chat");
    assert_eq!(grant.state, GrantState::Granting);
    // I4: an API that remembers the first would answer with what others removed.
    assert_ne!(grant.operation_id, operation);
    assert_eq!(grant.undone_at, [Time(gone_at)]);
    assert_eq!(grant.reason, "others removed it at the target; granted again");
    assert_eq!(story.intents().len(), 1);
    // The same look says nothing new while it is on its way.
    let meant = story.intents();
    story.step();
    assert_eq!((story.intents(), story.grant("chat").undone_at.len()), (meant, 1));
    story.now += HOUR;
    story.all_done();
    assert_eq!(
        (story.state("chat"), story.grant("chat").reason.as_str()),
        (GrantState::Granted, "")
    );
    // I4: nor after it, since it came before.
    story.assert_stable();
}

/// I4: neither a look from before the grant nor an object that is not there nor one that nobody could read is a removal.
#[test]
fn what_does_not_prove_a_removal_changes_nothing() {
    let mut story = Story::settled();
    story.holds("chat", false);
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granted);
    story.assert_stable();
    story.now += HOUR;
    story.sight.holds.clear();
    story.step();
    story.assert_stable();
    story.sight.missing.insert(key("okta", "chat"));
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granted);
    assert!(story.grant("chat").reason.contains("no such object any more"));
    story.assert_stable();
    story.sight.missing.clear();
    story.seen_later(true);
    assert_eq!(story.grant("chat").reason, "");
}

/// I4: what came out of an effect of ours counts before what was seen.
#[test]
fn a_look_beside_an_outcome_waits_for_the_next() {
    let mut story = Story::settled();
    story.edit(|ada| ada.status.entitlements[0].state = GrantState::Updating);
    story.now += HOUR;
    story.holds("chat", false);
    story.all_done();
    assert_eq!(story.state("chat"), GrantState::Granted);
}

/// I4: a card that is gone is made anew under its own operation, and not changed under the id of the one that is gone.
#[test]
fn what_was_made_for_a_grant_alone_is_gone_with_it() {
    let mut story = Story::settled();
    story.edit(|ada| ada.status.entitlements[0].grant_id = "card-1".to_owned());
    story.seen_later(false);
    assert!(matches!(&story.intents()[..], [Intent::Membership { hold: true, grant_id, .. }] if grant_id.is_empty()));
}

/// I2: a look may hide who holds something, so what nobody wants any more is lost as anything is, by a removal that is read back,
/// even where a look shows it gone.
#[test]
fn what_nobody_wants_is_taken_even_where_a_look_shows_it_gone() {
    for (ruling, state) in [(Ruling::Wait, GrantState::Granted), (Ruling::Hold, GrantState::Held)] {
        let mut story = Story::settled();
        story.drop_policy("basics");
        story.ruling = ruling;
        story.step();
        story.seen_later(false);
        let grant = story.grant("chat");
        assert_eq!(
            (grant.state, grant.release, grant.revoked_at.clone()),
            (state, None, None)
        );
        story.assert_stable();
    }
}

/// I2: of a leaver the removal is made sure of, whatever was seen.
#[test]
fn what_others_removed_from_a_leaver_is_read_back_all_the_same() {
    let mut story = Story::settled();
    story.terminate();
    story.seen_later(false);
    assert_eq!(story.state("chat"), GrantState::Revoking);
}

/// Semantics 3: what cannot be told is neither granted again nor given up.
#[test]
fn what_others_removed_and_nobody_can_tell_about_stays_on_record() {
    let mut story = Story::settled();
    story.break_policy("basics");
    story.seen_later(false);
    assert_eq!(story.state("chat"), GrantState::Granted);
    assert!(story.grant("chat").reason.contains("cannot be told"));
    story.assert_stable();
    story.seen_later(true);
    assert_eq!(story.grant("chat").reason, "");
    // Paused: nothing at all.
    let mut story = Story::settled();
    story.edit(|ada| ada.paused = true);
    story.seen_later(false);
    assert_eq!(
        (story.state("chat"), story.grant("chat").reason.as_str()),
        (GrantState::Granted, "")
    );
}

/// Semantics 9: three times within a day is a quarrel, which a person must settle; a day later it is tried again.
#[test]
fn what_others_undo_three_times_a_day_is_left_alone_for_a_day() {
    let mut story = Story::settled();
    for time in 1..=3 {
        story.seen_later(false);
        if time < 3 {
            assert_eq!(story.state("chat"), GrantState::Granting, "{time}");
            story.now += HOUR;
            story.all_done();
        }
    }
    let last = story.now;
    assert_eq!(story.state("chat"), GrantState::Contended);
    assert!(story.condition("Contended").unwrap().contains("chat at okta"));
    let next = story.ada().status.next_transition.clone().unwrap();
    assert_eq!(next.at, Time(last + HOUR * 24));
    assert!(next.what.contains("chat"), "{next:?}");
    story.assert_stable();
    story.now = last + HOUR * 24 - SignedDuration::from_secs(1);
    story.holds("chat", false);
    story.step();
    story.assert_stable();
    // I4: by a look, and not from memory.
    story.now = last + HOUR * 24;
    story.sight.holds.clear();
    assert_eq!(story.step().look_at, BTreeSet::from([key("okta", "chat")]));
    story.holds("chat", false);
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granting);
    assert_eq!(story.condition("Contended"), None);
    story.all_done();
    // The next day is a new one.
    story.seen_later(false);
    assert_eq!(story.state("chat"), GrantState::Granting);
}

#[test]
fn a_quarrel_ends_when_others_give_it_back_and_when_nobody_wants_it() {
    let contended = || {
        let mut story = Story::settled();
        let earlier = [story.now - HOUR * 2, story.now - HOUR].map(Time).to_vec();
        story.edit(|ada| ada.status.entitlements[0].undone_at = earlier);
        story.seen_later(false);
        assert_eq!(story.state("chat"), GrantState::Contended);
        story
    };
    let mut story = contended();
    story.seen_later(true);
    assert_eq!(
        (story.state("chat"), story.condition("Contended")),
        (GrantState::Granted, None)
    );
    story.assert_stable();
    // I2: it may be back when the person leaves.
    let mut story = contended();
    story.terminate();
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
    let mut story = contended();
    story.drop_policy("basics");
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
}

/// A limit that somebody raised by hand is set back once that is let go, and it is counted like a removal.
#[test]
fn a_parameter_that_others_changed_is_set_back() {
    let mut story = Story::new();
    story.policy(
        "basics",
        &json!({"entitlements": [{"name": "chat", "parameters": {"limit": "100"}}]}),
    );
    let mut story = story.settle();
    let shown = |limit: &str| Holding {
        parameters: BTreeMap::from([("limit".to_owned(), limit.to_owned())]),
        ..Holding::default()
    };
    story.shows(shown("100"));
    story.step();
    story.assert_stable();
    for time in 1..=3 {
        story.shows(shown("9000"));
        story.step();
        assert_eq!(story.grant("chat").undone_at.len(), time);
        if time < 3 {
            assert_eq!(
                story.grant("chat").reason,
                "others changed limit at the target; setting it back is judged first"
            );
            assert_eq!(story.intents(), []);
            story.step();
            assert_eq!(story.state("chat"), GrantState::Updating);
            assert_eq!(story.grant("chat").cause, Some(Cause::Drift));
            assert!(
                matches!(&story.intents()[..], [Intent::Membership { parameters, .. }] if parameters["limit"] == "100")
            );
            story.sight.holds.clear();
            story.all_done();
        }
    }
    assert_eq!(story.state("chat"), GrantState::Contended);
    // Still as others want it: nothing, until a day has passed.
    story.shows(shown("9000"));
    story.step();
    assert_eq!(story.state("chat"), GrantState::Contended);
    story.assert_stable();
    story.shows(shown("100"));
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granted);
}

#[test]
fn without_leave_to_grant_a_removal_is_left_and_said() {
    let mut story = Story::settled();
    story.spec_of_okta(&json!({"managementPolicies": ["Observe", "Revoke"]}));
    story.seen_later(false);
    assert_eq!((story.state("chat"), story.intents()), (GrantState::Granted, vec![]));
    assert!(story.grant("chat").reason.contains("managementPolicies"));
    assert_eq!(story.grant("chat").undone_at, []);
    story.assert_stable();
    story.seen_later(true);
    assert_eq!(story.grant("chat").reason, "");
}

#[test]
fn an_invitation_is_held_until_it_is_accepted_and_a_revoke_cancels_it() {
    let invited = || {
        let mut story = Story::new();
        story.saw(present(true, false));
        story.holds("chat", false);
        story.step();
        story.all_come_to(&Outcome::Done {
            account_id: "A9".to_owned(),
            attributes: None,
            holding: None,
            invited: true,
        });
        assert_eq!(story.state("chat"), GrantState::Invited);
        story.sight = Sight::default();
        story.assert_stable();
        story
    };
    let mut story = invited();
    story.shows(Holding {
        invited: true,
        ..Holding::default()
    });
    story.step();
    assert_eq!(story.state("chat"), GrantState::Invited);
    story.shows(Holding::default());
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granted);
    story.assert_stable();
    for leave in [true, false] {
        let mut story = invited();
        if leave {
            story.terminate();
        } else {
            story.drop_policy("basics");
        }
        story.step();
        assert_eq!(story.state("chat"), GrantState::Revoking);
        story.all_done();
        assert_eq!(story.state("chat"), GrantState::Revoked);
    }
}

/// Nothing is there, so that no budget counts it; but a try before may have been taken, so that it is taken back.
#[test]
fn what_waits_for_a_seat_is_meant_until_nobody_wants_it() {
    let mut story = Story::new();
    story.saw(present(true, true));
    story.holds("chat", false);
    story.step();
    story.all_come_to(&Outcome::NoSeat("all 20 seats are taken".to_owned()));
    assert_eq!(story.state("chat"), GrantState::NoSeat);
    assert!(matches!(&story.intents()[..], [Intent::Membership { hold: true, .. }]));
    story.drop_policy("basics");
    let resolution = resolve(&story.namespace, story.ada(), story.now);
    assert_eq!(losses(&story.namespace, story.ada(), &resolution), []);
    story.ruling = Ruling::Wait;
    let next = story.step();
    assert!(!next.unjudged);
    assert_eq!(
        (story.state("chat"), story.grant("chat").release),
        (GrantState::Revoking, None)
    );
}

// ---- Accounts ----------------------------------------------------------------------------------------------------

/// An account that others deleted is looked for by our key before it is made anew, and its grants follow.
#[test]
fn an_account_that_others_deleted_is_made_anew() {
    let mut story = Story::settled();
    story.account_shows(None);
    let next = story.step();
    assert_eq!(next.look_up, BTreeSet::from(["okta".to_owned()]));
    assert_eq!(story.account().state, AccountState::Active);
    story.saw(AccountSight::Absent);
    story.step();
    assert_eq!(
        (story.account().state, story.account().id.as_str()),
        (AccountState::Creating, "")
    );
    assert_eq!(
        (story.state("chat"), story.grant("chat").account_id.as_str()),
        (GrantState::Granting, "")
    );
    assert_eq!(story.grant("chat").undone_at, [Time(story.now)]);
    assert_eq!(story.intents().len(), 2);
    story.all_done();
    assert_eq!(story.state("chat"), GrantState::Granted);
    // I4: the look that showed the old one gone says nothing of the new one.
    story.saw(AccountSight::Unseen);
    story.assert_stable();
}

/// I4: a list whose reading began before the account was made does not show it, and proves nothing.
#[test]
fn a_look_from_before_an_account_was_made_proves_nothing() {
    let mut story = Story::settled();
    let look = AccountLook {
        id: "A1".to_owned(),
        found: None,
        at: story.now,
    };
    story.sight.looks.insert("okta".to_owned(), look);
    let next = story.step();
    assert!(next.look_up.is_empty());
    story.assert_stable();
    // One look says this and the other that: nothing.
    story.account_shows(None);
    for sight in [
        AccountSight::Failed("down".to_owned()),
        AccountSight::Ambiguous("two".to_owned()),
        AccountSight::Present {
            id: "A1".to_owned(),
            active: true,
            ours: true,
            by: Match::Key,
            names: BTreeSet::new(),
        },
    ] {
        story.saw(sight);
        story.step();
        story.assert_stable();
        assert_eq!(story.account().state, AccountState::Active);
    }
}

/// What nobody wants is not made anew.
#[test]
fn an_unwanted_account_that_others_deleted_stays_gone() {
    let mut story = Story::settled();
    story.drop_policy("basics");
    story.ruling = Ruling::Wait;
    story.account_shows(None);
    story.saw(AccountSight::Absent);
    story.step();
    assert_eq!(
        (story.account().state, story.state("chat")),
        (AccountState::Deleted, GrantState::Revoked)
    );
    story.assert_stable();
}

/// Our key on another id: the record follows it, and so does everything that the account holds.
#[test]
fn an_account_is_followed_to_another_id() {
    let mut story = Story::settled();
    let chat = story.grant("chat").clone();
    story.account_shows(None);
    story.saw(present(true, true));
    story.step();
    assert_eq!(
        (story.account().state, story.account().id.as_str()),
        (AccountState::Active, "A9")
    );
    let expected = EntitlementRecord {
        account_id: "A9".to_owned(),
        ..chat
    };
    assert_eq!(story.grant("chat"), &expected);
    story.assert_stable();
}

/// A new name gives the account a new id, where names are ids: what it holds is not lost sight of.
#[test]
fn an_account_that_our_update_renamed_keeps_its_grants() {
    let mut story = Story::settled();
    story.policy("more", &json!({"entitlements": [{"name": "code"}]}));
    story.holds("code", false);
    story.facts(&json!({"workEmail": "ada.l@x.io"}));
    story.step();
    assert_eq!(
        (story.account().state, story.state("code")),
        (AccountState::Updating, GrantState::Granting)
    );
    let digest = attributes_digest(&story.ada().spec);
    story.sight.outcomes = story
        .intents()
        .into_iter()
        .map(|intent| {
            let outcome = match &intent {
                Intent::Account { .. } => Outcome::done("ada.l", Some(digest.clone())),
                Intent::Membership { .. } => Outcome::done("A1", None),
            };
            (intent, outcome)
        })
        .collect();
    story.step();
    assert_eq!(story.account().id, "ada.l");
    for name in ["chat", "code"] {
        assert_eq!(
            (story.state(name), story.grant(name).account_id.as_str()),
            (GrantState::Granted, "ada.l"),
            "{name}"
        );
    }
    story.sight = Sight::default();
    story.assert_stable();
    // I2
    story.terminate();
    story.step();
    let about = |intent: &Intent| match intent {
        Intent::Account { id, .. } => id.clone(),
        Intent::Membership { account_id, .. } => account_id.clone(),
    };
    let about: Vec<String> = story.intents().iter().map(about).collect();
    assert_eq!(about, ["ada.l", "ada.l", "ada.l"]);
}

/// Who locked an account may know what HR does not.
#[test]
fn an_account_that_others_locked_is_not_unlocked() {
    let mut story = Story::settled();
    story.account_shows(Some(seen(false)));
    story.step();
    assert_eq!(
        (story.account().state, story.account().reason.as_str()),
        (AccountState::Active, LOCKED)
    );
    assert_eq!((story.state("chat"), story.intents()), (GrantState::Granted, vec![]));
    let said = story.condition("AccountLocked").unwrap();
    assert!(said.contains("A1 at okta. Activate it there"), "{said}");
    story.assert_stable();
    story.account_shows(Some(seen(true)));
    story.step();
    assert_eq!(story.account().reason, "");
    assert_eq!(story.condition("AccountLocked"), None);
    story.assert_stable();
}

#[test]
fn an_invited_account_is_active_once_the_person_accepted() {
    let mut story = Story::settled();
    story.edit(|ada| ada.status.accounts[0].state = AccountState::Invited);
    story.account_shows(Some(AccountSeen {
        invited: true,
        ..AccountSeen::default()
    }));
    story.step();
    assert_eq!(story.account().state, AccountState::Invited);
    story.account_shows(Some(seen(true)));
    story.step();
    assert_eq!(story.account().state, AccountState::Active);
}

/// I1: an address alone may be that of whoever looks after a robot.
#[test]
fn an_address_alone_is_not_enough_to_take_an_account_over() {
    let by_email = |names: &[&str]| AccountSight::Present {
        id: "A9".to_owned(),
        active: true,
        ours: false,
        by: Match::Email,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut story = Story::new();
    story.saw(by_email(&["billing-robot", "ada@x.io"]));
    story.step();
    assert_eq!((story.ada().status.accounts.clone(), story.intents()), (vec![], vec![]));
    assert!(story.grant("chat").reason.contains("another user name"));
    story.assert_stable();
    story.saw(by_email(&["ADA", "ada@x.io"]));
    story.step();
    assert_eq!(
        (story.account().state, story.account().origin),
        (AccountState::Updating, Origin::Adopted)
    );
}

/// I1: who is not at work yet, or not any more, takes nothing over.
#[test]
fn nobody_takes_over_anything_before_they_come_and_after_they_left() {
    for facts in [
        json!({"startDate": "2026-12-01"}),
        json!({"employmentStatus": "INACTIVE"}),
    ] {
        let mut story = Story::new();
        story.facts(&facts);
        story.saw(present(true, false));
        story.holds("chat", true);
        let next = story.step();
        assert_eq!(
            (next.status.accounts, next.status.entitlements),
            (vec![], vec![]),
            "{facts}"
        );
    }
}

/// Semantics 5: both sides say so, and the account is nobody's gain and nobody's loss until it is resolved.
#[test]
fn an_account_that_two_people_claim_stays_with_the_one_who_has_it() {
    let claimed = || {
        let mut story = Story::settled();
        story.twin("e-twin", |twin| {
            let account = &mut twin.status.accounts[0];
            account.state = AccountState::Pending;
            twin.status.entitlements.clear();
        });
        story.step();
        story
    };
    let mut story = claimed();
    assert!(
        story.condition("AccountConflict").unwrap().contains("e-twin"),
        "{:?}",
        story.ada().status.conditions
    );
    story.assert_stable();
    // What a policy takes waits.
    story.drop_policy("basics");
    let next = story.step();
    assert_eq!((story.state("chat"), next.unjudged), (GrantState::Granted, false));
    story.assert_stable();
    // The other one is told apart: it goes.
    story.namespace.employees.remove("e-twin");
    story.step();
    assert_eq!(
        (story.state("chat"), story.condition("AccountConflict")),
        (GrantState::Revoking, None)
    );
    // An exit waits for nobody (I2).
    let mut story = claimed();
    story.terminate();
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
    // Nor does a denial.
    let mut story = claimed();
    story.policy(
        "no-chat",
        &json!({"effect": "Deny", "entitlements": [{"name": "chat"}]}),
    );
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
}

#[test]
fn who_claims_an_account_of_another_says_whose_it_is_and_forgets_the_claim_with_the_wish() {
    let mut story = Story::settled();
    story.twin("e-twin", |_| {});
    story.edit(|ada| ada.status = EmployeeStatus::default());
    let theirs = AccountSight::Present {
        id: "A1".to_owned(),
        active: true,
        ours: false,
        by: Match::Name,
        names: BTreeSet::new(),
    };
    story.saw(theirs);
    story.step();
    assert!(
        story
            .condition("AccountConflict")
            .unwrap()
            .contains("is Employee e-twin's")
    );
    assert_eq!(story.intents(), []);
    story.assert_stable();
    // I7: a restart forgets what was seen, and not that there was a claim.
    story.sight = Sight::default();
    let next = story.step();
    assert_eq!(next.look_up.len(), 1);
    assert!(story.condition("AccountConflict").is_some());
    story.drop_policy("basics");
    story.step();
    assert_eq!(
        (story.ada().status.accounts.clone(), story.condition("AccountConflict")),
        (vec![], None)
    );
}

/// I1: nobody touches a protected account, by whichever of its names it is called.
#[test]
fn a_protected_account_is_left_alone() {
    let robot = AccountSight::Present {
        id: "A9".to_owned(),
        active: true,
        ours: false,
        by: Match::Name,
        names: BTreeSet::from(["root@x.io".to_owned()]),
    };
    for pattern in ["a9", "ADA@*", "ada", "root@x.io"] {
        let mut story = Story::new();
        story.spec_of_okta(&json!({"protectedAccounts": [pattern]}));
        story.saw(robot.clone());
        story.holds("chat", false);
        story.step();
        assert_eq!(
            (story.ada().status.accounts.clone(), story.intents()),
            (vec![], vec![]),
            "{pattern}"
        );
        assert_eq!(
            (story.state("chat"), story.grant("chat").reason.as_str()),
            (GrantState::Pending, PROTECTED)
        );
        story.assert_stable();
    }
}

/// What is ours there already is kept, of a leaver too; and nobody can overlook it.
#[test]
fn what_is_ours_at_a_protected_account_is_kept_and_said() {
    for leave in [true, false] {
        let mut story = Story::settled();
        story.spec_of_okta(&json!({"protectedAccounts": ["A1"]}));
        story.seen_later(false);
        assert_eq!(
            (story.state("chat"), story.intents()),
            (GrantState::Granted, vec![]),
            "no drift is set right"
        );
        if leave {
            story.terminate();
        } else {
            story.drop_policy("basics");
        }
        // I6: no budget counts it and no ChangeSet waits for it.
        let resolution = resolve(&story.namespace, story.ada(), story.now);
        assert_eq!(losses(&story.namespace, story.ada(), &resolution), []);
        let next = story.step();
        assert!(!next.unjudged);
        assert_eq!((story.state("chat"), story.intents()), (GrantState::Granted, vec![]));
        assert_eq!(story.grant("chat").reason, PROTECTED);
        assert_eq!(story.condition("UnmanagedAccess").is_some(), leave);
        story.assert_stable();
        // Out of the list: it goes.
        story.spec_of_okta(&json!({}));
        story.sight = Sight::default();
        story.step();
        assert_eq!(
            (story.state("chat"), story.condition("UnmanagedAccess")),
            (GrantState::Revoking, None)
        );
        assert_ne!(story.grant("chat").reason, PROTECTED);
    }
}

/// A name that only the target knows protects as well, as long as somebody saw it.
#[test]
fn a_name_that_only_the_target_knows_protects_a_leaver() {
    let mut story = Story::settled();
    story.spec_of_okta(&json!({"protectedAccounts": ["root*"]}));
    story.account_shows(Some(AccountSeen {
        active: true,
        names: BTreeSet::from(["Root@x.io".to_owned()]),
        ..AccountSeen::default()
    }));
    story.terminate();
    story.step();
    assert_eq!((story.state("chat"), story.intents()), (GrantState::Granted, vec![]));
    assert!(story.condition("UnmanagedAccess").is_some());
}

/// I1: while an account is made at a service that never shows our key, an account under another name is somebody else's.
#[test]
fn what_is_found_under_other_names_than_were_sought_is_not_ours() {
    use crate::decide::effect::may_be_ours;
    let mut story = Story::new();
    story.saw(AccountSight::Absent);
    story.step();
    let intents = story.intents();
    let [Intent::Account { sought, .. }, ..] = &intents[..] else {
        panic!("{intents:?}");
    };
    let ours = |key: Option<&str>, story: &Story| may_be_ours(key, "tenant/e-ada", sought, &story.ada().spec);
    assert!(ours(None, &story) && ours(Some("tenant/e-ada"), &story) && !ours(Some("tenant/e-bob"), &story));
    // A title is no name.
    story.facts(&json!({"jobTitle": "Engineer"}));
    assert!(ours(None, &story));
    story.facts(&json!({"workEmail": "bob@x.io"}));
    story.step();
    assert_eq!(story.intents(), intents, "the intent remembers the names of its time");
    assert!(!ours(None, &story) && ours(Some("tenant/e-ada"), &story));
    story.all_done();
    assert_eq!(story.account().sought, "");
}
