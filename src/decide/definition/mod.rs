//! The `http` of a `TargetSystem`, compiled: every template and reading checked over what it can speak of, and what an
//! operation needs found to be there. Nothing is sent by a definition that has a problem.
//!
//! ```text
//! language   api::http, as it was written
//! compile    one call, one list, one answer at a time; the scopes say who may speak of what
//! account, kind   the parts, and the rules that hold between their fields
//! digest     what an account is made of, in a few characters
//! ```

mod account;
mod compile;
mod digest;
mod entitlement;
mod identity;
mod kind;
mod parts;
mod scopes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use self::account::{Account, Update};
pub use self::digest::{account_digest, matching_digest};
pub use self::identity::{Identity, join_id, operation_uuid, split_id};
pub use self::kind::{By, Kind, ObjectSearch, Observe, Replace};
pub use self::parts::{Answers, Body, Link, Listing, Pages, Part, Path, Request, Search, typed};

use self::compile::Compiler;
use self::scopes::Scopes;
use super::expression::{Expect, Reading, Schema, Scope, Values};
use crate::api::employee::EmployeeSpec;
use crate::api::http::Http;
use crate::api::target::TargetSystemSpec;

/// How long a call may take where the definition does not say.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a call may take at most.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(2);
/// Problems that are told at once: whoever sees ten knows where to begin.
const PROBLEMS_MAX: usize = 10;

/// An API described as data, checked and ready to be spoken.
#[derive(Clone, Debug)]
pub struct Definition {
    /// How long a call may take, its answer included.
    pub timeout: Duration,
    /// Headers of every call, by name; plain texts.
    pub headers: Vec<(String, String)>,
    /// A read that shows whether the API answers and takes our credentials.
    pub probe: Option<Request>,
    /// The call that yields a token, where there is one.
    pub login: Option<Login>,
    /// People's accounts.
    pub account: Account,
    /// What can be granted, by name.
    pub kinds: BTreeMap<String, Kind>,
}

/// A call that yields a token.
#[derive(Clone, Debug)]
pub struct Login {
    /// The call; speaks of `secret`.
    pub request: Request,
    /// The token, over `response`.
    pub token: Reading,
    /// For how many seconds it is good, over `response`.
    pub expires_in: Option<Reading>,
}

/// What is wrong with a definition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, such as `spec.http.account.find[0].request.path`.
    pub path: String,
    /// What is wrong and how to mend it; with line and column where it is about a part of an expression.
    pub sentence: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.sentence)
    }
}

/// The problems in one text, the first of them where there are many.
pub fn sentence(problems: &[Problem]) -> String {
    let said: Vec<String> = problems.iter().take(3).map(ToString::to_string).collect();
    match problems.len().saturating_sub(said.len()) {
        0 => said.join("; "),
        more => format!("{}; and {more} more", said.join("; ")),
    }
}

impl Definition {
    /// Compiles and checks the `http` of a target; `None` where it has none. `schema` says which custom fields employees have.
    ///
    /// # Errors
    /// What is wrong, at most ten problems.
    pub fn compile(spec: &TargetSystemSpec, schema: &Schema) -> Option<Result<Self, Vec<Problem>>> {
        let http = spec.http.as_ref()?;
        let nothing = match Reading::compile("false", &Scope::new(), Expect::Any) {
            Ok(nothing) => nothing,
            Err(refusal) => {
                return Some(Err(vec![Problem {
                    path: "spec.http".to_owned(),
                    sentence: refusal.to_string(),
                }]));
            }
        };
        let mut compiler = Compiler::new(Scopes::new(schema), &http.answers, nothing);
        let definition = build(&mut compiler, spec, http);
        let mut problems = compiler.problems;
        Some(if problems.is_empty() {
            Ok(definition)
        } else {
            problems.truncate(PROBLEMS_MAX);
            Err(problems)
        })
    }

    /// Whether whoever has a name has an account, so that none is looked up, made or ended.
    pub fn is_named(&self) -> bool {
        self.account.named.is_some()
    }

    /// The id that somebody has by name alone; `None` where accounts are not named so, and where the facts give no name.
    pub fn name(&self, facts: &EmployeeSpec) -> Option<String> {
        let named = self.account.named.as_ref()?;
        let name = named.render(&Values::new().employee(facts)).ok().flatten()?;
        (!name.trim().is_empty()).then_some(name)
    }
}

fn build(compiler: &mut Compiler, spec: &TargetSystemSpec, http: &Http) -> Definition {
    compiler.answers("spec.http.answers", None);
    let headers = compiler.plain_headers("spec.http.headers", &http.headers);
    let timeout = timeout(compiler, http);
    let probe = http.probe.as_ref().map(|call| {
        let request = compiler.request("spec.http.probe", call, &Scope::new());
        compiler.must_read("spec.http.probe", call);
        request
    });
    let login = http.auth.as_ref().and_then(|auth| auth.login.as_ref()).map(|login| {
        let path = "spec.http.auth.login";
        let scope = compiler.scopes.secrets(&login.secrets);
        let answer = compiler.scopes.response();
        compiler.header_name(&format!("{path}.header"), &login.header);
        Login {
            request: compiler.request(&format!("{path}.request"), &login.request, &scope),
            token: compiler.reading(&format!("{path}.token"), &login.token, &answer, Expect::Text),
            expires_in: compiler.optional(
                &format!("{path}.expiresIn"),
                login.expires_in.as_ref(),
                &answer,
                Expect::Any,
            ),
        }
    });
    if let Some(header) = http.auth.as_ref().and_then(|auth| auth.header.as_ref()) {
        compiler.header_name("spec.http.auth.header.name", &header.name);
    }
    let account = account::build(compiler, &http.account);
    account::check_ends(compiler, spec, &http.account);
    let mut kinds = BTreeMap::new();
    for (number, kind) in http.kinds.iter().enumerate() {
        let path = format!("spec.http.kinds[{number}]");
        if kinds
            .insert(kind.name.clone(), kind::build(compiler, &path, kind))
            .is_some()
        {
            compiler.problem(
                &format!("{path}.name"),
                "another kind has this name: name them differently",
            );
        }
    }
    Definition {
        timeout,
        headers,
        probe,
        login,
        account,
        kinds,
    }
}

fn timeout(compiler: &mut Compiler, http: &Http) -> Duration {
    let Some(text) = &http.timeout else { return TIMEOUT };
    match text.get() {
        Some(time) if !time.is_zero() && time <= LONGEST_TIMEOUT => time,
        _ => {
            compiler.problem("spec.http.timeout", "must be between 1s and 120s: change it");
            TIMEOUT
        }
    }
}
