//! What tests of a [`World`] ask again and again: what an object says of itself, who holds what at the directory, and
//! whether anything there was changed or taken.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::operator::Operator;
use crate::proxy::{Entry, Script, effects};
use crate::world::{World, WorldOptions};

/// Counts what changes something at the directory, so that [`World::changes`] and [`World::losses`] can tell.
pub fn directory_effects() -> Script {
    Script::new(|request| &*request.proxy == "scim" && effects(request))
}

/// Whether a request takes something from somebody: a deletion, a removal of members, a deactivation.
fn takes(entry: &Entry) -> bool {
    let body = entry.request.json().unwrap_or_default().to_string().to_lowercase();
    entry.request.method == http::Method::DELETE
        || body.contains(r#""op":"remove""#)
        || body.contains(r#""active":false"#)
        || (entry.request.method == http::Method::PUT && entry.request.path.contains("/Groups/"))
}

fn shown(entry: &Entry) -> String {
    let body = String::from_utf8_lossy(&entry.request.body);
    format!("{entry} {body}")
}

/// What an Employee's record says: state and reason by entitlement.
pub fn grants(employee: &Value) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let records = employee["status"]["entitlements"].as_array();
    let grants = records.into_iter().flatten().map(|record| {
        let state = (text(&record["state"]), text(&record["reason"]));
        (text(&record["entitlement"]), state)
    });
    grants.collect()
}

/// The state of one entitlement on an Employee's record; empty where it is not there.
pub fn grant(employee: &Value, entitlement: &str) -> String {
    grants(employee).remove(entitlement).unwrap_or_default().0
}

/// An Employee written by hand: `name` is its name and the local part of its address.
pub fn person(name: &str, department: &str) -> String {
    person_with(name, &format!("departments: [{{path: [{department}]}}]"))
}

/// The same, with more lines of `spec`.
pub fn person_with(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: rollcall.dev/v1alpha1\nkind: Employee\nmetadata: {{name: {name}}}\nspec:\n  workEmail: {}\n  displayName: \
         {name}\n  employmentStatus: ACTIVE\n  {}\n---\n",
        email(name),
        spec.replace('\n', "\n  ")
    )
}

/// The address of a person written by hand.
pub fn email(name: &str) -> String {
    format!("{name}@example.com")
}

impl World {
    /// What changed something at the directory since the script was last reset.
    ///
    /// # Panics
    /// If the world was made without the script [`directory_effects`].
    pub fn changes(&self) -> Vec<String> {
        let script = self.script.as_ref().expect("the world has a script");
        script.log().iter().map(shown).collect()
    }

    /// What took something from somebody at the directory since the script was last reset.
    ///
    /// # Panics
    /// If the world was made without the script [`directory_effects`].
    pub fn losses(&self) -> Vec<String> {
        let script = self.script.as_ref().expect("the world has a script");
        let losses = script.log().into_iter().filter(takes);
        losses.map(|entry| shown(&entry)).collect()
    }

    /// The members of each group of the directory.
    pub async fn memberships(&self) -> BTreeMap<String, Vec<String>> {
        let (groups, users) = (self.scim.groups().await, self.scim.users().await);
        let users = users.expect("the directory lists users");
        let name = |id: &Value| {
            let user = users.iter().find(|user| user["id"] == *id);
            let name = user.map_or(id, |user| &user["userName"]);
            name.as_str().unwrap_or_default().to_owned()
        };
        let groups = groups.expect("the directory lists groups").into_iter().map(|group| {
            let members = group["members"].as_array().into_iter().flatten();
            let mut members: Vec<String> = members.map(|member| name(&member["value"])).collect();
            members.sort();
            (group["displayName"].as_str().unwrap_or_default().to_owned(), members)
        });
        groups.collect()
    }

    /// Waits until a group of the directory has exactly these members, by the names of [`person`]s.
    pub async fn has_members(&self, operator: &Operator, group: &str, names: &[&str]) {
        let mut wanted: Vec<String> = names.iter().map(|name| email(name)).collect();
        wanted.sort();
        let what = format!("{group} has {names:?}");
        self.eventually(operator, &what, async || {
            let members = self.scim.members(group).await.map_err(|error| error.to_string())?;
            (members == wanted).then_some(()).ok_or(format!("{members:?}"))
        })
        .await;
    }

    /// Waits until the record of an Employee says this state of an entitlement; returns the Employee.
    pub async fn has_grant(&self, operator: &Operator, name: &str, entitlement: &str, state: &str) -> Value {
        let what = format!("{name} has {entitlement} {state}");
        let mut found = Value::Null;
        self.eventually(operator, &what, async || {
            found = self.get("Employee", name).await;
            (grant(&found, entitlement) == state)
                .then_some(())
                .ok_or_else(|| format!("{:?}", grants(&found)))
        })
        .await;
        found
    }

