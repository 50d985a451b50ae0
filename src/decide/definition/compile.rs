//! Compiles calls, lists and answers, and gathers what is wrong with them.

use std::collections::BTreeMap;

use super::parts::{Answers, Body, Link, Listing, Pages, Part, Path, Request, Search};
use super::scopes::{Scopes, with_page};
use super::{PROBLEMS_MAX, Problem};
use crate::api::http::{self, Call, Method};
use crate::decide::expression::{Expect, Reading, Scope, Template, TextTemplate};

/// Headers that belong to the connection or to `auth`.
const RESERVED: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "host",
    "if-match",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Compiles, and goes on after a problem to find the next.
#[derive(Debug)]
pub(super) struct Compiler<'a> {
    pub scopes: Scopes<'a>,
    /// `http.answers`, where a call does not say otherwise.
    common: &'a http::Answers,
    /// Stands where a problem was found: what has problems is never asked.
    nothing: Reading,
    pub problems: Vec<Problem>,
}

impl<'a> Compiler<'a> {
    pub fn new(scopes: Scopes<'a>, common: &'a http::Answers, nothing: Reading) -> Self {
        Self {
            scopes,
            common,
            nothing,
            problems: Vec::new(),
        }
    }

    pub fn problem(&mut self, path: &str, sentence: impl Into<String>) {
        let problem = Problem {
            path: path.to_owned(),
            sentence: sentence.into(),
        };
        // The answers of all calls are those of the definition, and are wrong once.
        if self.problems.len() < PROBLEMS_MAX && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// A problem unless `holds`.
    pub fn need(&mut self, holds: bool, path: &str, sentence: &str) {
        if !holds {
            self.problem(path, sentence);
        }
    }

    pub fn reading(&mut self, path: &str, source: &str, scope: &Scope, expect: Expect) -> Reading {
        match Reading::compile(source, scope, expect) {
            Ok(reading) => reading,
            Err(refusal) => {
                self.problem(path, refusal.to_string());
                self.nothing.clone()
            }
        }
    }

    pub fn optional(&mut self, path: &str, source: Option<&String>, scope: &Scope, expect: Expect) -> Option<Reading> {
        source.map(|source| self.reading(path, source, scope, expect))
    }

    pub fn text(&mut self, path: &str, source: &str, scope: &Scope) -> Option<TextTemplate> {
        TextTemplate::compile(source, scope)
            .map_err(|refusal| self.problem(path, refusal.to_string()))
            .ok()
    }

    /// Fields of which one `${…}` may come to a list, which is sent as several fields of one name.
    fn lists(&mut self, path: &str, sources: &BTreeMap<String, String>, scope: &Scope) -> Vec<(String, TextTemplate)> {
        let mut compiled = Vec::new();
        for (name, source) in sources {
            match TextTemplate::compile_several(source, scope) {
                Ok(template) => compiled.push((name.clone(), template)),
                Err(refusal) => self.problem(&format!("{path}[{name}]"), refusal.to_string()),
            }
        }
        compiled
    }

    fn texts(&mut self, path: &str, sources: &BTreeMap<String, String>, scope: &Scope) -> Vec<(String, TextTemplate)> {
        let mut compiled = Vec::new();
        for (name, source) in sources {
            let template = self.text(&format!("{path}[{name}]"), source, scope);
            compiled.extend(template.map(|template| (name.clone(), template)));
        }
        compiled
    }

    pub fn header_name(&mut self, path: &str, name: &str) {
        if ::http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            self.problem(
                path,
                format!("{name:?} cannot be the name of a header: letters, digits and - make one"),
            );
        }
    }

    fn own_header(&mut self, path: &str, name: &str) {
        self.header_name(path, name);
        if RESERVED.contains(&name.to_lowercase().as_str()) {
            self.problem(
                path,
                format!("{name} is not set here: credentials belong in auth, and the rest follows from the call"),
            );
        }
    }

