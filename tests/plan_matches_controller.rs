//! Does the operator do what `rollcall plan` said it would?
//!
//! Any small company is brought to rest under any policies, one edit of them after the other, by the planner and the
//! guard themselves at targets that refuse nothing. Before the last edit the plan is made. Then the edit is put in, the
//! company is brought to rest again, and what has changed on record is compared with the plan: who gained, who lost,
//! what is held, in which set, under which digest.
//!
//! `PROPTEST_CASES=20000 cargo test --test plan_matches_controller` looks longer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "plan_matches_controller/company.rs"]
mod company;
#[path = "plan_matches_controller/operator.rs"]
mod operator;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rollcall::decide::compare::compare;
use rollcall::decide::effect::intents;
use rollcall::decide::enforced::as_enforced;
use rollcall::decide::losses::losses;
use rollcall::decide::{Namespace, Person, resolve};

use self::company::{Case, case, case_of_everything, limits, now};
use self::operator::{Change, Operator, changes};

/// What a comparison says will be there.
fn foretold(before: &Namespace, after: &Namespace) -> (BTreeSet<Change>, BTreeSet<String>) {
    let comparison = compare(before, after, &limits(), now(), &mut |_| {});
    let mut all = BTreeSet::new();
    for person in &comparison.people {
        let who = || person.employee.clone();
        for gain in person.coming() {
            let access = gain.access.clone();
            all.insert(if gain.change_set.is_empty() {
                Change::Gained(who(), access)
            } else {
                Change::GainHeld(who(), access, gain.change_set.clone())
            });
        }
        for loss in person.going() {
            let access = loss.access.clone();
            all.insert(if loss.change_set.is_empty() {
                Change::Lost(who(), access, loss.cause)
            } else {
                Change::Held(who(), access, loss.change_set.clone())
            });
        }
        for kept in &person.kept {
            all.insert(Change::Kept(who(), kept.clone()));
        }
        for left in &person.later {
            all.insert(Change::Left(who(), left.access.clone(), left.until));
        }
        for stays in &person.no_longer_going {
            all.insert(Change::Stays(who(), stays.clone()));
        }
        for parameter in person.changing() {
            if !parameter.change_set.is_empty() {
                // What was held before for something else goes on being held.
                if parameter.waited_in.is_empty() {
                    all.insert(Change::Held(
                        who(),
                        parameter.access.clone(),
                        parameter.change_set.clone(),
                    ));
                }
                continue;
            }
            all.insert(Change::Parameter(
                who(),
                parameter.access.clone(),
                parameter.from.clone(),
                parameter.to.clone(),
            ));
        }
    }
    let digests = comparison.held.iter().map(|held| held.digest.clone()).collect();
    (all, digests)
}

fn run(case: &Case) {
    let mut operator = Operator::new(case);
    operator.come_to_rest();
    for edit in &case.edits[..case.edits.len() - 1] {
        operator.put_in(edit);
        operator.come_to_rest();
        operator.judged_by_all();
    }
    let before = operator.namespace.clone();
    let known = operator.digests();
    operator.put_in(case.edits.last().unwrap());
    let after = operator.namespace.clone();
    let (foretold, digests) = foretold(&before, &after);
    operator.come_to_rest();
    let happened = changes(&before, &operator.namespace);
    assert_eq!(foretold, happened, "foretold, and what happened");
    let there: BTreeSet<String> = operator.digests().difference(&known).cloned().collect();
    let new: BTreeSet<String> = digests.difference(&known).cloned().collect();
    assert_eq!(new, there, "digests foretold, and those that the cluster shows");
}

/// People of whom nothing is on record are taken as the operator would have left them.
fn is_at_rest_as_if_long_enforced(case: &Case) {
    let mut case = case.clone();
    // What a ceiling held for a while was approved long ago.
    case.settings.iter_mut().for_each(|settings| settings.grants = None);
    let mut operator = Operator::new(&case);
    let mut namespace = operator.namespace.clone();
    operator.come_to_rest();
    for person in operator.namespace.employees.values() {
        let fresh = namespace.employees[&person.name].as_ref().clone();
        let resolution = resolve(&namespace, &fresh, now());
        let mut taken = fresh.clone();
        taken.status = as_enforced(&namespace, &fresh, &resolution, now());
        let held = |person: &Person| -> BTreeSet<_> {
            let records = person
                .status
                .entitlements
                .iter()
                .filter(|record| record.state.may_be_held());
            records
                .map(|r| {
                    (
                        r.target.clone(),
                        r.remote_id.clone(),
                        r.grantors.clone(),
                        r.desired_parameters.clone(),
                    )
                })
                .collect()
        };
        assert_eq!(held(&taken), held(person), "{}", person.name);
        let accounts = |person: &Person| -> BTreeMap<_, _> {
            let accounts = person.status.accounts.iter();
            accounts
                .map(|account| (account.target.clone(), account.state))
                .collect()
        };
        assert_eq!(accounts(&taken), accounts(person), "{}", person.name);
        assert!(intents(&taken.status.accounts, &taken.status.entitlements).is_empty());
        assert_eq!(losses(&namespace, &taken, &resolution), []);
        namespace.employees.insert(taken.name.clone(), Arc::new(taken));
    }
    let nothing = compare(&namespace, &namespace, &limits(), now(), &mut |_| {});
    assert_eq!(nothing.people, []);
    let (gained, _) = foretold(&Namespace::default(), &namespace);
    assert_eq!(gained, BTreeSet::new(), "everybody has what they should have");
}

/// A change is judged by the same cases as the one before it; a campaign (`PROPTEST_CASES`) looks for new ones.
fn seed() -> RngSeed {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default().rng_seed
    } else {
        RngSeed::Fixed(20_261_124)
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

    /// I6 and I8, foretold: gains, losses with their causes, other parameters, what is held and its digest.
    #[test]
    fn what_the_plan_says_is_what_happens(case in case()) {
        run(&case);
    }

    /// The same of denials, exceptions, exclusive groups, last days, early starts, and what is left for a grace.
    #[test]
    fn what_the_plan_says_of_everything_is_what_happens(case in case_of_everything()) {
        run(&case);
    }

    #[test]
    fn people_without_a_record_count_as_long_served(case in case_of_everything()) {
        is_at_rest_as_if_long_enforced(&case);
    }
}
