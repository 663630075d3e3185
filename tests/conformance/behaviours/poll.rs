//! The long poll, and who renews what it brought.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rocketmq_wire::v2;

use crate::bench::{Bench, pass};
use crate::consuming::receive;
use crate::suite::{Outcome, behaviours};
use crate::wire::{MessageExt, message, ok, says, seconds};

behaviours! {
    "poll.span": "a poll lasts 5 s at least, 20 s at most, and 20 s if nothing is asked" => span;
    "poll.arrival": "an arriving message ends the poll at once" => arrival;
    "poll.deadline": "a deadline that leaves less than 5 s is refused" => deadline;
    "poll.cancelled": "a message that arrives for a poll that was given up comes again, as its first delivery" => cancelled;
    "poll.auto-renew": "the server renews until the client acks by the first handle" => auto_renew, differs "the lease is 60 s and is not renewed";
}

async fn span(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let lasts = async |asked, span_s| {
        let asked = v2::ReceiveMessageRequest {
            long_polling_timeout: asked,
            ..receive(&group, &topic)
        };
        let took = client
            .receive_within(asked, Duration::from_secs(40))
            .await?
            .took;
        let span = Duration::from_secs(span_s);
        // Apache RocketMQ may end a poll a little before its time.
        let least = span - bench.either(Duration::from_millis(500), Duration::ZERO);
        ensure!(took >= least && took < span + bench.at_once(), "{took:?}");
        Ok(())
    };
    tokio::try_join!(
        lasts(seconds(0), 5),
        lasts(seconds(3), 5),
        lasts(seconds(7), 7),
        lasts(seconds(60), 20),
        lasts(None, 20),
    )?;
    Ok(())
}

async fn arrival(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let (sender, asked) = (bench.client().await?, receive(&group, &topic));
    let (received, sent) = tokio::join!(client.receive_with(asked), async {
        pass(Duration::from_secs(2)).await;
        let at = Instant::now();
        sender.send(message(&topic)).await.map(|_| at)
    });
    let (received, at) = (received?, sent?);
    ensure!(
        received.messages.len() == 1,
        "{} messages",
        received.messages.len()
    );
    ensure!(at.elapsed() < bench.at_once(), "after {:?}", at.elapsed());
    Ok(())
}

async fn deadline(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let asked = receive(&group, &topic);
    let refused = client.receive_within(asked, Duration::from_secs(3)).await?;
    says(
        refused.status,
        v2::Code::BadRequest,
        "deadline time remaining is not enough",
    )
}

async fn cancelled(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let poll = tokio::spawn({
        let (client, asked) = (client.clone(), receive(&group, &topic));
        async move { client.receive_with(asked).await }
    });
    pass(Duration::from_secs(1)).await;
    poll.abort();
    ensure!(poll.await.is_err(), "the poll ended by itself");
    let sent = client.send(message(&topic)).await?;
    let came = client
        .collect(&group, &topic, 1, Duration::from_secs(30))
        .await?;
    // Before 5.5.0 it counts as the second.
    let attempt = bench.since_5_5(1, 2);
    ensure!(
        came[0].id() == sent.message_id && came[0].attempt() == attempt,
        "{:?}",
        came[0].system()
    );
    Ok(())
}

async fn auto_renew(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    client.send(message(&topic)).await?;
    let asked = v2::ReceiveMessageRequest {
        auto_renew: true,
        invisible_duration: None,
        ..receive(&group, &topic)
    };
    let start = Instant::now();
    let received = client.receive_with(asked).await?;
    ok(received.status)?;
    let first = &received.messages[0];
    let mut again = Vec::new();
    while again.is_empty() && start.elapsed() < Duration::from_secs(75) {
        again = client.receive(&group, &topic).await?;
    }
    if bench.is_embedded() {
        let after = start.elapsed();
        ensure!(again.len() == 1 && again[0].attempt() == 2, "{again:?}");
        ensure!(after >= Duration::from_secs(60), "after {after:?}");
        let expired = client.ack_message(&group, first).await?;
        return says(expired, v2::Code::InvalidReceiptHandle, "");
    }
    ensure!(
        again.is_empty(),
        "it came again after {:?}",
        start.elapsed()
    );
    ok(client.ack_message(&group, first).await?)?;
    client.nothing(&group, &topic).await
}
