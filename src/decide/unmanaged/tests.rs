use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::*;
use crate::api::conditions::UNMANAGED_ACCESS;
use crate::api::employee::{Cause, Phase, Release};
use crate::api::entitlement::{Unmanaged, UnmanagedState};
use crate::api::{Employee, Entitlement, HRISConnection, ProvisioningPolicy, TargetSystem};
use crate::decide::effect::{Match, Outcome};
use crate::decide::guard::{Judgement, Memory, Terms, Verdict};
use crate::decide::index::{Indexed, People};
use crate::decide::ledger::Ledger;
use crate::decide::survey::{judge_all, survey};

/// A tenant with one group, and the looks at it.
struct Story {
    namespace: Namespace,
    sights: BTreeMap<String, AccountSight>,
    /// By account id: key and names, where the target lists its accounts.
    listed: BTreeMap<String, (Option<String>, BTreeSet<String>)>,
    sending: BTreeSet<String>,
    list: Vec<Unmanaged>,
    memory: Memory,
    minute: i64,
}

fn put<K: Indexed + serde::de::DeserializeOwned>(namespace: &mut Namespace, object: Value) {
    let object: K = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{object}: {error}"));
    object.put(namespace);
}

impl Story {
    fn new(ownership: &str) -> Self {
        let mut story = Self {
            namespace: Namespace::default(),
            sights: BTreeMap::new(),
            listed: BTreeMap::new(),
            sending: BTreeSet::new(),
            list: Vec::new(),
            memory: Memory::default(),
            minute: 0,
        };
        story.target(&json!({}));
        story.own(ownership);
        story
    }

    fn target(&mut self, more: &Value) -> &mut Self {
        let mut spec = json!({"adopt": "Desired",
            "scim": {"baseURL": "https://x", "bearerTokenSecretRef": {"name": "s", "key": "k"}}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        put::<TargetSystem>(
            &mut self.namespace,
            json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "TargetSystem", "metadata": {"name": "okta"}, "spec": spec}),
        );
        self
    }

