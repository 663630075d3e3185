//! How long to wait before trying again what failed for a reason that may pass.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Doubling waits, with up to a quarter of jitter so that replicas don't try in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// Waits, and doubles the next wait.
    pub(crate) async fn wait(&mut self) {
        let wait = self.next;
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(wait.mul_f64(1.0 + fastrand::f64() / 4.0)).await;
    }
}
