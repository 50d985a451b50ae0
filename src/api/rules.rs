//! CEL rules that several kinds share. Each message says how to mend what it refuses; the API server puts the field's
//! path before it.

use kube::core::Rule;

/// Keys of a selector's clause, `everyone` aside.
pub(super) const CLAUSE_KEYS: [&str; 13] = [
    "department",
    "businessUnit",
    "group",
    "jobTitle",
    "manager",
    "workLocation",
    "homeLocation",
    "employmentType",
    "employmentStatus",
    "company",
    "customFields",
    "tenure",
    "employees",
];

/// A duration, and with so many digits for each unit that no sum of it and a date leaves the calendar.
const DURATION: &str = "^([1-9][0-9]{0,7}s|[1-9][0-9]{0,6}m|[1-9][0-9]{0,5}h|[1-9][0-9]{0,4}d)$";

/// The rule of a duration, as JSON for a type that is not a struct.
pub(super) fn duration() -> serde_json::Value {
    serde_json::json!([{
        "rule": format!("self.matches('{DURATION}')"),
        "message": "must be a whole number and one unit (s, m, h or d), such as 90s, 12h or 30d, and at most 99999d",
    }])
}

/// CEL that is true unless both durations can be read and `shorter` is not shorter than `longer`; equal ones pass with
/// `or_equal`.
fn in_order(shorter: &str, longer: &str, or_equal: bool) -> String {
    let readable = |of: &str| format!("{of}.matches('{DURATION}')");
    let seconds = |of: &str| {
        format!(
            "int({of}.substring(0, {of}.size() - 1)) * \
             {{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}}[{of}.substring({of}.size() - 1)]"
        )
    };
    let than = if or_equal { "<=" } else { "<" };
    format!(
        "!{} || !{} || {} {than} {}",
        readable(shorter),
        readable(longer),
        seconds(shorter),
        seconds(longer)
    )
}

/// `syncInterval` and `fullSyncInterval`.
pub(super) fn sync_intervals() -> Rule {
    Rule::new(in_order("self.syncInterval", "self.fullSyncInterval", true))
        .message("fullSyncInterval must not be shorter than syncInterval: lengthen it, or shorten syncInterval")
}

/// `atLeast` and `lessThan`.
pub(super) fn tenure_in_order() -> Rule {
    Rule::new(format!(
        "!has(self.atLeast) || !has(self.lessThan) || ({})",
        in_order("self.atLeast", "self.lessThan", false)
    ))
    .message("atLeast must be shorter than lessThan, or nobody matches: swap or widen them")
}

/// Says which of an object's keys must be there: at least one of them.
fn one_of(of: &str, keys: &[&str]) -> String {
    let all: Vec<String> = keys.iter().map(|key| format!("has({of}.{key})")).collect();
    all.join(" || ")
}

/// The name of an object of this namespace.
pub(super) fn name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')").message(
        "must be the name of an object of this namespace: lower-case letters, digits, - and ., \
         with a letter or digit first and last",
    )
}

/// The name of a namespace.
pub(super) fn namespace() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message(
        "must be the name of a namespace: lower-case letters, digits and -, with a letter or digit first and last",
    )
}

/// The name of a role or of a binding, which may hold more characters than other names.
pub(super) fn rbac_name() -> Rule {
    Rule::new("self.matches('^[^/%]+$') && self != '.' && self != '..'")
        .message("must be the name of an RBAC object, which is neither . nor .. and has no / and no %")
}

/// A key of a Secret.
pub(super) fn secret_key() -> Rule {
    Rule::new("self.matches('^[-._a-zA-Z0-9]+$')")
        .message("must be a key of the Secret's data: letters, digits, -, _ and .")
}

/// A calendar date that exists.
pub(super) fn date() -> Rule {
    Rule::new(
        "self.matches('^[0-9]{4}-(((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01]))|((0[469]|11)-(0[1-9]|[12][0-9]|30))|\
         (02-(0[1-9]|1[0-9]|2[0-9])))$') && (!self.endsWith('-02-29') || (int(self.substring(0, 4)) % 4 == 0 && \
         (int(self.substring(0, 4)) % 100 != 0 || int(self.substring(0, 4)) % 400 == 0)))",
    )
    .message("must be a calendar date that exists, as year-month-day: 2026-03-31")
}

/// A URL to which paths are appended.
pub(super) fn base_url(example: &str) -> Rule {
    Rule::new(r"self.matches('^https?://[^\\s/?#@]+(/[^\\s?#]*)?$')").message(
        format!(
            "must be an http or https URL without credentials, query or fragment, such as {example}; \
             credentials belong in a Secret"
        )
        .as_str(),
    )
}

