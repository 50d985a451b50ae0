//! What becomes of access when an employment changes and does not end: leave and return, another type of employment,
//! another cost centre, and an employment that begins anew in a row of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use jiff::civil::Date;
use rollcall_support::checks::{email, grants, usual};
use rollcall_support::merge::{Company, Id, NewHire};
use rollcall_support::operator::Operator;
use rollcall_support::world::World;
use serde_json::Value;

const QUIET: Duration = Duration::from_secs(2);

/// Everybody is in the group Everyone; who else is where follows from the policies of each story.
async fn world() -> World {
    usual(env!("CARGO_BIN_EXE_rollcall"), Company::empty()).await
}

fn days_ago(days: i64) -> Date {
    let today = jiff::Zoned::now().date();
    today.checked_sub(jiff::Span::new().days(days)).unwrap()
}

fn hire(world: &World, name: &str, kind: &str) -> Id {
    world.merge.hire(NewHire {
        employment_type: kind.into(),
        work_email: Some(email(name)),
        start_date: Some(days_ago(30)),
        ..NewHire::named(name, "Example")
    })
}

async fn patch_connection(world: &World, spec: &str) {
    let patch = format!(r#"{{"spec": {spec}}}"#);
    world
        .kubectl(&["patch", "hris", "hr", "--type=merge", "-p", &patch])
        .await;
}

/// Waits until an Employee's spec or status says so; returns the Employee.
async fn employee_is(world: &World, operator: &Operator, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    world
        .eventually(operator, what, async || {
            found = world.employee(&email(name)).await.unwrap_or_default();
            is(&found)
                .then_some(())
                .ok_or_else(|| format!("{} {} {:?}", found["spec"], found["status"]["phase"], grants(&found)))
        })
        .await;
    found
}

async fn is_in_phase(world: &World, operator: &Operator, name: &str, phase: &str) {
    let what = format!("{name} is in phase {phase}");
    employee_is(world, operator, name, &what, |employee| {
        employee["status"]["phase"] == phase
    })
    .await;
}

fn grantors(employee: &Value, entitlement: &str) -> String {
    let records = employee["status"]["entitlements"].as_array().into_iter().flatten();
    let mut found = records.filter(|record| record["entitlement"] == entitlement);
    found
        .next()
        .map(|record| record["grantors"].to_string())
        .unwrap_or_default()
}

/// Forgets what was sent so far, once all of it was sent.
async fn at_rest(world: &World) {
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
}

/// What was taken from anybody in a group since the world was last [`at_rest`].
async fn losses_of(world: &World, group: &str) -> Vec<String> {
    let groups = world.scim.groups().await.unwrap();
    let group = groups.iter().find(|found| found["displayName"] == group).unwrap();
    let id = group["id"].as_str().unwrap();
    world.losses().into_iter().filter(|loss| loss.contains(id)).collect()
}

/// The account of a person: its id, and whether it is active.
async fn account(world: &World, name: &str) -> (String, bool) {
    let user = world.scim.user(&email(name)).await.unwrap().unwrap();
    (user["id"].as_str().unwrap().to_owned(), user["active"] != false)
}

/// I7: on leave a person keeps what policies give on leave, and gets the rest back on return: the same account, the
/// same groups, and then nothing more is sent.
#[tokio::test(flavor = "multi_thread")]
async fn leave_and_return_with_the_same_access() {
    let world = world().await;
    patch_connection(&world, r#"{"inactiveMeans": "OnLeave"}"#).await;
    let at_work = "lifecycle: {phases: [Active, Leaving]}\n  mode: Enforce";
    world
        .apply(
            &[
                World::group_entitlement("managers", "Managers"),
                World::policy("at-work", "{everyone: true}", &["managers"]).replace("mode: Enforce", at_work),
            ]
            .concat(),
        )
        .await;
    let ada = hire(&world, "ada", "FULL_TIME");
    let operator = world.start().await;
    world.has_members(&operator, "Everyone", &["ada"]).await;
    world.has_members(&operator, "Managers", &["ada"]).await;
    let before = account(&world, "ada").await;
    let memberships = world.memberships().await;
    at_rest(&world).await;

    world.merge.deactivate(&ada);
    is_in_phase(&world, &operator, "ada", "OnLeave").await;
    world.has_members(&operator, "Managers", &[]).await;
    world.quiet(QUIET).await;
    assert_eq!(world.losses().len(), 1, "{:?}", world.losses());
    assert_eq!(account(&world, "ada").await, before, "who is on leave has an account");

    world.merge.activate(&ada);
    world.has_members(&operator, "Managers", &["ada"]).await;
    is_in_phase(&world, &operator, "ada", "Active").await;
    assert_eq!(account(&world, "ada").await, before);
    assert_eq!(world.memberships().await, memberships);
    at_rest(&world).await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());
}

/// I8: a contractor who becomes an employee never loses what both policies give, and swaps the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_contractor_becomes_an_employee() {
    let world = world().await;
    world
        .apply(
            &[
                World::group_entitlement("managers", "Managers"),
                World::policy(
                    "contractors",
                    "{employmentType: [CONTRACTOR]}",
                    &["engineering", "sales"],
                ),
                World::policy("staff", "{employmentType: [FULL_TIME]}", &["engineering", "managers"]),
            ]
            .concat(),
        )
        .await;
    let ada = hire(&world, "ada", "CONTRACTOR");
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    world.has_members(&operator, "Sales", &["ada"]).await;
    let before = account(&world, "ada").await;
    at_rest(&world).await;

    world.merge.change_employment_type(&ada, "FULL_TIME");
    world.has_members(&operator, "Managers", &["ada"]).await;
    world.has_members(&operator, "Sales", &[]).await;
    world.quiet(QUIET).await;
    world.has_members(&operator, "Engineering", &["ada"]).await;
    assert_eq!(losses_of(&world, "Engineering").await, Vec::<String>::new());
    assert_eq!(losses_of(&world, "Everyone").await, Vec::<String>::new());
    assert_eq!(losses_of(&world, "Sales").await.len(), 1);
    assert_eq!(account(&world, "ada").await, before);
    employee_is(
        &world,
        &operator,
        "ada",
        "the record names the new grantor alone",
        |employee| grantors(employee, "engineering") == r#"["staff"]"#,
    )
    .await;
}

