//! Small products whose habits are those of many.

use std::time::Duration;

use rollcall::targets::{Found, Target as _, TargetError};
use rollcall_support::products::{Etcd, Kinto, Mailman, PocketBase};
use serde_json::json;

use crate::stage::{Stage, person};

/// Waits until a token is dead, and so one that was used at the same time and not since. Each use makes one live on, so
/// the waits between looks grow past its life.
async fn dies(etcd: &Etcd, token: &str) {
    let mut wait = Duration::from_secs(1);
    while etcd.post("user/list", Some(token), &json!({})).await.unwrap().status != 401 {
        assert!(wait < Duration::from_secs(20), "it lives on");
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

/// Everything is POST, a token that dies, and 400 for everything that is wrong.
#[tokio::test]
async fn etcd_from_hire_to_leave() {
    let etcd = Etcd::start(Duration::from_secs(1)).await.unwrap();
    for role in ["config-reader", "config-writer"] {
        etcd.create_role(role).await.unwrap();
    }
    let stage = Stage::set("etcd", &etcd.url(), &[("password", etcd.password())]);
    let ada = person("ada");
    let id = stage.hire(&ada).await;
    stage.grant(&id, "etcd-reader", &ada, &[]).await;
    stage.grant(&id, "etcd-reader", &ada, &[]).await;
    stage.grant(&id, "etcd-writer", &ada, &[]).await;
    assert_eq!(
        etcd.roles(&id).await.unwrap().unwrap(),
        ["config-reader", "config-writer"]
    );
    let unused = etcd.log_in().await.unwrap();
    stage.held(&id, "etcd-reader").await;
    dies(&etcd, &unused).await;
    stage.revoke(&id, "etcd-writer").await;
    assert_eq!(etcd.roles(&id).await.unwrap().unwrap(), ["config-reader"]);
    stage.revoke(&id, "etcd-reader").await;
    stage.target.delete_account(&id).await.unwrap();
    stage.target.delete_account(&id).await.unwrap();
    assert_eq!(etcd.users().await.unwrap(), Vec::<String>::new());
    assert!(stage.account(&id).await.is_none());
}

/// Roles are a set that is replaced whole, without `ETag`; what others put in stays in.
#[tokio::test]
async fn pocketbase_from_role_to_role() {
    let base = PocketBase::start().await.unwrap();
    for role in ["reader", "writer", "auditor"] {
        base.create_role(role).await.unwrap();
    }
    base.create_user("rollcall-canary@example.com").await.unwrap();
    let made = base.create_user("ada@example.com").await.unwrap();
    let url = format!("{}/api/collections", base.url());
    let stage = Stage::set("pocketbase", &url, &[("password", base.password())]);
    let ada = person("ada");
    stage.target.capabilities().await.unwrap();
    let Found::One(found) = stage.target.find_account(&ada).await.unwrap() else {
        panic!("ada is not found");
    };
    assert_eq!((found.id.as_str(), found.active), (made.as_str(), true));

    let email = "ada@example.com";
    stage.grant(&made, "app-reader", &ada, &[]).await;
    stage.grant(&made, "app-writer", &ada, &[]).await;
    assert_eq!(base.roles(email).await.unwrap().unwrap(), ["reader", "writer"]);
    stage.held(&made, "app-writer").await;
    stage.revoke(&made, "app-writer").await;
    assert_eq!(base.roles(email).await.unwrap().unwrap(), ["reader"]);
    stage.revoke(&made, "app-reader").await;
    stage.target.deactivate_account(&made).await.unwrap();
    assert!(!stage.account(&made).await.unwrap().active);
    stage.target.update_account(&made, &ada, true).await.unwrap();
    assert!(stage.account(&made).await.unwrap().active);
}

/// I1, I2: an empty answer to somebody whom it does not know is no proof that nobody holds anything.
#[tokio::test]
async fn pocketbase_is_not_believed_when_it_hides_everybody() {
    let base = PocketBase::start().await.unwrap();
    base.create_role("reader").await.unwrap();
    base.create_user("rollcall-canary@example.com").await.unwrap();
    let id = base.create_user("ada@example.com").await.unwrap();
    let url = format!("{}/api/collections", base.url());
    // A login that yields something, which the product takes for a stranger's.
    let stage = Stage::set_with("pocketbase", &[("password", base.password())], |http| {
        http.base_url.clone_from(&url);
        let login = http.auth.as_mut().unwrap().login.as_mut().unwrap();
        login.token = "'not-a-token-' + response.body.record.id".to_owned();
    });
    let refused = |error: TargetError| assert!(matches!(error, TargetError::Unauthorized(_)), "{error:?}");
    refused(stage.target.capabilities().await.unwrap_err());
    refused(stage.target.accounts().await.unwrap_err());
    refused(stage.target.find_account(&person("ada")).await.unwrap_err());
    refused(stage.target.holdings("role", &id).await.unwrap_err());
    refused(stage.target.read_account(&id).await.unwrap_err());
}

/// A set that is written whole against its `ETag`.
#[tokio::test]
async fn kinto_from_hire_to_leave() {
    let kinto = Kinto::start().await.unwrap();
    kinto.create_group("editors").await.unwrap();
    let path = "/buckets/company/groups/editors";
    let body = json!({"data": {"members": ["account:zoe"]}});
    assert_eq!(
        kinto.request("PATCH", path, &[], Some(&body)).await.unwrap().status,
        200
    );
    let stage = Stage::set("kinto", &kinto.url(), &[("password", kinto.password())]);
    let ada = person("ada");
    stage.target.capabilities().await.unwrap();
    let Found::One(account) = stage.target.find_account(&ada).await.unwrap() else {
        panic!("whoever has a name has an account");
    };
    assert_eq!(account.id, "account:ada");
    stage.grant(&account.id, "kinto-editors", &ada, &[]).await;
    stage.held(&account.id, "kinto-editors").await;
    assert_eq!(kinto.members("editors").await.unwrap(), ["account:ada", "account:zoe"]);
    stage.revoke(&account.id, "kinto-editors").await;
    assert_eq!(
        kinto.members("editors").await.unwrap(),
        ["account:zoe"],
        "not ours to take"
    );
}

/// Forms, ids in `Location`, and keys that are missing where there is nobody.
#[tokio::test]
async fn mailman_from_hire_to_leave() {
    let mailman = Mailman::start().await.unwrap();
    let list = mailman.create_list("engineers").await.unwrap();
    let stage = Stage::set_with("mailman", &[("password", mailman.password())], |http| {
        http.base_url = mailman.url();
        let basic = http.auth.as_mut().unwrap().basic.as_mut().unwrap();
        mailman.user().clone_into(&mut basic.username);
    });
    let ada = person("ada");
    stage.target.capabilities().await.unwrap();
    let Found::One(account) = stage.target.find_account(&ada).await.unwrap() else {
        panic!("whoever has an address has an account");
    };
    assert_eq!(stage.held_or_none(&account.id, "list-engineers").await, None);
    stage.grant(&account.id, "list-engineers", &ada, &[]).await;
    assert_eq!(mailman.members(&list).await.unwrap(), ["ada@example.com"]);
    // Once more is no second membership.
    stage.grant(&account.id, "list-engineers", &ada, &[]).await;
    assert_eq!(
        stage.held(&account.id, "list-engineers").await.parameters["delivery"],
        "regular"
    );
    let digests = [("delivery", "mime_digests")];
    stage.update(&account.id, "list-engineers", &ada, &digests).await;
    assert_eq!(
        stage.held(&account.id, "list-engineers").await.parameters["delivery"],
        "mime_digests"
    );
    stage.revoke(&account.id, "list-engineers").await;
    assert_eq!(mailman.members(&list).await.unwrap(), Vec::<String>::new());
}
