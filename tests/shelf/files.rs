//! Every file of the shelf is what it should be. That the API server takes them all is shown in `tests/crd_rules.rs`.

use std::collections::BTreeSet;

use crate::stage::{Example, documents_of, shelf};

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
        problems.extend(problems_of(&name, &Example::read(&name)));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Whoever writes a target begins with a piece of the guide.
#[test]
fn every_definition_of_the_guide_compiles_and_its_entitlements_fit() {
    let guide = std::fs::read_to_string(shelf().join("../../docs/http-targets.md")).unwrap();
    let blocks = guide.split("```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 5, "{} blocks", blocks.len());
    let examples = blocks.iter().map(|yaml| Example::of(&documents_of(yaml)));
    let problems: Vec<String> = examples
        .flat_map(|example| problems_of(&example.system.metadata.name.clone().unwrap(), &example))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn problems_of(name: &str, example: &Example) -> Vec<String> {
    let system = example.system.metadata.name.clone().unwrap();
    for (entitlement, object) in &example.entitlements {
        assert_eq!(object.spec.target_ref.name, system, "{entitlement}");
    }
    match example.definition() {
        None => Vec::new(),
        Some(Err(found)) => found.iter().map(|problem| format!("{name}: {problem}")).collect(),
        Some(Ok(definition)) => {
            let entitlements = example.entitlements.values();
            let used: BTreeSet<&str> = entitlements
                .filter_map(|object| Some(object.spec.http.as_ref()?.kind.as_str()))
                .collect();
            for kind in definition.kinds.keys() {
                assert!(
                    used.contains(kind.as_str()),
                    "{name} shows no entitlement of kind {kind}"
                );
            }
            let problems = example.entitlements.iter().flat_map(|(entitlement, object)| {
                let found = definition.check(&object.spec).into_iter();
                found.map(move |problem| format!("{name}/{entitlement}: {problem}"))
            });
            problems.collect()
        }
    }
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
