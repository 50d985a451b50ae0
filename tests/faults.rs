//! What of targets that fail in every way there is?
//!
//! While a target fails, people are hired, moved and let go. Meanwhile nobody loses what they should keep (I1), and nothing
//! counts as revoked that is still there; nothing is created twice (I4). Once the fault is over, everybody has what they
//! should have and nobody who left has anything (I2), and then there are no more writes (I7).

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use http::{Method, StatusCode};
use rollcall_support::bank::Habits;
use rollcall_support::bank::story::{BankStory, Event};
use rollcall_support::operator::Operator;
use rollcall_support::proxy::{Proxy, RequestInfo, Script};
use rollcall_support::story::{Chapter, Person, Story, belongs, list, text};
use serde_json::{Value, json};

/// So long it may take once faults have stopped.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often what must be true at any time is looked at.
const OFTEN: Duration = Duration::from_millis(100);

/// A fault, by what a scenario is called.
struct Fault {
    name: &'static str,
    begin: fn(&Proxy),
}

fn writes(request: &RequestInfo) -> bool {
    request.method != Method::GET
}

fn reads(request: &RequestInfo) -> bool {
    request.method == Method::GET
}

fn any(_: &RequestInfo) -> bool {
    true
}

/// The first half of a body.
fn half(status: StatusCode, body: &Bytes) -> (StatusCode, Bytes) {
    (status, body.slice(..body.len() / 2))
}

/// Leaves out the query's conditions.
fn unfiltered(target: String, body: Bytes) -> (String, Bytes) {
    let Some((path, query)) = target.split_once('?') else {
        return (target, body);
    };
    let conditions = ["filter=", "email=", "key="];
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !conditions.iter().any(|condition| pair.starts_with(condition)))
        .collect();
    (format!("{path}?{}", kept.join("&")), body)
}

/// Of several operations or members, all but the last.
fn in_part(target: String, body: Bytes) -> (String, Bytes) {
    let mut told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(operations) = told["Operations"].as_array_mut() else {
        return (target, body);
    };
    if operations.len() > 1 {
        operations.pop();
    } else if let Some(members) = operations.first_mut().and_then(|first| first["value"].as_array_mut())
        && members.len() > 1
    {
        members.pop();
    }
    (target, told.to_string().into())
}

/// A group without members, a list without items.
fn hidden(status: StatusCode, body: &Bytes) -> (StatusCode, Bytes) {
    let mut shown: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("members");
    }
    if shown["data"].is_array() {
        shown["data"] = json!([]);
    }
    for group in shown["Resources"].as_array_mut().into_iter().flatten() {
        if let Some(group) = group.as_object_mut() {
            group.remove("members");
        }
    }
    (status, shown.to_string().into())
}

fn is_of_holders(request: &RequestInfo) -> bool {
    reads(request) && ["Groups", "seats"].iter().any(|part| request.path.contains(part))
}

const FAULTS: [Fault; 10] = [
    Fault {
        name: "429 with Retry-After",
        begin: |proxy| proxy.respond_with(any, 429, &[("retry-after", "1")], Bytes::new(), 4),
    },
    Fault {
        name: "503 with Retry-After for changes alone",
        begin: |proxy| proxy.respond_with(writes, 503, &[("retry-after", "1")], Bytes::new(), 3),
    },
    Fault {
        name: "500 before a change is done",
        begin: |proxy| proxy.respond_with(writes, 500, &[], Bytes::new(), 4),
    },
    Fault {
        name: "502 after a change was done",
        begin: |proxy| proxy.alter_answer(writes, |_, _| (StatusCode::BAD_GATEWAY, Bytes::new()), 4),
    },
    Fault {
        name: "no answer after a change was done",
        begin: |proxy| proxy.lose_answer(writes, 4),
    },
    Fault {
        name: "answers that break off",
        begin: |proxy| proxy.alter_answer(any, |status, body| half(status, &body), 6),
    },
    Fault {
        name: "a change of which a part is done",
        begin: |proxy| proxy.alter_request(writes, in_part, 3),
    },
    Fault {
        name: "200 with an error in it",
        begin: |proxy| {
            let error = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "500", "detail": "not now", "error": "not now",
            });
            proxy.respond_with(any, 200, &[("content-type", "application/json")], error.to_string(), 4);
        },
    },
    Fault {
        name: "a filter that is ignored",
        begin: |proxy| proxy.alter_request(reads, unfiltered, usize::MAX),
    },
    Fault {
        name: "a look that hides who holds something",
        begin: |proxy| proxy.alter_answer(is_of_holders, |status, body| hidden(status, &body), 3),
    },
];

/// What each record says was revoked: target, object, account.
type Revoked = BTreeSet<(String, String, String)>;

