//! A small tenant whose people are hired, moved and let go one after the other, and what must be true of everybody at
//! every moment, read past every proxy from the directory, the cluster and the records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::ToSpan as _;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use serde_json::Value;

use crate::merge::{Company, NewHire};
use crate::proxy::{RequestInfo, Script};
use crate::quiet::Quiet;
use crate::world::{World, WorldOptions};

/// The RoleBinding that the entitlement `cluster-view` stands for.
pub const BINDING: &str = "rollcall-view";
/// The SCIM groups of the story, by the names of their entitlements.
pub const GROUPS: [(&str, &str); 3] = [
    ("everyone", "Everyone"),
    ("engineering", "Engineering"),
    ("sales", "Sales"),
];

/// What happens to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chapter {
    /// Into Engineering: an account, two groups and a place in a RoleBinding.
    Hire,
    /// From Engineering to Sales with a new title: one group for another, the RoleBinding lost, the account updated.
    Transfer,
    /// The last day is over: the account is deactivated, and nothing is left.
    Leave,
}

impl Chapter {
    /// In the order in which a person lives through them.
    pub const ALL: [Chapter; 3] = [Chapter::Hire, Chapter::Transfer, Chapter::Leave];
}

impl std::fmt::Display for Chapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Chapter::Hire => "hire",
            Chapter::Transfer => "transfer",
            Chapter::Leave => "leave",
        })
    }
}

/// What a person should have by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Engineer,
    Seller(&'static str),
    Gone,
}

impl Stage {
    fn entitlements(self) -> &'static [&'static str] {
        match self {
            Stage::Engineer => &["everyone", "engineering", "cluster-view"],
            Stage::Seller(_) => &["everyone", "sales"],
            Stage::Gone => &[],
        }
    }

    fn title(self) -> Option<&'static str> {
        match self {
            Stage::Engineer => Some("Engineer"),
            Stage::Seller(title) => Some(title),
            // Whoever has left keeps the last one.
            Stage::Gone => None,
        }
    }
}

/// A person of the story.
#[derive(Debug, Clone)]
pub struct Person {
    /// Merge's identifier; empty before the hire.
    pub id: String,
    /// The address, which is the user name at both targets.
    pub email: String,
}

/// The tenant, and what everybody in it should have.
pub struct Story {
    /// Its real parts.
    pub world: World,
    people: BTreeMap<String, Stage>,
    born: usize,
    /// Whose account others had made.
    found: BTreeSet<String>,
}

impl Story {
    /// A tenant with two engineers, two sellers and the policies for both. No operator runs yet.
    pub async fn new(binary: impl Into<PathBuf>, script: Option<Script>, args: &[&str]) -> Story {
        let mut options = WorldOptions::new(binary, Company::empty());
        options.script = script;
        options.args = ["--settle-milliseconds", "100"]
            .iter()
            .chain(args)
            .map(|arg| (*arg).to_owned())
            .collect();
        options.groups = GROUPS.map(|(_, name)| name.to_owned()).to_vec();
        let world = World::new(options).await;
        let mut yaml: String = GROUPS
            .iter()
            .map(|(name, group)| World::group_entitlement(name, group))
            .collect();
        yaml += &World::view_entitlement("cluster-view");
        yaml += &World::policy("everyone", "{everyone: true}", &["everyone"]);
        let engineering = "{department: {in: [Engineering]}}";
        yaml += &World::policy("engineering", engineering, &["engineering", "cluster-view"]);
        yaml += &World::policy("sales", "{department: {in: [Sales]}}", &["sales"]);
        world.apply(&yaml).await;
        // Many a person is moved in a day here, which no guard should hold.
        for target in ["directory", "cluster"] {
            let guard = r#"{"spec":{"guard":{"maxPeople":100000,"maxPercent":100}}}"#;
            world
                .kubectl(&["patch", "tsys", target, "--type=merge", "-p", guard])
                .await;
        }
        let mut story = Story {
            world,
            people: BTreeMap::new(),
            born: 0,
            found: BTreeSet::new(),
        };
        for department in ["Engineering", "Sales"] {
            story.world.merge.add_group(department, "DEPARTMENT", None);
        }
        for name in ["Edith", "Emil"] {
            story.employ(name, "Engineering", Stage::Engineer);
        }
        for name in ["Sara", "Sven"] {
            story.employ(name, "Sales", Stage::Seller("Seller"));
        }
        story
    }

