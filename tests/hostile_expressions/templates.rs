//! I10 for templates and readings: no template, no answer and no attribute, however hostile, ends the process, takes
//! unbounded steps, or changes the shape of what is rendered.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::select;
use rollcall::api::employee::EmployeeSpec;
use rollcall::decide::expression::{
    Expect, Holds, Reading, Schema, Scope, TEMPLATE_BUDGET, Template, TextTemplate, Values,
};
use serde_json::{Value as Json, json};

use super::{LARGEST, on_a_small_stack};

fn scope() -> Scope {
    let account = [
        ("id", Holds::Text),
        ("number", Holds::Number),
        ("active", Holds::Truth),
        ("emails", Holds::Texts),
        ("extra", Holds::Json),
    ];
    Scope::new()
        .employee(&Schema::default())
        .text("key")
        .number("page")
        .record("account", account)
        .json("body")
}

/// As large as an answer can be without being refused as one, in each way that there is.
static BODY: LazyLock<Json> = LazyLock::new(|| {
    let text = |bytes: usize, end: &str| format!("{}{end}", "x".repeat(bytes - end.len()));
    let items = |of: &dyn Fn(usize) -> Json, count: usize| (0..count).map(of).collect::<Vec<Json>>();
    let part = |at: usize| {
        json!({
            "id": text(1024, &at.to_string()),
            "roles": items(&|role| json!(text(1024, &role.to_string())), 20),
            "level": at,
        })
    };
    json!({
        "text": text(64 << 10, "t"), "other": text(64 << 10, "o"), "number": i64::MAX, "big": u64::MAX, "half": 0.5,
        "truth": true, "nothing": null, "items": items(&part, 1000),
        "texts": items(&|at| json!(text(1024, &at.to_string())), 1000),
    })
});

static ACCOUNT: LazyLock<BTreeMap<String, Json>> = LazyLock::new(|| {
    let emails = vec!["e".repeat(4096); 256];
    let fields = json!({"id": "a".repeat(4096), "number": -1, "active": true, "emails": emails, "extra": *BODY});
    serde_json::from_value(fields).unwrap()
});

static KEY: LazyLock<String> = LazyLock::new(|| "k".repeat(4096));

fn largest() -> Values<'static> {
    Values::new()
        .employee(&LARGEST)
        .text("key", &KEY)
        .number("page", i64::MAX)
        .record("account", &ACCOUNT)
        .json("body", &BODY)
}

/// Whether a reading is taken, and how long its evaluation takes.
fn read(source: &str) -> Option<(Duration, u64)> {
    let reading = match Reading::compile(source, &scope(), Expect::Any) {
        Ok(reading) => reading,
        Err(refusal) => {
            let sentence = refusal.to_string();
            assert!(sentence.len() > 10 && sentence.len() < 900, "{source:?}: {sentence}");
            assert!(!sentence.contains("in another way"), "{source:?}: {sentence}");
            return None;
        }
    };
    assert!(reading.steps() <= TEMPLATE_BUDGET, "{source:?}");
    let begun = Instant::now();
    let answers = [reading.evaluate(&largest())];
    let took = begun.elapsed();
    let lacking = reading.evaluate(&Values::new().json("body", &Json::Null));
    let items = reading.items(&largest()).map(|_| None);
    for answer in answers.iter().chain([&lacking, &items]) {
        // What was checked fails for the reasons that the values decide, and for none that the checks overlooked.
        let why = answer.as_ref().err().map_or("", String::as_str);
        assert!(!why.contains("the expression cannot be evaluated"), "{source:?}");
        assert!(!why.contains("xxxx"), "{source:?}: {why}");
    }
    if let [Ok(Some(value))] = &answers {
        assert!(value.to_string().len() < 512 << 10, "{source:?}");
    }
    Some((took, reading.steps()))
}