fn revoked(records: &BTreeMap<String, Value>) -> Revoked {
    let records = records.values().flat_map(|status| list(&status["entitlements"]));
    records
        .filter(|record| record["state"] == "Revoked")
        .map(|record| {
            let of = |name: &str| text(&record[name]).to_owned();
            (of("target"), of("remoteId"), of("accountId"))
        })
        .collect()
}

/// A tenant at a target that will fail.
enum Tenant {
    Scim(Story),
    Bank(BankStory),
}

impl Tenant {
    fn proxy(&self) -> &Proxy {
        match self {
            Self::Scim(story) => story.world.scim_proxy.as_ref().expect("a script was given"),
            Self::Bank(story) => &story.proxy,
        }
    }

    async fn start(&self) -> Operator {
        match self {
            Self::Scim(story) => story.world.start().await,
            Self::Bank(story) => story.world.start().await,
        }
    }

    fn newcomer(&mut self) -> Person {
        match self {
            Self::Scim(story) => story.newcomer(),
            Self::Bank(story) => story.newcomer(),
        }
    }

    fn tell(&mut self, chapter: Chapter, person: &mut Person) {
        match self {
            Self::Scim(story) => story.tell(chapter, person),
            Self::Bank(story) => {
                let event = match chapter {
                    Chapter::Hire => Event::Hire,
                    Chapter::Transfer => Event::Transfer,
                    Chapter::Leave => Event::Leave,
                };
                story.tell(event, person);
            }
        }
    }

    fn forget(&self) {
        match self {
            Self::Scim(story) => story.forget(),
            Self::Bank(story) => story.forget(),
        }
    }

    async fn settle(&self) -> Result<(), Vec<String>> {
        match self {
            Self::Scim(story) => story.settle(PATIENCE).await,
            Self::Bank(story) => story.settle(PATIENCE).await,
        }
    }

    /// What is revoked on record, and who holds what at the target, as object and account.
    async fn look(&self) -> (Revoked, BTreeSet<(String, String)>) {
        let own = |object: &str, account: &str| (object.to_owned(), account.to_owned());
        match self {
            Self::Scim(story) => {
                let sight = story.look().await;
                let members = |group: &Value| -> Vec<_> {
                    let ids = list(&group["members"]).map(|member| text(&member["value"]));
                    ids.map(|id| own(text(&group["id"]), id)).collect()
                };
                (
                    revoked(&sight.records()),
                    sight.groups.iter().flat_map(members).collect(),
                )
            }
            Self::Bank(story) => {
                let sight = story.look().await;
                let cards = sight
                    .cards
                    .iter()
                    .flat_map(|(program, ids)| ids.iter().map(|id| own(program, id)));
                let seats = sight
                    .seats
                    .iter()
                    .flat_map(|(product, ids)| ids.iter().map(|id| own(product, id)));
                (revoked(&sight.records()), cards.chain(seats).collect())
            }
        }
    }

    /// Lives through a fault. What was wrong.
    async fn suffer(&mut self, fault: &Fault, kept: &BTreeSet<(String, String)>) -> Vec<String> {
        let (mut moved, mut gone, mut hired) = (self.newcomer(), self.newcomer(), self.newcomer());
        self.forget();
        self.tell(Chapter::Hire, &mut moved);
        self.tell(Chapter::Hire, &mut gone);
        if let Err(wrongs) = self.settle().await {
            return wrongs;
        }
        self.forget();
        (fault.begin)(self.proxy());
        self.tell(Chapter::Hire, &mut hired);
        self.tell(Chapter::Transfer, &mut moved);
        self.tell(Chapter::Leave, &mut gone);
        let mut wrongs = BTreeSet::new();
        let watch = async {
            let mut ticks = tokio::time::interval(OFTEN);
            let mut before = Revoked::new();
            loop {
                ticks.tick().await;
                // Records are older than what they are compared with.
                let (on_record, held) = self.look().await;
                for (_, object, account) in &before {
                    if held.contains(&(object.clone(), account.clone())) {
                        wrongs.insert(format!("revoked on record, and {account} still has {object}"));
                    }
                }
                for (object, account) in kept.difference(&held) {
                    wrongs.insert(format!("I1: {account} lost {object}"));
                }
                before = on_record;
            }
        };
        let settled = tokio::select! {
            settled = self.settle() => settled,
            () = watch => Ok(()),
        };
        self.proxy().clear_faults();
        let mut wrongs: Vec<String> = wrongs.into_iter().collect();
        wrongs.extend(settled.err().unwrap_or_default());
        wrongs
    }

