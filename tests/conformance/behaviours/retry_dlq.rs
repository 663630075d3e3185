//! Until it is dead, and then.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rocketmq_wire::properties::dlq_topic;
use rocketmq_wire::{resource, v2};

use crate::bench::Bench;
use crate::client::Client;
use crate::consuming::{LEASE, receive};
use crate::suite::{Outcome, behaviours};
use crate::telemetry::Telemetry;
use crate::wire::{MessageExt, code, message, ok, says};

behaviours! {
    "retry.exhaustion": "a group of two redeliveries gets a message three times, a lease apart; the receive that would bring the fourth moves it to the dead-letter topic" => exhaustion;
    "dlq.forward": "forwarding moves a message to the dead-letter topic at once, and acks it; its reply says 0" => forward;
    "dlq.forward-fields": "forwarding needs group, topic and handle; a wrong message id will do" => forward_fields;
    "dlq.forward-again": "forwarding twice makes a duplicate" => forward_again;
    "dlq.forward-expired": "an expired handle forwards, and the message comes again all the same" => forward_expired;
    "dlq.forward-unknown-group": "forwarding for an unknown group is OK" => forward_unknown_group;
    "dlq.forward-refused": "garbage, a blank group and a blank topic are refused" => forward_refused;
    "dlq.topic": "the dead-letter topic appears with its first message, is routed like any other, and others may read and ack it" => topic;
    "dlq.reader-attempts": "a reader whose attempts are used up by the dead message's count does not get it: it goes to the reader's own dead-letter topic" => reader_attempts;
    "dlq.message": "a dead message keeps what was sent, and its attempt goes on counting" => dead_message;
}

const SOON: Duration = Duration::from_secs(30);

struct Held {
    client: Client,
    _stream: Telemetry,
    topic: String,
    group: String,
    message: v2::Message,
}

impl Held {
    async fn of(bench: &Bench, retries: u32) -> anyhow::Result<Held> {
        let (client, topic) = (bench.client().await?, bench.normal().await?);
        let group = bench.group_with(retries, &[]).await?;
        let stream = client.consume(&group).await?;
        let sent = message(&topic).tagged("t").property("k", "v");
        client
            .send(sent.changed(|system| system.keys = vec!["key".into()]))
            .await?;
        let message = client.one(&group, &topic).await?;
        Ok(Held {
            client,
            _stream: stream,
            topic,
            group,
            message,
        })
    }

    async fn forward(&self) -> anyhow::Result<Option<v2::Status>> {
        self.client
            .forward(&self.group, &self.topic, &self.message.handle())
            .await
    }

    fn dead_letters(&self) -> String {
        dlq_topic(&self.group)
    }

    /// What a reader finds among the dead letters.
    async fn dead(&self, bench: &Bench, count: usize) -> anyhow::Result<Vec<v2::Message>> {
        // A client of its own: it is its Settings' attempts that the dead count is held against.
        let (client, reader) = (bench.client().await?, bench.group_with(1000, &[]).await?);
        let _stream = client.consume(&reader).await?;
        client
            .collect(&reader, &self.dead_letters(), count, SOON)
            .await
    }
}

async fn exhaustion(bench: Bench) -> Outcome {
    let held = Held::of(&bench, 2).await?;
    let mut came = Instant::now();
    for expected in [2, 3] {
        let again = held
            .client
            .collect(&held.group, &held.topic, 1, SOON)
            .await?;
        ensure!(
            again[0].attempt() == expected,
            "attempt {}",
            again[0].attempt()
        );
        let took = came.elapsed();
        ensure!(
            took >= LEASE - Duration::from_millis(300),
            "again after {took:?}"
        );
        ensure!(took <= LEASE + bench.lateness(), "again after {took:?}");
        came = Instant::now();
    }
    let start = Instant::now();
    loop {
        ensure!(start.elapsed() < SOON, "it is not moved");
        let empty = held
            .client
            .receive_with(receive(&held.group, &held.topic))
            .await?;
        ensure!(empty.messages.is_empty(), "a fourth delivery");
        if empty
            .status
            .is_some_and(|status| status.message.contains("no match message"))
        {
            break;
        }
    }
    let dead = held.dead(&bench, 1).await?;
    ensure!(dead[0].id() == held.message.id(), "another message");
    ensure!(dead[0].attempt() == 5, "attempt {}", dead[0].attempt());
    Ok(())
}

async fn forward(bench: Bench) -> Outcome {
    let held = Held::of(&bench, 16).await?;
    says(held.forward().await?, v2::Code::Ok, "0")?;
    let dead = held.dead(&bench, 1).await?;
    ensure!(dead[0].id() == held.message.id(), "another message");
    crate::bench::pass(LEASE.saturating_sub(Duration::from_secs(4))).await;
    held.client.nothing(&held.group, &held.topic).await
}

async fn forward_fields(bench: Bench) -> Outcome {
    let held = Held::of(&bench, 16).await?;
    let request = held
        .client
        .request(v2::ForwardMessageToDeadLetterQueueRequest {
            group: Some(resource(&held.group)),
            topic: Some(resource(&held.topic)),
            receipt_handle: held.message.handle(),
            message_id: "another".into(),
            ..Default::default()
        });
    let reply = held
        .client
        .grpc
        .clone()
        .forward_message_to_dead_letter_queue(request)
        .await?;
    ok(reply.into_inner().status)?;
    held.dead(&bench, 1).await.map(drop)
}

