//! Administration over remoting, as far as the gRPC behaviours lean on it.

use std::time::Duration;

use anyhow::{Context, ensure};
use rocketmq_wire::remoting::Frame;

use crate::bench::Bench;
use crate::remote;
use crate::suite::{Outcome, behaviours};
use crate::wire::message;

behaviours! {
    "admin.offsets": "a queue's smallest and largest offset tell how much it holds" => offsets;
    "admin.unknown-code": "a request code that nobody knows is refused with code 3" => unknown_code;
}

const SOON: Duration = Duration::from_secs(10);
const MAX_OFFSET: i32 = 30;
const MIN_OFFSET: i32 = 31;
const NOT_SUPPORTED: i32 = 3;

async fn offset(bench: &Bench, code: i32, topic: &str) -> anyhow::Result<u64> {
    let mut request = Frame::request(code, 1);
    request.ext_fields.insert("topic".into(), topic.into());
    request.ext_fields.insert("queueId".into(), "0".into());
    let reply = remote::done(bench.remoting(), request).await?;
    Ok(reply
        .ext_fields
        .get("offset")
        .context("no offset")?
        .parse()?)
}

/// How many messages the first queue of a topic holds.
pub(crate) async fn stored(bench: &Bench, topic: &str) -> anyhow::Result<u64> {
    let (min, max) = (
        offset(bench, MIN_OFFSET, topic).await?,
        offset(bench, MAX_OFFSET, topic).await?,
    );
    Ok(max.saturating_sub(min))
}

async fn offsets(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    for expected in 0..3 {
        // Apache RocketMQ counts a message a moment after it took it.
        bench
            .until(SOON, "the count of what was sent", async || {
                Ok(stored(&bench, &topic).await? == expected)
            })
            .await?;
        client.send(message(&topic)).await?;
    }
    Ok(())
}

async fn unknown_code(bench: Bench) -> Outcome {
    let reply = remote::ask(bench.remoting(), Frame::request(32_000, 1)).await?;
    ensure!(reply.code == NOT_SUPPORTED, "code {}", reply.code);
    Ok(())
}
