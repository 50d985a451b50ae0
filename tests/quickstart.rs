//! Does the quickstart do what it says, on this machine and from an empty cluster?
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The example lies beside what `cargo test` builds with it. Where only this test is built, it is built here.
fn quickstart() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let profile = this.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples/quickstart");
    let built = std::fs::metadata(&program).and_then(|metadata| metadata.modified());
    if !built.is_ok_and(|built| newest_source() <= built) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--bin", "rollcall", "--example", "quickstart"])
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
        if let Some(name) = profile.file_name().filter(|name| *name != "debug") {
            cargo.arg("--profile").arg(name);
        }
        assert!(cargo.status().unwrap().success(), "the quickstart could not be built");
    }
    program
}

fn newest_source() -> SystemTime {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut waiting = ["src", "examples/quickstart", "tests/support/src"]
        .map(|name| root.join(name))
        .to_vec();
    while let Some(path) = waiting.pop() {
        let metadata = std::fs::metadata(&path).unwrap();
        if metadata.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            newest = newest.max(metadata.modified().unwrap());
        }
    }
    newest
}

/// I1, I2, I6, I8: joiners, movers and leavers, a policy's plan, a held batch and bad syncs, each read back at the
/// targets by the quickstart itself.
#[test]
fn the_story_comes_true() {
    let output = Command::new(quickstart()).arg("--once").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("first grant"), "{said}");
}
