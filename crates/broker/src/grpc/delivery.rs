//! From a message that came in to the stored one, and from there to what is handed out.

use bytes::Bytes;
use md5::{Digest as _, Md5};
use prost::Message as _;
use rocketmq_wire::properties::{CHECK_IMMUNITY_SECONDS, CHECK_TIMES};
use rocketmq_wire::{resource, v2};

use crate::clock::UnixMs;
use crate::store::record::Record;
use crate::writer::op::{Delivered, Orphan};
use crate::{StoreError, names};

/// Encodes a message for the store. Where it lies says what its topic is.
pub(super) fn encode(mut message: v2::Message) -> Bytes {
    message.topic = None;
    let checksum = md5_hex(&message.body);
    let system = message.system_properties.get_or_insert_default();
    system.body_digest = Some(v2::Digest {
        r#type: v2::DigestType::Md5.into(),
        checksum,
    });
    if system.message_type() == v2::MessageType::Unspecified {
        system.set_message_type(v2::MessageType::Normal);
    }
    if system.body_encoding() == v2::Encoding::Unspecified {
        system.set_body_encoding(v2::Encoding::Identity);
    }
    // What only the broker may say.
    system.receipt_handle = None;
    system.delivery_attempt = None;
    system.queue_offset = None;
    system.invisible_duration = None;
    system.dead_letter_queue = None;
    message.encode_to_vec().into()
}

/// A stored message as it is handed out.
pub(super) fn handed_out(
    delivered: &Delivered,
    topic: &str,
    host: &str,
) -> Result<v2::Message, StoreError> {
    let record = Record::read(&delivered.record)?;
    let mut message = decode(&delivered.record, &record)?;
    message.topic = Some(resource(topic));
    let receipt = delivered.receipt;
    let system = message.system_properties.get_or_insert_default();
    system.store_timestamp = Some(timestamp(record.store_ms));
    system.store_host = host.to_owned();
    system.queue_id = 0;
    system.queue_offset = i64::try_from(receipt.offset).ok();
    system.receipt_handle = Some(receipt.to_string());
    system.delivery_attempt = i32::try_from(receipt.attempt).ok();
    system.orphaned_transaction_recovery_duration = None;
    if names::is_dead_letter_topic(topic) {
        // As Apache RocketMQ shows its dead letters.
        system.set_message_type(v2::MessageType::Delay);
    }
    Ok(message)
}

/// A half message as its check-back shows it.
pub(crate) fn checked(orphan: &Orphan) -> Result<v2::Message, StoreError> {
    let record = Record::read(&orphan.record)?;
    let mut message = decode(&orphan.record, &record)?;
    message.topic = Some(resource(&orphan.topic));
    let system = message.system_properties.get_or_insert_default();
    system.store_timestamp = Some(timestamp(record.store_ms));
    system.queue_offset = i64::try_from(orphan.half).ok();
    system.delivery_attempt = Some(1);
    let recovery = system.orphaned_transaction_recovery_duration.take();
    let user = &mut message.user_properties;
    user.insert(CHECK_TIMES.into(), orphan.checks.to_string());
    if let Some(recovery) = recovery {
        user.insert(CHECK_IMMUNITY_SECONDS.into(), recovery.seconds.to_string());
    }
    Ok(message)
}

/// An id for a batch, in the shape of those that Apache RocketMQ's broker makes.
pub(super) fn batch_id() -> String {
    format!("FD00{}", uuid::Uuid::now_v7().simple()).to_uppercase()
}

/// A moment on the wire.
pub(super) fn timestamp(ms: UnixMs) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(ms / 1000).unwrap_or(i64::MAX),
        nanos: i32::try_from(ms % 1000).unwrap_or_default() * 1_000_000,
    }
}

/// The message inside a record; its body stays where it lies.
fn decode(bytes: &Bytes, record: &Record) -> Result<v2::Message, StoreError> {
    v2::Message::decode(bytes.slice_ref(record.message))
        .map_err(|_| StoreError::Corrupt("a message"))
}

fn md5_hex(body: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    Md5::digest(body)
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::receipt::Receipt;

    fn sent() -> v2::Message {
        let system = v2::SystemProperties {
            message_id: "m".into(),
            tag: Some("tag".into()),
            keys: vec!["k".into()],
            receipt_handle: Some("forged".into()),
            delivery_attempt: Some(9),
            orphaned_transaction_recovery_duration: Some(prost_types::Duration {
                seconds: 30,
                nanos: 0,
            }),
            ..Default::default()
        };
        v2::Message {
            topic: Some(resource("elsewhere")),
            user_properties: [("a".to_owned(), "b".to_owned())].into(),
            system_properties: Some(system),
            body: "body".into(),
        }
    }

    fn stored() -> Bytes {
        let message = encode(sent());
        Record {
            store_ms: 1_500,
            base: 0,
            tag: "tag",
            origin: "",
            message: &message,
        }
        .to_vec()
        .into()
    }

    #[test]
    fn what_is_handed_out_is_what_was_sent_and_what_the_broker_knows() {
        let receipt = Receipt {
            reading: 1,
            offset: 7,
            due_ms: 99,
            attempt: 2,
        };
        let delivered = Delivered {
            receipt,
            record: stored(),
        };
        let message = handed_out(&delivered, "t", "host").unwrap();
        assert_eq!(message.topic.unwrap().name, "t");
        assert_eq!(message.body, "body");
        assert_eq!(message.user_properties["a"], "b");
        let system = message.system_properties.unwrap();
        assert_eq!(
            (system.message_id.as_str(), system.tag(), system.keys.len()),
            ("m", "tag", 1)
        );
        assert_eq!(system.receipt_handle(), receipt.to_string());
        assert_eq!((system.delivery_attempt(), system.queue_offset()), (2, 7));
        assert_eq!(system.store_timestamp, Some(timestamp(1_500)));
        assert_eq!(
            system.body_digest.unwrap().checksum,
            "841A2D689AD86BD1611447453C22C6FC"
        );
    }

    #[test]
    fn a_check_back_says_how_often_it_asked_and_what_was_asked_for() {
        let orphan = Orphan {
            topic: "t".into(),
            transaction_id: "m".into(),
            half: 3,
            checks: 2,
            record: stored(),
        };
        let message = checked(&orphan).unwrap();
        assert_eq!(message.user_properties[CHECK_TIMES], "2");
        assert_eq!(message.user_properties[CHECK_IMMUNITY_SECONDS], "30");
        assert_eq!(message.body, "body");
    }
}
