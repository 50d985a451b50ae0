//! Limits, faults and odd answers.

use std::time::{Duration, Instant};

use rollcall_support::merge::{Company, FieldMappingShape, REMOTE_DATA_PATH, RateLimit};
use serde_json::Value;

use super::{Client, conforms, text};

#[tokio::test]
async fn the_budget_and_throttling_tell_when_to_come_back() {
    let client = Client::start(Company::realistic(5, 7)).await;
    client.sim.set_rate_limit(Some(RateLimit {
        requests: 3,
        window: Duration::from_secs(4),
    }));
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(client.status("/employees").await);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let answer = client.ask("/groups").await;
    let wait: u64 = answer.headers()["retry-after"]
        .to_str()
        .expect("text")
        .parse()
        .expect("seconds");
    assert!((1..=4).contains(&wait));
    assert_eq!(
        answer.json::<Value>().await.expect("JSON"),
        serde_json::json!({"detail": "Request was throttled."})
    );
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(client.status("/groups").await, 200);

    client.sim.set_rate_limit(None);
    client.sim.faults().throttle(Duration::from_millis(1500), 2);
    let answer = client.ask("/employees").await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["retry-after"].to_str().ok()),
        (429, Some("2"))
    );
    assert_eq!(
        [client.status("/employees").await, client.status("/employees").await],
        [429, 200]
    );
}

#[tokio::test]
async fn faults_come_and_go() {
    let client = Client::start(Company::realistic(80, 7)).await;
    let faults = client.sim.faults();
    faults.fail_next(2, 503, "/employees");
    assert_eq!(client.status("/groups").await, 200);
    assert_eq!(
        [client.status("/employees").await, client.status("/employees").await],
        [503, 503]
    );
    assert_eq!(client.status("/employees").await, 200);

    faults.fail_page("/employees", 1, 500);
    let first = client.get("/employees").await;
    assert_eq!(
        client
            .status(&format!("/employees?cursor={}", text(&first, "next")))
            .await,
        500
    );
    faults.clear();

    faults.error_body_with_200("/employees");
    assert!(client.get("/employees").await.get("results").is_none());
    faults.clear();
    faults.truncated_json("/employees");
    let body = client.ask("/employees").await.text().await.expect("a whole body");
    assert!(body.starts_with('{') && serde_json::from_str::<Value>(&body).is_err());
    faults.clear();
    faults.cut_connection("/employees");
    assert!(client.ask("/employees").await.text().await.is_err());
    faults.clear();
    faults.non_json_502("");
    let answer = client.ask("/locations").await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().ok()),
        (502, Some("text/html"))
    );
    faults.clear();
    faults.empty_results("/employees");
    assert_eq!(
        client.get("/employees").await,
        serde_json::json!({"next": null, "previous": null, "results": []})
    );
    faults.clear();
    faults.short_results("/employees", 40);
    assert_eq!(client.ids("/employees").await.len(), 40);
    faults.clear();

    faults.slow("/employees", Duration::from_millis(300));
    let started = Instant::now();
    assert_eq!(client.status("/employees").await, 200);
    assert!(started.elapsed() >= Duration::from_millis(300));
    let impatient = client
        .http
        .get(format!("{}/employees", client.sim.base_url()))
        .timeout(Duration::from_millis(50));
    assert!(impatient.send().await.is_err());
    assert_eq!(
        client.sim.requests().last().map(|request| request.status),
        Some(0),
        "the abandoned request is noted"
    );
    faults.clear();
    assert_eq!(client.ids("/employees").await.len(), 80);
    client.sim.reset_requests();
    assert_eq!(client.sim.request_count(), 0);

    client.sim.set_error_limit(true);
    faults.fail_next(21, 500, "");
    for _ in 0..21 {
        assert_eq!(client.status("/employees").await, 500);
    }
    assert_eq!(client.status("/employees").await, 429);
}

