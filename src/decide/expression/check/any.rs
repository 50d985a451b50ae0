//! Values whose kind is found out when they are there. The checker puts a function around each that says what it must
//! turn out to be, so that what is beyond it knows its type, and another kind is an error with a name and no answer.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};
use cel::common::types::{CelInt, CelString};

use super::{Checker, Known};
use crate::decide::expression::Refusal;
use crate::decide::expression::schema::{MAX_LIST, MAX_PART, MAX_PART_LIST, Type};

/// A call of one of [`functions`](crate::decide::expression::functions).
pub(super) fn call(name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr {
        func_name: name.to_owned(),
        target: None,
        args,
    })
}

pub(super) fn text(text: &str) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Literal(LiteralValue::String(CelString::from(text.to_owned()))),
    }
}

fn number(number: usize) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Literal(LiteralValue::Int(CelInt::from(
            i64::try_from(number).unwrap_or(i64::MAX),
        ))),
    }
}

/// Puts a function around a node.
pub(super) fn wrap(node: &mut IdedExpr, function: &str, mut more: Vec<IdedExpr>) {
    let id = node.id;
    let mut arguments = vec![std::mem::take(node)];
    arguments.append(&mut more);
    *node = IdedExpr {
        id,
        expr: call(function, arguments),
    };
}

/// A text, if it may be one.
pub(super) fn as_text(node: &mut IdedExpr, known: Known) -> Known {
    let Type::Any(bytes) = known.type_ else { return known };
    wrap(node, "@text", vec![text(&known.name), number(bytes)]);
    Known {
        type_: Type::Text(bytes),
        steps: known.steps.saturating_add(4),
        ..known
    }
}

/// A whole number, if it may be one.
pub(super) fn as_number(node: &mut IdedExpr, known: Known) -> Known {
    as_scalar(node, known, "@number", Type::Number)
}

/// A truth value, if it may be one.
pub(super) fn as_truth(node: &mut IdedExpr, known: Known) -> Known {
    as_scalar(node, known, "@truth", Type::Truth)
}

fn as_scalar(node: &mut IdedExpr, known: Known, function: &str, type_: Type) -> Known {
    if !matches!(known.type_, Type::Any(_)) {
        return known;
    }
    wrap(node, function, vec![text(&known.name)]);
    Known {
        type_,
        steps: known.steps.saturating_add(3),
        ..known
    }
}

/// A list, if it may be one. Its elements are smaller than the whole, or a macro over them could take too long.
pub(super) fn as_items(node: &mut IdedExpr, known: Known) -> Known {
    let Type::Any(bytes) = known.type_ else { return known };
    let most = if bytes > MAX_PART { MAX_LIST } else { MAX_PART_LIST };
    wrap(node, "@items", vec![text(&known.name), number(most)]);
    Known {
        type_: Type::list(Type::Any(MAX_PART), most),
        steps: known.steps.saturating_add(3).saturating_add(most as u64),
        ..known
    }
}

