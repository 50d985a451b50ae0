//! A real API server takes every good object and refuses every bad one, with words that say how to mend it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "crd_rules/http.rs"]
mod http;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use rollcall::api::crds;
use rollcall_support::control_plane::{ControlPlane, Namespace};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

static CRDS: LazyLock<Vec<CustomResourceDefinition>> = LazyLock::new(crds::all);

/// The control plane with the CRDs in it.
async fn plane() -> &'static ControlPlane {
    static READY: OnceCell<()> = OnceCell::const_new();
    let plane = ControlPlane::shared().await;
    READY
        .get_or_init(async || {
            let files: Vec<String> = crds::manifests().unwrap().into_iter().map(|(_, yaml)| yaml).collect();
            plane.apply(&files.join("---\n")).await.unwrap();
        })
        .await;
    plane
}

fn resource(kind: &str) -> ApiResource {
    let crd = CRDS.iter().find(|crd| crd.spec.names.kind == kind).unwrap();
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("rollcall.dev", "v1alpha1", kind),
        &crd.spec.names.plural,
    )
}

fn object(kind: &str, name: &str, spec: &str) -> DynamicObject {
    let spec: Value = serde_yaml::from_str(spec).unwrap_or_else(|error| panic!("{spec}: {error}"));
    DynamicObject::new(name, &resource(kind)).data(json!({"spec": spec}))
}

/// Asks the API server what it thinks of objects, in a namespace of its own.
struct Judge {
    client: kube::Client,
    namespace: Namespace,
}

