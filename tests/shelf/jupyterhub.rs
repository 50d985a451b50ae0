use rollcall::targets::Target as _;
use rollcall_support::products::JupyterHub;

use crate::stage::{Stage, person};

#[tokio::test]
async fn jupyterhub_from_hire_to_leave() {
    let hub = JupyterHub::start().await.unwrap();
    for group in ["analysts", "gpu"] {
        let made = hub.request("POST", &format!("/groups/{group}"), None).await.unwrap();
        assert_eq!(made.status, 201);
    }
    // More people than a page of the list holds.
    for number in 0..120 {
        let made = hub
            .request("POST", &format!("/users/other{number}"), None)
            .await
            .unwrap();
        assert_eq!(made.status, 201);
    }
    let stage = Stage::set("jupyterhub", &hub.url(), &[("value", hub.token())]);
    let ada = person("ada");
    let id = stage.hire(&ada).await;
    assert_eq!(stage.target.accounts().await.unwrap().unwrap().len(), 121, "all pages");

    stage.grant(&id, "jupyter-analysts", &ada, &[]).await;
    stage.held(&id, "jupyter-analysts").await;
    assert_eq!(hub.groups().await.unwrap()["analysts"], std::slice::from_ref(&id));
    // Another role: one group for the other.
    stage.grant(&id, "jupyter-gpu", &ada, &[]).await;
    stage.revoke(&id, "jupyter-analysts").await;
    let groups = hub.groups().await.unwrap();
    assert_eq!(groups["gpu"], std::slice::from_ref(&id));
    assert_eq!(groups["analysts"], Vec::<String>::new());

    stage.revoke(&id, "jupyter-gpu").await;
    stage.target.delete_account(&id).await.unwrap();
    stage.target.delete_account(&id).await.unwrap();
    assert!(stage.account(&id).await.is_none());
    assert!(!hub.users().await.unwrap().contains(&id));
}
