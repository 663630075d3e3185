//! Taking messages in: judged first, on disk before the answer.

use std::time::Duration;

use rocketmq_wire::limits::{MAX_BODY, MAX_DELAY, MAX_TRANSACTION_RECOVERY};
use rocketmq_wire::properties::TRANSACTION_ID;
use rocketmq_wire::v2;
use tonic::Request;

use super::judge::{check, check_kind, kind, one_topic, properties};
use super::recall::RecallHandle;
use super::refusal::{self, Refusal};
use super::{Service, client_id, delivery};
use crate::clock::{UnixMs, millis};
use crate::writer::op::{NewMessage, Op};
use crate::{TopicKind, names};

impl Service {
    pub(super) async fn answer_send(
        &self,
        request: Request<v2::SendMessageRequest>,
    ) -> v2::SendMessageResponse {
        match self.send(request).await {
            Ok(entry) => v2::SendMessageResponse {
                status: Some(refusal::ok()),
                entries: vec![entry],
            },
            Err(refused) => v2::SendMessageResponse {
                status: refused.into(),
                entries: Vec::new(),
            },
        }
    }

    async fn send(
        &self,
        request: Request<v2::SendMessageRequest>,
    ) -> Result<v2::SendResultEntry, Refusal> {
        client_id(&request)?;
        let mut messages = request.into_inner().messages;
        let topic_name = one_topic(&messages)?;
        for message in &messages {
            check(message)?;
        }
        let topic = self.catalog.topic(&topic_name);
        if topic.is_none() && names::is_group_topic(&topic_name) {
            // The proxy's own answer.
            let why = format!("no route to topic {topic_name}. NullPointerException");
            return Err(Refusal::server_error(why));
        }
        for message in &messages {
            check_kind(topic.map(|topic| topic.kind), kind(message))?;
        }
        let topic = topic.ok_or_else(|| refusal::no_such_topic(&topic_name))?;
        let id = properties(&messages[0]).message_id.clone();
        if topic.kind == TopicKind::Delay {
            if messages.len() > 1 {
                let why = "Delayed messages are not supported for batching";
                return Err(Refusal::server_error(why));
            }
            return self.delay(topic.id, &topic_name, messages.remove(0)).await;
        }
        if topic.kind == TopicKind::Transaction {
            if messages.len() > 1 {
                return Err(Refusal::server_error(
                    "the message is illegal, maybe msg body or properties length not matched: \
                     a half message goes alone",
                ));
            }
            if properties(&messages[0]).delivery_timestamp.is_some() {
                return Err(Refusal::unsupported(
                    "a half message cannot have a delivery time: its check-back would name a topic \
                     that no client publishes",
                ));
            }
            let half = self.hold(topic.id, &id, messages.remove(0)).await?;
            return Ok(entry(id.clone(), id, half));
        }
        if messages
            .iter()
            .map(|message| message.body.len())
            .sum::<usize>()
            > MAX_BODY
        {
            return Err(Refusal::server_error("message body size exceeded"));
        }
        // A batch is known by an id of the broker's own; its messages keep theirs.
        let shown = if messages.len() > 1 {
            delivery::batch_id()
        } else {
            id.clone()
        };
        let messages = messages.into_iter().map(stored).collect();
        let offset = self
            .queue
            .ask(|reply| Op::Append {
                topic: topic.id,
                messages,
                reply,
            })
            .await?;
        Ok(entry(shown, id, offset))
    }

    /// A message whose time is over is delivered at once.
    async fn delay(
        &self,
        topic: u32,
        topic_name: &str,
        mut message: v2::Message,
    ) -> Result<v2::SendResultEntry, Refusal> {
        let asked = properties(&message).delivery_timestamp.unwrap_or_default();
        let due_ms = due_ms(asked);
        let most = millis(MAX_DELAY);
        if due_ms > self.clock.now_ms().saturating_add(most) {
            return Err(Refusal::new(
                v2::Code::IllegalDeliveryTime,
                format!("the max delay time of message is too large, max is {most}"),
            ));
        }
        let message_id = properties(&message).message_id.clone();
        let id = message_id.clone();
        message
            .system_properties
            .get_or_insert_default()
            .set_message_type(v2::MessageType::Delay);
        let message = stored(message);
        let number = self
            .queue
            .ask(|reply| Op::Delay {
                topic,
                message_id,
                message,
                due_ms,
                reply,
            })
            .await?;
        let handle = RecallHandle {
            topic: topic_name.to_owned(),
            due_ms,
            message_id: id.clone(),
        };
        Ok(v2::SendResultEntry {
            recall_handle: handle.to_string(),
            ..entry(id.clone(), id, number)
        })
    }

    async fn hold(&self, topic: u32, id: &str, mut message: v2::Message) -> Result<u64, Refusal> {
        let check_after = match properties(&message).orphaned_transaction_recovery_duration {
            None => self.rules.check_after,
            Some(asked) => recovery(asked)?,
        };
        message
            .user_properties
            .insert(TRANSACTION_ID.into(), id.into());
        let (transaction_id, message) = (id.to_owned(), stored(message));
        let check_after_ms = millis(check_after);
        let hold = |reply| Op::Hold {
            topic,
            transaction_id,
            message,
            check_after_ms,
            reply,
        };
        Ok(self.queue.ask(hold).await?)
    }
}

fn entry(message_id: String, transaction_id: String, offset: u64) -> v2::SendResultEntry {
    v2::SendResultEntry {
        status: Some(refusal::ok()),
        message_id,
        transaction_id,
        offset: i64::try_from(offset).unwrap_or(i64::MAX),
        recall_handle: String::new(),
    }
}

/// The message as it is stored.
fn stored(message: v2::Message) -> NewMessage {
    let tag = properties(&message).tag.clone().unwrap_or_default();
    NewMessage {
        tag,
        message: delivery::encode(message),
    }
}

/// The first millisecond that is not before the asked time.
fn due_ms(asked: prost_types::Timestamp) -> UnixMs {
    let seconds = u64::try_from(asked.seconds).unwrap_or_default();
    let nanos = u64::try_from(asked.nanos).unwrap_or_default();
    seconds
        .saturating_mul(1000)
        .saturating_add(nanos.div_ceil(1_000_000))
}

fn recovery(asked: prost_types::Duration) -> Result<Duration, Refusal> {
    let asked = Duration::try_from(asked).unwrap_or(Duration::ZERO);
    if asked > MAX_TRANSACTION_RECOVERY {
        let most = MAX_TRANSACTION_RECOVERY.as_secs();
        return Err(Refusal::new(
            v2::Code::BadRequest,
            format!("the max transaction recovery time of message is too large, max is {most}"),
        ));
    }
    Ok(asked)
}
