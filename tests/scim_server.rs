//! Does the SCIM target do what it should on a real server, and with how many requests? The same life of an account and
//! of a group on scim2-server as it comes, and on one that lacks PATCH, filters, or both.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;

use rollcall::api::NameRef;
use rollcall::api::employee::{EmployeeSpec, GroupPath};
use rollcall::api::entitlement::{EntitlementSpec, RemoteObject, ScimGroup};
use rollcall::decide::effect::Match;
use rollcall::egress::{Egress, Rules};
use rollcall::targets::scim::{ScimOptions, ScimTarget};
use rollcall::targets::{Account, AccountFacts, Found, Target, TargetError, orders};
use rollcall_support::proxy::{Proxy, Script, request};
use rollcall_support::scim_server::{ScimOptions as ServerOptions, ScimServer, service_provider_config};
use serde_json::json;

/// A server, a proxy that counts before it, and a target that goes through it.
struct Stage {
    server: ScimServer,
    proxy: Proxy,
    target: ScimTarget,
    patch: bool,
    filter: bool,
}

impl Stage {
    async fn set(patch: bool, filter: bool) -> Self {
        Self::set_for(patch, filter, patch && filter, |_| {}).await
    }

    async fn set_for(patch: bool, filter: bool, bulk: bool, settings: impl FnOnce(&mut ScimOptions)) -> Self {
        let config = service_provider_config(patch, filter, bulk);
        let server = ScimServer::start(ServerOptions {
            service_provider_config: (!patch || !filter || !bulk).then_some(config),
            ..ServerOptions::default()
        })
        .await
        .unwrap();
        let proxy = Proxy::start("scim", &server.base_url(), None, &Script::none()).unwrap();
        let mut options = ScimOptions::new(proxy.url(), server.token().to_owned().into(), loopback());
        settings(&mut options);
        let target = ScimTarget::new(&options).unwrap();
        Self {
            server,
            proxy,
            target,
            patch,
            filter,
        }
    }

    /// What the requests since the last call were, and that they are as many as they may be.
    fn spent(&self, most: usize) {
        let requests = self.proxy.requests();
        self.proxy.forget();
        let told: Vec<String> = requests.iter().map(ToString::to_string).collect();
        assert_eq!(requests.len(), most, "{told:#?}");
    }

    /// One request with a filter; without, as many pages as there are and one that proves the end.
    fn search(&self) -> usize {
        if self.filter { 1 } else { 2 }
    }

    /// One request with PATCH; without, a GET and a PUT.
    fn write(&self) -> usize {
        if self.patch { 1 } else { 2 }
    }

