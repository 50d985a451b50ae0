use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::api::ChangeSet;
use crate::api::change_set::Decision;
use crate::api::target::{Budget, Guard};

/// A namespace as the guard sees it: who would lose and gain what, and what people decided.
#[derive(Default)]
struct Town {
    dockets: BTreeMap<String, (Docket, Option<Guard>)>,
    spent: Spent,
    members: BTreeMap<String, BTreeSet<Member>>,
    sets: BTreeMap<String, Known>,
    versions: BTreeMap<String, String>,
    limits: Option<Budget>,
    unsettled: bool,
    later: SignedDuration,
    memory: Memory,
}

fn guard(text: serde_json::Value) -> Guard {
    serde_json::from_value(text).expect("a guard")
}

fn name(person: usize) -> String {
    format!("e-{person:03}")
}

fn what(label: &str) -> Lost {
    match label {
        "account" => Lost::Account,
        "deletion" => Lost::Deletion,
        _ => Lost::Membership(
            RemoteObject {
                kind: "Group".into(),
                id: label.into(),
            },
            "a".into(),
        ),
    }
}

fn id(person: usize, target: &str, label: &str) -> LossId {
    LossId {
        employee: name(person),
        target: target.into(),
        what: what(label),
    }
}

impl Town {
    fn new(targets: &[(&str, serde_json::Value)]) -> Self {
        let mut town = Self::default();
        for (target, text) in targets {
            let docket = (Docket::default(), Some(guard(text.clone())));
            town.dockets.insert((*target).to_owned(), docket);
        }
        town
    }

    fn docket(&mut self, target: &str) -> &mut Docket {
        &mut self.dockets.get_mut(target).expect("a target").0
    }

    fn loses(&mut self, people: impl IntoIterator<Item = usize>, target: &str, label: &str, cause: Cause) -> &mut Self {
        for person in people {
            self.versions.entry(name(person)).or_insert_with(|| "1".to_owned());
            let loss = Loss {
                id: id(person, target, label),
                cause,
                change_set: String::new(),
                label: label.to_owned(),
            };
            self.docket(target).losses.push(loss);
        }
        self
    }

    fn gains(&mut self, people: impl IntoIterator<Item = usize>, target: &str) -> &mut Self {
        for person in people {
            let key = RemoteKey {
                target: target.into(),
                object: RemoteObject {
                    kind: "Group".into(),
                    id: "g".into(),
                },
            };
            let gain = Gain {
                id: GainId {
                    employee: name(person),
                    key,
                },
                change_set: String::new(),
                label: "g".into(),
            };
            self.docket(target).gains.push(gain);
        }
        self
    }

    fn spent(&mut self, people: impl IntoIterator<Item = usize>, target: &str, cause: Cause) -> &mut Self {
        for person in people {
            self.docket(target).spent.add(Some(cause), &name(person));
            self.spent.add(Some(cause), &name(person));
        }
        self
    }