    async fn suffer_all(mut self, name: &str) {
        let operator = self.start().await;
        let mut bystander = self.newcomer();
        self.tell(Chapter::Hire, &mut bystander);
        if let Err(wrongs) = self.settle().await {
            panic!("{name} never was as it should be: {wrongs:#?}\n{}", operator.logs());
        }
        // Whoever is there now is to keep everything throughout.
        let (_, kept) = self.look().await;
        assert!(!kept.is_empty(), "there is something to lose");
        let mut found = Vec::new();
        for fault in &FAULTS {
            let began = Instant::now();
            let wrongs = self.suffer(fault, &kept).await;
            eprintln!(
                "{name}: {}: {} wrong in {:.0?}",
                fault.name,
                wrongs.len(),
                began.elapsed()
            );
            if !wrongs.is_empty() {
                let tail = rollcall_support::process::tail(operator.log(), 25);
                found.push(format!("{}:\n  {}\n{tail}", fault.name, wrongs.join("\n  ")));
            }
        }
        assert!(found.is_empty(), "{name}: {}", found.join("\n\n"));
    }
}

/// I1, I2, I4, I7 at a directory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_fails_in_every_way() {
    let script = Script::new(belongs);
    let story = Story::new(env!("CARGO_BIN_EXE_rollcall"), Some(script), &[]).await;
    Tenant::Scim(story).suffer_all("directory").await;
}

/// I1, I2, I4, I7 at a bank that takes idempotency keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_that_fails_in_every_way() {
    let habits = Habits {
        keys: true,
        ..Habits::default()
    };
    bank("bank with keys", "keyed-card", habits).await;
}

/// I4: the same where all that tells of a card is what it says of the operation that made it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_without_idempotency_keys_that_fails_in_every_way() {
    let habits = Habits {
        metadata: true,
        ..Habits::default()
    };
    bank("bank with marks", "marked-card", habits).await;
}

async fn bank(name: &str, kind: &'static str, habits: Habits) {
    let script = Script::new(belongs);
    let story = BankStory::new(env!("CARGO_BIN_EXE_rollcall"), &script, &[], kind, habits).await;
    Tenant::Bank(story).suffer_all(name).await;
}

/// The key that a directory takes, and never shows again.
fn keyless(status: StatusCode, body: &Bytes) -> (StatusCode, Bytes) {
    let mut shown: Value = serde_json::from_slice(body).unwrap_or_default();
    for user in shown["Resources"].as_array_mut().into_iter().flatten() {
        if let Some(user) = user.as_object_mut() {
            user.remove("externalId");
        }
    }
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("externalId");
    }
    (status, shown.to_string().into())
}

async fn accounts(story: &Story) -> usize {
    story.world.scim.users().await.expect("users").len()
}

/// I4: somebody gets another address while nobody knows whether their account was made, at a directory that never shows our key.
/// The account is found by the address that it was made with, and is the only one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_before_it_is_known_whether_the_account_was_made() {
    static BLIND: AtomicBool = AtomicBool::new(false);
    let makes = |request: &RequestInfo| request.method == Method::POST && request.path.ends_with("/Users");
    let is_user = |request: &RequestInfo| request.path.contains("/Users");
    let mut story = Story::new(env!("CARGO_BIN_EXE_rollcall"), Some(Script::new(belongs)), &[]).await;
    let operator = story.world.start().await;
    if let Err(wrongs) = story.settle(PATIENCE).await {
        panic!("never was as it should be: {wrongs:#?}\n{}", operator.logs());
    }
    let before = accounts(&story).await;
    let proxy = story.world.scim_proxy.as_ref().expect("a script was given");
    proxy.lose_answer(
        move |request| {
            // What comes after it shows nothing.
            let is = makes(request);
            BLIND.fetch_or(is, Ordering::SeqCst);
            is
        },
        1,
    );
    proxy.respond_with(
        move |request| is_user(request) && !makes(request) && BLIND.load(Ordering::SeqCst),
        500,
        &[],
        Bytes::new(),
        usize::MAX,
    );
    proxy.alter_answer(is_user, |status, body| keyless(status, &body), usize::MAX);
    let mut person = story.newcomer();
    story.tell(Chapter::Hire, &mut person);
    story
        .world
        .eventually(&operator, "the account is made, and nobody heard of it", async || {
            let number = accounts(&story).await;
            (number == before + 1 && BLIND.load(Ordering::SeqCst))
                .then_some(())
                .ok_or_else(|| format!("{number} accounts"))
        })
        .await;
    story.rename(&mut person);
    story
        .world
        .eventually(&operator, "the new address is known", async || {
            let found = story.world.employee(&person.email).await;
            found.map(|_| ()).ok_or_else(|| "it is not".to_owned())
        })
        .await;
    BLIND.store(false, Ordering::SeqCst);
    story
        .world
        .eventually(&operator, "the account has the new address", async || {
            let users = story.world.scim.users().await.expect("users");
            let named = users
                .iter()
                .filter(|user| user["userName"] == person.email.as_str())
                .count();
            (named == 1).then_some(()).ok_or_else(|| format!("{users:?}"))
        })
        .await;
    assert_eq!(
        accounts(&story).await,
        before + 1,
        "I4: {:?}",
        story.world.scim.users().await
    );
}
