//! Expressions of selectors and templates: CEL over `employee` and what else a [`Scope`] names, and the only room that
//! knows CEL.
//!
//! An expression comes from whoever may write a policy or a target, and an answer from whoever runs the target, so
//! nothing in either may stop the process or hold up other tenants. Before it is parsed its size and depth are capped
//! ([`scan`]); before it is evaluated every name and every type in it is checked and the most steps that it can take are
//! counted ([`check`]); and what it can ask of an employee or an answer is bounded ([`facts`], [`functions`]). Nothing in
//! it can read a clock, so that every future change of its answer is a change of facts.
//!
//! The language is a part of CEL: truth values, whole numbers, texts and lists, with `has`, `all`, `exists`,
//! `exists_one`, `map`, `filter`, `in`, `size`, `int`, `string` and the methods of texts. It differs in
//! what an employee lacks: a text that is absent or blank can be asked for with `has`, and using it otherwise makes the
//! answer unknown; a list that is absent is empty, and `has` is false of it.
//!
//! ```text
//! Expression      a selector's condition                                    Match
//! Reading         one expression of a template's language                   a JSON value, truth, text or items
//! Template        a tree of JSON with `${…}` in its texts                   the tree with values placed into it
//! TextTemplate    one text with `${…}`                                      a text
//! ```
//!
//! Templates and readings have more: optional values (`employee.?jobTitle`, `a[?0]`, `orValue`, `or`, `hasValue`,
//! `optional.of`, `optional.none`), which leave out where there is nothing; `split`, `join`, `replace`, `substring` and
//! `base64.encode`; `null`; maps, as results alone; and values of any kind, such as an answer's, whose kind is found out
//! when they are there. Of these `null` counts as no value: `has` is false of it, `.?` leaves it out, and it can be
//! compared with `null`. What is missing, of another kind than it is used as, or too large is an error and never false:
//! a text of an answer has at most 64 KB, a macro goes through at most 1,000 of its elements, and in each of these a text
//! has at most 1 KB and a list at most 100 elements.

mod check;
mod compiled;
mod facts;
mod functions;
mod language;
mod pattern;
mod reading;
mod scan;
mod schema;
mod scope;
mod template;
mod values;

use std::fmt;
use std::sync::Arc;

use cel::common::types::CelBool;

use self::compiled::Compiled;
use self::language::Language;
pub use self::language::{BUDGET, TEMPLATE_BUDGET};
pub use self::reading::{Expect, Reading};
pub use self::schema::Schema;
pub use self::scope::{Holds, Scope};
pub use self::template::{Template, TextTemplate};
pub use self::values::Values;
use super::selector::Match;
use crate::api::employee::EmployeeSpec;

/// A selector's expression, checked and ready to be asked.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Compiled>);

/// Why an expression is refused, in a sentence that says how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub sentence: String,
    /// Line and column of the spot, both from 1, the column in characters; `None` where it is all of the expression.
    pub position: Option<(usize, usize)>,
}

