//! What of an HR system that answers nonsense? Absence is no evidence, and neither is a read that cannot be believed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use rollcall_support::checks::{email, grant, usual};
use rollcall_support::merge::{Company, Id, MergeSim, NewHire};
use rollcall_support::operator::Operator;
use rollcall_support::world::World;

const CONNECTION: (&str, &str) = ("HRISConnection", "hr");

/// Everything is read at every sync.
const ALWAYS_FULL: &str = r#"{"spec": {"fullSyncInterval": "1s"}}"#;

async fn patch_connection(world: &World, patch: &str) {
    world
        .kubectl(&["patch", "hris", "hr", "--type=merge", "-p", patch])
        .await;
}

fn hire(merge: &MergeSim, name: &str, department: &str) -> Id {
    merge.hire(NewHire {
        department: department.into(),
        work_email: Some(email(name)),
        ..NewHire::named(name, "Example")
    })
}

/// Ada and Sam in engineering, known from the HR system and with all that policies give them.
async fn ada_and_sam() -> (World, Operator, Id, Id) {
    let world = usual(env!("CARGO_BIN_EXE_rollcall"), Company::empty()).await;
    world.merge.add_group("Engineering", "DEPARTMENT", None);
    let ada = hire(&world.merge, "ada", "Engineering");
    let sam = hire(&world.merge, "sam", "Engineering");
    let operator = world.start().await;
    settled(&world, &operator).await;
    (world, operator, ada, sam)
}

async fn settled(world: &World, operator: &Operator) {
    world.has_members(operator, "Engineering", &["ada", "sam"]).await;
    world.has_members(operator, "Everyone", &["ada", "sam"]).await;
    for name in ["ada", "sam"] {
        let name = name_of(world, name).await;
        world.has_grant(operator, &name, "engineering", "Granted").await;
        world.has_grant(operator, &name, "everyone", "Granted").await;
    }
}

/// The name of the Employee with this person's address.
async fn name_of(world: &World, person: &str) -> String {
    let employee = world.employee(&email(person)).await.expect("the person is mirrored");
    employee["metadata"]["name"].as_str().unwrap().to_owned()
}

async fn versions(world: &World) -> BTreeMap<String, String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let employees = world.list("Employee").await;
    let versions = employees.iter().map(|employee| {
        let metadata = &employee["metadata"];
        (text(&metadata["name"]), text(&metadata["resourceVersion"]))
    });
    versions.collect()
}

/// Waits for so many more syncs to begin.
async fn syncs(world: &World, operator: &Operator, count: usize) {
    let begun = || {
        let requests = world.merge.requests();
        requests
            .iter()
            .filter(|request| request.path.contains("account-details"))
            .count()
    };
    let before = begun();
    world
        .eventually(operator, "syncs go on", async || {
            (begun() >= before + count)
                .then_some(())
                .ok_or_else(|| begun().to_string())
        })
        .await;
}

/// How often an Event of this reason was published on the connection.
async fn told(world: &World, reason: &str) -> u64 {
    let events = world.events(CONNECTION.0, CONNECTION.1, reason).await;
    let times = |event: &serde_json::Value| event["series"]["count"].as_u64().unwrap_or(1);
    events.iter().map(times).sum()
}

