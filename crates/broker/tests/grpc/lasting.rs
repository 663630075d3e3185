//! What lasts: messages, leases and cursors through a restart; and how long messages last.

use std::time::{Duration, Instant};

use redb::{ReadableTable as _, TableDefinition};
use rocketmq_wire::StoredMessage;
use rocketmq_wire::properties::HALF_TOPIC;
use rocketmq_wire::v2::{Code, TransactionResolution as Resolution};
use tokio::net::TcpStream;

use crate::browsing::pull;

use crate::support::*;

const SOON: Duration = Duration::from_millis(100);

#[tokio::test]
async fn messages_leases_and_acks_outlive_the_process() {
    let running = start(|_| {}).await;
    let (mut client, telemetry) = running.consumer().await;
    for n in 0..4 {
        client.send(message(NORMAL, &format!("m{n}"), "x")).await;
    }
    let received = client.receive(GROUP, NORMAL, SOON).await;
    assert_eq!(received.len(), 4);
    let handles: Vec<&str> = received.iter().map(handle).collect();
    assert_eq!(client.ack(handles[0]).await, Code::Ok);
    client.change(handles[1], Duration::ZERO, false).await;
    client.send(message(NORMAL, "m4", "x")).await;
    drop((client, telemetry));

    let running = running.restart().await;
    let (mut client, _telemetry) = running.consumer().await;
    let again = client.receive(GROUP, NORMAL, SOON).await;
    let seen: Vec<_> = again
        .iter()
        .map(|message| (id(message), attempt(message)))
        .collect();
    assert_eq!(seen, [("m1", 2), ("m4", 1)]);
    assert_eq!(
        client.ack(handles[2]).await,
        Code::Ok,
        "a handle from before the restart"
    );
    assert_eq!(running.broker.stats().invisible(GROUP, NORMAL), 3);
}

#[tokio::test]
async fn old_messages_are_removed_read_or_not_and_offsets_go_on() {
    let running = start(|config| config.retention = Duration::from_secs(4)).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "held", "x")).await;
    let held = client.receive_one(GROUP, NORMAL).await;
    client.send(message(NORMAL, "m1", "x")).await;
    client.send(message(NORMAL, "m2", "x")).await;
    let sent = Instant::now();
    until(|| sent.elapsed() > Duration::from_secs(3)).await;
    client.send(message(NORMAL, "young", "x")).await;
    assert_eq!(running.broker.stats().topic(NORMAL).messages, 4);
    until(|| running.broker.stats().topic(NORMAL).messages <= 2).await;
    assert_eq!(id(&client.receive_one(GROUP, NORMAL).await), "young");
    client.change(handle(&held), Duration::ZERO, false).await;
    let again = client.receive_one(GROUP, NORMAL).await;
    assert_eq!((id(&again), attempt(&again)), ("held", 2));
    assert_eq!(client.ack(handle(&again)).await, Code::Ok);

    let running = running.restart().await;
    let (mut client, _telemetry) = running.consumer().await;
    assert_eq!(client.send(message(NORMAL, "m3", "x")).await.offset, 4);
    assert_eq!(id(&client.receive_one(GROUP, NORMAL).await), "m3");
}

