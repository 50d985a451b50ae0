//! Roles and entitlements: values of attributes of a User (RFC 7643 section 4.1.2). Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::client::{Record, attribute, literal, text};
use super::patch::{key_of, patch_of};
use super::told::Form;
use crate::api::entitlement::{EntitlementSpec, RemoteObject};
use crate::targets::TargetError;

/// An attribute of users whose values are granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attribute {
    Roles,
    Entitlements,
}

impl Attribute {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Roles, Self::Entitlements];

    /// Of remote objects of this kind.
    pub fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attribute| attribute.kind() == kind)
    }

    /// The kind of remote objects.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Roles => "Role",
            Self::Entitlements => "Entitlement",
        }
    }

    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Entitlements => "entitlements",
        }
    }
}

/// A value that can be granted. Without a type it is that value of whatever type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RemoteValue {
    pub attribute: Attribute,
    pub value: String,
    pub type_: Option<String>,
}

impl RemoteValue {
    /// What an entitlement stands for, where that is such a value.
    pub fn of(entitlement: &EntitlementSpec) -> Option<Self> {
        let (attribute, value) = match (&entitlement.scim_role, &entitlement.scim_entitlement) {
            (Some(role), _) => (Attribute::Roles, role),
            (None, Some(value)) => (Attribute::Entitlements, value),
            (None, None) => return None,
        };
        Some(Self {
            attribute,
            value: value.value.clone(),
            type_: value.type_.clone(),
        })
    }

    /// The remote object: its id is the value, or the type, a slash and the value, with what would be taken for that slash written
    /// as in a URL. A revocation needs no more than this.
    pub fn object(&self) -> Result<RemoteObject, TargetError> {
        let id = match &self.type_ {
            None => part(&self.value),
            Some(type_) => format!("{}/{}", part(type_), part(&self.value)),
        };
        if id.len() > 512 {
            return Err(TargetError::Refused(
                "a value that is too long for a record: 512 characters is the most, type included".to_owned(),
            ));
        }
        Ok(RemoteObject {
            kind: self.attribute.kind().to_owned(),
            id,
        })
    }

    /// Reads a remote object back.
    pub fn read(object: &RemoteObject) -> Option<Self> {
        let attribute = Attribute::of_kind(&object.kind)?;
        let (type_, value) = match object.id.split_once('/') {
            Some((type_, value)) => (Some(whole(type_)), whole(value)),
            None => (None, whole(&object.id)),
        };
        Some(Self {
            attribute,
            value,
            type_,
        })
    }

    fn matches(&self, shown: &Shown) -> bool {
        shown.value == self.value && (self.type_.is_none() || shown.type_ == self.type_)
    }

    fn path(&self) -> String {
        let (name, value) = (self.attribute.name(), literal(&self.value));
        match &self.type_ {
            None => format!("{name}[value eq {value}]"),
            Some(type_) => format!("{name}[value eq {value} and type eq {}]", literal(type_)),
        }
    }

    /// As an element of the attribute. Never `primary`: which value is the first of all is not ours to say.
    fn element(&self, plain: bool) -> Value {
        match &self.type_ {
            None if plain => self.value.as_str().into(),
            None => json!({"value": self.value}),
            Some(type_) => json!({"value": self.value, "type": type_}),
        }
    }
}

fn part(text: &str) -> String {
    text.replace('%', "%25").replace('/', "%2F")
}

fn whole(part: &str) -> String {
    part.replace("%2F", "/").replace("%25", "%")
}

/// A value as a user's record shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    value: String,
    type_: Option<String>,
    element: Value,
}

