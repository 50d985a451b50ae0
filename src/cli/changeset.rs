//! `rollcall changeset`: looks at changes that wait for a decision, and decides as the user.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::cluster::{Cluster, ClusterOptions, connect};
use super::page::{Output, Page, bad, bold, distance, good, open, plain, print_json, when};
use super::tenant::TenantOptions;
use crate::api::ChangeSet;
use crate::api::change_set::{ChangeSetState, Decision};
use crate::decide::explain::{Sheet, sheet, sheets};

/// What `rollcall changeset` does.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum ChangesetCommand {
    /// List the ChangeSets: what waits for a decision first.
    List(ListOptions),
    /// Show one with every change that it is about.
    Show(ShowOptions),
    /// Let the changes go that still wait.
    Approve(DecideOptions),
    /// Keep things as they are, for as long as the same is called for.
    Reject(DecideOptions),
}

/// What `rollcall changeset list` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct ListOptions {
    /// Text for people, or JSON.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Where to look.
    #[command(flatten)]
    pub tenant: TenantOptions,
}

/// What `rollcall changeset show` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct ShowOptions {
    /// Name of the ChangeSet.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Text for people, or JSON.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Where to look.
    #[command(flatten)]
    pub tenant: TenantOptions,
}

/// What `rollcall changeset approve` and `reject` are told.
#[derive(Clone, Debug, clap::Args)]
pub struct DecideOptions {
    /// Name of the ChangeSet.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Why, for those who read it later.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Decide only if this is its digest: what was looked at before, and nothing else.
    #[arg(long, value_name = "DIGEST")]
    pub digest: Option<String>,
    /// Do not ask. Without a terminal this or --digest must be said.
    #[arg(short, long)]
    pub yes: bool,
    /// Which cluster and namespace.
    #[command(flatten)]
    pub cluster: ClusterOptions,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// It is not what was looked at.
    #[error(
        "the digest of ChangeSet {name} is {actual}, not {asked}: look at it with `rollcall changeset show {name}`"
    )]
    OtherDigest {
        /// Its name.
        name: String,
        /// Its digest.
        actual: String,
        /// The digest that was insisted on.
        asked: String,
    },
    /// The controller has not said what is in it.
    #[error("ChangeSet {0} has no digest yet: wait a moment, and look again")]
    NoDigest(String),
    /// A decision stays.
    #[error("ChangeSet {name} was decided ({decision:?}) and stays so: what is called for again goes into a new one")]
    Decided {
        /// Its name.
        name: String,
        /// What was decided.
        decision: Decision,
    },
    /// Nothing is left to decide on.
    #[error("nothing of ChangeSet {0} waits any more, so there is nothing to decide")]
    Done(String),
    /// The reason is empty.
    #[error("--reason is empty: say why, for those who read it later")]
    NoReason,
    /// Nobody can be asked.
    #[error("nothing was decided: there is no terminal to ask at, so say --yes, or --digest with what you looked at")]
    NoTerminal,
    /// The answer was no.
    #[error("nothing was decided")]
    Declined,
    /// The user may not.
    #[error(
        "you may not decide on changes in namespace {namespace}: you need the ClusterRole rollcall-approve in this namespace"
    )]
    Forbidden {
        /// The namespace.
        namespace: String,
        /// What the API server said.
        #[source]
        error: Box<kube::Error>,
    },
    /// It is gone.
    #[error("ChangeSet {0} is not there any more")]
    Gone(String),
    /// The API server refuses, in its own words.
    #[error("the decision was refused: {0}")]
    Refused(String),
    /// The API server cannot be asked.
    #[error("the decision could not be written")]
    Write(#[source] Box<kube::Error>),
    /// The terminal cannot be read.
    #[error("cannot read the answer")]
    Answer(#[source] std::io::Error),
}

/// Lists, shows or decides.
pub async fn run(command: &ChangesetCommand) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        ChangesetCommand::List(options) => {
            let sheets = sheets(&options.tenant.read().await?);
            match options.output {
                Output::Text => list(&sheets, options.tenant.now()).print()?,
                Output::Json => print_json(&sheets)?,
            }
        }
        ChangesetCommand::Show(options) => {
            let sheet = sheet(&options.tenant.read().await?, &options.name)?;
            match options.output {
                Output::Text => show(&sheet, options.tenant.now()).print()?,
                Output::Json => print_json(&sheet)?,
            }
        }
        ChangesetCommand::Approve(options) => decide(options, Decision::Approve).await?,
        ChangesetCommand::Reject(options) => decide(options, Decision::Reject).await?,
    }
    Ok(())
}

/// The list as a table.
pub fn list(sheets: &[Sheet], now: Timestamp) -> Page {
    let mut page = Page::default();
    if sheets.is_empty() {
        page.text(0, "Nothing waits for a decision, and nothing was decided lately.");
        return page;
    }
    let rows: Vec<[String; 8]> = sheets
        .iter()
        .map(|sheet| {
            let age = sheet.opened_at.map(|at| distance(at, now));
            [
                sheet.name.clone(),
                sheet.cause.clone(),
                format!("{:?}", sheet.state),
                sheet.people.to_string(),
                sheet.changes.to_string(),
                sheet.waiting.to_string(),
                age.unwrap_or("-".to_owned()),
                sheet.reason.clone().unwrap_or("-".to_owned()),
            ]
        })
        .collect();
    page.table(
        [
            "NAME", "CAUSE", "STATE", "PEOPLE", "CHANGES", "WAITING", "OPENED", "REASON",
        ],
        &rows,
    );
    page
}

