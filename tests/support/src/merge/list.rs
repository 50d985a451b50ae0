//! Pages and the cursors that lead from one to the next.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::query::{self, Query, instant};
use super::render::{Answer, Context, Options};
use super::server::Problem;
use super::state::{ListOrder, State};

const DEFAULT_PAGE_SIZE: usize = 30;
const MAX_PAGE_SIZE: usize = 100;

/// A place between two rows, and which way to go from there.
#[derive(Clone, Copy, Default)]
struct Cursor {
    /// The last row on the near side: its key in the order, and its number in the table.
    row: (i64, usize),
    reverse: bool,
    /// The index of the page that it leads to, the first being 0.
    page: usize,
}

impl Cursor {
    fn bound(path: &str, query: &Query) -> String {
        let digest = Sha256::digest(format!("{path}?{}", query.binding()));
        data_encoding::HEXLOWER.encode(&digest[..6])
    }

    fn write(self, path: &str, query: &Query) -> String {
        let Self {
            row: (key, number),
            reverse,
            page,
        } = self;
        let text = format!(
            "p={key},{number},{},{page},{}",
            u8::from(reverse),
            Self::bound(path, query)
        );
        BASE64URL_NOPAD.encode(text.as_bytes())
    }

    /// The query's cursor, which must come from the same path and the same other parameters.
    fn read(path: &str, query: &Query) -> Result<Option<Self>, Problem> {
        let Some(text) = query.get("cursor") else {
            return Ok(None);
        };
        let decode = || {
            let bytes = BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let parts: Vec<_> = text.strip_prefix("p=")?.split(',').collect();
            let [key, number, reverse, page, bound] = parts[..] else {
                return None;
            };
            let cursor = Self {
                row: (key.parse().ok()?, number.parse().ok()?),
                reverse: reverse == "1",
                page: page.parse().ok()?,
            };
            (bound == Self::bound(path, query)).then_some(cursor)
        };
        decode().map(Some).ok_or_else(|| Problem::detail(404, "Invalid cursor"))
    }
}

/// The rows of a table in the order of the answer.
enum Order {
    /// As they stand, up to this number.
    Natural(usize),
    /// By key.
    Sorted(Vec<(i64, usize)>),
}

impl Order {
    /// The rows from the cursor on, in its direction.
    fn from(&self, cursor: Option<Cursor>) -> Box<dyn Iterator<Item = (i64, usize)> + '_> {
        match (self, cursor) {
            (Self::Natural(end), None) => Box::new((0..*end).map(|at| (0, at))),
            (Self::Natural(end), Some(at)) if !at.reverse => Box::new((at.row.1 + 1..*end).map(|at| (0, at))),
            (Self::Natural(end), Some(at)) => Box::new((0..at.row.1.min(*end)).rev().map(|at| (0, at))),
            (Self::Sorted(rows), None) => Box::new(rows.iter().copied()),
            (Self::Sorted(rows), Some(at)) if !at.reverse => {
                Box::new(rows[rows.partition_point(|row| *row <= at.row)..].iter().copied())
            }
            (Self::Sorted(rows), Some(at)) => {
                Box::new(rows[..rows.partition_point(|row| *row < at.row)].iter().rev().copied())
            }
        }
    }
}

fn page_size(query: &Query) -> usize {
    // What cannot be read, and 0, are taken for the default.
    let asked = query
        .get("page_size")
        .and_then(|text| text.parse().ok())
        .filter(|&size: &usize| size > 0);
    asked.unwrap_or(DEFAULT_PAGE_SIZE).min(MAX_PAGE_SIZE)
}

