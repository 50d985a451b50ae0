//! The company: how it is made up and how it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use rollcall_support::merge::{CANARIES, Company, ListOrder, MergeSim, NewHire};
use serde_json::Value;

use super::{Client, text};

#[tokio::test]
async fn deleted_shell_and_forgotten_rows_are_hidden() {
    let client = Client::start(Company::realistic(10, 7)).await;
    let people = client.sim.people();
    client.sim.delete(&people[3].id);
    assert_eq!(client.ids("/employees").await.len(), 9);
    let all = client.all("/employees?include_deleted_data=true").await.0;
    assert_eq!(all.len(), 10);
    assert_eq!(all[3]["remote_was_deleted"], true);
    client.sim.update(&people[4].id, |row| row.meta.shell = true);
    assert_eq!(client.ids("/employees").await.len(), 8);
    assert_eq!(client.ids("/employees?include_shell_data=true").await.len(), 9);
    assert_eq!(client.status(&format!("/employees/{}", people[4].id)).await, 404);
    client.sim.forget(&people[5].id);
    assert_eq!(
        client
            .ids("/employees?include_deleted_data=true&include_shell_data=true")
            .await
            .len(),
        9
    );
    assert_eq!(client.status(&format!("/employees/{}", people[5].id)).await, 404);
    client.sim.remember(&people[5].id);
    assert_eq!(client.status(&format!("/employees/{}", people[5].id)).await, 200);
}

#[tokio::test]
async fn modified_after_goes_by_merges_clock() {
    let client = Client::start(Company::realistic(40, 7)).await;
    client.sim.set_clock_skew(SignedDuration::from_mins(-7));
    let before = client.sim.now();
    assert!(Timestamp::now().duration_since(before) >= SignedDuration::from_mins(7));
    let response = client.ask("/employees").await;
    let date = response.headers()["date"].to_str().expect("a date").to_owned();
    let date = jiff::fmt::rfc2822::parse(&date).expect("an HTTP date").timestamp();
    assert!(before.duration_since(date).abs() < SignedDuration::from_secs(5));

    let person = client.sim.people()[9].id.clone();
    assert_eq!(
        client.ids(&format!("/employees?modified_after={before}")).await,
        Vec::<String>::new()
    );
    client.sim.rename(&person, "Grace", "Hopper");
    assert_eq!(
        client.ids(&format!("/employees?modified_after={before}")).await,
        vec![person.clone()]
    );
    let at = client.sim.row(&person).meta.modified_at;
    assert!(at > before && at <= client.sim.now());
    assert_eq!(
        text(&client.get(&format!("/employees/{person}")).await, "modified_at"),
        at.to_string()
    );
    // Which side the bound is on is undocumented.
    assert_eq!(client.ids(&format!("/employees?modified_after={at}")).await.len(), 0);
    client.sim.set_bounds_inclusive(true);
    assert_eq!(client.ids(&format!("/employees?modified_after={at}")).await.len(), 1);
    assert_eq!(
        client.ids(&format!("/employees?modified_before={before}")).await.len(),
        39
    );
    // A clock that is set back stays usable.
    client.sim.set_clock_skew(SignedDuration::from_hours(-5));
    client.sim.rename(&person, "Grace", "Murray");
    assert!(client.sim.row(&person).meta.modified_at < before);
}

