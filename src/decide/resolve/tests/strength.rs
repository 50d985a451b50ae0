//! Denials, exceptions, separation of duties, and who begins early.

use super::*;
use crate::api::AccessException;
use crate::decide::losses::losses;
use crate::decide::resolve::then;

/// An exception for Ada about `chat`, that ends on the first of July.
fn put_exception(namespace: &mut Namespace, name: &str, effect: &str, with: Value) {
    let mut spec = json!({"employee": "ADA@x.io", "entitlementRef": {"name": "chat"}, "effect": effect,
        "reason": "asked for", "expiresAt": "2026-07-01T00:00:00Z"});
    spec.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    put::<AccessException>(
        namespace,
        json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "AccessException",
            "metadata": {"name": name, "generation": 1}, "spec": spec}),
    );
}

fn ada_called() -> Person {
    employee(&json!({"workEmail": "ada@x.io"}), &json!({"phase": "Active"}))
}

fn called(namespace: &mut Namespace, name: &str, spec: Value) -> Person {
    let object =
        json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "Employee", "metadata": {"name": name}, "spec": spec});
    put::<Employee>(namespace, object);
    namespace.employees[name].as_ref().clone()
}

/// What becomes of `chat`, in a word or two.
fn outcome(namespace: &Namespace, person: &Person, now: Timestamp) -> String {
    let resolution = resolve(namespace, person, now);
    let chat = key("g1");
    match resolution.desired.get(&chat) {
        _ if resolution.ending.is_some() => "ending".to_owned(),
        Some(_) if resolution.blocked.contains_key(&chat) => "blocked".to_owned(),
        Some(desired) => format!("by {}", desired.grantors.join(" and ")),
        None if resolution.denied.contains_key(&chat) => "denied".to_owned(),
        None if resolution.undecided.contains_key(&chat) => "undecided".to_owned(),
        None => "nothing".to_owned(),
    }
}

/// Semantics 4: terminated, exception Deny, policy Deny, exception Allow, policy Grant; and Freeze before all but the exit.
#[test]
fn the_strongest_word_wins() {
    let mut namespace = tenant();
    let ada = called(&mut namespace, "ada", json!({"workEmail": "ada@x.io"}));
    let is = |namespace: &Namespace, expected: &str| assert_eq!(outcome(namespace, &ada, now()), expected);
    is(&namespace, "nothing");
    put_policy(&mut namespace, "gives", json!({}));
    is(&namespace, "by gives");
    put_exception(&mut namespace, "allow", "Allow", json!({}));
    is(&namespace, "by AccessException/allow and gives");
    ProvisioningPolicy::remove(&mut namespace, "gives");
    is(&namespace, "by AccessException/allow");
    put_policy(&mut namespace, "denies", json!({"effect": "Deny"}));
    put_policy(&mut namespace, "gives", json!({"priority": 1000}));
    is(&namespace, "denied");
    assert_eq!(
        resolve(&namespace, &ada, now()).denied[&key("g1")],
        "policy denies denies it"
    );
    ProvisioningPolicy::remove(&mut namespace, "denies");
    put_exception(&mut namespace, "deny", "Deny", json!({}));
    is(&namespace, "denied");
    assert_eq!(
        resolve(&namespace, &ada, now()).denied[&key("g1")],
        "AccessException deny denies it"
    );
    put_exception(&mut namespace, "freeze", "Freeze", json!({}));
    is(&namespace, "undecided");
    assert!(resolve(&namespace, &ada, now()).undecided[&key("g1")].contains("frozen by AccessException freeze"));
    let left = called(
        &mut namespace,
        "ada",
        json!({"workEmail": "ada@x.io", "employmentStatus": "INACTIVE"}),
    );
    assert_eq!(outcome(&namespace, &left, now()), "ending");
}

