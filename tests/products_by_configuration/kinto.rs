//! Members that are replaced whole against an `ETag`, while others write the same set.

use rollcall_support::products::Kinto;
use serde_json::json;

use crate::tenant::{Tenant, leaver, person, secret, shelf};

const EDITORS: &str = "/buckets/company/groups/editors";

/// Somebody else changes the members, as anybody should: against the version that they read.
async fn by_hand(kinto: &Kinto, change: impl Fn(&mut Vec<String>)) {
    loop {
        let read = kinto.request("GET", EDITORS, &[], None).await.unwrap();
        let tag = read.header("etag").unwrap().to_owned();
        let mut members = serde_json::from_value(read.body["data"]["members"].clone()).unwrap();
        change(&mut members);
        let body = json!({"data": {"members": members}});
        let written = kinto
            .request("PATCH", EDITORS, &[("if-match", &tag)], Some(&body))
            .await;
        match written.unwrap().status {
            200 => return,
            status => assert_eq!(status, 412),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_set_with_if_match() {
    let (kinto, tenant) = tokio::join!(Kinto::start(), Tenant::new());
    let kinto = kinto.unwrap();
    kinto.create_group("editors").await.unwrap();
    let outsiders: Vec<String> = (0..12).map(|number| format!("account:out{number:02}")).collect();
    let target = shelf("kinto", |spec| {
        spec["http"]["baseURL"] = json!(kinto.url());
        spec["http"]["auth"]["basic"]["username"] = json!(kinto.user());
    });
    let members = async || kinto.members("editors").await.unwrap();
    let with = |names: &[&str]| {
        let mut all = outsiders.clone();
        all.extend(names.iter().map(|name| format!("account:{name}")));
        all.sort();
        all
    };
    // Outsiders come in one by one while people are hired.
    let hire = async {
        tenant
            .apply(&[
                secret("kinto", "password", kinto.password()),
                target,
                person("ada", "Product"),
                person("bob", "Product"),
            ])
            .await;
        tenant.holds("ada", &[("kinto-editors", "Granted")]).await;
        tenant.holds("bob", &[("kinto-editors", "Granted")]).await;
    };
    let others = async {
        for outsider in &outsiders {
            by_hand(&kinto, |members| members.push(outsider.clone())).await;
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
    };
    tokio::join!(hire, others);
    tenant.until("all are in", with(&["ada", "bob"]), members).await;
    let strangers: Vec<&str> = outsiders.iter().map(String::as_str).collect();
    tenant.unmanaged("kinto-editors", &strangers).await;

    by_hand(&kinto, |members| members.retain(|name| name != "account:ada")).await;
    tenant.until("Ada is put back", with(&["ada", "bob"]), members).await;

    tenant.apply(&[person("ada", "Sales"), leaver("bob", "Product")]).await;
    tenant.until("both are out", with(&[]), members).await;
    tenant.holds("ada", &[]).await;
    tenant.holds("bob", &[]).await;
}
