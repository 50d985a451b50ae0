//! Templates and readings, as tables: what they come to, what is refused with which words, and what is an error only when
//! the values are there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

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
        ("has(response.body.none) || has(response.status.x)", json!(false)),
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
