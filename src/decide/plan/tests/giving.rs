//! From nothing to granted.

use super::*;

/// I3, I4: nothing is recorded, and so nothing sent, before it is known whether there is an account.
#[test]
fn a_hire_is_looked_up_before_anything_is_recorded() {
    let mut story = Story::new();
    let next = story.step();
    assert_eq!(next.look_up, BTreeSet::from(["okta".to_owned()]));
    assert!(next.look_at.is_empty());
    assert_eq!((next.status.accounts, next.status.entitlements), (vec![], vec![]));
}

/// I3: account and grants are in one record, since an account that is only being made holds nothing yet.
#[test]
fn a_hire_without_an_account_gets_account_and_grants_in_one_record() {
    let mut story = Story::new();
    story.saw(AccountSight::Absent);
    let next = story.step();
    assert!(next.look_up.is_empty() && next.look_at.is_empty());
    assert_eq!(
        (story.account().state, story.account().id.as_str()),
        (AccountState::Creating, "")
    );
    assert_eq!(
        (story.state("chat"), story.grant("chat").account_id.as_str()),
        (GrantState::Granting, "")
    );
    assert_eq!(story.grant("chat").grantors, ["basics"]);
    assert_eq!(story.intents().len(), 2);
    assert_ne!(story.account().operation_id, story.grant("chat").operation_id);
    story.all_done();
    assert_eq!(
        (story.account().state, story.account().origin),
        (AccountState::Active, Origin::Operator)
    );
    assert_eq!(
        (story.state("chat"), story.grant("chat").account_id.as_str()),
        (GrantState::Granted, "A1")
    );
    story.assert_stable();
}

/// I1: what was there becomes ours only where the target's owner says so, and only once it was seen.
#[test]
fn an_account_and_a_membership_that_are_there_are_adopted() {
    let mut story = Story::new();
    story.saw(present(true, false));
    let next = story.step();
    assert_eq!(
        (story.account().state, story.account().origin),
        (AccountState::Updating, Origin::Adopted)
    );
    assert_eq!(next.look_at, BTreeSet::from([key("okta", "chat")]));
    assert_eq!(next.status.entitlements, []);
    story.holds("chat", true);
    story.step();
    assert_eq!(
        (story.state("chat"), story.grant("chat").origin),
        (GrantState::Granted, Origin::Adopted)
    );
    story.all_done();
    assert_eq!(
        (story.account().state, story.account().origin),
        (AccountState::Active, Origin::Adopted)
    );
    story.assert_stable();
}

#[test]
fn a_membership_that_is_not_there_is_granted_to_an_adopted_account() {
    let mut story = Story::new();
    story.saw(present(true, false));
    story.holds("chat", false);
    story.step();
    assert_eq!(
        (story.state("chat"), story.grant("chat").origin),
        (GrantState::Granting, Origin::Operator)
    );
    assert_eq!(story.grant("chat").account_id, "A9");
    assert_eq!(story.intents().len(), 2);
    story.all_done();
    story.assert_stable();
}

/// I1: without leave to adopt, or where a person must decide, nothing is touched, and the record says why.
#[test]
fn what_cannot_be_used_leaves_the_grant_pending_with_a_reason() {
    let cases = [
        ("Never", json!({}), present(true, false), "adopt is Never"),
        ("Never", json!({}), present(false, false), "adopt is Never"),
        ("Desired", json!({}), present(false, false), "somebody else deactivated"),
        (
            "Desired",
            json!({}),
            AccountSight::Ambiguous("two match".into()),
            "two match",
        ),
        (
            "Desired",
            json!({}),
            AccountSight::Failed("target is down".into()),
            "target is down",
        ),
        (
            "Desired",
            json!({"create": false}),
            AccountSight::Absent,
            "account.create is false",
        ),
    ];
    for (adopt, account, sight, why) in cases {
        let mut story = Story::new();
        (story.adopt, story.account) = (adopt, account);
        story.target("okta");
        story.saw(sight);
        story.holds("chat", true);
        story.step();
        assert_eq!(story.ada().status.accounts, [], "{why}");
        assert_eq!(story.state("chat"), GrantState::Pending, "{why}");
        assert!(story.grant("chat").reason.contains(why), "{:?}", story.grant("chat"));
        story.assert_stable();
        // A person mends it.
        story.saw(AccountSight::Absent);
        story.account = json!({});
        story.target("okta");
        story.step();
        assert_eq!(
            (story.state("chat"), story.grant("chat").reason.as_str()),
            (GrantState::Granting, "")
        );
    }
}

