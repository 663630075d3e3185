//! Ids for rows that have none of their own: UUIDv7s, which sort by the time they were made.
//!
//! The outcome feed is read by these ids in their order, and a page ends by time; so they carry
//! the time of the flush that writes them, and those of one flush come in the order they were
//! asked for. A wall clock may be set back; the flusher's ids never are ([`Forward`]), or what is
//! written then would sort below a reader's cursor and never be read.

use std::sync::atomic::{AtomicI64, Ordering};

use notification::TxNo;

/// Times for series that only move forward: now, or just after the last one if that is later.
#[derive(Debug)]
pub(crate) struct Forward {
    last_ms: AtomicI64,
}

impl Forward {
    /// Begins behind the newest id on record.
    pub(crate) fn behind(newest: Option<TxNo>) -> Self {
        let last_ms = newest.map_or(0, |id| i64::try_from(id.unix_ms()).unwrap_or(0));
        Self {
            last_ms: AtomicI64::new(last_ms),
        }
    }

    /// A time for the next series, later than each one before.
    pub(crate) fn next_ms(&self, now_ms: i64) -> i64 {
        let later = |last_ms: i64| now_ms.max(last_ms + 1);
        let update = self
            .last_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last_ms| {
                Some(later(last_ms))
            });
        later(update.unwrap_or_else(|last_ms| last_ms))
    }
}

/// Ids of one instant, each greater than the one before.
pub(crate) struct Series {
    at_ms: u64,
    next: u16,
}

/// What fits into the twelve bits that follow the time.
const MOST: u16 = 0x0fff;

impl Series {
    /// Begins a series at a time.
    pub(crate) fn at(now_ms: i64) -> Self {
        Self {
            at_ms: u64::try_from(now_ms).unwrap_or(0),
            next: 0,
        }
    }

    /// The next id. After 4,096 the order within the instant is no longer kept.
    pub(crate) fn next(&mut self) -> TxNo {
        let mut bytes = [0; 10];
        fastrand::fill(&mut bytes[2..]);
        bytes[..2].copy_from_slice(&self.next.to_be_bytes());
        self.next = (self.next + 1).min(MOST);
        TxNo::from_parts(self.at_ms, bytes)
    }
}

/// One id on its own.
pub(crate) fn one(now_ms: i64) -> TxNo {
    let mut bytes = [0; 10];
    fastrand::fill(&mut bytes);
    TxNo::from_parts(u64::try_from(now_ms).unwrap_or(0), bytes)
}

/// Less than every id made at this time or later, greater than every one made before.
pub(crate) fn before(at_ms: i64) -> TxNo {
    TxNo::from_parts(u64::try_from(at_ms).unwrap_or(0), [0; 10])
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_MS: i64 = 1_700_000_000_000;

    #[test]
    fn a_clock_that_is_set_back_takes_no_id_back() {
        let forward = Forward::behind(Some(one(AT_MS)));
        assert_eq!(forward.next_ms(AT_MS - 60_000), AT_MS + 1);
        assert_eq!(forward.next_ms(AT_MS - 60_000), AT_MS + 2);
        assert_eq!(forward.next_ms(AT_MS + 500), AT_MS + 500);
        assert_eq!(Forward::behind(None).next_ms(AT_MS), AT_MS);
    }

    #[test]
    fn a_series_sorts_in_the_order_it_was_made() {
        let mut series = Series::at(AT_MS);
        let ids: Vec<String> = (0..600).map(|_| series.next().to_string()).collect();
        assert!(ids.is_sorted());
        assert!(ids[0] >= before(AT_MS).to_string());
        assert!(ids[599] < before(AT_MS + 1).to_string());
    }
}
