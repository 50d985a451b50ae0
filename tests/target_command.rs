//! `rollcall target`: does it find what is wrong with a definition, and does it leave nothing behind, whatever happens?
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rollcall_support::process::TempDir;
use rollcall_support::products::{JupyterHub, RabbitMq};
use rollcall_support::scim_server::{ScimOptions, ScimServer};

/// A copy of an example of the shelf, with some texts replaced.
struct Copy {
    dir: TempDir,
}

impl Copy {
    fn of(example: &str, replace: &[(&str, &str)]) -> Self {
        let dir = TempDir::new("target").unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples/targets")
            .join(example);
        for file in ["target.yaml", "entitlements.yaml"] {
            let mut yaml = std::fs::read_to_string(from.join(file)).unwrap();
            for (old, new) in replace {
                if file == "target.yaml" {
                    assert!(yaml.contains(old), "{old}");
                }
                yaml = yaml.replace(old, new);
            }
            std::fs::write(dir.path().join(file), yaml).unwrap();
        }
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn command(&self, verb: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        command.args(["target", verb, "-f"]).arg(self.path()).args(args);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .stdin(Stdio::null());
        command.env("KUBECONFIG", "/nonexistent");
        command
    }

    /// A trial; `secret` is what the flag `--secret` names as `env:SECRET`.
    fn trial(&self, secret: &str, args: &[&str]) -> Command {
        let mut command = self.command(
            "test",
            &["--email", "someone@Example.com", "--egress-allow", "127.0.0.0/8"],
        );
        command.env("SECRET", secret).args(args);
        command
    }
}

async fn end(child: Child) -> Output {
    tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
        .await
        .unwrap()
}

/// Its exit code, and what it printed.
async fn run(mut command: Command) -> (i32, String, String) {
    let output = end(command.spawn().unwrap()).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn rabbitmq(broker: &RabbitMq, more: &[(&str, &str)]) -> Copy {
    let url = format!("{}/api", broker.url());
    let own = [
        ("https://rabbitmq.example.com/api", url.as_str()),
        ("username: rollcall", "username: admin"),
    ];
    Copy::of("rabbitmq", &[&own[..], more].concat())
}

async fn broker() -> RabbitMq {
    let broker = RabbitMq::start().await.unwrap();
    let made = broker.request("PUT", "/api/vhosts/orders", None).await.unwrap();
    assert_eq!(made.status, 201);
    broker
}

const PASSWORD: [&str; 2] = ["--secret", "rabbitmq/password=env:SECRET"];

#[tokio::test]
async fn a_good_definition_goes_through_all_steps_and_leaves_nothing() {
    let broker = broker().await;
    let copy = rabbitmq(&broker, &[]);
    let (code, said, error) = run(copy.trial(broker.password(), &PASSWORD)).await;
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    for step in [
        "probe",
        "list accounts",
        "find account",
        "create account",
        "read account",
        "find it again",
        "rabbitmq-orders: grant",
        "rabbitmq-orders: update",
        "rabbitmq-orders: revoke",
        "rabbitmq-monitoring: revoke",
        "deactivate account",
        "delete account",
    ] {
        assert!(said.contains(&format!("ok     {step}: ")), "{step} in {said}");
    }
    assert!(said.contains("PUT /api/permissions/orders/rollcall-test-"), "{said}");
    assert!(said.contains("%40example.com: 201 ("), "{said}");
    assert!(said.contains("all good; nothing is left behind"), "{said}");
    assert_eq!(broker.users().await.unwrap(), Vec::<String>::new());
    // I9: no credential and no body.
    for hidden in [broker.password(), "password_hash", "^orders"] {
        assert!(!said.contains(hidden), "{hidden} in {said}");
    }

    let (code, said, _) = run(copy.trial(broker.password(), &[&PASSWORD[..], &["--show-bodies"]].concat())).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(r#""password_hash":"***""#) && said.contains("< [{"),
        "{said}"
    );
    assert!(!said.contains(broker.password()), "{said}");

    let more = ["--keep", "--entitlement", "rabbitmq-monitoring"];
    let (code, said, _) = run(copy.trial(broker.password(), &[&PASSWORD[..], &more].concat())).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("left behind: the account rollcall-test-"), "{said}");
    let kept = broker.users().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(broker.tags(&kept[0]).await.unwrap().unwrap(), ["monitoring"]);
}

#[tokio::test]
async fn what_was_made_is_taken_back_after_a_failure_and_after_an_interruption() {
    let broker = broker().await;
    // A revocation that takes nothing: the look finds out, and so does the end.
    let lame = rabbitmq(
        &broker,
        &[(
            "method: DELETE\n          path: /permissions",
            "method: PUT\n          path: /permissions",
        )],
    );
    let (code, said, _) = run(lame.trial(broker.password(), &PASSWORD)).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("FAILED rabbitmq-orders: revoke: "), "{said}");
    assert!(said.contains("ok     delete account: seen gone"), "{said}");
    assert_eq!(broker.users().await.unwrap(), Vec::<String>::new());