/// I8 and semantics 4: a denial takes what any number of policies give, and nothing else; also what only stays because a
/// policy cannot be told about.
#[test]
fn a_denial_takes_its_entitlements_whoever_gives_them() {
    let mut namespace = tenant();
    let both = json!({"entitlements": [{"name": "chat"}, {"name": "code"}]});
    put_policy(&mut namespace, "one", both.clone());
    put_policy(&mut namespace, "two", both);
    put_policy(&mut namespace, "denies", json!({"effect": "Deny"}));
    let resolution = resolve(&namespace, &ada(), now());
    assert_eq!(resolution.desired.keys().collect::<Vec<_>>(), [&key("g2")]);
    assert!(resolution.matched.contains("denies"));
    let unsure = json!({"selector": {"manager": {"under": ["nobody@x.io"]}}});
    put_policy(&mut namespace, "two", unsure);
    ProvisioningPolicy::remove(&mut namespace, "one");
    let holder = holder(&json!({}), "g1", "Granted", &["two"], &json!({}));
    let lost = losses(&namespace, &holder, &resolve(&namespace, &holder, now()));
    assert_eq!(
        lost.len(),
        1,
        "doubt about a grant keeps nothing from a denial: {lost:?}"
    );
}

/// Semantics 3: what cannot be told of a denial takes nothing and begins nothing.
#[test]
fn an_unclear_denial_blocks_what_is_new_and_takes_nothing() {
    let metadata = |name: &str, more: Value| {
        let mut metadata = json!({"name": name, "generation": 1});
        metadata
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        metadata
    };
    let denial = |metadata: Value, selector: Value, entitlement: &str| {
        json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "ProvisioningPolicy", "metadata": metadata,
            "spec": {"mode": "Enforce", "effect": "Deny", "selector": selector, "entitlements": [{"name": entitlement}]}})
    };
    let everyone = json!({"everyone": true});
    let paused = json!({"annotations": {"rollcall.dev/paused": ""}});
    let cases = [
        (
            "unknown",
            denial(
                metadata("d", json!({})),
                json!({"manager": {"under": ["nobody@x.io"]}}),
                "chat",
            ),
        ),
        (
            "unreadable",
            denial(metadata("d", json!({})), json!({"tenure": {"atLeast": "5m"}}), "chat"),
        ),
        ("paused", denial(metadata("d", paused), everyone.clone(), "chat")),
    ];
    for (case, policy) in cases {
        let mut namespace = tenant();
        put_policy(&mut namespace, "gives", json!({}));
        put::<ProvisioningPolicy>(&mut namespace, policy);
        assert_eq!(outcome(&namespace, &ada(), now()), "blocked", "{case}");
        let resolution = resolve(&namespace, &ada(), now());
        assert!(
            said(&resolution.unclear_denials, "d") != "",
            "{case}: the policy says so"
        );
        assert!(resolution.undecided_grantors.is_empty(), "{case}: it gave nothing");
        let holder = holder(&json!({}), "g1", "Granted", &["gives"], &json!({}));
        assert_eq!(
            losses(&namespace, &holder, &resolve(&namespace, &holder, now())),
            [],
            "{case}"
        );
    }
    // A policy that does not match, whose deletion was asked for, or that only plans, denies nothing.
    let going = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    let mut planned = denial(metadata("d", json!({})), everyone.clone(), "chat");
    planned["spec"]["mode"] = json!("Plan");
    for policy in [
        denial(metadata("d", going), everyone, "chat"),
        denial(metadata("d", json!({})), json!({"company": ["Y"]}), "chat"),
        planned,
    ] {
        let mut namespace = tenant();
        put_policy(&mut namespace, "gives", json!({}));
        put::<ProvisioningPolicy>(&mut namespace, policy);
        assert_eq!(outcome(&namespace, &ada(), now()), "by gives");
    }
}

/// A denial during leave, and before the first day.
#[test]
fn a_denial_has_phases() {
    let mut namespace = tenant();
    put_policy(&mut namespace, "gives", json!({"lifecycle": {"startBefore": "7d"}}));
    put_policy(
        &mut namespace,
        "denies",
        json!({"effect": "Deny", "lifecycle": {"phases": ["OnLeave"]}}),
    );
    let soon = employee(&json!({"startDate": "2026-06-20"}), &json!({}));
    assert_eq!(outcome(&namespace, &ada(), now()), "by gives");
    assert_eq!(outcome(&namespace, &soon, now()), "by gives");
    put_policy(
        &mut namespace,
        "denies",
        json!({"effect": "Deny", "lifecycle": {"phases": ["Active"]}}),
    );
    assert_eq!(outcome(&namespace, &soon, now()), "denied", "before the first day too");
}