/// As slow as can be without being refused.
fn at_the_caps() -> Vec<String> {
    let grow = |make: &dyn Fn(usize) -> String| {
        let taken = |times: usize| Reading::compile(&make(times), &scope(), Expect::Any).is_ok();
        let (mut most, mut refused) = (1, 256);
        assert!(taken(most), "{} is refused", make(most));
        while refused - most > 1 {
            let middle = usize::midpoint(most, refused);
            if taken(middle) {
                most = middle;
            } else {
                refused = middle;
            }
        }
        make(most)
    };
    let within = |predicate: &'static str| {
        move |times: usize| format!("body.items.exists(i, {})", vec![predicate; times].join(" || "))
    };
    vec![
        grow(&within("i.id == key")),
        grow(&within("i.level == 1001")),
        grow(&within("i.id == account.id")),
        grow(&within("i.id.lowerAscii() == account.id.lowerAscii()")),
        grow(&within("i.id.contains(account.id)")),
        grow(&within("i.id.matches('^x*y')")),
        grow(&within("key in i.roles")),
        grow(&within("i.roles.size() > 100")),
        grow(&within("i.roles.exists(r, r == 'x')")),
        grow(&within("has(i.nothing)")),
        grow(&within("i.?nothing.hasValue()")),
        grow(&|times| format!("body.items.map(i, [{}])", vec!["i.id"; times].join(", "))),
        grow(&|times| format!("body.items.map(i, {})[0]", vec!["i.id"; times].join(" + '' + "))),
        grow(&|times| format!("body.texts.filter(t, {}).size()", vec!["t != key"; times].join(" && "))),
        grow(&|times| vec!["key in body.texts"; times].join(" || ")),
        grow(&|times| vec!["body.text == body.other"; times].join(" || ")),
        grow(&|times| vec!["body.text.contains(body.other)"; times].join(" || ")),
        grow(&|times| vec!["size(body.text) > 65536"; times].join(" || ")),
        grow(&|times| format!("[{}]", vec!["body.text.replace('x', '')"; times].join(", "))),
        grow(&|times| format!("[{}]", vec!["body.text.replace('x', body.other)"; times].join(", "))),
        grow(&|times| format!("[{}].size()", vec!["account.emails.join(key)"; times].join(", "))),
        grow(&|times| format!("[{}].size()", vec!["body.text.split('t')"; times].join(", "))),
        grow(&|times| format!("body.?items[?0]{}", ".?id".repeat(times))),
        grow(&|times| format!("body{}", "[0]".repeat(times))),
        grow(&|times| format!("{}body{}", "[".repeat(times), "]".repeat(times))),
        grow(&|times| format!("{}1{}", "{'a': ".repeat(times), "}".repeat(times))),
        grow(&|times| {
            format!(
                "{{{}}}",
                (0..times)
                    .map(|n| format!("'{n}': body.text"))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }),
        grow(&|times| format!("body.?a{}.orValue('x')", ".or(body.?b)".repeat(times))),
        grow(&|times| format!("key{}", ".replace('k', 'kk')".repeat(times))),
    ]
}

/// Time is said, not judged: what bounds it are the steps.
#[test]
fn what_is_as_slow_as_can_be_is_answered() {
    on_a_small_stack(|| {
        LazyLock::force(&ACCOUNT);
        let mut slowest = (Duration::ZERO, 0, String::new());
        for source in at_the_caps() {
            let (took, steps) = read(&source).unwrap_or_else(|| panic!("{source} is refused"));
            if took > slowest.0 {
                slowest = (took, steps, source);
            }
        }
        let source: String = slowest.2.chars().take(90).collect();
        println!("slowest reading: {:?}, of {} steps: {source}", slowest.0, slowest.1);
    });
}

