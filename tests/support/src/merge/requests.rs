//! What was asked of the simulator.

use jiff::Timestamp;

/// One request, in the order of arrival.
#[derive(Clone, Debug)]
pub struct RequestLog {
    /// The method, upper case.
    pub method: String,
    /// The path below the base path: `/employees`.
    pub path: String,
    /// The query as sent, without the question mark; empty if there was none.
    pub query: String,
    /// The status of the answer; 0 while there is none, which stays so if the client gave up first.
    pub status: u16,
    /// When it arrived, on Merge's clock.
    pub at: Timestamp,
    /// The `User-Agent` header; empty if there was none.
    pub user_agent: String,
    /// Query parameters that Merge does not document for this path. It ignores them, and so does the simulator, but a
    /// client that sends one has misspelt something.
    pub unknown_parameters: Vec<String>,
    pub(super) number: u64,
}

impl RequestLog {
    /// The decoded value of a query parameter; the first one if it is repeated.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

const PAGED: &[&str] = &["cursor", "page_size"];
const COMMON: &[&str] = &[
    "created_after",
    "created_before",
    "modified_after",
    "modified_before",
    "include_deleted_data",
    "include_remote_data",
    "include_shell_data",
    "remote_id",
];
const ORIGINS: &[&str] = &["remote_fields", "show_enum_origins"];
const EMPLOYEES: &[&str] = &[
    "company_id",
    "display_full_name",
    "employee_number",
    "employment_status",
    "employment_type",
    "expand",
    "first_name",
    "groups",
    "home_location_id",
    "include_sensitive_fields",
    "job_title",
    "last_name",
    "manager_id",
    "pay_group_id",
    "personal_email",
    "started_after",
    "started_before",
    "team_id",
    "terminated_after",
    "terminated_before",
    "work_email",
    "work_location_id",
];
const LINKED_ACCOUNTS: &[&str] = &[
    "category",
    "end_user_email_address",
    "end_user_organization_name",
    "end_user_origin_id",
    "end_user_origin_ids",
    "id",
    "ids",
    "include_duplicates",
    "integration_name",
    "is_test_account",
    "status",
];

/// Whether Merge documents the query parameter for the path (given as its segments).
pub(super) fn documented(path: &[&str], name: &str) -> bool {
    let lists: &[&[&str]] = match path {
        ["employees"] => &[PAGED, COMMON, ORIGINS, EMPLOYEES],
        ["employments"] => &[PAGED, COMMON, ORIGINS, &["employee_id", "expand", "order_by"]],
        ["groups"] => &[
            PAGED,
            COMMON,
            ORIGINS,
            &["expand", "is_commonly_used_as_team", "names", "types"],
        ],
        ["locations"] => &[PAGED, COMMON, ORIGINS, &["location_type"]],
        ["companies" | "pay-groups"] => &[PAGED, COMMON],
        ["groups", "types"] => &[ORIGINS],
        [_, _] => &[
            ORIGINS,
            &[
                "expand",
                "include_remote_data",
                "include_sensitive_fields",
                "include_shell_data",
            ],
        ],
        ["linked-accounts"] => &[PAGED, LINKED_ACCOUNTS],
        ["sync-status"] => &[PAGED],
        _ => &[],
    };
    lists.iter().any(|list| list.contains(&name))
}
