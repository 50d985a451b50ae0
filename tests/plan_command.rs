//! Does `rollcall plan` say what would change, in every form, and end with the code that its help promises?
//!
//! The binary is run on the small company of `tests/data/plan`. What it prints is compared with files there;
//! `BLESS=1 cargo test --test plan_command` writes them anew, for a person to read in the diff.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const DATA: &str = "tests/data/plan";
const NOW: &str = "2026-06-15T12:00:00Z";

/// What came of a run.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn rollcall(folder: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .arg("plan")
        .args(arguments)
        .current_dir(folder)
        // No cluster is asked unless a test names one.
        .env("KUBECONFIG", "/nowhere")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who reads no input may have ended before it is written.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(DATA)
}

fn plan(arguments: &[&str]) -> Ran {
    let all = [&["--now", NOW][..], arguments].concat();
    rollcall(&data(), &all, "")
}

/// From the company as it is to what is in `after`.
fn edited(arguments: &[&str]) -> Ran {
    let sources = ["--employees", "base", "--before", "before", "--after", "after"];
    plan(&[&sources[..], arguments].concat())
}

/// Compares with a file, or writes it.
fn golden(name: &str, text: &str) {
    let path = data().join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, expected,
        "{name} is not what is printed: read the difference, and if it is right run with BLESS=1"
    );
}

fn policy(name: &str, department: &str) -> String {
    format!(
        "apiVersion: rollcall.dev/v1alpha1\nkind: ProvisioningPolicy\nmetadata: {{name: {name}}}\nspec:\n  mode: Enforce\n  \
         selector: {{department: {{in: [{department}]}}}}\n  entitlements: [{{name: crm}}]\n"
    )
}

/// I6: a narrowed policy that takes the CRM from four, where two may lose something, is shown as held, with its digest;
/// a card that moves to another policy stays, with the other limit.
#[test]
fn a_plan_reads_the_same_every_time_in_every_form() {
    for (format, file) in [("table", "plan.txt"), ("json", "plan.json"), ("markdown", "plan.md")] {
        let ran = edited(&["--output", format]);
        assert_eq!(ran.code, 4, "{}", ran.err);
        assert_eq!(ran.err, "");
        golden(file, &ran.out);
    }
}

#[test]
fn a_section_names_at_most_so_many_people() {
    let ran = edited(&["--limit", "1", "--output", "markdown"]);
    assert!(
        ran.out.contains("<details><summary>Would lose: 5 people</summary>"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("\nand 4 more\n"), "{}", ran.out);
    assert!(!ran.out.contains("dan"), "{}", ran.out);
    let all = edited(&["--limit", "0", "--output", "markdown"]);
    assert!(all.out.contains("(dan)") && !all.out.contains(" more\n"), "{}", all.out);
}

/// Names come from the HR system: they must not speak to GitHub in the plan's name.
#[test]
fn a_name_neither_mentions_nor_formats_anything() {
    let ran = edited(&["-o", "markdown"]);
    assert!(
        ran.out
            .contains("Cleo &#124; &#60;b&#62;&#64;everyone&#60;/b&#62; (cleo)"),
        "{}",
        ran.out
    );
    assert!(
        !ran.out.contains("@everyone") && !ran.out.contains("<b>"),
        "{}",
        ran.out
    );
}

#[test]
fn the_exit_code_says_what_kind_of_plan_it_is() {
    let same = ["--employees", "base", "--before", "before", "--after", "before"];
    let ran = plan(&same);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.contains("Nobody would gain or lose anything."), "{}", ran.out);

    let held = |which| edited(&["--fail-on", which]).code;
    assert_eq!((held("any"), held("losses"), held("held"), held("none")), (4, 4, 4, 0));

    let gain = policy("more", "Finance");
    let gains = |which| {
        let sources = [
            "--employees",
            "base",
            "--employees",
            "before",
            "--before",
            "/dev/null",
            "--after",
            "-",
        ];
        rollcall(&data(), &[&sources[..], &["--fail-on", which]].concat(), &gain)
    };
    assert_eq!(gains("any").code, 3, "{}{}", gains("any").out, gains("any").err);
    assert_eq!(
        (gains("losses").code, gains("held").code, gains("none").code),
        (0, 0, 0)
    );

    let loss = |which| {
        let sources = ["--employees", "base", "--before", "before", "--after", "-"];
        let rest = fs::read_to_string(data().join("before/policies.yaml")).unwrap();
        let rest = rest.replace("in: [Finance, Engineering]", "in: [Finance]");
        rollcall(&data(), &[&sources[..], &["--fail-on", which]].concat(), &rest)
    };
    assert_eq!((loss("any").code, loss("losses").code, loss("held").code), (3, 3, 0));
}

