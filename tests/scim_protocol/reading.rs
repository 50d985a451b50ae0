//! Reading accounts.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use rollcall::targets::Target;
use serde_json::{Value, json};

use crate::odd::*;

#[tokio::test]
async fn active_comes_as_a_bool_or_a_string_or_not_at_all() {
    for (active, expected) in [
        (json!(true), true),
        (json!(false), false),
        (json!("True"), true),
        (json!("False"), false),
        (json!("false"), false),
        (Value::Null, true),
    ] {
        let record = json!({"id": "7", "active": active});
        let odd = Odd::server(move |_| ok(&record)).await;
        assert_eq!(
            odd.target.read_account("7").await.unwrap().unwrap().active,
            expected,
            "{active}"
        );
    }
}

#[tokio::test]
async fn only_the_account_that_was_asked_for_is_believed() {
    for (status, body, expected) in [
        (200, r#"{"id":"7"}"#, "here"),
        (200, r#"{"id":7}"#, "here"),
        (200, r#"{"id":"8"}"#, "Malformed"),
        (200, "{}", "Malformed"),
        (200, r#"{"id":"7""#, "Malformed"),
        (200, "[]", "Malformed"),
        (200, "<html>s3cr3t</html>", "Malformed"),
        (204, "", "Malformed"),
        (404, "", "gone"),
        (410, "", "gone"),
        (301, "", "Misconfigured"),
        (500, "", "Malformed"),
        (502, "", "Unreachable"),
    ] {
        let odd = Odd::server(move |_| Some((StatusCode::from_u16(status).unwrap(), body).into_response())).await;
        let said = odd.target.read_account("7").await;
        let said = match &said {
            Ok(Some(_)) => "here",
            Ok(None) => "gone",
            Err(error) => {
                discreet(error);
                kind(error)
            }
        };
        assert_eq!(said, expected, "{status} {body}");
    }
}
