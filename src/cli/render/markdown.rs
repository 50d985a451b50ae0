//! For a comment on a pull request.

use std::fmt::Write as _;

use super::{About, SECTIONS, Summary, access, approval, edit, one_line, people, rows};
use crate::decide::compare::Comparison;

/// The plan as GitHub-flavoured Markdown: what matters first, the people folded away.
pub fn markdown(about: &About<'_>, comparison: &Comparison) -> String {
    let mut out = format!(
        "### Rollcall plan for namespace `{}`\n\n**{}**\n",
        about.namespace,
        Summary::of(comparison).sentence()
    );
    for held in &comparison.held {
        let _ = write!(
            out,
            "\n> **Held:** {} changes of {}: {} Once applied, they wait in ChangeSet `{}` with digest `{}`; to let them go: \
             `{}`\n",
            held.changes,
            people(held.people as usize),
            safe(&held.why),
            held.change_set,
            held.digest,
            approval(about, &held.change_set)
        );
    }
    let policies = comparison.policies.iter().map(|total| {
        let mode = total.mode.map_or_else(|| "-".to_owned(), |mode| format!("{mode:?}"));
        let matches = format!("{} → {}", total.matched_before, total.matched_after);
        [format!("`{}`", total.policy), edit(total).to_owned(), mode, matches]
    });
    table(
        &mut out,
        about.limit,
        ["Policy", "Edit", "Mode", "People matched"],
        policies,
    );
    let totals = comparison.entitlements.iter().map(|total| {
        [
            format!("`{}`", access(&total.access)),
            total.gains.to_string(),
            total.losses.to_string(),
            total.held.to_string(),
            total.parameters.to_string(),
        ]
    });
    table(
        &mut out,
        about.limit,
        ["Entitlement", "Gain", "Lose", "Held", "Other parameters"],
        totals,
    );
    for section in SECTIONS {
        let (rows, more) = rows(section, comparison, about.limit);
        if rows.is_empty() {
            continue;
        }
        let count = rows
            .iter()
            .map(|row| &row.who)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            + more;
        let _ = write!(out, "\n<details><summary>{}: {}</summary>\n", section.0, people(count));
        let rows = rows
            .into_iter()
            .map(|row| [safe(&row.who), format!("`{}`", row.what), safe(&row.why)]);
        table(&mut out, usize::MAX, ["Person", "What", "Why"], rows);
        if more > 0 {
            let _ = write!(out, "\nand {more} more\n");
        }
        out.push_str("\n</details>\n");
    }
    for planned in &comparison.planned {
        let _ = write!(
            out,
            "\n`{}` is in mode Plan and changes nothing. Enforced it would give {} and take {}.\n",
            planned.policy, planned.report.would_grant, planned.report.would_revoke
        );
    }
    if !comparison.unknown.is_empty() {
        out.push_str("\n**Cannot be told**, so that nothing is given or taken for it:\n\n");
    }
    for unknown in &comparison.unknown {
        let _ = writeln!(
            out,
            "- `{}` for {}: {}",
            unknown.policy,
            people(unknown.people),
            safe(&unknown.why)
        );
    }
    let _ = write!(
        out,
        "\n<sub>{} looked at, as of {}.</sub>\n",
        people(comparison.looked_at),
        about.now
    );
    out
}

/// A table; nothing, where there are no rows.
fn table<const N: usize>(out: &mut String, limit: usize, head: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let _ = write!(out, "\n| {} |\n|{}\n", head.join(" | "), " --- |".repeat(N));
    for row in rows.iter().take(limit) {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    if rows.len() > limit {
        let _ = write!(out, "\nand {} more\n", rows.len() - limit);
    }
}

/// Text that nobody here wrote, so that it neither formats, links nor mentions anybody.
fn safe(text: &str) -> String {
    let mut out = String::new();
    for c in one_line(text).chars() {
        match c {
            '@' | '<' | '>' | '&' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '\\' | '~' | '!' | '$' => {
                let _ = write!(out, "&#{};", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}
