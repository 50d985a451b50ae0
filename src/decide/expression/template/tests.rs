//! Templates and readings, as tables: what they come to, what is refused with which words, and what is an error only when
//! the values are there.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::super::{Expect, Holds, Reading, Schema, Scope, Template, TextTemplate, Values};
use crate::api::NameRef;
use crate::api::employee::EmployeeSpec;

fn ada() -> EmployeeSpec {
    serde_json::from_value(json!({
        "workEmail": "ada@acme.example", "givenName": "Ada", "familyName": "O'Neil", "company": " ",
        "jobTitle": "VP Engineering",
        "departments": [{"path": ["Engineering", "Platform"]}, {"path": ["Research"]}],
        "workLocation": {"country": "DE"},
        "customFields": {"costCenter": "4711"},
    }))
    .unwrap()
}

static ACCOUNT: LazyLock<BTreeMap<String, Json>> = LazyLock::new(|| {
    let fields = json!({
        "id": "u-1", "number": 7, "active": true, "emails": ["a@x", "b@x"], "extra": {"a": [1, 2.5]}, "blank": null,
        "digits": 12,
    });
    serde_json::from_value(fields).unwrap()
});

static RESPONSE: LazyLock<Json> = LazyLock::new(|| {
    json!({
        "status": 200,
        "headers": {"etag": "W/\"1\"", "x-total": "12"},
        "body": {
            "id": 42, "big": 18_446_744_073_709_551_615_u64, "half": 0.5, "name": "ada", "none": null, "active": true,
            "next": "", "roles": ["admin", "user"], "mixed": ["admin", 1],
            "items": [{"id": "u-1", "roles": ["a"]}, {"id": "u-2", "roles": ["b", "c"]}],
        },
    })
});

fn scope() -> Scope {
    let account = [
        ("id", Holds::Text),
        ("number", Holds::Number),
        ("active", Holds::Truth),
        ("emails", Holds::Texts),
        ("extra", Holds::Json),
        ("blank", Holds::Text),
        ("missing", Holds::Text),
        ("digits", Holds::Text),
    ];
    Scope::new()
        .employee(&Schema::default())
        .text("correlationKey")
        .number("page")
        .record("account", account)
        .json("response")
}

fn values(spec: &EmployeeSpec) -> Values<'_> {
    Values::new()
        .employee(spec)
        .text("correlationKey", "rc-1")
        .number("page", 3)
        .record("account", &ACCOUNT)
        .json("response", &RESPONSE)
}

fn read(source: &str) -> Result<Option<Json>, String> {
    let reading = Reading::compile(source, &scope(), Expect::Any);
    let reading = reading.unwrap_or_else(|refusal| panic!("{source}: {refusal}"));
    reading.evaluate(&values(&ada()))
}

