//! Finding accounts.

use axum::http::Method;
use rollcall::targets::{AccountFacts, Found, Target, TargetError};
use serde_json::{Value, json};

use crate::odd::*;

#[tokio::test]
async fn a_filter_that_is_ignored_finds_nobody_else() {
    let everybody = [user("1", "eve@example.com", None), user("2", "ADA@example.com", None)];
    let odd = Odd::server(move |asked| asked.is(&Method::GET, "/Users").then(|| ok(&list(&everybody)))?).await;
    assert_eq!(
        nameless(odd.target.find_account(&ada()).await.unwrap()),
        Found::One(account("2", None))
    );
    // That may have been a page of two: the second shows that it was not.
    assert_eq!(odd.filters().len(), 2);
    let stranger = AccountFacts {
        external_id: "hr/e-bob".to_owned(),
        work_email: Some("bob@example.com".to_owned()),
        ..AccountFacts::default()
    };
    assert_eq!(odd.target.find_account(&stranger).await.unwrap(), Found::None);
}

#[tokio::test]
async fn a_filter_that_is_ignored_is_paged_through() {
    // It honours startIndex, caps a page at 40 and tells the true total.
    let everybody: Vec<Value> = (1..=100)
        .map(|n| user(&n.to_string(), &format!("u{n}@example.com"), None))
        .collect();
    let odd = Odd::server(move |asked| {
        let start = asked.number("startIndex", 1);
        let page: Vec<Value> = everybody.iter().skip(start - 1).take(40).cloned().collect();
        asked.is(&Method::GET, "/Users").then(|| {
            ok(&json!({"totalResults": "100", "itemsPerPage": page.len(), "startIndex": start, "resources": page}))
        })?
    })
    .await;
    let last = AccountFacts {
        work_email: Some("u100@example.com".to_owned()),
        ..ada()
    };
    assert_eq!(
        nameless(odd.target.find_account(&last).await.unwrap()),
        Found::One(account("100", None))
    );
    assert_eq!(odd.filters().len(), 3);
}

#[tokio::test]
async fn or_that_is_refused_is_asked_in_parts_and_then_never_again() {
    let odd = Odd::server(|asked| {
        let filter = asked.query.get("filter")?;
        if filter.contains(" or ") {
            return Some(refusal(400, Some("invalidFilter")));
        }
        ok(&list(&if filter == r#"userName eq "ada@example.com""# {
            vec![user("7", "ada@example.com", None)]
        } else {
            vec![]
        }))
    })
    .await;
    for _ in 0..2 {
        assert_eq!(
            nameless(odd.target.find_account(&ada()).await.unwrap()),
            Found::One(account("7", None))
        );
    }
    let filters: Vec<String> = odd.filters().into_iter().flatten().collect();
    assert_eq!(
        filters,
        [
            r#"externalId eq "hr/e-ada" or userName eq "ada@example.com""#,
            r#"externalId eq "hr/e-ada""#,
            r#"userName eq "ada@example.com""#,
            r#"externalId eq "hr/e-ada""#,
            r#"userName eq "ada@example.com""#,
        ]
    );
}

#[tokio::test]
async fn filters_that_are_all_refused_give_way_to_pages() {
    let odd = Odd::server(|asked| {
        if asked.query.contains_key("filter") {
            return Some(refusal(400, Some("invalidFilter")));
        }
        let users = if asked.number("startIndex", 1) == 1 {
            vec![user("7", "ada@example.com", Some("hr/e-ada"))]
        } else {
            vec![]
        };
        asked
            .is(&Method::GET, "/Users")
            .then(|| ok(&json!({"totalResults": 1, "Resources": users})))?
    })
    .await;
    let found = odd.target.find_account(&ada()).await.unwrap();
    assert_eq!(nameless(found), Found::One(account("7", Some("hr/e-ada"))));
}

