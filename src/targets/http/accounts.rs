//! Accounts, as a definition describes them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::answers::{Answer, Purpose, Verdict};
use super::request::With;
use super::speech::Speech;
use super::{Asked, HttpTarget, Read};
use crate::decide::definition::{Request, Update};
use crate::decide::effect::Match;
use crate::decide::expression::{Reading, Values};
use crate::targets::{Account, AccountFacts, Found, TargetError};

/// The longest id that a record holds.
const LONGEST_ID: usize = 512;

impl HttpTarget {
    /// The account of whoever has a name, where that is all there is to it.
    fn named(&self, person: &AccountFacts) -> Option<Result<Account, TargetError>> {
        self.definition.account.named.as_ref()?;
        let name = self.definition.name(&person.employee);
        Some(
            name.map(of_name)
                .ok_or_else(|| TargetError::Refused("the person lacks what account.named is made of".to_owned())),
        )
    }

    pub(super) async fn find_person(&self, person: &AccountFacts) -> Result<Found<Account>, TargetError> {
        if let Some(named) = self.named(person) {
            return named.map(Found::One);
        }
        let account = &self.definition.account;
        let speech = Speech::person(person);
        let mut searches: Vec<Asked<'_>> = account
            .find
            .iter()
            .map(|search| Asked {
                request: &search.request,
                items: search.items.as_ref(),
                pages: search.pages.as_ref(),
            })
            .collect();
        if searches.is_empty() {
            searches.extend(account.list.iter().map(|list| Asked {
                request: &list.request,
                items: Some(&list.items),
                pages: list.pages.as_ref(),
            }));
        }
        for asked in searches {
            let mut matching = Matching::default();
            self.client
                .read_all(asked, &speech, "the search for the account", |item| {
                    matching.see(self.is_of(item, &speech), || self.account(item))
                })
                .await?;
            match matching.found(&person.external_id)? {
                Found::None => {}
                found => return Ok(found),
            }
        }
        Ok(Found::None)
    }

    /// Whether a record is this person's.
    fn is_of(&self, item: &Json, speech: &Speech) -> Result<bool, String> {
        match &self.definition.account.matches {
            Some(matches) => matches.truth(&speech.values().json("item", item)),
            None => Ok(false),
        }
    }

    /// A record as an account.
    fn account(&self, item: &Json) -> Result<Account, TargetError> {
        let read = &self.definition.account;
        let values = Values::new().json("item", item);
        let broken = |what: &str, why: &str| TargetError::Malformed(format!("account.{what} of a record: {why}"));
        let truth = |what: &str, reading: &Option<Reading>, default: bool| match reading {
            None => Ok(default),
            Some(reading) => reading.truth(&values).map_err(|why| broken(what, &why)),
        };
        let id = read.id.as_ref().map_or(Ok(None), |id| id.text(&values));
        let id = id.map_err(|why| broken("id", &why))?;
        let external_id = read
            .correlation_key
            .as_ref()
            .map_or(Ok(None), |key| key.evaluate(&values));
        let external_id = external_id.map_err(|why| broken("correlationKey", &why))?;
        let names = read.names.as_ref().map_or(Ok(Vec::new()), |names| names.items(&values));
        let names = names.map_err(|why| broken("names", &why))?;
        Ok(Account {
            id: checked(id).ok_or_else(|| broken("id", "it is empty or too long"))?,
            active: truth("active", &read.active, true)?,
            external_id: external_id
                .and_then(|key| key.as_str().map(str::to_owned))
                .filter(|key| !key.is_empty()),
            names: names
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            invited: truth("invited", &read.invited, false)?,
            // What a definition says of a match is a strong one.
            matched: Match::Name,
            login: None,
        })
    }

    pub(super) async fn list_accounts(&self) -> Result<Option<Vec<Account>>, TargetError> {
        let Some(list) = &self.definition.account.list else {
            return Ok(None);
        };
        let asked = Asked {
            request: &list.request,
            items: Some(&list.items),
            pages: list.pages.as_ref(),
        };
        let mut accounts = BTreeMap::new();
        let read = self
            .client
            .read_all(asked, &Speech::default(), "the list of accounts", |item| {
                let account = self.account(item)?;
                accounts.insert(account.id.clone(), account);
                Ok(())
            })
            .await?;
        match read {
            Read::Whole(_) => Ok(Some(accounts.into_values().collect())),
            Read::Gone => Err(TargetError::Misconfigured(
                "the list of accounts is not there: is the path of account.list right?".to_owned(),
            )),
        }
    }

    pub(super) async fn one_account(&self, id: &str) -> Result<Option<Account>, TargetError> {
        if self.definition.is_named() {
            return Ok(Some(of_name(id.to_owned())));
        }
        if self.definition.account.read.is_none() {
            let all = self.list_accounts().await?;
            return Ok(all.into_iter().flatten().find(|account| account.id == id));
        }
        let Some((_, item)) = self.record(id).await? else {
            return Ok(None);
        };
        self.account(&item).map(Some)
    }

