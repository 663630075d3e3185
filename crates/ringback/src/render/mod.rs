//! From the services' answers to text: pure functions, so that what a person sees is held by tests.
//!
//! The clock and the time zone come in as arguments; colour comes in as a [`Paint`](crate::screen::Paint).

pub mod access;
pub mod accounts;
pub mod attempt;
pub mod dlq;
pub mod dlq_topic;
pub mod doctor;
pub mod endpoint;
pub mod half;
pub mod jobs;
pub mod ladder;
pub mod moment;
pub mod notifications;
pub mod pending;
pub mod setup;
pub mod status;
pub mod transfer;

use std::collections::BTreeMap;

use notification::TxNo;

/// How many characters of a number's end are shown where nothing else has the same end.
const SHORTEST_ENDING: usize = 4;

/// The end of a number that a person types instead of the whole.
pub fn ending(tx_no: &TxNo) -> String {
    let text = tx_no.to_string();
    text[text.len() - SHORTEST_ENDING..].to_owned()
}

/// For several numbers: ends of one length, long enough that no two numbers share one.
pub fn endings(tx_nos: &[TxNo]) -> Vec<String> {
    let texts: Vec<String> = tx_nos.iter().map(ToString::to_string).collect();
    let whole = texts.first().map_or(SHORTEST_ENDING, String::len);
    let distinct = |length: usize| {
        let mut seen = BTreeMap::new();
        texts
            .iter()
            .all(|text| *seen.entry(&text[text.len() - length..]).or_insert(text) == text)
    };
    let length = (SHORTEST_ENDING..whole)
        .find(|length| distinct(*length))
        .unwrap_or(whole);
    texts
        .iter()
        .map(|text| text[text.len() - length..].to_owned())
        .collect()
}

/// `1 dead letter`, `2 dead letters`, `100,000 dead letters`.
pub fn count(number: u64, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{} {one}s", grouped(number))
    }
}

/// `100,000`: large counts are compared by eye.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Pads each column to its widest cell; two blanks between, none at the end of a line.
pub(crate) fn columns<const N: usize>(rows: Vec<[String; N]>) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
pub(crate) mod samples {
    //! Answers as the services give them, for the golden tests.

    use notification::api::bank1::{Account, Accounts};
    use notification::api::notifier::{Attempt, LetterLine, NotificationView, Record};
    use notification::{LetterState, NotificationState, TxNo, Verdict};

    /// 2026-03-04 14:03:07 UTC.
    pub(crate) const T0: i64 = 1_772_632_987_000;

    pub(crate) fn tx_no() -> TxNo {
        "0198f3c2-91d0-7aa3-8c02-77ab41e09f52".parse().unwrap()
    }

    pub(crate) fn record(state: NotificationState, generation: u32, attempts: u32) -> Record {
        Record {
            group: "bank2".parse().unwrap(),
            source: "bank1".parse().unwrap(),
            tx_no: tx_no(),
            endpoint: "bank2".parse().unwrap(),
            event_type: "transfer".into(),
            business_key: "transfer 5.00".into(),
            state,
            generation,
            attempts,
            parks: 0,
            next_due_ms: None,
            accepted_ms: T0,
            updated_ms: T0 + 6_100,
        }
    }

    pub(crate) fn attempt(
        generation: u32,
        number: u32,
        status: u16,
        body: &str,
        started_ms: i64,
    ) -> Attempt {
        let delivered = status == 200;
        Attempt {
            generation,
            number,
            url: "http://127.0.0.1:8182/notifications".into(),
            started_ms,
            took_ms: 3,
            verdict: match status {
                200 => Verdict::Delivered,
                422 => Verdict::Rejected,
                _ => Verdict::Refused,
            },
            status: Some(status),
            error: None,
            excerpt: Some(body.to_owned()),
            next_due_ms: (!delivered && number < 4 && status != 422)
                .then(|| started_ms + 3 + 1000 * i64::from(number)),
            worker: "notifier-1".into(),
            delivery_attempt: 1,
        }
    }

    /// Four refusals on a ladder of 1 s, 2 s, 3 s.
    pub(crate) fn dead() -> NotificationView {
        let broken = r#"{"type":"simulated","title":"bank2 is broken","status":500,"detail":"bank2 is broken"}"#;
        let starts = [13, 1_016, 3_019, 6_022];
        let attempts = (1..)
            .zip(starts)
            .map(|(number, after)| attempt(0, number, 500, broken, T0 + after))
            .collect();
        NotificationView {
            notification: record(NotificationState::Dead, 0, 4),
            ladder_ms: vec![1000, 2000, 3000],
            attempts,
            letters: vec![LetterLine {
                generation: 0,
                state: LetterState::Open,
                class: notification::LetterClass::Receiver,
                reason: notification::DeadReason::LadderUsedUp,
                died_ms: T0 + 6_025,
            }],
        }
    }

    /// The same, resent a minute later and delivered.
    pub(crate) fn resent() -> NotificationView {
        let mut view = dead();
        view.notification = record(NotificationState::Delivered, 1, 1);
        view.notification.updated_ms = T0 + 65_003;
        view.letters[0].state = LetterState::Resent;
        view.attempts
            .push(attempt(1, 1, 200, r#"{"result":"applied"}"#, T0 + 65_000));
        view
    }

    pub(crate) fn account(
        account_no: &str,
        name: &str,
        balance_fen: i64,
        opening_fen: i64,
    ) -> Accounts {
        let (account_no, name) = (account_no.to_owned(), name.to_owned());
        Accounts {
            accounts: vec![Account {
                account_no,
                name,
                balance_fen,
                opening_fen,
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_by_threes() {
        assert_eq!(count(1, "dead letter"), "1 dead letter");
        assert_eq!(count(999, "dead letter"), "999 dead letters");
        assert_eq!(count(100_000, "dead letter"), "100,000 dead letters");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn endings_are_as_short_as_they_can_be_and_all_different() {
        let one: TxNo = "0198f3c2-91d0-7aa3-8c02-77ab41e09f52".parse().unwrap();
        let two: TxNo = "0198f3c2-91d0-7aa3-8c02-77ab42e09f52".parse().unwrap();
        assert_eq!(endings(&[one]), ["9f52"]);
        assert_eq!(endings(&[one, two]), ["1e09f52", "2e09f52"]);
        assert_eq!(endings(&[one, one]), ["9f52", "9f52"]);
        assert!(endings(&[]).is_empty());
    }
}