#[tokio::test]
async fn the_strongest_match_wins_and_two_alike_are_nobodys() {
    for (users, expected) in [
        // The key wins over the name.
        (
            vec![user("1", "ada@example.com", None), user("2", "other", Some("hr/e-ada"))],
            Ok("2"),
        ),
        // The name wins over an address.
        (
            vec![
                json!({"id": "1", "userName": "shared", "emails": [{"value": "Ada@Example.com"}]}),
                user("2", "ada@example.com", Some("")),
            ],
            Ok("2"),
        ),
        (
            vec![json!({"id": 17, "userName": "ada", "emails": [{"value": "x@x.io"}, {"value": "ADA@example.com"}]})],
            Ok("17"),
        ),
        (
            vec![user("1", "a", Some("hr/e-ada")), user("2", "b", Some("hr/e-ada"))],
            Err("2 accounts have the externalId: 1, 2"),
        ),
        (
            vec![user("1", "ada@example.com", Some("hr/e-eve"))],
            Err("account 1 has the userName but belongs to another identity: its externalId is set to something else"),
        ),
        (
            vec![user("1", "ada@example.com", None), user("2", "ADA@EXAMPLE.COM", None)],
            Err("2 accounts have the userName: 1, 2"),
        ),
    ] {
        let odd = Odd::server(move |asked| asked.is(&Method::GET, "/Users").then(|| ok(&list(&users)))?).await;
        match (odd.target.find_account(&ada()).await.unwrap(), expected) {
            (Found::One(found), Ok(id)) => assert_eq!(found.id, id),
            (Found::Several(why) | Found::Foreign(_, why), Err(words)) => assert_eq!(why, words),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn servers_without_filters_page_in_many_ways() {
    let users = |numbers: std::ops::RangeInclusive<usize>| -> Vec<Value> {
        numbers
            .map(|n| user(&n.to_string(), &format!("u{n}@example.com"), None))
            .collect()
    };
    let everybody = users(1..=150);
    let habits: Vec<(&str, bool, Page)> = vec![
        (
            "ignores count and startIndex",
            true,
            Box::new(|_, _, all| json!({"totalResults": all.len(), "Resources": all})),
        ),
        (
            "tells the page's size as the total",
            true,
            Box::new(|start, count, all| {
                let page: Vec<&Value> = all.iter().skip(start - 1).take(count.min(20)).collect();
                json!({"totalResults": page.len(), "Resources": page})
            }),
        ),
        (
            "tells no total",
            true,
            Box::new(
                |start, count, all| json!({"Resources": all.iter().skip(start - 1).take(count).collect::<Vec<_>>()}),
            ),
        ),
        (
            "leaves out Resources at the end and has a total of 0 there",
            true,
            Box::new(|start, count, all| {
                let page: Vec<&Value> = all.iter().skip(start - 1).take(count).collect();
                if page.is_empty() {
                    json!({"totalResults": 0})
                } else {
                    json!({"totalResults": all.len(), "Resources": page})
                }
            }),
        ),
        (
            "ignores startIndex but heeds count",
            true,
            Box::new(|_, count, all| json!({"totalResults": all.len(), "Resources": all[..count.min(all.len())]})),
        ),
        (
            "shows the first 100 for ever, of more",
            false,
            Box::new(|_, _, all| json!({"totalResults": all.len(), "Resources": all[..100]})),
        ),
        (
            "shows the first 100 for ever, and no total",
            false,
            Box::new(|_, _, all| json!({"Resources": all[..100]})),
        ),
        (
            "answers with no list",
            false,
            Box::new(|_, _, _| json!({"detail": DETAIL})),
        ),
        (
            "answers with a list of something",
            false,
            Box::new(|_, _, _| json!({"totalResults": 1, "Resources": ["x"]})),
        ),
    ];
    for (habit, complete, page) in habits {
        let all = everybody.clone();
        let odd = Odd::server(move |asked| match asked.path.as_str() {
            "/ServiceProviderConfig" => ok(&json!({"patch": {"supported": "True"}, "filter": {"supported": false}})),
            _ => ok(&page(asked.number("startIndex", 1), asked.number("count", 50), &all)),
        })
        .await;
        let last = AccountFacts {
            work_email: Some("u150@example.com".to_owned()),
            ..ada()
        };
        match odd.target.find_account(&last).await {
            Ok(found) => assert!(
                complete && nameless(found.clone()) == Found::One(account("150", None)),
                "{habit}: {found:?}"
            ),
            // Not `None`, after which somebody would create the account again.
            Err(error) => {
                assert!(
                    !complete && matches!(error, TargetError::Malformed(_)),
                    "{habit}: {error}"
                );
                discreet(&error);
            }
        }
        assert!(odd.filters().len() <= 12, "{habit}: {} requests", odd.filters().len());
    }
}

/// What a list endpoint answers to `startIndex` and `count`.
type Page = Box<dyn Fn(usize, usize, &[Value]) -> Value + Send + Sync>;
