//! What stays and what goes, batch by batch, at times of the test's choice.

use std::sync::Arc;

use redb::ReadableDatabase as _;
use redb::backends::InMemoryBackend;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::TopicKind;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::store::Store;
use crate::store::tables::{MESSAGES, Tables};
use crate::writer::batch::Effects;
use crate::writer::half::HalfRules;
use crate::writer::op::{Delivered, NewMessage, NextAttempt, Op, TagFilter};
use crate::writer::state::State;
use crate::writer::take::Wish;
use crate::writer::thread::{Rules, Writer};

fn store() -> Store {
    Store::open(InMemoryBackend::new(), 8 << 20, None).unwrap()
}

fn offsets(store: &Store) -> Vec<u64> {
    let transaction = store.begin_read().unwrap();
    let messages = transaction.open_table(MESSAGES).unwrap();
    let rows = messages.iter().unwrap();
    rows.map(|row| message_offset(row.unwrap().0.value()))
        .collect()
}

fn messages(count: usize) -> Vec<NewMessage> {
    let message = NewMessage {
        tag: String::new(),
        message: "x".into(),
    };
    vec![message; count]
}

/// Batches at times of one's choice; one topic, and one group that reads it.
struct Trial {
    store: Store,
    state: State,
    topic: u32,
    reading: u32,
}

impl Trial {
    fn new() -> Self {
        let mut trial = Self {
            store: store(),
            state: State::default(),
            topic: 0,
            reading: 0,
        };
        trial.topic = trial.at(0, |batch| {
            batch.create_topic("t", TopicKind::Normal).unwrap()
        });
        let topic = trial.topic;
        trial.reading = trial.at(0, |batch| batch.open_reading("g", topic).unwrap());
        trial
    }

    fn at<T>(&mut self, now_ms: UnixMs, work: impl FnOnce(&mut Batch) -> T) -> T {
        let transaction = self.store.begin_write().unwrap();
        let mut tables = Tables::open(&transaction).unwrap();
        let mut batch = Batch {
            tables: &mut tables,
            state: &mut self.state,
            now_ms,
            effects: Effects::default(),
        };
        let done = work(&mut batch);
        batch.write_ends().unwrap();
        drop(tables);
        transaction.commit().unwrap();
        done
    }

    fn append(&mut self, now_ms: UnixMs, count: usize) {
        let topic = self.topic;
        self.at(now_ms, |batch| {
            batch.append(topic, &messages(count)).unwrap()
        });
    }

    fn take(&mut self, now_ms: UnixMs, max: usize, invisible_ms: u64) -> Vec<Delivered> {
        let (reading, filter) = (self.reading, TagFilter::All);
        let wish = Wish {
            max,
            invisible_ms,
            filter: &filter,
        };
        self.at(now_ms, |batch| batch.take(reading, wish).unwrap().messages)
    }

    fn retain(&mut self, cutoff_ms: UnixMs) -> bool {
        self.at(cutoff_ms, |batch| batch.retain(cutoff_ms).unwrap())
    }
}

#[test]
fn the_young_and_the_leased_stay() {
    let mut trial = Trial::new();
    trial.append(10, 4);
    let taken = trial.take(10, 3, 1_000);
    let acked = taken[1].receipt;
    trial.at(20, |batch| batch.ack(acked).unwrap());
    trial.append(100, 1);
    assert!(!trial.retain(100));
    assert_eq!(offsets(&trial.store), [0, 2, 4]);
    // The leases were over at 1011.
    assert!(!trial.retain(1_011));
    assert_eq!(offsets(&trial.store), [0, 2]);
    assert!(!trial.retain(1_012));
    assert!(
        offsets(&trial.store).is_empty(),
        "nobody came for them in a whole retention"
    );
}

#[test]
fn a_lease_that_moves_between_two_steps_is_not_overlooked() {
    let mut trial = Trial::new();
    trial.append(10, ROWS + 2 * WINDOW);
    // The first one's lease lies behind all others.
    let first = trial.take(10, 1, 1_000_000)[0].receipt;
    while !trial.take(10, WINDOW, 1_000).is_empty() {}
    assert!(trial.retain(20), "more leases than one step looks at");
    trial.at(21, |batch| {
        let moved = batch.change(first, 0, NextAttempt::Counted).unwrap();
        assert!(moved.is_ok());
    });
    let mut steps = 1;
    while trial.retain(20) {
        steps += 1;
    }
    assert!(steps > 5, "{steps}");
    assert_eq!(offsets(&trial.store).len(), ROWS + 2 * WINDOW);
}

#[test]
fn every_window_is_cleaned_even_behind_messages_that_stay() {
    let mut trial = Trial::new();
    trial.append(10, 3 * WINDOW);
    assert_eq!(trial.take(10, WINDOW, 1_000_000).len(), WINDOW);
    while trial.retain(20) {}
    let kept: Vec<u64> = (0..1024).collect();
    assert_eq!(offsets(&trial.store), kept);
}

#[tokio::test]
async fn a_wall_clock_that_jumps_ahead_removes_nothing() {
    let (store, clock) = (Arc::new(store()), Clock::system());
    let spawn = || {
        let catalog = Arc::new(Catalog::default());
        let halves = HalfRules {
            check_interval_ms: 1_000,
            check_max: 15,
            record_ms: 1_000,
        };
        let rules = Rules {
            halves,
            retention_ms: 60_000,
        };
        let (orphans, _) = mpsc::channel(1);
        let (failure, _) = watch::channel(None);
        // It cleans before it answers anything.
        Writer::spawn(
            Arc::clone(&store),
            catalog,
            clock.clone(),
            rules,
            orphans,
            Arc::default(),
            failure,
        )
        .unwrap()
    };
    let (queue, thread) = spawn();
    let (name, kind) = ("t".to_owned(), TopicKind::Normal);
    queue
        .ask(|reply| Op::CreateTopic { name, kind, reply })
        .await
        .unwrap();
    let messages = messages(3);
    queue
        .ask(|reply| Op::Append {
            topic: 1,
            messages,
            reply,
        })
        .await
        .unwrap();
    queue.stop();
    thread.join().unwrap();
    clock.advance(21 * 24 * 3_600_000);
    let (queue, thread) = spawn();
    queue.stop();
    thread.join().unwrap();
    assert_eq!(offsets(&store), [0, 1, 2]);
}
