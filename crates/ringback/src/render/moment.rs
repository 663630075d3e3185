//! Moments and spans as a person reads them.

use std::time::Duration;

use chrono::{DateTime, Local, NaiveDateTime};

/// Which clock on the wall is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// The machine's own.
    Local,
    /// The same everywhere: for tests.
    Utc,
}

/// Now, and where "here" is: what turns UTC milliseconds into a wall clock's time.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// UTC milliseconds since 1970.
    pub ms: i64,
    /// The reader's time zone.
    pub zone: Zone,
}

impl Now {
    /// The machine's time, in its zone.
    pub fn here() -> Self {
        Self {
            ms: service::clock::now_ms(),
            zone: Zone::Local,
        }
    }

    /// The moment that long ago, in UTC milliseconds.
    pub fn before(&self, span: Duration) -> i64 {
        self.ms.saturating_sub(service::clock::millis(span))
    }

    /// The moment in that long, in UTC milliseconds.
    pub fn after(&self, span: Duration) -> i64 {
        self.ms.saturating_add(service::clock::millis(span))
    }

    /// `14:03:07` for today, `2026-03-04 14:03:07` for another day.
    pub fn clock(&self, ms: i64) -> String {
        let (Some(moment), Some(now)) = (self.wall(ms), self.wall(self.ms)) else {
            return format!("{ms} ms since 1970");
        };
        let pattern = if moment.date() == now.date() {
            "%H:%M:%S"
        } else {
            "%Y-%m-%d %H:%M:%S"
        };
        moment.format(pattern).to_string()
    }

    pub(crate) fn wall(&self, ms: i64) -> Option<NaiveDateTime> {
        let utc = DateTime::from_timestamp_millis(ms)?;
        Some(match self.zone {
            Zone::Local => utc.with_timezone(&Local).naive_local(),
            Zone::Utc => utc.naive_utc(),
        })
    }

    /// How long ago that was.
    pub fn ago(&self, ms: i64) -> String {
        span(self.ms.saturating_sub(ms))
    }
}

/// `3 ms`, `6.1 s`, `21 s`, `4 min 5 s`, `2 h 10 min`, `3 d 4 h`. Less than nothing is nothing.
pub fn span(ms: i64) -> String {
    let ms = ms.max(0);
    let (s, tenths) = (ms / 1000, ms % 1000 / 100);
    match s {
        0 => format!("{ms} ms"),
        1..10 if tenths > 0 => format!("{s}.{tenths} s"),
        1..60 => format!("{s} s"),
        60..3_600 => two(s / 60, "min", s % 60, "s"),
        3_600..86_400 => two(s / 3_600, "h", s % 3_600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}

fn two(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

/// A moment within a short story: `+0.013`.
pub fn offset(ms: i64) -> String {
    let ms = ms.max(0);
    format!("+{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::T0;

    #[test]
    fn spans_read_like_speech() {
        for (ms, text) in [
            (-5, "0 ms"),
            (3, "3 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (1_003, "1 s"),
            (6_100, "6.1 s"),
            (21_900, "21 s"),
            (60_000, "1 min"),
            (245_000, "4 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn today_needs_no_date() {
        let now = Now {
            ms: T0 + 21_000,
            zone: Zone::Utc,
        };
        assert_eq!(now.clock(T0), "14:03:07");
        assert_eq!(now.clock(T0 - 86_400_000), "2026-03-03 14:03:07");
        assert_eq!(now.ago(T0), "21 s");
    }
}
