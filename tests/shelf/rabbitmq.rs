use rollcall::targets::Target as _;
use rollcall_support::products::{Permission, RabbitMq};
use serde_json::json;

use crate::stage::{Stage, person};

async fn set(broker: &RabbitMq) -> Stage {
    for vhost in ["orders"] {
        let made = broker
            .request("PUT", &format!("/api/vhosts/{vhost}"), None)
            .await
            .unwrap();
        assert_eq!(made.status, 201);
    }
    Stage::set_with("rabbitmq", &[("password", broker.password())], |http| {
        http.base_url = format!("{}/api", broker.url());
        let basic = http.auth.as_mut().unwrap().basic.as_mut().unwrap();
        broker.user().clone_into(&mut basic.username);
    })
}

fn permission(configure: &str, write: &str, read: &str) -> Permission {
    let [vhost, configure, write, read] = ["orders", configure, write, read].map(String::from);
    Permission {
        vhost,
        configure,
        write,
        read,
    }
}

#[tokio::test]
async fn rabbitmq_from_hire_to_leave() {
    let broker = RabbitMq::start().await.unwrap();
    let stage = set(&broker).await;
    let ada = person("ada");
    let id = stage.hire(&ada).await;
    assert_eq!(broker.users().await.unwrap(), ["ada@example.com"]);

    // Hired: reads orders, sees the broker.
    stage.grant(&id, "rabbitmq-orders", &ada, &[]).await;
    stage.grant(&id, "rabbitmq-monitoring", &ada, &[]).await;
    assert_eq!(
        broker.permissions(&id).await.unwrap(),
        [permission("^$", "^$", "^orders\\.")]
    );
    assert_eq!(broker.tags(&id).await.unwrap().unwrap(), ["monitoring"]);
    assert_eq!(
        stage.held(&id, "rabbitmq-orders").await.parameters["read"],
        "^orders\\."
    );
    stage.held(&id, "rabbitmq-monitoring").await;

    // Promoted: the same object with more.
    let all = [("configure", ".*"), ("write", ".*"), ("read", ".*")];
    stage.update(&id, "rabbitmq-orders", &ada, &all).await;
    assert_eq!(broker.permissions(&id).await.unwrap(), [permission(".*", ".*", ".*")]);
    assert_eq!(stage.held(&id, "rabbitmq-orders").await.parameters["write"], ".*");

    // Gone: nothing held, and no password is right.
    let user = json!({"password": "known", "tags": "monitoring,management"});
    let path = format!("/api/users/{id}");
    assert_eq!(broker.request("PUT", &path, Some(&user)).await.unwrap().status, 204);
    assert!(broker.can_log_in(&id, "known").await.unwrap());
    stage.revoke(&id, "rabbitmq-orders").await;
    stage.revoke(&id, "rabbitmq-monitoring").await;
    assert_eq!(broker.permissions(&id).await.unwrap(), []);
    // A tag that others gave stays, and so does the password while only a tag is taken.
    assert_eq!(broker.tags(&id).await.unwrap().unwrap(), ["management"]);
    assert!(broker.can_log_in(&id, "known").await.unwrap());
    stage.target.deactivate_account(&id).await.unwrap();
    assert!(!stage.account(&id).await.unwrap().active);
    assert!(!broker.can_log_in(&id, "known").await.unwrap());
    assert_eq!(broker.tags(&id).await.unwrap().unwrap(), ["management"]);

    // Back again: usable, with what others gave, and with no password that anybody knows.
    stage.target.update_account(&id, &ada, true).await.unwrap();
    assert!(stage.account(&id).await.unwrap().active);
    for password in ["known", ""] {
        assert!(!broker.can_log_in(&id, password).await.unwrap());
    }
    stage.target.delete_account(&id).await.unwrap();
    stage.target.delete_account(&id).await.unwrap();
    assert_eq!(broker.users().await.unwrap(), Vec::<String>::new());
}
