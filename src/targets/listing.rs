//! All accounts of a target, to find many people's in one look.

use std::collections::{BTreeMap, HashMap};

use super::{Account, AccountFacts, Found};
use crate::decide::effect::Match;

/// The accounts of a target by everything they are found by.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    accounts: BTreeMap<String, Account>,
    by_key: HashMap<String, Vec<String>>,
    by_login: HashMap<String, Vec<String>>,
    by_name: HashMap<String, Vec<String>>,
}

impl Listing {
    /// Files accounts.
    pub fn new(accounts: Vec<Account>) -> Self {
        let mut listing = Self::default();
        for account in accounts {
            let id = &account.id;
            if let Some(key) = &account.external_id {
                listing.by_key.entry(key.clone()).or_default().push(id.clone());
            }
            if let Some(login) = &account.login {
                listing
                    .by_login
                    .entry(login.to_lowercase())
                    .or_default()
                    .push(id.clone());
            }
            let mut names: Vec<String> = account.names.iter().map(|name| name.to_lowercase()).collect();
            names.sort();
            names.dedup();
            for name in names {
                listing.by_name.entry(name).or_default().push(id.clone());
            }
            listing.accounts.insert(id.clone(), account);
        }
        listing
    }

    /// All of them.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The account of this id.
    pub fn get(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// The account of a person: the one with our correlation key for them, else the one whose owner signs in with their work
    /// email, or with their user name where they have no email, else the one that goes by it. Several are nobody's.
    pub fn find(&self, person: &AccountFacts) -> Found<Account> {
        let login = [&person.work_email, &person.username]
            .into_iter()
            .find_map(|value| value.as_deref().filter(|value| !value.is_empty()));
        let by_key = self.by_key.get(&person.external_id);
        let named = |by: &HashMap<String, Vec<String>>| by.get(&login?.to_lowercase()).cloned();
        let tries = [
            (by_key.cloned(), "correlation key", Match::Key),
            (named(&self.by_login), "user name", Match::Name),
            (named(&self.by_name), "email address", Match::Email),
        ];
        let found = tries
            .into_iter()
            .find_map(|(ids, by, matched)| Some((ids?, by, matched)));
        let Some((found, by, matched)) = found else {
            return Found::None;
        };
        match found.as_slice() {
            [id] => match self.accounts.get(id).cloned() {
                None => Found::None,
                Some(account) if account.external_id.as_ref().is_some_and(|id| *id != person.external_id) => {
                    let why = format!(
                        "account {id} has the {by} but belongs to another identity: its correlation key is set to something else"
                    );
                    Found::Foreign(account, why)
                }
                Some(account) => Found::One(Account { matched, ..account }),
            },
            several => {
                let some: Vec<&str> = several.iter().take(5).map(String::as_str).collect();
                Found::Several(format!("{} accounts have the {by}: {}", several.len(), some.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str, key: Option<&str>, names: &[&str]) -> Account {
        Account {
            id: id.to_owned(),
            active: true,
            external_id: key.map(str::to_owned),
            login: names.first().map(|name| (*name).to_owned()),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            invited: false,
            matched: Match::default(),
        }
    }

    fn person(key: &str, email: &str) -> AccountFacts {
        AccountFacts {
            external_id: key.to_owned(),
            work_email: Some(email.to_owned()),
            ..AccountFacts::default()
        }
    }

    #[test]
    fn an_account_is_found_by_key_before_name_and_never_taken_from_another() {
        let listing = Listing::new(vec![
            account("1", Some("t/e-ada"), &["old@x.io"]),
            account("2", None, &["ADA@x.io", "ada@x.io"]),
            account("3", Some("t/e-eve"), &["eve@x.io"]),
            account("4", None, &["d", "twin@x.io"]),
            account("5", None, &["a", "twin@x.io", "zoe@x.io"]),
            account("6", None, &["zoe@x.io"]),
        ]);
        let id = |found: Found<Account>| match found {
            Found::One(account) => account.id,
            Found::Foreign(account, _) => format!("foreign {}", account.id),
            Found::Several(_) => "several".to_owned(),
            Found::None => "none".to_owned(),
        };
        for (key, email, is) in [
            // The key is stronger than a name, which may be another's by now.
            ("t/e-ada", "ada@x.io", "1"),
            ("t/e-bob", "ada@X.io", "2"),
            ("t/e-bob", "eve@x.io", "foreign 3"),
            ("t/e-bob", "twin@x.io", "several"),
            // Who signs in with it, not who can be written to by it.
            ("t/e-zoe", "zoe@x.io", "6"),
            ("t/e-bob", "bob@x.io", "none"),
            ("t/e-bob", "", "none"),
        ] {
            assert_eq!(id(listing.find(&person(key, email))), is, "{key} {email}");
        }
        assert_eq!(listing.len(), 6);
        assert!(!listing.is_empty());
        assert!(listing.get("3").is_some() && listing.get("7").is_none());
        assert_eq!(listing.accounts().count(), 6);
    }
}
