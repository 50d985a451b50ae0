//! What `managementPolicies` of a `TargetSystem` lets Rollcall do there.
//!
//! What a verb that is left out would do stays undone, and the record says so. It is no loss for the guard either: nothing
//! would come of a decision. What a leaver keeps for it shows as the condition `UnmanagedAccess`.

use super::effect::{AccountAction, Intent};
use super::index::Namespace;
use super::losses::readable_target;
use crate::api::target::{ManagementPolicy, TargetSystemSpec};

/// Whether `verb` may be done. Without `Observe` nothing may: no change is sent that could not be read back.
pub fn may(spec: &TargetSystemSpec, verb: ManagementPolicy) -> bool {
    let said = |verb| spec.management_policies.contains(&verb);
    said(ManagementPolicy::Observe) && said(verb)
}

/// Whether the target called `name` is known not to let us do `verb`. Of one that cannot be read nothing is known.
pub fn is_barred(namespace: &Namespace, name: &str, verb: ManagementPolicy) -> bool {
    readable_target(namespace, name).is_some_and(|target| !may(&target.spec, verb))
}

/// The words for what stays undone for want of `verb`.
pub fn lacks(spec: &TargetSystemSpec, target: &str, verb: ManagementPolicy) -> String {
    let verb = if spec.management_policies.contains(&ManagementPolicy::Observe) {
        verb
    } else {
        ManagementPolicy::Observe
    };
    format!("managementPolicies of TargetSystem {target} lacks {verb:?}")
}

/// Why a target writer must not send `intent`, where it must not: the second wall, for what was on record before the verb
/// was left out.
pub fn refusal(spec: &TargetSystemSpec, intent: &Intent) -> Option<String> {
    let verbs: &[ManagementPolicy] = match intent {
        Intent::Account { action, .. } => match action {
            AccountAction::Create | AccountAction::Activate => &[ManagementPolicy::Grant],
            AccountAction::Update => &[ManagementPolicy::Update],
            AccountAction::Deactivate => &[ManagementPolicy::Deactivate],
            AccountAction::Delete => &[ManagementPolicy::Delete],
        },
        // An intent does not say whether the grant is there already; the planner, which knows, begins neither without leave.
        Intent::Membership { hold: true, .. } => &[ManagementPolicy::Grant, ManagementPolicy::Update],
        Intent::Membership { hold: false, .. } => &[ManagementPolicy::Revoke],
    };
    let is_allowed = verbs.iter().any(|verb| may(spec, *verb));
    let verb = verbs.first().filter(|_| !is_allowed)?;
    Some(format!("is not sent: {}", lacks(spec, intent.target(), *verb)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decide::effect::RemoteKey;

    fn spec(verbs: &[&str]) -> TargetSystemSpec {
        let scim = json!({"baseURL": "https://x", "bearerTokenSecretRef": {"name": "s", "key": "k"}});
        serde_json::from_value(json!({"adopt": "Never", "managementPolicies": verbs, "scim": scim})).unwrap()
    }

    fn account(action: AccountAction) -> Intent {
        Intent::Account {
            target: "okta".to_owned(),
            id: "A1".to_owned(),
            action,
            sought: String::new(),
            operation_id: "o".to_owned(),
        }
    }

    fn membership(hold: bool) -> Intent {
        Intent::Membership {
            key: RemoteKey {
                target: "okta".to_owned(),
                ..RemoteKey::default()
            },
            account_id: "A1".to_owned(),
            hold,
            grant_id: String::new(),
            parameters: std::collections::BTreeMap::new(),
            operation_id: "o".to_owned(),
        }
    }

    /// Every effect has a verb that lets it through and is stopped without it, and everything is stopped without `Observe`.
    #[test]
    fn every_intent_is_sent_by_its_verb_alone() {
        let all: [(&str, Intent); 7] = [
            ("Grant", account(AccountAction::Create)),
            ("Grant", account(AccountAction::Activate)),
            ("Update", account(AccountAction::Update)),
            ("Deactivate", account(AccountAction::Deactivate)),
            ("Delete", account(AccountAction::Delete)),
            ("Grant", membership(true)),
            ("Revoke", membership(false)),
        ];
        let verbs = ["Grant", "Update", "Revoke", "Deactivate", "Delete"];
        for (verb, intent) in &all {
            assert_eq!(refusal(&spec(&["Observe", verb]), intent), None, "{intent:?}");
            let blind = refusal(&spec(&verbs), intent).unwrap();
            assert!(blind.contains("TargetSystem okta lacks Observe"), "{blind}");
            let is_hold = matches!(intent, Intent::Membership { hold: true, .. });
            let but: Vec<&str> = std::iter::once("Observe")
                .chain(
                    verbs
                        .into_iter()
                        .filter(|other| other != verb && !(is_hold && *other == "Update")),
                )
                .collect();
            let why = refusal(&spec(&but), intent).unwrap();
            assert!(why.contains(&format!("lacks {verb}")), "{why}");
        }
        assert_eq!(refusal(&spec(&["Observe", "Update"]), &membership(true)), None);
    }
}