/// I3: an account with our correlation key is ours, whatever became of the record and whatever `adopt` says.
#[test]
fn an_account_of_our_own_is_found_again_when_the_record_was_lost() {
    for (active, state) in [(true, AccountState::Active), (false, AccountState::Activating)] {
        let mut story = Story::new();
        story.adopt = "Never";
        story.target("okta");
        story.saw(present(active, true));
        story.holds("chat", false);
        story.step();
        assert_eq!(
            (story.account().state, story.account().origin),
            (state, Origin::Operator)
        );
        assert_eq!(
            (story.state("chat"), story.grant("chat").account_id.as_str()),
            (GrantState::Granting, "A9")
        );
        story.all_done();
        story.assert_stable();
    }
}

/// I1: a place among the holders that somebody else gave stays theirs.
#[test]
fn a_membership_given_by_somebody_else_is_left_alone() {
    let mut story = Story::new();
    story.adopt = "Never";
    story.target("okta");
    story.saw(present(true, true));
    story.holds("chat", true);
    story.step();
    assert_eq!(story.state("chat"), GrantState::Pending);
    assert!(story.grant("chat").reason.contains("given by somebody else"));
    story.assert_stable();
    story.drop_policy("basics");
    assert_eq!(story.plan().status.entitlements, []);
}

/// I8
#[test]
fn what_two_policies_give_names_both_and_stays_until_the_last_withdraws() {
    let mut story = Story::new();
    story.policy("more", &json!({}));
    let mut story = story.settle();
    assert_eq!(story.grant("chat").grantors, ["basics", "more"]);
    story.drop_policy("basics");
    story.step();
    assert_eq!(
        (story.state("chat"), story.grant("chat").grantors.as_slice()),
        (GrantState::Granted, &["more".to_owned()][..])
    );
    story.assert_stable();
    story.drop_policy("more");
    story.step();
    assert_eq!(story.state("chat"), GrantState::Revoking);
}

/// I8: two entitlements that stand for one remote object are one grant.
#[test]
fn a_renamed_entitlement_changes_nothing_outside() {
    let mut story = Story::settled();
    story.entitlement_of("talk", "okta", "chat");
    story.policy("basics", &json!({"entitlements": [{"name": "talk"}]}));
    story.step();
    assert_eq!(
        (story.state("chat"), story.grant("chat").entitlement.as_str()),
        (GrantState::Granted, "talk")
    );
    story.assert_stable();
}

#[test]
fn a_second_grant_needs_no_second_look_up() {
    let mut story = Story::settled();
    story.policy("more", &json!({"entitlements": [{"name": "code"}]}));
    let next = story.step();
    assert!(next.look_up.is_empty());
    assert_eq!(next.look_at, BTreeSet::from([key("okta", "code")]));
    story.holds("code", false);
    story.step();
    assert_eq!(
        (story.state("code"), story.grant("code").account_id.as_str()),
        (GrantState::Granting, "A1")
    );
    assert_eq!(story.state("chat"), GrantState::Granted);
}

