//! Expressions on a real control plane: a slip in one is said with its spot, and costs nobody anything.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use rollcall_support::checks::{person_with, usual};
use rollcall_support::merge::Company;
use rollcall_support::world::World;

const POLICY: (&str, &str) = ("ProvisioningPolicy", "vice-presidents");

/// Who is given sales by their title.
fn policy(expression: &str) -> String {
    World::policy(POLICY.1, &format!("{{expression: '{expression}'}}"), &["sales"])
}

fn titled(name: &str, title: &str) -> String {
    person_with(
        name,
        &format!("departments: [{{path: [Engineering]}}]\njobTitle: {title}"),
    )
}

/// I1: a typo in an expression says where it is wrong and takes nothing; corrected, it gives and takes as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_typo_in_an_expression_takes_nothing() {
    let world = usual(env!("CARGO_BIN_EXE_rollcall"), Company::empty()).await;
    world
        .apply(
            &[
                titled("ada", "VP Engineering"),
                titled("sam", "Clerk"),
                policy(r#"employee.jobTitle.startsWith("VP")"#),
            ]
            .concat(),
        )
        .await;
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada", "sam"]).await;
    world.has_members(&operator, "Sales", &["ada"]).await;
    world.says(&operator, POLICY, "Ready=True/Accepted", &[]).await;
    world.quiet(Duration::from_secs(2)).await;
    world.script.as_ref().unwrap().reset();

    world.apply(&policy(r#"employee.jobTitel.startsWith("VP")"#)).await;
    world
        .complains(
            &operator,
            POLICY,
            "Ready=False/Invalid",
            &["selector.expression, line 1, column 10", "did you mean jobTitle?"],
        )
        .await;
    world.quiet(Duration::from_secs(2)).await;
    assert_eq!(world.changes(), Vec::<String>::new());
    world.has_members(&operator, "Sales", &["ada"]).await;

    world.apply(&policy(r#"employee.jobTitle == "Clerk""#)).await;
    world.says(&operator, POLICY, "Ready=True/Accepted", &[]).await;
    world.has_members(&operator, "Sales", &["sam"]).await;
    // Facts decide as they change.
    world.apply(&titled("ada", "Clerk")).await;
    world.has_members(&operator, "Sales", &["ada", "sam"]).await;
}
