//! I10: no expression, however hostile, ends the process or holds up other tenants. Each is refused with a sentence, or
//! evaluated in bounded steps on the largest employee that there can be.
//!
//! `cargo test --test hostile_expressions -- --ignored campaign` looks for new ones, for as many cases as
//! `PROPTEST_CASES` says.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "hostile_expressions/templates.rs"]
mod templates;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;
use rollcall::api::employee::{EmployeeSpec, GroupPath, Location};
use rollcall::decide::expression::{BUDGET, Expression, Schema};
use rollcall::decide::selector::Tri;

/// A quarter of what a thread of the operator has.
const STACK: usize = 512 << 10;

/// As large as an employee can be, of texts whose ends alone tell them apart.
static LARGEST: LazyLock<EmployeeSpec> = LazyLock::new(|| {
    let text = |end: &str| Some(format!("{}{end}", "\u{1f469}".repeat(255)));
    let groups = |count: usize| {
        let path = |at: usize| {
            (0..16)
                .filter_map(|step| text(["a", "b", "c", "d", "e"][(at + step) % 5]))
                .collect()
        };
        (0..count).map(|at| GroupPath { path: path(at) }).collect()
    };
    let location = || {
        Some(Location {
            name: text("n"),
            country: text("c"),
            state: text("s"),
            city: text("t"),
        })
    };
    let fields: BTreeMap<String, String> = (0..31)
        .map(|n| format!("field{n}"))
        .chain(["anything".to_owned()])
        .filter_map(|name| Some((name, text("f")?)))
        .collect();
    EmployeeSpec {
        employee_number: text("1"),
        display_name: text("2"),
        given_name: text("3"),
        family_name: text("4"),
        work_email: text("5"),
        username: text("6"),
        job_title: text("7"),
        employment_type: text("8"),
        employment_status: text("9"),
        start_date: Some("2026-03-01".to_owned()),
        departments: groups(32),
        business_units: groups(32),
        groups: groups(64),
        work_location: location(),
        home_location: location(),
        company: text("0"),
        custom_fields: fields,
        ..EmployeeSpec::default()
    }
});

/// What became of one expression.
enum Outcome {
    Refused {
        sentence: String,
        took: Duration,
    },
    Answered {
        tri: Tri,
        took: Duration,
        steps: u64,
        compiling: Duration,
    },
}

/// Reads an expression, and evaluates it on the largest employee and on one who has nothing.
fn outcome(source: &str) -> Outcome {
    let begun = Instant::now();
    match Expression::compile(source, &Schema::default()) {
        Err(refusal) => {
            let took = begun.elapsed();
            let sentence = refusal.to_string();
            assert!(sentence.len() > 10 && sentence.len() < 700, "{source:?}: {sentence}");
            // Said of a slip in the parser that was caught, and of nothing else.
            assert!(!sentence.contains("in another way"), "{source:?}: {sentence}");
            if let Some((line, column)) = refusal.position {
                let lines: Vec<&str> = source.split('\n').collect();
                assert!(line >= 1 && line <= lines.len().max(1), "{source:?}: {sentence}");
                assert!(
                    column >= 1 && column <= lines[line - 1].chars().count() + 2,
                    "{source:?}: {sentence}"
                );
            }
            Outcome::Refused { sentence, took }
        }
        Ok(expression) => {
            let compiling = begun.elapsed();
            assert!(expression.steps() <= BUDGET, "{source:?}");
            assert!(expression.attributes().next().is_some(), "{source:?}");
            let begun = Instant::now();
            let answer = expression.matches(&LARGEST);
            let took = begun.elapsed();
            for answer in [&answer, &expression.matches(&EmployeeSpec::default())] {
                // What was checked fails for the few reasons that only the facts decide.
                let why = answer.why.clone().unwrap_or_default();
                assert!(!why.contains("the expression cannot be evaluated"), "{source:?}");
                assert_eq!(answer.tri == Tri::Unknown, answer.why.is_some(), "{source:?}");
            }
            Outcome::Answered {
                tri: answer.tri,
                took,
                steps: expression.steps(),
                compiling,
            }
        }
    }
}

/// Runs on a stack so small that what recurses with its input would overflow it, which ends the process.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .stack_size(STACK)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

fn corpus(expected: &str) -> Vec<String> {
    type Corpus = BTreeMap<String, BTreeMap<String, Vec<String>>>;
    let corpus: Corpus = serde_yaml::from_str(include_str!("data/hostile_expressions.yaml")).unwrap();
    corpus[expected].values().flatten().cloned().collect()
}

