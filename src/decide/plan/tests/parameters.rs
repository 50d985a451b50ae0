//! Parameters of grants: raised at once, lowered as losses are. And what `managementPolicies` leaves undone.

use super::*;
use crate::api::conditions::UNMANAGED_ACCESS;
use crate::api::employee::DeletionPolicy;
use crate::decide::effect::Holding;

/// Policy `basics` as it gives `chat` with this limit, in its generation 1, by which everybody was judged.
fn limited(limit: &str) -> Value {
    json!({"entitlements": [{"name": "chat", "parameters": {"limit": limit}}]})
}

/// Ada holds `chat` with this limit, applied.
fn with_limit(limit: &str) -> Story {
    let mut story = Story::new();
    story.policy("basics", &limited(limit));
    story.settle()
}

fn limits(story: &Story) -> (GrantState, String, String) {
    let record = story.grant("chat");
    let of = |values: &BTreeMap<String, String>| values.get("limit").cloned().unwrap_or_default();
    (
        record.state,
        of(&record.desired_parameters),
        of(&record.applied_parameters),
    )
}

fn is(state: GrantState, desired: &str, applied: &str) -> (GrantState, String, String) {
    (state, desired.to_owned(), applied.to_owned())
}

fn sent(story: &Story) -> Vec<String> {
    let limit = |intent: &Intent| match intent {
        Intent::Membership { parameters, hold, .. } => {
            format!("{hold} {}", parameters.get("limit").map_or("", String::as_str))
        }
        Intent::Account { action, .. } => format!("{action:?}"),
    };
    story.intents().iter().map(limit).collect()
}

impl Story {
    /// The policy's generation goes up, and nobody was judged by it yet.
    fn edit_policy(&mut self, name: &str, with: &Value, enforced: i64) {
        let mut spec = json!({"mode": "Enforce", "selector": {"everyone": true}, "entitlements": [{"name": "chat"}]});
        spec.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let mut policy = object(
            "ProvisioningPolicy",
            name,
            &spec,
            &json!({"enforcedGeneration": enforced}),
        );
        policy["metadata"]["generation"] = json!(2);
        self.put::<ProvisioningPolicy>(&policy);
    }

    /// The last look at the holders of `chat` shows this limit.
    fn shows_limit(&mut self, limit: &str, after: i64) {
        let look = Look {
            holding: Some(Holding {
                parameters: BTreeMap::from([("limit".to_owned(), limit.to_owned())]),
                ..Holding::default()
            }),
            at: self.now + SignedDuration::from_mins(after),
        };
        self.sight.holds.insert(key("okta", "chat"), look);
    }

    fn says_left(&self) -> Option<String> {
        let conditions = &self.ada().status.conditions;
        let said = conditions
            .iter()
            .find(|said| said.type_ == UNMANAGED_ACCESS && said.status == "True");
        said.map(|said| said.message.clone())
    }
}

#[test]
fn a_raised_parameter_is_sent_at_once_and_applied_when_read_back() {
    let mut story = with_limit("100");
    assert_eq!(limits(&story), is(GrantState::Granted, "100", "100"));
    story.ruling = Ruling::Hold;
    story.edit_policy("basics", &limited("500"), 1);
    assert!(!story.step().unjudged, "no gain is judged that only grows");
    assert_eq!(limits(&story), is(GrantState::Updating, "500", "100"));
    assert_eq!(sent(&story), ["true 500"]);
    // A restart in between: the record alone says what is to be sent.
    story.sight = Sight::default();
    story.step();
    assert_eq!(sent(&story), ["true 500"]);
    story.all_done();
    assert_eq!(limits(&story), is(GrantState::Granted, "500", "500"));
    story.assert_stable();
}

