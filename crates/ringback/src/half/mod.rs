//! Half messages at the broker: those in flight, and those that ran out of check-backs. The core of `ringback half`.
//!
//! Which there are, [`rocketmq::Admin::halves`] finds out; what becomes of each is judged here by what its initiator
//! says, and is pure.

use notification::message as property;
use notification::{BusinessState, Outcome};
use rocketmq::{HalfAt, Halves};
use serde::Serialize;

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
    fn read(stage: Stage, half: &HalfAt) -> Self {
        let HalfAt { broker, message } = half;
        let say = |name: &str| message.properties.get(name).cloned();
        Self {
            stage,
            tx_no: say(property::TX_NO),
            source: say(property::SOURCE),
            business_key: say(property::BUSINESS_KEY),
            topic: message.origin().map(ToOwned::to_owned),
            broker: broker.clone(),
            born_ms: message.born_ms,
            checks: say(CHECKS).and_then(|text| text.parse().ok()).unwrap_or(0),
            message_id: message.message_id().map(ToOwned::to_owned),
        }
    }

    /// Those in flight, then those that were given up.
    pub fn all(halves: &Halves) -> Vec<Self> {
        let read = |stage| move |half| Self::read(stage, half);
        let in_flight = halves.open.iter().map(read(Stage::InFlight));
        let given_up = halves.given_up.iter().map(read(Stage::OutOfChecks));
        in_flight.chain(given_up).collect()
    }
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
    use rocketmq::StoredMessage;

    use super::*;

    #[test]
    fn what_becomes_of_it_is_told_by_what_the_initiator_says() {
        let at = HalfAt {
            broker: "broker-a".into(),
            message: StoredMessage::default(),
        };
        let mut half = HalfMessage::read(Stage::InFlight, &at);
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