/// Plan mode says what a denial would take.
#[test]
fn a_planned_denial_shows_what_would_go() {
    let mut namespace = tenant();
    put_policy(&mut namespace, "gives", json!({}));
    put_policy(&mut namespace, "denies", json!({"effect": "Deny", "mode": "Plan"}));
    let holder = holder(&json!({}), "g1", "Granted", &["gives"], &json!({}));
    let delta = would(&namespace, &holder, "denies", now());
    assert_eq!((delta.grants.len(), delta.revokes.len()), (0, 1));
    put_policy(&mut namespace, "other", json!({"effect": "Deny"}));
    assert_eq!(
        would(&namespace, &holder, "denies", now()),
        PlanDelta::default(),
        "it goes by another anyway"
    );
}

/// I7: an exception ends by itself, to the instant, and says before what follows.
#[test]
fn an_exception_ends_and_says_what_follows() {
    let mut namespace = tenant();
    let ada = called(&mut namespace, "ada", json!({"workEmail": "ada@x.io"}));
    put_exception(&mut namespace, "x", "Allow", json!({}));
    let resolution = resolve(&namespace, &ada, now());
    let end: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
    assert_eq!(resolution.next, Some((end, "AccessException x ends".to_owned())));
    let second = jiff::SignedDuration::from_secs(1);
    assert_eq!(outcome(&namespace, &ada, end - second), "by AccessException/x");
    assert_eq!(outcome(&namespace, &ada, end), "nothing");

    let follows = |namespace: &Namespace, person: &Person| {
        then(namespace, person, namespace.exceptions["x"].readable().unwrap()).unwrap()
    };
    assert_eq!(follows(&namespace, &ada), "it is revoked");
    put_policy(&mut namespace, "eng", json!({}));
    assert_eq!(follows(&namespace, &ada), "policy eng gives it");
    put_exception(&mut namespace, "x", "Deny", json!({}));
    assert_eq!(follows(&namespace, &ada), "policy eng gives it");
    put_policy(&mut namespace, "not-yet", json!({"effect": "Deny"}));
    assert_eq!(follows(&namespace, &ada), "nothing changes: policy not-yet denies it");
    ProvisioningPolicy::remove(&mut namespace, "not-yet");
    ProvisioningPolicy::remove(&mut namespace, "eng");
    assert_eq!(follows(&namespace, &ada), "nothing changes");
    let leaver = json!({"workEmail": "ada@x.io", "terminationDate": "2026-06-20"});
    let leaver = called(&mut namespace, "ada", leaver);
    assert!(follows(&namespace, &leaver).contains("has left by then"));
}

/// Semantics 3: an exception for nobody, for several, or that cannot be read or meant, neither gives nor takes.
#[test]
fn an_exception_that_is_not_clear_changes_nothing() {
    let mut namespace = tenant();
    let ada = called(&mut namespace, "ada", json!({"workEmail": "ada@x.io"}));
    put_exception(&mut namespace, "x", "Allow", json!({"employee": "nobody@x.io"}));
    assert_eq!(outcome(&namespace, &ada, now()), "nothing");

    // Two rows of one name: for each of them it stays as it is.
    put_policy(&mut namespace, "gives", json!({}));
    put_exception(&mut namespace, "x", "Deny", json!({}));
    let twin = called(&mut namespace, "twin", json!({"employeeNumber": "ada@x.io"}));
    for person in [&ada, &twin] {
        assert_eq!(outcome(&namespace, person, now()), "undecided");
    }
    Employee::remove(&mut namespace, "twin");
    assert_eq!(outcome(&namespace, &ada, now()), "denied");

    // The email is gone, and that is not confirmed: she may be the one.
    let source = json!({"state": "Present", "unconfirmed": ["workEmail"]});
    let nameless = called(&mut namespace, "ada", json!({"source": source}));
    assert_eq!(outcome(&namespace, &nameless, now()), "blocked");
    ProvisioningPolicy::remove(&mut namespace, "gives");
    put_exception(&mut namespace, "x", "Allow", json!({}));
    let mut held = holder(
        &json!({"source": source}),
        "g1",
        "Granted",
        &["AccessException/x"],
        &json!({}),
    );
    assert_eq!(losses(&namespace, &held, &resolve(&namespace, &held, now())), []);
    assert_eq!(
        outcome(&namespace, &nameless, now()),
        "nothing",
        "and gives her nothing new"
    );

    // It can be read no more, or was paused: what it gave stays, also beyond its end.
    held.spec.work_email = Some("ada@x.io".to_owned());
    held.spec.source = None;
    let late: Timestamp = "2026-08-01T00:00:00Z".parse().unwrap();
    assert_eq!(losses(&namespace, &held, &resolve(&namespace, &held, late)).len(), 1);
    let broken = ObjectMeta {
        name: Some("x".to_owned()),
        ..ObjectMeta::default()
    };
    AccessException::put_broken(&mut namespace, &broken, "no effect".to_owned());
    assert_eq!(losses(&namespace, &held, &resolve(&namespace, &held, late)), []);
    AccessException::remove(&mut namespace, "x");
    assert_eq!(losses(&namespace, &held, &resolve(&namespace, &held, late)).len(), 1);
}

