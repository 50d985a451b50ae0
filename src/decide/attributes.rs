//! Attributes of SCIM accounts: where a value goes, and what goes there by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::expression::{Schema, Scope, Template, Values};
use crate::api::employee::EmployeeSpec;

/// The URN of the enterprise extension (RFC 7643 section 4.3).
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The URN of the core schema of users, under which an attribute is the same as without.
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// What the service gives, and what Rollcall answers for by itself: the correlation key, whether an account is usable, and what
/// entitlements grant.
const NOT_TO_SET: [&str; 10] = [
    "id",
    "schemas",
    "meta",
    "externalId",
    "active",
    "password",
    "groups",
    "roles",
    "entitlements",
    "x509Certificates",
];

/// The name by which templates speak of what Rollcall finds an account by.
const CORRELATION_KEY: &str = "correlationKey";

/// Where a value is in a user's record: `attribute`, `attribute.subAttribute`, or either behind the URN of an extension and a colon
/// (RFC 7644 section 3.10).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttributePath {
    /// The extension's URN; `None` for the core schema.
    pub extension: Option<String>,
    /// The attribute.
    pub attribute: String,
    /// The part of it.
    pub sub: Option<String>,
}

impl AttributePath {
    /// A path of the core schema that is known to be good: `attribute` or `attribute.subAttribute`.
    pub fn core(path: &str) -> Self {
        let (attribute, sub) = match path.split_once('.') {
            Some((attribute, sub)) => (attribute, Some(sub)),
            None => (path, None),
        };
        Self {
            extension: None,
            attribute: attribute.to_owned(),
            sub: sub.map(str::to_owned),
        }
    }

    /// An attribute of the enterprise extension.
    pub fn enterprise(attribute: &str) -> Self {
        Self {
            extension: Some(ENTERPRISE.to_owned()),
            ..Self::core(attribute)
        }
    }

    /// Reads a path that a person wrote. The error is a sentence that says how to mend it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (extension, rest) = match text.rsplit_once(':') {
            None => (None, text),
            Some((urn, rest)) => {
                if !is_urn(urn) {
                    return Err(format!(
                        "{text}: what stands before the last colon must be an extension's URN, such as {ENTERPRISE}"
                    ));
                }
                (Some(urn), rest)
            }
        };
        if rest.contains(['[', ']']) {
            return Err(format!(
                "{text}: a path has no filter: name the attribute and give it the whole list"
            ));
        }
        let mut names = rest.split('.');
        let (attribute, sub) = (names.next().unwrap_or_default(), names.next());
        if names.next().is_some() {
            return Err(format!(
                "{text}: a path is an attribute, or an attribute and one part of it, such as name.givenName"
            ));
        }
        for name in [Some(attribute), sub].into_iter().flatten() {
            if !is_name(name) {
                return Err(format!(
                    "{text}: {name:?} is no attribute's name: it begins with a letter and goes on with letters, digits, - and _"
                ));
            }
        }
        let path = Self {
            extension: extension
                .filter(|urn| !urn.eq_ignore_ascii_case(CORE))
                .map(str::to_owned),
            attribute: attribute.to_owned(),
            sub: sub.map(str::to_owned),
        };
        if path.extension.is_none() && NOT_TO_SET.iter().any(|name| name.eq_ignore_ascii_case(attribute)) {
            return Err(format!(
                "{text}: {attribute} is the service's or Rollcall's own: leave it out"
            ));
        }
        Ok(path)
    }

    /// Whether a value at this path settles what is at `other`: it is the same place, or `other` is a part of it. Names have no case.
    pub fn covers(&self, other: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            (None, None) => true,
            _ => false,
        };
        same(&self.extension, &other.extension)
            && self.attribute.eq_ignore_ascii_case(&other.attribute)
            && (self.sub.is_none() || same(&self.sub, &other.sub))
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.extension {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.attribute)?;
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

/// The attributes of accounts that a target's `spec.scim.attributes` spells out, checked and ready to be rendered.
#[derive(Clone, Debug, Default)]
pub struct AttributeMap {
    entries: Vec<(AttributePath, Template)>,
}

