//! `rollcall plan`: who would gain and lose what, before anything is applied.

use std::collections::BTreeSet;

use clap::ValueEnum;
use jiff::Timestamp;

use super::cluster::{self, ClusterError, ClusterOptions};
use super::load::{Manifests, Problem, load};
use super::progress::Progress;
use super::render;
use super::source::{Source, SourceError};
use super::tenants::{Inputs, Tenants, combine};
use crate::api::target::Budget;
use crate::decide::Namespace;
use crate::decide::compare::{Comparison, PersonChange, compare};

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "A source is a file, a directory (all *.yaml, *.yml and *.json below it), - for standard input, \
git:REV or git:REV:PATH for files of a revision of this repository, or cluster.

Without --before the plan starts from the cluster, and the files of --after are laid over it as kubectl apply would; with \
--before it needs no cluster, and what is in --before and not in --after is removed. People without a record, as those of \
files, count as having long had what --before gives them. What a CRD's CEL rules refuse is not found here: kubectl apply \
--dry-run=server finds it.

Exit codes:
  0  nothing would change
  2  wrong usage, or input that cannot be used; standard error says where and how to mend it
  3  something would change
  4  something would change, and part of it would be held for a person's decision

Examples:
  rollcall plan --after policies/
  rollcall plan --before git:main:policies --after policies --employees cluster -o markdown
  rollcall plan --before git:HEAD --after . --employees people.json --fail-on held"
)]
pub struct PlanOptions {
    /// What would be applied. Repeatable.
    #[arg(long, value_name = "SOURCE", required = true)]
    after: Vec<Source>,
    /// What is in force now. Repeatable. Default: cluster.
    #[arg(long, value_name = "SOURCE")]
    before: Vec<Source>,
    /// Employees, and what else both sides have, such as entitlements and targets. Repeatable. Default: as --before has it.
    #[arg(long, value_name = "SOURCE")]
    employees: Vec<Source>,
    /// Policies that are not in --after would be removed; entitlements and exceptions too, where --after has any.
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    cluster: ClusterOptions,
    /// How the plan is printed; markdown is fit for a comment on a pull request.
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Output,
    /// How many people each section names, in table and markdown; 0 names all. JSON names all.
    #[arg(long, default_value_t = 50, value_name = "PEOPLE")]
    limit: usize,
    /// Which plans end with 3 or 4 rather than 0.
    #[arg(long, value_enum, default_value = "any", value_name = "WHICH")]
    fail_on: FailOn,
    /// The operator's setting of the same name: it says what would be held.
    #[arg(
        long,
        env = "ROLLCALL_NAMESPACE_MAX_PEOPLE",
        default_value_t = 25,
        value_name = "PEOPLE"
    )]
    namespace_max_people: u32,
    /// The operator's setting of the same name.
    #[arg(long, env = "ROLLCALL_NAMESPACE_MAX_PERCENT", default_value_t = 10, value_name = "PERCENT",
          value_parser = clap::value_parser!(u32).range(0..=100))]
    namespace_max_percent: u32,
    /// Plan as of this instant (RFC 3339) instead of now: what begins and ends by date differs.
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For a terminal.
    Table,
    /// For programs.
    Json,
    /// For a comment on a pull request.
    Markdown,
}

/// Which plans end with a code other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Those that change anything.
    Any,
    /// Those that take something away, now or later, or of which something would be held.
    Losses,
    /// Those of which something would be held.
    Held,
    /// None.
    None,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Options that do not go together.
    #[error("{0}")]
    Usage(String),
    /// A source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The cluster cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What was read cannot be used.
    #[error("{}", lines(.0))]
    Problems(Vec<Problem>),
    /// It cannot be printed.
    #[error("cannot print the plan as JSON")]
    Print(#[from] serde_json::Error),
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let what = match problems.len() {
        1 => "a problem".to_owned(),
        n => format!("{n} problems"),
    };
    format!("{what}, and no plan:\n  {}", lines.join("\n  "))
}

/// A plan, to be printed.
#[derive(Debug)]
pub struct Plan {
    /// What to print.
    pub text: String,
    /// What to end with.
    pub code: u8,
}

