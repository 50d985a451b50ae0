//! Which parameters a trial gives, and whether a look shows them.

use std::collections::BTreeMap;

use crate::api::Entitlement;
use crate::api::entitlement::Parameter;
use crate::api::http::FieldType;
use crate::targets::{Holding, Order};

/// What is held otherwise than ordered, of what a look shows.
pub(super) fn difference(held: &Holding, order: &Order) -> Option<String> {
    let mut shown = held.parameters.iter();
    let (name, value) = shown.find(|(name, value)| order.parameters.get(*name).is_some_and(|asked| asked != *value))?;
    let asked = &order.parameters[name];
    Some(format!("{name} was set to {asked:?}, and a look shows {value:?}"))
}

/// What a policy that says nothing would give.
pub(super) fn usual(parameter: &Parameter) -> String {
    let least = parameter.minimum.or(parameter.maximum).unwrap_or(1);
    let fallback = || match parameter.type_ {
        FieldType::Integer => least.to_string(),
        FieldType::Boolean => "false".to_owned(),
        FieldType::String => "rollcall-test".to_owned(),
    };
    let first = || parameter.values.first().cloned();
    parameter.default.clone().or_else(first).unwrap_or_else(fallback)
}

/// Other parameters that a policy may say; `None` where there are none.
pub(super) fn others(entitlement: &Entitlement, known: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let mut all = known.clone();
    for parameter in &entitlement.spec.parameters {
        let usual = known.get(&parameter.name)?;
        let other = match parameter.type_ {
            _ if !parameter.values.is_empty() => parameter.values.iter().rev().find(|value| *value != usual).cloned(),
            FieldType::Integer => {
                let bounds = [parameter.maximum, parameter.minimum];
                let bounds = bounds.into_iter().flatten().map(|bound| bound.to_string());
                let next = usual.parse::<i64>().ok().and_then(|number| number.checked_add(1));
                bounds
                    .chain(next.map(|number| number.to_string()))
                    .find(|value| value != usual)
            }
            FieldType::Boolean => Some((usual != "true").to_string()),
            FieldType::String => None,
        };
        all.extend(other.map(|value| (parameter.name.clone(), value)));
    }
    (all != *known).then_some(all)
}