async fn forward_again(bench: Bench) -> Outcome {
    let held = Held::of(&bench, 16).await?;
    ok(held.forward().await?)?;
    ok(held.forward().await?)?;
    let reader = bench.group_with(1000, &[]).await?;
    let topic = held.dead_letters();
    let dead = held.client.collect(&reader, &topic, 2, SOON).await?;
    ensure!(dead.len() == 2, "{} copies", dead.len());
    held.client.nothing(&reader, &topic).await
}

async fn forward_expired(bench: Bench) -> Outcome {
    let held = Held::of(&bench, 16).await?;
    crate::bench::pass(LEASE + Duration::from_millis(500)).await;
    ok(held.forward().await?)?;
    held.dead(&bench, 1).await?;
    held.client
        .collect(&held.group, &held.topic, 1, SOON)
        .await
        .map(drop)
}

async fn forward_unknown_group(bench: Bench) -> Outcome {
    let held = Held::of(&bench, 16).await?;
    let unknown = bench.name("no_group");
    ok(held
        .client
        .forward(&unknown, &held.topic, &held.message.handle())
        .await?)
}

async fn forward_refused(bench: Bench) -> Outcome {
    let held = Held::of(&bench, 16).await?;
    let handle = held.message.handle();
    let garbage = held
        .client
        .forward(&held.group, &held.topic, "garbage")
        .await?;
    says(garbage, v2::Code::InternalServerError, "Parse failed")?;
    let (code, words) = bench.blank(v2::Code::IllegalConsumerGroup, "group is null");
    let no_group = held.client.forward("", &held.topic, &handle).await?;
    says(no_group, code, words)?;
    let (code, words) = bench.blank(v2::Code::IllegalTopic, "topic is null");
    let no_topic = held.client.forward(&held.group, "", &handle).await?;
    says(no_topic, code, words)
}

async fn topic(bench: Bench) -> Outcome {
    let held = Held::of(&bench, 16).await?;
    let (topic, client) = (held.dead_letters(), &held.client);
    let before = client.route(&topic).await?.status;
    says(before, v2::Code::TopicNotFound, "No topic route info")?;
    ok(held.forward().await?)?;
    let reader = bench.group_with(1000, &[]).await?;
    let dead = client.collect(&reader, &topic, 1, SOON).await?;
    ok(client.ack(&reader, &topic, &dead[0].handle()).await?)?;
    bench
        .until(SOON, "a route to the dead-letter topic", async || {
            Ok(code(client.route(&topic).await?.status) == v2::Code::Ok)
        })
        .await?;
    let route = client.route(&topic).await?;
    let [queue] = &route.message_queues[..] else {
        anyhow::bail!("{} queues instead of one", route.message_queues.len());
    };
    ensure!(queue.permission() == v2::Permission::ReadWrite, "{queue:?}");
    ensure!(
        queue.accept_message_types == [i32::from(v2::MessageType::Normal)],
        "{queue:?}"
    );
    ok(client.assignment(&reader, &topic).await?.status)
}

async fn reader_attempts(bench: Bench) -> Outcome {
    let held = Held::of(&bench, 16).await?;
    ok(held.forward().await?)?;
    // The dead message's delivery is its second: one attempt is too few. It is the attempts of the
    // client's Settings that count.
    let (few, client) = (bench.group_with(0, &[]).await?, bench.client().await?);
    let (_stream, topic) = (client.consume(&few).await?, held.dead_letters());
    bench
        .until(SOON, "moved on", async || {
            let empty = client.receive_with(receive(&few, &topic)).await?;
            ensure!(empty.messages.is_empty(), "the reader gets it");
            let status = empty.status;
            Ok(status.is_some_and(|status| status.message.contains("no match message")))
        })
        .await?;
    let reader = bench.group_with(1000, &[]).await?;
    let moved = held
        .client
        .collect(&reader, &dlq_topic(&few), 1, SOON)
        .await?;
    ensure!(moved[0].id() == held.message.id(), "another message");
    held.dead(&bench, 1).await.map(drop)
}

async fn dead_message(bench: Bench) -> Outcome {
    let held = Held::of(&bench, 16).await?;
    ok(held.forward().await?)?;
    let dead = held.dead(&bench, 1).await?;
    let dead = dead.first().context("no dead message")?;
    ensure!(
        dead.topic
            .as_ref()
            .is_some_and(|t| t.name == held.dead_letters()),
        "{dead:?}"
    );
    ensure!(dead.body == held.message.body, "another body");
    ensure!(
        dead.user_properties.get("k").is_some_and(|v| v == "v"),
        "{dead:?}"
    );
    let (system, was) = (dead.system(), held.message.system());
    ensure!(system.message_id == was.message_id, "{system:?}");
    ensure!(
        system.tag == was.tag && system.keys == was.keys,
        "{system:?}"
    );
    ensure!(system.born_timestamp == was.born_timestamp, "{system:?}");
    ensure!(
        system.message_type() == v2::MessageType::Delay,
        "{system:?}"
    );
    ensure!(system.delivery_attempt() == 2, "{system:?}");
    Ok(())
}
