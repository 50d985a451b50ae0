//! Reads a run's requests in their order, and says which effect came before its record.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_support::bank::story::BankSight;
use rollcall_support::proxy::{Entry, RequestInfo};
use rollcall_support::story::{BINDING, Sight, list, text};
use serde_json::Value;

type AccountOf<'a> = Box<dyn Fn(&str) -> Option<&'a str> + 'a>;

/// The records as they were acknowledged so far.
pub struct Ledger<'a> {
    records: BTreeMap<String, Value>,
    subjects: BTreeSet<String>,
    /// How it all ended: tells whose an account is, by the name of the Employee.
    account_of: AccountOf<'a>,
    found: Vec<String>,
}

impl<'a> Ledger<'a> {
    /// I1, I3: every effect of `log` with no acknowledged record before it that calls for it.
    pub fn unrecorded(start: &Sight, log: &[Entry], end: &'a Sight) -> Vec<String> {
        let mut ledger = Self {
            records: start.records(),
            subjects: start.subjects.clone(),
            account_of: Box::new(|employee| end.account_of(employee)),
            found: Vec::new(),
        };
        for entry in log {
            ledger.read(entry);
        }
        ledger.found
    }

    /// The same of a bank.
    pub fn unrecorded_at_the_bank(start: &BankSight, log: &[Entry], end: &'a BankSight) -> Vec<String> {
        let mut ledger = Self {
            records: start.records(),
            subjects: BTreeSet::new(),
            account_of: Box::new(|employee| end.account_of(employee)),
            found: Vec::new(),
        };
        for entry in log {
            ledger.read(entry);
        }
        ledger.found
    }

    fn read(&mut self, entry: &Entry) {
        for request in single(&entry.request) {
            self.effect(entry, &request);
        }
    }

    fn effect(&mut self, entry: &Entry, request: &RequestInfo) {
        let body = request.json().unwrap_or_default();
        let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
        match (&*request.proxy, request.method.as_str(), parts.as_slice()) {
            ("kubernetes", "PATCH", [.., "employees", name, "status"]) => {
                let written = entry.status.is_some_and(|status| status.is_success());
                let status = list(&body).find(|operation| operation["path"] == "/status");
                if let Some(status) = status.filter(|_| written) {
                    self.records.insert((*name).to_owned(), status["value"].clone());
                }
            }
            ("kubernetes", "PATCH" | "POST", [.., "rolebindings"] | [.., "rolebindings", BINDING]) => {
                self.binding(request, &body);
            }
            ("scim", "POST", [.., "Users"]) => {
                let employee = text(&body["externalId"]).split('/').nth(1).unwrap_or_default();
                self.account(request, |name, record| {
                    name == employee && record["state"] == "Creating"
                });
            }
            ("scim", method, [.., "Users", id]) if method != "GET" => {
                let ends = method == "DELETE" || list(&body["Operations"]).any(deactivates);
                let states: &[&str] = if ends {
                    &["Deactivating", "Deleting"]
                } else {
                    &["Updating", "Activating"]
                };
                self.account(request, |_, record| {
                    record["id"] == *id && states.contains(&text(&record["state"]))
                });
            }
            ("scim", "PATCH", [.., "Groups", group]) => {
                for operation in list(&body["Operations"]) {
                    self.members(request, group, operation);
                }
            }
            ("bank", "POST", ["people"]) => {
                let employee = text(&body["key"]).split('/').nth(1).unwrap_or_default();
                self.account(request, |name, record| {
                    name == employee && record["state"] == "Creating"
                });
            }
            ("bank", "PATCH", ["people", _]) => {
                let ends = body["state"] == "closed";
                // What an earlier try made is made what it should be by now, under the intent to create it.
                let states: &[&str] = if ends {
                    &["Deactivating"]
                } else {
                    &["Updating", "Activating", "Creating"]
                };
                self.account(request, |_, record| {
                    record["target"] == "bank" && states.contains(&text(&record["state"]))
                });
            }
            ("bank", "POST", ["cards"]) => {
                let (program, holder) = (text(&body["program"]), text(&body["holder"]));
                if !self.recorded("bank", program, holder, &["Granting"]) {
                    self.found
                        .push(format!("I3: a card is issued before its record: {request}"));
                }
            }
            ("bank", "POST", ["cards", card, "cancel"]) => {
                let recorded = self.records.values().any(|status| {
                    list(&status["entitlements"])
                        .any(|record| record["grantId"] == *card && record["state"] == "Revoking")
                });
                if !recorded {
                    self.found
                        .push(format!("I1: a card is cancelled without a record: {request}"));
                }
            }
            ("bank", method @ ("PUT" | "DELETE"), ["products", product, "seats", holder]) => {
                let states: &[&str] = if method == "PUT" {
                    &["Granting", "Updating"]
                } else {
                    &["Revoking"]
                };
                let holder = holder.replace("%40", "@");
                if !self.recorded("bank", product, &holder, states) {
                    self.found.push(format!("I1, I3: without a record: {request}"));
                }
            }
            ("scim" | "bank", method, _) if method != "GET" => {
                self.found.push(format!("an effect of no known kind: {request}"));
            }
            _ => {}
        }
    }

