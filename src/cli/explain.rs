//! `rollcall explain`: why a person has what they have, and why not what they have not.

use jiff::Timestamp;

use super::page::{Output, Page, Span, bad, bold, distance, good, open, plain, print_json, when};
use super::tenant::TenantOptions;
use crate::api::employee::{GrantState, Phase, SourceState};
use crate::api::policy::Effect;
use crate::decide::explain::{
    Access, AccountReport, ExceptionReport, Explanation, PolicyReport, Says, Terms, explain, find,
};
use crate::decide::selector::{ClauseView, KeyView, Tri};

/// What `rollcall explain` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct ExplainOptions {
    /// The person: name of the Employee, work email or employee number.
    #[arg(value_name = "EMPLOYEE")]
    pub employee: String,
    /// The entitlement; by default everything that concerns the person.
    #[arg(value_name = "ENTITLEMENT")]
    pub entitlement: Option<String>,
    /// Text for people, or JSON.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Where to look.
    #[command(flatten)]
    pub tenant: TenantOptions,
}

/// Explains, and prints.
pub async fn run(options: &ExplainOptions) -> Result<(), Box<dyn std::error::Error>> {
    let namespace = options.tenant.read().await?;
    let person = find(&namespace, &options.employee)?;
    let entitlement = options.entitlement.as_deref();
    let explanation = explain(&namespace, person, entitlement, options.tenant.now())?;
    match options.output {
        Output::Text => render(&explanation, entitlement.is_some()).print()?,
        Output::Json => print_json(&explanation)?,
    }
    Ok(())
}

/// The explanation as text. With `whole`, policies that say nothing are told key by key as well.
pub fn render(explanation: &Explanation, whole: bool) -> Page {
    let mut page = Page::default();
    person(&mut page, explanation);
    for access in &explanation.entitlements {
        page.blank();
        entitlement(&mut page, access, explanation, whole);
    }
    if !whole && explanation.entitlements.is_empty() {
        page.blank();
        page.text(0, "Nothing is given or on record.");
    }
    if !explanation.not_given.is_empty() {
        page.blank();
        page.text(0, format!("Not given: {}", explanation.not_given.join(", ")));
        let name = &explanation.person.employee;
        page.text(2, format!("why not: `rollcall explain {name} ENTITLEMENT`"));
    }
    page
}

fn person(page: &mut Page, explanation: &Explanation) {
    let (who, now) = (&explanation.person, explanation.at);
    let number = who.employee_number.as_ref().map(|number| format!("number {number}"));
    let known: Vec<String> = who.work_email.clone().into_iter().chain(number).collect();
    let name = match &who.display_name {
        Some(name) => format!("{name} ({})", who.employee),
        None => who.employee.clone(),
    };
    let after = if known.is_empty() { "" } else { ", " };
    page.line(0, &[bold(name), plain(format!("{after}{}", known.join(", ")))]);
    let mut job: Vec<String> = who.job_title.iter().cloned().collect();
    job.extend((!who.departments.is_empty()).then(|| format!("in {}", who.departments.join(" and "))));
    job.extend(who.manager.as_ref().map(|manager| format!("under {manager}")));
    if !job.is_empty() {
        page.text(2, job.join(", "));
    }

    let phase = &explanation.phase;
    let tone: fn(String) -> Span = match phase.phase {
        Phase::Active | Phase::OnLeave => good,
        Phase::PreHire | Phase::Leaving => open,
        Phase::Terminated | Phase::Missing => bad,
    };
    let mut line = vec![plain("Phase: "), tone(format!("{:?}", phase.phase))];
    line.push(plain(format!(" by {}", phase.facts.join(", "))));
    page.line(0, &line);
    if let Some(recorded) = phase.recorded {
        page.text(2, format!("on record is {recorded:?}, from before"));
    }
    for doubt in &phase.doubts {
        page.line(2, &[open(doubt)]);
    }
    if let Some(frozen) = &phase.frozen {
        page.line(2, &[open(frozen)]);
    }

    match &explanation.source {
        None => page.text(0, "Facts: by hand or from Git, since there is no connectionRef"),
        Some(source) => {
            let synced = source.last_trusted_sync.map_or("never".to_owned(), |at| when(at, now));
            let connection = &source.connection;
            page.text(
                0,
                format!("Facts: from HRISConnection {connection}, last trusted sync {synced}"),
            );
            if let Some(since) = source.since {
                let state = match source.state {
                    SourceState::Present => "listed",
                    SourceState::Absent => "not listed",
                    SourceState::Deleted => "deleted",
                };
                page.text(2, format!("{state} there since {}", when(since, now)));
            }
            if !source.unconfirmed.is_empty() {
                let names = source.unconfirmed.join(", ");
                page.line(
                    2,
                    &[open(format!(
                        "had a value and have none now, not confirmed yet: {names}"
                    ))],
                );
            }
            if let Some(trouble) = &source.trouble {
                page.line(2, &[bad(trouble)]);
            }
        }
    }
    for account in &explanation.accounts {
        page.line(0, &account_line(account, now));
    }
    for (at, next) in explanation.next.iter().enumerate() {
        let head = if at == 0 { "Next: " } else { "Then: " };
        page.text(0, format!("{head}{}, {}", when(next.at, now), next.what));
    }
}

