//! Offsets, and reading any queue by them. Nothing moves by being read: no cursor, no lease, no
//! count.

use std::net::SocketAddr;

use bytes::BytesMut;
use rocketmq_wire::remoting::{
    ConsumerOffsetRequest, End, Frame, GROUP_NOT_FOUND, INVALID_PARAMETER, OffsetRequest,
    PullAnswer, PullOutcome, PullRequest, QUERY_NOT_FOUND, SUCCESS, SetConsumerOffset, with_offset,
};

use super::stored::stored;
use super::{Refused, Remoting};
use crate::StoreError;
use crate::names::HALF_TOPIC;
use crate::store::browse::{Ends, Look, Page};
use crate::store::tables::HALVES_TOPIC;
use crate::writer::op::Op;

/// The topic's only queue.
const QUEUE: u32 = 0;

impl Remoting {
    /// Looks at the store on a thread that may wait for the disk.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(Look) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let store = self.store.clone();
        let looked = self
            .reads
            .spawn_blocking(move || look(Look::at(&store)?))
            .await;
        looked.unwrap_or_else(|_| Err(StoreError::Unanswered.into()))
    }

    /// The number of a topic in the store.
    fn topic_id(&self, topic: &str) -> Option<u32> {
        if topic == HALF_TOPIC {
            return Some(HALVES_TOPIC);
        }
        self.catalog.topic(topic).map(|topic| topic.id)
    }

    /// An end of a queue; as with Apache RocketMQ it is 0 for a queue that does not exist.
    pub(super) async fn end(&self, request: &Frame) -> Result<Frame, Refused> {
        let asked = OffsetRequest::from_frame(request)?;
        let offset = match self.topic_id(&asked.topic) {
            Some(topic) if asked.queue_id == QUEUE => {
                let ends = self.look(move |look| Ok(look.ends(topic)?)).await?;
                match asked.end {
                    End::First => ends.first,
                    End::Next => ends.next,
                }
            }
            _ => 0,
        };
        Ok(with_offset(request.response(SUCCESS, None), number(offset)))
    }

    /// The first message that a group never received.
    pub(super) async fn consumer_offset(&self, request: &Frame) -> Result<Frame, Refused> {
        let asked = ConsumerOffsetRequest::from_frame(request)?;
        let group = self.catalog.group(&asked.group);
        let (Some(group), Some(topic), QUEUE) =
            (group, self.topic_id(&asked.topic), asked.queue_id)
        else {
            return Err(never_received());
        };
        let offset = self.look(move |look| {
            let first = look.ends(topic)?.first;
            Ok(match look.cursor(group.id, topic)? {
                None if asked.or_zero && first == 0 => Some(0),
                cursor => cursor,
            })
        });
        let offset = offset.await?.ok_or_else(never_received)?;
        Ok(with_offset(request.response(SUCCESS, None), number(offset)))
    }

    /// Sets the first message that a group receives; its leases stay.
    pub(super) async fn set_consumer_offset(&self, request: &Frame) -> Result<Frame, Refused> {
        let asked = SetConsumerOffset::from_frame(request)?;
        let topic = self
            .catalog
            .topic(&asked.topic)
            .ok_or_else(|| Refused::no_such_topic(&asked.topic))?;
        if self.catalog.group(&asked.group).is_none() {
            return Err(Refused {
                code: GROUP_NOT_FOUND,
                why: format!("Group {} not exist!", asked.group),
            });
        }
        let outside = || Refused {
            code: INVALID_PARAMETER,
            why: format!(
                "offset {} of queue {} lies outside of topic {}",
                asked.offset, asked.queue_id, asked.topic
            ),
        };
        let offset = u64::try_from(asked.offset).map_err(|_| outside())?;
        let next = self.look(move |look| Ok(look.ends(topic.id)?.next)).await?;
        if asked.queue_id != QUEUE || offset > next {
            return Err(outside());
        }
        let (group, topic) = (asked.group, topic.id);
        let set = self.queue.ask(|reply| Op::Place {
            group,
            topic,
            offset,
            reply,
        });
        set.await?;
        Ok(request.response(SUCCESS, None))
    }

    /// Messages from an offset on.
    pub(super) async fn pull(&self, request: &Frame, itself: SocketAddr) -> Result<Frame, Refused> {
        let asked = PullRequest::from_frame(request)?;
        let topic = self
            .topic_id(&asked.topic)
            .ok_or_else(|| Refused::no_such_topic(&asked.topic))?;
        if asked.queue_id != QUEUE {
            return Err(Refused {
                code: INVALID_PARAMETER,
                why: format!(
                    "queueId[{}] is illegal, topic:[{}] topicConfig.readQueueNums:[1]",
                    asked.queue_id, asked.topic
                ),
            });
        }
        let catalog = self.catalog.clone();
        let answer = self.look(move |look| {
            let ends = look.ends(topic)?;
            let Some(from) = inside(asked.offset, ends) else {
                return Ok(outside(asked.offset, ends));
            };
            let max = usize::try_from(asked.max).unwrap_or(usize::MAX);
            let page = if topic == HALVES_TOPIC {
                look.halves(from, max, |name| catalog.topic(name).map(|topic| topic.id))?
            } else {
                look.messages(topic, from, max)?
            };
            found(&asked.topic, &page, itself)
        });
        Ok(answer.await?.to_frame(request))
    }
}