    fn account(&mut self, request: &RequestInfo, fits: impl Fn(&str, &Value) -> bool) {
        let recorded = self
            .records
            .iter()
            .any(|(name, status)| list(&status["accounts"]).any(|record| fits(name, record)));
        if !recorded {
            self.found.push(format!("I3: sent before its record: {request}"));
        }
    }

    fn members(&mut self, request: &RequestInfo, group: &str, operation: &Value) {
        if operation["op"] == "remove" {
            // members[value eq "id"]
            let id = text(&operation["path"]).split('"').nth(1).unwrap_or_default();
            if !self.recorded("directory", group, id, &["Revoking"]) {
                self.found.push(format!("I1: {id} removed without a record: {request}"));
            }
        } else {
            for member in list(&operation["value"]) {
                let id = text(&member["value"]);
                if !self.recorded("directory", group, id, &["Granting", "Updating"]) {
                    self.found.push(format!("I3: {id} added before its record: {request}"));
                }
            }
        }
    }

    fn binding(&mut self, request: &RequestInfo, body: &Value) {
        let subjects: BTreeSet<String> = list(&body["subjects"])
            .map(|subject| text(&subject["name"]).to_owned())
            .collect();
        let namespace = request.path.split('/').nth(5).unwrap_or_default();
        let binding = format!("{namespace}/{BINDING}");
        for name in subjects.difference(&self.subjects) {
            if !self.recorded("cluster", &binding, name, &["Granting", "Updating"]) {
                self.found
                    .push(format!("I3: {name} bound before its record: {request}"));
            }
        }
        for name in self.subjects.difference(&subjects) {
            if !self.recorded("cluster", &binding, name, &["Revoking"]) {
                self.found
                    .push(format!("I1: {name} unbound without a record: {request}"));
            }
        }
        self.subjects = subjects;
    }

    fn recorded(&self, target: &str, object: &str, account: &str, states: &[&str]) -> bool {
        self.records.iter().any(|(employee, status)| {
            list(&status["entitlements"]).any(|record| {
                let id = text(&record["accountId"]);
                record["target"] == target
                    && record["remoteId"] == object
                    && states.contains(&text(&record["state"]))
                    && (id == account || (id.is_empty() && (self.account_of)(employee) == Some(account)))
            })
        })
    }
}

fn deactivates(operation: &Value) -> bool {
    operation["value"] == false || operation["value"]["active"] == false
}

/// A request, or those that a SCIM bulk request is made of (RFC 7644 section 3.7).
pub fn single(request: &RequestInfo) -> Vec<RequestInfo> {
    if &*request.proxy != "scim" || !request.path.ends_with("/Bulk") {
        return vec![request.clone()];
    }
    let body = request.json().unwrap_or_default();
    let operations = list(&body["Operations"]).map(|operation| RequestInfo {
        proxy: request.proxy.clone(),
        method: text(&operation["method"]).parse().unwrap_or_default(),
        path: format!("/v2{}", text(&operation["path"])),
        query: None,
        body: operation["data"].to_string().into(),
    });
    operations.collect()
}