#[tokio::test]
async fn every_change_shows() {
    let client = Client::start(Company::realistic(80, 7)).await;
    let sim = &client.sim;
    let chief = sim.people()[0].clone();
    let id = sim.hire(NewHire {
        job_title: "Platform Engineer".into(),
        department: "Platform".into(),
        manager: Some(chief.id.clone()),
        start_date: Some(date(2099, 1, 4)),
        location: Some("London".into()),
        ..NewHire::named("Ada", "Lovelace")
    });
    let since = sim.now();
    let read = async || {
        client
            .get(&format!("/employees/{id}?expand=groups,employments,work_location"))
            .await
    };
    let row = read().await;
    assert_eq!(
        (
            row["employment_status"].as_str(),
            row["start_date"].as_str(),
            row["work_email"].as_str()
        ),
        (
            Some("PENDING"),
            Some("2099-01-04T00:00:00Z"),
            Some("ada.lovelace@example.com")
        )
    );
    assert_eq!(
        (&row["groups"][0]["name"], &row["groups"][1]["name"]),
        (&"Platform".into(), &"Product & Technology".into())
    );
    assert_eq!(
        (&row["work_location"]["name"], &row["manager"]),
        (&"London".into(), &chief.id.as_str().into())
    );
    assert_eq!(row["employments"][0]["job_title"], "Platform Engineer");

    sim.activate(&id);
    sim.transfer(&id, "EMEA Sales");
    sim.relocate(&id, "Warsaw");
    sim.new_manager(&id, &sim.people()[1].id);
    sim.rename(&id, "Ada", "King");
    sim.change_email(&id, "ada.king@example.com");
    let row = read().await;
    assert_eq!(
        (&row["groups"][0]["name"], &row["groups"][1]["name"]),
        (&"EMEA Sales".into(), &"Go-To-Market".into())
    );
    assert_eq!(
        (&row["work_location"]["name"], &row["display_full_name"]),
        (&"Warsaw".into(), &"Ada King".into())
    );
    assert_eq!(
        (&row["employment_status"], sim.find("ada.king@example.com").id.as_str()),
        (&"ACTIVE".into(), id.as_str())
    );
    assert_eq!(
        client.ids(&format!("/employees?modified_after={since}")).await,
        vec![id.clone()]
    );

    // A new position is a row of its own and leaves the employee's modified_at alone.
    let since = sim.now();
    sim.promote(&id, "Senior Account Executive");
    assert_eq!(sim.person(&id).title.as_deref(), Some("Senior Account Executive"));
    sim.promote(&id, "Director of Sales");
    assert_eq!(sim.person(&id).title.as_deref(), Some("Director of Sales"));
    sim.change_employment_type(&id, "CONTRACTOR");
    assert_eq!(read().await["employments"].as_array().map(Vec::len), Some(4));
    assert_eq!(client.ids(&format!("/employees?modified_after={since}")).await.len(), 0);
    assert_eq!(
        client.ids(&format!("/employments?modified_after={since}")).await.len(),
        3
    );
    sim.set_related_changes_bump(true);
    sim.retitle_in_place(&id, "VP of Sales");
    assert_eq!(
        client.ids(&format!("/employees?modified_after={since}")).await,
        vec![id.clone()]
    );
    assert_eq!(sim.person(&id).title.as_deref(), Some("VP of Sales"));
    sim.set_related_changes_bump(false);

    let since = sim.now();
    sim.add_group("Field Sales", "Level 1", Some("Sales"));
    sim.move_group("EMEA Sales", Some("Field Sales"));
    sim.join_group(&id, "Field Sales");
    assert_eq!(client.ids(&format!("/groups?modified_after={since}")).await.len(), 2);
    assert_eq!(
        client
            .get(&format!("/groups/{}", sim.group("EMEA Sales").meta.id))
            .await["parent_group"],
        sim.group("Field Sales").meta.id
    );
    // Whether its members count as changed is undocumented, so it is a switch.
    let since = sim.now();
    sim.rename_group("Field Sales", "Field");
    assert_eq!(client.ids(&format!("/employees?modified_after={since}")).await.len(), 0);
    sim.set_related_changes_bump(true);
    sim.rename_group("Field", "Field Sales");
    sim.update_location("Warsaw", |row| row.city = Some("Kraków".into()));
    let touched = client.ids(&format!("/employees?modified_after={since}")).await;
    assert!(touched.contains(&id) && touched.len() < 40, "{touched:?}");
    sim.set_related_changes_bump(false);
    sim.leave_group(&id, "Field Sales");
    sim.add_location("Lisbon", "PT", None, Some("Lisbon"));
    sim.relocate(&id, "Lisbon");
    assert_eq!(sim.person(&id).country.as_deref(), Some("PT"));

    sim.leave(&id, date(2099, 3, 31));
    let row = read().await;
    assert_eq!(
        (&row["termination_date"], &row["employment_status"]),
        (&"2099-03-31T00:00:00Z".into(), &"ACTIVE".into())
    );
    sim.stay(&id);
    assert_eq!(read().await["termination_date"], Value::Null);
    sim.leave(&id, date(2026, 3, 31));
    sim.deactivate(&id);
    assert_eq!(read().await["employment_status"], "INACTIVE");
    let new = sim.rehire_new_row(&id, date(2026, 9, 1));
    assert_eq!(sim.person(&new).work_email, sim.person(&id).work_email);
    assert_ne!(sim.person(&new).remote_id, sim.person(&id).remote_id);
    sim.rehire_same_row(&id, date(2026, 9, 1));
    let row = read().await;
    assert_eq!(
        (&row["employment_status"], &row["start_date"]),
        (&"ACTIVE".into(), &"2026-09-01T00:00:00Z".into())
    );
    assert_eq!(row["termination_date"], "2026-03-31T00:00:00Z");
    sim.set_status(&id, Some("Leave"));
    assert_eq!(read().await["employment_status"], "Leave");
    sim.set_status(&id, None);
    assert_eq!(read().await["employment_status"], Value::Null);
    sim.delete(&id);
    assert_eq!(read().await["remote_was_deleted"], true);
}

