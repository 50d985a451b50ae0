//! An expression, parsed and checked, and its evaluation.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::common::value::Val;
use cel::parser::{ParseErrors, Parser};
use cel::{Context, Env, ExecutionError, Value, extensions};

use super::check::{Checker, Found};
use super::facts::{Facts, SAID, part_of, text_of};
use super::language::Language;
use super::pattern::{self, Pattern};
use super::scan::Scanned;
use super::schema::Type;
use super::scope::{Named, Scope};
use super::values::Values;
use super::{Refusal, functions};
use crate::api::employee::EmployeeSpec;
use crate::decide::custom_field::{CustomField, custom_field};
use crate::decide::phase::is_unconfirmed;

/// Bytes of stack for the parser and the checks. Within the caps of [`scan`](super::scan) they take some 4 MB where they
/// are built without optimisation, and a fraction otherwise; a thread has 2 MB.
const COMPILING_STACK: usize = 16 << 20;

/// Bytes of stack for an evaluation: a thread that has less left gets more.
const EVALUATION_STACK: usize = 1 << 20;

/// An expression that was checked.
#[derive(Debug)]
pub(super) struct Compiled {
    tree: IdedExpr,
    patterns: Vec<Pattern>,
    attributes: BTreeSet<String>,
    /// The names that it mentions, with the kind of each but `employee`.
    names: Vec<(String, Option<Named>)>,
    pub(super) type_: Type,
    pub(super) steps: u64,
}

/// The functions that expressions have; `None` where the crate refuses its own, which no test has seen.
static ENVIRONMENT: LazyLock<Option<Arc<Env>>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings).ok()?;
    pattern::add_matches(&mut env).ok()?;
    functions::add(&mut env).ok()?;
    Some(Arc::new(env))
});

impl Compiled {
    /// Checks `source` over what `scope` names. What is not refused takes at most the language's budget of steps.
    pub(super) fn new(source: &str, language: Language, scope: &Scope) -> Result<Self, Refusal> {
        let scanned = Scanned::new(source, language)?;
        stacker::grow(COMPILING_STACK, || Self::parse(&scanned, language, scope))
    }

    fn parse(scanned: &Scanned<'_>, language: Language, scope: &Scope) -> Result<Self, Refusal> {
        let source = scanned.source;
        let parser = || {
            let parser = Parser::new().error_recovery_limit(1);
            parser.enable_optional_syntax(language == Language::Template)
        };
        // A second wall around code that is not ours: a slip in it must cost one policy, not the process.
        let parsed = catch_unwind(|| parser().parse_with_source_info(source));
        let (mut tree, places) = match parsed {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(errors)) => return Err(syntax(source, &errors)),
            Err(_) => return Err(Refusal::whole("it cannot be parsed: write it in another way")),
        };
        let Found {
            type_,
            steps,
            patterns,
            attributes,
            names,
        } = Checker::new(scanned, &places, language, scope).whole(&mut tree)?;
        let names = names.into_iter().map(|name| {
            let named = scope.names.get(&name).cloned();
            (name, named)
        });
        Ok(Self {
            tree,
            patterns,
            attributes,
            names: names.collect(),
            type_,
            steps,
        })
    }

    /// Evaluates it, and makes a result of the value with `read`. The error is a sentence that holds no value.
    pub(super) fn evaluate<T>(
        &self,
        values: &Values<'_>,
        read: impl FnOnce(&dyn Val) -> Result<T, String>,
    ) -> Result<T, String> {
        self.check(values)?;
        let Some(env) = ENVIRONMENT.as_ref() else {
            return Err("expressions cannot be evaluated".to_owned());
        };
        let facts = Facts {
            values,
            patterns: &self.patterns,
        };
        let evaluate = || {
            let mut context = Context::with_env(env.clone());
            context.set_variable_resolver(&facts);
            let value = Value::resolve_val(&self.tree, &context).map_err(|error| why(&error))?;
            read(value.as_ref())
        };
        let evaluated = stacker::maybe_grow(EVALUATION_STACK, 2 * EVALUATION_STACK, || {
            catch_unwind(AssertUnwindSafe(evaluate))
        });
        evaluated.unwrap_or_else(|_| Err("the expression cannot be evaluated".to_owned()))
    }

    /// Whether what it mentions is there, and in no doubt.
    pub(super) fn check(&self, values: &Values<'_>) -> Result<(), String> {
        for (name, named) in &self.names {
            values.check(name, named.as_ref())?;
        }
        match values.employee.and_then(|spec| self.doubt(spec)) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(String::as_str)
    }

    /// The names of the scope that it mentions.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Why it cannot be told what an attribute is that it mentions: one that is gone without that being confirmed, or a
    /// custom field that nobody looked for. Of a list only a part may be gone.
    fn doubt(&self, spec: &EmployeeSpec) -> Option<String> {
        let custom = self.attributes().filter_map(|name| name.strip_prefix("customFields."));
        for name in custom {
            if let CustomField::Unknown(why) = custom_field(spec, name) {
                return Some(why);
            }
        }
        if spec.source.as_ref().is_none_or(|source| source.unconfirmed.is_empty()) {
            return None;
        }
        let unconfirmed = |name: &&str| {
            let (attribute, part) = name.split_once('.').unwrap_or((name, ""));
            let place = match attribute {
                "workLocation" => spec.work_location.as_ref(),
                "homeLocation" => spec.home_location.as_ref(),
                _ => None,
            };
            let value = match attribute {
                "workLocation" | "homeLocation" => place.and_then(|place| part_of(place, part)),
                "customFields" => return false,
                _ => text_of(spec, attribute),
            };
            value.is_none() && (is_unconfirmed(spec, name) || is_unconfirmed(spec, attribute))
        };
        let name = self.attributes().find(unconfirmed)?;
        Some(format!(
            "{name} had a value and has none now, which is not confirmed yet"
        ))
    }
}

/// The first of the parser's errors; the others follow from it.
fn syntax(source: &str, errors: &ParseErrors) -> Refusal {
    let Some(error) = errors.errors.first() else {
        return Refusal::whole("it cannot be parsed: write it in another way");
    };
    let message = error.msg.trim_start_matches("Syntax error: ");
    let message: String = message
        .split(" expecting {")
        .next()
        .unwrap_or_default()
        .chars()
        .take(120)
        .collect();
    let sentence = format!("it cannot be read from here on ({message}): mend the syntax");
    match (usize::try_from(error.pos.0), usize::try_from(error.pos.1)) {
        (Ok(line), Ok(column)) if line > 0 => Refusal {
            sentence,
            position: Some((line.min(source.lines().count().max(1)), column.max(1))),
        },
        _ => Refusal::whole(sentence),
    }
}

/// Why an evaluation failed, in words that hold no value of the employee.
pub(super) fn why(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(name) if name.contains('[') => format!("{name} has no value"),
        ExecutionError::NoSuchKey(name) if name.contains('.') => {
            format!("{name} has no value: test has({name}) first where that is no doubt")
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "the expression divides by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number in the expression grows too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "the expression asks for what is beyond the end of a list".to_owned(),
        ExecutionError::FunctionError { function, message } if function == SAID => message.clone(),
        ExecutionError::FunctionError { function, .. } => format!("{function} in the expression cannot read its text"),
        _ => "the expression cannot be evaluated".to_owned(),
    }
}
