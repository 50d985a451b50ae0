//! Does the Merge simulator answer as Merge's documents say, and does what a test does to it show?

#![allow(clippy::expect_used, clippy::panic)] // tests fail loudly

use reqwest::Response;
use rollcall_support::merge::{Company, MergeSim};
use serde_json::Value;

#[path = "merge_simulator/answers.rs"]
mod answers;
#[path = "merge_simulator/company.rs"]
mod company;
#[path = "merge_simulator/trouble.rs"]
mod trouble;

/// The vendor's schemas; `trim-openapi.py` tells where they come from.
const SCHEMAS: &str = include_str!("../merge-openapi.json");

struct Client {
    http: reqwest::Client,
    sim: MergeSim,
}

impl Client {
    async fn start(company: Company) -> Self {
        Self {
            http: reqwest::Client::new(),
            sim: MergeSim::start(company).await,
        }
    }

    async fn ask(&self, path: &str) -> Response {
        let url = format!("{}{path}", self.sim.base_url());
        let request = self.http.get(url).bearer_auth(self.sim.api_key());
        request
            .header("X-Account-Token", self.sim.account_token())
            .send()
            .await
            .expect("the simulator answers")
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.ask(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.expect("JSON")
    }

    async fn status(&self, path: &str) -> u16 {
        self.ask(path).await.status().as_u16()
    }

    /// All rows of a list, and the number of pages they took.
    async fn all(&self, path: &str) -> (Vec<Value>, usize) {
        let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, String::new());
        let glue = if path.contains('?') { '&' } else { '?' };
        loop {
            let mut page = self.get(&format!("{path}{glue}cursor={cursor}")).await;
            rows.append(page["results"].as_array_mut().expect("results"));
            pages += 1;
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return (rows, pages),
            }
        }
    }

    /// The identifiers in a list.
    async fn ids(&self, path: &str) -> Vec<String> {
        self.all(path).await.0.iter().map(|row| text(row, "id")).collect()
    }
}

fn text(row: &Value, name: &str) -> String {
    row[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text {name} in {row}"))
        .to_owned()
}

/// What is wrong with the value according to the vendor's schema.
fn mistakes(definition: &str, value: &Value) -> Vec<String> {
    let mut schema: Value = serde_json::from_str(SCHEMAS).expect("the schemas are JSON");
    schema["$ref"] = format!("#/$defs/{definition}").into();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema");
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[track_caller]
fn conforms(definition: &str, value: &Value) {
    let found = mistakes(definition, value);
    assert!(found.is_empty(), "{definition}: {found:#?}");
}
