//! An example of the shelf, read from its very files, and the target that it describes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rollcall::api::employee::EmployeeSpec;
use rollcall::api::entitlement::RemoteObject;
use rollcall::api::{Entitlement, HRISConnection, TargetSystem};
use rollcall::decide::definition::{Definition, Problem};
use rollcall::decide::expression::Schema;
use rollcall::egress::{Egress, Rules};
use rollcall::targets::http::{HttpTarget, HttpTargetOptions};
use rollcall::targets::pace::Pace;
use rollcall::targets::{Account, AccountFacts, Found, Holding, Looks, Order, Receipt, Target, TargetError, Verb};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The folder of the shelf.
pub fn shelf() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/targets")
}

/// The documents of a file.
pub fn documents(path: &std::path::Path) -> Vec<Value> {
    documents_of(&std::fs::read_to_string(path).unwrap())
}

/// The documents of a text.
pub fn documents_of(yaml: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(yaml)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// One folder of the shelf.
pub struct Example {
    pub system: TargetSystem,
    pub entitlements: BTreeMap<String, Entitlement>,
    connections: Vec<HRISConnection>,
}

impl Example {
    pub fn read(name: &str) -> Self {
        let mut all = Vec::new();
        for file in ["target", "entitlements", "policy", "connection"] {
            let path = shelf().join(name).join(format!("{file}.yaml"));
            if file != "connection" || path.exists() {
                all.extend(documents(&path));
            }
        }
        Self::of(&all)
    }

    /// The one target of these, and what belongs to it.
    pub fn of(all: &[Value]) -> Self {
        fn of_kind<T: DeserializeOwned>(all: &[Value], kind: &str) -> Vec<T> {
            let those = all.iter().filter(|document| document["kind"] == kind);
            those.map(|document| T::deserialize(document).unwrap()).collect()
        }
        let mut systems: Vec<TargetSystem> = of_kind(all, "TargetSystem");
        assert_eq!(systems.len(), 1, "{all:?}");
        let entitlements: Vec<Entitlement> = of_kind(all, "Entitlement");
        Self {
            system: systems.remove(0),
            entitlements: entitlements
                .into_iter()
                .map(|entitlement| (entitlement.metadata.name.clone().unwrap(), entitlement))
                .collect(),
            connections: of_kind(all, "HRISConnection"),
        }
    }

    /// What it describes, checked; `None` where it is no http target.
    pub fn definition(&self) -> Option<Result<Definition, Vec<Problem>>> {
        let schema = Schema::of(self.connections.iter().map(Some));
        Definition::compile(&self.system.spec, &schema)
    }
}

/// A target that an example describes, pointed at a product of the test's own.
pub struct Stage {
    pub target: HttpTarget,
    entitlements: BTreeMap<String, Entitlement>,
}

impl Stage {
    /// The example `name` with another base URL, and with the secrets by the names that the target asks for.
    pub fn set(name: &str, base_url: &str, secrets: &[(&str, &str)]) -> Self {
        Self::set_with(name, secrets, |http| base_url.clone_into(&mut http.base_url))
    }

    pub fn set_with(name: &str, secrets: &[(&str, &str)], change: impl FnOnce(&mut rollcall::api::http::Http)) -> Self {
        let mut example = Example::read(name);
        change(example.system.spec.http.as_mut().unwrap());
        let definition = example.definition().unwrap().unwrap();
        let secrets = secrets
            .iter()
            .map(|(name, secret)| ((*name).to_owned(), (*secret).to_owned().into()));
        let target = HttpTarget::new(&HttpTargetOptions {
            api: example.system.spec.http.clone().unwrap(),
            definition: Arc::new(definition),
            secrets: secrets.collect(),
            pace: Arc::new(Pace::per_minute(600_000)),
            egress: Egress::new(Rules::opening(&["127.0.0.0/8"]).unwrap()),
        });
        Self {
            target: target.unwrap(),
            entitlements: example.entitlements,
        }
    }

    /// Finds nobody, makes the account, and sees that a second look finds the same one, usable, and never makes another.
    pub async fn hire(&self, person: &AccountFacts) -> String {
        self.target.capabilities().await.unwrap();
        assert_eq!(self.target.find_account(person).await.unwrap(), Found::None);
        let made = self.target.create_account(person, "operation-account").await.unwrap();
        let Found::One(found) = self.target.find_account(person).await.unwrap() else {
            panic!("{} is not found", made.id);
        };
        assert_eq!(found.id, made.id);
        assert!(found.active);
        let read = self.target.read_account(&made.id).await.unwrap().unwrap();
        assert_eq!((read.id.as_str(), read.active), (made.id.as_str(), true));
        if let Some(all) = self.target.accounts().await.unwrap() {
            assert!(all.iter().any(|account| account.id == made.id), "{all:?}");
        }
        made.id
    }

    /// The account, as a read shows it.
    pub async fn account(&self, id: &str) -> Option<Account> {
        self.target.read_account(id).await.unwrap()
    }

    pub async fn object(&self, entitlement: &str) -> RemoteObject {
        let entitlement = &self.entitlements[entitlement].spec;
        match self.target.find_object(entitlement).await.unwrap() {
            Found::One(object) => object,
            other => panic!("{other:?}"),
        }
    }

    /// Sends one order, with the defaults of the Entitlement's parameters and then `parameters`.
    pub async fn order(
        &self,
        verb: Verb,
        account: &str,
        entitlement: &str,
        person: &AccountFacts,
        parameters: &[(&str, &str)],
    ) -> Result<Receipt, TargetError> {
        let object = self.object(entitlement).await;
        let spec = &self.entitlements[entitlement].spec;
        let mut order = Order::new(verb, account);
        order.operation_id = format!("operation-{entitlement}");
        if verb != Verb::Grant {
            let held = self.held_or_none(account, entitlement).await;
            order.grant_id = held.map(|held| held.grant_id).unwrap_or_default();
        }
        if verb != Verb::Revoke {
            order.person = person.clone();
            order.inputs = spec.http.clone().unwrap().inputs;
            for parameter in &spec.parameters {
                if let Some(value) = &parameter.default {
                    order.parameters.insert(parameter.name.clone(), value.clone());
                }
            }
            for (name, value) in parameters {
                order.parameters.insert((*name).to_owned(), (*value).to_owned());
            }
        }
        let mut receipts = self.target.change_holders(&object, &[order], None).await?;
        receipts.remove(account).unwrap_or_else(|| Ok(Receipt::default()))
    }

    pub async fn grant(&self, account: &str, entitlement: &str, person: &AccountFacts, parameters: &[(&str, &str)]) {
        self.order(Verb::Grant, account, entitlement, person, parameters)
            .await
            .unwrap();
    }

    pub async fn update(&self, account: &str, entitlement: &str, person: &AccountFacts, parameters: &[(&str, &str)]) {
        self.order(Verb::Update, account, entitlement, person, parameters)
            .await
            .unwrap();
    }

    /// Takes it, and once more, which is no error.
    pub async fn revoke(&self, account: &str, entitlement: &str) {
        for _ in 0..2 {
            self.order(Verb::Revoke, account, entitlement, &AccountFacts::default(), &[])
                .await
                .unwrap();
        }
        assert_eq!(self.held_or_none(account, entitlement).await, None);
    }

    /// How the account holds it, by the look that the definition has.
    pub async fn held_or_none(&self, account: &str, entitlement: &str) -> Option<Holding> {
        let object = self.object(entitlement).await;
        let target = &self.target;
        match target.looks(&object.kind) {
            Looks::Object => target
                .holders(&object)
                .await
                .unwrap()
                .and_then(|holders| holders.ids.get(account).cloned()),
            Looks::Kind => {
                let all = target.all_holders(&object.kind).await.unwrap();
                all.get(&object).and_then(|holders| holders.ids.get(account).cloned())
            }
            Looks::Account => target
                .holdings(&object.kind, account)
                .await
                .unwrap()
                .get(&object)
                .cloned(),
            Looks::One => target.holding(&object, account, "").await.unwrap(),
        }
    }

    pub async fn held(&self, account: &str, entitlement: &str) -> Holding {
        let held = self.held_or_none(account, entitlement).await;
        held.unwrap_or_else(|| panic!("{account} does not hold {entitlement}"))
    }
}

/// Somebody of a made-up company.
pub fn person(name: &str) -> AccountFacts {
    let email = format!("{name}@example.com");
    let mut custom = serde_json::Map::new();
    custom.insert("githubLogin".to_owned(), name.into());
    let employee: EmployeeSpec = serde_json::from_value(serde_json::json!({
        "displayName": format!("{name} Example"),
        "givenName": name,
        "familyName": "Example",
        "workEmail": email,
        "username": name,
        "jobTitle": "Engineer",
        "customFields": custom,
    }))
    .unwrap();
    AccountFacts {
        external_id: format!("tenant/e-{name}"),
        work_email: Some(email),
        username: Some(name.to_owned()),
        display_name: employee.display_name.clone(),
        given_name: employee.given_name.clone(),
        family_name: employee.family_name.clone(),
        job_title: employee.job_title.clone(),
        employee: Arc::new(employee),
        manager_account: None,
    }
}