#[tokio::test]
async fn sync_status_and_the_account_say_how_merge_is_doing() {
    let client = Client::start(Company::realistic(5, 7)).await;
    client.sim.set_sync_interval(Duration::from_hours(8760));
    let faults = client.sim.faults();
    let employee = async || {
        let (rows, _) = client.all("/sync-status").await;
        rows.into_iter()
            .find(|row| row["model_name"] == "Employee")
            .expect("a status for Employee")
    };
    let before = employee().await;
    assert_eq!(
        (&before["status"], &before["last_sync_result"]),
        (&"DONE".into(), &"DONE".into())
    );
    let person = client.sim.people()[0].id.clone();
    client.sim.rename(&person, "Ada", "Lovelace");
    let changed = client.sim.row(&person).meta.modified_at.to_string();
    assert_eq!(
        employee().await["last_sync_finished"],
        changed.as_str(),
        "a change is the end of a sync"
    );

    for status in ["FAILED", "PARTIALLY_SYNCED", "SYNCING", "PAUSED", "DISABLED"] {
        faults.set_sync_status("*", status);
        let row = employee().await;
        conforms("SyncStatus", &row);
        assert_eq!(row["status"], status);
        let result = if status.ends_with('G') || status.ends_with("AUSED") || status == "DISABLED" {
            "DONE"
        } else {
            status
        };
        assert_eq!(row["last_sync_result"], result);
        assert_eq!(row["last_sync_finished"], changed.as_str());
    }
    faults.set_sync_status("*", "DONE");
    assert_eq!(employee().await["status"], "DONE");
    faults.set_last_sync("Employee", "2026-01-01T00:00:00Z".parse().expect("a time"));
    assert_eq!(employee().await["last_sync_finished"], "2026-01-01T00:00:00Z");
    faults.clear();

    faults.set_initial_sync(true);
    let row = employee().await;
    assert_eq!(
        (&row["is_initial_sync"], &row["status"]),
        (&true.into(), &"SYNCING".into())
    );
    assert_eq!(
        (&row["last_sync_result"], &row["last_sync_finished"]),
        (&Value::Null, &Value::Null)
    );
    faults.clear();

    faults.relink_needed();
    assert_eq!(client.get("/account-details").await["status"], "RELINK_NEEDED");
    let accounts = client.get("/linked-accounts?status=RELINK_NEEDED").await;
    conforms("PaginatedAccountDetailsAndActionsList", &accounts);
    assert_eq!(accounts["results"][0]["integration"]["slug"], "bamboohr");
    assert_eq!(client.ids("/employees").await.len(), 5, "the last good data stays");
    faults.clear();
    assert_eq!(client.get("/account-details").await["status"], "COMPLETE");
}

#[tokio::test]
async fn quirks_change_how_rows_look() {
    let client = Client::start(Company::realistic(40, 7)).await;
    let sim = &client.sim;
    let first = async || client.get("/employees?page_size=1").await["results"][0].clone();
    assert_eq!(
        first().await["field_mappings"]["organization_defined_targets"]["cost_center"],
        "CC-1990"
    );
    sim.quirks(|quirks| {
        quirks.unknown_fields = true;
        quirks.raw_enums = true;
        quirks.null_elements = true;
        quirks.null_fields = vec!["display_full_name".into()];
        quirks.omit_fields = vec!["remote_data".into()];
        quirks.field_mappings = FieldMappingShape::Wrapped;
    });
    let row = first().await;
    conforms("Employee", &row);
    assert_eq!(
        (&row["x_new_list"][0], &row["employment_status"]),
        (&1.into(), &"active (Custom)".into())
    );
    assert!(
        row["groups"]
            .as_array()
            .is_some_and(|groups| groups.last() == Some(&Value::Null))
    );
    assert!(row["display_full_name"].is_null() && row.get("remote_data").is_none());
    assert_eq!(
        row["field_mappings"]["organization_defined_targets"]["cost_center"]["value"],
        "CC-1990"
    );
    sim.quirks(|quirks| {
        *quirks = rollcall_support::merge::Quirks::default();
        quirks.omit_nulls = true;
    });
    assert!(first().await.get("manager").is_none());

    // Raw values on request, and remote data by path whatever the order.
    let rows = client
        .all("/employees?show_enum_origins=employment_status&include_remote_data=true")
        .await
        .0;
    assert_eq!(rows[0]["employment_status"], "Currently employed");
    for row in rows {
        let entries = row["remote_data"].as_array().expect("remote data");
        let person = entries
            .iter()
            .find(|entry| entry["path"] == REMOTE_DATA_PATH)
            .expect("the person's entry");
        assert_eq!(person["data"]["id"], row["remote_id"]);
    }
}
