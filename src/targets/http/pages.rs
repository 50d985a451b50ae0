//! Lists, page by page. A list that breaks off, goes in circles or cannot be read is an error, and never a short list: who
//! is missing from a list would lose what they have, or get it twice.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hasher as _};

use serde_json::Value as Json;
use url::Url;

use super::answers::{Answer, Purpose, Verdict};
use super::client::Client;
use super::request::{With, at};
use super::speech::Speech;
use crate::decide::definition::{Link, Pages, Request};
use crate::decide::expression::{Reading, Values};
use crate::targets::TargetError;

/// Pages of one list.
const PAGES_MAX: usize = 10_000;
/// Items of one list.
const ITEMS_MAX: usize = 1_000_000;

/// A read of one or several pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub request: &'a Request,
    /// Where the list stands; without it, `response.body` is the one item.
    pub items: Option<&'a Reading>,
    pub pages: Option<&'a Pages>,
}

/// What came of a read.
#[derive(Debug)]
pub(super) enum Read {
    /// All of it was seen; this is the answer with the first page.
    Whole(Box<Answer>),
    /// What it is about is not there.
    Gone,
}

impl Client {
    /// Reads a list to its end and shows each item to `see`.
    pub async fn read_all(
        &self,
        asked: Asked<'_>,
        speech: &Speech,
        words: &str,
        mut see: impl FnMut(&Json) -> Result<(), TargetError>,
    ) -> Result<Read, TargetError> {
        let broken = |why: &str| TargetError::Malformed(format!("{words}: {why}"));
        let mut place = Place::default();
        let mut first = None;
        let mut link: Option<Url> = None;
        let mut tokens = HashSet::new();
        let mut seen_pages = HashSet::new();
        loop {
            let paged = match asked.pages {
                Some(pages) => speech.clone().record("page", place.record(pages.first())),
                None => speech.clone(),
            };
            let sendable = self.build(asked.request, &paged, With::default())?;
            let sendable = match &link {
                Some(url) => at(&sendable, url.clone()),
                None => sendable,
            };
            let url = sendable.url().clone();
            let answer = self.send(sendable, asked.request, Purpose::Read, words).await?;
            match answer.verdict {
                Verdict::Good => {}
                // The first page tells; a later one that is gone has left us with half a list.
                Verdict::Gone if first.is_none() => return Ok(Read::Gone),
                _ => return Err(broken("a page of the list is not there")),
            }
            let values = Values::new().json("response", &answer.response);
            let items = match asked.items {
                Some(items) => items.items(&values).map_err(|why| broken(&why))?,
                None => match &answer.response["body"] {
                    Json::Null => return Err(broken("the answer is empty")),
                    record => vec![Cow::Borrowed(record)],
                },
            };
            // A page that comes twice is one that ignores what it was asked for.
            if asked.pages.is_some() && !items.is_empty() && !seen_pages.insert(digest(&items)) {
                return Err(broken("a page of the list comes again and again"));
            }
            place.items += items.len();
            place.pages += 1;
            for item in &items {
                see(item)?;
            }
            let count = items.len();
            let next = match asked.pages {
                None => false,
                Some(Pages::Full { size, .. }) if count > *size => {
                    return Err(broken("a page holds more items than it can: look at pages.full"));
                }
                Some(Pages::Full { size, .. }) => count == *size,
                Some(Pages::More { more, .. }) => match more.truth(&values).map_err(|why| broken(&why))? {
                    true if count == 0 => return Err(broken("a page is empty and says that there are more")),
                    more => more,
                },
                Some(Pages::Token(token)) => match text(token, &values).map_err(|why| broken(&why))? {
                    None => false,
                    Some(token) => {
                        if !tokens.insert(token.clone()) {
                            return Err(broken("the token of the next page is one that was used already"));
                        }
                        place.token = Some(token);
                        true
                    }
                },
                Some(Pages::Link(source)) => match next_link(source, &answer, &url).map_err(|why| broken(&why))? {
                    None => false,
                    Some(next) => {
                        if next == url || !tokens.insert(next.to_string()) {
                            return Err(broken("the link to the next page leads to one that was read already"));
                        }
                        link = Some(next);
                        true
                    }
                },
            };
            drop(items);
            first.get_or_insert(answer);
            if place.pages >= PAGES_MAX || place.items > ITEMS_MAX {
                return Err(broken("the list has no end"));
            }
            if !next {
                break;
            }
        }
        first
            .map(|first| Read::Whole(Box::new(first)))
            .ok_or_else(|| broken("no page"))
    }
}

/// How far a list was read.
#[derive(Debug, Default)]
struct Place {
    pages: usize,
    items: usize,
    token: Option<String>,
}

impl Place {
    fn record(&self, first: u32) -> BTreeMap<String, Json> {
        let mut record = BTreeMap::from([
            ("number".to_owned(), Json::from(self.pages + first as usize)),
            ("offset".to_owned(), Json::from(self.items)),
        ]);
        if let Some(token) = &self.token {
            record.insert("token".to_owned(), Json::from(token.as_str()));
        }
        record
    }
}

/// A text, or `None` where there is none, or an empty one, or null.
fn text(reading: &Reading, values: &Values<'_>) -> Result<Option<String>, String> {
    match reading.evaluate(values)? {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok((!text.is_empty()).then_some(text)),
        Some(Json::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err("what says the next page is no text".to_owned()),
    }
}

fn next_link(source: &Link, answer: &Answer, url: &Url) -> Result<Option<Url>, String> {
    let link = match source {
        Link::Header => answer.response["headers"]["link"]
            .as_str()
            .and_then(next_of)
            .map(str::to_owned),
        Link::Reading(reading) => text(reading, &Values::new().json("response", &answer.response))?,
    };
    let Some(link) = link else { return Ok(None) };
    let next = url
        .join(&link)
        .map_err(|_| "the link to the next page is no URL".to_owned())?;
    // Our credentials go with it.
    if next.origin() != url.origin() || !next.username().is_empty() || next.password().is_some() {
        return Err("the link to the next page leads to another host, scheme or port".to_owned());
    }
    Ok(Some(next))
}

/// The address of `rel="next"` in a `Link` header (RFC 8288 section 3).
fn next_of(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let (target, after) = rest[start + 1..].split_once('>')?;
        let end = after.find('<').unwrap_or(after.len());
        let is_next = after[..end].split([';', ',']).any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else {
                return false;
            };
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
        rest = &after[end..];
    }
    None
}

fn digest(items: &[Cow<'_, Json>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for item in items {
        hasher.write(item.to_string().as_bytes());
        hasher.write_u8(0xFF);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::next_of;

    #[test]
    fn the_next_page_is_found_among_links() {
        for (header, next) in [
            (r#"<https://x.io/a?page=2>; rel="next""#, Some("https://x.io/a?page=2")),
            ("</a?p=1>; rel=prev, </a?p=3>; rel=next", Some("/a?p=3")),
            (r#"</a?x=1,2>; title="b"; rel="last next""#, Some("/a?x=1,2")),
            (r#"</a>; rel="last""#, None),
            (r#"</a>; rev="next""#, None),
            ("nonsense", None),
            ("<unclosed", None),
        ] {
            assert_eq!(next_of(header), next, "{header}");
        }
    }
}
