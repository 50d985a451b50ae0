//! Definitions that are good, and those that are not, with the words that say so.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use serde_json::{Value as Json, json};

use super::*;
use crate::api::entitlement::EntitlementSpec;
use crate::api::{HRISConnection, TargetSystem};
use crate::decide::index::{Index, Namespace};
use crate::decide::{Person, definition};

/// A small definition without a fault.
fn good() -> Json {
    json!({
        "adopt": "Never",
        "http": {
            "baseURL": "https://api.x.io",
            "account": {
                "find": [{
                    "request": {"method": "GET", "path": "/users", "query": {"email": "${employee.workEmail}"}},
                    "items": "response.body.users",
                }],
                "read": {"method": "GET", "path": "/users/${account.id}"},
                "id": "item.id",
                "active": "item.active == true",
                "matches": "item.email == employee.workEmail",
                "create": {"method": "POST", "path": "/users", "json": {"email": "${employee.workEmail}", "title": "${employee.?jobTitle}"}},
                "activate": {"method": "POST", "path": "/users/${account.id}/on"},
                "deactivate": {"method": "POST", "path": "/users/${account.id}/off"},
            },
            "kinds": [{
                "name": "team",
                "inputs": [{"name": "org"}, {"name": "level", "type": "Integer"}, {"name": "note", "optional": true}],
                "identity": ["org", "level"],
                "observe": {
                    "holders": {"request": {"method": "GET", "path": "/teams/${object.org}/${object.level}"}},
                    "account": "item.id",
                },
                "grant": {"method": "PUT", "path": "/teams/${object.org}/${account.id}", "json": {"note": "${inputs.?note}", "level": "${inputs.level}"}},
                "revoke": {"method": "DELETE", "path": "/teams/${object.org}/${account.id}"},
            }],
        },
    })
}

