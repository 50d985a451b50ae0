//! The control plane does what Rollcall's tests rely on.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rollcall_support::control_plane::{ControlPlane, KUBERNETES_VERSION, client};
use std::time::Duration;

const CRD: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.test.rollcall.dev}
spec:
  group: test.rollcall.dev
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {size: {type: integer}}
            x-kubernetes-validations:
            - {rule: self.size < 10, message: size must be less than 10}
";

fn thing(size: u32) -> String {
    format!("{{apiVersion: test.rollcall.dev/v1, kind: Thing, metadata: {{name: one}}, spec: {{size: {size}}}}}")
}

#[tokio::test]
async fn versions() {
    let plane = ControlPlane::shared().await;
    let version = plane.kubectl(&["version"]).await.unwrap();
    if plane.binaries().built {
        assert!(
            version.contains(&format!("Client Version: {KUBERNETES_VERSION}")),
            "{version}"
        );
        assert!(
            version.contains(&format!("Server Version: {KUBERNETES_VERSION}")),
            "{version}"
        );
    } else {
        assert!(version.contains("Server Version: v1."), "{version}");
    }
}

#[tokio::test]
async fn two_side_by_side() {
    let shared = ControlPlane::shared();
    let other = ControlPlane::start();
    let (shared, other) = tokio::join!(shared, other);
    let other = other.unwrap();
    assert_ne!(shared.url(), other.url());
    let namespace = shared.namespace("here").await.unwrap();
    shared.kubectl(&["get", "namespace", &namespace]).await.unwrap();
    let error = other
        .kubectl(&["get", "namespace", &namespace])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("NotFound"), "{error}");
    let dir = other.dir().to_owned();
    drop(other);
    assert!(!dir.exists());
}

#[tokio::test]
async fn custom_resources_namespaces_and_garbage() {
    let plane = ControlPlane::shared().await;
    plane.apply(CRD).await.unwrap();
    let namespace = plane.namespace("things").await.unwrap();
    let apply = ["apply", "--server-side", "-n", &namespace, "-f", "-"];
    plane.kubectl_with(&apply, Some(&thing(3)), None).await.unwrap();
    let error = plane
        .kubectl_with(&apply, Some(&thing(30)), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("size must be less than 10"), "{error}");

    // A dependent goes with its owner.
    plane
        .kubectl(&["create", "configmap", "owner", "-n", &namespace])
        .await
        .unwrap();
    let uid = plane
        .kubectl(&[
            "get",
            "configmap",
            "owner",
            "-n",
            &namespace,
            "-o",
            "jsonpath={.metadata.uid}",
        ])
        .await;
    let dependent = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: dependent, ownerReferences: \
         [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {}}}]}}}}",
        uid.unwrap()
    );
    plane.kubectl_with(&apply, Some(&dependent), None).await.unwrap();
    plane
        .kubectl(&["delete", "configmap", "owner", "-n", &namespace])
        .await
        .unwrap();
    let wait = [
        "wait",
        "--for=delete",
        "configmap/dependent",
        "--timeout=20s",
        "-n",
        &namespace,
    ];
    plane.kubectl(&wait).await.unwrap();

    namespace.delete().await.unwrap();
    let error = plane
        .kubectl(&["get", "namespace", &namespace])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("NotFound"), "{error}");
}

#[tokio::test]
async fn rbac_denies_until_it_allows() {
    use k8s_openapi::api::core::v1::Secret;
    use kube::api::{Api, ListParams};

    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("rbac").await.unwrap();
    let kubeconfig = plane
        .service_account_kubeconfig(&namespace, "nobody", None)
        .await
        .unwrap();
    let secrets: Api<Secret> = Api::namespaced(client(&kubeconfig).await.unwrap(), &namespace);
    let denied = secrets.list(&ListParams::default()).await.unwrap_err();
    assert!(
        matches!(&denied, kube::Error::Api(status) if status.code == 403),
        "{denied}"
    );
    let get = ["get", "secrets"];
    let error = plane
        .kubectl_with(&get, None, Some(&kubeconfig))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("Forbidden"), "{error}");

    let account = format!("--serviceaccount={namespace}:nobody");
    plane
        .kubectl(&[
            "create",
            "rolebinding",
            "admin",
            "--clusterrole=admin",
            &account,
            "-n",
            &namespace,
        ])
        .await
        .unwrap();
    let allowed = async || secrets.list(&ListParams::default()).await.is_ok();
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while !allowed().await {
        assert!(std::time::Instant::now() < end, "the binding has no effect");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_restarted_api_server_keeps_its_objects() {
    let plane = ControlPlane::start().await.unwrap();
    let namespace = plane.namespace("kept").await.unwrap();
    plane.stop_api_server();
    let error = plane
        .kubectl(&["get", "namespace", &namespace])
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("refused"), "{error}");
    plane.start_api_server().await.unwrap();
    plane.kubectl(&["get", "namespace", &namespace]).await.unwrap();
    plane.restart_api_server().await.unwrap();
    // The controller manager has come along.
    namespace.delete().await.unwrap();
}
