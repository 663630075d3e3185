//! Receiving and settling: leases, handles, deferring, and how punctual all that is.

use std::time::{Duration, Instant};

use rocketmq_wire::v2::{self, Code};

use crate::support::*;

const SOON: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_message_is_received_acked_and_seen_no_more() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    let sent = client.send(message(NORMAL, "m1", "hello")).await;
    assert_eq!(
        (
            sent.message_id.as_str(),
            sent.transaction_id.as_str(),
            sent.offset
        ),
        ("m1", "m1", 0)
    );

    let received = client.receive_one(GROUP, NORMAL).await;
    assert_eq!(received.body, "hello");
    assert_eq!((id(&received), attempt(&received)), ("m1", 1));
    assert_eq!(running.broker.stats().invisible(GROUP, NORMAL), 1);
    assert_eq!(client.ack(handle(&received)).await, Code::Ok);

    let stats = running.broker.stats();
    assert_eq!(
        (stats.ready(GROUP, NORMAL), stats.invisible(GROUP, NORMAL)),
        (0, 0)
    );
    assert!(client.receive(GROUP, NORMAL, SOON).await.is_empty());
}

#[tokio::test]
async fn a_deferred_message_comes_back_in_time_and_never_early() {
    let running = start(|config| config.groups[0].retry_max_times = 100).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "m1", "x")).await;
    let mut received = client.receive_one(GROUP, NORMAL).await;
    let mut worst = Duration::ZERO;
    for span_ms in [0, 1, 50, 300, 999] {
        let span = Duration::from_millis(span_ms);
        let asked = Instant::now();
        let (changed, _) = client.change(handle(&received), span, false).await;
        assert_eq!(changed, Code::Ok);
        let deferred = Instant::now();
        received = client.receive_one(GROUP, NORMAL).await;
        assert!(
            asked.elapsed() >= span,
            "{span:?} came back after {:?}",
            asked.elapsed()
        );
        worst = worst.max(deferred.elapsed().saturating_sub(span));
    }
    assert!(worst < Duration::from_millis(200), "late by {worst:?}");
    assert_eq!(attempt(&received), 6);
}

#[tokio::test]
async fn a_message_wakes_a_long_poll_at_once() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    let mut waiting = client.clone();
    let poll = tokio::spawn(async move {
        let messages = waiting
            .receive(GROUP, NORMAL, Duration::from_secs(20))
            .await;
        (messages.len(), Instant::now())
    });
    // The group's reading of the topic appears when the poll has arrived.
    until(|| running.broker.stats().groups.contains_key(GROUP)).await;
    let sent = Instant::now();
    client.send(message(NORMAL, "m1", "x")).await;
    let (received, at) = poll.await.unwrap();
    assert_eq!(received, 1);
    assert!(
        at - sent < Duration::from_millis(500),
        "woken after {:?}",
        at - sent
    );
}

#[tokio::test]
async fn a_poll_that_finds_nothing_lasts_as_long_as_was_asked() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    let asked = Instant::now();
    let (status, messages) = client
        .receive_with(receive(GROUP, NORMAL, Duration::from_millis(400)))
        .await;
    assert_eq!((status.code(), messages.len()), (Code::MessageNotFound, 0));
    assert!(asked.elapsed() >= Duration::from_millis(400));
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn what_an_abandoned_poll_would_have_got_is_there_at_once_as_the_same_attempt() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    let mut gone = client.clone();
    let poll =
        tokio::spawn(async move { gone.receive(GROUP, NORMAL, Duration::from_secs(20)).await });
    until(|| running.broker.stats().groups.contains_key(GROUP)).await;
    poll.abort();
    assert!(poll.await.unwrap_err().is_cancelled());
    client.send(message(NORMAL, "m1", "x")).await;
    let received = client.receive_one(GROUP, NORMAL).await;
    assert_eq!(attempt(&received), 1);
}

#[tokio::test]
async fn a_changed_handle_is_dead_but_acks_as_ok() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "m1", "x")).await;
    let received = client.receive_one(GROUP, NORMAL).await;
    let old = handle(&received).to_owned();
    let (changed, new) = client.change(&old, LEASE, false).await;
    assert_eq!(changed, Code::Ok);
    assert_ne!(old, new);

    assert_eq!(client.ack(&old).await, Code::Ok);
    assert_eq!(
        running.broker.stats().invisible(GROUP, NORMAL),
        1,
        "the old handle acked nothing"
    );
    assert_eq!(client.change(&old, Duration::ZERO, false).await.0, Code::Ok);
    assert_eq!(
        running.broker.stats().invisible(GROUP, NORMAL),
        1,
        "the old handle changed nothing"
    );
    assert_eq!(client.ack(&new).await, Code::Ok);
    assert_eq!(running.broker.stats().invisible(GROUP, NORMAL), 0);
    assert_eq!(client.ack(&new).await, Code::Ok, "acking twice is no error");
}

