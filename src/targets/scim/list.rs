//! Searching and paging (RFC 7644 section 3.4.2), with servers that do neither well.

use std::collections::HashSet;

use serde_json::Value;

use super::client::{Client, Record, attribute, text, with_query};
use super::errors::Failure;
use crate::targets::TargetError;

/// How many records are asked for at once.
pub(super) const PAGE: usize = 100;

/// The most records and pages that are gone through for one question.
const MOST_RECORDS: usize = 200_000;
const MOST_PAGES: usize = 4_000;

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    /// `Users` or `Groups`.
    pub endpoint: &'static str,
    /// What is searched, for people.
    pub what: &'static str,
    /// The filter; none goes through everything.
    pub filter: Option<&'a str>,
    /// An attribute to leave out, where the server heeds it.
    pub without: Option<&'static str>,
}

impl Client {
    /// All records that `keep` wants. A server's filter is a wish, so `keep` checks every record; and an end is
    /// believed only if the server cannot have more.
    pub async fn search(
        &self,
        search: Search<'_>,
        keep: impl Fn(&Record) -> bool + Send + Sync,
    ) -> Result<Vec<Record>, Failure> {
        let mut seen = HashSet::new();
        let mut kept = Vec::new();
        let (mut start, mut count) = (1, PAGE);
        for _ in 0..MOST_PAGES {
            let (records, total) = self.page(search, start, count).await?;
            let got = records.len();
            if got == 0 {
                return Ok(kept);
            }
            let before = seen.len();
            for record in records {
                let Some(id) = text(&record, "id") else {
                    if keep(&record) {
                        return Err(TargetError::Malformed(format!("a matching {} without an id", search.what)).into());
                    }
                    continue;
                };
                if seen.insert(id) && keep(&record) {
                    kept.push(record);
                }
            }
            let known = seen.len();
            if known == before {
                // The same page again: this server does not know startIndex.
                match total {
                    Some(total) if known >= total => return Ok(kept),
                    // The last thing to try is one page that holds everything.
                    Some(total) if count < total && total <= MOST_RECORDS => (start, count) = (1, total),
                    None if got < count => return Ok(kept),
                    _ => {
                        return Err(TargetError::Malformed(format!(
                            "a list of {}s that ends after {known} records and goes on",
                            search.what
                        ))
                        .into());
                    }
                }
                continue;
            }
            if known > MOST_RECORDS {
                break;
            }
            // A total may be wrong, so it ends a search only where the page was not a full one: a filter that is heeded
            // finds one or two, and a server that ignores `count` gives all at once. Else one more page proves the end.
            let odd = if search.filter.is_some() {
                got != count
            } else {
                got > count
            };
            if odd && total.is_some_and(|total| known >= total) {
                return Ok(kept);
            }
            start += got;
        }
        Err(TargetError::Refused(format!(
            "a search through more than {MOST_RECORDS} {}s: it needs a target that filters",
            search.what
        ))
        .into())
    }

    async fn page(
        &self,
        search: Search<'_>,
        start: usize,
        count: usize,
    ) -> Result<(Vec<Record>, Option<usize>), Failure> {
        let (start, count) = (start.to_string(), count.to_string());
        let mut query = Vec::new();
        if let Some(filter) = search.filter {
            query.push(("filter", filter));
        }
        if let Some(without) = search.without {
            query.push(("excludedAttributes", without));
        }
        query.extend([("startIndex", start.as_str()), ("count", count.as_str())]);
        let url = with_query(self.endpoint(search.endpoint), &query);
        let answer = self.get(url, search.what).await.map_err(|failure| {
            // An empty search is 200 (RFC 7644 section 3.4.2), so this is no SCIM service.
            match failure.refusal() {
                Some(refusal) if refusal.gone() => TargetError::Misconfigured(format!(
                    "there is no /{} under spec.scim.baseURL: is it the right address?",
                    search.endpoint
                ))
                .into(),
                _ => failure,
            }
        })?;
        read_page(&answer.record, search.what).map_err(Into::into)
    }
}

/// The records of a `ListResponse` and its `totalResults`.
fn read_page(page: &Record, what: &str) -> Result<(Vec<Record>, Option<usize>), TargetError> {
    let total = match attribute(page, "totalResults") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(digits)) => digits.parse().ok(),
        _ => None,
    };
    let total = total.and_then(|total| usize::try_from(total).ok());
    let unreadable = || TargetError::Malformed(format!("a list of {what}s that is none"));
    match attribute(page, "Resources") {
        Some(Value::Array(records)) => {
            let records: Option<_> = records.iter().map(|record| record.as_object().cloned()).collect();
            Ok((records.ok_or_else(unreadable)?, total))
        }
        // Left out where there is nothing (RFC 7644 section 3.4.2).
        None if total == Some(0) => Ok((Vec::new(), total)),
        _ => Err(unreadable()),
    }
}
