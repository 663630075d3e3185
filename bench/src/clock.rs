//! Wall-clock microseconds, which two processes of one machine share.

use std::time::{SystemTime, UNIX_EPOCH};

/// Since 1970.
pub(crate) fn now_us() -> u64 {
    #[allow(
        clippy::disallowed_methods,
        reason = "measures between two processes; the services' own clock counts milliseconds"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
