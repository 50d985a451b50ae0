//! The enterprise extension (RFC 7643 section 4.3), and attributes that a target's settings spell out.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::Method;
use rollcall::api::employee::{EmployeeSpec, GroupPath};
use rollcall::decide::attributes::AttributeMap;
use rollcall::decide::expression::Schema;
use rollcall::targets::{AccountFacts, Target, TargetError};
use serde_json::{Value, json};

use crate::odd::*;

const URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn engineer(manager: Option<&str>) -> AccountFacts {
    let group = |path: &[&str]| GroupPath {
        path: path.iter().map(|name| (*name).to_owned()).collect(),
    };
    AccountFacts {
        employee: Arc::new(EmployeeSpec {
            employee_number: Some("701984".to_owned()),
            departments: vec![group(&["Product", "Engineering"]), group(&["Guild"])],
            business_units: vec![group(&["Theme Park"])],
            company: Some("Universal".to_owned()),
            work_email: Some("ada@example.com".to_owned()),
            ..EmployeeSpec::default()
        }),
        manager_account: manager.map(str::to_owned),
        ..ada()
    }
}

fn extension() -> Value {
    json!({
        "employeeNumber": "701984", "department": "Engineering", "division": "Theme Park", "organization": "Universal",
        "manager": {"value": "26118915"},
    })
}

#[tokio::test]
async fn an_account_is_made_with_the_extension_and_lists_its_schema() {
    let odd = Odd::server_for(
        |options| options.enterprise = true,
        |asked| match asked.method {
            Method::POST => Some(answer(201, &[], &json!({"id": "7"}))),
            _ => None,
        },
    )
    .await;
    odd.target
        .create_account(&engineer(Some("26118915")), "op")
        .await
        .unwrap();
    odd.target.create_account(&ada(), "op").await.unwrap();
    let bodies: Vec<Value> = odd.asked(&Method::POST).into_iter().map(|asked| asked.body).collect();
    assert_eq!(
        bodies[0]["schemas"],
        json!(["urn:ietf:params:scim:schemas:core:2.0:User", URN])
    );
    assert_eq!(bodies[0][URN], extension());
    // Nothing is known of it, so nothing is said.
    assert_eq!(
        bodies[1]["schemas"],
        json!(["urn:ietf:params:scim:schemas:core:2.0:User"])
    );
    assert_eq!(bodies[1].get(URN), None);
}

#[tokio::test]
async fn what_the_account_has_is_not_sent_in_whatever_shape_it_is_shown() {
    let base = json!({
        "id": "7", "userName": "ada@example.com", "externalId": "hr/e-ada", "active": true, "emails": ["ada@example.com"],
    });
    let flat = |prefix: &str| {
        let members = extension().as_object().unwrap().clone().into_iter();
        Value::Object(
            members
                .map(|(name, value)| (format!("{prefix}{name}"), value))
                .collect(),
        )
    };
    let mut by_id_alone = extension();
    by_id_alone["manager"] = "26118915".into();
    let mut shown_whole = extension();
    shown_whole["manager"] = json!({"value": "26118915", "$ref": "../Users/26118915", "displayName": "John Smith"});
    shown_whole["costCenter"] = "4130".into();
    let shapes = [
        json!({URN: extension()}),
        json!({URN.to_uppercase(): extension()}),
        json!({URN: by_id_alone}),
        json!({URN: shown_whole}),
        flat(&format!("{URN}:")),
        flat(""),
    ];
    for shape in shapes {
        let mut record = base.as_object().unwrap().clone();
        record.extend(shape.as_object().unwrap().clone());
        let record = Value::Object(record);
        let odd = Odd::server_for(
            |options| options.enterprise = true,
            move |asked| match asked.method {
                Method::GET if asked.path == "/Users/7" => ok(&record),
                Method::PATCH => bare(204),
                _ => None,
            },
        )
        .await;
        odd.target
            .update_account("7", &engineer(Some("26118915")), false)
            .await
            .unwrap();
        assert!(odd.patches().is_empty(), "{shape}: {:?}", odd.patches());
        // What is not known is left: a manager whose account is still to come takes nobody's away.
        odd.target.update_account("7", &engineer(None), false).await.unwrap();
        assert!(odd.patches().is_empty(), "{shape}");
        odd.target
            .update_account("7", &engineer(Some("2")), false)
            .await
            .unwrap();
        assert_eq!(
            odd.patches(),
            [json!([{"op": "replace", "path": format!("{URN}:manager"), "value": {"value": "2"}}])],
            "{shape}"
        );
    }
}

