//! A small tenant whose people have an account, a card and a seat at the bank, and what must be true of everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::ToSpan as _;
use serde_json::Value;

use super::{Bank, Habits};
use crate::merge::{Company, NewHire};
use crate::proxy::{Proxy, Script};
use crate::quiet::Quiet;
use crate::story::{Person, list, text};
use crate::world::{World, WorldOptions};

/// The product of which everybody has a seat.
pub const OFFICE: &str = "office";
/// The product of which engineers have a seat.
pub const DESIGN: &str = "design";
/// The program of the cards of engineers.
pub const TRAVEL: &str = "travel";

/// What happens to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Into Engineering: an account, two seats and a card.
    Hire,
    /// Out of Engineering: the card is cancelled, and so is the seat, or the invitation to it.
    Transfer,
    /// Another address, under which everything is kept.
    Rename,
    /// The last day is over: everything goes.
    Leave,
}

#[derive(Debug, Clone)]
struct Stage {
    id: String,
    employed: bool,
    engineer: bool,
}

/// The tenant, and what everybody in it should have.
pub struct BankStory {
    /// Its real parts.
    pub world: World,
    /// The bank.
    pub bank: Bank,
    /// In the way to the bank.
    pub proxy: Proxy,
    /// The kind of card that engineers get.
    kind: &'static str,
    /// By address of today.
    people: BTreeMap<String, Stage>,
    born: usize,
}

/// What is at the bank and on record at one moment.
#[derive(Debug, Clone)]
pub struct BankSight {
    /// Employees.
    pub employees: Vec<Value>,
    /// Everybody at the bank by id: address, correlation key, whether active.
    pub people: BTreeMap<String, (String, String, bool)>,
    /// Cards that can be used, by program: ids of their holders, as often as they have one.
    pub cards: BTreeMap<String, Vec<String>>,
    /// Seats by product: ids of their holders.
    pub seats: BTreeMap<String, BTreeSet<String>>,
    namespace: String,
}

impl BankStory {
    /// A tenant whose engineers get a card of this kind (`keyed-card`, `marked-card`, `blind-card`), at a bank with these
    /// habits. Everything that the operator sends is seen by `script`. No operator runs yet.
    pub async fn new(
        binary: impl Into<PathBuf>,
        script: &Script,
        args: &[&str],
        kind: &'static str,
        habits: Habits,
    ) -> Self {
        let mut options = WorldOptions::new(binary, Company::empty());
        options.script = Some(script.clone());
        options.args = ["--settle-milliseconds", "100"]
            .iter()
            .chain(args)
            .map(|arg| (*arg).to_owned())
            .collect();
        options.groups = Vec::new();
        let world = World::new(options).await;
        let bank = Bank::open(habits).await;
        let proxy = Proxy::start("bank", bank.url(), None, script).expect("a proxy");
        let mut yaml = bank.manifest(&proxy.url()) + "---\n";
        yaml += &entitlement("office", "seat", "product", OFFICE);
        yaml += &entitlement("design", "seat", "product", DESIGN);
        yaml += &entitlement("card", kind, "program", TRAVEL);
        yaml += &World::policy("everyone", "{everyone: true}", &["office"]);
        yaml += &World::policy("engineering", "{department: {in: [Engineering]}}", &["design", "card"]);
        world.apply(&yaml).await;
        // Theirs would be the guard that counts, and requests that tell nothing.
        world.kubectl(&["delete", "tsys", "directory", "cluster"]).await;
        for department in ["Engineering", "Sales"] {
            world.merge.add_group(department, "DEPARTMENT", None);
        }
        Self {
            world,
            bank,
            proxy,
            kind,
            people: BTreeMap::new(),
            born: 0,
        }
    }

    /// Somebody who is not hired yet.
    pub fn newcomer(&mut self) -> Person {
        self.born += 1;
        Person {
            id: String::new(),
            email: format!("nina{}@example.com", self.born),
        }
    }

