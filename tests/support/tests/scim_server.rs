//! The SCIM server does what Rollcall's tests rely on.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rollcall_support::scim_server::{ScimOptions, ScimServer, service_provider_config};
use serde_json::{Value, json};

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

fn patch(operation: &Value) -> Value {
    json!({"schemas": [PATCH], "Operations": [operation]})
}

#[tokio::test]
async fn everything_supported() {
    let server = ScimServer::start(ScimOptions::default()).await.unwrap();
    let ada = server.create_user("ada@example.com").await.unwrap();
    let bob = server.create_user("Bob@example.com").await.unwrap();
    let group = server.create_group("engineers").await.unwrap();
    assert_eq!(server.members("engineers").await.unwrap(), Vec::<String>::new());
    server.add_member(&group, &bob).await.unwrap();
    let add = patch(&json!({"op": "add", "path": "members", "value": [{"value": ada}]}));
    let (status, _) = server
        .request("PATCH", &format!("/Groups/{group}"), Some(&add))
        .await
        .unwrap();
    assert!([200, 204].contains(&status), "{status}");
    assert_eq!(
        server.members("engineers").await.unwrap(),
        ["Bob@example.com", "ada@example.com"]
    );
    server.remove_member(&group, &bob).await.unwrap();
    let remove = patch(&json!({"op": "remove", "path": format!("members[value eq \"{ada}\"]")}));
    server
        .request("PATCH", &format!("/Groups/{group}"), Some(&remove))
        .await
        .unwrap();
    assert_eq!(server.members("engineers").await.unwrap(), Vec::<String>::new());

    assert_eq!(server.user("bob@EXAMPLE.com").await.unwrap().unwrap()["id"], *bob);
    let (status, found) = server
        .request("GET", "/Users?filter=userName%20eq%20%22ada@example.com%22", None)
        .await
        .unwrap();
    assert_eq!(
        (status, &found["totalResults"], &found["Resources"][0]["id"]),
        (200, &json!(1), &json!(ada))
    );
    let (status, _) = server
        .request(
            "POST",
            "/Users",
            Some(&json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ADA@example.com",
            })),
        )
        .await
        .unwrap();
    assert_eq!(status, 409);
    let (status, _) = server.request("DELETE", &format!("/Users/{ada}"), None).await.unwrap();
    assert_eq!(status, 204);

    let answer = reqwest::get(format!("{}/Users", server.base_url())).await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);

    server.stop();
    assert!(server.users().await.is_err());
    server.resume().await.unwrap();
    assert_eq!(server.users().await.unwrap().len(), 0);
}

#[tokio::test]
async fn without_patch_filter_and_bulk() {
    let options = ScimOptions {
        service_provider_config: Some(service_provider_config(false, false, false)),
        bearer_token: Some("secret".into()),
    };
    let server = ScimServer::start(options).await.unwrap();
    assert_eq!(server.token(), "secret");
    let (_, config) = server.request("GET", "/ServiceProviderConfig", None).await.unwrap();
    assert_eq!(
        (&config["patch"]["supported"], &config["bulk"]["supported"]),
        (&json!(false), &json!(false))
    );
    let ada = server.create_user("ada@example.com").await.unwrap();
    let group = server.create_group("engineers").await.unwrap();
    let add = patch(&json!({"op": "add", "path": "members", "value": [{"value": ada}]}));
    assert_eq!(
        server
            .request("PATCH", &format!("/Groups/{group}"), Some(&add))
            .await
            .unwrap()
            .0,
        501
    );
    assert_eq!(
        server
            .request("GET", "/Users?filter=userName%20eq%20%22a%22", None)
            .await
            .unwrap()
            .0,
        501
    );
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": []});
    assert_eq!(server.request("POST", "/Bulk", Some(&bulk)).await.unwrap().0, 501);
    server.add_member(&group, &ada).await.unwrap();
    assert_eq!(server.members("engineers").await.unwrap(), ["ada@example.com"]);
}

#[tokio::test]
async fn without_filter_paths_of_patch_still_work() {
    let options = ScimOptions {
        service_provider_config: Some(service_provider_config(true, false, true)),
        ..ScimOptions::default()
    };
    let server = ScimServer::start(options).await.unwrap();
    let ada = server.create_user("ada@example.com").await.unwrap();
    let group = server.create_group("engineers").await.unwrap();
    server.add_member(&group, &ada).await.unwrap();
    let remove = patch(&json!({"op": "remove", "path": format!("members[value eq \"{ada}\"]")}));
    let (status, _) = server
        .request("PATCH", &format!("/Groups/{group}"), Some(&remove))
        .await
        .unwrap();
    assert!([200, 204].contains(&status), "{status}");
    assert_eq!(server.members("engineers").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_supported_only_on_some() {
    // Many users come in pages.
    let server = ScimServer::start(ScimOptions::default()).await.unwrap();
    let operations: Vec<Value> = (0..300)
        .map(|number| {
            json!({"method": "POST", "path": "/Users", "bulkId": format!("b{number}"), "data": {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("user{number}"),
            }})
        })
        .collect();
    let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
    let (status, _) = server.request("POST", "/Bulk", Some(&bulk)).await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(server.users().await.unwrap().len(), 300);
}
