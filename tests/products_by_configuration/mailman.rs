//! Form bodies; the grant's id in a header; a list without entries has no such key.

use rollcall_support::products::Mailman;
use serde_json::json;

use crate::tenant::{Tenant, leaver, person, secret, shelf};

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_by_forms() {
    let (mailman, tenant) = tokio::join!(Mailman::start(), Tenant::new());
    let mailman = mailman.unwrap();
    let list = mailman.create_list("engineers").await.unwrap();
    let subscribe = async |name: &str| {
        let form = [
            ("list_id", list.as_str()),
            ("subscriber", name),
            ("pre_verified", "true"),
            ("pre_confirmed", "true"),
            ("pre_approved", "true"),
        ];
        let made = mailman.request("POST", "/members", &form).await.unwrap();
        assert_eq!(made.status, 201);
        let place = made.header("location").unwrap();
        place.strip_prefix(&mailman.url()).unwrap().to_owned()
    };
    subscribe("guest@example.org").await;
    let members = async || mailman.members(&list).await.unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let target = shelf("mailman", |spec| {
        spec["http"]["baseURL"] = json!(mailman.url());
        spec["http"]["auth"]["basic"]["username"] = json!(mailman.user());
    });
    tenant
        .apply(&[
            secret("mailman", "password", mailman.password()),
            target,
            person("ada", "Engineering"),
            person("bob", "Engineering"),
        ])
        .await;
    let all = names(&["ada@example.com", "bob@example.com", "guest@example.org"]);
    tenant.until("both are hired", all.clone(), members).await;
    tenant.holds("ada", &[("list-engineers", "Granted")]).await;
    tenant.holds("bob", &[("list-engineers", "Granted")]).await;
    tenant.unmanaged("list-engineers", &["guest@example.org"]).await;

    // Unsubscribed by hand: the new subscription has another id, which the revocation needs.
    let roster = mailman
        .request("GET", &format!("/lists/{list}/roster/member"), &[])
        .await
        .unwrap();
    let entries = roster.body["entries"].as_array().unwrap().clone();
    let ada = entries
        .iter()
        .find(|entry| entry["email"] == "ada@example.com")
        .unwrap();
    let place = ada["self_link"].as_str().unwrap();
    let place = place.strip_prefix(&mailman.url()).unwrap();
    assert_eq!(mailman.request("DELETE", place, &[]).await.unwrap().status, 204);
    tenant.until("Ada is subscribed again", all, members).await;
    tenant.holds("ada", &[("list-engineers", "Granted")]).await;

    tenant
        .apply(&[person("bob", "Sales"), leaver("ada", "Engineering")])
        .await;
    tenant
        .until("both are off the list", names(&["guest@example.org"]), members)
        .await;
    tenant.holds("ada", &[]).await;
    tenant.holds("bob", &[]).await;
}
