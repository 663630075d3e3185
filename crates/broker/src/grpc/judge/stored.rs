//! What fits where messages are stored, so that each one that is taken can be handed out again.

use prost::Message as _;
use rocketmq_wire::properties::{MESSAGE_GROUP, TRACE_CONTEXT, TRANSACTION_ID};
use rocketmq_wire::{KEYS, MAX_PROPERTIES, TAGS, UNIQUE_KEY, may_be_property, property_size, v2};

use super::{Refusal, properties};

/// The most that a message may weigh besides its body: what names, keys, properties, trace context
/// and hosts come to. Apache RocketMQ stores them with a 16-bit length. Without this limit one
/// message could grow so large that no receive could ever carry it.
const MAX_ENVELOPE: usize = 64 * 1024;

/// The most that its properties may take as they are stored, where a length has 16 bits with a sign;
/// the rest is for what the broker adds.
const MAX_STORED: usize = MAX_PROPERTIES - 1024;

/// A message's weight besides its body, and that of its properties.
pub(super) fn check_size(message: &v2::Message) -> Result<(), Refusal> {
    let too_large = |why| Err(Refusal::new(v2::Code::MessagePropertiesTooLarge, why));
    let envelope = message.encoded_len().saturating_sub(message.body.len());
    if envelope > MAX_ENVELOPE {
        let why = format!(
            "the message without its body takes {envelope} bytes (keys, ids, trace context, \
             properties), max is {MAX_ENVELOPE}"
        );
        return too_large(why);
    }
    let stored = stored_size(message);
    if stored > MAX_STORED {
        let why = format!(
            "id, keys, tag, trace context, message group and properties take {stored} bytes as \
             they are stored, max is {MAX_STORED}"
        );
        return too_large(why);
    }
    Ok(())
}

/// What is a property where messages are stored can't hold the bytes that lie between properties.
pub(super) fn check_separators(system: &v2::SystemProperties) -> Result<(), Refusal> {
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

#[cfg(test)]
mod tests {
    use rocketmq_wire::limits::MAX_BODY;

    use super::super::tests::{code, with};
    use super::*;

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
}