/// I6: less is a loss. Nothing is sent while it waits, and the record says what waits; the approval of exactly that lets it go.
#[test]
fn a_lowered_parameter_is_a_loss() {
    let mut story = with_limit("500");
    story.ruling = Ruling::Wait;
    story.edit_policy("basics", &limited("100"), 1);
    assert!(story.step().unjudged);
    assert_eq!(limits(&story), is(GrantState::Granted, "500", "500"));
    assert_eq!(sent(&story), [""; 0]);

    story.ruling = Ruling::Hold;
    story.step();
    assert_eq!(limits(&story), is(GrantState::Held, "500", "500"));
    let record = story.grant("chat").clone();
    assert_eq!(
        (record.change_set.as_str(), record.cause),
        ("cs", Some(Cause::PolicyChange))
    );
    assert_eq!(record.parameter_change, "limit 500 -> 100");
    assert_eq!(record.reason, "waits for a person");
    story.assert_stable();

    story.ruling = Ruling::Judged;
    let docket = survey(&story.namespace, story.now).targets["okta"].docket.clone();
    assert_eq!(docket.losses.len(), 1);
    assert_eq!(docket.losses[0].change_set, "cs", "it waits where its record says");
    // Nobody can approve what is not there: as far as the judge knows, it is still held.
    story.edit(|ada| ada.status.entitlements[0].change_set.clear());
    story.step();
    let record = story.grant("chat");
    assert_eq!(limits(&story), is(GrantState::Updating, "100", "500"));
    assert_eq!(
        (record.release, record.cause, record.parameter_change.as_str()),
        (Some(Release::Budget), Some(Cause::PolicyChange), "")
    );
    assert!(record.released_at.is_some());
    assert_eq!(sent(&story), ["true 100"]);
    assert!(
        survey(&story.namespace, story.now).targets["okta"]
            .docket
            .losses
            .is_empty(),
        "it is let go once"
    );
    story.all_done();
    assert_eq!(limits(&story), is(GrantState::Granted, "100", "100"));
    story.assert_stable();
}

/// I6: what was held is a change from one value to another; another change waits for a decision of its own.
#[test]
fn what_waits_is_one_change_and_no_other() {
    let mut story = with_limit("500");
    story.ruling = Ruling::Hold;
    story.edit_policy("basics", &limited("100"), 1);
    story.step();
    story.edit_policy("basics", &limited("50"), 1);
    let docket = survey(&story.namespace, story.now).targets["okta"].docket.clone();
    assert_eq!(docket.losses[0].change_set, "", "nobody was asked about 50 yet");
    story.step();
    assert_eq!(story.grant("chat").parameter_change, "limit 500 -> 50");
    // Wanted as before: nothing waits any more.
    story.edit_policy("basics", &limited("500"), 1);
    story.step();
    let record = story.grant("chat");
    assert_eq!(
        (
            record.state,
            record.change_set.as_str(),
            record.parameter_change.as_str()
        ),
        (GrantState::Granted, "", "")
    );
    story.assert_stable();
    // More than before, while less waited: it goes at once.
    story.edit_policy("basics", &limited("100"), 1);
    story.step();
    story.edit_policy("basics", &limited("900"), 1);
    story.step();
    assert_eq!(limits(&story), is(GrantState::Updating, "900", "500"));
    assert_eq!(story.grant("chat").change_set, "");
}

/// A grant that waits for a decision on its parameters and is then lost as a whole is another loss, and the other way round.
#[test]
fn the_loss_of_the_whole_is_not_decided_by_a_decision_on_its_parameters() {
    let mut story = with_limit("500");
    story.ruling = Ruling::Hold;
    story.edit_policy("basics", &limited("100"), 1);
    story.step();
    story.drop_policy("basics");
    let docket = survey(&story.namespace, story.now).targets["okta"].docket.clone();
    assert!(matches!(docket.losses[0].id.what, Lost::Membership(..)));
    assert_eq!(docket.losses[0].change_set, "");
    story.step();
    let record = story.grant("chat");
    assert_eq!(
        (
            record.state,
            record.change_set.as_str(),
            record.parameter_change.as_str()
        ),
        (GrantState::Held, "cs", "")
    );
    story.edit_policy("basics", &limited("100"), 2);
    let docket = survey(&story.namespace, story.now).targets["okta"].docket.clone();
    assert!(matches!(docket.losses[0].id.what, Lost::Parameters { .. }));
    assert_eq!(docket.losses[0].change_set, "");
    story.step();
    assert_eq!(story.grant("chat").parameter_change, "limit 500 -> 100");
    // An exit waits for nobody.
    story.terminate();
    story.step();
    let record = story.grant("chat");
    assert_eq!(
        (record.state, record.parameter_change.as_str()),
        (GrantState::Revoking, "")
    );
    assert!(sent(&story).contains(&"false ".to_owned()), "{:?}", sent(&story));
}