    /// What the Entitlement says, with the list on record.
    fn own(&mut self, ownership: &str) -> &mut Self {
        let status = json!({"observedGeneration": 1, "remote": {"kind": "Group", "id": "g"}, "holders": 0, "pending": 0,
            "held": 0, "unmanaged": self.list});
        put::<Entitlement>(
            &mut self.namespace,
            json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "Entitlement",
                "metadata": {"name": "chat", "generation": 1},
                "spec": {"targetRef": {"name": "okta"}, "scimGroup": {"displayName": "chat"}, "ownership": ownership},
                "status": status}),
        );
        self
    }

    fn employee(&mut self, name: &str, spec: &Value, status: &Value) -> &mut Self {
        put::<Employee>(
            &mut self.namespace,
            json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "Employee", "metadata": {"name": name},
                "spec": spec, "status": status}),
        );
        self
    }

    /// Somebody with an account, who is given nothing.
    fn colleague(&mut self, name: &str, account: &str) -> &mut Self {
        let email = format!("{name}@x.io");
        let accounts = json!([{"target": "okta", "id": account, "state": "Active"}]);
        self.employee(
            name,
            &json!({"workEmail": email}),
            &json!({"phase": "Active", "accounts": accounts}),
        )
    }

    fn policy(&mut self, mode: &str, selector: &Value) -> &mut Self {
        put::<ProvisioningPolicy>(
            &mut self.namespace,
            json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "ProvisioningPolicy",
                "metadata": {"name": "all", "generation": 1},
                "spec": {"mode": mode, "selector": selector, "entitlements": [{"name": "chat"}]}}),
        );
        self
    }

    fn now(&self) -> Timestamp {
        "2026-06-15T12:00:00.7Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(self.minute)
    }

    fn next(
        &self,
        holders: Option<&[&str]>,
        judge: &Judgement,
        outcomes: &[(super::super::effect::Intent, Outcome)],
    ) -> Next {
        let ids: Option<BTreeMap<String, Holding>> =
            holders.map(|ids| ids.iter().map(|id| ((*id).to_owned(), Holding::default())).collect());
        let listed = self.listed.iter().map(|(id, (key, names))| {
            let key = key.as_deref();
            (id.as_str(), Listed { key, names })
        });
        let listed = listed.collect();
        let key = key();
        let scene = Scene {
            tenant: "acme",
            namespace: &self.namespace,
            name: "chat",
            key: &key,
            seen: ids.as_ref().map(|ids| Seen { ids, at: self.now() }),
            sights: &self.sights,
            listed: &listed,
            sending: &self.sending,
            now: self.now(),
        };
        super::next(&scene, &self.list, judge, outcomes)
    }

    /// A look a minute later shows these holders; what follows is recorded.
    fn look(&mut self, holders: &[&str]) -> Next {
        self.minute += 1;
        let judgement = self.judge(true);
        let next = self.next(Some(holders), &judgement, &[]);
        self.record(&next);
        next
    }

    fn record(&mut self, next: &Next) {
        // As it comes back from the API server, which keeps whole seconds.
        self.list = serde_json::from_value(serde_json::to_value(&next.unmanaged).unwrap()).unwrap();
        let entitlement = self.namespace.entitlements["chat"].readable().unwrap();
        let ownership = format!("{:?}", entitlement.spec.ownership);
        self.own(&ownership);
    }

    fn judge(&mut self, settled: bool) -> Judgement {
        let limits = serde_json::from_value(json!({"maxPeople": 25, "maxPercent": 10})).unwrap();
        let terms = Terms {
            limits,
            settled,
            now: self.now(),
        };
        judge_all(
            &self.namespace,
            &survey(&self.namespace, self.now()),
            &terms,
            &mut self.memory,
        )
    }

    fn states(&self) -> Vec<(&str, UnmanagedState)> {
        self.list
            .iter()
            .map(|entry| (entry.account_id.as_str(), entry.state))
            .collect()
    }

    /// Looks until nothing moves any more.
    fn settle(&mut self, holders: &[&str]) {
        for _ in 0..4 {
            self.look(holders);
        }
    }

    fn reason(&self, id: &str) -> &str {
        let entry = self.list.iter().find(|entry| entry.account_id == id);
        entry.map_or("", |entry| entry.reason.as_str())
    }

    fn is_taken(&self, id: &str) -> bool {
        self.states().contains(&(id, UnmanagedState::Revoking))
    }
}

fn key() -> RemoteKey {
    let object = crate::api::entitlement::RemoteObject {
        kind: "Group".to_owned(),
        id: "g".to_owned(),
    };
    RemoteKey {
        target: "okta".to_owned(),
        object,
    }
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|id| format!("s{id:03}")).collect()
}

