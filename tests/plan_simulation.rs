//! Does the planner keep its promises whatever happens around it?
//!
//! The whole loop in memory, without a clock or a network: people and policies change, the releaser judges, people are
//! reconciled, what the acknowledged records mean is sent to targets that fail before or after they did it, and the
//! process forgets everything but the records. The invariants are checked at every effect and every record. Then faults
//! stop, and everything must come to rest: leavers hold nothing, everybody else what the policies give, and another
//! round changes nothing.
//!
//! `PROPTEST_CASES=20000 cargo test --test plan_simulation` looks longer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "plan_simulation/checks.rs"]
mod checks;
#[path = "plan_simulation/company.rs"]
mod company;
#[path = "plan_simulation/desk.rs"]
mod desk;
#[path = "plan_simulation/remote.rs"]
mod remote;
#[path = "plan_simulation/sim.rs"]
mod sim;
#[path = "plan_simulation/steps.rs"]
mod steps;
#[path = "plan_simulation/writer.rs"]
mod writer;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use self::company::{Case, case};
use self::sim::Sim;

fn run(case: &Case) {
    let mut sim = Sim::new(case);
    for op in &case.ops {
        sim.apply(*op);
    }
    sim.come_to_rest();
    sim.assert_rest();
    sim.approve_all();
    sim.come_to_rest();
    sim.assert_rest();
    // The deletion of an account cannot be undone, and is decided by itself when it comes due.
    sim.approve_all();
    sim.come_to_rest();
    sim.assert_rest();
    sim.assert_nothing_held();
}

/// A change is judged by the same cases as the one before it; a campaign (`PROPTEST_CASES`) looks for new ones.
fn seed() -> RngSeed {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default().rng_seed
    } else {
        RngSeed::Fixed(20_261_123)
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400),
        failure_persistence: None,
        max_shrink_iters: 200_000,
        rng_seed: seed(),
        ..ProptestConfig::default()
    })]

    /// I1 to I4, I6 to I8, in any small company, whatever fails.
    #[test]
    fn any_company_is_served_safely_and_comes_to_rest(case in case()) {
        run(&case);
    }
}
