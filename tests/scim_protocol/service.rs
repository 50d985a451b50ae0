//! The service as a whole.

use axum::http::Method;
use rollcall::targets::Target;
use serde_json::{Value, json};

use crate::odd::*;

#[tokio::test]
async fn what_a_service_says_of_itself() {
    let spc = |config: Value, users: u16| {
        Odd::server(move |asked| match asked.path.as_str() {
            "/ServiceProviderConfig" if config.is_null() => bare(404),
            "/ServiceProviderConfig" => ok(&config),
            "/Users" => Some(answer(users, &[], &list(&[]))),
            _ => None,
        })
    };
    let odd = spc(Value::Null, 200).await;
    let told = odd.target.capabilities().await.unwrap();
    assert_eq!(
        (told.patch, told.filter, told.bulk, told.etag),
        (true, true, false, false)
    );
    let odd = spc(json!({"patch": {"supported": true}, "bulk": {"supported": true}}), 200).await;
    let told = odd.target.capabilities().await.unwrap();
    assert_eq!(
        (told.patch, told.filter, told.bulk, told.etag),
        (true, false, true, false)
    );
    odd.target.capabilities().await.unwrap();
    let asked = odd.asked(&Method::GET);
    let questions = asked
        .iter()
        .filter(|asked| asked.path == "/ServiceProviderConfig")
        .count();
    assert_eq!((asked.len(), questions), (3, 1));
    // Told to anybody, but the token is not taken.
    let odd = spc(json!({"patch": {"supported": true}}), 401).await;
    assert_eq!(kind(&odd.target.capabilities().await.unwrap_err()), "Unauthorized");
    let odd = spc(Value::Null, 404).await;
    let error = odd.target.capabilities().await.unwrap_err();
    assert_eq!(kind(&error), "Misconfigured");
    assert!(error.to_string().contains("baseURL"), "{error}");
    let error = odd.target.find_account(&ada()).await.unwrap_err();
    assert_eq!(kind(&error), "Misconfigured");
}
