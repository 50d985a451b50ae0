//! Which points were tried, and which are next: shared by all tenants.
//!
//! The requests of a chapter go to several servers, so their order varies a little, and a number alone does not say which
//! one it will be. A point is therefore the nth request of a shape. Chapters without a kill show which there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter, Result};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rollcall_support::proxy::When;

/// After so many violations there is enough to look at.
const ENOUGH: usize = 5;
/// Which sample is taken.
const SEED: u64 = 5;
/// How often a point is given out until it comes up.
const GIVEN: usize = 3;
/// The moments of a request.
const WHENS: [When; 3] = [When::Before, When::After, When::Answered];
/// Kinds whose status holds figures: how many patches the same news takes varies, so that only the first is sure.
const FIGURES: [&str; 3] = ["provisioningpolicies", "entitlements", "targetsystems"];

/// Where to kill.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// What the request is, as `shape` says it.
    pub shape: String,
    /// The how manyth of these, from 1.
    pub nth: usize,
    /// Before the request, after it was done, or after it was answered.
    pub when: When,
}

impl Display for Point {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let when = match self.when {
            When::Before => "before",
            When::After => "before the answer to",
            When::Answered => "after the answer to",
        };
        write!(f, "killed {when} {} (no. {})", self.shape, self.nth)
    }
}

#[derive(Debug, Default)]
struct Row {
    given: usize,
    tried: bool,
}

impl Row {
    fn is_open(&self, point: &Point) -> bool {
        let varies = point.nth > 1 && FIGURES.iter().any(|kind| point.shape.contains(kind));
        !self.tried && self.given < if varies { 1 } else { GIVEN }
    }
}

/// Of how many points one is tried: of the whole, or of a sample that is the same in each run of a seed.
#[derive(Debug, Clone, Copy)]
pub struct OneIn(pub u64);

impl OneIn {
    fn takes(self, chapter: &str, point: &Point) -> bool {
        let mut hasher = DefaultHasher::new();
        (SEED, chapter, &point.shape, point.nth, point.when as u8).hash(&mut hasher);
        hasher.finish().is_multiple_of(self.0)
    }
}

#[derive(Debug, Default)]
struct Pages {
    rows: BTreeMap<(&'static str, Point), Row>,
    known: BTreeSet<&'static str>,
    violations: Vec<String>,
}

/// The book that all tenants share.
#[derive(Debug, Clone)]
pub struct Book {
    pages: Arc<Mutex<Pages>>,
    one_in: OneIn,
}

impl Book {
    /// An empty one.
    pub fn new(one_in: OneIn) -> Self {
        let pages = Arc::default();
        Self { pages, one_in }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any chapter has points left.
    pub fn is_open(&self) -> bool {
        let pages = self.pages();
        let left = pages.known.is_empty() || pages.rows.iter().any(|((_, point), row)| row.is_open(point));
        left && pages.violations.len() < ENOUGH
    }

    /// Whether the chapter was seen before.
    pub fn knows(&self, chapter: &'static str) -> bool {
        self.pages().known.contains(chapter)
    }

    /// The next point of a chapter; none where all were tried, or where nothing is known of it.
    pub fn next(&self, chapter: &'static str) -> Option<Point> {
        let mut pages = self.pages();
        let rows = pages.rows.iter_mut();
        let mut open: Vec<_> = rows
            .filter(|((of, point), row)| *of == chapter && row.is_open(point))
            .collect();
        open.sort_by_key(|(_, row)| row.given);
        let ((_, point), row) = open.into_iter().next()?;
        row.given += 1;
        Some(point.clone())
    }

    /// The operator was killed at a point.
    pub fn tried(&self, chapter: &'static str, point: Point) {
        self.pages().rows.entry((chapter, point)).or_default().tried = true;
    }

    /// What a chapter without a kill sends.
    pub fn seen(&self, chapter: &'static str, shapes: impl Iterator<Item = String>) {
        let mut pages = self.pages();
        pages.known.insert(chapter);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for shape in shapes {
            let nth = counts.entry(shape.clone()).or_default();
            *nth += 1;
            for when in WHENS {
                let (shape, nth) = (shape.clone(), *nth);
                let point = Point { shape, nth, when };
                if self.one_in.takes(chapter, &point) {
                    pages.rows.entry((chapter, point)).or_default();
                }
            }
        }
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

    /// Kinds of requests at which the operator was never killed.
    pub fn missed(&self) -> Vec<String> {
        let pages = self.pages();
        let missed = pages
            .rows
            .iter()
            .filter(|((_, point), row)| !row.tried && point.nth == 1);
        missed
            .map(|((chapter, point), _)| format!("{chapter}: {point}"))
            .collect()
    }
}

impl Display for Book {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let pages = self.pages();
        let mut chapters: BTreeMap<&str, [usize; WHENS.len()]> = BTreeMap::new();
        for ((chapter, point), _) in pages.rows.iter().filter(|(_, row)| row.tried) {
            let at = WHENS.iter().position(|when| *when == point.when).unwrap_or_default();
            chapters.entry(chapter).or_default()[at] += 1;
        }
        let tried: Vec<String> = chapters
            .iter()
            .map(|(chapter, [before, after, answered])| format!("{chapter} {before}+{after}+{answered}"))
            .collect();
        let twice = pages
            .violations
            .iter()
            .filter(|violation| violation.contains("I4:"))
            .count();
        writeln!(
            f,
            "kill points (before+done+answered): {}: {} tried, {} violations, {twice} duplicate creates; {} did not come up again",
            tried.join(", "),
            pages.rows.values().filter(|row| row.tried).count(),
            pages.violations.len(),
            pages.rows.values().filter(|row| !row.tried).count()
        )
    }
}