    /// The condition of this type on an object; null where there is none.
    pub async fn condition(&self, kind: &str, name: &str, type_: &str) -> Value {
        let object = self.get(kind, name).await;
        let conditions = object["status"]["conditions"].as_array();
        let found = conditions.into_iter().flatten().find(|c| c["type"] == type_);
        found.cloned().unwrap_or_default()
    }

    /// Waits until an object's condition, as `Type=Status/Reason`, is there and its message holds all these words.
    /// Returns the message.
    ///
    /// # Panics
    /// If `condition` is not of that form.
    pub async fn says(
        &self,
        operator: &Operator,
        (kind, name): (&str, &str),
        condition: &str,
        words: &[&str],
    ) -> String {
        let (type_, rest) = condition.split_once('=').expect("Type=Status/Reason");
        let (status, reason) = rest.split_once('/').expect("Type=Status/Reason");
        let what = format!("{kind} {name} says {condition} with {words:?}");
        let mut message = String::new();
        self.eventually(operator, &what, async || {
            let found = self.condition(kind, name, type_).await;
            found["message"].as_str().unwrap_or_default().clone_into(&mut message);
            let right = found["status"] == status && found["reason"] == reason;
            (right && words.iter().all(|word| message.contains(word)))
                .then_some(())
                .ok_or_else(|| found.to_string())
        })
        .await;
        message
    }

    /// The Events on an object with this reason.
    ///
    /// # Panics
    /// If the API server does not list them.
    pub async fn events(&self, kind: &str, name: &str, reason: &str) -> Vec<Value> {
        let text = self.kubectl(&["get", "events", "-o", "json"]).await;
        let list: Value = serde_json::from_str(&text).expect("a list of Events is JSON");
        let events = list["items"].as_array().cloned().unwrap_or_default();
        let about = |event: &Value| {
            let object = &event["involvedObject"];
            object["kind"] == kind && object["name"] == name && event["reason"] == reason
        };
        events.into_iter().filter(about).collect()
    }

    /// Waits until there is a Warning on an object with this reason, and its note holds all these words.
    pub async fn warns(&self, operator: &Operator, (kind, name): (&str, &str), reason: &str, words: &[&str]) {
        let what = format!("a Warning {reason} on {kind} {name} with {words:?}");
        self.eventually(operator, &what, async || {
            let events = self.events(kind, name, reason).await;
            let right = |event: &&Value| {
                let note = event["message"].as_str().unwrap_or_default();
                event["type"] == "Warning" && words.iter().all(|word| note.contains(word))
            };
            events
                .iter()
                .find(right)
                .map(drop)
                .ok_or_else(|| format!("{:?}", events.iter().map(|event| &event["message"]).collect::<Vec<_>>()))
        })
        .await;
    }

    /// Waits until an object says what is wrong, by condition and by Event, in these words.
    ///
    /// # Panics
    /// If `condition` is not of the form `Type=Status/Reason`.
    pub async fn complains(&self, operator: &Operator, object: (&str, &str), condition: &str, words: &[&str]) {
        self.says(operator, object, condition, words).await;
        let (_, reason) = condition.split_once('/').expect("Type=Status/Reason");
        self.warns(operator, object, reason, words).await;
    }

    /// Waits until nothing more is sent to the directory for `quiet`.
    ///
    /// # Panics
    /// If the world has no script, or requests go on.
    pub async fn quiet(&self, quiet: std::time::Duration) {
        let script = self.script.as_ref().expect("the world has a script");
        let timeout = std::time::Duration::from_mins(1);
        script
            .wait_quiet(quiet, timeout)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A tenant with what most stories need: everybody is in the group Everyone, and departments in the groups of their name.
/// Its policies and entitlements are called `everyone`, `engineering` and `sales`.
pub async fn usual(binary: &str, company: crate::merge::Company) -> World {
    let options = WorldOptions {
        script: Some(directory_effects()),
        ..WorldOptions::new(binary, company)
    };
    let world = World::new(options).await;
    world.apply(&usual_policies()).await;
    world
}

/// The policies and entitlements of [`usual`].
pub fn usual_policies() -> String {
    let give = |name: &str, group: &str, selector: &str| {
        [
            World::group_entitlement(name, group),
            World::policy(name, selector, &[name]),
        ]
        .concat()
    };
    [
        give("everyone", "Everyone", "{everyone: true}"),
        give("engineering", "Engineering", "{department: {in: [Engineering]}}"),
        give("sales", "Sales", "{department: {in: [Sales]}}"),
    ]
    .concat()
}