fn account_line(account: &AccountReport, now: Timestamp) -> Vec<Span> {
    let mut text = format!("Account at {}: {:?}", account.target, account.state);
    if !account.id.is_empty() {
        text = format!("{text}, {}", account.id);
    }
    if let Some(at) = account.scheduled_at {
        text = format!("{text}, deleted {}", when(at, now));
    }
    for note in &account.notes {
        text = format!("{text}; {note}");
    }
    vec![plain(text)]
}

fn entitlement(page: &mut Page, access: &Access, explanation: &Explanation, whole: bool) {
    let now = explanation.at;
    let state = match (access.state, access.wanted) {
        (Some(state), _) => {
            let tone: fn(String) -> Span = match state {
                GrantState::Granted | GrantState::Updating | GrantState::Invited => good,
                GrantState::Failed | GrantState::Unknown | GrantState::Contended => bad,
                GrantState::Revoked => plain,
                _ => open,
            };
            tone(format!("{state:?}"))
        }
        (None, Tri::True) if access.blocked.is_some() => open("not held, wanted and blocked"),
        (None, Tri::True) => open("not held, to be granted"),
        (None, Tri::Unknown) => open("not held, cannot be decided"),
        (None, Tri::False) => plain("not held"),
    };
    let since = access.since.map(|at| format!(" since {}", when(at, now)));
    page.line(
        0,
        &[
            bold(&access.entitlement),
            plain(": "),
            state,
            plain(since.unwrap_or_default()),
        ],
    );
    let remote = access
        .remote
        .as_ref()
        .map(|remote| format!("{} {}", remote.kind, remote.id));
    let place = match (remote, access.target.as_str()) {
        (_, "") => String::new(),
        (Some(remote), target) => format!("{remote} at {target}"),
        (None, target) => format!("at {target}"),
    };
    let about = [access.description.trim_end_matches('.'), &place];
    let about: Vec<&str> = about.into_iter().filter(|text| !text.is_empty()).collect();
    if !about.is_empty() {
        page.text(2, about.join("; "));
    }
    for why in &access.because {
        page.text(2, format!("- {why}"));
    }
    for next in &access.next {
        page.text(2, format!("- next: {}, {}", when(next.at, now), next.what));
    }
    for given in &access.exceptions {
        exception(page, given, now);
    }
    let (spoken, silent): (Vec<_>, Vec<_>) = access
        .policies
        .iter()
        .partition(|policy| whole || policy.says != Says::Nothing || access.grantors.contains(&policy.name));
    for report in spoken {
        policy(page, report);
    }
    if !silent.is_empty() {
        let names: Vec<&str> = silent.iter().map(|policy| policy.name.as_str()).collect();
        let verb = if names.len() == 1 { "says" } else { "say" };
        page.text(
            2,
            format!("also named by {}, which {verb} nothing here", names.join(", ")),
        );
    }
    if whole && access.policies.is_empty() {
        page.text(2, "no policy names it");
    }
}

