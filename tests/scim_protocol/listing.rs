//! All accounts at once: complete, or an error.

use axum::http::Method;
use rollcall::targets::{AccountFacts, Found, Target};
use serde_json::{Value, json};

use crate::odd::*;

fn users(numbers: std::ops::Range<usize>) -> Vec<Value> {
    numbers
        .map(|n| user(&n.to_string(), &format!("u{n}@example.com"), None))
        .collect()
}

#[tokio::test]
async fn everybody_is_listed_page_by_page() {
    let all = users(0..250);
    let odd = Odd::server(move |asked| {
        let page: Vec<&Value> = all
            .iter()
            .skip(asked.number("startIndex", 1) - 1)
            .take(asked.number("count", 50))
            .collect();
        asked
            .is(&Method::GET, "/Users")
            .then(|| ok(&json!({"totalResults": 250, "Resources": page})))?
    })
    .await;
    let listed = odd.target.accounts().await.unwrap().unwrap();
    assert_eq!(listed.len(), 250);
    assert!(listed.iter().all(|account| account.active && account.names.len() == 1));
    assert_eq!(odd.filters().len(), 4);
}

/// RFC 9865. The cursors are the server's own, and the last page names none.
#[tokio::test]
async fn cursors_are_followed_where_they_are_announced() {
    type Next = fn(usize) -> Option<String>;
    let cases: [(&str, Next, Option<usize>, bool); 4] = [
        (
            "to the end",
            |page| (page < 2).then(|| format!("c{}", page + 1)),
            Some(250),
            true,
        ),
        (
            "to the end, without a total",
            |page| (page < 2).then(|| format!("c{}", page + 1)),
            None,
            true,
        ),
        (
            "round and round",
            |page| Some(format!("c{}", (page + 1) % 3)),
            None,
            false,
        ),
        ("to an early end", |_| None, Some(250), false),
    ];
    for (how, next, total, complete) in cases {
        let all = users(0..250);
        let odd = Odd::server(move |asked| match asked.path.as_str() {
            "/ServiceProviderConfig" => ok(&json!({
                "filter": {"supported": true}, "pagination": {"cursor": true, "index": false},
            })),
            "/Users" => {
                assert!(!asked.query.contains_key("startIndex"));
                let page: usize = asked.query["cursor"].trim_start_matches('c').parse().unwrap_or(0);
                let records: Vec<&Value> = all.iter().skip(page * 100).take(100).collect();
                let mut list = json!({"Resources": records});
                if let Some(total) = total {
                    list["totalResults"] = total.into();
                }
                if let Some(next) = next(page) {
                    list["nextCursor"] = next.into();
                }
                ok(&list)
            }
            _ => None,
        })
        .await;
        let listed = odd.target.accounts().await;
        match listed {
            Ok(listed) => assert!(complete && listed.unwrap().len() == 250, "{how}"),
            Err(error) => assert!(!complete && kind(&error) == "Malformed", "{how}: {error}"),
        }
        assert!(odd.filters().len() <= 4, "{how}");
    }
}

/// An account that is missing from a list may be taken for one that is gone, so a list that is not whole is none.
#[tokio::test]
async fn a_list_that_is_not_whole_is_an_error() {
    for (how, second) in [
        ("ends before its total", json!({"totalResults": 250, "Resources": []})),
        ("breaks off", json!({"totalResults": 250})),
        (
            "has somebody without an id",
            json!({"totalResults": 150, "Resources": [{"userName": "x"}]}),
        ),
    ] {
        let first = users(0..100);
        let odd = Odd::server(move |asked| {
            let body = if asked.number("startIndex", 1) == 1 {
                json!({"totalResults": 250, "Resources": first})
            } else {
                second.clone()
            };
            asked.is(&Method::GET, "/Users").then(|| ok(&body))?
        })
        .await;
        let error = odd.target.accounts().await.unwrap_err();
        assert_eq!(kind(&error), "Malformed", "{how}: {error}");
    }
}

/// How a server that counts one page at a time cuts its pages: from where to where, by `startIndex` and `count`.
type Cut = fn(usize, usize) -> (usize, usize);

/// I2: an account that is missing from a list may be taken for one that is gone, so a total that may be that of one page ends
/// no list; and neither does it end a search whose filter is not heeded, or an account would be made twice.
#[tokio::test]
async fn a_total_that_counts_one_page_ends_nothing() {
    let cuts: [(&str, Cut); 4] = [
        ("full pages", |start, count| (start - 1, count)),
        ("pages of its own size, larger", |start, _| (start - 1, 120)),
        ("pages of its own size, smaller", |start, _| (start - 1, 40)),
        ("one page, however it is asked", |_, count| (0, count)),
    ];
    for (how, cut) in cuts {
        let all = users(0..250);
        let odd = Odd::server(move |asked| {
            let (from, number) = cut(asked.number("startIndex", 1), asked.number("count", 50));
            let page: Vec<&Value> = all.iter().skip(from).take(number).collect();
            let body = json!({"totalResults": page.len(), "itemsPerPage": page.len(), "Resources": page});
            asked.is(&Method::GET, "/Users").then(|| ok(&body))?
        })
        .await;
        let listed = odd.target.accounts().await.unwrap().unwrap();
        assert_eq!(listed.len(), 250, "{how}");
        let person = AccountFacts {
            external_id: "hr/e-last".to_owned(),
            work_email: Some("u249@example.com".to_owned()),
            ..ada()
        };
        let found = odd.target.find_account(&person).await.unwrap();
        assert!(
            matches!(&found, Found::One(account) if account.id == "249"),
            "{how}: {found:?}"
        );
    }
}

/// What the proof of an end costs: nothing where a filter is heeded, one page where everybody is listed.
#[tokio::test]
async fn a_filter_that_is_heeded_is_asked_once() {
    let odd = Odd::server(|asked| {
        let body = list(&[user("7", "ada@example.com", Some("hr/e-ada"))]);
        asked.is(&Method::GET, "/Users").then(|| ok(&body))?
    })
    .await;
    let found = odd.target.find_account(&ada()).await.unwrap();
    assert!(matches!(&found, Found::One(account) if account.id == "7"), "{found:?}");
    assert_eq!(odd.filters().len(), 1);
}