/// A fault: how it is switched on, the reason that the connection gives, and the words that say how to mend it.
type Trouble = (fn(&MergeSim), &'static str, &'static [&'static str]);

/// Each trouble is said once, changes no Employee and takes nothing, and is over when it is over.
async fn nothing_is_believed(world: &World, operator: &Operator, troubles: &[Trouble]) {
    syncs(world, operator, 2).await;
    let (people, members) = (versions(world).await, world.memberships().await);
    world.script.as_ref().unwrap().reset();
    for (begin, reason, words) in troubles {
        let before = told(world, reason).await;
        begin(&world.merge);
        let condition = format!("SourceTrusted=False/{reason}");
        let words = [*words, &["Nothing was changed"]].concat();
        world.complains(operator, CONNECTION, &condition, &words).await;
        // A second sync that fares no better has nothing new to say.
        syncs(world, operator, 2).await;
        world.complains(operator, CONNECTION, &condition, &words).await;
        assert_eq!(told(world, reason).await, before + 1, "{reason} is told once");
        assert_eq!(versions(world).await, people, "no Employee changes after {reason}");
        assert_eq!(world.memberships().await, members);
        world.merge.faults().clear();
        world
            .says(operator, CONNECTION, "SourceTrusted=True/AsExpected", &[])
            .await;
        syncs(world, operator, 2).await;
        assert_eq!(versions(world).await, people, "nothing was missed, so nothing changes");
    }
    assert_eq!(world.changes(), Vec::<String>::new());
}

/// Merge itself says that what it has is not whole, or not of today.
#[tokio::test(flavor = "multi_thread")]
async fn merge_doubts_its_own_data() {
    let (world, operator, _, _) = ada_and_sam().await;
    patch_connection(&world, ALWAYS_FULL).await;
    let troubles: &[Trouble] = &[
        (
            |merge| merge.faults().set_sync_status("Employee", "FAILED"),
            "SyncFailed",
            &["sync of Employee", "failed", "see the linked account's issues in Merge"],
        ),
        (
            |merge| merge.faults().set_sync_status("Group", "PARTIALLY_SYNCED"),
            "SyncPartial",
            &["brought a part only", "see the linked account's issues in Merge"],
        ),
        (
            |merge| merge.faults().relink_needed(),
            "RelinkNeeded",
            &["RELINK_NEEDED", "link the account anew in Merge"],
        ),
        (
            |merge| merge.faults().empty_results("/employees"),
            "Empty",
            &["lists no employees at all", "but 2 are mirrored"],
        ),
        (
            |merge| merge.faults().throttle(std::time::Duration::from_mins(10), 1_000),
            "Throttled",
            &["asks to wait 600 s", "lower requestsPerMinute"],
        ),
    ];
    nothing_is_believed(&world, &operator, troubles).await;
}

/// An answer that is none: half of it, or an error in the clothes of a success.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_cannot_be_read() {
    let (world, operator, _, _) = ada_and_sam().await;
    patch_connection(&world, ALWAYS_FULL).await;
    let troubles: &[Trouble] = &[
        (
            |merge| merge.faults().truncated_json("/employees"),
            "Malformed",
            &[
                "answer for employees cannot be used",
                "ask Merge's support if this lasts",
            ],
        ),
        (
            |merge| merge.faults().error_body_with_200("/groups"),
            "Malformed",
            &["answer for groups cannot be used", "it has no results"],
        ),
    ];
    nothing_is_believed(&world, &operator, troubles).await;
}

/// An error on the second page: what the first page said is not used either, new people included.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_middle_of_a_list() {
    let world = usual(env!("CARGO_BIN_EXE_rollcall"), Company::realistic(105, 7)).await;
    // Few have anything, so that the story is about the mirror.
    world.kubectl(&["delete", "provpol", "everyone", "sales"]).await;
    patch_connection(&world, ALWAYS_FULL).await;
    let operator = world.start().await;
    world
        .eventually(&operator, "everybody is mirrored", async || {
            let count = versions(&world).await.len();
            (count >= 105).then_some(()).ok_or_else(|| count.to_string())
        })
        .await;
    world.quiet(std::time::Duration::from_secs(3)).await;
    syncs(&world, &operator, 2).await;
    let (people, members) = (versions(&world).await, world.memberships().await);
    world.script.as_ref().unwrap().reset();
    world.merge.faults().fail_page("/employees", 1, 500);
    let moved = world.merge.people()[0].id.clone();
    world.merge.transfer(&moved, "Sales");
    hire(&world.merge, "eve", "Engineering");
    world
        .complains(
            &operator,
            CONNECTION,
            "SourceTrusted=False/Unreachable",
            &["Merge answers employees with status 500", "the next sync tries again"],
        )
        .await;
    assert_eq!(versions(&world).await, people);
    assert_eq!(world.memberships().await, members);
    assert_eq!(world.changes(), Vec::<String>::new());
    world.merge.faults().clear();
    world
        .says(&operator, CONNECTION, "SourceTrusted=True/AsExpected", &[])
        .await;
    world
        .eventually(&operator, "the hire gains access", async || {
            let members = world.scim.members("Engineering").await.unwrap();
            members
                .contains(&email("eve"))
                .then_some(())
                .ok_or(format!("{members:?}"))
        })
        .await;
}

