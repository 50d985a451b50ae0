//! What a User record says of a person's account, and what it should say (RFC 7643 section 4.1). Pure.

use serde_json::{Map, Value, json};

use super::client::{Record, attribute, text};
use super::patch::Change;
use crate::targets::{self, Account, AccountFacts, Found, TargetError};

const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// The name that a person signs in with: the work email, else the user name.
pub(super) fn login(person: &AccountFacts) -> Option<&str> {
    [&person.work_email, &person.username]
        .into_iter()
        .find_map(|value| value.as_deref().filter(|value| !value.is_empty()))
}

/// How a record matches a person; the first is the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    ExternalId,
    UserName,
    Email,
}

pub(super) fn matches(record: &Record, person: &AccountFacts) -> Option<Match> {
    let same = |value: &str| login(person).is_some_and(|login| same_text(login, value));
    if text(record, "externalId").is_some_and(|value| value == person.external_id) {
        Some(Match::ExternalId)
    } else if text(record, "userName").is_some_and(|value| same(&value)) {
        Some(Match::UserName)
    } else if emails(record).any(|email| same(&email)) {
        Some(Match::Email)
    } else {
        None
    }
}

/// Equal but for case, as `userName` and email addresses are compared (RFC 7643 section 4.1.1).
pub(super) fn same_text(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

fn emails(record: &Record) -> impl Iterator<Item = String> {
    let values = attribute(record, "emails").and_then(Value::as_array);
    values.into_iter().flatten().filter_map(|email| match email {
        Value::Object(email) => text(email, "value"),
        Value::String(email) => Some(email.clone()),
        _ => None,
    })
}

/// Of the records that match, the one: the strongest match wins, and two of the same strength are nobody's.
pub(super) fn choose(records: &[Record], person: &AccountFacts) -> Result<Found<Account>, TargetError> {
    for strength in [Match::ExternalId, Match::UserName, Match::Email] {
        let found: Vec<&Record> = records
            .iter()
            .filter(|record| matches(record, person) == Some(strength))
            .collect();
        let by = match strength {
            Match::ExternalId => "externalId",
            Match::UserName => "userName",
            Match::Email => "email address",
        };
        match found.as_slice() {
            [] => {}
            [one] => {
                let mut account = account(one)?;
                account.matched = match strength {
                    Match::ExternalId => targets::Match::Key,
                    Match::UserName => targets::Match::Name,
                    Match::Email => targets::Match::Email,
                };
                let foreign = account.external_id.as_ref().is_some_and(|id| *id != person.external_id);
                return Ok(if foreign {
                    let why = format!(
                        "account {} has the {by} but belongs to another identity: its externalId is set to something else",
                        account.id
                    );
                    Found::Foreign(account, why)
                } else {
                    Found::One(account)
                });
            }
            several => {
                let ids: Vec<String> = several.iter().filter_map(|record| text(record, "id")).take(5).collect();
                return Ok(Found::Several(format!(
                    "{} accounts have the {by}: {}",
                    several.len(),
                    ids.join(", ")
                )));
            }
        }
    }
    Ok(Found::None)
}

/// Reads a record as an account.
pub(super) fn account(record: &Record) -> Result<Account, TargetError> {
    Ok(Account {
        id: text(record, "id").ok_or_else(|| TargetError::Malformed("an account without an id".to_owned()))?,
        active: active(record),
        external_id: text(record, "externalId"),
        matched: targets::Match::default(),
        names: text(record, "userName").into_iter().chain(emails(record)).collect(),
        invited: false,
    })
}

/// Whether the account is usable. Some services answer with strings; one that says nothing knows no other state.
fn active(record: &Record) -> bool {
    match attribute(record, "active") {
        Some(Value::Bool(active)) => *active,
        Some(Value::String(active)) => !active.eq_ignore_ascii_case("false"),
        _ => true,
    }
}

/// The body that creates an account. What is unknown is left out.
pub(super) fn creation(person: &AccountFacts, login: &str) -> Value {
    let mut name = Map::new();
    for (key, value) in [
        ("formatted", &person.display_name),
        ("givenName", &person.given_name),
        ("familyName", &person.family_name),
    ] {
        if let Some(value) = value {
            name.insert(key.to_owned(), value.as_str().into());
        }
    }
    let mut body = json!({
        "schemas": [USER_SCHEMA],
        "userName": login,
        "externalId": person.external_id,
        "active": true,
    });
    let optional = [
        ("displayName", person.display_name.as_deref().map(Value::from)),
        ("name", (!name.is_empty()).then_some(Value::Object(name))),
        ("title", person.job_title.as_deref().map(Value::from)),
        (
            "emails",
            person
                .work_email
                .as_deref()
                .map(|email| json!([work_email(email, true)])),
        ),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            body[key] = value;
        }
    }
    body
}

