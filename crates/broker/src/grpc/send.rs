//! Taking messages in: judged first, on disk before the answer.

use std::time::Duration;

use rocketmq_wire::limits::{
    MAX_BODY, MAX_TRANSACTION_RECOVERY, MAX_USER_PROPERTIES, MAX_USER_PROPERTY_BYTES,
};
use rocketmq_wire::properties::{RESERVED, TRANSACTION_ID};
use rocketmq_wire::v2;
use tonic::Request;

use super::refusal::{self, Refusal};
use super::{Service, client_id, delivery, topic_name};
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

/// The topic that all messages of a request name.
fn one_topic(messages: &[v2::Message]) -> Result<String, Refusal> {
    let corrupted = |why: &str| Refusal::new(v2::Code::MessageCorrupted, why);
    let (first, rest) = messages
        .split_first()
        .ok_or_else(|| corrupted("no message to send"))?;
    let name = topic_name(first.topic.as_ref())?;
    let same = |message: &v2::Message| {
        message
            .topic
            .as_ref()
            .is_some_and(|topic| topic.name == name)
    };
    if !rest.iter().all(same) {
        return Err(corrupted("topic in message is not same"));
    }
    Ok(name)
}

fn properties(message: &v2::Message) -> &v2::SystemProperties {
    static NONE: std::sync::OnceLock<v2::SystemProperties> = std::sync::OnceLock::new();
    message
        .system_properties
        .as_ref()
        .unwrap_or_else(|| NONE.get_or_init(Default::default))
}

fn has_delivery_time(message: &v2::Message) -> bool {
    properties(message).delivery_timestamp.is_some()
}

/// The kind of a message, as its properties say.
fn kind(message: &v2::Message) -> v2::MessageType {
    let properties = properties(message);
    if properties.message_type() == v2::MessageType::Transaction {
        v2::MessageType::Transaction
    } else if properties.delivery_timestamp.is_some() {
        v2::MessageType::Delay
    } else if properties
        .message_group
        .as_deref()
        .is_some_and(|group| !group.is_empty())
    {
        v2::MessageType::Fifo
    } else {
        v2::MessageType::Normal
    }
}

/// A topic takes its own kind alone. An unknown topic is refused with the same code.
fn check_kind(topic: Option<TopicKind>, kind: v2::MessageType) -> Result<(), Refusal> {
    let expected = match topic {
        Some(TopicKind::Normal) => v2::MessageType::Normal,
        Some(TopicKind::Transaction) => v2::MessageType::Transaction,
        Some(TopicKind::Delay) => v2::MessageType::Delay,
        None => v2::MessageType::Unspecified,
    };
    if expected == kind {
        return Ok(());
    }
    let expected = if topic.is_some() {
        expected.as_str_name()
    } else {
        "UNSPECIFIED"
    };
    Err(Refusal::new(
        v2::Code::MessagePropertyConflictWithType,
        format!(
            "TopicMessageType validate failed, the expected type is {expected}, but actual type is {}",
            kind.as_str_name()
        ),
    ))
}

/// The limits that hold for every message.
fn check(message: &v2::Message) -> Result<(), Refusal> {
    use v2::Code;
    let refuse = |code, why: String| Err(Refusal::new(code, why));
    let system = properties(message);
    if system.message_id.trim().is_empty() {
        return refuse(Code::IllegalMessageId, "message id cannot be empty".into());
    }
    if message.body.is_empty() {
        return refuse(
            Code::MessageBodyEmpty,
            "message body cannot be empty".into(),
        );
    }
    if message.body.len() > MAX_BODY {
        return refuse(
            Code::MessageBodyTooLarge,
            format!("message body cannot exceed the max {MAX_BODY}"),
        );
    }
    if let Some(tag) = system.tag.as_deref().filter(|tag| !tag.is_empty()) {
        if tag.trim().is_empty() {
            return refuse(
                Code::IllegalMessageTag,
                "tag cannot be the char sequence of whitespace".into(),
            );
        }
        if tag.contains('|') {
            return refuse(Code::IllegalMessageTag, "tag cannot contain '|'".into());
        }
    }
    check_user_properties(message, system.tag.as_deref().unwrap_or_default())
}

