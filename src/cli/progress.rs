//! How far a long run is, on standard error only.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How long a run may take before it says how far it is, and how often it does in a log.
const OFTEN: Duration = Duration::from_secs(5);
/// How often it does on a terminal.
const LIVE: Duration = Duration::from_millis(200);

/// Says how far a run is.
pub struct Progress {
    live: bool,
    last: Instant,
    written: bool,
}

impl Progress {
    /// Nothing is said before the first interval is over.
    pub fn new() -> Self {
        Self {
            live: std::io::stderr().is_terminal(),
            last: Instant::now(),
            written: false,
        }
    }

    /// Says it, if it is time.
    pub fn say(&mut self, message: &dyn std::fmt::Display) {
        if self.last.elapsed() < if self.live { LIVE } else { OFTEN } {
            return;
        }
        self.last = Instant::now();
        self.written = self.live;
        let mut out = std::io::stderr();
        // Nobody is served by a plan that ends because its progress could not be written.
        let _ = if self.live {
            write!(out, "\r\x1b[Krollcall: {message}").and_then(|()| out.flush())
        } else {
            writeln!(out, "rollcall: {message}")
        };
    }

    /// Clears the line.
    pub fn end(&mut self) {
        if self.written {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
            self.written = false;
        }
    }
}
