//! I10: any text is refused as a template and as a reading, or rendered within the bounds, and nothing panics. A panic
//! that is caught ends the run as well: the fuzzer's hook aborts before it is caught.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollcall::api::employee::EmployeeSpec;
use rollcall::decide::expression::{Expect, Holds, Reading, Schema, Scope, TEMPLATE_BUDGET, Template, Values};
use serde_json::{Value, json};

static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    Scope::new()
        .employee(&Schema::default())
        .text("key")
        .number("page")
        .record("account", [("id", Holds::Text), ("extra", Holds::Json)])
        .json("body")
});

// The first line is an answer where it is JSON; the rest is a reading, and the texts of a template.
fuzz_target!(|source: &str| {
    let (answer, source) = source.split_once('\n').unwrap_or(("", source));
    let body: Value = serde_json::from_str(answer).unwrap_or_else(|_| json!({"items": [{"id": "x"}], "text": answer}));
    let account: BTreeMap<String, Value> = [("id".to_owned(), json!("a")), ("extra".to_owned(), body.clone())].into();
    let spec = EmployeeSpec {
        job_title: Some("VP Engineering".to_owned()),
        ..EmployeeSpec::default()
    };
    let values = Values::new()
        .employee(&spec)
        .text("key", "k")
        .number("page", 1)
        .record("account", &account)
        .json("body", &body);
    if let Ok(reading) = Reading::compile(source, &SCOPE, Expect::Any) {
        assert!(reading.steps() <= TEMPLATE_BUDGET);
        let why = reading.evaluate(&values).err().unwrap_or_default();
        assert!(!why.contains("the expression cannot be evaluated"), "{source}");
        let _ = reading.items(&values);
    }
    let tree = json!({"whole": source, "parts": [format!("a{source}"), {"b": format!("${{{source}}}")}]});
    if let Ok(template) = Template::compile(&tree, &SCOPE)
        && let Ok(rendered) = template.render(&values)
    {
        assert!(rendered.is_some_and(|rendered| rendered.is_object()), "{source}");
    }
});