fn refs(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

/// I7: who is found is listed with whose account it is, and the list stays as it is while the group does.
#[test]
fn what_others_gave_is_listed_and_left() {
    let mut story = Story::new("Additive");
    story.colleague("ada", "a");
    let next = story.look(&["a", "stranger"]);
    assert_eq!((next.count, next.intents.len(), next.unjudged), (Some(2), 0, false));
    assert_eq!(
        story.states(),
        [("a", UnmanagedState::Found), ("stranger", UnmanagedState::Found)]
    );
    let owners: Vec<&str> = story.list.iter().map(|entry| entry.employee.as_str()).collect();
    assert_eq!(owners, ["ada", ""]);
    let before = story.list.clone();
    story.settle(&["a", "stranger"]);
    assert_eq!(story.list, before);
    story.look(&["stranger"]);
    assert_eq!(story.states(), [("stranger", UnmanagedState::Found)]);
}

/// I1, I3: taken after it was seen twice, judged, and recorded; gone once it was read back.
#[test]
fn a_stray_is_taken_after_the_guard() {
    let mut story = Story::new("Authoritative");
    let first = story.look(&["stranger"]);
    assert!(first.intents.is_empty() && !first.unjudged, "one look is not enough");
    story.minute -= 1;
    let same = story.look(&["stranger"]);
    assert!(!same.unjudged, "the same look twice is one look");
    let second = story.look(&["stranger"]);
    assert!(
        second.intents.is_empty() && second.unjudged,
        "it is on record before it is judged"
    );
    assert_eq!(story.list[0].cause, Some(Cause::Drift));
    let third = story.look(&["stranger"]);
    assert_eq!(third.intents.len(), 1);
    let entry = story.list[0].clone();
    assert_eq!(
        (entry.state, entry.release),
        (UnmanagedState::Revoking, Some(Release::Budget))
    );
    // A restart sends the very same again.
    story.memory = Memory::default();
    let again = story.look(&["stranger"]);
    assert_eq!(again.intents, third.intents);
    let outcomes: Vec<_> = again
        .intents
        .into_iter()
        .map(|intent| (intent, Outcome::done("", None)))
        .collect();
    story.minute += 1;
    let done = story.next(Some(&[]), &Judgement::default(), &outcomes);
    assert_eq!(done.unmanaged[0].state, UnmanagedState::Revoked);
    assert_eq!((done.count, done.intents.len()), (Some(0), 0));
    story.record(&done);
    let before = story.list.clone();
    story.settle(&[]);
    assert_eq!(story.list, before, "kept for the guard's window");
    story.minute += 31 * 24 * 60;
    story.look(&[]);
    assert!(story.list.is_empty());
}

/// I3: an answer that never came is told by the next look.
#[test]
fn a_removal_whose_answer_was_lost_is_seen_gone() {
    let mut story = Story::new("Authoritative");
    story.settle(&["stranger"]);
    assert!(story.is_taken("stranger"));
    let old = story.next(None, &Judgement::default(), &[]);
    assert_eq!(
        (old.unmanaged, old.count, old.intents.len()),
        (story.list.clone(), None, 0)
    );
    story.look(&[]);
    assert_eq!(story.states(), [("stranger", UnmanagedState::Revoked)]);
    // A look from before says nothing.
    story.minute -= 1;
    let next = story.next(Some(&["stranger"]), &Judgement::default(), &[]);
    assert_eq!(next.unmanaged, story.list);
    // Somebody gives it again: taken again, and one person in the budget.
    story.minute += 2;
    story.settle(&["stranger"]);
    assert!(story.is_taken("stranger"));
}

/// What others keep giving is taken three times within a day, and then left alone for a day, with words; what belongs to
/// somebody who left is taken however often.
#[test]
fn what_others_keep_giving_is_left_alone_for_a_day() {
    let mut story = Story::new("Authoritative");
    let give_and_take = |story: &mut Story, account: &'static str| {
        story.settle(&[account]);
        assert!(story.is_taken(account), "{:?}", story.list);
        story.look(&[]);
        assert_eq!(story.states(), [(account, UnmanagedState::Revoked)]);
    };
    let said = |story: &Story| given_again(&story.namespace, &story.list, story.now());
    for _ in 0..3 {
        give_and_take(&mut story, "stranger");
        assert_eq!(said(&story), None);
    }
    story.settle(&["stranger"]);
    assert_eq!(story.states(), [("stranger", UnmanagedState::Found)]);
    let until = "left alone until 2026-06-16 12:1";
    assert!(story.reason("stranger").contains(until), "{}", story.reason("stranger"));
    let fact = said(&story).unwrap();
    assert_eq!(fact.type_, crate::api::conditions::CONTENDED);
    assert!(fact.message.contains("stranger"), "{}", fact.message);
    // A day later it is taken again, and only what happens then counts.
    story.minute += 24 * 60;
    give_and_take(&mut story, "stranger");
    assert_eq!(said(&story), None);

    let mut story = Story::new("Authoritative");
    story.employee(
        "ada",
        &json!({"workEmail": "ada@x.io"}),
        &json!({"phase": "Terminated", "accounts": [{"target": "okta", "id": "a", "state": "Deactivated"}]}),
    );
    for _ in 0..5 {
        give_and_take(&mut story, "a");
    }
}

