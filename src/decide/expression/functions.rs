//! Functions that the checked tree calls and no author can name: what is asked of values whose kind is found out when
//! they are there, and what builds texts within bounds.

use std::borrow::Cow;

use cel::common::types::{CelBool, CelInt, CelList, CelNull, CelOptional, CelString, DYN_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::facts::{Ask, said};
use super::schema::{MAX_PARTS, MAX_WHOLE};

type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// The functions, by their names, with how many arguments each takes.
pub(super) fn add(env: &mut Env) -> Result<(), DeclarationError> {
    let functions: [(&str, usize, cel::common::functions::Function); 21] = [
        ("@part", 3, part),
        ("@field", 2, field),
        ("@has", 2, has),
        ("@opt", 2, optional_part),
        ("@opt_field", 2, optional_field),
        ("@text", 3, as_text),
        ("@number", 2, as_number),
        ("@truth", 2, as_truth),
        ("@items", 3, as_items),
        ("@equal", 2, equal),
        ("@within", 2, within),
        ("@size", 2, size),
        ("@int", 2, to_int),
        ("@string", 2, to_string),
        ("@concat", 2, concat),
        ("@join", 2, join),
        ("@replace", 3, replace),
        ("@split", 2, split),
        ("@base64", 1, base64),
        ("@of", 1, optional_of),
        ("@none", 0, optional_none),
    ];
    for (name, arguments, function) in functions {
        env.add_overload(name, name, (0..arguments).map(|_| DYN_TYPE).collect(), function)?;
    }
    Ok(())
}

/// The arguments, as many as the function has.
fn take<'b, 'v, const N: usize>(arguments: Vec<CowVal<'b, 'v>>) -> Result<[CowVal<'b, 'v>; N], ExecutionError> {
    arguments
        .try_into()
        .map_err(|_| ExecutionError::missing_argument_or_target())
}

fn text_of<'c>(value: &'c CowVal<'_, '_>) -> Result<&'c str, ExecutionError> {
    let text = value.downcast_ref::<CelString>().map(CelString::inner);
    text.ok_or_else(ExecutionError::missing_argument_or_target)
}

fn truth<'b, 'v>(truth: bool) -> CowVal<'b, 'v> {
    CowVal::owned(CelBool::from(truth))
}

fn owned_text<'b, 'v>(text: String) -> CowVal<'b, 'v> {
    CowVal::owned(CelString::from(text))
}

/// How a value is called in an error: as the expression spells it.
fn called<'c>(name: &'c CowVal<'_, '_>) -> Cow<'c, str> {
    match name.downcast_ref::<CelString>().map(CelString::inner) {
        Some(name) if !name.is_empty() => Cow::Borrowed(name),
        _ => Cow::Borrowed("a value"),
    }
}

fn is_none(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)
    )
}

/// Asks a value, whatever it is. `null` has no parts, and of what cannot have any it is an error to ask.
fn ask<'b, 'v>(value: &CowVal<'b, 'v>, asked: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError> {
    match value.as_indexer() {
        Some(indexer) => indexer.get(asked).map(CowVal::into_owned),
        None if value.downcast_ref::<CelNull>().is_some() => Err(ExecutionError::no_such_key("")),
        None => Err(said("a part is asked of what is no object and no list")),
    }
}

/// The element or member that `key` names. A list that the expression made itself has elements as well.
fn look<'b, 'v>(value: &CowVal<'b, 'v>, key: &CowVal<'_, '_>) -> Result<Box<dyn Val + 'v>, ExecutionError> {
    let is_list = value.downcast_ref::<CelList>().is_some();
    match (key.downcast_ref::<CelString>(), key.downcast_ref::<CelInt>()) {
        (Some(_), _) if is_list => Err(said("a member is asked of a list")),
        (Some(name), _) => ask(value, &Ask::Part(name.inner().to_owned())),
        (_, Some(_)) if is_list => ask(value, key.as_ref()),
        (_, Some(place)) => ask(value, &Ask::At(*place.inner())),
        _ => Err(ExecutionError::missing_argument_or_target()),
    }
}

fn part<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, key, name] = take(arguments)?;
    match look(&value, &key) {
        Ok(found) => Ok(CowVal::Owned(found)),
        Err(error) if is_none(&error) => Err(ExecutionError::no_such_key(&called(&name))),
        Err(ExecutionError::FunctionError { message, .. }) => {
            Err(said(format!("{} cannot be read: {message}", called(&name))))
        }
        Err(error) => Err(error),
    }
}

/// A field of a record, by a name that no dot can select.
fn field<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, field] = take(arguments)?;
    ask(&value, field.as_ref()).map(CowVal::Owned)
}