/// The definition with one place changed; `null` takes what is there out.
fn with(mut tree: Json, pointer: &str, value: Json) -> Json {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = tree.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match (parent, value) {
        (Json::Object(parent), Json::Null) => {
            parent.remove(name);
        }
        (Json::Object(parent), value) => {
            parent.insert(name.to_owned(), value);
        }
        (Json::Array(parent), value) => parent[name.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{other}"),
    }
    tree
}

fn compile(tree: &Json) -> Result<Definition, Vec<Problem>> {
    let spec = serde_json::from_value(tree.clone()).unwrap_or_else(|error| panic!("{error}: {tree}"));
    Definition::compile(&spec, &Schema::default()).unwrap()
}

#[test]
fn a_small_definition_is_enough() {
    let definition = compile(&good()).unwrap();
    assert_eq!(definition.timeout, Duration::from_secs(30));
    assert!(definition.kinds["team"].identity.is_some());
    let named = with(good(), "/http/account", json!({"named": "${employee.workEmail}"}));
    assert!(compile(&named).unwrap().is_named());
}

/// What is wrong is told when the target is applied, with the place and the remedy, and not found out call by call.
#[test]
fn what_is_wrong_is_told_with_its_place_and_the_remedy() {
    let card = json!({
        "name": "card",
        "identity": ["org"], "inputs": [{"name": "org"}],
        "observe": {"one": {"method": "GET", "path": "/cards/${grant.id}"}},
        "grant": {"method": "POST", "path": "/cards"},
        "revoke": {"method": "DELETE", "path": "/cards/${grant.id}"},
    });
    let set = json!({
        "name": "role",
        "identity": ["org"], "inputs": [{"name": "org"}],
        "observe": {"holders": {"request": {"method": "GET", "path": "/roles"}}, "account": "item"},
        "replace": {"of": "Account", "request": {"method": "PUT", "path": "/roles", "json": {"roles": "${set}"}}},
    });
    let call = |path: &str| json!({"method": "GET", "path": path});
    let list = |pages: Json, query: Json| json!({"request": {"method": "GET", "path": "/users", "query": query}, "pages": pages});
    for (pointer, value, path, words) in [
        // Names and types, of what each call may speak of.
        (
            "/http/account/create/json/email",
            json!("${employee.workEmial}"),
            "account.create.json.email",
            "did you mean workEmail?",
        ),
        (
            "/http/account/create/json/email",
            json!("${employee.workEmail"),
            "account.create.json.email",
            "never closed",
        ),
        (
            "/http/account/create/path",
            json!("/users/${account.id}"),
            "account.create.path",
            "there is no account here",
        ),
        (
            "/http/account/deactivate/path",
            json!("/off/${employee.username}"),
            "account.deactivate.path",
            "there is no employee here",
        ),
        ("/http/account/matches", json!("item.email"), "", ""),
        (
            "/http/account/matches",
            json!("employee.workEmail"),
            "account.matches",
            "must be true or false",
        ),
        (
            "/http/account/id",
            json!("response.body.id"),
            "account.id",
            "there is no response here",
        ),
        (
            "/http/account/find/0/items",
            json!("'a'"),
            "account.find[0].items",
            "must be a list",
        ),
        (
            "/http/kinds/0/revoke/path",
            json!("/teams/${inputs.org}"),
            "kinds[0].revoke.path",
            "there is no inputs here",
        ),
        (
            "/http/kinds/0/revoke/path",
            json!("/teams/${employee.workEmail}"),
            "kinds[0].revoke.path",
            "there is no employee here",
        ),
        (
            "/http/kinds/0/grant/json/level",
            json!("${inputs.lvl}"),
            "kinds[0].grant.json.level",
            "lvl",
        ),
        (
            "/http/kinds/0/grant/json/level",
            json!("${parameters.limit}"),
            "kinds[0].grant.json.level",
            "limit",
        ),
        (
            "/http/kinds/0/observe/holders/request/path",
            json!("/t/${account.id}"),
            "observe.holders.request.path",
            "no account here",
        ),
        ("/http/answers", json!({"gone": "response.status"}), "answers.gone", ""),
        (
            "/http/answers",
            json!({"gone": "item == 1"}),
            "spec.http.answers.gone",
            "there is no item here",
        ),
        // Paths, headers and bodies.
        (
            "/http/account/create/path",
            json!("/users?x=1"),
            "account.create.path",
            "put the query under query",
        ),
        (
            "/http/account/create/path",
            json!("/users/../admin"),
            "account.create.path",
            "write the path without it",
        ),
        (
            "/http/account/create/path",
            json!("/users/%2E%2e/admin"),
            "account.create.path",
            "write the path without it",
        ),
        (
            "/http/account/create/path",
            json!("/users/a b"),
            "account.create.path",
            "%XX",
        ),
        (
            "/http/account/create/method",
            json!("GET"),
            "account.create.method",
            "GET is for reads",
        ),
        (
            "/http/account/read/method",
            json!("DELETE"),
            "account.read.method",
            "a read is GET",
        ),
        (
            "/http/account/create/form",
            json!({"a": "b"}),
            "account.create",
            "set json or form, not both",
        ),
        (
            "/http/account/read/json",
            json!({"a": 1}),
            "account.read",
            "a GET carries no body",
        ),
        (
            "/http/headers",
            json!({"Authorization": "Bearer x"}),
            "spec.http.headers[Authorization]",
            "credentials belong in auth",
        ),
        (
            "/http/headers",
            json!({"X-A": "a\nX-B: b"}),
            "spec.http.headers[X-A]",
            "no header can carry",
        ),
        (
            "/http/account/create/headers",
            json!({"X A": "a"}),
            "account.create.headers[X A]",
            "cannot be the name of a header",
        ),
        (
            "/http/timeout",
            json!("10m"),
            "spec.http.timeout",
            "between 1s and 120s",
        ),
        // What an operation needs.
        ("/http/account/id", json!(""), "account.id", "is missing"),
        ("/http/account/matches", json!(""), "account.matches", "is missing"),
        ("/http/account/find", json!([]), "account.find", "is missing"),
        ("/http/account/read", Json::Null, "account.read", "is missing"),
        (
            "/http/account/active",
            Json::Null,
            "account.deactivate",
            "active, which shows whether it was done",
        ),
        (
            "/http/account/deactivate",
            Json::Null,
            "account.onTerminated",
            "not described to do that",
        ),
        (
            "/http/account/named",
            json!("${employee.workEmail}"),
            "account.named",
            "leave out everything else",
        ),
        (
            "/http/account/updatedId",
            json!("response.body.id"),
            "account.updatedId",
            "means nothing without update",
        ),
        (
            "/account",
            json!({"onTerminated": {"action": "Delete"}}),
            "account.onTerminated",
            "add spec.http.account.delete",
        ),
        (
            "/http/kinds/0/revoke",
            Json::Null,
            "kinds[0].revoke",
            "taken back one day",
        ),
        (
            "/http/kinds/0/identity",
            json!(["team"]),
            "kinds[0].identity[0]",
            "there is no input team",
        ),
        (
            "/http/kinds/0/identity",
            json!(["note"]),
            "kinds[0].identity[0]",
            "may be left out",
        ),
        (
            "/http/kinds/0/observe/account",
            Json::Null,
            "observe.account",
            "is missing",
        ),
        (
            "/http/kinds/0/observe/object",
            json!({"org": "item.org"}),
            "observe.object",
            "leave it out",
        ),
        (
            "/http/kinds/0/observe/version",
            json!("response.headers.etag"),
            "observe.version",
            "with replace alone",
        ),
        (
            "/http/kinds/0/observe/parameters",
            json!({"limit": "item.limit"}),
            "observe.parameters[limit]",
            "no such parameter",
        ),
        (
            "/http/kinds/0/observe",
            json!({"all": {"request": call("/teams")}, "account": "item.id", "object": {"org": "item.org"}}),
            "observe.object",
            "by exactly these: level, org",
        ),
        (
            "/http/kinds/0",
            card.clone(),
            "kinds[0].revoke",
            "nothing says where that stands",
        ),
        (
            "/http/kinds/0",
            set.clone(),
            "kinds[0].observe",
            "a set is read before it is written",
        ),
        (
            "/http/kinds/0",
            with(set, "/parameters", json!([{"name": "limit"}])),
            "kinds[0].parameters",
            "has no place",
        ),
        (
            "/http/kinds/0",
            with(
                with(card, "/parameters", json!([{"name": "limit"}])),
                "/grantId",
                json!("response.body.id"),
            ),
            "kinds[0].update",
            "parameters change",
        ),
        // Pages that would never turn.
        (
            "/http/account/list",
            list(json!({"token": "response.body.next"}), json!({})),
            "account.list.pages",
            "${page.?token}",
        ),
        (
            "/http/account/list",
            list(json!({"full": 2}), json!({"n": "${page.?token}"})),
            "account.list.pages",
            "which page it wants",
        ),
    ] {
        let tree = with(good(), pointer, value.clone());
        let problems = match (compile(&tree), words) {
            (Ok(_), "") => continue,
            (Ok(_), _) => panic!("{pointer} {value} is not refused"),
            (Err(problems), _) => problems,
        };
        let said = |problem: &Problem| problem.path.ends_with(path) && problem.sentence.contains(words);
        assert!(problems.iter().any(said), "{pointer} {value}: {problems:#?}");
        assert!(
            problems.iter().all(|problem| problem.path.starts_with("spec.")),
            "{problems:#?}"
        );
    }
}

/// One slip in the answers of all calls is one problem.
/// A role set within each account, seen by the list of all and written by the account's number; another kind of JSON; a field
/// that is a list.
#[test]
fn a_set_within_an_account_that_can_only_be_listed() {
    let kind = json!({
        "name": "role", "identity": ["org"], "inputs": [{"name": "org"}],
        "observe": {
            "all": {"request": {"method": "GET", "path": "/users"}}, "account": "item.login", "each": "item.roles",
            "object": {"org": "part"}, "held": "part != item.owner",
        },
        "replace": {"of": "Account", "request": {
            "method": "PATCH", "path": "/users/${item.number}", "headers": {"Content-Type": "application/merge-patch+json"},
            "json": {"roles": "${set}"},
        }},
    });
    let tree = with(good(), "/http/kinds/0", kind.clone());
    let tree = with(
        tree,
        "/http/account/delete",
        json!({"method": "DELETE", "path": "/users/${item.number}"}),
    );
    compile(&tree).unwrap();
    let form =
        json!({"method": "POST", "path": "/roles", "form": {"role[]": "${set.map(r, string(r))}", "all": "${set}"}});
    compile(&with(tree.clone(), "/http/kinds/0/replace/request", form)).unwrap();

    for (pointer, value, path, words) in [
        (
            "/http/kinds/0/observe/each",
            Json::Null,
            "kinds[0].observe.held",
            "there is no part here",
        ),
        (
            "/http/kinds/0/observe/account",
            json!("part"),
            "kinds[0].observe.account",
            "there is no part here",
        ),
        (
            "/http/kinds/0/replace/request/headers",
            json!({"X-Roles": "${set.map(r, string(r))}"}),
            "kinds[0].replace.request.headers[X-Roles]",
            "must be a text or a number",
        ),
        (
            "/http/kinds/0/observe/all/request/path",
            json!("/users/${page.number}"),
            "kinds[0].observe.all.request.path",
            "there is no page here, a list has one where pages is token, full or more",
        ),
        (
            "/http/kinds/0/observe/all/request/path",
            json!("/users/${account.id}"),
            "kinds[0].observe.all.request.path",
            "there is no account here, only the variables of macros",
        ),
    ] {
        let problems = compile(&with(tree.clone(), pointer, value)).unwrap_err();
        let found = problems
            .iter()
            .any(|problem| problem.path.ends_with(path) && problem.sentence.contains(words));
        assert!(found, "{pointer}: {problems:?}");
    }
}

#[test]
fn what_is_wrong_once_is_told_once() {
    let tree = with(good(), "/http/answers", json!({"gone": "respons.status == 404"}));
    let problems = compile(&tree).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].path, "spec.http.answers.gone");
    assert!(problems[0].sentence.starts_with("line 1, column 1: "), "{problems:#?}");
}