/// Less of a cut than the one that was let go needs no verdict of its own, and more does.
#[test]
fn what_is_under_way_is_turned_around_by_what_takes_less() {
    let mut story = with_limit("500");
    story.edit_policy("basics", &limited("100"), 1);
    story.step();
    assert_eq!(limits(&story), is(GrantState::Updating, "100", "500"));
    story.ruling = Ruling::Hold;
    story.edit_policy("basics", &limited("300"), 1);
    story.step();
    assert_eq!(limits(&story), is(GrantState::Updating, "300", "500"));
    story.edit_policy("basics", &limited("20"), 1);
    story.step();
    assert_eq!(
        limits(&story),
        is(GrantState::Updating, "300", "500"),
        "what was let go goes on"
    );
    assert_eq!(story.grant("chat").parameter_change, "limit 500 -> 20");
    story.edit_policy("basics", &limited("500"), 1);
    story.step();
    assert_eq!(
        sent(&story),
        ["true 500"],
        "it may be at the target already, and is set back there"
    );
    story.all_done();
    assert_eq!(limits(&story), is(GrantState::Granted, "500", "500"));
    story.assert_stable();
}

/// One parameter up and another down is a loss as a whole: nothing of it is sent before it is let go.
#[test]
fn a_mixed_change_is_a_loss_as_a_whole() {
    let mut story = Story::new();
    story.parameters = json!([{"name": "limit", "type": "Integer"}, {"name": "tier", "values": ["silver", "gold"]}]);
    story.entitlement("chat", "okta");
    let give = |limit: &str, tier: &str| json!({"entitlements": [{"name": "chat", "parameters": {"limit": limit, "tier": tier}}]});
    story.policy("basics", &give("100", "gold"));
    let mut story = story.settle();
    story.ruling = Ruling::Hold;
    story.edit_policy("basics", &give("500", "silver"), 1);
    story.step();
    assert_eq!(limits(&story), is(GrantState::Held, "100", "100"));
    assert_eq!(
        story.grant("chat").parameter_change,
        "limit 100 -> 500, tier gold -> silver"
    );
}

/// The cause of less is what called for it: the facts, an edit of the policy or the Entitlement, or others at the target.
#[test]
fn less_has_the_cause_that_called_for_it() {
    let cause = |story: &Story| {
        let docket = survey(&story.namespace, story.now).targets["okta"].docket.clone();
        docket.losses.first().map(|loss| loss.cause)
    };
    // Sales has the higher limit, by the stronger policy; Ada moves.
    let sales = json!({"priority": 1, "selector": {"department": {"in": ["Sales"]}},
        "entitlements": [{"name": "chat", "parameters": {"limit": "500"}}]});
    let moved = || {
        let mut story = Story::new();
        story.policy("basics", &limited("100"));
        story.policy("sales", &sales);
        story.settle()
    };
    let mut story = moved();
    story.facts(&json!({"departments": [{"path": ["Legal"]}]}));
    assert_eq!(cause(&story), Some(Cause::AttributeChange));
    // It stays that while it is not judged, though the grantors are others by now.
    story.ruling = Ruling::Wait;
    story.step();
    assert_eq!(cause(&story), Some(Cause::AttributeChange));

    let mut story = moved();
    story.drop_policy("sales");
    assert_eq!(cause(&story), Some(Cause::PolicyChange));

    let mut story = with_limit("500");
    story.edit_policy("basics", &limited("100"), 1);
    assert_eq!(cause(&story), Some(Cause::PolicyChange));
    // A new policy that is stronger is an edit as well.
    let mut story = with_limit("500");
    story.edit_policy(
        "cap",
        &json!({"priority": 9, "entitlements": [{"name": "chat", "parameters": {"limit": "1"}}]}),
        1,
    );
    assert_eq!(cause(&story), Some(Cause::PolicyChange));
    // So is another default.
    let mut story = Story::new();
    story.parameters = json!([{"name": "limit", "type": "Integer", "default": "500"}]);
    story.entitlement("chat", "okta");
    let mut story = story.settle();
    assert_eq!(limits(&story), is(GrantState::Granted, "500", "500"));
    story.parameters = json!([{"name": "limit", "type": "Integer", "default": "100"}]);
    story.entitlement("chat", "okta");
    assert_eq!(cause(&story), Some(Cause::PolicyChange));
}

