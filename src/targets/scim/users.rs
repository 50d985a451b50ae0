//! Accounts: calls on SCIM Users (RFC 7644 sections 3.3 to 3.6).

use reqwest::Method;
use serde_json::Value;

use super::accounts::{account, changes, choose, creation, login, matches, same_text};
use super::client::{Resource, literal, text, with_query};
use super::errors::{Failure, Refusal};
use super::list::Search;
use super::patch::{Change, apply, patch_body};
use super::{ScimTarget, USERS};
use crate::targets::{Account, AccountFacts, Found, TargetError};

const WHAT: &str = "account";

impl ScimTarget {
    pub(super) async fn find_user(&self, person: &AccountFacts) -> Result<Found<Account>, Failure> {
        let whole = self.capabilities_known().await?.filter && !self.learned.single_filters();
        let Some(login) = login(person).filter(|_| whole) else {
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
        if !self.capabilities_known().await?.filter {
            return self.search_users(None, person).await;
        }
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
            return self.search_users(None, person).await;
        }
        Ok(Found::None)
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
                    Ok(Found::One(_) | Found::Foreign(..) | Found::Several(_)) => {
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
