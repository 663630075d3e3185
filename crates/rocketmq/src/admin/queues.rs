//! Queues by offset: where they begin and end, what lies in them, how far a group has come.

use rocketmq_wire::StoredMessage;
use rocketmq_wire::remoting::{
    ConsumerOffsetRequest, End, OffsetRequest, PullAnswer, PullRequest, QUERY_NOT_FOUND,
    SetConsumerOffset, offset,
};

use super::cluster::BrokerNode;
use super::{Admin, done, done_with_topic, unreadable};
use crate::error::{Error, ErrorKind};

/// Names one queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueRef {
    /// The topic.
    pub topic: String,
    /// The broker's name.
    pub broker: String,
    /// The queue's number there, from 0.
    pub queue_id: u32,
}

/// A queue's ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueOffsets {
    /// The topic.
    pub topic: String,
    /// The broker's name.
    pub broker: String,
    /// The queue's number there, from 0.
    pub queue_id: u32,
    /// Its first message that is still kept.
    pub min: i64,
    /// Where its next message goes; with `min` the same, it is empty.
    pub max: i64,
}

impl QueueOffsets {
    /// The queue's name.
    #[must_use]
    pub fn queue(&self) -> QueueRef {
        QueueRef {
            topic: self.topic.clone(),
            broker: self.broker.clone(),
            queue_id: self.queue_id,
        }
    }
}

/// A stored message that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its place in the queue.
    pub offset: i64,
    /// What is wrong with it.
    pub reason: String,
}

/// What lay in a queue from an offset on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The messages; maybe fewer than asked for although there are more.
    pub messages: Vec<StoredMessage>,
    /// The first message could not be read; `messages` is empty then, and `next_offset` behind it.
    pub unreadable: Option<Unreadable>,
    /// Where to go on. If it is not beyond the offset that was asked for, there is nothing more, or
    /// the queue has become shorter.
    pub next_offset: i64,
    /// The queue's first message that is still kept: what was before is gone.
    pub min_offset: i64,
    /// Where the queue's next message goes.
    pub max_offset: i64,
}

impl Admin {
    /// The queues of a topic, of all brokers that have it, with their ends.
    ///
    /// # Errors
    /// [`ErrorKind::TopicNotFound`], or when a broker cannot be asked.
    pub async fn queues(&self, topic: &str) -> Result<Vec<QueueOffsets>, Error> {
        const OPERATION: &str = "find the ends of queues";
        let route = match self.topic_route(topic).await? {
            Some(route) => Some(route),
            // A broker tells name servers of what it made itself a while later.
            None => self.route_of_brokers(topic).await?,
        };
        let Some(route) = route else {
            let topic = topic.to_owned();
            return Err(Error::new(OPERATION, ErrorKind::TopicNotFound { topic }));
        };
        let mut queues = Vec::new();
        for at in route.queues {
            let broker = self.broker(&at.broker).await?;
            for queue_id in 0..at.read_queues {
                let end = |end| OffsetRequest {
                    end,
                    topic: topic.to_owned(),
                    queue_id,
                };
                queues.push(QueueOffsets {
                    topic: topic.to_owned(),
                    broker: broker.name.clone(),
                    queue_id,
                    min: self.end(&broker, &end(End::First)).await?,
                    max: self.end(&broker, &end(End::Next)).await?,
                });
            }
        }
        Ok(queues)
    }

    async fn end(&self, broker: &BrokerNode, request: &OffsetRequest) -> Result<i64, Error> {
        const OPERATION: &str = "find the end of a queue";
        let answer = self.ask(OPERATION, broker, request.to_frame(0)).await?;
        let answer = done_with_topic(OPERATION, &request.topic, answer)?;
        offset(&answer).map_err(|error| unreadable(OPERATION, &broker.address, error))
    }

    /// Reads at most `max` messages of a queue from `offset` on, and moves nothing: any topic,
    /// dead letters (`%DLQ%<group>`) and half messages (`RMQ_SYS_TRANS_HALF_TOPIC`) too. Servers
    /// stop at a few hundred kilobytes. A page ends before a message that cannot be read; the page
    /// that begins with it is [`Pulled::unreadable`] alone, and goes on behind it.
    ///
    /// # Errors
    /// [`ErrorKind::TopicNotFound`], or when the broker refuses or cannot be asked.
    pub async fn pull(&self, queue: &QueueRef, offset: i64, max: u32) -> Result<Pulled, Error> {
        const OPERATION: &str = "read a queue";
        let broker = self.broker(&queue.broker).await?;
        let request = PullRequest {
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
            offset,
            max,
        };
        let frame = self.ask(OPERATION, &broker, request.to_frame(0)).await?;
        let answer = PullAnswer::from_frame(&frame)
            .map_err(|error| unreadable(OPERATION, &broker.address, error))?;
        let Some(answer) = answer else {
            let refused = done_with_topic(OPERATION, &queue.topic, frame).err();
            return Err(refused
                .unwrap_or_else(|| unreadable(OPERATION, &broker.address, "no pull's answer")));
        };
        let (messages, broken) = StoredMessage::decode_sound(&answer.messages);
        let (next_offset, unreadable) = match (broken, messages.last()) {
            (None, _) => (answer.next_offset, None),
            // What is broken begins the next page.
            (Some(_), Some(last)) => (last.queue_offset.saturating_add(1), None),
            (Some(error), None) => {
                // What a broken message says of its place may be as broken.
                let first = offset.max(answer.min_offset);
                let said = error.queue_offset;
                let place = said.filter(|said| (first..answer.next_offset).contains(said));
                let broken = Unreadable {
                    offset: place.unwrap_or(first),
                    reason: error.to_string(),
                };
                (broken.offset.saturating_add(1), Some(broken))
            }
        };
        Ok(Pulled {
            messages,
            unreadable,
            next_offset,
            min_offset: answer.min_offset,
            max_offset: answer.max_offset,
        })
    }

    /// The first message of a queue that a group has not received (on Apache RocketMQ: not
    /// settled); nothing if it never received any there.
    ///
    /// # Errors
    /// When the broker refuses or does not answer.
    pub async fn group_offset(&self, group: &str, queue: &QueueRef) -> Result<Option<i64>, Error> {
        const OPERATION: &str = "find a group's offset";
        let broker = self.broker(&queue.broker).await?;
        let request = ConsumerOffsetRequest {
            group: group.to_owned(),
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
            or_zero: false,
        };
        let answer = self.ask(OPERATION, &broker, request.to_frame(0)).await?;
        if answer.code == QUERY_NOT_FOUND {
            return Ok(None);
        }
        let found = offset(&done(OPERATION, answer)?);
        let found = found.map_err(|error| unreadable(OPERATION, &broker.address, error))?;
        Ok(Some(found))
    }

    /// Sets the first message of a queue that a group receives next; what it holds already stays
    /// with it. Meant for a group that has no offset there yet: one that is receiving may have
    /// moved on meanwhile, and is set back.
    ///
    /// # Errors
    /// [`ErrorKind::TopicNotFound`], [`ErrorKind::GroupNotFound`], or when the broker refuses or
    /// does not answer.
    pub async fn set_group_offset(
        &self,
        group: &str,
        queue: &QueueRef,
        offset: i64,
    ) -> Result<(), Error> {
        const OPERATION: &str = "set a group's offset";
        let broker = self.broker(&queue.broker).await?;
        let request = SetConsumerOffset {
            group: group.to_owned(),
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
            offset,
        };
        let answer = self.ask(OPERATION, &broker, request.to_frame(0)).await?;
        done_with_topic(OPERATION, &queue.topic, answer).map(drop)
    }
}
