//! One group's dead-letter topic: its queues, as far as they are known, and when to look at it.

use std::time::Instant;

use notification::Group;
use rocketmq::{QueueOffsets, QueueRef, StoredMessage};

use super::letter;
use super::trouble::Trouble;
use crate::alarm::Seldom;
use crate::config::SubscriptionConfig;
use crate::record::dlq::{Dead, Position};

/// A group with what it is subscribed to.
#[derive(Debug)]
pub(super) struct Watched {
    pub group: Group,
    /// `%DLQ%<group>`.
    pub topic: String,
    subscribed: Vec<SubscriptionConfig>,
    pub queues: Vec<Queue>,
    /// When to look for queues again.
    pub look_at: Instant,
    /// Not read before this.
    pub due: Instant,
    /// In a row.
    pub failures: u32,
    pub alarm: Seldom,
}

/// One queue of the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Queue {
    pub queue: QueueRef,
    /// Its first message when it was found.
    pub first: i64,
    /// Where to read on; `None`: the record knows.
    pub offset: Option<i64>,
    pub trouble: Trouble,
}

impl Watched {
    /// The groups of these subscriptions, each once.
    pub(super) fn all(subscriptions: &[SubscriptionConfig]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for subscription in subscriptions {
            match groups
                .iter_mut()
                .find(|one| one.group == subscription.group)
            {
                Some(known) => known.subscribed.push(subscription.clone()),
                None => groups.push(Self::new(subscription)),
            }
        }
        groups
    }

    fn new(subscription: &SubscriptionConfig) -> Self {
        let now = Instant::now();
        Self {
            group: subscription.group.clone(),
            topic: format!("%DLQ%{}", subscription.group),
            subscribed: vec![subscription.clone()],
            queues: Vec::new(),
            look_at: now,
            due: now,
            failures: 0,
            alarm: Seldom::default(),
        }
    }

    /// The queues that there are now; what is known of one is kept.
    pub(super) fn found(&mut self, found: &[QueueOffsets]) {
        let known = std::mem::take(&mut self.queues);
        let queue = |found: &QueueOffsets| {
            let known = known.iter().find(|known| known.queue == found.queue());
            Queue {
                first: found.min,
                offset: known.and_then(|known| known.offset),
                trouble: known.map(|known| known.trouble).unwrap_or_default(),
                queue: found.queue(),
            }
        };
        self.queues = found.iter().map(queue).collect();
    }

    /// What the record calls a queue.
    pub(super) fn position(&self, queue: &Queue) -> Position {
        Position {
            group: self.group.clone(),
            broker: queue.queue.broker.clone(),
            queue_id: queue.queue.queue_id,
        }
    }

    /// What is kept of a message that the record refuses.
    pub(super) fn bare(&self, queue: &QueueRef, message: &StoredMessage) -> Dead {
        letter::bare(&self.group, &self.subscribed, queue, message)
    }

    /// Reads messages of a queue.
    pub(super) fn read(&self, queue: &QueueRef, messages: &[StoredMessage]) -> Vec<Dead> {
        let read = |message| letter::read(&self.group, &self.subscribed, queue, message);
        messages.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Filter;

    fn subscription(group: &str, topic: &str) -> SubscriptionConfig {
        SubscriptionConfig {
            group: group.parse().unwrap(),
            topic: topic.parse().unwrap(),
            endpoint: "bank2".parse().unwrap(),
            filter: Filter::default(),
        }
    }

    fn ends(broker: &str, queue_id: u32, min: i64) -> QueueOffsets {
        QueueOffsets {
            topic: "%DLQ%bank2".into(),
            broker: broker.into(),
            queue_id,
            min,
            max: 9,
        }
    }

    #[test]
    fn a_group_of_several_topics_has_one_dead_letter_topic() {
        let subscriptions = [("a", "one"), ("b", "one"), ("a", "two")];
        let groups = Watched::all(&subscriptions.map(|(group, topic)| subscription(group, topic)));
        let topics: Vec<(&str, usize)> = groups
            .iter()
            .map(|group| (group.topic.as_str(), group.subscribed.len()))
            .collect();
        assert_eq!(topics, [("%DLQ%a", 2), ("%DLQ%b", 1)]);
    }

    #[test]
    fn a_queue_that_is_found_again_is_read_on_and_a_new_one_from_its_beginning() {
        let mut group = Watched::new(&subscription("bank2", "topic_txmsg"));
        group.found(&[ends("broker-a", 0, 0)]);
        group.queues[0].offset = Some(4);
        group.found(&[ends("broker-a", 0, 2), ends("broker-b", 0, 3)]);
        let known: Vec<_> = group.queues.iter().map(|q| (q.first, q.offset)).collect();
        assert_eq!(known, [(2, Some(4)), (3, None)]);
        group.found(&[]);
        assert_eq!(group.queues, []);
    }
}