fn work_email(email: &str, primary: bool) -> Value {
    json!({"value": email, "type": "work", "primary": primary})
}

/// What is to change in an account, so that it has today's attributes. Nothing where it has them.
///
/// What the HRIS no longer knows stays as it is; an `externalId` that is set stays what it is, unless it is our key of
/// another Employee of the namespace, whose account this was; and a user name is only
/// replaced by one of its kind, since an address in the place of a short name would lock the person out.
pub(super) fn changes(current: &Record, person: &AccountFacts, activate: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some(login) = login(person) {
        let other = match text(current, "userName") {
            None => true,
            Some(now) => !same_text(&now, login) && now.contains('@') == login.contains('@'),
        };
        if other {
            changes.push(Change::new("userName", login));
        }
    }
    if text(current, "externalId").is_none_or(|key| is_key_of_another(&key, &person.external_id)) {
        changes.push(Change::new("externalId", person.external_id.as_str()));
    }
    let empty = Map::new();
    let name = attribute(current, "name").and_then(Value::as_object).unwrap_or(&empty);
    for (within, key, path, value) in [
        (current, "displayName", "displayName", &person.display_name),
        (name, "formatted", "name.formatted", &person.display_name),
        (name, "givenName", "name.givenName", &person.given_name),
        (name, "familyName", "name.familyName", &person.family_name),
        (current, "title", "title", &person.job_title),
    ] {
        if let Some(value) = value
            && text(within, key).as_ref() != Some(value)
        {
            changes.push(Change::new(path, value.as_str()));
        }
    }
    if let Some(email) = &person.work_email
        && !emails(current).any(|now| same_text(&now, email))
    {
        changes.push(Change::new("emails", emails_with(current, email)));
    }
    if activate && !active(current) {
        changes.push(Change::new("active", true));
    }
    changes
}

/// Whether `key` is of the same make as `ours`, which is `namespace/name`.
fn is_key_of_another(key: &str, ours: &str) -> bool {
    let namespace = |key: &str| key.split_once('/').map(|(namespace, _)| namespace.to_owned());
    key != ours && namespace(ours).is_some() && namespace(key) == namespace(ours)
}

/// The account's addresses with `email` in the place of the one for work. The others are not ours, and stay.
fn emails_with(current: &Record, email: &str) -> Value {
    let mut all = match attribute(current, "emails") {
        Some(Value::Array(emails)) => emails.clone(),
        _ => Vec::new(),
    };
    let primary = |email: &Value| email.get("primary").and_then(Value::as_bool) == Some(true);
    let work = |email: &Value| {
        let kind = email.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case("work"))
    };
    let untyped = |email: &Value| primary(email) && email.get("type").is_none_or(Value::is_null);
    let place = all.iter().position(work).or_else(|| all.iter().position(untyped));
    if let Some(Value::Object(place)) = place.and_then(|place| all.get_mut(place)) {
        place.insert("value".to_owned(), email.into());
        // What it is shown as was made of the old one.
        place.remove("display");
    } else {
        let first = !all.iter().any(primary);
        all.push(work_email(email, first));
    }
    Value::Array(all)
}
