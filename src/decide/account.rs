//! What an account at a target is made of, beside the person's own facts.

use super::attributes::AttributePath;
use super::effect::{attributes_digest, short_digest};
use super::index::{Namespace, Person};
use super::losses::readable_target;
use crate::api::employee::{AccountState, EmployeeSpec, GroupPath};

/// The account of the person's manager at `target`, as on the manager's record; `None` where there is no manager, or none with an
/// account there that is not ended.
pub fn manager_account(namespace: &Namespace, person: &Person, target: &str) -> Option<String> {
    let manager = namespace.employees.get(&person.spec.manager_ref.as_ref()?.name)?;
    let there = manager.status.accounts.iter().find(|record| {
        record.target == target
            && !record.id.is_empty()
            && !matches!(record.state, AccountState::Deleting | AccountState::Deleted)
    })?;
    Some(there.id.clone())
}

/// What the enterprise extension (RFC 7643 section 4.3) says of a person but for the manager, by attribute; of several departments
/// and business units the first, by its own name and not its path.
pub fn enterprise_facts(facts: &EmployeeSpec) -> [(&'static str, Option<&str>); 4] {
    [
        ("employeeNumber", facts.employee_number.as_deref()),
        ("department", leaf_of(&facts.departments)),
        ("division", leaf_of(&facts.business_units)),
        ("organization", facts.company.as_deref()),
    ]
}

fn leaf_of(groups: &[GroupPath]) -> Option<&str> {
    groups.first()?.path.last().map(String::as_str)
}

/// Whether accounts at `target` carry the enterprise extension.
pub fn is_enterprise(namespace: &Namespace, target: &str) -> bool {
    let scim = readable_target(namespace, target).and_then(|target| target.spec.scim.as_ref());
    scim.is_some_and(|scim| scim.enterprise)
}

/// Digest of what a person's account at a SCIM target is made of: the person's own facts, with the enterprise extension what that
/// says, and the values of the target's own attributes. `None` where those cannot be told now.
pub fn scim_digest(namespace: &Namespace, person: &Person, target: &str) -> Option<String> {
    let mut parts = vec![attributes_digest(&person.spec)];
    if is_enterprise(namespace, target) {
        let manager = manager_account(namespace, person, target);
        let extension = enterprise_facts(&person.spec).map(|(_, value)| value.map(str::to_owned));
        parts.extend(extension.into_iter().chain([manager]).map(marked));
    }
    if let Some(map) = namespace.attribute_map(target) {
        // The correlation key never changes for a person.
        let values = map.as_ref().as_ref().ok()?.render(&person.spec, "").ok()?;
        parts.extend(values.iter().map(|(path, value)| format!("{path}={value}")));
    }
    match parts.as_slice() {
        [own] => Some(own.clone()),
        parts => Some(short_digest(parts.iter().map(String::as_str))),
    }
}

/// Digest of what a person's account at a SCIM target is found by. `None` where that cannot be told now.
pub fn scim_matching_digest(namespace: &Namespace, person: &Person, target: &str) -> Option<String> {
    let own = attributes_digest(&person.spec);
    let Some(map) = namespace.attribute_map(target) else {
        return Some(own);
    };
    let user_name = AttributePath::core("userName");
    let login = map
        .as_ref()
        .as_ref()
        .ok()?
        .render_at(&user_name, &person.spec, "")
        .ok()?;
    Some(match login {
        None => own,
        Some(login) => short_digest([own.as_str(), &login.to_string()]),
    })
}

/// An absent value and an empty one differ.
fn marked(value: Option<String>) -> String {
    value.map_or_else(|| "0".to_owned(), |value| format!("1{value}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::api::TargetSystem;
    use crate::api::employee::Employee;
    use crate::decide::Index;

    fn person(name: &str, spec: &Value, accounts: &Value) -> Employee {
        from_value(json!({
            "apiVersion": "rollcall.dev/v1alpha1", "kind": "Employee",
            "metadata": {"name": name, "namespace": "hr", "uid": name},
            "spec": spec, "status": {"accounts": accounts},
        }))
        .unwrap()
    }

    fn tenant(boss: &Value, enterprise: bool) -> Index {
        let mut index = Index::default();
        index.put(person("boss", &json!({"workEmail": "boss@x.io"}), boss));
        let ada = json!({
            "workEmail": "ada@x.io", "employeeNumber": "7", "managerRef": {"name": "boss"},
            "departments": [{"path": ["Product", "Engineering"]}, {"path": ["Other"]}],
        });
        index.put(person("ada", &ada, &json!([])));
        index.put(target(enterprise));
        index
    }

    fn target(enterprise: bool) -> TargetSystem {
        from_value(json!({
            "apiVersion": "rollcall.dev/v1alpha1", "kind": "TargetSystem",
            "metadata": {"name": "t", "namespace": "hr"},
            "spec": {
                "adopt": "Never",
                "scim": {"baseURL": "https://x.io", "bearerTokenSecretRef": {"name": "s", "key": "k"}, "enterprise": enterprise},
            },
        }))
        .unwrap()
    }

    fn digest(index: &Index) -> (String, Option<String>) {
        let namespace = index.namespace("hr").unwrap();
        let ada = &namespace.employees["ada"];
        (
            scim_digest(namespace, ada, "t").unwrap(),
            manager_account(namespace, ada, "t"),
        )
    }

    #[test]
    fn a_manager_is_named_by_the_account_on_record_at_that_target() {
        let account = |target: &str, id: &str, state: &str| json!([{"target": target, "id": id, "state": state}]);
        for (boss, expected) in [
            (json!([]), None),
            (account("t", "", "Creating"), None),
            (account("t", "b1", "Active"), Some("b1")),
            (account("t", "b1", "Deactivated"), Some("b1")),
            (account("t", "b1", "Deleted"), None),
            (account("other", "b1", "Active"), None),
        ] {
            assert_eq!(digest(&tenant(&boss, true)).1.as_deref(), expected, "{boss}");
        }
    }

    #[test]
    fn an_account_is_updated_for_its_manager_where_it_names_one_and_only_there() {
        let (before, after) = (json!([]), json!([{"target": "t", "id": "b1", "state": "Active"}]));
        assert_ne!(digest(&tenant(&before, true)).0, digest(&tenant(&after, true)).0);
        assert_eq!(digest(&tenant(&before, false)).0, digest(&tenant(&after, false)).0);
        let index = tenant(&after, false);
        let ada = &index.namespace("hr").unwrap().employees["ada"];
        assert_eq!(digest(&index).0, attributes_digest(&ada.spec));
        assert_eq!(
            enterprise_facts(&ada.spec),
            [
                ("employeeNumber", Some("7")),
                ("department", Some("Engineering")),
                ("division", None),
                ("organization", None)
            ]
        );
    }

    #[test]
    fn those_below_are_woken_when_their_managers_account_comes_and_only_where_it_is_named() {
        use crate::decide::index::Change;
        let account = json!([{"target": "t", "id": "b1", "state": "Active"}]);
        for (enterprise, expected) in [(true, Change::Facts), (false, Change::Own)] {
            let mut index = tenant(&json!([]), enterprise);
            let boss = |accounts: &Value| person("boss", &json!({"workEmail": "boss@x.io"}), accounts);
            assert_eq!(index.put(boss(&account)), expected);
            // Of the same account nothing new is said.
            assert_eq!(index.put(boss(&account)), Change::Own);
        }
    }

    #[test]
    fn what_a_targets_own_attributes_come_to_is_part_of_the_account() {
        let with = |template: &str| {
            let mut index = tenant(&json!([]), false);
            let mut target = target(false);
            if let Some(scim) = &mut target.spec.scim {
                scim.attributes.insert("nickName".to_owned(), template.to_owned());
            }
            index.put(target);
            let namespace = index.namespace("hr").unwrap();
            scim_digest(namespace, &namespace.employees["ada"], "t")
        };
        assert_ne!(with("${employee.employeeNumber}"), with("${employee.workEmail}"));
        assert_eq!(with("n-${employee.employeeNumber}"), with("n-7"));
        // What cannot be told now, or at all, changes nothing.
        assert_eq!(with("${employee.givenName}"), None);
        assert_eq!(with("${employee.nothing}"), None);
    }
}
