//! People whom a test has come, move and leave at moments of its own choosing.

use std::collections::BTreeMap;
use std::time::Duration;

use rollcall_support::operator::Operator;
use rollcall_support::story::list;
use rollcall_support::world::World;

/// How changes come in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// As kubectl applies them, while the operator is at work.
    AsTheyCome,
    /// All wait at the same time for their account to be looked up.
    LookUps,
    /// So many intents are on record at the same time.
    Intents(usize),
}

/// Applies people, in the way of `arrival`: all at once means that the target is paused until all of it stands on the
/// desk.
pub async fn arrive(
    world: &World,
    operator: &Operator,
    target: &str,
    names: &[String],
    people: &[String],
    arrival: Arrival,
) {
    if arrival == Arrival::AsTheyCome {
        world.apply(&people.concat()).await;
        return;
    }
    world
        .kubectl(&["annotate", "tsys", target, "rollcall.dev/paused=yes"])
        .await;
    world
        .says(operator, ("TargetSystem", target), "Ready=True/Paused", &[])
        .await;
    // The writer looks at the annotation between rounds, and a round that began before is over by then.
    world.quiet(Duration::from_secs(1)).await;
    world.apply(&people.concat()).await;
    world
        .eventually(operator, "everything stands on the desk", async || {
            let employees = world.list("Employee").await;
            let (found, wanted) = match arrival {
                Arrival::Intents(wanted) => {
                    let records = employees
                        .iter()
                        .flat_map(|employee| list(&employee["status"]["entitlements"]));
                    let found = records.filter(|record| record["state"] == "Granting" || record["state"] == "Revoking");
                    (found.count(), wanted)
                }
                // Whose facts are on record by then waits for nothing else.
                Arrival::LookUps | Arrival::AsTheyCome => {
                    let found = employees.iter().filter(|employee| {
                        let named = names.iter().any(|name| employee["metadata"]["name"] == **name);
                        named && employee["status"]["observedGeneration"] == employee["metadata"]["generation"]
                    });
                    (found.count(), names.len())
                }
            };
            (found == wanted)
                .then_some(())
                .ok_or_else(|| format!("{found} of {wanted}"))
        })
        .await;
    world
        .kubectl(&["annotate", "tsys", target, "rollcall.dev/paused-"])
        .await;
}

/// Waits until no record says that anything is under way, and of these people what they are to hold.
pub async fn settled(
    world: &World,
    operator: &Operator,
    target: &str,
    patience: Duration,
    wanted: &BTreeMap<String, &[&str]>,
) {
    world
        .eventually_within(patience, operator, "everybody has what they should", async || {
            let employees = world.list("Employee").await;
            let mut wrong = Vec::new();
            for (name, wanted) in wanted {
                let found = employees.iter().find(|employee| employee["metadata"]["name"] == **name);
                let records = found.map(|employee| &employee["status"]["entitlements"]);
                let live = records
                    .into_iter()
                    .flat_map(list)
                    .filter(|record| record["state"] != "Revoked");
                let states: BTreeMap<_, _> = live
                    .map(|record| {
                        (
                            record["entitlement"].as_str().unwrap_or_default(),
                            record["state"].clone(),
                        )
                    })
                    .collect();
                let right = states.keys().eq(wanted.iter()) && states.values().all(|state| state == "Granted");
                let accounts = found.map(|employee| &employee["status"]["accounts"]);
                let account = accounts
                    .into_iter()
                    .flat_map(list)
                    .find(|account| account["target"] == target);
                let said = if wanted.is_empty() { "Deactivated" } else { "Active" };
                let decided = found.is_some_and(|employee| {
                    employee["status"]["observedGeneration"] == employee["metadata"]["generation"]
                });
                if !right || !decided || account.is_none_or(|account| account["state"] != said) {
                    let account = account.map(|account| account["state"].clone());
                    wrong.push(format!("{name}: {account:?} {states:?}"));
                }
            }
            wrong.is_empty().then_some(()).ok_or_else(|| wrong.join("\n"))
        })
        .await;
}

/// So many names.
pub fn names(prefix: &str, number: usize) -> Vec<String> {
    (0..number).map(|at| format!("{prefix}{at}")).collect()
}
