//! Does `rollcall explain` say why, and why not, in the words that are expected? And does `who` name the holders?
//!
//! Each story is a file of `tests/data/explain` beside the company; what is expected stands in a file of the same name
//! that ends in `.txt`. `UPDATE_GOLDEN=1 cargo test --test explain_command` writes those anew: read the difference.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NOON: &str = "2026-06-15T12:00:00Z";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/explain")
}

fn rollcall(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(args)
        .current_dir(data())
        .env_remove("KUBECONFIG")
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap()
}

/// Asks the company and one story.
fn ask(story: &str, command: &[&str]) -> Output {
    let story = format!("{story}.yaml");
    let tenant = ["-f", "company.yaml", "-f", &story, "--at", NOON];
    rollcall(&[command, &tenant].concat())
}

fn said(story: &str, command: &[&str]) -> String {
    let output = ask(story, command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{story}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(story: &str, command: &[&str]) -> String {
    let output = ask(story, command);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{command:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn golden(name: &str, text: &str) {
    let path = data().join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, expected,
        "{name}.txt differs; UPDATE_GOLDEN=1 writes what is printed now"
    );
    let wide = text.lines().filter(|line| line.chars().count() > 100);
    assert_eq!(wide.collect::<Vec<_>>(), Vec::<&str>::new(), "{name}: 100 columns");
}

/// What must be said, whatever the wording of the rest: the file name of the story, what is asked, and pieces of the answer.
const STORIES: &[(&str, &[&str], &[&str])] = &[
    (
        "granted",
        &["ada"],
        &[
            "code: Granted",
            "given by engineering",
            "Company > Engineering > Platform",
        ],
    ),
    (
        "held",
        &["ada", "code"],
        &["code: Held", "rollcall changeset show cs-0123456789ab", "13 people"],
    ),
    (
        "frozen",
        &["ada", "code"],
        &["paused by the annotation", "code: Granted"],
    ),
    (
        "unconfirmed",
        &["ada", "code"],
        &["department in [Engineering]: unknown", "not confirmed yet: departments"],
    ),
    (
        "leave",
        &["ada"],
        &[
            "Phase: OnLeave",
            "is for Active, Leaving, and the person is OnLeave",
            "not trusted",
        ],
    ),
    (
        "leaver",
        &["ada"],
        &[
            "Phase: Terminated",
            "the person has left",
            "last error: the target answered 503",
        ],
    ),
    (
        "leaving",
        &["ada", "code"],
        &["Next: 2026-06-30T22:00:00Z (in 15 days), phase Terminated"],
    ),
    (
        "near-miss",
        &["ada", "code"],
        &["is CONTRACTOR", "one condition does not hold"],
    ),
    (
        "tenure",
        &["ada", "stock-plan"],
        &["2026-06-29T22:00:00Z", "policy owners begins to match"],
    ),
    (
        "conflict",
        &["ada", "ledger"],
        &["Conflict between controllers and finance", "limit=5000"],
    ),
    ("failing", &["ada"], &["code: Failed", "the group is full"]),
    (
        "exception",
        &["ada", "code"],
        &[
            "given by AccessException/audit-help",
            "AccessException audit-help ends: it is revoked",
            "Helps with the audit",
        ],
    ),
    (
        "denied",
        &["ada"],
        &[
            "AccessException incident-7 denies it",
            "policy no-ledger-for-engineers denies it",
            "ledger: Granted",
        ],
    ),
    (
        "freeze",
        &["ada", "code"],
        &["frozen by AccessException handover", "code: Granted"],
    ),
    (
        "exclusive",
        &["ada", "approve"],
        &[
            "not to be granted now",
            "entitlement pay of the exclusive group payments is held",
        ],
    ),
    (
        "grace",
        &["ada", "code"],
        &[
            "left for the grace of policy engineering-alumni",
            "code is taken, unless it is wanted again",
        ],
    ),
    (
        "before",
        &["ada", "vpn"],
        &["Phase: PreHire", "policy newcomers begins to give", "startBefore 7d"],
    ),
    (
        "expression",
        &["ada", "code"],
        &[
            "startsWith('Eng'): true, is workLocation",
            "matches('^(VP|Director) '): false, is jobTitle Engineer",
            "policy subsidiary cannot be told: employee.company has no value",
            "line 1, column 10: there is no employee.jobTitel; did you mean jobTitle?",
        ],
    ),
    (
        "zone",
        &["ada", "vpn"],
        &[
            "US has several time zones, and the workLocation has no state",
            "Next: 2026-06-16T10:00:00Z (in 22 hours), phase Terminated",
        ],
    ),
    (
        "takeover",
        &["ada"],
        &["its account is now Employee ada-again's", "code: Revoked"],
    ),
];

#[test]
fn each_story_is_told_as_expected() {
    for (story, asked, pieces) in STORIES {
        let text = said(story, &[&["explain"], *asked].concat());
        let flowing = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for piece in *pieces {
            assert!(flowing.contains(piece), "{story} says nothing of {piece:?}:\n{text}");
        }
        golden(story, &text);
    }
}

/// Why not: what comes nearest is told first.
#[test]
fn near_misses_come_before_far_ones() {
    let text = said("near-miss", &["explain", "ada", "code"]);
    let near = text.find("policy engineering says nothing").unwrap();
    let far = text.find("policy code-reviewers says nothing").unwrap();
    assert!(near < far, "{text}");
}

#[test]
fn json_has_every_key_with_its_answer() {
    let text = said("unconfirmed", &["explain", "ada", "code", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let access = &json["entitlements"][0];
    assert_eq!(access["state"], "Granted");
    assert_eq!(access["wanted"], "unknown");
    let policy = &access["policies"][0];
    assert_eq!(
        (&policy["name"], &policy["says"]),
        (&"engineering".into(), &"cannotTell".into())
    );
    let key = &policy["selector"]["all"][0];
    assert_eq!((&key["key"], &key["answer"]), (&"department".into(), &"unknown".into()));
    assert_eq!(json["source"]["lastTrustedSync"], "2026-06-15T11:55:00Z");
    assert_eq!(json["source"]["unconfirmed"][0], "departments");
}

/// A person is found by every name that they are known by; who is meant is never guessed.
#[test]
fn a_person_is_found_by_email_number_or_name_and_never_guessed() {
    let first = said("granted", &["explain", "ada", "vpn"]);
    for name in ["ada@acme.example", " ADA@acme.example", "2", "Ada Lovelace"] {
        assert_eq!(said("granted", &["explain", name, "vpn"]), first, "{name}");
    }
    let nobody = refused("granted", &["explain", "bob"]);
    assert!(nobody.contains("nobody is called bob"), "{nobody}");
    let several = refused("twins", &["explain", "twin@acme.example"]);
    assert!(
        several.contains("twin@acme.example can mean Twin One (twin1), Twin Two (twin2)"),
        "{several}"
    );
    let unknown = refused("granted", &["explain", "ada", "vnp"]);
    assert!(
        unknown.contains("no Entitlement is called vnp") && unknown.contains("vpn"),
        "{unknown}"
    );
}

#[test]
fn holders_are_named_with_their_reasons() {
    golden("who-vpn", &wide(&said("who", &["who", "vpn"])));
    let json: serde_json::Value = serde_json::from_str(&said("who", &["who", "code", "-o", "json"])).unwrap();
    let people = json["people"].as_array().unwrap();
    let states: Vec<(&str, &str)> = people
        .iter()
        .map(|person| {
            let text = |key: &str| person[key].as_str().unwrap_or("-");
            (text("employee"), text("state"))
        })
        .collect();
    assert_eq!(
        states,
        [("ada", "Granted"), ("bob", "Held"), ("cy", "-"), ("dee", "Revoking")]
    );
    assert_eq!(
        json["counts"],
        serde_json::json!({"granted": 1, "pending": 2, "held": 1, "failed": 0})
    );
    assert_eq!(people[1]["changeSet"], "cs-0123456789ab");
    assert_eq!(people[3]["cause"], "Termination");
}

/// What waits is shown with every change that the records name, and how to decide on exactly that.
#[test]
fn held_changes_are_shown_with_their_digest_and_their_members() {
    let text = said("held", &["changeset", "show", "cs-0123456789ab"]);
    golden("changeset", &text);
    for piece in [
        "-code",
        "Ada Lovelace (ada)",
        "approve cs-0123456789ab --digest 0123456789abcdef",
    ] {
        assert!(text.contains(piece), "{piece:?}:\n{text}");
    }
    let list = said("held", &["changeset", "list"]);
    let row: Vec<&str> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..6], ["cs-0123456789ab", "PolicyChange", "Open", "13", "13", "13"]);
    let json: serde_json::Value =
        serde_json::from_str(&said("held", &["chgset", "show", "cs-0123456789ab", "-o", "json"])).unwrap();
    assert_eq!(json["members"][0]["change"], "-code");
    assert_eq!(json["members"][0]["waits"], true);
    let unknown = refused("held", &["changeset", "show", "cs-1"]);
    assert!(unknown.contains("there are cs-0123456789ab"), "{unknown}");
    assert!(said("granted", &["changeset", "list"]).contains("Nothing waits for a decision"));
}

/// Deletions of accounts and grants wait as well, and what was approved waits no more.
#[test]
fn held_deletions_and_grants_are_shown_too() {
    let members = |name: &str| {
        let text = said("waiting", &["changeset", "show", name, "-o", "json"]);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let members = json["members"].as_array().unwrap().clone();
        let member = |held: &serde_json::Value| {
            let text = |key: &str| held[key].as_str().unwrap_or_default().to_owned();
            (
                text("employee"),
                text("change"),
                text("state"),
                held["waits"].as_bool().unwrap(),
            )
        };
        members.iter().map(member).collect::<Vec<_>>()
    };
    let row =
        |who: &str, change: &str, state: &str, waits| (who.to_owned(), change.to_owned(), state.to_owned(), waits);
    assert_eq!(
        members("cs-de1e7e000000"),
        [
            row("dee", "-deletion", "Deactivated", true),
            row("moe", "-deletion", "Deleting", false)
        ]
    );
    assert_eq!(members("cs-9a1750000000"), [row("pat", "+code", "Pending", true)]);
    let dee = said("waiting", &["explain", "dee"]);
    assert!(dee.contains("its deletion waits in ChangeSet cs-de1e7e000000"), "{dee}");
    let pat = said("waiting", &["explain", "pat", "code"]);
    assert!(pat.contains("waits in ChangeSet cs-9a1750000000"), "{pat}");
}

/// A table does not wrap; for the golden file its columns stand below each other.
fn wide(table: &str) -> String {
    let rows = table
        .lines()
        .map(|line| line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()));
    rows.map(|row| row.collect::<Vec<_>>().join("\n    ") + "\n").collect()
}

/// Manifests of two tenants are not mixed up.
#[test]
fn one_namespace_is_asked() {
    let output = rollcall(&["explain", "ada", "-f", "company.yaml", "-f", "tenants.yaml"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("acme, other: choose one with --namespace"), "{error}");
    let output = rollcall(&[
        "explain",
        "ada",
        "vpn",
        "-f",
        "company.yaml",
        "-f",
        "tenants.yaml",
        "-n",
        "other",
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Ada of the Other"), "{text}");
}
