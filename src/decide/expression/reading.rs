//! One expression that reads a value: an id out of an answer, whether an answer is an error, the items of a page.

mod path;

use std::borrow::Cow;
use std::sync::Arc;

use cel::common::traits::Indexer;
use cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional, CelString};
use cel::common::value::Val;
use serde_json::{Map, Value as Json};

use self::path::Path;
use super::compiled::Compiled;
use super::facts::{Ask, Whole};
use super::language::Language;
use super::schema::{MAX_WHOLE, Type};
use super::{Refusal, Scope, Values, scan};

/// Bytes of the items that a reading makes: what it takes out of an answer as it stands is not copied, and not counted.
const MAX_ITEMS: usize = 4 << 20;
/// Lists and maps within each other in a result.
const MAX_NESTING: usize = 40;

/// What a reading must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// True or false.
    Truth,
    /// A text, or what is written as one: a number, a truth value. It may be absent.
    Text,
    /// A list.
    List,
    /// Anything. It may be absent.
    Any,
}

/// An expression of the templates' language, checked and ready to be asked.
#[derive(Clone, Debug)]
pub struct Reading {
    compiled: Arc<Compiled>,
    path: Option<Arc<Path>>,
}

impl Reading {
    /// Checks an expression, written bare or as `${…}`, over what `scope` names. What is not refused takes at most
    /// [`TEMPLATE_BUDGET`](super::TEMPLATE_BUDGET) steps, whatever the values.
    pub fn compile(source: &str, scope: &Scope, expect: Expect) -> Result<Self, Refusal> {
        let (start, bare) = bare(source)?;
        Self::bare(bare, scope, expect).map_err(|refusal| match start {
            0 => refusal,
            _ => refusal.within(source, start),
        })
    }

    /// Checks an expression without `${…}` around it.
    pub(super) fn bare(source: &str, scope: &Scope, expect: Expect) -> Result<Self, Refusal> {
        let compiled = Compiled::new(source, Language::Template, scope)?;
        check_type(&compiled.type_, expect)?;
        let path = Path::read(source, scope).map(Arc::new);
        Ok(Self {
            compiled: Arc::new(compiled),
            path,
        })
    }

    /// Its value; `None` where it may be absent and is. The error is a sentence that holds no value: what it needs is
    /// missing, of another kind, too large (64 KB), or gone from the employee without that being confirmed.
    pub fn evaluate(&self, values: &Values<'_>) -> Result<Option<Json>, String> {
        let mut room = MAX_WHOLE;
        self.compiled.evaluate(values, |value| place(value, &mut room, 0))
    }

    /// Whether it is true.
    pub fn truth(&self, values: &Values<'_>) -> Result<bool, String> {
        match self.evaluate(values)? {
            Some(Json::Bool(truth)) => Ok(truth),
            _ => Err("what is read is neither true nor false".to_owned()),
        }
    }

    /// Its value as a text: a number becomes its digits, a truth value `true` or `false`. `None` where it may be absent
    /// and is; `null`, a list or a map is an error.
    pub fn text(&self, values: &Values<'_>) -> Result<Option<String>, String> {
        self.evaluate(values)?.map(into_text).transpose()
    }

    /// The elements of the list that it comes to; those of a list that stands in an answer, such as
    /// `response.body.items`, are borrowed from there, however many and large they are. None where it may be absent and
    /// is.
    pub fn items<'a>(&self, values: &Values<'a>) -> Result<Vec<Cow<'a, Json>>, String> {
        if let Some(path) = &self.path {
            self.compiled.check(values)?;
            return match path.find(values)? {
                Some(Json::Array(elements)) => Ok(elements.iter().map(Cow::Borrowed).collect()),
                Some(_) => Err(format!("{} is no list", path.name)),
                None => Ok(Vec::new()),
            };
        }
        let mut room = MAX_ITEMS;
        match self.compiled.evaluate(values, |value| place(value, &mut room, 0))? {
            Some(Json::Array(elements)) => Ok(elements.into_iter().map(Cow::Owned).collect()),
            Some(_) => Err("what is read is no list".to_owned()),
            None => Ok(Vec::new()),
        }
    }

    /// The attributes of the employee that it mentions, by their names in an Employee's spec, such as `jobTitle`,
    /// `workLocation.country` or `customFields.costCenter`.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.compiled.attributes()
    }

    /// Whether it mentions the name `name` of the scope.
    pub fn mentions(&self, name: &str) -> bool {
        self.compiled.names().any(|known| known == name)
    }

    /// The most steps that an evaluation takes; at most [`TEMPLATE_BUDGET`](super::TEMPLATE_BUDGET).
    pub fn steps(&self) -> u64 {
        self.compiled.steps
    }

    /// Whether its value may be absent without that being an error.
    pub fn may_be_absent(&self) -> bool {
        matches!(self.compiled.type_, Type::Optional(_))
    }

    /// The patterns in it, which take memory.
    pub(super) fn patterns(&self) -> usize {
        self.compiled.patterns()
    }
}

