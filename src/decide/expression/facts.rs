//! An employee's facts as CEL sees them, read where the expression asks for them and copied nowhere.
//!
//! The checked tree asks by marked names: `?jobTitle` for whether there is one (`has`), and for custom fields and
//! the fields of records `s:`, `i:`, `b:`, `l:` or `j:` before the name, by the type that is declared for them.

mod json;
mod record;

use std::collections::BTreeMap;

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{CelBool, CelInt, CelList, CelString, Type};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

pub(super) use self::json::{Ask, Whole};
use super::pattern::Pattern;
use super::schema::{MAX_PATH, MAX_VALUE};
use super::values::{Given, Values};
use crate::api::employee::{EmployeeSpec, GroupPath, Location};

/// What an evaluation can name: the values that it is given, and the expression's patterns by `@` and their number.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub values: &'a Values<'a>,
    pub patterns: &'a [Pattern],
}

impl VariableResolver for Facts<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if variable == "employee" {
            return self.values.employee.map(|spec| CowVal::owned(Node::Employee(spec)));
        }
        if let Some((name, given)) = self.values.get(variable) {
            return Some(match given {
                Given::Text(text) => CowVal::owned(CelString::from(text)),
                Given::Number(number) => CowVal::owned(CelInt::from(number)),
                Given::Record(fields) => CowVal::owned(Node::Record(name, fields)),
                Given::Json(value) => json::value(value),
            });
        }
        let number: usize = variable.strip_prefix('@')?.parse().ok()?;
        self.patterns
            .get(number)
            .map(|pattern| CowVal::Borrowed(pattern as &dyn Val))
    }
}

static NODE: Type = Type::new_unspecified_type("rollcall.Node");

/// A part of an employee that has parts.
#[derive(Clone, Debug)]
enum Node<'a> {
    Employee(&'a EmployeeSpec),
    Place(&'static str, Option<&'a Location>),
    CustomFields(&'a EmployeeSpec),
    Group(&'a [String]),
    /// A record, by its name.
    Record(&'a str, &'a BTreeMap<String, serde_json::Value>),
    /// What of an answer is neither a text, a truth value, a whole number nor null.
    Json(&'a serde_json::Value),
}

impl Val for Node<'_> {
    fn get_type(&self) -> &Type {
        &NODE
    }

    fn cel_type() -> &'static Type {
        &NODE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

impl Indexer for Node<'_> {
    fn get<'b, 'v>(&'b self, field: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.clone().part(field)
    }

    fn steal<'v>(self: Box<Self>, field: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.part(field).map(CowVal::into_owned)
    }
}

impl<'a> Node<'a> {
    fn part<'b, 'v>(self, field: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        'a: 'v,
    {
        if let (Self::Json(value), Some(ask)) = (&self, field.downcast_ref::<Ask>()) {
            return json::answer(value, ask);
        }
        let Some(field) = field.downcast_ref::<CelString>().map(CelString::inner) else {
            return Err(ExecutionError::no_such_key("employee"));
        };
        let (asked, field) = match field.strip_prefix('?') {
            Some(field) => (true, field),
            None => (false, field),
        };
        match self {
            Self::Employee(spec) => attribute(spec, field, asked),
            Self::Place(place, location) => {
                let name = || format!("employee.{place}.{field}");
                text(location.and_then(|location| part_of(location, field)), name)
            }
            Self::CustomFields(spec) => custom_field(spec, field),
            Self::Record(name, fields) => record::field(name, fields, field),
            // The checked tree asks an answer with `Ask` alone.
            Self::Json(_) => Err(ExecutionError::no_such_key(field)),
            Self::Group(path) => {
                if path.len() > MAX_PATH {
                    return Err(too_large("a group's path"));
                }
                let names = path
                    .iter()
                    .map(|name| Ok(Box::new(bounded(name)?) as Box<dyn Val + 'v>));
                Ok(CowVal::owned(CelList::from(
                    names.collect::<Result<Vec<_>, ExecutionError>>()?,
                )))
            }
        }
    }
}

fn attribute<'b, 'v, 'a: 'v>(
    spec: &'a EmployeeSpec,
    field: &str,
    asked: bool,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let name = || format!("employee.{field}");
    let place = |place: &'static str, location: Option<&'a Location>| {
        let known = location.is_some_and(|location| {
            super::schema::PARTS
                .iter()
                .any(|part| part_of(location, part).is_some())
        });
        if asked && !known {
            return Err(ExecutionError::no_such_key(&name()));
        }
        Ok(CowVal::owned(Node::Place(place, location)))
    };
    match field {
        "departments" => groups(&spec.departments, field, asked),
        "businessUnits" => groups(&spec.business_units, field, asked),
        "groups" => groups(&spec.groups, field, asked),
        "workLocation" => place("workLocation", spec.work_location.as_ref()),
        "homeLocation" => place("homeLocation", spec.home_location.as_ref()),
        "customFields" if asked && spec.custom_fields.is_empty() => Err(ExecutionError::no_such_key(&name())),
        "customFields" => Ok(CowVal::owned(Node::CustomFields(spec))),
        _ => text(text_of(spec, field), name),
    }
}

/// The text attribute `name`, where the employee has one that is not blank.
pub(super) fn text_of<'a>(spec: &'a EmployeeSpec, name: &str) -> Option<&'a str> {
    let value = match name {
        "employeeNumber" => &spec.employee_number,
        "displayName" => &spec.display_name,
        "givenName" => &spec.given_name,
        "familyName" => &spec.family_name,
        "workEmail" => &spec.work_email,
        "username" => &spec.username,
        "jobTitle" => &spec.job_title,
        "employmentType" => &spec.employment_type,
        "employmentStatus" => &spec.employment_status,
        "startDate" => &spec.start_date,
        "terminationDate" => &spec.termination_date,
        "company" => &spec.company,
        _ => return None,
    };
    filled(value.as_deref())
}

/// The part `part` of a location, where there is one that is not blank.
pub(super) fn part_of<'a>(location: &'a Location, part: &str) -> Option<&'a str> {
    let value = match part {
        "name" => &location.name,
        "country" => &location.country,
        "state" => &location.state,
        "city" => &location.city,
        _ => return None,
    };
    filled(value.as_deref())
}

