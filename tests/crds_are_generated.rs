//! The committed CRDs are those of the code, and none of them leaves anything unbounded or unexplained.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

use rollcall::api::crds;
use rollcall::decide::expression::{Scope, Template};
use serde_json::{Value, json};

#[test]
fn the_committed_files_are_what_the_code_gives() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let committed: BTreeMap<String, String> = std::fs::read_dir(&dir)
        .expect("read crds/")
        .map(|entry| {
            let path = entry.expect("read crds/").path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let generated: BTreeMap<String, String> = crds::manifests().unwrap().into_iter().collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&committed),
        names(&generated),
        "crds/ has other files than the code gives: run `cargo run -- crds --dir crds`, and delete what is left over"
    );
    for (name, yaml) in generated {
        assert!(
            committed[&name] == yaml,
            "crds/{name} is not what the code gives: run `cargo run -- crds --dir crds`"
        );
    }
}

#[test]
fn the_command_prints_one_stream_and_writes_the_same_files() {
    let program = env!("CARGO_BIN_EXE_rollcall");
    let printed = std::process::Command::new(program).arg("crds").output().unwrap();
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).unwrap();
    let files = crds::manifests().unwrap();
    assert_eq!(printed.split("---\n").count(), files.len());

    let dir = std::env::temp_dir().join(format!("rollcall-crds-{}", std::process::id()));
    let nested = dir.join("a/b");
    let written = std::process::Command::new(program)
        .args(["crds", "--dir"])
        .arg(&nested)
        .output()
        .unwrap();
    assert!(written.status.success());
    assert!(written.stdout.is_empty());
    for (name, yaml) in files {
        assert!(printed.contains(&yaml), "{name} is missing from the stream");
        assert_eq!(std::fs::read_to_string(nested.join(&name)).unwrap(), yaml);
    }
    std::fs::remove_dir_all(&dir).unwrap();

    let refused = std::process::Command::new(program)
        .args(["crds", "--dir", "/dev/null/crds"])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("cannot make the directory /dev/null/crds"), "{said}");
}

/// Calls `look` with each schema below `schema` and its path. Metadata's schema is the API server's own.
fn walk(schema: &Value, path: &str, look: &mut impl FnMut(&str, &Value)) {
    look(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if name != "metadata" {
            walk(property, &format!("{path}.{name}"), look);
        }
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), look);
    }
    if schema["additionalProperties"].is_object() {
        walk(&schema["additionalProperties"], &format!("{path}{{}}"), look);
    }
}

/// What `find` complains of, anywhere in any kind.
fn complaints(find: impl Fn(&str, &Value) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for crd in crds::all() {
        let kind = crd.spec.names.kind.clone();
        let crd = serde_json::to_value(crd).unwrap();
        let versions = crd["spec"]["versions"].as_array().unwrap();
        for version in versions {
            walk(&version["schema"]["openAPIV3Schema"], "", &mut |path, schema| {
                if let Some(complaint) = find(path, schema) {
                    found.push(format!("{kind}{path}: {complaint}"));
                }
            });
        }
    }
    found
}

/// The body of a call of an http target: JSON of any shape, a list as well as an object, which no schema without references
/// can describe. It is bounded where it is compiled, before anything is sent.
fn is_body_of_a_call(path: &str, schema: &Value) -> bool {
    let any = ["description", "x-kubernetes-preserve-unknown-fields"];
    let keys = || schema.as_object().into_iter().flat_map(|schema| schema.keys());
    path.starts_with(".spec.http.")
        && path.rsplit('.').next() == Some("json")
        && keys().all(|key| any.contains(&key.as_str()))
}

/// What the schema leaves open is not without a bound.
#[test]
fn the_body_of_a_call_is_bounded_where_it_is_compiled() {
    let scope = Scope::new();
    let long = json!({"text": "x".repeat(65 * 1024)});
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let wide = json!(vec!["${1 + 1}"; 300]);
    for (what, body) in [("long", long), ("deep", deep), ("wide", wide)] {
        assert!(Template::compile(&body, &scope).is_err(), "{what}");
    }
    assert!(Template::compile(&json!([{"roles": ["a"]}]), &scope).is_ok());
}

#[test]
fn everything_is_bounded() {
    let unbounded = complaints(|path, schema| {
        let has = |key: &str| schema.get(key).is_some();
        if is_body_of_a_call(path, schema) {
            return None;
        }
        match schema["type"].as_str() {
            Some("string") if !has("enum") && !has("maxLength") && schema["format"] != "date-time" => {
                Some("a string without maxLength".to_owned())
            }
            Some("array") if !has("maxItems") => Some("a list without maxItems".to_owned()),
            Some("object") if has("additionalProperties") && !has("maxProperties") => {
                Some("a map without maxProperties".to_owned())
            }
            Some("string" | "array" | "object" | "integer" | "boolean") => None,
            other => Some(format!("of type {other:?}")),
        }
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn everything_is_explained() {
    let unexplained = complaints(|path, schema| {
        let text = schema["description"].as_str().unwrap_or_default();
        let property = !path.ends_with("[]") && !path.ends_with("{}");
        if property && text.is_empty() {
            return Some("no description".to_owned());
        }
        for bad in ["Auto-generated", "[`", "\u{2014}"] {
            if text.contains(bad) {
                return Some(format!("its description has {bad:?} in it"));
            }
        }
        let ends = ['.', '`', ')'];
        (property && !text.ends_with(ends)).then(|| format!("its description does not end: {text:?}"))
    });
    assert_eq!(unexplained, Vec::<String>::new());
}

#[test]
fn nothing_is_unknown_or_null() {
    let loose = complaints(|path, schema| {
        if is_body_of_a_call(path, schema) {
            return None;
        }
        ["nullable", "x-kubernetes-preserve-unknown-fields", "pattern"]
            .into_iter()
            .find(|key| schema.get(key).is_some())
            .map(|key| {
                format!("{key} is set; a pattern's refusal says nothing to people, so make it a rule with a message")
            })
    });
    assert_eq!(loose, Vec::<String>::new());
}

#[test]
fn every_rule_says_how_to_mend_it() {
    let silent = complaints(|_, schema| {
        let rules = schema["x-kubernetes-validations"].as_array()?;
        rules
            .iter()
            .find(|rule| rule["message"].as_str().is_none_or(|message| message.len() < 20))
            .map(|rule| format!("no message, or hardly one: {}", rule["rule"]))
    });
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn every_kind_can_be_listed_waited_for_and_called_by_a_short_name() {
    let mut short_names = Vec::new();
    for crd in crds::all() {
        let kind = &crd.spec.names.kind;
        assert_eq!(crd.spec.group, "rollcall.dev", "{kind}");
        assert_eq!(crd.spec.scope, "Namespaced", "{kind}");
        assert_eq!(crd.spec.names.categories, Some(vec!["rollcall".to_owned()]), "{kind}");
        short_names.extend(crd.spec.names.short_names.clone().unwrap_or_default());
        let [version] = crd.spec.versions.as_slice() else {
            panic!("{kind} has several versions");
        };
        assert_eq!(version.name, "v1alpha1", "{kind}");
        let subresources = version.subresources.as_ref().unwrap();
        assert!(subresources.status.is_some(), "{kind} has no status subresource");
        assert!(
            version.additional_printer_columns.is_some(),
            "{kind} has no printer columns"
        );
        assert!(
            version
                .selectable_fields
                .as_ref()
                .is_none_or(|fields| fields.len() <= 8)
        );
    }
    assert_eq!(
        short_names,
        ["accex", "chgset", "emp", "ent", "hris", "provpol", "tsys"]
    );
}
