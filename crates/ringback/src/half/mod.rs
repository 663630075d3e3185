//! Half messages at the broker: those in flight, and those that ran out of check-backs. The core of `ringback half`.
//!
//! Apache RocketMQ keeps halves in `RMQ_SYS_TRANS_HALF_TOPIC` and writes down in `RMQ_SYS_TRANS_OP_HALF_TOPIC` which of
//! them were ended: messages with tag `d` whose body is a list of offsets, `0,2,`. Each check-back puts the half back
//! under a new offset, with its first one in `TRAN_PREPARED_QUEUE_OFFSET`. A half is in flight when none of its
//! offsets was ended and the broker has not passed it. The embedded broker shows only what is in flight.

mod gather;

use std::collections::{BTreeMap, BTreeSet};

use notification::message as property;
use notification::{BusinessState, Outcome};
use rocketmq::StoredMessage;
use serde::Serialize;

pub use gather::halves;

/// The property that holds a half's first offset, on copies that a check-back put back.
const FIRST_OFFSET: &str = "TRAN_PREPARED_QUEUE_OFFSET";
/// The property that counts check-backs.
const CHECKS: &str = "TRANSACTION_CHECK_TIMES";

/// One half message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HalfMessage {
    /// Whether the broker still asks about it.
    pub stage: Stage,
    /// Its number, if it says one.
    pub tx_no: Option<String>,
    /// Whose.
    pub source: Option<String>,
    /// What a person searches for.
    pub business_key: Option<String>,
    /// The topic that it is meant for.
    pub topic: Option<String>,
    /// Where it lies.
    pub broker: String,
    /// When it was sent.
    pub born_ms: i64,
    /// Check-backs so far.
    pub checks: u32,
    /// The sender's id.
    pub message_id: Option<String>,
}

/// Whether the broker still asks about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It does.
    InFlight,
    /// It gave up.
    OutOfChecks,
}

impl HalfMessage {
    fn read(stage: Stage, broker: &str, message: &StoredMessage) -> Self {
        let say = |name: &str| message.properties.get(name).cloned();
        Self {
            stage,
            tx_no: say(property::TX_NO),
            source: say(property::SOURCE),
            business_key: say(property::BUSINESS_KEY),
            topic: message.origin().map(ToOwned::to_owned),
            broker: broker.to_owned(),
            born_ms: message.born_ms,
            checks: say(CHECKS).and_then(|text| text.parse().ok()).unwrap_or(0),
            message_id: message.message_id().map(ToOwned::to_owned),
        }
    }
}

/// The offsets that an op message says were ended.
fn ended(op: &StoredMessage) -> impl Iterator<Item = i64> {
    let body = String::from_utf8_lossy(&op.body).into_owned();
    let removed = op.tags() == Some("d");
    let offsets: Vec<i64> = body
        .split(',')
        .filter(|_| removed)
        .filter_map(|offset| offset.trim().parse().ok())
        .collect();
    offsets.into_iter()
}

/// Of one queue's halves those that were not ended, each once: as its newest copy.
fn in_flight(broker: &str, halves: &[StoredMessage], ended: &BTreeSet<i64>) -> Vec<HalfMessage> {
    let mut newest: BTreeMap<(i64, Option<&str>), &StoredMessage> = BTreeMap::new();
    let mut over: BTreeSet<(i64, Option<&str>)> = BTreeSet::new();
    for half in halves {
        let first = half
            .properties
            .get(FIRST_OFFSET)
            .and_then(|text| text.parse().ok());
        let first = first.unwrap_or(half.queue_offset);
        // Copies that were put back share the first offset and the sender's id.
        let key = (first, half.message_id());
        if ended.contains(&half.queue_offset) || ended.contains(&first) {
            over.insert(key);
        }
        newest.insert(key, half);
    }
    newest
        .into_iter()
        .filter(|(key, _)| !over.contains(key))
        .map(|(_, half)| HalfMessage::read(Stage::InFlight, broker, half))
        .collect()
}

/// What the initiator says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is another initiator's: this one is not asked.
    NotOurs,
    /// It did not answer.
    Nothing,
    /// What its `outgoing` says.
    Result(BusinessState, Option<Outcome>),
}