impl AttributeMap {
    /// Checks paths and templates. The refusals are all there are, each a sentence that says where and how to mend it.
    pub fn compile(attributes: &BTreeMap<String, String>, schema: &Schema) -> Result<Self, Vec<String>> {
        let scope = Scope::new().employee(schema).text(CORRELATION_KEY);
        let mut entries: Vec<(AttributePath, Template)> = Vec::new();
        let mut problems = Vec::new();
        for (text, template) in attributes {
            let path = AttributePath::parse(text).map_err(|why| problems.push(why)).ok();
            let compiled = Template::compile(&Value::String(template.clone()), &scope)
                .map_err(|refusals| problems.extend(refusals.into_iter().map(|(_, why)| format!("{text}: {why}"))))
                .ok();
            let (Some(path), Some(compiled)) = (path, compiled) else {
                continue;
            };
            let rival = entries
                .iter()
                .find(|(other, _)| other.covers(&path) || path.covers(other));
            if let Some((other, _)) = rival {
                problems.push(format!(
                    "{text}: {other} is set too, which is the same place or a part of it: leave one out"
                ));
            }
            entries.push((path, compiled));
        }
        if problems.is_empty() {
            Ok(Self { entries })
        } else {
            Err(problems)
        }
    }

    /// The values for a person, each at its path; what is absent is left out. The error is a sentence that names the path, and holds
    /// no value.
    pub fn render(&self, spec: &EmployeeSpec, correlation_key: &str) -> Result<Vec<(AttributePath, Value)>, String> {
        let values = Values::new().employee(spec).text(CORRELATION_KEY, correlation_key);
        let mut rendered = Vec::with_capacity(self.entries.len());
        for (path, template) in &self.entries {
            let value = template.render(&values).map_err(|why| format!("{path}: {why}"))?;
            rendered.extend(value.map(|value| (path.clone(), value)));
        }
        Ok(rendered)
    }

    /// The value at `path` alone, as of [`AttributeMap::render`].
    pub fn render_at(
        &self,
        path: &AttributePath,
        spec: &EmployeeSpec,
        correlation_key: &str,
    ) -> Result<Option<Value>, String> {
        let Some((_, template)) = self.entries.iter().find(|(known, _)| path.covers(known)) else {
            return Ok(None);
        };
        let values = Values::new().employee(spec).text(CORRELATION_KEY, correlation_key);
        template.render(&values).map_err(|why| format!("{path}: {why}"))
    }

    /// Whether it says what is at `path`.
    pub fn sets(&self, path: &AttributePath) -> bool {
        self.entries.iter().any(|(known, _)| path.covers(known))
    }

    /// The attributes of the employee that it mentions, by their names in an Employee's spec.
    pub fn attributes(&self) -> BTreeSet<&str> {
        self.entries
            .iter()
            .flat_map(|(_, template)| template.attributes())
            .collect()
    }
}

/// `ATTRNAME` of RFC 7643 section 2.1; `$ref` is its one exception, and no value to set.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || matches!(one, '-' | '_'))
}

