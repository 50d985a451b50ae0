//! I10: any text is refused or evaluated, within the budget, and nothing panics. A panic that `Expression` catches ends
//! the run as well: the fuzzer's hook aborts before it is caught.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall::api::employee::{EmployeeSpec, GroupPath};
use rollcall::decide::expression::{BUDGET, Expression, Schema};

fuzz_target!(|source: &str| {
    let Ok(expression) = Expression::compile(source, &Schema::default()) else {
        return;
    };
    assert!(expression.steps() <= BUDGET);
    let path = (0..16).map(|name| name.to_string()).collect();
    let someone = EmployeeSpec {
        job_title: Some("VP Engineering".to_owned()),
        groups: vec![GroupPath { path }; 64],
        ..EmployeeSpec::default()
    };
    for spec in [EmployeeSpec::default(), someone] {
        let why = expression.matches(&spec).why.unwrap_or_default();
        assert!(!why.contains("the expression cannot be evaluated"), "{source}");
    }
});
