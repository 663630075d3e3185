//! A stored message as the receivers of its topic would have read it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use notification::{EndpointId, Group, Topic};
use rocketmq::{QueueRef, ReceivedMessage, StoredMessage};

use crate::config::SubscriptionConfig;
use crate::copy::{Copy, Key, Reading};
use crate::record::dlq::Dead;

/// Where Apache RocketMQ keeps the topic of a message that it retried.
const PRODUCER_GROUP: &str = "PGROUP";
/// Where a broker keeps the topic that a dead message came from.
const RETRY_TOPIC: &str = "RETRY_TOPIC";
/// Its first id, if it has no id of its sender's.
const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
/// How the name of a group's retry topic begins.
const RETRY: &str = "%RETRY%";

/// Reads one message of a group's dead-letter topic. `subscribed` is not empty.
pub(super) fn read(
    group: &Group,
    subscribed: &[SubscriptionConfig],
    queue: &QueueRef,
    message: &StoredMessage,
) -> Dead {
    let topics: Vec<&Topic> = subscribed.iter().map(|one| &one.topic).collect();
    let topic = origin(group, &topics, &message.properties);
    let endpoint = subscribed
        .iter()
        .find(|one| one.topic.as_str() == topic)
        .unwrap_or(&subscribed[0])
        .endpoint
        .one();
    let received = received(topic, queue, message);
    let copy = Copy::read(group, &received);
    let nobody = || EndpointId::new("-").expect("a dash is a name");
    let endpoint = endpoint.or(copy.content.endpoint.as_ref());
    let endpoint = endpoint.cloned().unwrap_or_else(nobody);
    let aside = (copy.reading == Reading::Malformed).then(|| Arc::new(copy.set_aside(&received)));
    Dead {
        copy: Arc::new(copy),
        aside,
        endpoint,
        stored_ms: message.stored_ms,
    }
}

/// What can be kept of a message that the record refuses: that it is there, under a number that its
/// place makes, and nothing that its sender wrote.
pub(super) fn bare(
    group: &Group,
    subscribed: &[SubscriptionConfig],
    queue: &QueueRef,
    message: &StoredMessage,
) -> Dead {
    let place = StoredMessage {
        queue_offset: message.queue_offset,
        born_ms: message.stored_ms,
        stored_ms: message.stored_ms,
        ..StoredMessage::default()
    };
    let mut dead = read(group, subscribed, queue, &place);
    if let Some(aside) = dead.aside.take() {
        dead.copy = aside;
    }
    dead
}

/// How many, from the first on, are of different notifications.
pub(super) fn once_each(dead: &[Dead]) -> usize {
    let mut seen: HashSet<&Key> = HashSet::with_capacity(dead.len());
    for (count, one) in dead.iter().enumerate() {
        let keys = || {
            std::iter::once(&one.copy)
                .chain(&one.aside)
                .map(|copy| &copy.key)
        };
        if keys().any(|key| seen.contains(key)) {
            return count;
        }
        seen.extend(keys());
    }
    dead.len()
}

fn received(topic: String, queue: &QueueRef, message: &StoredMessage) -> ReceivedMessage {
    let property = |name: &str| message.properties.get(name).cloned();
    let place = || {
        format!(
            "{} {} {}",
            queue.broker, queue.queue_id, message.queue_offset
        )
    };
    ReceivedMessage {
        message_id: message
            .message_id()
            .map(str::to_owned)
            .or_else(|| property(ORIGIN_MESSAGE_ID))
            .unwrap_or_else(place),
        topic,
        tag: message.tags().map(str::to_owned),
        keys: message.keys().map(str::to_owned).collect(),
        properties: message.properties.clone(),
        body: message.body.clone(),
        body_error: message.not_unpacked.clone(),
        delivery_attempt: u32::try_from(message.reconsume_times)
            .unwrap_or(0)
            .saturating_add(1),
        born_ms: message.born_ms,
        store_ms: message.stored_ms,
    }
}