#[test]
fn a_reading_comes_to_a_value() {
    for (source, expected) in [
        ("employee.workEmail", json!("ada@acme.example")),
        ("${employee.workEmail}", json!("ada@acme.example")),
        (" ${ employee.workEmail } ", json!("ada@acme.example")),
        ("${'}'}", json!("}")),
        ("correlationKey + '-' + string(page)", json!("rc-1-3")),
        ("page + 1", json!(4)),
        ("account.id", json!("u-1")),
        ("account.number + 1", json!(8)),
        ("account.digits", json!("12")),
        ("account.active && page > 1", json!(true)),
        ("account['id'] + account[?'missing'].orValue('-')", json!("u-1-")),
        ("account.emails", json!(["a@x", "b@x"])),
        ("account.emails[1]", json!("b@x")),
        ("'a@x' in account.emails", json!(true)),
        ("account.extra", json!({"a": [1, 2.5]})),
        ("account.extra.a[1]", json!(2.5)),
        (
            "has(account.id) && !has(account.missing) && !has(account.blank)",
            json!(true),
        ),
        // Values whose kind is found out.
        ("response.status == 200", json!(true)),
        ("response.status in [200, 201]", json!(true)),
        ("response.status >= 400 || response.body.active", json!(true)),
        ("response.body.active ? 'yes' : 'no'", json!("yes")),
        ("!response.body.active", json!(false)),
        ("response.body.id + 1", json!(43)),
        ("-response.body.id", json!(-42)),
        ("response.body.id", json!(42)),
        ("response.body.big", json!(18_446_744_073_709_551_615_u64)),
        ("response.body.half", json!(0.5)),
        ("string(response.body.big)", json!("18446744073709551615")),
        ("string(response.body.half)", json!("0.5")),
        ("string(response.body.id) + response.body.name", json!("42ada")),
        ("int(response.headers['x-total']) % 5", json!(2)),
        ("response.headers[\"etag\"].startsWith(\"W/\")", json!(true)),
        ("response.body.name.upperAscii()", json!("ADA")),
        ("response.body.name < 'b'", json!(true)),
        ("response.body.name == employee.givenName.lowerAscii()", json!(true)),
        ("response.body.name != response.body.next", json!(true)),
        ("response.body.none == null && response.body.name != null", json!(true)),
        ("has(response.body.id) && !has(response.body.nothing)", json!(true)),
        (
            "has(response.body.none) || has(response.body.roles.x) || has(response.body.none.x)",
            json!(false),
        ),
        ("size(response.body) + response.body.items.size()", json!(12)),
        ("response.body.name.size()", json!(3)),
        ("'admin' in response.body.roles", json!(true)),
        ("'x' in response.body.roles", json!(false)),
        ("'admin' in response.body.mixed", json!(true)),
        ("response.body.name in ['ada', 'bob']", json!(true)),
        ("response.body.roles[1]", json!("user")),
        ("response.body.roles + ['x']", json!(["admin", "user", "x"])),
        ("response.body.roles.join(',')", json!("admin,user")),
        ("response.body.items.exists(i, i.id == account.id)", json!(true)),
        ("response.body.items.exists(i, 'c' in i.roles)", json!(true)),
        (
            "response.body.items.filter(i, i.id != 'u-1').map(i, i.id)",
            json!(["u-2"]),
        ),
        ("response.body.items.all(i, i.roles.size() > 0)", json!(true)),
        ("response.body.items.exists_one(i, i.id.endsWith('2'))", json!(true)),
        (
            "response.body.items.exists(i, i.roles.exists(r, r == employee.workEmail))",
            json!(false),
        ),
        ("response.body.items[1].roles", json!(["b", "c"])),
        ("response.body.items.filter(i, i.id == 'u-2')[0].roles[0]", json!("b")),
        // Texts.
        ("employee.workEmail.split('@')[0]", json!("ada")),
        ("employee.workEmail.split('@')", json!(["ada", "acme.example"])),
        ("employee.departments[0].path.join('/')", json!("Engineering/Platform")),
        (
            "employee.departments.map(d, d.path[0]).join()",
            json!("EngineeringResearch"),
        ),
        (
            "employee.jobTitle.replace(' ', '-').lowerAscii()",
            json!("vp-engineering"),
        ),
        (
            "employee.givenName.substring(0, 1) + employee.familyName",
            json!("AO'Neil"),
        ),
        ("employee.givenName.substring(1)", json!("da")),
        ("base64.encode('a:b')", json!("YTpi")),
        ("base64.encode(response.body.name)", json!("YWRh")),
        // Maps and lists, in an order of their own.
        (
            "{'z': 1, 'a': employee.givenName, 'm': {}}",
            json!({"a": "Ada", "m": {}, "z": 1}),
        ),
        (
            "employee.departments.map(d, {'name': d.path[0]})",
            json!([{"name": "Engineering"}, {"name": "Research"}]),
        ),
        ("[employee.givenName, response.body.id]", json!(["Ada", 42])),
        ("[?employee.?company, ?employee.?givenName]", json!(["Ada"])),
        (
            "{?'c': employee.?company, ?'g': employee.?givenName}",
            json!({"g": "Ada"}),
        ),
        ("{'next': null}", json!({"next": null})),
        ("has(employee.company) ? employee.company : null", json!(null)),
        // What may be absent.
        ("employee.?jobTitle", json!("VP Engineering")),
        ("employee.?company.orValue('none')", json!("none")),
        ("employee.?company.or(employee.?givenName)", json!("Ada")),
        ("employee.?company.hasValue()", json!(false)),
        ("employee.?workLocation.country", json!("DE")),
        ("employee.workLocation.?city.orValue('Berlin')", json!("Berlin")),
        ("employee.?customFields.costCenter.orValue('0')", json!("4711")),
        ("employee.customFields.?level.orValue('0')", json!("0")),
        ("employee.departments[?7].path[?0].orValue('x')", json!("x")),
        ("employee.departments[?0].path[?1].orValue('x')", json!("Platform")),
        (
            "account.?missing.orValue('x') + account.?id.orValue('y')",
            json!("xu-1"),
        ),
        ("response.body.?gone.deeper.?still.orValue('x')", json!("x")),
        ("response.?body.items[?0].id.orValue('x')", json!("u-1")),
        ("response.body.?none.orValue('x')", json!("x")),
        ("response.body.items[?9].orValue('x')", json!("x")),
        (
            "has(employee.company) ? optional.of(employee.company) : optional.of('x')",
            json!("x"),
        ),
    ] {
        assert_eq!(read(source), Ok(Some(expected)), "{source}");
    }
    for source in [
        "employee.?company",
        "employee.?homeLocation.city",
        "account.?missing",
        "account.?blank",
        "response.body.?nothing",
        "response.body.?none",
        "response.body.items[?5]",
        "optional.none()",
        "has(employee.company) ? optional.of(employee.company) : optional.none()",
    ] {
        assert_eq!(read(source), Ok(None), "{source}");
    }
}

