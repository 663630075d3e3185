//! Messages with a delivery time, and taking them back.

use std::time::{Duration, Instant};

use anyhow::ensure;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rocketmq_wire::remoting::{Frame, TopicKind};
use rocketmq_wire::v2;

use crate::bench::{Bench, pass};
use crate::remote;
use crate::suite::{Outcome, behaviours};
use crate::wire::{MessageExt, ahead, message, moment, ok, says};

behaviours! {
    "delay.delivery": "a delayed message comes after its time, never before, and says it" => delivery;
    "delay.past": "a time that is over delivers at once" => past;
    "delay.limit": "a delay is at most 24 h" => limit;
    "delay.reply": "the answer has a recall handle, which names topic, time and message" => reply;
    "delay.batch": "several delayed messages in one request are refused" => batch, since (5, 5, 0);
    "recall.forbidden": "recalling is forbidden by default; the message comes all the same" => forbidden;
    "recall.handle": "what is no recall handle is refused" => handle;
    "recall.allowed": "where recalling is allowed, what is recalled never comes; recalling it again, or what never was, is OK; of what was delivered it is a server error" => allowed, needs Restart, differs "NOT_FOUND for what is not there or delivered, since the broker looks";
}

fn delayed(topic: &str, delay: Duration) -> v2::Message {
    message(topic).changed(|system| system.delivery_timestamp = Some(ahead(delay)))
}

async fn delivery(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.topic(TopicKind::Delay).await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    for seconds in [1, 5] {
        let delay = Duration::from_secs(seconds);
        let (message, sent) = (delayed(&topic, delay), Instant::now());
        client.send(message.clone()).await?;
        let came = client.one(&group, &topic).await?;
        let took = sent.elapsed();
        ensure!(
            took >= delay - Duration::from_millis(2),
            "{delay:?}: early, after {took:?}"
        );
        ensure!(
            took <= delay + bench.lateness(),
            "{delay:?}: late, after {took:?}"
        );
        ensure!(
            came.id() == message.id() && came.body == message.body,
            "another message"
        );
        let system = came.system();
        ensure!(
            system.message_type() == v2::MessageType::Delay,
            "{system:?}"
        );
        ensure!(
            system.delivery_timestamp == message.system().delivery_timestamp,
            "{system:?}"
        );
        ensure!(system.delivery_attempt() == 1, "{system:?}");
        ok(client.ack(&group, &topic, &came.handle()).await?)?;
    }
    Ok(())
}

async fn past(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.topic(TopicKind::Delay).await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    for at_ms in [0, service::clock::now_ms() - 60_000] {
        let at = moment(at_ms);
        let sent = client
            .send(message(&topic).changed(|system| system.delivery_timestamp = Some(at)))
            .await?;
        let start = Instant::now();
        let came = client.one(&group, &topic).await?;
        ensure!(came.id() == sent.message_id, "another message");
        ensure!(
            start.elapsed() <= bench.lateness(),
            "after {:?}",
            start.elapsed()
        );
    }
    Ok(())
}

async fn limit(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.topic(TopicKind::Delay).await?);
    let day = Duration::from_secs(86_400);
    ok(client
        .try_send(delayed(&topic, day - Duration::from_secs(30)))
        .await?)?;
    let refused = client
        .try_send(delayed(&topic, day + Duration::from_secs(30)))
        .await?;
    let words = "the max delay time of message is too large, max is 86400000";
    says(refused, v2::Code::IllegalDeliveryTime, words)
}

/// What recall handles are encoded by.
fn encoding() -> GeneralPurpose {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::URL_SAFE, lenient)
}

/// The words inside a recall handle.
fn words(handle: &str) -> anyhow::Result<Vec<String>> {
    let text = String::from_utf8(encoding().decode(handle)?)?;
    Ok(text.split(' ').map(str::to_owned).collect())
}