/// What is too large to write out, and refused.
fn too_large() -> Vec<String> {
    let around = |open: &str, close: &str, times: usize| {
        format!("{}employee.jobTitle == 'x'{}", open.repeat(times), close.repeat(times))
    };
    let chain = |link: &str, times: usize| format!("size(employee.groups) == 1{}", link.repeat(times));
    let mut sources = Vec::new();
    for times in [40, 100, 340, 1_000, 100_000] {
        sources.extend([
            around("(", ")", times),
            around("!(", ")", times),
            around("-(", ")", times),
            around("[", "]", times),
            around("has(", ")", times),
            around("size(", ")", times),
            around("true ? ", " : true", times),
            around("employee.groups.all(g, ", ")", times),
            format!("employee.jobTitle == {}", "(".repeat(times)),
            format!("employee.jobTitle == {}", "[".repeat(times)),
            format!("employee.jobTitle == {}", "f(".repeat(times)),
            format!("{} == employee.jobTitle", "x[".repeat(times)),
            format!("employee{} == 'x'", ".jobTitle".repeat(times)),
            format!("employee.jobTitle{} == 'x'", ".trim()".repeat(times)),
            format!("employee.groups{} == 'x'", "[0]".repeat(times)),
            format!("employee.jobTitle == 'x'{}", " == true".repeat(times)),
            format!("employee.jobTitle == 'x'{}", " in [true]".repeat(times)),
        ]);
    }
    for times in [40, 1_000, 4_000, 100_000] {
        sources.extend(["+1", " - 1", "*1", "/1", "%1", " + -1"].map(|link| chain(link, times)));
    }
    sources.push(format!(
        "has(employee.jobTitle){}",
        " || has(employee.jobTitle)".repeat(1_000)
    ));
    sources.push(format!("employee.jobTitle in [{}]", vec!["'x'"; 1_000].join(",")));
    sources.push(format!("employee.jobTitle == '{}'", "x".repeat(257)));
    sources.push(format!("employee.jobTitle == '{}'", "x".repeat(1 << 20)));
    sources.push(format!("employee.jobTitle == 'x'{}", " ".repeat(1 << 20)));
    sources.push(format!("employee.jobTitle == 'x' //{}", "x".repeat(1 << 20)));
    sources.push(format!("employee.{} == 'x'", "x".repeat(1 << 20)));
    sources.push(format!("employee.jobTitle == {}", "9".repeat(1 << 20)));
    sources.push("\u{1f469}".repeat(2_048));
    sources.push("\0".repeat(2_048));
    sources.push("'".repeat(2_047));
    sources.push("\\".repeat(2_048));
    sources.push(
        format!("employee.jobTitle.matches('{}')", "(a*)*".repeat(40))
            + " && employee.jobTitle.matches('(a|b)*a(a|b){14}')",
    );
    sources
}

/// As large, as deep and as slow as can be without being refused: each is made larger until it is.
fn at_the_caps() -> Vec<String> {
    let grow = |make: &dyn Fn(usize) -> String| {
        let taken = |times: &usize| Expression::compile(&make(*times), &Schema::default()).is_ok();
        let most = (1..400).take_while(taken).last();
        make(most.unwrap_or_else(|| panic!("{} is refused", make(1))))
    };
    let nest = |open: &'static str, inner: &'static str, close: &'static str| {
        move |times: usize| format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let joined = |one: &'static str, sign: &'static str| move |times: usize| vec![one; times].join(sign);
    vec![
        grow(&nest("(", "has(employee.jobTitle)", ")")),
        grow(&nest("!(", "has(employee.jobTitle)", ")")),
        grow(&nest("has(employee.jobTitle) ? true : (", "true", ")")),
        grow(&nest("has(employee.jobTitle) ? true : ", "true", "")),
        grow(&nest("has(employee.jobTitle) && (true || ", "true", ")")),
        grow(&|times| format!("{}employee.jobTitle{} == []", "[".repeat(times), "]".repeat(times))),
        grow(&|times| format!("size(employee.groups){} == 1", " + 1".repeat(times))),
        grow(&|times| {
            format!(
                "size(employee.groups){}1{} == 1",
                " + (1 * ".repeat(times),
                ")".repeat(times)
            )
        }),
        grow(&|times| format!("employee.jobTitle{} == 'x'", ".trim()".repeat(times))),
        grow(&|times| format!("employee.jobTitle in [{}]", vec!["'nobody'"; times].join(","))),
        grow(&joined("has(employee.jobTitle)", " || ")),
        grow(&joined("employee.jobTitle == employee.company", " || ")),
        grow(&joined("employee.groups.exists(g, 'x' in g.path)", " || ")),
        grow(&joined("employee.groups.all(g, g.path.size() > 0)", " && ")),
        grow(&joined("employee.groups.all(g, g.path.all(p, p != 'x'))", " && ")),
        grow(&joined(
            "employee.departments.map(d, d.path) == employee.groups.map(g, [g.path[0]])",
            " && ",
        )),
        grow(&joined("employee.jobTitle.contains(employee.company)", " || ")),
        grow(&joined("employee.jobTitle.matches('(x+x+)+y')", " || ")),
        grow(&joined("employee.jobTitle.matches('[^a]*[^b]*[^c]*z')", " || ")),
        grow(&joined(
            "employee.jobTitle.lowerAscii() == employee.company.trim()",
            " || ",
        )),
        grow(&|times| {
            format!(
                "employee.groups.exists(g, {})",
                vec!["g.path[0] == 'x'"; times].join(" || ")
            )
        }),
        grow(&|times| {
            format!(
                "employee.groups.exists(g, {})",
                vec!["g.path[0].contains(employee.company)"; times].join(" || ")
            )
        }),
        grow(&|times| {
            format!(
                "employee.groups.exists(g, {})",
                vec!["g.path[0].matches('(x+x+)+y')"; times].join(" || ")
            )
        }),
        grow(&|times| {
            format!(
                "employee.departments.exists(d, d.path.exists(p, {}))",
                vec!["p == 'x'"; times].join(" || ")
            )
        }),
        grow(&|times| {
            format!(
                "employee.groups.exists(g, {})",
                vec!["'x' in employee.departments[0].path"; times].join(" || ")
            )
        }),
        grow(&|times| {
            format!(
                "employee.departments.exists(d, [{}].exists(x, x in d.path))",
                vec!["'x'"; times].join(",")
            )
        }),
    ]
}