/// What is missing, of another kind or too large is an error with a name, never false, and holds no value.
#[test]
fn what_the_values_do_not_bear_is_an_error() {
    for (source, why) in [
        (
            "employee.company",
            "employee.company has no value: test has(employee.company)",
        ),
        ("account.missing", "account.missing has no value"),
        ("account.blank", "account.blank has no value"),
        ("account['missing']", "account.missing has no value"),
        ("response.body.nothing", "response.body.nothing has no value: test has("),
        ("response.body.nothing.more", "response.body.nothing has no value"),
        ("response.body.none.more", "response.body.none.more has no value"),
        ("response.body.items[9].id", "response.body.items[9] has no value"),
        ("response.headers['none']", "response.headers[\"none\"] has no value"),
        ("response.body.items[9 - 1]", "response.body.items[…] has no value"),
        ("response.body.id == 'x'", "different kinds"),
        ("response.body.roles == response.body.roles", "whole lists"),
        ("response.body.half == 1", "different kinds"),
        ("response.body.id && true", "response.body.id is neither true nor false"),
        ("response.body.name + 1", "response.body.name is no whole number"),
        ("response.body.half * 2", "response.body.half is no whole number"),
        ("response.body.id + 'x'", "response.body.id is no text"),
        ("response.body.none + 'x'", "response.body.none is no text"),
        ("response.body.id.trim()", "response.body.id is no text"),
        ("response.body.name > 3", "response.body.name is no whole number"),
        (
            "response.body.name.exists(x, x == 'a')",
            "response.body.name is no list",
        ),
        (
            "response.body.none.exists(x, x == 'a')",
            "response.body.none is no list",
        ),
        ("response.body.items.exists(i, i.id == 3)", "different kinds"),
        ("response.body.items.all(i, i.name == 'x')", "i.name has no value"),
        ("'x' in response.body.mixed", "a different kind"),
        ("'x' in response.body", "response.body is no list"),
        ("size(response.body.id)", "response.body.id has no size"),
        (
            "int(response.body.name)",
            "response.body.name cannot be read as a whole number",
        ),
        (
            "string(response.body.roles)",
            "response.body.roles is no text, number or truth value",
        ),
        // What is no object has no members to be absent: an error page is no empty answer.
        ("response.body.name.?items", "no object"),
        ("response.body.roles.?items", "no object"),
        ("response.body.items.?x.orValue('y')", "no object"),
        ("response.body[?0]", "no list"),
        ("has(response.status.x)", "no object"),
        (
            "response.body.roles.x",
            "response.body.roles.x cannot be read: a member is asked of what is no object",
        ),
        ("response.body.mixed.join()", "one of the list is none"),
        ("employee.jobTitle.split('')", "an empty text"),
        ("employee.jobTitle.replace('', 'x')", "an empty text"),
        ("employee.jobTitle.substring(3, 99)", "substring in the expression"),
        ("page / 0", "divides by zero"),
        ("page + 9223372036854775807", "too large"),
    ] {
        let said = read(source).expect_err(source);
        assert!(said.contains(why), "{source}: {said}");
        assert!(
            !said.contains("VP") && !said.contains("ada") && !said.contains("admin"),
            "{source}: {said}"
        );
    }
    let lacking = Reading::compile("account.id", &scope(), Expect::Text)
        .unwrap()
        .text(&Values::new());
    assert_eq!(lacking.unwrap_err(), "account has no value here");
    let other = Values::new().text("account", "x");
    let other = Reading::compile("account.id", &scope(), Expect::Text)
        .unwrap()
        .text(&other);
    assert_eq!(other.unwrap_err(), "account is of another kind here");
    let lacking = Reading::compile("employee.jobTitle", &scope(), Expect::Text)
        .unwrap()
        .text(&Values::new());
    assert_eq!(lacking.unwrap_err(), "there is no employee here");
}

