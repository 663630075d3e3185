//! Notifications sent straight to the topic, without an initiator: thousands of them in seconds.

use bytes::Bytes;
use notification::api::bank1::TransferBody;
use notification::{Envelope, InitiatorId, Notification, TxNo};
use rocketmq::{Client, ClientConfig, Message, TransactionConfig, TransactionProducer};
use tokio::task::JoinSet;

use crate::TestStage;

/// A sender to the stage's topic; clones share it.
#[derive(Debug, Clone)]
pub struct Straight {
    producer: TransactionProducer,
    topic: String,
}

/// How many are sent at a time.
const LANES: usize = 16;

impl Straight {
    /// What each transfers to bank2's account.
    pub const AMOUNT_FEN: i64 = 1_000;

    /// One that declares no topic, so that it is asked about nobody's transactions.
    pub async fn to(on: &TestStage) -> Straight {
        let config = ClientConfig {
            endpoints: vec![on.stage.addresses.broker.to_string()],
            ..ClientConfig::default()
        };
        let client = Client::new(config).expect("the stage names its broker");
        let producer = TransactionProducer::start(&client, TransactionConfig::default(), None);
        Straight {
            producer: producer
                .await
                .expect("a producer starts without its broker"),
            topic: "topic_txmsg".to_owned(),
        }
    }

    /// Sends one for each of these numbers.
    pub async fn send(&self, numbers: &[TxNo]) {
        let mut sending = JoinSet::new();
        for part in numbers.chunks(numbers.len().div_ceil(LANES).max(1)) {
            let (part, sender) = (part.to_vec(), self.clone());
            sending.spawn(async move {
                for tx_no in part {
                    sender.one(tx_no).await;
                }
            });
        }
        while let Some(sent) = sending.join_next().await {
            sent.expect("a lane fails only by a failed send");
        }
    }

    /// Sends one: half and commit at once.
    pub async fn one(&self, tx_no: TxNo) {
        let half = self.producer.begin(self.message(tx_no)).await;
        let half = half.expect("the broker takes it");
        half.commit().await.expect("the broker takes its end");
    }

    fn message(&self, tx_no: TxNo) -> Message {
        let checked = "plain names are names";
        let notification = Notification {
            source: "bank1".parse().expect(checked),
            tx_no,
            topic: self.topic.parse().expect(checked),
            event_type: "transfer".parse().expect(checked),
            business_key: "transfer 10.00".parse().expect(checked),
            content_type: "application/json".parse().expect(checked),
            endpoint: None,
            notify_url: None,
            traceparent: None,
            body: body(tx_no),
        };
        let initiator = InitiatorId::new(tx_no.to_string()).expect("any id will do");
        let wire = Envelope::new(notification, initiator).to_message();
        let mut message = Message::new(wire.topic, wire.body);
        message.tag = Some(wire.tag);
        message.keys = wire.keys;
        message.properties = wire.properties;
        message
    }
}

/// A transfer of 10.00 to bank2's account, as bank1 tells it.
fn body(tx_no: TxNo) -> Bytes {
    let transfer = TransferBody {
        tx_no,
        from_account: "1".to_owned(),
        to_account: "2".to_owned(),
        amount_fen: Straight::AMOUNT_FEN,
    };
    let json = serde_json::to_vec(&transfer).expect("two strings and two numbers are JSON");
    Bytes::from(json)
}
