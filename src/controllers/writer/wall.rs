//! The second wall: what a target's settings forbid is not sent, whatever is on record. The first is the planner, which may
//! not have come to it yet since the settings changed, and does not know all that an account goes by.

use super::Writer;
use super::jobs::Task;
use crate::api::target::TargetSystemSpec;
use crate::decide::effect::{AccountSight, Intent};
use crate::decide::managed::refusal;
use crate::decide::protected::{PROTECTED, is_protected};
use crate::targets::{Account, AccountFacts};

impl Writer {
    /// Why a job that was taken must not be sent for the account of this id, where it must not; the id is empty while there is
    /// none.
    pub(super) fn forbids(&self, task: &Task, account_id: &str) -> Option<String> {
        let settings = self.settings()?;
        let mut names = names_of(&task.facts);
        {
            let state = self.desk.state.lock();
            if let Some(AccountSight::Present { id, names: seen, .. }) =
                state.people.get(&task.employee).map(|known| &known.sight)
                && id == account_id
            {
                names.extend(seen.iter().cloned());
            }
            let listed = state.accounts.as_ref().and_then(|seen| seen.shown.get(account_id));
            names.extend(listed.into_iter().flat_map(|account| account.names.iter().cloned()));
        }
        why_not(&settings.spec, &task.job.intent, account_id, &names)
    }

    /// The same, for an account that was just found.
    pub(super) fn forbids_found(&self, task: &Task, account: &Account) -> Option<String> {
        let settings = self.settings()?;
        let mut names = names_of(&task.facts);
        names.extend(account.names.iter().chain(&account.login).cloned());
        why_not(&settings.spec, &task.job.intent, &account.id, &names)
    }
}

fn names_of(facts: &AccountFacts) -> Vec<String> {
    [&facts.work_email, &facts.username]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
}

fn why_not(spec: &TargetSystemSpec, intent: &Intent, id: &str, names: &[String]) -> Option<String> {
    let protected = is_protected(spec, id, names.iter().map(String::as_str));
    refusal(spec, intent).or_else(|| protected.then(|| format!("is not sent: {PROTECTED}")))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::decide::effect::RemoteKey;

    /// What was on record before the settings forbade it is stopped all the same: by verb, by id, and by any of its names.
    #[test]
    fn what_the_settings_forbid_by_now_is_not_sent() {
        let scim = json!({"baseURL": "https://x", "bearerTokenSecretRef": {"name": "s", "key": "k"}});
        let spec = |more: serde_json::Value| -> TargetSystemSpec {
            let mut spec = json!({"adopt": "Never", "scim": scim});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(spec).unwrap()
        };
        let revoke = Intent::Membership {
            key: RemoteKey::default(),
            account_id: "A1".to_owned(),
            hold: false,
            grant_id: String::new(),
            parameters: BTreeMap::new(),
            operation_id: "o".to_owned(),
        };
        let why = |more: serde_json::Value| why_not(&spec(more), &revoke, "A1", &["break-glass@x.io".to_owned()]);
        assert_eq!(why(json!({})), None);
        assert_eq!(why(json!({"protectedAccounts": ["ada@*", "A2"]})), None);
        let grants_only = why(json!({"managementPolicies": ["Observe", "Grant"]})).unwrap();
        assert!(grants_only.contains("lacks Revoke"), "{grants_only}");
        for protected in ["a1", "break-glass@*"] {
            let why = why(json!({"protectedAccounts": [protected]})).unwrap();
            assert!(why.contains("protectedAccounts"), "{why}");
        }
    }
}