#[tokio::test]
async fn an_expired_handle_is_invalid() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "m1", "x")).await;
    client.send(message(NORMAL, "m2", "x")).await;
    let received = client.receive(GROUP, NORMAL, SOON).await;
    let (_, expired) = client
        .change(handle(&received[0]), Duration::ZERO, false)
        .await;
    until(|| running.broker.stats().ready(GROUP, NORMAL) == 1).await;
    assert_eq!(client.ack(&expired).await, Code::InvalidReceiptHandle);
    assert_eq!(
        client.change(&expired, LEASE, false).await.0,
        Code::InvalidReceiptHandle
    );

    let fresh = handle(&received[1]);
    let mixed = client.ack_handles(&[&expired, fresh, "garbage"]).await;
    let codes: Vec<Code> = mixed
        .entries
        .iter()
        .map(|entry| code(entry.status.clone()))
        .collect();
    assert_eq!(code(mixed.status), Code::MultipleResults);
    assert_eq!(
        codes,
        [
            Code::InvalidReceiptHandle,
            Code::Ok,
            Code::InternalServerError
        ]
    );
    assert_eq!(running.broker.stats().invisible(GROUP, NORMAL), 0);
}

#[tokio::test]
async fn a_suspended_message_keeps_its_attempt() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    client.send(message(NORMAL, "m1", "x")).await;
    for (suspend, expected) in [(true, 1), (true, 1), (false, 2), (true, 2), (false, 3)] {
        let received = client.receive_one(GROUP, NORMAL).await;
        client
            .change(handle(&received), Duration::ZERO, suspend)
            .await;
        let again = client.receive_one(GROUP, NORMAL).await;
        assert_eq!(attempt(&again), expected, "suspend {suspend}");
        client.change(handle(&again), Duration::ZERO, true).await;
    }
}

#[tokio::test]
async fn every_group_gets_every_message_and_a_new_one_begins_at_the_first() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    for n in 0..40 {
        client.send(message(NORMAL, &format!("m{n}"), "x")).await;
    }
    for group in ["group", "auto-created", "another"] {
        let mut ids = std::collections::HashSet::new();
        while let batch @ [_, ..] = client.receive(group, NORMAL, SOON).await.as_slice() {
            assert!(batch.len() <= 32);
            ids.extend(batch.iter().map(|message| id(message).to_owned()));
        }
        assert_eq!(ids.len(), 40, "{group}");
    }
}

#[tokio::test]
async fn what_a_filter_passes_over_is_gone_for_the_group() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    for tag in ["A", "B", "C"] {
        let mut tagged = message(NORMAL, tag, tag);
        tagged.system_properties.as_mut().unwrap().tag = Some(tag.into());
        client.send(tagged).await;
    }
    let mut asked = receive(GROUP, NORMAL, SOON);
    let expression = "A || C".to_owned();
    asked.filter_expression = Some(v2::FilterExpression {
        r#type: v2::FilterType::Tag.into(),
        expression,
    });
    let (_, messages) = client.receive_with(asked).await;
    assert_eq!(messages.iter().map(id).collect::<Vec<_>>(), ["A", "C"]);
    assert!(client.receive(GROUP, NORMAL, SOON).await.is_empty());
}

#[tokio::test]
async fn a_batch_has_one_entry_and_its_messages_keep_their_ids() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    let batch = (0..3)
        .map(|n| message(NORMAL, &format!("m{n}"), "x"))
        .collect();
    let reply = client.send_all(batch).await;
    assert_eq!(code(reply.status), Code::Ok);
    let [entry] = reply.entries.as_slice() else {
        panic!("one entry")
    };
    assert!(entry.message_id.starts_with("FD00"), "{}", entry.message_id);
    assert_eq!((entry.transaction_id.as_str(), entry.offset), ("m0", 0));
    let messages = client.receive(GROUP, NORMAL, SOON).await;
    assert_eq!(
        messages.iter().map(id).collect::<Vec<_>>(),
        ["m0", "m1", "m2"]
    );
}

#[tokio::test]
async fn one_receive_carries_so_many_bytes_new_or_come_back() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    for n in 0..8 {
        let large = v2::Message {
            body: vec![0; 3 << 20].into(),
            ..message(NORMAL, &format!("m{n}"), "x")
        };
        client.send(large).await;
    }
    let mut come_back = async |received: &[v2::Message]| {
        for message in received {
            let (code, _) = client.change(handle(message), Duration::ZERO, true).await;
            assert_eq!(code, Code::Ok);
        }
        let (mut receiving, mut batches) = (client.clone(), Vec::new());
        while batches.iter().map(Vec::len).sum::<usize>() < 8 {
            batches.push(
                receiving
                    .receive(GROUP, NORMAL, Duration::from_secs(1))
                    .await,
            );
        }
        batches
    };
    let first = come_back(&[]).await;
    let sizes = |batches: &[Vec<v2::Message>]| batches.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(&first), [5, 3], "16 MiB of new ones");
    let again = come_back(&first.concat()).await;
    assert_eq!(sizes(&again), [5, 3], "16 MiB of those that came back");
}
