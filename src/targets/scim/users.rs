//! Accounts: SCIM Users (RFC 7643 section 4.1).

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::{Record, Resource, attribute, literal, text, with_query};
use super::errors::{Failure, Refusal};
use super::list::Search;
use super::patch::{Change, apply, patch_body};
use super::{ScimTarget, USERS};
use crate::targets::{Account, AccountFacts, Found, TargetError};

const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const WHAT: &str = "account";

/// The name that a person signs in with: the work email, else the user name.
fn login(person: &AccountFacts) -> Option<&str> {
    [&person.work_email, &person.username]
        .into_iter()
        .find_map(|value| value.as_deref().filter(|value| !value.is_empty()))
}

/// How a record matches a person; the first is the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    ExternalId,
    UserName,
    Email,
}

fn matches(record: &Record, person: &AccountFacts) -> Option<Match> {
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
fn same_text(a: &str, b: &str) -> bool {
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
fn choose(records: &[Record], person: &AccountFacts) -> Result<Found<Account>, TargetError> {
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
                let account = account(one)?;
                let foreign = account.external_id.as_ref().is_some_and(|id| *id != person.external_id);
                return Ok(if foreign {
                    Found::Several(format!(
                        "account {} has the {by} but belongs to another identity: its externalId is set to something else",
                        account.id
                    ))
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
fn account(record: &Record) -> Result<Account, TargetError> {
    Ok(Account {
        id: text(record, "id").ok_or_else(|| TargetError::Malformed("an account without an id".to_owned()))?,
        active: active(record),
        external_id: text(record, "externalId"),
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
fn creation(person: &AccountFacts, login: &str) -> Value {
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
/// What the HRIS no longer knows stays as it is; an `externalId` that is set stays what it is; and a user name is only
/// replaced by one of its kind, since an address in the place of a short name would lock the person out.
fn changes(current: &Record, person: &AccountFacts, activate: bool) -> Vec<Change> {
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
    if text(current, "externalId").is_none() {
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
    match place.and_then(|place| all.get_mut(place)) {
        Some(Value::Object(place)) => {
            place.insert("value".to_owned(), email.into());
            // What it is shown as was made of the old one.
            place.remove("display");
        }
        _ => {
            let first = !all.iter().any(primary);
            all.push(work_email(email, first));
        }
    }
    Value::Array(all)
}

impl ScimTarget {
    pub(super) async fn find_user(&self, person: &AccountFacts) -> Result<Found<Account>, Failure> {
        if !self.capabilities_known().await?.filter {
            return self.find_user_among_all(person).await;
        }
        let Some(login) = login(person).filter(|_| !self.learned.single_filters()) else {
            return self.find_user_singly(person).await;
        };
        let filter = format!(
            "externalId eq {} or userName eq {}",
            literal(&person.external_id),
            literal(login)
        );
        match self.search_users(Some(&filter), person).await {
            Err(failure) if failure.refusal().is_some_and(Refusal::concerns_filter) => {
                let found = self.find_user_singly(person).await?;
                self.learned.learn_single_filters();
                Ok(found)
            }
            done => done,
        }
    }

    /// One attribute a search, the strongest first, until one finds.
    async fn find_user_singly(&self, person: &AccountFacts) -> Result<Found<Account>, Failure> {
        let mut filters = vec![format!("externalId eq {}", literal(&person.external_id))];
        if let Some(login) = login(person) {
            filters.push(format!("userName eq {}", literal(login)));
        }
        if let Some(email) = &person.work_email {
            filters.push(format!("emails.value eq {}", literal(email)));
        }
        let mut refused = 0;
        for filter in &filters {
            match self.search_users(Some(filter), person).await {
                Ok(Found::None) => {}
                Err(failure) if failure.refusal().is_some_and(Refusal::concerns_filter) => refused += 1,
                done => return done,
            }
        }
        if refused == filters.len() {
            return self.find_user_among_all(person).await;
        }
        Ok(Found::None)
    }

    async fn find_user_among_all(&self, person: &AccountFacts) -> Result<Found<Account>, Failure> {
        self.search_users(None, person).await
    }

    async fn search_users(&self, filter: Option<&str>, person: &AccountFacts) -> Result<Found<Account>, Failure> {
        let search = Search {
            endpoint: USERS,
            what: WHAT,
            filter,
            without: None,
        };
        let records = self
            .client
            .search(search, |record| matches(record, person).is_some())
            .await?;
        Ok(choose(&records, person)?)
    }

    pub(super) async fn create_user(&self, person: &AccountFacts) -> Result<Account, Failure> {
        let Some(login) = login(person) else {
            return Err(TargetError::Refused(
                "an account needs a userName: give the employee a workEmail or a username".to_owned(),
            )
            .into());
        };
        let body = creation(person, login);
        match self.client.post(self.client.endpoint(USERS), &body, WHAT).await {
            Ok(answer) => answer.and_then(|record| account(&record).ok()).ok_or_else(|| {
                TargetError::Ambiguous("POST of account was answered without the account's id".to_owned()).into()
            }),
            // Second creates are 409, 422, or 400 with a code or without (RFC 7644 section 3.3 has 409 uniqueness).
            Err(Failure::Answered(refusal)) if refusal.duplicate() || matches!(refusal.status.as_u16(), 400 | 422) => {
                match self.find_user_singly(person).await {
                    // The search before this create missed it: this server heeds a part of a filter only.
                    Ok(Found::One(_) | Found::Several(_)) => {
                        self.learned.learn_single_filters();
                        Err(TargetError::Conflict("such an account exists".to_owned()).into())
                    }
                    Ok(Found::None) if refusal.duplicate() => Err(TargetError::Conflict(
                        "an account with this userName exists, and no search shows it: it may be a deleted or a reserved one"
                            .to_owned(),
                    )
                    .into()),
                    Ok(Found::None) | Err(_) => Err(Failure::Answered(refusal)),
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// The record of an account; `None` where it is gone.
    async fn user(&self, id: &str) -> Result<Option<Resource>, Failure> {
        let found = self.client.get(self.client.resource(USERS, id)?, WHAT).await;
        one_with_id(found, id, WHAT)
    }

    pub(super) async fn read_user(&self, id: &str) -> Result<Option<Account>, Failure> {
        match self.user(id).await? {
            Some(user) => Ok(Some(account(&user.record)?)),
            None => Ok(None),
        }
    }

    /// Reads first: a replace of `emails` unseen would take away addresses that are not ours, and an account that has
    /// everything needs no write.
    pub(super) async fn update_user(&self, id: &str, person: &AccountFacts, activate: bool) -> Result<(), Failure> {
        let Some(user) = self.user(id).await? else {
            return Err(TargetError::Gone("such account".to_owned()).into());
        };
        let changes = changes(&user.record, person, activate);
        self.change_user(id, &changes, Some(user)).await
    }

    pub(super) async fn deactivate_user(&self, id: &str) -> Result<(), Failure> {
        self.change_user(id, &[Change::new("active", false)], None).await
    }

    /// PATCH where the target can, else PUT of the whole record with the changes made in it.
    async fn change_user(&self, id: &str, changes: &[Change], seen: Option<Resource>) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        let capabilities = self.capabilities_known().await?;
        let url = self.client.resource(USERS, id)?;
        if capabilities.patch {
            let version = seen
                .as_ref()
                .and_then(|user| user.version.as_deref())
                .filter(|_| capabilities.etag);
            let body = patch_body(changes);
            let done = self
                .client
                .change(Method::PATCH, url.clone(), Some(&body), version, WHAT)
                .await;
            match done {
                Err(failure) if failure.refusal().is_some_and(Refusal::unsupported) => {
                    self.learned.learn_no_patch();
                }
                done => return done,
            }
        }
        let user = match seen {
            Some(user) => user,
            None => self
                .user(id)
                .await?
                .ok_or_else(|| TargetError::Gone("such account".to_owned()))?,
        };
        let mut record = user.record;
        apply(&mut record, changes);
        // Both are the server's own (RFC 7643 sections 3.1 and 4.1.2).
        record.retain(|key, _| !key.eq_ignore_ascii_case("meta") && !key.eq_ignore_ascii_case("groups"));
        let version = user.version.as_deref().filter(|_| capabilities.etag);
        self.client
            .change(Method::PUT, url, Some(&Value::Object(record)), version, WHAT)
            .await
    }

    pub(super) async fn delete_user(&self, id: &str) -> Result<(), Failure> {
        let url = self.client.resource(USERS, id)?;
        match self.client.change(Method::DELETE, url, None, None, WHAT).await {
            Err(failure) if failure.refusal().is_some_and(Refusal::gone) => Ok(()),
            done => done,
        }
    }

    /// Whether the token is taken by an endpoint that needs one: `ServiceProviderConfig` often needs none.
    pub(super) async fn probe_users(&self) -> Result<(), Failure> {
        let url = with_query(self.client.endpoint(USERS), &[("startIndex", "1"), ("count", "1")]);
        self.client.probe(url, WHAT).await
    }
}

/// What a GET by id gave: `None` where the target has no such thing, and only the thing that was asked for.
pub(super) fn one_with_id(
    found: Result<Resource, Failure>,
    id: &str,
    what: &'static str,
) -> Result<Option<Resource>, Failure> {
    match found {
        Ok(resource) if text(&resource.record, "id").is_some_and(|got| same_text(&got, id)) => Ok(Some(resource)),
        Ok(_) => Err(TargetError::Malformed(format!("GET of {what}: not the one that was asked for")).into()),
        Err(failure) if failure.refusal().is_some_and(Refusal::gone) => Ok(None),
        Err(failure) => Err(failure),
    }
}
