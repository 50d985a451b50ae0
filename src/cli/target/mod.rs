//! `rollcall target`: is a definition right, and does it do what it says on the live API?
//!
//! ```text
//! setup    from files, flags and Secrets to a target that can be called, and a person that nobody knows
//! trial    the steps, what was made by them, and how it is taken back; accounts and parameters are parts of it
//! report   what is printed of them
//! ```

mod accounts;
mod parameters;
mod report;
mod setup;
mod trial;

use ipnet::IpNet;
use tokio::signal::unix::{SignalKind, signal};

use self::report::Report;
use self::setup::{SecretSource, Setup};
use self::trial::Trial;
use super::cluster::ClusterOptions;
use super::source::Source;

/// Everything was good.
const GOOD: u8 = 0;
/// Something was not.
const FAILED: u8 = 1;
/// It could not be tried.
const USAGE: u8 = 2;

/// Look at what a TargetSystem describes, and try it out.
#[derive(Debug, clap::Subcommand)]
pub enum TargetCommand {
    /// Check a TargetSystem and its Entitlements. Nothing is sent.
    Check(CheckOptions),
    /// Try a TargetSystem and its Entitlements on the live API, with a person made up for it, who is taken back again.
    Test(Box<TestOptions>),
}

/// Which target is meant.
#[derive(Clone, Debug, clap::Args)]
pub struct Which {
    /// Files with the target, its entitlements, and the connection that declares its custom fields: a file, a
    /// directory, or - for standard input. Repeatable.
    #[arg(short, long = "file", value_name = "SOURCE", required = true)]
    files: Vec<Source>,
    /// The TargetSystem's name, where the files have several.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

/// What the command line says to `check`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Exit codes:
  0  all is good
  1  something is wrong; standard error says where and how to mend it
  2  wrong usage, or files that cannot be used")]
pub struct CheckOptions {
    #[command(flatten)]
    which: Which,
}

/// What the command line says to `test`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "What is tried: the probe, the list of accounts, the search, the creation of an account and its read; of each \
Entitlement the search for its object, the grant, another parameter, and the revocation, each with a look before and after; \
then the account's deactivation and deletion. What was made is taken back when something fails, and after Ctrl-C. An account \
that was there before is neither changed nor ended, and what it held before it keeps.

Exit codes:
  0  all was good
  1  something was not, or something that was made could not be taken back
  2  wrong usage, or files or Secrets that cannot be used

Examples:
  rollcall target test -f target.yaml -f entitlements.yaml --email someone@example.com -n acme
  rollcall target test -f . --email someone@example.com --read-only
  rollcall target test -f . --email someone@example.com --secret rabbitmq/password=env:PASSWORD --egress-allow 10.1.2.3/32"
)]
pub struct TestOptions {
    #[command(flatten)]
    which: Which,
    /// An address of a domain of yours: the made-up person's is rollcall-test- and some letters at the same domain. Mail may be
    /// sent to it.
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// An Employee whose facts the made-up person has, such as a custom field; its workEmail too, where it has one.
    #[arg(long, value_name = "SOURCE")]
    employee: Option<Source>,
    /// Only this Entitlement. Repeatable. Default: all of the target's in the files.
    #[arg(long = "entitlement", value_name = "NAME")]
    entitlements: Vec<String>,
    /// Look, and change nothing: probe, lists and searches.
    #[arg(long, conflicts_with = "keep")]
    read_only: bool,
    /// Leave what was made there, to be looked at.
    #[arg(long)]
    keep: bool,
    /// Print bodies too, without what looks like a secret; of http targets. They hold people's data.
    #[arg(long)]
    show_bodies: bool,
    /// Where a key of a Secret is to be had, rather than in the cluster: an environment variable or a file. Repeatable.
    #[arg(long = "secret", value_name = "NAME/KEY=env:VAR|file:PATH", value_parser = SecretSource::parse)]
    secrets: Vec<SecretSource>,
    /// The operator's setting of the same name: what may be reached that is not public.
    #[arg(long, value_name = "RANGE", value_delimiter = ',', value_parser = crate::egress::range)]
    egress_allow: Vec<IpNet>,
    #[command(flatten)]
    cluster: ClusterOptions,
}

/// Does what is asked, prints it, and says with which code the program ends.
pub async fn run(command: &TargetCommand) -> u8 {
    let done = match command {
        TargetCommand::Check(options) => check(options),
        TargetCommand::Test(options) => Box::pin(test(options)).await,
    };
    done.unwrap_or_else(|error| {
        eprintln!("rollcall: {error}");
        USAGE
    })
}

fn check(options: &CheckOptions) -> Result<u8, String> {
    let files = setup::read(&options.which)?;
    let problems = match files.described() {
        Ok(described) => files.problems(&described),
        Err(problems) => problems,
    };
    for problem in &problems {
        eprintln!("rollcall: {problem}");
    }
    let report = Report::new();
    if problems.is_empty() {
        let count = files.entitlements.len();
        report.say(&format!("{} is good, with {count} entitlements", files.name()));
        return Ok(GOOD);
    }
    Ok(FAILED)
}

async fn test(options: &TestOptions) -> Result<u8, String> {
    let files = setup::read(&options.which)?;
    let described = match files.described() {
        Ok(described) => described,
        Err(problems) => {
            for problem in problems {
                eprintln!("rollcall: {problem}");
            }
            return Ok(FAILED);
        }
    };
    let mut interrupted =
        signal(SignalKind::interrupt()).map_err(|error| format!("cannot receive signals: {error}"))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| format!("cannot receive signals: {error}"))?;
    let report = Report::new();
    let setup = Setup::new(&files, described, options, &report).await?;
    report.say(&format!("{} as {}", files.name(), setup.address()));
    let trial = Trial::new(&setup, &report);
    let played = tokio::select! {
        played = trial.play() => played.is_ok(),
        _ = interrupted.recv() => { report.interrupted(); false }
        _ = terminated.recv() => { report.interrupted(); false }
    };
    let clean = trial.clean().await;
    report.close(&trial.left());
    Ok(if played && clean { GOOD } else { FAILED })
}
