//! The one wall clock. Everything else takes the time as an argument or from a [`Clock`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// UTC milliseconds since 1970.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the place that the ban names"
)]
pub fn now_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        // A machine that believes to be before 1970.
        Err(_) => 0,
    }
}

/// A span in whole milliseconds; one that has no such number is the longest that has.
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A source of the time: the system's, or one that a test moves by hand.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

/// The hand that moves a manual clock.
#[derive(Debug, Clone)]
pub struct ClockHand(Arc<AtomicI64>);

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// One that stands still until its hand moves.
    pub fn manual(start_ms: i64) -> (Self, ClockHand) {
        let ms = Arc::new(AtomicI64::new(start_ms));
        (Self(Source::Manual(ms.clone())), ClockHand(ms))
    }

    /// UTC milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => now_ms(),
            Source::Manual(ms) => ms.load(Ordering::SeqCst),
        }
    }

    /// UTC seconds since 1970.
    pub fn now_s(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }
}

impl ClockHand {
    /// Moves the clock to a time.
    pub fn set_ms(&self, ms: i64) {
        self.0.store(ms, Ordering::SeqCst);
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            Source::System => "system",
            Source::Manual(_) => "manual",
        };
        write!(f, "Clock({name}, {})", self.now_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_for_every_copy() {
        let (clock, hand) = Clock::manual(5);
        let copy = clock.clone();
        assert_eq!(clock.now_ms(), 5);
        hand.advance(Duration::from_secs(2));
        assert_eq!(copy.now_ms(), 2005);
        assert_eq!(copy.now_s(), 2);
        hand.set_ms(-1);
        assert_eq!(clock.now_s(), -1);
    }

    #[test]
    fn the_system_clock_is_past_2020() {
        assert!(Clock::system().now_ms() > 1_577_836_800_000);
    }
}
