//! Child programs that end when this process ends, however it ends.
//!
//! Every process that uses this module has one janitor: a small shell script that holds a pipe to it. When the pipe
//! closes (return from `main`, a panic, SIGKILL), the janitor kills the process group of every child and then removes
//! the directory in which all of them worked. A child starts its program only after the janitor knows of it, so there is
//! no moment at which it could be left behind. What a child starts stays in its process group, unless it calls `setsid`.
//!
//! Set `ROLLCALL_KEEP_TEMP=1` to keep the directories (and so the logs) for a look at them.

mod cache;
mod ports;

pub(crate) use cache::step;
pub use cache::{CacheEntry, cache_dir, cached};
pub use ports::PortLease;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// What went wrong, in words for the person who reads a failed test.
#[derive(thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// The same as the `Display` form, so that `unwrap()` in a test prints readable lines.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what was being done when an error of any type came up.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: std::fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error(format!("{}: {error}", what())))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often conditions that nobody announces are looked at.
pub(crate) const POLL: Duration = Duration::from_millis(20);

const JANITOR: &str = r#"
root=$(mktemp -d "${TMPDIR:-/tmp}/rollcall.XXXXXX") || exit 1
keep=$1
groups=' '
printf '%s\n' "$root"
while read -r verb argument; do
    case $verb in
    add) groups="$groups$argument " ;;
    forget)
        case $groups in
        *" $argument "*) groups="${groups%%" $argument "*} ${groups#*" $argument "}" ;;
        esac
        ;;
    kill) kill -KILL "-$argument" 2>/dev/null; echo done ;;
    terminate) kill -TERM "$argument" 2>/dev/null; echo done ;;
    esac
done
# A killed process that nobody reaps stays visible, hence the bound: half a second, then the directory goes anyway.
round=0
while [ "$round" -lt 50 ]; do
    alive=
    for group in $groups; do
        kill -KILL "-$group" 2>/dev/null && alive=yes
    done
    [ -z "$alive" ] && break
    round=$((round + 1))
    sleep 0.01
done
[ -n "$keep" ] || rm -rf "$root"
"#;

/// A child first waits for this line, so that it cannot run unless the janitor knows its process group.
const STUB: &str = r#"read -r _ || exit 125; exec "$@""#;
const STUB_WITHOUT_INPUT: &str = r#"read -r _ || exit 125; exec "$@" </dev/null"#;

struct Janitor {
    root: PathBuf,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    next: AtomicU64,
}

impl Janitor {
    fn get() -> &'static Janitor {
        static JANITOR_OF_THIS_PROCESS: OnceLock<Janitor> = OnceLock::new();
        JANITOR_OF_THIS_PROCESS.get_or_init(|| Janitor::start().unwrap_or_else(|error| panic!("{error}")))
    }

    fn start() -> Result<Janitor> {
        let mut child = Command::new("sh")
            .args(["-c", JANITOR, "rollcall-janitor", if keep_temp() { "keep" } else { "" }])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A group of its own, so that Ctrl-C in a terminal ends us and not the one who cleans up after us.
            .process_group(0)
            .spawn()
            .context(|| "start sh, which cleans up after the tests".into())?;
        let missing = || Error("the janitor has no pipes".into());
        let input = child.stdin.take().ok_or_else(missing)?;
        let mut output = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let mut root = String::new();
        output
            .read_line(&mut root)
            .context(|| "read the name of the temporary directory".into())?;
        let root = PathBuf::from(root.trim_end_matches('\n'));
        if !root.is_dir() {
            return Err(Error(format!(
                "no temporary directory could be made in {}",
                std::env::temp_dir().display()
            )));
        }
        if keep_temp() {
            eprintln!("keeping {}", root.display());
        }
        Ok(Janitor {
            root,
            pipes: Mutex::new((input, output)),
            next: AtomicU64::new(0),
        })
    }

    fn tell(&self, verb: &str, group: u32) {
        let (input, _) = &mut *lock(&self.pipes);
        // It can only fail if somebody killed the janitor; then there is nothing better to do than go on.
        let _ = writeln!(input, "{verb} {group}").and_then(|()| input.flush());
    }

    /// Returns when the signal has been sent.
    fn signal(&self, verb: &str, group: u32) {
        let (input, output) = &mut *lock(&self.pipes);
        let mut answer = String::new();
        let _ = writeln!(input, "{verb} {group}")
            .and_then(|()| input.flush())
            .and_then(|()| output.read_line(&mut answer));
    }
}

