//! Times as people write them: a moment (`14:03`, `2026-03-04 14:03:07`, `2026-03-04T14:03:07Z`) or how long ago (`2h`).

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};

use crate::render::moment::{Now, Zone};

/// The forms of a moment on the wall, without a time zone.
const MOMENTS: [&str; 4] = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
];
/// The forms of a time today.
const TIMES: [&str; 2] = ["%H:%M:%S", "%H:%M"];

/// The moment that a text means, in UTC milliseconds.
///
/// # Errors
/// It is none; the error shows what is understood.
pub fn moment(text: &str, now: &Now) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(now.before(ago));
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.timestamp_millis());
    }
    wall(text, now)
        .and_then(|wall| on_earth(wall, now.zone))
        .ok_or_else(|| {
            format!(
                "{text:?} is no time: expected a span back from now such as 2h or 1d, a time of today such as 14:03, \
                 or a moment such as '2026-03-04 14:03' or 2026-03-04T14:03:07Z"
            )
        })
}

/// What a clock on the wall shows then.
fn wall(text: &str, now: &Now) -> Option<NaiveDateTime> {
    let whole = MOMENTS
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(day.and_time(NaiveTime::MIN))
    };
    let today = || {
        let time = TIMES
            .iter()
            .find_map(|form| NaiveTime::parse_from_str(text, form).ok())?;
        let here = now.wall(now.ms)?;
        let then = here.date().and_time(time);
        // At 00:10, 23:50 was yesterday.
        Some(if then > here {
            then - TimeDelta::days(1)
        } else {
            then
        })
    };
    whole.or_else(day).or_else(today)
}

fn on_earth(wall: NaiveDateTime, zone: Zone) -> Option<i64> {
    match zone {
        Zone::Local => Local
            .from_local_datetime(&wall)
            .earliest()
            .map(|moment| moment.timestamp_millis()),
        Zone::Utc => Some(Utc.from_utc_datetime(&wall).timestamp_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::T0;

    fn now() -> Now {
        Now {
            ms: T0,
            zone: Zone::Utc,
        }
    }

    #[test]
    fn a_span_is_so_long_ago() {
        assert_eq!(moment("2h", &now()).unwrap(), T0 - 7_200_000);
        assert_eq!(moment("1d 12h", &now()).unwrap(), T0 - 129_600_000);
    }

    #[test]
    fn a_moment_is_on_the_readers_wall_unless_it_says_otherwise() {
        for text in [
            "2026-03-04 14:03:07",
            "2026-03-04T14:03:07",
            "2026-03-04T14:03:07Z",
            "2026-03-04T22:03:07+08:00",
            "14:03:07",
        ] {
            assert_eq!(moment(text, &now()).unwrap(), T0, "{text}");
        }
        assert_eq!(moment("2026-03-04 14:03", &now()).unwrap(), T0 - 7_000);
        assert_eq!(
            moment("2026-03-04", &now()).unwrap(),
            T0 - (14 * 3600 + 3 * 60 + 7) * 1000
        );
    }

    #[test]
    fn a_time_that_is_still_to_come_was_yesterday() {
        assert_eq!(
            moment("23:50", &now()).unwrap(),
            T0 - 7_000 + (9 * 60 + 47) * 60_000 - 86_400_000
        );
    }

    #[test]
    fn what_is_no_time_is_refused_with_examples() {
        for bad in ["", "yesterday-ish", "25:00", "2026-13-01"] {
            let error = moment(bad, &now()).unwrap_err();
            assert!(error.contains("14:03"), "{error}");
        }
    }
}
