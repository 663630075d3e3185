//! A message of a dead-letter topic, as far as it can be read.

use std::collections::BTreeMap;

use base64::Engine;
use notification::message as property;
use rocketmq::StoredMessage;
use serde::Serialize;

/// What a dead-letter topic's name begins with.
pub const DLQ: &str = "%DLQ%";
/// What a retry topic's name begins with.
const RETRY: &str = "%RETRY%";
/// The property that holds the topic of a message's first journey.
const ORIGIN: &str = "PGROUP";

/// One message of a dead-letter topic. Its JSON is the format of `dlq topic export`: docs/dead-letter-export.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadMessage {
    /// `%DLQ%<group>`.
    pub topic: String,
    /// The group that it died in.
    pub group: String,
    /// Where it lies.
    pub broker: String,
    /// Where it lies.
    pub queue: u32,
    /// Where it lies.
    pub offset: i64,
    /// The sender's id; the same on every copy of one message.
    pub message_id: Option<String>,
    /// The business transaction's number, if it says one.
    pub tx_no: Option<String>,
    /// Whose.
    pub source: Option<String>,
    /// 0, and one more for each resend.
    pub generation: u32,
    /// What happened.
    pub event_type: Option<String>,
    /// What a person searches for.
    pub business_key: Option<String>,
    /// The topic that it was sent to, as far as that is told.
    pub origin_topic: Option<String>,
    /// When it was sent, by its sender's clock.
    pub born_ms: i64,
    /// When it came to lie here, by the broker's clock.
    pub stored_ms: i64,
    /// How often the broker had delivered it before.
    pub reconsume_times: i32,
    /// All of its properties.
    pub properties: BTreeMap<String, String>,
    /// The body, byte for byte.
    pub body_base64: String,
    /// The body once more where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_text: Option<String>,
    /// Why the body is still packed, if it could not be unpacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_not_unpacked: Option<String>,
}

impl DeadMessage {
    /// Reads a stored message that lies on `broker`.
    pub fn read(broker: &str, message: &StoredMessage) -> Self {
        let say = |name: &str| message.properties.get(name).cloned();
        // A message that was retried before names the retry topic as its origin.
        let not_retry = |topic: &String| !topic.starts_with(RETRY);
        Self {
            group: message
                .topic
                .strip_prefix(DLQ)
                .unwrap_or_default()
                .to_owned(),
            topic: message.topic.clone(),
            broker: broker.to_owned(),
            queue: u32::try_from(message.queue_id).unwrap_or_default(),
            offset: message.queue_offset,
            message_id: message.message_id().map(ToOwned::to_owned),
            tx_no: say(property::TX_NO).or_else(|| message.keys().next().map(ToOwned::to_owned)),
            source: say(property::SOURCE),
            generation: say(property::GENERATION)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            event_type: say(property::EVENT_TYPE).or_else(|| message.tags().map(ToOwned::to_owned)),
            business_key: say(property::BUSINESS_KEY),
            origin_topic: message
                .origin()
                .map(ToOwned::to_owned)
                .filter(not_retry)
                .or_else(|| say(ORIGIN).filter(not_retry)),
            born_ms: message.born_ms,
            stored_ms: message.stored_ms,
            reconsume_times: message.reconsume_times,
            properties: message.properties.clone(),
            body_base64: base64::engine::general_purpose::STANDARD.encode(&message.body),
            body_text: readable(&message.body),
            body_not_unpacked: message.not_unpacked.clone(),
        }
    }

    /// What tells one dead letter from another; copies of one have the same.
    pub fn letter(&self) -> (&str, &str, &str, u32) {
        let number = self.tx_no.as_deref().or(self.message_id.as_deref());
        (
            &self.group,
            self.source.as_deref().unwrap_or("-"),
            number.unwrap_or_default(),
            self.generation,
        )
    }

    /// The number that a person types the ending of.
    pub fn number(&self) -> &str {
        self.tx_no
            .as_deref()
            .or(self.message_id.as_deref())
            .unwrap_or("-")
    }

    /// `broker-a/0/17`.
    pub fn place(&self) -> String {
        format!("{}/{}/{}", self.broker, self.queue, self.offset)
    }

    /// How long the body is.
    pub fn body_len(&self) -> usize {
        base64::engine::general_purpose::STANDARD
            .decode(&self.body_base64)
            .map_or(0, |body| body.len())
    }
}

/// The body as text, if it is some.
fn readable(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let printable = !text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r'));
    printable.then(|| text.to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn stored(properties: &[(&str, &str)]) -> StoredMessage {
        StoredMessage {
            topic: "%DLQ%bank2".into(),
            queue_offset: 17,
            born_ms: crate::render::samples::T0 - 6_000,
            stored_ms: crate::render::samples::T0,
            reconsume_times: 4,
            body: br#"{"amount_fen":500}"#.as_slice().into(),
            properties: properties
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..StoredMessage::default()
        }
    }

    pub(crate) fn transfer() -> StoredMessage {
        stored(&[
            ("UNIQ_KEY", "01A2B3"),
            ("KEYS", "0198f3c2-91d0-7aa3-8c02-77ab41e09f52"),
            ("TAGS", "transfer"),
            ("RETRY_TOPIC", "%RETRY%bank2_topic_txmsg"),
            ("PGROUP", "topic_txmsg"),
            ("rb-format", "1"),
            ("rb-tx-no", "0198f3c2-91d0-7aa3-8c02-77ab41e09f52"),
            ("rb-source", "bank1"),
            ("rb-event-type", "transfer"),
            ("rb-business-key", "transfer 5.00"),
            ("rb-generation", "1"),
        ])
    }

    #[test]
    fn a_notification_says_what_it_was_and_where_it_came_from() {
        let dead = DeadMessage::read("broker-a", &transfer());
        assert_eq!(dead.group, "bank2");
        assert_eq!(dead.origin_topic.as_deref(), Some("topic_txmsg"));
        assert_eq!(dead.generation, 1);
        assert_eq!(dead.place(), "broker-a/0/17");
        assert_eq!(dead.body_text.as_deref(), Some(r#"{"amount_fen":500}"#));
        assert_eq!(
            dead.letter(),
            ("bank2", "bank1", "0198f3c2-91d0-7aa3-8c02-77ab41e09f52", 1)
        );
    }

    #[test]
    fn a_strangers_message_is_told_by_its_key_or_its_id() {
        let dead = DeadMessage::read(
            "broker-a",
            &stored(&[("UNIQ_KEY", "01A2B3"), ("TAGS", "x")]),
        );
        assert_eq!(
            (dead.number(), dead.event_type.as_deref()),
            ("01A2B3", Some("x"))
        );
        let mut packed = stored(&[]);
        packed.body = vec![0x1f, 0x8b, 0x00].into();
        let dead = DeadMessage::read("broker-a", &packed);
        assert_eq!((dead.number(), dead.body_base64.as_str()), ("-", "H4sA"));
        assert_eq!(dead.body_text, None);
    }
}
