//! Checks a parsed expression: every name, every type, and the most steps that it can take. What passes is rewritten
//! for [`super::facts`]: names are marked, and patterns are taken out.

mod any;
mod build;
mod calls;
mod select;

use std::collections::BTreeSet;

use cel::common::ast::{
    ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, SourceInfo, operators as op,
};

use super::pattern::Pattern;
use super::scan::Scanned;
use super::schema::{Type, attribute, meant};
use super::scope::Scope;
use super::{Language, Refusal};

/// Macros within macros.
const MAX_MACROS: usize = 2;

/// What is known of a part of the tree.
#[derive(Debug)]
struct Known {
    type_: Type,
    steps: u64,
    /// How the source spells it, where it is a path; what errors call it.
    name: String,
}

impl Known {
    fn new(type_: Type, steps: u64) -> Self {
        Self {
            type_,
            steps,
            name: String::new(),
        }
    }

    fn named(self, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }
}

/// Walks a tree once.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    scanned: &'a Scanned<'a>,
    places: &'a SourceInfo,
    language: Language,
    scope: &'a Scope,
    /// Variables of the macros around, innermost last.
    variables: Vec<(String, Type)>,
    macros: usize,
    patterns: Vec<Pattern>,
    attributes: BTreeSet<String>,
    names: BTreeSet<String>,
}

/// What an expression was found to hold.
#[derive(Debug)]
pub(super) struct Found {
    pub type_: Type,
    /// The most steps that it takes.
    pub steps: u64,
    /// The patterns that the tree refers to by number.
    pub patterns: Vec<Pattern>,
    /// The employee's attributes that it mentions.
    pub attributes: BTreeSet<String>,
    /// The names of the scope that it mentions.
    pub names: BTreeSet<String>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(scanned: &'a Scanned<'a>, places: &'a SourceInfo, language: Language, scope: &'a Scope) -> Self {
        Self {
            scanned,
            places,
            language,
            scope,
            variables: Vec::new(),
            macros: 0,
            patterns: Vec::new(),
            attributes: BTreeSet::new(),
            names: BTreeSet::new(),
        }
    }

    /// Checks a whole expression.
    pub(super) fn whole(mut self, tree: &mut IdedExpr) -> Result<Found, Refusal> {
        let known = self.check(tree)?;
        let budget = self.language.budget();
        if self.language == Language::Selector {
            self.is_condition(&known.type_)?;
        }
        if known.steps > budget {
            return Err(Refusal::whole(format!(
                "it may take {} steps, and at most {budget} are allowed: put fewer macros into each other, or {}",
                known.steps,
                self.language.split()
            )));
        }
        Ok(Found {
            type_: known.type_,
            steps: known.steps,
            patterns: self.patterns,
            attributes: self.attributes,
            names: self.names,
        })
    }

    fn is_condition(&self, type_: &Type) -> Result<(), Refusal> {
        if *type_ != Type::Truth {
            return Err(Refusal::whole(format!(
                "it is {}, and must be true or false: compare it with something",
                type_.words()
            )));
        }
        if self.attributes.is_empty() {
            return Err(Refusal::whole(
                "it mentions no attribute, so that it is the same for everybody: leave it out, or say everyone: true",
            ));
        }
        Ok(())
    }

    /// Where a node stands, in bytes.
    fn place(&self, id: u64) -> usize {
        self.places.offset_for(id).map_or(0, |(start, _)| start as usize)
    }

    fn refuse(&self, id: u64, sentence: impl Into<String>) -> Refusal {
        self.scanned.refuse(self.place(id), sentence)
    }

    fn refuse_call(&self, id: u64, sentence: impl Into<String>) -> Refusal {
        self.scanned.refuse(self.scanned.called(self.place(id)), sentence)
    }

