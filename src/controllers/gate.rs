//! Whether this process may still act.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Open while the Lease is ours and fresh. A leader that cannot renew stops sending before another may start (I5), even
/// if it has not noticed yet.
#[derive(Debug)]
pub struct Gate {
    origin: Instant,
    open_until_millis: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            open_until_millis: AtomicU64::new(0),
        }
    }
}

impl Gate {
    /// Opens it until `until`, by the monotonic clock.
    pub fn open_until(&self, until: Instant) {
        let millis = until.saturating_duration_since(self.origin).as_millis();
        self.open_until_millis
            .store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Whether an effect may be sent now.
    pub fn is_open(&self) -> bool {
        let until = Duration::from_millis(self.open_until_millis.load(Ordering::SeqCst));
        self.origin.elapsed() < until
    }
}
