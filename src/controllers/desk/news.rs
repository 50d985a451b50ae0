//! News for both halves of a writer.

use tokio::sync::Notify;

use crate::targets::pace::Lane;

/// Tells both halves of a writer that there is something to look at. Told to one that is busy, it is kept for it.
#[derive(Debug, Default)]
pub struct News {
    losses: Notify,
    rest: Notify,
}

impl News {
    /// Tells each half once, however often it is told before they look.
    pub fn notify_one(&self) {
        self.losses.notify_one();
        self.rest.notify_one();
    }

    /// Waits for news, as the half of this lane.
    pub async fn notified(&self, lane: Lane) {
        match lane {
            Lane::Losses => self.losses.notified().await,
            Lane::Rest => self.rest.notified().await,
        }
    }
}
