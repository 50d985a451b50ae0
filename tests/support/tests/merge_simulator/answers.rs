//! Shapes, paging, credentials, filters: what the documents say.

use std::collections::BTreeSet;

use jiff::civil::date;
use rollcall_support::merge::{Company, ListOrder};
use serde_json::Value;

use super::{Client, SCHEMAS, conforms, mistakes, text};

#[tokio::test]
async fn every_endpoint_answers_in_the_vendors_shapes() {
    let client = Client::start(Company::realistic(80, 7)).await;
    let everything = "page_size=100&include_deleted_data=true&include_remote_data=true";
    let leaver = client.sim.people()[30].id.clone();
    client.sim.leave(&leaver, date(2026, 1, 31));
    client.sim.delete(&leaver);

    for (path, definition) in [
        ("employees", "PaginatedEmployeeList"),
        ("employments", "PaginatedEmploymentList"),
        ("groups", "PaginatedGroupList"),
        ("locations", "PaginatedLocationList"),
        ("companies", "PaginatedCompanyList"),
        ("pay-groups", "PaginatedPayGroupList"),
    ] {
        let page = client.get(&format!("/{path}?{everything}")).await;
        assert!(!page["results"].as_array().expect("results").is_empty(), "{path}");
        conforms(definition, &page);
        let id = text(&page["results"][0], "id");
        let one = client.get(&format!("/{path}/{id}")).await;
        conforms(
            definition
                .strip_prefix("Paginated")
                .and_then(|name| name.strip_suffix("List"))
                .unwrap_or(""),
            &one,
        );
        assert_eq!(one["id"], id.as_str());
        // Every property that the vendor names is there, so that nobody takes an absent field for a null one.
        let schema: Value = serde_json::from_str(SCHEMAS).expect("JSON");
        let model = &schema["$defs"][definition.trim_start_matches("Paginated").trim_end_matches("List")];
        for name in model["properties"].as_object().expect("properties").keys() {
            assert!(one.get(name).is_some(), "{path} lacks {name}");
        }
    }

    let expand = "expand=company,employments,groups,home_location,manager,pay_group,team,work_location";
    let expanded = client
        .get(&format!(
            "/employees?{everything}&include_sensitive_fields=true&{expand}"
        ))
        .await;
    conforms("PaginatedEmployeeList", &expanded);
    let person = &expanded["results"][5];
    for relation in ["company", "manager", "pay_group", "work_location"] {
        assert!(
            person[relation]["id"].is_string(),
            "{relation} is not expanded: {}",
            person[relation]
        );
    }
    assert!(person["groups"][0]["name"].is_string() && person["employments"][0]["job_title"].is_string());
    conforms(
        "PaginatedEmploymentList",
        &client.get("/employments?expand=employee,pay_group&page_size=100").await,
    );
    let groups = client.all("/groups?expand=parent_group").await.0;
    assert!(
        groups
            .iter()
            .any(|group| group["parent_group"]["name"] == "Engineering")
    );

    conforms("PaginatedSyncStatusList", &client.get("/sync-status").await);
    conforms("AccountDetails", &client.get("/account-details").await);
    conforms(
        "PaginatedAccountDetailsAndActionsList",
        &client.get("/linked-accounts?category=hris").await,
    );
    assert_eq!(
        client.get("/linked-accounts?category=ats").await["results"],
        serde_json::json!([])
    );
    let types = client.get("/groups/types").await;
    let types: BTreeSet<_> = types["types"]
        .as_array()
        .expect("types")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        types,
        BTreeSet::from(["BUSINESS_UNIT", "DEPARTMENT", "On-Site Department", "TEAM"])
    );

    let resync = client
        .http
        .post(format!("{}/sync-status/resync", client.sim.base_url()));
    let resync = resync
        .bearer_auth(client.sim.api_key())
        .header("X-Account-Token", client.sim.account_token());
    let statuses: Value = resync.send().await.expect("an answer").json().await.expect("JSON");
    for status in statuses.as_array().expect("an array") {
        conforms("SyncStatus", status);
    }
    assert_eq!(
        (statuses[0]["status"].as_str(), client.sim.resync_count()),
        (Some("SYNCING"), 1)
    );
    assert!(
        client
            .sim
            .requests()
            .iter()
            .all(|request| request.unknown_parameters.is_empty())
    );
}