/// What will become of it, in words.
pub fn fate(half: &HalfMessage, said: Said, age_ms: i64, deadline_ms: i64) -> &'static str {
    let accepted =
        |outcome: Option<Outcome>| outcome.is_some_and(|outcome| outcome != Outcome::None);
    match (half.stage, said) {
        (_, Said::NotOurs) => "another initiator's: ask there",
        (Stage::InFlight, Said::Nothing) => {
            "bank1 does not answer: checked back until it does, or out of checks"
        }
        (Stage::OutOfChecks, Said::Nothing) => {
            "bank1 does not answer: if it committed, its relay sends it anew"
        }
        (
            Stage::InFlight,
            Said::Result(BusinessState::Committed | BusinessState::Reversed, outcome),
        ) if accepted(outcome) => {
            "committed, and accepted already: becomes visible once more, and is acknowledged without ringing"
        }
        (Stage::InFlight, Said::Result(BusinessState::Committed | BusinessState::Reversed, _)) => {
            "committed: becomes visible at the next check-back"
        }
        (Stage::InFlight, Said::Result(BusinessState::RolledBack, _)) => {
            "rolled back: goes at the next check-back"
        }
        (Stage::InFlight, Said::Result(BusinessState::Unknown, _)) if age_ms < deadline_ms => {
            "its local transaction may still be under way"
        }
        (Stage::InFlight, Said::Result(BusinessState::Unknown, _)) => {
            "never committed: the next check-back rolls it back"
        }
        (
            Stage::OutOfChecks,
            Said::Result(BusinessState::Committed | BusinessState::Reversed, outcome),
        ) if accepted(outcome) => "committed, and accepted by another way: nothing to do",
        (
            Stage::OutOfChecks,
            Said::Result(BusinessState::Committed | BusinessState::Reversed, _),
        ) => "committed: the relay sends it anew",
        (
            Stage::OutOfChecks,
            Said::Result(BusinessState::RolledBack | BusinessState::Unknown, _),
        ) => "not committed: nothing to do",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(offset: i64, id: &str, first: Option<i64>) -> StoredMessage {
        let mut properties = BTreeMap::from([("UNIQ_KEY".to_owned(), id.to_owned())]);
        if let Some(first) = first {
            properties.insert(FIRST_OFFSET.to_owned(), first.to_string());
        }
        StoredMessage {
            queue_offset: offset,
            properties,
            ..StoredMessage::default()
        }
    }

    fn op(body: &'static str, tag: &str) -> StoredMessage {
        StoredMessage {
            body: body.into(),
            properties: BTreeMap::from([("TAGS".to_owned(), tag.to_owned())]),
            ..StoredMessage::default()
        }
    }

    #[test]
    fn an_op_message_lists_offsets_that_were_ended() {
        assert_eq!(ended(&op("0,2,", "d")).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(ended(&op("14", "d")).collect::<Vec<_>>(), [14]);
        assert_eq!(ended(&op("0,2,", "x")).count(), 0);
        assert_eq!(ended(&op("a,,7", "d")).collect::<Vec<_>>(), [7]);
    }

    /// As 5.5.0 was seen to keep them: b was checked back twice, c was ended by its first offset.
    #[test]
    fn in_flight_is_what_no_offset_of_was_ended() {
        let halves = [
            half(10, "a", None),
            half(11, "b", None),
            half(12, "b", Some(11)),
            half(13, "b", Some(11)),
            half(14, "c", Some(9)),
        ];
        let ids = |ended: &[i64]| {
            let ended = ended.iter().copied().collect();
            let found = in_flight("broker-a", &halves, &ended).into_iter();
            found
                .map(|half| half.message_id.unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&[]), ["c", "a", "b"]);
        assert_eq!(ids(&[10]), ["c", "b"]);
        assert_eq!(ids(&[13, 9]), ["a"]);
    }

    #[test]
    fn what_becomes_of_it_is_told_by_what_the_initiator_says() {
        let mut half = HalfMessage::read(Stage::InFlight, "broker-a", &half(0, "a", None));
        let tell =
            |half: &HalfMessage, state, age| fate(half, Said::Result(state, None), age, 25_000);
        assert!(tell(&half, BusinessState::Committed, 0).starts_with("committed: becomes visible"));
        assert!(tell(&half, BusinessState::RolledBack, 0).starts_with("rolled back"));
        assert!(tell(&half, BusinessState::Unknown, 24_999).contains("under way"));
        assert!(tell(&half, BusinessState::Unknown, 25_000).starts_with("never committed"));
        let twice = fate(
            &half,
            Said::Result(BusinessState::Committed, Some(Outcome::Delivered)),
            0,
            0,
        );
        assert!(twice.contains("without ringing"));
        half.stage = Stage::OutOfChecks;
        assert!(tell(&half, BusinessState::Committed, 0).contains("relay"));
        assert!(tell(&half, BusinessState::Unknown, 0).starts_with("not committed"));
        assert!(fate(&half, Said::Nothing, 0, 0).contains("bank1 does not answer"));
        assert!(fate(&half, Said::NotOurs, 0, 0).contains("another initiator"));
    }
}