/// A change while somebody pages: with rows in the order of creation nobody is missed, newest first somebody is.
#[tokio::test]
async fn the_company_may_change_while_somebody_pages() {
    let client = Client::start(Company::realistic(90, 7)).await;
    let everybody: BTreeSet<_> = client.sim.people().into_iter().map(|person| person.id).collect();
    let last = client.sim.people()[89].id.clone();
    for (order, seen) in [
        (ListOrder::Created, 90),
        (ListOrder::Modified, 90),
        (ListOrder::ModifiedLatestFirst, 89),
    ] {
        client.sim.set_list_order(order);
        let first = client.get("/employees?page_size=1").await["results"][0].clone();
        let victim = if order == ListOrder::ModifiedLatestFirst {
            client.sim.people()[1].id.clone()
        } else {
            last.clone()
        };
        assert_ne!(text(&first, "id"), victim);
        let sim = client.sim.clone();
        client
            .sim
            .before_request("/employees", 1, move || sim.rename(&victim, "Some", "Body"));
        let ids: BTreeSet<_> = client.ids("/employees").await.into_iter().collect();
        assert_eq!(ids.len(), seen, "{order:?}");
        assert!(ids.is_subset(&everybody));
    }
}

#[tokio::test]
async fn a_seed_gives_the_same_company() {
    let day = date(2026, 11, 23);
    let rows = async |people, seed| {
        Client::start(Company::realistic_on(people, seed, day))
            .await
            .all("/employees")
            .await
            .0
    };
    let first = rows(120, 7).await;
    assert_eq!(first, rows(120, 7).await);
    assert_ne!(first, rows(120, 8).await);
    let mut emails = BTreeSet::new();
    for row in rows(2_000, 7).await {
        if let Some(email) = row["work_email"].as_str() {
            assert!(
                email.ends_with("@example.com") && email.is_ascii() && emails.insert(email.to_owned()),
                "{email}"
            );
        }
    }
}

#[tokio::test]
async fn a_realistic_company_is_one_tree_with_all_sorts_of_people() {
    for size in [0, 1, 2, 21, 80, 3_000] {
        let sim = MergeSim::start(Company::realistic(size, 7)).await;
        let people = sim.people();
        assert_eq!(people.len(), size);
        let managers: BTreeMap<_, _> = people.iter().map(|person| (&person.id, &person.manager)).collect();
        for person in &people {
            let (mut at, mut depth) = (&person.id, 0);
            while let Some(manager) = &managers[at] {
                (at, depth) = (manager, depth + 1);
                assert!(depth < 12, "a cycle or a tower of managers");
            }
            assert_eq!(at, &people[0].id);
            assert!(person.department.is_some() && person.title.is_some());
        }
    }
    let sim = MergeSim::start(Company::realistic(80, 7)).await;
    let count =
        |fits: &dyn Fn(&rollcall_support::merge::Person) -> bool| sim.people().iter().filter(|p| fits(p)).count();
    for status in ["INACTIVE", "PENDING"] {
        assert!(
            count(&|person| person.status.as_deref() == Some(status)) > 0,
            "{status}"
        );
    }
    for kind in ["CONTRACTOR", "INTERN", "FULL_TIME"] {
        assert!(
            count(&|person| person.employment_type.as_deref() == Some(kind)) > 0,
            "{kind}"
        );
    }
    let gaps = |person: &rollcall_support::merge::Person| {
        person.work_email.is_none() || person.employee_number.is_none() || person.location.is_none()
    };
    assert!((1..10).contains(&count(&gaps)), "an occasional null");
    let countries: BTreeSet<_> = sim.people().into_iter().filter_map(|person| person.country).collect();
    assert!(countries.len() >= 5, "{countries:?}");
}

#[tokio::test]
async fn canaries_mark_what_must_not_leak() {
    let client = Client::start(Company::realistic(80, 7)).await;
    let mut text = String::new();
    for path in [
        "/employees?include_sensitive_fields=true&page_size=100",
        "/employments",
        "/locations?location_type=HOME",
    ] {
        text.push_str(&client.ask(path).await.text().await.expect("a body"));
    }
    for canary in CANARIES {
        assert!(text.contains(canary), "{canary} marks nothing");
    }
    // Without being asked for, the SSN stays with Merge.
    assert!(
        !client
            .ask("/employees?page_size=100")
            .await
            .text()
            .await
            .expect("a body")
            .contains("SSN")
    );
}

#[tokio::test]
async fn a_hundred_thousand_people_are_no_trouble() {
    let started = Instant::now();
    let client = Client::start(Company::realistic(100_000, 7)).await;
    let made = started.elapsed();
    client.sim.set_rate_limit(None);
    let page = client.get("/employees?page_size=100").await;
    assert_eq!(page["results"].as_array().map(Vec::len), Some(100));
    // Debug builds on busy machines need room; in release it is under two seconds.
    assert!(
        made < Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 2 }),
        "{made:?}"
    );
}
