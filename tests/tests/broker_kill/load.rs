//! Everything that clients do, all at once, and a note of everything that was acknowledged.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rocketmq::{
    Client, ClientConfig, Consumer, ConsumerConfig, Deferral, Delivery, Message, OrphanedHalf,
    Producer, Resolution, TransactionChecker, TransactionConfig, TransactionProducer,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{NORMAL, TRANSACTIONAL, WORKER};

const SENDERS: usize = 8;
const TRANSACTORS: usize = 4;
/// The shortest lease: what is dropped comes back after it.
const LEASE: Duration = Duration::from_secs(10);
/// Between two tries while the broker is away.
const PAUSE: Duration = Duration::from_millis(20);

/// How a transaction was ended, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Left to the check-back.
    None,
    CommitAsked,
    Committed,
    RollbackAsked,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) sent: HashSet<String>,
    pub(crate) held: HashMap<String, End>,
    /// Halves that the broker asked about, since the last kill.
    pub(crate) asked_about: HashSet<String>,
    /// Received, and dropped or deferred at some time.
    pub(crate) left_leased: HashSet<String>,
    /// Of those: not delivered again so far.
    pub(crate) outstanding: HashSet<String>,
    pub(crate) acked: HashSet<String>,
}

/// What was done so far.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "printed")]
pub(crate) struct Counts {
    pub(crate) sent: usize,
    pub(crate) held: usize,
    pub(crate) left_leased: usize,
    pub(crate) acked: usize,
    pub(crate) checked: usize,
}

/// Everybody's notes.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Book>);

impl Notes {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }

    pub(crate) fn counts(&self) -> Counts {
        let book = self.book();
        Counts {
            sent: book.sent.len(),
            held: book.held.len(),
            left_leased: book.left_leased.len(),
            acked: book.acked.len(),
            checked: book.asked_about.len(),
        }
    }

    pub(crate) async fn until(&self, so: impl Fn(&Notes) -> bool, patience: Duration) {
        let deadline = tokio::time::Instant::now() + patience;
        while !so(self) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "it did not come about: {:?}",
                self.counts()
            );
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Notes who is asked about, and answers nothing.
struct Witness(Arc<Notes>);

impl TransactionChecker for Witness {
    fn check<'a>(&'a self, half: &'a OrphanedHalf) -> BoxFuture<'a, Resolution> {
        self.0.book().asked_about.insert(body(&half.body));
        async { Resolution::Unknown }.boxed()
    }
}

