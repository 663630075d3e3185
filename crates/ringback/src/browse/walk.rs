//! Goes through the queues of topics, the oldest message first, and ends where they ended when it began.

use std::collections::VecDeque;

use rocketmq::{Admin, Error, ErrorKind, QueueRef, StoredMessage};

use super::cursor::{Cursor, Place};

/// Messages of one pull.
const PULL: u32 = 32;

/// What lies in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The oldest offset that is still there.
    pub min: i64,
    /// One past the newest.
    pub max: i64,
}

/// A message and the broker that it lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub broker: String,
    /// What.
    pub message: StoredMessage,
}

/// A walk through all queues of some topics.
#[derive(Debug)]
pub struct Walk<'a> {
    admin: &'a Admin,
    heads: Vec<Head>,
    unreadable: u64,
}

/// How far one queue was read.
#[derive(Debug)]
struct Head {
    queue: QueueRef,
    /// The next to pull.
    offset: i64,
    span: Span,
    pulled: VecDeque<StoredMessage>,
    /// The next to take.
    taken: i64,
}

impl<'a> Walk<'a> {
    /// Begins where the cursor says, else at the beginning. A topic that does not exist has no queues.
    ///
    /// # Errors
    /// The broker refuses or is away.
    pub async fn begin(admin: &'a Admin, topics: &[String], after: &Cursor) -> Result<Self, Error> {
        let mut heads = Vec::new();
        for topic in topics {
            let queues = match admin.queues(topic).await {
                Ok(queues) => queues,
                Err(error) if matches!(error.kind(), ErrorKind::TopicNotFound { .. }) => continue,
                Err(error) => return Err(error),
            };
            for queue in queues {
                let span = Span {
                    min: queue.min,
                    max: queue.max,
                };
                let queue = queue.queue();
                let from = after.next(&place(&queue)).unwrap_or(span.min).max(span.min);
                heads.push(Head {
                    queue,
                    offset: from,
                    span,
                    pulled: VecDeque::new(),
                    taken: from,
                });
            }
        }
        Ok(Self {
            admin,
            heads,
            unreadable: 0,
        })
    }

    /// The oldest message that was not taken yet; `None` at the end.
    ///
    /// # Errors
    /// The broker refuses or is away.
    pub async fn next(&mut self) -> Result<Option<Found>, Error> {
        for head in &mut self.heads {
            self.unreadable += head.fill(self.admin).await?;
        }
        let oldest = self
            .heads
            .iter_mut()
            .filter(|head| !head.pulled.is_empty())
            .min_by_key(|head| head.pulled.front().map(|message| message.stored_ms));
        let Some(head) = oldest else { return Ok(None) };
        let Some(message) = head.pulled.pop_front() else {
            return Ok(None);
        };
        head.taken = message.queue_offset + 1;
        Ok(Some(Found {
            broker: head.queue.broker.clone(),
            message,
        }))
    }

    /// Where to go on after what was taken.
    pub fn cursor(&self) -> Cursor {
        let mut cursor = Cursor::default();
        for head in &self.heads {
            cursor.set(place(&head.queue), head.taken);
        }
        cursor
    }

    /// How many of those that were come across can't be decoded, and were stepped over.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// How many messages lie in all queues, and how many queues there are.
    pub fn size(&self) -> (u64, usize) {
        let lie = self
            .heads
            .iter()
            .map(|head| head.span.max.saturating_sub(head.span.min));
        (
            u64::try_from(lie.fold(0, i64::saturating_add)).unwrap_or(0),
            self.heads.len(),
        )
    }
}

impl Head {
    /// Pulls until there is something to take or the end is reached. Says how many it stepped over.
    async fn fill(&mut self, admin: &Admin) -> Result<u64, Error> {
        let mut unreadable = 0;
        while self.pulled.is_empty() && self.offset < self.span.max {
            let pulled = admin.pull(&self.queue, self.offset, PULL).await?;
            if let Some(broken) = &pulled.unreadable {
                unreadable += 1;
                let (topic, broker) = (&self.queue.topic, &self.queue.broker);
                let (queue_id, offset) = (self.queue.queue_id, broken.offset);
                let error = &broken.reason;
                tracing::warn!(event = "message_unreadable", %topic, %broker, queue_id, offset, %error);
            }
            let max = self.span.max;
            let in_time = pulled.messages.into_iter().filter(|m| m.queue_offset < max);
            self.pulled.extend(in_time);
            // A pull that brings nothing must move on all the same, or this would never end.
            self.offset = pulled.next_offset.max(self.offset + 1);
        }
        Ok(unreadable)
    }
}

fn place(queue: &QueueRef) -> Place {
    Place {
        topic: queue.topic.clone(),
        broker: queue.broker.clone(),
        queue_id: queue.queue_id,
    }
}
