//! The wall clock, for what a message says of itself: its born time and the seconds in its id.
//!
//! Nothing is decided by it: deadlines and leases run on [`tokio::time::Instant`], which no clock
//! step moves. This crate stands alone, so it reads the time through `uuid`, which it needs anyway.

use prost_types::Timestamp;

/// Seconds and nanoseconds since 1970.
fn unix() -> (u64, u32) {
    uuid::Timestamp::now(uuid::NoContext).to_unix()
}

/// Seconds since 1970.
pub(crate) fn unix_s() -> u64 {
    unix().0
}

/// Now, as messages carry it.
pub(crate) fn timestamp() -> Timestamp {
    let (seconds, nanos) = unix();
    Timestamp {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos).unwrap_or(0),
    }
}

/// A timestamp in ms since 1970; 0 when there is none.
pub(crate) fn millis(timestamp: Option<&Timestamp>) -> i64 {
    timestamp.map_or(0, |t| {
        t.seconds
            .saturating_mul(1000)
            .saturating_add(i64::from(t.nanos / 1_000_000))
    })
}
