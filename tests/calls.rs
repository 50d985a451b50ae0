//! How many calls do a hire, a transfer and a leave take, and is it the least possible?

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rollcall_support::proxy::Script;
use rollcall_support::story::{Chapter, Story, belongs, shape};

/// What a chapter takes at least where it is about one person: the request, how often, and why.
fn least(chapter: Chapter) -> Vec<(&'static str, usize, &'static str)> {
    let binding = [
        ("kubernetes GET rolebindings/*", 2, "read before the write, read back"),
        ("kubernetes PATCH rolebindings/*", 1, "the subjects"),
    ];
    let sync = ("kubernetes PATCH hrisconnections/*/status", 1, "what the sync did");
    let mut calls = match chapter {
        Chapter::Hire => vec![
            ("kubernetes POST employees", 1, "facts and finalizer"),
            ("scim GET Users", 1, "is there an account?"),
            ("scim POST Users", 1, "the account"),
            ("scim PATCH Groups/*", 2, "a group each"),
            ("scim GET Groups/*", 2, "read back"),
        ],
        Chapter::Transfer => vec![
            ("kubernetes PATCH employees/*", 1, "facts"),
            ("scim GET Users/*", 1, "what the account says"),
            ("scim PATCH Users/*", 1, "the title"),
            ("scim PATCH Groups/*", 2, "a group each"),
            ("scim GET Groups/*", 2, "read back"),
        ],
        Chapter::Leave => vec![
            ("kubernetes PATCH employees/*", 1, "facts"),
            ("scim PATCH Users/*", 1, "deactivate"),
            ("scim GET Users/*", 1, "read back"),
            ("scim PATCH Groups/*", 2, "a group each"),
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
        calls.extend(binding);
    }
    calls
}

/// One person's changes take the least calls there are; beside them only figures in the status of policies,
/// entitlements and targets are written, at most twice each.
#[tokio::test(flavor = "multi_thread")]
async fn a_hire_a_transfer_and_a_leave_take_the_least_calls() {
    let script = Script::new(belongs);
    let mut story = Story::new(env!("CARGO_BIN_EXE_rollcall"), Some(script.clone()), &[]).await;
    let operator = story.world.start().await;
    let patience = Duration::from_mins(1);
    story.settle(patience).await.expect("the tenant is as it should be");
    let mut person = story.newcomer();
    let mut complaints = Vec::new();
    for chapter in Chapter::ALL {
        script.reset();
        story.forget();
        story.tell(chapter, &mut person);
        if let Err(wrongs) = story.settle(patience).await {
            panic!("{chapter}: {wrongs:#?}\n{}", operator.logs());
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entry in script.log() {
            *counts.entry(shape(&entry.request)).or_default() += 1;
        }
        let least = least(chapter);
        let wanted: BTreeSet<&str> = least.iter().map(|(shape, ..)| *shape).collect();
        eprintln!("{chapter:45} calls  least");
        for (shape, number, why) in &least {
            let is = counts.get(*shape).copied().unwrap_or_default();
            eprintln!("  {shape:43} {is:5}  {number:5}  {why}");
            if is > *number {
                complaints.push(format!("{chapter}: {is} times {shape} where {number} do"));
            }
        }
        for (shape, is) in counts.iter().filter(|(shape, _)| !wanted.contains(shape.as_str())) {
            eprintln!("  {shape:43} {is:5}      -  figures");
            let figures = ["provisioningpolicies", "entitlements", "targetsystems"]
                .iter()
                .any(|kind| *shape == format!("kubernetes PATCH {kind}/*/status"));
            // Three policies, four entitlements and two targets: once while it is under way, once when it is done.
            if !figures || *is > 8 {
                complaints.push(format!("{chapter}: {is} times {shape}"));
            }
        }
    }
    if !complaints.is_empty() {
        for entry in script.log() {
            eprintln!("{entry}");
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}
