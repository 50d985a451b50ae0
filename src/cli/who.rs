//! `rollcall who`: who has an entitlement, is to have it, or is about to lose it, and why.

use super::page::{Output, Page, print_json};
use super::tenant::TenantOptions;
use crate::api::entitlement::Ownership;
use crate::decide::explain::{Holder, Holders, Stranger, who};

/// What `rollcall who` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct WhoOptions {
    /// The entitlement.
    #[arg(value_name = "ENTITLEMENT")]
    pub entitlement: String,
    /// Text for people, or JSON.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Where to look.
    #[command(flatten)]
    pub tenant: TenantOptions,
}

/// Looks, and prints.
pub async fn run(options: &WhoOptions) -> Result<(), Box<dyn std::error::Error>> {
    let namespace = options.tenant.read().await?;
    let holders = who(&namespace, &options.entitlement, options.tenant.now())?;
    match options.output {
        Output::Text => render(&holders).print()?,
        Output::Json => print_json(&holders)?,
    }
    Ok(())
}

/// The holders as a table.
pub fn render(holders: &Holders) -> Page {
    let mut page = Page::default();
    let counts = holders.counts;
    let mut about = format!("{} at {}", holders.entitlement, holders.target);
    if !holders.description.is_empty() {
        about = format!("{about}: {}", holders.description);
    }
    page.text(0, about);
    let mut figures = format!(
        "{} granted, {} pending, {} held, {} failed",
        counts.granted, counts.pending, counts.held, counts.failed
    );
    if let Some(unmanaged) = holders.unmanaged.filter(|unmanaged| *unmanaged > 0) {
        figures = format!("{figures}; {unmanaged} more at the target that no record explains");
    }
    page.text(0, figures);
    if !holders.people.is_empty() {
        page.blank();
        let rows: Vec<[String; 6]> = holders.people.iter().map(row).collect();
        page.table(["EMPLOYEE", "PERSON", "STATE", "SINCE", "BY", "WHY"], &rows);
    }
    if !holders.strangers.is_empty() {
        page.blank();
        page.text(
            0,
            match holders.ownership {
                Ownership::Additive => "By no record, and left, since ownership is Additive:",
                Ownership::Authoritative => {
                    "By no record, and to go unless it says otherwise, since ownership is Authoritative:"
                }
            },
        );
        let rows: Vec<[String; 5]> = holders.strangers.iter().map(stranger).collect();
        page.table(["ACCOUNT", "EMPLOYEE", "STATE", "SINCE", "WHY"], &rows);
    }
    page
}

fn stranger(stranger: &Stranger) -> [String; 5] {
    let or_dash = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    [
        stranger.account.clone(),
        or_dash(&stranger.employee),
        format!("{:?}", stranger.state),
        stranger.since.map_or("-".to_owned(), |at| at.to_string()),
        or_dash(&stranger.because),
    ]
}

fn row(holder: &Holder) -> [String; 6] {
    let state = holder.state.map_or("ToGrant".to_owned(), |state| format!("{state:?}"));
    let since = holder.since.map(|at| at.to_string());
    let person = holder.display_name.as_ref().or(holder.work_email.as_ref());
    // The policies have a column of their own.
    let why = holder.because.iter().find(|why| !why.starts_with("given by "));
    let or_dash = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or("-".to_owned());
    [
        holder.employee.clone(),
        or_dash(person.cloned()),
        state,
        or_dash(since),
        or_dash(Some(holder.grantors.join(", "))),
        or_dash(why.cloned()),
    ]
}
