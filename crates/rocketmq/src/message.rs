//! A message as a caller writes it and as a caller reads it.

use std::collections::BTreeMap;

use bytes::Bytes;
use rocketmq_wire::{limits, resource, v2};

use crate::error::{Error, ErrorKind};

/// A message to send. The body is not copied on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// 1 byte to 4 MiB.
    pub body: Bytes,
    /// The tag that filters choose by.
    pub tag: Option<String>,
    /// Keys that operators find the message by; without spaces. With tag and properties 16 KiB in
    /// all, one byte more for each key.
    pub keys: Vec<String>,
    /// The caller's own properties: at most 128, 16 KiB in all.
    pub properties: BTreeMap<String, String>,
}

impl Message {
    /// A message without tag, keys or properties.
    #[must_use]
    pub fn new(topic: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            body: body.into(),
            tag: None,
            keys: Vec::new(),
            properties: BTreeMap::new(),
        }
    }

    /// Sets the tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Adds a key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Sets a property.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// Refuses, before anything is sent, what every server refuses for its size or emptiness.
    pub(crate) fn check(&self, operation: &'static str) -> Result<(), Error> {
        let too_large = |message| Err(Error::new(operation, ErrorKind::TooLarge { message }));
        if !limits::is_resource_name(&self.topic) {
            return Err(Error::invalid(
                operation,
                "topic",
                format!("{:?} is no topic name", self.topic),
            ));
        }
        if self.body.is_empty() {
            return Err(Error::invalid(operation, "body", "is empty"));
        }
        if self.body.len() > limits::MAX_BODY {
            return too_large(format!(
                "body of {} bytes (at most {})",
                self.body.len(),
                limits::MAX_BODY
            ));
        }
        if self.properties.len() > limits::MAX_USER_PROPERTIES {
            return too_large(format!(
                "{} properties (at most {})",
                self.properties.len(),
                limits::MAX_USER_PROPERTIES
            ));
        }
        let tag_bytes = self.tag.as_ref().map_or(0, String::len);
        let bytes = self
            .properties
            .iter()
            .fold(tag_bytes, |sum, (k, v)| sum + k.len() + v.len());
        if bytes > limits::MAX_USER_PROPERTY_BYTES {
            return too_large(format!(
                "{bytes} bytes of properties and tag (at most {})",
                limits::MAX_USER_PROPERTY_BYTES
            ));
        }
        // Keys are stored as one text, with a space behind each.
        let key_bytes = self.keys.iter().fold(0, |sum, key| sum + key.len() + 1);
        if bytes + key_bytes > limits::MAX_USER_PROPERTY_BYTES {
            return Err(Error::invalid(
                operation,
                "keys",
                format!(
                    "{key_bytes} bytes, {} with tag and properties (at most {})",
                    bytes + key_bytes,
                    limits::MAX_USER_PROPERTY_BYTES
                ),
            ));
        }
        Ok(())
    }

    /// The message on the wire; the caller sets id and type.
    pub(crate) fn into_wire(
        self,
        message_type: v2::MessageType,
        born: prost_types::Timestamp,
    ) -> v2::Message {
        v2::Message {
            topic: Some(resource(self.topic)),
            user_properties: self.properties,
            system_properties: Some(v2::SystemProperties {
                tag: self.tag,
                keys: self.keys,
                body_encoding: v2::Encoding::Identity.into(),
                message_type: message_type.into(),
                born_timestamp: Some(born),
                ..Default::default()
            }),
            body: self.body,
        }
    }
}

/// What the broker answered to a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The message's id, fresh for each send.
    pub message_id: String,
    /// The transaction's id; equal to the message id on today's servers.
    pub transaction_id: String,
    /// The offset in its queue (of a half message: in the half-message queue).
    pub offset: i64,
}

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The sender's id for it.
    pub message_id: String,
    /// The topic it was received from.
    pub topic: String,
    /// Its tag.
    pub tag: Option<String>,
    /// Its keys.
    pub keys: Vec<String>,
    /// Its user properties.
    pub properties: BTreeMap<String, String>,
    /// The body, unpacked if it came packed; as it came if [`Self::body_error`] is set.
    pub body: Bytes,
    /// Why the body could not be unpacked. Such a message is delivered all the same: only the
    /// caller may decide that it is worthless.
    pub body_error: Option<String>,
    /// 1 at the first delivery, as the broker counts.
    pub delivery_attempt: u32,
    /// When the sender made it, in ms since 1970, by the sender's clock.
    pub born_ms: i64,
    /// When the broker stored it (of a redelivery: the copy), in ms since 1970.
    pub store_ms: i64,
}
