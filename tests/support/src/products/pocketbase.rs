//! `PocketBase`, a small back end, with a collection `users` whose `roles` are a set that a PATCH replaces whole.
//!
//! A login call yields a token. Without one, or with one that is no longer good, a list of users is answered 200 and is
//! empty, and a user is answered 404: what looks like "nobody has it" may mean "nobody looked". Writes are
//! answered 400, 403 or 404 then. There are no `ETags`.

use super::install::{GoProgram, go_program};
use super::secret;
use super::server::{Answer, Server, json, names};
use crate::process::{Error, Result, output};
use serde_json::{Value, json as value};

const GO_MOD: &str = include_str!("../../products/pocketbase/go.mod");
const GO_SUM: &str = include_str!("../../products/pocketbase/go.sum");
const ADMIN: &str = "admin@example.com";
const LOGIN: &str = "/api/collections/_superusers/auth-with-password";
const USERS: &str = "/api/collections/users";
const ROLES: &str = "/api/collections/roles";

/// A running `PocketBase`, with a client for tests. Dropping it ends it.
#[derive(Debug)]
pub struct PocketBase {
    server: Server,
    password: String,
    token: String,
}

impl PocketBase {
    /// Starts one, in about a second. The first ever on a machine builds it.
    pub async fn start() -> Result<PocketBase> {
        let program = go_program(GoProgram {
            name: "pocketbase",
            what: "PocketBase",
            package: "github.com/pocketbase/pocketbase/examples/base",
            go_mod: GO_MOD,
            go_sum: GO_SUM,
        })
        .await?;
        let password = secret();
        let server = Server::start("pocketbase", 1, async |server: &mut Server| {
            let spec = || server.spec(&program).arg("--dir").arg(server.dir().join("data"));
            let made = output(spec().args(["superuser", "upsert", ADMIN, &password]), None).await?;
            if !made.status.success() {
                return Err(Error(format!("make the administrator: {}{}", made.stdout, made.stderr)));
            }
            let spec = spec().args(["serve", "--http", &format!("127.0.0.1:{}", server.port(0))]);
            server.run(&spec)?;
            server.ready(&format!("{}/api/health", server.url()), None).await
        })
        .await?;
        let mut base = PocketBase {
            server,
            password,
            token: String::new(),
        };
        base.token = base.log_in().await?;
        base.add_roles().await?;
        Ok(base)
    }

    /// Gives the users it comes with a set of roles, and a switch.
    async fn add_roles(&self) -> Result<()> {
        let roles = value!({
            "name": "roles",
            "type": "base",
            "fields": [{"name": "name", "type": "text", "required": true}],
            "indexes": ["CREATE UNIQUE INDEX roles_by_name ON roles (name)"],
        });
        let made = self.request("POST", "/api/collections", Some(&roles)).await?;
        let id = made.wanted(&[200], "make the roles")?["id"].clone();
        let mut users = self
            .request("GET", USERS, None)
            .await?
            .wanted(&[200], "read the users")?;
        let fields = users["fields"]
            .as_array_mut()
            .ok_or_else(|| Error("the users have no fields".into()))?;
        fields.push(value!({"name": "roles", "type": "relation", "collectionId": id, "maxSelect": 99}));
        fields.push(value!({"name": "disabled", "type": "bool"}));
        let body = value!({"fields": users["fields"]});
        let changed = self.request("PATCH", USERS, Some(&body)).await?;
        changed.wanted(&[200], "give the users roles").map(drop)
    }

    /// Its base: what precedes `/api`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where a POST of `{"identity": ..., "password": ...}` yields a `token`, for `Authorization`.
    pub fn login_url(&self) -> String {
        format!("{}{LOGIN}", self.server.url())
    }

    /// The administrator's email address, its `identity`.
    pub fn user(&self) -> &'static str {
        ADMIN
    }

    /// The administrator's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Its output.
    pub fn logs(&self) -> String {
        self.server.logs()
    }

    /// The directory in which it works. It goes away with it.
    pub fn dir(&self) -> &std::path::Path {
        self.server.dir()
    }

    async fn log_in(&self) -> Result<String> {
        let body = value!({"identity": ADMIN, "password": self.password});
        let answer = self
            .server
            .send("POST", LOGIN, |request| json(request, Some(&body)))
            .await?;
        let token = answer.wanted(&[200], "log in")?;
        token["token"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Error(format!("log in: no token in {token}")))
    }

    /// Sends any request as administrator; `path` starts with `/api`.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.server
            .send(method, path, |request| {
                json(request.header("authorization", &self.token), body)
            })
            .await
    }

    async fn create(&self, path: &str, body: &Value) -> Result<String> {
        let made = self.request("POST", path, Some(body)).await?;
        let made = made.wanted(&[200], path)?;
        made["id"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Error(format!("POST {path}: no id in {made}")))
    }

    /// Makes a role and gives its id.
    pub async fn create_role(&self, name: &str) -> Result<String> {
        self.create(&format!("{ROLES}/records"), &value!({"name": name})).await
    }

    /// Makes a user without roles and gives its id.
    pub async fn create_user(&self, email: &str) -> Result<String> {
        let password = secret();
        let user = value!({
            "email": email, "emailVisibility": true, "password": password, "passwordConfirm": password,
        });
        self.create(&format!("{USERS}/records"), &user).await
    }

    /// The email addresses of all users, sorted.
    pub async fn users(&self) -> Result<Vec<String>> {
        let path = format!("{USERS}/records?perPage=1000");
        let answer = self.request("GET", &path, None).await?;
        Ok(names(&answer.wanted(&[200], "list users")?["items"], "email"))
    }

    /// The names of the roles of the user with this email address, sorted; none if there is no such user.
    pub async fn roles(&self, email: &str) -> Result<Option<Vec<String>>> {
        let path = format!("{USERS}/records?perPage=1000&expand=roles");
        let answer = self.request("GET", &path, None).await?;
        let users = answer.wanted(&[200], "list users")?;
        let mut users = users["items"].as_array().into_iter().flatten();
        let user = users.find(|user| user["email"] == email);
        Ok(user.map(|user| names(&user["expand"]["roles"], "name")))
    }
}
