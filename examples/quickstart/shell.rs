//! Command lines that are run as they are printed, so that what the reader sees is what was done.

use std::path::PathBuf;

use rollcall_support::process::{Output, Spec, output};

use crate::Result;
use crate::style::Style;

/// Where lines run: the checkout, with kubectl on `PATH` and a kubeconfig of the tenant's administrator.
pub struct Shell {
    pub directory: PathBuf,
    /// Variables on top of this process's environment.
    pub environment: Vec<(String, String)>,
    pub style: Style,
}

impl Shell {
    async fn run(&self, line: &str) -> Result<Output> {
        let mut spec = Spec::new("sh").args(["-c", line]).directory(&self.directory);
        for (name, value) in &self.environment {
            spec = spec.env(name, value);
        }
        Ok(output(spec, None).await?)
    }

    /// What a line prints, without showing it.
    pub async fn read(&self, line: &str) -> Result<String> {
        let output = self.run(line).await?;
        if output.status.success() {
            return Ok(output.stdout.trim_end().to_owned());
        }
        Err(failed(line, &output).into())
    }

    /// Shows a line and the first `lines` lines of what it prints.
    pub async fn show(&self, line: &str, lines: usize) -> Result<String> {
        self.style.command(line);
        let text = self.read(line).await?;
        self.print(&text, lines);
        Ok(text)
    }

    /// The same for a line whose answer may be its failure, as `kubectl auth can-i` says no.
    pub async fn ask(&self, line: &str) -> Result<String> {
        self.style.command(line);
        let output = self.run(line).await?;
        let text = output.stdout.trim().to_owned();
        if text.is_empty() {
            return Err(failed(line, &output).into());
        }
        self.print(&text, 3);
        Ok(text)
    }

    fn print(&self, text: &str, lines: usize) {
        let count = text.lines().count();
        // One line more is no longer than the remark that it is left out.
        let shown = if count <= lines + 1 { count } else { lines };
        for line in text.lines().take(shown) {
            self.style.output(line);
        }
        if shown < count {
            self.style.output(&format!("... ({} more lines)", count - shown));
        }
    }
}

fn failed(line: &str, output: &Output) -> String {
    let said = format!("{}{}", output.stderr, output.stdout);
    format!("{line} has failed ({}): {}", output.status, said.trim())
}
