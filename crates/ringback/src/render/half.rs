//! Half messages, and what will become of each.

use serde::Serialize;

use super::moment::Now;
use super::{columns, count};
use crate::half::{HalfMessage, Stage};

/// A half message with its fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The message.
    #[serde(flatten)]
    pub half: HalfMessage,
    /// What will become of it.
    pub fate: &'static str,
}

/// The table, and the line below it. `unreadable` messages of the broker's topics can't be decoded.
pub fn text(halves: &[Told], unreadable: u64, now: &Now) -> String {
    let of = |stage: Stage| {
        let number = halves
            .iter()
            .filter(|told| told.half.stage == stage)
            .count();
        u64::try_from(number).unwrap_or(u64::MAX)
    };
    let (flying, given_up) = (of(Stage::InFlight), of(Stage::OutOfChecks));
    let passed_over = match unreadable {
        0 => String::new(),
        more => format!(
            "\n{} can't be decoded and were stepped over: each may be a half, or the end of one.",
            count(more, "message")
        ),
    };
    if halves.is_empty() {
        return format!(
            "No half message is in flight, and none ran out of check-backs.{passed_over}"
        );
    }
    let head = ["ID", "AGE", "CHECKS", "KEY", "WHAT BECOMES OF IT"].map(ToOwned::to_owned);
    let rows = halves.iter().map(|told| {
        let half = &told.half;
        let number = half
            .tx_no
            .as_deref()
            .or(half.message_id.as_deref())
            .unwrap_or("-");
        let skip = number.chars().count().saturating_sub(6);
        let end: String = number.chars().skip(skip).collect();
        let checks = match half.stage {
            Stage::InFlight => half.checks.to_string(),
            Stage::OutOfChecks => "out".to_owned(),
        };
        let key = half.business_key.clone().unwrap_or_else(|| "-".to_owned());
        [
            format!("…{end}"),
            now.ago(half.born_ms),
            checks,
            key,
            told.fate.to_owned(),
        ]
    });
    let table = columns(std::iter::once(head).chain(rows).collect());
    format!(
        "{table}\n{} in flight, {given_up} out of check-backs.{passed_over}",
        count(flying, "half message")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::moment::Zone;
    use crate::render::samples::{T0, tx_no};

    #[test]
    fn each_half_says_what_becomes_of_it() {
        let now = Now {
            ms: T0 + 21_000,
            zone: Zone::Utc,
        };
        let half = HalfMessage {
            stage: Stage::InFlight,
            tx_no: Some(tx_no().to_string()),
            source: Some("bank1".into()),
            business_key: Some("transfer 7.00".into()),
            topic: Some("topic_txmsg".into()),
            broker: "broker-a".into(),
            born_ms: T0,
            checks: 4,
            message_id: None,
        };
        let told = Told {
            half,
            fate: "rolled back: goes at the next check-back",
        };
        assert_eq!(
            text(&[told], 0, &now),
            "\
ID       AGE   CHECKS  KEY            WHAT BECOMES OF IT
…e09f52  21 s  4       transfer 7.00  rolled back: goes at the next check-back
1 half message in flight, 0 out of check-backs."
        );
        assert_eq!(
            text(&[], 0, &now),
            "No half message is in flight, and none ran out of check-backs."
        );
        assert!(text(&[], 2, &now).ends_with(
            "\n2 messages can't be decoded and were stepped over: each may be a half, or the end of one."
        ));
    }
}