    fn judge(&mut self) -> Judgement {
        let terms = Terms {
            limits: self.limits.clone().unwrap_or(Budget {
                max_people: 25,
                max_percent: 10,
            }),
            settled: !self.unsettled,
            now: Timestamp::UNIX_EPOCH + self.later,
        };
        let version = |keeper: Keeper<'_>| match keeper {
            Keeper::Employee(name) | Keeper::Entitlement(name) => self.versions.get(name).map(String::as_str),
        };
        let targets = self.dockets.iter();
        let case = Case {
            targets: targets
                .map(|(name, (docket, guard))| (name.as_str(), (docket, guard.as_ref())))
                .collect(),
            spent: &self.spent,
            members: &self.members,
            sets: self
                .sets
                .iter()
                .map(|(name, known)| (name.as_str(), known.clone()))
                .collect(),
            version: &version,
        };
        judge(&case, &terms, &mut self.memory)
    }

    /// Judges, makes the `ChangeSet`s, and has the records say what was judged of the losses of `people`.
    fn record(&mut self, people: impl IntoIterator<Item = usize>) -> Judgement {
        let judgement = self.judge();
        for opening in &judgement.openings {
            let known = Known {
                digest: Some(opening.digest()),
                line: Some(opening.line),
                shown: opening.members.iter().map(Member::to_string).collect(),
                ..Known::default()
            };
            self.sets.insert(opening.name.clone(), known);
        }
        let people: BTreeSet<String> = people.into_iter().map(name).collect();
        for (target, (docket, _)) in &mut self.dockets {
            let (members, spent) = (&mut self.members, &mut self.spent);
            let target_spent = &mut docket.spent;
            docket.losses.retain_mut(|loss| {
                if !people.contains(&loss.id.employee) {
                    return true;
                }
                match judgement.loss(&loss.id) {
                    Verdict::Held { change_set, .. } => {
                        members
                            .entry(change_set.clone())
                            .or_default()
                            .insert(Member::of_loss(loss));
                        loss.change_set = change_set;
                        true
                    }
                    Verdict::Released { release, cause, .. } => {
                        if release == Release::Budget {
                            target_spent.add(Some(cause), &loss.id.employee);
                            spent.add(Some(cause), &loss.id.employee);
                        }
                        false
                    }
                    Verdict::Wait => true,
                }
            });
            let _ = target;
        }
        for person in people {
            let version = self.versions.entry(person).or_default();
            version.push('1');
        }
        judgement
    }

    fn decide(&mut self, set: &str, decision: Decision) {
        self.sets.get_mut(set).expect("a set").decision = Some(decision);
    }

    /// The process starts anew.
    fn crash(&mut self) {
        self.memory = Memory::default();
    }
}

fn released(judgement: &Judgement) -> usize {
    let released = |verdict: &&Verdict| matches!(verdict, Verdict::Released { .. });
    judgement.verdicts.values().filter(released).count()
}

fn held(judgement: &Judgement) -> usize {
    let held = |verdict: &&Verdict| matches!(verdict, Verdict::Held { .. });
    judgement.verdicts.values().filter(held).count()
}

