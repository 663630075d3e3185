//! Transfers that go on and on, as a bank's customers would have them: each is asked for again until
//! it is known what became of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use demo::{Posted, World};
use notification::TxNo;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::BankRun;

/// Between two transfers of one lane, and before one is asked for again.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one transfer may be asked for.
const GIVES_UP: Duration = Duration::from_secs(120);

/// A transfer that is decided.
#[derive(Debug, Clone)]
pub struct Transferred {
    /// Its number.
    pub tx_no: TxNo,
    /// When it was asked for first.
    pub asked: Instant,
    /// When it was known what became of it.
    pub decided: Instant,
    /// Whether it is committed.
    pub committed: bool,
    /// What was said before.
    pub refusals: Vec<String>,
}

#[derive(Debug, Default)]
struct Book {
    asked: Vec<(TxNo, i64)>,
    decided: Vec<Transferred>,
}

/// The transfers; they end when it is dropped.
#[derive(Debug)]
pub struct Load {
    book: Arc<Mutex<Book>>,
    lanes: JoinSet<()>,
    stop: CancellationToken,
}

impl Load {
    /// Begins to transfer, so many at a time.
    pub fn begin(world: &World, lanes: usize) -> Load {
        let mut load = Load {
            book: Arc::default(),
            lanes: JoinSet::new(),
            stop: CancellationToken::new(),
        };
        for _ in 0..lanes {
            let (world, book, stop) = (world.clone(), Arc::clone(&load.book), load.stop.clone());
            load.lanes.spawn(async move {
                while !stop.is_cancelled() {
                    one(&world, &book).await;
                    stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                }
            });
        }
        load
    }

    /// What is decided so far, in the order of deciding.
    pub fn decided(&self) -> Vec<Transferred> {
        lock(&self.book).decided.clone()
    }

    /// How many were committed that were asked for after `since`.
    pub fn committed_since(&self, since: Instant) -> usize {
        let book = lock(&self.book);
        let since = |one: &&Transferred| one.committed && one.asked >= since;
        book.decided.iter().filter(since).count()
    }

    /// Ends the transfers, and enters them into the run's account.
    pub async fn end(mut self, run: &mut BankRun) -> Vec<Transferred> {
        self.stop.cancel();
        while let Some(lane) = self.lanes.join_next().await {
            lane.expect("a lane fails only by a failed transfer");
        }
        for (tx_no, amount_fen) in lock(&self.book).asked.drain(..) {
            run.asks(tx_no, amount_fen);
        }
        self.decided()
    }
}

/// The longest time from `from` to `to` in which nothing was committed.
pub fn longest_gap(decided: &[Transferred], from: Instant, to: Instant) -> Duration {
    let mut before = from;
    let mut longest = Duration::ZERO;
    for one in decided.iter().filter(|one| one.committed) {
        if one.decided > before && one.decided <= to {
            longest = longest.max(one.decided - before);
            before = one.decided;
        }
    }
    longest.max(to.saturating_duration_since(before))
}

fn lock(book: &Mutex<Book>) -> std::sync::MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn one(world: &World, book: &Mutex<Book>) {
    let (tx_no, asked) = (world.fresh_tx_no(), Instant::now());
    let amount_fen = {
        let mut book = lock(book);
        // Below what the demo's banks misbehave at, and so little that the account lasts.
        let amount_fen = 1 + i64::try_from(book.asked.len() % 100).unwrap_or(0);
        book.asked.push((tx_no, amount_fen));
        amount_fen
    };
    let mut refusals = Vec::new();
    let committed = loop {
        let posted = world
            .transfer(&tx_no, amount_fen)
            .await
            .expect("the answer can be read");
        match posted {
            Posted::Committed => break true,
            // A fence came first: this number is used up, and no money has moved.
            Posted::RolledBack | Posted::Other { status: 409, .. } => {
                refusals.push(posted.to_string());
                break false;
            }
            Posted::Other {
                status: 400..500, ..
            } => panic!("{tx_no} is refused for good: {posted}"),
            Posted::NoAnswer(_) | Posted::Other { .. } => refusals.push(posted.to_string()),
        }
        assert!(
            asked.elapsed() < GIVES_UP,
            "{tx_no} is refused again and again: {refusals:?}"
        );
        tokio::time::sleep(PAUSE).await;
    };
    lock(book).decided.push(Transferred {
        tx_no,
        asked,
        decided: Instant::now(),
        committed,
        refusals,
    });
}
