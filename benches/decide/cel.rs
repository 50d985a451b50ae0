//! The same company and policies before cel-go: selectors as CEL expressions, in a Go program that this builds and runs.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use rollcall::api::employee::EmployeeSpec;
use rollcall::api::policy::{Clause, Selector};
use rollcall::decide::facts::{Facts, Place, Start, fold};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the Go program found, and how long that took in seconds.
#[derive(Debug, Deserialize)]
pub struct Report {
    pub version: String,
    pub compile: f64,
    pub full: f64,
    pub one_person: f64,
    pub one_policy: f64,
    /// By policy: how many it matches, and a digest of whom.
    pub matches: Vec<(u64, u64)>,
}

/// Builds and runs the program, with what people and policies are written to in `folder`.
pub fn run(folder: &Path, people: &[Value], policies: &[String]) -> Report {
    let write = |name: &str, lines: &mut dyn Iterator<Item = String>| {
        let path = folder.join(name);
        let mut file = BufWriter::new(fs::File::create(&path).unwrap());
        lines.for_each(|line| writeln!(file, "{line}").unwrap());
        file.flush().unwrap();
        path
    };
    let people = write("people.jsonl", &mut people.iter().map(Value::to_string));
    let policies = write(
        "policies.jsonl",
        &mut policies.iter().map(|text| json!(text).to_string()),
    );
    let program = folder.join("cel-go");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/cel-go");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([&program, Path::new(".")])
        .current_dir(source)
        .status()
        .expect("needs Go, from https://go.dev/dl");
    assert!(built.success(), "the Go program does not build");
    let output = Command::new(program).args([people, policies]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the Go program failed: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A person as the Go program gets them: folded, and with the managers up the chain, which spares cel-go that work. For
/// the policies' own expressions the facts are there as they are too, without those that are absent.
pub fn person(spec: &EmployeeSpec, facts: &Facts, managers: &[String], epoch: jiff::civil::Date) -> Value {
    let names = |paths: &[rollcall::decide::facts::Path]| -> Vec<String> {
        paths
            .iter()
            .flat_map(|path| path.iter().map(ToString::to_string))
            .collect()
    };
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
    let place = facts.work_location.as_deref();
    let part = |part: fn(&Place) -> &Option<std::sync::Arc<str>>| place.map(|place| text(part(place)));
    let start_day = match facts.start {
        Start::On(date) => date.since(epoch).unwrap().get_days(),
        Start::Missing | Start::Unreadable => i32::MAX,
    };
    json!({
        "departments": names(&facts.departments),
        "businessUnits": names(&facts.business_units),
        "groups": names(&facts.groups),
        "jobTitle": text(&facts.job_title),
        "employmentType": text(&facts.employment_type),
        "company": text(&facts.company),
        "country": part(|place| &place.country).unwrap_or_default(),
        "city": part(|place| &place.city).unwrap_or_default(),
        "startDay": start_day,
        "managers": managers,
        "plain": spec,
        "names": facts.identifiers.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// A selector as CEL. `today` is the day of the run, counted from the epoch of [`person`].
pub fn expression(selector: &Selector, today: i32) -> String {
    let mut terms = clause(&selector.all, today);
    let any = |clauses: &[Clause]| {
        let clauses: Vec<String> = clauses
            .iter()
            .map(|one| format!("({})", clause(one, today).join(" && ")))
            .collect();
        format!("({})", clauses.join(" || "))
    };
    if !selector.any_of.is_empty() {
        terms.push(any(&selector.any_of));
    }
    if !selector.not.is_empty() {
        terms.push(format!("!{}", any(&selector.not)));
    }
    if let Some(expression) = &selector.expression {
        terms.push(format!("({})", expression.replace("employee.", "employee.plain.")));
    }
    terms.join(" && ")
}

fn clause(clause: &Clause, today: i32) -> Vec<String> {
    let mut terms = Vec::new();
    let list = |texts: &[String]| json!(texts.iter().map(|text| fold(text)).collect::<Vec<_>>()).to_string();
    for (name, texts) in [
        ("employmentType", &clause.employment_type),
        ("company", &clause.company),
    ] {
        if !texts.is_empty() {
            terms.push(format!("employee.{name} in {}", list(texts)));
        }
    }
    // Names are unique in this company, so that the names on all paths tell as much as the paths.
    for (name, key) in [
        ("departments", &clause.department),
        ("businessUnits", &clause.business_unit),
        ("groups", &clause.group),
    ] {
        if let Some(key) = key {
            assert!(!key.exact, "not in this company");
            terms.push(format!("employee.{name}.exists(name, name in {})", list(&key.any)));
        }
    }
    if let Some(key) = &clause.work_location {
        terms.push(format!("employee.country in {}", list(&key.country)));
    }
    if !clause.employees.is_empty() {
        terms.push(format!(
            "employee.names.exists(name, name in {})",
            list(&clause.employees)
        ));
    }
    if !clause.job_title.is_empty() {
        let patterns = clause
            .job_title
            .iter()
            .map(|glob| format!("employee.jobTitle.matches({})", json!(pattern(&fold(glob)))));
        terms.push(format!("({})", patterns.collect::<Vec<_>>().join(" || ")));
    }
    if let Some(key) = &clause.tenure {
        let days = key.at_least.as_ref().unwrap().get().unwrap().as_secs() / 86_400;
        terms.push(format!(
            "employee.startDay <= {}",
            i64::from(today) - i64::try_from(days).unwrap()
        ));
    }
    if let Some(key) = &clause.manager {
        terms.push(format!("employee.managers.exists(name, name in {})", list(&key.under)));
    }
    terms
}

/// A glob as a regular expression of the whole text.
fn pattern(glob: &str) -> String {
    let parts = glob.chars().map(|c| match c {
        '*' => ".*".to_owned(),
        '?' => ".".to_owned(),
        c if c.is_alphanumeric() || c == ' ' => c.to_string(),
        c => format!("\\{c}"),
    });
    format!("^{}$", parts.collect::<String>())
}
