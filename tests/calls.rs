//! How many calls do a hire, a transfer and a leave take, and is it the least possible?

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rollcall_support::proxy::Script;
use rollcall_support::story::{Chapter, Story, belongs, shape};

/// How many people live through it.
const PEOPLE: usize = 3;

/// What a chapter takes at least where it is about one person: the request, how often, and why.
fn least(chapter: Chapter) -> Vec<(&'static str, usize, &'static str)> {
    let sync = ("kubernetes PATCH hrisconnections/*/status", 1, "what the sync did");
    let mut calls = match chapter {
        Chapter::Hire => vec![
            ("kubernetes POST employees", 1, "facts and finalizer"),
            ("scim GET Users", 1, "is there an account?"),
            ("scim POST Users", 1, "the account"),
            ("scim POST Bulk", 1, "both groups"),
            ("scim GET Groups/*", 2, "read back"),
        ],
        Chapter::Transfer => vec![
            ("kubernetes PATCH employees/*", 1, "facts"),
            ("scim GET Users/*", 1, "what the account says"),
            ("scim PATCH Users/*", 1, "the title"),
            ("scim PATCH Groups/*", 2, "a group each, at its own time"),
            ("scim GET Groups/*", 2, "read back"),
        ],
        Chapter::Leave => vec![
            ("kubernetes PATCH employees/*", 1, "facts"),
            ("scim PATCH Users/*", 1, "deactivate"),
            ("scim GET Users/*", 1, "read back"),
            ("scim POST Bulk", 1, "both groups"),
            ("scim GET Groups/*", 2, "read back"),
        ],
    };
    if chapter == Chapter::Transfer {
        // What is gained goes at once; what is lost is judged when facts have settled, and goes by a record of its own.
        calls.push(("kubernetes PATCH employees/*/status", 4, "two intents, two results"));
    } else {
        calls.push(("kubernetes PATCH employees/*/status", 2, "intent, result"));
    }
    calls.push(sync);
    if chapter != Chapter::Leave {
        // Where nothing is taken over, a grant rests on a fresh look, so that what somebody else gives is not made ours.
        let (reads, why) = match chapter {
            Chapter::Hire => (3, "a fresh look, read before the write, read back"),
            _ => (2, "read before the write, read back"),
        };
        calls.push(("kubernetes GET rolebindings/*", reads, why));
        calls.push(("kubernetes PATCH rolebindings/*", 1, "the subjects"));
    }
    calls
}

/// One person's changes take the least calls there are; beside them only figures in the status of policies,
/// entitlements and targets are written. Three people live through it: on a busy machine the results of two targets may
/// be too far apart to share a record.
#[tokio::test(flavor = "multi_thread")]
async fn a_hire_a_transfer_and_a_leave_take_the_least_calls() {
    let script = Script::new(belongs);
    let mut story = Story::new(env!("CARGO_BIN_EXE_rollcall"), Some(script.clone()), &[]).await;
    let operator = story.world.start().await;
    let patience = Duration::from_mins(1);
    story.settle(patience).await.expect("the tenant is as it should be");
    let mut counts: BTreeMap<Chapter, [BTreeMap<String, usize>; PEOPLE]> = BTreeMap::new();
    for number in 0..PEOPLE {
        let mut person = story.newcomer();
        for chapter in Chapter::ALL {
            script.reset();
            story.forget();
            story.tell(chapter, &mut person);
            if let Err(wrongs) = story.settle(patience).await {
                panic!("{chapter}: {wrongs:#?}\n{}", operator.logs());
            }
            for entry in script.log() {
                let counts = &mut counts.entry(chapter).or_default()[number];
                *counts.entry(shape(&entry.request)).or_default() += 1;
            }
        }
    }

    let mut complaints = Vec::new();
    for (chapter, counts) in counts {
        let range = |shape: &str| {
            let counts = counts
                .iter()
                .map(|counts| counts.get(shape).copied().unwrap_or_default());
            (
                counts.clone().min().unwrap_or_default(),
                counts.max().unwrap_or_default(),
            )
        };
        let least = least(chapter);
        eprintln!("{:50}  from  to  least", chapter.to_string());
        for (shape, number, why) in &least {
            let (from, to) = range(shape);
            eprintln!("  {shape:48}  {from:4}  {to:2}  {number:5}  {why}");
            if from > *number {
                complaints.push(format!("{chapter}: {from} times {shape} where {number} do"));
            }
        }
        let all: BTreeSet<&String> = counts.iter().flat_map(BTreeMap::keys).collect();
        for shape in all {
            if least.iter().any(|(known, ..)| shape == known) {
                continue;
            }
            let (from, to) = range(shape);
            eprintln!("  {shape:48}  {from:4}  {to:2}      -  figures");
            let figures = ["provisioningpolicies", "entitlements", "targetsystems"]
                .iter()
                .any(|kind| *shape == format!("kubernetes PATCH {kind}/*/status"));
            // Of three policies, four entitlements and two targets: while it is under way, and when it is done.
            if from > if figures { 8 } else { 0 } {
                complaints.push(format!("{chapter}: {from} times {shape}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}