    /// Has HR write what happens.
    ///
    /// # Panics
    /// If it happens to somebody who was not hired.
    pub fn tell(&mut self, event: Event, person: &mut Person) {
        let merge = &self.world.merge;
        if event == Event::Hire {
            let name = person.email.split('@').next().unwrap_or_default();
            person.id = merge.hire(NewHire {
                department: "Engineering".into(),
                work_email: Some(person.email.clone()),
                job_title: "Engineer".into(),
                start_date: Some(jiff::Zoned::now().date() - 30.days()),
                ..NewHire::named(name, "Example")
            });
            let stage = Stage {
                id: person.id.clone(),
                employed: true,
                engineer: true,
            };
            self.people.insert(person.email.clone(), stage);
            return;
        }
        let mut stage = self.people.remove(&person.email).expect("a person who was hired");
        match event {
            Event::Hire => {}
            Event::Transfer => {
                merge.transfer(&stage.id, "Sales");
                stage.engineer = false;
            }
            Event::Rename => {
                person.email = format!("married-{}", person.email);
                merge.change_email(&stage.id, &person.email);
            }
            Event::Leave => {
                merge.leave(&stage.id, jiff::Zoned::now().date() - 2.days());
                (stage.employed, stage.engineer) = (false, false);
            }
        }
        self.people.insert(person.email.clone(), stage);
    }

    /// Reads everything there is, past every proxy.
    pub async fn look(&self) -> BankSight {
        let people = self.bank.people().into_iter();
        let mut cards: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (holder, card) in self.bank.cards() {
            if card.open {
                cards.entry(card.program).or_default().push(holder);
            }
        }
        let seats = [OFFICE, DESIGN].into_iter();
        let seats = seats.map(|product| (product.to_owned(), self.bank.seats(product).into_keys().collect()));
        BankSight {
            people: people
                .map(|(id, holder)| (id, (holder.email, holder.key, holder.active)))
                .collect(),
            cards,
            seats: seats.collect(),
            employees: self.world.list("Employee").await,
            namespace: self.world.namespace.to_string(),
        }
    }

    /// Forgets what has been sent so far, so that [`settle`](Self::settle) waits for another sync.
    pub fn forget(&self) {
        self.world.kube_proxy.iter().for_each(Proxy::forget);
        self.proxy.forget();
    }

    /// I7: waits until everything is as it should be and then nothing was written for a while, a whole sync included; or
    /// until the script has fired.
    ///
    /// # Errors
    /// What is wrong when patience ends.
    pub async fn settle(&self, patience: Duration) -> Result<(), Vec<String>> {
        let wrongs = async || self.wrongs(&self.look().await);
        Quiet::of(&self.world).settle(patience, wrongs).await
    }

