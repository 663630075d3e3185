//! Sending: what is answered, what a batch is, which type goes where.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rocketmq_wire::v2;

use crate::bench::Bench;
use crate::suite::{Outcome, behaviours};
use crate::wire::{MessageExt, ahead, fresh_id, half, message, ok, says, with_id};

behaviours! {
    "send.reply": "the answer has one entry with the client's id, twice, and the queue's offset" => reply;
    "send.batch": "several messages are one entry with an id of the broker's; each is delivered as itself" => batch;
    "send.batch-of-1000": "a thousand messages go in one request" => batch_of_1000;
    "send.batch-encoding": "the first message's encoding counts for a whole batch" => batch_encoding, differs "each message of a batch keeps the encoding that it was sent with";
    "send.batch-size": "the bodies of a batch are limited together" => batch_size;
    "send.mixed-topics": "a request names one topic" => mixed_topics;
    "send.no-message": "a request without messages is refused" => no_message;
    "send.halves-alone": "half messages go one a request" => halves_alone;
    "send.type-mismatch": "a message of another type than its topic's is refused" => type_mismatch;
    "send.type-by-properties": "a message's type is read from its properties; none given counts as normal" => type_by_properties;
    "send.unknown-topic": "an unknown topic refuses every type" => unknown_topic;
    "send.half-with-delivery-time": "a half message with a delivery time is taken" => half_with_time, differs "refused: its check-back would name a topic that no client publishes";
    "send.unchecked": "digest, encoding, birth and the id's uniqueness are not checked" => unchecked;
    "send.no-dead-letter-topic": "sending to a dead-letter or retry topic that does not exist fails" => no_dead_letter_topic;
}

async fn reply(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    for offset in 0..3 {
        let id = fresh_id();
        let reply = client.send_all(vec![with_id(&topic, &id)]).await?;
        ok(reply.status)?;
        let [entry] = &reply.entries[..] else {
            anyhow::bail!("{} entries instead of one", reply.entries.len());
        };
        ok(entry.status.clone())?;
        ensure!(entry.message_id == id, "message_id {}", entry.message_id);
        ensure!(
            entry.transaction_id == id,
            "transaction_id {}",
            entry.transaction_id
        );
        ensure!(entry.offset == offset, "offset {}", entry.offset);
        ensure!(
            entry.recall_handle.is_empty(),
            "recall_handle {}",
            entry.recall_handle
        );
    }
    Ok(())
}

async fn batch(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let group = bench.group().await?;
    let _stream = client.consume(&group).await?;
    client.send(message(&topic)).await?;
    let sent: Vec<_> = (0..3)
        .map(|n| {
            let message = message(&topic)
                .tagged(&format!("tag{n}"))
                .property("n", &n.to_string());
            message.changed(|system| system.keys = vec![format!("key{n}")])
        })
        .collect();
    let reply = client.send_all(sent.clone()).await?;
    ok(reply.status)?;
    let [entry] = &reply.entries[..] else {
        anyhow::bail!("{} entries instead of one", reply.entries.len());
    };
    ensure!(
        entry.message_id.starts_with("FD"),
        "message_id {}",
        entry.message_id
    );
    ensure!(
        entry.transaction_id == sent[0].id(),
        "transaction_id {}",
        entry.transaction_id
    );
    ensure!(entry.offset == 1, "offset {}", entry.offset);
    let came = client
        .collect(&group, &topic, 4, Duration::from_secs(20))
        .await?;
    for message in &sent {
        let same = came.iter().find(|came| came.id() == message.id());
        let same = same.with_context(|| format!("{} did not come", message.id()))?;
        ensure!(same.body == message.body, "another body");
        ensure!(
            same.system().tag == message.system().tag,
            "{:?}",
            same.system().tag
        );
        ensure!(
            same.system().keys == message.system().keys,
            "{:?}",
            same.system().keys
        );
        ensure!(
            same.user_properties.get("n") == message.user_properties.get("n"),
            "{same:?}"
        );
    }
    Ok(())
}

async fn batch_of_1000(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let group = bench.group().await?;
    let _stream = client.consume(&group).await?;
    let sent: Vec<_> = (0..1000).map(|_| message(&topic)).collect();
    ok(client.send_all(sent).await?.status)?;
    let (start, mut ids) = (Instant::now(), BTreeSet::new());
    while ids.len() < 1000 {
        ensure!(
            start.elapsed() < Duration::from_secs(60),
            "{} messages",
            ids.len()
        );
        let came = client.receive(&group, &topic).await?;
        ids.extend(came.iter().map(|message| message.id().to_owned()));
    }
    Ok(())
}

async fn batch_encoding(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let group = bench.group().await?;
    let _stream = client.consume(&group).await?;
    let zipped = message(&topic).changed(|system| system.set_body_encoding(v2::Encoding::Gzip));
    let plain = message(&topic);
    ok(client.send_all(vec![zipped, plain.clone()]).await?.status)?;
    let came = client
        .collect(&group, &topic, 2, Duration::from_secs(20))
        .await?;
    let second = came.iter().find(|message| message.id() == plain.id());
    let encoding = second
        .context("the second did not come")?
        .system()
        .body_encoding();
    let expected = bench.either(v2::Encoding::Gzip, v2::Encoding::Identity);
    ensure!(encoding == expected, "{encoding:?}");
    Ok(())
}

