//! Keeps the writer busy with everything that clients do, until nothing is answered any more.

use std::cell::RefCell;
use std::time::Instant;

use bytes::Bytes;

use super::{Asked, Fate, GROUP, LONG_MS, NORMAL, Notes, Running, TRANSACTIONAL};
use crate::StoreError;
use crate::store::record::Record;
use crate::writer::op::{Delivered, Ending, NewMessage, NextAttempt, Op, Settled, TagFilter, Take};

/// Clients at work at the same time: they share commits.
const CLIENTS: usize = 8;

struct Client<'a> {
    running: &'a Running,
    notes: &'a RefCell<Notes>,
    rng: fastrand::Rng,
    name: usize,
    count: usize,
}

/// Works until the power is out; answers what was asked for and what was answered.
pub(super) async fn until_the_cut(running: &Running, rng: &mut fastrand::Rng) -> Notes {
    let notes = RefCell::new(Notes::new());
    let clients = (0..CLIENTS).map(|name| {
        let client = Client {
            running,
            notes: &notes,
            rng: rng.fork(),
            name,
            count: 0,
        };
        client.work()
    });
    futures::future::join_all(clients).await;
    notes.into_inner()
}

impl Client<'_> {
    /// Ends with the first request that is not answered.
    async fn work(mut self) {
        loop {
            let done = match self.rng.u8(0..10) {
                0..4 => self.send().await,
                4..7 => self.transact().await,
                _ => self.consume().await,
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn fresh(&mut self) -> (String, NewMessage) {
        self.count += 1;
        let id = format!("{}-{}", self.name, self.count);
        // Some messages span pages.
        let padding = if self.rng.u8(0..20) == 0 {
            20_000
        } else {
            self.rng.usize(0..500)
        };
        let message = Bytes::from(format!("{id} {}", "x".repeat(padding)));
        (
            id,
            NewMessage {
                tag: String::new(),
                message,
            },
        )
    }

    fn note(&self, id: &str, change: impl FnOnce(&mut Fate)) {
        change(self.notes.borrow_mut().entry(id.to_owned()).or_default());
    }

    async fn send(&mut self) -> Result<(), StoreError> {
        let batch: Vec<_> = (0..self.rng.usize(1..5)).map(|_| self.fresh()).collect();
        let (ids, messages): (Vec<String>, Vec<NewMessage>) = batch.into_iter().unzip();
        let topic = self.running.topic(NORMAL).unwrap();
        ids.iter()
            .for_each(|id| self.note(id, |fate| fate.sent = Asked::Unanswered));
        self.running
            .queue
            .ask(|reply| Op::Append {
                topic,
                messages,
                reply,
            })
            .await?;
        ids.iter()
            .for_each(|id| self.note(id, |fate| fate.sent = Asked::Done));
        Ok(())
    }

    async fn transact(&mut self) -> Result<(), StoreError> {
        let ((id, message), topic) = (self.fresh(), self.running.topic(TRANSACTIONAL).unwrap());
        let transaction_id = id.clone();
        self.note(&id, |fate| fate.held = Asked::Unanswered);
        let check_after_ms = LONG_MS;
        let hold = |reply| Op::Hold {
            topic,
            transaction_id,
            message,
            check_after_ms,
            reply,
        };
        self.running.queue.ask(hold).await?;
        self.note(&id, |fate| fate.held = Asked::Done);
        let ending = match self.rng.u8(0..5) {
            0..2 => Ending::Commit,
            2..4 => Ending::Rollback,
            _ => return Ok(()),
        };
        let note = |asked| {
            self.note(&id, |fate| match ending {
                Ending::Commit => fate.committed = asked,
                _ => fate.rolled_back = asked,
            });
        };
        note(Asked::Unanswered);
        let transaction_id = id.clone();
        let found = self
            .running
            .queue
            .ask(|reply| Op::End {
                topic,
                transaction_id,
                ending,
                reply,
            })
            .await?;
        assert!(found, "{id} could not be ended");
        note(Asked::Done);
        Ok(())
    }

    async fn consume(&mut self) -> Result<(), StoreError> {
        let topic = if self.rng.bool() {
            NORMAL
        } else {
            TRANSACTIONAL
        };
        let topic = self.running.topic(topic).unwrap();
        let take = |reply| {
            Op::Take(Take {
                group: GROUP.into(),
                topic,
                max: 8,
                invisible_ms: LONG_MS,
                filter: TagFilter::All,
                deadline: Instant::now(),
                reply,
            })
        };
        let taken = self.running.queue.ask(take).await?.messages;
        for delivered in &taken {
            let attempt = delivered.receipt.attempt;
            self.note(&id_of(&delivered.record), |fate| {
                assert!(attempt > fate.handed, "a delivery's number comes twice");
                fate.handed = attempt;
            });
        }
        for delivered in taken {
            match self.rng.u8(0..8) {
                0..4 => self.ack(&delivered).await?,
                4..6 => self.defer(&delivered).await?,
                6 => self.bury(&delivered).await?,
                _ => {}
            }
        }
        Ok(())
    }

    async fn ack(&mut self, delivered: &Delivered) -> Result<(), StoreError> {
        let (id, receipts) = (id_of(&delivered.record), vec![delivered.receipt]);
        self.note(&id, |fate| fate.acked = Asked::Unanswered);
        let settled = self
            .running
            .queue
            .ask(|reply| Op::Ack { receipts, reply })
            .await?;
        assert_eq!(settled, [Settled::Done]);
        self.note(&id, |fate| fate.acked = Asked::Done);
        Ok(())
    }

    async fn defer(&mut self, delivered: &Delivered) -> Result<(), StoreError> {
        let (receipt, next) = (delivered.receipt, NextAttempt::Counted);
        let invisible_ms = if self.rng.bool() { 0 } else { LONG_MS / 2 };
        let change = |reply| Op::Change {
            receipt,
            invisible_ms,
            next,
            reply,
        };
        self.running
            .queue
            .ask(change)
            .await?
            .expect("a fresh lease can be changed");
        Ok(())
    }

    async fn bury(&mut self, delivered: &Delivered) -> Result<(), StoreError> {
        let (id, receipt, group) = (
            id_of(&delivered.record),
            delivered.receipt,
            GROUP.to_owned(),
        );
        self.note(&id, |fate| fate.buried = Asked::Unanswered);
        let settled = self
            .running
            .queue
            .ask(|reply| Op::Bury {
                receipt,
                group,
                reply,
            })
            .await?;
        assert_eq!(settled, Settled::Done);
        self.note(&id, |fate| fate.buried = Asked::Done);
        Ok(())
    }
}

/// The id that a stored message begins with.
pub(super) fn id_of(record: &[u8]) -> String {
    let message = Record::read(record).unwrap().message;
    let text = std::str::from_utf8(message).unwrap();
    text.split(' ').next().unwrap_or_default().to_owned()
}
