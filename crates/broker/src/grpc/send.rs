//! Taking messages in: judged first, on disk before the answer.

use std::time::Duration;

use rocketmq_wire::limits::{MAX_BODY, MAX_TRANSACTION_RECOVERY};
use rocketmq_wire::properties::TRANSACTION_ID;
use rocketmq_wire::v2;
use tonic::Request;

use super::judge::{check, check_kind, has_delivery_time, kind, one_topic, properties};
use super::refusal::{self, Refusal};
use super::{Service, client_id, delivery};
use crate::TopicKind;
use crate::clock::millis;
use crate::writer::op::{NewMessage, Op};

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
        for message in &messages {
            check_kind(topic.map(|topic| topic.kind), kind(message))?;
        }
        let topic = topic.ok_or_else(|| refusal::no_such_topic(&topic_name))?;
        if topic.kind == TopicKind::Delay || messages.iter().any(has_delivery_time) {
            return Err(Refusal::unsupported(
                "this broker takes no delayed messages",
            ));
        }
        let id = properties(&messages[0]).message_id.clone();
        if topic.kind == TopicKind::Transaction {
            if messages.len() > 1 {
                return Err(Refusal::server_error(
                    "a half message goes alone: the message is illegal",
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