/// An exception follows its `employee` to the next person when it is edited, and leaves the last one.
#[test]
fn an_edited_exception_leaves_the_one_before() {
    let mut namespace = tenant();
    let ada = called(&mut namespace, "ada", json!({"workEmail": "ada@x.io"}));
    let bob = called(&mut namespace, "bob", json!({"workEmail": "bob@x.io"}));
    put_exception(&mut namespace, "x", "Allow", json!({}));
    assert_eq!(outcome(&namespace, &ada, now()), "by AccessException/x");
    put_exception(&mut namespace, "x", "Allow", json!({"employee": "bob@x.io"}));
    assert_eq!(outcome(&namespace, &ada, now()), "nothing");
    assert_eq!(outcome(&namespace, &bob, now()), "by AccessException/x");
    AccessException::remove(&mut namespace, "x");
    assert_eq!(outcome(&namespace, &bob, now()), "nothing");
    assert_eq!(namespace.exceptions_about(&bob).count(), 0);
}

/// What an exception keeps has the parameters that it had: a lower one would be a loss.
#[test]
fn an_exception_keeps_the_parameters_that_are_held() {
    let mut namespace = tenant();
    put_exception(&mut namespace, "x", "Allow", json!({}));
    let person = holder(
        &json!({"workEmail": "ada@x.io"}),
        "g1",
        "Granted",
        &["gone"],
        &json!({"limit": "500"}),
    );
    let resolution = resolve(&namespace, &person, now());
    assert_eq!(resolution.desired[&key("g1")].parameters["limit"], "500");
}

fn exclusive(namespace: &mut Namespace) {
    for (name, id) in [("chat", "g1"), ("code", "g2"), ("audit", "g3")] {
        let mut object = entitlement(name, id);
        object["spec"]["exclusiveGroup"] = json!("payments");
        put::<Entitlement>(namespace, object);
    }
}

/// Separation of duties: what is held stays, and bars the rest until it is read back gone.
#[test]
fn nobody_is_given_two_of_an_exclusive_group() {
    let mut namespace = tenant();
    exclusive(&mut namespace);
    let blocked = |namespace: &Namespace, person: &Person| -> Vec<String> {
        let resolution = resolve(namespace, person, now());
        resolution.blocked.into_keys().map(|key| key.object.id).collect()
    };
    put_policy(&mut namespace, "first", json!({}));
    put_policy(
        &mut namespace,
        "second",
        json!({"priority": 5, "entitlements": [{"name": "code"}]}),
    );
    assert_eq!(blocked(&namespace, &ada()), ["g1"], "the higher priority comes first");
    for state in ["Granting", "Granted", "Held", "Failed", "Unknown"] {
        let holds_chat = holder(&json!({}), "g1", state, &["first"], &json!({}));
        assert_eq!(blocked(&namespace, &holds_chat), ["g2"], "{state}: what is held stays");
    }
    for state in ["Pending", "Revoked"] {
        let had_chat = holder(&json!({}), "g1", state, &["first"], &json!({}));
        assert_eq!(blocked(&namespace, &had_chat), ["g1"], "{state}");
    }
    let mut both = holder(&json!({}), "g1", "Granted", &["first"], &json!({}));
    let mut other = both.status.entitlements[0].clone();
    (other.remote_id, other.entitlement) = ("g2".to_owned(), "code".to_owned());
    both.status.entitlements.push(other);
    assert_eq!(blocked(&namespace, &both), [""; 0], "two that are held both stay");
    assert_eq!(losses(&namespace, &both, &resolve(&namespace, &both, now())), []);

    // The old one is not given any more, and on its way out.
    ProvisioningPolicy::remove(&mut namespace, "first");
    let going = holder(&json!({}), "g1", "Revoking", &["first"], &json!({}));
    assert_eq!(blocked(&namespace, &going), ["g2"]);
    assert!(resolve(&namespace, &going, now()).blocked[&key("g2")].contains("waits until entitlement chat"));
    let gone = holder(&json!({}), "g1", "Revoked", &["first"], &json!({}));
    assert_eq!(blocked(&namespace, &gone), [""; 0]);
}