/// The schemas let any text stand for an enumeration; tidy data must use the listed values all the same.
#[tokio::test]
async fn tidy_data_uses_the_listed_values() {
    let client = Client::start(Company::realistic(80, 7)).await;
    let schema: Value = serde_json::from_str(SCHEMAS).expect("JSON");
    for (path, field, name) in [
        ("/employees", "employment_status", "EmploymentStatusEnum"),
        ("/employments", "employment_type", "EmploymentTypeEnum"),
        ("/employments", "pay_period", "PayPeriodEnum"),
        ("/employments", "pay_frequency", "PayFrequencyEnum"),
        ("/employments", "pay_currency", "PayCurrencyEnum"),
        ("/employments", "flsa_status", "FlsaStatusEnum"),
        ("/locations", "location_type", "LocationTypeEnum"),
        ("/locations", "country", "CountryEnum"),
        ("/sync-status", "status", "StatusFd5Enum"),
        ("/linked-accounts", "status", "AccountDetailsAndActionsStatusEnum"),
    ] {
        let listed = schema["$defs"][name]["enum"].as_array().expect("values");
        for row in client.all(path).await.0 {
            assert!(listed.contains(&row[field]), "{path} {field}: {}", row[field]);
        }
    }
    // A mistake does show.
    assert_eq!(
        mistakes("Employee", &serde_json::json!({"id": 7, "groups": null})).len(),
        2
    );
    assert_eq!(
        mistakes(
            "Employee",
            &serde_json::json!({"start_date": "tomorrow", "work_email": "x"})
        )
        .len(),
        2
    );
}

#[tokio::test]
async fn paging_to_the_end_shows_everybody_once() {
    let client = Client::start(Company::realistic(253, 7)).await;
    let everybody: BTreeSet<_> = client.sim.people().into_iter().map(|person| person.id).collect();
    for order in [ListOrder::Created, ListOrder::Modified, ListOrder::ModifiedLatestFirst] {
        client.sim.set_list_order(order);
        for (size, pages) in [
            ("", 9),
            ("?page_size=100", 3),
            ("?page_size=1000", 3),
            ("?page_size=7", 37),
        ] {
            let (rows, count) = client.all(&format!("/employees{size}")).await;
            assert_eq!((rows.len(), count), (253, pages), "{order:?} {size}");
            assert_eq!(
                rows.iter().map(|row| text(row, "id")).collect::<BTreeSet<_>>(),
                everybody
            );
        }
    }
    // And back again.
    let first = client.get("/employees?page_size=50").await;
    let second = client
        .get(&format!("/employees?page_size=50&cursor={}", text(&first, "next")))
        .await;
    let back = client
        .get(&format!("/employees?page_size=50&cursor={}", text(&second, "previous")))
        .await;
    assert_eq!((&first["previous"], &back["previous"]), (&Value::Null, &Value::Null));
    assert_eq!(first["results"], back["results"]);
    let again = client
        .get(&format!("/employees?page_size=50&cursor={}", text(&back, "next")))
        .await;
    assert_eq!(again["results"], second["results"]);
}

#[tokio::test]
async fn a_cursor_serves_only_the_query_that_it_came_from() {
    let client = Client::start(Company::realistic(80, 7)).await;
    let cursor = text(
        &client.get("/employees?page_size=10&employment_status=ACTIVE").await,
        "next",
    );
    assert_eq!(
        client
            .status(&format!(
                "/employees?page_size=10&employment_status=ACTIVE&cursor={cursor}"
            ))
            .await,
        200
    );
    assert_eq!(
        client
            .status(&format!(
                "/employees?employment_status=ACTIVE&cursor={cursor}&page_size=10"
            ))
            .await,
        200
    );
    for query in [
        "page_size=10",
        "page_size=11&employment_status=ACTIVE",
        "page_size=10&employment_status=PENDING",
    ] {
        assert_eq!(
            client.status(&format!("/employees?{query}&cursor={cursor}")).await,
            404,
            "{query}"
        );
    }
    let wrong = format!("/groups?page_size=10&employment_status=ACTIVE&cursor={cursor}");
    assert_eq!(client.status(&wrong).await, 404);
    let answer = client.ask("/employees?cursor=nonsense").await;
    assert_eq!(answer.status(), 404);
    assert_eq!(
        answer.json::<Value>().await.expect("JSON"),
        serde_json::json!({"detail": "Invalid cursor"})
    );
}

