//! Which dead messages were asked for.

use std::collections::BTreeSet;

use super::dead::DeadMessage;

/// What was asked for; what is absent asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Came to lie there at this moment or later.
    pub since_ms: Option<i64>,
    /// Came to lie there before this moment.
    pub until_ms: Option<i64>,
    /// The end of the number or of the message's id, or the whole business key.
    pub key: Option<String>,
    /// What happened.
    pub event_type: Option<String>,
    /// Only from these: the (group, topic) pairs of one endpoint.
    pub subscriptions: Option<BTreeSet<(String, String)>>,
}

impl Filter {
    /// Whether this one was asked for.
    pub fn takes(&self, message: &DeadMessage) -> bool {
        self.since_ms.is_none_or(|since| message.stored_ms >= since)
            && self.until_ms.is_none_or(|until| message.stored_ms < until)
            && self.key.as_deref().is_none_or(|key| has_key(message, key))
            && self
                .event_type
                .as_ref()
                .is_none_or(|event| message.event_type.as_ref() == Some(event))
            && self
                .subscriptions
                .as_ref()
                .is_none_or(|all| of_one(message, all))
    }
}

/// By number or id as by their endings, by business key as a whole.
fn has_key(message: &DeadMessage, key: &str) -> bool {
    let ending = key.trim_start_matches('…').to_ascii_lowercase();
    let ends = |text: &Option<String>| {
        text.as_ref()
            .is_some_and(|text| !ending.is_empty() && text.to_ascii_lowercase().ends_with(&ending))
    };
    ends(&message.tx_no)
        || ends(&message.message_id)
        || message.business_key.as_deref() == Some(key)
}

/// By group, and by topic where the message still tells it.
fn of_one(message: &DeadMessage, subscriptions: &BTreeSet<(String, String)>) -> bool {
    subscriptions.iter().any(|(group, topic)| {
        *group == message.group
            && message
                .origin_topic
                .as_ref()
                .is_none_or(|origin| origin == topic)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browse::dead::tests::transfer;
    use crate::render::samples::T0;

    fn takes(filter: Filter) -> bool {
        filter.takes(&DeadMessage::read("broker-a", &transfer()))
    }

    #[test]
    fn by_time_the_beginning_belongs_to_it_and_the_end_does_not() {
        let between = |since_ms, until_ms| Filter {
            since_ms,
            until_ms,
            ..Filter::default()
        };
        assert!(takes(between(None, None)));
        assert!(takes(between(Some(T0), Some(T0 + 1))));
        assert!(!takes(between(Some(T0 + 1), None)));
        assert!(!takes(between(None, Some(T0))));
    }

    #[test]
    fn by_key_an_ending_of_the_number_or_the_whole_business_key() {
        let by = |key: &str| Filter {
            key: Some(key.into()),
            ..Filter::default()
        };
        for key in ["9f52", "…9F52", "a2b3", "transfer 5.00"] {
            assert!(takes(by(key)), "{key}");
        }
        for key in ["9f53", "transfer", "…", ""] {
            assert!(!takes(by(key)), "{key}");
        }
    }

    #[test]
    fn by_event_type_and_endpoint() {
        let event = |event: &str| Filter {
            event_type: Some(event.into()),
            ..Filter::default()
        };
        assert!(takes(event("transfer")) && !takes(event("refund")));
        let endpoint = |group: &str, topic: &str| Filter {
            subscriptions: Some([(group.to_owned(), topic.to_owned())].into()),
            ..Filter::default()
        };
        assert!(takes(endpoint("bank2", "topic_txmsg")));
        assert!(!takes(endpoint("bank2", "another")));
        assert!(!takes(endpoint("bank3", "topic_txmsg")));
    }
}
