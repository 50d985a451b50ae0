//! A tenant whose people are written by hand, whose one target is read every second, and what its status says.

use std::collections::BTreeMap;
use std::path::Path;

use rollcall_support::merge::Company;
use rollcall_support::operator::Operator;
use rollcall_support::world::{World, WorldOptions};
use serde::Deserialize as _;
use serde_json::{Value, json};

/// A tenant, and its operator.
pub struct Tenant {
    pub world: World,
    pub operator: Operator,
}

/// One object as YAML, which JSON is.
pub fn object(kind: &str, name: &str, spec: &Value) -> String {
    let object = json!({"apiVersion": "rollcall.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    format!("{object}\n---\n")
}

/// A Secret with one key.
pub fn secret(name: &str, key: &str, value: &str) -> String {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: value}});
    format!("{secret}\n---\n")
}

/// Somebody who works in `department`.
pub fn person(name: &str, department: &str) -> String {
    employee(name, department, &json!({}))
}

/// Somebody who has left `department`.
pub fn leaver(name: &str, department: &str) -> String {
    employee(name, department, &json!({"terminationDate": "2025-01-31"}))
}

/// Somebody with more facts.
pub fn employee(name: &str, department: &str, more: &Value) -> String {
    let mut spec = json!({
        "employeeNumber": name, "displayName": format!("{name} Example"), "givenName": name, "familyName": "Example",
        "workEmail": format!("{name}@example.com"), "username": name, "jobTitle": "Editor", "employmentStatus": "ACTIVE",
        "startDate": "2024-02-29", "departments": [{"path": [department]}],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    object("Employee", name, &spec)
}

/// The files of an example of the shelf: the target is changed by `change` and read every second, and policies do what they
/// say.
pub fn shelf(name: &str, change: impl Fn(&mut Value)) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/targets")
        .join(name);
    let mut yaml = String::new();
    for file in ["target.yaml", "entitlements.yaml", "policy.yaml"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let mut document = Value::deserialize(document).unwrap();
            match document["kind"].as_str() {
                Some("TargetSystem") => {
                    document["spec"]["resync"] = json!("1s");
                    document["spec"]["rateLimit"] = json!({"requestsPerMinute": 600_000});
                    change(&mut document["spec"]);
                }
                Some("ProvisioningPolicy") => document["spec"]["mode"] = json!("Enforce"),
                _ => {}
            }
            yaml.push_str(&document.to_string());
            yaml.push_str("\n---\n");
        }
    }
    yaml
}

impl Tenant {
    /// A tenant with a running operator, and with nothing to wait for but what is applied to it.
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same with more arguments for the operator.
    pub async fn with(args: &[&str]) -> Self {
        let mut options = WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::empty());
        options.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let world = World::new(options).await;
        world
            .kubectl(&["delete", "hrisconnection/hr", "tsys/directory", "tsys/cluster"])
            .await;
        let operator = world.start().await;
        Self { world, operator }
    }

    pub async fn apply(&self, parts: &[String]) {
        self.world.apply(&parts.concat()).await;
    }

    /// Waits until what `look` sees is `wanted`.
    pub async fn until<T: PartialEq + std::fmt::Debug>(&self, what: &str, wanted: T, mut look: impl AsyncFnMut() -> T) {
        self.world
            .eventually(&self.operator, what, async || {
                let seen = look().await;
                if seen == wanted {
                    Ok(())
                } else {
                    Err(format!("{seen:?}, and not {wanted:?}"))
                }
            })
            .await;
    }

    /// Waits until these are the states of what is on record for a person, but for what was taken.
    pub async fn holds(&self, name: &str, wanted: &[(&str, &str)]) {
        let wanted: BTreeMap<String, String> = wanted
            .iter()
            .map(|(entitlement, state)| ((*entitlement).to_owned(), (*state).to_owned()))
            .collect();
        self.world
            .eventually(&self.operator, &format!("{name} holds {wanted:?}"), async || {
                let mut held = self.records(name).await;
                held.retain(|_, state| state != "Revoked");
                if held == wanted {
                    return Ok(());
                }
                let employee = self.world.get("Employee", name).await;
                Err(format!("{held:?}: {}", employee["status"]))
            })
            .await;
    }

    /// The states of all that is on record for a person.
    pub async fn records(&self, name: &str) -> BTreeMap<String, String> {
        let employee = self.world.get("Employee", name).await;
        let records = employee["status"]["entitlements"].as_array().cloned();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        records
            .into_iter()
            .flatten()
            .map(|record| (text(&record["entitlement"]), text(&record["state"])))
            .collect()
    }

    /// Waits until an Entitlement lists these accounts as not managed.
    pub async fn unmanaged(&self, entitlement: &str, wanted: &[&str]) {
        let wanted: Vec<String> = wanted.iter().map(|id| (*id).to_owned()).collect();
        self.until(&format!("{entitlement} lists {wanted:?}"), wanted, async || {
            let found = self.world.get("Entitlement", entitlement).await;
            let list = found["status"]["unmanaged"].as_array().cloned().unwrap_or_default();
            let mut ids: Vec<String> = list
                .iter()
                .filter(|entry| entry["state"] == "Found")
                .map(|entry| entry["accountId"].as_str().unwrap_or_default().to_owned())
                .collect();
            ids.sort();
            ids
        })
        .await;
    }

    /// Waits until `Ready` of the current generation has this status, and says all of `words`.
    pub async fn ready(&self, kind: &str, name: &str, status: &str, words: &[&str]) {
        let what = format!("{kind} {name} is Ready={status} with {words:?}");
        self.world
            .eventually(&self.operator, &what, async || {
                let object = self.world.get(kind, name).await;
                let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
                let current = |condition: &&Value| {
                    condition["type"] == "Ready" && condition["observedGeneration"] == object["metadata"]["generation"]
                };
                let ready = conditions.iter().find(current).cloned().unwrap_or_default();
                let message = ready["message"].as_str().unwrap_or_default();
                let says = words.iter().all(|word| message.contains(word));
                if ready["status"] == status && says {
                    Ok(())
                } else {
                    Err(ready.to_string())
                }
            })
            .await;
    }
}
