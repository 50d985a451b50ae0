//! When everything is as it should be, and nothing is written any more.

use std::time::{Duration, Instant};

use crate::proxy::{Proxy, Script};
use crate::story::is_heartbeat;
use crate::world::World;

/// For so long nothing may be written once everything is as it should be: longer than a sync interval.
const QUIET: Duration = Duration::from_millis(1_200);
const POLL: Duration = Duration::from_millis(20);

/// Waits until nothing is written any more.
pub struct Quiet<'a> {
    world: &'a World,
}

impl<'a> Quiet<'a> {
    /// At everything that the tenant's operator reaches through a proxy.
    pub fn of(world: &'a World) -> Self {
        Self { world }
    }

    /// I7: waits until `wrongs` finds nothing and nothing was written for a while, a whole sync included; or until the
    /// script has fired.
    ///
    /// # Errors
    /// What is wrong when patience ends.
    ///
    /// # Panics
    /// Without a script.
    pub async fn settle(
        &self,
        patience: Duration,
        mut wrongs: impl AsyncFnMut() -> Vec<String>,
    ) -> Result<(), Vec<String>> {
        let script = self.world.script.as_ref().expect("a script was given");
        let fired_before = script.fired().is_some();
        let deadline = Instant::now() + patience;
        let mut last = (0, Instant::now());
        let mut found = vec!["I7: requests go on and on".to_owned()];
        while Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
            if !fired_before && script.fired().is_some() {
                return Ok(());
            }
            let (sent, synced) = self.traffic();
            if sent != last.0 || !synced {
                last = (sent, Instant::now());
            } else if last.1.elapsed() >= QUIET {
                found = wrongs().await;
                if found.is_empty() {
                    return Ok(());
                }
                last.1 = Instant::now();
            }
        }
        Err(found)
    }

    /// How much has been sent that belongs to a chapter or is a write, heartbeats and Leases aside; and whether a sync
    /// has ended.
    fn traffic(&self) -> (u64, bool) {
        let requests = self.world.kube_proxy.iter().flat_map(Proxy::requests);
        let (mut writes, mut synced) = (0, false);
        for request in requests {
            synced |= is_heartbeat(&request);
            let passing = is_heartbeat(&request) || request.path.starts_with("/apis/coordination.k8s.io/");
            writes += u64::from(request.method != http::Method::GET && !passing);
        }
        (
            writes + self.world.script.iter().map(Script::total).sum::<u64>(),
            synced,
        )
    }
}
