//! Which messages are refused, and with which code. Pure; the limits are Apache RocketMQ's.

use prost::Message as _;
use rocketmq_wire::limits::{MAX_BODY, MAX_USER_PROPERTIES, MAX_USER_PROPERTY_BYTES};
use rocketmq_wire::properties::{MESSAGE_GROUP, RESERVED, TRACE_CONTEXT, TRANSACTION_ID};
use rocketmq_wire::{KEYS, MAX_PROPERTIES, TAGS, UNIQUE_KEY, may_be_property, property_size, v2};

use super::refusal::Refusal;
use super::topic_name;
use crate::TopicKind;

/// The most that a message may weigh besides its body: what names, keys, properties, trace context
/// and hosts come to. Apache RocketMQ stores them with a 16-bit length. Without this limit one
/// message could grow so large that no receive could ever carry it.
const MAX_ENVELOPE: usize = 64 * 1024;

/// The most that its properties may take as they are stored, where a length has 16 bits with a sign;
/// the rest is for what the broker adds.
const MAX_STORED: usize = MAX_PROPERTIES - 1024;

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
    check_separators(system)?;
    check_user_properties(message, system.tag.as_deref().unwrap_or_default())?;
    let envelope = message.encoded_len().saturating_sub(message.body.len());
    if envelope > MAX_ENVELOPE {
        let why = format!(
            "the message without its body takes {envelope} bytes (keys, ids, trace context, \
             properties), max is {MAX_ENVELOPE}"
        );
        return refuse(Code::MessagePropertiesTooLarge, why);
    }
    let stored = stored_size(message);
    if stored > MAX_STORED {
        let why = format!(
            "id, keys, tag, trace context, message group and properties take {stored} bytes as \
             they are stored, max is {MAX_STORED}"
        );
        return refuse(Code::MessagePropertiesTooLarge, why);
    }
    Ok(())
}

/// What is a property where messages are stored can't hold the bytes that lie between properties.
fn check_separators(system: &v2::SystemProperties) -> Result<(), Refusal> {
    use v2::Code;
    let optional = |text: &Option<String>| text.as_deref().is_none_or(may_be_property);
    let sound = [
        (
            "message id",
            Code::IllegalMessageId,
            may_be_property(&system.message_id),
        ),
        ("tag", Code::IllegalMessageTag, optional(&system.tag)),
        (
            "key",
            Code::IllegalMessageKey,
            system.keys.iter().all(|key| may_be_property(key)),
        ),
        (
            "message group",
            Code::IllegalMessageGroup,
            optional(&system.message_group),
        ),
        (
            "trace context",
            Code::IllegalMessagePropertyKey,
            optional(&system.trace_context),
        ),
    ];
    match sound.into_iter().find(|(_, _, sound)| !sound) {
        Some((what, code, _)) => Err(Refusal::new(
            code,
            format!("{what} cannot contain the control characters 0x01 and 0x02"),
        )),
        None => Ok(()),
    }
}

/// How many bytes the message's properties take where it is stored, without what the broker adds.
fn stored_size(message: &v2::Message) -> usize {
    let system = properties(message);
    let user = message.user_properties.iter();
    let user = user.map(|(key, value)| property_size(key, value));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let own = [
        (UNIQUE_KEY, system.message_id.clone()),
        // Of a half: its transaction's id.
        (TRANSACTION_ID, system.message_id.clone()),
        (KEYS, system.keys.join(" ")),
        (TAGS, text(&system.tag)),
        (TRACE_CONTEXT, text(&system.trace_context)),
        (MESSAGE_GROUP, text(&system.message_group)),
    ];
    let own = own
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| property_size(name, value));
    user.chain(own).sum()
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
    fn what_lies_between_stored_properties_is_in_none_of_them() {
        use v2::Code;
        for separator in ["a\u{1}b", "a\u{2}b"] {
            let odd = || separator.to_owned();
            for (message, expected) in [
                (with(|_, s| s.message_id = odd()), Code::IllegalMessageId),
                (with(|_, s| s.tag = Some(odd())), Code::IllegalMessageTag),
                (
                    with(|_, s| s.keys = vec!["k".into(), odd()]),
                    Code::IllegalMessageKey,
                ),
                (
                    with(|_, s| s.message_group = Some(odd())),
                    Code::IllegalMessageGroup,
                ),
                (
                    with(|_, s| s.trace_context = Some(odd())),
                    Code::IllegalMessagePropertyKey,
                ),
            ] {
                assert_eq!(code(&message), Some(expected), "{message:?}");
            }
        }
    }

    #[test]
    fn properties_fit_where_they_are_stored() {
        let traced = |n: usize| with(|_, s| s.trace_context = Some("x".repeat(n)));
        // The id counts twice: a half's is its transaction's too.
        let rest = stored_size(&traced(1)) - 1;
        assert_eq!(code(&traced(MAX_STORED - rest)), None);
        assert_eq!(
            code(&traced(MAX_STORED - rest + 1)),
            Some(v2::Code::MessagePropertiesTooLarge)
        );
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
    fn whatever_is_not_body_is_limited_as_a_whole() {
        let long = || "x".repeat(MAX_ENVELOPE);
        let too_large = Some(v2::Code::MessagePropertiesTooLarge);
        assert_eq!(code(&with(|_, s| s.message_id = long())), too_large);
        assert_eq!(
            code(&with(|_, s| s.trace_context = Some(long()))),
            too_large
        );
        assert_eq!(code(&with(|_, s| s.born_host = long())), too_large);
        let just = |_: &mut v2::Message, s: &mut v2::SystemProperties| {
            s.born_host = "x".repeat(MAX_ENVELOPE - 100);
        };
        assert_eq!(code(&with(just)), None);
        let body = |m: &mut v2::Message, s: &mut v2::SystemProperties| {
            just(m, s);
            m.body = vec![0; MAX_BODY].into();
        };
        assert_eq!(code(&with(body)), None, "the body does not count");
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
