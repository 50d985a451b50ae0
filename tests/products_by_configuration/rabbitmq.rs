//! Users, tags that stand in a user who is written whole, and permissions with parameters.

use rollcall_support::products::RabbitMq;
use serde_json::json;

use crate::tenant::{Tenant, leaver, person, secret, shelf};

const ADA: &str = "ada@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_written_whole_and_permissions_with_parameters() {
    let (broker, tenant) = tokio::join!(RabbitMq::start(), Tenant::new());
    let broker = broker.unwrap();
    let made = broker.request("PUT", "/api/vhosts/orders", None).await.unwrap();
    assert_eq!(made.status, 201);
    let target = shelf("rabbitmq", |spec| {
        spec["http"]["baseURL"] = json!(format!("{}/api", broker.url()));
        spec["http"]["auth"]["basic"]["username"] = json!(broker.user());
    });
    // Tags, and what may be read and written.
    let look = async || {
        let tags = broker.tags(ADA).await.unwrap().unwrap_or_default().join(",");
        let permissions = broker.permissions(ADA).await.unwrap_or_default();
        let permissions = permissions.into_iter().map(|one| (one.read, one.write));
        (tags, permissions.collect::<Vec<_>>())
    };
    let with = |tags: &str, permissions: &[(&str, &str)]| {
        let permissions = permissions
            .iter()
            .map(|(read, write)| ((*read).to_owned(), (*write).to_owned()));
        (tags.to_owned(), permissions.collect::<Vec<_>>())
    };
    tenant
        .apply(&[
            secret("rabbitmq", "password", broker.password()),
            target,
            person("ada", "Engineering"),
        ])
        .await;
    let reads = with("", &[("^orders\\.", "^$")]);
    tenant.until("Ada is hired", reads.clone(), look).await;
    tenant.holds("ada", &[("rabbitmq-orders", "Granted")]).await;

    // Others let her log in, and give her a tag: both are in the user that is written whole for our tag.
    let user = json!({"password": "known", "tags": "management"});
    let path = format!("/api/users/{ADA}");
    assert_eq!(broker.request("PUT", &path, Some(&user)).await.unwrap().status, 204);
    tenant.apply(&[person("ada", "Platform")]).await;
    let all = with("management,monitoring", &[(".*", ".*")]);
    tenant.until("Ada is promoted", all.clone(), look).await;
    let both = [("rabbitmq-orders", "Granted"), ("rabbitmq-monitoring", "Granted")];
    tenant.holds("ada", &both).await;
    assert!(broker.can_log_in(ADA, "known").await.unwrap());

    let path = format!("/api/permissions/orders/{ADA}");
    assert_eq!(broker.request("DELETE", &path, None).await.unwrap().status, 204);
    tenant.until("what was taken is given again", all, look).await;
    tenant.holds("ada", &both).await;

    tenant.apply(&[person("ada", "Engineering")]).await;
    let fewer = with("management", &[("^orders\\.", "^$")]);
    tenant.until("Ada has moved", fewer, look).await;
    tenant.holds("ada", &[("rabbitmq-orders", "Granted")]).await;

    tenant.apply(&[leaver("ada", "Engineering")]).await;
    tenant.until("Ada has left", with("management", &[]), look).await;
    tenant
        .until("nobody gets in as her", false, async || {
            broker.can_log_in(ADA, "known").await.unwrap()
        })
        .await;
    tenant.holds("ada", &[]).await;
}