/// Makes the plan. It reads, and changes nothing.
pub async fn plan(options: &PlanOptions) -> Result<Plan, PlanError> {
    let now = options.now.unwrap_or_else(Timestamp::now);
    let mut progress = Progress::new();
    let (inputs, left_out) = read(options, &mut progress).await?;
    let namespace = inputs.namespace.clone();
    let Tenants {
        before,
        after,
        problems,
    } = combine(inputs, now);
    if !problems.is_empty() {
        return Err(PlanError::Problems(problems));
    }
    let all = after.employees.len();
    let limits = Budget {
        max_people: options.namespace_max_people,
        max_percent: options.namespace_max_percent,
    };
    let comparison = compare(&before, &after, &limits, now, &mut |count| {
        progress.say(&format_args!("{count} of {all} people compared"));
    });
    progress.end();
    if left_out > 0 {
        eprintln!("rollcall: {left_out} objects of other namespaces than {namespace} were left out");
    }
    let about = render::About {
        namespace: &namespace,
        now,
        limit: if options.limit == 0 { usize::MAX } else { options.limit },
    };
    Ok(Plan {
        text: match options.output {
            Output::Table => render::table(&about, &comparison),
            Output::Json => render::json(&about, &comparison)?,
            Output::Markdown => render::markdown(&about, &comparison),
        },
        code: code(&comparison, options.fail_on),
    })
}

fn code(comparison: &Comparison, fail_on: FailOn) -> u8 {
    let held = comparison.people.iter().any(PersonChange::is_held);
    let loses = |person: &PersonChange| person.going().next().is_some() || !person.later.is_empty();
    let losses = comparison.people.iter().any(loses);
    match fail_on {
        FailOn::None => 0,
        _ if held => 4,
        FailOn::Any if !comparison.people.is_empty() => 3,
        FailOn::Losses if losses => 3,
        FailOn::Any | FailOn::Losses | FailOn::Held => 0,
    }
}

/// All that is to be compared, and how many objects of other namespaces were left out.
async fn read(options: &PlanOptions, progress: &mut Progress) -> Result<(Inputs, usize), PlanError> {
    let sources = || options.before.iter().chain(&options.after).chain(&options.employees);
    if sources().filter(|source| **source == Source::Stdin).count() > 1 {
        return Err(PlanError::Usage(
            "standard input can be read once: name - once".to_owned(),
        ));
    }
    if options.after.contains(&Source::Cluster) {
        return Err(PlanError::Usage(
            "--after says what would be applied, and the cluster is what is there: name files".to_owned(),
        ));
    }
    let mut before = load(&options.before)?;
    let mut after = load(&options.after)?;
    let mut employees = match options.employees.as_slice() {
        [] => None,
        sources => Some(load(sources)?),
    };
    let mut all: Vec<&mut Manifests> = [&mut before, &mut after].into_iter().chain(&mut employees).collect();
    let problems: Vec<Problem> = all
        .iter_mut()
        .flat_map(|read| std::mem::take(&mut read.problems))
        .collect();
    if !problems.is_empty() {
        return Err(PlanError::Problems(problems));
    }
    let named: BTreeSet<String> = all
        .iter()
        .flat_map(|read| read.namespaces())
        .map(str::to_owned)
        .collect();
    let only = match (&options.cluster.namespace, named.len()) {
        (Some(name), _) => Some(name.clone()),
        (None, 0) => None,
        (None, 1) => named.first().cloned(),
        (None, _) => {
            let named: Vec<String> = named.into_iter().collect();
            return Err(PlanError::Usage(format!(
                "the files are of several namespaces ({}), and a plan is for one: name it with --namespace",
                named.join(", ")
            )));
        }
    };
    let from_cluster = options.before.is_empty() || sources().any(|source| *source == Source::Cluster);
    let (cluster, namespace) = if from_cluster {
        let chosen = ClusterOptions {
            namespace: only,
            ..options.cluster.clone()
        };
        let cluster = cluster::connect(&chosen).await?;
        let read = cluster
            .read(&mut |kind, count| progress.say(&format_args!("{count} {kind} read")))
            .await?;
        (Some(read), cluster.namespace)
    } else {
        (None::<Namespace>, only.unwrap_or_else(|| "default".to_owned()))
    };
    let left_out = all.iter_mut().map(|read| read.keep_to(&namespace)).sum();
    let inputs = Inputs {
        cluster,
        employees,
        before,
        after,
        prune: options.prune,
        namespace,
    };
    Ok((inputs, left_out))
}