fn only(judgement: &Judgement) -> String {
    let names: Vec<&String> = judgement
        .waiting
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

/// I6: the last that a budget lets go, and the first that it holds with all the others.
#[test]
fn budgets() {
    let over = json!({"causes": [{"cause": "Absence", "maxPeople": 2, "maxPercent": 0}]});
    let small =
        json!({"maxPeople": 0, "maxPercent": 0, "causes": [{"cause": "Termination", "maxPeople": 0, "maxPercent": 0}]});
    for (text, holders, label, cause, most) in [
        (json!({}), 0, "g", Cause::AttributeChange, 10),
        (json!({}), 0, "g", Cause::Manual, 10),
        (json!({}), 199, "g", Cause::AttributeChange, 19),
        (json!({}), 200, "g", Cause::PolicyChange, 20),
        (json!({"maxPeople": 0, "maxPercent": 0}), 500, "g", Cause::Drift, 0),
        (over.clone(), 500, "g", Cause::Absence, 2),
        (over, 0, "g", Cause::Drift, 10),
        // Exits: only deletions are asked about.
        (json!({}), 0, "deletion", Cause::Termination, 50),
        (json!({}), 400, "deletion", Cause::Termination, 100),
        (small.clone(), 400, "deletion", Cause::Termination, 1),
        (small, 400, "deletion", Cause::AttributeChange, 0),
    ] {
        for (people, goes) in [(most, true), (most + 1, false)] {
            let mut town = Town::new(&[("okta", text.clone())]);
            town.docket("okta").holders = (0..holders).map(name).collect();
            town.loses(0..people, "okta", label, cause);
            let judgement = town.judge();
            let expected = if goes { (people, 0) } else { (0, people) };
            assert_eq!(
                (released(&judgement), held(&judgement)),
                expected,
                "{text} of {holders}: {people} by {cause:?}"
            );
        }
    }
}

/// I6: a budget counts people, however much each of them loses.
#[test]
fn who_loses_many_things_is_one_person() {
    for (people, expected) in [(10, (30, 0)), (11, (0, 33))] {
        let mut town = Town::new(&[("okta", json!({}))]);
        for label in ["g", "another", "account"] {
            town.loses(0..people, "okta", label, Cause::AttributeChange);
        }
        let judgement = town.judge();
        assert_eq!((released(&judgement), held(&judgement)), expected, "{people} people");
    }
}

/// I6: each cause has a budget of its own, and so has each target.
#[test]
fn one_cause_does_not_spend_anothers_budget() {
    let mut town = Town::new(&[("okta", json!({})), ("jira", json!({}))]);
    town.loses(0..10, "okta", "g", Cause::AttributeChange)
        .loses(20..30, "okta", "g", Cause::Manual)
        .loses(40..50, "jira", "g", Cause::AttributeChange)
        .loses(60..71, "okta", "g", Cause::Absence);
    let judgement = town.judge();
    assert_eq!((released(&judgement), held(&judgement)), (30, 11));
    assert_eq!(judgement.openings.len(), 1);
    assert_eq!(judgement.openings[0].line, Line::Losses(Cause::Absence));
    assert_eq!(judgement.held["okta"].people, 11);
    assert!(!judgement.held.contains_key("jira"));
}

/// I6: many targets with room of their own are one namespace without.
#[test]
fn a_namespace_has_a_budget_too() {
    let mut town = Town::new(&[("a", json!({})), ("b", json!({})), ("c", json!({}))]);
    town.loses(0..10, "a", "g", Cause::AttributeChange)
        .loses(10..20, "b", "g", Cause::AttributeChange)
        .loses(20..25, "c", "g", Cause::AttributeChange);
    assert_eq!(released(&town.judge()), 25);
    // Those are on their way by now, and one more is too many.
    town.loses(25..26, "c", "g", Cause::AttributeChange);
    let judgement = town.judge();
    assert_eq!((released(&judgement), held(&judgement)), (25, 1));
    assert!(
        judgement.openings[0].why.contains("in this namespace"),
        "{}",
        judgement.openings[0].why
    );

    // All at once, they are held at all targets, in one set.
    let mut town = Town::new(&[("a", json!({})), ("b", json!({})), ("c", json!({}))]);
    for (target, first) in [("a", 0), ("b", 10), ("c", 20)] {
        town.loses(first..first + 10, target, "g", Cause::AttributeChange);
    }
    let judgement = town.judge();
    assert_eq!((held(&judgement), judgement.openings.len()), (30, 1));
    let shares = judgement.openings[0].targets();
    assert_eq!(
        shares.iter().map(|share| share.people).collect::<Vec<_>>(),
        [10, 10, 10]
    );

    // What a target holds is not spent in the namespace.
    let mut town = Town::new(&[("a", json!({})), ("b", json!({}))]);
    town.loses(0..30, "a", "g", Cause::AttributeChange)
        .loses(40..50, "b", "g", Cause::AttributeChange);
    let judgement = town.judge();
    assert_eq!((released(&judgement), held(&judgement)), (10, 30));
}

/// I6: what went within the window counts, by records and by what is on its way to one.
#[test]
fn the_window_counts() {
    let mut town = Town::new(&[("okta", json!({}))]);
    town.spent(0..9, "okta", Cause::AttributeChange)
        .loses([9], "okta", "g", Cause::AttributeChange);
    assert_eq!(released(&town.judge()), 1);
    town.loses([10], "okta", "g", Cause::AttributeChange);
    let judgement = town.judge();
    assert_eq!((released(&judgement), held(&judgement)), (1, 1));
    // Who lost something may lose more.
    town.loses([3], "okta", "other", Cause::AttributeChange);
    let judgement = town.judge();
    assert_eq!((released(&judgement), held(&judgement)), (2, 1));
}

/// I6: a record on its way counts until the person is recorded again, also when nobody calls for the loss any more.
#[test]
fn what_may_still_be_recorded_counts() {
    let mut town = Town::new(&[("okta", json!({}))]);
    town.loses(0..10, "okta", "g", Cause::AttributeChange);
    assert_eq!(released(&town.judge()), 10);
    town.docket("okta").losses.clear();
    town.judge();
    town.loses([20], "okta", "g", Cause::AttributeChange);
    assert_eq!(held(&town.judge()), 1, "ten records may be under way");
    // Two of them were recorded otherwise, and what would be written on an older version is refused.
    for person in [0, 1] {
        town.versions.insert(name(person), "2".to_owned());
    }
    town.loses([21], "okta", "g", Cause::AttributeChange);
    let judgement = town.judge();
    assert_eq!((released(&judgement), held(&judgement)), (1, 1));
    // No write takes that long.
    town.later = SignedDuration::from_mins(16);
    town.loses(30..38, "okta", "g", Cause::AttributeChange);
    let judgement = town.judge();
    assert_eq!((released(&judgement), held(&judgement)), (9, 1));
}

/// I6: membership is frozen. Newcomers are judged by themselves, drop-outs drop out, and an approval lets exactly the
/// members go that are still called for.
#[test]
fn an_approval_lets_exactly_its_members_go() {
    let mut town = Town::new(&[("okta", json!({})), ("jira", json!({}))]);
    town.loses(0..13, "okta", "g", Cause::AttributeChange)
        .loses(0..2, "jira", "g", Cause::AttributeChange);
    let judgement = town.record(0..13);
    assert_eq!((held(&judgement), released(&judgement)), (13, 2));
    let first = only(&judgement);
    assert_eq!(judgement.openings[0].members.len(), 13);

    // A newcomer fits into the budget and goes; eleven do not, and have a set of their own.
    town.loses([20], "okta", "g", Cause::AttributeChange);
    assert_eq!(released(&town.record([20])), 1);
    town.loses(30..41, "okta", "g", Cause::AttributeChange);
    let judgement = town.record(30..41);
    assert_eq!((judgement.openings.len(), judgement.openings[0].members.len()), (1, 11));
    let second = judgement.openings[0].name.clone();
    assert_eq!(
        judgement.waiting,
        BTreeMap::from([(first.clone(), 13), (second.clone(), 11)])
    );

    // Three of the first are no longer called for.
    town.docket("okta")
        .losses
        .retain(|loss| loss.id.employee.as_str() > "e-002");
    assert_eq!(town.judge().waiting[&first], 10);
    town.decide(&first, Decision::Approve);
    let judgement = town.judge();
    assert_eq!((released(&judgement), held(&judgement)), (10, 11));
    let digest = town.sets[&first].digest.clone().expect("a digest");
    let Verdict::Released { release, approval, .. } = judgement.loss(&id(5, "okta", "g")) else {
        panic!("not released");
    };
    assert_eq!((release, approval), (Release::Approved, digest));
    town.record(0..13);

    // A drop-out that is called for again was not approved.
    town.members
        .get_mut(&first)
        .expect("members")
        .retain(|member| member.employee.as_str() > "e-002");
    town.loses(0..1, "okta", "g", Cause::AttributeChange);
    let judgement = town.judge();
    assert_eq!(judgement.waiting[&first], 0);
    assert!(!matches!(
        judgement.loss(&id(0, "okta", "g")),
        Verdict::Released {
            release: Release::Approved,
            ..
        }
    ));
}

/// I6: what is lost for another reason than what was held is another change, and an approval does not speak of it.
#[test]
fn a_member_that_is_lost_for_another_reason_is_judged_anew() {
    let mut town = Town::new(&[(
        "okta",
        json!({"causes": [{"cause": "Manual", "maxPeople": 0, "maxPercent": 0}]}),
    )]);
    town.loses(0..13, "okta", "g", Cause::AttributeChange);
    let set = only(&town.record(0..13));
    town.docket("okta").losses[0].cause = Cause::Manual;
    town.docket("okta").losses[1].cause = Cause::Absence;
    // Another edit of the policy that gave it makes no other change of it: neither hold nor rejection end by that.
    town.docket("okta").losses[2].cause = Cause::PolicyChange;
    town.unsettled = true;
    town.decide(&set, Decision::Approve);
    let judgement = town.judge();
    assert_eq!((judgement.waiting[&set], judgement.openings.len()), (11, 1));
    assert_eq!((released(&judgement), held(&judgement)), (12, 1));
    assert!(matches!(
        judgement.loss(&id(1, "okta", "g")),
        Verdict::Released {
            release: Release::Budget,
            cause: Cause::Absence,
            ..
        }
    ));
}

/// I6: what a person decided is about the digest that they named, and about no other; the CRD's rule is not the only wall.
#[test]
fn a_decision_on_another_digest_is_none() {
    let known = |named: serde_json::Value, shown: serde_json::Value| {
        let mut set = json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "ChangeSet", "metadata": {"name": "cs-a"},
            "spec": {"decision": "Approve", "reason": "as agreed"}});
        if !named.is_null() {
            set["spec"]["digest"] = named;
        }
        if !shown.is_null() {
            set["status"] = json!({"state": "Open", "cause": "PolicyChange", "why": "many", "digest": shown});
        }
        let set: ChangeSet = serde_json::from_value(set).expect("a ChangeSet");
        Known::from(&set).decision
    };
    assert_eq!(known(json!("aaaa"), json!("aaaa")), Some(Decision::Approve));
    assert_eq!(known(json!("bbbb"), json!("aaaa")), None, "another");
    assert_eq!(known(json!(null), json!("aaaa")), None, "none named");
    assert_eq!(known(json!("aaaa"), json!(null)), None, "nothing shown yet");
    assert_eq!(known(json!(""), json!("")), None);
}