/// What no file names stays, unless it is to be pruned; and policies alone say nothing of entitlements.
#[test]
fn what_is_left_out_goes_only_when_pruned() {
    let run = |arguments: &[&str]| {
        let sources = [
            "--employees",
            "base",
            "--employees",
            "before",
            "--before",
            "/dev/null",
            "--after",
            "-",
        ];
        rollcall(&data(), &[&sources[..], arguments].concat(), &policy("sales", "Sales"))
    };
    let kept = run(&[]);
    assert_eq!((kept.code, kept.err.as_str()), (0, ""), "{}", kept.out);
    let pruned = run(&["--prune", "--limit", "0"]);
    assert_eq!((pruned.code, pruned.err.as_str()), (4, ""), "{}", pruned.out);
    assert!(
        pruned.out.contains("spenders  removed") && pruned.out.contains("everyone  removed"),
        "{}",
        pruned.out
    );
    assert!(
        !pruned.out.contains("crm"),
        "the policy that stays is the same: {}",
        pruned.out
    );
    assert!(pruned.out.contains("PolicyChange, was by everyone"), "{}", pruned.out);
}

#[test]
fn what_is_piped_in_counts_like_a_file() {
    let after = fs::read_to_string(data().join("after/policies.yaml")).unwrap();
    let arguments = [
        "--now",
        NOW,
        "--employees",
        "base",
        "--before",
        "before",
        "--after",
        "-",
    ];
    let piped = rollcall(&data(), &arguments, &after);
    assert_eq!((piped.code, piped.out), (4, edited(&[]).out));
}