#[test]
fn what_is_hostile_in_a_template_is_refused() {
    on_a_small_stack(|| {
        let mut texts: Vec<String> = [
            "${",
            "${}",
            "${ }",
            "${'}",
            "${\"}",
            "${{}",
            "${//}",
            "${r'}",
            "${'\\'}",
            "x${page}${",
            "${page}}${{",
            "${employee}",
            "${account}",
            "${employee.groups}",
            "${page",
            "${'a' 'b'}",
            "${page; page}",
            "${$page}",
            "${${page}}",
            "${'${page}'",
            "${@text(page)}",
            "${@part(body, 'a', 'b')}",
            "${@none()}",
            "${body.@x}",
            "${type(body)}",
            "${dyn(body)}",
            "${body.format([1])}",
            "${strings.quote(key)}",
            "${optional.ofNonZeroValue(key)}",
            "${body.map(k, v, k)}",
            "${employee.?jobTitle.value()}",
            "${a.b.c}",
            "${\u{202e}page}",
            "${page\0}",
        ]
        .map(str::to_owned)
        .to_vec();
        for times in [40, 1_000, 100_000] {
            texts.extend([
                format!("${{{}page{}}}", "(".repeat(times), ")".repeat(times)),
                format!("${{{}page{}}}", "[".repeat(times), "]".repeat(times)),
                format!("${{{}1{}}}", "{'a': ".repeat(times), "}".repeat(times)),
                format!("${{{}", "{".repeat(times)),
                format!("${{body{}}}", ".?a".repeat(times)),
                format!("${{body{}}}", "[?0]".repeat(times)),
                format!("${{body.?a{}}}", ".or(body.?b)".repeat(times)),
                format!("${{body{}}}", ".orValue(body".repeat(times)),
                format!("${{page{}}}", " + page".repeat(times)),
                "${".repeat(times),
                format!("${{[{}]}}", vec!["1"; times * 16].join(",")),
            ]);
        }
        for text in texts {
            let shown: String = text.chars().take(120).collect();
            assert!(TextTemplate::compile(&text, &scope()).is_err(), "{shown} is taken");
            let tree = json!({"a": [{"b": text}]});
            let refusals = Template::compile(&tree, &scope()).err();
            let refusals = refusals.unwrap_or_else(|| panic!("{shown} is taken"));
            assert!(refusals[0].0.starts_with('a'), "{shown}: {refusals:?}");
            assert!(
                Reading::compile(&text, &scope(), Expect::Any).is_err(),
                "{shown} is taken"
            );
        }
    });
}

/// An answer that is nested far deeper than a parser lets through, and lists that are far longer than a page.
#[test]
fn a_hostile_answer_is_an_error() {
    on_a_small_stack(|| {
        let deep = (0..10_000).fold(json!("x"), |inner, at| {
            if at % 2 == 0 {
                Json::Array(vec![inner])
            } else {
                Json::Object([("a".to_owned(), inner)].into_iter().collect())
            }
        });
        // Dropping it goes as deep as it is nested, which is what nobody but this test has to do.
        let deep: &'static Json = Box::leak(Box::new(deep));
        let long: &'static Json = Box::leak(Box::new(
            json!({"items": vec![1; 1_000_000], "text": "x".repeat(10 << 20)}),
        ));
        for (body, source, expected) in [
            (deep, "body", Err("nested too deep")),
            (deep, "[body]", Err("nested too deep")),
            (deep, "{'a': body.a}", Err("nested too deep")),
            (deep, "body.a[0].a[0].?a", Err("nested too deep")),
            (deep, "body == body", Err("whole lists or objects")),
            (deep, "body in [body]", Err("a different kind")),
            (deep, "size(body)", Ok(json!(1))),
            (deep, "[body].exists(b, has(b.a))", Ok(json!(true))),
            (deep, "string(body)", Err("no text")),
            (long, "body.items", Err("too large")),
            (long, "body.items.map(i, i)", Err("more than 1000")),
            (long, "1 in body.items", Err("more than 1000")),
            (long, "body.items + [1]", Err("more than 1000")),
            (long, "size(body.items)", Ok(json!(1_000_000))),
            (long, "body.items[999999]", Ok(json!(1))),
            (long, "body.text", Err("too large")),
            (long, "body.text.contains('y')", Err("longer than 65536")),
            (long, "body.text + 'y'", Err("longer than 65536")),
            (long, "body.text == 'y'", Ok(json!(false))),
            (long, "body[string(body.text)]", Err("beyond 65536")),
            (long, "size(body.text)", Err("longer than")),
            (long, "string(body.text)", Err("beyond 65536")),
            (long, "int(body.text)", Err("whole number")),
        ] {
            let reading = Reading::compile(source, &scope(), Expect::Any).unwrap();
            let values = Values::new().json("body", body);
            match (reading.evaluate(&values), expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, Some(expected), "{source}"),
                (Err(why), Err(expected)) => assert!(why.contains(expected) && why.len() < 200, "{source}: {why}"),
                (answer, _) => panic!("{source}: {:?}", answer.map(|_| "a value")),
            }
            let template = Template::compile(&json!({"a": format!("${{{source}}}")}), &scope()).unwrap();
            assert_eq!(
                template.render(&values).is_ok(),
                reading.evaluate(&values).is_ok(),
                "{source}"
            );
        }
    });
}

