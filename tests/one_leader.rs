//! Does one operator act at a time, whatever happens to it?

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use rollcall_support::operator::{Operator, OperatorOptions};
use rollcall_support::process::{PortLease, TempDir};
use rollcall_support::proxy::{Entry, Proxy, Script, When, effects, request};
use rollcall_support::story::{Chapter, Story, belongs, shape, text};
use rollcall_support::world::OPERATOR;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);

/// One of several operators of the same Lease, with a way to the API server and an audit log of its own.
struct Candidate {
    operator: Operator,
    /// Numbers what it writes to the API server.
    writes: Script,
    health: PortLease,
    audit: TempDir,
    proxy: Proxy,
}

impl Candidate {
    async fn start(story: &Story, name: &str) -> Self {
        let world = &story.world;
        let writes = Script::new(effects);
        let proxy = Proxy::start("kubernetes", &world.plane.url(), Some(world.plane.ca_pem()), &writes);
        let proxy = proxy.expect("a proxy");
        let url = proxy.url();
        let kubeconfig = world
            .plane
            .service_account_kubeconfig(OPERATOR.0, OPERATOR.1, Some(&url))
            .await
            .expect("a kubeconfig");
        let (health, audit) = (PortLease::new().expect("a port"), TempDir::new(name).expect("a folder"));
        let mut options = OperatorOptions {
            kubeconfig,
            name: name.to_owned(),
            ..world.operator_options()
        };
        let mut set = |argument: &str, value: String| {
            let at = options.args.iter().position(|known| known == argument);
            let at = at.unwrap_or_else(|| panic!("{argument} is given"));
            options.args[at + 1] = value;
        };
        set("--health-address", format!("127.0.0.1:{}", health.port()));
        set("--audit-log", audit.path().join("audit.jsonl").display().to_string());
        Self {
            operator: Operator::start(options).expect("the operator starts"),
            writes,
            health,
            audit,
            proxy,
        }
    }

    /// What its readiness probe answers once it is ready.
    async fn role(&self) -> String {
        let url = format!("{}/readyz", self.health.http_url());
        let ready = self.operator.ready(&url, PATIENCE).await;
        ready.unwrap_or_else(|error| panic!("{error}\n{}", self.operator.logs()));
        let answer = reqwest::get(url).await.expect("an answer");
        answer.text().await.expect("a text").trim().to_owned()
    }

    fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.audit.path().join("audit.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    fn signal(&self, signal: &str) {
        send(signal, self.operator.id());
    }
}

fn send(signal: &str, id: u32) {
    let sent = Command::new("kill").args([signal, &id.to_string()]).status();
    assert!(sent.expect("there is kill").success());
}

/// Two operators that were started at once: first the one that leads.
async fn two(story: &Story) -> [Candidate; 2] {
    let (one, other) = tokio::join!(Candidate::start(story, "one"), Candidate::start(story, "other"));
    // Both stand by at first, and one of them is listing before it leads.
    for _ in 0..600 {
        match (one.role().await.as_str(), other.role().await.as_str()) {
            ("leading", "standing by") => return [one, other],
            ("standing by", "leading") => return [other, one],
            (one, other) if one.starts_with("leading") && other.starts_with("leading") => panic!("both lead"),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("neither leads")
}

async fn all_is_well(story: &Story, leader: &Candidate, what: &str) {
    let check = async || {
        let wrongs = story.wrongs(&story.look().await);
        if wrongs.is_empty() {
            Ok(())
        } else {
            Err(wrongs.join("\n"))
        }
    };
    story.world.eventually(&leader.operator, what, check).await;
}

/// Effects that both or one of them have done more than once.
fn done_twice(candidates: &[Candidate; 2]) -> Vec<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for line in candidates.iter().flat_map(Candidate::audit) {
        let key = ["employee", "target", "effect", "object"].map(|name| text(&line[name]).to_owned());
        *times.entry(key.join(" ")).or_default() += 1;
    }
    let twice = times.into_iter().filter(|(_, times)| *times > 1);
    twice.map(|(key, _)| key).collect()
}

/// I5: of two operators one acts and the other only stands ready; when the first is killed the other takes over once the
/// Lease has run out, and nothing is done twice.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_one_acts_and_the_other_takes_over_when_it_dies() {
    let args = ["--lease-seconds", "3"];
    let mut story = Story::new(env!("CARGO_BIN_EXE_rollcall"), None, &args).await;
    let both = two(&story).await;
    let [leader, standby] = &both;
    all_is_well(&story, leader, "the leader gives everybody access").await;
    assert_eq!(standby.role().await, "standing by");
    assert_eq!(standby.audit(), Vec::<Value>::new());
    assert_eq!(standby.writes.total(), 0, "{:?}", standby.writes.log());

    leader.operator.kill();
    let mut person = story.newcomer();
    story.tell(Chapter::Hire, &mut person);
    all_is_well(&story, standby, "the other takes over").await;
    assert_eq!(standby.role().await, "leading");
    assert_eq!(done_twice(&both), Vec::<String>::new());
}

/// I5: a leader that is stopped in the middle of its work for longer than its Lease ends itself when it goes on, without
/// a further write; meanwhile the other has finished its work.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_slept_through_its_lease_ends_without_a_further_write() {
    let args = ["--lease-seconds", "3"];
    let directory = Script::new(belongs);
    let mut story = Story::new(env!("CARGO_BIN_EXE_rollcall"), Some(directory.clone()), &args).await;
    let both = two(&story).await;
    let [leader, standby] = &both;
    all_is_well(&story, leader, "the leader gives everybody access").await;

    // The directory takes its time over the first account, so that the others are sent together, one by one or in bulk;
    // with the second request applied the leader falls asleep, never hears of it, and has the rest still to send.
    let slow = story.world.scim_proxy.as_ref().expect("a script was given");
    slow.delay(request("POST", "*/Users"), Duration::from_millis(500), 1);
    let (id, mut made) = (leader.operator.id(), 0);
    let second = move |entry: &Entry| {
        made += usize::from(matches!(
            shape(&entry.request).as_str(),
            "scim POST Users" | "scim POST Bulk"
        ));
        made == 2
    };
    directory.arm_at(second, When::After, move || send("-STOP", id));
    for _ in 0..12 {
        let mut person = story.newcomer();
        story.tell(Chapter::Hire, &mut person);
    }
    directory.wait_fired(PATIENCE).await.expect("an account is made");
    directory.reopen();
    all_is_well(&story, standby, "the other takes over").await;

    // It has time to do harm: that the Lease is another's it learns late.
    let lease = request("*", "/apis/coordination.k8s.io/*");
    leader.proxy.delay(lease, Duration::from_millis(400), usize::MAX);
    let (before, changes_before) = (leader.writes.log(), changes(&directory));
    leader.signal("-CONT");
    let ended = leader.operator.wait(PATIENCE).await.expect("it ends itself");
    assert!(!ended.success());
    assert_eq!(
        changes(&directory),
        changes_before,
        "{}",
        directory.log().last().expect("a log")
    );
    // A record that had left when it fell asleep is refused, since the Employee has another version by now.
    for entry in leader.writes.log().iter().skip(before.len()) {
        assert!(entry.status.is_none_or(|status| status == 409), "{entry}");
    }
    all_is_well(&story, standby, "it stays so").await;
}

fn changes(directory: &Script) -> usize {
    let log = directory.log();
    log.iter()
        .filter(|entry| &*entry.request.proxy == "scim" && entry.request.method != http::Method::GET)
        .count()
}