/// I8, and semantics 3: another cost centre swaps access; a declaration that is taken back, a name that nobody declares
/// and a declaration that comes back take nothing.
#[tokio::test(flavor = "multi_thread")]
async fn another_cost_centre() {
    let world = world().await;
    let declared = r#"{"customFields": [{"name": "costCenter", "fieldMapping": "cost_center"}]}"#;
    patch_connection(&world, declared).await;
    let of = |name: &str, value: &str| format!("{{customFields: [{{name: {name}, in: [{value}]}}]}}");
    world
        .apply(
            &[
                World::policy("build", &of("costCenter", "cc-1010"), &["engineering"]),
                World::policy("sell", &of("costCenter", "CC-2020"), &["sales"]),
            ]
            .concat(),
        )
        .await;
    let charge = |id: &Id, to: &str| {
        let to = Value::from(to);
        world
            .merge
            .update(id, |row| row.organization_fields.insert("cost_center".into(), to));
    };
    let (ada, sam) = (hire(&world, "ada", "FULL_TIME"), hire(&world, "sam", "FULL_TIME"));
    charge(&ada, "CC-1010");
    charge(&sam, "CC-1010");
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada", "sam"]).await;
    charge(&ada, "CC-2020");
    world.has_members(&operator, "Sales", &["ada"]).await;
    world.has_members(&operator, "Engineering", &["sam"]).await;
    at_rest(&world).await;

    // Nobody declares it any more, and the value is gone.
    patch_connection(&world, r#"{"customFields": null}"#).await;
    employee_is(&world, &operator, "ada", "the value is gone", |employee| {
        employee["spec"]["customFields"].is_null() && employee["spec"]["source"]["customFields"].is_null()
    })
    .await;
    world.quiet(QUIET).await;
    // It is declared again, and means what it meant.
    patch_connection(&world, declared).await;
    employee_is(&world, &operator, "ada", "the value is back", |employee| {
        employee["spec"]["customFields"]["costCenter"] == "CC-2020"
    })
    .await;
    world.quiet(QUIET).await;
    assert_eq!(world.changes(), Vec::<String>::new());

    // A slip in the name: nothing is known of that field.
    world
        .apply(&World::policy("sell", &of("costCentre", "CC-2020"), &["sales"]))
        .await;
    world.quiet(QUIET).await;
    charge(&sam, "CC-2020");
    world.has_members(&operator, "Engineering", &[]).await;
    world.quiet(QUIET).await;
    world.has_members(&operator, "Sales", &["ada"]).await;
}

/// I2, I4: hired again in a row of its own, a person is another Employee of the same address. What the first one held
/// has gone with the last day, and no second account is made beside the first.
#[tokio::test(flavor = "multi_thread")]
async fn hired_again_in_a_new_row_makes_no_second_account() {
    let world = world().await;
    let ada = hire(&world, "ada", "FULL_TIME");
    let operator = world.start().await;
    world.has_members(&operator, "Everyone", &["ada"]).await;
    let (id, _) = account(&world, "ada").await;
    world.merge.leave(&ada, days_ago(2));
    world.merge.deactivate(&ada);
    is_in_phase(&world, &operator, "ada", "Terminated").await;
    world.has_members(&operator, "Everyone", &[]).await;
    at_rest(&world).await;
    assert_eq!(account(&world, "ada").await, (id.clone(), false));

    world.merge.rehire_new_row(&ada, days_ago(1));
    world
        .eventually(&operator, "the new Employee is decided on", async || {
            let people = world.list("Employee").await;
            let at_work = people.iter().find(|employee| employee["status"]["phase"] == "Active");
            let decided = at_work.is_some_and(|employee| !grants(employee).is_empty());
            (people.len() == 2 && decided)
                .then_some(())
                .ok_or_else(|| format!("{people:?}"))
        })
        .await;
    world.quiet(QUIET).await;
    let users = world.scim.users().await.unwrap();
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!(account(&world, "ada").await, (id, true), "usable again");
    world.has_members(&operator, "Everyone", &["ada"]).await;
    assert_eq!(world.losses(), Vec::<String>::new());
}
