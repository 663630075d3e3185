//! A message in the form in which Apache RocketMQ stores it: what is a field over gRPC is a
//! property here, and what the broker adds goes by the names that it has there.

use std::net::{Ipv4Addr, SocketAddr};

use rocketmq_wire::properties::{
    CHECK_IMMUNITY_SECONDS, CHECK_MAX_TOPIC, CHECK_TIMES, HALF_TOPIC, MESSAGE_GROUP, TRACE_CONTEXT,
};
use rocketmq_wire::{KEYS, REAL_TOPIC, RETRY_TOPIC, StoredMessage, TAGS, UNIQUE_KEY, v2};

use crate::StoreError;
use crate::names;
use crate::store::browse::Seen;
use crate::store::record::Record;

/// The message as a pull hands it out.
pub(super) fn stored(
    topic: &str,
    seen: &Seen,
    itself: SocketAddr,
) -> Result<StoredMessage, StoreError> {
    let record = Record::read(&seen.record)?;
    let message = record.decode()?;
    let system = message.system_properties.unwrap_or_default();
    let packed = system.body_encoding() == v2::Encoding::Gzip;
    let born = system.born_timestamp.as_ref();
    let offset = i64::try_from(seen.offset).unwrap_or(i64::MAX);
    let mut stored = StoredMessage {
        topic: topic.to_owned(),
        queue_offset: offset,
        physical_offset: offset,
        born_ms: born.map_or(0, |born| {
            born.seconds
                .saturating_mul(1000)
                .saturating_add(i64::from(born.nanos) / 1_000_000)
        }),
        born_host: host(&system.born_host),
        stored_ms: i64::try_from(record.store_ms).unwrap_or(i64::MAX),
        stored_host: itself,
        body: message.body,
        not_unpacked: packed.then(|| "it is stored as it was sent".to_owned()),
        properties: message.user_properties,
        ..StoredMessage::default()
    };
    let mut put = |name: &str, value: String| {
        if !value.is_empty() {
            stored.properties.insert(name.to_owned(), value);
        }
    };
    put(UNIQUE_KEY, system.message_id);
    put(KEYS, system.keys.join(" "));
    put(TAGS, system.tag.unwrap_or_default());
    put(TRACE_CONTEXT, system.trace_context.unwrap_or_default());
    put(MESSAGE_GROUP, system.message_group.unwrap_or_default());
    let checks = match topic {
        HALF_TOPIC => Some(seen.checks),
        CHECK_MAX_TOPIC => Some(record.base),
        _ => None,
    };
    if let Some(checks) = checks {
        put("TRAN_MSG", "true".to_owned());
        put(REAL_TOPIC, record.origin.to_owned());
        put("REAL_QID", "0".to_owned());
        if checks > 0 {
            put(CHECK_TIMES, checks.to_string());
        }
        if let Some(recovery) = system.orphaned_transaction_recovery_duration {
            put(CHECK_IMMUNITY_SECONDS, recovery.seconds.to_string());
        }
    } else if names::is_dead_letter_topic(topic) {
        put(RETRY_TOPIC, record.origin.to_owned());
        stored.reconsume_times = i32::try_from(record.base).unwrap_or(i32::MAX);
    }
    Ok(stored)
}

/// The address that a client gave as its own, which may be anything.
fn host(text: &str) -> SocketAddr {
    text.parse()
        .or_else(|_| text.parse().map(|ip| SocketAddr::new(ip, 0)))
        .unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
}
