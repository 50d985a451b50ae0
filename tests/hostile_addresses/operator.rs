//! The same through the operator: what people read on the objects, and whose Secrets are read.

use rollcall::egress::{Egress, EgressError, Rules};
use rollcall_support::merge::Company;
use rollcall_support::operator::Operator;
use rollcall_support::world::{World, WorldOptions};
use serde_json::Value;

use crate::{Wire, ask, client};

/// A target whose address and Secret are the author's to choose.
fn target(name: &str, url: &str, secret: &str) -> String {
    format!(
        "apiVersion: rollcall.dev/v1alpha1\nkind: TargetSystem\nmetadata: {{name: {name}}}\nspec:\n  scim:\n    baseURL: \
         '{url}'\n    bearerTokenSecretRef: {{name: '{secret}', key: token}}\n  adopt: Never\n---\n"
    )
}

fn connection(name: &str, url: &str) -> String {
    format!(
        "apiVersion: rollcall.dev/v1alpha1\nkind: HRISConnection\nmetadata: {{name: {name}}}\nspec:\n  merge: {{baseURL: \
         '{url}'}}\n  apiKeySecretRef: {{name: merge, key: api-key}}\n  accountTokenSecretRef: {{name: merge, key: \
         account-token}}\n  syncInterval: 1s\n  termination: {{defaultTimeZone: UTC}}\n---\n"
    )
}

/// Waits until the condition of this type has this reason; its message.
async fn condition(world: &World, operator: &Operator, object: [&str; 2], type_: &str, reason: &str) -> String {
    let mut message = String::new();
    world
        .eventually(operator, &format!("{object:?} is {reason}"), async || {
            let status = world.get(object[0], object[1]).await["status"].take();
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let found = conditions.iter().find(|condition| condition["type"] == type_);
            let found = found.filter(|condition| condition["reason"] == reason && condition["status"] == "False");
            let said = found.and_then(|found| found["message"].as_str());
            said.unwrap_or_default().clone_into(&mut message);
            found.map(|_| ()).ok_or_else(|| Value::from(conditions).to_string())
        })
        .await;
    message
}

/// The tests' operator may reach loopback by IPv4, and nothing else that is not public.
#[tokio::test(flavor = "multi_thread")]
async fn objects_say_that_their_address_is_refused_and_other_tenants_secrets_are_not_read() {
    let wire = Wire::lay();
    let company = Company::realistic(3, 5);
    let mut options = WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), company);
    options.args = vec!["--egress-deny".to_owned(), "127.0.0.3,127.0.0.4/30".to_owned()];
    let world = World::new(options).await;
    let neighbour = world.plane.namespace("neighbour").await.unwrap();
    let secret = [
        "create",
        "secret",
        "generic",
        "theirs",
        "--from-literal=token=th3irs",
        "-n",
        &neighbour,
    ];
    world.plane.kubectl(&secret).await.unwrap();
    let metadata = "http://169.254.169.254/latest/meta-data";
    world
        .apply(
            &[
                target("private", "https://10.0.0.7/scim", "directory"),
                target("metadata", metadata, "directory"),
                target("closed", &format!("http://127.0.0.3:{}/scim", wire.port), "directory"),
                target("neighbours", "https://10.0.0.7/scim", "theirs"),
                connection("metadata", metadata),
            ]
            .concat(),
        )
        .await;
    // A way to the neighbour's Secret that the rules of the definition close: by a field, and by the path of the API.
    let climbing = target(
        "climbing",
        "https://10.0.0.7/scim",
        &format!("../../{}/secrets/theirs", &*neighbour),
    );
    let field = target("field", "https://10.0.0.7/scim", "theirs")
        .replace("key: token", &format!("key: token, namespace: '{}'", &*neighbour));
    for (manifest, words) in [
        (climbing, "lower-case letters"),
        (field, "bearerTokenSecretRef.namespace"),
    ] {
        let error = world.try_apply(&manifest).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    let operator = world.start().await;
    for (name, words) in [
        (
            "private",
            "10.0.0.7 is a private address, and only public ones may be reached",
        ),
        ("metadata", "169.254.169.254 is where a cloud gives out credentials"),
        ("closed", "127.0.0.3 is closed by the operator's --egress-deny"),
    ] {
        let message = condition(&world, &operator, ["TargetSystem", name], "Reachable", "AddressRefused").await;
        assert!(
            message.starts_with("The target may not be reached: ") && message.contains(words),
            "{message}"
        );
    }
    let of = ["HRISConnection", "metadata"];
    let message = condition(&world, &operator, of, "SourceTrusted", "AddressRefused").await;
    assert!(
        message.starts_with("Merge may not be reached: 169.254.169.254 is "),
        "{message}"
    );
    let of = ["TargetSystem", "neighbours"];
    let message = condition(&world, &operator, of, "Reachable", "SecretMissing").await;
    let own = format!("Secret theirs does not exist in namespace {}", &*world.namespace);
    assert!(message.contains(&own), "{message}");

    // An opened address is no trusted one: the API server's certificate is not of an authority that the system knows.
    let opened = client(&Egress::new(Rules::opening(&["127.0.0.1"]).unwrap()));
    let api_server = world.plane.url().replace("localhost", "127.0.0.1").parse().unwrap();
    let error = ask(&opened, api_server).await.unwrap_err();
    assert!(
        matches!(&error, EgressError::NotSent(why) if why.contains("certificate")),
        "{error:?}"
    );

    assert!(wire.untouched());
    assert!(!operator.logs().contains("th3irs"));
}
