//! What a User record says of a person's account, and what it should say (RFC 7643 section 4.1). Pure.

use serde_json::{Value, json};

use super::client::{Record, attribute, text};
use super::patch::{Change, apply};
use crate::decide::account::enterprise_facts;
use crate::decide::attributes::{AttributePath, ENTERPRISE};
use crate::targets::{self, Account, AccountFacts, Found, TargetError};

const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// What a person's account is found by.
#[derive(Clone, Debug)]
pub(super) struct Identity<'a> {
    /// Our correlation key.
    pub key: &'a str,
    /// The name that the person signs in with.
    pub login: Option<String>,
    /// The work email.
    pub email: Option<&'a str>,
}

impl<'a> Identity<'a> {
    /// By the work email, else the user name, unless `login` says another.
    pub fn of(person: &'a AccountFacts, login: Option<String>) -> Self {
        let filled = |value: &'a Option<String>| value.as_deref().filter(|value| !value.is_empty());
        let email = filled(&person.work_email);
        Self {
            key: &person.external_id,
            login: login.or_else(|| email.or_else(|| filled(&person.username)).map(str::to_owned)),
            email,
        }
    }
}

/// What a person's account is to be.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    /// What it is found by, and keeps.
    pub identity: Identity<'a>,
    /// Whether the login is one that the target's settings spell out.
    login_is_own: bool,
    /// All but the user name, the correlation key, and addresses of its own.
    values: Vec<Change>,
    /// The address for work, unless the settings spell out all addresses.
    email: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// What Rollcall sends by itself, with the enterprise extension where `enterprise`, and `own` beside it or in its place.
    pub fn of(person: &'a AccountFacts, enterprise: bool, mut own: Vec<Change>) -> Self {
        let user_name = AttributePath::core("userName");
        let login = own.extract_if(.., |change| user_name.covers(&change.path));
        let login = login.filter_map(|change| plain(&change.value)).last();
        let login_is_own = login.is_some();
        let mut values: Vec<Change> = [
            ("displayName", &person.display_name),
            ("name.formatted", &person.display_name),
            ("name.givenName", &person.given_name),
            ("name.familyName", &person.family_name),
            ("title", &person.job_title),
        ]
        .into_iter()
        .filter_map(|(path, value)| Some(Change::new(path, value.as_deref()?)))
        .collect();
        if enterprise {
            let facts = enterprise_facts(&person.employee).into_iter();
            values.extend(facts.filter_map(|(name, value)| Some(Change::at(AttributePath::enterprise(name), value?))));
            // Its displayName is the service's own to give (RFC 7643 section 8.7.1).
            let manager = person.manager_account.as_ref().map(|id| json!({"value": id}));
            values.extend(manager.map(|manager| Change::at(AttributePath::enterprise("manager"), manager)));
        }
        values.retain(|default| {
            let settles = |own: &Change| own.path.covers(&default.path) || default.path.covers(&own.path);
            !own.iter().any(settles)
        });
        let emails = AttributePath::core("emails");
        let own_emails = own.iter().any(|change| emails.covers(&change.path));
        values.append(&mut own);
        let identity = Identity::of(person, login);
        Self {
            email: identity.email.filter(|_| !own_emails),
            identity,
            login_is_own,
            values,
        }
    }

    /// The body that creates the account; `None` without a name to sign in with. What is unknown is left out.
    pub fn creation(&self) -> Option<Value> {
        let login = self.identity.login.as_deref()?;
        let body = json!({
            "schemas": [USER_SCHEMA],
            "userName": login,
            "externalId": self.identity.key,
            "active": true,
        });
        let Value::Object(mut body) = body else { return None };
        apply(&mut body, &self.values);
        if let Some(email) = self.email {
            body.insert("emails".to_owned(), json!([work_email(email, true)]));
        }
        Some(Value::Object(body))
    }
}

/// A text, a number or a truth value as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// How a record matches a person; the first is the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    ExternalId,
    UserName,
    Email,
}

