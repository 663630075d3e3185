//! The broker's one clock: milliseconds since 1970 that never go back.
//!
//! Due times are stored, so they are wall-clock times; but a wall clock that is set back would put
//! every sleeping message to sleep for longer. So within a process time runs by the monotonic
//! clock, and follows the wall clock only forward (a machine that slept, a clock set right). Due
//! times stored before a restart are taken as they are: if the clock was set back in between, they
//! come later by as much.
//!
//! What is removed is gone, so retention trusts no jump at all: it goes by the wall time of the
//! start and the monotonic clock alone. A jump for a moment deletes nothing; a machine that slept
//! keeps its messages for as much longer, until the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Milliseconds since 1970.
pub(crate) type UnixMs = u64;

/// A shared clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// Wall time at `started`, as it was told then.
    started_ms: UnixMs,
    /// Wall time at `started`, as far as it is known by now.
    base_ms: Arc<AtomicU64>,
}

impl Clock {
    /// The machine's clock.
    pub(crate) fn system() -> Self {
        let started_ms = wall_ms();
        Self {
            started: Instant::now(),
            started_ms,
            base_ms: Arc::new(AtomicU64::new(started_ms)),
        }
    }

    /// Now.
    pub(crate) fn now_ms(&self) -> UnixMs {
        let elapsed = millis(self.started.elapsed());
        let base = wall_ms().saturating_sub(elapsed);
        self.base_ms.fetch_max(base, Ordering::Relaxed).max(base) + elapsed
    }

    /// Now, if the wall clock has not been touched since the start: for what cannot be undone.
    pub(crate) fn steady_ms(&self) -> UnixMs {
        self.started_ms
            .saturating_add(millis(self.started.elapsed()))
    }

    /// Puts the wall clock forward.
    #[cfg(test)]
    pub(crate) fn advance(&self, ms: u64) {
        self.base_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

/// A span in milliseconds; longer than any that is used saturates.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the broker stands alone: this is its one clock"
)]
fn wall_ms() -> UnixMs {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back_with_the_wall_clock() {
        let clock = Clock::system();
        // The wall clock was an hour ahead when this clock was last read.
        clock.advance(3_600_000);
        let before = clock.now_ms();
        assert!(before > wall_ms() + 3_500_000);
        assert!(clock.now_ms() >= before);
    }

    #[test]
    fn steady_time_follows_no_jump() {
        let clock = Clock::system();
        clock.advance(3_600_000);
        assert!(clock.steady_ms() < clock.now_ms() - 3_500_000);
        assert!(clock.steady_ms() >= clock.started_ms);
    }
}