#[test]
fn an_entitlement_is_checked_against_the_kind_that_it_names() {
    let tree = with(
        good(),
        "/http/kinds/0/parameters",
        json!([{"name": "limit", "type": "Integer"}]),
    );
    let definition = compile(&tree).unwrap();
    let limit = json!([{"name": "limit", "type": "Integer"}]);
    for (kind, inputs, parameters, path, words) in [
        ("team", json!({"org": "a", "level": "1"}), &limit, "", ""),
        ("team", json!({"org": "a", "level": "1", "note": "x"}), &limit, "", ""),
        ("teem", json!({}), &limit, "spec.http.kind", "it has team"),
        (
            "team",
            json!({"org": "a"}),
            &limit,
            "spec.http.inputs[level]",
            "is missing",
        ),
        (
            "team",
            json!({"org": "a", "level": "x"}),
            &limit,
            "spec.http.inputs[level]",
            "whole number",
        ),
        (
            "team",
            json!({"org": "a", "level": "1", "rank": "2"}),
            &limit,
            "spec.http.inputs[rank]",
            "it has org, level, note",
        ),
        (
            "team",
            json!({"org": "a", "level": "1"}),
            &json!([]),
            "spec.parameters[limit]",
            "is missing",
        ),
        (
            "team",
            json!({"org": "a", "level": "1"}),
            &json!([{"name": "limit"}]),
            "spec.parameters[limit]",
            "make them one",
        ),
    ] {
        let entitlement =
            json!({"targetRef": {"name": "x"}, "http": {"kind": kind, "inputs": inputs}, "parameters": parameters});
        let entitlement: EntitlementSpec = serde_json::from_value(entitlement).unwrap();
        let problems = definition.check(&entitlement);
        match problems.first() {
            None => assert_eq!(path, "", "{kind} {inputs}"),
            Some(problem) => {
                assert_eq!(problem.path, path, "{problems:?}");
                assert!(problem.sentence.contains(words), "{problems:?}");
            }
        }
    }
}