/// Two of a group at equal priority: nobody says which, so that neither is given.
#[test]
fn equal_rivals_of_an_exclusive_group_are_a_conflict() {
    let mut namespace = tenant();
    exclusive(&mut namespace);
    put_policy(&mut namespace, "first", json!({}));
    put_policy(&mut namespace, "second", json!({"entitlements": [{"name": "code"}]}));
    let resolution = resolve(&namespace, &ada(), now());
    assert_eq!(resolution.blocked.len(), 2);
    assert_eq!(resolution.conflicts.len(), 2);
    assert_eq!(
        resolution.conflicts[0].about,
        Disagreement::Exclusive("payments".to_owned())
    );
    assert_eq!(resolution.conflicts[0].policies, ["first", "second"]);
    // An exception is stronger than any policy.
    put_exception(&mut namespace, "x", "Allow", json!({}));
    let resolution = resolve(&namespace, &ada_called(), now());
    assert_eq!(resolution.blocked.keys().collect::<Vec<_>>(), [&key("g2")]);
    assert!(resolution.conflicts.is_empty());
}

/// `startBefore` counts from the beginning of the first day in the person's zone, and waits for a date and a status.
#[test]
fn who_begins_early_is_given_access_before_the_first_day() {
    let mut namespace = tenant();
    put_policy(&mut namespace, "early", json!({"lifecycle": {"startBefore": "7d"}}));
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let hire = |status: &str, more: Value| {
        let mut spec = json!({"startDate": "2026-07-10", "employmentStatus": status});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        employee(&spec, &json!({}))
    };
    for status in ["ACTIVE", "PENDING"] {
        let person = hire(status, json!({}));
        let resolution = resolve(&namespace, &person, now());
        assert_eq!(resolution.phase, Phase::PreHire);
        assert_eq!(
            resolution.next,
            Some((at("2026-07-03T00:00:00Z"), "policy early begins to give".to_owned()))
        );
        assert_eq!(outcome(&namespace, &person, at("2026-07-02T23:59:59Z")), "nothing");
        assert_eq!(outcome(&namespace, &person, at("2026-07-03T00:00:00Z")), "by early");
        let begun = resolve(&namespace, &person, at("2026-07-03T00:00:00Z"));
        assert!(begun.matched.contains("early"));
        assert_eq!(outcome(&namespace, &person, at("2026-07-10T00:00:00Z")), "by early");
    }
    let day_before = at("2026-07-09T12:00:00Z");
    let nobody_knows = employee(&json!({"employmentStatus": "PENDING"}), &json!({}));
    assert_eq!(outcome(&namespace, &nobody_knows, day_before), "nothing");
    // Whose date is gone and not confirmed to be, and whose status cannot be read, keep what they have and get no more.
    let lost = json!({"startDate": null, "source": {"state": "Present", "unconfirmed": ["startDate"]}});
    assert_eq!(outcome(&namespace, &hire("PENDING", lost), day_before), "undecided");
    assert_eq!(
        outcome(&namespace, &hire("Gardening", json!({})), day_before),
        "undecided"
    );
    // A zone that is guessed begins late, and takes nothing back.
    let remote = |now: &str| {
        let person = hire(
            "ACTIVE",
            json!({"connectionRef": {"name": "gone"}, "source": {"state": "Present"}}),
        );
        outcome(&namespace, &person, at(now))
    };
    assert_eq!(remote("2026-07-02T09:59:59Z"), "nothing");
    assert_eq!(remote("2026-07-02T10:00:00Z"), "undecided");
    assert_eq!(remote("2026-07-03T12:00:00Z"), "by early");

    put_policy(
        &mut namespace,
        "early",
        json!({"lifecycle": {"startBefore": "7d", "phases": ["OnLeave"]}}),
    );
    assert_eq!(outcome(&namespace, &hire("ACTIVE", json!({})), day_before), "nothing");
}