/// Words and signs of the templates' language in any order.
fn soup() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "employee",
        "account",
        "body",
        "key",
        "page",
        ".",
        ".?",
        "[",
        "]",
        "[?",
        "{",
        "}",
        "{?",
        "(",
        ")",
        ",",
        ":",
        "?",
        "'a'",
        "'a': ",
        "0",
        "1",
        "null",
        "true",
        "id",
        "emails",
        "extra",
        "items",
        "text",
        "jobTitle",
        "departments",
        "path",
        "workLocation",
        "country",
        "customFields",
        "x",
        "has(",
        "size(",
        "int(",
        "string(",
        ".map(i, ",
        ".filter(i, ",
        ".exists(i, ",
        "i.id",
        "i",
        ".split('a')",
        ".join(",
        ".replace('a', ",
        ".substring(",
        ".orValue(",
        ".hasValue()",
        ".or(",
        "optional.of(",
        "optional.none()",
        "base64.encode(",
        "==",
        "!=",
        "<",
        "+",
        "-",
        "*",
        "/",
        "%",
        "&&",
        "||",
        "!",
        " in ",
        " ",
        "${",
        "$",
        "\"",
        "'",
        "//",
        "\n",
        "body.text",
        "account.id",
        "employee.?company",
        "body.items",
        "employee.departments",
        "@text(",
        "@",
    ];
    prop::collection::vec(select(WORDS), 0..40).prop_map(|words| words.concat())
}

