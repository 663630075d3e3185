//! Receiving: what comes, what is asked and not looked at.

use std::time::Duration;

use anyhow::{Context, ensure};
use rocketmq_wire::{resource, v2};

use crate::bench::Bench;
use crate::consuming::receive;
use crate::suite::{Outcome, behaviours};
use crate::wire::{MessageExt, message, ok, says, seconds};

behaviours! {
    "receive.stream": "a receive is a status, then messages, then the time; without messages status and time" => stream;
    "receive.batch-size": "a batch is as large as asked up to 32; 0 is none, a negative one an error" => batch_size;
    "receive.invisible": "a lease lasts from 10 s to 12 h" => invisible;
    "receive.attempt-id": "the same attempt id again brings the next message" => attempt_id;
    "receive.unchecked": "group, queue, broker and filter are not compared with anything; an unknown group is made" => unchecked;
    "receive.unknown-topic": "an unknown topic is a server error" => unknown_topic;
    "receive.sql": "SQL that makes no sense brings nothing" => sql, differs "filters by tag alone: SQL is refused as unsupported";
    "receive.filter": "what a filter passes over never comes to the group" => filter;
    "receive.properties": "what the system says of a message" => properties;
}

async fn stream(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let empty = client.receive_with(receive(&group, &topic)).await?;
    says(empty.status, v2::Code::MessageNotFound, "no new message")?;
    ensure!(empty.messages.is_empty() && empty.timestamps == 1 && empty.timestamp_last);
    client.send(message(&topic)).await?;
    let found = client.receive_with(receive(&group, &topic)).await?;
    ok(found.status)?;
    ensure!(found.messages.len() == 1 && found.timestamps == 1 && found.timestamp_last);
    let refused = client
        .receive_with(v2::ReceiveMessageRequest {
            invisible_duration: seconds(1),
            ..receive(&group, &topic)
        })
        .await?;
    says(refused.status, v2::Code::IllegalInvisibleTime, "")?;
    ensure!(
        refused.timestamps == 1 && refused.timestamp_last,
        "an error without the time"
    );
    Ok(())
}

fn sized(group: &str, topic: &str, batch_size: i32) -> v2::ReceiveMessageRequest {
    v2::ReceiveMessageRequest {
        batch_size,
        ..receive(group, topic)
    }
}

async fn batch_size(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    ok(client
        .send_all((0..60).map(|_| message(&topic)).collect())
        .await?
        .status)?;
    let of = async |size| {
        let received = client.receive_with(sized(&group, &topic, size)).await?;
        anyhow::Ok(received.messages.len())
    };
    ensure!(of(0).await? == 0, "0 bring something");
    let negative = client.receive_with(sized(&group, &topic, -1)).await?;
    says(
        negative.status,
        v2::Code::InternalServerError,
        "Illegal Capacity: -1",
    )?;
    let (one, many) = (of(1).await?, of(50).await?);
    ensure!(one == 1, "1 brings {one}");
    ensure!(many == 32, "50 bring {many}");
    Ok(())
}

async fn invisible(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let asked = |invisible_duration| v2::ReceiveMessageRequest {
        invisible_duration,
        ..receive(&group, &topic)
    };
    let illegal = v2::Code::IllegalInvisibleTime;
    for (span, words) in [
        (None, "too small. min is 10000"),
        (seconds(9), "too small. min is 10000"),
        (seconds(43_201), "too large. max is 43200000"),
    ] {
        says(
            client.receive_with(asked(span)).await?.status,
            illegal,
            words,
        )?;
    }
    for span in [10, 43_200] {
        client.send(message(&topic)).await?;
        ok(client.receive_with(asked(seconds(span))).await?.status)?;
    }
    Ok(())
}

async fn attempt_id(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let ids = [
        client.send(message(&topic)).await?,
        client.send(message(&topic)).await?,
    ];
    for sent in ids {
        let asked = v2::ReceiveMessageRequest {
            attempt_id: Some("the same".into()),
            batch_size: 1,
            ..receive(&group, &topic)
        };
        let received = client.receive_with(asked).await?;
        let came: Vec<_> = received
            .messages
            .iter()
            .map(|message| message.id())
            .collect();
        ensure!(came == [sent.message_id.as_str()], "{came:?}");
    }
    Ok(())
}

