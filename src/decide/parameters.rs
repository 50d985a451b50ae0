//! What policies may say of a grant, such as a card's limit: checked against what the entitlement declares, and compared
//! with what the grant has.
//!
//! A parameter that becomes less is a loss like any other, with a cause and a budget. Where it cannot be told which of two
//! values is less, or a value is not known, it counts as a loss: what is held until a person looks harms nobody.

use std::collections::{BTreeMap, BTreeSet};

use super::effect::{exception_of, short_digest};
use super::index::{Entry, Namespace};
use super::losses::{is_edited, readable_target};
use super::resolve::{Desired, Resolution};
use crate::api::conditions::clip;
use crate::api::employee::{Cause, EntitlementRecord, GrantState};
use crate::api::entitlement::{Parameter, ParameterLoss};
use crate::api::http::{Field, FieldType};
use crate::api::policy::Effect;
use crate::api::{Entitlement, ProvisioningPolicy};

/// The longest account of a change that a record holds, in bytes.
const CHANGE_MAX: usize = 512;

/// Values of parameters, by name.
pub type Values = BTreeMap<String, String>;

/// What may be said of an entitlement's grants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    parameters: Vec<Parameter>,
    /// Those that the kind of an `http` target cannot do without.
    needed: BTreeSet<String>,
}

/// A change of parameters that a grant is to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// For people and for digests: `limit 500 -> 100`.
    pub text: String,
    /// Whether any of it takes access away; then all of it waits for the verdict.
    pub is_loss: bool,
}

impl Schema {
    /// What `entitlement` declares; of an `http` entitlement that declares nothing, what its kind takes. Fails where what is
    /// declared contradicts itself or the kind, with words that say how to mend it.
    pub fn of(namespace: &Namespace, entitlement: &Entitlement) -> Result<Self, String> {
        let declared = &entitlement.spec.parameters;
        for parameter in declared {
            check_declaration(parameter)?;
        }
        let Some(http) = &entitlement.spec.http else {
            return Ok(Self {
                parameters: declared.clone(),
                needed: BTreeSet::new(),
            });
        };
        let target = readable_target(namespace, &entitlement.spec.target_ref.name);
        let kinds = target
            .and_then(|target| target.spec.http.as_ref())
            .map(|http| &http.kinds);
        let kind = kinds.and_then(|kinds| kinds.iter().find(|kind| kind.name == http.kind));
        // That a kind is not there is the Entitlement's own fault to tell.
        let fields = kind.map_or(&[][..], |kind| &kind.parameters);
        agree(declared, fields)?;
        let parameters = if declared.is_empty() {
            fields.iter().map(of_field).collect()
        } else {
            declared.clone()
        };
        let needed = fields.iter().filter(|field| !field.optional);
        Ok(Self {
            parameters,
            needed: needed.map(|field| field.name.clone()).collect(),
        })
    }

    /// What a grant is to have where a policy says `given`: checked, in one spelling, and with the defaults. Fails with words
    /// that say how to mend it.
    pub fn settle(&self, entitlement: &str, given: &Values) -> Result<Values, String> {
        if let Some(name) = given.keys().find(|name| self.find(name).is_none()) {
            let names: Vec<&str> = self
                .parameters
                .iter()
                .map(|parameter| parameter.name.as_str())
                .collect();
            return Err(if names.is_empty() {
                format!(
                    "entitlement {entitlement} declares no parameters: take {name} out of the policy, or declare it in \
                     spec.parameters of the Entitlement"
                )
            } else {
                format!(
                    "entitlement {entitlement} declares no parameter {name}, only {}: correct the name, or declare it in \
                     spec.parameters of the Entitlement",
                    names.join(", ")
                )
            });
        }
        let mut settled = Values::new();
        for parameter in &self.parameters {
            let value = given.get(&parameter.name).or(parameter.default.as_ref());
            match value {
                Some(value) => {
                    let value = check_value(parameter, value)
                        .map_err(|why| format!("parameter {} of entitlement {entitlement} {why}", parameter.name))?;
                    settled.insert(parameter.name.clone(), value);
                }
                None if self.needed.contains(&parameter.name) => {
                    return Err(format!(
                        "entitlement {entitlement} needs a value for the parameter {name}: give it in the policy, or a default in \
                         spec.parameters of the Entitlement",
                        name = parameter.name
                    ));
                }
                None => {}
            }
        }
        Ok(settled)
    }