    async fn members(&self, group: &str) -> BTreeSet<String> {
        let (_, group) = self
            .server
            .request("GET", &format!("/Groups/{group}"), None)
            .await
            .unwrap();
        let members = group["members"].as_array().cloned().unwrap_or_default();
        members
            .iter()
            .map(|member| member["value"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn loopback() -> Egress {
    Egress::new(Rules::opening(&["127.0.0.0/8"]).unwrap())
}

fn target(url: &str, token: &str) -> ScimTarget {
    ScimTarget::new(&ScimOptions::new(url, token.to_owned().into(), loopback())).unwrap()
}

fn person(name: &str) -> AccountFacts {
    AccountFacts {
        external_id: format!("hr/e-{name}"),
        work_email: Some(format!("{name}@example.com")),
        username: Some(name.to_owned()),
        display_name: Some(format!("{name} \"the\" O'Person")),
        given_name: Some(name.to_owned()),
        family_name: Some("O'Person".to_owned()),
        job_title: Some("Engineer".to_owned()),
        ..AccountFacts::default()
    }
}

fn group_called(name: &str) -> EntitlementSpec {
    entitlement(ScimGroup {
        display_name: Some(name.to_owned()),
        id: None,
        create: false,
    })
}

fn group_with(id: &str) -> EntitlementSpec {
    entitlement(ScimGroup {
        display_name: None,
        id: Some(id.to_owned()),
        create: false,
    })
}

fn entitlement(group: ScimGroup) -> EntitlementSpec {
    EntitlementSpec {
        target_ref: NameRef::new("scim"),
        scim_group: Some(group),
        ..EntitlementSpec::default()
    }
}

fn group_object(id: &str) -> RemoteObject {
    RemoteObject {
        kind: "Group".to_owned(),
        id: id.to_owned(),
    }
}

fn set<'a>(ids: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    ids.into_iter().cloned().collect()
}

async fn life_of_an_account(stage: &Stage) {
    let Stage { server, target, .. } = stage;
    let ada = person("ada");
    let capabilities = target.capabilities().await.unwrap();
    assert_eq!((capabilities.patch, capabilities.filter), (stage.patch, stage.filter));
    stage.spent(2);

    assert_eq!(target.find_account(&ada).await.unwrap(), Found::None);
    // Nobody is there yet, so the first page is the proof.
    stage.spent(1);
    let account = target.create_account(&ada, "op").await.unwrap();
    stage.spent(1);
    assert!(account.active);
    assert_eq!(account.external_id.as_deref(), Some("hr/e-ada"));
    let found = Account {
        matched: Match::Key,
        ..account.clone()
    };
    assert_eq!(target.find_account(&ada).await.unwrap(), Found::One(found));
    stage.spent(stage.search());
    assert_eq!(target.read_account(&account.id).await.unwrap(), Some(account.clone()));
    stage.spent(1);

    let again = target.create_account(&ada, "op").await.unwrap_err();
    assert!(matches!(again, TargetError::Conflict(_)), "{again}");
    stage.spent(if stage.filter { 2 } else { 3 });

    target.update_account(&account.id, &ada, true).await.unwrap();
    // It has all that already.
    stage.spent(1);
    // What others put there stays: a second address, a nickname, an extension.
    let (status, mut record) = server
        .request("GET", &format!("/Users/{}", account.id), None)
        .await
        .unwrap();
    assert_eq!(status, 200);
    record["nickName"] = json!("Countess");
    record["emails"] = json!([
        {"value": "ada@home.example", "type": "home"},
        {"value": "ada@example.com", "type": "work", "primary": true},
    ]);
    record["schemas"] = json!([
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    ]);
    record["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] = json!({"costCenter": "42"});
    let (status, _) = server
        .request("PUT", &format!("/Users/{}", account.id), Some(&record))
        .await
        .unwrap();
    assert_eq!(status, 200);
    let married = AccountFacts {
        work_email: Some("ada.lovelace@example.com".to_owned()),
        family_name: Some("Lovelace".to_owned()),
        job_title: Some("Countess, \\ first programmer".to_owned()),
        ..ada.clone()
    };
    target.update_account(&account.id, &married, false).await.unwrap();
    stage.spent(2);
    let (_, record) = server
        .request("GET", &format!("/Users/{}", account.id), None)
        .await
        .unwrap();
    assert_eq!(record["userName"], "ada.lovelace@example.com");
    assert_eq!(record["name"]["familyName"], "Lovelace");
    assert_eq!(record["name"]["givenName"], "ada");
    assert_eq!(record["title"], "Countess, \\ first programmer");
    assert_eq!(record["nickName"], "Countess");
    assert_eq!(
        record["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["costCenter"],
        "42"
    );
    assert_eq!(record["emails"][0]["value"], "ada@home.example");
    assert_eq!(record["emails"][1]["value"], "ada.lovelace@example.com");
    assert_eq!(record["emails"].as_array().unwrap().len(), 2);

    target.deactivate_account(&account.id).await.unwrap();
    stage.spent(stage.write());
    assert!(!target.read_account(&account.id).await.unwrap().unwrap().active);
    target.deactivate_account(&account.id).await.unwrap();
    target.update_account(&account.id, &married, false).await.unwrap();
    assert!(!target.read_account(&account.id).await.unwrap().unwrap().active);
    target.update_account(&account.id, &married, true).await.unwrap();
    assert!(target.read_account(&account.id).await.unwrap().unwrap().active);

    // Found by the correlation key under another name, and not taken where the key is another's.
    let renamed = AccountFacts {
        work_email: Some("al@example.com".to_owned()),
        ..ada.clone()
    };
    assert!(matches!(target.find_account(&renamed).await.unwrap(), Found::One(found) if found.id == account.id));
    let other = AccountFacts {
        external_id: "hr/e-other".to_owned(),
        ..married.clone()
    };
    let found = target.find_account(&other).await.unwrap();
    assert!(
        matches!(&found, Found::Foreign(_, why) if why.contains("belongs to another identity")),
        "{found:?}"
    );
    stage.proxy.forget();

    target.delete_account(&account.id).await.unwrap();
    target.delete_account(&account.id).await.unwrap();
    stage.spent(2);
    assert_eq!(target.read_account(&account.id).await.unwrap(), None);
    for error in [
        target.deactivate_account(&account.id).await.unwrap_err(),
        target.update_account(&account.id, &ada, true).await.unwrap_err(),
    ] {
        assert!(matches!(error, TargetError::Gone(_)), "{error}");
    }
    stage.proxy.forget();
}

async fn life_of_a_group(stage: &Stage) {
    let Stage { server, target, .. } = stage;
    let name = r#"Engineers "R&D" \ plus+"#;
    let id = server.create_group(name).await.unwrap();
    let object = group_object(&id);
    assert_eq!(
        target.find_object(&group_called(name)).await.unwrap(),
        Found::One(object.clone())
    );
    stage.spent(stage.search());
    assert_eq!(
        target.find_object(&group_called(&name.to_uppercase())).await.unwrap(),
        Found::One(object.clone())
    );
    assert_eq!(target.find_object(&group_called("Nobody")).await.unwrap(), Found::None);
    stage.proxy.forget();
    assert_eq!(
        target.find_object(&group_with(&id)).await.unwrap(),
        Found::One(object.clone())
    );
    stage.spent(1);
    assert_eq!(
        target.find_object(&group_with("no-such-id")).await.unwrap(),
        Found::None
    );
    assert_eq!(target.holders(&group_object("no-such-id")).await.unwrap(), None);
    stage.proxy.forget();

    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(server.create_user(&format!("m{number}@example.com")).await.unwrap());
    }
    assert!(target.holders(&object).await.unwrap().unwrap().ids.is_empty());
    // Without a `members` key, and before this server has ever shown one, a second look must confirm it.
    stage.spent(2);
    let none = BTreeSet::new();
    target
        .change_holders(&object, &orders(&set(&ids[..3]), &none), None)
        .await
        .unwrap();
    // One more look, since the group without PATCH shows no members.
    stage.spent(if stage.patch { 1 } else { 3 });
    let holders = target.holders(&object).await.unwrap().unwrap();
    stage.spent(1);
    assert_eq!(holders.accounts(), set(&ids[..3]));
    assert_eq!(stage.members(&id).await, holders.accounts());
    assert!(holders.version.is_some(), "{holders:?}");

    // Several in and out travel together.
    target
        .change_holders(&object, &orders(&set(&ids[3..]), &set(&ids[..2])), Some(&holders))
        .await
        .unwrap();
    stage.spent(stage.write());
    assert_eq!(stage.members(&id).await, set(&ids[2..]));
    let (_, record) = server.request("GET", &format!("/Groups/{id}"), None).await.unwrap();
    assert_eq!(record["displayName"], name);

    // What is so already is no error, alone or among others.
    target
        .change_holders(&object, &orders(&none, &set(&ids[..2])), None)
        .await
        .unwrap();
    target
        .change_holders(&object, &orders(&set(&ids[2..]), &none), None)
        .await
        .unwrap();
    target
        .change_holders(&object, &orders(&none, &set(&ids[..3])), None)
        .await
        .unwrap();
    assert_eq!(stage.members(&id).await, set(&ids[3..]));
    target
        .change_holders(&object, &orders(&none, &set(&ids[3..])), None)
        .await
        .unwrap();
    assert!(target.holders(&object).await.unwrap().unwrap().ids.is_empty());

    let gone = target
        .change_holders(&group_object("no-such-id"), &orders(&set(&ids[..1]), &none), None)
        .await
        .unwrap_err();
    assert!(matches!(gone, TargetError::Gone(_)), "{gone}");
    stage.proxy.forget();
}

async fn variant(patch: bool, filter: bool) {
    let stage = Stage::set(patch, filter).await;
    life_of_an_account(&stage).await;
    life_of_a_group(&stage).await;
}

#[tokio::test]
async fn as_it_comes() {
    variant(true, true).await;
}

#[tokio::test]
async fn without_patch() {
    variant(false, true).await;
}

#[tokio::test]
async fn without_filters() {
    variant(true, false).await;
}

#[tokio::test]
async fn without_patch_and_filters() {
    variant(false, false).await;
}

#[tokio::test]
async fn a_hundred_members_travel_together() {
    let stage = Stage::set(true, true).await;
    let id = stage.server.create_group("everybody").await.unwrap();
    let mut ids = BTreeSet::new();
    for number in 0..130 {
        ids.insert(
            stage
                .server
                .create_user(&format!("u{number}@example.com"))
                .await
                .unwrap(),
        );
    }
    let object = group_object(&id);
    stage.target.capabilities().await.unwrap();
    stage.proxy.forget();
    let none = BTreeSet::new();
    stage
        .target
        .change_holders(&object, &orders(&ids, &none), None)
        .await
        .unwrap();
    stage.spent(2);
    assert_eq!(stage.target.holders(&object).await.unwrap().unwrap().accounts(), ids);
    stage.proxy.forget();
    stage
        .target
        .change_holders(&object, &orders(&none, &ids), None)
        .await
        .unwrap();
    stage.spent(2);
    assert!(stage.members(&id).await.is_empty());
}

/// What a directory of a whole company takes: accounts, groups that are made, roles, and who manages whom. The server reads every
/// body against the schemas of the RFC, so that what it takes is well formed.
#[tokio::test]
async fn a_whole_company_in_few_requests() {
    for bulk in [true, false] {
        let stage = Stage::set_for(true, true, bulk, |options| options.enterprise = true).await;
        let Stage { server, target, .. } = &stage;
        let people: Vec<_> = (0..60)
            .map(|number| (employee(&format!("p{number}")), format!("op-{number}")))
            .collect();
        target.capabilities().await.unwrap();
        stage.proxy.forget();
        let accounts = target.create_accounts(&people).await;
        let accounts: Vec<String> = accounts.into_iter().map(|account| account.unwrap().id).collect();
        stage.spent(if bulk { 1 } else { 60 });
        assert_eq!(server.users().await.unwrap().len(), 60);
        // Created twice, nobody is: each is told by itself.
        for again in target.create_accounts(&people[..2]).await {
            assert!(matches!(again, Err(TargetError::Conflict(_))), "{again:?}");
        }
        let listed = target.accounts().await.unwrap().unwrap();
        assert_eq!(
            listed.iter().map(|account| account.id.clone()).collect::<BTreeSet<_>>(),
            set(&accounts)
        );
        assert!(listed.iter().all(|account| account.external_id.is_some()));

        let mut objects = Vec::new();
        for number in 0..5 {
            let mut group = group_called(&format!("Team {number}"));
            if let Some(group) = &mut group.scim_group {
                group.create = true;
            }
            let made = target.create_object(&group).await.unwrap();
            // Another creator finds it.
            assert_eq!(target.create_object(&group).await.unwrap(), made);
            assert_eq!(target.find_object(&group).await.unwrap(), Found::One(made.clone()));
            objects.push(made);
        }
        let role = object_of("Role", "admin");
        let none = BTreeSet::new();
        let mut changes: Vec<_> = objects
            .iter()
            .map(|object| (object.clone(), orders(&set(&accounts[..12]), &none)))
            .collect();
        changes.push((role.clone(), orders(&set(&accounts[..3]), &none)));
        changes.push((object_of("Entitlement", "seat"), orders(&set(&accounts[1..2]), &none)));
        stage.proxy.forget();
        for receipts in target.change_many(&changes).await {
            assert!(receipts.unwrap().is_empty());
        }
        stage.spent(if bulk { 1 } else { 8 });
        for object in &objects {
            assert_eq!(
                target.holders(object).await.unwrap().unwrap().accounts(),
                set(&accounts[..12])
            );
        }
        assert_eq!(
            target.all_holders("Role").await.unwrap()[&role].accounts(),
            set(&accounts[..3])
        );
        assert!(
            target
                .holdings("Entitlement", &accounts[1])
                .await
                .unwrap()
                .contains_key(&object_of("Entitlement", "seat"))
        );

        let losses: Vec<_> = changes
            .iter()
            .map(|(object, _)| (object.clone(), orders(&none, &set(&accounts[..2]))))
            .collect();
        for receipts in target.change_many(&losses).await {
            assert!(receipts.unwrap().is_empty());
        }
        for object in &objects {
            assert_eq!(
                target.holders(object).await.unwrap().unwrap().accounts(),
                set(&accounts[2..12])
            );
        }
        assert_eq!(
            target.all_holders("Role").await.unwrap()[&role].accounts(),
            set(&accounts[2..3])
        );
    }
}

#[tokio::test]
async fn the_enterprise_extension_with_patch_and_without() {
    for patch in [true, false] {
        let stage = Stage::set_for(patch, true, true, |options| options.enterprise = true).await;
        let Stage { server, target, .. } = &stage;
        let boss = target.create_account(&employee("boss"), "op").await.unwrap();
        let account = target.create_account(&employee("ada"), "op").await.unwrap();
        let managed = AccountFacts {
            manager_account: Some(boss.id.clone()),
            ..employee("ada")
        };
        target.update_account(&account.id, &managed, false).await.unwrap();
        let (_, record) = server
            .request("GET", &format!("/Users/{}", account.id), None)
            .await
            .unwrap();
        let extension = &record["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"];
        assert_eq!(extension["employeeNumber"], "n-ada");
        assert_eq!(extension["department"], "Engineering");
        assert_eq!(extension["organization"], "Acme");
        assert_eq!(extension["manager"]["value"], boss.id.as_str());
        stage.proxy.forget();
        target.update_account(&account.id, &managed, false).await.unwrap();
        // It has all that.
        stage.spent(1);
    }
}

fn object_of(kind: &str, id: &str) -> RemoteObject {
    RemoteObject {
        kind: kind.to_owned(),
        id: id.to_owned(),
    }
}

fn employee(name: &str) -> AccountFacts {
    AccountFacts {
        employee: Arc::new(EmployeeSpec {
            employee_number: Some(format!("n-{name}")),
            departments: vec![GroupPath {
                path: vec!["Product".to_owned(), "Engineering".to_owned()],
            }],
            company: Some("Acme".to_owned()),
            ..EmployeeSpec::default()
        }),
        ..person(name)
    }
}

#[tokio::test]
async fn pages_are_gone_through_where_nothing_filters() {
    let stage = Stage::set(true, false).await;
    for number in 0..230 {
        stage
            .server
            .create_user(&format!("u{number}@example.com"))
            .await
            .unwrap();
    }
    let last = person("u229");
    stage.target.capabilities().await.unwrap();
    stage.proxy.forget();
    assert!(matches!(stage.target.find_account(&last).await.unwrap(), Found::One(_)));
    stage.spent(4);
}

#[tokio::test]
async fn faults_on_the_way() {
    let stage = Stage::set(true, true).await;
    let Stage {
        server, proxy, target, ..
    } = &stage;
    let ada = person("ada");
    target.capabilities().await.unwrap();

    let bad = self::target(&proxy.url(), "wrong");
    for error in [
        bad.capabilities().await.unwrap_err(),
        bad.find_account(&ada).await.unwrap_err(),
        bad.create_account(&ada, "op").await.unwrap_err(),
    ] {
        assert!(matches!(error, TargetError::Unauthorized(_)), "{error}");
    }

    // Created, and the answer lost: left open, and the correlation key finds it.
    proxy.lose_answer(request("POST", "*/Users"), 1);
    let error = target.create_account(&ada, "op").await.unwrap_err();
    assert!(matches!(error, TargetError::Ambiguous(_)), "{error}");
    assert!(matches!(target.find_account(&ada).await.unwrap(), Found::One(_)));

    proxy.drop_connection(request("PATCH", "*"), 1);
    let error = target.deactivate_account("x").await.unwrap_err();
    assert!(matches!(error, TargetError::Ambiguous(_)), "{error}");

    server.stop();
    let gone = self::target(&server.base_url(), server.token());
    for error in [
        gone.capabilities().await.unwrap_err(),
        gone.create_account(&ada, "op").await.unwrap_err(),
    ] {
        assert!(matches!(error, TargetError::Unreachable(_)), "{error}");
    }
}