async fn unchecked(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let unknown = bench.name("made_by_receiving");
    let queue = |id, broker: &str| v2::MessageQueue {
        topic: Some(resource(&topic)),
        id,
        broker: Some(v2::Broker {
            name: broker.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    for (group, queue) in [
        (&unknown, queue(-1, "broker-a")),
        (&group, queue(7, "broker-a")),
        (&unknown, queue(0, "no_such_broker")),
    ] {
        client.send(message(&topic)).await?;
        let asked = v2::ReceiveMessageRequest {
            message_queue: Some(queue),
            filter_expression: None,
            ..receive(group, &topic)
        };
        ok(client.receive_with(asked).await?.status)?;
    }
    Ok(())
}

async fn unknown_topic(bench: Bench) -> Outcome {
    let (client, group) = (bench.client().await?, bench.group().await?);
    let _stream = client.consume(&group).await?;
    let refused = client
        .receive_with(receive(&group, "no_such_topic"))
        .await?;
    says(
        refused.status,
        v2::Code::InternalServerError,
        "NullPointerException",
    )
}

fn filtered(
    group: &str,
    topic: &str,
    kind: v2::FilterType,
    expression: &str,
) -> v2::ReceiveMessageRequest {
    v2::ReceiveMessageRequest {
        filter_expression: Some(v2::FilterExpression {
            r#type: kind.into(),
            expression: expression.into(),
        }),
        ..receive(group, topic)
    }
}

async fn sql(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let asked = filtered(&group, &topic, v2::FilterType::Sql, "no sql ((");
    let status = client.receive_with(asked).await?.status;
    let real = (v2::Code::MessageNotFound, "no new message");
    let (code, words) = bench.either(real, (v2::Code::Unsupported, "not by SQL"));
    says(status, code, words)
}

async fn filter(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    for tag in ["A", "B", "C"] {
        client.send(message(&topic).tagged(tag)).await?;
    }
    let mut tags = Vec::new();
    let start = std::time::Instant::now();
    while tags.len() < 2 && start.elapsed() < Duration::from_secs(20) {
        let asked = filtered(&group, &topic, v2::FilterType::Tag, "A||C");
        let received = client.receive_with(asked).await?;
        tags.extend(
            received
                .messages
                .iter()
                .map(|m| m.system().tag().to_owned()),
        );
    }
    tags.sort_unstable();
    ensure!(tags == ["A", "C"], "{tags:?}");
    client.nothing(&group, &topic).await
}

async fn properties(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let sent = message(&topic)
        .tagged("t")
        .property("k", "v")
        .changed(|system| {
            system.keys = vec!["a".into(), "b".into()];
            system.trace_context = Some("trace".into());
        });
    let offset = client.send(sent.clone()).await?.offset;
    let came = client.one(&group, &topic).await?;
    ensure!(
        came.topic.as_ref().is_some_and(|t| t.name == topic),
        "{:?}",
        came.topic
    );
    ensure!(came.body == sent.body, "another body");
    ensure!(
        came.user_properties.get("k").is_some_and(|v| v == "v"),
        "{came:?}"
    );
    let (system, said) = (came.system(), sent.system());
    ensure!(
        system.tag == said.tag && system.keys == said.keys,
        "{system:?}"
    );
    ensure!(system.message_id == said.message_id, "{system:?}");
    ensure!(system.trace_context == said.trace_context, "{system:?}");
    ensure!(system.born_timestamp == said.born_timestamp, "{system:?}");
    ensure!(
        !system.born_host.is_empty() && !system.store_host.is_empty(),
        "{system:?}"
    );
    ensure!(system.store_timestamp.is_some(), "{system:?}");
    ensure!(
        system.body_encoding() == v2::Encoding::Identity,
        "{system:?}"
    );
    ensure!(
        system.message_type() == v2::MessageType::Normal,
        "{system:?}"
    );
    ensure!(
        system.queue_id == 0 && system.queue_offset == Some(offset),
        "{system:?}"
    );
    ensure!(system.delivery_attempt() == 1, "{system:?}");
    ensure!(!system.receipt_handle().is_empty(), "{system:?}");
    ensure!(system.invisible_duration.is_none(), "{system:?}");
    ensure!(system.dead_letter_queue.is_none(), "{system:?}");
    let digest = system.body_digest.as_ref().context("no digest")?;
    ensure!(digest.r#type() == v2::DigestType::Md5, "{digest:?}");
    let upper_hex = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
    ensure!(
        digest.checksum.len() == 32 && digest.checksum.chars().all(upper_hex),
        "{digest:?}"
    );
    Ok(())
}
