//! Every file of the shelf is what it should be. That the API server takes them all is shown in `tests/crd_rules.rs`.

use std::collections::BTreeSet;

use crate::stage::{Example, shelf};

fn folders() -> Vec<String> {
    let entries = std::fs::read_dir(shelf()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_target_compiles_and_its_entitlements_fit() {
    let mut problems = Vec::new();
    for name in folders() {
        let example = Example::read(&name);
        let system = example.system.metadata.name.clone().unwrap();
        for (entitlement, object) in &example.entitlements {
            assert_eq!(object.spec.target_ref.name, system, "{entitlement}");
        }
        match example.definition() {
            None => {}
            Some(Err(found)) => problems.extend(found.iter().map(|problem| format!("{name}: {problem}"))),
            Some(Ok(definition)) => {
                for (entitlement, object) in &example.entitlements {
                    let found = definition.check(&object.spec);
                    problems.extend(found.iter().map(|problem| format!("{name}/{entitlement}: {problem}")));
                }
                let used: BTreeSet<&str> = example
                    .entitlements
                    .values()
                    .filter_map(|object| Some(object.spec.http.as_ref()?.kind.as_str()))
                    .collect();
                for kind in definition.kinds.keys() {
                    assert!(
                        used.contains(kind.as_str()),
                        "{name} shows no entitlement of kind {kind}"
                    );
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_example_has_a_page_that_says_what_one_must_know() {
    for name in folders() {
        let path = shelf().join(&name).join("README.md");
        let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for heading in [
            "## What it grants",
            "## Credentials",
            "## What it cannot do",
            "## What to check",
            "## Limits",
        ] {
            assert!(page.contains(heading), "{name} lacks {heading}");
        }
        assert!(
            page.contains("kubectl create secret generic"),
            "{name} does not say how the Secret is made"
        );
        assert!(
            page.contains("Tried with") || page.contains("Not tried here"),
            "{name} does not say whether it was tried"
        );
        let list = std::fs::read_to_string(shelf().join("../../README.md")).unwrap();
        assert!(
            list.contains(&format!("examples/targets/{name}")),
            "README.md does not name {name}"
        );
    }
}