/// Who vanishes from the list without a word is missing, and keeps everything; who was deleted in the HR system has
/// left.
#[tokio::test(flavor = "multi_thread")]
async fn one_vanishes_and_one_is_deleted() {
    let (world, operator, ada, sam) = ada_and_sam().await;
    patch_connection(&world, ALWAYS_FULL).await;
    syncs(&world, &operator, 2).await;
    world.script.as_ref().unwrap().reset();
    let name = name_of(&world, "ada").await;
    let phase = async |wanted: &str| {
        let what = format!("Ada is {wanted}");
        world
            .eventually(&operator, &what, async || {
                let employee = world.get("Employee", &name).await;
                let phase = employee["status"]["phase"].clone();
                (phase == wanted).then_some(()).ok_or_else(|| phase.to_string())
            })
            .await;
    };
    world.merge.forget(&ada);
    phase("Missing").await;
    syncs(&world, &operator, 3).await;
    let employee = world.get("Employee", &name).await;
    assert_eq!(employee["spec"]["source"]["state"], "Absent");
    assert_eq!(
        employee["spec"]["departments"][0]["path"][0], "Engineering",
        "the facts stay"
    );
    assert_eq!(grant(&employee, "engineering"), "Granted");
    assert_eq!(world.changes(), Vec::<String>::new());
    settled(&world, &operator).await;

    world.merge.remember(&ada);
    phase("Active").await;
    world.merge.delete(&sam);
    world.has_members(&operator, "Engineering", &["ada"]).await;
    world.has_members(&operator, "Everyone", &["ada"]).await;
    world
        .eventually(&operator, "Sam's account is deactivated", async || {
            let user = world.scim.user(&email("sam")).await.unwrap().ok_or("gone")?;
            (user["active"] == false).then_some(()).ok_or_else(|| user.to_string())
        })
        .await;
}

/// A department that turned null takes no access until a later full read finds it null again.
#[tokio::test(flavor = "multi_thread")]
async fn a_department_turns_null() {
    let (world, operator, ada, _) = ada_and_sam().await;
    syncs(&world, &operator, 2).await;
    world.script.as_ref().unwrap().reset();
    let name = name_of(&world, "ada").await;
    world.merge.update(&ada, |row| row.groups.clear());
    world
        .eventually(&operator, "the null is seen and not believed", async || {
            let employee = world.get("Employee", &name).await;
            let unconfirmed = employee["spec"]["source"]["unconfirmed"].to_string();
            unconfirmed
                .contains("departments")
                .then_some(())
                .ok_or_else(|| employee["spec"].to_string())
        })
        .await;
    syncs(&world, &operator, 3).await;
    world.quiet(std::time::Duration::from_secs(2)).await;
    assert_eq!(world.changes(), Vec::<String>::new());
    world.has_members(&operator, "Engineering", &["ada", "sam"]).await;

    // An edit of the connection has everything read again.
    patch_connection(&world, ALWAYS_FULL).await;
    world.has_members(&operator, "Engineering", &["sam"]).await;
    world.has_members(&operator, "Everyone", &["ada", "sam"]).await;
    let employee = world.has_grant(&operator, &name, "engineering", "Revoked").await;
    assert_eq!(grant(&employee, "everyone"), "Granted");
}
