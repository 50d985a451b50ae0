//! A SCIM service that answers 200 and does nothing: what it says is never taken for what is.

use rollcall_support::merge::Company;
use rollcall_support::proxy::{Proxy, Script};
use rollcall_support::scim_server::{ScimOptions, service_provider_config};
use rollcall_support::world::{World, WorldOptions};
use serde_json::Value;

use crate::tenant::{Tenant, person};

/// Says yes to every change of a group, in whichever way it is asked for, and forgets it.
fn idle(proxy: &Proxy) {
    proxy.respond_with(
        |request| request.method != "GET" && request.path.contains("/Groups/"),
        200,
        &[("content-type", "application/scim+json")],
        "{}",
        usize::MAX,
    );
}

async fn last_error(tenant: &Tenant, name: &str) -> (String, String) {
    let employee = tenant.world.get("Employee", name).await;
    let record = &employee["status"]["entitlements"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&record["state"]), text(&record["lastError"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_that_changes_nothing_grants_and_revokes_nothing() {
    let mut options = WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::empty());
    options.script = Some(Script::none());
    options.scim = ScimOptions {
        service_provider_config: Some(service_provider_config(true, true, false)),
        ..ScimOptions::default()
    };
    let world = World::new(options).await;
    world.kubectl(&["delete", "hrisconnection/hr", "tsys/cluster"]).await;
    let operator = world.start().await;
    let tenant = Tenant { world, operator };
    let proxy = tenant.world.scim_proxy.as_ref().unwrap();
    tenant
        .apply(&[
            World::group_entitlement("engineering", "Engineering"),
            World::policy("engineers", "{department: {in: [Engineering]}}", &["engineering"]),
            person("ada", "Engineering"),
        ])
        .await;
    tenant.holds("ada", &[("engineering", "Granted")]).await;

    idle(proxy);
    tenant
        .apply(&[person("ada", "Sales"), person("bob", "Engineering")])
        .await;
    // Each is told again, and what is wrong stands in words at the person.
    for (name, state, words) in [
        (
            "ada",
            "Revoking",
            "was told to take it from the account, and the account still has it",
        ),
        (
            "bob",
            "Granting",
            "was told to give it to the account, and the account does not have it",
        ),
    ] {
        tenant
            .until(&format!("{name} is {state}"), (state.to_owned(), true), async || {
                let (state, error) = last_error(&tenant, name).await;
                (state, error.contains(words))
            })
            .await;
    }
    let changes = || proxy.count("PATCH", "*/Groups/*") + proxy.count("PUT", "*/Groups/*");
    let before = changes();
    tenant
        .until("both are tried again", true, async || changes() >= before + 2)
        .await;
    for (name, state) in [("ada", "Revoking"), ("bob", "Granting")] {
        assert_eq!(last_error(&tenant, name).await.0, state);
    }
    let done = tenant.world.audit();
    let done = done
        .iter()
        .filter(|line| line["answer"] == "done, and read back" && line["entitlement"] == "engineering");
    assert_eq!(done.count(), 1, "the grant of before");

    // Mended there, it is done here by itself.
    proxy.clear_faults();
    tenant.holds("ada", &[]).await;
    tenant.holds("bob", &[("engineering", "Granted")]).await;
    tenant
        .world
        .has_members(&tenant.operator, "Engineering", &["bob"])
        .await;
}
