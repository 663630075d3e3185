//! `Retry-After` in all its forms: it can lengthen a rung, and nothing else.

use std::time::{Duration, UNIX_EPOCH};

use super::row::{Means, Row, Rule, delivered, failed, refused, rejected, whole};

fn asks(does: &'static str, status: &str, value: &str, means: Means) -> Row {
    let headers = format!("retry-after: {value}\r\n");
    Row::answers(does, whole(status, &headers, ""), means)
}

const BUSY: &str = "503 Service Unavailable";

pub(super) fn rows() -> Vec<Row> {
    const HOUR_MS: i64 = 3_600_000;
    let date = |at_ms: i64| {
        let since = Duration::from_millis(u64::try_from(at_ms).unwrap());
        httpdate::fmt_http_date(UNIX_EPOCH + since)
    };
    let now_ms = service::clock::now_ms();
    let (ahead, past) = (date(now_ms + HOUR_MS), date(now_ms - HOUR_MS));
    // An hour, less what passes until the attempt.
    let by_the_date = refused(503).between(3000, 3600);
    vec![
        asks("503, `Retry-After: 4`", BUSY, "4", refused(503).after(4)),
        asks(
            "429, `Retry-After: 4`",
            "429 Too Many Requests",
            "4",
            refused(429).after(4),
        ),
        asks(
            "500, `Retry-After: 4`",
            "500 No",
            "4",
            refused(500).after(4),
        ),
        asks(
            "302, `Retry-After: 4`",
            "302 Found",
            "4",
            refused(302).after(4),
        ),
        asks("less than the rung: `1`", BUSY, "1", refused(503)),
        asks("`0`", BUSY, "0", refused(503)),
        asks("blanks around it", BUSY, "  4  ", refused(503).after(4)),
        asks("a date in an hour", BUSY, &ahead, by_the_date),
        asks("a date that has passed", BUSY, &past, refused(503)),
        asks(
            "a date of 1994, in the form of RFC 850",
            BUSY,
            "Sunday, 06-Nov-94 08:49:37 GMT",
            refused(503),
        ),
        asks(
            "a date of ISO 8601, which is none",
            BUSY,
            "2999-01-01T00:00:00Z",
            refused(503),
        ),
        asks(
            "a date of 9999",
            BUSY,
            "Fri, 31 Dec 9999 23:59:59 GMT",
            refused(503).after(86_400),
        ),
        asks("an hour", BUSY, "3600", refused(503).after(3600)),
        asks(
            "two days: a day is the most",
            BUSY,
            "172800",
            refused(503).after(86_400),
        ),
        asks(
            "thirty digits",
            BUSY,
            &"9".repeat(30),
            refused(503).after(86_400),
        ),
        asks("negative", BUSY, "-4", refused(503)),
        asks("a fraction", BUSY, "4.5", refused(503)),
        asks("a word", BUSY, "soon", refused(503)),
        asks("empty", BUSY, "", refused(503)),
        asks("not ASCII", BUSY, "４", refused(503)),
        asks(
            "twice: the first counts",
            BUSY,
            "4\r\nretry-after: 3600",
            refused(503).after(4),
        ),
        asks("on 200, delivered", "200 OK", "4", delivered(200)),
        asks(
            "on 200, not accepted",
            "200 OK",
            "4",
            failed("not_accepted", Some(200)).after(4),
        )
        .under(Rule::Body),
        asks("on 410", "410 Gone", "4", rejected(410)),
    ]
}