pub(super) fn matches(record: &Record, identity: &Identity<'_>) -> Option<Match> {
    let is_login = |value: &str| identity.login.as_deref().is_some_and(|login| same_text(login, value));
    let is_email = |value: &str| identity.email.is_some_and(|email| same_text(email, value));
    if text(record, "externalId").is_some_and(|value| value == identity.key) {
        Some(Match::ExternalId)
    } else if text(record, "userName").is_some_and(|value| is_login(&value)) {
        Some(Match::UserName)
    } else if emails(record).any(|email| is_login(&email) || is_email(&email)) {
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
pub(super) fn choose(records: &[Record], identity: &Identity<'_>) -> Result<Found<Account>, TargetError> {
    for strength in [Match::ExternalId, Match::UserName, Match::Email] {
        let found: Vec<&Record> = records
            .iter()
            .filter(|record| matches(record, identity) == Some(strength))
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
                let foreign = account.external_id.as_ref().is_some_and(|id| id != identity.key);
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
        login: text(record, "userName"),
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

fn work_email(email: &str, primary: bool) -> Value {
    json!({"value": email, "type": "work", "primary": primary})
}

/// What is to change in an account, so that it has today's attributes. Nothing where it has them.
///
/// What the HRIS no longer knows stays as it is; an `externalId` that is set stays what it is, unless it is our key of
/// another Employee of the namespace, whose account this was; and a user name is only
/// replaced by one of its kind, since an address in the place of a short name would lock the person out.
pub(super) fn changes(current: &Record, wanted: &Wanted<'_>, activate: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    let Identity { key, login, .. } = &wanted.identity;
    if let Some(login) = login {
        let other = match text(current, "userName") {
            None => true,
            Some(now) => {
                let kind = |name: &str| name.contains('@');
                !same_text(&now, login) && (wanted.login_is_own || kind(&now) == kind(login))
            }
        };
        if other {
            changes.push(Change::new("userName", login.as_str()));
        }
    }
    if text(current, "externalId").is_none_or(|now| is_key_of_another(&now, key)) {
        changes.push(Change::new("externalId", *key));
    }
    let differs = |change: &&Change| !shows(current_value(current, &change.path), &change.value);
    changes.extend(wanted.values.iter().filter(differs).cloned());
    if let Some(email) = wanted.email
        && !emails(current).any(|now| same_text(&now, email))
    {
        changes.push(Change::new("emails", emails_with(current, email)));
    }
    if activate && !active(current) {
        changes.push(Change::new("active", true));
    }
    changes
}

/// What stands at a path. An extension may come as an object under its URN, or flat: each attribute under the URN and a colon,
/// or, of the enterprise extension, beside those of the core.
fn current_value<'a>(record: &'a Record, path: &AttributePath) -> Option<&'a Value> {
    let value = match &path.extension {
        None => attribute(record, &path.attribute),
        Some(urn) => attribute(record, urn)
            .and_then(Value::as_object)
            .and_then(|extension| attribute(extension, &path.attribute))
            .or_else(|| attribute(record, &format!("{urn}:{}", path.attribute)))
            .or_else(|| attribute(record, &path.attribute).filter(|_| urn.eq_ignore_ascii_case(ENTERPRISE))),
    }?;
    match &path.sub {
        None => Some(value),
        Some(sub) => attribute(value.as_object()?, sub),
    }
}

/// Whether what stands there is what is wanted: texts and numbers by their text, truth values in whatever way they are written,
/// of objects what is wanted of them, and lists element by element.
fn shows(now: Option<&Value>, wanted: &Value) -> bool {
    match (now, wanted) {
        (None, Value::Null) => true,
        (None, Value::String(text)) => text.is_empty(),
        (None, _) => false,
        (Some(Value::Object(now)), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| shows(attribute(now, name), value))
        }
        // Such as a manager who is shown by the id alone.
        (Some(Value::String(now)), Value::Object(wanted)) => text(wanted, "value").as_ref() == Some(now),
        (Some(Value::Array(now)), Value::Array(wanted)) => {
            let among = |value: &Value| now.iter().any(|now| shows(Some(now), value));
            now.len() == wanted.len() && wanted.iter().all(among)
        }
        (Some(Value::String(now)), Value::Bool(wanted)) => now.eq_ignore_ascii_case(&wanted.to_string()),
        (Some(now), wanted) => now == wanted || (plain(now).is_some() && plain(now) == plain(wanted)),
    }
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