/// The topic that a dead message came from: the subscribed one that its properties name, be it as
/// the group's retry topic; else what they name; else the first that is subscribed.
fn origin(group: &Group, topics: &[&Topic], properties: &BTreeMap<String, String>) -> String {
    let named: Vec<&str> = [RETRY_TOPIC, PRODUCER_GROUP]
        .iter()
        .filter_map(|name| properties.get(*name).map(String::as_str))
        .collect();
    for name in &named {
        for topic in topics {
            let topic = topic.as_str();
            let retried = name
                .strip_prefix(RETRY)
                .and_then(|rest| rest.strip_prefix(group.as_str()))
                .and_then(|rest| rest.strip_prefix(['_', '+']));
            if *name == topic || retried == Some(topic) {
                return topic.to_owned();
            }
        }
    }
    let plain = named
        .iter()
        .find(|name| !name.starts_with('%') && Topic::new(**name).is_ok());
    plain.map_or_else(|| topics[0].to_string(), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::config::Filter;
    use crate::copy::tests::copy;

    fn subscribed(topics: &[&str]) -> Vec<SubscriptionConfig> {
        let one = |topic: &&str| SubscriptionConfig {
            group: copy().key.group,
            topic: Topic::new(*topic).unwrap(),
            endpoint: format!("at-{topic}").parse().unwrap(),
            filter: Filter::default(),
        };
        topics.iter().map(one).collect()
    }

    fn queue() -> QueueRef {
        QueueRef {
            topic: "%DLQ%bank2".into(),
            broker: "broker-a".into(),
            queue_id: 0,
        }
    }

    fn stored(properties: &[(&str, &str)]) -> StoredMessage {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        StoredMessage {
            topic: "%DLQ%bank2".into(),
            queue_offset: 7,
            born_ms: 1_700_000_000_000,
            stored_ms: 1_700_000_060_000,
            reconsume_times: 4,
            body: Bytes::from_static(b"{}"),
            properties: properties.iter().map(owned).collect(),
            ..StoredMessage::default()
        }
    }

    fn read_from(topics: &[&str], properties: &[(&str, &str)]) -> Dead {
        let group = copy().key.group;
        read(&group, &subscribed(topics), &queue(), &stored(properties))
    }

    const WHOLE: [(&str, &str); 8] = [
        ("UNIQ_KEY", "01ABC"),
        ("rb-format", "1"),
        ("rb-tx-no", "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11"),
        ("rb-source", "bank1"),
        ("rb-initiator-id", "0198f3c2-0000-7c10-9b1e-5d3f0a6c2e11"),
        ("rb-event-type", "transfer"),
        ("rb-business-key", "transfer 10.00"),
        ("rb-content-type", "application/json"),
    ];

    #[test]
    fn it_reads_as_it_did_in_its_own_topic() {
        let mut properties = WHOLE.to_vec();
        properties.push(("RETRY_TOPIC", "topic_txmsg"));
        let dead = read_from(&["topic_txmsg"], &properties);
        let expected = Copy {
            delivery_attempt: 5,
            ..copy()
        };
        assert_eq!(*dead.copy, expected);
        assert_eq!(dead.aside, None);
        assert_eq!(dead.endpoint.as_str(), "at-topic_txmsg");
        assert_eq!(dead.stored_ms, 1_700_000_060_000);
    }

    #[test]
    fn its_topic_is_found_in_whatever_names_it() {
        let two = ["first", "second_one"];
        for (properties, topic, endpoint) in [
            (
                vec![("RETRY_TOPIC", "second_one")],
                "second_one",
                "at-second_one",
            ),
            (
                vec![("RETRY_TOPIC", "%RETRY%bank2_second_one")],
                "second_one",
                "at-second_one",
            ),
            (
                vec![("RETRY_TOPIC", "%RETRY%bank2+first")],
                "first",
                "at-first",
            ),
            (
                vec![("RETRY_TOPIC", "%RETRY%bank2"), ("PGROUP", "second_one")],
                "second_one",
                "at-second_one",
            ),
            // Of a topic that the group read once: a resend goes there, by the first endpoint.
            (vec![("RETRY_TOPIC", "former")], "former", "at-first"),
            (
                vec![("RETRY_TOPIC", "%RETRY%bank2_former")],
                "first",
                "at-first",
            ),
            (vec![], "first", "at-first"),
        ] {
            let dead = read_from(&two, &properties);
            assert_eq!(dead.copy.content.topic, topic, "{properties:?}");
            assert_eq!(dead.endpoint.as_str(), endpoint, "{properties:?}");
        }
    }

    #[test]
    fn a_malformed_one_has_a_key_of_its_own_from_its_message_id() {
        let dead = read_from(&["topic_txmsg"], &WHOLE[..4]);
        assert_eq!(dead.copy.reading, Reading::Malformed);
        assert_eq!(dead.copy.key, copy().key, "what it claims");
        let aside = dead.aside.unwrap();
        assert_eq!(aside.key.source.as_str(), "-");
        let born_ms = 1_700_000_000_000;
        assert_eq!(
            aside.key.tx_no,
            notification::TxNo::derived(born_ms, "01ABC")
        );
    }

    #[test]
    fn without_a_senders_id_its_place_makes_its_number() {
        let number =
            |properties: &[(&str, &str)]| read_from(&["topic_txmsg"], properties).copy.key.tx_no;
        assert_eq!(number(&[]), number(&[]));
        assert_ne!(number(&[]), number(&[("ORIGIN_MESSAGE_ID", "7F00")]));
    }

    #[test]
    fn a_notification_occurs_once_in_a_transaction() {
        let one = || read_from(&["topic_txmsg"], &WHOLE);
        let other = || read_from(&["topic_txmsg"], &[]);
        assert_eq!(once_each(&[]), 0);
        assert_eq!(once_each(&[one(), other()]), 2);
        assert_eq!(once_each(&[one(), one(), other()]), 1);
        assert_eq!(once_each(&[one(), other(), other()]), 2);
        // It claims the number of the one before.
        let claims = read_from(&["topic_txmsg"], &WHOLE[..4]);
        assert_eq!(once_each(&[one(), claims]), 1);
    }
}
