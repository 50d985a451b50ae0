//! Does an operator that is told to stop end in order?
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use rollcall_support::merge::Company;
use rollcall_support::proxy::{Script, request};
use rollcall_support::scim_server::service_provider_config;
use rollcall_support::world::{OPERATOR, World, WorldOptions};

/// I4, I5: it finishes what it is sending, gives the Lease back, and its successor goes on at once without doing anything
/// twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_hiring_hands_over() {
    let mut options = WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::realistic(40, 3));
    options.script = Some(Script::none());
    // Account by account, so that the stop comes between two of them.
    options.scim.service_provider_config = Some(service_provider_config(true, true, false));
    // A Lease that is not given back would keep the successor waiting for longer than this story lasts.
    options.args = ["--lease-seconds", "300"].map(str::to_owned).to_vec();
    let world = World::new(options).await;
    let yaml = [
        World::group_entitlement("everyone", "Everyone"),
        World::policy("everyone", "{everyone: true}", &["everyone"]),
    ];
    world.apply(&yaml.concat()).await;
    let scim = world.scim_proxy.as_ref().expect("a proxy");
    scim.delay(request("POST", "*/Users"), Duration::from_millis(150), usize::MAX);

    let first = world.start().await;
    world
        .eventually(&first, "hiring is under way", async || {
            let made = scim.count("POST", "*/Users");
            (made >= 5).then_some(()).ok_or_else(|| format!("{made} accounts"))
        })
        .await;
    first.terminate();
    let status = first.wait(Duration::from_secs(30)).await.expect("it ends by itself");
    assert!(status.success(), "{status}: {}", first.logs());
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), OPERATOR.0);
    let lease = leases.get(&world.namespace).await.expect("the Lease");
    let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
    assert_eq!(holder, "", "the Lease was given back");

    let second = world.start().await;
    world
        .eventually(&second, "the successor finishes", async || {
            let members = world
                .scim
                .members("Everyone")
                .await
                .map_err(|error| error.to_string())?
                .len();
            let granted = world
                .list("Employee")
                .await
                .iter()
                .filter(|employee| employee["status"]["counts"]["granted"] == 1)
                .count();
            (members > 25 && members == granted)
                .then_some(())
                .ok_or_else(|| format!("{members} of {granted}"))
        })
        .await;
    let made = scim.count("POST", "*/Users");
    let users = world.scim.users().await.expect("the users").len();
    assert_eq!(made, users, "one creation for each account");
}