    fn employ(&mut self, name: &str, department: &str, stage: Stage) -> Person {
        let email = format!("{}@example.com", name.to_lowercase());
        let id = self.world.merge.hire(NewHire {
            department: department.into(),
            work_email: Some(email.clone()),
            job_title: stage.title().unwrap_or_default().into(),
            start_date: Some(jiff::Zoned::now().date() - 30.days()),
            ..NewHire::named(name, "Example")
        });
        self.people.insert(email.clone(), stage);
        Person { id, email }
    }

    /// Somebody who is not hired yet.
    pub fn newcomer(&mut self) -> Person {
        self.born += 1;
        Person {
            id: String::new(),
            email: format!("nina{}@example.com", self.born),
        }
    }

    /// Somebody else has made the newcomer's account, and put it into Everyone.
    ///
    /// # Panics
    /// If the directory does not answer.
    pub async fn find(&mut self, person: &Person) {
        let scim = &self.world.scim;
        let account = serde_json::json!({"userName": person.email, "active": true, "title": "Engineer"});
        let id = scim.create_user_with(account).await.expect("an account");
        let groups = scim.groups().await.expect("the directory answers");
        let everyone = groups.iter().find(|group| group["displayName"] == "Everyone");
        let everyone = everyone.map(|group| text(&group["id"])).unwrap_or_default();
        scim.add_member(everyone, &id).await.expect("a member");
        self.found.insert(person.email.clone());
    }

    /// Has HR write another address, which is the user name at both targets.
    pub fn rename(&mut self, person: &mut Person) {
        let stage = self.people.remove(&person.email);
        person.email = format!("married-{}", person.email);
        self.world.merge.change_email(&person.id, &person.email);
        self.people.extend(stage.map(|stage| (person.email.clone(), stage)));
    }

    /// Has HR write the chapter.
    pub fn tell(&mut self, chapter: Chapter, person: &mut Person) {
        let stage = match chapter {
            Chapter::Hire => {
                let name = person.email.split('@').next().unwrap_or_default().to_owned();
                *person = self.employ(&name, "Engineering", Stage::Engineer);
                return;
            }
            Chapter::Transfer => {
                self.world.merge.retitle_in_place(&person.id, "Account Manager");
                self.world.merge.transfer(&person.id, "Sales");
                Stage::Seller("Account Manager")
            }
            Chapter::Leave => {
                self.world.merge.leave(&person.id, jiff::Zoned::now().date() - 2.days());
                Stage::Gone
            }
        };
        self.people.insert(person.email.clone(), stage);
    }

    /// Reads everything there is, past every proxy.
    pub async fn look(&self) -> Sight {
        let bindings: Api<RoleBinding> = Api::namespaced(self.world.client.clone(), &self.world.namespace);
        let binding = bindings.get_opt(BINDING).await.expect("the API server answers");
        let subjects = binding.and_then(|binding| binding.subjects).unwrap_or_default();
        Sight {
            namespace: self.world.namespace.to_string(),
            found: self.found.clone(),
            users: self.world.scim.users().await.expect("the directory answers"),
            groups: self.world.scim.groups().await.expect("the directory answers"),
            subjects: subjects.into_iter().map(|subject| subject.name).collect(),
            employees: self.world.list("Employee").await,
        }
    }

    /// Forgets what has been sent so far, so that [`settle`](Self::settle) waits for another sync.
    pub fn forget(&self) {
        for proxy in [&self.world.kube_proxy, &self.world.scim_proxy].into_iter().flatten() {
            proxy.forget();
        }
    }

    /// I7: waits until everything is as it should be and then nothing was written for a while, a whole sync included; or
    /// until the script has fired.
    ///
    /// # Errors
    /// What is wrong when patience ends.
    ///
    /// # Panics
    /// Without a script.
    pub async fn settle(&self, patience: Duration) -> Result<(), Vec<String>> {
        let wrongs = async || self.wrongs(&self.look().await);
        Quiet::of(&self.world).settle(patience, wrongs).await
    }

