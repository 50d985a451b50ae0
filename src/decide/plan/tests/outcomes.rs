//! What comes of what was sent.

use super::*;

fn retrying() -> Outcome {
    Outcome::Retrying("may or may not have done it".to_owned())
}

fn refused() -> Outcome {
    Outcome::Refused("refuses the request".to_owned())
}

fn unknown() -> Outcome {
    Outcome::Unknown("cannot be found out".to_owned())
}

fn granting() -> Story {
    let mut story = Story::new();
    story.saw(AccountSight::Absent);
    story.step();
    story
}

fn leaving() -> Story {
    let mut story = Story::settled();
    story.terminate();
    story.step();
    story
}

/// I3: what may have been done stays on record as under way.
#[test]
fn what_is_tried_again_stays_under_way() {
    for mut story in [granting(), leaving()] {
        let (before, meant) = (story.ada().status.clone(), story.intents());
        story.all_come_to(&retrying());
        assert_eq!(story.grant("chat").last_error, "may or may not have done it");
        assert_eq!(story.account().last_error, "may or may not have done it");
        assert_eq!(story.intents(), meant);
        assert_eq!(story.state("chat"), before.entitlements[0].state);
        // Done in the end, and nothing is said of the error any more.
        story.all_done();
        assert_eq!(
            (
                story.grant("chat").last_error.as_str(),
                story.account().last_error.as_str()
            ),
            ("", "")
        );
        story.assert_stable();
    }
}

#[test]
fn what_is_refused_on_the_way_in_has_failed_and_is_still_meant() {
    let mut story = granting();
    story.all_come_to(&refused());
    assert_eq!(
        (story.account().state, story.state("chat")),
        (AccountState::Failed, GrantState::Failed)
    );
    assert_eq!(story.intents().len(), 2);
    assert_eq!(story.ada().status.counts.unwrap().failed, 1);
    story.all_done();
    assert_eq!(
        (story.account().state, story.state("chat")),
        (AccountState::Active, GrantState::Granted)
    );
    story.assert_stable();
}

/// I2: a refusal does not make us forget that somebody has to go.
#[test]
fn what_is_refused_on_the_way_out_is_still_on_its_way_out() {
    let mut unwanted = Story::settled();
    unwanted.drop_policy("basics");
    unwanted.step();
    let released = unwanted.grant("chat").clone();
    unwanted.ruling = Ruling::Wait;
    let next = unwanted.all_come_to(&refused());
    assert!(!next.unjudged, "it was judged, and is not lost twice");
    assert_eq!(
        (unwanted.state("chat"), &unwanted.grant("chat").released_at),
        (GrantState::Revoking, &released.released_at)
    );

    let mut story = leaving();
    story.all_come_to(&refused());
    assert_eq!(
        (story.account().state, story.state("chat")),
        (AccountState::Deactivating, GrantState::Revoking)
    );
    assert_eq!(story.grant("chat").last_error, "refuses the request");
    assert_eq!(story.intents().len(), 2);
}

/// I4: what cannot be found out is not tried again.
#[test]
fn what_cannot_be_found_out_stops() {
    let mut story = granting();
    story.all_come_to(&unknown());
    assert_eq!(
        (story.account().state, story.state("chat")),
        (AccountState::Unknown, GrantState::Unknown)
    );
    story.assert_stable();
    // I2: but an exit leaves nothing to chance.
    story.terminate();
    story.step();
    assert_eq!(
        (story.account().state, story.state("chat")),
        (AccountState::Deactivating, GrantState::Revoking)
    );
}

/// What could not be found out is settled by a look that shows it; one that shows none proves nothing.
#[test]
fn what_turns_up_after_all_was_done() {
    let mut story = Story::settled();
    let mut ada = story.ada().clone();
    ada.status.entitlements[0].state = GrantState::Unknown;
    ada.status.entitlements[0].granted_at = None;
    "cannot be found out".clone_into(&mut ada.status.entitlements[0].last_error);
    story
        .namespace
        .employees
        .insert(ada.name.clone(), std::sync::Arc::new(ada));
    story.holds("chat", false);
    story.step();
    assert_eq!(story.state("chat"), GrantState::Unknown);
    story.holds("chat", true);
    story.step();
    let grant = story.grant("chat");
    assert_eq!((grant.state, grant.last_error.as_str()), (GrantState::Granted, ""));
    assert!(grant.granted_at.is_some());
    assert!(story.intents().is_empty());
    story.assert_stable();
}