/// A slip is refused when the target is applied, with its spot and the remedy.
#[test]
fn a_slip_is_refused_with_its_spot_and_the_remedy() {
    for (source, position, remedy) in [
        ("account.idd", Some((1, 9)), "account has no idd, only active, blank"),
        ("${account.idd}", Some((1, 11)), "did you mean id?"),
        ("\n ${\n account.idd}", Some((3, 10)), "did you mean id?"),
        ("employee.?jobTitel", Some((1, 11)), "did you mean jobTitle?"),
        ("has(account.missin)", Some((1, 13)), "did you mean missing?"),
        ("respons.body", Some((1, 1)), "did you mean response?"),
        ("jobTitle", Some((1, 1)), "did you mean employee.jobTitle?"),
        ("account['idd']", Some((1, 9)), "did you mean id?"),
        ("account[key]", Some((1, 9)), "there is no key here"),
        ("account[correlationKey]", Some((1, 8)), "is written out"),
        (
            "grant.id",
            Some((1, 1)),
            "only employee, account, correlationKey, page, response",
        ),
        ("employee", None, "the whole employee, which no value is made of"),
        ("account", None, "all of a record"),
        ("employee.workLocation", None, "a location"),
        ("employee.departments", None, "a list"),
        ("employee.departments[0]", None, "a group"),
        ("{'a': employee.departments}", Some((1, 15)), "a map cannot hold a list"),
        ("{'a': employee.?jobTitle}", Some((1, 15)), "write ? before it"),
        (
            "{?'a': employee.jobTitle}",
            Some((1, 16)),
            "? before it takes a value that may be absent",
        ),
        ("[?employee.jobTitle]", Some((1, 11)), "? before it takes"),
        (
            "[employee.?jobTitle]",
            Some((1, 1)),
            "a list cannot hold a value that may be absent",
        ),
        ("{employee.jobTitle: 1}", Some((1, 10)), "written out as a text"),
        ("{'a': 1, 'a': 2}", Some((1, 10)), "twice"),
        ("{'a': 1}.a", Some((1, 10)), "a map has no a"),
        ("{'a': 1} == {'a': 1}", Some((1, 10)), "cannot be compared"),
        ("Message{a: 1}", Some((1, 8)), "no messages"),
        (
            "employee.?jobTitle + 'x'",
            Some((1, 20)),
            "a value that may be absent cannot be calculated",
        ),
        ("employee.?jobTitle.trim()", Some((1, 20)), "say .orValue(…) before it"),
        ("employee.?jobTitle.orValue(1)", Some((1, 28)), "make them one kind"),
        ("employee.jobTitle.orValue('x')", Some((1, 19)), "stands on a text"),
        ("employee.jobTitle == null", Some((1, 19)), "never is: test with has("),
        ("has(response.?body.x)", Some((1, 20)), "no .? in has("),
        (
            "response.body.a + response.body.b",
            Some((1, 17)),
            "write string(…) or int(…)",
        ),
        (
            "response.body.a < response.body.b",
            Some((1, 17)),
            "write string(…) or int(…)",
        ),
        ("response.body[true]", Some((1, 14)), "takes a number or a text"),
        (
            "response.body.items.exists(response, true)",
            Some((1, 21)),
            "name it otherwise",
        ),
        ("response.body.name.matches(account.id)", Some((1, 35)), "written out"),
        ("employee.jobTitle.splt(' ')", Some((1, 19)), "did you mean split?"),
        ("employee.jobTitle.split()", Some((1, 19)), "split is written so"),
        ("employee.jobTitle.join(',')", Some((1, 19)), "a list of texts"),
        ("employee.departments.join(',')", Some((1, 22)), "this holds a group"),
        ("base64.decode('x')", Some((1, 8)), "only base64.encode(text)"),
        ("now()", Some((1, 1)), "no clock"),
        ("${employee.jobTitle", Some((1, 1)), "never closed"),
        ("${employee.jobTitle} x", Some((1, 21)), "remove what follows"),
        ("${}", Some((1, 3)), "it is empty: name a value"),
        ("", None, "it is empty: name a value"),
        ("1.5", Some((1, 1)), "whole"),
        (
            "response.body.items.exists(i, response.body.others.exists(o, o == i))",
            None,
            "put fewer macros into each other",
        ),
    ] {
        let refusal = Reading::compile(source, &scope(), Expect::Any).err();
        let refusal = refusal.unwrap_or_else(|| panic!("{source} is not refused"));
        assert!(refusal.sentence.contains(remedy), "{source}: {refusal}");
        assert_eq!(refusal.position, position, "{source}: {refusal}");
    }
    for (source, expect, remedy) in [
        ("employee.jobTitle", Expect::Truth, "must be true or false"),
        ("employee.?jobTitle", Expect::Truth, "may be absent"),
        ("account.emails", Expect::Text, "join("),
        ("{'a': 1}", Expect::Text, "it is a map"),
        ("employee.jobTitle", Expect::List, "write [ and ]"),
    ] {
        let refusal = Reading::compile(source, &scope(), expect).unwrap_err();
        assert!(refusal.to_string().contains(remedy), "{source}: {refusal}");
    }
}