/// I6: a typo empties no group. All are held together, in a set whose digest stays; approved, exactly they go.
#[test]
fn a_whole_group_waits_for_a_person() {
    let holders = ids(0..30);
    let mut story = Story::new("Additive");
    story.settle(&refs(&holders));
    story.own("Authoritative");
    story.look(&refs(&holders));
    let judgement = story.judge(true);
    assert_eq!((judgement.openings.len(), judgement.openings[0].members.len()), (1, 30));
    let opening = judgement.openings[0].clone();
    assert_eq!(
        opening.members.first().unwrap().to_string(),
        "account/s000: -chat at okta, which no record explains"
    );
    story.settle(&refs(&holders));
    assert!(
        story
            .list
            .iter()
            .all(|entry| entry.state == UnmanagedState::Held && entry.change_set == opening.name)
    );
    // Whose account one is makes no difference to what was held.
    story.colleague("ada", "s000");
    story.memory = Memory::default();
    story.settle(&refs(&holders));
    assert_eq!(story.judge(true).openings[0].digest(), opening.digest());

    let status = serde_json::to_value(opening.status(story.now())).unwrap();
    put::<crate::api::ChangeSet>(
        &mut story.namespace,
        json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "ChangeSet", "metadata": {"name": opening.name},
            "spec": {"decision": "Approve", "digest": opening.digest()}, "status": status}),
    );
    // A newcomer was not looked at by whoever approved.
    let more = ids(0..45);
    story.settle(&refs(&more));
    let taken = story
        .list
        .iter()
        .filter(|entry| entry.state == UnmanagedState::Revoking)
        .count();
    assert_eq!(taken, 30);
    let held = story.list.iter().filter(|entry| entry.state == UnmanagedState::Held);
    assert!(held.clone().all(|entry| entry.change_set != opening.name));
    assert_eq!(held.count(), 15);
}

/// I6: what was let go within the window counts, also after a restart and once it is gone.
#[test]
fn the_budget_counts_what_went() {
    let mut story = Story::new("Authoritative");
    let first = ids(0..10);
    story.settle(&refs(&first));
    assert!(story.list.iter().all(|entry| entry.state == UnmanagedState::Revoking));
    story.memory = Memory::default();
    let more = ids(10..11);
    story.settle(&refs(&more));
    assert_eq!(story.states().last(), Some(&("s010", UnmanagedState::Held)));
    story.minute += 25 * 60;
    let later = ids(11..12);
    story.settle(&refs(&later));
    assert!(story.is_taken("s011"), "the window ends");
}

/// I6: an Authoritative Entitlement that comes before the policies that explain its holders takes nothing meanwhile.
#[test]
fn nothing_is_judged_while_edits_go_on() {
    let mut story = Story::new("Authoritative");
    story.look(&["stranger"]);
    story.look(&["stranger"]);
    let id = loss_id("okta", "chat", "stranger");
    assert_eq!(story.judge(false).verdicts[&id], Verdict::Wait);
    assert!(matches!(story.judge(true).verdicts[&id], Verdict::Released { .. }));
}