/// `null` is no value, and a list has no members; of a text or a number it cannot be asked.
fn has<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, key] = take(arguments)?;
    let is_list = || value.downcast_ref::<CelList>().is_some() || ask(&value, &Ask::Size).is_ok();
    match look(&value, &key) {
        Ok(found) => Ok(truth(found.downcast_ref::<CelNull>().is_none())),
        Err(error) if is_none(&error) || is_list() => Ok(truth(false)),
        Err(error) => Err(error),
    }
}

/// What an optional holds, or what is no optional.
fn held<'b, 'v>(value: CowVal<'b, 'v>) -> Option<CowVal<'b, 'v>> {
    match value.downcast_ref::<CelOptional>() {
        Some(optional) => optional.option().map(|held| CowVal::Owned(held.clone_as_boxed())),
        None => Some(value),
    }
}

fn optional<'b, 'v>(found: Result<Box<dyn Val + 'v>, ExecutionError>) -> Answer<'b, 'v> {
    match found {
        Ok(found) if found.downcast_ref::<CelNull>().is_some() => Ok(CowVal::owned(CelOptional::none())),
        Ok(found) => Ok(CowVal::owned(CelOptional::of(found))),
        Err(error) if is_none(&error) => Ok(CowVal::owned(CelOptional::none())),
        Err(error) => Err(error),
    }
}

fn optional_part<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, key] = take(arguments)?;
    match held(value) {
        Some(value) => optional(look(&value, &key)),
        None => Ok(CowVal::owned(CelOptional::none())),
    }
}

/// Of what has declared parts: the employee, a record, a list of such.
fn optional_field<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, field] = take(arguments)?;
    match held(value) {
        Some(value) => optional(ask(&value, field.as_ref())),
        None => Ok(CowVal::owned(CelOptional::none())),
    }
}

fn optional_of<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value] = take(arguments)?;
    optional(Ok(value.into_owned()))
}

#[expect(clippy::unnecessary_wraps, reason = "the crate calls it so")]
fn optional_none<'b, 'v>(_: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    Ok(CowVal::owned(CelOptional::none()))
}

fn as_text<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, name, most] = take(arguments)?;
    let most = number_of(&most)?;
    match value.downcast_ref::<CelString>().map(|text| text.inner().len()) {
        Some(bytes) if bytes > most => Err(said(format!("{} is longer than {most} bytes", called(&name)))),
        Some(_) => Ok(value),
        None => Err(said(format!("{} is no text", called(&name)))),
    }
}

fn number_of(value: &CowVal<'_, '_>) -> Result<usize, ExecutionError> {
    let number = value.downcast_ref::<CelInt>().map(|number| *number.inner());
    number
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(ExecutionError::missing_argument_or_target)
}

fn as_number<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, name] = take(arguments)?;
    match value.downcast_ref::<CelInt>() {
        Some(_) => Ok(value),
        None => Err(said(format!("{} is no whole number", called(&name)))),
    }
}

fn as_truth<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, name] = take(arguments)?;
    match value.downcast_ref::<CelBool>() {
        Some(_) => Ok(value),
        None => Err(said(format!("{} is neither true nor false", called(&name)))),
    }
}

fn as_items<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, name, most] = take(arguments)?;
    let most = number_of(&most)?;
    if let Some(list) = value.downcast_ref::<CelList>() {
        if list.inner().len() > most {
            return Err(said(format!("{} has more than {most} elements", called(&name))));
        }
        return Ok(value);
    }
    match ask(&value, &Ask::Items(most)) {
        Ok(list) => Ok(CowVal::Owned(list)),
        Err(error) if is_none(&error) || value.as_indexer().is_none() => {
            Err(said(format!("{} is no list", called(&name))))
        }
        Err(error) => Err(error),
    }
}

/// Whether two values are the same; `None` where they are of kinds that cannot be compared. Nothing but `null` is `null`.
fn same(one: &dyn Val, other: &dyn Val) -> Option<bool> {
    let is_null = |value: &dyn Val| value.downcast_ref::<CelNull>().is_some();
    if is_null(one) || is_null(other) {
        return Some(is_null(one) && is_null(other));
    }
    if let (Some(one), Some(other)) = (one.downcast_ref::<CelString>(), other.downcast_ref::<CelString>()) {
        return Some(one.inner() == other.inner());
    }
    if let (Some(one), Some(other)) = (one.downcast_ref::<CelInt>(), other.downcast_ref::<CelInt>()) {
        return Some(one.inner() == other.inner());
    }
    let (one, other) = (one.downcast_ref::<CelBool>()?, other.downcast_ref::<CelBool>()?);
    Some(one.inner() == other.inner())
}

fn equal<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [one, other] = take(arguments)?;
    match same(one.as_ref(), other.as_ref()) {
        Some(same) => Ok(truth(same)),
        None => Err(said(
            "two values of different kinds are compared, or whole lists or objects",
        )),
    }
}