pub(crate) fn body(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn client(address: &str, name: &str) -> Client {
    let config = ClientConfig {
        endpoints: vec![address.to_owned()],
        request_timeout: Duration::from_secs(3),
        name: name.to_owned(),
        ..ClientConfig::default()
    };
    Client::new(config).unwrap()
}

pub(crate) async fn consumer(client: &Client, group: &str, topic: &str) -> Consumer {
    let config = ConsumerConfig {
        group: group.to_owned(),
        topic: topic.to_owned(),
        lease: LEASE,
        permits: 256,
        long_poll: Duration::from_secs(5),
        ..ConsumerConfig::default()
    };
    Consumer::start(client, config).await.unwrap()
}

/// The clients at work.
pub(crate) struct Load {
    notes: Arc<Notes>,
    producing: JoinSet<()>,
    consuming: JoinSet<()>,
    stop: CancellationToken,
    consumers: Vec<Arc<Consumer>>,
    /// Kept until the end: it hears the check-backs.
    transactions: TransactionProducer,
}

impl Load {
    pub(crate) async fn start(address: &str, notes: Arc<Notes>, rng: &mut fastrand::Rng) -> Self {
        let client = client(address, "load");
        let (mut producing, mut consuming, stop) =
            (JoinSet::new(), JoinSet::new(), CancellationToken::new());
        let producer = Arc::new(Producer::start(&client, vec![NORMAL.into()]).await.unwrap());
        for sender in 0..SENDERS {
            let work = send(Arc::clone(&producer), Arc::clone(&notes), sender);
            producing.spawn(stop.clone().run_until_cancelled_owned(work).map(drop));
        }
        let config = TransactionConfig {
            topics: vec![TRANSACTIONAL.into()],
            recovery: Duration::from_secs(1),
            ..TransactionConfig::default()
        };
        let witness = Arc::new(Witness(Arc::clone(&notes)));
        let transactions = TransactionProducer::start(&client, config, Some(witness))
            .await
            .unwrap();
        for transactor in 0..TRANSACTORS {
            let work = transact(
                transactions.clone(),
                Arc::clone(&notes),
                transactor,
                rng.fork(),
            );
            producing.spawn(stop.clone().run_until_cancelled_owned(work).map(drop));
        }
        let mut consumers = Vec::new();
        for topic in [NORMAL, TRANSACTIONAL] {
            let consumer = Arc::new(consumer(&client, WORKER, topic).await);
            consuming.spawn(consume(
                Arc::clone(&consumer),
                Arc::clone(&notes),
                rng.fork(),
                stop.clone(),
            ));
            consumers.push(consumer);
        }
        Self {
            notes,
            producing,
            consuming,
            stop,
            consumers,
            transactions,
        }
    }

    /// Ends producing, lets the workers ack everything that comes, and ends them too. Whom this
    /// answers still hears check-backs.
    pub(crate) async fn stop(mut self) -> TransactionProducer {
        self.stop.cancel();
        while self.producing.join_next().await.is_some() {}
        // Whatever was left leased, at any time, has to be delivered again; and open halves asked about.
        let settled = |notes: &Notes| {
            let book = notes.book();
            let open =
                |(id, end): (&String, &End)| *end == End::None && !book.asked_about.contains(id);
            book.outstanding.is_empty() && !book.held.iter().any(open)
        };
        self.notes.until(settled, crate::PATIENCE).await;
        for consumer in &self.consumers {
            consumer.stop();
        }
        while self.consuming.join_next().await.is_some() {}
        self.transactions
    }
}

async fn send(producer: Arc<Producer>, notes: Arc<Notes>, sender: usize) {
    for n in 0_u64.. {
        let id = format!("send-{sender}-{n}");
        match producer.send(Message::new(NORMAL, id.clone())).await {
            Ok(_) => drop(notes.book().sent.insert(id)),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn transact(
    producer: TransactionProducer,
    notes: Arc<Notes>,
    transactor: usize,
    mut rng: fastrand::Rng,
) {
    for n in 0_u64.. {
        let id = format!("half-{transactor}-{n}");
        let note = |end| {
            notes.book().held.insert(id.clone(), end);
        };
        let Ok(half) = producer
            .begin(Message::new(TRANSACTIONAL, id.clone()))
            .await
        else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // A cancelled end is an end that was asked for.
        match rng.u8(0..5) {
            0..2 => {
                note(End::CommitAsked);
                if half.commit().await.is_ok() {
                    note(End::Committed);
                }
            }
            2..4 => {
                note(End::RollbackAsked);
                // Confirmed or not: it must never be visible.
                drop(half.rollback().await);
            }
            _ => note(End::None),
        }
    }
}

/// Acks most, defers some, drops some; once everyone else has stopped it acks all.
async fn consume(
    consumer: Arc<Consumer>,
    notes: Arc<Notes>,
    mut rng: fastrand::Rng,
    stop: CancellationToken,
) {
    let mut settling = JoinSet::new();
    while let Some(batch) = consumer.next().await {
        for delivery in batch {
            let fate = if stop.is_cancelled() {
                0
            } else {
                rng.u8(0..10)
            };
            settling.spawn(settle(delivery, Arc::clone(&notes), fate));
        }
        while settling.try_join_next().is_some() {}
    }
    while settling.join_next().await.is_some() {}
}

async fn settle(delivery: Delivery, notes: Arc<Notes>, fate: u8) {
    let id = body(&delivery.message().body);
    notes.book().outstanding.remove(&id);
    if fate < 7 {
        // An ack without an answer may have been carried out: then nothing is known.
        if delivery.ack().await.is_ok() {
            notes.book().acked.insert(id);
        }
        return;
    }
    {
        let mut book = notes.book();
        book.left_leased.insert(id.clone());
        book.outstanding.insert(id);
    }
    if fate < 9 {
        // It comes back soon, or after its lease if this fails.
        drop(
            delivery
                .defer(Duration::from_millis(100), Deferral::CountsAttempt)
                .await,
        );
    }
}