async fn batch_size(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let of = |count: usize, size: usize| {
        let message = |_| v2::Message {
            body: vec![7; size].into(),
            ..message(&topic)
        };
        (0..count).map(message).collect::<Vec<_>>()
    };
    ok(client.send_all(of(4, 1000 * 1024)).await?.status)?;
    let refused = client.send_all(of(5, 1024 * 1024)).await?;
    says(
        refused.status,
        v2::Code::InternalServerError,
        "message body size exceeded",
    )
}

async fn mixed_topics(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let (a, b) = (bench.normal().await?, bench.normal().await?);
    let refused = client.send_all(vec![message(&a), message(&b)]).await?;
    says(
        refused.status,
        v2::Code::MessageCorrupted,
        "topic in message is not same",
    )
}

async fn no_message(bench: Bench) -> Outcome {
    let refused = bench.client().await?.send_all(Vec::new()).await?;
    let usual = (v2::Code::MessageCorrupted, "no message to send");
    let (code, words) = bench.asked_who(usual, (v2::Code::Unauthorized, "message is null"));
    says(refused.status, code, words)
}

async fn halves_alone(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.transactional().await?);
    let refused = client.send_all(vec![half(&topic), half(&topic)]).await?;
    says(
        refused.status,
        v2::Code::InternalServerError,
        "the message is illegal",
    )
}

async fn type_mismatch(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let (normal, transactional) = (bench.normal().await?, bench.transactional().await?);
    let delay = bench
        .topic(rocketmq_wire::remoting::TopicKind::Delay)
        .await?;
    let delayed = |topic: &str| {
        message(topic).changed(|s| s.delivery_timestamp = Some(ahead(Duration::from_secs(60))))
    };
    for (message, expected, actual) in [
        (half(&normal), "NORMAL", "TRANSACTION"),
        (delayed(&normal), "NORMAL", "DELAY"),
        (message(&transactional), "TRANSACTION", "NORMAL"),
        (delayed(&transactional), "TRANSACTION", "DELAY"),
        (message(&delay), "DELAY", "NORMAL"),
        (half(&delay), "DELAY", "TRANSACTION"),
    ] {
        let words = format!("the expected type is {expected}, but actual type is {actual}");
        let code = v2::Code::MessagePropertyConflictWithType;
        says(client.try_send(message).await?, code, &words)?;
    }
    Ok(())
}

async fn type_by_properties(bench: Bench) -> Outcome {
    let (client, normal) = (bench.client().await?, bench.normal().await?);
    let typed = |kind| message(&normal).changed(|system| system.set_message_type(kind));
    ok(client.try_send(typed(v2::MessageType::Unspecified)).await?)?;
    // A type that is only said, without the property that makes it one.
    ok(client.try_send(typed(v2::MessageType::Fifo)).await?)?;
    ok(client.try_send(typed(v2::MessageType::Delay)).await?)?;
    let grouped = typed(v2::MessageType::Normal).changed(|s| s.message_group = Some("g".into()));
    let refused = client.try_send(grouped).await?;
    says(
        refused,
        v2::Code::MessagePropertyConflictWithType,
        "actual type is FIFO",
    )
}

async fn unknown_topic(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let code = v2::Code::MessagePropertyConflictWithType;
    let words = "expected type is UNSPECIFIED";
    says(
        client.try_send(message("no_such_topic")).await?,
        code,
        words,
    )?;
    says(client.try_send(half("no_such_topic")).await?, code, words)
}

async fn half_with_time(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.transactional().await?);
    let at = ahead(Duration::from_secs(3));
    let sent = client
        .try_send(half(&topic).changed(|s| s.delivery_timestamp = Some(at)))
        .await?;
    if bench.is_embedded() {
        return says(sent, v2::Code::Unsupported, "delivery time");
    }
    ok(sent)
}

async fn unchecked(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let send = async |change: fn(&mut v2::SystemProperties)| {
        ok(client.try_send(message(&topic).changed(change)).await?)
    };
    send(|s| {
        s.body_digest = Some(v2::Digest {
            r#type: v2::DigestType::Crc32.into(),
            checksum: "wrong".into(),
        });
    })
    .await?;
    send(|s| s.set_body_encoding(v2::Encoding::Gzip)).await?;
    send(|s| {
        s.born_timestamp = None;
        s.born_host = String::new();
        s.set_body_encoding(v2::Encoding::Unspecified);
    })
    .await?;
    send(|s| s.message_id = "abc".into()).await?;
    send(|s| s.message_id = "abc".into()).await
}

async fn no_dead_letter_topic(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    for prefix in ["%DLQ%", "%RETRY%"] {
        let topic = format!("{prefix}{}", bench.name("no_group"));
        let refused = client.try_send(message(&topic)).await?;
        let (code, words) = (v2::Code::InternalServerError, "NullPointerException");
        says(refused, code, words)?;
    }
    Ok(())
}
