//! Who is meant.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decide::index::{Namespace, Person, identifier};

/// The one person called `text`: by name of the Employee, work email or employee number; or, where nobody is called so, by
/// user name or display name. Text is compared without regard to case.
///
/// The error is a sentence: nobody is called so, several are, or the Employee cannot be read.
pub fn find<'a>(namespace: &'a Namespace, text: &str) -> Result<&'a Arc<Person>, String> {
    let wanted = identifier(text);
    let mut found: BTreeMap<&str, &Arc<Person>> = namespace
        .people_called(text)
        .chain(namespace.employees.get(text.trim()))
        .map(|person| (person.name.as_str(), person))
        .collect();
    if found.is_empty() {
        if let Some(error) = namespace.broken_employees.get(text.trim()) {
            return Err(format!(
                "Employee {text} cannot be read, so that nothing is decided about it: {error}"
            ));
        }
        let same = |name: &Option<String>| name.as_ref().is_some_and(|name| identifier(name) == wanted);
        let people = namespace.employees.values();
        let called = people.filter(|person| same(&person.spec.username) || same(&person.spec.display_name));
        found.extend(called.map(|person| (person.name.as_str(), person)));
    }
    let mut people = found.values();
    match (people.next(), people.next()) {
        (Some(person), None) => Ok(person),
        (None, _) => Err(format!(
            "nobody is called {text} here: name a person by workEmail, employeeNumber or the name of the Employee \
             (`kubectl get emp` lists them)"
        )),
        _ => {
            let people: Vec<String> = found.values().take(10).map(|person| label(person)).collect();
            let more = match found.len() - people.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Err(format!(
                "{text} can mean {}{more}: name the Employee as it stands in parentheses",
                people.join(", ")
            ))
        }
    }
}

/// A person for people: `Ada Lovelace (e-ada)`.
pub fn label(person: &Person) -> String {
    let spec = &person.spec;
    let known = [&spec.display_name, &spec.work_email, &spec.employee_number];
    let known = known
        .into_iter()
        .flatten()
        .find(|name| !name.trim().is_empty() && **name != person.name);
    match known {
        Some(name) => format!("{} ({})", name.trim(), person.name),
        None => person.name.clone(),
    }
}
