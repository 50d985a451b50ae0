//! Reads a tree with `${…}` in its texts, and finds all that is wrong with it.

use serde_json::Value as Json;

use super::{Part, Tree, below};
use crate::decide::expression::language::TEMPLATE_BUDGET;
use crate::decide::expression::schema::MAX_WHOLE;
use crate::decide::expression::{Expect, Reading, Refusal, Scope, scan};

/// Expressions in one template.
const MAX_EXPRESSIONS: usize = 256;
/// Patterns of `matches` in one template: each takes memory for as long as the template is there.
const MAX_PATTERNS: usize = 16;
/// Lists and objects within each other.
const MAX_NESTING: usize = 24;
/// Refusals of one template: whoever sees so many knows where to begin.
const MAX_REFUSALS: usize = 20;

/// Goes through a tree once.
pub(super) struct Compiler<'a> {
    scope: &'a Scope,
    refusals: Vec<(String, Refusal)>,
    expressions: usize,
    patterns: usize,
    steps: u64,
    /// Bytes that are left for the template itself; `None` once it was too large.
    room: Option<usize>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(scope: &'a Scope) -> Self {
        Self {
            scope,
            refusals: Vec::new(),
            expressions: 0,
            patterns: 0,
            steps: 0,
            room: Some(MAX_WHOLE),
        }
    }

    pub(super) fn finish(mut self, tree: Tree) -> Result<Tree, Vec<(String, Refusal)>> {
        if self.refusals.is_empty() && self.steps > TEMPLATE_BUDGET {
            let sentence = format!(
                "its expressions may take {} steps together, and at most {TEMPLATE_BUDGET} are allowed: put fewer \
                 macros into it",
                self.steps
            );
            self.refuse("", Refusal::whole(sentence));
        }
        if self.refusals.is_empty() {
            Ok(tree)
        } else {
            Err(self.refusals)
        }
    }

    fn refuse(&mut self, place: &str, refusal: Refusal) -> Tree {
        if self.refusals.len() < MAX_REFUSALS {
            self.refusals.push((place.to_owned(), refusal));
        }
        Tree::Plain(Json::Null)
    }

    pub(super) fn tree(&mut self, tree: &Json, place: &str, depth: usize) -> Tree {
        if depth > MAX_NESTING {
            return self.refuse(place, Refusal::whole("it is nested too deep: make the tree flatter"));
        }
        if self.room.is_none() {
            return Tree::Plain(Json::Null);
        }
        match tree {
            Json::String(text) => self.text(text, place, Expect::Any),
            Json::Array(elements) => {
                self.weigh(place, 2);
                let mut compiled = Vec::new();
                for (number, element) in elements.iter().enumerate() {
                    compiled.push(self.tree(element, &format!("{place}[{number}]"), depth + 1));
                    if self.room.is_none() {
                        break;
                    }
                }
                Tree::List(compiled)
            }
            Json::Object(members) => {
                self.weigh(place, 2);
                let mut compiled = Vec::new();
                for (name, member) in members {
                    let place = below(place, name);
                    self.weigh(&place, name.len() + 2);
                    if name.contains("${") {
                        let sentence = "the name of a member is plain text, without ${…}: move it into the value";
                        self.refuse(&place, Refusal::whole(sentence));
                    }
                    let member = self.tree(member, &place, depth + 1);
                    compiled.push((name.clone(), member));
                    if self.room.is_none() {
                        break;
                    }
                }
                Tree::Object(compiled)
            }
            scalar => {
                self.weigh(place, 2);
                Tree::Plain(scalar.clone())
            }
        }
    }

    /// Counts the bytes of the template itself.
    fn weigh(&mut self, place: &str, bytes: usize) {
        let Some(room) = self.room else { return };
        self.room = room.checked_sub(bytes);
        if self.room.is_none() {
            let sentence = format!("the template is larger than {MAX_WHOLE} bytes: make it smaller");
            self.refuse(place, Refusal::whole(sentence));
        }
    }

    pub(super) fn text(&mut self, source: &str, place: &str, expect: Expect) -> Tree {
        self.weigh(place, source.len() + 2);
        if self.room.is_none() {
            return Tree::Plain(Json::Null);
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut plain = String::new();
        let mut rest = 0;
        while let Some(at) = source[rest..].find("${").map(|at| at + rest) {
            if source[rest..at].ends_with('$') {
                plain.push_str(&source[rest..at - 1]);
                plain.push_str("${");
                rest = at + 2;
                continue;
            }
            plain.push_str(&source[rest..at]);
            let start = at + 2;
            let end = match scan::closing(source, start) {
                Ok(Some(end)) => end,
                Ok(None) => {
                    let sentence = "${ is never closed: close it with }, or write $${ where ${ itself is meant";
                    return self.refuse(place, Refusal::at(source, at, sentence));
                }
                Err(refusal) => return self.refuse(place, refusal),
            };
            let is_all = at == 0 && end + 1 == source.len();
            let reading = match self.expression(&source[start..end], if is_all { expect } else { Expect::Text }, is_all)
            {
                Ok(reading) => reading,
                Err(refusal) => return self.refuse(place, refusal.within(source, start)),
            };
            if is_all {
                return Tree::Value(reading);
            }
            if !plain.is_empty() {
                parts.push(Part::Plain(std::mem::take(&mut plain)));
            }
            parts.push(Part::Value(reading));
            rest = end + 1;
        }
        plain.push_str(&source[rest..]);
        if parts.is_empty() {
            return Tree::Plain(Json::String(plain));
        }
        if !plain.is_empty() {
            parts.push(Part::Plain(plain));
        }
        Tree::Text(parts)
    }

    fn expression(&mut self, source: &str, expect: Expect, is_all: bool) -> Result<Reading, Refusal> {
        self.expressions += 1;
        if self.expressions > MAX_EXPRESSIONS {
            return Err(Refusal::whole(format!(
                "the template has more than {MAX_EXPRESSIONS} expressions: use fewer"
            )));
        }
        let reading = Reading::bare(source, self.scope, expect)?;
        if !is_all && reading.may_be_absent() {
            return Err(Refusal::whole(
                "a value that may be absent stands within a text: say .orValue(\"…\"), or let it stand alone",
            ));
        }
        self.steps = self.steps.saturating_add(reading.steps());
        self.patterns += reading.patterns();
        if self.patterns > MAX_PATTERNS {
            return Err(Refusal::whole(format!(
                "the template has more than {MAX_PATTERNS} patterns: join them with |"
            )));
        }
        Ok(reading)
    }
}