fn keep_temp() -> bool {
    std::env::var_os("ROLLCALL_KEEP_TEMP").is_some_and(|value| !value.is_empty())
}

/// A directory that goes away when it is dropped, and when this process ends in any other way.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// Makes a directory whose name starts with `prefix`.
    pub fn new(prefix: &str) -> Result<TempDir> {
        let janitor = Janitor::get();
        let path = janitor
            .root
            .join(format!("{prefix}-{}", janitor.next.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&path).context(|| format!("make the directory {}", path.display()))?;
        Ok(TempDir { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if !keep_temp() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Spec {
    program: PathBuf,
    args: Vec<OsString>,
    env: BTreeMap<OsString, Option<OsString>>,
    directory: Option<PathBuf>,
}

impl Spec {
    /// A program by its path, or by its name if it is on `PATH`.
    pub fn new(program: impl Into<PathBuf>) -> Spec {
        let mut spec = Spec {
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            directory: None,
        };
        // Everything here talks over loopback, where a proxy of the network outside is only in the way.
        for name in [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ] {
            spec = spec.without_env(name);
        }
        spec
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Spec {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Spec {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable on top of this process's environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Spec {
        self.env.insert(name.into(), Some(value.into()));
        self
    }

    /// Takes a variable out of the environment.
    #[must_use]
    pub fn without_env(mut self, name: impl Into<OsString>) -> Spec {
        self.env.insert(name.into(), None);
        self
    }

    /// Lets the proxies of the environment through, for a program that downloads.
    #[must_use]
    pub fn with_network(mut self) -> Spec {
        self.env
            .retain(|name, value| value.is_some() || !name.to_string_lossy().to_ascii_uppercase().ends_with("_PROXY"));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Spec {
        self.directory = Some(directory.into());
        self
    }

    fn name(&self) -> String {
        self.program
            .file_name()
            .unwrap_or(self.program.as_os_str())
            .to_string_lossy()
            .into_owned()
    }

    fn command(&self, stub: &str) -> Result<Command> {
        let program = find_program(&self.program)
            .ok_or_else(|| Error(format!("there is no program {}", self.program.display())))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", stub])
            .arg(self.name())
            .arg(program)
            .args(&self.args)
            .process_group(0);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        Ok(command)
    }
}

/// Where a program is: itself if it names a path, else the first on `PATH`.
pub fn find_program(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// A running child whose output goes to a file. Dropping it kills it and all of its process group.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    id: u32,
    child: Mutex<Supervised>,
}

#[derive(Debug)]
struct Supervised {
    child: Child,
    // Its group is gone too. After that its number may be somebody else's.
    gone: bool,
}

impl Supervised {
    /// Its exit status, if it has ended; then whatever it left in its group ends as well, at once, because nothing but
    /// that keeps others from getting the group's number.
    fn poll(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten()?;
        if !std::mem::replace(&mut self.gone, true) {
            Janitor::get().signal("kill", self.child.id());
            Janitor::get().tell("forget", self.child.id());
        }
        Some(status)
    }
}

impl Process {
    /// Starts a program; its output is appended to the file `log`.
    pub fn start(spec: &Spec, log: impl Into<PathBuf>) -> Result<Process> {
        let log = log.into();
        let name = spec.name();
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .and_then(|file| Ok((file.try_clone()?, file)))
            .context(|| format!("open the log {}", log.display()))?;
        let mut command = spec.command(STUB_WITHOUT_INPUT)?;
        command.stdin(Stdio::piped()).stdout(file.0).stderr(file.1);
        let mut child = command.spawn().context(|| format!("start {name}"))?;
        let id = child.id();
        release(&mut child)?;
        // The line was the only thing to come by that pipe.
        drop(child.stdin.take());
        Ok(Process {
            name,
            log,
            id,
            child: Mutex::new(Supervised { child, gone: false }),
        })
    }

    /// The process id, which is also that of the process group.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its exit status, if it has ended.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        lock(&self.child).poll()
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// Kills it and its process group with SIGKILL, and returns when it is gone.
    pub fn kill(&self) -> Option<ExitStatus> {
        let mut process = lock(&self.child);
        if let Some(status) = process.poll() {
            return Some(status);
        }
        // First the process itself, without a detour, so that it stops here and now; then its descendants, whose group
        // keeps its number for as long as the process is not reaped.
        let _ = process.child.kill();
        Janitor::get().signal("kill", self.id);
        process.gone = true;
        let status = process.child.wait().ok();
        Janitor::get().tell("forget", self.id);
        status
    }

    /// Asks it to end, with SIGTERM.
    pub fn terminate(&self) {
        let mut process = lock(&self.child);
        if process.poll().is_none() {
            Janitor::get().signal("terminate", self.id);
        }
    }

    /// Waits until it has ended by itself.
    pub async fn wait(&self, timeout: Duration) -> Result<ExitStatus> {
        wait_until(timeout, || self.exit_status()).await.ok_or_else(|| {
            Error(format!(
                "{} still runs after {timeout:?}\n{}",
                self.name,
                self.log_tail(20)
            ))
        })
    }

    /// The file with its output.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its output, for error messages.
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    /// Fails, with the end of its output, if it does not run.
    pub fn check(&self) -> Result<()> {
        match self.exit_status() {
            None => Ok(()),
            Some(status) => Err(Error(format!(
                "{} has ended ({status})\n{}",
                self.name,
                self.log_tail(20)
            ))),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Makes a child known to the janitor and lets it go.
fn release(child: &mut Child) -> Result<()> {
    Janitor::get().tell("add", child.id());
    let input = child
        .stdin
        .as_mut()
        .ok_or_else(|| Error("a child has no standard input".into()))?;
    input.write_all(b"go\n").context(|| "start a child".into())
}

/// What a program printed.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Kills a process group unless it is told that the process has ended.
struct KillOnDrop(Option<u32>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            Janitor::get().signal("kill", id);
        }
    }
}

/// Runs a program to its end, with the given text as its standard input. It is killed if nobody waits for it any more.
pub async fn output(spec: Spec, input: Option<String>) -> Result<Output> {
    let name = spec.name();
    let mut command = spec.command(STUB)?;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context(|| format!("start {name}"))?;
    let id = child.id();
    let mut guard = KillOnDrop(Some(id));
    release(&mut child)?;
    let stdin = child.stdin.take();
    // A program may print before it has read everything, so its input has a thread of its own.
    let writer = std::thread::spawn(move || {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A program need not read its input to the end.
            let _ = stdin.write_all(input.as_bytes());
        }
    });
    let waiting = tokio::task::spawn_blocking(move || {
        let output = child.wait_with_output();
        Janitor::get().tell("forget", id);
        let _ = writer.join();
        output
    });
    let output = waiting.await;
    guard.0 = None;
    let output = output
        .context(|| format!("run {name}"))?
        .context(|| format!("run {name}"))?;
    Ok(Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Waits until `condition` gives something, looking at it every 20 ms. None after `timeout`.
pub async fn wait_until<T>(timeout: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + timeout;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until a GET of `url` answers 200.
pub async fn ready(url: &str, timeout: Duration) -> Result<()> {
    let client = http_client()?;
    let end = Instant::now() + timeout;
    loop {
        let last = match client.get(url).timeout(Duration::from_secs(5)).send().await {
            Ok(answer) if answer.status().as_u16() == 200 => return Ok(()),
            Ok(answer) => answer.status().to_string(),
            Err(error) => chain(&error),
        };
        if Instant::now() >= end {
            return Err(Error(format!("{url} does not answer 200 within {timeout:?}: {last}")));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Waits for a daemon to answer 200, and gives up at once if it ends.
pub(crate) async fn ready_while(
    url: &str,
    timeout: Duration,
    ca_pem: Option<&str>,
    token: Option<&str>,
    process: &Process,
) -> Result<()> {
    let mut builder = reqwest::Client::builder().no_proxy();
    if let Some(ca) = ca_pem {
        let ca = reqwest::Certificate::from_pem(ca.as_bytes()).context(|| "read a CA".into())?;
        builder = builder.tls_certs_only([ca]);
    }
    let client = builder.build().context(|| "make an HTTP client".into())?;
    let end = Instant::now() + timeout;
    loop {
        let mut request = client.get(url).timeout(Duration::from_secs(5));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let last = match request.send().await {
            // Not a stranger on the same port: ours would have failed to bind and ended.
            Ok(answer) if answer.status().is_success() => return process.check(),
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => chain(&error),
        };
        process.check()?;
        if Instant::now() >= end {
            let tail = process.log_tail(20);
            return Err(Error(format!("{url} is not ready within {timeout:?}: {last}\n{tail}")));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A client for plain HTTP on loopback, whatever proxies the environment names.
pub(crate) fn http_client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .context(|| "make an HTTP client".into())
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The last lines of a file, indented and with its name, for error messages.
pub fn tail(file: &Path, lines: usize) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(64 * 1024)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let last = &all[all.len().saturating_sub(lines)..];
    format!(
        "  end of {}:\n    {}",
        file.display(),
        if last.is_empty() {
            "(empty)".into()
        } else {
            last.join("\n    ")
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(id: u32) -> bool {
        Command::new("sh")
            .args([
                "-c",
                "kill -0 \"$1\" 2>/dev/null && ! grep -q '^State:.Z' /proc/\"$1\"/status",
                "sh",
                &id.to_string(),
            ])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn sleeper() -> Spec {
        // Itself and a child of its own, which must go as well.
        Spec::new("sh").args(["-c", "sleep 1000 & echo $!; wait"])
    }

    async fn grandchild(log: &Path) -> u32 {
        wait_until(Duration::from_secs(10), || {
            std::fs::read_to_string(log).ok()?.trim().parse().ok()
        })
        .await
        .unwrap()
    }

    /// Not a test: the little process that the next one kills.
    #[tokio::test]
    #[ignore = "run by a_killed_process_leaves_nothing"]
    async fn victim() {
        let Some(report) = std::env::var_os("ROLLCALL_TEST_REPORT") else {
            return;
        };
        let dir = TempDir::new("victim").unwrap();
        let log = dir.path().join("log");
        let process = Process::start(&sleeper(), &log).unwrap();
        let grandchild = grandchild(&log).await;
        let text = format!("{} {grandchild} {}", process.id(), Janitor::get().root.display());
        std::fs::write(dir.path().join("report"), text).unwrap();
        std::fs::rename(dir.path().join("report"), report).unwrap();
        std::future::pending::<()>().await;
    }

    #[tokio::test]
    async fn a_killed_process_leaves_nothing() {
        let dir = TempDir::new("killer").unwrap();
        let report = dir.path().join("report");
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["process::tests::victim", "--exact", "--ignored", "--nocapture"])
            .env("ROLLCALL_TEST_REPORT", &report)
            .env_remove("ROLLCALL_KEEP_TEMP")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let text = wait_until(Duration::from_secs(20), || std::fs::read_to_string(&report).ok())
            .await
            .unwrap();
        let mut words = text.split(' ');
        let child: u32 = words.next().unwrap().parse().unwrap();
        let grandchild: u32 = words.next().unwrap().parse().unwrap();
        let root = PathBuf::from(words.next().unwrap());
        assert!(alive(child) && alive(grandchild) && root.is_dir());

        victim.kill().unwrap();
        victim.wait().unwrap();
        let gone = || (!alive(child) && !alive(grandchild) && !root.exists()).then_some(());
        wait_until(Duration::from_secs(10), gone)
            .await
            .expect("children and directory are gone");
    }

    #[tokio::test]
    async fn a_dropped_process_takes_its_descendants_with_it() {
        let dir = TempDir::new("drop").unwrap();
        let log = dir.path().join("log");
        let process = Process::start(&sleeper(), &log).unwrap();
        let grandchild = grandchild(&log).await;
        assert!(alive(grandchild));
        drop(process);
        wait_until(Duration::from_secs(5), || (!alive(grandchild)).then_some(()))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn signals_statuses_and_output() {
        let dir = TempDir::new("signals").unwrap();
        let log = dir.path().join("log");
        let spec = Spec::new("sh").args([
            "-c",
            "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done",
        ]);
        let process = Process::start(&spec, &log).unwrap();
        wait_until(Duration::from_secs(5), || {
            std::fs::read_to_string(&log).ok()?.contains("up").then_some(())
        })
        .await
        .unwrap();
        process.check().unwrap();
        process.terminate();
        assert_eq!(process.wait(Duration::from_secs(5)).await.unwrap().code(), Some(3));
        assert!(process.check().unwrap_err().to_string().contains("bye"));

        let said = output(Spec::new("cat"), Some("hello".into())).await.unwrap();
        assert_eq!((said.stdout.as_str(), said.status.code()), ("hello", Some(0)));
        let endless = output(Spec::new("sleep").arg("1000"), None);
        tokio::time::timeout(Duration::from_millis(100), endless)
            .await
            .unwrap_err();

        let error = Process::start(&Spec::new("no-such-program"), &log).unwrap_err();
        assert_eq!(error.to_string(), "there is no program no-such-program");
    }
}
