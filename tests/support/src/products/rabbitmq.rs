//! `RabbitMQ` with its management plugin.
//!
//! It runs in its own Erlang, started without the scripts that name the directories of a system. Erlang's port mapper,
//! which usually stays behind, is a daemon of the instance's own here.

use super::install::{debian_packages, versioned};
use super::secret;
use super::server::{Answer, Server, json, names};
use crate::process::Result;
use serde_json::Value;

/// All of Erlang that `RabbitMQ` asks for.
const PACKAGES: [&str; 18] = [
    "erlang-asn1",
    "erlang-base",
    "erlang-crypto",
    "erlang-eldap",
    "erlang-ftp",
    "erlang-inets",
    "erlang-mnesia",
    "erlang-os-mon",
    "erlang-parsetools",
    "erlang-public-key",
    "erlang-runtime-tools",
    "erlang-snmp",
    "erlang-ssl",
    "erlang-syntax-tools",
    "erlang-tftp",
    "erlang-tools",
    "erlang-xmerl",
    "rabbitmq-server",
];

const ADMIN: &str = "admin";

/// What a user may do in a virtual host: three regular expressions on the names of queues and exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The virtual host.
    pub vhost: String,
    /// What may be made and deleted.
    pub configure: String,
    /// What may be published to.
    pub write: String,
    /// What may be consumed from.
    pub read: String,
}

/// A running broker, with a client for tests. Dropping it ends it.
#[derive(Debug)]
pub struct RabbitMq {
    server: Server,
    password: String,
}

impl RabbitMq {
    /// Starts one, in about three seconds. The first ever on a machine installs it.
    pub async fn start() -> Result<RabbitMq> {
        let root = debian_packages("rabbitmq", "RabbitMQ", &PACKAGES).await?;
        let erlang = root.join("usr/lib/erlang");
        let erts = versioned(&erlang, "erts-")?.join("bin");
        let rabbitmq = versioned(&root.join("usr/lib/rabbitmq/lib"), "rabbitmq_server-")?;
        let password = secret();
        let server = Server::start("rabbitmq", 3, async |server: &mut Server| {
            let [port, epmd, distribution] = [0, 1, 2].map(|index| server.port(index));
            server.write("enabled_plugins", "[rabbitmq_management].\n")?;
            server.write(
                "rabbitmq.conf",
                &format!(
                    "listeners.tcp = none\n\
                     management.tcp.ip = 127.0.0.1\n\
                     management.tcp.port = {port}\n\
                     default_user = {ADMIN}\n\
                     default_pass = {password}\n\
                     log.console = true\n\
                     log.file = false\n"
                ),
            )?;
            let dir = server.dir().to_owned();
            let spec = |program: &str| {
                server
                    .spec(erts.join(program))
                    .env("ERL_EPMD_PORT", epmd.to_string())
                    .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            };
            let mapper = spec("epmd").args(["-port", &epmd.to_string(), "-address", "127.0.0.1"]);
            let broker = spec("erlexec")
                .env("ROOTDIR", &erlang)
                .env("BINDIR", &erts)
                .env("EMU", "beam")
                .env("PROGNAME", "erl")
                .env("ERL_LIBS", rabbitmq.join("plugins"))
                .env("RABBITMQ_HOME", &rabbitmq)
                .env("RABBITMQ_PLUGINS_DIR", rabbitmq.join("plugins"))
                .env("RABBITMQ_BASE", &dir)
                .env("RABBITMQ_MNESIA_BASE", dir.join("data"))
                .env("RABBITMQ_LOG_BASE", dir.join("logs"))
                .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq"))
                .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
                .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("enabled_plugins"))
                .env("RABBITMQ_NODENAME", format!("node{distribution}@localhost"))
                .env("RABBITMQ_DIST_PORT", distribution.to_string())
                .args(["-noinput", "-s", "rabbit", "boot", "-boot", "start_sasl"])
                .args([
                    "-start_epmd",
                    "false",
                    "-kernel",
                    "inet_dist_use_interface",
                    "{127,0,0,1}",
                ])
                .args(["-kernel", "prevent_overlapping_partitions", "false"])
                // Two schedulers that do not spin: others run on the same cores.
                .args(["+W", "w", "+S", "2:2", "+sbwt", "none", "+P", "65536", "+t", "1048576"]);
            server.run(&mapper)?;
            server.run(&broker)?;
            let url = format!("http://{ADMIN}:{password}@127.0.0.1:{port}/api/whoami");
            server.ready(&url, None).await
        })
        .await?;
        Ok(RabbitMq { server, password })
    }

    /// Its base: what precedes `/api`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The administrator's name, for basic authentication.
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

    /// Sends any request as administrator; `path` starts with `/api`.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.server
            .send(method, path, |request| {
                json(request.basic_auth(ADMIN, Some(&self.password)), body)
            })
            .await
    }

    /// The names of all users but the administrator, sorted.
    pub async fn users(&self) -> Result<Vec<String>> {
        let users = self.request("GET", "/api/users", None).await?;
        let mut names = names(&users.wanted(&[200], "list users")?, "name");
        names.retain(|name| name != ADMIN);
        Ok(names)
    }

    /// The tags of a user, none if there is no such user.
    pub async fn tags(&self, user: &str) -> Result<Option<Vec<String>>> {
        let answer = self.request("GET", &format!("/api/users/{user}"), None).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let user = answer.wanted(&[200], "read a user")?;
        Ok(Some(super::server::strings(&user["tags"])))
    }

    /// What a user may do, by virtual host.
    pub async fn permissions(&self, user: &str) -> Result<Vec<Permission>> {
        let path = format!("/api/users/{user}/permissions");
        let answer = self.request("GET", &path, None).await?;
        let list = answer.wanted(&[200], "list permissions")?;
        let permission = |item: &Value| {
            let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
            Permission {
                vhost: text("vhost"),
                configure: text("configure"),
                write: text("write"),
                read: text("read"),
            }
        };
        let mut all: Vec<Permission> = list.as_array().into_iter().flatten().map(permission).collect();
        all.sort_by(|one, other| one.vhost.cmp(&other.vhost));
        Ok(all)
    }

    /// Whether somebody gets in with a password. It takes the tag `management` too.
    pub async fn can_log_in(&self, user: &str, password: &str) -> Result<bool> {
        let answer = self
            .server
            .send("GET", "/api/whoami", |request| request.basic_auth(user, Some(password)))
            .await?;
        Ok(answer.status == 200)
    }
}
