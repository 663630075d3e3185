//! How a notification is written into a RocketMQ message: format 1.
//!
//! This is a contract. An initiator in any language that sends such a message, as a transactional
//! or a plain one, is served like ours; `docs/message-format.md` says the same for its readers.
//!
//! - **Body**: 1 to 262,144 bytes, passed on to the receiver byte for byte.
//! - **Key**: the `tx_no`. **Tag**: the event type. The message id is fresh for each send.
//! - **User properties** (all text):
//!
//! | property | needed | value |
//! |---|---|---|
//! | `rb-format` | yes | `1` |
//! | `rb-tx-no` | yes | lower-case hyphenated UUIDv7 |
//! | `rb-source` | yes | the initiator's name, `[A-Za-z0-9._-]`, 1 to 64 |
//! | `rb-initiator-id` | yes | a UUID that the initiator keeps in its database |
//! | `rb-event-type` | yes | `[A-Za-z0-9._-]`, 1 to 64 |
//! | `rb-business-key` | yes | 1 to 128 characters, no control characters |
//! | `rb-content-type` | yes | the body's media type |
//! | `rb-generation` | no | a number; absent means 0 |
//! | `rb-for-group` | no | only this consumer group shall act on it |
//! | `rb-endpoint` | no | the endpoint it goes to, where the subscription leaves that to the message |
//! | `rb-notify-url` | no | another URL inside the endpoint's pattern |
//! | `traceparent` | no | W3C trace context |
//!
//! A property that is not listed is ignored. A listed one that is missing or ill-formed makes the
//! message malformed: it becomes a dead letter at once. Another `rb-format` is a message from a
//! newer initiator: it is parked until the notifier is upgraded.

use std::collections::BTreeMap;
use std::str::FromStr;

use bytes::Bytes;

use crate::{Group, InitiatorId, Invalid, Notification, Topic};

/// The format that this crate reads and writes.
pub const FORMAT_VERSION: &str = "1";
/// Property: the format version.
pub const FORMAT: &str = "rb-format";
/// Property: the business transaction number.
pub const TX_NO: &str = "rb-tx-no";
/// Property: the initiator's name.
pub const SOURCE: &str = "rb-source";
/// Property: the id of the initiator's database.
pub const INITIATOR_ID: &str = "rb-initiator-id";
/// Property: the event type.
pub const EVENT_TYPE: &str = "rb-event-type";
/// Property: the business key.
pub const BUSINESS_KEY: &str = "rb-business-key";
/// Property: the body's media type.
pub const CONTENT_TYPE: &str = "rb-content-type";
/// Property: the generation; absent means 0.
pub const GENERATION: &str = "rb-generation";
/// Property: the one group that shall act on it.
pub const FOR_GROUP: &str = "rb-for-group";
/// Property: the endpoint it goes to.
pub const ENDPOINT: &str = "rb-endpoint";
/// Property: another URL.
pub const NOTIFY_URL: &str = "rb-notify-url";
/// Property: the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// A notification with what only its transport needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The fact.
    pub notification: Notification,
    /// Whose database knows what became of it.
    pub initiator_id: InitiatorId,
    /// 0, and one more for each operator's resend.
    pub generation: u32,
    /// Set on a resend: the one group that shall act on it.
    pub for_group: Option<Group>,
}

/// A message as any RocketMQ client can send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireMessage {
    /// The topic.
    pub topic: String,
    /// The event type.
    pub tag: String,
    /// The `tx_no` alone.
    pub keys: Vec<String>,
    /// The user properties.
    pub properties: BTreeMap<String, String>,
    /// The body.
    pub body: Bytes,
}

/// Why a message is not an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Format 1, but a property or the body is missing or ill-formed; or no format at all.
    #[error("malformed message: {0}")]
    Malformed(Invalid),
    /// A format that this program does not know; a newer one may.
    #[error("unknown message format {0:?}")]
    UnknownFormat(String),
}

impl Envelope {
    /// A notification of generation 0, for every group.
    pub fn new(notification: Notification, initiator_id: InitiatorId) -> Self {
        Self {
            notification,
            initiator_id,
            generation: 0,
            for_group: None,
        }
    }

    /// Writes it as a message.
    pub fn to_message(&self) -> WireMessage {
        let notification = &self.notification;
        let tx_no = notification.tx_no.to_string();
        let mut properties = BTreeMap::new();
        let mut put =
            |name: &str, value: &str| properties.insert(name.to_owned(), value.to_owned());
        put(FORMAT, FORMAT_VERSION);
        put(TX_NO, &tx_no);
        put(SOURCE, notification.source.as_str());
        put(INITIATOR_ID, self.initiator_id.as_str());
        put(EVENT_TYPE, notification.event_type.as_str());
        put(BUSINESS_KEY, notification.business_key.as_str());
        put(CONTENT_TYPE, notification.content_type.as_str());
        put(GENERATION, &self.generation.to_string());
        if let Some(group) = &self.for_group {
            put(FOR_GROUP, group.as_str());
        }
        if let Some(endpoint) = &notification.endpoint {
            put(ENDPOINT, endpoint.as_str());
        }
        if let Some(url) = &notification.notify_url {
            put(NOTIFY_URL, url);
        }
        if let Some(traceparent) = &notification.traceparent {
            put(TRACEPARENT, traceparent);
        }
        WireMessage {
            topic: notification.topic.to_string(),
            tag: notification.event_type.to_string(),
            keys: vec![tx_no],
            properties,
            body: notification.body.clone(),
        }
    }