#[tokio::test]
async fn both_credentials_are_needed() {
    let client = Client::start(Company::realistic(5, 7)).await;
    let url = format!("{}/employees", client.sim.base_url());
    let (key, token) = (client.sim.api_key(), client.sim.account_token());
    for (key, token, detail) in [
        (
            None,
            Some(token.as_str()),
            "Authentication credentials were not provided.",
        ),
        (Some("wrong"), Some(token.as_str()), "Invalid token."),
        (
            Some(key.as_str()),
            None,
            "Account Token must be passed in as an X-Account-Token header.",
        ),
        (Some(key.as_str()), Some("wrong"), "Invalid token."),
    ] {
        let mut request = client.http.get(&url);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(token) = token {
            request = request.header("X-Account-Token", token);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 401);
        assert_eq!(
            answer.json::<Value>().await.expect("JSON"),
            serde_json::json!({ "detail": detail })
        );
    }
    // The list of linked accounts belongs to the organisation, not to one of them.
    let accounts = client
        .http
        .get(format!("{}/linked-accounts", client.sim.base_url()))
        .bearer_auth(&key);
    assert_eq!(accounts.send().await.expect("an answer").status(), 200);
    client.sim.set_credentials("new-key", "new-token");
    assert_eq!(client.status("/employees").await, 200);
    assert_eq!(
        client
            .http
            .get(&url)
            .bearer_auth(key)
            .send()
            .await
            .expect("an answer")
            .status(),
        401
    );
    for path in [
        "/employees/00000000-0000-4000-8000-000000000000",
        "/nothing",
        "/employees/",
        "/teams",
    ] {
        let answer = client.ask(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(
            answer.json::<Value>().await.expect("JSON"),
            serde_json::json!({"detail": "Not found."})
        );
    }
}

#[tokio::test]
async fn filters_pick_what_they_say() {
    let client = Client::start(Company::realistic(200, 7)).await;
    let people = client.sim.people();
    let boss = people
        .iter()
        .find(|person| person.department.as_deref() == Some("Platform"))
        .expect("a platform head");
    let expected = |fits: &dyn Fn(&rollcall_support::merge::Person) -> bool| -> Vec<String> {
        people
            .iter()
            .filter(|person| fits(person))
            .map(|person| person.id.clone())
            .collect()
    };
    let reports = expected(&|person| person.manager.as_ref() == Some(&boss.id));
    assert!(reports.len() > 3);
    assert_eq!(client.ids(&format!("/employees?manager_id={}", boss.id)).await, reports);

    let (platform, data) = (client.sim.group("Platform").meta.id, client.sim.group("Data").meta.id);
    let members = expected(&|person| person.groups.contains(&platform) || person.groups.contains(&data));
    assert_eq!(
        client.ids(&format!("/employees?groups={platform},{data}")).await,
        members
    );

    for status in ["ACTIVE", "INACTIVE", "PENDING"] {
        let ids = client.ids(&format!("/employees?employment_status={status}")).await;
        assert_eq!(ids, expected(&|person| person.status.as_deref() == Some(status)));
        assert!(!ids.is_empty(), "{status}");
    }
    let contractors = expected(&|person| person.employment_type.as_deref() == Some("CONTRACTOR"));
    assert_eq!(client.ids("/employees?employment_type=CONTRACTOR").await, contractors);
    let title = boss.title.clone().expect("a title").replace(' ', "%20");
    assert_eq!(
        client.ids(&format!("/employees?job_title={title}")).await,
        vec![boss.id.clone()]
    );

    let mail = boss.work_email.clone().expect("an address");
    let remote = boss.remote_id.clone().expect("a remote id");
    let number = boss.employee_number.clone().expect("a number");
    for query in [
        format!("work_email={mail}"),
        format!("remote_id={remote}"),
        format!("employee_number={number}"),
    ] {
        assert_eq!(
            client.ids(&format!("/employees?{query}")).await,
            vec![boss.id.clone()],
            "{query}"
        );
    }
    let berlin = client
        .sim
        .locations()
        .into_iter()
        .find(|row| row.name.as_deref() == Some("Berlin HQ"))
        .expect("HQ");
    let there = expected(&|person| person.location.as_deref() == Some("Berlin HQ"));
    assert_eq!(
        client
            .ids(&format!("/employees?work_location_id={}", berlin.meta.id))
            .await,
        there
    );

    let left = expected(&|person| {
        person
            .termination_date
            .as_deref()
            .is_some_and(|at| at > "2026-03-01T00:00:00Z")
    });
    assert!(!left.is_empty());
    assert_eq!(
        client.ids("/employees?terminated_after=2026-03-01T00:00:00Z").await,
        left
    );
    let new = expected(&|person| {
        person
            .start_date
            .as_deref()
            .is_some_and(|at| at > "2026-06-01T00:00:00Z")
    });
    assert_eq!(client.ids("/employees?started_after=2026-06-01").await, new);
    assert_eq!(client.status("/employees?started_after=soon").await, 400);
    assert_eq!(client.status("/employees?include_deleted_data=perhaps").await, 400);

    let departments = client.all("/groups?types=DEPARTMENT").await.0;
    assert!(departments.len() > 15 && departments.iter().all(|group| group["type"] == "DEPARTMENT"));
    assert_eq!(client.ids("/groups?names=Platform,Data").await, vec![platform, data]);
    let homes = client.all("/locations?location_type=HOME").await.0;
    assert!(!homes.is_empty() && homes.iter().all(|place| place["location_type"] == "HOME"));

    let twice = client
        .sim
        .people()
        .into_iter()
        .find(|person| client.sim.row(&person.id).employments.len() == 2);
    let twice = twice.expect("somebody with a history").id;
    let late = client
        .all(&format!(
            "/employments?employee_id={twice}&order_by=-effective_date&page_size=1"
        ))
        .await
        .0;
    assert!(text(&late[0], "effective_date") > text(&late[1], "effective_date"));
    client.get("/employees?manger_id=1").await;
    let last = client.sim.requests().pop().expect("a request");
    assert_eq!(
        (last.unknown_parameters, last.status, last.path.as_str()),
        (vec!["manger_id".into()], 200, "/employees")
    );
}