/// I6: rejected changes stay for as long as they are called for, and use no budget.
#[test]
fn a_rejection_keeps_things_as_they_are() {
    let mut town = Town::new(&[("okta", json!({}))]);
    town.loses(0..13, "okta", "g", Cause::AttributeChange);
    let set = only(&town.record(0..13));
    town.decide(&set, Decision::Reject);
    town.sets.get_mut(&set).expect("a set").reason = "Ada asked them".to_owned();
    town.loses(20..30, "okta", "g", Cause::AttributeChange);
    let judgement = town.judge();
    assert_eq!((released(&judgement), held(&judgement)), (10, 13));
    let Verdict::Held { reason, .. } = judgement.loss(&id(0, "okta", "g")) else {
        panic!("not held");
    };
    assert!(reason.contains("was rejected: Ada asked them"), "{reason}");
}

/// I6: a crash between making a set and recording its members loses neither, whether it was decided meanwhile or not.
#[test]
fn a_set_outlives_a_crash() {
    for (recorded, decision) in [
        (0, None),
        (5, None),
        (13, None),
        (5, Some(Decision::Approve)),
        (5, Some(Decision::Reject)),
    ] {
        let mut town = Town::new(&[("okta", json!({}))]);
        town.loses(0..13, "okta", "g", Cause::PolicyChange);
        let set = only(&town.record(0..recorded));
        if let Some(decision) = decision {
            town.decide(&set, decision);
        }
        town.crash();
        let judgement = town.judge();
        assert_eq!(judgement.waiting, BTreeMap::from([(set.clone(), 13)]));
        assert_eq!(judgement.openings, []);
        let expected = if decision == Some(Decision::Approve) { 13 } else { 0 };
        assert_eq!(released(&judgement), expected, "{recorded} recorded, {decision:?}");

        // One more that was not shown is not taken for a member.
        town.crash();
        town.loses([50], "okta", "g", Cause::PolicyChange);
        let judgement = town.judge();
        assert_eq!(judgement.waiting, BTreeMap::from([(set.clone(), 13)]));
        assert_eq!(released(&judgement), expected + 1);

        // Where not all was shown, the digest tells; and what it does not fit is judged anew.
        town.sets.get_mut(&set).expect("a set").shown.clear();
        town.crash();
        let judgement = town.judge();
        let newcomers = 14 - recorded;
        assert_eq!(judgement.waiting[&set] as usize, recorded);
        assert_eq!(judgement.openings.len(), usize::from(newcomers > 10));
    }
}

