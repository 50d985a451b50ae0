//! The operator as a process of its own, which can be killed at any moment.

use crate::process::{Context as _, Error, Process, Result, Spec, TempDir, lock, tail, wait_until};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use crate::process::ready;

/// How to run it.
#[derive(Debug, Clone)]
pub struct OperatorOptions {
    /// The program.
    pub binary: PathBuf,
    /// What `KUBECONFIG` will be.
    pub kubeconfig: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables on top of this process's environment.
    pub env: Vec<(String, String)>,
    /// The name of its log, which tells several operators of one test apart.
    pub name: String,
}

impl OperatorOptions {
    /// Without arguments and further environment.
    pub fn new(binary: impl Into<PathBuf>, kubeconfig: impl Into<PathBuf>) -> OperatorOptions {
        OperatorOptions {
            binary: binary.into(),
            kubeconfig: kubeconfig.into(),
            args: Vec::new(),
            env: Vec::new(),
            name: "operator".into(),
        }
    }
}

/// A running operator. Clones are the same operator; it is killed when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Operator {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: OperatorOptions,
    run: Mutex<Run>,
    log: PathBuf,
    // Dropped last: the process writes into it.
    _dir: TempDir,
}

#[derive(Debug)]
struct Run {
    process: Arc<Process>,
    // Where in the log its output begins.
    log_start: usize,
}

impl Operator {
    /// Starts it, and returns at once.
    pub fn start(options: OperatorOptions) -> Result<Operator> {
        let dir = TempDir::new(&options.name)?;
        let log = dir.path().join(format!("{}.log", options.name));
        let run = Mutex::new(spawn(&options, &log)?);
        Ok(Operator {
            inner: Arc::new(Inner {
                options,
                run,
                log,
                _dir: dir,
            }),
        })
    }

    fn process(&self) -> Arc<Process> {
        lock(&self.inner.run).process.clone()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process().id()
    }

    /// Kills it with SIGKILL and returns when it is gone. It may be called from anywhere, also from an action of a
    /// [`Script`](crate::proxy::Script).
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Asks it to end, with SIGTERM.
    pub fn terminate(&self) {
        self.process().terminate();
    }

    /// Waits until it has ended.
    pub async fn wait(&self, timeout: Duration) -> Result<ExitStatus> {
        self.process().wait(timeout).await
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.process().is_running()
    }

    /// Starts it again as it was started before; kills it first if it still runs. Its log goes on in the same file.
    pub fn restart(&self) -> Result<()> {
        let mut run = lock(&self.inner.run);
        run.process.kill();
        *run = spawn(&self.inner.options, &self.inner.log)?;
        Ok(())
    }

    /// All that it has printed, earlier runs included.
    pub fn logs(&self) -> String {
        read(&self.inner.log, 0)
    }

    /// What it has printed since it was last started.
    pub fn logs_of_this_run(&self) -> String {
        let start = lock(&self.inner.run).log_start;
        read(&self.inner.log, start)
    }

    /// The file with its output.
    pub fn log(&self) -> &Path {
        &self.inner.log
    }

    /// Waits until it has printed `text` since it was last started. Fails as soon as it has ended without.
    pub async fn wait_for_log(&self, text: &str, timeout: Duration) -> Result<()> {
        let found = wait_until(timeout, || {
            // First whether it runs: what it printed before it ended counts.
            let running = self.is_running();
            let found = self.logs_of_this_run().contains(text);
            (found || !running).then_some(found)
        });
        match found.await {
            Some(true) => Ok(()),
            Some(false) => Err(self.failure(&format!("has ended without printing {text:?}"))),
            None => Err(self.failure(&format!("has not printed {text:?} within {timeout:?}"))),
        }
    }

    /// Waits until a GET of `url`, say its readiness probe, answers 200. Fails as soon as it has ended.
    pub async fn ready(&self, url: &str, timeout: Duration) -> Result<()> {
        crate::process::ready_while(url, timeout, None, None, &self.process()).await
    }

    fn failure(&self, what: &str) -> Error {
        Error(format!(
            "{} {what}\n{}",
            self.inner.options.name,
            tail(&self.inner.log, 30)
        ))
    }
}

fn spawn(options: &OperatorOptions, log: &Path) -> Result<Run> {
    let log_start = std::fs::metadata(log)
        .ok()
        .and_then(|metadata| usize::try_from(metadata.len()).ok())
        .unwrap_or(0);
    let mut spec = Spec::new(&options.binary)
        .args(&options.args)
        .env("KUBECONFIG", &options.kubeconfig);
    for (name, value) in &options.env {
        spec = spec.env(name, value);
    }
    let process = Process::start(&spec, log).context(|| format!("start {}", options.name))?;
    Ok(Run {
        process: Arc::new(process),
        log_start,
    })
}

fn read(log: &Path, start: usize) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn kill_terminate_restart() {
        let script = "trap 'echo bye; exit 0' TERM; echo \"$KUBECONFIG $GREETING\"; while :; do sleep 0.01; done";
        let options = OperatorOptions {
            args: vec!["-c".into(), script.into()],
            env: vec![("GREETING".into(), "hello".into())],
            ..OperatorOptions::new("sh", "config")
        };
        let operator = Operator::start(options).unwrap();
        operator.wait_for_log("config hello", TIMEOUT).await.unwrap();
        operator.clone().kill();
        assert!(!operator.is_running());
        let error = operator.wait_for_log("never", TIMEOUT).await.unwrap_err().to_string();
        assert!(
            error.contains("has ended without") && error.contains("config hello"),
            "{error}"
        );

        operator.restart().unwrap();
        operator.wait_for_log("config hello", TIMEOUT).await.unwrap();
        operator.terminate();
        assert!(operator.wait(TIMEOUT).await.unwrap().success());
        assert_eq!(operator.logs_of_this_run(), "config hello\nbye\n");
        assert_eq!(operator.logs(), "config hello\nconfig hello\nbye\n");
    }
}