    fn find(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// What has to change for the grant on record to have what policies `ask`. What was let go already and is under way is
    /// none any more.
    pub fn change(&self, record: &EntitlementRecord, ask: &Values) -> Option<Change> {
        // What is under way was let go; it may be at the target already, or not.
        let under_way = matches!(
            record.state,
            GrantState::Updating | GrantState::Failed | GrantState::NoSeat
        );
        let (mut words, mut is_loss, mut is_turned) = (Vec::new(), false, false);
        for parameter in &self.parameters {
            let name = &parameter.name;
            let (to, let_go) = (ask.get(name), record.desired_parameters.get(name));
            let shown = record.applied_parameters.get(name);
            if to == let_go && (under_way || !is_elsewhere(parameter, shown, to)) {
                continue;
            }
            if is_same(parameter, shown, to) {
                is_turned |= under_way;
                continue;
            }
            words.push(format!(
                "{name} {} -> {}",
                shown.map_or("none", String::as_str),
                to.map_or("none", String::as_str)
            ));
            // Less of a cut than the one that was let go needs no verdict of its own.
            let is_free = under_way && to != let_go && !lowers(parameter, let_go, to);
            is_loss |= lowers(parameter, shown, to) && !is_free;
        }
        (is_turned || !words.is_empty()).then(|| Change {
            text: bounded(&words.join(", ")),
            is_loss,
        })
    }

    /// Whether a grant that shows `shown` loses something by being set to `ask`.
    pub fn takes(&self, shown: &Values, ask: &Values) -> bool {
        let mut all = self.parameters.iter();
        all.any(|parameter| {
            let to = ask.get(&parameter.name);
            let from = shown.get(&parameter.name);
            from.is_some() && to.is_some() && lowers(parameter, from, to)
        })
    }
}

/// What the entitlement called `name` lets policies say, and nothing where it is not there.
pub fn schema(namespace: &Namespace, name: &str) -> Result<Schema, String> {
    let entitlement = namespace.entitlements.get(name).and_then(Entry::readable);
    entitlement.map_or(Ok(Schema::default()), |entitlement| Schema::of(namespace, entitlement))
}

/// What a policy that says `given` gives of the entitlement called `name`.
pub fn settle(namespace: &Namespace, name: &str, given: &Values) -> Result<Values, String> {
    schema(namespace, name)
        .map_err(|why| format!("entitlement {name}: {why}"))?
        .settle(name, given)
}

/// A sentence for each entitlement to which a policy gives parameters that it does not take.
pub fn faults(namespace: &Namespace, policy: &ProvisioningPolicy) -> Vec<String> {
    if policy.spec.effect == Effect::Deny {
        return Vec::new();
    }
    let grants = policy.spec.entitlements.iter();
    let there = grants.filter(|grant| {
        namespace
            .entitlements
            .get(&grant.name)
            .is_some_and(|e| e.readable().is_some())
    });
    there
        .filter_map(|grant| settle(namespace, &grant.name, &grant.parameters).err())
        .map(|why| sentence(&why))
        .collect()
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

/// The change that a grant on record is to see, if what it should have is `desired`. None while it cannot be told what it
/// has: nothing is sent on top of what may be under way.
pub fn change(namespace: &Namespace, record: &EntitlementRecord, desired: &Desired) -> Option<Change> {
    let is_there = match record.state {
        GrantState::Granted | GrantState::Held | GrantState::Updating | GrantState::Invited => true,
        GrantState::Failed | GrantState::NoSeat => record.granted_at.is_some(),
        _ => false,
    };
    if !is_there {
        return None;
    }
    let schema = schema(namespace, &desired.entitlement).ok()?;
    schema.change(record, &desired.parameters)
}

/// Why the parameters of a grant are to change: because the target shows other ones than policies ask for and we sent;
/// because a policy or the Entitlement was edited; else because of the facts.
pub fn cause(namespace: &Namespace, resolution: &Resolution, record: &EntitlementRecord, desired: &Desired) -> Cause {
    if record.desired_parameters == desired.parameters {
        return Cause::Drift;
    }
    let priority = |name: &String| {
        let policy = namespace.policies.get(name).and_then(Entry::readable);
        policy.map(|policy| policy.spec.priority)
    };
    let highest = desired.grantors.iter().filter_map(priority).max();
    let mut winners = desired
        .grantors
        .iter()
        .filter(|name| priority(name).is_some_and(|p| Some(p) == highest));
    // A policy that is new was not in force before, and speaks for the first time.
    let is_new = |name: &&String| {
        let policy = namespace.policies.get(*name).and_then(Entry::readable);
        policy.is_some_and(|policy| {
            let enforced = policy.status.as_ref().and_then(|status| status.enforced_generation);
            policy.metadata.generation != enforced
        })
    };
    let known = |name: &String| record.grantors.contains(name);
    let withdrew: Vec<&String> = record
        .grantors
        .iter()
        .filter(|name| exception_of(name).is_none() && !desired.grantors.contains(name))
        .filter(|name| !resolution.undecided_grantors.contains_key(*name))
        .collect();
    let is_edit = winners.clone().any(|name| is_new(&name)) || withdrew.iter().any(|name| is_edited(namespace, name));
    // Where the same policies say the same, it is the Entitlement that says something else.
    if is_edit || (winners.all(known) && withdrew.is_empty()) {
        Cause::PolicyChange
    } else {
        Cause::AttributeChange
    }
}

/// What the target did not take of what was sent, though it says that it was done; `None` where all is as sent. Texts it may
/// write its own way.
pub fn not_taken(sent: &Values, shown: &Values) -> Option<String> {
    let differs = |(name, value): (&String, &String)| {
        let is = shown.get(name)?;
        let plain = |text: &str| number(text).or_else(|| truth(text));
        let (wanted, there) = (plain(value)?, plain(is)?);
        (wanted != there).then(|| format!("{name} {is} where {value} was asked for"))
    };
    let differ: Vec<String> = sent.iter().filter_map(differs).collect();
    (!differ.is_empty()).then(|| format!("took the change and shows {}: ask for what it takes", differ.join(", ")))
}

/// Whether what is declared agrees with what the kind of an `http` target takes: the same names and types.
pub fn agree(declared: &[Parameter], fields: &[Field]) -> Result<(), String> {
    for parameter in declared {
        let name = &parameter.name;
        let Some(field) = fields.iter().find(|field| field.name == *name) else {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            return Err(format!(
                "the target's kind takes no parameter {name}, but {names}: correct the name in spec.parameters"
            ));
        };
        if field.type_ != parameter.type_ {
            return Err(format!(
                "parameter {name} is declared as {:?}, and the target's kind takes it as {:?}: declare it as that",
                parameter.type_, field.type_
            ));
        }
    }
    let is_declared = |field: &&Field| declared.iter().any(|parameter| parameter.name == field.name);
    let missing = |field: &&Field| !declared.is_empty() && !field.optional && !is_declared(field);
    match fields.iter().find(missing) {
        Some(field) => Err(format!(
            "the target's kind needs the parameter {}: declare it in spec.parameters as well",
            field.name
        )),
        None => Ok(()),
    }
}

fn of_field(field: &Field) -> Parameter {
    Parameter {
        name: field.name.clone(),
        type_: field.type_,
        ..Parameter::default()
    }
}

/// Whether a declaration makes sense by itself. The CRD's rules say the same of what they can see.
fn check_declaration(parameter: &Parameter) -> Result<(), String> {
    let name = &parameter.name;
    if let (Some(least), Some(most)) = (parameter.minimum, parameter.maximum)
        && least > most
    {
        return Err(format!("parameter {name} has a minimum above its maximum: swap them"));
    }
    if parameter.type_ != FieldType::Integer && (parameter.minimum.is_some() || parameter.maximum.is_some()) {
        return Err(format!(
            "parameter {name} is no Integer: take out minimum and maximum, or set type: Integer"
        ));
    }
    let but_values = Parameter {
        values: Vec::new(),
        ..parameter.clone()
    };
    for value in &parameter.values {
        check_value(&but_values, value).map_err(|why| format!("one of the values of parameter {name} {why}"))?;
    }
    if let Some(default) = &parameter.default {
        check_value(parameter, default).map_err(|why| format!("the default of parameter {name} {why}"))?;
    }
    Ok(())
}

/// A value in the one spelling that is sent, or why it is none.
fn check_value(parameter: &Parameter, value: &str) -> Result<String, String> {
    let shown = clip(value, 60);
    let spelt = match parameter.type_ {
        FieldType::String => value.to_owned(),
        FieldType::Boolean if truth(value).is_some() => value.to_owned(),
        FieldType::Boolean => {
            return Err(format!(
                "is `{shown}`, which is neither true nor false: say one of them"
            ));
        }
        FieldType::Integer => {
            let number: i64 = value
                .parse()
                .map_err(|_| format!("is `{shown}`, which is no whole number: say one such as 500"))?;
            if let Some(least) = parameter.minimum.filter(|least| number < *least) {
                return Err(format!("is {number}, and must not be below {least}: say at least that"));
            }
            if let Some(most) = parameter.maximum.filter(|most| number > *most) {
                return Err(format!("is {number}, and must not be above {most}: say at most that"));
            }
            number.to_string()
        }
    };
    let is_one = |allowed: &&String| is_same(parameter, Some(allowed), Some(&spelt));
    if parameter.values.is_empty() || parameter.values.iter().any(|allowed| is_one(&allowed)) {
        Ok(spelt)
    } else {
        let values = clip(&parameter.values.join(", "), 160).to_owned();
        Err(format!("is `{shown}`, and must be one of {values}: say one of them"))
    }
}

/// A whole number, also as a target may write it: `500.00`.
fn number(text: &str) -> Option<i64> {
    let whole = match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    whole.parse().ok()
}

fn truth(text: &str) -> Option<i64> {
    match text {
        "false" => Some(0),
        "true" => Some(1),
        _ => None,
    }
}

/// Where a value stands among others of its parameter: more access is more. `None` where that cannot be told.
fn rank(parameter: &Parameter, value: &str) -> Option<i64> {
    match parameter.type_ {
        FieldType::Integer => number(value),
        _ if !parameter.values.is_empty() => {
            let place = parameter.values.iter().position(|other| other == value)?;
            i64::try_from(place).ok()
        }
        FieldType::Boolean => truth(value),
        FieldType::String => None,
    }
}

fn is_same(parameter: &Parameter, one: Option<&String>, other: Option<&String>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            let ranks = rank(parameter, one).zip(rank(parameter, other));
            one == other || ranks.is_some_and(|(one, other)| one == other)
        }
        (one, other) => one == other,
    }
}