/// One page of `{next, previous, results}`.
fn paginate(
    state: &State,
    path: &str,
    query: &Query,
    order: &Order,
    fits: impl Fn(usize) -> bool,
    render: impl Fn(usize) -> Value,
) -> Result<Value, Problem> {
    let cursor = Cursor::read(path, query)?;
    let (page, reverse) = cursor.map_or((0, false), |at| (at.page, at.reverse));
    if let Some((_, _, status)) = state
        .faults
        .pages
        .iter()
        .find(|(prefix, index, _)| path.starts_with(prefix) && *index == page)
    {
        return Err(Problem::status(*status));
    }
    if state.faults.empty.iter().any(|prefix| path.starts_with(prefix)) {
        return Ok(json!({"next": null, "previous": null, "results": []}));
    }
    let size = page_size(query);
    let mut rows: Vec<_> = order.from(cursor).filter(|&(_, at)| fits(at)).take(size + 1).collect();
    let mut more = rows.len() > size;
    rows.truncate(size);
    for (_, limit) in state
        .faults
        .partial_lists
        .iter()
        .filter(|(prefix, _)| path.starts_with(prefix))
    {
        let left = limit.saturating_sub(page * size);
        more &= left > size;
        rows.truncate(left);
    }
    if reverse {
        rows.reverse();
    }
    let (has_next, has_previous) = if reverse {
        (true, more)
    } else {
        (more, cursor.is_some())
    };
    let next = rows.last().filter(|_| has_next).map(|&row| Cursor {
        row,
        reverse: false,
        page: page + 1,
    });
    let previous = rows.first().filter(|_| has_previous).map(|&row| Cursor {
        row,
        reverse: true,
        page: page.saturating_sub(1),
    });
    Ok(json!({
        "next": next.map(|cursor| cursor.write(path, query)),
        "previous": previous.map(|cursor| cursor.write(path, query)),
        "results": rows.into_iter().map(|(_, at)| render(at)).collect::<Vec<_>>(),
    }))
}

/// A page of ready-made objects.
pub(super) fn values(state: &State, path: &str, query: &Query, values: &[Value]) -> Result<Value, Problem> {
    paginate(
        state,
        path,
        query,
        &Order::Natural(values.len()),
        |_| true,
        |at| values[at].clone(),
    )
}

/// A page of a model's rows.
pub(super) fn rows<R: Answer + 'static>(state: &State, path: &str, query: &Query) -> Result<Value, Problem> {
    let mut filters = query::common::<R>(query, state.bounds_inclusive)?;
    R::filters(query, state.bounds_inclusive, &mut filters)?;
    let options = Options::of(query)?;
    let context = Context {
        company: &state.company,
        quirks: &state.quirks,
        options: &options,
    };
    let table = &R::table(&state.company).rows;
    let fits = |at: usize| filters.iter().all(|filter| filter(&state.company, &table[at]));
    let modified = |row: &R| row.meta().modified_at.as_microsecond();
    let sorted = |key: &dyn Fn(&R) -> i64| {
        let mut keys: Vec<_> = (0..table.len())
            .filter(|&at| fits(at))
            .map(|at| (key(&table[at]), at))
            .collect();
        keys.sort_unstable();
        Order::Sorted(keys)
    };
    let order = match (effective_date(query), state.order) {
        (Some(sign), _) => sorted(&|row| {
            let date = serde_json::to_value(row)
                .ok()
                .and_then(|row| row["effective_date"].as_str().and_then(instant));
            sign * date.map_or(0, Timestamp::as_microsecond)
        }),
        (None, ListOrder::Created) => Order::Natural(table.len()),
        (None, ListOrder::Modified) => sorted(&modified),
        (None, ListOrder::ModifiedLatestFirst) => sorted(&|row| -modified(row)),
    };
    paginate(state, path, query, &order, fits, |at| context.render(&table[at]))
}

/// The direction of `order_by=effective_date`, which only positions have.
fn effective_date(query: &Query) -> Option<i64> {
    match query.get("order_by") {
        Some("effective_date") => Some(1),
        Some("-effective_date") => Some(-1),
        _ => None,
    }
}

/// One row by its identifier; deleted rows are there too, shells only on demand.
pub(super) fn one<R: Answer>(state: &State, id: &str, query: &Query) -> Result<Value, Problem> {
    let options = Options::of(query)?;
    let shells = query.flag("include_shell_data")?;
    let row = R::table(&state.company)
        .get(id)
        .filter(|row| !row.meta().forgotten && (shells || !row.meta().shell));
    let context = Context {
        company: &state.company,
        quirks: &state.quirks,
        options: &options,
    };
    row.map(|row| context.render(row)).ok_or_else(|| Problem::status(404))
}
