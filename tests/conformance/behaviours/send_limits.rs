//! Sending: what is too long, too large, or not allowed at all.

use std::collections::BTreeMap;

use rocketmq_wire::v2;
use rocketmq_wire::v2::Code;

use crate::bench::Bench;
use crate::client::Client;
use crate::suite::{Outcome, behaviours};
use crate::wire::{MessageExt, message, ok, says, with_id};

behaviours! {
    "send.body": "a body has 1 to 4,194,304 bytes" => body;
    "send.message-id": "a message id is any text that is not blank" => message_id;
    "send.topic-name": "an over-long, illegal or blank topic and the system's own are refused" => topic_name;
    "send.property-count": "a message has at most 128 properties" => property_count;
    "send.property-size": "properties and tag together have at most 16 KiB" => property_size;
    "send.reserved-properties": "the system's own property names are refused" => reserved;
    "send.control-characters": "control characters in properties are refused" => control_characters;
    "send.odd-properties": "empty property names and values are taken" => odd_properties;
    "send.tag": "a tag is not blank and has no bar; none or spaces inside are fine" => tag;
    "send.keys": "keys may be empty, have spaces, and be a hundred" => keys;
    "send.key-size": "keys count with the properties: 16 KiB in all" => key_size;
}

/// Sends `change`d messages and expects a refusal of each.
async fn refused(client: &Client, message: v2::Message, code: Code, words: &str) -> Outcome {
    says(client.try_send(message).await?, code, words)
}

async fn body(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let of = |size: usize| v2::Message {
        body: vec![7; size].into(),
        ..message(&topic)
    };
    ok(client.try_send(of(1)).await?)?;
    ok(client.try_send(of(4_194_304)).await?)?;
    let words = "message body cannot exceed the max 4194304";
    refused(&client, of(4_194_305), Code::MessageBodyTooLarge, words).await?;
    refused(
        &client,
        of(0),
        Code::MessageBodyEmpty,
        "message body cannot be empty",
    )
    .await
}

async fn message_id(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    for blank in ["", "  "] {
        let words = "message id cannot be empty";
        refused(
            &client,
            with_id(&topic, blank),
            Code::IllegalMessageId,
            words,
        )
        .await?;
    }
    ok(client.try_send(with_id(&topic, "a message id")).await?)
}

async fn topic_name(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let long = "a".repeat(128);
    for (topic, words) in [
        (long.as_str(), "longer than topic max length 127"),
        ("a.b", "contains illegal characters"),
        ("SCHEDULE_TOPIC_XXXX", "cannot access system topic"),
        ("RMQ_SYS_TRANS_HALF_TOPIC", "cannot access system topic"),
    ] {
        refused(&client, message(topic), Code::IllegalTopic, words).await?;
    }
    let (code, words) = bench.blank(Code::IllegalTopic, "topic is null");
    refused(&client, message(""), code, words).await
}

async fn property_count(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let of = |count: usize| v2::Message {
        user_properties: (0..count).map(|n| (n.to_string(), "v".into())).collect(),
        ..message(&topic)
    };
    ok(client.try_send(of(128)).await?)?;
    let words = "too many user properties, max is 128";
    refused(&client, of(129), Code::MessagePropertiesTooLarge, words).await
}

async fn property_size(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let of = |size: usize| v2::Message {
        user_properties: BTreeMap::from([("key".to_owned(), "v".repeat(size - 3))]),
        ..message(&topic)
    };
    let words = "the total size of user property is too large, max is 16384";
    ok(client.try_send(of(16_000)).await?)?;
    refused(&client, of(16_400), Code::MessagePropertiesTooLarge, words).await?;
    let tagged = of(16_000).tagged(&"t".repeat(400));
    refused(&client, tagged, Code::MessagePropertiesTooLarge, words).await
}

async fn reserved(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    for key in rocketmq_wire::properties::RESERVED {
        let words = format!("property is used by system: {key}");
        let message = message(&topic).property(key, "v");
        refused(&client, message, Code::IllegalMessagePropertyKey, &words).await?;
    }
    Ok(())
}

async fn control_characters(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    for (key, value, words) in [
        (
            "a\u{1}",
            "v",
            "the key of property cannot contain control character",
        ),
        (
            "a",
            "v\u{2}",
            "the value of property cannot contain control character",
        ),
    ] {
        let message = message(&topic).property(key, value);
        refused(&client, message, Code::IllegalMessagePropertyKey, words).await?;
    }
    Ok(())
}

async fn odd_properties(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    ok(client.try_send(message(&topic).property("", "v")).await?)?;
    ok(client.try_send(message(&topic).property("k", "")).await?)?;
    ok(client
        .try_send(message(&topic).property("__STARTDELIVERTIME", "1"))
        .await?)
}

async fn tag(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let tagged = |tag: &str| message(&topic).tagged(tag);
    refused(
        &client,
        tagged("a|b"),
        Code::IllegalMessageTag,
        "tag cannot contain '|'",
    )
    .await?;
    let words = "tag cannot be the char sequence of whitespace";
    refused(&client, tagged("  "), Code::IllegalMessageTag, words).await?;
    ok(client.try_send(tagged("")).await?)?;
    ok(client.try_send(tagged("a b")).await?)
}

async fn keys(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let many: Vec<String> = (0..100).map(|n| format!("key{n}")).collect();
    for keys in [vec!["a b".to_owned()], vec![String::new()], many] {
        ok(client
            .try_send(message(&topic).changed(|system| system.keys = keys))
            .await?)?;
    }
    Ok(())
}

async fn key_size(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let of = |size: usize| {
        let keys = vec!["k".repeat(size / 10 - 1); 10];
        message(&topic).changed(|system| system.keys = keys)
    };
    ok(client.try_send(of(15_000)).await?)?;
    let words = "the total size of user property is too large, max is 16384";
    refused(&client, of(17_000), Code::MessagePropertiesTooLarge, words).await?;
    let both = of(9_000).property("k", &"v".repeat(9_000));
    refused(&client, both, Code::MessagePropertiesTooLarge, words).await
}