fn namespace(index: &mut Index, tree: &Json, version: u32) {
    let target: TargetSystem = serde_json::from_value(json!({
        "apiVersion": "rollcall.dev/v1alpha1", "kind": "TargetSystem",
        "metadata": {"name": "api", "namespace": "acme", "resourceVersion": version.to_string(), "generation": version},
        "spec": tree,
    }))
    .unwrap();
    index.put(target);
}

fn digest(index: &Index, facts: &Json) -> Option<String> {
    let person = Person {
        spec: serde_json::from_value(facts.clone()).unwrap(),
        ..Person::default()
    };
    let content: &Namespace = index.namespace("acme").unwrap();
    definition::account_digest(content, &person, "api")
}

/// I7: an account is updated where what it is made of changed, and for nothing else.
#[test]
fn the_digest_covers_what_the_account_is_made_of_and_no_more() {
    let mut index = Index::default();
    namespace(&mut index, &good(), 1);
    let ada = json!({"workEmail": "ada@x.io", "jobTitle": "VP", "company": "X"});
    let before = digest(&index, &ada).unwrap();
    assert_eq!(
        digest(&index, &with(ada.clone(), "/company", json!("Y"))).unwrap(),
        before
    );
    assert_ne!(
        digest(&index, &with(ada.clone(), "/jobTitle", json!("CEO"))).unwrap(),
        before
    );
    assert_ne!(
        digest(&index, &with(ada.clone(), "/jobTitle", Json::Null)).unwrap(),
        before
    );
    // How accounts are found, and what is granted, is no part of them.
    let moved = with(good(), "/http/account/find/0/request/path", json!("/search"));
    namespace(&mut index, &with(moved, "/http/kinds", json!([])), 2);
    assert_eq!(digest(&index, &ada).unwrap(), before);
    // A changed template is a changed account.
    namespace(
        &mut index,
        &with(good(), "/http/account/create/json/kind", json!("staff")),
        3,
    );
    assert_ne!(digest(&index, &ada).unwrap(), before);
    // Nothing is known while the definition cannot be read, so nothing is updated for it.
    namespace(&mut index, &with(good(), "/http/account/id", json!("itm.id")), 4);
    assert_eq!(digest(&index, &ada), None);
}