/// One with every change that it is about.
pub fn show(sheet: &Sheet, now: Timestamp) -> Page {
    let mut page = Page::default();
    let state = match sheet.state {
        ChangeSetState::Open => open("Open"),
        ChangeSetState::Approved => good("Approved"),
        ChangeSetState::Rejected => bad("Rejected"),
        ChangeSetState::Done => plain("Done"),
    };
    page.line(
        0,
        &[
            bold(&sheet.name),
            plain(": "),
            state,
            plain(format!(
                ", {} changes for {} people, {} waiting",
                sheet.changes, sheet.people, sheet.waiting
            )),
        ],
    );
    page.text(2, format!("cause: {}", sheet.cause));
    if !sheet.why.is_empty() {
        page.text(2, format!("why: {}", sheet.why));
    }
    for share in &sheet.targets {
        let (target, changes, people) = (&share.target, share.changes, share.people);
        page.text(2, format!("at {target}: {changes} changes for {people} people"));
    }
    for (verb, at) in [("opened", sheet.opened_at), ("closed", sheet.closed_at)] {
        if let Some(at) = at {
            page.text(2, format!("{verb} {}", when(at, now)));
        }
    }
    page.text(2, format!("digest: {}", sheet.digest));
    if let Some(decision) = sheet.decision {
        let reason = sheet.reason.as_ref().map(|reason| format!(": {reason}"));
        page.text(2, format!("decided: {decision:?}{}", reason.unwrap_or_default()));
    }
    page.blank();
    if sheet.members.is_empty() {
        page.text(0, "No record names it now. When it was made it had:");
        for line in &sheet.sample {
            page.text(2, line);
        }
    } else {
        let rows: Vec<[String; 4]> = sheet
            .members
            .iter()
            .map(|held| {
                [
                    held.person.clone(),
                    held.change.clone(),
                    held.target.clone(),
                    held.state.clone(),
                ]
            })
            .collect();
        page.table(["PERSON", "CHANGE", "TARGET", "STATE"], &rows);
    }
    if sheet.state == ChangeSetState::Open {
        let (name, digest) = (&sheet.name, &sheet.digest);
        page.blank();
        page.text(0, "To decide on exactly these:");
        for verb in ["approve", "reject"] {
            page.text(
                2,
                format!("rollcall changeset {verb} {name} --digest {digest} --reason \"...\""),
            );
        }
    }
    page
}

async fn decide(options: &DecideOptions, decision: Decision) -> Result<(), Box<dyn std::error::Error>> {
    let cluster = connect(&options.cluster).await?;
    let sheet = sheet(&cluster.read(&mut |_, _| ()).await?, &options.name)?;
    may_be_decided(&sheet, options)?;
    if !options.yes {
        if std::io::stdin().is_terminal() {
            show(&sheet, Timestamp::now()).print()?;
            ask(&sheet, decision)?;
        } else if options.digest.is_none() {
            return Err(DecisionError::NoTerminal.into());
        }
    }
    write(&cluster, &sheet, decision, &options.reason).await?;
    let said = match decision {
        Decision::Approve => "approved: what still waits is let go",
        Decision::Reject => "rejected: things stay as they are",
    };
    println!("ChangeSet {} {said}", sheet.name);
    Ok(())
}

/// Whether there is something to decide on, and it is what was looked at.
fn may_be_decided(sheet: &Sheet, options: &DecideOptions) -> Result<(), DecisionError> {
    let name = || sheet.name.clone();
    if options.reason.trim().is_empty() {
        return Err(DecisionError::NoReason);
    }
    if let Some(decision) = sheet.decision {
        return Err(DecisionError::Decided { name: name(), decision });
    }
    if sheet.state == ChangeSetState::Done {
        return Err(DecisionError::Done(name()));
    }
    if sheet.digest.is_empty() {
        return Err(DecisionError::NoDigest(name()));
    }
    match &options.digest {
        Some(asked) if *asked != sheet.digest => Err(DecisionError::OtherDigest {
            name: name(),
            actual: sheet.digest.clone(),
            asked: asked.clone(),
        }),
        _ => Ok(()),
    }
}

fn ask(sheet: &Sheet, decision: Decision) -> Result<(), DecisionError> {
    eprint!(
        "\n{decision:?} these {} changes for {} people? Type yes: ",
        sheet.changes, sheet.people
    );
    std::io::stderr().flush().map_err(DecisionError::Answer)?;
    let mut answer = String::new();
    let mut terminal = std::io::stdin().lock();
    terminal.read_line(&mut answer).map_err(DecisionError::Answer)?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(DecisionError::Declined)
    }
}

/// Writes the decision with the digest that was shown, so that the API server refuses it for anything else.
async fn write(cluster: &Cluster, sheet: &Sheet, decision: Decision, reason: &str) -> Result<(), DecisionError> {
    let sets: Api<ChangeSet> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let spec = json!({"spec": {"decision": decision, "digest": sheet.digest, "reason": reason}});
    let params = PatchParams {
        field_manager: Some("rollcall-cli".to_owned()),
        ..PatchParams::default()
    };
    match sets.patch(&sheet.name, &params, &Patch::Merge(&spec)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 403 => Err(DecisionError::Forbidden {
            namespace: cluster.namespace.clone(),
            error: Box::new(kube::Error::Api(status)),
        }),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(DecisionError::Gone(sheet.name.clone())),
        Err(kube::Error::Api(status)) if status.code == 422 => Err(DecisionError::Refused(status.message)),
        Err(error) => Err(DecisionError::Write(Box::new(error))),
    }
}