/// True if an element is the same; otherwise false only if all could be compared.
fn within<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, list] = take(arguments)?;
    let Some(list) = list.downcast_ref::<CelList>() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let mut is_clear = true;
    for element in list.inner() {
        match same(value.as_ref(), element.as_ref()) {
            Some(true) => return Ok(truth(true)),
            Some(false) => {}
            None => is_clear = false,
        }
    }
    if is_clear {
        return Ok(truth(false));
    }
    Err(said("`in` looks for a value among others of a different kind"))
}

fn size<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, name] = take(arguments)?;
    let size = if let Some(text) = value.downcast_ref::<CelString>() {
        if text.inner().len() > MAX_WHOLE {
            return Err(said(format!("{} is longer than {MAX_WHOLE} bytes", called(&name))));
        }
        text.inner().chars().count()
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        list.inner().len()
    } else {
        return match ask(&value, &Ask::Size) {
            Ok(size) => Ok(CowVal::Owned(size)),
            Err(_) => Err(said(format!("{} has no size", called(&name)))),
        };
    };
    Ok(CowVal::owned(CelInt::from(i64::try_from(size).unwrap_or(i64::MAX))))
}

fn to_int<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, name] = take(arguments)?;
    if value.downcast_ref::<CelInt>().is_some() {
        return Ok(value);
    }
    let read = value
        .downcast_ref::<CelString>()
        .and_then(|text| text.inner().parse::<i64>().ok());
    match read {
        Some(number) => Ok(CowVal::owned(CelInt::from(number))),
        None => Err(said(format!("{} cannot be read as a whole number", called(&name)))),
    }
}

fn to_string<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [value, name] = take(arguments)?;
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Ok(owned_text(number.inner().to_string()));
    }
    if let Some(truth) = value.downcast_ref::<CelBool>() {
        return Ok(owned_text(truth.inner().to_string()));
    }
    match value.downcast_ref::<CelString>().map(|text| text.inner().len()) {
        Some(bytes) if bytes > MAX_WHOLE => Err(too_long()),
        Some(_) => Ok(value),
        None => match ask(&value, &Ask::Digits) {
            Ok(digits) => Ok(CowVal::Owned(digits)),
            Err(_) => Err(said(format!("{} is no text, number or truth value", called(&name)))),
        },
    }
}

fn too_long() -> ExecutionError {
    said(format!("a text grows beyond {MAX_WHOLE} bytes"))
}

fn concat<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [one, other] = take(arguments)?;
    let (one, other) = (text_of(&one)?, text_of(&other)?);
    if one.len() + other.len() > MAX_WHOLE {
        return Err(too_long());
    }
    Ok(owned_text(format!("{one}{other}")))
}

fn join<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [list, between] = take(arguments)?;
    let between = text_of(&between)?;
    let Some(list) = list.downcast_ref::<CelList>() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let mut joined = String::new();
    for (number, element) in list.inner().iter().enumerate() {
        let Some(text) = element.downcast_ref::<CelString>() else {
            return Err(said("join goes through texts, and one of the list is none"));
        };
        if number > 0 {
            joined.push_str(between);
        }
        joined.push_str(text.inner());
        if joined.len() > MAX_WHOLE {
            return Err(too_long());
        }
    }
    Ok(owned_text(joined))
}

fn replace<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [text, from, to] = take(arguments)?;
    let (text, from, to) = (text_of(&text)?, text_of(&from)?, text_of(&to)?);
    if from.is_empty() {
        return Err(said("replace is asked to replace an empty text"));
    }
    let grown = text.matches(from).count().saturating_mul(to.len());
    if text.len().saturating_add(grown) > 2 * MAX_WHOLE {
        return Err(too_long());
    }
    let replaced = text.replace(from, to);
    if replaced.len() > MAX_WHOLE {
        return Err(too_long());
    }
    Ok(owned_text(replaced))
}

fn split<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [text, at] = take(arguments)?;
    let (text, at) = (text_of(&text)?, text_of(&at)?);
    if at.is_empty() {
        return Err(said("split is asked to split at an empty text"));
    }
    let parts: Vec<&str> = text.split(at).take(MAX_PARTS + 1).collect();
    if parts.len() > MAX_PARTS {
        return Err(said(format!("split makes more than {MAX_PARTS} parts")));
    }
    let parts = parts
        .into_iter()
        .map(|part| Box::new(CelString::from(part.to_owned())) as Box<dyn Val + 'v>);
    Ok(CowVal::owned(CelList::from(parts.collect::<Vec<_>>())))
}

fn base64<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Answer<'b, 'v> {
    let [text] = take(arguments)?;
    let text = text_of(&text)?;
    if text.len() > MAX_WHOLE / 2 {
        return Err(too_long());
    }
    Ok(owned_text(data_encoding::BASE64.encode(text.as_bytes())))
}