    /// What is not as it should be, at the targets or on record; nothing where all is well.
    pub fn wrongs(&self, sight: &Sight) -> Vec<String> {
        let mut wrongs = Vec::new();
        let mut check = |what: String, is: &dyn std::fmt::Debug, should: &dyn std::fmt::Debug| {
            let (is, should) = (format!("{is:?}"), format!("{should:?}"));
            if is != should {
                wrongs.push(format!("{what}: {is} and not {should}"));
            }
        };
        let holders = |entitlement: &str| -> BTreeSet<&str> {
            let holds = |stage: &Stage| stage.entitlements().contains(&entitlement);
            let people = self.people.iter().filter(|(_, stage)| holds(stage));
            people.map(|(email, _)| email.as_str()).collect()
        };
        for (entitlement, group) in GROUPS {
            check(format!("group {group}"), &sight.members(group), &holders(entitlement));
        }
        let subjects: BTreeSet<&str> = sight.subjects.iter().map(String::as_str).collect();
        check(BINDING.to_owned(), &subjects, &holders("cluster-view"));
        check("Employees".to_owned(), &sight.employees.len(), &self.people.len());
        check("accounts".to_owned(), &sight.users.len(), &self.people.len());
        for (email, stage) in &self.people {
            let left = *stage == Stage::Gone;
            let accounts: Vec<&Value> = sight.users.iter().filter(|user| user["userName"] == **email).collect();
            check(format!("accounts of {email}"), &accounts.len(), &1);
            let Some(account) = accounts.first() else { continue };
            check(format!("{email} active"), &account["active"].as_bool(), &Some(!left));
            if let Some(title) = stage.title() {
                check(format!("title of {email}"), &account["title"].as_str(), &Some(title));
            }
            let employees: Vec<&Value> = sight
                .employees
                .iter()
                .filter(|employee| employee["spec"]["workEmail"] == **email)
                .collect();
            check(format!("Employees of {email}"), &employees.len(), &1);
            let Some(employee) = employees.first() else { continue };
            let status = &employee["status"];
            let live: BTreeMap<&str, &str> = list(&status["entitlements"])
                .filter(|record| record["state"] != "Revoked")
                .map(|record| (text(&record["entitlement"]), text(&record["state"])))
                .collect();
            let wanted: BTreeMap<&str, &str> = stage.entitlements().iter().map(|name| (*name, "Granted")).collect();
            check(format!("record of {email}"), &live, &wanted);
            let accounts: Vec<(&str, &str)> = list(&status["accounts"])
                .map(|record| (text(&record["id"]), text(&record["state"])))
                .collect();
            let state = if left { "Deactivated" } else { "Active" };
            check(
                format!("account record of {email}"),
                &accounts,
                &[(text(&account["id"]), state)],
            );
            let phase = if left { "Terminated" } else { "Active" };
            check(format!("phase of {email}"), &text(&status["phase"]), &phase);
            check(
                format!("observed generation of {email}"),
                &status["observedGeneration"],
                &employee["metadata"]["generation"],
            );
        }
        wrongs.extend(sight.unexplained());
        wrongs
    }
}

/// The directory, the cluster and the records at one moment.
#[derive(Debug, Clone)]
pub struct Sight {
    namespace: String,
    /// The user names of those whose accounts others had made.
    found: BTreeSet<String>,
    /// Accounts.
    pub users: Vec<Value>,
    /// Groups with their members.
    pub groups: Vec<Value>,
    /// Subjects of the RoleBinding.
    pub subjects: BTreeSet<String>,
    /// Employees.
    pub employees: Vec<Value>,
}

impl Sight {
    /// The user names of a group's members.
    pub fn members(&self, group: &str) -> BTreeSet<&str> {
        let found = self.groups.iter().find(|found| found["displayName"] == group);
        let ids = found.into_iter().flat_map(|group| list(&group["members"]));
        ids.map(|member| self.user_name(text(&member["value"]))).collect()
    }

    fn user_name<'a>(&'a self, id: &'a str) -> &'a str {
        let user = self.users.iter().find(|user| user["id"] == id);
        user.map_or(id, |user| text(&user["userName"]))
    }

    /// The records of the Employees, by name.
    pub fn records(&self) -> BTreeMap<String, Value> {
        let employees = self.employees.iter();
        employees
            .map(|employee| {
                (
                    text(&employee["metadata"]["name"]).to_owned(),
                    employee["status"].clone(),
                )
            })
            .collect()
    }

    /// The id of an account by the Employee that it was made for.
    pub fn account_of(&self, employee: &str) -> Option<&str> {
        let external = format!("{}/{employee}", self.namespace);
        let user = self.users.iter().find(|user| user["externalId"] == external.as_str())?;
        user["id"].as_str()
    }

