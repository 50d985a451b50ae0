//! The steps about the person's account.

use super::trial::{Failed, MadeAccount, Step, Trial, said};
use crate::decide::effect::short_digest;
use crate::targets::{Account, Found, TargetError};

impl Trial<'_> {
    /// The person's account, wherever it comes from.
    pub(super) async fn search(&self) -> Step<Option<Account>> {
        match self
            .setup
            .target
            .find_account(&self.setup.person)
            .await
            .map_err(|error| said(&error))?
        {
            Found::None => Ok((None, "nobody".to_owned())),
            Found::One(account) => {
                let words = format!("the account {}", account.id);
                Ok((Some(account), words))
            }
            Found::Foreign(_, why) | Found::Several(why) => Err(why),
        }
    }

    /// An account that the trial may use and did not make: of whoever has a name, or of somebody who was named.
    pub(super) async fn find(&self) -> Step<Option<Account>> {
        let (found, words) = self.search().await?;
        let setup = self.setup;
        match found {
            Some(account) if !setup.powers.create || setup.is_given => {
                Ok((Some(account), format!("{words}, which is neither changed nor ended")))
            }
            Some(account) => Err(format!(
                "finds the account {} for somebody who was just made up: account.matches is true of others",
                account.id
            )),
            None if setup.powers.create || setup.read_only => Ok((None, words)),
            None => Err(
                "finds nobody, and the API was not described to create accounts: name somebody who has one with --employee"
                    .to_owned(),
            ),
        }
    }

    pub(super) async fn create(&self) -> Step<String> {
        self.made.lock().account = Some(MadeAccount::Sent);
        let operation = short_digest(["account", &self.setup.mark]);
        let made = self.setup.target.create_account(&self.setup.person, &operation).await;
        let account = match made {
            Ok(account) => account,
            // As what is made a moment later: it is seen when it is there.
            Err(TargetError::Ambiguous(why)) => {
                let looked = self
                    .until(
                        || async { self.search().await.map(|(found, _)| found) },
                        Option::is_some,
                    )
                    .await?;
                looked.ok_or(why)?
            }
            Err(error) => {
                if !matches!(error, TargetError::Malformed(_)) {
                    self.made.lock().account = None;
                }
                return Err(said(&error));
            }
        };
        self.made.lock().account = Some(MadeAccount::There(account.id.clone()));
        let state = if account.invited { ", invited" } else { "" };
        Ok((account.id.clone(), format!("the account {}{state}", account.id)))
    }

    pub(super) async fn read_back(&self, id: &str) -> Step<()> {
        let seen = self.account_until(id, Option::is_some).await?;
        let account = seen.ok_or_else(|| format!("the account {id} was made and cannot be read"))?;
        if account.id != id {
            return Err(format!("the account {id} calls itself {} when it is read", account.id));
        }
        if !account.active {
            return Err("what was just made reads as unusable: look at account.active".to_owned());
        }
        Ok(((), if account.invited { "invited" } else { "usable" }.to_owned()))
    }

    pub(super) async fn find_again(&self, id: &str) -> Step<()> {
        let found = self
            .until(
                || async { self.search().await.map(|(found, _)| found) },
                Option::is_some,
            )
            .await?;
        match found {
            Some(account) if account.id == id => Ok(((), "the same".to_owned())),
            Some(account) => Err(format!("finds {} where {id} was made", account.id)),
            None => Err(
                "does not find what was made, so it would be made again and again: look at account.find and account.matches"
                    .to_owned(),
            ),
        }
    }

    /// Ends an account of ours.
    pub(super) async fn end(&self, id: &str) -> Result<(), Failed> {
        let powers = self.setup.powers;
        if powers.deactivate {
            self.step("deactivate account", self.deactivate(id)).await?;
        }
        if powers.delete {
            self.step("delete account", self.delete(id)).await?;
        }
        self.made.lock().account = (!powers.delete).then(|| MadeAccount::Ended(id.to_owned()));
        Ok(())
    }

    async fn deactivate(&self, id: &str) -> Step<()> {
        self.setup
            .target
            .deactivate_account(id)
            .await
            .map_err(|error| said(&error))?;
        let ended = |account: &Option<Account>| account.as_ref().is_none_or(|account| !account.active);
        match self.account_until(id, ended).await? {
            Some(account) if account.active => Err("it was deactivated, and reads as usable".to_owned()),
            _ => Ok(((), "seen unusable".to_owned())),
        }
    }

    async fn delete(&self, id: &str) -> Step<()> {
        self.setup
            .target
            .delete_account(id)
            .await
            .map_err(|error| said(&error))?;
        match self.account_until(id, Option::is_none).await? {
            Some(_) => Err("it was deleted, and can still be read".to_owned()),
            None => Ok(((), "seen gone".to_owned())),
        }
    }

    async fn account_until(
        &self,
        id: &str,
        wanted: impl Fn(&Option<Account>) -> bool,
    ) -> Result<Option<Account>, String> {
        self.until(
            || async { self.setup.target.read_account(id).await.map_err(|error| said(&error)) },
            wanted,
        )
        .await
    }
}
