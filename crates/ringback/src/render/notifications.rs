//! The notifier's records: a list, one of them whole, and what came of an operator's wish.

use notification::api::notifier::{
    NotificationView, NotificationsPage, Record, RingAsked, Withdrawn,
};

use super::moment::{Now, span};
use super::{attempt, columns, count, endings};

/// The table of `notification list`.
pub fn list(page: &NotificationsPage, now: &Now) -> String {
    let records = &page.notifications;
    let number = u64::try_from(records.len()).unwrap_or(u64::MAX);
    let more = if page.next.is_some() {
        ", and there are more"
    } else {
        ""
    };
    let foot = format!("{}{more}.", count(number, "notification"));
    if records.is_empty() {
        return foot;
    }
    let numbers: Vec<_> = records.iter().map(|record| record.tx_no).collect();
    let head = [
        "ID", "ACCEPTED", "GROUP", "ENDPOINT", "STATE", "TRIED", "NEXT", "KEY",
    ];
    let rows = records.iter().zip(endings(&numbers)).map(|(record, end)| {
        [
            format!("…{end}"),
            now.clock(record.accepted_ms),
            record.group.to_string(),
            record.endpoint.to_string(),
            record.state.to_string(),
            record.attempts.to_string(),
            next(record, now),
            record.business_key.clone(),
        ]
    });
    let head = head.map(ToOwned::to_owned);
    let table = columns(std::iter::once(head).chain(rows).collect());
    format!("{table}\n{foot}")
}

fn next(record: &Record, now: &Now) -> String {
    match record.next_due_ms {
        Some(ms) if ms > now.ms => format!("in {}", span(ms - now.ms)),
        Some(_) => "due".to_owned(),
        None => "-".to_owned(),
    }
}

/// `notification show`.
pub fn show(view: &NotificationView, now: &Now) -> String {
    let record = &view.notification;
    let mut lines = vec![
        format!("{}  {}", record.tx_no, record.business_key),
        format!(
            "  {} for group {} to endpoint {}, {} from {}",
            record.state, record.group, record.endpoint, record.event_type, record.source
        ),
        format!(
            "  accepted {}, generation {}, {}, put away {}, next {}",
            now.clock(record.accepted_ms),
            record.generation,
            count(record.attempts.into(), "attempt"),
            count(record.parks.into(), "time"),
            next(record, now)
        ),
    ];
    let attempts = view.attempts.iter();
    lines.extend(attempts.map(|one| format!("  {}", attempt::line(view, one))));
    lines.join("\n")
}

/// After `notification ring`.
pub fn rung(ending: &str, asked: &RingAsked) -> String {
    let when = match asked.copy_from.as_str() {
        "initiator" => {
            "as soon as the initiator, which was asked through the feed, has sent it anew"
        }
        _ => "within a second or two",
    };
    format!("due now: rung {when}. See: ringback notification show {ending}")
}

/// After `notification withdraw`.
pub fn withdrawn(withdrawn: &Withdrawn) -> String {
    let ms = i64::try_from(withdrawn.may_ring_for_ms).unwrap_or(i64::MAX);
    format!(
        "{}. An attempt that had begun may still reach the receiver within {}.",
        withdrawn.state,
        span(ms)
    )
}

#[cfg(test)]
mod tests {
    use notification::NotificationState;

    use super::super::moment::Zone;
    use super::super::samples::{T0, record};
    use super::*;

    #[test]
    fn a_list_says_what_is_next_and_whether_there_is_more() {
        let now = Now {
            ms: T0,
            zone: Zone::Utc,
        };
        let mut waiting = record(NotificationState::Waiting, 0, 2);
        waiting.next_due_ms = Some(T0 + 65_000);
        let page = NotificationsPage {
            notifications: vec![waiting],
            next: Some("x".to_owned()),
        };
        let expected = "\
ID     ACCEPTED  GROUP  ENDPOINT  STATE    TRIED  NEXT          KEY
…9f52  14:03:07  bank2  bank2     waiting  2      in 1 min 5 s  transfer 5.00
1 notification, and there are more.";
        assert_eq!(list(&page, &now), expected);
    }

    #[test]
    fn a_withdrawal_says_how_long_it_may_still_be_rung() {
        let withdrawn = Withdrawn {
            state: NotificationState::Cancelled,
            may_ring_for_ms: 11_000,
        };
        let text = super::withdrawn(&withdrawn);
        assert_eq!(
            text,
            "cancelled. An attempt that had begun may still reach the receiver within 11 s."
        );
    }
}
