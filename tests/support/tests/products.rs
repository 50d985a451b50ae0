//! The products do what Rollcall's tests rely on, side by side, and leave nothing behind.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rollcall_support::process::{TempDir, wait_until};
use rollcall_support::products::{
    Etcd, GitHubMock, JupyterHub, Kinto, Mailman, OAuth2Mock, OAuth2Options, Permission, PocketBase, RabbitMq,
    StripeMock,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Says how long something took to start.
async fn timed<T, E: std::fmt::Debug>(name: &str, start: impl Future<Output = Result<T, E>>) -> T {
    let began = Instant::now();
    let started = start.await.unwrap();
    println!("{name}: started in {:.1} s", began.elapsed().as_secs_f32());
    started
}

/// The processes that were started for `dir`, by whoever: all of them have it in their environment.
fn processes_of(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        // Others' and ended ones' cannot be read; those are empty.
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|variable| String::from_utf8_lossy(variable).contains(dir))
        {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    found
}

/// Drops a product and waits until its processes, its listener and its directory are gone.
async fn leaves_nothing<T>(product: T, dir: PathBuf, url: &str) {
    assert_ne!(processes_of(&dir), Vec::<String>::new(), "what to look for");
    drop(product);
    let gone = || (processes_of(&dir).is_empty() && !dir.exists()).then_some(());
    let waited = wait_until(Duration::from_secs(10), gone).await;
    let left = processes_of(&dir);
    assert!(waited.is_some(), "{} and {left:?} are left behind", dir.display());
    let error = reqwest::get(url).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
}

#[tokio::test]
async fn rabbitmq_keeps_users_tags_and_permissions() {
    let broker = timed("RabbitMQ", RabbitMq::start()).await;
    let put = async |path: &str, body: Value| broker.request("PUT", path, Some(&body)).await.unwrap().status;
    let user = json!({"password": "secret", "tags": "monitoring,management"});
    assert_eq!(put("/api/users/ada", user.clone()).await, 201);
    assert_eq!(put("/api/users/ada", user).await, 204, "once more");
    let permission = json!({"configure": "", "write": "^orders$", "read": ".*"});
    assert_eq!(put("/api/permissions/%2F/ada", permission).await, 201);

    assert_eq!(broker.users().await.unwrap(), ["ada"]);
    assert_eq!(broker.tags("ada").await.unwrap().unwrap(), ["management", "monitoring"]);
    let [vhost, configure, write, read] = ["/", "", "^orders$", ".*"].map(String::from);
    let wanted = Permission {
        vhost,
        configure,
        write,
        read,
    };
    assert_eq!(broker.permissions("ada").await.unwrap(), [wanted]);
    assert!(broker.can_log_in("ada", "secret").await.unwrap());

    // Deactivated: still there, with what it may do, and nobody gets in with any password.
    assert_eq!(
        put("/api/users/ada", json!({"password_hash": "", "tags": "management"})).await,
        204
    );
    assert!(!broker.can_log_in("ada", "secret").await.unwrap());
    assert!(!broker.can_log_in("ada", "").await.unwrap());
    assert_eq!(broker.permissions("ada").await.unwrap().len(), 1);

    let delete = async |path: &str| broker.request("DELETE", path, None).await.unwrap().status;
    assert_eq!(delete("/api/permissions/%2F/ada").await, 204);
    assert_eq!(delete("/api/permissions/%2F/ada").await, 404);
    assert_eq!(delete("/api/users/ada").await, 204);
    assert_eq!(delete("/api/users/ada").await, 404);
    assert_eq!(broker.tags("ada").await.unwrap(), None);
    let (dir, url) = (broker.dir().to_owned(), broker.url());
    leaves_nothing(broker, dir, &url).await;
}

#[tokio::test]
async fn jupyterhub_keeps_users_and_groups() {
    let hub = timed("JupyterHub", JupyterHub::start()).await;
    let status = async |method: &str, path: &str, body: Option<Value>| {
        hub.request(method, path, body.as_ref()).await.unwrap().status
    };
    assert_eq!(status("POST", "/users/ada", None).await, 201);
    assert_eq!(status("POST", "/users/ada", None).await, 409);
    assert_eq!(status("POST", "/users/bob", None).await, 201);
    assert_eq!(status("POST", "/groups/engineers", None).await, 201);
    let ada = Some(json!({"users": ["ada"]}));
    assert_eq!(status("POST", "/groups/engineers/users", ada.clone()).await, 200);
    assert_eq!(hub.users().await.unwrap(), ["ada", "bob"]);
    assert_eq!(hub.groups().await.unwrap()["engineers"], ["ada"]);
    let page = json!({"offset": 0, "limit": 1, "total": 2, "next": {
        "offset": 1, "limit": 1, "url": format!("{}/users?limit=1&offset=1", hub.url()),
    }});
    assert_eq!(first_page(&hub).await["_pagination"], page);
    // It takes out who is in it, by a DELETE with a body.
    assert_eq!(status("DELETE", "/groups/engineers/users", ada).await, 200);
    assert_eq!(hub.groups().await.unwrap()["engineers"], Vec::<String>::new());
    assert_eq!(status("DELETE", "/users/ada", None).await, 204);
    assert_eq!(status("DELETE", "/users/ada", None).await, 404);
    assert_eq!(hub.users().await.unwrap(), ["bob"]);
    let (dir, url) = (hub.dir().to_owned(), hub.url());
    leaves_nothing(hub, dir, &url).await;
}

async fn first_page(hub: &JupyterHub) -> Value {
    let answer = reqwest::Client::new()
        .get(format!("{}/users?limit=1", hub.url()))
        .header("accept", "application/jupyterhub-pagination+json")
        .bearer_auth(hub.token())
        .send()
        .await
        .unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn kinto_minds_if_match() {
    let kinto = timed("Kinto", Kinto::start()).await;
    let account = json!({"data": {"password": "secret"}});
    let new = [("if-none-match", "*")];
    let made = kinto
        .request("PUT", "/accounts/ada", &new, Some(&account))
        .await
        .unwrap();
    assert_eq!(made.status, 201);
    let again = kinto
        .request("PUT", "/accounts/ada", &new, Some(&account))
        .await
        .unwrap();
    assert_eq!(again.status, 412);
    kinto.create_group("engineers").await.unwrap();
    let path = "/buckets/company/groups/engineers";
    let read = kinto.request("GET", path, &[], None).await.unwrap();
    let tag = read.header("etag").unwrap();

    // Two who have read the same and replace the set whole: the second is told.
    let replace = async |tag: &str, members: Value| {
        let body = json!({"data": {"members": members}});
        kinto
            .request("PATCH", path, &[("if-match", tag)], Some(&body))
            .await
            .unwrap()
    };
    let first = replace(tag, json!(["account:ada"])).await;
    assert_eq!(first.status, 200);
    assert_eq!(replace(tag, json!(["account:bob"])).await.status, 412);
    assert_eq!(kinto.members("engineers").await.unwrap(), ["account:ada"]);

    // Who is deleted stays a member.
    let deleted = kinto.request("DELETE", "/accounts/ada", &[], None).await.unwrap();
    assert_eq!(deleted.status, 200);
    let deleted = kinto.request("DELETE", "/accounts/ada", &[], None).await.unwrap();
    assert_eq!(deleted.status, 404);
    assert_eq!(kinto.accounts().await.unwrap(), Vec::<String>::new());
    assert_eq!(kinto.members("engineers").await.unwrap(), ["account:ada"]);
    let empty = replace(first.header("etag").unwrap(), json!([])).await;
    assert_eq!(empty.status, 200);
    assert_eq!(kinto.members("engineers").await.unwrap(), Vec::<String>::new());
    let (dir, url) = (kinto.dir().to_owned(), kinto.url());
    leaves_nothing(kinto, dir, &url).await;
}

#[tokio::test]
async fn pocketbase_replaces_roles_and_hides_what_a_stranger_may_not_see() {
    let base = timed("PocketBase", PocketBase::start()).await;
    let [reader, writer] = [
        base.create_role("reader").await.unwrap(),
        base.create_role("writer").await.unwrap(),
    ];
    let ada = base.create_user("ada@example.com").await.unwrap();
    let path = format!("/api/collections/users/records/{ada}");
    let set = async |roles: Value| {
        let body = json!({"roles": roles});
        base.request("PATCH", &path, Some(&body)).await.unwrap().status
    };
    assert_eq!(
        base.roles("ada@example.com").await.unwrap().unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(set(json!([reader, writer])).await, 200);
    assert_eq!(
        base.roles("ada@example.com").await.unwrap().unwrap(),
        ["reader", "writer"]
    );
    assert_eq!(set(json!([writer])).await, 200);
    assert_eq!(base.roles("ada@example.com").await.unwrap().unwrap(), ["writer"]);
    assert_eq!(set(json!(["nobody"])).await, 400);
    let twin = base.create_user("ada@example.com").await.unwrap_err();
    assert!(twin.0.contains("validation_not_unique"), "{twin}");

    // An answer to somebody whom it does not know is an empty list, not a refusal.
    for token in [None, Some("not-a-token")] {
        let mut request = reqwest::Client::new().get(format!("{}/api/collections/users/records", base.url()));
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!((&body["totalItems"], &body["items"]), (&json!(0), &json!([])));
    }

    assert_eq!(base.request("DELETE", &path, None).await.unwrap().status, 204);
    assert_eq!(base.request("DELETE", &path, None).await.unwrap().status, 404);
    assert_eq!(base.users().await.unwrap(), Vec::<String>::new());
    assert_eq!(base.roles("ada@example.com").await.unwrap(), None);
    let (dir, url) = (base.dir().to_owned(), base.url());
    leaves_nothing(base, dir, &url).await;
}

#[tokio::test]
async fn etcd_wants_a_login_and_tells_what_is_so_already_by_words() {
    let etcd = timed("etcd", Etcd::start(Duration::from_mins(5))).await;
    let said = async |path: &str, body: Value| {
        let answer = etcd.request(path, &body).await.unwrap();
        (
            answer.status,
            answer.body["message"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let user = json!({"name": "ada", "options": {"no_password": true}});
    assert_eq!(said("user/add", user.clone()).await.0, 200);
    let exists = (400, "etcdserver: user name already exists".to_owned());
    assert_eq!(said("user/add", user).await, exists);
    etcd.create_role("engineer").await.unwrap();
    let grant = json!({"user": "ada", "role": "engineer"});
    assert_eq!(said("user/grant", grant.clone()).await.0, 200);
    assert_eq!(said("user/grant", grant).await.0, 200, "once more");
    assert_eq!(etcd.users().await.unwrap(), ["ada"]);
    assert_eq!(etcd.roles("ada").await.unwrap().unwrap(), ["engineer"]);
    let revoke = json!({"name": "ada", "role": "engineer"});
    assert_eq!(said("user/revoke", revoke.clone()).await.0, 200);
    let gone = (400, "etcdserver: role is not granted to the user".to_owned());
    assert_eq!(said("user/revoke", revoke).await, gone);
    let name = json!({"name": "ada"});
    assert_eq!(said("user/delete", name.clone()).await.0, 200);
    let gone = (400, "etcdserver: user name not found".to_owned());
    assert_eq!(said("user/delete", name).await, gone);
    assert_eq!(etcd.roles("ada").await.unwrap(), None);

    let list = json!({});
    assert_eq!(etcd.post("user/list", None, &list).await.unwrap().status, 400);
    assert_eq!(etcd.post("user/list", Some("stale"), &list).await.unwrap().status, 401);
    let (dir, url) = (etcd.dir().to_owned(), etcd.url());
    leaves_nothing(etcd, dir, &url).await;
}

#[tokio::test]
async fn a_token_of_etcd_dies() {
    let etcd = Etcd::start(Duration::from_secs(1)).await.unwrap();
    let token = etcd.log_in().await.unwrap();
    let list = json!({});
    assert_eq!(etcd.post("user/list", Some(&token), &list).await.unwrap().status, 200);
    // Each use makes it live on, so the waits between looks grow past its life.
    let mut wait = Duration::from_secs(1);
    while etcd.post("user/list", Some(&token), &list).await.unwrap().status != 401 {
        assert!(wait < Duration::from_secs(20), "it lives on");
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

#[tokio::test]
async fn mailman_takes_forms_and_waits_for_people() {
    let mailman = timed("Mailman", Mailman::start()).await;
    let list = mailman.create_list("engineers").await.unwrap();
    let now = [
        ("pre_verified", "true"),
        ("pre_confirmed", "true"),
        ("pre_approved", "true"),
    ];
    let subscribe = async |person: &str, more: &[(&str, &str)]| {
        let form = [&[("list_id", list.as_str()), ("subscriber", person)], more].concat();
        mailman.request("POST", "/members", &form).await.unwrap()
    };
    let made = subscribe("ada@example.com", &now).await;
    assert_eq!((made.status, &made.body), (201, &Value::Null));
    let member = made
        .header("location")
        .unwrap()
        .strip_prefix(&mailman.url())
        .unwrap()
        .to_owned();
    assert_eq!(subscribe("ada@example.com", &now).await.status, 409);
    assert_eq!(mailman.members(&list).await.unwrap(), ["ada@example.com"]);

    // Who has to confirm first is no member, and does not wait any more once that is taken back.
    let asked = subscribe("bob@example.com", &[]).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    assert_eq!(mailman.pending(&list).await.unwrap(), ["bob@example.com"]);
    assert_eq!(mailman.members(&list).await.unwrap(), ["ada@example.com"]);
    let request = format!("/lists/{list}/requests/{}", asked.body["token"].as_str().unwrap());
    let discard = [("action", "discard")];
    assert_eq!(mailman.request("POST", &request, &discard).await.unwrap().status, 204);
    assert_eq!(mailman.pending(&list).await.unwrap(), Vec::<String>::new());

    let delete = async |path: &str| mailman.request("DELETE", path, &[]).await.unwrap().status;
    assert_eq!(delete(&member).await, 204);
    assert_eq!(delete(&member).await, 404);
    assert_eq!(mailman.members(&list).await.unwrap(), Vec::<String>::new());
    let roster = mailman
        .request("GET", &format!("/lists/{list}/roster/member"), &[])
        .await
        .unwrap();
    assert_eq!((roster.status, roster.body.get("entries")), (200, None));
    // The person stays known, until deleted by a call of its own.
    assert!(
        mailman
            .addresses()
            .await
            .unwrap()
            .contains(&"ada@example.com".to_owned())
    );
    assert_eq!(delete("/users/ada@example.com").await, 204);
    assert_eq!(delete("/users/ada@example.com").await, 404);
    assert!(
        !mailman
            .addresses()
            .await
            .unwrap()
            .contains(&"ada@example.com".to_owned())
    );
    let (dir, url) = (mailman.dir().to_owned(), mailman.url());
    leaves_nothing(mailman, dir, &url).await;
}

#[tokio::test]
async fn stripe_checks_cards_and_keeps_nothing() {
    let stripe = timed("stripe-mock", StripeMock::start()).await;
    let holder = [
        ("name", "Ada"),
        ("type", "individual"),
        ("email", "ada@example.com"),
        ("billing[address][line1]", "1 Main Street"),
        ("billing[address][city]", "Paris"),
        ("billing[address][country]", "FR"),
        ("billing[address][postal_code]", "75001"),
    ];
    let made = stripe
        .request("POST", "/v1/issuing/cardholders", &holder)
        .await
        .unwrap();
    assert_eq!((made.status, &made.body["object"]), (200, &json!("issuing.cardholder")));
    let id = made.body["id"].as_str().unwrap();
    let card = [
        ("cardholder", id),
        ("currency", "eur"),
        ("type", "virtual"),
        ("spending_controls[spending_limits][0][amount]", "50000"),
        ("spending_controls[spending_limits][0][interval]", "monthly"),
    ];
    let made = stripe.request("POST", "/v1/issuing/cards", &card).await.unwrap();
    assert_eq!((made.status, &made.body["object"]), (200, &json!("issuing.card")));
    let path = format!("/v1/issuing/cards/{}", made.body["id"].as_str().unwrap());
    assert_eq!(stripe.request("GET", &path, &[]).await.unwrap().status, 200);
    let cancelled = stripe.request("POST", &path, &[("status", "canceled")]).await.unwrap();
    assert_eq!(cancelled.status, 200);

    let wrong = stripe
        .request("POST", "/v1/issuing/cards", &[("currency", "eur")])
        .await
        .unwrap();
    assert_eq!(wrong.status, 400, "{}", wrong.body);
    let stranger = reqwest::get(format!("{}/v1/issuing/cards", stripe.url()))
        .await
        .unwrap();
    assert_eq!(stranger.status().as_u16(), 401);
    let (dir, url) = (stripe.dir().to_owned(), stripe.url());
    leaves_nothing(stripe, dir, &url).await;
}

#[tokio::test]
async fn github_checks_memberships_and_keeps_nothing() {
    let github = timed("prism", GitHubMock::start()).await;
    let path = "/orgs/acme/teams/engineers/memberships/ada";
    let member = json!({"role": "member"});
    let put = github.request("PUT", path, &[], Some(&member)).await.unwrap();
    assert_eq!(put.status, 200);
    assert!(
        put.body["state"].is_string() && put.body["role"].is_string(),
        "{}",
        put.body
    );
    let wrong = json!({"role": "boss"});
    let refused = github.request("PUT", path, &[], Some(&wrong)).await.unwrap();
    assert_eq!(refused.status, 422);
    assert!(refused.header("sl-violations").unwrap().contains("role"));
    let got = github.request("GET", path, &[], None).await.unwrap();
    assert_eq!(got.status, 200);
    let missing = [("prefer", "code=404")];
    assert_eq!(github.request("GET", path, &missing, None).await.unwrap().status, 404);
    assert_eq!(github.request("DELETE", path, &[], None).await.unwrap().status, 204);
    let members = github
        .request("GET", "/orgs/acme/teams/engineers/members?per_page=100", &[], None)
        .await
        .unwrap();
    assert!(members.body[0]["login"].is_string(), "{}", members.body);
    // All of what is served refers only to what is there.
    for path in [
        "/orgs/acme/members",
        "/orgs/acme/memberships/ada",
        "/orgs/acme/invitations",
        "/users/ada",
    ] {
        assert_eq!(
            github.request("GET", path, &[], None).await.unwrap().status,
            200,
            "{path}"
        );
    }
    let (dir, url) = (github.dir().to_owned(), github.url());
    leaves_nothing(github, dir, &url).await;
}

#[tokio::test]
async fn an_issuer_minds_the_secret_and_the_audience() {
    let options = OAuth2Options {
        audience: Some("seats".into()),
        ..OAuth2Options::default()
    };
    let issuer = timed("oauth2-mock-server", OAuth2Mock::start(options)).await;
    let secret = issuer.client_secret();
    let parameters = [("scope", "read write"), ("audience", "seats")];
    let good = issuer.ask(secret, &parameters).await.unwrap();
    assert_eq!((good.status, &good.body["expires_in"]), (200, &json!(300)));
    assert_eq!(good.body["token_type"], "Bearer");
    let wrong = issuer.ask("guess", &parameters).await.unwrap();
    assert_eq!((wrong.status, &wrong.body["error"]), (401, &json!("invalid_client")));
    assert_eq!(wrong.body["access_token"], Value::Null);
    let elsewhere = issuer.ask(secret, &[("audience", "cards")]).await.unwrap();
    assert_eq!(elsewhere.status, 400);

    let requests = issuer.requests();
    let statuses: Vec<u16> = requests.iter().map(|request| request.status).collect();
    assert_eq!(statuses, [200, 401, 400]);
    assert_eq!(requests[0].token.as_deref(), good.body["access_token"].as_str());
    assert_eq!(requests[0].scope.as_deref(), Some("read write"));
    assert_eq!((requests[0].credentials.as_str(), &requests[1].token), ("basic", &None));
    let (dir, url) = (issuer.dir().to_owned(), issuer.token_url());
    leaves_nothing(issuer, dir, &url).await;
}

/// Not a test: the little process that the next one kills.
#[tokio::test]
#[ignore = "run by a_killed_test_leaves_no_broker"]
async fn victim() {
    let Some(report) = std::env::var_os("ROLLCALL_TEST_REPORT") else {
        return;
    };
    let broker = RabbitMq::start().await.unwrap();
    let unfinished = broker.dir().join("report");
    std::fs::write(&unfinished, broker.dir().to_str().unwrap()).unwrap();
    std::fs::rename(unfinished, report).unwrap();
    std::future::pending::<()>().await;
}

/// Erlang's helpers leave the broker's process group, and its port mapper usually stays for good.
#[tokio::test]
async fn a_killed_test_leaves_no_broker() {
    let dir = TempDir::new("killer").unwrap();
    let report = dir.path().join("report");
    let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["victim", "--exact", "--ignored", "--nocapture"])
        .env("ROLLCALL_TEST_REPORT", &report)
        .env_remove("ROLLCALL_KEEP_TEMP")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let started = || std::fs::read_to_string(&report).ok();
    let broker = wait_until(Duration::from_mins(5), started).await.unwrap();
    let broker = Path::new(&broker);
    let running = processes_of(broker);
    for program in ["beam", "epmd", "erl_child_setup"] {
        assert!(
            running.iter().any(|command| command.contains(program)),
            "no {program}: {running:?}"
        );
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
    let gone = || (processes_of(broker).is_empty() && !broker.exists()).then_some(());
    let waited = wait_until(Duration::from_secs(10), gone).await;
    assert!(waited.is_some(), "{:?} are left behind", processes_of(broker));
}