impl Judge {
    async fn new(prefix: &str) -> Judge {
        let plane = plane().await;
        Judge {
            client: plane.admin_client().await.unwrap(),
            namespace: plane.namespace(prefix).await.unwrap(),
        }
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(kind))
    }

    /// What the API server says to the creation of this object, which does not happen; `None` if it would.
    async fn refusal(&self, kind: &str, name: &str, spec: &str) -> Option<String> {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match self.api(kind).create(&params, &object(kind, name, spec)).await {
            Ok(_) => None,
            Err(kube::Error::Api(status)) if status.code == 422 => Some(status.message.clone()),
            Err(other) => panic!("{kind} {spec}: {other}"),
        }
    }

    /// Complains about all cases that went otherwise than the table says.
    async fn refuses(&self, kind: &str, cases: &[(&str, &str, &str)]) {
        let mut wrong = Vec::new();
        for (case, spec, expected) in cases {
            match self.refusal(kind, "it", spec).await {
                None => wrong.push(format!("{case}: taken")),
                Some(said) if !said.contains(expected) => wrong.push(format!("{case}: {said}")),
                Some(_) => {}
            }
        }
        assert!(wrong.is_empty(), "{kind}:\n{}", wrong.join("\n"));
    }

    async fn takes(&self, kind: &str, cases: &[(&str, &str)]) {
        let mut wrong = Vec::new();
        for (case, spec) in cases {
            if let Some(said) = self.refusal(kind, "it", spec).await {
                wrong.push(format!("{case}: {said}"));
            }
        }
        assert!(wrong.is_empty(), "{kind}:\n{}", wrong.join("\n"));
    }

    /// Creates an object, and says what the API server says to each of the specs in its place.
    async fn refuses_change(&self, kind: &str, name: &str, before: &str, after: &[(&str, &str)]) {
        let api = self.api(kind);
        let created = api
            .create(&PostParams::default(), &object(kind, name, before))
            .await
            .unwrap();
        for (spec, expected) in after {
            let mut changed = object(kind, name, spec);
            changed
                .metadata
                .resource_version
                .clone_from(&created.metadata.resource_version);
            match api.replace(name, &PostParams::default(), &changed).await {
                Ok(_) => panic!("{kind}: changed to {spec}"),
                Err(error) => assert!(error.to_string().contains(expected), "{kind}: {spec}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn employees() {
    let judge = Judge::new("employees").await;
    let date = "must be a calendar date that exists, as year-month-day: 2026-03-31";
    let name = "must be the name of an object of this namespace: lower-case letters";
    judge
        .refuses(
            "Employee",
            &[
                ("month 13", "{workEmail: a@b.c, startDate: '2026-13-40'}", date),
                ("February 30", "{workEmail: a@b.c, terminationDate: '2026-02-30'}", date),
                (
                    "February 29 of a common year",
                    "{workEmail: a@b.c, startDate: '2026-02-29'}",
                    date,
                ),
                (
                    "February 29 of a century",
                    "{workEmail: a@b.c, startDate: '2100-02-29'}",
                    date,
                ),
                ("April 31", "{workEmail: a@b.c, startDate: '2026-04-31'}", date),
                ("day 0", "{workEmail: a@b.c, startDate: '2026-04-00'}", date),
                ("not padded", "{workEmail: a@b.c, startDate: '2026-4-1'}", date),
                ("the other order", "{workEmail: a@b.c, startDate: '31.03.2026'}", date),
                (
                    "a time",
                    "{workEmail: a@b.c, startDate: '2026-04-01T00:00:00Z'}",
                    "startDate: Too long: may not be more than 10",
                ),
                ("a date with blanks", "{workEmail: a@b.c, startDate: ''}", date),
                (
                    "capitals in the address",
                    "{workEmail: Ada@acme.example}",
                    "must be in lower case, since accounts are matched by it",
                ),
                (
                    "no address",
                    "{workEmail: ada}",
                    "workEmail must be one address, such as ada@acme.example",
                ),
                (
                    "two addresses",
                    "{workEmail: 'a@b.c, d@e.f'}",
                    "workEmail must be one address, such as ada@acme.example",
                ),
                (
                    "nobody",
                    "{displayName: Ada}",
                    "needs at least one of workEmail, employeeNumber and username",
                ),
                (
                    "a connection without its sync",
                    "{workEmail: a@b.c, connectionRef: {name: acme}}",
                    "written by the sync of that connection: leave out both",
                ),
                (
                    "a source without a connection",
                    "{workEmail: a@b.c, source: {state: Present}}",
                    "written by the sync of that connection: leave out both",
                ),
                (
                    "an unknown state",
                    "{connectionRef: {name: acme}, source: {state: Gone}}",
                    "supported values: \"Present\", \"Absent\", \"Deleted\"",
                ),
                (
                    "a connection's name in capitals",
                    "{connectionRef: {name: Acme}, source: {state: Present}}",
                    name,
                ),
                (
                    "their own manager",
                    "{workEmail: a@b.c, managerRef: {name: it}}",
                    "nobody manages themselves: name the manager's Employee in spec.managerRef, or leave it out",
                ),
                (
                    "a manager by address",
                    "{workEmail: a@b.c, managerRef: {name: grace@acme.example}}",
                    name,
                ),
                (
                    "a manager without a name",
                    "{workEmail: a@b.c, managerRef: {name: ''}}",
                    name,
                ),
                (
                    "an unknown deletion policy",
                    "{workEmail: a@b.c, deletionPolicy: Delete}",
                    "supported values: \"Orphan\", \"Revoke\"",
                ),
                (
                    "a group without a path",
                    "{workEmail: a@b.c, departments: [{path: []}]}",
                    "should have at least 1 items",
                ),
                (
                    "a path too deep",
                    &format!("{{workEmail: a@b.c, departments: [{{path: [{}]}}]}}", "x,".repeat(17)),
                    "must have at most 16 items",
                ),
                (
                    "a custom field with a hyphen",
                    "{workEmail: a@b.c, customFields: {cost-center: CC-1}}",
                    "a custom field's name starts with a letter and goes on with letters, digits and _, 63 characters",
                ),
                (
                    "too long a name",
                    &format!("{{workEmail: a@b.c, displayName: {}}}", "x".repeat(257)),
                    "may not be more than 256",
                ),
            ],
        )
        .await;
    judge
        .takes(
            "Employee",
            &[
                ("a leap day", "{workEmail: a@b.c, startDate: '2024-02-29'}"),
                ("a leap day of a century", "{workEmail: a@b.c, startDate: '2000-02-29'}"),
                ("New Year's Eve", "{workEmail: a@b.c, terminationDate: '2026-12-31'}"),
                (
                    "a last day before the first",
                    "{workEmail: a@b.c, startDate: '2026-05-01', terminationDate: '2026-04-30'}",
                ),
                ("a number only", "{employeeNumber: '7'}"),
                (
                    "a custom field",
                    "{employeeNumber: '7', customFields: {costCenter: CC-1}}",
                ),
                (
                    "a custom field as long as they get",
                    &format!(
                        "{{employeeNumber: '7', customFields: {{costCenter: {}}}}}",
                        "é".repeat(256)
                    ),
                ),
                ("a user name only", "{username: ada}"),
                (
                    "nulls, which are dropped",
                    "{workEmail: a@b.c, startDate: null, managerRef: null, departments: null}",
                ),
                // An HR system says what it likes, and the sync must be able to write it down.
                (
                    "a mirrored nobody",
                    "{connectionRef: {name: acme}, source: {state: Present}}",
                ),
                (
                    "a mirrored word for an address",
                    "{connectionRef: {name: acme}, source: {state: Present}, workEmail: n/a}",
                ),
                (
                    "a mirrored own manager",
                    "{connectionRef: {name: acme}, source: {state: Present}, managerRef: {name: it}}",
                ),
                (
                    "a mirrored address with an umlaut",
                    "{connectionRef: {name: acme}, source: {state: Present}, workEmail: jürgen@acme.example}",
                ),
                (
                    "a word of the HR system's own",
                    "{workEmail: a@b.c, employmentStatus: On garden leave, employmentType: Werkstudent}",
                ),
            ],
        )
        .await;
    judge
        .refuses_change(
            "Employee",
            "mirrored",
            "{connectionRef: {name: acme}, source: {state: Present}}",
            &[(
                "{connectionRef: {name: other}, source: {state: Present}}",
                "connectionRef cannot name another connection: delete this Employee",
            )],
        )
        .await;
}

#[tokio::test]
async fn policies() {
    let judge = Judge::new("policies").await;
    let policy = |selector: &str| format!("{{mode: Plan, selector: {selector}, entitlements: [{{name: one}}]}}");
    let blank = "has a blank entry: write what it is to match, or remove it";
    let glob =
        "a glob knows * and ? only: write ? for a bracket, brace or backslash, and one entry for each alternative";
    let key = "needs at least one key besides not: name one, or say everyone: true to match every employee";
    let alone = "everyone goes with not only: keys are ANDed, so remove everyone to keep the others";
    let clause = "has an empty clause: name a key in it, or remove it";
    let top = "everyone belongs at the top of the selector";
    let place = "is empty: name at least one of name, country, state, city, or remove it";
    let duration = "must be a whole number and one unit (s, m, h or d), such as 90s, 12h or 30d, and at most 99999d";
    let selectors = [
        ("nothing", "{}", key),
        ("only not", "{not: [{company: [Acme]}]}", key),
        (
            "everyone false",
            "{everyone: false}",
            "can only be true: to leave it unsaid, remove it",
        ),
        (
            "everyone of a department",
            "{everyone: true, department: {in: [Sales]}}",
            alone,
        ),
        (
            "everyone or some",
            "{everyone: true, anyOf: [{company: [Acme]}]}",
            alone,
        ),
        (
            "everyone of whom an expression is true",
            "{everyone: true, expression: employee.jobTitle == 'CEO'}",
            alone,
        ),
        ("no expression", "{expression: ''}", "should be at least 1 chars long"),
        ("no clauses", "{anyOf: []}", "should have at least 1 items"),
        ("an empty clause of anyOf", "{anyOf: [{company: [Acme]}, {}]}", clause),
        ("an empty clause of not", "{everyone: true, not: [{}]}", clause),
        ("everyone in anyOf", "{anyOf: [{everyone: true}]}", top),
        ("everyone in not", "{company: [Acme], not: [{everyone: true}]}", top),
        (
            "no department",
            "{department: {in: []}}",
            "should have at least 1 items",
        ),
        (
            "a department without in",
            "{department: {exact: true}}",
            "selector.department.in: Required value",
        ),
        ("a blank department", "{department: {in: [Sales, ' ']}}", blank),
        (
            "a blank business unit in a clause",
            "{anyOf: [{businessUnit: {in: ['']}}]}",
            blank,
        ),
        (
            "a blank group in not",
            "{everyone: true, not: [{group: {in: [' ']}}]}",
            blank,
        ),
        ("a blank title", "{jobTitle: ['']}", blank),
        ("a class", "{jobTitle: ['[Ee]ngineer']}", glob),
        ("an open bracket", "{jobTitle: ['Engineer [']}", glob),
        ("alternatives", "{jobTitle: ['{Staff,Senior} Engineer']}", glob),
        ("a backslash", r"{jobTitle: ['Engineer \']}", glob),
        (
            "a glob in a clause",
            "{everyone: true, not: [{jobTitle: ['[x']}]}",
            glob,
        ),
        ("a blank manager", "{manager: {under: ['']}}", blank),
        ("no manager", "{manager: {under: []}}", "should have at least 1 items"),
        (
            "depth 0",
            "{manager: {under: ['1'], depth: 0}}",
            "should be greater than or equal to 1",
        ),
        ("an empty place", "{workLocation: {}}", place),
        ("an empty home", "{homeLocation: {}}", place),
        ("a blank country", "{workLocation: {country: ['']}}", blank),
        ("a blank state", "{homeLocation: {state: ['']}}", blank),
        ("a blank city", "{workLocation: {city: ['']}}", blank),
        ("a blank place", "{workLocation: {name: ['']}}", blank),
        ("a blank type", "{employmentType: ['']}", blank),
        ("a blank status", "{employmentStatus: ['']}", blank),
        ("a blank company", "{company: ['']}", blank),
        ("a blank person", "{employees: ['']}", blank),
        (
            "an empty tenure",
            "{tenure: {}}",
            "is empty: name at least one of atLeast, lessThan, or remove it",
        ),
        ("months", "{tenure: {atLeast: 3M}}", duration),
        ("no unit", "{tenure: {atLeast: '90'}}", duration),
        ("two units", "{tenure: {lessThan: 1d12h}}", duration),
        ("zero", "{tenure: {lessThan: 0d}}", duration),
        ("millennia", "{tenure: {atLeast: 9999999d}}", duration),
        (
            "a custom field with a blank value",
            "{customFields: [{name: costCenter, in: [CC-1, ' ']}]}",
            blank,
        ),
        (
            "a custom field with a hyphen",
            "{company: [Acme], not: [{customFields: [{name: cost-center, in: [CC-1]}]}]}",
            "a custom field's name starts with a letter and goes on with letters, digits and _: rename it",
        ),
        (
            "a custom field without values",
            "{customFields: [{name: costCenter, in: []}]}",
            "should have at least 1 items",
        ),
        (
            "nobody's tenure",
            "{tenure: {atLeast: 30d, lessThan: 720h}}",
            "atLeast must be shorter than lessThan, or nobody matches",
        ),
    ];
    let specs: Vec<String> = selectors.iter().map(|(_, selector, _)| policy(selector)).collect();
    let cases: Vec<(&str, &str, &str)> = selectors
        .iter()
        .zip(&specs)
        .map(|((case, _, expected), spec)| (*case, spec.as_str(), *expected))
        .collect();
    judge.refuses("ProvisioningPolicy", &cases).await;

    let name = "must be the name of an object of this namespace: lower-case letters";
    let parameter = "a parameter's name starts with a letter and goes on with letters";
    judge
        .refuses(
            "ProvisioningPolicy",
            &[
                ("no mode", "{selector: {everyone: true}, entitlements: [{name: one}]}", "spec.mode: Required value"),
                ("an unknown mode", "{mode: Enforced, selector: {everyone: true}, entitlements: [{name: one}]}", "supported values: \"Plan\", \"Enforce\""),
                ("no selector", "{mode: Plan, entitlements: [{name: one}]}", "spec.selector: Required value"),
                ("no entitlements", "{mode: Plan, selector: {everyone: true}, entitlements: []}", "should have at least 1 items"),
                ("an entitlement twice", "{mode: Plan, selector: {everyone: true}, entitlements: [{name: one}, {name: one}]}", "Duplicate value"),
                ("an entitlement in capitals", "{mode: Plan, selector: {everyone: true}, entitlements: [{name: One}]}", name),
                ("an entitlement without a name", "{mode: Plan, selector: {everyone: true}, entitlements: [{name: ''}]}", name),
                ("a parameter with a blank", "{mode: Plan, selector: {everyone: true}, entitlements: [{name: one, parameters: {a b: c}}]}", parameter),
                ("a parameter without a name", "{mode: Plan, selector: {everyone: true}, entitlements: [{name: one, parameters: {'': c}}]}", parameter),
                ("a parameter too long", &format!("{{mode: Plan, selector: {{everyone: true}}, entitlements: [{{name: one, parameters: {{a: {}}}}}]}}", "x".repeat(254)), "may not be more than 253"),
                ("too high a priority", "{mode: Plan, priority: 1000001, selector: {everyone: true}, entitlements: [{name: one}]}", "should be less than or equal to 1"),
                ("a phase in which nothing is given", "{mode: Plan, lifecycle: {phases: [Terminated]}, selector: {everyone: true}, entitlements: [{name: one}]}", "supported values: \"Active\", \"OnLeave\", \"Leaving\""),
                ("no phase", "{mode: Plan, lifecycle: {phases: []}, selector: {everyone: true}, entitlements: [{name: one}]}", "should have at least 1 items"),
                ("early, but not for those at work", "{mode: Plan, lifecycle: {startBefore: 7d, phases: [OnLeave]}, selector: {everyone: true}, entitlements: [{name: one}]}", "add Active to phases, or remove startBefore"),
                ("a denial with a grace", "{mode: Plan, effect: Deny, lifecycle: {grace: 7d}, selector: {everyone: true}, entitlements: [{name: one}]}", "remove lifecycle.grace"),
                ("a denial that starts early", "{mode: Plan, effect: Deny, lifecycle: {startBefore: 7d}, selector: {everyone: true}, entitlements: [{name: one}]}", "remove lifecycle.startBefore"),
                ("a denial with parameters", "{mode: Plan, effect: Deny, selector: {everyone: true}, entitlements: [{name: one, parameters: {limit: '5'}}]}", "remove them from entitlements"),
                ("a phase twice", "{mode: Plan, lifecycle: {phases: [Active, Active]}, selector: {everyone: true}, entitlements: [{name: one}]}", "Duplicate value"),
            ],
        )
        .await;
    // Records hold policies' names in 253 characters, which is what Kubernetes allows a name to have.
    let spec = policy("{everyone: true}");
    assert_eq!(judge.refusal("ProvisioningPolicy", &"x".repeat(253), &spec).await, None);
    let said = judge
        .refusal("ProvisioningPolicy", &"x".repeat(254), &spec)
        .await
        .unwrap();
    assert!(said.contains("must be no more than 253"), "{said}");

    let all = policy(
        "{department: {in: [Sales > EMEA], exact: true}, businessUnit: {in: [A]}, group: {in: [B]}, \
         jobTitle: ['*Engineer*', 'VP ?*', 'Engineer (II)'], manager: {under: ['7', grace@acme.example], depth: 2}, \
         workLocation: {name: [HQ], country: [DE], state: [BE], city: [Berlin]}, homeLocation: {country: [DE]}, \
         employmentType: [FULL_TIME], employmentStatus: [ACTIVE], company: [Acme], \
         customFields: [{name: costCenter, in: [CC-1]}, {name: grade, in: ['7', '8']}], \
         tenure: {atLeast: 90d, lessThan: 3650d}, employees: [ada@acme.example], \
         anyOf: [{department: {in: [X]}}, {tenure: {lessThan: 36h}}], not: [{employees: ['8']}]}",
    );
    let early = "{mode: Enforce, lifecycle: {startBefore: 7d, grace: 30d}, selector: {everyone: true}, entitlements: [{name: one, parameters: {limit: '5'}}]}";
    let on_leave = "{mode: Enforce, effect: Deny, lifecycle: {phases: [OnLeave]}, selector: {everyone: true}, entitlements: [{name: one}]}";
    let alone = policy("{expression: 'employee.jobTitle.startsWith(\"VP\")'}");
    let beside = policy("{company: [Acme], expression: has(employee.company), not: [{employees: ['8']}]}");
    judge
        .takes(
            "ProvisioningPolicy",
            &[
                ("every key at once", all.as_str()),
                ("early and with a grace", early),
                ("a denial during leave", on_leave),
                ("an expression alone", alone.as_str()),
                ("an expression beside keys", beside.as_str()),
            ],
        )
        .await;
}

#[tokio::test]
async fn a_policy_of_the_largest_size_is_still_checked() {
    let judge = Judge::new("largest").await;
    let words = |n: usize| format!("[{}]", vec![format!("'{}'", "x".repeat(253)); n].join(","));
    let clause = format!(
        "{{department: {{in: {0}}}, businessUnit: {{in: {0}}}, group: {{in: {0}}}, jobTitle: {0}, company: {0}}}",
        words(32)
    );
    let clauses = vec![clause; 16].join(",");
    let spec = format!(
        "{{mode: Plan, selector: {{everyone: true, not: [{clauses}]}}, entitlements: [{{name: one, parameters: {{{}}}}}]}}",
        (0..32)
            .map(|n| format!("p{n}: {}", "x".repeat(253)))
            .collect::<Vec<_>>()
            .join(",")
    );
    assert_eq!(judge.refusal("ProvisioningPolicy", "it", &spec).await, None);
    let said = judge
        .refusal("ProvisioningPolicy", "it", &spec.replacen("p31: ", "'31': ", 1))
        .await;
    assert!(said.unwrap().contains("a parameter's name starts with a letter"));
}

#[tokio::test]
async fn exceptions() {
    let judge = Judge::new("exceptions").await;
    let spec = |employee: &str, effect: &str, reason: &str, end: &str| {
        format!("{{employee: '{employee}', entitlementRef: {{name: chat}}, effect: {effect}, reason: '{reason}'{end}}}")
    };
    let end = ", expiresAt: '2026-12-31T18:00:00Z'";
    let blank = "is blank: write something, or remove it";
    judge
        .refuses(
            "AccessException",
            &[
                ("for nobody", &spec(" ", "Allow", "asked", end), blank),
                ("without a reason", &spec("7", "Allow", " ", end), blank),
                (
                    "without an end",
                    &spec("7", "Allow", "asked", ""),
                    "spec.expiresAt: Required value",
                ),
                (
                    "an end that is none",
                    &spec("7", "Allow", "asked", ", expiresAt: tomorrow"),
                    "must be of type date-time",
                ),
                (
                    "an unknown effect",
                    &spec("7", "Grant", "asked", end),
                    "supported values: \"Allow\", \"Deny\", \"Freeze\"",
                ),
            ],
        )
        .await;
    let taken = ["Allow", "Deny", "Freeze"].map(|effect| spec("ada@acme.example", effect, "asked", end));
    judge
        .takes(
            "AccessException",
            &taken.each_ref().map(|spec| ("each effect", spec.as_str())),
        )
        .await;
}

#[tokio::test]
async fn targets() {
    let judge = Judge::new("targets").await;
    let url =
        "must be an http or https URL without credentials, query or fragment, such as https://example.com/scim/v2";
    let name = "must be the name of an object of this namespace: lower-case letters";
    let exactly = "set exactly one of scim, http and kubernetes";
    let scim = |extra: &str| {
        format!(
            "{{adopt: Never, scim: {{baseURL: 'https://a.example', bearerTokenSecretRef: {{name: s, key: k}}}}{extra}}}"
        )
    };
    let kubernetes = |extra: &str| format!("{{adopt: Never, kubernetes: {{serviceAccountRef: {{name: s}}{extra}}}}}");
    let at =
        |url: &str| format!("{{adopt: Never, scim: {{baseURL: '{url}', bearerTokenSecretRef: {{name: s, key: k}}}}}}");
    judge
        .refuses(
            "TargetSystem",
            &[
                ("no protocol", "{adopt: Never}", exactly),
                (
                    "two protocols",
                    &scim(", kubernetes: {serviceAccountRef: {name: s}}"),
                    exactly,
                ),
                (
                    "nothing said of what is found",
                    "{kubernetes: {serviceAccountRef: {name: s}}}",
                    "spec.adopt: Required value",
                ),
                (
                    "an unknown word for it",
                    "{adopt: Always, kubernetes: {serviceAccountRef: {name: s}}}",
                    "supported values: \"Desired\", \"Never\"",
                ),
                ("no scheme", &at("a.example/scim"), url),
                ("another scheme", &at("ftp://a.example"), url),
                ("credentials", &at("https://u:p@a.example/scim"), url),
                ("a query", &at("https://a.example/scim?x=1"), url),
                ("a fragment", &at("https://a.example/scim#x"), url),
                ("no host", &at("https:///scim"), url),
                ("a blank", &at("https://a.example/a b"), url),
                (
                    "a Secret in capitals",
                    "{adopt: Never, scim: {baseURL: 'https://a.example', bearerTokenSecretRef: {name: S, key: k}}}",
                    name,
                ),
                (
                    "an impossible key",
                    "{adopt: Never, scim: {baseURL: 'https://a.example', bearerTokenSecretRef: {name: s, key: a/b}}}",
                    "must be a key of the Secret's data: letters, digits, -, _ and .",
                ),
                (
                    "accounts of a cluster",
                    "{adopt: Never, account: {}, kubernetes: {serviceAccountRef: {name: s}}}",
                    "a kubernetes target has no accounts of its own: leave out account",
                ),
                (
                    "a ServiceAccount by its long name",
                    "{adopt: Never, kubernetes: {serviceAccountRef: {name: 'system:serviceaccount:a:b'}}}",
                    name,
                ),
                (
                    "names of the system",
                    &kubernetes(", subject: {prefix: 'system:'}"),
                    "Kubernetes keeps names that start with system: for itself",
                ),
                (
                    "an unknown attribute",
                    &kubernetes(", subject: {from: GivenName}"),
                    "supported values: \"WorkEmail\", \"Username\", \"EmployeeNumber\"",
                ),
                (
                    "a delay without deletion",
                    &scim(", account: {onTerminated: {action: Deactivate, after: 30d}}"),
                    "after goes with action: Delete only: remove after, or say action: Delete",
                ),
                (
                    "a delay without a unit",
                    &scim(", account: {onUnused: {action: Delete, after: '30'}}"),
                    "must be a whole number and one unit (s, m, h or d)",
                ),
                (
                    "no requests",
                    &scim(", rateLimit: {requestsPerMinute: 0}"),
                    "should be greater than or equal to 1",
                ),
                (
                    "an odd resync",
                    &scim(", resync: daily"),
                    "must be a whole number and one unit (s, m, h or d)",
                ),
                (
                    "more than all",
                    &scim(", guard: {maxPercent: 101}"),
                    "should be less than or equal to 100",
                ),
                (
                    "fewer than nobody",
                    &scim(", guard: {maxPeople: -1}"),
                    "should be greater than or equal to 0",
                ),
            ],
        )
        .await;
    judge
        .takes(
            "TargetSystem",
            &[
                ("a path", &at("https://a.example:8443/scim/v2/")),
                ("an address of this machine", &at("http://127.0.0.1:8080/v2")),
                ("an address of IPv6", &at("http://[::1]:8080")),
                (
                    "no losses without a person",
                    &scim(", guard: {maxPeople: 0, maxPercent: 0}"),
                ),
                ("a cluster", &kubernetes(", subject: {from: Username, prefix: 'oidc:'}")),
            ],
        )
        .await;
    judge
        .refuses_change(
            "TargetSystem",
            "scim",
            &scim(""),
            &[(
                &kubernetes(""),
                "the protocol of a TargetSystem cannot change: make a new TargetSystem",
            )],
        )
        .await;
}

#[tokio::test]
async fn entitlements() {
    let judge = Judge::new("entitlements").await;
    let exactly = "set exactly one of scimGroup, scimRole, scimEntitlement, http, roleBinding and clusterRoleBinding";
    let either = "set exactly one of displayName and id";
    let rbac = "must be the name of an RBAC object, which is neither . nor .. and has no / and no %";
    let role = "targetRef: {name: t}, roleBinding: {roleRef: {kind: ClusterRole, name: view}}";
    judge
        .refuses(
            "Entitlement",
            &[
                ("nothing", "{targetRef: {name: t}}", exactly),
                ("two things", &format!("{{{role}, scimGroup: {{id: x}}}}"), exactly),
                (
                    "two bindings",
                    &format!("{{{role}, clusterRoleBinding: {{clusterRole: view}}}}"),
                    exactly,
                ),
                ("no target", "{scimGroup: {id: x}}", "spec.targetRef: Required value"),
                (
                    "a target in capitals",
                    "{targetRef: {name: T}, scimGroup: {id: x}}",
                    "must be the name of an object of this namespace",
                ),
                ("no group", "{targetRef: {name: t}, scimGroup: {}}", either),
                (
                    "a group twice",
                    "{targetRef: {name: t}, scimGroup: {id: x, displayName: X}}",
                    either,
                ),
                (
                    "a blank group",
                    "{targetRef: {name: t}, scimGroup: {id: ''}}",
                    "should be at least 1 chars long",
                ),
                (
                    "a group that is made by its id",
                    "{targetRef: {name: t}, scimGroup: {id: x, create: true}}",
                    "create needs a displayName: a group's id is the target's to give",
                ),
                (
                    "a role and a group",
                    "{targetRef: {name: t}, scimRole: {value: x}, scimGroup: {id: x}}",
                    exactly,
                ),
                (
                    "a blank role",
                    "{targetRef: {name: t}, scimRole: {value: ''}}",
                    "should be at least 1 chars long",
                ),
                (
                    "a role of no kind",
                    "{targetRef: {name: t}, roleBinding: {roleRef: {kind: role, name: view}}}",
                    "supported values: \"Role\", \"ClusterRole\"",
                ),
                (
                    "a role's path",
                    "{targetRef: {name: t}, roleBinding: {roleRef: {kind: Role, name: a/b}}}",
                    rbac,
                ),
                (
                    "a binding's path",
                    "{targetRef: {name: t}, roleBinding: {bindingName: .., roleRef: {kind: Role, name: a}}}",
                    rbac,
                ),
                (
                    "no role",
                    "{targetRef: {name: t}, clusterRoleBinding: {clusterRole: ''}}",
                    rbac,
                ),
                (
                    "a cluster binding's escape",
                    "{targetRef: {name: t}, clusterRoleBinding: {clusterRole: a, bindingName: a%2fb}}",
                    rbac,
                ),
                (
                    "a namespace in capitals",
                    "{targetRef: {name: t}, roleBinding: {namespace: Acme, roleRef: {kind: Role, name: a}}}",
                    "must be the name of a namespace: lower-case letters, digits and -",
                ),
            ],
        )
        .await;
    judge
        .takes(
            "Entitlement",
            &[
                ("a role with a colon", "{targetRef: {name: t}, roleBinding: {namespace: other, roleRef: {kind: ClusterRole, name: 'system:aggregate-to-view'}}}"),
                ("a binding of the cluster", "{targetRef: {name: t}, clusterRoleBinding: {clusterRole: view, bindingName: rollcall-view}}"),
                ("a group by its id", "{targetRef: {name: t}, scimGroup: {id: 2819c223}}"),
                ("a group that is made", "{targetRef: {name: t}, scimGroup: {displayName: Crew, create: true}}"),
                ("a role", "{targetRef: {name: t}, scimRole: {value: admin, type: app}}"),
                ("an entitlement", "{targetRef: {name: t}, scimEntitlement: {value: seat/basic}}"),
            ],
        )
        .await;
    let cannot = |what: &str| format!("{what} cannot change: make a new Entitlement, and delete this one");
    judge
        .refuses_change(
            "Entitlement",
            "group",
            "{targetRef: {name: t}, scimGroup: {displayName: X}}",
            &[
                (
                    "{targetRef: {name: u}, scimGroup: {displayName: X}}",
                    &cannot("targetRef"),
                ),
                (
                    "{targetRef: {name: t}, scimGroup: {displayName: Y}}",
                    &cannot("scimGroup"),
                ),
                ("{targetRef: {name: t}, scimGroup: {id: X}}", &cannot("scimGroup")),
                (&format!("{{{role}}}"), &cannot("scimGroup")),
            ],
        )
        .await;
    judge
        .refuses_change(
            "Entitlement",
            "role",
            "{targetRef: {name: t}, scimRole: {value: admin}}",
            &[
                ("{targetRef: {name: t}, scimRole: {value: owner}}", &cannot("scimRole")),
                (
                    "{targetRef: {name: t}, scimRole: {value: admin, type: app}}",
                    &cannot("scimRole"),
                ),
            ],
        )
        .await;
    judge
        .refuses_change(
            "Entitlement",
            "seat",
            "{targetRef: {name: t}, scimEntitlement: {value: basic}}",
            &[(
                "{targetRef: {name: t}, scimEntitlement: {value: full}}",
                &cannot("scimEntitlement"),
            )],
        )
        .await;
    judge
        .refuses_change(
            "Entitlement",
            "binding",
            &format!("{{{role}}}"),
            &[
                (
                    "{targetRef: {name: t}, roleBinding: {roleRef: {kind: ClusterRole, name: edit}}}",
                    &cannot("roleBinding"),
                ),
                (
                    "{targetRef: {name: t}, roleBinding: {namespace: other, roleRef: {kind: ClusterRole, name: view}}}",
                    &cannot("roleBinding"),
                ),
            ],
        )
        .await;
    judge
        .refuses_change(
            "Entitlement",
            "cluster-binding",
            "{targetRef: {name: t}, clusterRoleBinding: {clusterRole: view}}",
            &[(
                "{targetRef: {name: t}, clusterRoleBinding: {clusterRole: edit}}",
                &cannot("clusterRoleBinding"),
            )],
        )
        .await;
}

#[tokio::test]
async fn connections() {
    let judge = Judge::new("connections").await;
    let with = |extra: &str| {
        format!(
            "{{merge: {{region: EU}}, apiKeySecretRef: {{name: m, key: a}}, accountTokenSecretRef: {{name: m, key: t}}, \
             termination: {{defaultTimeZone: UTC}}{extra}}}"
        )
    };
    let at = |merge: &str| with("").replace("{region: EU}", merge);
    let zone = |zone: &str| with("").replace("UTC", &format!("'{zone}'"));
    let ending = |extra: &str| with("").replace("UTC", &format!("UTC, {extra}"));
    let time = "must be a time of day in hours and minutes, from 00:00 to 23:59, such as 17:30";
    let twice = "two entries are of the same country and state: remove one of them";
    let exactly = "set exactly one of region and baseURL";
    let zones = "must be the IANA name of a zone, such as Europe/Berlin, America/New_York or UTC; not an offset or abbreviation";
    let type_ = "a group type is either a department or a business unit: remove it from";
    let blank = "has a blank entry: write what it is to match, or remove it";
    let duration = "must be a whole number and one unit (s, m, h or d)";
    let custom = |field: &str| with(&format!(", customFields: [{field}]"));
    let pointer = |pointer: &str| {
        custom(&format!(
            "{{name: x, remoteData: {{path: /people, pointer: '{pointer}'}}}}"
        ))
    };
    let one_source = "set exactly one of fieldMapping and remoteData";
    let name = "a custom field's name starts with a letter and goes on with letters, digits and _: rename it";
    let no_pointer = "must be a JSON Pointer, such as /customFields/costCenter: start with /";
    judge
        .refuses(
            "HRISConnection",
            &[
                ("a custom field from nowhere", &custom("{name: x}"), one_source),
                (
                    "a custom field from two places",
                    &custom("{name: x, fieldMapping: x, remoteData: {path: /people, pointer: /x}}"),
                    one_source,
                ),
                (
                    "a custom field with a hyphen",
                    &custom("{name: cost-center, fieldMapping: x}"),
                    name,
                ),
                (
                    "a custom field that starts with a digit",
                    &custom("{name: 1st, fieldMapping: x}"),
                    name,
                ),
                (
                    "a custom field without a name",
                    &custom("{name: '', fieldMapping: x}"),
                    "should be at least 1 chars long",
                ),
                (
                    "a custom field twice",
                    &custom("{name: x, fieldMapping: x}, {name: x, fieldMapping: y}"),
                    "Duplicate value",
                ),
                (
                    "a custom field of an unknown type",
                    &custom("{name: x, type: Text, fieldMapping: x}"),
                    "supported values: \"String\", \"Integer\", \"Boolean\", \"Date\"",
                ),
                (
                    "a pointer to everything",
                    &pointer(""),
                    "should be at least 1 chars long",
                ),
                ("a pointer from nowhere", &pointer("costCenter"), no_pointer),
                ("a pointer with an odd escape", &pointer("/cost~2center"), no_pointer),
            ],
        )
        .await;
    judge
        .takes(
            "HRISConnection",
            &[
                (
                    "a custom field from a mapping",
                    &custom("{name: cost_Center1, fieldMapping: Cost centre}"),
                ),
                ("an escaped pointer", &pointer("/a~1b/~0/0")),
                ("a name that is empty in the pointer", &pointer("/a/")),
            ],
        )
        .await;
    judge
        .refuses(
            "HRISConnection",
            &[
                ("nowhere", &at("{}"), exactly),
                ("in two places", &at("{region: EU, baseURL: 'https://a.example'}"), exactly),
                ("an unknown region", &at("{region: eu}"), "supported values: \"US\", \"EU\", \"APAC\""),
                ("no URL", &at("{baseURL: api.merge.dev}"), "must be an http or https URL without credentials, query or fragment, such as https://api.merge.dev/api/hris/v1"),
                ("no zone", &zone(""), zones),
                ("an offset", &zone("+01:00"), zones),
                ("an offset from Greenwich", &zone("GMT+1"), zones),
                ("an abbreviation", &zone("CET"), zones),
                ("a city", &zone("Berlin"), zones),
                ("a translation", &zone("Europa/Berlin"), zones),
                ("lower case", &zone("europe/berlin"), zones),
                ("no such hour", &ending("timeOfDay: '24:00'"), time),
                ("no such minute", &ending("timeOfDay: '17:60'"), time),
                ("an hour of one digit", &ending("timeOfDay: '7:30'"), time),
                ("a time with half a day", &ending("timeOfDay: 5pm"), time),
                ("a place in no zone", &ending("zones: [{country: US, timeZone: EST}]"), zones),
                ("a country twice", &ending("zones: [{country: US, timeZone: UTC}, {country: ' us', timeZone: UTC}]"), twice),
                ("a state twice", &ending("zones: [{country: US, state: TX, timeZone: UTC}, {country: US, state: 'tx ', timeZone: UTC}]"), twice),
                ("no termination", "{merge: {region: EU}, apiKeySecretRef: {name: m, key: a}, accountTokenSecretRef: {name: m, key: t}}", "spec.termination: Required value"),
                ("one key for both", &with("").replace("key: t", "key: a"), "apiKeySecretRef and accountTokenSecretRef name the same key of the same Secret"),
                ("an odd interval", &with(", syncInterval: 5 minutes"), duration),
                ("another odd interval", &with(", fullSyncInterval: weekly"), duration),
                ("reading all more often", &with(", syncInterval: 2h, fullSyncInterval: 90m"), "fullSyncInterval must not be shorter than syncInterval: lengthen it, or shorten syncInterval"),
                ("a type that is both", &with(", departmentGroupTypes: [TEAM], businessUnitGroupTypes: [TEAM]"), type_),
                ("a type that is both by default", &with(", departmentGroupTypes: [BUSINESS_UNIT]"), type_),
                ("no department types", &with(", departmentGroupTypes: []"), "should have at least 1 items"),
                ("a blank department type", &with(", departmentGroupTypes: ['']"), blank),
                ("a blank business unit type", &with(", businessUnitGroupTypes: [' ']"), blank),
                ("no leavers", &with(", fields: [workEmail]"), "must have employmentStatus or terminationDate: without either nobody is ever seen to leave"),
                ("no key", &with(", fields: [employmentStatus]"), "must have workEmail, employeeNumber or username: accounts are matched by them"),
                ("no fields", &with(", fields: []"), "must have employmentStatus or terminationDate"),
                ("a field that is never mirrored", &with(", fields: [workEmail, employmentStatus, ssn]"), "supported values: \"employeeNumber\""),
                ("a field twice", &with(", fields: [workEmail, workEmail, employmentStatus]"), "Duplicate value"),
                ("an unknown meaning", &with(", inactiveMeans: Gone"), "supported values: \"Terminated\", \"OnLeave\""),
                ("no requests", &with(", requestsPerMinute: 0"), "should be greater than or equal to 1"),
            ],
        )
        .await;
    let mut zones_taken = Vec::new();
    for name in [
        "UTC",
        "Europe/Berlin",
        "America/Argentina/Buenos_Aires",
        "America/Port-au-Prince",
        "Etc/GMT+1",
        "US/Pacific",
    ] {
        zones_taken.push((name, zone(name)));
    }
    let taken: Vec<(&str, &str)> = zones_taken.iter().map(|(name, spec)| (*name, spec.as_str())).collect();
    judge.takes("HRISConnection", &taken).await;
    judge
        .takes(
            "HRISConnection",
            &[
                ("a proxy", &at("{baseURL: 'http://127.0.0.1:8080/api/hris/v1'}")),
                ("the first minute", &ending("timeOfDay: '00:00'")),
                ("the last minute", &ending("timeOfDay: '23:59'")),
                ("a country and its states", &ending("zones: [{country: US, timeZone: UTC}, {country: US, state: TX, timeZone: UTC}, {country: CA, state: TX, timeZone: UTC}]")),
                ("equal intervals", &with(", syncInterval: 24h, fullSyncInterval: 1d")),
                ("no business units", &with(", businessUnitGroupTypes: []")),
            ],
        )
        .await;
    // A connection's name becomes the value of a label.
    assert_eq!(judge.refusal("HRISConnection", &"x".repeat(63), &with("")).await, None);
    let said = judge
        .refusal("HRISConnection", &"x".repeat(64), &with(""))
        .await
        .unwrap();
    assert!(
        said.contains("at most 63 characters, since it becomes a label: choose a shorter one"),
        "{said}"
    );
}

/// Every YAML file below `dir`.
#[tokio::test]
async fn change_sets() {
    let judge = Judge::new("change-sets").await;
    let on_what = "decide on what is there: set spec.digest to the value of status.digest";
    judge
        .refuses(
            "ChangeSet",
            &[
                (
                    "decided without looking",
                    "{decision: Approve}",
                    "a decision needs spec.digest",
                ),
                (
                    "decided before it says what it is",
                    "{decision: Approve, digest: d}",
                    on_what,
                ),
                (
                    "an unknown decision",
                    "{decision: Maybe, digest: d}",
                    "supported values: \"Approve\", \"Reject\"",
                ),
                ("no digest", "{digest: ''}", "should be at least 1 chars long"),
            ],
        )
        .await;
    judge
        .takes(
            "ChangeSet",
            &[("undecided", "{}"), ("with a word", "{reason: asked Ada}")],
        )
        .await;

    let api = judge.api("ChangeSet");
    let params = PostParams::default();
    let made = api.create(&params, &object("ChangeSet", "it", "{}")).await.unwrap();
    let mut with_status = made.clone();
    with_status.data["status"] = json!({"digest": "shown"});
    let mut now = api.replace_status("it", &params, &with_status).await.unwrap();
    for (spec, refused) in [
        (json!({"decision": "Approve", "digest": "another"}), Some(on_what)),
        (json!({"decision": "Reject", "digest": "shown", "reason": "keep"}), None),
        (
            json!({"decision": "Reject", "digest": "shown", "reason": "keep them"}),
            None,
        ),
        (
            json!({"decision": "Approve", "digest": "shown"}),
            Some("it was decided and stays so"),
        ),
        (json!({"digest": "shown"}), Some("it was decided and stays so")),
        (json!({}), Some("it was decided and stays so")),
    ] {
        let mut changed = now.clone();
        changed.data["spec"] = spec.clone();
        match (api.replace("it", &params, &changed).await, refused) {
            (Ok(taken), None) => now = taken,
            (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{spec}: {error}"),
            (said, _) => panic!("{spec}: {said:?}"),
        }
    }
}

fn yaml_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(yaml_files(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn every_example_is_taken() {
    let plane = plane().await;
    let files = yaml_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    assert!(files.len() >= 5, "{files:?}");
    let namespace = plane.namespace("examples").await.unwrap();
    let mut kinds = Vec::new();
    for file in files {
        let yaml = std::fs::read_to_string(&file).unwrap();
        // Documents for something else than a cluster are not for `kubectl apply`.
        if !yaml.contains("apiVersion:") {
            continue;
        }
        let apply = [
            "apply",
            "--server-side",
            "--validate=strict",
            "-n",
            &namespace,
            "-f",
            "-",
        ];
        let said = plane
            .kubectl_with(&apply, Some(&yaml), None)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        kinds.extend(
            said.lines()
                .filter_map(|line| line.split('/').next())
                .map(str::to_owned),
        );
    }
    // Nobody but the operator makes a ChangeSet.
    for crd in CRDS.iter().filter(|crd| crd.spec.names.kind != "ChangeSet") {
        let kind = format!("{}.rollcall.dev", crd.spec.names.singular.as_ref().unwrap());
        assert!(kinds.contains(&kind), "no example of a {kind}");
    }
}

#[tokio::test]
async fn defaults_can_be_seen() {
    let judge = Judge::new("defaults").await;
    let default = async |kind: &str, spec: &str| {
        let created = judge
            .api(kind)
            .create(&PostParams::default(), &object(kind, "it", spec))
            .await;
        created.unwrap().data["spec"].clone()
    };
    let employee = default("Employee", "{workEmail: a@b.c}").await;
    assert_eq!(employee, json!({"workEmail": "a@b.c", "deletionPolicy": "Orphan"}));

    let policy = default(
        "ProvisioningPolicy",
        "{mode: Plan, selector: {department: {in: [Sales]}}, entitlements: [{name: one}]}",
    )
    .await;
    assert_eq!(policy["priority"], 0);
    assert_eq!(policy["lifecycle"]["phases"], json!(["Active", "OnLeave", "Leaving"]));
    assert_eq!(
        policy["selector"],
        json!({"department": {"in": ["Sales"], "exact": false}})
    );

    let target = default(
        "TargetSystem",
        "{adopt: Never, account: {}, scim: {baseURL: 'https://a.example', bearerTokenSecretRef: {name: s, key: k}}}",
    )
    .await;
    assert_eq!(target["resync"], "10m");
    assert_eq!(
        target["guard"],
        json!({"window": "24h", "maxPeople": 10, "maxPercent": 10})
    );
    assert_eq!(target["rateLimit"], json!({"requestsPerMinute": 600, "concurrency": 4}));
    assert_eq!(
        target["account"],
        json!({"create": true, "onUnused": {"action": "Keep"}, "onTerminated": {"action": "Deactivate"}})
    );

    let connection = default(
        "HRISConnection",
        "{merge: {region: EU}, apiKeySecretRef: {name: m, key: a}, accountTokenSecretRef: {name: m, key: t}, \
         termination: {defaultTimeZone: UTC}}",
    )
    .await;
    assert_eq!(connection["syncInterval"], "5m");
    assert_eq!(connection["fullSyncInterval"], "24h");
    assert_eq!(connection["inactiveMeans"], "Terminated");
    assert_eq!(connection["requestsPerMinute"], 100);
    assert_eq!(connection["fields"].as_array().unwrap().len(), 18);
}

#[tokio::test]
async fn unknown_fields_are_refused_by_kubectl_and_dropped_otherwise() {
    let judge = Judge::new("unknown").await;
    let plane = plane().await;
    let yaml = "{apiVersion: rollcall.dev/v1alpha1, kind: Employee, metadata: {name: it}, \
                spec: {workEmail: a@b.c, salary: 1}}";
    let error = plane
        .kubectl_with(&["apply", "-n", &judge.namespace, "-f", "-"], Some(yaml), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown field \"spec.salary\""), "{error}");
    let created = judge
        .api("Employee")
        .create(
            &PostParams::default(),
            &object("Employee", "it", "{workEmail: a@b.c, salary: 1}"),
        )
        .await
        .unwrap();
    assert!(created.data["spec"].get("salary").is_none());

    // A typing error in a selector's key must not widen it.
    let yaml = "{apiVersion: rollcall.dev/v1alpha1, kind: ProvisioningPolicy, metadata: {name: it}, \
                spec: {mode: Plan, selector: {company: [A], departments: {in: [B]}}, entitlements: [{name: x}]}}";
    let error = plane
        .kubectl_with(&["apply", "-n", &judge.namespace, "-f", "-"], Some(yaml), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown field \"spec.selector.departments\""), "{error}");
}

#[tokio::test]
async fn an_employee_is_applied_whole() {
    let judge = Judge::new("whole").await;
    let plane = plane().await;
    let apply = async |manager: &str, spec: &str| {
        let yaml =
            format!("{{apiVersion: rollcall.dev/v1alpha1, kind: Employee, metadata: {{name: it}}, spec: {spec}}}");
        let field_manager = format!("--field-manager={manager}");
        let args = [
            "apply",
            "--server-side",
            &field_manager,
            "-n",
            &judge.namespace,
            "-f",
            "-",
        ];
        plane.kubectl_with(&args, Some(&yaml), None).await
    };
    apply("rollcall", "{workEmail: a@b.c, jobTitle: Engineer}")
        .await
        .unwrap();
    let first = judge.api("Employee").get("it").await.unwrap();
    // What is left out is gone, and what is applied again writes nothing, defaults or not.
    apply("rollcall", "{workEmail: a@b.c, jobTitle: Engineer}")
        .await
        .unwrap();
    let again = judge.api("Employee").get("it").await.unwrap();
    assert_eq!(first.metadata.resource_version, again.metadata.resource_version);
    apply("rollcall", "{workEmail: a@b.c}").await.unwrap();
    let after = judge.api("Employee").get("it").await.unwrap();
    assert!(after.data["spec"].get("jobTitle").is_none());
    let error = apply("somebody", "{workEmail: a@b.c, username: a}")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("conflict"), "{error}");
}

#[tokio::test]
async fn kubectl_shows_what_people_ask() {
    let judge = Judge::new("kubectl").await;
    let plane = plane().await;
    let kubectl = async |args: &[&str]| {
        let mut all = vec!["-n", &*judge.namespace];
        all.extend(args);
        plane.kubectl(&all).await.unwrap()
    };
    let columns = |table: &str, row: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.starts_with(row));
        let line = line.unwrap_or_else(|| panic!("no {row} in\n{table}"));
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let employees = judge.api("Employee");
    let ada = "{workEmail: ada@acme.example, employeeNumber: '7', username: ada, displayName: Ada Lovelace, \
               jobTitle: Engineer, departments: [{path: [Acme, Engineering, Platform]}, {path: [Acme, Research]}], \
               connectionRef: {name: acme}, source: {state: Present}}";
    let created = employees
        .create(&PostParams::default(), &object("Employee", "ada", ada))
        .await
        .unwrap();
    let bob = object("Employee", "bob", "{workEmail: bob@acme.example}");
    employees.create(&PostParams::default(), &bob).await.unwrap();
    let mut with_status = created.clone();
    with_status.data["status"] = json!({
        "phase": "Leaving",
        "counts": {"granted": 3, "pending": 1, "held": 2, "failed": 4},
        "nextTransition": {"at": "2099-12-31T23:00:00Z", "what": "phase Terminated"},
        "conditions": [{"type": "StatusUnknown", "status": "True", "reason": "StatusUnknown", "message": "m",
                        "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    });
    employees
        .replace_status("ada", &PostParams::default(), &with_status)
        .await
        .unwrap();

    let table = kubectl(&["get", "emp"]).await;
    assert_eq!(
        columns(&table, "NAME"),
        ["NAME", "PERSON", "PHASE", "GRANTED", "PENDING", "HELD", "NEXT"]
    );
    assert_eq!(
        columns(&table, "ada"),
        ["ada", "Ada Lovelace", "Leaving", "3", "1", "2", "2099-12-31T23:00:00Z"]
    );
    let wide = kubectl(&["get", "emp", "-o", "wide"]).await;
    assert_eq!(
        columns(&wide, "NAME")[7..],
        ["WHAT", "FAILED", "TITLE", "DEPARTMENT", "EMAIL"]
    );
    assert_eq!(
        columns(&wide, "ada")[7..],
        ["phase Terminated", "4", "Engineer", "Platform", "ada@acme.example"]
    );

    for selector in [
        "spec.workEmail=ada@acme.example",
        "spec.employeeNumber=7",
        "spec.username=ada",
        "spec.connectionRef.name=acme",
        "status.phase=Leaving",
        "status.phase!=",
    ] {
        let found = kubectl(&["get", "emp", "-o", "name", "--field-selector", selector]).await;
        assert_eq!(found.trim(), "employee.rollcall.dev/ada", "{selector}");
    }
    kubectl(&["wait", "--for=condition=StatusUnknown", "emp/ada", "--timeout=5s"]).await;

    for file in yaml_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/acme")) {
        kubectl(&["apply", "-f", file.to_str().unwrap()]).await;
    }
    let made = object("ChangeSet", "cs-one", "{}");
    let change_sets = judge.api("ChangeSet");
    change_sets.create(&PostParams::default(), &made).await.unwrap();
    let everything = kubectl(&["get", "rollcall", "-o", "name"]).await;
    for kind in [
        "changeset",
        "employee",
        "entitlement",
        "hrisconnection",
        "provisioningpolicy",
        "targetsystem",
    ] {
        assert!(
            everything.contains(&format!("{kind}.rollcall.dev/")),
            "no {kind} in {everything}"
        );
    }
    for (short, header) in [
        (
            "ent",
            vec!["NAME", "TARGET", "READY", "HOLDERS", "PENDING", "HELD", "AGE"],
        ),
        ("hris", vec!["NAME", "TRUSTED", "EMPLOYEES", "LAST-TRUSTED", "AGE"]),
        (
            "provpol",
            vec!["NAME", "MODE", "READY", "MATCHED", "GRANTED", "PENDING", "HELD", "AGE"],
        ),
        ("tsys", vec!["NAME", "REACHABLE", "ACCOUNTS", "HELD", "AGE"]),
        (
            "chgset",
            vec!["NAME", "CAUSE", "STATE", "PEOPLE", "CHANGES", "WAITING", "AGE"],
        ),
    ] {
        assert_eq!(columns(&kubectl(&["get", short]).await, "NAME"), header);
    }
    let explained = kubectl(&["explain", "provpol"]).await;
    assert!(
        explained.contains("The statement that these people should have this access."),
        "{explained}"
    );
}

#[tokio::test]
async fn the_api_server_takes_the_crds_without_a_warning() {
    let plane = plane().await;
    for (name, yaml) in crds::manifests().unwrap() {
        let args = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            "-",
        ];
        let output = plane.kubectl_output(&args, Some(&yaml), None).await.unwrap();
        assert!(output.status.success(), "{name}: {}", output.stderr);
        assert_eq!(output.stderr, "", "{name}");
    }
}

/// The messages of all rules below a schema.
fn messages(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(entries) => {
            for rule in entries
                .get("x-kubernetes-validations")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                found.push(rule["message"].as_str().unwrap().to_owned());
            }
            entries.values().for_each(|value| messages(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| messages(item, found)),
        _ => {}
    }
}

/// A rule that no test above provokes is a rule that may never have worked.
#[test]
fn every_rule_has_a_case() {
    let source = concat!(include_str!("crd_rules.rs"), include_str!("crd_rules/http.rs"));
    let expected: Vec<String> = source
        .split('"')
        .filter(|text| text.len() >= 15 && !text.contains('\n'))
        .map(str::to_owned)
        // Built by `cannot` from the name of the field.
        .chain(
            [
                "targetRef",
                "scimGroup",
                "scimRole",
                "scimEntitlement",
                "roleBinding",
                "clusterRoleBinding",
            ]
            .map(|what| format!("{what} cannot change:")),
        )
        .collect();
    let mut all = Vec::new();
    messages(&serde_json::to_value(&*CRDS).unwrap(), &mut all);
    assert!(all.len() > 50);
    all.retain(|message| !expected.iter().any(|part| message.contains(part.as_str())));
    assert_eq!(
        all,
        Vec::<String>::new(),
        "no bad object above is refused with these words"
    );
}
