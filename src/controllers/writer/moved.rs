//! What is to be taken from an account that is gone may be held by the same account under another id: a leaver must not keep
//! it for that.

use super::Writer;
use super::accounts::end;
use super::connection::Connection;
use super::jobs::Task;
use crate::decide::effect::{AccountAction, Outcome};
use crate::targets::{Account, AccountFacts, Found, TargetError};

impl Writer {
    /// Ends an account, and where it is gone the one that carries our key instead.
    pub(super) async fn end_wherever(
        &self,
        connection: &Connection,
        action: AccountAction,
        id: &str,
        task: &Task,
    ) -> Result<Outcome, TargetError> {
        if let Some(outcome) = end(connection, action, id).await? {
            return Ok(outcome);
        }
        let Some(account) = moved(connection, &task.facts, id).await? else {
            return Ok(Outcome::done(id, None));
        };
        if let Some(why) = self.forbids_found(task, &account) {
            return Ok(Outcome::Retrying(why));
        }
        self.touch(&account.id);
        let outcome = end(connection, action, &account.id).await?;
        self.touch(&account.id);
        Ok(outcome.unwrap_or_else(|| Outcome::done(&account.id, None)))
    }

    /// What came of a revocation that found nothing to take: done, unless the account goes by another id now.
    pub(super) async fn unless_moved(
        &self,
        connection: &Connection,
        task: &Task,
        account_id: &str,
        outcome: Outcome,
    ) -> Outcome {
        match moved(connection, &task.facts, account_id).await {
            Ok(None) => outcome,
            Ok(Some(account)) => {
                self.know(&task.employee, |known| {
                    known.moved = Some((account_id.to_owned(), account.id));
                });
                Outcome::Retrying("shows the account under another id now, from which it is taken next".to_owned())
            }
            Err(error) => Outcome::Retrying(error.to_string()),
        }
    }
}

/// The account with our key, where it is another than the one of this id.
async fn moved(connection: &Connection, facts: &AccountFacts, id: &str) -> Result<Option<Account>, TargetError> {
    if facts.external_id.is_empty() {
        return Ok(None);
    }
    Ok(match connection.read(|target| target.find_account(facts)).await {
        Ok(found) => with_our_key(found, facts, id),
        // A target without accounts of its own.
        Err(TargetError::Refused(_)) => None,
        Err(error) => return Err(error),
    })
}

fn with_our_key(found: Found<Account>, facts: &AccountFacts, id: &str) -> Option<Account> {
    match found {
        Found::One(account) => {
            let ours = account.external_id.as_ref() == Some(&facts.external_id);
            (ours && account.id != id).then_some(account)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::decide::effect::Match;

    /// I2: a leaver's account is ended under whatever id it has, and nobody else's is.
    #[test]
    fn an_account_under_another_id_is_the_same_by_our_key_alone() {
        let facts = AccountFacts {
            external_id: "hr/ada".to_owned(),
            ..AccountFacts::default()
        };
        let account = |id: &str, key: Option<&str>| Account {
            id: id.to_owned(),
            active: true,
            external_id: key.map(str::to_owned),
            matched: Match::Name,
            login: None,
            names: BTreeSet::new(),
            invited: false,
        };
        let found = |account: Account| with_our_key(Found::One(account), &facts, "A1").map(|account| account.id);
        assert_eq!(found(account("A2", Some("hr/ada"))).as_deref(), Some("A2"));
        assert_eq!(found(account("A1", Some("hr/ada"))), None);
        assert_eq!(found(account("A2", Some("hr/bob"))), None);
        // One that carries no key may be that of whoever has the name now.
        assert_eq!(found(account("A2", None)), None);
        assert_eq!(with_our_key(Found::None, &facts, "A1"), None);
    }
}