/// Says how large the corpus is and how slow its slowest were. Time is said, not judged: what bounds it are the steps.
fn report(of: &str, outcomes: &[(String, Outcome)]) {
    let short = |source: &str| source.chars().take(70).collect::<String>();
    let refused = outcomes
        .iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Refused { .. }))
        .count();
    println!(
        "{of}: {} expressions, {refused} refused, {} evaluated",
        outcomes.len(),
        outcomes.len() - refused
    );
    let slowest = |what: &str, took: fn(&Outcome) -> Duration| {
        if let Some((source, outcome)) = outcomes.iter().max_by_key(|(_, outcome)| took(outcome)) {
            let steps = match outcome {
                Outcome::Answered { steps, .. } => format!(", of {steps} steps"),
                Outcome::Refused { .. } => String::new(),
            };
            println!("  slowest {what}: {:?}{steps}: {}", took(outcome), short(source));
        }
    };
    slowest("evaluation", |outcome| match outcome {
        Outcome::Answered { took, .. } => *took,
        Outcome::Refused { .. } => Duration::ZERO,
    });
    slowest("to be compiled", |outcome| match outcome {
        Outcome::Answered { compiling, .. } => *compiling,
        Outcome::Refused { .. } => Duration::ZERO,
    });
    slowest("to be refused", |outcome| match outcome {
        Outcome::Answered { .. } => Duration::ZERO,
        Outcome::Refused { took, .. } => *took,
    });
}

fn run(sources: Vec<String>) -> Vec<(String, Outcome)> {
    let outcomes = sources.into_iter().map(|source| {
        let outcome = outcome(&source);
        (source, outcome)
    });
    outcomes.collect()
}

#[test]
fn what_is_hostile_is_refused() {
    on_a_small_stack(|| {
        let outcomes = run([corpus("refused"), too_large()].concat());
        report("hostile", &outcomes);
        for (source, outcome) in outcomes {
            let shown: String = source.chars().take(200).collect();
            assert!(matches!(outcome, Outcome::Refused { .. }), "{shown:?} is taken");
        }
    });
}

#[test]
fn what_is_odd_is_answered() {
    on_a_small_stack(|| {
        let outcomes = run(corpus("taken"));
        report("odd", &outcomes);
        for (source, outcome) in outcomes {
            if let Outcome::Refused { sentence, .. } = outcome {
                panic!("{source:?} is refused: {sentence}");
            }
        }
    });
}

#[test]
fn what_is_as_large_as_can_be_is_answered() {
    on_a_small_stack(|| {
        let outcomes = run(at_the_caps());
        report("at the caps", &outcomes);
        for (source, outcome) in outcomes {
            if let Outcome::Refused { sentence, .. } = outcome {
                panic!("{source:?} is refused: {sentence}");
            }
        }
    });
}