    pub fn plain_headers(&mut self, path: &str, headers: &BTreeMap<String, String>) -> Vec<(String, String)> {
        for (name, value) in headers {
            let path = format!("{path}[{name}]");
            self.own_header(&path, name);
            if ::http::HeaderValue::from_str(value).is_err() {
                self.problem(
                    &path,
                    "no header can carry this value: remove line breaks and control characters",
                );
            }
        }
        headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// An effect: a `GET` changes nothing, and whoever stands between may send it again.
    pub fn must_change(&mut self, path: &str, call: &Call) {
        self.need(
            call.method != Method::Get,
            &format!("{path}.method"),
            "GET is for reads: say the method that makes this change",
        );
    }

    /// A read: what is sent again as often as one likes.
    pub fn must_read(&mut self, path: &str, call: &Call) {
        self.need(
            matches!(call.method, Method::Get | Method::Post),
            &format!("{path}.method"),
            "a read is GET, or POST where an API searches so: change the method",
        );
        self.need(
            call.idempotency_header.is_none(),
            &format!("{path}.idempotencyHeader"),
            "a read needs no idempotency key: leave it out",
        );
        self.need(
            !call.idempotent,
            &format!("{path}.idempotent"),
            "a read can be sent as often as one likes: leave it out",
        );
    }

    pub fn request(&mut self, path: &str, call: &Call, scope: &Scope) -> Request {
        for name in call.headers.keys() {
            self.own_header(&format!("{path}.headers[{name}]"), name);
        }
        if let Some(name) = &call.idempotency_header {
            self.own_header(&format!("{path}.idempotencyHeader"), name);
        }
        let body = match (&call.json, &call.form) {
            (Some(tree), None) => match Template::compile(&tree.0, scope) {
                Ok(template) => Body::Json(template),
                Err(refusals) => {
                    for (place, refusal) in refusals {
                        let at = match place.as_str() {
                            "" => format!("{path}.json"),
                            place if place.starts_with('[') => format!("{path}.json{place}"),
                            place => format!("{path}.json.{place}"),
                        };
                        self.problem(&at, refusal.to_string());
                    }
                    Body::Empty
                }
            },
            (None, Some(fields)) => Body::Form(self.lists(&format!("{path}.form"), fields, scope)),
            (None, None) => Body::Empty,
            (Some(_), Some(_)) => {
                self.problem(path, "set json or form, not both");
                Body::Empty
            }
        };
        self.need(
            call.method != Method::Get || matches!(body, Body::Empty),
            path,
            "a GET carries no body: put it into the query, or say another method",
        );
        let answers = self.answers(&format!("{path}.answers"), call.answers.as_ref());
        Request {
            method: call.method,
            path: self.path(&format!("{path}.path"), &call.path, scope),
            query: self.lists(&format!("{path}.query"), &call.query, scope),
            headers: self.texts(&format!("{path}.headers"), &call.headers, scope),
            body,
            idempotency_header: call.idempotency_header.clone(),
            idempotent: call.idempotent,
            answers,
        }
    }

    fn path(&mut self, path: &str, source: &str, scope: &Scope) -> Path {
        let mut parts = Vec::new();
        let pieces = pieces(source.strip_prefix('/').unwrap_or(source));
        for piece in &pieces {
            if piece.contains("${") {
                parts.extend(self.text(path, piece, scope).map(Part::Value));
                continue;
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c);
            let climbs = matches!(piece.to_lowercase().replace("%2e", ".").as_str(), "." | "..");
            if let Some(odd) = piece.chars().find(|c| !plain(*c)) {
                self.problem(
                    path,
                    match odd {
                        '?' => "has a ?: put the query under query".to_owned(),
                        odd => format!("has {odd:?}, which no path holds: write it as %XX"),
                    },
                );
            } else if climbs || (piece.is_empty() && pieces.len() > 1 && Some(piece) != pieces.last()) {
                self.problem(path, "has an empty part, or one of . or ..: write the path without it");
            }
            parts.push(Part::Plain(piece.clone()));
        }
        Path(parts)
    }

    pub fn listing(&mut self, path: &str, listing: &http::Listing, scope: &Scope) -> Listing {
        let scope = match &listing.pages {
            Some(pages) if pages.link.is_none() => with_page(scope.clone()),
            _ => scope.clone(),
        };
        self.must_read(&format!("{path}.request"), &listing.request);
        Listing {
            request: self.request(&format!("{path}.request"), &listing.request, &scope),
            items: self.items(path, listing.items.as_deref().unwrap_or("response.body")),
            pages: self.pages(path, listing.pages.as_ref(), &listing.request),
        }
    }

    pub fn search(
        &mut self,
        path: &str,
        (request, items, pages): (&Call, Option<&String>, Option<&http::Pages>),
        scope: &Scope,
    ) -> Search {
        let scope = match pages {
            Some(pages) if pages.link.is_none() => with_page(scope.clone()),
            _ => scope.clone(),
        };
        self.must_read(&format!("{path}.request"), request);
        self.need(
            pages.is_none() || items.is_some(),
            &format!("{path}.items"),
            "pages hold lists: say where the list stands in an answer",
        );
        Search {
            request: self.request(&format!("{path}.request"), request, &scope),
            items: items.map(|source| self.items(path, source)),
            pages: self.pages(path, pages, request),
        }
    }

    fn items(&mut self, path: &str, source: &str) -> Reading {
        let scope = self.scopes.response();
        self.reading(&format!("{path}.items"), source, &scope, Expect::List)
    }

    fn pages(&mut self, path: &str, pages: Option<&http::Pages>, call: &Call) -> Option<Pages> {
        let pages = pages?;
        let path = format!("{path}.pages");
        let scope = self.scopes.response();
        let compiled = if let Some(token) = &pages.token {
            Pages::Token(self.reading(&format!("{path}.token"), token, &scope, Expect::Any))
        } else if let Some(link) = &pages.link {
            Pages::Link(match link.as_str() {
                "header" => Link::Header,
                source => Link::Reading(self.reading(&format!("{path}.link"), source, &scope, Expect::Any)),
            })
        } else if let Some(size) = pages.full {
            Pages::Full {
                size: size as usize,
                first: pages.first,
            }
        } else if let Some(more) = &pages.more {
            Pages::More {
                more: self.reading(&format!("{path}.more"), more, &scope, Expect::Truth),
                first: pages.first,
            }
        } else {
            self.problem(&path, "set exactly one of token, link, full and more");
            return None;
        };
        // Without it each page would be the first.
        if !matches!(compiled, Pages::Link(_)) {
            let wanted: &[&str] = match compiled {
                Pages::Token(_) => &["token"],
                _ => &["number", "offset"],
            };
            self.need(
                speaks_of_page(call, wanted),
                &path,
                &format!(
                    "the request does not say which page it wants: put ${{page.{}}} into it",
                    if wanted.len() == 1 {
                        "?token"
                    } else {
                        "number} or ${page.offset"
                    }
                ),
            );
        }
        Some(compiled)
    }

    /// The answers of a call: what it says itself, and else what holds for all.
    pub fn answers(&mut self, path: &str, own: Option<&http::Answers>) -> Answers {
        let scope = self.scopes.response();
        let common = self.common;
        let mut read = |name: &str, own: Option<&String>, common: Option<&String>| match (own, common) {
            (Some(source), _) => Some(self.reading(&format!("{path}.{name}"), source, &scope, Expect::Truth)),
            (None, Some(source)) => {
                Some(self.reading(&format!("spec.http.answers.{name}"), source, &scope, Expect::Truth))
            }
            (None, None) => None,
        };
        let own_of = |of: fn(&http::Answers) -> Option<&String>| own.and_then(of);
        Answers {
            unauthorized: read(
                "unauthorized",
                own_of(|a| a.unauthorized.as_ref()),
                common.unauthorized.as_ref(),
            ),
            throttled: read("throttled", own_of(|a| a.throttled.as_ref()), common.throttled.as_ref()),
            no_seat: read("noSeat", own_of(|a| a.no_seat.as_ref()), common.no_seat.as_ref()),
            already: read("already", own_of(|a| a.already.as_ref()), common.already.as_ref()),
            gone: read("gone", own_of(|a| a.gone.as_ref()), common.gone.as_ref()),
            conflict: read("conflict", own_of(|a| a.conflict.as_ref()), common.conflict.as_ref()),
            failed: read("failed", own_of(|a| a.failed.as_ref()), common.failed.as_ref()),
        }
    }
}

/// Whether a call names a field of `page` anywhere. Names are looked for as text: a miss in a comment is harmless.
fn speaks_of_page(call: &Call, fields: &[&str]) -> bool {
    let names = |text: &str| {
        fields
            .iter()
            .any(|field| text.contains(&format!("page.{field}")) || text.contains(&format!("page.?{field}")))
    };
    names(&call.path)
        || call.query.values().any(|text| names(text))
        || call.headers.values().any(|text| names(text))
        || call.form.iter().flatten().any(|(_, text)| names(text))
        || call.json.as_ref().is_some_and(|tree| names(&tree.0.to_string()))
}

/// What stands between the slashes of a path; a slash within `${…}` is the expression's.
fn pieces(path: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut rest = path.chars().peekable();
    // Braces that are open, and the quote that is.
    let (mut open, mut quote) = (0_usize, None);
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('/', None) if open == 0 => {
                pieces.push(String::new());
                continue;
            }
            ('$', _) if open == 0 && rest.peek() == Some(&'{') => {
                rest.next();
                open = 1;
                push(&mut pieces, '$');
                push(&mut pieces, '{');
                continue;
            }
            ('\\', Some(_)) => {
                push(&mut pieces, c);
                if let Some(escaped) = rest.next() {
                    push(&mut pieces, escaped);
                }
                continue;
            }
            ('\'' | '"', None) if open > 0 => quote = Some(c),
            (c, Some(by)) if c == by => quote = None,
            ('{', None) if open > 0 => open += 1,
            ('}', None) if open > 0 => open -= 1,
            _ => {}
        }
        push(&mut pieces, c);
    }
    pieces
}

fn push(pieces: &mut [String], c: char) {
    if let Some(last) = pieces.last_mut() {
        last.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_within_an_expression_is_no_end_of_a_part() {
        assert_eq!(pieces("a/b"), ["a", "b"]);
        assert_eq!(pieces("a/${x.split('/')[0]}/c"), ["a", "${x.split('/')[0]}", "c"]);
        assert_eq!(pieces("${ {'a': '}'} }/${'\\'/'}"), ["${ {'a': '}'} }", "${'\\'/'}"]);
        assert_eq!(pieces("$/x"), ["$", "x"]);
        assert_eq!(pieces(""), [""]);
    }
}