    fn check(&mut self, node: &mut IdedExpr) -> Result<Known, Refusal> {
        let id = node.id;
        match &mut node.expr {
            Expr::Literal(literal) => self.literal(id, literal),
            Expr::Ident(name) => self.variable(id, name),
            Expr::Select(_) => self.select(node),
            Expr::List(list) => self.list(id, &mut list.elements, &list.optional_indices),
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension),
            Expr::Call(call) if call.func_name == op::OPT_SELECT => self.select(node),
            Expr::Call(call) if call.target.is_some() => self.method(id, call),
            Expr::Call(call) => self.function(id, call),
            Expr::Map(map) if self.language == Language::Template => self.map(id, map),
            Expr::Map(_) | Expr::Struct(_) => {
                Err(self.refuse(id, "expressions here have no maps and no messages: use a list"))
            }
            Expr::Unspecified => Err(self.refuse(id, "this cannot be read: mend the syntax")),
        }
    }

    fn literal(&self, id: u64, literal: &LiteralValue) -> Result<Known, Refusal> {
        let type_ = match literal {
            LiteralValue::Boolean(_) => Type::Truth,
            LiteralValue::Int(_) => Type::Number,
            LiteralValue::String(text) => Type::Text(text.inner().len()),
            LiteralValue::Null if self.language == Language::Template => Type::Null,
            LiteralValue::Null => {
                return Err(self.refuse(id, "nothing is null here: test with has(…) whether there is a value"));
            }
            LiteralValue::Bytes(_) | LiteralValue::Double(_) | LiteralValue::UInt(_) => {
                return Err(self.refuse(id, "there are only whole numbers, texts, true and false here"));
            }
        };
        Ok(Known::new(type_, 1))
    }

    fn variable(&mut self, id: u64, name: &str) -> Result<Known, Refusal> {
        if let Some((_, type_)) = self.variables.iter().rev().find(|(known, _)| known == name) {
            return Ok(Known::new(type_.clone(), 1).named(name));
        }
        if let Some(type_) = self.scope.type_of(name) {
            self.names.insert(name.to_owned());
            return Ok(Known::new(type_, 1).named(name));
        }
        let known = self
            .variables
            .iter()
            .map(|(known, _)| known.as_str())
            .filter(|known| *known != "@result");
        let hint = match attribute(name) {
            Some(_) if self.scope.employee.is_some() => format!("; did you mean employee.{name}?"),
            _ => suggest(name, known.chain(self.scope.all())),
        };
        let all: Vec<&str> = self.scope.all().collect();
        let there = match (name, all.as_slice()) {
            ("page", _) if hint.is_empty() => "a list has one where pages is token, full or more".to_owned(),
            (_, []) => "only the variables of macros".to_owned(),
            (_, all) => format!("only {} and the variables of macros", all.join(", ")),
        };
        Err(self.refuse(id, format!("there is no {name} here, {there}{hint}")))
    }

    fn list(&mut self, id: u64, elements: &mut [IdedExpr], optional: &[usize]) -> Result<Known, Refusal> {
        let mut of = Type::Nothing;
        let mut steps: u64 = 1;
        let most = elements.len();
        for (place, element) in elements.iter_mut().enumerate() {
            let mut known = self.check(element)?;
            if optional.contains(&place) {
                known.type_ = self.optional(element.id, known.type_)?;
            }
            of = match of.join(&known.type_) {
                Some(joined) => joined,
                None => {
                    return Err(self.refuse(
                        element.id,
                        format!(
                            "a list holds one kind of value: {} stands among others",
                            known.type_.words()
                        ),
                    ));
                }
            };
            steps = steps.saturating_add(known.steps).saturating_add(known.type_.weight());
        }
        if !of.is_placeable() && of != Type::Group {
            return Err(self.refuse(id, format!("a list cannot hold {}: name a text of it", of.words())));
        }
        Ok(Known::new(Type::list(of, most), steps))
    }

    /// What `?` before an element or an entry takes.
    fn optional(&self, id: u64, type_: Type) -> Result<Type, Refusal> {
        match type_ {
            Type::Optional(of) => Ok(*of),
            other => Err(self.refuse(
                id,
                format!(
                    "? before it takes a value that may be absent, such as employee.?jobTitle, and this is {}",
                    other.words()
                ),
            )),
        }
    }

    /// A map is put together for a result alone: nothing can be asked of it.
    fn map(&mut self, id: u64, map: &mut MapExpr) -> Result<Known, Refusal> {
        let mut steps: u64 = 1;
        let mut weight: u64 = 1;
        let mut keys = BTreeSet::new();
        for entry in &mut map.entries {
            let at = entry.id;
            let EntryExpr::MapEntry(entry) = &mut entry.expr else {
                return Err(self.refuse(at, "there are no messages here: write a map, {'name': value}"));
            };
            let Expr::Literal(LiteralValue::String(key)) = &entry.key.expr else {
                return Err(self.refuse(
                    entry.key.id,
                    "the key of a map is written out as a text: {'name': value}",
                ));
            };
            if !keys.insert(key.inner().to_owned()) {
                return Err(self.refuse(entry.key.id, "this key stands twice in the map: remove one"));
            }
            let mut known = self.check(&mut entry.value)?;
            if entry.optional {
                known.type_ = self.optional(entry.value.id, known.type_)?;
            }
            if !known.type_.is_placeable() {
                return Err(self.refuse(
                    entry.value.id,
                    format!("a map cannot hold {}: {}", known.type_.words(), known.type_.mend()),
                ));
            }
            let more = known.type_.weight().saturating_add(4);
            weight = weight.saturating_add(more);
            steps = steps.saturating_add(known.steps).saturating_add(more);
        }
        if weight > self.language.budget() {
            return Err(self.refuse(id, "this map may grow too large: put less into it"));
        }
        Ok(Known::new(Type::Object(weight), steps))
    }

    fn comprehension(&mut self, id: u64, comprehension: &mut ComprehensionExpr) -> Result<Known, Refusal> {
        let range = self.check(&mut comprehension.iter_range)?;
        let range = any::as_items(&mut comprehension.iter_range, range);
        let Type::List(element, most) = range.type_ else {
            return Err(self.refuse_call(
                id,
                format!("this goes through a list, and it stands on {}", range.type_.words()),
            ));
        };
        let name = comprehension.iter_var.clone();
        if self.scope.has(&name) || name.starts_with('.') || self.variables.iter().any(|(known, _)| *known == name) {
            return Err(self.refuse_call(
                id,
                format!("the variable {name} has a meaning already around this macro: name it otherwise"),
            ));
        }
        if self.macros == MAX_MACROS {
            return Err(self.refuse_call(
                id,
                format!(
                    "at most {MAX_MACROS} macros stand within each other: use `in`, or {}",
                    self.language.split()
                ),
            ));
        }
        self.macros += 1;
        let start = self.check(&mut comprehension.accu_init)?;
        let depth = self.variables.len();
        self.variables
            .push((comprehension.accu_var.clone(), start.type_.clone()));
        self.variables.push((name, (*element).clone()));
        let go_on = self.check(&mut comprehension.loop_cond)?;
        let step = self.check(&mut comprehension.loop_step)?;
        let mut result = step.type_;
        if let Type::List(_, length) = &mut result {
            *length = most;
        }
        self.variables.truncate(depth);
        self.variables.push((comprehension.accu_var.clone(), result.clone()));
        let end = self.check(&mut comprehension.result)?;
        self.variables.truncate(depth);
        self.macros -= 1;
        let round = go_on
            .steps
            .saturating_add(step.steps)
            .saturating_add(element.weight())
            .saturating_add(4);
        let rounds = round.saturating_mul(most as u64);
        let around = range
            .steps
            .saturating_add(start.steps)
            .saturating_add(end.steps)
            .saturating_add(result.weight());
        Ok(Known::new(end.type_, rounds.saturating_add(around)))
    }
}

fn suggest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    meant(name, known).map_or_else(String::new, |meant| format!("; did you mean {meant}?"))
}