fn exception(page: &mut Page, exception: &ExceptionReport, now: Timestamp) {
    let ends = match (&exception.void, &exception.then) {
        (Some(void), _) => void.clone(),
        (None, Some(then)) => format!("ends {}, then {then}", distance(exception.expires_at, now)),
        (None, None) => format!("ends {}", distance(exception.expires_at, now)),
    };
    let (name, effect) = (&exception.name, exception.effect);
    page.text(
        2,
        format!(
            "AccessException {name}, {effect:?}: {}; {ends}",
            exception.reason.trim_end_matches('.')
        ),
    );
}

fn policy(page: &mut Page, report: &PolicyReport) {
    let says = match report.says {
        Says::Gives => good("gives it"),
        Says::Denies => bad("denies it"),
        Says::Overruled => open("is overruled"),
        Says::Keeps => open("keeps what it gave"),
        Says::CannotTell => open("cannot be told"),
        Says::WouldGive => open("would give it"),
        Says::WouldDeny => open("would deny it"),
        Says::Nothing => plain("says nothing"),
    };
    let head = [
        plain("policy "),
        bold(&report.name),
        plain(" "),
        says,
        plain(format!(": {}", report.why)),
    ];
    page.line(2, &head);
    let Some(terms) = &report.terms else { return };
    page.text(4, terms_line(terms));
    let selector = &terms.selector;
    if let Some(error) = &selector.error {
        page.line(4, &[open(format!("the selector is wrong: {error}"))]);
    }
    for view in &selector.all {
        key(page, 4, "", view);
    }
    clauses(page, "one of these must hold", &selector.any_of);
    clauses(page, "none of these may hold", &selector.not);
}

fn terms_line(terms: &Terms) -> String {
    let phases: Vec<String> = terms.phases.iter().map(|phase| format!("{phase:?}")).collect();
    let mut line = format!("{:?}, {:?} in {}", terms.mode, terms.effect, phases.join(", "));
    if terms.effect == Effect::Grant && terms.priority != 0 {
        line = format!("{line}; priority {}", terms.priority);
    }
    for (name, duration) in [("startBefore", &terms.start_before), ("grace", &terms.grace)] {
        if let Some(duration) = duration {
            line = format!("{line}; {name} {}", duration.as_str());
        }
    }
    for (name, value) in &terms.parameters {
        line = format!("{line}; {name}={value}");
    }
    line
}

fn clauses(page: &mut Page, title: &str, clauses: &[ClauseView]) {
    if clauses.is_empty() {
        return;
    }
    page.text(4, format!("{title}:"));
    for clause in clauses {
        for (at, view) in clause.keys.iter().enumerate() {
            key(page, 6, if at == 0 { "- " } else { "  and " }, view);
        }
    }
}

/// `department in [Engineering]: true, is Company > Engineering > Platform`
fn key(page: &mut Page, indent: usize, before: &str, view: &KeyView) {
    let answer = match view.answer {
        Tri::True => good("true"),
        Tri::False => bad("false"),
        Tri::Unknown => open("unknown"),
    };
    let why = view.why.as_ref().map(|why| format!("; {why}"));
    let fact = format!(", is {}{}", view.actual, why.unwrap_or_default());
    let indent = indent + before.len() - before.trim_start().len();
    let key = [before.trim_start(), &view.key].concat();
    if view.expected.is_empty() {
        page.line(indent, &[plain(format!("{key}: ")), answer]);
    } else {
        page.line(
            indent,
            &[plain(format!("{key} {}: ", view.expected)), answer, plain(fact)],
        );
    }
}
