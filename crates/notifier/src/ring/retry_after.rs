//! `Retry-After`, as seconds or as an HTTP date (RFC 9110, section 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

/// The span that a header asks for, counted from `now_ms`; `None` for what is neither form. A
/// date that has passed asks for nothing.
pub(super) fn parse(value: &str, now_ms: i64) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More than fits is as long as can be.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date_ms = http_date_ms(value)?;
    let ahead_ms = u64::try_from(date_ms - now_ms).unwrap_or(0);
    Some(Duration::from_millis(ahead_ms))
}

/// Milliseconds since 1970 of an HTTP date.
pub(super) fn http_date_ms(value: &str) -> Option<i64> {
    let date = httpdate::parse_http_date(value.trim()).ok()?;
    let since = date.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000; // Tue, 14 Nov 2023 22:13:20 GMT

    #[test]
    fn both_forms_are_read() {
        assert_eq!(parse("120", NOW_MS), Some(Duration::from_secs(120)));
        assert_eq!(parse(" 0 ", NOW_MS), Some(Duration::ZERO));
        let endless = parse("99999999999999999999999", NOW_MS);
        assert_eq!(endless, Some(Duration::from_secs(u64::MAX)));
        let date = "Tue, 14 Nov 2023 22:14:20 GMT";
        assert_eq!(parse(date, NOW_MS), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_date_that_has_passed_asks_for_nothing() {
        let date = "Tue, 14 Nov 2023 22:00:00 GMT";
        assert_eq!(parse(date, NOW_MS), Some(Duration::ZERO));
    }

    #[test]
    fn anything_else_is_ignored() {
        for odd in ["", "-5", "+5", "1.5", "soon", "٣"] {
            assert_eq!(parse(odd, NOW_MS), None, "{odd}");
        }
    }
}