/// An expression without `${…}` around it, and the byte at which it stands.
fn bare(source: &str) -> Result<(usize, &str), Refusal> {
    let trimmed = source.trim_start();
    let start = source.len() - trimmed.len();
    let Some(inner) = trimmed.strip_prefix("${") else {
        return Ok((0, source));
    };
    let start = start + 2;
    match scan::closing(source, start)? {
        None => Err(Refusal::at(source, start - 2, "${ is never closed: close it with }")),
        Some(end) if source[end + 1..].trim().is_empty() => Ok((start, &inner[..end - start])),
        Some(end) => Err(Refusal::at(
            source,
            end + 1,
            "one expression stands here: remove what follows the }, or write a + between two texts in it",
        )),
    }
}

fn check_type(type_: &Type, expect: Expect) -> Result<(), Refusal> {
    let inner = match type_ {
        Type::Optional(of) if expect != Expect::Truth => of,
        other => other,
    };
    if !inner.is_placeable() {
        return Err(Refusal::whole(format!(
            "it is {}, which no value is made of: {}",
            inner.words(),
            inner.mend()
        )));
    }
    let (fits, wanted) = match expect {
        Expect::Any => (true, ""),
        Expect::Truth => (
            matches!(inner, Type::Truth | Type::Any(_)),
            "true or false: compare it with something",
        ),
        Expect::Text => (
            matches!(
                inner,
                Type::Text(_) | Type::Number | Type::Truth | Type::Any(_) | Type::Nothing
            ),
            "a text or a number: name one, or say join(\", \") on a list",
        ),
        Expect::List => (
            matches!(inner, Type::List(..) | Type::Any(_) | Type::Nothing),
            "a list: write [ and ] around it",
        ),
    };
    if fits {
        return Ok(());
    }
    Err(Refusal::whole(format!("it is {}, and must be {wanted}", inner.words())))
}

pub(super) fn into_text(value: Json) -> Result<String, String> {
    match value {
        Json::String(text) => Ok(text),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(truth) => Ok(truth.to_string()),
        Json::Null => Err("null stands where a text is wanted".to_owned()),
        Json::Array(_) | Json::Object(_) => Err("a list or an object stands where a text is wanted".to_owned()),
    }
}

/// Makes JSON of a value, for as much of it as there is room in bytes. `None` is an optional without a value.
fn place(value: &dyn Val, room: &mut usize, depth: usize) -> Result<Option<Json>, String> {
    if depth > MAX_NESTING {
        return Err("what is placed is nested too deep".to_owned());
    }
    if let Some(optional) = value.downcast_ref::<CelOptional>() {
        return optional
            .option()
            .map_or(Ok(None), |value| place(value, room, depth + 1));
    }
    let mut take = |bytes: usize| match room.checked_sub(bytes) {
        Some(left) => {
            *room = left;
            Ok(())
        }
        None => Err("what is placed is too large".to_owned()),
    };
    let placed = if value.downcast_ref::<CelNull>().is_some() {
        take(4)?;
        Json::Null
    } else if let Some(truth) = value.downcast_ref::<CelBool>() {
        take(5)?;
        Json::Bool(*truth.inner())
    } else if let Some(number) = value.downcast_ref::<CelInt>() {
        take(8)?;
        Json::from(*number.inner())
    } else if let Some(text) = value.downcast_ref::<CelString>() {
        take(text.inner().len() + 2)?;
        Json::String(text.inner().to_owned())
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        take(2)?;
        let mut elements = Vec::new();
        for element in list.inner() {
            elements.extend(place(element.as_ref(), room, depth + 1)?);
        }
        Json::Array(elements)
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        take(2)?;
        object(map, room, depth)?
    } else {
        let whole = value.as_indexer().ok_or_else(nothing)?;
        copy(whole, room)?
    };
    Ok(Some(placed))
}

fn nothing() -> String {
    "what is read is no value".to_owned()
}

/// The members in the order of their names: the same map is the same text, time and again.
fn object(map: &CelMap<'_>, room: &mut usize, depth: usize) -> Result<Json, String> {
    let mut members = Vec::new();
    for (key, value) in map.inner() {
        let CelMapKey::String(key) = key else {
            return Err(nothing());
        };
        let key = key.inner().to_owned();
        *room = room.saturating_sub(key.len() + 2);
        if let Some(value) = place(value.as_ref(), room, depth + 1)? {
            members.push((key, value));
        }
    }
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(Json::Object(Map::from_iter(members)))
}

fn copy(part: &dyn Indexer, room: &mut usize) -> Result<Json, String> {
    let whole = part
        .get(&Ask::Whole(*room))
        .map_err(|error| super::compiled::why(&error))?;
    match whole.downcast_ref::<Whole>() {
        Some(Whole(value, bytes)) => {
            *room = room.saturating_sub(*bytes);
            Ok(value.clone())
        }
        None => Err(nothing()),
    }
}
