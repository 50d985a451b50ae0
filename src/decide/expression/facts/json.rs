//! An answer as CEL sees it: read where the expression asks for it, and copied only where a result is made of it.

use std::any::Any;

use cel::ExecutionError;
use cel::common::types::{CelBool, CelInt, CelList, CelNull, CelString, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use serde_json::{Map, Value as Json};

use super::{Node, said};

/// Lists and objects within each other that are copied.
const MAX_NESTING: usize = 32;

static ASK: Type = Type::new_unspecified_type("rollcall.Ask");
static WHOLE: Type = Type::new_unspecified_type("rollcall.Whole");

/// What is asked of a part of an answer, which the crate's types have no words for.
#[derive(Clone, Debug)]
pub(in super::super) enum Ask {
    /// The member of an object.
    Part(String),
    /// The element of a list.
    At(i64),
    /// All elements of a list, if they are at most so many.
    Items(usize),
    /// How many elements or members there are.
    Size,
    /// A number that is not a whole one, as it is written.
    Digits,
    /// All of it, if it is at most so many bytes.
    Whole(usize),
}

impl Val for Ask {
    fn get_type(&self) -> &Type {
        &ASK
    }

    fn cel_type() -> &'static Type {
        &ASK
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Ask {}

/// A copy of a part of an answer, and what it takes in bytes.
#[derive(Clone, Debug)]
pub(in super::super) struct Whole(pub Json, pub usize);

impl Val for Whole {
    fn get_type(&self) -> &Type {
        &WHOLE
    }

    fn cel_type() -> &'static Type {
        &WHOLE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Whole {}

/// JSON as a value of the crate's where it has one: a number that is not a whole one keeps every digit instead.
pub(super) fn value<'b, 'v, 'a: 'v>(value: &'a Json) -> CowVal<'b, 'v> {
    match value {
        Json::Null => CowVal::owned(CelNull),
        Json::Bool(truth) => CowVal::owned(CelBool::from(*truth)),
        Json::String(text) => CowVal::owned(CelString::from(text.as_str())),
        Json::Number(number) => match number.as_i64() {
            Some(number) => CowVal::owned(CelInt::from(number)),
            None => CowVal::owned(Node::Json(value)),
        },
        Json::Array(_) | Json::Object(_) => CowVal::owned(Node::Json(value)),
    }
}

/// What a part of an answer says to `ask`. `NoSuchKey` is that there is none, or for `Items`, `Size` and `Digits` that
/// it is no such thing; a member or an element that is asked of what can have none is another error: who looks for what
/// may be absent must not take a page in HTML for an empty answer.
pub(super) fn answer<'b, 'v, 'a: 'v>(value: &'a Json, ask: &Ask) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let none = || ExecutionError::no_such_key("");
    match ask {
        Ask::Part(name) => match value {
            Json::Object(members) => members.get(name).map(self::value).ok_or_else(none),
            _ => Err(said("a member is asked of what is no object")),
        },
        Ask::At(place) => match value {
            Json::Array(elements) => {
                let element = usize::try_from(*place).ok().and_then(|place| elements.get(place));
                element.map(self::value).ok_or_else(none)
            }
            _ => Err(said("an element is asked of what is no list")),
        },
        Ask::Items(most) => match value {
            Json::Array(elements) if elements.len() > *most => Err(said(format!(
                "a list has more than {most} elements, and an expression goes through no more"
            ))),
            Json::Array(elements) => {
                let elements = elements.iter().map(|element| self::value(element).into_owned());
                Ok(CowVal::owned(CelList::from(elements.collect::<Vec<_>>())))
            }
            _ => Err(none()),
        },
        Ask::Size => {
            let size = match value {
                Json::Array(elements) => elements.len(),
                Json::Object(members) => members.len(),
                _ => return Err(none()),
            };
            Ok(CowVal::owned(CelInt::from(i64::try_from(size).unwrap_or(i64::MAX))))
        }
        Ask::Digits => match value {
            Json::Number(number) => Ok(CowVal::owned(CelString::from(number.to_string()))),
            _ => Err(none()),
        },
        Ask::Whole(most) => {
            let mut room = *most;
            let copy = copy(value, &mut room, 0)?;
            Ok(CowVal::owned(Whole(copy, most - room)))
        }
    }
}

/// Copies as much as there is room for. What is nested deeper than anybody means is refused before the stack ends.
fn copy(value: &Json, room: &mut usize, depth: usize) -> Result<Json, ExecutionError> {
    let bytes = match value {
        Json::String(text) => text.len() + 2,
        _ => 2,
    };
    *room = room
        .checked_sub(bytes)
        .ok_or_else(|| said("a part of an answer is too large to be placed"))?;
    if depth > MAX_NESTING {
        return Err(said("a part of an answer is nested too deep to be placed"));
    }
    Ok(match value {
        Json::Array(elements) => {
            let elements = elements.iter().map(|element| copy(element, room, depth + 1));
            Json::Array(elements.collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let mut copied = Map::new();
            for (name, member) in members {
                *room = room.saturating_sub(name.len() + 2);
                copied.insert(name.clone(), copy(member, room, depth + 1)?);
            }
            Json::Object(copied)
        }
        scalar => scalar.clone(),
    })
}