/// Expressions as an author could have written them, of any shape and of kinds that do not always fit.
fn expression() -> impl Strategy<Value = String> {
    let leaf = select(
        [
            "employee.jobTitle",
            "employee.?company",
            "employee.workLocation.?city",
            "employee.departments[0].path",
            "employee.departments[?9].path[?0]",
            "employee.customFields.?x",
            "account.id",
            "account.?id",
            "account.number",
            "account.active",
            "account.emails",
            "account.extra",
            "account.?extra.text",
            "key",
            "page",
            "body",
            "body.text",
            "body.number",
            "body.big",
            "body.half",
            "body.truth",
            "body.nothing",
            "body.missing",
            "body.?missing",
            "body.items",
            "body.items[0]",
            "body.?items[?3].id",
            "body.texts",
            "body['text']",
            "null",
            "true",
            "'a'",
            "''",
            "0",
            "3",
            "[]",
            "{}",
            "optional.none()",
        ]
        .as_slice(),
    )
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let (a, b, c) = (inner.clone(), inner.clone(), inner.clone());
        let signs = select(["==", "!=", "<", ">=", "+", "-", "*", "/", "%", "&&", "||", "in"].as_slice());
        let methods = select(
            [
                "trim()",
                "lowerAscii()",
                "size()",
                "hasValue()",
                "join()",
                "join('-')",
                "split('x')",
                "replace('x', 'yy')",
                "substring(1)",
                "exists(v, v == 'a')",
                "map(v, v)",
                "map(v, {'k': v})",
                "filter(v, has(v.id))",
                "all(v, v.id == key)",
                "matches('x+')",
                "contains('x')",
                "id",
                "?id",
                "path",
            ]
            .as_slice(),
        );
        prop_oneof![
            (a.clone(), signs, b.clone()).prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
            (a.clone(), methods).prop_map(|(a, method)| format!("{a}.{method}")),
            (
                a.clone(),
                b.clone(),
                select(["orValue", "or", "startsWith", "split"].as_slice())
            )
                .prop_map(|(a, b, method)| format!("{a}.{method}({b})")),
            (
                a.clone(),
                select(["size", "int", "string", "optional.of", "base64.encode", "!", "-", "has"].as_slice())
            )
                .prop_map(|(a, function)| format!("{function}({a})")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("{a}[?{b}]")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("[{a}, ?{b}]")),
            (a.clone(), b.clone()).prop_map(|(a, b)| format!("{{'a': {a}, ?'b': {b}}}")),
            (a, b, c).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

/// Expressions of every kind, made of each other so that the kinds fit.
#[derive(Clone, Debug)]
struct Fitting {
    text: String,
    number: String,
    truth: String,
    list: String,
    maybe: String,
}

fn fitting() -> impl Strategy<Value = Fitting> {
    fn one(of: &'static [&'static str]) -> impl Strategy<Value = String> {
        select(of).prop_map(str::to_owned)
    }
    let leaf = (
        one(&[
            "employee.jobTitle",
            "employee.company",
            "account.id",
            "key",
            "body.text",
            "body.items[0].id",
            "'x'",
            "''",
            "string(body.big)",
            "body['other']",
            "employee.departments[0].path[1]",
            "body.nothing",
            "body.missing",
        ]),
        one(&[
            "page",
            "account.number",
            "body.number",
            "body.items[1].level",
            "0",
            "7",
            "body.half",
            "size(body)",
        ]),
        one(&[
            "account.active",
            "body.truth",
            "has(body.missing)",
            "has(employee.company)",
            "true",
            "body.nothing == null",
        ]),
        one(&[
            "account.emails",
            "body.texts",
            "employee.departments[0].path",
            "body.items[2].roles",
            "[]",
            "['x', 'y']",
            "body.items.map(i, i.id)",
            "employee.groups.map(g, g.path[0])",
        ]),
        one(&[
            "employee.?company",
            "employee.?jobTitle",
            "employee.workLocation.?city",
            "body.?missing",
            "body.?text",
            "body.items[?3].id",
            "body.items[?9999].?id",
            "account.?id",
            "optional.none()",
            "employee.departments[?0].path[?0]",
        ]),
    );
    let leaf = leaf.prop_map(|(text, number, truth, list, maybe)| Fitting {
        text,
        number,
        truth,
        list,
        maybe,
    });
    leaf.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), inner, 0..12_usize).prop_map(|(a, b, which)| {
            let (text, other, number, truth, list, maybe) = (&a.text, &b.text, &a.number, &a.truth, &a.list, &a.maybe);
            let pick = |of: &[String]| of[which % of.len()].clone();
            Fitting {
                text: pick(&[
                    format!("string({text}) + string({other})"),
                    format!("({truth} ? {text} : {other})"),
                    format!("{text}.replace({other}, 'xx')"),
                    format!("{text}.split('x')[0]"),
                    format!("{text}.substring(0, 1).upperAscii().trim()"),
                    format!("{list}.join({other})"),
                    format!("base64.encode({text})"),
                    format!("{maybe}.orValue({other})"),
                    format!("string({number})"),
                ]),
                number: pick(&[
                    format!("(int({number}) + {})", b.number),
                    format!("-({number})"),
                    format!("(int({number}) / {})", b.number),
                    format!("size({list})"),
                    format!("{text}.size()"),
                    format!("int({text})"),
                ]),
                truth: pick(&[
                    format!("({truth} && {})", b.truth),
                    format!("({truth} || {text} == {other})"),
                    format!("!({truth})"),
                    format!("{text} in {list}"),
                    format!("{list}.exists(v{which}, v{which} == {other})"),
                    format!("(int({number}) < {})", b.number),
                    format!("{maybe}.hasValue()"),
                    format!("{text}.contains({other})"),
                    format!("{text}.matches('x+$')"),
                ]),
                list: pick(&[
                    format!("({list} + [{text}])"),
                    format!("{list}.filter(w{which}, w{which} != {text})"),
                    format!("{list}.map(m{which}, {other})"),
                    format!("string({text}).split('x')"),
                    format!("[?{maybe}, {text}]"),
                ]),
                maybe: pick(&[
                    format!("{maybe}.or({})", b.maybe),
                    format!("optional.of({text})"),
                    format!("({truth} ? {maybe} : {})", b.maybe),
                    format!("{list}[?1]"),
                ]),
            }
        })
    })
}