/// Whether it has the look of a URN (RFC 8141 section 2): the namespace, and something in it.
fn is_urn(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    parts.next().is_some_and(|urn| urn.eq_ignore_ascii_case("urn"))
        && parts
            .next()
            .is_some_and(|namespace| namespace.len() > 1 && is_name(namespace))
        && parts.next().is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .chars()
                    .all(|one| one.is_ascii_alphanumeric() || matches!(one, ':' | '.' | '-' | '_' | '/' | '+'))
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_strictly_and_written_as_it_was_read() {
        for path in [
            "title",
            "name.givenName",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
            "urn:example:acme:User:badge-no_1",
        ] {
            let read = AttributePath::parse(path).unwrap();
            assert_eq!(read.to_string(), path);
        }
        let enterprise = AttributePath::parse(&format!("{ENTERPRISE}:department")).unwrap();
        assert_eq!(enterprise, AttributePath::enterprise("department"));
        // The core schema's own URN says nothing more.
        let core = AttributePath::parse("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName").unwrap();
        assert_eq!(core, AttributePath::core("name.givenName"));
    }

    #[test]
    fn what_is_no_path_is_refused_in_words() {
        for (path, words) in [
            ("", "is no attribute's name"),
            ("1st", "is no attribute's name"),
            ("name.", "is no attribute's name"),
            ("name.given.x", "one part of it"),
            ("na me", "is no attribute's name"),
            ("emails[type eq \"work\"].value", "has no filter"),
            ("User:title", "must be an extension's URN"),
            ("urn:title", "must be an extension's URN"),
            ("http://x.io/y:title", "must be an extension's URN"),
            ("id", "leave it out"),
            ("ACTIVE", "leave it out"),
            ("externalId", "leave it out"),
            ("urn:ietf:params:scim:schemas:core:2.0:User:roles", "leave it out"),
        ] {
            let why = AttributePath::parse(path).unwrap_err();
            assert!(why.contains(words), "{path}: {why}");
        }
    }

    #[test]
    fn a_whole_attribute_settles_its_parts() {
        let (name, given) = (AttributePath::core("NAME"), AttributePath::core("name.givenName"));
        assert!(name.covers(&given) && name.covers(&AttributePath::core("name")));
        assert!(!given.covers(&AttributePath::core("name")));
        assert!(!AttributePath::core("department").covers(&AttributePath::enterprise("department")));
    }

    fn compile(attributes: &[(&str, &str)]) -> Result<AttributeMap, Vec<String>> {
        let attributes = attributes
            .iter()
            .map(|(path, template)| ((*path).to_owned(), (*template).to_owned()));
        AttributeMap::compile(&attributes.collect(), &Schema::default())
    }

    #[test]
    fn values_have_the_kind_that_they_have_and_what_is_absent_is_left_out() {
        let map = compile(&[
            ("nickName", "${employee.?givenName}"),
            ("userName", "${employee.workEmail.split('@')[0]}"),
            (
                "phoneNumbers",
                "${[{'value': employee.employeeNumber, 'type': 'work'}]}",
            ),
            ("locale", "en"),
            (
                "urn:acme:ext:User:badge",
                "${correlationKey}/${employee.employeeNumber}",
            ),
        ])
        .unwrap();
        let spec = EmployeeSpec {
            work_email: Some("ada@x.io".to_owned()),
            employee_number: Some("7\"]}".to_owned()),
            ..EmployeeSpec::default()
        };
        let rendered = map.render(&spec, "hr/e-1").unwrap();
        let rendered: BTreeMap<String, Value> = rendered
            .into_iter()
            .map(|(path, value)| (path.to_string(), value))
            .collect();
        let expected = serde_json::json!({
            "userName": "ada", "locale": "en", "phoneNumbers": [{"value": "7\"]}", "type": "work"}],
            "urn:acme:ext:User:badge": "hr/e-1/7\"]}",
        });
        assert_eq!(serde_json::to_value(rendered).unwrap(), expected);
        assert_eq!(
            map.attributes(),
            BTreeSet::from(["employeeNumber", "givenName", "workEmail"])
        );
        let login = map.render_at(&AttributePath::core("USERNAME"), &spec, "").unwrap();
        assert_eq!(login, Some("ada".into()));
        let error = map.render(&EmployeeSpec::default(), "hr/e-1").unwrap_err();
        assert!(error.contains("employee"), "{error}");
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let problems = compile(&[
            ("title", "${employee.jobTitel}"),
            ("password", "x"),
            ("name", "${correlationKey}"),
            ("name.givenName", "x"),
        ])
        .unwrap_err();
        let all = problems.join("\n");
        assert_eq!(problems.len(), 3, "{all}");
        assert!(all.contains("title: ") && all.contains("jobTitle"), "{all}");
        assert!(
            all.contains("password: password is the service's or Rollcall's own"),
            "{all}"
        );
        assert!(all.contains("name.givenName: name is set too"), "{all}");
    }
}
