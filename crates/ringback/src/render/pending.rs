//! What is undelivered, as a person reads it.

use notification::api::pending::{Pending, PendingEndpoint, PendingNotification};

use super::moment::{Now, span};
use super::{columns, count, endings, grouped};

/// The table of `pending`: by endpoint, or of one endpoint its notifications too.
pub fn pending(pending: &Pending, now: &Now) -> String {
    if pending.waiting == 0 {
        return "Nothing on record waits to be delivered. What is rung for the first time is not on it yet.".to_owned();
    }
    let mut parts = vec![endpoints(&pending.endpoints, now)];
    if !pending.notifications.is_empty() {
        parts.push(notifications(&pending.notifications, now));
    }
    parts.push(foot(pending));
    parts.join("\n")
}

fn endpoints(endpoints: &[PendingEndpoint], now: &Now) -> String {
    let head = [
        "ENDPOINT", "WAITING", "OLDEST", "NEXT DUE", "TRIED", "LAST", "STATE",
    ]
    .map(ToOwned::to_owned);
    let rows = endpoints.iter().map(|line| {
        [
            line.endpoint.to_string(),
            grouped(line.waiting),
            now.ago(line.oldest_ms),
            due(line.next_due_ms, now),
            line.first.attempts.to_string(),
            last(&line.first),
            state(line),
        ]
    });
    columns(std::iter::once(head).chain(rows).collect())
}

fn state(line: &PendingEndpoint) -> String {
    match line.breaker_open {
        true => format!("{}, breaker open", line.operation),
        false => line.operation.clone(),
    }
}

fn notifications(listed: &[PendingNotification], now: &Now) -> String {
    let numbers: Vec<_> = listed.iter().map(|one| one.tx_no).collect();
    let head = [
        "ID", "ACCEPTED", "NEXT DUE", "TRIED", "PARKED", "LAST", "KEY",
    ]
    .map(ToOwned::to_owned);
    let rows = listed.iter().zip(endings(&numbers)).map(|(one, end)| {
        [
            format!("…{end}"),
            now.clock(one.accepted_ms),
            due(one.next_due_ms, now),
            one.attempts.to_string(),
            one.parks.to_string(),
            last(one),
            one.business_key.clone(),
        ]
    });
    columns(std::iter::once(head).chain(rows).collect())
}

fn due(next_due_ms: Option<i64>, now: &Now) -> String {
    match next_due_ms {
        Some(ms) if ms > now.ms => format!("in {}", span(ms - now.ms)),
        Some(ms) => format!("{} ago", span(now.ms - ms)),
        None => "now".to_owned(),
    }
}

fn last(one: &PendingNotification) -> String {
    match (one.last_status, &one.last_error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => error.chars().take(40).collect(),
        (None, None) => "-".to_owned(),
    }
}

fn foot(pending: &Pending) -> String {
    let shown = u64::try_from(pending.endpoints.len()).unwrap_or(u64::MAX);
    let more = if shown < pending.endpoints_waiting {
        format!("; the {shown} oldest are shown, see more with --limit")
    } else {
        String::new()
    };
    format!(
        "{} waiting for {}{more}. Committed and not accepted yet: ringback status <tx_no>",
        count(pending.waiting, "notification"),
        count(pending.endpoints_waiting, "endpoint"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::moment::Zone;
    use crate::render::samples::{T0, tx_no};

    fn one() -> PendingNotification {
        PendingNotification {
            group: "bank2".parse().unwrap(),
            source: "bank1".parse().unwrap(),
            tx_no: tx_no(),
            business_key: "transfer 5.00".into(),
            generation: 0,
            attempts: 2,
            parks: 1,
            accepted_ms: T0,
            next_due_ms: Some(T0 + 60_000),
            last_status: Some(503),
            last_error: None,
        }
    }

    fn some() -> Pending {
        Pending {
            waiting: 1_204,
            endpoints_waiting: 1,
            endpoints: vec![PendingEndpoint {
                endpoint: "bank2".parse().unwrap(),
                operation: "paused".to_owned(),
                breaker_open: false,
                waiting: 1_204,
                oldest_ms: T0,
                next_due_ms: Some(T0 + 60_000),
                first: one(),
            }],
            notifications: vec![],
        }
    }

    const NOW: Now = Now {
        ms: T0 + 45_000,
        zone: Zone::Utc,
    };

    #[test]
    fn it_says_how_much_for_whom_since_when() {
        assert_eq!(
            pending(&some(), &NOW),
            "\
ENDPOINT  WAITING  OLDEST  NEXT DUE  TRIED  LAST  STATE
bank2     1,204    45 s    in 15 s   2      503   paused
1,204 notifications waiting for 1 endpoint. Committed and not accepted yet: ringback status <tx_no>"
        );
        let one_endpoint = Pending {
            notifications: vec![PendingNotification {
                next_due_ms: Some(T0),
                last_status: None,
                last_error: Some("connection refused".into()),
                ..one()
            }],
            ..some()
        };
        let text = pending(&one_endpoint, &NOW);
        assert!(
            text.contains(
                "…9f52  14:03:07  45 s ago  2      1       connection refused  transfer 5.00"
            ),
            "{text}"
        );
        let mut held_back = some();
        held_back.endpoints[0].operation = "open".to_owned();
        held_back.endpoints[0].breaker_open = true;
        let text = pending(&held_back, &NOW);
        assert!(text.contains("503   open, breaker open"), "{text}");
        let nothing = Pending {
            waiting: 0,
            ..some()
        };
        assert_eq!(
            pending(&nothing, &NOW),
            "Nothing on record waits to be delivered. What is rung for the first time is not on it yet."
        );
    }
}
