//! Half messages: those whose transaction is open, and those that ran out of check-backs.
//!
//! Apache RocketMQ never removes a half message: it writes another message (tag `d`, body `12,15,`)
//! that names the offsets of those that ended, and each check-back puts a fresh copy of the half at
//! the end of the queue, which names the first one's offset. Its own checker keeps its place in
//! both queues as the group [`CHECKER`]. A half is open when it lies behind that place and none of
//! its copies is named as ended. On the embedded broker what lies in the topic is what is open.

use std::collections::{BTreeMap, BTreeSet};

use rocketmq_wire::StoredMessage;
use rocketmq_wire::properties::{CHECK_MAX_TOPIC, HALF_OFFSET, HALF_TOPIC, OP_TOPIC};

use super::{Admin, QueueOffsets};
use crate::error::{Error, ErrorKind};

/// The group as which the broker's checker keeps its places.
const CHECKER: &str = "CID_RMQ_SYS_TRANS";
/// Messages that name ended halves, before the checker's place, that are read all the same: a half
/// that was put back is ended by an older one.
const ENDS_BEFORE: i64 = 1_000;
/// The tag of a message that names ended halves.
const ENDED: &str = "d";
/// Messages asked for at a time.
const PAGE: u32 = 32;

/// The half messages of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Halves {
    /// Whose transaction is open: the newest copy of each.
    pub open: Vec<HalfAt>,
    /// Those that ran out of check-backs, as long as the broker keeps them.
    pub given_up: Vec<HalfAt>,
    /// Messages that can't be decoded. Each may be a half, or name one that ended: then that one
    /// counts as open here.
    pub unreadable: u64,
}

/// A half message and where it lies. [`StoredMessage::origin`] is the topic that it is meant for,
/// and the property `TRANSACTION_CHECK_TIMES` how often it was checked back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HalfAt {
    /// The broker's name.
    pub broker: String,
    /// The half.
    pub message: StoredMessage,
}

impl Admin {
    /// All half messages.
    ///
    /// Apache RocketMQ 5.5.0 goes on checking some halves that were committed (those whose end it
    /// took note of only after a check had begun): until their checks are used up they are listed
    /// too. The initiator's own record knows better.
    ///
    /// # Errors
    /// When a broker cannot be asked.
    pub async fn halves(&self) -> Result<Halves, Error> {
        let mut halves = Halves::default();
        let ends = self.queues_if_any(OP_TOPIC).await?;
        for queue in self.queues_if_any(HALF_TOPIC).await? {
            let from = self.group_offset(CHECKER, &queue.queue()).await?;
            // Before what names the ended ones: so that what ends meanwhile counts as ended.
            let lie = self.lie(&queue, from, &mut halves.unreadable).await?;
            let mut ended = BTreeSet::new();
            let same =
                |end: &&QueueOffsets| end.broker == queue.broker && end.queue_id == queue.queue_id;
            for end in ends.iter().filter(same) {
                let done = self.group_offset(CHECKER, &end.queue()).await?;
                let from = done.map(|done| done.saturating_sub(ENDS_BEFORE));
                for message in self.lie(end, from, &mut halves.unreadable).await? {
                    ended.extend(names_ended(&message));
                }
            }
            halves.open.extend(at(&queue, open(lie, &ended)));
        }
        for queue in self.queues_if_any(CHECK_MAX_TOPIC).await? {
            let lie = self.lie(&queue, None, &mut halves.unreadable).await?;
            halves.given_up.extend(at(&queue, lie));
        }
        halves.open.sort_by_key(|half| half.message.born_ms);
        halves.given_up.sort_by_key(|half| half.message.born_ms);
        Ok(halves)
    }

    /// The queues of a topic, which need not be there.
    async fn queues_if_any(&self, topic: &str) -> Result<Vec<QueueOffsets>, Error> {
        match self.queues(topic).await {
            Err(error) if matches!(error.kind(), ErrorKind::TopicNotFound { .. }) => Ok(Vec::new()),
            other => other,
        }
    }