/// What others raised at the target is set back with a verdict, and what they lowered at once.
#[test]
fn more_than_policies_ask_for_is_taken_back_as_drift() {
    let mut story = with_limit("100");
    story.shows_limit("900", 5);
    assert!(story.step().unjudged);
    assert_eq!(limits(&story), is(GrantState::Granted, "100", "900"));
    let docket = survey(&story.namespace, story.now).targets["okta"].docket.clone();
    assert_eq!(docket.losses[0].cause, Cause::Drift);
    story.step();
    assert_eq!(limits(&story), is(GrantState::Updating, "100", "900"));
    assert_eq!(story.grant("chat").cause, Some(Cause::Drift));
    story.all_done();
    assert_eq!(limits(&story), is(GrantState::Granted, "100", "100"));

    let mut story = with_limit("100");
    story.ruling = Ruling::Hold;
    story.shows_limit("20", 5);
    story.step();
    assert_eq!(sent(&story), ["true 100"]);
}

/// A target that says yes and shows something else is not asked again and again.
#[test]
fn a_target_that_does_not_take_a_value_is_told_of_and_left() {
    let mut story = with_limit("100");
    story.edit_policy("basics", &limited("500"), 1);
    story.step();
    let intent = story.intents().remove(0);
    let outcome = Outcome::Done {
        account_id: "A1".to_owned(),
        attributes: None,
        holding: Some(Holding {
            parameters: BTreeMap::from([("limit".to_owned(), "400".to_owned())]),
            ..Holding::default()
        }),
        invited: false,
    };
    story.sight.outcomes = vec![(intent, outcome)];
    story.step();
    assert_eq!(limits(&story), is(GrantState::Failed, "500", "400"));
    assert!(
        story
            .grant("chat")
            .last_error
            .contains("limit 400 where 500 was asked for")
    );
    let before = story.ada().status.clone();
    story.step();
    assert_eq!(story.ada().status, before);
}

/// Unknown neither grants nor revokes: a policy that says what the entitlement does not take gives nothing new, and what is held
/// keeps the parameters that it has.
#[test]
fn what_the_entitlement_does_not_take_changes_nothing() {
    for (parameters, words) in [
        (json!({"limit": "plenty"}), "no whole number"),
        (json!({"limit": "5", "colour": "red"}), "declares no parameter colour"),
        (json!({"limit": "1001"}), "must not be above 1000"),
    ] {
        let bad = json!({"entitlements": [{"name": "chat", "parameters": parameters}]});
        let mut story = Story::new();
        story.parameters = json!([{"name": "limit", "type": "Integer", "maximum": 1000}]);
        story.entitlement("chat", "okta");
        story.policy("basics", &limited("500"));
        let mut held = story.settle();
        held.edit_policy("basics", &bad, 1);
        held.step();
        assert_eq!(limits(&held), is(GrantState::Granted, "500", "500"), "{words}");
        held.assert_stable();
        let resolution = resolve(&held.namespace, held.ada(), held.now);
        let why = &resolution.undecided[&key("okta", "chat")];
        assert!(why.contains(words), "{why}");

        let mut story = Story::new();
        story.parameters = json!([{"name": "limit", "type": "Integer", "maximum": 1000}]);
        story.entitlement("chat", "okta");
        story.policy("basics", &bad);
        story.saw(AccountSight::Absent);
        story.step();
        assert!(story.ada().status.entitlements.is_empty(), "{words}");
    }
}

/// A card that was there already is taken over with the limit that it has; less than that is a loss.
#[test]
fn what_is_adopted_keeps_its_parameters_until_a_change_is_let_go() {
    let mut story = Story::new();
    story.policy("basics", &limited("100"));
    story.saw(present(true, false));
    story.shows_limit("500", 0);
    story.step();
    assert_eq!(limits(&story), is(GrantState::Granted, "100", "500"));
    story.ruling = Ruling::Hold;
    story.step();
    assert_eq!(limits(&story), is(GrantState::Held, "100", "500"));
    assert_eq!(story.grant("chat").parameter_change, "limit 500 -> 100");
}

// ---- managementPolicies ----------------------------------------------------------------------------------------------

impl Story {
    fn may(&mut self, verbs: &[&str]) {
        self.verbs = json!(verbs);
        self.target("okta");
    }
}

#[test]
fn without_grant_nothing_is_begun_and_what_is_there_is_adopted() {
    let mut story = Story::new();
    story.may(&["Observe", "Revoke", "Deactivate"]);
    story.saw(AccountSight::Absent);
    story.step();
    let record = story.grant("chat");
    assert_eq!(record.state, GrantState::Pending);
    assert!(
        record.reason.contains("TargetSystem okta lacks Grant"),
        "{}",
        record.reason
    );
    assert!(story.ada().status.accounts.is_empty());
    story.assert_stable();
    // An account that somebody else made, and a place in the group that they gave: ours to take one day.
    story.saw(present(true, false));
    story.step();
    assert_eq!(story.intents(), []);
    story.holds("chat", false);
    story.step();
    assert!(story.grant("chat").reason.contains("lacks Grant"));
    story.holds("chat", true);
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granted);
    story.terminate();
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
}