/// The offset, if messages may lie from there on.
fn inside(offset: i64, ends: Ends) -> Option<u64> {
    let offset = u64::try_from(offset).ok()?;
    (ends.first..ends.next).contains(&offset).then_some(offset)
}

/// The answer to an offset outside of the queue: where the queue is.
fn outside(offset: i64, ends: Ends) -> PullAnswer {
    let (first, next) = (number(ends.first), number(ends.next));
    PullAnswer {
        outcome: if offset == next {
            PullOutcome::NotFound
        } else {
            PullOutcome::OffsetMoved
        },
        next_offset: offset.max(first).min(next),
        min_offset: first,
        max_offset: next,
        messages: bytes::Bytes::new(),
    }
}

fn found(topic: &str, page: &Page, itself: SocketAddr) -> Result<PullAnswer, Refused> {
    let mut messages = BytesMut::new();
    for seen in &page.messages {
        let mut message = stored(topic, seen, itself)?;
        // What an earlier version accepted; a queue that holds it should be readable all the same.
        if message.encode(&mut messages).is_err() {
            message.fit_properties();
            message.encode(&mut messages).map_err(Refused::failed)?;
        }
    }
    Ok(PullAnswer {
        outcome: if messages.is_empty() {
            PullOutcome::Retry
        } else {
            PullOutcome::Found
        },
        next_offset: number(page.next),
        min_offset: number(page.ends.first),
        max_offset: number(page.ends.next),
        messages: messages.freeze(),
    })
}

fn never_received() -> Refused {
    Refused {
        code: QUERY_NOT_FOUND,
        why: "Not found, maybe this group consumer boot first".to_owned(),
    }
}

fn number(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use rocketmq_wire::{SHORTENED, StoredMessage, v2};

    use super::*;
    use crate::store::browse::Seen;
    use crate::store::record::Record;

    #[test]
    fn a_page_is_handed_out_whatever_properties_a_message_has() {
        let message = |system| {
            let message = v2::Message {
                system_properties: Some(system),
                body: "body".into(),
                ..Default::default()
            };
            let message = message.encode_to_vec();
            let record = Record {
                store_ms: 1,
                base: 0,
                tag: "",
                origin: "",
                message: &message,
            };
            Seen {
                offset: 0,
                record: record.to_vec(),
                checks: 0,
            }
        };
        let odd = v2::SystemProperties {
            message_id: "a\u{1}b".into(),
            ..Default::default()
        };
        let long = v2::SystemProperties {
            message_id: "long".into(),
            trace_context: Some("x".repeat(60_000)),
            ..Default::default()
        };
        let page = Page {
            ends: Ends { first: 0, next: 2 },
            messages: vec![message(odd), message(long)],
            next: 2,
        };
        let itself = ([127, 0, 0, 1], 1).into();
        let answer = found("t", &page, itself).unwrap();
        let read = StoredMessage::decode_all(&answer.messages).unwrap();
        let ids: Vec<_> = read.iter().map(|read| read.message_id()).collect();
        assert_eq!(ids, [Some("a\u{FFFD}b"), Some("long")]);
        assert_eq!(read[1].properties[SHORTENED], "TRACE_CONTEXT");
    }

    #[test]
    fn what_is_outside_of_a_queue_is_sent_to_its_nearer_end() {
        let ends = Ends { first: 2, next: 5 };
        let next = |offset| outside(offset, ends).next_offset;
        assert_eq!((next(-1), next(1), next(5), next(9)), (2, 2, 5, 5));
        // A store whose ends contradict each other is no reason to fall over.
        let ends = Ends { first: 5, next: 0 };
        assert_eq!(outside(3, ends).next_offset, 0);
    }
}
