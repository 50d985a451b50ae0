//! The command line: it reads arguments, calls into the library and prints. What the commands do is not here.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use rollcall::api::crds;
use rollcall::cli::plan::{self, PlanOptions};
use rollcall::cli::{changeset, explain, target, who};
use rollcall::runtime::{self, RunOptions};

/// Gives people the access their job calls for, and takes it away when the job no longer does.
#[derive(Debug, Parser)]
#[command(name = "rollcall", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the definitions of all kinds (CRDs) as one YAML stream, or write them to files.
    Crds {
        /// Write one file per kind into this directory, which is made if it is not there, and print nothing.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Say who would gain and lose what if policies were changed. Nothing is changed.
    Plan(Box<PlanOptions>),
    /// Say why a person has what they have, or why not: every policy key by key, what holds it, what happens next.
    Explain(explain::ExplainOptions),
    /// Say who has an entitlement, and why.
    Who(who::WhoOptions),
    /// Look at changes that wait for a decision, and decide.
    #[command(subcommand, visible_alias = "chgset")]
    Changeset(changeset::ChangesetCommand),
    /// Check what a TargetSystem describes, and try it out on the live API.
    #[command(subcommand, visible_alias = "tsys")]
    Target(target::TargetCommand),
    /// Run the operator.
    // The last one wins, so that a wrapper's arguments can be added to.
    #[command(args_override_self = true)]
    Run(RunOptions),
}

fn main() -> ExitCode {
    let name = own_name();
    let done = |()| ExitCode::SUCCESS;
    let result = match parse(&name).command {
        Command::Crds { dir } => print_crds(dir.as_deref()).map(done),
        Command::Plan(options) => print_plan(&options),
        Command::Changeset(command) => show(changeset::run(&command)).map(done),
        Command::Explain(options) => show(explain::run(&options)).map(done),
        Command::Who(options) => show(who::run(&options)).map(done),
        Command::Target(command) => runtime().map(|runtime| ExitCode::from(runtime.block_on(target::run(&command)))),
        Command::Run(options) => operate(options).map(done),
    };
    result.unwrap_or_else(|error| {
        eprintln!("{name}: {error}");
        ExitCode::FAILURE
    })
}

/// How the program was called: `kubectl rollcall` where kubectl runs it as its plugin `kubectl-rollcall`.
fn own_name() -> String {
    let called = std::env::args_os().next().map(PathBuf::from);
    let stem = called
        .as_deref()
        .and_then(Path::file_stem)
        .and_then(|stem| stem.to_str());
    match stem {
        Some("kubectl-rollcall") => "kubectl rollcall".to_owned(),
        _ => "rollcall".to_owned(),
    }
}

fn parse(name: &str) -> Cli {
    let matches = Cli::command().bin_name(name).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Runs a command that reads and prints.
fn show(command: impl Future<Output = Result<(), Box<dyn std::error::Error>>>) -> Result<(), String> {
    runtime()?.block_on(command).map_err(|error| sentence(error.as_ref()))
}

fn print_crds(dir: Option<&Path>) -> Result<(), String> {
    let manifests = crds::manifests().map_err(|error| format!("cannot write the CRDs as YAML: {error}"))?;
    let Some(dir) = dir else {
        let documents: Vec<&str> = manifests.iter().map(|(_, yaml)| yaml.as_str()).collect();
        return print(&documents.join("---\n"));
    };
    std::fs::create_dir_all(dir).map_err(|error| format!("cannot make the directory {}: {error}", dir.display()))?;
    for (name, yaml) in manifests {
        let path = dir.join(name);
        std::fs::write(&path, yaml).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

fn print_plan(options: &PlanOptions) -> Result<ExitCode, String> {
    match runtime()?.block_on(plan::plan(options)) {
        Ok(plan) => {
            print(&plan.text)?;
            Ok(ExitCode::from(plan.code))
        }
        Err(error) => {
            eprintln!("rollcall: {}", sentence(&error));
            Ok(ExitCode::from(2))
        }
    }
}

fn print(text: &str) -> Result<(), String> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader of the pipe has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| format!("cannot print: {error}")),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Runtime::new().map_err(|error| format!("cannot start threads: {error}"))
}

fn operate(options: RunOptions) -> Result<(), String> {
    runtime::telemetry::start(options.log_format, &options.log)?;
    runtime()?
        .block_on(runtime::run(options))
        .map_err(|error| sentence(&error))
}

/// An error with all its causes.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
