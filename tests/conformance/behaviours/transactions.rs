//! Half messages and their ends.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rocketmq_wire::properties::TRANSACTION_ID;
use rocketmq_wire::v2::{TransactionResolution, TransactionSource};
use rocketmq_wire::{resource, v2};

use crate::bench::{Bench, pass};
use crate::suite::{Outcome, behaviours};
use crate::wire::{MessageExt, half, late_half, ok, says, with_id};

behaviours! {
    "transactions.commit": "a half message is seen only after its commit, and then at once" => commit;
    "transactions.rollback": "a rolled-back half message is never seen" => rollback;
    "transactions.end-fields": "an end needs topic and transaction id, not the message id" => end_fields;
    "transactions.end-sources": "an end counts whatever source it names, with a trace or without" => end_sources;
    "transactions.end-unspecified": "an end without a resolution leaves the half open and uses up its record" => end_unspecified;
    "transactions.end-once": "a second end finds no transaction" => end_once;
    "transactions.end-wrong": "a wrong transaction id or topic finds no transaction" => end_wrong;
    "transactions.end-wrong-message-id": "a wrong message id does not hinder the end" => end_wrong_message_id;
    "transactions.end-by-anyone": "any client may end, known or not" => end_by_anyone;
    "transactions.record": "30 s after its send a half cannot be ended; its next check-back renews that" => record, needs Patience;
    "transactions.same-id": "of two halves with one id an end takes the newest; the older one is still checked" => same_id;
    "transactions.recovery-limits": "a first check-back may be put off by an hour at most" => recovery_limits;
}

const NOT_FOUND: &str = "cannot found transaction data";
/// Halves that are not to be checked meanwhile.
const CALM: Duration = Duration::from_secs(300);

async fn commit(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.transactional().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let sent = client
        .send(late_half(&topic, CALM).property("k", "v").tagged("t"))
        .await?;
    ensure!(sent.transaction_id == sent.message_id, "{sent:?}");
    client.nothing(&group, &topic).await?;
    let (end, received) = tokio::join!(client.commit(&topic, &sent.transaction_id), async {
        let start = std::time::Instant::now();
        (client.one(&group, &topic).await, start.elapsed())
    });
    ok(end?)?;
    let (message, took) = (received.0?, received.1);
    ensure!(took < bench.at_once(), "it took {took:?}");
    ensure!(message.id() == sent.message_id, "{}", message.id());
    ensure!(
        message.system().message_type() == v2::MessageType::Transaction,
        "{message:?}"
    );
    ensure!(
        message.user_properties.get(TRANSACTION_ID) == Some(&sent.transaction_id),
        "{:?}",
        message.user_properties
    );
    ensure!(
        message.user_properties.get("k").is_some_and(|v| v == "v"),
        "{message:?}"
    );
    ensure!(message.system().tag() == "t", "{message:?}");
    Ok(())
}

async fn rollback(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.transactional().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let sent = client.send(late_half(&topic, CALM)).await?;
    ok(client
        .end(
            &topic,
            &sent.transaction_id,
            TransactionResolution::Rollback,
        )
        .await?)?;
    client.nothing(&group, &topic).await?;
    says(
        client.commit(&topic, &sent.transaction_id).await?,
        v2::Code::InternalServerError,
        NOT_FOUND,
    )
}

fn ending(topic: &str, message_id: &str, transaction_id: &str) -> v2::EndTransactionRequest {
    v2::EndTransactionRequest {
        topic: Some(resource(topic)),
        message_id: message_id.into(),
        transaction_id: transaction_id.into(),
        resolution: TransactionResolution::Commit.into(),
        ..Default::default()
    }
}

async fn end_fields(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.transactional().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let sent = client.send(late_half(&topic, CALM)).await?;
    let id = &sent.transaction_id;
    let blank = client.end_with(ending(&topic, id, "")).await?;
    says(
        blank,
        v2::Code::InvalidTransactionId,
        "transaction id cannot be empty",
    )?;
    let (code, words) = bench.blank(v2::Code::IllegalTopic, "topic is null");
    says(client.end_with(ending("", id, id)).await?, code, words)?;
    ok(client.end_with(ending(&topic, "", id)).await?)?;
    client.one(&group, &topic).await.map(drop)
}

async fn end_sources(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.transactional().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    for (source, trace) in [
        (TransactionSource::SourceUnspecified, "trace"),
        (TransactionSource::SourceClient, ""),
        (TransactionSource::SourceServerCheck, ""),
    ] {
        let sent = client.send(late_half(&topic, CALM)).await?;
        let end = v2::EndTransactionRequest {
            source: source.into(),
            trace_context: trace.into(),
            ..ending(&topic, &sent.message_id, &sent.transaction_id)
        };
        ok(client.end_with(end).await?)?;
    }
    client
        .collect(&group, &topic, 3, Duration::from_secs(20))
        .await
        .map(drop)
}