#[test]
fn a_reading_is_read_as_what_is_expected() {
    let compile = |source: &str, expect| Reading::compile(source, &scope(), expect).unwrap();
    let spec = ada();
    let values = values(&spec);
    let text = |source: &str| compile(source, Expect::Text).text(&values);
    assert_eq!(text("response.body.id"), Ok(Some("42".to_owned())));
    assert_eq!(text("account.active"), Ok(Some("true".to_owned())));
    assert_eq!(text("response.body.?nothing"), Ok(None));
    assert!(text("response.body.none").unwrap_err().contains("null"));
    assert!(text("response.body.roles").unwrap_err().contains("a list"));
    let truth = |source: &str| compile(source, Expect::Truth).truth(&values);
    assert_eq!(truth("response.body.active"), Ok(true));
    assert!(truth("response.body.id").is_err());
    let items = |source: &str| compile(source, Expect::List).items(&values);
    assert_eq!(items("response.body.items").unwrap().len(), 2);
    assert_eq!(items("response.body.?gone"), Ok(Vec::new()));
    assert_eq!(items("response.body.?none"), Ok(Vec::new()));
    assert_eq!(items("response.body.items.filter(i, i.id == 'u-2')").unwrap().len(), 1);
    assert!(items("response.body.gone").unwrap_err().contains("has no value"));
    assert!(items("response.body.none").unwrap_err().contains("is no list"));
    assert!(items("response.body.id").unwrap_err().contains("is no list"));
    // Nobody is listed only where the answer says so: not where what holds the list is missing, or no object.
    assert!(items("response.body.gone.?items").unwrap_err().contains("has no value"));
    assert!(items("response.body.name.?items").unwrap_err().contains("no object"));
    assert!(items("response.body.roles.?items").unwrap_err().contains("no object"));
}

