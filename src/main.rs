//! The command line: it reads arguments, calls into the library and prints. What the commands do is not here.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rollcall::api::crds;
use rollcall::cli::plan::{self, PlanOptions};
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
    /// Run the operator.
    // The last one wins, so that a wrapper's arguments can be added to.
    #[command(args_override_self = true)]
    Run(RunOptions),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Crds { dir } => print_crds(dir.as_deref()).map(|()| ExitCode::SUCCESS),
        Command::Plan(options) => print_plan(&options),
        Command::Run(options) => operate(options).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("rollcall: {error}");
        ExitCode::FAILURE
    })
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