/// Any of the kinds as a result, or all of them.
fn judge_fitting(fitting: &Fitting) -> usize {
    let Fitting {
        text,
        number,
        truth,
        list,
        maybe,
    } = fitting;
    let all = format!("{{'text': {text}, 'list': [{number}], ?'maybe': {maybe}, 'in': {{'truth': {truth}}}}}");
    let sources = [text, number, truth, list, maybe, &all];
    sources.into_iter().filter(|source| read(source).is_some()).count()
}

/// Texts that end what they are put into, where they are put into text.
fn wicked() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        select(
            [
                "${",
                "}",
                "$${",
                "${page}",
                "\"",
                "'",
                "\\",
                "\"}",
                "\"]",
                "\r\n",
                "\0",
                "/",
                "../",
                "?a=b&c",
                "%2f",
                "{{",
                "null",
                "\u{202e}",
                "\u{1f469}",
                "<x>",
                "@text(",
                ",",
                ":",
            ]
            .as_slice()
        )
        .prop_map(str::to_owned),
        "\\PC{0,4}",
    ];
    prop::collection::vec(part, 1..6).prop_map(|parts| format!("x{}", parts.concat()))
}

/// No value changes the shape of the tree that it is placed into, or is read as anything but itself.
fn judge_shape(name: &str, id: &str, answer: &str) {
    let spec = EmployeeSpec {
        display_name: Some(name.to_owned()),
        ..EmployeeSpec::default()
    };
    let account: BTreeMap<String, Json> = [("id".to_owned(), json!(id))].into_iter().collect();
    let body = json!({"id": answer, "list": [answer, name]});
    let values = Values::new()
        .employee(&spec)
        .record("account", &account)
        .json("body", &body);
    let tree = json!({
        "whole": "${employee.displayName}",
        "parts": "a${account.id}b${body.id}c$${",
        "map": "${{'k': employee.displayName, 'l': [account.id]}}",
        "list": ["${employee.?displayName}", "${body.list}", "${employee.?company}"],
        "plain": "$5 }",
    });
    let expected = json!({
        "whole": name,
        "parts": format!("a{id}b{answer}c${{"),
        "map": {"k": name, "l": [id]},
        "list": [name, [answer, name]],
        "plain": "$5 }",
    });
    let template = Template::compile(&tree, &scope()).unwrap();
    assert_eq!(template.render(&values), Ok(Some(expected)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_reading_is_refused_or_answered(soup in soup(), expression in expression(), fitting in fitting()) {
        read(&soup);
        read(&expression);
        judge_fitting(&fitting);
    }

    #[test]
    fn no_value_changes_the_shape_of_the_tree(name in wicked(), id in wicked(), answer in wicked()) {
        judge_shape(&name, &id, &answer);
    }
}

proptest! {
    #[test]
    #[ignore = "a campaign: as many cases as PROPTEST_CASES says"]
    fn campaign(
        soup in soup(), expression in expression(), fitting in fitting(), noise in "\\PC{0,80}", name in wicked(),
        id in wicked(),
    ) {
        read(&soup);
        read(&expression);
        judge_fitting(&fitting);
        read(&noise);
        read(&format!("{expression}{noise}"));
        let _ = Template::compile(&json!([format!("{noise}${{{expression}}}{soup}"), noise, soup]), &scope());
        judge_shape(&name, &id, &noise.replace(char::is_whitespace, "-"));
    }
}