#[test]
fn parameters_are_those_of_the_strongest_policy() {
    let with = |limit: &str| json!({"priority": 1, "entitlements": [{"name": "chat", "parameters": {"limit": limit}}]});
    let mut story = Story::new();
    story.policy("more", &with("5"));
    let mut story = story.settle();
    assert_eq!(story.grant("chat").desired_parameters["limit"], "5");
    // Equal priorities that differ change nothing, and say so.
    story.policy("other", &with("6"));
    let next = story.step();
    assert_eq!(
        (
            story.state("chat"),
            story.grant("chat").desired_parameters["limit"].as_str()
        ),
        (GrantState::Granted, "5")
    );
    assert!(
        next.status
            .conditions
            .iter()
            .any(|c| c.type_ == crate::api::conditions::CONFLICT && c.status == "True")
    );
    story.assert_stable();
    story.drop_policy("other");
    story.drop_policy("more");
    let next = story.step();
    assert!(story.grant("chat").desired_parameters.is_empty());
    assert!(
        next.status
            .conditions
            .iter()
            .all(|c| c.type_ != crate::api::conditions::CONFLICT || c.status == "False")
    );
}

#[test]
fn changed_attributes_update_an_account_be_it_made_or_adopted() {
    let mut story = Story::settled();
    story.facts(&json!({"displayName": "Ada L."}));
    story.step();
    assert_eq!(
        (story.account().state, story.account().id.as_str()),
        (AccountState::Updating, "A1")
    );
    assert!(matches!(
        &story.intents()[..],
        [Intent::Account {
            action: Act::Update,
            ..
        }]
    ));
    assert_eq!(story.state("chat"), GrantState::Granted);
    story.all_done();
    story.assert_stable();

    let mut story = adopted();
    assert_eq!(
        story.account().state,
        AccountState::Updating,
        "it may have another name yet"
    );
    story.all_done();
    story.assert_stable();
    story.facts(&json!({"displayName": "Ada L."}));
    story.step();
    assert_eq!(story.account().state, AccountState::Updating);
    story.all_done();
    story.assert_stable();
}

/// An account and `chat` were there, and are adopted.
fn adopted() -> Story {
    let mut story = Story::new();
    story.saw(present(true, false));
    story.holds("chat", true);
    story.step();
    story
}

/// What a target's owner wants left as it is stays so, and one who refuses an attribute does not keep anybody from working.
#[test]
fn an_adopted_account_is_left_as_it_is_without_leave_and_used_though_it_refuses() {
    let mut story = Story::new();
    story.verbs = json!(["Observe", "Grant", "Revoke"]);
    story.target("okta");
    story.saw(present(true, false));
    story.holds("chat", true);
    story.step();
    assert_eq!(story.account().state, AccountState::Active);
    story.facts(&json!({"displayName": "Ada L."}));
    story.step();
    assert_eq!(story.account().state, AccountState::Active);
    story.assert_stable();

    let mut story = adopted();
    story.all_come_to(&Outcome::Refused("400".to_owned()));
    assert_eq!(
        (story.account().state, story.state("chat")),
        (AccountState::Failed, GrantState::Granted)
    );
    story.policy("coders", &json!({"entitlements": [{"name": "code"}]}));
    story.holds("code", false);
    story.step();
    assert_eq!(
        (story.account().state, story.state("code")),
        (AccountState::Failed, GrantState::Granting)
    );
}

#[test]
fn a_missing_target_is_neither_looked_at_nor_lost() {
    let mut story = Story::settled();
    TargetSystem::remove(&mut story.namespace, "okta");
    let next = story.step();
    assert!(next.look_up.is_empty() && next.look_at.is_empty());
    assert_eq!(
        (story.state("chat"), story.account().state),
        (GrantState::Granted, AccountState::Active)
    );
    story.assert_stable();
}