/// I5: an outcome of what is no longer meant says nothing of what is.
#[test]
fn an_outcome_of_a_superseded_intent_is_ignored() {
    let mut story = granting();
    let meant = story.intents();
    story.terminate();
    story.step();
    let done = Outcome::done("A1".to_owned(), None);
    for outcome in [done, refused(), unknown()] {
        story.sight.outcomes = meant.iter().map(|intent| (intent.clone(), outcome.clone())).collect();
        assert_eq!(story.plan().status, story.ada().status);
    }
}

/// I4: after a rehire, what came of the operation before does not count for the new one.
#[test]
fn an_outcome_of_an_earlier_employment_is_ignored() {
    let mut story = granting();
    let meant = story.intents();
    story.terminate();
    story.step();
    story.all_done();
    story.facts(&json!({"startDate": "2026-06-01"}));
    story.holds("chat", false);
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granting);
    let recorded = story.ada().status.clone();
    let done = Outcome::done("A0".to_owned(), None);
    story.sight.outcomes = meant.into_iter().map(|intent| (intent, done.clone())).collect();
    assert_eq!(story.plan().status, recorded);
}

/// I7: an outcome that comes twice changes nothing the second time.
#[test]
fn an_outcome_that_comes_twice_counts_once() {
    let mut story = granting();
    let meant = story.intents();
    story.all_done();
    let done = Outcome::done("A1".to_owned(), None);
    story.sight.outcomes = meant.into_iter().map(|intent| (intent, done.clone())).collect();
    assert_eq!(story.plan().status, story.ada().status);
}

#[test]
fn a_refused_update_is_tried_again_as_an_update() {
    let mut story = Story::settled();
    story.facts(&json!({"displayName": "Ada L."}));
    story.step();
    story.all_come_to(&refused());
    assert_eq!(
        (story.account().state, story.account().id.as_str()),
        (AccountState::Failed, "A1")
    );
    assert!(matches!(&story.intents()[..], [Intent::Account { action: Act::Update, id, .. }] if id == "A1"));
    assert_eq!(
        story.state("chat"),
        GrantState::Granted,
        "what she holds is not touched by it"
    );
}

/// I2, I4: a deletion that we never heard back of does not keep a rehire from an account, nor from what it should hold.
#[test]
fn an_account_that_is_found_gone_is_made_anew_with_all_it_held() {
    let mut story = Story::settled();
    story.facts(&json!({"displayName": "Ada L."}));
    story.step();
    let none = Outcome::done(String::new(), None);
    let next = story.all_come_to(&none);
    assert_eq!(
        (story.account().state, story.state("chat")),
        (AccountState::Deleted, GrantState::Revoked)
    );
    assert_eq!(next.look_up, BTreeSet::from(["okta".to_owned()]));
    story.saw(AccountSight::Absent);
    story.step();
    assert_eq!(
        (story.account().state, story.state("chat")),
        (AccountState::Creating, GrantState::Granting)
    );
    assert_eq!(
        (story.account().id.as_str(), story.grant("chat").account_id.as_str()),
        ("", "")
    );
    story.all_done();
    story.assert_stable();
}

/// I4: what an account became that was still being made when it was ended is found out before another is made.
#[test]
fn an_account_that_was_ended_while_being_made_is_not_made_twice() {
    let mut story = granting();
    story.terminate();
    story.step();
    story.facts(&json!({}));
    story.step();
    assert_eq!(
        (story.account().state, story.account().id.as_str()),
        (AccountState::Creating, "")
    );
    // Read back, there was none: then it is as for a hire.
    story.terminate();
    story.step();
    let none = Outcome::done(String::new(), None);
    story.all_come_to(&none);
    story.sight = Sight::default();
    story.facts(&json!({}));
    assert_eq!(story.step().look_up, BTreeSet::from(["okta".to_owned()]));
    assert_eq!(story.account().state, AccountState::Deactivated);
}

/// A refused activation is not forgotten for an update, which leaves the account as unusable as it is.
#[test]
fn a_refused_activation_is_still_an_activation() {
    let mut story = leaving();
    story.all_done();
    story.facts(&json!({}));
    story.holds("chat", false);
    story.step();
    story.all_come_to(&refused());
    assert_eq!(
        (story.account().state, story.account().last_error.as_str()),
        (AccountState::Activating, "refuses the request")
    );
    assert!(matches!(
        &story.intents()[0],
        Intent::Account {
            action: Act::Activate,
            ..
        }
    ));
    story.all_done();
    story.assert_stable();
}
