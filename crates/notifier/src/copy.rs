//! One received copy of a notification, as far as it can be read.
//!
//! Whatever arrives gets a [`Key`], because whatever arrives must leave a trace: a malformed
//! message without a usable number is given one derived from its message id, the same each time it
//! is delivered.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use notification::message as property;
use notification::{EndpointId, Envelope, Group, Invalid, Source, TxNo, Undecodable};
use rocketmq::ReceivedMessage;

use crate::config::Filter;

/// The record's primary key: whose notification, for which group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub group: Group,
    pub tx_no: TxNo,
    pub source: Source,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.group, self.source, self.tx_no)
    }
}

/// How well a message could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A notification.
    Known,
    /// A notification that the subscription's filter leaves out.
    Unwanted,
    /// Of a known format, but against its rules.
    Malformed,
    /// Of a format that this notifier does not know yet.
    NewerFormat,
}

/// What a notification says, as text that fits the record's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub topic: String,
    pub event_type: String,
    pub business_key: String,
    pub content_type: String,
    /// The endpoint that it names for itself.
    pub endpoint: Option<EndpointId>,
    pub notify_url: Option<String>,
    pub traceparent: Option<String>,
    pub initiator_id: String,
    pub body: Bytes,
}

/// A received message, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    pub key: Key,
    /// The resend that it belongs to; 0 is the initiator's own.
    pub generation: u32,
    /// The only group that it is meant for, if it is a resend.
    pub for_group: Option<Group>,
    pub content: Content,
    pub reading: Reading,
    /// The broker's own counter: shown. What it decides is only whether a copy crashes workers, and whether it
    /// may lie on the shelf unread.
    pub delivery_attempt: u32,
    /// When it was sent.
    pub born_ms: i64,
}

impl Copy {
    /// Reads a message that `group` received.
    pub(crate) fn read(group: &Group, message: &ReceivedMessage) -> Self {
        let decoded = match &message.body_error {
            None => Envelope::decode(&message.topic, &message.properties, message.body.clone()),
            // Packed as it came, it is not what the initiator wrote: nobody shall be rung with it.
            Some(reason) => {
                let unpacked = Invalid::new("body", reason, "gzip that unpacks");
                Err(Undecodable::Malformed(unpacked))
            }
        };
        match decoded {
            Ok(envelope) => Self::known(group, message, envelope),
            Err(undecodable) => Self::unreadable(group, message, &undecodable),
        }
    }

    /// The same copy as the subscription's filter takes it.
    pub(crate) fn filtered(mut self, filter: &Filter, message: &ReceivedMessage) -> Self {
        let (tag, event_type) = (message.tag.as_deref(), &self.content.event_type);
        if self.reading == Reading::Known && !filter.fits(tag, event_type, &message.properties) {
            self.reading = Reading::Unwanted;
        }
        self
    }

    /// The same copy under a key of its own, for when the number that it claims is another's.
    pub(crate) fn set_aside(&self, message: &ReceivedMessage) -> Self {
        let born_ms = u64::try_from(message.born_ms).unwrap_or(0);
        let mut aside = self.clone();
        aside.key.tx_no = TxNo::derived(born_ms, &message.message_id);
        aside.key.source = nobody();
        aside.generation = 0;
        aside
    }

    fn known(group: &Group, message: &ReceivedMessage, envelope: Envelope) -> Self {
        let said = envelope.notification;
        Self {
            key: Key {
                group: group.clone(),
                tx_no: said.tx_no,
                source: said.source,
            },
            generation: envelope.generation,
            for_group: envelope.for_group,
            content: Content {
                topic: said.topic.into(),
                event_type: said.event_type.into(),
                business_key: said.business_key.into(),
                content_type: said.content_type.into(),
                endpoint: said.endpoint,
                notify_url: said.notify_url,
                traceparent: said.traceparent,
                initiator_id: envelope.initiator_id.into(),
                body: said.body,
            },
            reading: Reading::Known,
            delivery_attempt: message.delivery_attempt,
            born_ms: message.born_ms,
        }
    }

    /// Keeps of a message that can't be decoded what can be kept.
    fn unreadable(group: &Group, message: &ReceivedMessage, why: &Undecodable) -> Self {
        let properties = &message.properties;
        let born_ms = u64::try_from(message.born_ms).unwrap_or(0);
        let derived = || TxNo::derived(born_ms, &message.message_id);
        Self {
            key: Key {
                group: group.clone(),
                tx_no: parsed(properties, property::TX_NO).unwrap_or_else(derived),
                source: parsed(properties, property::SOURCE).unwrap_or_else(nobody),
            },
            generation: parsed(properties, property::GENERATION)
                .filter(|generation| *generation <= i32::MAX.unsigned_abs())
                .unwrap_or(0),
            for_group: parsed(properties, property::FOR_GROUP),
            content: Content {
                topic: cut(&message.topic, 127),
                event_type: text(properties, property::EVENT_TYPE, 64),
                business_key: text(properties, property::BUSINESS_KEY, 128),
                content_type: text(properties, property::CONTENT_TYPE, 128),
                endpoint: parsed(properties, property::ENDPOINT),
                notify_url: properties.get(property::NOTIFY_URL).map(|t| cut(t, 1024)),
                traceparent: properties.get(property::TRACEPARENT).map(|t| cut(t, 64)),
                initiator_id: text(properties, property::INITIATOR_ID, 36),
                body: message.body.clone(),
            },
            reading: match why {
                Undecodable::Malformed(_) => Reading::Malformed,
                Undecodable::UnknownFormat(_) => Reading::NewerFormat,
            },
            delivery_attempt: message.delivery_attempt,
            born_ms: message.born_ms,
        }
    }
}

/// The source of what nobody can be told about.
fn nobody() -> Source {
    Source::new("-").expect("a dash is a name")
}

fn parsed<T: std::str::FromStr>(properties: &BTreeMap<String, String>, name: &str) -> Option<T> {
    properties.get(name).and_then(|text| text.parse().ok())
}

fn text(properties: &BTreeMap<String, String>, name: &str, most: usize) -> String {
    properties
        .get(name)
        .map_or_else(String::new, |text| cut(text, most))
}

/// At most `most` characters, so that it fits its column.
pub(crate) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
pub(crate) mod tests;
