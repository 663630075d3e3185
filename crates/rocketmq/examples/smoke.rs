//! Tries the client against a running Apache RocketMQ (or the embedded broker): makes a topic and
//! groups of its own, then sends, commits, rolls back, is checked back, receives, defers, renews,
//! dead-letters and drains, and says what it saw.
//!
//! `cargo run -p rocketmq --example smoke -- [gRPC host:port] [remoting host:port]`, by default
//! 127.0.0.1:8081 and 127.0.0.1:10911. Exit 0 only if everything was as documented.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rocketmq::{
    Admin, AdminConfig, Client, ClientConfig, Consumer, ConsumerConfig, Deferral, Delivery,
    GroupSpec, Message, OrphanedHalf, Producer, Resolution, TopicKind, TopicSpec,
    TransactionChecker, TransactionConfig, TransactionProducer,
};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(60);

struct Names {
    normal: String,
    transactional: String,
    group: String,
    dlq_reader: String,
}

/// Commits what says so in its key.
struct ByKey;

impl TransactionChecker for ByKey {
    fn check<'a>(&'a self, half: &'a OrphanedHalf) -> BoxFuture<'a, Resolution> {
        async move {
            say(&format!(
                "check-back {} of {:?}, body {:?}",
                half.checks, half.keys, half.body
            ));
            match half.keys.first().map(String::as_str) {
                Some("forgotten-commit") => Resolution::Commit,
                Some("forgotten-rollback") => Resolution::Rollback,
                _ => Resolution::Unknown,
            }
        }
        .boxed()
    }
}

fn say(what: &str) {
    println!("  {what}");
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let grpc = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let remoting = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:10911".to_owned());
    let run = format!("{:08x}", fastrand::u32(..));
    let names = Names {
        normal: format!("smoke_normal_{run}"),
        transactional: format!("smoke_tx_{run}"),
        group: format!("smoke_group_{run}"),
        dlq_reader: format!("smoke_dlq_{run}"),
    };
    println!("administration at {remoting}");
    make(&remoting, &names).await?;
    let client = Client::new(ClientConfig {
        endpoints: vec![grpc.clone()],
        ..Default::default()
    })?;
    println!("routes at {grpc}");
    for topic in [&names.normal, &names.transactional] {
        let route = wait_for_route(&client, topic).await?;
        say(&format!("{topic}: {route}"));
    }
    println!("normal messages");
    normal(&client, &names).await?;
    println!("transactions");
    transactions(&client, &names).await?;
    println!("everything as documented");
    Ok(())
}

async fn make(remoting: &str, names: &Names) -> Result<()> {
    let admin = Admin::new(AdminConfig {
        addresses: vec![remoting.to_owned()],
        ..AdminConfig::default()
    })?;
    for (name, kind) in [
        (&names.normal, TopicKind::Normal),
        (&names.transactional, TopicKind::Transaction),
    ] {
        admin
            .create_topic(&TopicSpec {
                name: name.clone(),
                kind,
                queues: 8,
            })
            .await?;
    }
    for name in [&names.group, &names.dlq_reader] {
        let delays = vec![Duration::from_secs(10), Duration::from_secs(30)];
        admin
            .create_group(&GroupSpec {
                name: name.clone(),
                retry_max_times: 1000,
                delays,
            })
            .await?;
    }
    Ok(())
}

