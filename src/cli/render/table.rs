//! For a terminal.

use std::fmt::Write as _;

use super::{About, SECTIONS, Summary, access, approval, edit, one_line, people, rows};
use crate::decide::compare::Comparison;

/// The plan as text in columns.
pub fn table(about: &About<'_>, comparison: &Comparison) -> String {
    let mut out = format!(
        "Plan for namespace {} as of {}, {} looked at.\n{}\n",
        about.namespace,
        about.now,
        people(comparison.looked_at),
        Summary::of(comparison).sentence()
    );
    let rows_of_policies = comparison.policies.iter().map(|total| {
        let mode = total.mode.map_or_else(|| "-".to_owned(), |mode| format!("{mode:?}"));
        let before = total.matched_before.to_string();
        [
            total.policy.clone(),
            edit(total).to_owned(),
            mode,
            before,
            total.matched_after.to_string(),
        ]
    });
    columns(
        &mut out,
        about.limit,
        ["POLICY", "EDIT", "MODE", "MATCHES", "WOULD MATCH"],
        rows_of_policies,
    );
    let totals = comparison.entitlements.iter().map(|total| {
        [
            access(&total.access),
            total.gains.to_string(),
            total.losses.to_string(),
            total.held.to_string(),
            total.parameters.to_string(),
        ]
    });
    columns(
        &mut out,
        about.limit,
        ["ENTITLEMENT", "GAIN", "LOSE", "HELD", "PARAMETERS"],
        totals,
    );
    let totals = comparison.targets.iter().map(|total| {
        [
            total.target.clone(),
            total.holders.to_string(),
            total.people_gaining.to_string(),
            total.people_losing.to_string(),
            total.people_held.to_string(),
        ]
    });
    columns(
        &mut out,
        about.limit,
        ["TARGET", "HOLDERS", "GAINING", "LOSING", "HELD"],
        totals,
    );
    for section in SECTIONS {
        let (rows, more) = rows(section, comparison, about.limit);
        if rows.is_empty() {
            continue;
        }
        let rows = rows.into_iter().map(|row| [row.who, row.what, row.why]);
        let title = section.0.to_uppercase();
        columns(&mut out, usize::MAX, ["PERSON", &title, "WHY"], rows);
        if more > 0 {
            let _ = writeln!(out, "and {more} more people (--limit 0 names all)");
        }
    }
    for held in &comparison.held {
        let _ = write!(
            out,
            "\nHeld in {}: {} of {}, digest {}\n  why: {}\n  once it is there: {}\n",
            held.change_set,
            changes(held.changes),
            people(held.people as usize),
            held.digest,
            one_line(&held.why),
            approval(about, &held.change_set)
        );
    }
    for planned in &comparison.planned {
        let _ = write!(
            out,
            "\nPolicy {} is in mode Plan and changes nothing. Enforced it would give {} and take {}, digest {}\n",
            planned.policy, planned.report.would_grant, planned.report.would_revoke, planned.report.digest
        );
    }
    if !comparison.unknown.is_empty() {
        out.push_str("\nCannot be told, so that nothing is given or taken for it:\n");
    }
    for unknown in &comparison.unknown {
        let who = people(unknown.people);
        let _ = writeln!(out, "  policy {} for {who}: {}", unknown.policy, one_line(&unknown.why));
    }
    out
}

fn changes(count: usize) -> String {
    match count {
        1 => "1 change".to_owned(),
        n => format!("{n} changes"),
    }
}

/// Rows in columns as wide as they need to be; nothing, where there are no rows.
fn columns<const N: usize>(out: &mut String, limit: usize, head: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let shown = &rows[..rows.len().min(limit)];
    let width = |column: usize| {
        let cells = shown.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut line = |cells: &[&str]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let _ = writeln!(out, "{}", padded.join("  ").trim_end());
    };
    line(&[""]);
    line(&head);
    for row in shown {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        line(&cells);
    }
    if rows.len() > shown.len() {
        let _ = writeln!(out, "and {} more", rows.len() - shown.len());
    }
}