/// Words and signs in any order.
fn soup() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "employee",
        ".",
        "jobTitle",
        "departments",
        "groups",
        "path",
        "workLocation",
        "country",
        "customFields",
        "x",
        "d",
        "exists",
        "all",
        "map",
        "filter",
        "exists_one",
        "has",
        "size",
        "int",
        "string",
        "matches",
        "startsWith",
        "contains",
        "in",
        "true",
        "false",
        "null",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        "?",
        ":",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        "<=",
        "&&",
        "||",
        "'",
        "\"",
        "'x'",
        "\"\"",
        "r'\\'",
        "'\\n'",
        "\\",
        "0",
        "1",
        "9223372036854775807",
        "1.5",
        "0x",
        "//",
        "\n",
        " ",
        "\u{202e}",
        "ü",
        "\0",
        "@",
        "`",
        "employee.jobTitle",
        "employee.departments",
        "employee.groups.exists(g, ",
        "'x' in g.path",
        "has(employee.company)",
    ];
    prop::collection::vec(select(WORDS), 0..60).prop_map(|words| words.concat())
}

/// Conditions as an author could have written them, of any shape.
fn condition() -> impl Strategy<Value = String> {
    let text = select(
        [
            "employee.jobTitle",
            "employee.company",
            "employee.terminationDate",
            "'x'",
            "''",
            "employee.workLocation.country",
            "employee.customFields.anything",
            "employee.departments[0].path[1]",
        ]
        .as_slice(),
    )
    .prop_map(str::to_owned);
    let text = text.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} + {other})")),
            inner.clone().prop_map(|one| format!("{one}.lowerAscii()")),
            (inner.clone(), inner).prop_map(|(one, other)| format!("(has(employee.company) ? {one} : {other})")),
        ]
    });
    let number = prop_oneof![
        any::<i64>().prop_map(|number| format!("({number})")),
        (0_i64..3).prop_map(|number| number.to_string()),
        Just("size(employee.groups)".to_owned()),
        text.clone().prop_map(|text| format!("{text}.size()")),
        text.clone().prop_map(|text| format!("int({text})")),
    ];
    let number = (number.clone(), select(["+", "-", "*", "/", "%"].as_slice()), number)
        .prop_map(|(one, sign, other)| format!("{one} {sign} {other}"));
    let leaf = prop_oneof![
        (text.clone(), select(["==", "!=", "<", ">="].as_slice()), text.clone())
            .prop_map(|(one, sign, other)| format!("{one} {sign} {other}")),
        (number.clone(), select(["==", "<", ">"].as_slice()), number)
            .prop_map(|(one, sign, other)| format!("{one} {sign} {other}")),
        (
            text.clone(),
            select(["startsWith", "endsWith", "contains"].as_slice()),
            text.clone()
        )
            .prop_map(|(one, method, other)| format!("{one}.{method}({other})")),
        select(
            [
                "has(employee.jobTitle)",
                "has(employee.groups)",
                "has(employee.homeLocation.city)",
                "true",
                "false"
            ]
            .as_slice()
        )
        .prop_map(str::to_owned),
        (text.clone(), select(["departments", "groups"].as_slice()))
            .prop_map(|(text, list)| format!("employee.{list}.exists(g, {text} in g.path)")),
        (text.clone(), text).prop_map(|(one, other)| format!(
            "employee.groups.filter(g, g.path[0] == {one}).map(g, g.path[0]) == [{other}]"
        )),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} && {other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} || {other})")),
            inner.clone().prop_map(|one| format!("!({one})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(one, two, three)| format!("({one} ? {two} : {three})")),
            (inner.clone(), inner)
                .prop_map(|(one, other)| format!("employee.departments.all(a, a.path.size() > 1 || {one} && {other})")),
        ]
    })
}

/// The answer on the largest employee, where the expression is taken.
fn tri(source: &str) -> Option<Tri> {
    match outcome(source) {
        Outcome::Answered { tri, .. } => Some(tri),
        Outcome::Refused { .. } => None,
    }
}

/// What each pair of generated sources is held to: no harm done, and an answer that follows Kleene's logic.
fn judge(soup: &str, condition: &str, other: &str) {
    tri(soup);
    let (one, two) = (tri(condition), tri(other));
    if let (Some(one), Some(not)) = (one, tri(&format!("!({condition})"))) {
        assert_eq!(not, !one, "{condition}");
    }
    if let (Some(one), Some(two)) = (one, two) {
        if let Some(both) = tri(&format!("({condition}) && ({other})")) {
            assert_eq!(both, one.and(two), "{condition} && {other}");
        }
        if let Some(either) = tri(&format!("({condition}) || ({other})")) {
            assert_eq!(either, one.or(two), "{condition} || {other}");
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 96, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_source_is_refused_or_answered(soup in soup(), one in condition(), other in condition()) {
        judge(&soup, &one, &other);
    }
}

proptest! {
    #[test]
    #[ignore = "a campaign: as many cases as PROPTEST_CASES says"]
    fn campaign(soup in soup(), one in condition(), other in condition(), noise in "\\PC{0,80}") {
        judge(&soup, &one, &other);
        tri(&noise);
        tri(&format!("{one}{noise}"));
    }
}
