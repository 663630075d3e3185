//! Check-backs: when, how often, to whom, with what.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rocketmq_wire::properties::{
    CHECK_IMMUNITY_SECONDS, CHECK_MAX_TOPIC, CHECK_TIMES, TRANSACTION_ID,
};
use rocketmq_wire::v2;

use crate::bench::{Bench, CHECK_AFTER, CHECK_INTERVAL, CHECK_MAX, pass};
use crate::suite::{Outcome, behaviours};
use crate::telemetry::Telemetry;
use crate::wire::{MessageExt, half, late_half, ok, says};

behaviours! {
    "checks.content": "a check-back carries the whole message and how often it was asked" => content;
    "checks.schedule": "the first comes after the time-out, the others an interval apart, fifteen in all; then the half is set aside, can still be committed for a while, and no longer" => schedule;
    "checks.recovery": "a half's own recovery time puts its first check-back off, or brings it forward" => recovery;
    "checks.recipients": "they go round the clients that publish the topic, whoever sent; others get none" => recipients;
    "checks.unheard": "they are counted also when nobody hears them" => unheard;
    "checks.new-producer": "another producer of the topic is asked when the first has gone" => new_producer;
    "checks.terminated": "a client that terminated is asked no more, the others are" => terminated;
}

const SOON: Duration = Duration::from_secs(20);

fn times(check: &v2::RecoverOrphanedTransactionCommand) -> anyhow::Result<u32> {
    let message = check
        .message
        .as_ref()
        .context("a check-back without its message")?;
    let times = message.user_properties.get(CHECK_TIMES);
    Ok(times.context("a check-back that is not counted")?.parse()?)
}

async fn content(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.transactional().await?);
    let mut checks = client.produce(&[&topic]).await?;
    let sent = late_half(&topic, Duration::from_secs(2))
        .tagged("t")
        .property("k", "v");
    let sent = sent.changed(|system| system.keys = vec!["key".into()]);
    let id = client.send(sent.clone()).await?.transaction_id;
    let check = checks.check(SOON).await?.context("no check-back")?;
    ensure!(check.transaction_id == id, "{}", check.transaction_id);
    let first = times(&check)?;
    // One that gets lost on its way to a client that has only just come is counted too.
    ensure!(
        (1..=2).contains(&first),
        "the first that is heard is number {first}"
    );
    let next = checks.check(SOON).await?.context("no second check-back")?;
    ensure!(times(&next)? > first, "{first}, then {}", times(&next)?);
    let message = check.message.context("no message")?;
    ensure!(
        message.topic.as_ref().is_some_and(|t| t.name == topic),
        "{:?}",
        message.topic
    );
    ensure!(message.body == sent.body, "another body");
    let system = message.system();
    ensure!(system.message_id == id, "{}", system.message_id);
    ensure!(system.tag() == "t" && system.keys == ["key"], "{system:?}");
    ensure!(system.delivery_attempt() == 1, "{system:?}");
    ensure!(
        system.queue_offset.is_some() && system.born_timestamp.is_some(),
        "{system:?}"
    );
    let user = &message.user_properties;
    ensure!(user.get("k").is_some_and(|v| v == "v"), "{user:?}");
    ensure!(user.get(TRANSACTION_ID) == Some(&id), "{user:?}");
    ensure!(
        user.get(CHECK_IMMUNITY_SECONDS).is_some_and(|v| v == "2"),
        "{user:?}"
    );
    Ok(())
}

async fn schedule(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.transactional().await?,
        bench.group().await?,
    );
    let (_consumer, producer) = (client.consume(&group).await?, bench.client().await?);
    let mut checks = producer.produce(&[&topic]).await?;
    let start = Instant::now();
    let ended = client.send(half(&topic)).await?.transaction_id;
    let left = client.send(half(&topic)).await?.transaction_id;
    let (mut seen, mut last) = ([0; 2], Instant::now());
    // The first may be late; the record of the last outlives the silence that shows it.
    let silence = |seen: [u32; 2]| match seen {
        [0, 0] => SOON,
        _ => CHECK_INTERVAL * 6,
    };
    while let Some(check) = checks.check(silence(seen)).await? {
        let of = usize::from(check.transaction_id == left);
        if seen == [0, 0] {
            let first = start.elapsed();
            ensure!(
                first >= CHECK_AFTER - Duration::from_millis(50),
                "the first after {first:?}"
            );
            ensure!(
                first < CHECK_AFTER + CHECK_INTERVAL + bench.lateness(),
                "the first after {first:?}"
            );
        }
        seen[of] += 1;
        ensure!(
            times(&check)? == seen[of],
            "number {} says {}",
            seen[of],
            times(&check)?
        );
        last = Instant::now();
    }
    ensure!(seen == [CHECK_MAX; 2], "{seen:?} check-backs");
    let whole = last - start;
    let expected = CHECK_AFTER + CHECK_INTERVAL * (CHECK_MAX - 1);
    ensure!(
        whole >= expected - Duration::from_secs(2),
        "all within {whole:?}"
    );
    ensure!(
        whole < expected + CHECK_INTERVAL + bench.lateness() * 2,
        "all within {whole:?}"
    );
    let aside = crate::behaviours::admin::stored(&bench, CHECK_MAX_TOPIC).await?;
    ensure!(aside >= 2, "{aside} messages in {CHECK_MAX_TOPIC}");
    client.nothing(&group, &topic).await?;
    ok(client.commit(&topic, &ended).await?)?;
    ensure!(
        client.one(&group, &topic).await?.id() == ended,
        "another message"
    );
    pass(Duration::from_secs(33).saturating_sub(last.elapsed())).await;
    says(
        client.commit(&topic, &left).await?,
        v2::Code::InternalServerError,
        "cannot found transaction data",
    )
}

