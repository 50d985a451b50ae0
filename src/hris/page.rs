//! One page of a list.

use serde_json::Value;
use url::Url;

/// A page's rows and the cursor of the next one.
pub type Page<T> = (Vec<T>, Option<String>);

/// The page in an answer, each row as `read_row` reads it, or what is wrong with it, in our words.
pub fn read_page<T>(body: Value, read_row: impl Fn(Value) -> serde_json::Result<T>) -> Result<Page<T>, &'static str> {
    let Value::Object(mut page) = body else {
        return Err("it is no page of a list");
    };
    // An error told with status 200 lands here.
    let Some(Value::Array(results)) = page.remove("results") else {
        return Err("it has no results");
    };
    let next = match page.remove("next") {
        None | Some(Value::Null) => None,
        Some(Value::String(next)) => Some(cursor_of(next)?).filter(|cursor| !cursor.is_empty()),
        Some(_) => return Err("its next page has no name"),
    };
    let rows = results
        .into_iter()
        .filter(|row| !row.is_null())
        .map(|row| match row {
            Value::Object(_) => read_row(row).map_err(|_| "a row cannot be read"),
            _ => Err("a row is no object"),
        })
        .collect::<Result<_, _>>()?;
    Ok((rows, next))
}

/// The cursor in `next`, which is a cursor, or a URL with one. The URL itself is never followed.
fn cursor_of(next: String) -> Result<String, &'static str> {
    if !next.starts_with("http://") && !next.starts_with("https://") {
        return Ok(next);
    }
    let url = Url::parse(&next).map_err(|_| "its next page is a broken URL")?;
    url.query_pairs()
        .find(|(name, _)| name == "cursor")
        .map(|(_, cursor)| cursor.into_owned())
        .ok_or("its next page is a URL without a cursor")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_is_rows_and_a_cursor() {
        let page = |next: Value| read_page(json!({"next": next, "results": [{"a": 1}, null]}), Ok);
        for (next, cursor) in [
            (json!(null), None),
            (json!(""), None),
            (json!("cD0y"), Some("cD0y")),
            (json!("/opaque?cursor=x"), Some("/opaque?cursor=x")),
            (
                json!("https://elsewhere.example/x?page_size=2&cursor=a%2Bb%3D"),
                Some("a+b="),
            ),
        ] {
            let (rows, found) = page(next).unwrap();
            assert_eq!((rows.len(), found.as_deref()), (1, cursor));
        }
        for next in [
            json!(2),
            json!({}),
            json!("https://elsewhere.example/x?page=2"),
            json!("http://"),
        ] {
            assert!(page(next).is_err());
        }
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for body in [
            json!({"detail": "Something went wrong."}),
            json!({"results": null}),
            json!({"results": {}}),
            json!([]),
            json!("x"),
            json!(null),
            json!({"results": ["x"]}),
            json!({"results": [[]]}),
        ] {
            assert!(read_page(body.clone(), Ok).is_err(), "{body}");
        }
    }
}