async fn end_unspecified(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.transactional().await?,
        bench.group().await?,
    );
    let (_consumer, producer) = (client.consume(&group).await?, bench.client().await?);
    let mut checks = producer.produce(&[&topic]).await?;
    let sent = client.send(half(&topic)).await?;
    let id = &sent.transaction_id;
    ok(client
        .end(&topic, id, TransactionResolution::Unspecified)
        .await?)?;
    says(
        client.commit(&topic, id).await?,
        v2::Code::InternalServerError,
        NOT_FOUND,
    )?;
    let check = checks.check(Duration::from_secs(20)).await?;
    ensure!(
        check.is_some_and(|check| &check.transaction_id == id),
        "it is not checked"
    );
    ok(client.commit(&topic, id).await?)?;
    client.one(&group, &topic).await.map(drop)
}

async fn end_once(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.transactional().await?);
    let id = client.send(late_half(&topic, CALM)).await?.transaction_id;
    ok(client.commit(&topic, &id).await?)?;
    for resolution in [
        TransactionResolution::Commit,
        TransactionResolution::Rollback,
        TransactionResolution::Unspecified,
    ] {
        let again = client.end(&topic, &id, resolution).await?;
        says(again, v2::Code::InternalServerError, NOT_FOUND)?;
    }
    Ok(())
}

async fn end_wrong(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let (topic, other) = (bench.transactional().await?, bench.transactional().await?);
    let id = client.send(late_half(&topic, CALM)).await?.transaction_id;
    let code = v2::Code::InternalServerError;
    says(
        client.commit(&topic, "no_such_transaction").await?,
        code,
        NOT_FOUND,
    )?;
    says(client.commit(&other, &id).await?, code, NOT_FOUND)?;
    says(client.commit("no_such_topic", &id).await?, code, NOT_FOUND)
}

async fn end_wrong_message_id(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.transactional().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let id = client.send(late_half(&topic, CALM)).await?.transaction_id;
    ok(client.end_with(ending(&topic, "another", &id)).await?)?;
    ensure!(
        client.one(&group, &topic).await?.id() == id,
        "another message"
    );
    Ok(())
}

async fn end_by_anyone(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.transactional().await?,
        bench.group().await?,
    );
    let (_stream, stranger) = (client.consume(&group).await?, bench.client().await?);
    let id = client.send(late_half(&topic, CALM)).await?.transaction_id;
    ok(stranger.commit(&topic, &id).await?)?;
    client.one(&group, &topic).await.map(drop)
}

async fn record(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.transactional().await?);
    let mut checks = client.produce(&[&topic]).await?;
    let early = client.send(late_half(&topic, CALM)).await?.transaction_id;
    let late = client
        .send(late_half(&topic, Duration::from_secs(38)))
        .await?
        .transaction_id;
    pass(Duration::from_secs(20)).await;
    ok(client.commit(&topic, &early).await?)?;
    pass(Duration::from_secs(14)).await;
    let code = v2::Code::InternalServerError;
    says(client.commit(&topic, &late).await?, code, NOT_FOUND)?;
    // Apache RocketMQ puts a half that is not due yet back with each of its rounds: it is late among a
    // crowd of them, and also asks after one that is committed. The embedded broker does neither.
    let until = Instant::now() + bench.either(Duration::from_secs(80), Duration::from_secs(8));
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let check = checks.check(left).await?.context("it is not checked")?;
        if check.transaction_id == late {
            break;
        }
        ensure!(!bench.is_embedded(), "a committed half is checked");
    }
    ok(client.commit(&topic, &late).await?)
}

async fn same_id(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.transactional().await?,
        bench.group().await?,
    );
    let (_consumer, producer) = (client.consume(&group).await?, bench.client().await?);
    let mut checks = producer.produce(&[&topic]).await?;
    let of = |body: &'static str| v2::Message {
        body: body.into(),
        ..with_id(&topic, "twice").changed(|s| s.set_message_type(v2::MessageType::Transaction))
    };
    client.send(of("older")).await?;
    client.send(of("newer")).await?;
    ok(client.commit(&topic, "twice").await?)?;
    ensure!(
        client.one(&group, &topic).await?.body == "newer",
        "the older one is seen"
    );
    let check = checks.check(Duration::from_secs(20)).await?;
    let body = check
        .and_then(|check| check.message)
        .map(|message| message.body);
    ensure!(body.as_deref() == Some(b"older"), "checked: {body:?}");
    Ok(())
}

async fn recovery_limits(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.transactional().await?);
    ok(client
        .try_send(late_half(&topic, Duration::from_secs(3600)))
        .await?)?;
    let refused = client
        .try_send(late_half(&topic, Duration::from_secs(3601)))
        .await?;
    says(
        refused,
        v2::Code::BadRequest,
        "recovery time of message is too large, max is 3600",
    )
}