/// The values of an attribute; `None` where the record has no such attribute. Some services write plain texts, and some one element
/// in the place of a list.
pub(super) fn shown(record: &Record, of: Attribute) -> Result<Option<Vec<Shown>>, TargetError> {
    let elements = match attribute(record, of.name()) {
        None => return Ok(None),
        Some(Value::Array(elements)) => elements.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let read = |element: &Value| {
        let (value, type_) = match element {
            Value::String(value) => (value.clone(), None),
            Value::Object(fields) => (text(fields, "value")?, text(fields, "type")),
            _ => return None,
        };
        Some(Shown {
            value,
            type_,
            element: element.clone(),
        })
    };
    let shown: Option<Vec<Shown>> = elements.iter().map(read).collect();
    // One that cannot be read may be any, so nothing could be proved by such a list.
    let unreadable = || TargetError::Malformed(format!("an account with {} that have no value", of.name()));
    shown.map(Some).ok_or_else(unreadable)
}

/// Whether they are plain texts; `None` where there are none.
pub(super) fn are_plain(shown: &[Shown]) -> Option<bool> {
    shown.first().map(|first| first.element.is_string())
}

/// The objects that a record's values are. One with a type is held with its type, and as of any type.
pub(super) fn objects(of: Attribute, shown: &[Shown]) -> BTreeSet<RemoteObject> {
    let value = |shown: &Shown, type_: Option<String>| RemoteValue {
        attribute: of,
        value: shown.value.clone(),
        type_,
    };
    shown
        .iter()
        .flat_map(|shown| {
            let typed = shown.type_.as_ref().map(|type_| value(shown, Some(type_.clone())));
            [Some(value(shown, None)), typed]
        })
        .flatten()
        // What is too long for a record is no entitlement's.
        .filter_map(|value| value.object().ok())
        .collect()
}

/// What is to become of one account's values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    pub remove: BTreeSet<RemoteValue>,
    pub add: BTreeSet<RemoteValue>,
}

impl Work {
    /// The changes, each with whether it gives.
    pub fn changes(&self) -> impl Iterator<Item = (&RemoteValue, bool)> {
        let remove = self.remove.iter().map(|value| (value, false));
        remove.chain(self.add.iter().map(|value| (value, true)))
    }

    /// One piece of work for each change: losses first.
    pub fn singly(&self) -> Vec<Self> {
        let one = |(value, gives): (&RemoteValue, bool)| {
            let mut work = Self::default();
            let side = if gives { &mut work.add } else { &mut work.remove };
            side.insert(value.clone());
            work
        };
        self.changes().map(one).collect()
    }

    /// Leaves out what is so already. Whether that was anything.
    pub fn drop_done(&mut self, user: &Record) -> Result<bool, TargetError> {
        let mut held = BTreeMap::new();
        for of in Attribute::ALL {
            held.insert(of, shown(user, of)?.unwrap_or_default());
        }
        let holds = |value: &RemoteValue| held[&value.attribute].iter().any(|shown| value.matches(shown));
        let before = self.remove.len() + self.add.len();
        self.remove.retain(|value| holds(value));
        self.add.retain(|value| !holds(value));
        Ok(self.remove.len() + self.add.len() < before)
    }

    /// The `PatchOp`: each removal by a filter, or in a list with its like, and additions in one list for each attribute.
    pub fn body(&self, form: Form, plain: bool) -> Value {
        let mut operations = Vec::new();
        let of = |values: &BTreeSet<RemoteValue>, attribute| -> Vec<Value> {
            let those = values.iter().filter(|value| value.attribute == attribute);
            those.map(|value| value.element(plain)).collect()
        };
        if form == Form::Value {
            let each = self.remove.iter();
            operations.extend(each.map(|value| json!({"op": "remove", "path": value.path()})));
        }
        for attribute in Attribute::ALL {
            let (remove, add) = (of(&self.remove, attribute), of(&self.add, attribute));
            if form != Form::Value && !remove.is_empty() {
                operations.push(json!({"op": "remove", "path": attribute.name(), "value": remove}));
            }
            if !add.is_empty() {
                operations.push(json!({"op": "add", "path": attribute.name(), "value": add}));
            }
        }
        patch_of(&operations)
    }