    /// Reads the record of one account, with the answer that it stands in; `None` where it is gone.
    async fn record(&self, id: &str) -> Result<Option<(Answer, Json)>, TargetError> {
        let Some(read) = &self.definition.account.read else {
            return self.record_in_list(id).await;
        };
        let speech = Speech::default().account(id);
        let words = "the account";
        let answer = self
            .client
            .call(read, &speech, Purpose::Read, With::default(), words)
            .await?;
        match answer.verdict {
            Verdict::Good | Verdict::Already => {}
            Verdict::Gone => return Ok(None),
            Verdict::Conflict => return Err(TargetError::Conflict("a read of the account".to_owned())),
        }
        let item = match &self.definition.account.record {
            None => answer.response["body"].clone(),
            Some(record) => {
                let read = record.evaluate(&Values::new().json("response", &answer.response));
                read.map_err(|why| TargetError::Malformed(format!("account.record: {why}")))?
                    .unwrap_or_default()
            }
        };
        if item.is_null() {
            return Err(TargetError::Malformed(
                "the answer with the account holds no record".to_owned(),
            ));
        }
        Ok(Some((answer, item)))
    }

    /// The same where no account is read by itself.
    async fn record_in_list(&self, id: &str) -> Result<Option<(Answer, Json)>, TargetError> {
        let Some(list) = &self.definition.account.list else {
            return Err(TargetError::Refused("account.read is not described".to_owned()));
        };
        let asked = Asked {
            request: &list.request,
            items: Some(&list.items),
            pages: list.pages.as_ref(),
        };
        let mut found = None;
        let read = self
            .client
            .read_all(asked, &Speech::default(), "the list of accounts", |item| {
                if self.account(item)?.id == id {
                    found = Some(item.clone());
                }
                Ok(())
            })
            .await?;
        Ok(match (read, found) {
            (Read::Whole(answer), Some(item)) => Some((*answer, item)),
            _ => None,
        })
    }

    pub(super) async fn make_account(&self, person: &AccountFacts, operation_id: &str) -> Result<Account, TargetError> {
        if let Some(named) = self.named(person) {
            return named;
        }
        let Some(create) = &self.definition.account.create else {
            return Err(TargetError::Refused(
                "accounts are made by others here: account.create is not described".to_owned(),
            ));
        };
        let speech = Speech::person(person).operation(operation_id);
        let with = With {
            operation_id,
            version: None,
        };
        let answer = self
            .effect(create, &speech, with, "the creation of the account")
            .await?;
        match answer.verdict {
            Verdict::Good => {}
            Verdict::Already | Verdict::Conflict => {
                return Err(TargetError::Conflict("such an account is there already".to_owned()));
            }
            Verdict::Gone => {
                return Err(TargetError::Refused(
                    "the creation of the account is answered as if nothing were there: is its path right?".to_owned(),
                ));
            }
        }
        let id = self.definition.account.created_id.as_ref().and_then(|reading| {
            let id = reading.text(&Values::new().json("response", &answer.response));
            checked(id.ok().flatten())
        });
        let Some(id) = id else {
            return match self.find_person(person).await? {
                Found::One(account) => Ok(account),
                _ => Err(TargetError::Ambiguous(
                    "the creation of the account was answered well, and it cannot be found yet".to_owned(),
                )),
            };
        };
        if self.definition.account.invited.is_some()
            && let Some(account) = self.one_account(&id).await?
        {
            return Ok(account);
        }
        Ok(Account {
            external_id: Some(person.external_id.clone()),
            ..of_name(id)
        })
    }

    pub(super) async fn change_account(
        &self,
        id: &str,
        person: &AccountFacts,
        activate: bool,
    ) -> Result<String, TargetError> {
        let account = &self.definition.account;
        let speech = || Speech::person(person).account(id);
        if activate {
            match (&account.activate, &account.create) {
                (Some(call), _) => {
                    self.change_one(call, id, speech(), "the activation of the account")
                        .await?;
                }
                (None, Some(create)) => self.again(create, person).await?,
                (None, None) => {
                    return Err(TargetError::Refused("account.activate is not described".to_owned()));
                }
            }
        }
        let Some(update) = &account.update else {
            return Ok(id.to_owned());
        };
        let answer = self
            .change_one(update, id, speech(), "the update of the account")
            .await?;
        let Some(updated_id) = &account.updated_id else {
            return Ok(id.to_owned());
        };
        // What was changed and cannot be read is the same account until a look says otherwise.
        let new = updated_id.text(&Values::new().json("response", &answer.response));
        Ok(checked(new.ok().flatten()).unwrap_or_else(|| id.to_owned()))
    }