/// A time zone by its name, which starts with one of a few areas that hardly ever change.
pub(super) fn zone() -> Rule {
    Rule::new(
        "self.matches('^(UTC|(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Etc|Europe|\
         Indian|Mexico|Pacific|US)(/[A-Za-z0-9][A-Za-z0-9_+-]*){1,2})$')",
    )
    .message("must be the IANA name of a zone, such as Europe/Berlin, America/New_York or UTC; not an offset or abbreviation")
}

/// Text that says something.
pub(super) fn not_blank() -> Rule {
    Rule::new(r"self.matches('\\S')").message("is blank: write something, or remove it")
}

/// A list of text none of which is blank.
pub(super) fn no_blank() -> Rule {
    Rule::new(r"self.all(v, v.matches('\\S'))").message("has a blank entry: write what it is to match, or remove it")
}

/// A list of globs. Without character classes and alternatives there is none that cannot be compiled, and a title with
/// brackets in it means what it says.
pub(super) fn globs() -> Rule {
    Rule::new(r"self.all(v, !v.matches('[\\[\\]{}\\\\]'))").message(
        "a glob knows * and ? only: write ? for a bracket, brace or backslash, and one entry for each alternative",
    )
}

/// Names of parameters.
pub(super) fn parameter_names() -> Rule {
    Rule::new("self.all(k, k.matches('^[A-Za-z][A-Za-z0-9_.-]{0,62}$'))")
        .message("a parameter's name starts with a letter and goes on with letters, digits, _, . and -, 63 characters at most: rename it")
}

/// The name of a custom field, which expressions can say as well.
pub(super) fn custom_field_name() -> Rule {
    Rule::new("self.matches('^[A-Za-z][A-Za-z0-9_]*$')")
        .message("a custom field's name starts with a letter and goes on with letters, digits and _: rename it")
}

/// Names of custom fields.
pub(super) fn custom_field_names() -> Rule {
    Rule::new("self.all(k, k.matches('^[A-Za-z][A-Za-z0-9_]{0,62}$'))").message(
        "a custom field's name starts with a letter and goes on with letters, digits and _, 63 characters at most: \
         rename it",
    )
}

/// A JSON Pointer to something within a document.
pub(super) fn json_pointer() -> Rule {
    Rule::new("self.matches('^(/([^/~]|~[01])*)+$')").message(
        "must be a JSON Pointer, such as /customFields/costCenter: start with /, and write ~1 for a / within a name \
         and ~0 for a ~",
    )
}

/// A selector that selects.
pub(super) fn selector_has_a_key() -> Rule {
    Rule::new(format!(
        "has(self.everyone) || has(self.anyOf) || {}",
        one_of("self", &CLAUSE_KEYS)
    ))
    .message("needs at least one key besides not: name one, or say everyone: true to match every employee")
}

/// `everyone` and nothing that would narrow it.
pub(super) fn everyone_alone() -> Rule {
    Rule::new(format!(
        "!has(self.everyone) || !(has(self.anyOf) || {})",
        one_of("self", &CLAUSE_KEYS)
    ))
    .message("everyone goes with not only: keys are ANDed, so remove everyone to keep the others, or remove the others")
}

/// `everyone`, where it stands.
pub(super) fn only_true() -> Rule {
    Rule::new("self").message("can only be true: to leave it unsaid, remove it")
}

/// Clauses that say something.
pub(super) fn clauses_have_a_key() -> Rule {
    Rule::new(format!("self.all(c, has(c.everyone) || {})", one_of("c", &CLAUSE_KEYS)))
        .message("has an empty clause: name a key in it, or remove it")
}

/// Clauses of `anyOf` or `not` that are not about everyone.
pub(super) fn clauses_not_everyone() -> Rule {
    Rule::new("self.all(c, !has(c.everyone))").message(
        "everyone belongs at the top of the selector: in a clause it would match all or nobody, so remove it here",
    )
}

/// An object with at least one of these keys.
pub(super) fn needs_one_of(keys: &[&str]) -> Rule {
    let message = format!("is empty: name at least one of {}, or remove it", keys.join(", "));
    Rule::new(one_of("self", keys)).message(message.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clause_rules_know_every_key() {
        let schema = schemars::schema_for!(crate::api::policy::Clause);
        let mut keys: Vec<&str> = schema
            .get("properties")
            .and_then(serde_json::Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str())
            .filter(|key| *key != "everyone")
            .collect();
        let mut known = CLAUSE_KEYS;
        keys.sort_unstable();
        known.sort_unstable();
        assert_eq!(keys, known);
    }
}
