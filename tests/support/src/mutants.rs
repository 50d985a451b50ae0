//! Deliberate bugs: each a change of one place in the source that some test must catch.

use crate::process::{Context as _, Error, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What is run on each bug, until something fails. In this order, since the first are the quickest.
const TESTS: [&[&str]; 4] = [
    &["--lib", "--", "decide::", "hris::", "controllers::clock"],
    &["--test", "decide_oracle"],
    &["--test", "plan_simulation"],
    &["--test", "explain_command", "--test", "plan_command"],
];

/// One deliberate bug.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// What is wrong with it, in a few words.
    pub bug: String,
    /// The file, from the repository's root.
    pub file: String,
    /// Text that the file has once.
    pub find: String,
    /// What is put in its place.
    pub replace: String,
}

impl Mutant {
    /// The source with the bug in it. An error where the place cannot be told any more.
    pub fn applied_to(&self, source: &str) -> Result<String> {
        match source.matches(&self.find).count() {
            1 if self.find == self.replace => Err(Error(format!("{:?} changes nothing", self.bug))),
            1 => Ok(source.replacen(&self.find, &self.replace, 1)),
            count => Err(Error(format!(
                "{:?} fits {count} places of {}, not one: bring tests/mutants.yaml up to date",
                self.bug, self.file
            ))),
        }
    }
}

/// The list in `tests/mutants.yaml` of the repository at `root`.
pub fn list(root: &Path) -> Result<Vec<Mutant>> {
    let path = root.join("tests/mutants.yaml");
    let text = std::fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
    serde_yaml::from_str(&text).context(|| format!("understand {}", path.display()))
}

/// Seeds each bug whose description has one of `wanted` in it (all, where there are none), `jobs` of them at a time, prints the test that caught it, and
/// returns how many none caught.
pub fn run(wanted: &[String], jobs: usize) -> Result<usize> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mutants: Vec<Mutant> = list(&root)?
        .into_iter()
        .filter(|mutant| wanted.is_empty() || wanted.iter().any(|part| mutant.bug.contains(part)))
        .collect();
    let (taken, missed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = |job: usize| -> Result<()> {
        let workshop = Workshop::new(&root, job)?;
        if job == 0 {
            match workshop.verdict()? {
                None => println!("without any bug: all pass"),
                Some(test) => return Err(Error(format!("{test} fails without any bug: mend that first"))),
            }
        }
        while let Some(mutant) = mutants.get(taken.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            let caught = workshop.verdict_on(mutant)?.map_or_else(
                || {
                    missed.fetch_add(1, Ordering::Relaxed);
                    "NOT CAUGHT".to_owned()
                },
                |test| format!("caught by {test}"),
            );
            println!("{:>4} s  {}: {caught}", began.elapsed().as_secs(), mutant.bug);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..jobs.max(1))
            .map(|job| {
                scope.spawn({
                    let work = &work;
                    move || work(job)
                })
            })
            .collect();
        jobs.into_iter()
            .try_for_each(|job| job.join().map_err(|_| Error("a job panicked".to_owned()))?)
    })?;
    let missed = missed.into_inner();
    println!("{} seeded, {} caught", mutants.len(), mutants.len() - missed);
    Ok(missed)
}

/// Copies what git knows of, as it stands, and leaves untouched what is the same already, so that nothing is compiled twice.
fn copy_source(root: &Path, copy: &Path) -> Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context(|| "list the source with git".to_owned())?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root.join(name), copy.join(name));
        let Ok(content) = std::fs::read(&from) else { continue };
        if std::fs::read(&to).is_ok_and(|there| there == content) {
            continue;
        }
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).context(|| format!("make {}", parent.display()))?;
        }
        std::fs::write(&to, content).context(|| format!("write {}", to.display()))?;
    }
    Ok(())
}

/// A copy of the source, and where it is compiled.
struct Workshop {
    copy: PathBuf,
    target: PathBuf,
}

impl Workshop {
    fn new(root: &Path, job: usize) -> Result<Self> {
        let workshop = Self {
            copy: root.join(format!("target/mutants/{job}/source")),
            target: root.join(format!("target/mutants/{job}/target")),
        };
        copy_source(root, &workshop.copy)?;
        Ok(workshop)
    }

    /// The first test that fails with this bug in the source.
    fn verdict_on(&self, mutant: &Mutant) -> Result<Option<String>> {
        let path = self.copy.join(&mutant.file);
        let sound = std::fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
        let bugged = mutant.applied_to(&sound)?;
        std::fs::write(&path, bugged).context(|| format!("write {}", path.display()))?;
        let verdict = self.verdict();
        std::fs::write(&path, &sound).context(|| format!("write {}", path.display()))?;
        verdict.map_err(|error| Error(format!("{:?}: {error}", mutant.bug)))
    }

    /// The first test that fails, if any. A bug that does not compile is an error: it says nothing of the tests.
    fn verdict(&self) -> Result<Option<String>> {
        for tests in TESTS {
            let mut command = Command::new(env!("CARGO"));
            command
                .args(["test", "--quiet", "--package", "rollcall"])
                .args(tests)
                .current_dir(&self.copy)
                .env("CARGO_TARGET_DIR", &self.target)
                .env("CARGO_TERM_COLOR", "never")
                // Which case fails is not asked here, let alone the least of them. In milliseconds.
                .env("PROPTEST_MAX_SHRINK_TIME", "1000")
                .stdin(Stdio::null());
            let output = command.output().context(|| "run cargo test".to_owned())?;
            if output.status.success() {
                continue;
            }
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let complained = String::from_utf8_lossy(&output.stderr).into_owned();
            return match first_failure(&said) {
                Some(test) => Ok(Some(format!("{}{test}", file_of(&complained)))),
                None => Err(Error(format!(
                    "cargo test {} ended without a result:\n{complained}",
                    tests.join(" ")
                ))),
            };
        }
        Ok(None)
    }
}

/// The first name in the list of failures that the test runner prints at its end.
fn first_failure(said: &str) -> Option<String> {
    let (_, list) = said.rsplit_once("\nfailures:\n")?;
    list.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(str::to_owned)
}

/// The file under `tests/` that failed, by what cargo says of running it again, as a path before a test's name.
fn file_of(complained: &str) -> String {
    let again = complained.rsplit_once(" --test ").map(|(_, again)| again);
    let file = again.and_then(|again| again.split(['`', ' ', '\n']).next());
    file.map(|file| format!("{file}::")).unwrap_or_default()
}
