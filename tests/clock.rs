//! Does nothing begin by time alone while nobody knows what time it is, and does all else go on meanwhile?
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use rollcall_support::checks::{directory_effects, email, usual_policies};
use rollcall_support::merge::{Company, Id, NewHire};
use rollcall_support::operator::Operator;
use rollcall_support::world::{World, WorldOptions};
use serde_json::json;

const DIRECTORY: (&str, &str) = ("TargetSystem", "directory");
const QUIET: Duration = Duration::from_secs(2);

async fn world() -> World {
    let options = WorldOptions {
        script: Some(directory_effects()),
        args: ["--clock-seconds", "1"].map(str::to_owned).to_vec(),
        ..WorldOptions::new(env!("CARGO_BIN_EXE_rollcall"), Company::empty())
    };
    let world = World::new(options).await;
    world.apply(&usual_policies()).await;
    world.merge.add_group("Engineering", "DEPARTMENT", None);
    world
}

fn hire(world: &World, name: &str) -> Id {
    world.merge.hire(NewHire {
        department: "Engineering".into(),
        work_email: Some(email(name)),
        start_date: Some("2020-01-01".parse().unwrap()),
        ..NewHire::named(name, "Example")
    })
}

/// The name of the zone in which it is about noon, so that no test runs over midnight.
fn zone_at_noon() -> String {
    match Timestamp::now().to_zoned(TimeZone::UTC).hour() - 12 {
        0 => "UTC".to_owned(),
        hours => format!("Etc/GMT{hours:+}"),
    }
}

/// Has employments end a few seconds from now, by the minute; returns when that is.
async fn end_employments_soon(world: &World) -> Zoned {
    let zone = zone_at_noon();
    let now = Timestamp::now().in_tz(&zone).unwrap();
    let end = (&now + SignedDuration::from_secs(70))
        .with()
        .second(0)
        .subsec_nanosecond(0)
        .build()
        .unwrap();
    let termination = json!({"defaultTimeZone": zone, "timeOfDay": end.strftime("%H:%M").to_string()});
    let patch = json!({"spec": {"termination": termination}}).to_string();
    world
        .kubectl(&["patch", "hris", "hr", "--type=merge", "-p", &patch])
        .await;
    end
}

async fn is_leaving(world: &World, operator: &Operator, name: &str, end: &Zoned) {
    let at = json!({"at": end.timestamp().to_string(), "what": "phase Terminated"});
    world
        .eventually(operator, &format!("{name} is leaving"), async || {
            let employee = world.employee(&email(name)).await.unwrap_or_default();
            let next = &employee["status"]["nextTransition"];
            (*next == at)
                .then_some(())
                .ok_or_else(|| employee["status"].to_string())
        })
        .await;
}

/// Returns a moment after `end`, which nothing but time can bring.
async fn pass(end: &Zoned) {
    let left = end.timestamp().duration_since(Timestamp::now());
    tokio::time::sleep(Duration::try_from(left).unwrap_or_default() + Duration::from_secs(1)).await;
}

/// Semantics 2, I2: a leaver whose last day ends is not touched while the clocks differ, whom the HR system says to be gone
/// is; and when the clocks agree again, the first goes, too.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_ends_by_time_alone_while_the_clocks_differ() {
    let world = world().await;
    let (ada, _joe, sam) = (hire(&world, "ada"), hire(&world, "joe"), hire(&world, "sam"));
    let operator = world.start().await;
    world
        .has_members(&operator, "Engineering", &["ada", "joe", "sam"])
        .await;
    world
        .says(&operator, DIRECTORY, "ClockTrusted=True/AsExpected", &[])
        .await;
    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();

    let api = world.kube_proxy.as_ref().unwrap();
    api.shift_date(SignedDuration::from_mins(10));
    let words = ["differ by", "nothing begins by time alone"];
    world
        .complains(&operator, DIRECTORY, "ClockTrusted=False/ClocksDiffer", &words)
        .await;
    let end = end_employments_soon(&world).await;
    world.merge.leave(&ada, end.date());
    is_leaving(&world, &operator, "ada", &end).await;
    pass(&end).await;
    world.merge.deactivate(&sam);
    world.has_members(&operator, "Engineering", &["ada", "joe"]).await;
    world.quiet(QUIET).await;
    world.has_members(&operator, "Engineering", &["ada", "joe"]).await;
    is_leaving(&world, &operator, "ada", &end).await;

    api.shift_date(SignedDuration::ZERO);
    world.has_members(&operator, "Engineering", &["joe"]).await;
    world
        .says(&operator, DIRECTORY, "ClockTrusted=True/AsExpected", &[])
        .await;
    world.has_members(&operator, "Everyone", &["joe"]).await;
}

/// The same where the clocks differ before anything is decided: an operator that starts with a wrong clock decides by the
/// earlier of the two. And with clocks that agree, one timer ends an employment at its minute, without anything else.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_starts_with_a_wrong_clock() {
    let world = world().await;
    let (ada, joe) = (hire(&world, "ada"), hire(&world, "joe"));
    let operator = world.start().await;
    world.has_members(&operator, "Engineering", &["ada", "joe"]).await;
    let end = end_employments_soon(&world).await;
    world.merge.leave(&ada, end.date());
    is_leaving(&world, &operator, "ada", &end).await;
    pass(&end).await;
    world.has_members(&operator, "Engineering", &["joe"]).await;
    world.has_members(&operator, "Everyone", &["joe"]).await;
    let late = Timestamp::now().duration_since(end.timestamp());
    assert!(late < SignedDuration::from_secs(15), "{late:?} after the end");

    world.quiet(QUIET).await;
    world.script.as_ref().unwrap().reset();
    operator.kill();
    world.free_lease().await;
    let api = world.kube_proxy.as_ref().unwrap();
    // Days before Ada left, and before Joe's first grant.
    api.shift_date(SignedDuration::from_hours(-72));
    operator.restart().unwrap();
    world.ready(&operator).await;
    world
        .says(&operator, DIRECTORY, "ClockTrusted=False/ClocksDiffer", &[])
        .await;
    world.quiet(QUIET).await;
    assert_eq!(
        world.changes(),
        Vec::<String>::new(),
        "nobody comes back, and nobody goes back before the first day"
    );
    world.merge.deactivate(&joe);
    world.has_members(&operator, "Engineering", &[]).await;
}
