//! Does the list of deliberate bugs still fit the source?
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use rollcall_support::mutants::list;

/// That each is caught is what `cargo run -p rollcall-support --bin mutants` shows; it takes the better part of an hour.
#[test]
fn every_bug_has_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mutants = list(&root).unwrap();
    assert!(mutants.len() >= 50, "{} only", mutants.len());
    let names: BTreeSet<&String> = mutants.iter().map(|mutant| &mutant.bug).collect();
    assert_eq!(names.len(), mutants.len(), "two bugs of one name");
    let stale: Vec<String> = mutants
        .iter()
        .filter_map(|mutant| {
            let source = std::fs::read_to_string(root.join(&mutant.file)).unwrap();
            mutant.applied_to(&source).err().map(|error| error.to_string())
        })
        .collect();
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}
