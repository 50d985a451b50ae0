//! Targets of the protocol `http`, and the entitlements of such.

use serde_json::{Value, json};

use super::Judge;

/// A target that is taken, with one place changed.
fn with(pointer: &str, value: Value) -> String {
    let mut spec = json!({
        "adopt": "Never",
        "http": {
            "baseURL": "https://api.example",
            "auth": {"bearer": {"tokenSecretRef": {"name": "s", "key": "k"}}},
            "account": {
                "find": [{"request": {"method": "GET", "path": "/users"}}],
                "read": {"method": "GET", "path": "/users/${account.id}"},
                "id": "item.id",
                "matches": "item.email == employee.workEmail",
                "create": {"method": "POST", "path": "/users", "json": {"any": [1, {"thing": null}]}},
            },
            "kinds": [{
                "name": "team",
                "inputs": [{"name": "name"}],
                "identity": ["name"],
                "observe": {"holders": {"request": {"method": "GET", "path": "/t"}, "pages": {"full": 100}}, "account": "item"},
                "grant": {"method": "PUT", "path": "/t"},
                "revoke": {"method": "DELETE", "path": "/t"},
            }],
        },
    });
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (spec.pointer_mut(parent).unwrap(), value) {
        (Value::Object(parent), Value::Null) => {
            parent.remove(name);
        }
        (Value::Object(parent), value) => {
            parent.insert(name.to_owned(), value);
        }
        (parent, value) => parent[name.parse::<usize>().unwrap()] = value,
    }
    spec.to_string()
}

#[tokio::test]
async fn http_targets() {
    let judge = Judge::new("http-targets").await;
    let secret = json!({"name": "s", "key": "k"});
    let one_way = "set exactly one of bearer, basic, header, oauth2 and login";
    let one_protocol = "set exactly one of scim, http and kubernetes";
    let base = "without credentials, query or fragment, such as https://example.com/api/v1";
    let token = "without credentials, query or fragment, such as https://example.com/oauth2/token";
    let oauth = |url: &str| json!({"oauth2": {"tokenURL": url, "clientId": "c", "clientSecretRef": secret}});
    let kind = "/http/kinds/0";
    let cases = [
        (
            "two protocols",
            with("/kubernetes", json!({"serviceAccountRef": {"name": "s"}})),
            one_protocol,
        ),
        (
            "credentials in the address",
            with("/http/baseURL", json!("https://u:p@api.example")),
            base,
        ),
        (
            "another scheme",
            with("/http/baseURL", json!("ftp://api.example")),
            base,
        ),
        (
            "a token endpoint with a query",
            with("/http/auth", oauth("https://a.example/t?x=1")),
            token,
        ),
        ("no way in", with("/http/auth", json!({})), one_way),
        (
            "two ways in",
            with(
                "/http/auth",
                json!({"bearer": {"tokenSecretRef": secret}, "basic": {"username": "u"}}),
            ),
            one_way,
        ),
        (
            "a path without a slash",
            with("/http/account/create/path", json!("users")),
            "must begin with /; it is appended to baseURL",
        ),
        (
            "another method",
            with("/http/account/create/method", json!("post")),
            "supported values: \"GET\", \"POST\", \"PUT\", \"PATCH\", \"DELETE\"",
        ),
        (
            "two ways to the next page",
            with("/http/kinds/0/observe/holders/pages/more", json!("true")),
            "set exactly one of token, link, full and more",
        ),
        (
            "no way to the next page",
            with("/http/kinds/0/observe/holders/pages", json!({})),
            "set exactly one of token, link, full and more",
        ),
        (
            "an object of no name",
            with("/http/kinds/0/identity", Value::Null),
            "set exactly one of identity, the inputs that name the object, and find, which looks it up",
        ),
        (
            "neither grant nor set",
            with("/http/kinds/0/grant", Value::Null),
            "set grant (with revoke), or replace where the API takes a whole set",
        ),
        (
            "grant and set",
            with(
                "/http/kinds/0/replace",
                json!({"of": "Object", "request": {"method": "PUT", "path": "/t"}}),
            ),
            "set grant (with revoke), or replace where the API takes a whole set",
        ),
        (
            "an input that cannot be named",
            with("/http/kinds/0/inputs", json!([{"name": "the-name"}])),
            "must be a name: letters, digits and _, a letter first",
        ),
        (
            "a parameter that cannot be named",
            with("/http/kinds/0/parameters", json!([{"name": "1st"}])),
            "must be a name: letters, digits and _, a letter first",
        ),
        (
            "two ways to look",
            with("/http/kinds/0/observe/one", json!({"method": "GET", "path": "/t"})),
            "set exactly one of holders, all, ofAccount and one",
        ),
        (
            "two inputs of one name",
            with("/http/kinds/0/inputs", json!([{"name": "name"}, {"name": "name"}])),
            "Duplicate value",
        ),
        (
            "a kind without a look",
            with(&format!("{kind}/observe"), Value::Null),
            "observe: Required value",
        ),
        (
            "a page of none",
            with("/http/kinds/0/observe/holders/pages", json!({"full": 0})),
            "greater than or equal to 1",
        ),
    ];
    let cases: Vec<(&str, &str, &str)> = cases
        .iter()
        .map(|(case, spec, words)| (*case, spec.as_str(), *words))
        .collect();
    judge.refuses("TargetSystem", &cases).await;

    let login = json!({"login": {
        "request": {"method": "POST", "path": "/session", "json": {"password": "${secret.password}"}},
        "secrets": {"password": secret}, "token": "response.body.token",
    }});
    let taken = [
        ("a small one", with("/http/timeout", json!("10s"))),
        ("a login call", with("/http/auth", login)),
        (
            "a token endpoint",
            with("/http/auth", oauth("https://a.example/oauth/token")),
        ),
        (
            "a header",
            with(
                "/http/auth",
                json!({"header": {"name": "X-Key", "valueSecretRef": secret}}),
            ),
        ),
        (
            "names alone",
            with("/http/account", json!({"named": "${employee.workEmail}"})),
        ),
        (
            "a set",
            with(
                kind,
                json!({
                    "name": "role", "inputs": [{"name": "role"}], "identity": ["role"],
                    "observe": {"ofAccount": {"request": {"method": "GET", "path": "/r"}}, "object": {"role": "item"}},
                    "replace": {"of": "Account", "request": {"method": "PUT", "path": "/r", "json": "${set}"}},
                }),
            ),
        ),
    ];
    let taken: Vec<(&str, &str)> = taken.iter().map(|(case, spec)| (*case, spec.as_str())).collect();
    judge.takes("TargetSystem", &taken).await;

    judge
        .refuses_change(
            "TargetSystem",
            "http",
            &with("/http/timeout", json!("10s")),
            &[(
                "{adopt: Never, kubernetes: {serviceAccountRef: {name: s}}}",
                "the protocol of a TargetSystem cannot change",
            )],
        )
        .await;
    judge
        .refuses_change(
            "Entitlement",
            "team",
            "{targetRef: {name: api}, http: {kind: team, inputs: {name: a}}}",
            &[(
                "{targetRef: {name: api}, http: {kind: team, inputs: {name: b}}}",
                "http cannot change: make a new Entitlement",
            )],
        )
        .await;
}
