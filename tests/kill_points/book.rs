//! Which points were tried, and which are next: shared by all tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rollcall_support::proxy::{Fired, When};
use rollcall_support::story::{Chapter, shape};

/// After so many violations there is enough to look at.
const ENOUGH: usize = 5;
const BOTH: [When; 2] = [When::Before, When::After];

/// Where to kill.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Before the request or after its answer.
    pub when: When,
    /// The number of the request.
    pub number: u64,
}

impl Display for Point {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let when = if self.when == When::Before { "before" } else { "after" };
        write!(f, "killed {when} request {}", self.number)
    }
}

/// One row: a chapter, before or after.
#[derive(Debug, Default)]
struct Row {
    given: u64,
    end: Option<u64>,
    tried: u64,
    shapes: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Pages {
    rows: BTreeMap<(Chapter, bool), Row>,
    seen: BTreeMap<Chapter, BTreeSet<String>>,
    violations: Vec<String>,
}

/// The book that all tenants share.
#[derive(Debug, Clone, Default)]
pub struct Book(Arc<Mutex<Pages>>);

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any chapter has points left.
    pub fn is_open(&self) -> bool {
        let pages = self.pages();
        let ended = |chapter, when| {
            let row = pages.rows.get(&(chapter, when == When::Before));
            row.is_some_and(|row| row.end.is_some_and(|end| row.given >= end))
        };
        let all = Chapter::ALL
            .into_iter()
            .flat_map(|chapter| BOTH.map(|when| (chapter, when)));
        pages.violations.len() < ENOUGH && !all.into_iter().all(|(chapter, when)| ended(chapter, when))
    }

    /// The next point of a chapter; none where all were tried.
    pub fn next(&self, chapter: Chapter) -> Option<Point> {
        let mut pages = self.pages();
        let left = BOTH.into_iter().filter_map(|when| {
            let row = pages.rows.entry((chapter, when == When::Before)).or_default();
            let number = row.given + 1;
            row.end
                .is_none_or(|end| number < end)
                .then_some(Point { when, number })
        });
        let point = left.min_by_key(|point| point.number)?;
        pages
            .rows
            .entry((chapter, point.when == When::Before))
            .or_default()
            .given += 1;
        Some(point)
    }

    /// The operator was killed at a point.
    pub fn tried(&self, chapter: Chapter, fired: &Fired) {
        let mut pages = self.pages();
        let row = pages.rows.entry((chapter, fired.when == When::Before)).or_default();
        row.tried += 1;
        row.shapes.insert(shape(&fired.entry.request));
    }

    /// The chapter has fewer requests than that.
    pub fn ended(&self, chapter: Chapter, point: Point) {
        let mut pages = self.pages();
        let row = pages.rows.entry((chapter, point.when == When::Before)).or_default();
        row.end = Some(row.end.map_or(point.number, |end| end.min(point.number)));
    }

    /// What a chapter without a kill sends.
    pub fn seen(&self, chapter: Chapter, shapes: impl Iterator<Item = String>) {
        self.pages().seen.entry(chapter).or_default().extend(shapes);
    }

    /// Something is not as it must be.
    pub fn violated(&self, what: String) {
        eprintln!("VIOLATION {what}");
        self.pages().violations.push(what);
    }

    /// What was not as it must be.
    pub fn violations(&self) -> Vec<String> {
        self.pages().violations.clone()
    }

    /// Requests that a chapter sends and at which the operator was never killed, before or after. The order of requests
    /// to several servers varies a little, so that numbers alone do not prove that all were hit.
    pub fn missed(&self) -> Vec<String> {
        let pages = self.pages();
        let mut missed = Vec::new();
        for (chapter, seen) in &pages.seen {
            for when in BOTH {
                let hit = pages
                    .rows
                    .get(&(*chapter, when == When::Before))
                    .map(|row| row.shapes.clone());
                let not_hit = seen.difference(&hit.unwrap_or_default()).cloned().collect::<Vec<_>>();
                missed.extend(not_hit.into_iter().map(|shape| format!("{chapter}, {when:?}: {shape}")));
            }
        }
        missed
    }
}

impl Display for Book {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let pages = self.pages();
        let tried = |chapter, before| pages.rows.get(&(chapter, before)).map_or(0, |row| row.tried);
        let chapters: Vec<String> = Chapter::ALL
            .iter()
            .map(|&chapter| format!("{chapter} {}+{}", tried(chapter, true), tried(chapter, false)))
            .collect();
        let total: u64 = pages.rows.values().map(|row| row.tried).sum();
        writeln!(
            f,
            "kill points (before+after): {}: {total} tried, {} violations",
            chapters.join(", "),
            pages.violations.len()
        )
    }
}