#[tokio::test]
async fn without_patch_the_extension_goes_back_whole_with_what_is_not_ours() {
    let odd = Odd::server_for(
        |options| options.enterprise = true,
        |asked| match (&asked.method, asked.path.as_str()) {
            (_, "/ServiceProviderConfig") => ok(&json!({"patch": {"supported": false}})),
            (&Method::GET, "/Users/7") => ok(&json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "id": "7", "userName": "ada@example.com", "externalId": "hr/e-ada", "emails": ["ada@example.com"],
                URN: {"costCenter": "4130", "department": "Sales"},
            })),
            (&Method::PUT, _) => bare(204),
            _ => None,
        },
    )
    .await;
    odd.target
        .update_account("7", &engineer(Some("26118915")), false)
        .await
        .unwrap();
    let body = odd.asked(&Method::PUT).remove(0).body;
    assert_eq!(
        body["schemas"],
        json!(["urn:ietf:params:scim:schemas:core:2.0:User", URN])
    );
    let mut expected = extension();
    expected["costCenter"] = "4130".into();
    assert_eq!(body[URN], expected);
}

fn map(attributes: &[(&str, &str)]) -> AttributeMap {
    let attributes: BTreeMap<String, String> = attributes
        .iter()
        .map(|(path, template)| ((*path).to_owned(), (*template).to_owned()))
        .collect();
    AttributeMap::compile(&attributes, &Schema::default()).unwrap()
}

#[tokio::test]
async fn attributes_that_are_spelt_out_take_the_place_of_ours() {
    let attributes = map(&[
        ("userName", "${employee.workEmail.split('@')[0]}"),
        ("title", "Crew"),
        ("emails", "${[{'value': employee.workEmail}]}"),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            "D-${employee.employeeNumber}",
        ),
        ("urn:acme:2.0:User:badge", "${correlationKey}"),
        ("nickName", "${employee.?givenName}"),
    ]);
    let odd = Odd::server_for(
        |options| {
            options.enterprise = true;
            options.attributes = attributes;
        },
        |asked| match (&asked.method, asked.path.as_str()) {
            (&Method::POST, _) => Some(answer(201, &[], &json!({"id": "7"}))),
            (&Method::GET, "/Users") => ok(&list(&[user("7", "ADA", None)])),
            (&Method::GET, "/Users/7") => ok(&json!({"id": "7", "userName": "lovelace@example.com", "externalId": "hr/e-ada", "title": "Crew",
                "emails": [{"value": "ada@example.com", "primary": true}], "urn:acme:2.0:User": {"badge": "hr/e-ada"},
                URN: {"employeeNumber": 701_984, "department": "D-701984", "division": "Theme Park", "organization": "Universal"}})),
            (&Method::PATCH, _) => bare(204),
            _ => None,
        },
    )
    .await;
    let person = AccountFacts {
        job_title: Some("Engineer".to_owned()),
        ..engineer(None)
    };
    odd.target.create_account(&person, "op").await.unwrap();
    let body = odd.asked(&Method::POST).remove(0).body;
    assert_eq!(
        (
            &body["userName"],
            &body["title"],
            &body["emails"],
            &body[URN]["department"],
            &body["urn:acme:2.0:User"]["badge"]
        ),
        (
            &json!("ada"),
            &json!("Crew"),
            &json!([{"value": "ada@example.com"}]),
            &json!("D-701984"),
            &json!("hr/e-ada")
        )
    );
    assert_eq!(body.get("nickName"), None);
    assert_eq!(body["schemas"].as_array().unwrap().len(), 3);
    // Found by the name that it is given.
    assert!(matches!(
        odd.target.find_account(&person).await.unwrap(),
        rollcall::targets::Found::One(_)
    ));
    assert!(odd.filters()[0].as_ref().unwrap().contains(r#"userName eq "ada""#));
    // And renamed to it, short or not: that was spelt out.
    odd.target.update_account("7", &person, false).await.unwrap();
    assert_eq!(
        odd.patches(),
        [json!([{"op": "replace", "path": "userName", "value": "ada"}])]
    );
}

/// An employee who lacks what a template needs is refused, and nobody else is.
#[tokio::test]
async fn what_cannot_be_made_of_an_employee_is_refused_for_that_one() {
    let attributes = map(&[("nickName", "${employee.givenName}")]);
    let odd = Odd::server_for(
        |options| options.attributes = attributes,
        |asked| match asked.method {
            Method::POST => Some(answer(201, &[], &json!({"id": "7"}))),
            _ => None,
        },
    )
    .await;
    let mut named = engineer(None);
    Arc::make_mut(&mut named.employee).given_name = Some("Ada".to_owned());
    let people = [(engineer(None), "1".to_owned()), (named, "2".to_owned())];
    let accounts = odd.target.create_accounts(&people).await;
    let error = accounts[0].as_ref().unwrap_err();
    assert!(
        matches!(error, TargetError::Refused(why) if why.contains("spec.scim.attributes") && why.contains("givenName")),
        "{error}"
    );
    assert!(accounts[1].is_ok());
}