impl Checker<'_> {
    /// Gives the arguments of an operator or function the types that it takes, as far as the others say which.
    pub(super) fn settle(&self, id: u64, call: &mut CallExpr, mut all: Vec<Known>) -> Result<Vec<Known>, Refusal> {
        let is_any = |known: &Known| matches!(known.type_, Type::Any(_));
        if !all.iter().any(is_any) {
            return Ok(all);
        }
        let name = call.func_name.clone();
        let wanted: fn(&mut IdedExpr, Known) -> Known = match name.as_str() {
            op::LOGICAL_AND | op::LOGICAL_OR | op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE => as_truth,
            op::CONDITIONAL => {
                let condition = all.remove(0);
                let condition = match call.args.first_mut() {
                    Some(node) => as_truth(node, condition),
                    None => condition,
                };
                all.insert(0, condition);
                return Ok(all);
            }
            op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO | op::NEGATE => as_number,
            op::ADD | op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS => {
                match all.iter().find(|known| !is_any(known)).map(|known| &known.type_) {
                    Some(Type::Number) => as_number,
                    Some(Type::List(..)) if name == op::ADD => as_items,
                    Some(_) => as_text,
                    None => {
                        return Err(self.refuse(
                            id,
                            "nothing says whether these are texts or numbers: write string(…) or int(…) around one",
                        ));
                    }
                }
            }
            op::INDEX | op::OPT_INDEX if !all.first().is_some_and(is_any) => as_number,
            _ => return Ok(all),
        };
        let settled = call.args.iter_mut().zip(all).map(|(node, known)| wanted(node, known));
        Ok(settled.collect())
    }

    /// What takes values of any kind: comparisons, `in`, indexes and conversions. `None` where no such is among them.
    pub(super) fn any(&self, id: u64, call: &mut CallExpr, all: &[Known]) -> Result<Option<Known>, Refusal> {
        let types: Vec<&Type> = all.iter().map(|known| &known.type_).collect();
        let steps = all.iter().fold(1_u64, |sum, known| sum.saturating_add(known.steps));
        let known = |type_: Type, more: u64| Ok(Some(Known::new(type_, steps.saturating_add(more))));
        let name = all.first().map(|known| known.name.clone()).unwrap_or_default();
        match (call.func_name.as_str(), types.as_slice()) {
            (op::EQUALS | op::NOT_EQUALS, [one @ Type::Any(_), other] | [other, one @ Type::Any(_)])
                if matches!(
                    other,
                    Type::Any(_) | Type::Null | Type::Truth | Type::Number | Type::Text(_)
                ) =>
            {
                let more = one.weight().min(other.weight()).saturating_add(3);
                let negated = call.func_name == op::NOT_EQUALS;
                "@equal".clone_into(&mut call.func_name);
                if negated {
                    let inner = std::mem::take(call);
                    *call = CallExpr {
                        func_name: op::LOGICAL_NOT.to_owned(),
                        target: None,
                        args: vec![IdedExpr {
                            id,
                            expr: Expr::Call(inner),
                        }],
                    };
                }
                known(Type::Truth, more)
            }
            (op::EQUALS | op::NOT_EQUALS, [Type::Null, other] | [other, Type::Null]) => Err(self.refuse(
                id,
                format!(
                    "null is compared with {}, which never is: test with has(…) whether there is a value",
                    other.words()
                ),
            )),
            (op::IN, [one, Type::Any(bytes)]) => {
                let most = if *bytes > MAX_PART { MAX_LIST } else { MAX_PART_LIST };
                let more = one.weight().min(Type::Any(MAX_PART).weight()).saturating_add(1);
                if let Some(list) = call.args.get_mut(1) {
                    wrap(list, "@items", vec![text(&all[1].name), number(most)]);
                }
                "@within".clone_into(&mut call.func_name);
                known(Type::Truth, more.saturating_add(1).saturating_mul(most as u64))
            }
            (op::IN, [one, Type::List(of, most)])
                if matches!(one, Type::Any(_)) && of.is_placeable() || matches!(**of, Type::Any(_)) =>
            {
                let more = one.weight().min(of.weight()).saturating_add(1);
                "@within".clone_into(&mut call.func_name);
                known(Type::Truth, more.saturating_mul(*most as u64))
            }
            (op::INDEX | op::OPT_INDEX, [of, index]) => self.index(id, call, (of, index), &name, steps),
            ("size", [Type::Any(bytes)]) => {
                "@size".clone_into(&mut call.func_name);
                call.args.push(text(&name));
                known(Type::Number, (*bytes / 64) as u64)
            }
            ("int", [Type::Any(_)]) => {
                "@int".clone_into(&mut call.func_name);
                call.args.push(text(&name));
                known(Type::Number, 8)
            }
            ("string", [type_ @ Type::Any(bytes)]) => {
                "@string".clone_into(&mut call.func_name);
                call.args.push(text(&name));
                known(Type::Text(*bytes), type_.weight())
            }
            _ => Ok(None),
        }
    }

    /// `a["x"]` of a record, whose fields are known by name: one that is written out.
    fn field(&self, id: u64, call: &mut CallExpr, record: &str, asked: bool, steps: u64) -> Result<Known, Refusal> {
        let [
            _,
            IdedExpr {
                id: at,
                expr: Expr::Literal(LiteralValue::String(key)),
            },
        ] = call.args.as_slice()
        else {
            return Err(self.refuse(id, "the field of a record is written out: [\"name\"]"));
        };
        let key = key.inner().to_owned();
        let part = self.part(self.place(*at), &Type::Record(record.to_owned()), &key, false)?;
        let steps = steps.saturating_add(part.type_.weight()).saturating_add(4);
        call.args.truncate(1);
        call.args.push(text(&part.field));
        let (function, type_) = if asked {
            ("@opt_field", Type::Optional(Box::new(part.type_)))
        } else {
            ("@field", part.type_)
        };
        function.clone_into(&mut call.func_name);
        Ok(Known::new(type_, steps).named(format!("{record}.{key}")))
    }

    /// `a[0]`, `a["x"]`, and with `[?`.
    fn index(
        &self,
        id: u64,
        call: &mut CallExpr,
        (of, index): (&Type, &Type),
        name: &str,
        steps: u64,
    ) -> Result<Option<Known>, Refusal> {
        let asked = call.func_name == op::OPT_INDEX;
        if asked && self.language == crate::decide::expression::Language::Selector {
            return Err(self.refuse(id, "there is no [? in a selector: ask for the size of the list first"));
        }
        let (of, may_be_absent) = match of {
            Type::Optional(of) => (&**of, true),
            of => (of, asked),
        };
        // What an optional holds is copied before it is asked.
        let around = of.weight().saturating_add(index.weight()).saturating_add(4);
        if let (Type::Record(record), Type::Text(_)) = (of, index) {
            return self.field(id, call, record, asked, steps).map(Some);
        }
        let element = match (of, index) {
            (Type::List(of, _), Type::Number) if may_be_absent => (**of).clone(),
            (Type::Any(bytes), Type::Number | Type::Text(_)) => Type::Any(*bytes),
            (Type::Any(_), _) => {
                return Err(self.refuse(
                    id,
                    "[…] takes a number or a text here, or string(…) of what may be either",
                ));
            }
            (_, _) if may_be_absent => {
                return Err(self.refuse(
                    id,
                    format!("[?…] takes a number on a list, and there is {}", of.words()),
                ));
            }
            _ => return Ok(None),
        };
        let key = match call.args.get(1).map(|index| &index.expr) {
            Some(Expr::Literal(LiteralValue::Int(place))) => place.inner().to_string(),
            Some(Expr::Literal(LiteralValue::String(key))) => format!("{:?}", key.inner()),
            _ => "…".to_owned(),
        };
        let name = format!("{name}[{key}]");
        let steps = steps.saturating_add(around).saturating_add(element.weight());
        let type_ = if may_be_absent {
            "@opt".clone_into(&mut call.func_name);
            Type::Optional(Box::new(element))
        } else {
            "@part".clone_into(&mut call.func_name);
            call.args.push(text(&name));
            element
        };
        Ok(Some(Known::new(type_, steps).named(name)))
    }
}