    /// Creates what may be there and unusable.
    async fn again(&self, create: &Request, person: &AccountFacts) -> Result<(), TargetError> {
        let key = self.new_key();
        let speech = Speech::person(person).operation(&key);
        let with = With {
            operation_id: &key,
            version: None,
        };
        let answer = self
            .effect(create, &speech, with, "the creation of the account")
            .await?;
        match answer.verdict {
            Verdict::Good | Verdict::Already | Verdict::Conflict => Ok(()),
            Verdict::Gone => Err(TargetError::Gone("such account".to_owned())),
        }
    }

    pub(super) async fn stop_account(&self, id: &str) -> Result<(), TargetError> {
        match &self.definition.account.deactivate {
            Some(call) => {
                let speech = Speech::default().account(id);
                let done = self
                    .change_one(call, id, speech, "the deactivation of the account")
                    .await;
                done.map(|_| ())
            }
            // Its end is its deletion, which the definition was checked to have, at once.
            None => Err(TargetError::Gone("way to deactivate an account".to_owned())),
        }
    }

    pub(super) async fn remove_account(&self, id: &str) -> Result<(), TargetError> {
        if self.definition.is_named() {
            return Ok(());
        }
        let Some(delete) = &self.definition.account.delete else {
            return Err(TargetError::Refused("account.delete is not described".to_owned()));
        };
        let speech = Speech::default().account(id);
        match self.change_one(delete, id, speech, "the deletion of the account").await {
            Ok(_) | Err(TargetError::Gone(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Changes an account, over its record as it is where the call speaks of that, and against its version where it has
    /// one. Where somebody else was faster, once more.
    async fn change_one(&self, call: &Update, id: &str, speech: Speech, words: &str) -> Result<Answer, TargetError> {
        let version = self.definition.account.version.as_ref();
        let reads = call.needs_item || version.is_some();
        let mut again = reads;
        // What is written back whole may hold a set that is being written too.
        let _one_at_a_time = if reads {
            Some(self.lock(("account", id)).await)
        } else {
            None
        };
        loop {
            let (mut speech, mut tag) = (speech.clone(), None);
            if reads {
                let Some((answer, item)) = self.record(id).await? else {
                    return Err(TargetError::Gone("such account".to_owned()));
                };
                if let Some(version) = version {
                    let read = version.text(&Values::new().json("response", &answer.response));
                    tag = read.map_err(|why| TargetError::Malformed(format!("account.version: {why}")))?;
                }
                speech = speech.tree("item", item);
            }
            let key = self.new_key();
            let with = With {
                operation_id: &key,
                version: tag.as_deref(),
            };
            let answer = self.effect(&call.request, &speech, with, words).await?;
            match answer.verdict {
                Verdict::Good | Verdict::Already => return Ok(answer),
                Verdict::Gone => return Err(TargetError::Gone("such account".to_owned())),
                Verdict::Conflict if again => again = false,
                Verdict::Conflict => return Err(TargetError::Conflict(words.to_owned())),
            }
        }
    }
}

fn of_name(id: String) -> Account {
    Account {
        id,
        active: true,
        external_id: None,
        names: BTreeSet::new(),
        invited: false,
        matched: Match::Name,
        login: None,
    }
}

pub(super) fn checked(id: Option<String>) -> Option<String> {
    id.filter(|id| !id.trim().is_empty() && id.len() <= LONGEST_ID)
}

/// The records of a search that match.
#[derive(Default)]
struct Matching {
    accounts: BTreeMap<String, Account>,
    /// Why of a record it could not be told.
    unclear: Option<String>,
}

impl Matching {
    fn see(
        &mut self,
        matches: Result<bool, String>,
        account: impl FnOnce() -> Result<Account, TargetError>,
    ) -> Result<(), TargetError> {
        match matches {
            Ok(false) => {}
            Ok(true) => {
                let account = account()?;
                self.accounts.insert(account.id.clone(), account);
            }
            Err(why) => self.unclear = Some(why),
        }
        Ok(())
    }

    /// What a record that cannot be read is does not matter where another is the one; else it may have been.
    fn found(self, correlation_key: &str) -> Result<Found<Account>, TargetError> {
        let ours = |account: &&Account| account.external_id.as_deref() == Some(correlation_key);
        let mut marked = self.accounts.values().filter(ours);
        if let (Some(account), None) = (marked.next(), marked.next()) {
            return Ok(Found::One(account.clone()));
        }
        let mut all = self.accounts.into_values();
        match (all.next(), all.next(), self.unclear) {
            (None, _, None) => Ok(Found::None),
            (None, _, Some(why)) => Err(TargetError::Malformed(format!(
                "account.matches cannot be told of a record that the search found: {why}"
            ))),
            (Some(account), None, _) => Ok(match &account.external_id {
                Some(key) if key != correlation_key => {
                    let why = format!(
                        "The account there that matches carries the correlation key {key:?}, so it belongs to another: mend it \
                         there, or tell the two apart by account.matches."
                    );
                    Found::Foreign(account, why)
                }
                _ => Found::One(account),
            }),
            (Some(_), Some(_), _) => Ok(Found::Several(
                "Several accounts there match the person: leave one, or make account.matches stricter.".to_owned(),
            )),
        }
    }
}
