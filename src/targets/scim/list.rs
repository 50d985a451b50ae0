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
    /// Whether the service pages by cursor (RFC 9865).
    pub cursor: bool,
    /// Whether a list that is shorter than its own total is an error: some services count what they do not show.
    pub whole: bool,
}

/// One page of a list.
struct Page {
    records: Vec<Record>,
    total: Option<usize>,
    /// Where the next page begins, of a list that is paged by cursor.
    next: Option<String>,
}

impl Client {
    /// All records that `keep` wants. A server's filter is a wish, so `keep` checks every record; and an end is
    /// believed only if the server cannot have more.
    pub async fn search(
        &self,
        search: Search<'_>,
        keep: impl Fn(&Record) -> bool + Send + Sync,
    ) -> Result<Vec<Record>, Failure> {
        let mut kept = Vec::new();
        self.walk(search, |id, record| {
            let wanted = keep(&record);
            if wanted {
                if id.is_none() {
                    return Err(without_id(search.what));
                }
                kept.push(record);
            }
            Ok(wanted)
        })
        .await?;
        Ok(kept)
    }

    /// Shows every record once, as it comes, and keeps none. An end is believed only if the server cannot have more.
    pub async fn each(
        &self,
        search: Search<'_>,
        mut show: impl FnMut(&Record) -> Result<(), TargetError> + Send,
    ) -> Result<(), Failure> {
        self.walk(search, |id, record| match id {
            Some(_) => show(&record).map(|()| true),
            None => Err(without_id(search.what)),
        })
        .await
    }

    /// Shows every record once to `take`, which says whether it is one that was asked for.
    async fn walk(
        &self,
        search: Search<'_>,
        mut take: impl FnMut(Option<&str>, Record) -> Result<bool, TargetError> + Send,
    ) -> Result<(), Failure> {
        if search.cursor {
            match self.walk_by_cursor(search, &mut take).await? {
                Walked::ToTheEnd => return Ok(()),
                Walked::NotAtAll => {}
            }
        }
        self.walk_by_index(search, &mut take).await
    }

    /// Follows the cursors (RFC 9865 section 2): the first page has an empty one, the last page names no next one.
    async fn walk_by_cursor(
        &self,
        search: Search<'_>,
        take: &mut (impl FnMut(Option<&str>, Record) -> Result<bool, TargetError> + Send),
    ) -> Result<Walked, Failure> {
        let mut seen = HashSet::new();
        let mut cursors = HashSet::new();
        let mut cursor = String::new();
        for number in 0..MOST_PAGES {
            let page = match self.page(search, Start::Cursor(&cursor), PAGE).await {
                // A cursor that was good a moment ago is spent; a first one that is refused was never meant.
                Err(Failure::Answered(refusal))
                    if number == 0 && refusal.concerns_filter() && search.filter.is_none() =>
                {
                    return Ok(Walked::NotAtAll);
                }
                done => done?,
            };
            for record in page.records {
                match text(&record, "id") {
                    Some(id) if !seen.contains(&id) => {
                        take(Some(&id), record)?;
                        seen.insert(id);
                    }
                    Some(_) => {}
                    None => {
                        take(None, record)?;
                    }
                }
            }
            match page.next {
                Some(next) => {
                    if !cursors.insert(next.clone()) {
                        return Err(endless(search.what, seen.len()).into());
                    }
                    cursor = next;
                }
                None => {
                    // A list that lost records on the way is not all.
                    return match page.total {
                        Some(total) if total > seen.len() => Err(endless(search.what, seen.len()).into()),
                        _ => Ok(Walked::ToTheEnd),
                    };
                }
            }
            if seen.len() > MOST_RECORDS {
                break;
            }
        }
        Err(too_many(search.what).into())
    }