/// A definition may name custom fields as soon as a connection declares them, and no longer than that.
#[test]
fn a_definition_is_compiled_anew_where_others_may_be_named() {
    let mut index = Index::default();
    let tree = with(
        good(),
        "/http/account/create/json/team",
        json!("${employee.customFields.?team}"),
    );
    namespace(&mut index, &tree, 1);
    let is_good = |index: &Index| index.namespace("acme").unwrap().definition("api").unwrap().is_ok();
    let connection = |version: u32, fields: &Json| -> HRISConnection {
        serde_json::from_value(json!({
            "apiVersion": "rollcall.dev/v1alpha1", "kind": "HRISConnection",
            "metadata": {"name": "merge", "namespace": "acme", "resourceVersion": version.to_string(), "generation": version},
            "spec": {
                "merge": {"region": "EU"},
                "apiKeySecretRef": {"name": "merge", "key": "api-key"},
                "accountTokenSecretRef": {"name": "merge", "key": "token"},
                "termination": {"defaultTimeZone": "Europe/Berlin"},
                "customFields": fields,
            },
        }))
        .unwrap()
    };
    // Without a connection employees are written by hand, and have whatever fields their authors like.
    assert!(is_good(&index));
    index.put(connection(2, &json!([])));
    assert!(!is_good(&index));
    index.put(connection(3, &json!([{"name": "team", "fieldMapping": "x"}])));
    assert!(is_good(&index));
    index.put(connection(4, &json!([])));
    assert!(!is_good(&index));
    index.remove::<HRISConnection>("acme", "merge");
    index.remove::<TargetSystem>("acme", "api");
    assert!(index.namespace("acme").is_none());
}
