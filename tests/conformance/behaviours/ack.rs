//! Done with a message.

use std::time::Duration;

use anyhow::{Context, ensure};
use rocketmq_wire::v2;

use super::held::Held;
use crate::bench::{Bench, pass};
use crate::consuming::LEASE;
use crate::suite::{Outcome, behaviours};
use crate::wire::{MessageExt, code, message, ok, says};

behaviours! {
    "ack.done": "what is acked does not come again; the reply has an entry for each" => done;
    "ack.mixed": "entries that fare differently are told one by one" => mixed;
    "ack.alike": "entries that fail alike make their code that of the whole" => alike;
    "ack.twice": "a second ack is OK" => twice;
    "ack.unchecked": "message id and client are not looked at" => unchecked;
    "ack.wrong-group": "an ack that names another group or topic is OK and does nothing" => wrong_group, differs "it counts: the handle alone says which message is meant";
    "ack.expired": "an expired handle is refused" => expired;
    "ack.garbage": "what is no handle is a server error" => garbage;
    "ack.invented": "a handle of a message that was never handed out is a server error" => invented;
    "ack.none": "an ack without entries is a server error" => none;
}

async fn done(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    let reply = held.ack(&[&held.handle]).await?;
    ok(reply.status)?;
    let [entry] = &reply.entries[..] else {
        anyhow::bail!("{} entries instead of one", reply.entries.len());
    };
    ok(entry.status.clone())?;
    ensure!(
        entry.message_id == "any" && entry.receipt_handle == held.handle,
        "{entry:?}"
    );
    held.gone(&bench).await
}

async fn mixed(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    held.client.send(message(&held.topic)).await?;
    let other = held.client.one(&held.group, &held.topic).await?.handle();
    pass(LEASE + Duration::from_millis(500)).await;
    let fresh = held
        .client
        .collect(&held.group, &held.topic, 1, Duration::from_secs(20))
        .await?;
    let reply = held.ack(&[&fresh[0].handle(), &other]).await?;
    ensure!(
        code(reply.status.clone()) == v2::Code::MultipleResults,
        "{:?}",
        reply.status
    );
    let codes: Vec<_> = reply
        .entries
        .iter()
        .map(|entry| code(entry.status.clone()))
        .collect();
    ensure!(
        codes == [v2::Code::Ok, v2::Code::InvalidReceiptHandle],
        "{codes:?}"
    );
    Ok(())
}

async fn alike(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    held.client.send(message(&held.topic)).await?;
    let other = held.client.one(&held.group, &held.topic).await?.handle();
    pass(LEASE + Duration::from_millis(500)).await;
    let reply = held.ack(&[&held.handle, &other]).await?;
    let code = v2::Code::InvalidReceiptHandle;
    ensure!(
        crate::wire::code(reply.status.clone()) == code,
        "{:?}",
        reply.status
    );
    ensure!(reply.entries.len() == 2, "{:?}", reply.entries);
    reply
        .entries
        .into_iter()
        .try_for_each(|entry| says(entry.status, code, "expired"))
}

async fn twice(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    ok(held.ack(&[&held.handle]).await?.status)?;
    ok(held.ack(&[&held.handle]).await?.status)
}

async fn unchecked(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    // Another client, without telemetry; the message id is wrong in every ack of this suite.
    let stranger = bench.client().await?;
    ok(stranger.ack(&held.group, &held.topic, &held.handle).await?)?;
    held.gone(&bench).await
}

async fn wrong_group(bench: Bench) -> Outcome {
    for wrong_topic in [false, true] {
        let held = Held::take(&bench).await?;
        let (group, topic) = if wrong_topic {
            (held.group.clone(), bench.normal().await?)
        } else {
            (bench.group().await?, held.topic.clone())
        };
        ok(held.client.ack(&group, &topic, &held.handle).await?)?;
        if bench.is_embedded() {
            held.gone(&bench).await?;
        } else {
            let within = LEASE + Duration::from_secs(20);
            held.client
                .collect(&held.group, &held.topic, 1, within)
                .await?;
        }
    }
    Ok(())
}

async fn expired(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    pass(LEASE + Duration::from_millis(500)).await;
    let reply = held.ack(&[&held.handle]).await?;
    refused(
        reply,
        v2::Code::InvalidReceiptHandle,
        "receipt handle is expired",
    )
}

/// The whole says the code by its name; the one entry says why.
fn refused(reply: v2::AckMessageResponse, code: v2::Code, words: &str) -> Outcome {
    says(reply.status, code, code.as_str_name())?;
    let entry = reply.entries.into_iter().next().context("no entry")?;
    says(entry.status, code, words)
}

async fn garbage(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    for garbage in ["garbage", ""] {
        let reply = held.ack(&[garbage]).await?;
        refused(reply, v2::Code::InternalServerError, "Parse failed")?;
    }
    Ok(())
}

async fn invented(bench: Bench) -> Outcome {
    let held = Held::take(&bench).await?;
    // The offset is the one but last number of Apache RocketMQ's handles, the second of ours.
    let mut fields: Vec<String> = held.handle.split(' ').map(str::to_owned).collect();
    let at = bench.either(7, 1);
    fields[at] = "1000000".into();
    let reply = held.ack(&[&fields.join(" ")]).await?;
    let words = "ack failed: status is abnormal";
    refused(reply, v2::Code::InternalServerError, words)
}

async fn none(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let reply = client.ack_all(&group, &topic, &[]).await?;
    says(
        reply.status,
        v2::Code::InternalServerError,
        "ack message result is empty",
    )
}