async fn wait_for_route(client: &Client, topic: &str) -> Result<String> {
    let began = Instant::now();
    loop {
        match client.route(topic).await {
            Ok(route) => {
                let brokers = route.brokers.iter().map(|broker| {
                    let endpoints: Vec<_> = broker.endpoints().collect();
                    format!("{} {endpoints:?} {} queues", broker.name, broker.queues)
                });
                return Ok(brokers.collect::<Vec<_>>().join(", "));
            }
            Err(error) if began.elapsed() < PATIENCE => {
                say(&format!("{error}; again"));
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn consumer(client: &Client, group: &str, topic: &str) -> Result<Consumer> {
    let config = ConsumerConfig {
        group: group.to_owned(),
        topic: topic.to_owned(),
        lease: Duration::from_secs(10),
        permits: 64,
        long_poll: Duration::from_secs(5),
        ..Default::default()
    };
    let consumer = Consumer::start(client, config).await?;
    let mut policy = consumer.backoff_policy();
    let policy = timeout(PATIENCE, policy.wait_for(Option::is_some))
        .await
        .context("no policy came")??;
    say(&format!(
        "{group}: {:?}",
        policy.as_ref().map(|p| (p.max_attempts, &p.delays))
    ));
    Ok(consumer)
}

async fn next(consumer: &Consumer) -> Result<Delivery> {
    let mut batch = timeout(PATIENCE, consumer.next())
        .await
        .context("nothing was received")?
        .context("ended")?;
    ensure!(
        batch.len() == 1,
        "{} messages where one was sent",
        batch.len()
    );
    Ok(batch.remove(0))
}

async fn normal(client: &Client, names: &Names) -> Result<()> {
    let consumer = consumer(client, &names.group, &names.normal).await?;
    let producer = Producer::start(client, vec![names.normal.clone()]).await?;
    let began = Instant::now();
    let message = Message::new(&names.normal, "one")
        .tag("tag")
        .key("key-1")
        .property("colour", "red");
    let sent = producer.send(message).await?;
    let first = next(&consumer).await?;
    say(&format!(
        "sent and received in {:?}: {:?}",
        began.elapsed(),
        first.message()
    ));
    ensure!(
        first.message().message_id == sent.message_id,
        "the id changed on the way"
    );
    ensure!(first.message().properties["colour"] == "red" && first.message().delivery_attempt == 1);

    let began = Instant::now();
    first
        .defer(Duration::from_secs(3), Deferral::Suspended)
        .await?;
    let second = next(&consumer).await?;
    say(&format!(
        "deferred 3 s, suspended: back after {:?}, attempt {}",
        began.elapsed(),
        second.message().delivery_attempt
    ));
    ensure!(
        second.message().delivery_attempt == 1,
        "suspend used an attempt: is this older than 5.5.0?"
    );
    let began = Instant::now();
    second
        .defer(Duration::from_secs(3), Deferral::CountsAttempt)
        .await?;
    let mut third = next(&consumer).await?;
    say(&format!(
        "deferred 3 s, counted: back after {:?}, attempt {}",
        began.elapsed(),
        third.message().delivery_attempt
    ));
    ensure!(third.message().delivery_attempt == 2);

    third.renew().await?;
    tokio::time::sleep(Duration::from_secs(12)).await;
    say(&format!(
        "held for 12 s under a lease of 10 s: {:?} left",
        third.lease_left()
    ));
    ensure!(!third.lease_left().is_zero(), "the lease was not renewed");
    third.dead_letter().await?;
    let dlq = format!("%DLQ%{}", names.group);
    wait_for_route(client, &dlq).await?;
    let reader = self::consumer(client, &names.dlq_reader, &dlq).await?;
    let dead = next(&reader).await?;
    say(&format!("in {dlq}: {:?}", dead.message()));
    ensure!(dead.message().message_id == sent.message_id);
    dead.ack().await?;

    let count = 200;
    let began = Instant::now();
    let sends = (0..count).map(|n| producer.send(Message::new(&names.normal, format!("many-{n}"))));
    futures::future::try_join_all(sends).await?;
    say(&format!("{count} sent in {:?}", began.elapsed()));
    let began = Instant::now();
    let mut received = 0;
    while received < count {
        let batch = timeout(PATIENCE, consumer.next())
            .await
            .context("some are missing")?
            .context("ended")?;
        received += batch.len();
        let acks = futures::future::join_all(batch.into_iter().map(Delivery::ack)).await;
        acks.into_iter().collect::<Result<(), _>>()?;
    }
    say(&format!(
        "{received} received and acked in {:?}",
        began.elapsed()
    ));
    producer.close().await;
    for consumer in [consumer, reader] {
        let began = Instant::now();
        consumer.stop();
        if let Some(batch) = consumer.next().await {
            bail!("{} messages too many", batch.len());
        }
        consumer.drained().await;
        consumer.close().await;
        say(&format!("drained in {:?}", began.elapsed()));
    }
    Ok(())
}

async fn transactions(client: &Client, names: &Names) -> Result<()> {
    let consumer = consumer(client, &names.group, &names.transactional).await?;
    let config = TransactionConfig {
        topics: vec![names.transactional.clone()],
        recovery: Duration::from_secs(5),
        ..Default::default()
    };
    let producer = TransactionProducer::start(client, config, Some(Arc::new(ByKey))).await?;
    let half = |key: &str| Message::new(&names.transactional, format!("body of {key}")).key(key);
    producer
        .begin(half("rolled-back"))
        .await?
        .rollback()
        .await?;
    drop(producer.begin(half("forgotten-rollback")).await?);
    drop(producer.begin(half("forgotten-commit")).await?);
    let began = Instant::now();
    producer.begin(half("committed")).await?.commit().await?;
    let committed = next(&consumer).await?;
    say(&format!(
        "half, commit and receive in {:?}: {:?}",
        began.elapsed(),
        committed.message().keys
    ));
    ensure!(committed.message().keys == ["committed"]);
    committed.ack().await?;
    let checked = next(&consumer).await?;
    say(&format!(
        "after {:?} by check-back: {:?}",
        began.elapsed(),
        checked.message().keys
    ));
    ensure!(checked.message().keys == ["forgotten-commit"]);
    checked.ack().await?;
    let more = timeout(Duration::from_secs(8), consumer.next()).await;
    ensure!(more.is_err(), "a message that was rolled back came through");
    producer.close().await;
    consumer.close().await;
    Ok(())
}