/// Semantics 3: who is to have it is no stray, and where that cannot be told nobody is taken out.
#[test]
fn who_is_to_have_it_stays() {
    let everyone = json!({"everyone": true});
    for (what, reason) in [
        ("enforced", "left: Employee ada is to have it"),
        (
            "planned",
            "whether Employee ada is to have it cannot be told: policy all matches, and does not act yet",
        ),
        ("paused", "whether Employee ada is to have it cannot be told: paused"),
        (
            "frozen",
            "whether Employee ada is to have it cannot be told: frozen by AccessException keep",
        ),
    ] {
        let mut story = Story::new("Authoritative");
        match what {
            "enforced" => story.policy("Enforce", &everyone).colleague("ada", "a"),
            "planned" => story.policy("Plan", &everyone).colleague("ada", "a"),
            "paused" => {
                story.colleague("ada", "a");
                put::<Employee>(
                    &mut story.namespace,
                    json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "Employee",
                        "metadata": {"name": "ada", "annotations": {crate::api::PAUSED_ANNOTATION: "true"}},
                        "spec": {"workEmail": "ada@x.io"},
                        "status": {"phase": "Active", "accounts": [{"target": "okta", "id": "a", "state": "Active"}]}}),
                );
                &mut story
            }
            _ => {
                story.colleague("ada", "a");
                put::<crate::api::AccessException>(
                    &mut story.namespace,
                    json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "AccessException", "metadata": {"name": "keep"},
                        "spec": {"employee": "ada@x.io", "entitlementRef": {"name": "chat"}, "effect": "Freeze", "reason": "r",
                            "expiresAt": "2027-01-01T00:00:00Z"}}),
                );
                &mut story
            }
        };
        story.settle(&["a", "stranger"]);
        assert!(story.reason("a").starts_with(reason), "{what}: {}", story.reason("a"));
        assert!(!story.is_taken("a"), "{what}");
        assert!(story.is_taken("stranger"), "{what}: {}", story.reason("stranger"));
    }
    // Nobody gives it to a colleague.
    let mut story = Story::new("Authoritative");
    story.colleague("ada", "a").settle(&["a"]);
    assert!(story.is_taken("a"));
}

/// Semantics 3: while somebody who is to have it has an account that nobody knows yet, any stranger may be that person.
#[test]
fn a_stranger_may_be_somebody_whose_account_is_not_known_yet() {
    let mut story = Story::new("Authoritative");
    story.policy("Enforce", &json!({"everyone": true}));
    story.employee("ada", &json!({"workEmail": "ada@x.io"}), &json!({"phase": "Active"}));
    story.settle(&["stranger"]);
    assert!(
        story.reason("stranger").contains("may be the account of Employee ada"),
        "{}",
        story.reason("stranger")
    );
    // Looked up: it is hers.
    let mut hers = story;
    let present = AccountSight::Present {
        id: "stranger".to_owned(),
        active: true,
        ours: false,
        by: Match::Name,
        names: BTreeSet::new(),
    };
    hers.sights.insert("ada".to_owned(), present);
    hers.settle(&["stranger"]);
    assert_eq!(hers.reason("stranger"), "left: Employee ada is to have it");
    // Looked up: she has none.
    hers.sights.insert("ada".to_owned(), AccountSight::Absent);
    hers.settle(&["stranger"]);
    assert!(hers.is_taken("stranger"));
    // Where the target lists its accounts, it says whose each is, and whose it is not.
    let mut listed = Story::new("Authoritative");
    listed.policy("Enforce", &json!({"everyone": true}));
    listed.employee("ada", &json!({"workEmail": "ada@x.io"}), &json!({"phase": "Active"}));
    listed
        .listed
        .insert("1".to_owned(), (None, ["Ada@x.io".to_owned()].into()));
    listed
        .listed
        .insert("2".to_owned(), (Some("acme/ada".to_owned()), BTreeSet::new()));
    listed
        .listed
        .insert("3".to_owned(), (None, ["eve@x.io".to_owned()].into()));
    listed.settle(&["1", "2", "3"]);
    assert_eq!(
        [listed.is_taken("1"), listed.is_taken("2"), listed.is_taken("3")],
        [false, false, true]
    );
}

/// A record that is still without an account's id explains one of the strangers.
#[test]
fn a_grant_under_way_explains_a_stranger() {
    let mut story = Story::new("Authoritative");
    let grant =
        json!([{"entitlement": "chat", "target": "okta", "kind": "Group", "remoteId": "g", "state": "Granting"}]);
    story.employee(
        "ada",
        &json!({"workEmail": "ada@x.io"}),
        &json!({"phase": "Active", "entitlements": grant}),
    );
    story.settle(&["new"]);
    assert!(!story.is_taken("new"), "{:?}", story.list);
}

