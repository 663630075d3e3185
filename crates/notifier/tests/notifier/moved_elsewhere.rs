//! What Apache RocketMQ moves to the dead-letter topic by itself: where `RINGBACK_ROCKETMQ` (gRPC) and
//! `RINGBACK_ROCKETMQ_ADMIN` (a name server) say that there is one.

use std::time::Duration;

use notification::{Group, Topic};
use reqwest::StatusCode;
use rocketmq::{
    Admin, AdminConfig, Client, Consumer, ConsumerConfig, Deferral, GroupSpec, Message, TopicKind,
    TopicSpec, TransactionConfig, TransactionProducer,
};

use crate::support::{Running, World, envelope, eventually, reach, subscription};

#[tokio::test(flavor = "multi_thread")]
async fn what_apache_rocketmq_moved_gets_a_letter() {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    let variable = |name: &str| std::env::var(format!("RINGBACK_ROCKETMQ{name}")).ok();
    let Some((grpc, remoting)) = variable("").zip(variable("_ADMIN")) else {
        return;
    };
    let world = World::new().await;
    let run = format!("moved_{:08x}", fastrand::u32(..));
    let administration = AdminConfig {
        addresses: vec![remoting],
        ..AdminConfig::default()
    };
    let admin = Admin::new(administration.clone()).unwrap();
    let topic = TopicSpec {
        name: run.clone(),
        kind: TopicKind::Transaction,
        queues: 2,
    };
    admin.create_topic(&topic).await.unwrap();
    let group = GroupSpec {
        name: run.clone(),
        retry_max_times: 1,
        delays: vec![Duration::from_secs(10)],
    };
    admin.create_group(&group).await.unwrap();
    let client = Client::new(reach(&grpc)).unwrap();
    eventually("a route", async || client.route(&run).await.ok()).await;

    let mut sent = envelope();
    sent.notification.topic = Topic::new(&*run).unwrap();
    let producer = TransactionProducer::start(&client, TransactionConfig::default(), None)
        .await
        .unwrap();
    let wire = sent.to_message();
    let message = Message {
        topic: wire.topic,
        body: wire.body,
        tag: Some(wire.tag),
        keys: wire.keys,
        properties: wire.properties,
    };
    let half = producer.begin(message).await.unwrap();
    half.commit().await.unwrap();

    // A worker that fails each time, until the broker has had enough.
    let config = ConsumerConfig {
        group: run.clone(),
        topic: run.clone(),
        lease: Duration::from_secs(10),
        long_poll: Duration::from_secs(5),
        ..ConsumerConfig::default()
    };
    let consumer = Consumer::start(&client, config).await.unwrap();
    eventually("the broker's own dead letter", async || {
        let next = tokio::time::timeout(Duration::from_secs(1), consumer.next());
        for delivery in next.await.ok().flatten().unwrap_or_default() {
            let deferred = delivery.defer(Duration::ZERO, Deferral::CountsAttempt);
            deferred.await.unwrap();
        }
        let queues = admin.queues(&format!("%DLQ%{run}")).await.ok()?;
        queues.iter().any(|queue| queue.max > 0).then_some(())
    })
    .await;
    consumer.stop();
    consumer.drained().await;
    consumer.close().await;
    producer.close().await;

    let mut config = world.config();
    config.broker = reach(&grpc);
    config.admin = Some(administration);
    config.notifier.dlq_interval = Duration::from_millis(500);
    config.subscriptions = vec![subscription("bank2", "bank2")];
    config.subscriptions[0].group = Group::new(&*run).unwrap();
    config.subscriptions[0].topic = Topic::new(&*run).unwrap();
    let notifier = Running::start(config).await;
    let path = format!("/v1/dead-letters/{}", sent.notification.tx_no);
    let letter = eventually("the letter", async || {
        let (status, letter) = notifier.get(&path).await;
        (status == StatusCode::OK).then_some(letter)
    })
    .await;
    assert_eq!(letter["reason"], "broker_moved");
    assert_eq!(letter["content_type"], "application/json");
    assert!(letter["forwarded_ms"].is_i64(), "{letter}");
    assert!(world.receiver.calls().is_empty(), "nobody was rung");
    notifier.stop().await;
}
