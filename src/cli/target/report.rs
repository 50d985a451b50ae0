//! What is printed: a line for each step, and below it one for each request. Headers never, and bodies only where asked for,
//! without what looks like a secret.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value as Json;

use crate::targets::http::{Exchange, Watch};

/// More of a body is left out.
const LONGEST_BODY: usize = 4096;
/// Parts of names of members whose values are nobody's business.
const SECRET_NAMES: [&str; 8] = [
    "password",
    "secret",
    "token",
    "key",
    "hash",
    "number",
    "cvc",
    "credential",
];

/// Prints as it goes.
#[derive(Debug)]
pub(super) struct Report {
    out: std::io::Stdout,
    /// What was sent since the last step.
    exchanges: Arc<Mutex<Vec<String>>>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    good: usize,
    failed: usize,
}

impl Report {
    pub fn new() -> Self {
        Self {
            out: std::io::stdout(),
            exchanges: Arc::default(),
            counts: Mutex::default(),
        }
    }

    /// What shows it the requests. `bodies` where they are to be printed, with the secrets that are known.
    pub fn watch(&self, bodies: Option<Vec<SecretString>>) -> Watch {
        let exchanges = self.exchanges.clone();
        Watch::new(move |exchange| {
            let mut lines = vec![line(exchange)];
            if let Some(secrets) = bodies.as_ref().filter(|_| !exchange.private) {
                for (mark, body) in [(">", exchange.sent), ("<", exchange.answered)] {
                    if let Some(body) = body.filter(|body| !body.is_empty()) {
                        lines.push(format!("      {mark} {}", redacted(body, secrets)));
                    }
                }
            }
            exchanges.lock().append(&mut lines);
        })
    }

    pub fn say(&self, text: &str) {
        // The reader of a pipe may have seen enough; what was made is to be taken back all the same.
        let _ = writeln!(self.out.lock(), "{text}");
    }

    /// A step that is over: what came of it, or why it failed.
    pub fn step(&self, name: &str, took: Duration, result: Result<&str, &str>) {
        let (mark, words) = match result {
            Ok(words) => ("ok    ", words),
            Err(words) => ("FAILED", words),
        };
        let mut counts = self.counts.lock();
        match result {
            Ok(_) => counts.good += 1,
            Err(_) => counts.failed += 1,
        }
        self.say(&format!("{mark} {name}: {words} ({} ms)", took.as_millis()));
        for line in self.exchanges.lock().drain(..) {
            self.say(&line);
        }
    }

    pub fn interrupted(&self) {
        self.counts.lock().failed += 1;
        self.say("interrupted: what was made is taken back now");
    }

    /// The last line.
    pub fn close(&self, left: &str) {
        let counts = self.counts.lock();
        let steps = counts.good + counts.failed;
        self.say(&match counts.failed {
            0 => format!("{steps} steps, all good; {left}"),
            failed => format!("{steps} steps, {failed} not good; {left}"),
        });
    }
}

fn line(exchange: &Exchange<'_>) -> String {
    let answer = match exchange.status {
        Some(status) => status.to_string(),
        None => "no answer".to_owned(),
    };
    let about = if exchange.private { ", for a token" } else { "" };
    let (method, path) = (exchange.method, exchange.url.path());
    format!(
        "         {method} {path}: {answer} ({} ms){about}",
        exchange.took.as_millis()
    )
}

/// A body that can be printed. One that is no JSON and no form may hold anything, and is told by its length alone.
fn redacted(body: &[u8], secrets: &[SecretString]) -> String {
    let mut text = match serde_json::from_slice::<Json>(body) {
        Ok(mut tree) => {
            hide(&mut tree);
            tree.to_string()
        }
        Err(_) => match form(body) {
            Some(form) => form,
            None => return format!("({} bytes)", body.len()),
        },
    };
    for secret in secrets {
        let secret = secret.expose_secret().trim();
        if !secret.is_empty() {
            text = text.replace(secret, "***");
        }
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST_BODY) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

fn hide(tree: &mut Json) {
    match tree {
        Json::Object(members) => {
            for (name, value) in members {
                if is_secret(name) && !value.is_null() {
                    *value = Json::from("***");
                } else {
                    hide(value);
                }
            }
        }
        Json::Array(elements) => elements.iter_mut().for_each(hide),
        _ => {}
    }
}

fn form(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body)
        .ok()
        .filter(|text| text.contains('=') && !text.contains('<'))?;
    let fields = url::form_urlencoded::parse(text.as_bytes());
    let fields = fields.map(|(name, value)| {
        let value = if is_secret(&name) { "***" } else { &value };
        format!("{name}={value}")
    });
    Some(fields.collect::<Vec<String>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_printed() {
        let secrets = ["s3cret".to_owned().into()];
        for (body, shown) in [
            (
                r#"{"a":{"Password":"x","b":["s3cret!"]}}"#,
                r#"{"a":{"Password":"***","b":["***!"]}}"#,
            ),
            ("user=ada&api_key=x&note=s3cret", "user=ada&api_key=***&note=***"),
            ("<html>s3cret</html>", "(19 bytes)"),
            (r#"{"key":null}"#, r#"{"key":null}"#),
        ] {
            assert_eq!(redacted(body.as_bytes(), &secrets), shown, "{body}");
        }
    }

    #[test]
    fn a_long_body_is_cut_between_characters() {
        let body = Json::from("ü".repeat(LONGEST_BODY * 2)).to_string();
        let shown = redacted(body.as_bytes(), &[]);
        assert_eq!(shown.chars().count(), LONGEST_BODY + 1);
    }
}