/// I6: no record names a set that could not be made, so that after a crash its members are judged together again.
#[test]
fn what_has_no_set_yet_is_put_off() {
    let mut town = Town::new(&[("okta", json!({}))]);
    town.loses(0..13, "okta", "g", Cause::PolicyChange)
        .loses(20..22, "okta", "g", Cause::Manual);
    let mut judgement = town.judge();
    let set = only(&judgement);
    judgement.put_off(&BTreeSet::from([set.clone()]));
    assert_eq!((released(&judgement), held(&judgement)), (2, 0));
    assert!(!judgement.enforced);
    town.crash();
    let judgement = town.judge();
    assert_eq!((only(&judgement), held(&judgement)), (set, 13));
}

/// I6: what was decided once says nothing of the same changes later.
#[test]
fn the_same_changes_again_are_another_set() {
    let mut town = Town::new(&[("okta", json!({}))]);
    town.loses(0..13, "okta", "g", Cause::AttributeChange);
    let set = only(&town.record([]));
    town.decide(&set, Decision::Approve);
    town.docket("okta").losses.clear();
    assert_eq!(town.judge().waiting[&set], 0);
    town.loses(0..13, "okta", "g", Cause::AttributeChange);
    let judgement = town.judge();
    assert_eq!((released(&judgement), held(&judgement)), (0, 13));
    assert_eq!(only(&judgement), format!("{set}-2"));
    assert_eq!(
        judgement.openings[0].digest(),
        town.sets[&set].digest.clone().expect("a digest")
    );
}

