//! How long does a plan take for a large company, and how much memory? Run by hand:
//!
//! `cargo build --release && PLAN_PEOPLE=100000 PLAN_POLICIES=1000 PLAN_BINARY=target/release/rollcall cargo test --test
//! plan_scale -- --ignored --nocapture`
//!
//! As an ordinary test it only holds that a plan over a few thousand people finds exactly those who are concerned.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const ENTITLEMENTS: usize = 200;
const GROUPS: usize = 500;
const TITLES: [&str; 5] = ["Engineer", "Account Executive", "Analyst", "Designer", "Manager"];
const PLACES: [&str; 4] = ["DE", "US", "JP", "GB"];

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// Person `n` of department `n % GROUPS`, one object a line.
fn people(count: usize) -> String {
    let mut lines = String::new();
    for n in 0..count {
        let spec = json!({"employeeNumber": n.to_string(), "displayName": format!("Person {n}"),
            "workEmail": format!("p{n}@acme.example"), "employmentStatus": "ACTIVE", "employmentType": "FULL_TIME",
            "startDate": "2020-01-01", "jobTitle": TITLES[n % TITLES.len()],
            "departments": [{"path": ["Company", format!("Group {}", n % GROUPS)]}],
            "workLocation": {"country": PLACES[n / GROUPS % PLACES.len()]}});
        writeln!(lines, "{}", object("Employee", &format!("e{n}"), &spec)).unwrap();
    }
    lines
}

/// Policy `n` gives something to those of a department who have a title or work somewhere.
fn policies(count: usize, edited: bool) -> String {
    let mut documents = String::new();
    for n in 0..count {
        let mut selector = json!({"department": {"in": [format!("Group {}", n % GROUPS)]}});
        match n % 3 {
            0 => {}
            1 => selector["jobTitle"] = json!([format!("*{}*", TITLES[n % TITLES.len()])]),
            _ => selector["workLocation"] = json!({"country": [PLACES[n % PLACES.len()]]}),
        }
        // The edit: the first department's policy is for another.
        if edited && n == 0 {
            selector = json!({"department": {"in": ["Group 1"]}});
        }
        let spec = json!({"mode": "Enforce", "selector": selector,
            "entitlements": [{"name": format!("t{}", n % ENTITLEMENTS)}]});
        writeln!(documents, "{}", object("ProvisioningPolicy", &format!("p{n}"), &spec)).unwrap();
    }
    documents
}

fn targets() -> String {
    let key = json!({"name": "s", "key": "k"});
    let scim = json!({"adopt": "Never", "scim": {"baseURL": "https://x.example", "bearerTokenSecretRef": key}});
    let mut documents = object("TargetSystem", "directory", &scim).to_string();
    for n in 0..ENTITLEMENTS {
        let spec = json!({"targetRef": {"name": "directory"}, "scimGroup": {"displayName": format!("Group {n}")}});
        writeln!(documents, "{}", object("Entitlement", &format!("t{n}"), &spec)).unwrap();
    }
    documents
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The plan, how long it took, and the most memory that it had, in kilobytes.
fn plan(binary: &Path, count: usize, rules: usize) -> (Value, Duration, u64) {
    let folder = Folder(std::env::temp_dir().join(format!("rollcall-plan-scale-{}-{count}", std::process::id())));
    fs::create_dir_all(&folder.0).unwrap();
    let files = [
        ("people.json", people(count)),
        ("targets.json", targets()),
        ("before.json", policies(rules, false)),
        ("after.json", policies(rules, true)),
    ];
    for (name, content) in files {
        fs::write(folder.0.join(name), content).unwrap();
    }
    let begun = Instant::now();
    let out = fs::File::create(folder.0.join("plan.out")).unwrap();
    let mut child = Command::new(binary)
        .args(["plan", "-o", "json", "--fail-on", "none"])
        .args(["--employees", "people.json", "--employees", "targets.json"])
        .args(["--before", "before.json", "--after", "after.json"])
        .current_dir(&folder.0)
        .stdout(Stdio::from(out))
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    // The peak is the process's own, so that the last look before its end has nearly all of it.
    let done = loop {
        let peak = fs::read_to_string(&status).unwrap_or_default();
        let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.trim().trim_end_matches(" kB").trim().parse().ok());
        most = most.max(peak.unwrap_or(0));
        if let Some(done) = child.try_wait().unwrap() {
            break done;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = begun.elapsed();
    assert!(done.success(), "{done}");
    let text = fs::read_to_string(folder.0.join("plan.out")).unwrap();
    (serde_json::from_str(&text).unwrap(), took, most)
}

fn assert_finds_those_concerned(plan: &Value, people: usize) {
    let one_group = people / GROUPS;
    let summary = &plan["summary"];
    assert_eq!(
        (&plan["lookedAt"], &summary["losses"]),
        (&json!(people), &json!(one_group))
    );
    assert_eq!(summary["gains"], json!(one_group), "{summary}");
}

#[test]
fn a_plan_over_many_people_finds_exactly_those_concerned() {
    let (plan, _, _) = plan(Path::new(env!("CARGO_BIN_EXE_rollcall")), 2_000, 20);
    assert_finds_those_concerned(&plan, 2_000);
}

#[test]
#[ignore = "a measurement, which needs the release build"]
fn measure() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (count, rules) = (number("PLAN_PEOPLE", 100_000), number("PLAN_POLICIES", 1_000));
    let binary = std::env::var_os("PLAN_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_rollcall").into(), PathBuf::from);
    let (plan, took, most) = plan(&fs::canonicalize(binary).unwrap(), count, rules);
    assert_finds_those_concerned(&plan, count);
    println!(
        "{count} people, {rules} policies: {:.1} s, {} MB",
        took.as_secs_f64(),
        most / 1024
    );
}