/// A list that stands in an answer is read whole, however long: only macros go through no more than a thousand.
#[test]
fn a_long_list_is_lent_and_no_macro_goes_through_it() {
    let long = json!({"items": vec![json!({"id": "x".repeat(100)}); 20_000]});
    let scope = Scope::new().json("body");
    let values = Values::new().json("body", &long);
    let items = |source: &str| Reading::compile(source, &scope, Expect::List).unwrap().items(&values);
    let lent = items("body.items").unwrap();
    assert_eq!(lent.len(), 20_000);
    assert!(matches!(lent[0], std::borrow::Cow::Borrowed(_)));
    assert!(
        items("body.items.filter(i, true)")
            .unwrap_err()
            .contains("more than 1000")
    );
    let size = Reading::compile("size(body.items)", &scope, Expect::Any).unwrap();
    assert_eq!(size.evaluate(&values), Ok(Some(json!(20_000))));
    let whole = Reading::compile("body.items", &scope, Expect::Any).unwrap();
    assert!(whole.evaluate(&values).unwrap_err().contains("too large"));
}

fn template(tree: &Json) -> Template {
    Template::compile(tree, &scope()).unwrap_or_else(|refusals| panic!("{tree}: {refusals:?}"))
}

#[test]
fn values_are_placed_into_the_tree() {
    let tree = json!({
        "userName": "${employee.workEmail}",
        "name": {"givenName": "${employee.givenName}", "formatted": "${employee.givenName} ${employee.familyName}"},
        "title": "${employee.?jobTitle}",
        "organization": "${employee.?company}",
        "emails": [{"value": "${employee.workEmail}", "primary": true}, "${employee.?company}"],
        "active": true,
        "limit": "${account.number}",
        "limitText": "${account.number} a month",
        "schemas": ["urn:x"],
        "literal": "$${employee} costs $5 ${'${x}'}",
        "whole": "${response.body.items[0]}",
        "nothing": null,
    });
    let expected = json!({
        "userName": "ada@acme.example",
        "name": {"givenName": "Ada", "formatted": "Ada O'Neil"},
        "title": "VP Engineering",
        "emails": [{"value": "ada@acme.example", "primary": true}],
        "active": true,
        "limit": 7,
        "limitText": "7 a month",
        "schemas": ["urn:x"],
        "literal": "${employee} costs $5 ${x}",
        "whole": {"id": "u-1", "roles": ["a"]},
        "nothing": null,
    });
    let template = template(&tree);
    assert_eq!(template.render(&values(&ada())), Ok(Some(expected)));
    let attributes: Vec<&str> = template.attributes().into_iter().collect();
    assert_eq!(
        attributes,
        ["company", "familyName", "givenName", "jobTitle", "workEmail"]
    );
    assert!(template.mentions("account") && !template.mentions("page"));
}

#[test]
fn a_text_is_made_of_parts() {
    for (source, expected) in [
        ("/users/${account.id}/x", Some("/users/u-1/x")),
        ("${account.number}", Some("7")),
        ("${account.active}", Some("true")),
        ("${response.body.id}", Some("42")),
        ("plain", Some("plain")),
        ("", Some("")),
        ("a$b$$c$$${x}", Some("a$b$$c$${x}")),
        ("${employee.?company}", None),
        ("${employee.?company.orValue('x')}y", Some("xy")),
    ] {
        let text = TextTemplate::compile(source, &scope()).unwrap_or_else(|refusal| panic!("{source}: {refusal}"));
        assert_eq!(
            text.render(&values(&ada())),
            Ok(expected.map(str::to_owned)),
            "{source}"
        );
    }
}

