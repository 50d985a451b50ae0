//! What stands behind a dot: the parts of what has declared parts, and of what turns out to have them.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr};

use super::any::{call, text};
use super::{Checker, Known, suggest};
use crate::api::hris_connection::CustomFieldType;
use crate::decide::expression::Refusal;
use crate::decide::expression::schema::{MAX_PATH, MAX_VALUE, PARTS, Type, attribute, attributes};

/// A declared part.
pub(super) struct Part {
    pub type_: Type,
    /// How the checked tree asks for it.
    pub field: String,
    /// The attribute of the employee that it is.
    pub mention: Option<String>,
}

/// How a part is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// `a.b`
    Plain,
    /// `has(a.b)`
    Tested,
    /// `a.?b`, or `a.b` where `a` may be absent.
    Optional,
}

impl Checker<'_> {
    /// `a.b`, `a.?b` and `has(a.b)`.
    pub(super) fn select(&mut self, node: &mut IdedExpr) -> Result<Known, Refusal> {
        let id = node.id;
        let (mut operand, field, mut how) = match std::mem::take(&mut node.expr) {
            Expr::Select(SelectExpr { operand, field, test }) => {
                (*operand, field, if test { How::Tested } else { How::Plain })
            }
            Expr::Call(CallExpr { args, .. }) => match <[IdedExpr; 2]>::try_from(args) {
                Ok(
                    [
                        operand,
                        IdedExpr {
                            expr: Expr::Literal(LiteralValue::String(field)),
                            ..
                        },
                    ],
                ) => (operand, field.into_inner(), How::Optional),
                _ => return Err(self.refuse(id, "this cannot be read: mend the syntax")),
            },
            _ => return Err(self.refuse(id, "this cannot be read: mend the syntax")),
        };
        let mut known = self.check(&mut operand)?;
        let at = match how {
            How::Tested => self.scanned.last_in(self.place(id)),
            How::Plain | How::Optional => self.scanned.selected(self.place(id)),
        };
        if how == How::Optional && self.language == crate::decide::expression::Language::Selector {
            return Err(self.scanned.refuse(
                at,
                "there is no .? in a selector: test with has(…) whether there is a value",
            ));
        }
        if let Type::Optional(of) = known.type_ {
            if how == How::Tested {
                return Err(self.scanned.refuse(
                    at,
                    "has(…) is asked of a value that may be absent itself: use .? and hasValue(), or no .? in has(…)",
                ));
            }
            known.type_ = *of;
            how = How::Optional;
        }
        let name = format!("{}.{field}", known.name);
        if let Type::Any(bytes) = known.type_ {
            let steps = known.steps.saturating_add(4);
            let key = text(&field);
            let (expr, type_) = match how {
                How::Plain => (call("@part", vec![operand, key, text(&name)]), Type::Any(bytes)),
                How::Tested => (call("@has", vec![operand, key]), Type::Truth),
                How::Optional => (
                    call("@opt", vec![operand, key]),
                    Type::Optional(Box::new(Type::Any(bytes))),
                ),
            };
            node.expr = expr;
            return Ok(Known::new(type_, steps).named(name));
        }
        let part = self.part(at, &known.type_, &field, how == How::Tested)?;
        self.attributes.extend(part.mention);
        // What an optional holds is copied before it is asked.
        let held = if how == How::Optional { known.type_.weight() } else { 0 };
        let steps = known.steps.saturating_add(part.type_.weight()).saturating_add(held + 1);
        // What has parts is always there: whether it has any is asked of the parts.
        let has_parts = matches!(part.type_, Type::Place(_) | Type::CustomFields);
        let select = |operand: IdedExpr, field: String| {
            Expr::Select(SelectExpr {
                operand: Box::new(operand),
                field,
                test: how == How::Tested,
            })
        };
        let (expr, type_) = match how {
            How::Plain => (select(operand, part.field), part.type_),
            How::Tested => (select(operand, format!("?{}", part.field)), Type::Truth),
            How::Optional if has_parts => (select(operand, part.field), Type::Optional(Box::new(part.type_))),
            How::Optional => (
                call("@opt_field", vec![operand, text(&part.field)]),
                Type::Optional(Box::new(part.type_)),
            ),
        };
        node.expr = expr;
        Ok(Known::new(type_, steps).named(name))
    }

    /// The part `field` of what has declared parts.
    pub(super) fn part(&self, at: usize, of: &Type, field: &str, tested: bool) -> Result<Part, Refusal> {
        let refuse = |sentence: String| Err(self.scanned.refuse(at, sentence));
        let plain = |type_: Type, mention: Option<String>| {
            Ok(Part {
                type_,
                field: field.to_owned(),
                mention,
            })
        };
        match of {
            Type::Employee => match attribute(field) {
                Some(type_) => {
                    // Of a location or of the custom fields, what is selected of it is mentioned.
                    let mentioned = tested || !matches!(type_, Type::Place(_) | Type::CustomFields);
                    plain(type_, mentioned.then(|| field.to_owned()))
                }
                None => refuse(no_attribute(field)),
            },
            Type::Place(place) if PARTS.contains(&field) => {
                plain(Type::Text(MAX_VALUE), Some(format!("{place}.{field}")))
            }
            Type::Place(place) => {
                let hint = suggest(field, PARTS.into_iter());
                refuse(format!(
                    "there is no employee.{place}.{field}, only name, country, state and city{hint}"
                ))
            }
            Type::Group if field == "path" => plain(Type::list(Type::Text(MAX_VALUE), MAX_PATH), None),
            Type::Group => {
                let hint = suggest(field, std::iter::once("path"));
                refuse(format!("a group has no {field}, only path{hint}"))
            }
            Type::CustomFields => self.custom_field(at, field),
            Type::Record(record) => {
                let fields = self.scope.fields(record);
                if let Some(holds) = fields.and_then(|fields| fields.get(field)) {
                    return Ok(Part {
                        type_: holds.type_(),
                        field: format!("{}:{field}", holds.mark()),
                        mention: None,
                    });
                }
                let known: Vec<&str> = fields.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                let hint = suggest(field, known.iter().copied());
                refuse(match known.as_slice() {
                    [] => format!("{record} has no {field}, nor any other part here"),
                    known => format!("{record} has no {field}, only {}{hint}", known.join(", ")),
                })
            }
            other => refuse(format!("{} has no {field}, nor any other part", other.words())),
        }
    }

    fn custom_field(&self, at: usize, field: &str) -> Result<Part, Refusal> {
        let schema = self.scope.employee.as_ref();
        let Some(holds) = schema.and_then(|schema| schema.custom_field(field)) else {
            let hint = suggest(field, schema.iter().flat_map(|schema| schema.custom_fields()));
            return Err(self.scanned.refuse(
                at,
                format!("no HRISConnection declares the custom field {field}{hint}: declare it in spec.customFields"),
            ));
        };
        let (mark, type_) = match holds {
            CustomFieldType::Integer => ("i", Type::Number),
            CustomFieldType::Boolean => ("b", Type::Truth),
            // A date is written so that the order of the texts is the order of the days.
            CustomFieldType::String | CustomFieldType::Date => ("s", Type::Text(MAX_VALUE)),
        };
        Ok(Part {
            type_,
            field: format!("{mark}:{field}"),
            mention: Some(format!("customFields.{field}")),
        })
    }
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
