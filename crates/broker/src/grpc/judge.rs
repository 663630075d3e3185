//! Which messages are refused, and with which code. Pure; the limits are Apache RocketMQ's.

mod stored;

use rocketmq_wire::limits::{MAX_BODY, MAX_USER_PROPERTIES, MAX_USER_PROPERTY_BYTES};
use rocketmq_wire::properties::RESERVED;
use rocketmq_wire::v2;

use super::refusal::Refusal;
use super::topic_name;
use crate::TopicKind;

/// The topic that all messages of a request name.
pub(super) fn one_topic(messages: &[v2::Message]) -> Result<String, Refusal> {
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

pub(super) fn properties(message: &v2::Message) -> &v2::SystemProperties {
    static NONE: std::sync::OnceLock<v2::SystemProperties> = std::sync::OnceLock::new();
    message
        .system_properties
        .as_ref()
        .unwrap_or_else(|| NONE.get_or_init(Default::default))
}

/// The kind of a message, as its properties say.
pub(super) fn kind(message: &v2::Message) -> v2::MessageType {
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
pub(super) fn check_kind(topic: Option<TopicKind>, kind: v2::MessageType) -> Result<(), Refusal> {
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
pub(super) fn check(message: &v2::Message) -> Result<(), Refusal> {
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
    stored::check_separators(system)?;
    check_user_properties(message, system.tag.as_deref().unwrap_or_default())?;
    stored::check_size(message)
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
    for key in &properties(message).keys {
        bytes += key.len() + 1;
    }
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

    pub(super) fn with(
        change: impl FnOnce(&mut v2::Message, &mut v2::SystemProperties),
    ) -> v2::Message {
        let mut message = message();
        let mut system = message.system_properties.take().unwrap();
        change(&mut message, &mut system);
        message.system_properties = Some(system);
        message
    }

    pub(super) fn code(message: &v2::Message) -> Option<v2::Code> {
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
    fn keys_count_with_the_properties() {
        let keyed = |n: usize| with(|_, s| s.keys = vec!["x".repeat(n)]);
        assert_eq!(code(&keyed(16 * 1024 - 1)), None);
        assert_eq!(
            code(&keyed(16 * 1024)),
            Some(v2::Code::MessagePropertiesTooLarge)
        );
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
