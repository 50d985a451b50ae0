//! Patterns of `matches`, turned into automata once with the expression. An automaton reads each byte of a text once,
//! whatever the pattern; one that would grow too large is refused.

use std::any::Any;
use std::error::Error;

use cel::common::types::{CelBool, CelString, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex_automata::Input;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

/// Patterns in one expression.
pub(super) const MAX_PATTERNS: usize = 8;
/// Bytes that a pattern's automaton may take.
const MAX_AUTOMATON: usize = 128 << 10;
/// Bytes that may be needed while it is made: what bounds the time that takes.
const MAX_MAKING: usize = 256 << 10;

static PATTERN: Type = Type::new_unspecified_type("rollcall.Pattern");

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern(dense::DFA<Vec<u32>>);

impl Pattern {
    /// Compiles `text`. The error is a sentence.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let automaton = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Unanchored)
                    .dfa_size_limit(Some(MAX_AUTOMATON))
                    .determinize_size_limit(Some(MAX_MAKING)),
            )
            .thompson(thompson::Config::new().nfa_size_limit(Some(MAX_AUTOMATON)))
            .syntax(syntax::Config::new().nest_limit(16))
            .build(text);
        automaton.map(Self).map_err(|error| {
            if error.is_size_limit_exceeded() {
                return TOO_LARGE.to_owned();
            }
            let mut cause: &dyn Error = &error;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            let said = cause.to_string();
            if said.contains("exceeded limit") {
                return TOO_LARGE.to_owned();
            }
            // The last line says what is wrong; those before draw the pattern.
            let said = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let said: String = said.chars().take(160).collect();
            format!("this pattern cannot be read ({said}): mend it; there is no look-around, no back-reference, and of \\b only (?-u:\\b)")
        })
    }

    /// Whether it is found anywhere in `text`.
    fn is_in(&self, text: &str) -> Result<bool, ExecutionError> {
        match self.0.try_search_fwd(&Input::new(text).earliest(true)) {
            Ok(found) => Ok(found.is_some()),
            Err(_) => Err(ExecutionError::function_error("matches", "the automaton gave up")),
        }
    }
}

const TOO_LARGE: &str = "this pattern is too large: use shorter repeats, [0-9] for \\d and [a-z] for \\w";

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN
    }

    fn cel_type() -> &'static Type {
        &PATTERN
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

/// Makes `matches` known, which the crate would compile its pattern for at every evaluation.
pub(super) fn add_matches(env: &mut Env) -> Result<(), DeclarationError> {
    let text = cel::common::types::STRING_TYPE;
    env.add_member_overload(
        "matches",
        "text_matches_pattern",
        text,
        vec![Type::new_unspecified_type(PATTERN.name())],
        matches,
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the crate calls it so")]
fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = arguments.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    match (text.downcast_ref::<CelString>(), pattern.downcast_ref::<Pattern>()) {
        (Some(text), Some(pattern)) => pattern
            .is_in(text.inner())
            .map(|found| CowVal::owned(CelBool::from(found))),
        _ => Err(ExecutionError::missing_argument_or_target()),
    }
}
