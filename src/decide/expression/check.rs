//! Checks a parsed expression: every name, every type, and the most steps that it can take. What passes is rewritten
//! for [`super::facts`]: names are marked, and patterns are taken out.

mod calls;

use std::collections::BTreeSet;

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo};

use super::pattern::Pattern;
use super::scan::Scanned;
use super::schema::{MAX_PATH, MAX_VALUE, PARTS, Schema, Type, attribute, attributes, meant};
use super::{BUDGET, Refusal};
use crate::api::hris_connection::CustomFieldType;

/// Macros within macros.
const MAX_MACROS: usize = 2;
/// What is known of a part of the tree.
#[derive(Debug)]
struct Known {
    type_: Type,
    steps: u64,
}

impl Known {
    fn new(type_: Type, steps: u64) -> Self {
        Self { type_, steps }
    }
}

/// Walks a tree once.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    scanned: &'a Scanned<'a>,
    places: &'a SourceInfo,
    schema: &'a Schema,
    /// Variables of the macros around, innermost last.
    scope: Vec<(String, Type)>,
    macros: usize,
    patterns: Vec<Pattern>,
    attributes: BTreeSet<String>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(scanned: &'a Scanned<'a>, places: &'a SourceInfo, schema: &'a Schema) -> Self {
        Self {
            scanned,
            places,
            schema,
            scope: Vec::new(),
            macros: 0,
            patterns: Vec::new(),
            attributes: BTreeSet::new(),
        }
    }

    /// Checks a whole expression, and returns the most steps that it takes.
    pub(super) fn condition(&mut self, tree: &mut IdedExpr) -> Result<u64, Refusal> {
        let known = self.check(tree)?;
        if known.type_ != Type::Truth {
            return Err(Refusal::whole(format!(
                "it is {}, and must be true or false: compare it with something",
                known.type_.words()
            )));
        }
        if self.attributes.is_empty() {
            return Err(Refusal::whole(
                "it mentions no attribute, so that it is the same for everybody: leave it out, or say everyone: true",
            ));
        }
        if known.steps > BUDGET {
            return Err(Refusal::whole(format!(
                "it may take {} steps for one employee, and at most {BUDGET} are allowed: put fewer macros into each \
                 other, or split it over several policies",
                known.steps
            )));
        }
        Ok(known.steps)
    }

    /// The patterns that the tree refers to by number, and the attributes that it mentions.
    pub(super) fn found(self) -> (Vec<Pattern>, BTreeSet<String>) {
        (self.patterns, self.attributes)
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
            Expr::Select(select) => self.select(id, select),
            Expr::List(list) => self.list(id, &mut list.elements),
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension),
            Expr::Call(call) if call.target.is_some() => self.method(id, call),
            Expr::Call(call) => self.function(id, call),
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
            LiteralValue::Null => {
                return Err(self.refuse(id, "nothing is null here: test with has(…) whether there is a value"));
            }
            LiteralValue::Bytes(_) | LiteralValue::Double(_) | LiteralValue::UInt(_) => {
                return Err(self.refuse(id, "there are only whole numbers, texts, true and false here"));
            }
        };
        Ok(Known::new(type_, 1))
    }

    fn variable(&self, id: u64, name: &str) -> Result<Known, Refusal> {
        if let Some((_, type_)) = self.scope.iter().rev().find(|(known, _)| known == name) {
            return Ok(Known::new(type_.clone(), 1));
        }
        if name == "employee" {
            return Ok(Known::new(Type::Employee, 1));
        }
        let known = self
            .scope
            .iter()
            .map(|(known, _)| known.as_str())
            .filter(|known| *known != "@result");
        let hint = match attribute(name) {
            Some(_) => format!("; did you mean employee.{name}?"),
            None => suggest(name, known.chain(["employee"])),
        };
        Err(self.refuse(
            id,
            format!("there is no {name} here, only employee and the variables of macros{hint}"),
        ))
    }

    fn select(&mut self, id: u64, select: &mut SelectExpr) -> Result<Known, Refusal> {
        let operand = self.check(&mut select.operand)?;
        let at = if select.test {
            self.scanned.last_in(self.place(id))
        } else {
            self.scanned.selected(self.place(id))
        };
        let field = select.field.clone();
        let refuse = |sentence: String| Err(self.scanned.refuse(at, sentence));
        let (type_, mention) = match &operand.type_ {
            Type::Employee => match attribute(&field) {
                Some(type_) => {
                    // Of a location or of the custom fields, what is selected of it is mentioned.
                    let mentioned = select.test || !matches!(type_, Type::Place(_) | Type::CustomFields);
                    (type_, mentioned.then(|| field.clone()))
                }
                None => return refuse(no_attribute(&field)),
            },
            Type::Place(_) if PARTS.contains(&field.as_str()) => (
                Type::Text(MAX_VALUE),
                Some(format!("{}.{field}", place_of(&operand.type_))),
            ),
            Type::Place(place) => {
                let hint = suggest(&field, PARTS.into_iter());
                return refuse(format!(
                    "there is no employee.{place}.{field}, only name, country, state and city{hint}"
                ));
            }
            Type::Group if field == "path" => (Type::list(Type::Text(MAX_VALUE), MAX_PATH), None),
            Type::Group => {
                let hint = suggest(&field, std::iter::once("path"));
                return refuse(format!("a group has no {field}, only path{hint}"));
            }
            Type::CustomFields => {
                let Some(holds) = self.schema.custom_field(&field) else {
                    let hint = suggest(&field, self.schema.custom_fields());
                    return refuse(format!(
                        "no HRISConnection declares the custom field {field}{hint}: declare it in spec.customFields"
                    ));
                };
                let (mark, type_) = match holds {
                    CustomFieldType::Integer => ("i", Type::Number),
                    CustomFieldType::Boolean => ("b", Type::Truth),
                    // A date is written so that the order of the texts is the order of the days.
                    CustomFieldType::String | CustomFieldType::Date => ("s", Type::Text(MAX_VALUE)),
                };
                select.field = format!("{mark}:{field}");
                (type_, Some(format!("customFields.{field}")))
            }
            other => return refuse(format!("{} has no {field}, nor any other part", other.words())),
        };
        self.attributes.extend(mention);
        let steps = operand.steps + type_.weight() + 1;
        if select.test {
            select.field = format!("?{}", select.field);
            return Ok(Known::new(Type::Truth, steps));
        }
        Ok(Known::new(type_, steps))
    }

    fn list(&mut self, id: u64, elements: &mut [IdedExpr]) -> Result<Known, Refusal> {
        let mut of = Type::Nothing;
        let mut steps: u64 = 1;
        let most = elements.len();
        for element in elements {
            let known = self.check(element)?;
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
        if !of.is_plain() && of != Type::Group {
            return Err(self.refuse(id, format!("a list cannot hold {}: name a text of it", of.words())));
        }
        Ok(Known::new(Type::list(of, most), steps))
    }

    fn comprehension(&mut self, id: u64, comprehension: &mut ComprehensionExpr) -> Result<Known, Refusal> {
        let range = self.check(&mut comprehension.iter_range)?;
        let Type::List(element, most) = range.type_ else {
            return Err(self.refuse_call(
                id,
                format!("this goes through a list, and it stands on {}", range.type_.words()),
            ));
        };
        let name = comprehension.iter_var.clone();
        if name == "employee" || name.starts_with('.') || self.scope.iter().any(|(known, _)| *known == name) {
            return Err(self.refuse_call(
                id,
                format!("the variable {name} has a meaning already around this macro: name it otherwise"),
            ));
        }
        if self.macros == MAX_MACROS {
            return Err(self.refuse_call(
                id,
                format!(
                    "at most {MAX_MACROS} macros stand within each other: use `in`, or split it over several policies"
                ),
            ));
        }
        self.macros += 1;
        let start = self.check(&mut comprehension.accu_init)?;
        let depth = self.scope.len();
        self.scope.push((comprehension.accu_var.clone(), start.type_.clone()));
        self.scope.push((name, (*element).clone()));
        let go_on = self.check(&mut comprehension.loop_cond)?;
        let step = self.check(&mut comprehension.loop_step)?;
        let mut result = step.type_;
        if let Type::List(_, length) = &mut result {
            *length = most;
        }
        self.scope.truncate(depth);
        self.scope.push((comprehension.accu_var.clone(), result.clone()));
        let end = self.check(&mut comprehension.result)?;
        self.scope.truncate(depth);
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

fn place_of(type_: &Type) -> &'static str {
    match type_ {
        Type::Place(name) => name,
        _ => "",
    }
}

fn suggest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    meant(name, known).map_or_else(String::new, |meant| format!("; did you mean {meant}?"))
}

fn no_attribute(name: &str) -> String {
    let hint = match name {
        "managerRef" | "manager" => ": use the selector's key manager beside the expression".to_owned(),
        "tenure" | "phase" => ": use the selector's key tenure, or lifecycle.phases, beside the expression".to_owned(),
        "department" => "; did you mean departments?".to_owned(),
        "email" | "mail" => "; did you mean workEmail?".to_owned(),
        "title" => "; did you mean jobTitle?".to_owned(),
        _ => suggest(name, attributes()),
    };
    format!("there is no employee.{name}{hint}")
}