    /// I3: what is at the targets without a record or a recorded intent that explains it.
    pub fn unexplained(&self) -> Vec<String> {
        let mut found = Vec::new();
        let records = self.records();
        let explained = |target: &str, object: &str, account: &str| {
            records.iter().any(|(employee, status)| {
                list(&status["entitlements"]).any(|record| {
                    let id = text(&record["accountId"]);
                    record["target"] == target
                        && record["remoteId"] == object
                        && !matches!(text(&record["state"]), "Pending" | "Revoked")
                        && (id == account || (id.is_empty() && self.account_of(employee) == Some(account)))
                })
            })
        };
        for group in &self.groups {
            for member in list(&group["members"]) {
                let id = text(&member["value"]);
                if !explained("directory", text(&group["id"]), id) && !self.found.contains(self.user_name(id)) {
                    let (name, group) = (self.user_name(id), text(&group["displayName"]));
                    found.push(format!("I3: {name} is in {group} without a record"));
                }
            }
        }
        let binding = format!("{}/{BINDING}", self.namespace);
        for name in &self.subjects {
            if !explained("cluster", &binding, name) {
                found.push(format!("I3: {name} is in {BINDING} without a record"));
            }
        }
        for user in &self.users {
            let id = text(&user["id"]);
            let known = records.iter().any(|(employee, status)| {
                list(&status["accounts"]).any(|record| {
                    let recorded = text(&record["id"]);
                    recorded == id || (recorded.is_empty() && self.account_of(employee) == Some(id))
                })
            });
            if !known && !self.found.contains(text(&user["userName"])) {
                found.push(format!(
                    "I3: the account {} is there without a record",
                    text(&user["userName"])
                ));
            }
        }
        found
    }
}

/// A classifier: what the operator sends because of a chapter, reads included. Left out is what comes at its own time:
/// watches and lists, the Lease, Events, credentials, and the heartbeat of a sync that changed nothing.
pub fn belongs(request: &RequestInfo) -> bool {
    if &*request.proxy != "kubernetes" {
        return true;
    }
    let path = request.path.as_str();
    let kind = path
        .strip_prefix("/apis/rollcall.dev/")
        .map(|path| path.split('/').count());
    let passing = request.is_watch()
        // v1alpha1/namespaces/{namespace}/{kind}
        || (request.method == http::Method::GET && kind.is_some_and(|parts| parts <= 4))
        || path == "/version"
        || path.starts_with("/apis/coordination.k8s.io/")
        || path.starts_with("/apis/apiextensions.k8s.io/")
        || path.starts_with("/apis/events.k8s.io/")
        || path.contains("/events")
        || path.contains("/secrets/")
        || path.ends_with("/token");
    !passing && (!is_heartbeat(request) || has_news(request))
}

/// Whether a request is the status patch that each sync of a connection ends with.
pub fn is_heartbeat(request: &RequestInfo) -> bool {
    request.path.contains("/hrisconnections/") && request.path.ends_with("/status")
}

fn has_news(heartbeat: &RequestInfo) -> bool {
    let body = heartbeat.json().unwrap_or_default();
    let report = list(&body).find_map(|operation| operation["value"].get("lastSync"));
    report.is_some_and(|report| report["created"] != 0 || report["updated"] != 0)
}

/// What a request is, without whom it is about: `scim PATCH /Groups/*`.
pub fn shape(request: &RequestInfo) -> String {
    let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    let path = match parts.as_slice() {
        [kind @ ("people" | "cards"), rest @ ..] if &*request.proxy == "bank" => match rest {
            [] => (*kind).to_owned(),
            [_, rest @ ..] => [&[*kind, "*"], rest].concat().join("/"),
        },
        ["products", product, "seats", ..] if parts.len() == 4 => format!("products/{product}/seats/*"),
        // apis/{group}/{version}/namespaces/{namespace}/{kind}/{name}/...
        ["apis", _, _, "namespaces", _, kind, rest @ ..] => {
            let last = rest.get(1).map(|part| format!("/{part}")).unwrap_or_default();
            let name = if rest.is_empty() { "" } else { "/*" };
            format!("{kind}{name}{last}")
        }
        ["v2", kind, _, ..] => format!("{kind}/*"),
        ["v2", kind] => (*kind).to_owned(),
        _ => request.path.clone(),
    };
    format!("{} {} {path}", request.proxy, request.method)
}

/// The items of a JSON list; none where it is no list.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A JSON string; empty where it is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