    let slow = rabbitmq(
        &broker,
        &[(
            "  adopt: Desired",
            "  adopt: Desired\n  rateLimit: {requestsPerMinute: 60}",
        )],
    );
    let child = slow.trial(broker.password(), &PASSWORD).spawn().unwrap();
    let mut made = false;
    for _ in 0..300 {
        made = !broker.users().await.unwrap().is_empty();
        if made {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(made, "the account is made");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = end(child).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("interrupted: "), "{said}");
    assert!(said.contains("nothing is left behind"), "{said}");
    let gone = broker.users().await.unwrap();
    assert_eq!(gone, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let broker = broker().await;
    let copy = rabbitmq(&broker, &[]);
    let (code, said, _) = run(copy.trial("guess", &PASSWORD)).await;
    assert_eq!(code, 1);
    assert!(said.contains("FAILED probe: refuses the credentials"), "{said}");
    assert!(!said.contains("guess"), "{said}");

    // A match that is true of everybody would give one person's account to another.
    let loose = rabbitmq(
        &broker,
        &[
            (
                "matches: item.name == employee.workEmail",
                "matches: item.name == 'admin'",
            ),
            (
                "        - request: {method: GET, path: \"/users/${employee.workEmail}\"}",
                "        - request: {method: GET, path: /users}\n          items: response.body",
            ),
        ],
    );
    let (code, said, _) = run(loose.trial(broker.password(), &PASSWORD)).await;
    assert_eq!(code, 1);
    assert!(said.contains("account.matches is true of others"), "{said}");

    // Without the flag no address of the machine is reached.
    let mut closed = copy.command("test", &["--email", "a@example.com"]);
    closed.env("SECRET", "x").args(PASSWORD);
    let (code, said, _) = run(closed).await;
    assert_eq!(code, 1);
    assert!(said.contains("may not be reached"), "{said}");

    let (code, _, error) = run(copy.trial("x", &[])).await;
    assert_eq!(code, 2);
    assert!(error.contains("--secret rabbitmq/password=env:VARIABLE"), "{error}");
    let (code, _, error) = run(copy.trial("x", &["--secret", "nonsense"])).await;
    assert_eq!(code, 2);
    assert!(error.contains("NAME/KEY=env:VARIABLE"), "{error}");
    let (code, _, error) = run(copy.command("test", &["--email", "nobody"])).await;
    assert_eq!(code, 2);
    assert!(error.contains("--email is no address"), "{error}");
}

#[tokio::test]
async fn a_look_changes_nothing_and_a_missing_group_is_found() {
    let hub = JupyterHub::start().await.unwrap();
    let made = hub.request("POST", "/groups/analysts", None).await.unwrap();
    assert_eq!(made.status, 201);
    let copy = Copy::of("jupyterhub", &[("https://jupyter.example.com/hub/api", &hub.url())]);
    let token = copy.path().join("token");
    std::fs::write(&token, format!("{}\n", hub.token())).unwrap();
    let secret = format!("jupyterhub/token=file:{}", token.display());
    let args = ["--secret", &secret, "--read-only", "--entitlement", "jupyter-analysts"];
    let (code, said, error) = run(copy.trial("", &args)).await;
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(said.contains("jupyter-analysts: look: 0 hold it"), "{said}");
    let changing = [" POST ", " PUT ", " PATCH ", " DELETE "];
    assert!(changing.iter().all(|method| !said.contains(method)), "{said}");
    assert_eq!(hub.users().await.unwrap(), Vec::<String>::new());

    // The group gpu is missing: the account that was made before that came out is taken back.
    let (code, said, _) = run(copy.trial("", &["--secret", &secret])).await;
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("FAILED jupyter-gpu: find object: there is no such object"),
        "{said}"
    );
    assert!(said.contains("nothing is left behind"), "{said}");
    assert_eq!(hub.users().await.unwrap(), Vec::<String>::new());
    assert_eq!(hub.groups().await.unwrap()["analysts"], Vec::<String>::new());
}

#[tokio::test]
async fn a_definition_is_checked_without_a_network() {
    let good = Copy::of("rabbitmq", &[]);
    let (code, said, error) = run(good.command("check", &[])).await;
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(said, "rabbitmq is good, with 2 entitlements\n");

    let bad = Copy::of(
        "rabbitmq",
        &[("item.name == employee.workEmail", "item.name == employee.workMail")],
    );
    let (code, _, error) = run(bad.command("check", &[])).await;
    assert_eq!(code, 1);
    assert!(error.contains("spec.http.account.matches: line 1"), "{error}");
    assert!(error.contains("workEmail"), "{error}");

    let (code, _, error) = run(good.command("check", &["--target", "other"])).await;
    assert_eq!(code, 2);
    assert!(
        error.contains("no TargetSystem other") || error.contains("have no TargetSystem"),
        "{error}"
    );
}

/// A SCIM target, with what it spells out of accounts.
fn scim(url: &str, title: &str) -> Copy {
    let dir = TempDir::new("target").unwrap();
    let yaml = format!(
        r#"
apiVersion: rollcall.dev/v1alpha1
kind: TargetSystem
metadata: {{name: directory}}
spec:
  adopt: Never
  scim:
    baseURL: {url}
    bearerTokenSecretRef: {{name: directory, key: token}}
    attributes: {{title: "{title}"}}
---
apiVersion: rollcall.dev/v1alpha1
kind: Entitlement
metadata: {{name: engineering}}
spec: {{targetRef: {{name: directory}}, scimGroup: {{displayName: Engineering}}}}
---
apiVersion: rollcall.dev/v1alpha1
kind: Entitlement
metadata: {{name: later}}
spec: {{targetRef: {{name: directory}}, scimGroup: {{displayName: Later, create: true}}}}
"#
    );
    std::fs::write(dir.path().join("target.yaml"), yaml).unwrap();
    Copy { dir }
}

#[tokio::test]
async fn a_scim_service_goes_through_all_steps_with_the_attributes_that_are_spelt_out() {
    let server = ScimServer::start(ScimOptions::default()).await.unwrap();
    server.create_group("Engineering").await.unwrap();
    let token = ["--secret", "directory/token=env:SECRET"];
    let good = scim(&server.base_url(), "The ${employee.jobTitle}");
    let (code, said, error) = run(good.trial(server.token(), &token)).await;
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    for step in [
        "probe",
        "list accounts",
        "find account",
        "create account",
        "read account",
        "find it again",
        "engineering: grant",
        "engineering: revoke",
        "later: find object: not there; the operator makes it",
        "deactivate account",
        "delete account",
    ] {
        assert!(said.contains(&format!("ok     {step}")), "{step} in {said}");
    }
    assert!(said.contains("all good; nothing is left behind"), "{said}");
    assert_eq!(server.users().await.unwrap(), Vec::<serde_json::Value>::new());

    let keep = [&token[..], &["--keep", "--entitlement", "engineering"]].concat();
    let (code, said, _) = run(good.trial(server.token(), &keep)).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(server.users().await.unwrap()[0]["title"], "The Test");
    assert_eq!(server.members("Engineering").await.unwrap().len(), 1);

    let (code, said, _) = run(good.trial("guess", &token)).await;
    assert_eq!(code, 1);
    assert!(said.contains("FAILED probe: refuses the credentials"), "{said}");
    let bad = scim(&server.base_url(), "${employee.jobTitel}");
    let (code, _, error) = run(bad.command("check", &[])).await;
    assert_eq!(code, 1);
    assert!(
        error.contains("spec.scim.attributes: title: ") && error.contains("jobTitle"),
        "{error}"
    );
}