    /// Reads a message. `topic` is the one it was received from.
    pub fn decode(
        topic: &str,
        properties: &BTreeMap<String, String>,
        body: Bytes,
    ) -> Result<Self, Undecodable> {
        match properties.get(FORMAT).map(String::as_str) {
            Some(FORMAT_VERSION) => {}
            Some(other) => return Err(Undecodable::UnknownFormat(other.to_owned())),
            None => return Err(Undecodable::Malformed(missing(FORMAT))),
        }
        read(topic, properties, body).map_err(Undecodable::Malformed)
    }
}

fn read(
    topic: &str,
    properties: &BTreeMap<String, String>,
    body: Bytes,
) -> Result<Envelope, Invalid> {
    let notification = Notification {
        source: needed(properties, SOURCE)?,
        tx_no: needed(properties, TX_NO)?,
        topic: Topic::new(topic)?,
        event_type: needed(properties, EVENT_TYPE)?,
        business_key: needed(properties, BUSINESS_KEY)?,
        content_type: needed(properties, CONTENT_TYPE)?,
        endpoint: optional(properties, ENDPOINT)?,
        notify_url: properties.get(NOTIFY_URL).cloned(),
        traceparent: properties.get(TRACEPARENT).cloned(),
        body,
    };
    notification
        .check()
        .map_err(|bad| match bad.field.as_str() {
            "notify_url" => bad.in_field(NOTIFY_URL),
            _ => bad,
        })?;
    Ok(Envelope {
        notification,
        initiator_id: needed(properties, INITIATOR_ID)?,
        generation: generation(properties)?,
        for_group: optional(properties, FOR_GROUP)?,
    })
}

fn needed<T: FromStr<Err = Invalid>>(
    properties: &BTreeMap<String, String>,
    name: &str,
) -> Result<T, Invalid> {
    optional(properties, name)?.ok_or_else(|| missing(name))
}

fn optional<T: FromStr<Err = Invalid>>(
    properties: &BTreeMap<String, String>,
    name: &str,
) -> Result<Option<T>, Invalid> {
    let value = properties.get(name).map(|text| text.parse());
    value.transpose().map_err(|bad: Invalid| bad.in_field(name))
}

fn generation(properties: &BTreeMap<String, String>) -> Result<u32, Invalid> {
    // The column is a signed INT.
    let most = i32::MAX.unsigned_abs();
    let Some(text) = properties.get(GENERATION) else {
        return Ok(0);
    };
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(generation) if digits && generation <= most => Ok(generation),
        _ => Err(Invalid::new(GENERATION, text, format!("0 to {most}"))),
    }
}

fn missing(name: &str) -> Invalid {
    Invalid::new(name, "", "needed in format 1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::tests::transfer;

    fn envelope() -> Envelope {
        let id = InitiatorId::new("0198f3c2-0000-7c10-9b1e-5d3f0a6c2e11").unwrap();
        Envelope::new(transfer(), id)
    }

    fn decode(message: &WireMessage) -> Result<Envelope, Undecodable> {
        Envelope::decode(&message.topic, &message.properties, message.body.clone())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut full = envelope();
        full.generation = 3;
        full.for_group = Some(Group::new("bank2").unwrap());
        full.notification.endpoint = Some("m1".parse().unwrap());
        full.notification.notify_url = Some("http://127.0.0.1:8182/n".into());
        full.notification.traceparent =
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
        for envelope in [envelope(), full] {
            assert_eq!(decode(&envelope.to_message()).unwrap(), envelope);
        }
    }

    #[test]
    fn the_key_is_the_number_and_the_tag_the_event_type() {
        let message = envelope().to_message();
        assert_eq!(message.keys, ["0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11"]);
        assert_eq!(message.tag, "transfer");
    }

    #[test]
    fn each_needed_property_is_missed_by_name() {
        let whole = envelope().to_message();
        for name in [
            FORMAT,
            TX_NO,
            SOURCE,
            INITIATOR_ID,
            EVENT_TYPE,
            BUSINESS_KEY,
            CONTENT_TYPE,
        ] {
            let mut message = whole.clone();
            message.properties.remove(name);
            match decode(&message) {
                Err(Undecodable::Malformed(bad)) => assert_eq!(bad.field, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn each_ill_formed_property_is_named() {
        let whole = envelope().to_message();
        for (name, value) in [
            (TX_NO, "17"),
            (SOURCE, "bank 1"),
            (INITIATOR_ID, "x"),
            (GENERATION, "-1"),
            (GENERATION, "+1"),
            (GENERATION, "2147483648"),
            (FOR_GROUP, ""),
            (NOTIFY_URL, "nowhere"),
            (TRACEPARENT, "x"),
        ] {
            let mut message = whole.clone();
            message.properties.insert(name.into(), value.into());
            match decode(&message) {
                Err(Undecodable::Malformed(bad)) => assert_eq!(bad.field, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_absent_generation_is_0_and_unknown_properties_are_ignored() {
        let mut message = envelope().to_message();
        message.properties.remove(GENERATION);
        message.properties.insert("rb-later".into(), "x".into());
        assert_eq!(decode(&message).unwrap(), envelope());
    }

    #[test]
    fn a_newer_format_is_unknown_and_not_malformed() {
        let mut message = envelope().to_message();
        message.properties = BTreeMap::from([(FORMAT.into(), "2".into())]);
        assert_eq!(
            decode(&message),
            Err(Undecodable::UnknownFormat("2".into()))
        );
    }

    #[test]
    fn an_empty_body_is_malformed() {
        let mut message = envelope().to_message();
        message.body = Bytes::new();
        assert!(matches!(
            decode(&message),
            Err(Undecodable::Malformed(bad)) if bad.field == "body"
        ));
    }
}
