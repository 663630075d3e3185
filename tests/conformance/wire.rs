//! Messages as they are sent, and what is looked at in those that come back.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rocketmq_wire::remoting::TopicKind;
use rocketmq_wire::{resource, v2};

use crate::suite::Outcome;

/// A message with nothing but what is needed; its id is fresh.
pub(crate) fn message(topic: &str) -> v2::Message {
    with_id(topic, &fresh_id())
}

pub(crate) fn with_id(topic: &str, id: &str) -> v2::Message {
    let system = v2::SystemProperties {
        message_id: id.into(),
        message_type: v2::MessageType::Normal.into(),
        body_encoding: v2::Encoding::Identity.into(),
        // A half message that was born long ago counts as expired.
        born_timestamp: Some(moment(service::clock::now_ms())),
        born_host: "conformance".into(),
        ..Default::default()
    };
    v2::Message {
        topic: Some(resource(topic)),
        system_properties: Some(system),
        body: format!("body of {id}").into(),
        ..Default::default()
    }
}

pub(crate) fn half(topic: &str) -> v2::Message {
    message(topic).changed(|system| system.set_message_type(v2::MessageType::Transaction))
}

/// A half whose first check-back is put off.
pub(crate) fn late_half(topic: &str, recovery: Duration) -> v2::Message {
    half(topic).changed(|system| {
        system.orphaned_transaction_recovery_duration = Some(span(recovery));
    })
}

pub(crate) fn fresh_id() -> String {
    format!(
        "01C0{}",
        std::iter::repeat_with(|| fastrand::digit(16))
            .take(28)
            .collect::<String>()
    )
    .to_uppercase()
}

pub(crate) fn span(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or_default(),
    }
}

pub(crate) fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

/// The moment that lies so far ahead, on this machine's clock.
pub(crate) fn ahead(span: Duration) -> prost_types::Timestamp {
    let at_ms = service::clock::now_ms() + i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 2);
    moment(at_ms)
}

pub(crate) fn moment(at_ms: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at_ms.div_euclid(1000),
        nanos: i32::try_from(at_ms.rem_euclid(1000)).unwrap_or_default() * 1_000_000,
    }
}

/// Changing and reading messages in one breath.
pub(crate) trait MessageExt: Sized {
    fn changed(self, change: impl FnOnce(&mut v2::SystemProperties)) -> Self;
    fn tagged(self, tag: &str) -> Self {
        self.changed(|system| system.tag = Some(tag.into()))
    }
    fn property(self, key: &str, value: &str) -> Self;
    fn system(&self) -> &v2::SystemProperties;
    fn id(&self) -> &str {
        &self.system().message_id
    }
    fn handle(&self) -> String {
        self.system().receipt_handle().to_owned()
    }
    fn attempt(&self) -> i32 {
        self.system().delivery_attempt()
    }
}

impl MessageExt for v2::Message {
    fn changed(mut self, change: impl FnOnce(&mut v2::SystemProperties)) -> Self {
        change(self.system_properties.get_or_insert_default());
        self
    }

    fn property(mut self, key: &str, value: &str) -> Self {
        self.user_properties.insert(key.into(), value.into());
        self
    }

    fn system(&self) -> &v2::SystemProperties {
        self.system_properties
            .as_ref()
            .expect("every message has its system properties")
    }
}

pub(crate) fn code(status: Option<v2::Status>) -> v2::Code {
    status.map_or(v2::Code::Unspecified, |status| status.code())
}

/// The status is OK.
pub(crate) fn ok(status: Option<v2::Status>) -> Outcome {
    says(status, v2::Code::Ok, "")
}

/// The status has this code, and these words in its text.
pub(crate) fn says(status: Option<v2::Status>, code: v2::Code, words: &str) -> Outcome {
    let status = status.context("a reply without a status")?;
    if status.code() == code && status.message.contains(words) {
        return Ok(());
    }
    bail!(
        "{} {:?} instead of {} with {words:?}",
        status.code().as_str_name(),
        status.message,
        code.as_str_name()
    )
}

/// A gRPC error with this code and these words.
pub(crate) fn fails<T>(
    result: Result<T, tonic::Status>,
    code: tonic::Code,
    words: &str,
) -> Outcome {
    match result {
        Ok(_) => bail!("no gRPC error instead of {code:?} with {words:?}"),
        Err(status) => {
            ensure!(
                status.code() == code && status.message().contains(words),
                "{:?} {:?} instead of {code:?} with {words:?}",
                status.code(),
                status.message()
            );
            Ok(())
        }
    }
}

/// The kinds that topics of the suite have.
pub(crate) const KINDS: [(TopicKind, v2::MessageType); 3] = [
    (TopicKind::Normal, v2::MessageType::Normal),
    (TopicKind::Transaction, v2::MessageType::Transaction),
    (TopicKind::Delay, v2::MessageType::Delay),
];
