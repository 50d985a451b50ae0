//! Roles that are replaced whole, without a version; a login call that yields a token; and a stranger sees an empty list.

use rollcall_support::products::PocketBase;
use serde_json::json;

use crate::tenant::{Tenant, leaver, person, secret, shelf};

const USERS: &str = "/api/collections/users/records";

/// Somebody changes roles by hand.
async fn by_hand(base: &PocketBase, user: &str, change: &str, role: &str) {
    let answer = base
        .request("PATCH", &format!("{USERS}/{user}"), Some(&json!({change: role})))
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_role_set_behind_a_login() {
    let (base, tenant) = tokio::join!(PocketBase::start(), Tenant::new());
    let base = base.unwrap();
    base.create_role("reader").await.unwrap();
    let writer = base.create_role("writer").await.unwrap();
    let auditor = base.create_role("auditor").await.unwrap();
    base.create_user("rollcall-canary@example.com").await.unwrap();
    let ada = base.create_user("ada@example.com").await.unwrap();
    let bob = base.create_user("bob@example.com").await.unwrap();
    by_hand(&base, &ada, "roles+", &auditor).await;

    let roles = async |name: &str| base.roles(&format!("{name}@example.com")).await.unwrap().unwrap();
    let both = async || [roles("ada").await, roles("bob").await];
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let target = shelf("pocketbase", |spec| {
        spec["http"]["baseURL"] = json!(format!("{}/api/collections", base.url()));
    });
    tenant
        .apply(&[
            secret("pocketbase", "password", base.password()),
            target,
            person("ada", "Content"),
            person("bob", "Content"),
        ])
        .await;
    // Both at once, and what others gave stays.
    let hired = [list(&["auditor", "reader", "writer"]), list(&["reader", "writer"])];
    tenant.until("both are hired", hired.clone(), both).await;
    let granted = [("app-reader", "Granted"), ("app-writer", "Granted")];
    tenant.holds("ada", &granted).await;
    tenant.holds("bob", &granted).await;

    // Taken by hand: given again. Given by hand: it stays, and is listed.
    let reader = base.request("GET", "/api/collections/roles/records?filter=name='reader'", None);
    let reader = reader.await.unwrap().body["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    by_hand(&base, &ada, "roles-", &reader).await;
    tenant.until("the role is given again", hired, both).await;

    tenant.apply(&[person("ada", "Sales"), person("bob", "Sales")]).await;
    let moved = [list(&["auditor", "reader"]), list(&["reader"])];
    tenant.until("both are moved", moved, both).await;
    tenant.holds("ada", &[("app-reader", "Granted")]).await;
    by_hand(&base, &bob, "roles+", &writer).await;
    tenant.unmanaged("app-writer", &[&bob]).await;

    // What one who is nobody's Employee holds is looked at where it may be taken, and goes with the rest.
    let stranger = base.create_user("stranger@example.com").await.unwrap();
    by_hand(&base, &stranger, "roles+", &writer).await;
    let patch = r#"{"spec": {"ownership": "Authoritative"}}"#;
    tenant
        .world
        .kubectl(&["patch", "ent", "app-writer", "--type=merge", "-p", patch])
        .await;
    let none = [list(&["reader"]), list(&[])];
    tenant
        .until("what nobody decided is taken", none, async || {
            [roles("bob").await, roles("stranger").await]
        })
        .await;

    tenant.apply(&[leaver("ada", "Sales")]).await;
    let left = [list(&["auditor"]), list(&["reader"])];
    tenant.until("one has left", left, both).await;
    tenant.holds("ada", &[]).await;
    let users = base.request("GET", &format!("{USERS}/{ada}"), None).await.unwrap();
    assert_eq!(users.body["disabled"], true);
}
