//! The methods that templates have beyond those of selectors: what builds texts, and what may be absent.

use cel::common::ast::{CallExpr, Expr, IdedExpr};

use super::any::{call as call_of, wrap};
use super::{Checker, Known, any};
use crate::decide::expression::Refusal;
use crate::decide::expression::schema::{MAX_PARTS, MAX_WHOLE, Type};

/// Methods of texts, of lists of texts, and of what may be absent.
pub(super) const METHODS: [&str; 7] = ["split", "join", "replace", "substring", "orValue", "hasValue", "or"];

impl Checker<'_> {
    /// A function with a name of two parts, such as `base64.encode`; `None` where `call` is none.
    pub(super) fn qualified(&mut self, id: u64, call: &mut CallExpr) -> Result<Option<Known>, Refusal> {
        let Some(IdedExpr {
            expr: Expr::Ident(space),
            ..
        }) = call.target.as_deref()
        else {
            return Ok(None);
        };
        if !matches!(space.as_str(), "base64" | "optional") || self.is_name(space) {
            return Ok(None);
        }
        let name = format!("{space}.{}", call.func_name);
        let (function, known) = match (name.as_str(), call.args.as_mut_slice()) {
            ("base64.encode", [argument]) => {
                let given = self.check(argument)?;
                let given = any::as_text(argument, given);
                let Type::Text(bytes) = given.type_ else {
                    return Err(self.refuse(
                        argument.id,
                        format!("{name} takes a text, and this is {}", given.type_.words()),
                    ));
                };
                let encoded = Type::Text((bytes.div_ceil(3) * 4).min(MAX_WHOLE));
                ("@base64", Known::new(encoded, given.steps + 2 + (bytes / 64) as u64))
            }
            ("optional.of", [argument]) => {
                let given = self.check(argument)?;
                if !given.type_.is_placeable() {
                    return Err(self.refuse(argument.id, format!("{name} cannot hold {}", given.type_.words())));
                }
                let steps = given.steps.saturating_add(given.type_.weight()).saturating_add(2);
                ("@of", Known::new(Type::Optional(Box::new(given.type_)), steps))
            }
            ("optional.none", []) => ("@none", Known::new(Type::Optional(Box::new(Type::Nothing)), 2)),
            _ => {
                return Err(self.refuse_call(
                    id,
                    format!(
                        "there is no {name} with these arguments, only base64.encode(text), optional.of(value) and \
                         optional.none()"
                    ),
                ));
            }
        };
        let arguments = std::mem::take(&mut call.args);
        if let Expr::Call(rewritten) = call_of(function, arguments) {
            *call = rewritten;
        }
        Ok(Some(known))
    }

    fn is_name(&self, name: &str) -> bool {
        self.scope.has(name) || self.variables.iter().any(|(known, _)| known == name)
    }

    /// A method of [`METHODS`] on what `target` is known to be.
    pub(super) fn build(&mut self, id: u64, call: &mut CallExpr, target: Known) -> Result<Known, Refusal> {
        let name = call.func_name.clone();
        match name.as_str() {
            "orValue" | "hasValue" | "or" => self.absent(id, call, target),
            "join" => self.join(id, call, target),
            _ => self.cut(id, call, target),
        }
    }

    /// What is asked of a value that may be absent.
    fn absent(&mut self, id: u64, call: &mut CallExpr, target: Known) -> Result<Known, Refusal> {
        let name = call.func_name.clone();
        let Type::Optional(of) = target.type_ else {
            return Err(self.refuse_call(
                id,
                format!(
                    "{name} is asked of a value that may be absent, such as employee.?jobTitle, and it stands on {}",
                    target.type_.words()
                ),
            ));
        };
        if !of.is_placeable() {
            return Err(self.refuse_call(id, format!("{name} stands on {}: name a text of it", of.words())));
        }
        match (name.as_str(), call.args.as_mut_slice()) {
            ("hasValue", []) => Ok(Known::new(Type::Truth, target.steps + 2)),
            ("orValue" | "or", [argument]) => {
                let given = self.check(argument)?;
                let wanted = match (name.as_str(), &given.type_) {
                    ("or", Type::Optional(other)) => of.join(other).map(|joined| Type::Optional(Box::new(joined))),
                    ("or", _) => None,
                    (_, other) => of.join(other),
                };
                let Some(joined) = wanted else {
                    return Err(self.refuse(
                        argument.id,
                        format!(
                            "{name} stands on {}, and is given {}: make them one kind",
                            of.words(),
                            given.type_.words()
                        ),
                    ));
                };
                let steps = target
                    .steps
                    .saturating_add(given.steps)
                    .saturating_add(joined.weight())
                    .saturating_add(2);
                Ok(Known::new(joined, steps))
            }
            _ => Err(self.refuse_call(id, how_to_call(&name))),
        }
    }

    fn join(&mut self, id: u64, call: &mut CallExpr, target: Known) -> Result<Known, Refusal> {
        let Some(list) = call.target.as_deref_mut() else {
            return Err(self.refuse_call(id, how_to_call("join")));
        };
        let target = any::as_items(list, target);
        let Type::List(of, most) = &target.type_ else {
            return Err(self.refuse_call(
                id,
                format!(
                    "join is asked of a list of texts, and it stands on {}",
                    target.type_.words()
                ),
            ));
        };
        let bytes = match **of {
            Type::Text(bytes) | Type::Any(bytes) => bytes,
            Type::Nothing => 0,
            ref other => {
                return Err(self.refuse_call(
                    id,
                    format!("join is asked of a list of texts, and this holds {}", other.words()),
                ));
            }
        };
        let (between, steps) = match call.args.as_mut_slice() {
            [] => {
                call.args.push(any::text(""));
                (0, 0)
            }
            [argument] => self.text_argument("join", argument)?,
            _ => return Err(self.refuse_call(id, how_to_call("join"))),
        };
        let joined = most.saturating_mul(bytes.saturating_add(between)).min(2 * MAX_WHOLE);
        let steps = target
            .steps
            .saturating_add(steps)
            .saturating_add(*most as u64)
            .saturating_add((joined / 64) as u64);
        as_function(call, "@join");
        Ok(Known::new(Type::Text(joined.min(MAX_WHOLE)), steps))
    }

    /// `split`, `replace` and `substring`.
    fn cut(&mut self, id: u64, call: &mut CallExpr, target: Known) -> Result<Known, Refusal> {
        let name = call.func_name.clone();
        let Some(on) = call.target.as_deref_mut() else {
            return Err(self.refuse_call(id, how_to_call(&name)));
        };
        let target = any::as_text(on, target);
        let Type::Text(bytes) = target.type_ else {
            return Err(self.refuse_call(
                id,
                format!("{name} is asked of a text, and it stands on {}", target.type_.words()),
            ));
        };
        let through = target.steps.saturating_add(2 + (bytes / 32) as u64);
        match (name.as_str(), call.args.as_mut_slice()) {
            ("split", [at]) => {
                let (_, steps) = self.text_argument("split", at)?;
                as_function(call, "@split");
                let parts = Type::list(Type::Text(bytes), MAX_PARTS);
                Ok(Known::new(
                    parts,
                    through.saturating_add(steps).saturating_add(MAX_PARTS as u64),
                ))
            }
            ("replace", [from, to]) => {
                let (_, steps) = self.text_argument("replace", from)?;
                let (more, others) = self.text_argument("replace", to)?;
                let grown = bytes.saturating_mul(more.max(1)).min(MAX_WHOLE);
                as_function(call, "@replace");
                let steps = through
                    .saturating_add(steps)
                    .saturating_add(others)
                    .saturating_add((grown / 32) as u64);
                Ok(Known::new(Type::Text(grown), steps))
            }
            ("substring", arguments @ ([_] | [_, _])) => {
                let mut steps = through;
                for argument in arguments {
                    let given = self.check(argument)?;
                    let given = any::as_number(argument, given);
                    if given.type_ != Type::Number {
                        return Err(self.refuse(
                            argument.id,
                            format!("substring takes a number, and this is {}", given.type_.words()),
                        ));
                    }
                    steps = steps.saturating_add(given.steps);
                }
                Ok(Known::new(Type::Text(bytes), steps))
            }
            _ => Err(self.refuse_call(id, how_to_call(&name))),
        }
    }

    /// The bytes of an argument that is a text, and the steps that it takes.
    pub(super) fn text_argument(&mut self, name: &str, argument: &mut IdedExpr) -> Result<(usize, u64), Refusal> {
        let given = self.check(argument)?;
        let given = any::as_text(argument, given);
        match given.type_ {
            Type::Text(bytes) => Ok((bytes, given.steps)),
            other => Err(self.refuse(
                argument.id,
                format!("{name} takes a text, and this is {}", other.words()),
            )),
        }
    }

    /// `+` of two texts whose sum is not known to be within bounds: measured when it is made.
    pub(super) fn concat(call: &mut CallExpr) {
        "@concat".clone_into(&mut call.func_name);
    }
}

/// Makes of a method a function of ours.
fn as_function(call: &mut CallExpr, function: &str) {
    let mut arguments = std::mem::take(&mut call.args);
    if let Some(target) = call.target.take() {
        let mut target = *target;
        wrap(&mut target, function, std::mem::take(&mut arguments));
        if let Expr::Call(rewritten) = target.expr {
            *call = rewritten;
        }
    }
}

pub(super) fn how_to_call(name: &str) -> String {
    let usage = match name {
        "split" => "employee.workEmail.split(\"@\")",
        "join" => "employee.departments[0].path.join(\"/\"), of a list of texts",
        "replace" => "employee.jobTitle.replace(\" \", \"-\")",
        "substring" => "employee.givenName.substring(0, 1), with the first place and the one after the last",
        "hasValue" => "employee.?jobTitle.hasValue()",
        "or" => "employee.?username.or(employee.?workEmail)",
        _ => "employee.?jobTitle.orValue(\"none\")",
    };
    format!("{name} is written so: {usage}")
}