/// The CRD takes 256 records: what goes beyond is not begun, and what is there stays.
#[test]
fn more_than_256_records_are_not_begun() {
    let mut story = Story::new();
    let mut story = {
        for number in 0..300 {
            story.entitlement(&format!("g{number:03}"), "okta");
        }
        let grants = |range: std::ops::Range<usize>| -> Value {
            json!({"entitlements": range.map(|n| json!({"name": format!("g{n:03}")})).collect::<Vec<_>>()})
        };
        for (part, start) in (0..300).step_by(60).enumerate() {
            story.policy(&format!("p{part}"), &grants(start..start + 60));
        }
        story.settle()
    };
    let granted = story.ada().status.entitlements.clone();
    assert_eq!(granted.len(), 256);
    assert!(granted.iter().all(|record| record.state == GrantState::Granted));
    for number in 0..300 {
        story.holds(&format!("g{number:03}"), false);
    }
    story.assert_stable();
}

/// A cluster knows a person by a name: another name is another grant, and the old one goes.
#[test]
fn a_changed_email_moves_a_grant_of_the_cluster() {
    let mut story = Story::new();
    story.cluster();
    story.policy("basics", &json!({"entitlements": [{"name": "admin"}]}));
    assert_eq!(story.step().look_at, BTreeSet::from([key("cluster", "admin")]));
    story
        .sight
        .holds
        .insert(key("cluster", "admin"), Look::plain(false, Timestamp::UNIX_EPOCH));
    story.step();
    assert_eq!(
        (story.state("admin"), story.grant("admin").account_id.as_str()),
        (GrantState::Granting, "ada@x.io")
    );
    assert_eq!(story.ada().status.accounts, []);
    story.all_done();
    story.assert_stable();

    story.facts(&json!({"workEmail": "lovelace@x.io"}));
    story.step();
    let states = |story: &Story| -> Vec<(String, GrantState, Option<Cause>)> {
        let records = &story.ada().status.entitlements;
        records
            .iter()
            .map(|r| (r.account_id.clone(), r.state, r.cause))
            .collect()
    };
    assert_eq!(
        states(&story),
        [
            (
                "ada@x.io".to_owned(),
                GrantState::Revoking,
                Some(Cause::AttributeChange)
            ),
            ("lovelace@x.io".to_owned(), GrantState::Granting, None)
        ]
    );
    // A name that is no longer known takes nothing.
    story.all_done();
    story.facts(&json!({"workEmail": null}));
    story.step();
    assert_eq!(
        states(&story)[1],
        ("lovelace@x.io".to_owned(), GrantState::Granted, None)
    );
    assert_eq!(story.intents(), []);
}

#[test]
fn a_person_without_a_name_for_the_cluster_waits() {
    let mut story = Story::new();
    story.cluster();
    story.policy("basics", &json!({"entitlements": [{"name": "admin"}]}));
    story.facts(&json!({"workEmail": null}));
    story.step();
    assert_eq!(story.state("admin"), GrantState::Pending);
    assert!(story.grant("admin").reason.contains("lacks the attribute"));
    story.assert_stable();
}

/// I1: an account that is another Employee's is not taken over, however well it matches.
#[test]
fn an_account_of_another_is_not_adopted() {
    let mut story = Story::settled();
    let mut twin = story.ada().clone();
    twin.name = "e-twin".to_owned();
    story
        .namespace
        .employees
        .insert(twin.name.clone(), std::sync::Arc::new(twin));
    story.edit(|ada| ada.status = EmployeeStatus::default());
    story.saw(AccountSight::Present {
        id: "A1".to_owned(),
        active: true,
        ours: false,
        by: Match::Name,
        names: BTreeSet::new(),
    });
    story.holds("chat", true);
    let next = story.step();
    let claims: Vec<_> = next
        .status
        .accounts
        .iter()
        .map(|claim| (claim.state, claim.id.as_str()))
        .collect();
    assert_eq!(claims, [(AccountState::Pending, "A1")]);
    assert_eq!(story.intents(), []);
    assert_eq!(next.status.entitlements[0].state, GrantState::Pending);
    assert!(
        next.status.entitlements[0]
            .reason
            .contains("belongs to Employee e-twin")
    );
}