async fn recovery(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    // Apache RocketMQ puts a half that is not due yet back with each of its rounds.
    let rounds = bench.either(3, 1);
    for recovery_s in [10, 0] {
        let topic = bench.transactional().await?;
        let mut checks = client.produce(&[&topic]).await?;
        let recovery = Duration::from_secs(recovery_s);
        let start = Instant::now();
        client.send(late_half(&topic, recovery)).await?;
        checks.check(SOON).await?.context("no check-back")?;
        let took = start.elapsed();
        ensure!(took >= recovery, "{recovery_s} s: after {took:?}");
        ensure!(
            took < recovery + CHECK_INTERVAL * rounds + bench.lateness(),
            "{recovery_s} s: after {took:?}"
        );
    }
    Ok(())
}

/// How many check-backs come within so long.
async fn count(checks: &mut Telemetry, within: Duration) -> anyhow::Result<usize> {
    let (start, mut seen) = (Instant::now(), 0);
    while let Some(left) = within.checked_sub(start.elapsed()) {
        if checks.check(left).await?.is_some() {
            seen += 1;
        }
    }
    Ok(seen)
}

async fn recipients(bench: Bench) -> Outcome {
    let (topic, other) = (bench.transactional().await?, bench.transactional().await?);
    let (a, b, c) = (
        bench.client().await?,
        bench.client().await?,
        bench.client().await?,
    );
    let (mut of_a, mut of_b) = (
        a.produce(&[&topic]).await?,
        b.produce(&[&other, &topic]).await?,
    );
    let mut of_c = c.produce(&[&other]).await?;
    // Sent by the one that is not to be asked.
    for _ in 0..4 {
        c.send(half(&topic)).await?;
    }
    let span = Duration::from_secs(20);
    let (a, b, c) = tokio::try_join!(
        count(&mut of_a, span),
        count(&mut of_b, span),
        count(&mut of_c, span)
    )?;
    ensure!(a >= 2 && b >= 2 && c == 0, "{a}, {b} and {c} check-backs");
    Ok(())
}

async fn unheard(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.transactional().await?);
    let mut checks = client.produce(&[&topic]).await?;
    client.send(half(&topic)).await?;
    let first = checks.check(SOON).await?.context("no check-back")?;
    ensure!(times(&first)? == 1, "{}", times(&first)?);
    checks.half_close().await?;
    pass(CHECK_INTERVAL * 4).await;
    let mut checks = client.produce(&[&topic]).await?;
    let next = checks
        .check(SOON)
        .await?
        .context("no check-back on the new stream")?;
    ensure!(times(&next)? >= 4, "{}", times(&next)?);
    Ok(())
}

async fn new_producer(bench: Bench) -> Outcome {
    let topic = bench.transactional().await?;
    let (a, b) = (bench.client().await?, bench.client().await?);
    let mut checks = a.produce(&[&topic]).await?;
    let id = a.send(half(&topic)).await?.transaction_id;
    checks.check(SOON).await?.context("no check-back")?;
    drop((checks, a));
    let mut checks = b.produce(&[&topic]).await?;
    let check = checks
        .check(SOON)
        .await?
        .context("no check-back to the other")?;
    ensure!(check.transaction_id == id, "{}", check.transaction_id);
    ok(b.commit(&topic, &id).await?)
}

async fn terminated(bench: Bench) -> Outcome {
    let topic = bench.transactional().await?;
    let (a, b) = (bench.client().await?, bench.client().await?);
    let (mut of_a, mut of_b) = (a.produce(&[&topic]).await?, b.produce(&[&topic]).await?);
    ok(a.terminate(None).await?)?;
    b.send(half(&topic)).await?;
    let heard = tokio::spawn(async move {
        // Its stream may also have ended.
        of_a.check(SOON).await.ok().flatten().is_some()
    });
    let seen = count(&mut of_b, SOON).await?;
    ensure!(seen >= 2, "{seen} check-backs to who is left");
    ensure!(!heard.await?, "who terminated is asked");
    Ok(())
}