    /// Makes the changes in a user's record: what others gave stays as it is. The attributes that changed.
    pub fn apply(&self, user: &mut Record, plain: bool) -> Result<Vec<(Attribute, Value)>, TargetError> {
        let mut changed = Vec::new();
        for of in Attribute::ALL {
            let before = shown(user, of)?.unwrap_or_default();
            let (plain, mut after) = (are_plain(&before).unwrap_or(plain), before.clone());
            after.retain(|shown| {
                !self
                    .remove
                    .iter()
                    .any(|value| value.attribute == of && value.matches(shown))
            });
            let held = |value: &RemoteValue| before.iter().any(|shown| value.matches(shown));
            let add: Vec<&RemoteValue> = self
                .add
                .iter()
                .filter(|value| value.attribute == of && !held(value))
                .collect();
            if after.len() == before.len() && add.is_empty() {
                continue;
            }
            let elements = after.into_iter().map(|shown| shown.element);
            let elements: Value = elements
                .chain(add.into_iter().map(|value| value.element(plain)))
                .collect();
            let key = key_of(user, of.name());
            user.insert(key, elements.clone());
            changed.push((of, elements));
        }
        Ok(changed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn role(value: &str, type_: Option<&str>) -> RemoteValue {
        RemoteValue {
            attribute: Attribute::Roles,
            value: value.to_owned(),
            type_: type_.map(str::to_owned),
        }
    }

    fn record(value: &Value) -> Record {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_record_alone_says_which_value_it_is_about() {
        for (value, type_, id) in [
            ("admin", None, "admin"),
            ("admin", Some("app"), "app/admin"),
            ("org/admin", None, "org%2Fadmin"),
            ("100%2F", Some("a/b"), "a%2Fb/100%252F"),
        ] {
            let object = role(value, type_).object().unwrap();
            assert_eq!(object.id, id);
            assert_eq!(RemoteValue::read(&object), Some(role(value, type_)));
        }
        assert!(role(&"/".repeat(256), None).object().is_err());
    }

    #[test]
    fn values_are_read_as_objects_texts_and_one_alone() {
        for (roles, expected) in [
            (
                json!([{"value": "a", "primary": true}, {"value": "b", "type": "t"}]),
                vec!["a", "b", "t/b"],
            ),
            (json!(["a", "b"]), vec!["a", "b"]),
            (json!("a"), vec!["a"]),
            (json!({"value": "a"}), vec!["a"]),
            (json!([]), vec![]),
        ] {
            let shown = shown(&record(&json!({"Roles": roles})), Attribute::Roles)
                .unwrap()
                .unwrap();
            let ids: Vec<String> = objects(Attribute::Roles, &shown)
                .into_iter()
                .map(|object| object.id)
                .collect();
            assert_eq!(ids, expected);
        }
        assert_eq!(shown(&Record::new(), Attribute::Roles).unwrap(), None);
        assert!(shown(&record(&json!({"roles": [{"display": "A"}]})), Attribute::Roles).is_err());
    }

    #[test]
    fn what_others_gave_stays_as_it_is() {
        let mut user = record(&json!({"id": "7", "roles": [
            {"value": "theirs", "primary": true, "display": "Theirs"}, {"value": "ours", "type": "t"}, {"value": "ours"},
        ]}));
        let mut work = Work::default();
        work.remove.insert(role("ours", Some("t")));
        work.add.insert(role("new", None));
        work.add.insert(role("theirs", None));
        let changed = work.apply(&mut user, false).unwrap();
        assert_eq!(changed.len(), 1);
        assert_eq!(
            user["roles"],
            json!([{"value": "theirs", "primary": true, "display": "Theirs"}, {"value": "ours"}, {"value": "new"}])
        );
        assert!(work.apply(&mut user, false).unwrap().is_empty());
        assert!(work.drop_done(&user).unwrap());
        assert_eq!(work, Work::default());
        // Without a type it is that value of any type.
        let mut plain = record(&json!({"roles": ["a", "b"]}));
        let mut work = Work::default();
        work.remove.insert(role("a", None));
        work.add.insert(role("c", None));
        work.apply(&mut plain, false).unwrap();
        assert_eq!(plain["roles"], json!(["b", "c"]));
    }

    #[test]
    fn a_value_cannot_end_its_quotes() {
        let mut work = Work::default();
        work.remove.insert(role(r#"x" or value pr"#, Some("t")));
        let body = work.body(Form::Value, false);
        assert_eq!(
            body["Operations"][0]["path"],
            r#"roles[value eq "x\" or value pr" and type eq "t"]"#
        );
    }
}
