//! The broker killed at once and started again on the same folder. These run alone.

use std::time::Duration;

use anyhow::{Context, ensure};
use rocketmq_wire::remoting::TopicKind;
use rocketmq_wire::v2;

use crate::bench::{Bench, pass};
use crate::consuming::LEASE;
use crate::suite::{Outcome, behaviours};
use crate::wire::{MessageExt, ahead, code, half, message, ok, says};

behaviours! {
    "restart.messages": "a killed broker loses nothing that it acknowledged; what was in flight or acked shortly before may come again" => messages, needs Restart;
    "restart.delayed": "a delayed message outlives a kill" => delayed, needs Restart;
    "restart.half": "a half message outlives a kill: its next check-back renews its record, and a commit then counts" => half_message, needs Restart;
}

const LONG: Duration = Duration::from_secs(90);

async fn messages(bench: Bench) -> Outcome {
    let (topic, group) = (bench.normal().await?, bench.group().await?);
    let client = bench.client().await?;
    let stream = client.consume(&group).await?;
    let mut sent = Vec::new();
    for _ in 0..6 {
        sent.push(client.send(message(&topic)).await?.message_id);
    }
    let mut asked = crate::consuming::receive(&group, &topic);
    asked.batch_size = 2;
    let held = client.receive_with(asked).await?.messages;
    ensure!(!held.is_empty(), "nothing came before the kill");
    ok(client.ack(&group, &topic, &held[0].handle()).await?)?;
    kill(&bench).await?;
    drop((stream, client));
    let client = bench.client().await?;
    let _stream = client.consume(&group).await?;
    let acked = held[0].id().to_owned();
    let mut come = std::collections::BTreeSet::new();
    let start = std::time::Instant::now();
    while !sent.iter().all(|id| *id == acked || come.contains(id)) {
        ensure!(
            start.elapsed() < LONG,
            "{} of {} came again",
            come.len(),
            sent.len() - 1
        );
        let messages = client.receive(&group, &topic).await?;
        for message in messages {
            ok(client.ack(&group, &topic, &message.handle()).await?)?;
            come.insert(message.id().to_owned());
        }
    }
    if bench.is_embedded() {
        ensure!(!come.contains(&acked), "what was acked came again");
    }
    Ok(())
}

async fn delayed(bench: Bench) -> Outcome {
    let (topic, group) = (bench.topic(TopicKind::Delay).await?, bench.group().await?);
    let client = bench.client().await?;
    let at = ahead(Duration::from_secs(8));
    let sent = client
        .send(message(&topic).changed(|system| system.delivery_timestamp = Some(at)))
        .await?;
    pass(Duration::from_secs(1)).await;
    kill(&bench).await?;
    let client = bench.client().await?;
    let _stream = client.consume(&group).await?;
    let came = client.collect(&group, &topic, 1, LONG).await?;
    ensure!(came[0].id() == sent.message_id, "another message");
    Ok(())
}

async fn half_message(bench: Bench) -> Outcome {
    let (topic, group) = (bench.transactional().await?, bench.group().await?);
    let client = bench.client().await?;
    let id = client.send(half(&topic)).await?.transaction_id;
    kill(&bench).await?;
    let (client, consumer) = (bench.client().await?, bench.client().await?);
    let _stream = consumer.consume(&group).await?;
    let mut checks = client.produce(&[&topic]).await?;
    let check = checks
        .check(LONG)
        .await?
        .context("no check-back after the kill")?;
    ensure!(check.transaction_id == id, "{}", check.transaction_id);
    ok(client.commit(&topic, &id).await?)?;
    let came = consumer.collect(&group, &topic, 1, LEASE * 3).await?;
    ensure!(came[0].id() == id, "another message");
    let again = client.commit(&topic, &id).await?;
    says(
        again,
        v2::Code::InternalServerError,
        "cannot found transaction data",
    )
}

/// Kills the broker, starts it, and waits until it takes messages.
async fn kill(bench: &Bench) -> Outcome {
    {
        let mut restart = bench.restart().await?;
        restart.kill().await?;
        restart.start().await?;
    }
    let topic = bench.normal().await?;
    let client = bench.client().await?;
    bench
        .until(LONG, "sends after the kill", async || {
            Ok(code(client.try_send(message(&topic)).await?) == v2::Code::Ok)
        })
        .await
}
