//! Does anything that nobody allowed leave the HR system or a Secret? (I9)
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use rollcall_support::bank::{BASIC, BEARER, Bank, CANARY, Habits, LOGIN, OAUTH2};
use rollcall_support::merge::{CANARIES, Company};
use rollcall_support::process::tail;
use rollcall_support::proxy::Script;
use rollcall_support::world::{World, WorldOptions};

/// I9: after a day's work, and after every credential was refused once, neither secrets nor attributes that nobody asked
/// for are in logs, audit lines, Events, objects or what the target was told.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_sensitive_attribute_is_anywhere() {
    let mut options = WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::realistic(20, 9));
    options.script = Some(Script::none());
    options.args = ["--log", "debug"].map(str::to_owned).to_vec();
    let world = World::new(options).await;
    world.merge.quirks(|quirks| {
        quirks.always_sensitive = true;
        quirks.unknown_fields = true;
    });
    world
        .apply(
            &[
                World::group_entitlement("everyone", "Everyone"),
                World::view_entitlement("cluster-view"),
                World::policy("everyone", "{everyone: true}", &["everyone", "cluster-view"]),
            ]
            .concat(),
        )
        .await;
    // Home locations were not asked for. A badge's number was, beside which the HR system tells the national id and pay.
    let mirrored = "{spec: {fields: [displayName, givenName, familyName, workEmail, jobTitle, employmentStatus, \
                    startDate, terminationDate, departments], \
                    customFields: [{name: badge, remoteData: {path: /v1/people, pointer: /badge/number}}]}}";
    world
        .kubectl(&["patch", "hris", "hr", "--type=merge", "-p", &yaml_to_json(mirrored)])
        .await;
    let operator = world.start().await;
    world
        .eventually(&operator, "everybody has what the policy gives", async || {
            let members = world.scim.members("Everyone").await.unwrap().len();
            (members >= 10)
                .then_some(())
                .ok_or_else(|| format!("{members} members"))
        })
        .await;

    // Every credential is refused once; then all is well again.
    world.merge.faults().fail_next(1, 401, "");
    let denied = rollcall_support::proxy::request("*", "*");
    let scim = world.scim_proxy.as_ref().unwrap();
    scim.respond_with(denied, 401, &[], b"{\"detail\": \"the token is wrong\"}".as_slice(), 2);
    let email = world
        .merge
        .people()
        .into_iter()
        .find_map(|person| person.work_email)
        .unwrap();
    let id = world.merge.find(&email).id;
    world.merge.promote(&id, "Chief of Canaries");
    world
        .eventually(&operator, "the refusals were met", async || {
            let user = world.scim.user(&email).await.unwrap().ok_or("no account")?;
            (user["title"] == "Chief of Canaries")
                .then_some(())
                .ok_or_else(|| format!("{user}"))
        })
        .await;

    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let events = events.list(&ListParams::default()).await.unwrap();
    let mut places = vec![
        ("the log", tail(operator.log(), usize::MAX)),
        ("the audit lines", format!("{:?}", world.audit())),
        ("Events", serde_json::to_string(&events.items).unwrap()),
        (
            "what the target was told",
            serde_json::to_string(&world.scim.users().await.unwrap()).unwrap(),
        ),
    ];
    for kind in [
        "Employee",
        "HRISConnection",
        "TargetSystem",
        "Entitlement",
        "ProvisioningPolicy",
    ] {
        places.push((kind, serde_json::to_string(&world.list(kind).await).unwrap()));
    }
    let secrets = [
        world.merge.api_key(),
        world.merge.account_token(),
        world.scim.token().to_owned(),
    ];
    for (place, text) in &places {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "a credential is in {place}");
        }
        for canary in CANARIES {
            assert!(!text.contains(canary), "{canary} is in {place}");
        }
    }
    let logs_and_audit = format!("{}{}", places[0].1, places[1].1);
    for person in world.merge.people() {
        let Some(email) = person.work_email else { continue };
        assert!(!places[0].1.contains(&email), "{email} is in the log");
    }
    assert!(
        logs_and_audit.contains("employee"),
        "there is something to look through"
    );
    let employees = &places.iter().find(|(place, _)| *place == "Employee").unwrap().1;
    assert!(!employees.contains("homeLocation"), "nobody asked for home locations");
    assert!(employees.contains(r#""badge":"B"#), "the badge's number was asked for");
    for undeclared in ["nationalId", "lobby", "CC-"] {
        assert!(!employees.contains(undeclared), "{undeclared} was not declared");
    }
}

/// I9: whatever an API says in its refusals, our credentials among it, ends with the operator; and so do the credentials
/// of every way of authentication, at the log level that tells most.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_an_api_says_in_a_refusal_is_anywhere() {
    let mut options = WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::realistic(3, 11));
    options.args = ["--log", "trace"].map(str::to_owned).to_vec();
    let world = World::new(options).await;
    let mut banks = Vec::new();
    let mut yaml = String::new();
    for (name, auth) in [
        ("bearer", BEARER),
        ("basic", BASIC),
        ("oauth2", OAUTH2),
        ("login", LOGIN),
    ] {
        let habits = Habits {
            token: format!("s3cret-of-{name}-7c2a"),
            ..Habits::default()
        };
        let bank = Bank::open(habits).await;
        yaml += &bank.manifest_as(name, auth, bank.url());
        let entitlement = format!(
            "---\napiVersion: rollcall.dev/v1alpha1\nkind: Entitlement\nmetadata: {{name: {name}}}\nspec:\n  targetRef: \
             {{name: {name}}}\n  http: {{kind: seat, inputs: {{product: office}}}}\n---\n"
        );
        yaml += &entitlement;
        yaml += &World::policy(name, "{everyone: true}", &[name]);
        banks.push((name, bank));
    }
    world.apply(&yaml).await;
    let operator = world.start().await;
    let seated = async |titled: Option<&str>| {
        for (name, bank) in &banks {
            let people = bank.people();
            let right = |title: &str| titled.is_none_or(|titled| title == titled);
            let ready = people.iter().filter(|(_, holder)| right(&holder.title)).count();
            let wanted = if titled.is_some() { 1 } else { 2 };
            if bank.seats("office").len() < 2 || ready < wanted {
                return Err(format!("{name}: {} seats, {ready} people", bank.seats("office").len()));
            }
        }
        Ok(())
    };
    world
        .eventually(&operator, "everybody has a seat at every bank", async || {
            seated(None).await
        })
        .await;
    for (_, bank) in &banks {
        bank.habits(|habits| habits.refusals = 3);
    }
    let people = banks[0].1.people();
    let promote = |at: usize, title: &str| {
        let id = world.merge.find(&people[at].1.email).id;
        world.merge.promote(&id, title);
    };
    promote(0, "Chief of Refusals");
    world
        .eventually(&operator, "every bank has refused in every way", async || {
            for (name, bank) in &banks {
                let mut left = 0;
                bank.habits(|habits| left = habits.refusals);
                if left > 0 {
                    return Err(format!("{name} has {left} refusals left"));
                }
            }
            Ok(())
        })
        .await;
    // What one person was refused holds up nobody else; by then it was said wherever it is said.
    promote(1, "Chief of Afterwards");
    world
        .eventually(&operator, "every bank does what comes next", async || {
            seated(Some("Chief of Afterwards")).await
        })
        .await;

    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let events = events.list(&ListParams::default()).await.unwrap();
    let mut places = vec![
        ("the log", tail(operator.log(), usize::MAX)),
        ("the audit lines", format!("{:?}", world.audit())),
        ("Events", serde_json::to_string(&events.items).unwrap()),
    ];
    for kind in ["Employee", "TargetSystem", "Entitlement", "ProvisioningPolicy"] {
        places.push((kind, serde_json::to_string(&world.list(kind).await).unwrap()));
    }
    for (place, text) in &places {
        assert!(!text.contains(CANARY), "what a bank says in a refusal is in {place}");
        for (name, bank) in &banks {
            assert!(!text.contains(&bank.token()), "the secret of {name} is in {place}");
        }
    }
    assert!(places[0].1.contains("bearer"), "there is something to look through");
}

fn yaml_to_json(yaml: &str) -> String {
    let value: serde_json::Value = serde_yaml::from_str(yaml).unwrap();
    value.to_string()
}