    async fn walk_by_index(
        &self,
        search: Search<'_>,
        take: &mut (impl FnMut(Option<&str>, Record) -> Result<bool, TargetError> + Send),
    ) -> Result<(), Failure> {
        let mut seen = HashSet::new();
        let (mut start, mut count) = (1, PAGE);
        // Whether all that came was asked for: who does not heed the filter may count as badly, unless it counts beyond a page.
        let (mut heeded, mut counts) = (search.filter.is_some(), false);
        for _ in 0..MOST_PAGES {
            let Page { records, total, .. } = self.page(search, Start::Index(start), count).await?;
            let got = records.len();
            if got == 0 {
                return match total {
                    Some(total) if search.whole && total > seen.len() => Err(endless(search.what, seen.len()).into()),
                    _ => Ok(()),
                };
            }
            let before = seen.len();
            counts |= search.filter.is_some() && total.is_some_and(|total| total > got);
            for record in records {
                match text(&record, "id") {
                    Some(id) if !seen.contains(&id) => {
                        heeded &= take(Some(&id), record)?;
                        seen.insert(id);
                    }
                    Some(_) => {}
                    None => heeded &= take(None, record)?,
                }
            }
            let known = seen.len();
            if known == before {
                // The same page again: this server does not know startIndex.
                match total {
                    // As many as were asked for, and a total that may be that of the page: asked for more, it shows whether
                    // there are any.
                    Some(total) if known >= total && got == count && count <= MOST_RECORDS => {
                        (start, count) = (1, count * 2);
                    }
                    Some(total) if known >= total => return Ok(()),
                    // The last thing to try is one page that holds everything.
                    Some(total) if count < total && total <= MOST_RECORDS => (start, count) = (1, total),
                    None if got < count => return Ok(()),
                    _ => {
                        return Err(endless(search.what, known).into());
                    }
                }
                continue;
            }
            if known > MOST_RECORDS {
                break;
            }
            // A total may be that of the page, so it ends nothing but a search whose filter is heeded, and which finds one or
            // two. Else one more page, which is empty or the same again, proves the end.
            if (heeded || counts) && got < count && total.is_some_and(|total| known >= total) {
                return Ok(());
            }
            start += got;
        }
        Err(too_many(search.what).into())
    }

    async fn page(&self, search: Search<'_>, start: Start<'_>, count: usize) -> Result<Page, Failure> {
        let count = count.to_string();
        let index;
        let start = match start {
            Start::Index(start) => {
                index = start.to_string();
                ("startIndex", index.as_str())
            }
            Start::Cursor(cursor) => ("cursor", cursor),
        };
        let mut query = Vec::new();
        if let Some(filter) = search.filter {
            query.push(("filter", filter));
        }
        if let Some(without) = search.without {
            query.push(("excludedAttributes", without));
        }
        query.extend([start, ("count", count.as_str())]);
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

/// Where a page begins.
#[derive(Clone, Copy)]
enum Start<'a> {
    Index(usize),
    Cursor(&'a str),
}

/// How far the cursors led.
enum Walked {
    ToTheEnd,
    NotAtAll,
}

fn without_id(what: &str) -> TargetError {
    TargetError::Malformed(format!("a matching {what} without an id"))
}

fn endless(what: &str, known: usize) -> TargetError {
    TargetError::Malformed(format!("a list of {what}s that ends after {known} records and goes on"))
}

fn too_many(what: &str) -> TargetError {
    TargetError::Refused(format!(
        "a search through more than {MOST_RECORDS} {what}s: it needs a target that filters"
    ))
}

/// The records of a `ListResponse`, its `totalResults` and its `nextCursor`.
fn read_page(page: &Record, what: &str) -> Result<Page, TargetError> {
    let total = match attribute(page, "totalResults") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(digits)) => digits.parse().ok(),
        _ => None,
    };
    let total = total.and_then(|total| usize::try_from(total).ok());
    let unreadable = || TargetError::Malformed(format!("a list of {what}s that is none"));
    let records = match attribute(page, "Resources") {
        Some(Value::Array(records)) => {
            let records: Option<_> = records.iter().map(|record| record.as_object().cloned()).collect();
            records.ok_or_else(unreadable)?
        }
        // Left out where there is nothing (RFC 7644 section 3.4.2).
        None if total == Some(0) => Vec::new(),
        _ => return Err(unreadable()),
    };
    Ok(Page {
        records,
        total,
        next: text(page, "nextCursor"),
    })
}