async fn reply(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.topic(TopicKind::Delay).await?);
    let message = delayed(&topic, Duration::from_secs(60));
    let sent = client.send(message.clone()).await?;
    let at = message.system().delivery_timestamp.unwrap_or_default();
    let at_ms = at.seconds * 1000 + i64::from(at.nanos / 1_000_000);
    let words = words(&sent.recall_handle)?;
    ensure!(words.len() == 5, "{words:?}");
    ensure!(
        words[0] == "v1" && words[1] == topic && words[4] == sent.message_id,
        "{words:?}"
    );
    // Apache RocketMQ rounds the time to its timer's grain.
    let named: i64 = words[3].parse()?;
    ensure!((named - at_ms).abs() <= 1000, "{words:?} for {at_ms}");
    ensure!(
        sent.message_id == message.id() && sent.transaction_id == sent.message_id,
        "{sent:?}"
    );
    Ok(())
}

async fn batch(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.topic(TopicKind::Delay).await?);
    let message = || delayed(&topic, Duration::from_secs(60));
    let refused = client.send_all(vec![message(), message()]).await?;
    says(
        refused.status,
        v2::Code::InternalServerError,
        "Delayed messages are not supported for batching",
    )
}

async fn forbidden(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.topic(TopicKind::Delay).await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let sent = client.send(delayed(&topic, Duration::from_secs(3))).await?;
    let refused = client.recall(&topic, &sent.recall_handle).await?;
    let words = "recall failed, operation is forbidden";
    says(refused.status, v2::Code::InternalServerError, words)?;
    let came = client.one(&group, &topic).await?;
    ensure!(came.id() == sent.message_id, "another message");
    Ok(())
}

async fn handle(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.topic(TopicKind::Delay).await?);
    let refused = client.recall(&topic, "garbage").await?;
    says(
        refused.status,
        v2::Code::InternalServerError,
        "recall handle is invalid",
    )
}

/// Request code: change the broker's configuration, given as `name=value` lines.
const CHANGE_SETTINGS: i32 = 25;

/// Allows recalling, or forbids it; the embedded broker that runs as a process has it allowed.
async fn allow(bench: &Bench, allowed: bool) -> Outcome {
    if bench.is_embedded() {
        return Ok(());
    }
    let mut request = Frame::request(CHANGE_SETTINGS, 1);
    request.body = format!("recallMessageEnable={allowed}\n").into();
    remote::done(bench.remoting(), request).await.map(drop)
}

async fn allowed(bench: Bench) -> Outcome {
    allow(&bench, true).await?;
    let seen = recalls(&bench).await;
    allow(&bench, false).await?;
    seen
}

async fn recalls(bench: &Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.topic(TopicKind::Delay).await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let delay = Duration::from_secs(8);
    let sent = client.send(delayed(&topic, delay)).await?;
    let recalled = client.recall(&topic, &sent.recall_handle).await?;
    ok(recalled.status)?;
    ensure!(
        recalled.message_id == sent.message_id,
        "{}",
        recalled.message_id
    );
    let mut never = words(&sent.recall_handle)?;
    never[4] = "never-sent".into();
    let never = encoding().encode(never.join(" "));
    let missing = bench.either(v2::Code::Ok, v2::Code::NotFound);
    for handle in [&sent.recall_handle, &never] {
        says(client.recall(&topic, handle).await?.status, missing, "")?;
    }
    // The poll lasts 5 s more.
    pass(delay.saturating_sub(Duration::from_secs(4)) + bench.lateness()).await;
    client.nothing(&group, &topic).await?;
    let sent = client.send(delayed(&topic, Duration::from_secs(1))).await?;
    client.one(&group, &topic).await?;
    let late = client.recall(&topic, &sent.recall_handle).await?;
    let real = (
        v2::Code::InternalServerError,
        "recall failed, timestamp invalid",
    );
    let (code, words) = bench.either(real, (v2::Code::NotFound, ""));
    says(late.status, code, words)
}