/// I6: whoever deletes a set decides nothing.
#[test]
fn a_deleted_set_is_made_anew() {
    let mut town = Town::new(&[("okta", json!({}))]);
    town.loses(0..13, "okta", "g", Cause::AttributeChange);
    let set = only(&town.record(0..13));
    town.record([]);
    town.sets.clear();
    for crashes in [false, true] {
        if crashes {
            town.crash();
        }
        let judgement = town.judge();
        assert_eq!((released(&judgement), held(&judgement)), (0, 13));
        assert_eq!(judgement.openings.len(), 1);
        assert_eq!(
            (&judgement.openings[0].name, judgement.openings[0].members.len()),
            (&set, 13)
        );
    }
    // One that cannot be read is left alone, and lets nothing go.
    let broken = Known {
        broken: true,
        ..Known::default()
    };
    town.sets.insert(set, broken);
    let judgement = town.judge();
    assert_eq!((held(&judgement), judgement.openings.len()), (13, 0));
}

/// I8: what an edit takes is not judged before the edits have settled; what else is lost does not wait for that.
#[test]
fn edits_settle_first() {
    let mut town = Town::new(&[("okta", json!({}))]);
    town.unsettled = true;
    town.loses([0], "okta", "g", Cause::PolicyChange)
        .loses([1], "okta", "g", Cause::AttributeChange);
    let judgement = town.record(0..2);
    assert_eq!(judgement.loss(&id(0, "okta", "g")), Verdict::Wait);
    assert!(matches!(judgement.loss(&id(1, "okta", "g")), Verdict::Released { .. }));
    assert!(!judgement.enforced);
    town.unsettled = false;
    let judgement = town.judge();
    assert!(matches!(judgement.loss(&id(0, "okta", "g")), Verdict::Released { .. }));
    assert!(!judgement.enforced, "it is not on record yet");
    // By now it looks like any other change; it was counted as what it was judged as.
    town.docket("okta").losses[0].cause = Cause::AttributeChange;
    let Verdict::Released { cause, .. } = town.judge().loss(&id(0, "okta", "g")) else {
        panic!("not released");
    };
    assert_eq!(cause, Cause::PolicyChange);
    town.record([0]);
    assert!(town.judge().enforced);
}

