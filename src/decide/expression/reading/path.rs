//! A path into an answer, such as `response.body.items`, followed without any copy.

use serde_json::Value as Json;

use crate::decide::expression::{Scope, Values};

#[derive(Debug)]
pub(super) struct Path {
    /// As it is written.
    pub name: String,
    root: String,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    name: String,
    /// Whether `.?` stands before it.
    may_be_absent: bool,
}

impl Path {
    /// The path that `source`, which was checked, is; `None` where it is something else.
    pub(super) fn read(source: &str, scope: &Scope) -> Option<Self> {
        let name = source.trim();
        let (root, rest) = name.split_once('.').unwrap_or((name, ""));
        if !scope.is_json(root) {
            return None;
        }
        let parts = rest.split('.').filter(|_| !rest.is_empty()).map(|part| {
            let name = part.strip_prefix('?').unwrap_or(part);
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
            is_name.then(|| Part {
                name: name.to_owned(),
                may_be_absent: part.starts_with('?'),
            })
        });
        Some(Self {
            name: name.to_owned(),
            root: root.to_owned(),
            parts: parts.collect::<Option<_>>()?,
        })
    }

    /// What stands there, as an evaluation would find it: `None` where it may be absent and is. The error is a sentence.
    pub(super) fn find<'a>(&self, values: &Values<'a>) -> Result<Option<&'a Json>, String> {
        let mut value = values
            .json_of(&self.root)
            .ok_or_else(|| format!("{} has no value here", self.root))?;
        // What stands behind a `.?` may be absent, too.
        let mut may_be_absent = false;
        for part in &self.parts {
            may_be_absent |= part.may_be_absent;
            let found = match value {
                Json::Object(members) => members.get(&part.name),
                Json::Null => None,
                _ => return Err(format!("{} goes through what is no object", self.name)),
            };
            match found {
                Some(Json::Null) | None if may_be_absent => return Ok(None),
                None => return Err(format!("{} has no value", self.name)),
                Some(found) => value = found,
            }
        }
        Ok(Some(value))
    }
}