/// What cannot be read takes nothing from anybody.
#[test]
fn what_cannot_be_told_takes_nobody_out() {
    let mut story = Story::new("Authoritative");
    let broken = ObjectMeta {
        name: Some("eve".to_owned()),
        ..ObjectMeta::default()
    };
    Employee::put_broken(&mut story.namespace, &broken, "no such field".to_owned());
    story.settle(&["stranger"]);
    assert!(story.reason("stranger").contains("Employee eve, which cannot be read"));
    story.namespace.broken_employees.clear();
    let connection = |status: Value| {
        json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": "HRISConnection", "metadata": {"name": "hr"},
            "spec": {"merge": {"region": "US"}, "apiKeySecretRef": {"name": "s", "key": "k"},
                "accountTokenSecretRef": {"name": "s", "key": "t"}, "termination": {"defaultTimeZone": "UTC"}},
            "status": status})
    };
    put::<HRISConnection>(&mut story.namespace, connection(json!({})));
    story.settle(&["stranger"]);
    assert!(
        story.reason("stranger").contains("HRISConnection hr"),
        "{}",
        story.reason("stranger")
    );
    put::<HRISConnection>(
        &mut story.namespace,
        connection(json!({"lastTrustedSync": "2026-06-15T11:00:00Z"})),
    );
    story.settle(&["stranger"]);
    assert!(story.is_taken("stranger"));
}

/// Protected accounts are never lost; where an account's names are not known, it may be one of them.
#[test]
fn protected_accounts_stay() {
    let mut story = Story::new("Authoritative");
    story.target(&json!({"protectedAccounts": ["svc-*", "break-glass@x.io"]}));
    story
        .listed
        .insert("1".to_owned(), (None, ["SVC-backup".to_owned()].into()));
    story
        .listed
        .insert("2".to_owned(), (None, ["eve@x.io".to_owned()].into()));
    story.colleague("break-glass", "3");
    story.settle(&["1", "2", "3", "4", "svc-by-id"]);
    let taken: Vec<bool> = ["1", "2", "3", "4", "svc-by-id"].map(|id| story.is_taken(id)).into();
    assert_eq!(taken, [false, true, false, false, false]);
    assert!(story.reason("1").contains("protectedAccounts"));
    assert!(story.reason("4").contains("may be one of"));
    assert_eq!(story.list.len(), 5, "protected accounts are listed as such");
}

#[test]
fn without_the_verb_it_is_only_listed() {
    let mut story = Story::new("Authoritative");
    story.target(&json!({"managementPolicies": ["Observe", "Grant"]}));
    story.settle(&["stranger"]);
    assert_eq!(story.states(), [("stranger", UnmanagedState::Found)]);
    assert!(story.reason("stranger").contains("Revoke"));
}

/// A change of mind is heard: what waits is let be, what is on its way is called back once nothing is being sent.
#[test]
fn additive_again_lets_everything_be() {
    let mut story = Story::new("Authoritative");
    story.settle(&["stranger"]);
    story.own("Additive").sending.insert("stranger".to_owned());
    let next = story.look(&["stranger"]);
    assert!(next.intents.is_empty());
    assert!(story.is_taken("stranger"), "it may be gone in a moment");
    story.sending.clear();
    story.settle(&["stranger"]);
    let entry = &story.list[0];
    assert_eq!(
        (entry.state, entry.cause, entry.release),
        (UnmanagedState::Found, None, Some(Release::Budget))
    );
    // One that waits to be told keeps its place.
    let holders = ids(0..30);
    let mut held = Story::new("Authoritative");
    held.settle(&refs(&holders));
    held.target(&json!({"managementPolicies": ["Observe"]}))
        .settle(&refs(&holders));
    assert!(
        held.list
            .iter()
            .all(|entry| entry.state == UnmanagedState::Found && entry.change_set.is_empty())
    );
}

/// What is ours by now is on no list: adopted, or granted.
#[test]
fn what_a_record_explains_is_on_no_list() {
    let mut story = Story::new("Additive");
    story.colleague("ada", "a").settle(&["a"]);
    let grant = json!([{"entitlement": "chat", "target": "okta", "kind": "Group", "remoteId": "g", "accountId": "a",
        "state": "Granted", "origin": "Adopted"}]);
    story.employee(
        "ada",
        &json!({"workEmail": "ada@x.io"}),
        &json!({"phase": "Active", "entitlements": grant}),
    );
    story.settle(&["a"]);
    assert!(story.list.is_empty());
}