#[test]
fn without_update_the_record_says_what_differs() {
    let mut story = with_limit("100");
    story.may(&["Observe", "Grant", "Revoke", "Deactivate", "Delete"]);
    for limit in ["500", "50"] {
        story.edit_policy("basics", &limited(limit), 1);
        story.facts(&json!({"displayName": "Ada L."}));
        assert!(!story.step().unjudged);
        assert_eq!(limits(&story), is(GrantState::Granted, "100", "100"));
        assert_eq!(story.account().state, AccountState::Active);
        let reason = &story.grant("chat").reason;
        assert!(reason.contains("lacks Update; it would be limit 100 -> "), "{reason}");
        story.assert_stable();
    }
    story.edit_policy("basics", &limited("100"), 1);
    story.step();
    assert_eq!(story.grant("chat").reason, "");
}

/// I2 as far as we are let: an Employee that is deleted to revoke waits for what may not be taken, says so and how to end that;
/// and goes once somebody took it by hand.
#[test]
fn a_deletion_that_may_not_revoke_says_what_it_waits_for() {
    let deleted = || {
        let mut story = with_limit("100");
        story.may(&["Observe", "Grant", "Update"]);
        story.edit(|ada| {
            ada.deleting = true;
            ada.spec.deletion_policy = DeletionPolicy::Revoke;
        });
        assert!(!story.step().empty);
        story
    };
    let mut story = deleted();
    let conditions = &story.ada().status.conditions;
    let said = conditions.iter().find(|said| said.type_ == UNMANAGED_ACCESS).unwrap();
    assert_eq!(said.reason, "DeletionWaits");
    for words in ["chat at okta", "add the verb", "by hand", "deletionPolicy Orphan"] {
        assert!(said.message.contains(words), "{words}: {}", said.message);
    }
    story.assert_stable();
    // A look that shows it held changes nothing.
    story.shows_limit("100", 1);
    assert!(!story.step().empty);
    story.sight.holds.insert(
        key("okta", "chat"),
        Look::plain(false, story.now + SignedDuration::from_mins(2)),
    );
    assert!(story.step().empty);
    assert_eq!(story.state("chat"), GrantState::Revoked);
    assert_eq!(story.grant("chat").reason, "somebody took it away at the target");
    assert_eq!(story.says_left(), None);

    let mut story = deleted();
    story.may(&["Observe", "Grant", "Update", "Revoke"]);
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
    assert!(story.all_done().empty);
}

/// I2 as far as we are let: a leaver keeps what may not be taken, and everybody can see it.
#[test]
fn without_revoke_a_leaver_keeps_it_and_the_record_says_so() {
    let mut story = Story::new();
    story.account = json!({"onTerminated": {"action": "Deactivate"}});
    story.target("okta");
    let mut story = story.settle();
    story.may(&["Observe", "Grant", "Update"]);
    story.terminate();
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granted);
    assert_eq!(story.account().state, AccountState::Active);
    assert!(story.grant("chat").reason.contains("lacks Revoke"));
    assert!(story.account().reason.contains("lacks Deactivate"));
    let said = story.says_left().unwrap();
    assert!(
        said.contains("chat at okta") && said.contains("the account at okta"),
        "{said}"
    );
    assert!(
        survey(&story.namespace, story.now).targets["okta"]
            .docket
            .losses
            .is_empty()
    );
    story.assert_stable();
    story.may(&["Observe", "Grant", "Update", "Revoke", "Deactivate"]);
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
    assert_eq!(story.account().state, AccountState::Deactivating);
    assert_eq!(story.says_left(), None);
}

#[test]
fn without_delete_a_deactivated_account_stays() {
    let mut story = Story::new();
    story.account = json!({"onTerminated": {"action": "Delete", "after": "0s"}});
    story.target("okta");
    let mut story = story.settle();
    story.may(&["Observe", "Grant", "Update", "Revoke", "Deactivate"]);
    story.terminate();
    story.step();
    story.all_done();
    story.step();
    assert_eq!(story.account().state, AccountState::Deactivated);
    story.assert_stable();
    story.may(&["Observe", "Grant", "Update", "Revoke", "Deactivate", "Delete"]);
    story.step();
    story.step();
    assert_eq!(story.account().state, AccountState::Deleting);
}