    /// What lies in a queue, from an offset on if one is given.
    async fn lie(
        &self,
        queue: &QueueOffsets,
        from: Option<i64>,
        unreadable: &mut u64,
    ) -> Result<Vec<StoredMessage>, Error> {
        let mut messages = Vec::new();
        let mut offset = from.unwrap_or(queue.min).max(queue.min);
        while offset < queue.max {
            let pulled = self.pull(&queue.queue(), offset, PAGE).await?;
            *unreadable += u64::from(pulled.unreadable.is_some());
            messages.extend(pulled.messages);
            // A pull that brings nothing moves on all the same, or this would never end.
            offset = pulled.next_offset.max(offset.saturating_add(1));
        }
        Ok(messages)
    }
}

fn at(queue: &QueueOffsets, messages: Vec<StoredMessage>) -> impl Iterator<Item = HalfAt> {
    let broker = queue.broker.clone();
    messages.into_iter().map(move |message| HalfAt {
        broker: broker.clone(),
        message,
    })
}

/// The offsets that a message says were ended.
fn names_ended(message: &StoredMessage) -> Vec<i64> {
    if message.tags() != Some(ENDED) {
        return Vec::new();
    }
    let parts = message.body.split(|byte| *byte == b',');
    parts
        .filter_map(|part| std::str::from_utf8(part).ok()?.trim().parse().ok())
        .collect()
}

/// Of one queue's halves those of which no copy was ended, each as its newest copy.
fn open(halves: Vec<StoredMessage>, ended: &BTreeSet<i64>) -> Vec<StoredMessage> {
    let mut newest = BTreeMap::new();
    let mut over = BTreeSet::new();
    for half in halves {
        let first = half.properties.get(HALF_OFFSET);
        let first = first.and_then(|offset| offset.parse().ok());
        let first: i64 = first.unwrap_or(half.queue_offset);
        // Copies share the first one's offset and the sender's id.
        let key = (first, half.message_id().map(str::to_owned));
        if ended.contains(&half.queue_offset) || ended.contains(&first) {
            over.insert(key.clone());
        }
        newest.insert(key, half);
    }
    newest.retain(|key, _| !over.contains(key));
    newest.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(offset: i64, id: &str, first: Option<i64>) -> StoredMessage {
        let mut properties = BTreeMap::from([("UNIQ_KEY".to_owned(), id.to_owned())]);
        if let Some(first) = first {
            properties.insert(HALF_OFFSET.to_owned(), first.to_string());
        }
        StoredMessage {
            queue_offset: offset,
            properties,
            ..StoredMessage::default()
        }
    }

    #[test]
    fn the_body_of_a_message_with_the_tag_d_lists_ended_halves() {
        let named = |body: &'static str, tag: &str| {
            names_ended(&StoredMessage {
                body: body.into(),
                properties: BTreeMap::from([("TAGS".to_owned(), tag.to_owned())]),
                ..StoredMessage::default()
            })
        };
        assert_eq!(named("0,2,", "d"), [0, 2]);
        assert_eq!(named("14", "d"), [14]);
        assert_eq!(named("a,,7", "d"), [7]);
        assert!(named("0,2,", "x").is_empty());
    }

    /// As 5.5.0 was seen to keep them: b was checked back twice, c was ended by its first offset.
    #[test]
    fn what_no_copy_of_was_ended_is_open_and_listed_once() {
        let halves = [
            half(10, "a", None),
            half(11, "b", None),
            half(12, "b", Some(11)),
            half(13, "b", Some(11)),
            half(14, "c", Some(9)),
        ];
        let open = |ended: &[i64]| {
            let ended = ended.iter().copied().collect();
            let open = open(halves.to_vec(), &ended).into_iter();
            open.map(|half| (half.message_id().unwrap().to_owned(), half.queue_offset))
                .collect::<Vec<_>>()
        };
        let of = |id: &str, offset| (id.to_owned(), offset);
        assert_eq!(open(&[]), [of("c", 14), of("a", 10), of("b", 13)]);
        assert_eq!(open(&[10]), [of("c", 14), of("b", 13)]);
        assert_eq!(open(&[13, 9]), [of("a", 10)]);
        assert_eq!(open(&[12, 14]), [of("a", 10)]);
    }
}