/// Semantics 10: deleting an Employee takes nothing, although the record that explained it goes with the object.
#[test]
fn what_a_deleted_employee_held_is_left() {
    let mut story = Story::new("Authoritative");
    let grant = json!([{"entitlement": "chat", "target": "okta", "kind": "Group", "remoteId": "g", "accountId": "a",
        "state": "Granted"}]);
    let status = json!({"phase": "Active", "entitlements": grant});
    story.employee("ada", &json!({"workEmail": "ada@x.io"}), &status);
    story.settle(&["a"]);
    let ada = story.namespace.employees["ada"].clone();
    let now = story.now();
    assert!(leave(&mut story.list, &key(), &ada, now));
    assert!(!leave(&mut story.list, &key(), &ada, now), "once is enough");
    story.own("Authoritative");
    // The object is still there, and going.
    let mut going = ada.as_ref().clone();
    going.deleting = true;
    story.namespace.employees.insert("ada".to_owned(), going.into());
    story.look(&["a", "stranger"]);
    story.namespace.employees = People::default();
    story.settle(&["a", "stranger"]);
    assert!(story.is_taken("stranger") && !story.is_taken("a"), "{:?}", story.list);
    assert!(
        story.reason("a").contains("was Employee ada's by record"),
        "{}",
        story.reason("a")
    );
    // Given back by others after it was gone, it is as any other.
    story.look(&[]);
    story.settle(&["a"]);
    assert!(story.is_taken("a"));
}

/// Where not all that deletions left has a place on the list, any stranger may be one of them.
#[test]
fn more_than_the_list_holds_is_left_by_deletions() {
    let mut story = Story::new("Authoritative");
    let holders = ids(0..300);
    let now = story.now();
    for id in &holders {
        let grant = json!([{"entitlement": "chat", "target": "okta", "kind": "Group", "remoteId": "g", "accountId": id,
            "state": "Granted"}]);
        story.employee(
            id,
            &json!({"workEmail": "x@x.io"}),
            &json!({"phase": "Active", "entitlements": grant}),
        );
        let person = story.namespace.employees[id].clone();
        leave(&mut story.list, &key(), &person, now);
    }
    story.namespace.employees = People::default();
    story.own("Authoritative").settle(&refs(&holders));
    assert!(
        story
            .list
            .iter()
            .all(|entry| entry.state == UnmanagedState::Found && entry.left)
    );
    assert_eq!(story.list.len(), LIST_MAX);
}

/// A long list keeps what is on its way and what leavers hold.
#[test]
fn a_long_list_keeps_what_matters_most() {
    let mut story = Story::new("Additive");
    let accounts = json!([{"target": "okta", "id": "zz", "state": "Deactivated"}]);
    story.employee(
        "ada",
        &json!({"workEmail": "ada@x.io"}),
        &json!({"phase": "Terminated", "accounts": accounts}),
    );
    let mut holders = ids(0..400);
    holders.push("zz".to_owned());
    let next = story.look(&refs(&holders));
    assert_eq!((next.count, next.unmanaged.len()), (Some(401), LIST_MAX));
    assert_eq!(next.unmanaged.last().unwrap().employee, "ada");
    let sorted = next
        .unmanaged
        .is_sorted_by(|one, other| one.account_id < other.account_id);
    assert!(sorted);
}

/// A leaver's holdings are told on the Employee, until they are gone.
#[test]
fn a_leaver_who_holds_what_others_gave_says_so() {
    let mut story = Story::new("Additive");
    let accounts = json!([{"target": "okta", "id": "a", "state": "Deactivated"}]);
    story.employee(
        "ada",
        &json!({"workEmail": "ada@x.io"}),
        &json!({"phase": "Terminated", "accounts": accounts}),
    );
    story.look(&["a"]);
    let person = story.namespace.employees["ada"].clone();
    let left = left_by_others(&story.namespace, &person, Phase::Terminated).unwrap();
    assert_eq!((left.type_, left.holds), (UNMANAGED_ACCESS, Some(true)));
    assert!(left.message.contains("chat at okta"), "{}", left.message);
    let here = left_by_others(&story.namespace, &person, Phase::Active);
    assert_eq!(here, None, "who is here may be given things by others");
    story.look(&[]);
    assert_eq!(left_by_others(&story.namespace, &person, Phase::Terminated), None);
}

