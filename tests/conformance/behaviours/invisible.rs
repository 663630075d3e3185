//! Not yet done with a message: ChangeInvisibleDuration.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rocketmq_wire::v2;

use super::held::Held;
use crate::bench::{Bench, pass};
use crate::consuming::{LEASE, change};
use crate::suite::{Outcome, behaviours};
use crate::wire::{MessageExt, ok, says, seconds};

behaviours! {
    "invisible.limits": "a change takes 0 s to 12 h" => limits;
    "invisible.new-handle": "a change gives a new handle, and that acks; the message id is not looked at" => new_handle;
    "invisible.old-handle": "the old handle's ack is OK and does nothing" => old_handle;
    "invisible.twice": "the same old handle may be changed twice" => twice;
    "invisible.refused": "an expired handle and garbage are refused" => refused;
    "invisible.redelivery": "a deferred message comes back after its time, never before" => redelivery;
    "invisible.at-once": "0 s give it back" => at_once;
    "invisible.attempt": "each redelivery counts" => attempt;
    "invisible.suspend": "a suspended message keeps its number" => suspend;
}

const SOON: Duration = Duration::from_secs(30);

async fn limits(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    let mut handle = held.handle.clone();
    for span in [43_200, 1, 5, 43_200] {
        handle = held.change(&handle, Duration::from_secs(span)).await?;
    }
    let illegal = v2::Code::IllegalInvisibleTime;
    for (span, words) in [
        (-1, "too small. min is 0"),
        (43_201, "too large. max is 43200000"),
    ] {
        let asked = v2::ChangeInvisibleDurationRequest {
            invisible_duration: seconds(span),
            ..change(&held.group, &held.topic, &handle, Duration::ZERO)
        };
        says(held.client.change_with(asked).await?.status, illegal, words)?;
    }
    held.change(&handle, Duration::ZERO).await.map(drop)
}

async fn new_handle(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    let asked = v2::ChangeInvisibleDurationRequest {
        message_id: "another".into(),
        ..change(
            &held.group,
            &held.topic,
            &held.handle,
            Duration::from_secs(10),
        )
    };
    let reply = held.client.change_with(asked).await?;
    ok(reply.status)?;
    ensure!(reply.receipt_handle != held.handle, "the handle stays");
    ok(held
        .client
        .ack(&held.group, &held.topic, &reply.receipt_handle)
        .await?)?;
    pass(Duration::from_secs(6) + bench.lateness()).await;
    held.client.nothing(&held.group, &held.topic).await
}

async fn old_handle(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    held.change(&held.handle, Duration::from_secs(3)).await?;
    ok(held
        .client
        .ack(&held.group, &held.topic, &held.handle)
        .await?)?;
    held.again(SOON).await.map(drop)
}

async fn twice(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    held.change(&held.handle, Duration::from_secs(20)).await?;
    held.change(&held.handle, Duration::from_secs(21))
        .await
        .map(drop)
}

async fn refused(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    let garbage = held
        .client
        .change(&held.group, &held.topic, "garbage", LEASE)
        .await?;
    says(
        garbage.status,
        v2::Code::InternalServerError,
        "Parse failed",
    )?;
    pass(LEASE + Duration::from_millis(500)).await;
    let expired = held
        .client
        .change(&held.group, &held.topic, &held.handle, LEASE)
        .await?;
    says(
        expired.status,
        v2::Code::InvalidReceiptHandle,
        "receipt handle is expired",
    )
}

async fn redelivery(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    let mut handle = held.handle.clone();
    for seconds in [3, 10] {
        let (asked, span) = (Instant::now(), Duration::from_secs(seconds));
        held.change(&handle, span).await?;
        let (message, came) = held.again(SOON).await?;
        let took = came - asked;
        ensure!(took >= span, "{span:?}: early, after {took:?}");
        ensure!(
            took <= span + bench.lateness(),
            "{span:?}: late, after {took:?}"
        );
        handle = message.handle();
    }
    Ok(())
}

async fn at_once(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    let asked = Instant::now();
    held.change(&held.handle, Duration::ZERO).await?;
    let took = held.again(SOON).await?.1 - asked;
    ensure!(took <= bench.lateness(), "after {took:?}");
    Ok(())
}

async fn attempt(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    let mut handle = held.handle.clone();
    for expected in [2, 3] {
        held.change(&handle, Duration::ZERO).await?;
        let (message, _) = held.again(SOON).await?;
        ensure!(
            message.attempt() == expected,
            "{} instead of {expected}",
            message.attempt()
        );
        handle = message.handle();
    }
    Ok(())
}

async fn suspend(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    let mut handle = held.handle.clone();
    for (suspend, since, before) in [(true, 1, 2), (false, 2, 3), (true, 2, 4)] {
        let asked = v2::ChangeInvisibleDurationRequest {
            suspend: Some(suspend),
            ..change(&held.group, &held.topic, &handle, Duration::ZERO)
        };
        ok(held.client.change_with(asked).await?.status)?;
        let (message, _) = held.again(SOON).await?;
        // Before 5.5.0 the field is not known, and each redelivery counts.
        let expected = bench.since_5_5(since, before);
        ensure!(
            message.attempt() == expected,
            "{} instead of {expected}",
            message.attempt()
        );
        handle = message.handle();
    }
    Ok(())
}
