//! An entitlement with a parameter: the limit of a card is raised at once, and lowered only after the guard let it go.

use rollcall_support::bank::{Bank, Habits};
use rollcall_support::world::World;
use serde_json::json;

use crate::tenant::{Tenant, employee, object};

fn leads(limit: &str) -> String {
    object(
        "ProvisioningPolicy",
        "leads",
        &json!({
            "mode": "Enforce", "priority": 10, "selector": {"jobTitle": ["Lead"]},
            "entitlements": [{"name": "travel", "parameters": {"limit": limit}}],
        }),
    )
}

/// I4, I6: the same card all the time; raised at once, lowered by the guard.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_raised_at_once_and_lowered_by_the_guard() {
    let habits = Habits {
        keys: true,
        ..Habits::default()
    };
    let (bank, tenant) = tokio::join!(Bank::open(habits), Tenant::new());
    let people = |title: &str| ["ada", "bob", "eve"].map(|name| employee(name, "Sales", &json!({"jobTitle": title})));
    let travel = json!({
        "targetRef": {"name": "bank"}, "http": {"kind": "limited-card", "inputs": {"program": "travel"}},
        "parameters": [{"name": "limit", "type": "Integer", "default": "100", "minimum": 0, "maximum": 5000}],
    });
    let mut parts = vec![
        format!("{}\n---\n", bank.manifest(bank.url())),
        object("Entitlement", "travel", &travel),
        World::policy("everyone", "{everyone: true}", &["travel"]),
        leads("900"),
    ];
    parts.extend(people("Clerk"));
    tenant.apply(&parts).await;
    let limits = async || {
        let mut limits: Vec<(String, i64)> = Vec::new();
        for (holder, card) in bank.cards() {
            limits.push((
                format!("{holder} {}", if card.open { "open" } else { "shut" }),
                card.limit,
            ));
        }
        limits.sort();
        limits
    };
    let all = |limit: i64| {
        let ids = ["p0", "p1", "p2"].map(|id| (format!("{id} open"), limit));
        ids.to_vec()
    };
    tenant.until("everybody has a card", all(100), limits).await;
    for name in ["ada", "bob", "eve"] {
        tenant.holds(name, &[("travel", "Granted")]).await;
    }
    let guard = r#"{"spec": {"guard": {"maxPeople": 0, "maxPercent": 0}}}"#;
    tenant
        .world
        .kubectl(&["patch", "tsys", "bank", "--type=merge", "-p", guard])
        .await;

    tenant.apply(&people("Lead")).await;
    tenant.until("the limit is raised", all(900), limits).await;
    for name in ["ada", "bob", "eve"] {
        tenant.holds(name, &[("travel", "Granted")]).await;
    }

    // Lowered by an edit of the policy: a loss, for which there is no room.
    tenant.apply(&[leads("300")]).await;
    tenant
        .until("it is held", 1, async || tenant.world.list("ChangeSet").await.len())
        .await;
    tenant
        .until("a person is to decide", (json!("PolicyChange"), json!(3)), async || {
            let sets = tenant.world.list("ChangeSet").await;
            (sets[0]["status"]["cause"].clone(), sets[0]["status"]["people"].clone())
        })
        .await;
    let set = tenant.world.list("ChangeSet").await.remove(0);
    assert_eq!(limits().await, all(900));
    for name in ["ada", "bob", "eve"] {
        tenant.holds(name, &[("travel", "Held")]).await;
    }
    let ada = tenant.world.get("Employee", "ada").await;
    assert_eq!(
        ada["status"]["entitlements"][0]["appliedParameters"],
        json!({"limit": "900"})
    );

    let patch = json!({"spec": {"decision": "Approve", "digest": set["status"]["digest"], "reason": "as agreed"}});
    let name = set["metadata"]["name"].as_str().unwrap();
    tenant
        .world
        .kubectl(&["patch", "chgset", name, "--type=merge", "-p", &patch.to_string()])
        .await;
    tenant.until("the limit is lowered", all(300), limits).await;
    for name in ["ada", "bob", "eve"] {
        tenant.holds(name, &[("travel", "Granted")]).await;
    }
    assert_eq!(bank.twice(), Vec::<String>::new());
    assert_eq!(bank.cards().len(), 3);
}