/// Accounts that no Employee explains are counted; those of people who left, and protected ones, are not.
#[test]
fn orphans_are_nobodys() {
    let mut story = Story::new("Additive");
    story
        .target(&json!({"protectedAccounts": ["root*"]}))
        .colleague("ada", "a");
    let gone = json!([{"target": "okta", "id": "left", "state": "Deactivated"}]);
    story.employee(
        "bob",
        &json!({"employeeNumber": "7"}),
        &json!({"phase": "Terminated", "accounts": gone}),
    );
    let none = BTreeSet::new();
    let called = |name: &str| BTreeSet::from([name.to_owned()]);
    let (email, root, eve) = (called("ADA@x.io"), called("root-1"), called("eve@x.io"));
    let account = |key, names| Listed { key, names };
    let accounts = BTreeMap::from([
        ("a", account(None, &none)),
        ("left", account(None, &none)),
        ("by-mail", account(None, &email)),
        ("by-key", account(Some("acme/bob"), &none)),
        ("other-tenant", account(Some("other/bob"), &none)),
        ("root", account(None, &root)),
        ("eve", account(None, &eve)),
    ]);
    let found = orphans("acme", &story.namespace, "okta", &accounts).unwrap();
    assert_eq!(
        (found.count, found.samples),
        (2, vec!["eve".to_owned(), "other-tenant".to_owned()])
    );
    story
        .namespace
        .broken_employees
        .insert("carl".to_owned(), "broken".to_owned());
    assert_eq!(orphans("acme", &story.namespace, "okta", &accounts), None);
}

/// The ledger, kept, says of the lists what a survey finds.
#[test]
fn the_ledger_counts_strays_as_the_survey_does() {
    let mut story = Story::new("Authoritative");
    story.colleague("ada", "a");
    let mut ledger = Ledger::default();
    let holders = ids(0..12);
    for step in 0..8 {
        let now: Vec<&str> = if step < 4 { refs(&holders) } else { refs(&holders[6..]) };
        story.look(&now);
        ledger.refresh(&story.namespace, story.now());
        assert_eq!(*ledger.survey(), survey(&story.namespace, story.now()), "step {step}");
    }
    story.own("Additive").settle(&[]);
    ledger.refresh(&story.namespace, story.now());
    assert_eq!(*ledger.survey(), survey(&story.namespace, story.now()));
}

/// A plan tells, before anything is applied, whom Authoritative would take something from, and what would be held.
#[test]
fn a_plan_tells_of_strangers() {
    let holders = ids(0..30);
    let mut story = Story::new("Additive");
    story
        .policy("Enforce", &json!({"everyone": true}))
        .colleague("ada", "s000");
    story.settle(&refs(&holders));
    let before = story.namespace.clone();
    story.own("Authoritative");
    let limits = serde_json::from_value(json!({"maxPeople": 25, "maxPercent": 10})).unwrap();
    let plan = |before: &Namespace, after: &Namespace| {
        super::super::compare::compare(before, after, &limits, story.now(), &mut |_| {})
    };
    let found = plan(&before, &story.namespace);
    let strangers = found
        .people
        .iter()
        .filter(|person| person.employee.starts_with("account/"));
    assert_eq!(strangers.count(), 29, "ada is to have it");
    assert_eq!((found.held.len(), found.held[0].changes), (1, 29));
    assert_eq!(found.held[0].cause, Some(Cause::Drift));
    let again = plan(&story.namespace, &story.namespace);
    assert!(
        again.people.iter().all(|person| person.losses.is_empty()),
        "it comes anyway"
    );
    let back = plan(&story.namespace, &before);
    assert!(back.people.iter().all(|person| person.losses.is_empty()));
}
