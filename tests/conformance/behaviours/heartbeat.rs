//! Staying known.

use std::time::Duration;

use rocketmq_wire::v2;
use rocketmq_wire::v2::ClientType;

use crate::bench::{Bench, pass};
use crate::consuming::receive;
use crate::suite::{Outcome, behaviours};
use crate::wire::{half, ok, says};

behaviours! {
    "heartbeat.unchecked": "a heartbeat's group and kind are not compared with the Settings" => unchecked;
    "heartbeat.group": "a consumer's heartbeat names a group that exists" => named_group;
    "heartbeat.idle": "after 120 s without a heartbeat a client is forgotten without a word; sending and ending still work" => idle, needs Patience;
    "heartbeat.kept": "a client that sends heartbeats stays known" => kept, needs Patience;
}

async fn unchecked(bench: Bench) -> Outcome {
    let group = bench.group().await?;
    let (consumer, producer) = (bench.client().await?, bench.client().await?);
    let _consumer = consumer.consume(&group).await?;
    let _producer = producer.produce(&[]).await?;
    ok(consumer
        .heartbeat(Some(&group), ClientType::SimpleConsumer)
        .await?)?;
    ok(consumer
        .heartbeat(Some(&group), ClientType::PushConsumer)
        .await?)?;
    let other = bench.group().await?;
    ok(consumer
        .heartbeat(Some(&other), ClientType::SimpleConsumer)
        .await?)?;
    ok(consumer
        .heartbeat(Some(&group), ClientType::Unspecified)
        .await?)?;
    ok(producer.heartbeat(None, ClientType::Producer).await?)
}

async fn named_group(bench: Bench) -> Outcome {
    let (group, consumer) = (bench.group().await?, bench.client().await?);
    let _stream = consumer.consume(&group).await?;
    let illegal = v2::Code::IllegalConsumerGroup;
    let beat = async |group| {
        consumer
            .heartbeat(Some(group), ClientType::SimpleConsumer)
            .await
    };
    let (code, words) = bench.blank(illegal, "group is null");
    says(beat("").await?, code, words)?;
    let unknown = beat("no_such_group").await?;
    match bench.since_5_5(Some("group not found: no_such_group"), None) {
        Some(words) => says(unknown, illegal, words),
        // Before 5.5.0 a group is not looked for.
        None => ok(unknown),
    }
}

async fn idle(bench: Bench) -> Outcome {
    let (group, normal) = (bench.group().await?, bench.normal().await?);
    let topic = bench.transactional().await?;
    let (consumer, producer) = (bench.client().await?, bench.client().await?);
    let _consumer = consumer.consume(&group).await?;
    let mut checks = producer.produce(&[&topic]).await?;
    pass(Duration::from_secs(140)).await;
    let refused = consumer.receive_with(receive(&group, &normal)).await?;
    says(
        refused.status,
        v2::Code::InternalServerError,
        "NullPointerException",
    )?;
    let unknown = v2::Code::UnrecognizedClientType;
    let beaten = consumer
        .heartbeat(Some(&group), ClientType::SimpleConsumer)
        .await?;
    says(beaten, unknown, "cannot find client settings")?;
    let sent = producer.send(half(&topic)).await?;
    let heard = checks.check(Duration::from_secs(10)).await.ok().flatten();
    anyhow::ensure!(heard.is_none(), "a forgotten producer is asked");
    ok(producer.commit(&topic, &sent.transaction_id).await?)
}

async fn kept(bench: Bench) -> Outcome {
    let (group, normal) = (bench.group().await?, bench.normal().await?);
    let consumer = bench.client().await?;
    let _consumer = consumer.consume(&group).await?;
    for _ in 0..14 {
        pass(Duration::from_secs(10)).await;
        ok(consumer
            .heartbeat(Some(&group), ClientType::SimpleConsumer)
            .await?)?;
    }
    consumer.nothing(&group, &normal).await
}