#[tokio::test]
async fn stopping_waits_for_nobody_who_is_done() {
    let running = start(|_| {}).await;
    let (_client, _telemetry) = running.consumer().await;
    let stopped = tokio::time::timeout(Duration::from_millis(1_500), running.broker.stop());
    stopped.await.expect("there is nobody to wait for").unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_as_many_remoting_connections_as_there_may_be() {
    let running = start(|_| {}).await;
    let address = running.broker.remoting_address().unwrap();
    let mut connections = Vec::new();
    for _ in 0..70 {
        connections.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let stopped = tokio::time::timeout(Duration::from_millis(1_500), running.broker.stop());
    stopped.await.expect("there is nobody to wait for").unwrap();
}

#[tokio::test]
async fn stopping_ends_the_polls_that_wait() {
    let running = start(|_| {}).await;
    let (client, _telemetry) = running.consumer().await;
    let mut waiting = client.clone();
    let poll = tokio::spawn(async move {
        waiting
            .receive(GROUP, NORMAL, Duration::from_secs(20))
            .await
    });
    until(|| running.broker.stats().groups.contains_key(GROUP)).await;
    tokio::time::timeout(Duration::from_secs(10), running.broker.stop())
        .await
        .unwrap()
        .unwrap();
    assert!(poll.await.unwrap().is_empty());
}

/// Makes of a stopped broker's store what an earlier version would have left.
fn as_an_earlier_version_had_it(store: &std::path::Path) {
    const HALF_MESSAGES: TableDefinition<u64, &[u8]> = TableDefinition::new("half_messages");
    const ENDS: TableDefinition<u32, u64> = TableDefinition::new("ends");
    const DELAYED: TableDefinition<&[u8], &[u8]> = TableDefinition::new("delayed");
    /// Before the tag: format, time and count.
    const HEAD: usize = 1 + 8 + 4;
    let transaction = redb::Database::open(store).unwrap().begin_write().unwrap();
    {
        let mut halves = transaction.open_table(HALF_MESSAGES).unwrap();
        let rows = halves.iter().unwrap().map(|row| row.unwrap());
        let rows: Vec<_> = rows
            .map(|(half, row)| (half.value(), row.value().to_vec()))
            .collect();
        for (half, row) in rows {
            let text = |at: usize| usize::from(u16::from_le_bytes([row[at], row[at + 1]]));
            let origin = HEAD + 2 + text(HEAD);
            let message = origin + 2 + text(origin);
            assert_eq!(&row[origin + 2..message], TRANSACTIONAL.as_bytes());
            let nameless = [&row[..origin], &[0, 0], &row[message..]].concat();
            halves.insert(half, nameless.as_slice()).unwrap();
        }
        transaction
            .open_table(ENDS)
            .unwrap()
            .remove(0)
            .unwrap()
            .unwrap();
    }
    transaction.delete_table(DELAYED).unwrap();
    transaction.commit().unwrap();
}

#[tokio::test]
async fn the_open_halves_of_an_earlier_version_s_store_keep_their_places() {
    let running = start(|_| {}).await;
    let mut client = running.client("c").await;
    for (offset, id) in ["m0", "m1"].into_iter().enumerate() {
        let sent = client.send(half(id, 30)).await;
        assert_eq!(usize::try_from(sent.offset), Ok(offset));
    }
    drop(client);
    let running = running
        .restart_after(|config| as_an_earlier_version_had_it(&config.data.join("messages.redb")))
        .await;
    let mut stream = TcpStream::connect(running.broker.remoting_address().unwrap())
        .await
        .unwrap();
    let found = pull(&mut stream, HALF_TOPIC, 0).await;
    let halves = StoredMessage::decode_all(&found.messages).unwrap();
    let meant: Vec<_> = halves
        .iter()
        .map(|half| (half.message_id(), half.origin()))
        .collect();
    let origin = Some(TRANSACTIONAL);
    assert_eq!(meant, [(Some("m0"), origin), (Some("m1"), origin)]);
    assert_eq!((found.min_offset, found.max_offset), (0, 2));

    let (mut client, telemetry) = running.consumer().await;
    assert_eq!(client.send(half("m2", 30)).await.offset, 2);
    for id in ["m0", "m1", "m2"] {
        let ended = client.end(id, Resolution::Commit).await;
        assert_eq!(ended.code(), Code::Ok, "{id}");
    }
    let received = client.receive(GROUP, TRANSACTIONAL, SOON).await;
    let ids: Vec<_> = received.iter().map(id).collect();
    assert_eq!(ids, ["m0", "m1", "m2"]);
    drop((client, telemetry));

    // All have ended: their numbers are used up all the same.
    let running = running.restart().await;
    let next = running.client("c").await.send(half("m3", 30)).await;
    assert_eq!(next.offset, 3);
}