fn check_user_properties(message: &v2::Message, tag: &str) -> Result<(), Refusal> {
    use v2::Code;
    let refuse = |code, why: String| Err(Refusal::new(code, why));
    let user = &message.user_properties;
    if user.len() > MAX_USER_PROPERTIES {
        let why = format!("too many user properties, max is {MAX_USER_PROPERTIES}");
        return refuse(Code::MessagePropertiesTooLarge, why);
    }
    let mut bytes = tag.len();
    for (key, value) in user {
        if RESERVED.contains(&key.as_str()) {
            return refuse(
                Code::IllegalMessagePropertyKey,
                format!("property is used by system: {key}"),
            );
        }
        for (what, text) in [("key", key), ("value", value)] {
            if text.chars().any(char::is_control) {
                let why = format!("the {what} of property cannot contain control character");
                return refuse(Code::IllegalMessagePropertyKey, why);
            }
        }
        bytes += key.len() + value.len();
    }
    if bytes > MAX_USER_PROPERTY_BYTES {
        let why = format!(
            "the total size of user property is too large, max is {MAX_USER_PROPERTY_BYTES}"
        );
        return refuse(Code::MessagePropertiesTooLarge, why);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> v2::Message {
        v2::Message {
            topic: Some(rocketmq_wire::resource("t")),
            body: "body".into(),
            system_properties: Some(v2::SystemProperties {
                message_id: "m".into(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn with(change: impl FnOnce(&mut v2::Message, &mut v2::SystemProperties)) -> v2::Message {
        let mut message = message();
        let mut system = message.system_properties.take().unwrap();
        change(&mut message, &mut system);
        message.system_properties = Some(system);
        message
    }

    fn code(message: &v2::Message) -> Option<v2::Code> {
        check(message).err().map(|refused| refused.code)
    }

    #[test]
    fn limits_hold_at_their_edge_and_not_before() {
        use v2::Code;
        assert_eq!(code(&message()), None);
        assert_eq!(code(&with(|m, _| m.body = vec![0; MAX_BODY].into())), None);
        assert_eq!(
            code(&with(|m, _| m.body = vec![0; MAX_BODY + 1].into())),
            Some(Code::MessageBodyTooLarge)
        );
        assert_eq!(
            code(&with(|m, _| m.body = Default::default())),
            Some(Code::MessageBodyEmpty)
        );
        assert_eq!(
            code(&with(|_, s| s.message_id = " ".into())),
            Some(Code::IllegalMessageId)
        );
        assert_eq!(
            code(&with(|_, s| s.tag = Some("a|b".into()))),
            Some(Code::IllegalMessageTag)
        );
        assert_eq!(
            code(&with(|_, s| s.tag = Some("  ".into()))),
            Some(Code::IllegalMessageTag)
        );
        assert_eq!(code(&with(|_, s| s.tag = Some("a b".into()))), None);
        let properties = |n: usize| {
            with(|m, _| m.user_properties = (0..n).map(|i| (i.to_string(), "".into())).collect())
        };
        assert_eq!(code(&properties(128)), None);
        assert_eq!(
            code(&properties(129)),
            Some(Code::MessagePropertiesTooLarge)
        );
        let long =
            |n: usize| with(|m, _| drop(m.user_properties.insert("k".into(), "v".repeat(n))));
        assert_eq!(code(&long(16 * 1024 - 1)), None);
        assert_eq!(
            code(&long(16 * 1024)),
            Some(Code::MessagePropertiesTooLarge)
        );
        let key =
            |key: &str| with(|m, _| drop(m.user_properties.insert(key.into(), String::new())));
        assert_eq!(
            code(&key("UNIQ_KEY")),
            Some(Code::IllegalMessagePropertyKey)
        );
        assert_eq!(code(&key("a\u{7}")), Some(Code::IllegalMessagePropertyKey));
        assert_eq!(code(&key("")), None);
    }

    #[test]
    fn a_topic_takes_its_own_kind_alone() {
        let half = with(|_, s| s.set_message_type(v2::MessageType::Transaction));
        assert_eq!(
            check_kind(Some(TopicKind::Transaction), kind(&half)),
            Ok(())
        );
        let refused = check_kind(Some(TopicKind::Normal), kind(&half)).unwrap_err();
        assert_eq!(refused.code, v2::Code::MessagePropertyConflictWithType);
        assert!(
            refused
                .message
                .contains("expected type is NORMAL, but actual type is TRANSACTION")
        );
        assert!(
            check_kind(None, kind(&message()))
                .unwrap_err()
                .message
                .contains("UNSPECIFIED")
        );
        let fifo = with(|_, s| s.message_group = Some("g".into()));
        assert!(check_kind(Some(TopicKind::Normal), kind(&fifo)).is_err());
    }
}