impl Refusal {
    fn whole(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            position: None,
        }
    }

    /// `at` is in bytes.
    fn at(source: &str, at: usize, sentence: impl Into<String>) -> Self {
        let before = source.get(..at).unwrap_or(source);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            sentence: sentence.into(),
            position: Some((before.matches('\n').count() + 1, line.chars().count() + 1)),
        }
    }

    /// The same, of what begins at the byte `start` of `source`.
    fn within(mut self, source: &str, start: usize) -> Self {
        let begun = Self::at(source, start, "").position.unwrap_or((1, 1));
        self.position = Some(match self.position {
            None => begun,
            Some((1, column)) => (begun.0, begun.1 + column - 1),
            Some((line, column)) => (begun.0 + line - 1, column),
        });
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Refusal {}

impl Expression {
    /// Checks an expression over the employees that `schema` describes. What is refused never was evaluated, and what
    /// is not refused takes at most [`BUDGET`] steps for any employee.
    pub fn compile(source: &str, schema: &Schema) -> Result<Self, Refusal> {
        let scope = Scope::new().employee(schema);
        Compiled::new(source, Language::Selector, &scope).map(|compiled| Self(Arc::new(compiled)))
    }

    /// Whether it is true of an employee. It is unknown where it needs what the employee lacks, or what is gone without
    /// that being confirmed.
    pub fn matches(&self, spec: &EmployeeSpec) -> Match {
        let truth = self.0.evaluate(&Values::new().employee(spec), |value| {
            let truth = value.downcast_ref::<CelBool>().map(|truth| *truth.inner());
            truth.ok_or_else(|| "the expression has no truth value".to_owned())
        });
        match truth {
            Ok(truth) => Match::of(truth.into()),
            Err(why) => Match::unknown(why),
        }
    }

    /// The attributes that it mentions, by their names in an Employee's spec, such as `jobTitle`,
    /// `workLocation.country` or `customFields.costCenter`.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.0.attributes()
    }

    /// The most steps that an evaluation takes, whoever the employee is; at most [`BUDGET`].
    pub fn steps(&self) -> u64 {
        self.0.steps
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::api::{HRISConnection, NameRef, ProvisioningPolicy};
    use crate::decide::index::{Indexed, Namespace};
    use crate::decide::selector::Tri;

    fn spec(facts: &Json) -> EmployeeSpec {
        serde_json::from_value(facts.clone()).unwrap()
    }

    fn ada() -> EmployeeSpec {
        spec(&json!({
            "workEmail": "ada@acme.example", "jobTitle": "VP Engineering", "startDate": "2024-03-01", "company": " ",
            "departments": [{"path": ["Engineering", "Platform"]}, {"path": ["Research"]}],
            "workLocation": {"country": "DE", "city": "Berlin"},
            "customFields": {"costCenter": "4711", "level": "7", "remote": "true", "since": "2025-02-03", "odd": "x"},
        }))
    }

    fn schema() -> Schema {
        Schema::of([Some(&connection())])
    }

    fn connection() -> HRISConnection {
        serde_json::from_value(json!({
            "apiVersion": "rollcall.dev/v1alpha1", "kind": "HRISConnection",
            "metadata": {"name": "merge", "resourceVersion": "1"},
            "spec": {
                "merge": {"region": "EU"},
                "apiKeySecretRef": {"name": "merge", "key": "api-key"},
                "accountTokenSecretRef": {"name": "merge", "key": "token"},
                "termination": {"defaultTimeZone": "Europe/Berlin"},
                "customFields": [
                    {"name": "costCenter", "fieldMapping": "x"},
                    {"name": "level", "type": "Integer", "fieldMapping": "x"},
                    {"name": "odd", "type": "Integer", "fieldMapping": "x"},
                    {"name": "remote", "type": "Boolean", "fieldMapping": "x"},
                    {"name": "since", "type": "Date", "fieldMapping": "x"},
                ],
            },
        }))
        .unwrap()
    }

    fn answer(source: &str, spec: &EmployeeSpec) -> Match {
        Expression::compile(source, &schema())
            .unwrap_or_else(|refusal| panic!("{source}: {refusal}"))
            .matches(spec)
    }

    #[test]
    fn an_expression_is_true_or_false_of_the_facts() {
        for (source, expected) in [
            ("employee.jobTitle.startsWith(\"VP\")", true),
            (
                "employee.jobTitle == 'VP Engineering' && employee.workLocation.country in ['DE', 'AT']",
                true,
            ),
            ("employee.jobTitle.lowerAscii().contains('engineer')", true),
            ("employee.jobTitle.matches('^(VP|SVP) ')", true),
            ("employee.jobTitle.matches(r'^\\d')", false),
            ("employee.departments.exists(d, \"Engineering\" in d.path)", true),
            ("employee.departments.exists(d, d.path[0] == 'Platform')", false),
            (
                "employee.departments.exists(d, d.path[d.path.size() - 1] == 'Platform')",
                true,
            ),
            ("employee.departments.all(d, size(d.path) >= 1)", true),
            ("employee.departments.exists_one(d, 'Research' in d.path)", true),
            (
                "employee.departments.map(d, d.path[0]) == ['Engineering', 'Research']",
                true,
            ),
            ("'Research' in employee.departments.map(d, d.path[0])", true),
            ("size(employee.departments.filter(d, d.path.size() > 1)) == 1", true),
            (
                "employee.departments.exists(d, d.path.exists(p, p.endsWith('form')))",
                true,
            ),
            ("has(employee.company)", false),
            ("has(employee.departments) && !has(employee.groups)", true),
            ("employee.groups.exists(g, 'x' in g.path)", false),
            ("employee.groups.all(g, 'x' in g.path)", true),
            ("has(employee.workLocation) && !has(employee.homeLocation)", true),
            (
                "has(employee.workLocation.city) && !has(employee.homeLocation.city)",
                true,
            ),
            ("employee.customFields.level > 5 && employee.customFields.remote", true),
            ("employee.customFields.since < '2025-03-01'", true),
            (
                "employee.customFields.costCenter == \"4711\" && int(employee.customFields.costCenter) % 2 == 1",
                true,
            ),
            ("has(employee.customFields.odd)", false),
            ("(has(employee.company) ? employee.company : 'none') == 'none'", true),
            // What has no value counts for nothing where the rest decides.
            ("employee.company == 'X' || employee.jobTitle != ''", true),
            ("employee.company == 'X' && employee.jobTitle == ''", false),
            ("// whom we mean\nemployee.jobTitle != 'CEO'", true),
        ] {
            let answer = answer(source, &ada());
            assert_eq!(answer.tri, Tri::from(expected), "{source}: {answer:?}");
        }
    }

    /// I1: what the employee lacks, or cannot be worked out, neither grants nor revokes, and the reason holds no value.
    #[test]
    fn what_cannot_be_evaluated_is_unknown() {
        for (source, why) in [
            (
                "employee.company == 'X'",
                "employee.company has no value: test has(employee.company)",
            ),
            ("employee.homeLocation.city != 'X'", "has(employee.homeLocation.city)"),
            ("employee.customFields.odd > 1", "has(employee.customFields.odd)"),
            ("employee.departments[7].path == []", "beyond the end"),
            ("1 / size(employee.groups) == 1", "divides by zero"),
            ("1 % size(employee.groups) == 1", "divides by zero"),
            ("size(employee.departments) + 9223372036854775807 == 1", "too large"),
            ("int(employee.jobTitle) == 1", "int in the expression cannot read"),
        ] {
            let answer = answer(source, &ada());
            assert_eq!(answer.tri, Tri::Unknown, "{source}");
            let said = answer.why.unwrap();
            assert!(said.contains(why), "{source}: {said}");
            assert!(!said.contains("VP"), "{source}: {said}");
        }
    }

    /// I1: an attribute that is gone without that being confirmed is unknown, asked for in whatever way.
    #[test]
    fn an_unconfirmed_absence_is_unknown() {
        let gone = |name: &str, source: &str| {
            let mut spec = ada();
            spec.custom_fields.remove("costCenter");
            spec.connection_ref = Some(NameRef::new("hr"));
            let state = json!({"state": "Present", "unconfirmed": [name], "customFields": ["costCenter", "level"]});
            spec.source = Some(serde_json::from_value(state).unwrap());
            answer(source, &spec).tri
        };
        // A custom field that nobody looked for is no absence either.
        let never_read = |source: &str| {
            let mut spec = ada();
            spec.custom_fields.remove("since");
            spec.connection_ref = Some(NameRef::new("hr"));
            spec.source = Some(serde_json::from_value(json!({"state": "Present", "customFields": ["level"]})).unwrap());
            answer(source, &spec).tri
        };
        assert_eq!(never_read("has(employee.customFields.since)"), Tri::Unknown);
        assert_eq!(never_read("has(employee.customFields.level)"), Tri::True);
        assert_eq!(gone("company", "!has(employee.company)"), Tri::Unknown);
        assert_eq!(gone("company", "has(employee.jobTitle)"), Tri::True);
        assert_eq!(
            gone("departments", "employee.departments.exists(d, 'Sales' in d.path)"),
            Tri::Unknown
        );
        assert_eq!(gone("workLocation", "has(employee.workLocation.state)"), Tri::Unknown);
        assert_eq!(
            gone("workLocation", "employee.workLocation.city == 'Berlin'"),
            Tri::True
        );
        assert_eq!(
            gone("customFields.costCenter", "has(employee.customFields.costCenter)"),
            Tri::Unknown
        );
        assert_eq!(
            gone("customFields.costCenter", "has(employee.customFields.level)"),
            Tri::True
        );
        assert_eq!(gone("company", "has(employee.company)"), Tri::Unknown);
        assert_eq!(gone("jobTitle", "has(employee.company)"), Tri::False);
    }

    /// A slip is refused when the policy is applied, with the spot, and not found out person by person.
    #[test]
    fn a_slip_is_refused_with_its_spot_and_the_remedy() {
        for (source, position, remedy) in [
            (
                "employee.jobTitel == 'x'",
                (1, 10),
                "there is no employee.jobTitel; did you mean jobTitle?",
            ),
            ("'ü' == employee.jobTitel", (1, 17), "did you mean jobTitle?"),
            (
                "true &&\n  employee.workLocation.contry == 'DE'",
                (2, 25),
                "did you mean country?",
            ),
            ("has(employee.jobTitel)", (1, 14), "did you mean jobTitle?"),
            (
                "employee.departments.exists(d, 'Sales' in d.pth)",
                (1, 45),
                "did you mean path?",
            ),
            (
                "employee.departments.exists(d, 'Sales' in e.path)",
                (1, 43),
                "there is no e here",
            ),
            ("employe.jobTitle == 'x'", (1, 1), "did you mean employee?"),
            ("jobTitle == 'x'", (1, 1), "did you mean employee.jobTitle?"),
            ("employee.jobTitle.startWith('x')", (1, 19), "did you mean startsWith?"),
            ("employee.departments.exist(d, true)", (1, 22), "did you mean exists?"),
            ("lower(employee.jobTitle) == 'x'", (1, 1), "there is no function lower"),
            ("employee.departments.contains('x')", (1, 22), "exists(g,"),
            ("employee.departments.exists('x')", (1, 22), "exists is written so"),
            ("'Sales' in employee.departments", (1, 9), "exists(g,"),
            (
                "employee.jobTitle == 1",
                (1, 19),
                "a text cannot be compared with a number",
            ),
            ("employee.jobTitle.startsWith(1)", (1, 30), "takes a text"),
            ("employee.jobTitle && true", (1, 19), "there is a text"),
            ("employee.jobTitle == null", (1, 22), "has("),
            ("employee.managerRef == 'x'", (1, 10), "key manager"),
            ("employee.startDate < now()", (1, 22), "no clock"),
            ("timestamp(employee.startDate) < 1", (1, 1), "no clock"),
            (
                "employee.customFields.costCentre == 'x'",
                (1, 23),
                "did you mean costCenter?",
            ),
            (
                "employee.customFields.level == '7'",
                (1, 29),
                "a number cannot be compared with a text",
            ),
            ("employee.jobTitle.matches(employee.company)", (1, 35), "written out"),
            ("employee.jobTitle.matches('(')", (1, 27), "unclosed group"),
            ("employee.jobTitle.matches('(?=x)')", (1, 27), "look-around"),
            ("employee.jobTitle.matches('.{1000}{1000}')", (1, 27), "too large"),
            ("employee.departments.all(employee, true)", (1, 22), "name it otherwise"),
            (
                "employee.departments.all(d, d.path.all(d, true))",
                (1, 36),
                "name it otherwise",
            ),
            ("employee.jobTitle = 'x'", (1, 19), "write =="),
            ("employee.jobTitle == 'x", (1, 22), "not closed"),
            ("(employee.jobTitle == 'x'", (1, 1), "never closed"),
            ("employee.jobTitle == 'x')", (1, 25), "closes nothing"),
            ("employee.jobTitle == 1.5", (1, 22), "whole"),
            ("employee.jobTitle == 'x\u{202e}'", (1, 24), "U+202E"),
            ("employee.jobTitle 'x'", (1, 19), "mend the syntax"),
            ("{'a': 1} == employee.jobTitle", (1, 1), "no maps"),
        ] {
            let refusal = Expression::compile(source, &schema()).err();
            let refusal = refusal.unwrap_or_else(|| panic!("{source} is not refused"));
            assert!(refusal.sentence.contains(remedy), "{source}: {refusal}");
            assert_eq!(refusal.position, Some(position), "{source}: {refusal}");
        }
        for (source, remedy) in [
            ("employee.jobTitle", "must be true or false"),
            ("true", "mentions no attribute"),
            ("", "empty"),
            ("  // nothing", "empty"),
        ] {
            let refusal = Expression::compile(source, &schema()).err().unwrap();
            assert!(refusal.to_string().contains(remedy), "{source}: {refusal}");
        }
    }

    #[test]
    fn the_attributes_are_those_that_it_mentions() {
        let source = "has(employee.jobTitle) || employee.workLocation.country == 'DE' && employee.customFields.level > 1 \
                      || employee.groups.exists(g, 'x' in g.path)";
        let expression = Expression::compile(source, &schema()).unwrap();
        let attributes: Vec<&str> = expression.attributes().collect();
        assert_eq!(
            attributes,
            ["customFields.level", "groups", "jobTitle", "workLocation.country"]
        );
    }

    /// What a connection declares is known to the policies that were there before it, and forgotten with it.
    #[test]
    fn a_policy_is_read_anew_when_a_connection_declares_another_field() {
        let mut namespace = Namespace::default();
        let policy: ProvisioningPolicy = serde_json::from_value(json!({
            "apiVersion": "rollcall.dev/v1alpha1", "kind": "ProvisioningPolicy", "metadata": {"name": "seniors"},
            "spec": {
                "mode": "Enforce", "selector": {"expression": "employee.customFields.level > 5"},
                "entitlements": [{"name": "vault"}],
            },
        }))
        .unwrap();
        policy.put(&mut namespace);
        let refusal = |namespace: &Namespace| {
            let policy = namespace.policies["seniors"].readable().unwrap();
            namespace.selector(policy).as_ref().as_ref().err().cloned()
        };
        assert!(
            refusal(&namespace)
                .unwrap()
                .contains("a text cannot be ordered with a number")
        );
        connection().put(&mut namespace);
        assert_eq!(refusal(&namespace), None);
        let mut other = connection();
        other.metadata.resource_version = Some("2".to_owned());
        other.spec.custom_fields.remove(1);
        other.put(&mut namespace);
        assert!(
            refusal(&namespace)
                .unwrap()
                .contains("no HRISConnection declares the custom field level")
        );
        HRISConnection::remove(&mut namespace, "merge");
        assert!(
            refusal(&namespace)
                .unwrap()
                .contains("a text cannot be ordered with a number")
        );
    }

    #[test]
    fn without_a_connection_any_custom_field_is_text() {
        let schema = Schema::of([]);
        let expression = Expression::compile("employee.customFields.level == '7'", &schema).unwrap();
        assert_eq!(expression.matches(&ada()).tri, Tri::True);
        // One that cannot be read declares what nobody knows.
        assert!(Expression::compile("employee.customFields.level == '7'", &Schema::of([None])).is_err());
    }
}
