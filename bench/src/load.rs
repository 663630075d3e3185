//! Messages, put with the `rocketmq` client as any initiator would put them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use notification::TxNo;
use notification::message::{
    BUSINESS_KEY, CONTENT_TYPE, EVENT_TYPE, FORMAT, FORMAT_VERSION, INITIATOR_ID, SOURCE, TX_NO,
};
use rocketmq::{Client, ClientConfig, Message, Producer};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::now_us;

/// Bytes of each body.
const BODY: usize = 500;

/// Sends under way at a time.
const AT_ONCE: u64 = 128;

/// The id of a database that there is none of.
const INITIATOR: &str = "018f3a1e-0000-7000-8000-000000000001";

/// Puts messages on one topic.
#[derive(Debug, Clone)]
pub(crate) struct Loader {
    producer: Arc<Producer>,
    topic: String,
}

impl Loader {
    pub(crate) async fn start(broker: &str, topic: &str) -> anyhow::Result<Self> {
        let client = Client::new(ClientConfig {
            endpoints: vec![broker.to_owned()],
            name: "bench".to_owned(),
            request_timeout: Duration::from_secs(10),
            ..ClientConfig::default()
        })?;
        let producer = Producer::start(&client, vec![topic.to_owned()]).await?;
        Ok(Self {
            producer: Arc::new(producer),
            topic: topic.to_owned(),
        })
    }

    /// Puts `count` messages, each for the endpoint that `to` says, as fast as the broker takes them.
    pub(crate) async fn put<F>(&self, count: u64, to: F) -> anyhow::Result<()>
    where
        F: Fn(u64) -> String + Clone + Send + 'static,
    {
        let mut lanes = JoinSet::new();
        for lane in 0..AT_ONCE.min(count) {
            let (loader, to) = (self.clone(), to.clone());
            lanes.spawn(async move {
                for n in (lane..count).step_by(usize::try_from(AT_ONCE)?) {
                    loader.send(to(n)).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = lanes.join_next().await {
            done??;
        }
        Ok(())
    }

    /// Puts `count` messages at so many a second. One that is slow delays none behind it.
    pub(crate) async fn trickle(
        &self,
        count: u64,
        per_s: u64,
        to: impl Fn(u64) -> String,
    ) -> anyhow::Result<()> {
        let (began, mut sending) = (Instant::now(), JoinSet::new());
        for n in 0..count {
            tokio::time::sleep_until(began + Duration::from_micros(n * 1_000_000 / per_s)).await;
            let (loader, endpoint) = (self.clone(), to(n));
            sending.spawn(async move { loader.send(endpoint).await });
            while let Some(done) = sending.try_join_next() {
                done??;
            }
        }
        while let Some(done) = sending.join_next().await {
            done??;
        }
        Ok(())
    }

    /// Puts one.
    pub(crate) async fn one(&self, endpoint: String) -> anyhow::Result<()> {
        self.send(endpoint).await
    }

    async fn send(&self, endpoint: String) -> anyhow::Result<()> {
        let sent_us = now_us();
        let mut random = [0; 10];
        fastrand::fill(&mut random);
        let tx_no = TxNo::from_parts(sent_us / 1000, random).to_string();
        let message = Message::new(self.topic.clone(), body(sent_us))
            .tag("transfer")
            .key(tx_no.clone())
            .property(FORMAT, FORMAT_VERSION)
            .property(TX_NO, tx_no)
            .property(SOURCE, "bench")
            .property(INITIATOR_ID, INITIATOR)
            .property(EVENT_TYPE, "transfer")
            .property(BUSINESS_KEY, "transfer 10.00")
            .property(CONTENT_TYPE, "application/json")
            .property("rb-endpoint", endpoint);
        let sent = self.producer.send(message).await;
        sent.map(drop).context("putting a message")
    }
}

/// Puts what the command line asks for.
pub(crate) async fn run(args: crate::args::Load) -> anyhow::Result<()> {
    let loader = Loader::start(&args.broker, &args.topic).await?;
    let endpoint = args.endpoint;
    let to = move |_| endpoint.clone();
    match args.rate {
        Some(per_s) => loader.trickle(args.count, per_s, to).await?,
        None => loader.put(args.count, to).await?,
    }
    println!("{} messages put on {}", args.count, args.topic);
    Ok(())
}

/// Valid JSON that begins with the time of sending.
fn body(sent_us: u64) -> Bytes {
    let mut text = format!("{{\"sent_us\":{sent_us:016},\"filler\":\"");
    text.extend(std::iter::repeat_n('x', BODY - text.len() - 2));
    text.push_str("\"}");
    Bytes::from(text)
}