/// An account must not lose an attribute because a sync was bad: it is as it was until the absence is confirmed.
#[test]
fn what_is_gone_without_confirmation_is_not_rendered() {
    let mut spec = ada();
    spec.connection_ref = Some(NameRef::new("hr"));
    spec.source = Some(serde_json::from_value(json!({"state": "Present", "unconfirmed": ["company"]})).unwrap());
    let why = template(&json!({"a": ["${employee.?company}"]}))
        .render(&values(&spec))
        .unwrap_err();
    assert_eq!(
        why,
        "a[0]: company had a value and has none now, which is not confirmed yet"
    );
    assert!(template(&json!("${employee.?jobTitle}")).render(&values(&spec)).is_ok());
}

#[test]
fn all_that_is_wrong_with_a_template_is_found_with_its_place() {
    let tree = json!({
        "a": "x ${employee.jobTitel}",
        "b": [{"c": "${employee.?jobTitle}!"}, "${"],
        "d${x}": 1,
        "e": "${employee.groups}",
        "f": "fine ${employee.jobTitle}",
    });
    let refusals = Template::compile(&tree, &scope()).unwrap_err();
    let said: Vec<String> = refusals
        .iter()
        .map(|(place, refusal)| format!("{place}: {refusal}"))
        .collect();
    for (said, expected) in said.iter().zip([
        "a: line 1, column 14: there is no employee.jobTitel; did you mean jobTitle?",
        "b[0].c: line 1, column 3: a value that may be absent stands within a text",
        "b[1]: line 1, column 1: ${ is never closed",
        "d${x}: the name of a member is plain text",
        "e: line 1, column 3: it is a list, which no value is made of",
    ]) {
        assert!(said.starts_with(expected), "{said}");
    }
    assert_eq!(said.len(), 5);
}

/// What is rendered, and what it is rendered from, has an end.
#[test]
fn a_template_is_bounded() {
    let refused = |tree: &Json| Template::compile(tree, &scope()).unwrap_err()[0].1.to_string();
    assert!(refused(&json!("x".repeat(70_000))).contains("larger than"));
    assert!(refused(&json!(vec![json!([]); 40_000])).contains("larger than"));
    assert!(refused(&json!(vec!["${page}"; 257])).contains("more than 256 expressions"));
    assert!(refused(&json!(vec!["${employee.jobTitle.matches('x')}"; 17])).contains("more than 16 patterns"));
    let heavy = "${response.body.items.exists(i, i.id.lowerAscii() == account.id.lowerAscii())}";
    assert!(refused(&json!(vec![heavy; 40])).contains("may take"));
    template(&json!(heavy));
    let deep = (0..100).fold(json!("x"), |inner, _| json!([inner]));
    assert!(refused(&deep).contains("nested too deep"));
    let values_of_much = json!({"text": "x".repeat(40_000), "page": "y".repeat(70_000)});
    let scope = Scope::new().json("body");
    let values = Values::new().json("body", &values_of_much);
    let render = |tree: Json| Template::compile(&tree, &scope).unwrap().render(&values);
    assert!(render(json!("${body.text}")).is_ok());
    assert!(
        render(json!(["${body.text}", "${body.text}"]))
            .unwrap_err()
            .contains("grows beyond")
    );
    assert!(
        render(json!("a${body.text}${body.text}"))
            .unwrap_err()
            .contains("grows beyond")
    );
    assert!(render(json!("${body.page}")).unwrap_err().contains("too large"));
    assert!(
        render(json!("${body.text + 'x' + body.text}"))
            .unwrap_err()
            .contains("grows beyond")
    );
    assert!(
        render(json!("${body.text.replace('x', 'xx')}"))
            .unwrap_err()
            .contains("grows beyond")
    );
    assert!(
        render(json!("${base64.encode(body.text)}"))
            .unwrap_err()
            .contains("grows beyond")
    );
    assert!(
        render(json!("${body.text.split('x')}"))
            .unwrap_err()
            .contains("more than 64 parts")
    );
}
