//! Calls: operators, functions and the methods of texts.

use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, Expr, LiteralValue};

use super::{Checker, Known, any, build, suggest};
use crate::decide::expression::pattern::{MAX_PATTERNS, Pattern};
use crate::decide::expression::schema::{MAX_LIST, MAX_WHOLE, Type};
use crate::decide::expression::{Language, Refusal};

/// Bytes of a text that a selector's expression puts together.
const MAX_BUILT: usize = 4096;
/// Elements of a list that an expression puts together.
const MAX_ELEMENTS: usize = 512;

const MACROS: [&str; 7] = ["has", "all", "exists", "exists_one", "existsOne", "map", "filter"];
const FUNCTIONS: [&str; 3] = ["size", "int", "string"];
const METHODS: [&str; 8] = [
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "size",
    "lowerAscii",
    "upperAscii",
    "trim",
];

impl Checker<'_> {
    pub(super) fn method(&mut self, id: u64, call: &mut CallExpr) -> Result<Known, Refusal> {
        let name = call.func_name.clone();
        if MACROS.contains(&name.as_str()) {
            return Err(self.refuse_call(id, how_to_call(&name)));
        }
        let is_template = self.language == Language::Template;
        if is_template && let Some(known) = self.qualified(id, call)? {
            return Ok(known);
        }
        let builds = is_template && build::METHODS.contains(&name.as_str());
        if !builds && !METHODS.contains(&name.as_str()) {
            return Err(self.refuse_call(id, self.no_function(&name)));
        }
        let Some(node) = call.target.as_deref_mut() else {
            return Err(self.refuse_call(id, self.no_function(&name)));
        };
        let target = self.check(node)?;
        if builds {
            return self.build(id, call, target);
        }
        if let (Type::Any(_), "size", []) = (&target.type_, name.as_str(), call.args.as_slice()) {
            let mut all = vec![target];
            call.args.extend(call.target.take().map(|target| *target));
            let known = self.any(id, call, &all)?;
            return known
                .or_else(|| all.pop())
                .ok_or_else(|| self.refuse_call(id, how_to_call("size")));
        }
        let target = any::as_text(node, target);
        if let (Type::List(..), "size", []) = (&target.type_, name.as_str(), call.args.as_slice()) {
            return Ok(Known::new(Type::Number, target.steps + 2));
        }
        let Type::Text(bytes) = target.type_ else {
            let hint = match (&target.type_, name.as_str()) {
                (Type::List(of, _), _) if **of == Type::Group => ": say exists(g, \"Sales\" in g.path)",
                (Type::List(..), _) => ": say exists(x, …), or use `in`",
                (Type::Optional(_), _) => ": say .orValue(…) before it",
                _ => "",
            };
            return Err(self.refuse_call(
                id,
                format!(
                    "{name} is asked of a text, and it stands on {}{hint}",
                    target.type_.words()
                ),
            ));
        };
        // What goes through all of a text takes a step for so many bytes of it.
        let through = |bytes_a_step: usize| 2 + (bytes / bytes_a_step) as u64;
        match (name.as_str(), call.args.as_mut_slice()) {
            ("size", []) => Ok(Known::new(Type::Number, target.steps + through(512))),
            ("lowerAscii" | "upperAscii" | "trim", []) => Ok(Known::new(Type::Text(bytes), target.steps + through(64))),
            ("matches", [pattern]) => {
                let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else {
                    return Err(self.refuse(
                        pattern.id,
                        "the pattern of matches is written out as one text, so that it can be checked",
                    ));
                };
                if self.patterns.len() == MAX_PATTERNS {
                    return Err(self.refuse(
                        pattern.id,
                        format!("at most {MAX_PATTERNS} patterns stand in one expression: join them with |"),
                    ));
                }
                let compiled = Pattern::new(text.inner()).map_err(|why| self.refuse(pattern.id, why))?;
                let steps = target.steps + through(64);
                pattern.expr = Expr::Ident(format!("@{}", self.patterns.len()));
                self.patterns.push(compiled);
                Ok(Known::new(Type::Truth, steps))
            }
            ("startsWith" | "endsWith" | "contains", [argument]) => {
                let (more, given) = self.text_argument(&name, argument)?;
                let found = if name == "contains" { through(128) } else { 2 };
                let steps = target.steps + given + found + (more / 512) as u64;
                Ok(Known::new(Type::Truth, steps))
            }
            _ => Err(self.refuse_call(id, how_to_call(&name))),
        }
    }

    pub(super) fn function(&mut self, id: u64, call: &mut CallExpr) -> Result<Known, Refusal> {
        let name = call.func_name.clone();
        let is_operator = name.contains(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        if !is_operator {
            if MACROS.contains(&name.as_str()) {
                return Err(self.refuse_call(id, how_to_call(&name)));
            }
            if !FUNCTIONS.contains(&name.as_str()) {
                return Err(self.refuse_call(id, self.no_function(&name)));
            }
        }
        let mut all = Vec::new();
        for argument in &mut call.args {
            all.push(self.check(argument)?);
        }
        let all = self.settle(id, call, all)?;
        if let Some(known) = self.any(id, call, &all)? {
            return Ok(known);
        }
        let steps = all.iter().fold(1_u64, |sum, known| sum.saturating_add(known.steps));
        let arguments: Vec<Type> = all.into_iter().map(|known| known.type_).collect();
        let is_template = self.language == Language::Template;
        let max_elements = if is_template { 2 * MAX_LIST } else { MAX_ELEMENTS };
        let refuse = |sentence: String| {
            let at = self.place(id);
            Err(self
                .scanned
                .refuse(if is_operator { at } else { self.scanned.called(at) }, sentence))
        };
        let at_odds = |verb: &str, one: &Type, other: &Type| {
            refuse(format!("{} cannot be {verb} {}", one.words(), other.words()))
        };
        let bool_ = |arguments: &[Type]| arguments.iter().find(|type_| **type_ != Type::Truth).cloned();
        let (type_, more) = match (name.as_str(), arguments.as_slice()) {
            (op::LOGICAL_AND | op::LOGICAL_OR | op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE, all) => match bool_(all) {
                Some(other) => {
                    return refuse(format!(
                        "!, && and || take what is true or false, and there is {}",
                        other.words()
                    ));
                }
                None => (Type::Truth, 1),
            },
            (op::CONDITIONAL, [condition, one, other]) => match (condition, one.join(other)) {
                (Type::Truth, Some(joined)) => (joined, 1),
                (Type::Truth, None) => {
                    return refuse(format!(
                        "one side of ? : is {}, the other {}: make them one kind",
                        one.words(),
                        other.words()
                    ));
                }
                _ => {
                    return refuse(format!(
                        "? asks what is true or false, and there is {}",
                        condition.words()
                    ));
                }
            },
            (op::EQUALS | op::NOT_EQUALS, [one, other]) => match one.join(other) {
                Some(joined) if joined.is_plain() => (Type::Truth, joined.weight()),
                _ => return at_odds("compared with", one, other),
            },
            (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, [one, other]) => match (one, other) {
                (Type::Number, Type::Number) | (Type::Text(_), Type::Text(_)) => (Type::Truth, 1 + one.weight()),
                _ => return at_odds("ordered with", one, other),
            },
            (op::IN, [one, Type::List(of, most)]) => match one.join(of) {
                Some(joined) if joined.is_plain() => (Type::Truth, joined.weight().saturating_mul(*most as u64)),
                _ if **of == Type::Group => {
                    return refuse(
                        "the elements are groups: say exists(g, \"Sales\" in g.path) on the list".to_owned(),
                    );
                }
                _ => return refuse(format!("{} cannot be in a list of other values", one.words())),
            },
            (op::IN, [_, other]) => return refuse(format!("`in` looks into a list, and there is {}", other.words())),
            (op::ADD, [Type::Text(one), Type::Text(other)]) if is_template && one + other > MAX_BUILT => {
                Self::concat(call);
                let built = Type::Text((one + other).min(MAX_WHOLE));
                let weight = built.weight();
                (built, weight)
            }
            (op::ADD, [Type::Text(one), Type::Text(other)]) if one + other > MAX_BUILT => {
                return refuse(format!(
                    "the text may grow beyond {MAX_BUILT} bytes: put less of it together"
                ));
            }
            (op::ADD, [Type::Text(one), Type::Text(other)]) => {
                let built = Type::Text(one + other);
                let weight = built.weight();
                (built, weight)
            }
            (op::ADD, [Type::List(one, most), Type::List(other, more)]) => match one.join(other) {
                Some(_) if most + more > max_elements => {
                    return refuse(format!(
                        "the list may grow beyond {max_elements} elements: put less of it together"
                    ));
                }
                Some(joined) => {
                    let built = Type::list(joined, most + more);
                    let weight = built.weight();
                    (built, weight)
                }
                None => return refuse("the two lists hold different kinds of values".to_owned()),
            },
            (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, [Type::Number, Type::Number])
            | (op::NEGATE, [Type::Number])
            | ("size", [Type::List(..)]) => (Type::Number, 1),
            (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, [one, other]) => {
                return at_odds("calculated with", one, other);
            }
            (op::INDEX, [Type::List(of, _), Type::Number]) => ((**of).clone(), 1 + of.weight()),
            (op::INDEX, [one, other]) => {
                return refuse(format!(
                    "[…] takes a number on a list, and there is {} on {}",
                    other.words(),
                    one.words()
                ));
            }
            ("size", [text @ Type::Text(_)]) => (Type::Number, text.weight()),
            ("int", [Type::Number | Type::Text(_)]) => (Type::Number, 8),
            ("string", [Type::Truth | Type::Number]) => (Type::Text(20), 2),
            ("string", [text @ Type::Text(_)]) => (text.clone(), text.weight()),
            _ if is_operator => return refuse("this operator has no meaning here".to_owned()),
            _ => return refuse(how_to_call(&name)),
        };
        Ok(Known::new(type_, steps.saturating_add(more)))
    }

    fn no_function(&self, name: &str) -> String {
        if matches!(
            name,
            "timestamp" | "duration" | "now" | "today" | "getFullYear" | "getDate"
        ) {
            return format!(
                "there is no {name}: an expression has no clock; use the selector's key tenure, and compare dates as \
                 texts, such as employee.startDate < \"2026-03-01\""
            );
        }
        let known = MACROS.into_iter().chain(FUNCTIONS).chain(METHODS);
        let hint = match self.language {
            Language::Selector => suggest(name, known),
            Language::Template => suggest(name, known.chain(build::METHODS)),
        };
        format!("there is no function {name}{hint}")
    }
}

fn how_to_call(name: &str) -> String {
    let usage = match name {
        "has" => "has(employee.jobTitle)",
        "all" => "employee.groups.all(g, \"Sales\" in g.path)",
        "exists" => "employee.groups.exists(g, \"Sales\" in g.path)",
        "exists_one" | "existsOne" => "employee.groups.exists_one(g, \"Sales\" in g.path)",
        "map" => "employee.groups.map(g, g.path[0])",
        "filter" => "employee.groups.filter(g, \"Sales\" in g.path)",
        "matches" => "employee.jobTitle.matches(\"^VP \")",
        "startsWith" | "endsWith" | "contains" => {
            return format!("{name} takes one text: employee.jobTitle.{name}(\"VP\")");
        }
        "size" => "size(employee.groups)",
        "int" => "int(\"42\"), of a number or a text",
        "string" => "string(42), of a number, a text or a truth value",
        _ => return format!("{name} takes nothing and is asked of a text: employee.jobTitle.{name}()"),
    };
    format!("{name} is written so: {usage}")
}
