//! Copies for other modules' tests, and what is made of messages that can't be read.

use super::*;

/// A copy of an ordinary transfer, as bank2's group receives it.
pub(crate) fn copy() -> Copy {
    Copy {
        key: Key {
            group: Group::new("bank2").unwrap(),
            tx_no: "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11".parse().unwrap(),
            source: Source::new("bank1").unwrap(),
        },
        generation: 0,
        for_group: None,
        content: Content {
            topic: "topic_txmsg".into(),
            event_type: "transfer".into(),
            business_key: "transfer 10.00".into(),
            content_type: "application/json".into(),
            endpoint: None,
            notify_url: None,
            traceparent: None,
            initiator_id: "0198f3c2-0000-7c10-9b1e-5d3f0a6c2e11".into(),
            body: Bytes::from_static(b"{}"),
        },
        reading: Reading::Known,
        delivery_attempt: 1,
        born_ms: 1_700_000_000_000,
    }
}

/// A message with these properties, as it came from the broker.
fn message(properties: &[(&str, &str)]) -> ReceivedMessage {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    ReceivedMessage {
        message_id: "01ABC".into(),
        topic: "topic_txmsg".into(),
        tag: None,
        keys: Vec::new(),
        properties: properties.iter().map(owned).collect(),
        body: Bytes::from_static(b"{}"),
        body_error: None,
        delivery_attempt: 2,
        born_ms: 1_700_000_000_000,
        store_ms: 1_700_000_000_001,
    }
}

fn read(properties: &[(&str, &str)]) -> Copy {
    Copy::read(&copy().key.group, &message(properties))
}

#[test]
fn a_message_that_says_nothing_gets_the_same_key_each_time() {
    let (one, two) = (read(&[]), read(&[]));
    assert_eq!(one, two);
    assert_eq!(one.reading, Reading::Malformed);
    assert_eq!(one.key.source.as_str(), "-");
    assert_eq!(one.key.tx_no.unix_ms(), 1_700_000_000_000);
}

#[test]
fn what_can_be_read_of_a_malformed_message_is_kept() {
    let long = "x".repeat(500);
    let read = read(&[
        ("rb-format", "1"),
        ("rb-tx-no", "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11"),
        ("rb-source", "bank1"),
        ("rb-business-key", &long),
        ("rb-generation", "4000000000"),
    ]);
    assert_eq!(read.reading, Reading::Malformed);
    assert_eq!(read.key, copy().key);
    assert_eq!(read.content.business_key.len(), 128, "it fits its column");
    assert_eq!(read.generation, 0);
}

#[test]
fn a_newer_format_is_not_malformed() {
    let newer = [("rb-format", "2"), ("rb-for-group", "elsewhere")];
    let read = read(&newer);
    assert_eq!(read.reading, Reading::NewerFormat);
    assert_eq!(read.for_group.unwrap().as_str(), "elsewhere");
}

#[test]
fn a_body_that_does_not_unpack_is_malformed_whatever_the_properties_say() {
    let whole = [
        ("rb-format", "1"),
        ("rb-tx-no", "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11"),
        ("rb-source", "bank1"),
        ("rb-initiator-id", "0198f3c2-0000-7c10-9b1e-5d3f0a6c2e11"),
        ("rb-event-type", "transfer"),
        ("rb-business-key", "transfer 10.00"),
        ("rb-content-type", "application/json"),
    ];
    assert_eq!(read(&whole).reading, Reading::Known);
    let packed = ReceivedMessage {
        body_error: Some("corrupt gzip stream".into()),
        ..message(&whole)
    };
    let read = Copy::read(&copy().key.group, &packed);
    assert_eq!(read.reading, Reading::Malformed);
    assert_eq!(read.key, copy().key);
}

#[test]
fn a_malformed_message_whose_number_is_anothers_gets_the_same_key_of_its_own_each_time() {
    let claims = message(&[
        ("rb-format", "1"),
        ("rb-tx-no", "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11"),
        ("rb-source", "bank1"),
    ]);
    let claimed = Copy::read(&copy().key.group, &claims);
    let aside = claimed.set_aside(&claims);
    assert_ne!(aside.key.tx_no, claimed.key.tx_no);
    assert_eq!(aside.key, read(&[]).key, "derived, and of nobody");
    assert_eq!(aside.reading, Reading::Malformed);
}