/// A blank text is no value, as it is for the selector's keys.
fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

fn groups<'b, 'v, 'a: 'v>(groups: &'a [GroupPath], name: &str, asked: bool) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let most = match super::schema::attribute(name) {
        Some(super::schema::Type::List(_, most)) => most,
        _ => 0,
    };
    if groups.len() > most {
        return Err(too_large(&format!("employee.{name}")));
    }
    if asked && groups.is_empty() {
        return Err(ExecutionError::no_such_key(name));
    }
    let groups = groups
        .iter()
        .map(|group| Box::new(Node::Group(&group.path)) as Box<dyn Val + 'v>);
    Ok(CowVal::owned(CelList::from(groups.collect::<Vec<_>>())))
}

fn custom_field<'b, 'v, 'a: 'v>(spec: &'a EmployeeSpec, marked: &str) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (mark, field) = marked.split_once(':').unwrap_or(("s", marked));
    let name = || format!("employee.customFields.{field}");
    let value = filled(spec.custom_fields.get(field).map(String::as_str));
    // A value of another type counts as absent, as it does when the field is read.
    match (mark, value) {
        ("i", Some(value)) => match value.trim().parse::<i64>() {
            Ok(number) => Ok(CowVal::owned(CelInt::from(number))),
            Err(_) => Err(ExecutionError::no_such_key(&name())),
        },
        ("b", Some(value)) => match value.trim().parse::<bool>() {
            Ok(truth) => Ok(CowVal::owned(CelBool::from(truth))),
            Err(_) => Err(ExecutionError::no_such_key(&name())),
        },
        (_, value) => text(value, name),
    }
}

fn text<'b, 'v, 'a: 'v>(
    value: Option<&'a str>,
    name: impl FnOnce() -> String,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    match value {
        Some(value) => Ok(CowVal::owned(bounded(value)?)),
        None => Err(ExecutionError::no_such_key(&name())),
    }
}

fn bounded(value: &str) -> Result<CelString<'_>, ExecutionError> {
    if value.len() > MAX_VALUE {
        return Err(too_large("a text of the employee"));
    }
    Ok(CelString::from(value))
}

fn too_large(what: &str) -> ExecutionError {
    said(format!("{what} is larger than its kind allows"))
}

/// The function's name of the errors whose message is for people.
pub(super) const SAID: &str = "rollcall";

/// An error in words for people, which hold no value.
pub(super) fn said(sentence: impl Into<String>) -> ExecutionError {
    ExecutionError::function_error(SAID, sentence.into())
}