/// A target that cannot be read has no budget: nothing more goes there, approved or not.
#[test]
fn nothing_goes_without_the_targets_own_words() {
    let mut town = Town::new(&[("okta", json!({}))]);
    town.loses(0..13, "okta", "g", Cause::AttributeChange);
    let set = only(&town.record(0..12));
    town.crash();
    town.dockets.get_mut("okta").expect("a target").1 = None;
    town.loses([30], "okta", "g", Cause::AttributeChange);
    assert_eq!(town.judge().waiting[&set], 13);
    assert_eq!(town.judge().loss(&id(30, "okta", "g")), Verdict::Wait);
    town.decide(&set, Decision::Approve);
    assert_eq!(released(&town.judge()), 0);
}

/// What somebody decided to keep is of no use without the account.
#[test]
fn an_account_stays_usable_while_something_that_it_holds_stays() {
    let mut town = Town::new(&[("okta", json!({}))]);
    town.loses(0..13, "okta", "g", Cause::AttributeChange);
    town.record(0..13);
    town.loses([0], "okta", "account", Cause::AttributeChange);
    assert_eq!(town.judge().loss(&id(0, "okta", "account")), Verdict::Wait);
}

/// A ceiling on grants holds the gains that exceed it, and what was approved is not charged to it.
#[test]
fn a_ceiling_on_grants() {
    let text = json!({"grants": {"maxPeople": 5, "maxPercent": 0}});
    let mut town = Town::new(&[("okta", text), ("jira", json!({}))]);
    town.gains(0..5, "okta");
    let free = |judgement: &Judgement| judgement.admissions.values().filter(|a| **a == Admission::Free).count();
    assert_eq!(free(&town.judge()), 5);
    town.gains(5..6, "okta");
    let judgement = town.judge();
    assert_eq!(free(&judgement), 5, "who is on the way in goes on");
    assert_eq!(judgement.openings[0].line, Line::Grants);
    assert_eq!(judgement.held["okta"].people, 1);
    let opening = judgement.openings[0].clone();
    let known = Known {
        digest: Some(opening.digest()),
        line: Some(Line::Grants),
        decision: Some(Decision::Approve),
        ..Known::default()
    };
    town.sets.insert(opening.name.clone(), known);
    let approved = Admission::Approved {
        change_set: opening.name.clone(),
        approval: opening.digest(),
    };
    assert!(town.judge().admissions.values().any(|admission| *admission == approved));

    // By record too.
    let mut town = Town::new(&[("okta", json!({"grants": {"maxPeople": 1, "maxPercent": 0}}))]);
    town.docket("okta").gained.insert(name(9));
    town.gains([1], "okta");
    assert_eq!(free(&town.judge()), 0);
}

/// A digest is over names alone, and the cause of a set can be read back.
#[test]
fn names_digests_and_lines() {
    let member = |person, what, label| Member::new(&name(person), "okta", what, label);
    let one = [member(1, What::Entitlement, "g"), member(2, What::Account, "")];
    let turned = [one[1].clone(), one[0].clone()];
    assert_eq!(digest(&one), digest(&turned));
    for other in [
        member(1, What::Grant, "g"),
        member(1, What::Deletion, ""),
        member(1, What::Entitlement, "h"),
    ] {
        assert_ne!(digest(&one), digest(&[other, one[1].clone()]));
    }
    assert_eq!(name_of(&digest(&one)).len(), 15);
    for line in Cause::ALL.into_iter().map(Line::Losses).chain([Line::Grants]) {
        assert_eq!(line.to_string().parse(), Ok(line));
    }
    assert_eq!("Whim".parse::<Line>(), Err(()));
}

#[test]
fn a_window_ends() {
    for (text, hours) in [("1h", 1), ("24h", 24), ("30d", 720), ("60d", 720), ("soon", 24)] {
        let text = json!({"window": text});
        assert_eq!(
            window(&guard(text.clone())),
            SignedDuration::from_hours(hours),
            "{text}"
        );
    }
}
