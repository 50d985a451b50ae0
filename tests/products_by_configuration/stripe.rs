//! stripe-mock takes what Stripe's own description takes, and keeps nothing. So the operator can be shown to send what Stripe
//! takes, and to believe no answer that no look confirms; not that a card is found again, which the bank shows in `limits.rs`.

use rollcall_support::products::StripeMock;
use rollcall_support::proxy::{Proxy, Script};
use serde_json::{Value, json};

use crate::tenant::{Tenant, employee, secret, shelf};

/// I4: what was answered well and cannot be seen is no grant, and is not made again and again under other keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_no_look_shows_is_not_granted() {
    let (stripe, tenant) = tokio::join!(StripeMock::start(), Tenant::new());
    let stripe = stripe.unwrap();
    let proxy = Proxy::start("stripe", &stripe.url(), None, &Script::none()).unwrap();
    let target = shelf("stripe-issuing", |spec| spec["http"]["baseURL"] = json!(proxy.url()));
    tenant
        .apply(&[
            secret("stripe-issuing", "key", stripe.key()),
            target,
            employee("ada", "Engineering", &json!({"employmentType": "FULL_TIME"})),
        ])
        .await;
    tenant
        .until("a card is asked for", true, async || {
            proxy.count("POST", "/v1/issuing/cards") > 0
        })
        .await;
    tenant
        .until("it is said what is wrong", true, async || {
            let ada = tenant.world.get("Employee", "ada").await;
            let record = &ada["status"]["entitlements"][0];
            let error = record["lastError"].as_str().unwrap_or_default();
            record["state"] == "Granting" && error.contains("the account does not have it")
        })
        .await;
    assert_eq!(proxy.count("POST", "/v1/issuing/cardholders"), 1);
    let ada = tenant.world.get("Employee", "ada").await;
    let account = &ada["status"]["accounts"][0];
    assert!(
        account["id"].as_str().is_some_and(|id| id.starts_with("ich_")),
        "{account}"
    );
    assert_ne!(ada["status"]["entitlements"], Value::Null);
}
