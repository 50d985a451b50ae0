//! Accounts: calls on SCIM Users (RFC 7644 sections 3.3 to 3.6).

use reqwest::Method;
use serde_json::Value;

use super::accounts::{Identity, Wanted, account, changes, choose, matches, same_text};
use super::client::{Record, Resource, literal, text, with_query};
use super::errors::{Failure, Refusal};
use super::list::Search;
use super::patch::{Change, apply, patch_body, patch_body_without_paths};
use super::told::Form;
use super::{ScimTarget, USERS};
use crate::decide::attributes::AttributePath;
use crate::targets::{Account, AccountFacts, Found, TargetError};

pub(super) const WHAT: &str = "account";

/// What is remembered of an account's being usable, among what was told and not seen.
const USABLE: &str = "usable";

impl ScimTarget {
    /// What the person's account is found by.
    fn identity<'a>(&self, person: &'a AccountFacts) -> Result<Identity<'a>, Failure> {
        let path = AttributePath::core("userName");
        let login = self
            .attributes
            .render_at(&path, &person.employee, &person.external_id)
            .map_err(|why| cannot_be_made(&why))?;
        let login = login.and_then(|login| match login {
            Value::String(text) => Some(text).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        Ok(Identity::of(person, login))
    }

    /// What the person's account is to be.
    pub(super) fn wanted<'a>(&self, person: &'a AccountFacts) -> Result<Wanted<'a>, Failure> {
        let own = self
            .attributes
            .render(&person.employee, &person.external_id)
            .map_err(|why| cannot_be_made(&why))?;
        let own = own.into_iter().map(|(path, value)| Change::at(path, value)).collect();
        Ok(Wanted::of(person, self.enterprise, own))
    }

    pub(super) async fn find_user(&self, person: &AccountFacts) -> Result<Found<Account>, Failure> {
        self.find_identity(&self.identity(person)?).await
    }

    async fn find_identity(&self, identity: &Identity<'_>) -> Result<Found<Account>, Failure> {
        let whole = self.capabilities_known().await?.filter && !self.learned.single_filters();
        let Some(login) = identity.login.as_deref().filter(|_| whole) else {
            return self.find_user_singly(identity).await;
        };
        let filter = format!(
            "externalId eq {} or userName eq {}",
            literal(identity.key),
            literal(login)
        );
        match self.search_users(Some(&filter), identity).await {
            Err(failure) if failure.refusal().is_some_and(Refusal::concerns_filter) => {
                let found = self.find_user_singly(identity).await?;
                self.learned.learn_single_filters();
                Ok(found)
            }
            done => done,
        }
    }

    /// One attribute a search, the strongest first, until one finds.
    async fn find_user_singly(&self, identity: &Identity<'_>) -> Result<Found<Account>, Failure> {
        if !self.capabilities_known().await?.filter {
            return self.search_users(None, identity).await;
        }
        let mut filters = vec![format!("externalId eq {}", literal(identity.key))];
        if let Some(login) = &identity.login {
            filters.push(format!("userName eq {}", literal(login)));
        }
        if let Some(email) = identity.email {
            filters.push(format!("emails.value eq {}", literal(email)));
        }
        let mut refused = 0;
        for filter in &filters {
            match self.search_users(Some(filter), identity).await {
                Ok(Found::None) => {}
                Err(failure) if failure.refusal().is_some_and(Refusal::concerns_filter) => refused += 1,
                done => return done,
            }
        }
        if refused == filters.len() {
            return self.search_users(None, identity).await;
        }
        Ok(Found::None)
    }

    async fn search_users(&self, filter: Option<&str>, identity: &Identity<'_>) -> Result<Found<Account>, Failure> {
        let search = Search {
            endpoint: USERS,
            what: WHAT,
            filter,
            without: None,
            cursor: self.service().await?.cursor,
            whole: false,
        };
        let records = self
            .client
            .search(search, |record| matches(record, identity).is_some())
            .await?;
        Ok(choose(&records, identity)?)
    }

    /// All accounts. An end that the service may have made up is an error, so that nobody is missing from them.
    pub(super) async fn all_users(&self) -> Result<Vec<Account>, Failure> {
        let mut all = Vec::new();
        self.each_user(|record| {
            all.push(account(record)?);
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// Shows all users' records, page by page.
    pub(super) async fn each_user(
        &self,
        show: impl FnMut(&Record) -> Result<(), TargetError> + Send,
    ) -> Result<(), Failure> {
        let search = Search {
            endpoint: USERS,
            what: WHAT,
            filter: None,
            without: None,
            cursor: self.service().await?.cursor,
            whole: true,
        };
        self.client.each(search, show).await
    }

    pub(super) async fn create_user(&self, person: &AccountFacts) -> Result<Account, Failure> {
        let body = self.creation(person)?;
        let done = self.client.post(self.client.endpoint(USERS), &body, WHAT).await;
        self.created(
            person,
            done.map(|answer| answer.and_then(|record| account(&record).ok())),
        )
        .await
    }

    pub(super) fn creation(&self, person: &AccountFacts) -> Result<Value, Failure> {
        self.wanted(person)?.creation().ok_or_else(|| {
            TargetError::Refused("an account needs a userName: give the employee a workEmail or a username".to_owned())
                .into()
        })
    }

    /// What came of a creation, by its answer.
    pub(super) async fn created(
        &self,
        person: &AccountFacts,
        done: Result<Option<Account>, Failure>,
    ) -> Result<Account, Failure> {
        match done {
            Ok(account) => account.ok_or_else(|| {
                TargetError::Ambiguous("POST of account was answered without the account's id".to_owned()).into()
            }),
            // Second creates are 409, 422, or 400 with a code or without (RFC 7644 section 3.3 has 409 uniqueness).
            Err(Failure::Answered(refusal)) if refusal.duplicate() || matches!(refusal.status.as_u16(), 400 | 422) => {
                match self.find_user_singly(&self.identity(person)?).await {
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
    pub(super) async fn user(&self, id: &str) -> Result<Option<Resource>, Failure> {
        let found = self.client.get(self.client.resource(USERS, id)?, WHAT).await;
        one_with_id(found, id, WHAT)
    }

    pub(super) async fn read_user(&self, id: &str) -> Result<Option<Account>, Failure> {
        let Some(user) = self.user(id).await? else {
            return Ok(None);
        };
        let account = account(&user.record)?;
        let usable = account.active.then_some(id);
        self.learned.told().saw(USABLE, id, &usable.into_iter().collect());
        Ok(Some(account))
    }

    /// Reads first: a replace of `emails` unseen would take away addresses that are not ours, and an account that has
    /// everything needs no write. Where somebody else wrote in between, it reads once more.
    pub(super) async fn update_user(&self, id: &str, person: &AccountFacts, activate: bool) -> Result<(), Failure> {
        let wanted = self.wanted(person)?;
        let form = |changes: &[Change]| {
            if changes.iter().any(|change| change.path.attribute == "active") {
                self.learned.told().form(USABLE, id, id, true)
            } else {
                Form::Value
            }
        };
        let user = self.user(id).await?.ok_or_else(gone)?;
        let first = changes(&user.record, &wanted, activate);
        let version = user.version.clone();
        match self.change_user(id, &first, Some(user), form(&first)).await {
            Err(failure) if version.is_some() && failure.refusal().is_some_and(Refusal::stale) => {
                let user = self.user(id).await?.ok_or_else(gone)?;
                self.doubt_versions(version.as_deref(), user.version.as_deref());
                let again = changes(&user.record, &wanted, activate);
                self.change_user(id, &again, Some(user), form(&again)).await
            }
            done => done,
        }
    }

    /// A version that is refused as stale and still the one that is shown proves that this service cannot compare its own, as where
    /// it compares weak ones strongly (RFC 9110 section 8.8.3.2).
    pub(super) fn doubt_versions(&self, refused: Option<&str>, shown: Option<&str>) {
        if refused == shown {
            self.learned.learn_no_versions();
        }
    }

    pub(super) async fn deactivate_user(&self, id: &str) -> Result<(), Failure> {
        let changes = [Change::new("active", false)];
        let mut form = self.learned.told().form(USABLE, id, id, false);
        loop {
            match self.change_user(id, &changes, None, form).await {
                // Refused in this form, which is not to say in every other.
                Err(Failure::Answered(refusal)) if refusal.concerns_part() && !refusal.gone() && form != Form::Put => {
                    form = if form == Form::Value { Form::List } else { Form::Put };
                }
                done => return done,
            }
        }
    }

    /// PATCH where the target can, else PUT of the whole record with the changes made in it.
    async fn change_user(
        &self,
        id: &str,
        changes: &[Change],
        seen: Option<Resource>,
        form: Form,
    ) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        let done = self.send_changes(id, changes, seen, form).await;
        let usable = changes.iter().find(|change| change.path.attribute == "active");
        if let (Ok(()), Some(usable)) = (&done, usable) {
            let gives = usable.value == Value::Bool(true);
            self.learned.told().tell(USABLE, id, id, gives, form);
        }
        done
    }

    async fn send_changes(
        &self,
        id: &str,
        changes: &[Change],
        seen: Option<Resource>,
        form: Form,
    ) -> Result<(), Failure> {
        let versions = self.versions().await?;
        let url = self.client.resource(USERS, id)?;
        if self.capabilities_known().await?.patch && form != Form::Put {
            let version = seen
                .as_ref()
                .and_then(|user| user.version.as_deref())
                .filter(|_| versions);
            let body = match form {
                Form::Value => patch_body(changes),
                _ => patch_body_without_paths(changes),
            };
            let done = self.client.change(Method::PATCH, url, Some(&body), version, WHAT).await;
            match done {
                Err(failure) if failure.refusal().is_some_and(Refusal::unsupported) => {
                    self.learned.learn_no_patch();
                }
                done => return done,
            }
        }
        let mut user = match seen {
            Some(user) => user,
            None => self.user(id).await?.ok_or_else(gone)?,
        };
        apply(&mut user.record, changes);
        self.put_user(id, user).await
    }

    /// The whole record back, under the version that it was read with where the service has versions.
    pub(super) async fn put_user(&self, id: &str, user: Resource) -> Result<(), Failure> {
        let url = self.client.resource(USERS, id)?;
        let Resource { mut record, version } = user;
        // Both are the server's own (RFC 7643 sections 3.1 and 4.1.2).
        record.retain(|key, _| !key.eq_ignore_ascii_case("meta") && !key.eq_ignore_ascii_case("groups"));
        let version = version.filter(|_| self.learned.service().is_some_and(|service| service.capabilities.etag));
        let version = version.filter(|_| !self.learned.no_versions());
        self.client
            .change(Method::PUT, url, Some(&Value::Object(record)), version.as_deref(), WHAT)
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

fn gone() -> Failure {
    TargetError::Gone("such account".to_owned()).into()
}

/// An employee's facts that do not make what the settings ask for: others' accounts are not concerned.
fn cannot_be_made(why: &str) -> Failure {
    TargetError::Refused(format!("what spec.scim.attributes asks for: {why}")).into()
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