/// Whether the target is known to have something else than what was let go and is still asked for. It may write texts its own
/// way.
fn is_elsewhere(parameter: &Parameter, shown: Option<&String>, to: Option<&String>) -> bool {
    match (shown, to) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(shown), Some(to)) => {
            let ranks = rank(parameter, shown).zip(rank(parameter, to));
            ranks.is_some() && !is_same(parameter, Some(shown), Some(to))
        }
    }
}

/// Whether going from one value to another takes access away.
fn lowers(parameter: &Parameter, from: Option<&String>, to: Option<&String>) -> bool {
    let is_ordered = parameter.type_ != FieldType::String || !parameter.values.is_empty();
    if parameter.loss == ParameterLoss::Never || !is_ordered || is_same(parameter, from, to) {
        return false;
    }
    let rank = |value: Option<&String>| rank(parameter, value?);
    match (rank(from), rank(to), parameter.loss) {
        (Some(from), Some(to), ParameterLoss::Lower) => to < from,
        (Some(from), Some(to), _) => to > from,
        _ => true,
    }
}

/// A text that fits the record; of one that does not, its beginning and a digest of all of it.
fn bounded(text: &str) -> String {
    if text.len() <= CHANGE_MAX {
        return text.to_owned();
    }
    format!("{} ... {}", clip(text, CHANGE_MAX - 32), short_digest([text]))
}

#[cfg(test)]
#[path = "parameters/tests.rs"]
mod tests;
