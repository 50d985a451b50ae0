//! Whether an Entitlement says what the definition asks for.

use super::parts::typed;
use super::{Definition, Problem};
use crate::api::entitlement::EntitlementSpec;

impl Definition {
    /// What is wrong with an Entitlement of this target: an unknown kind, and inputs and parameters that are unknown, missing
    /// or of another type.
    pub fn check(&self, entitlement: &EntitlementSpec) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |path: String, sentence: String| problems.push(Problem { path, sentence });
        let Some(asked) = &entitlement.http else {
            let path = "spec.http".to_owned();
            problem(
                path,
                "is missing: the target is an http target, so say which kind of it is meant".to_owned(),
            );
            return problems;
        };
        let Some(kind) = self.kinds.get(&asked.kind) else {
            let names = self.kinds.keys().map(String::as_str);
            let hint = hint(names);
            problem(
                "spec.http.kind".to_owned(),
                format!("the target has no kind {}{hint}", asked.kind),
            );
            return problems;
        };
        for (name, value) in &asked.inputs {
            let path = format!("spec.http.inputs[{name}]");
            match kind.inputs.iter().find(|field| field.name == *name) {
                None => {
                    let names = kind.inputs.iter().map(|field| field.name.as_str());
                    problem(
                        path,
                        format!("the kind {} has no such input{}", asked.kind, hint(names)),
                    );
                }
                Some(field) => {
                    if let Err(why) = typed(value, field.type_) {
                        problem(path, why);
                    }
                }
            }
        }
        for field in kind.inputs.iter().filter(|field| !field.optional) {
            if !asked.inputs.contains_key(&field.name) {
                let path = format!("spec.http.inputs[{}]", field.name);
                problem(path, format!("is missing: the kind {} needs it", asked.kind));
            }
        }
        if let Some(identity) = &kind.identity
            && let Ok(id) = identity.id(&asked.inputs)
            && id.len() > 512
        {
            let path = "spec.http.inputs".to_owned();
            problem(
                path,
                "those that name the object are longer than 512 bytes together: no record can hold that".to_owned(),
            );
        }
        for parameter in &entitlement.parameters {
            let path = format!("spec.parameters[{}]", parameter.name);
            match kind.parameters.iter().find(|field| field.name == parameter.name) {
                None => {
                    let names = kind.parameters.iter().map(|field| field.name.as_str());
                    let hint = hint(names);
                    problem(path, format!("the kind {} has no such parameter{hint}", asked.kind));
                }
                Some(field) if field.type_ != parameter.type_ => {
                    problem(
                        path,
                        format!(
                            "is {:?} here and {:?} at the target: make them one",
                            parameter.type_, field.type_
                        ),
                    );
                }
                Some(_) => {}
            }
        }
        for field in kind.parameters.iter().filter(|field| !field.optional) {
            if !entitlement
                .parameters
                .iter()
                .any(|parameter| parameter.name == field.name)
            {
                let path = format!("spec.parameters[{}]", field.name);
                problem(path, format!("is missing: a grant of the kind {} needs it", asked.kind));
            }
        }
        problems
    }
}

fn hint<'a>(known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match known.as_slice() {
        [] => "; it has none".to_owned(),
        known => format!("; it has {}", known.join(", ")),
    }
}