/// A temporary directory that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rollcall-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn git(&self, arguments: &[&str]) {
        let settings = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@x.example",
            "-c",
            "commit.gpgsign=false",
        ];
        let output = Command::new("git")
            .args(settings)
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The plan of a pull request: what the main branch has, against what is checked out.
#[test]
fn a_revision_of_the_repository_is_a_source() {
    let folder = Folder::new("plan-git");
    let copy = |from: &str, to: &str| {
        let to = folder.0.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(data().join(from), to).unwrap();
    };
    folder.git(&["init", "--quiet", "--initial-branch=main"]);
    copy("base/company.yaml", "company/company.yaml");
    copy("base/people.json", "company/people.json");
    copy("before/policies.yaml", "policies/deep/policies.yaml");
    folder.git(&["add", "."]);
    folder.git(&["commit", "--quiet", "-m", "as it is"]);
    copy("after/policies.yaml", "policies/deep/policies.yaml");

    let run = |arguments: &[&str]| rollcall(&folder.0, &[&["--now", NOW][..], arguments].concat(), "");
    let expected = edited(&[]).out;
    let ran = run(&[
        "--employees",
        "git:main:company/",
        "--before",
        "git:main:policies",
        "--after",
        "policies",
    ]);
    assert_eq!((ran.err.as_str(), ran.code, &ran.out), ("", 4, &expected));
    let ran = run(&["--before", "git:HEAD", "--after", "."]);
    assert_eq!((ran.err.as_str(), ran.code, &ran.out), ("", 4, &expected));
    // From anywhere in it, and one file alone.
    let file = "git:main:policies/deep/policies.yaml";
    let arguments = [
        "--now",
        NOW,
        "--employees",
        "git:main:company",
        "--before",
        file,
        "--after",
        "policies.yaml",
    ];
    let ran = rollcall(&folder.0.join("policies/deep"), &arguments, "");
    assert_eq!((ran.err.as_str(), ran.code, &ran.out), ("", 4, &expected));

    let unknown = [
        ("git:nothing", "git cannot read git:nothing"),
        ("git:main:elsewhere", "git:main:elsewhere has no file"),
        ("git:--output=x", "git cannot read git:--output=x"),
    ];
    for (source, said) in unknown {
        let ran = run(&["--before", source, "--after", "policies"]);
        assert_eq!(ran.code, 2, "{}", ran.out);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}

/// What a reviewer must not merge: said with its place, all of it at once, and nothing else is printed.
#[test]
fn input_that_cannot_be_used_is_named_with_its_place() {
    let input = |text: &str| {
        let arguments = ["--employees", "base", "--before", "before", "--after", "-"];
        rollcall(&data(), &arguments, text)
    };
    let crm = policy("sales", "Sales");
    let table = [
        (
            crm.replace("department:", "departmnt:"),
            "standard input, document 1: spec.selector.departmnt is not known",
        ),
        (
            crm.replace("Enforce", "Enforced"),
            "spec.mode is Enforced: it must be one of",
        ),
        (
            crm.replace("name: crm", "name: cmr"),
            "gives entitlement cmr, which is not there",
        ),
        (
            crm.replace("department: {in: [Sales]}", "not: [{department: {in: [Sales]}}]"),
            "document 1: ProvisioningPolicy sales: the selector cannot be read",
        ),
        (
            format!("{crm}---\n{crm}"),
            "document 2: ProvisioningPolicy sales is also in standard input, document 1",
        ),
        (crm.replace("ProvisioningPolicy", "Policy"), "kind Policy is not known"),
        (crm.replace("  mode", " \tmode"), "is no YAML"),
    ];
    for (text, said) in table {
        let ran = input(&text);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{text}{}", ran.err);
        assert!(ran.err.contains(said), "{text}: {}", ran.err);
    }
    let two = input(&format!(
        "{}---\n{}",
        crm.replace("Enforce", "Enforced"),
        crm.replace("metadata: {name: sales}", "metadata: {}")
    ));
    assert!(
        two.err.contains("2 problems") && two.err.contains("document 2: metadata.name is missing"),
        "{}",
        two.err
    );
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    let table = [
        (
            vec!["--after", "cluster", "--before", "before"],
            "the cluster is what is there",
        ),
        (vec!["--after", "-", "--before", "-"], "standard input can be read once"),
        (vec!["--after", "nowhere", "--before", "before"], "cannot read nowhere"),
        (vec!["--after", "after"], "no way to a cluster"),
        (vec!["--after", "after", "--before", "before"], "the Entitlement"),
        (
            vec!["--after", "base/company.yaml", "--before", "/dev/null"],
            "there are no employees",
        ),
        (vec!["--before", "before"], "--after"),
    ];
    for (arguments, said) in table {
        let ran = plan(&arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.err.contains(said), "{arguments:?}: {}", ran.err);
    }
}

/// One namespace at a time: a tenant is never judged by another's policies.
#[test]
fn files_of_several_namespaces_need_one_named() {
    let folder = Folder::new("plan-namespaces");
    let file = folder.0.join("two.yaml");
    let of = |namespace: &str, department: &str| {
        policy("more", department).replace("{name: more}", &format!("{{name: more, namespace: {namespace}}}"))
    };
    fs::write(&file, format!("{}---\n{}", of("a", "Finance"), of("b", "Nowhere"))).unwrap();
    let two = file.to_str().unwrap();
    let sources = ["--before", "base", "--after", "base", "--after", two];
    let ran = plan(&sources);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("several namespaces (a, b)"), "{}", ran.err);
    let ran = plan(&[&sources[..], &["-n", "a"]].concat());
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("Plan for namespace a") && ran.out.contains("1 person would gain 1"),
        "{}",
        ran.out
    );
    assert!(
        ran.err.contains("1 objects of other namespaces than a were left out"),
        "{}",
        ran.err
    );
    assert_eq!(plan(&[&sources[..], &["-n", "b"]].concat()).code, 0);
}
