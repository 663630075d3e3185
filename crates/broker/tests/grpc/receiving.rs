//! Receiving and settling: leases, handles, deferring, and how punctual all that is.

use std::time::{Duration, Instant};

use rocketmq_wire::v2::Code;

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