    /// What is not as it should be, at the bank or on record; nothing where all is well.
    pub fn wrongs(&self, sight: &BankSight) -> Vec<String> {
        let mut wrongs = self.bank.twice();
        let misused = self.bank.misused_keys().into_iter();
        wrongs.extend(misused.map(|key| format!("I4: two effects under one key: {key}")));
        let mut check = |what: String, is: &dyn std::fmt::Debug, should: &dyn std::fmt::Debug| {
            let (is, should) = (format!("{is:?}"), format!("{should:?}"));
            if is != should {
                wrongs.push(format!("{what}: {is} and not {should}"));
            }
        };
        let ids: BTreeMap<&str, &str> = sight
            .people
            .iter()
            .map(|(id, (email, ..))| (email.as_str(), id.as_str()))
            .collect();
        let those = |which: fn(&Stage) -> bool| -> BTreeSet<&str> {
            let those = self.people.iter().filter(|(_, stage)| which(stage));
            those
                .map(|(email, _)| ids.get(email.as_str()).copied().unwrap_or(email))
                .collect()
        };
        let engineers = those(|stage| stage.engineer);
        let seats = |product: &str| -> BTreeSet<&str> { sight.seats[product].iter().map(String::as_str).collect() };
        check("seats of office".into(), &seats(OFFICE), &those(|stage| stage.employed));
        check("seats of design".into(), &seats(DESIGN), &engineers);
        check("Employees".into(), &sight.employees.len(), &self.people.len());
        check("people at the bank".into(), &sight.people.len(), &self.people.len());
        let mut cards: BTreeSet<&str> = sight
            .cards
            .get(TRAVEL)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        for (email, stage) in &self.people {
            let id = ids.get(email.as_str()).copied().unwrap_or_default();
            let active = sight.people.get(id).map(|(_, _, active)| *active);
            check(format!("account of {email}"), &active, &Some(stage.employed));
            let employee = sight
                .employees
                .iter()
                .find(|found| found["spec"]["workEmail"] == **email);
            let Some(employee) = employee else {
                check(format!("Employee of {email}"), &0, &1);
                continue;
            };
            let status = &employee["status"];
            let held: BTreeMap<&str, &str> = list(&status["entitlements"])
                .filter(|record| record["state"] != "Revoked")
                .map(|record| (text(&record["entitlement"]), plain(record)))
                .collect();
            let mut wanted = BTreeMap::new();
            if stage.employed {
                wanted.insert("office", "Granted");
            }
            if stage.engineer {
                wanted.extend([("design", "Granted"), ("card", "Granted")]);
                // I4: what nobody can find out is left to a person, with one card at the most.
                if self.kind == "blind-card" && held.get("card") == Some(&"Unknown") {
                    wanted.insert("card", "Unknown");
                    cards.insert(id);
                }
            }
            check(format!("record of {email}"), &held, &wanted);
            let accounts: Vec<(&str, &str)> = list(&status["accounts"])
                .filter(|record| record["target"] == "bank")
                .map(|record| (text(&record["id"]), text(&record["state"])))
                .collect();
            let state = if stage.employed { "Active" } else { "Deactivated" };
            check(format!("account record of {email}"), &accounts, &[(id, state)]);
        }
        check("cards".into(), &cards, &engineers);
        wrongs.extend(sight.unexplained());
        wrongs
    }
}

/// An invitation is all that can be given until the person accepts it.
fn plain(record: &Value) -> &str {
    match text(&record["state"]) {
        "Invited" => "Granted",
        state => state,
    }
}

fn entitlement(name: &str, kind: &str, input: &str, value: &str) -> String {
    format!(
        "apiVersion: rollcall.dev/v1alpha1\nkind: Entitlement\nmetadata: {{name: {name}}}\nspec:\n  targetRef: {{name: \
         bank}}\n  http: {{kind: {kind}, inputs: {{{input}: {value}}}}}\n---\n"
    )
}

impl BankSight {
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
        let wanted = format!("{}/{employee}", self.namespace);
        let found = self.people.iter().find(|(_, (_, key, _))| *key == wanted);
        found.map(|(id, _)| id.as_str())
    }

    /// I3: what is at the bank without a record or a recorded intent that explains it.
    pub fn unexplained(&self) -> Vec<String> {
        let mut found = Vec::new();
        let records = self.records();
        let explained = |object: &str, account: &str| {
            records.iter().any(|(employee, status)| {
                list(&status["entitlements"]).any(|record| {
                    record["remoteId"] == object
                        && !matches!(text(&record["state"]), "Pending" | "Revoked")
                        // Its id may have changed a moment ago.
                        && (record["accountId"] == account || self.account_of(employee) == Some(account))
                })
            })
        };
        let cards = self
            .cards
            .iter()
            .flat_map(|(program, holders)| holders.iter().map(move |id| (program, id)));
        let seats = self
            .seats
            .iter()
            .flat_map(|(product, holders)| holders.iter().map(move |id| (product, id)));
        for (object, account) in cards.chain(seats) {
            if !explained(object, account) {
                found.push(format!("I3: {account} has {object} without a record"));
            }
        }
        for (id, (email, ..)) in &self.people {
            let known = records.iter().any(|(employee, status)| {
                list(&status["accounts"]).any(|record| {
                    record["target"] == "bank" && (record["id"] == *id || self.account_of(employee) == Some(id))
                })
            });
            if !known {
                found.push(format!("I3: the account {email} is there without a record"));
            }
        }
        found
    }
}