#[test]
fn without_observe_nothing_is_looked_at_or_sent() {
    let mut story = Story::new();
    story.may(&["Grant", "Update", "Revoke", "Deactivate", "Delete"]);
    let next = story.step();
    assert!(next.look_up.is_empty() && next.look_at.is_empty());
    assert!(story.grant("chat").reason.contains("lacks Observe"));
    story.assert_stable();

    let mut story = with_limit("100");
    story.may(&["Grant", "Update", "Revoke", "Deactivate", "Delete"]);
    story.policy("more", &json!({"entitlements": [{"name": "code"}]}));
    story.edit_policy("basics", &limited("500"), 1);
    let next = story.step();
    assert!(next.look_up.is_empty() && next.look_at.is_empty());
    assert_eq!(limits(&story), is(GrantState::Granted, "100", "100"));
    story.assert_stable();
    story.terminate();
    story.step();
    assert_eq!(story.state("chat"), GrantState::Granted);
    assert!(story.says_left().unwrap().contains("chat at okta"));
    story.assert_stable();
}

/// What tells an effect from every other one of the same grant.
type Effect = (String, Option<Time>, GrantState, BTreeMap<String, String>);

fn effect(story: &Story) -> Effect {
    let record = story.grant("chat").clone();
    (
        record.operation_id,
        record.begun_at,
        record.state,
        record.desired_parameters,
    )
}

/// I4: an API that remembers idempotency keys answers with what came of the first effect under a key. So from 100 to 500, back
/// and to 500 again are three effects, though each second one is the same order; and one that is tried again is the same.
#[test]
fn every_change_of_a_grant_is_told_from_all_others() {
    let mut story = with_limit("100");
    let mut effects = vec![effect(&story)];
    // The clock stands, as it does within a second.
    for limit in ["500", "100", "500", "100"] {
        story.edit_policy("basics", &limited(limit), 2);
        story.step();
        assert_eq!(story.state("chat"), GrantState::Updating, "{limit}");
        let begun = effect(&story);
        story.all_come_to(&Outcome::Retrying("503".to_owned()));
        story.all_come_to(&Outcome::Refused("400".to_owned()));
        story.now += SignedDuration::from_secs(1);
        story.step();
        assert_eq!(
            (story.state("chat"), effect(&story).1),
            (GrantState::Failed, begun.1.clone())
        );
        story.now -= SignedDuration::from_secs(1);
        effects.push(begun);
        story.all_done();
        assert_eq!(limits(&story), is(GrantState::Granted, limit, limit));
        story.assert_stable();
    }
    let dates: BTreeSet<_> = effects
        .iter()
        .map(|(operation, begun, ..)| (operation, begun))
        .collect();
    assert_eq!(dates.len(), effects.len(), "{effects:#?}");
    story.terminate();
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
    let revoking = effect(&story);
    assert!(effects.iter().all(|known| known.1 != revoking.1), "{revoking:?}");
}

/// I4: what was refused was not done, and with other parameters it is not the same: an API with keys takes a key for one order
/// alone.
#[test]
fn a_refused_grant_is_another_operation_with_other_parameters_alone() {
    for outcome in [
        Outcome::Refused("400".to_owned()),
        Outcome::NoSeat("no budget".to_owned()),
    ] {
        let mut story = Story::new();
        story.policy("basics", &limited("100"));
        story.saw(AccountSight::Absent);
        story.step();
        let account = story
            .intents()
            .into_iter()
            .filter(|intent| matches!(intent, Intent::Account { .. }));
        let digest = attributes_digest(&story.ada().spec);
        story.sight.outcomes = account
            .map(|intent| (intent, Outcome::done("A1", Some(digest.clone()))))
            .collect();
        story.step();
        let begun = effect(&story);
        story.all_come_to(&outcome);
        assert_eq!(
            (&effect(&story).0, &effect(&story).1),
            (&begun.0, &begun.1),
            "tried again"
        );
        story.edit_policy("basics", &limited("50"), 2);
        story.step();
        assert_eq!(limits(&story), is(GrantState::Granting, "50", ""));
        assert_ne!(effect(&story).0, begun.0);
    }
}
