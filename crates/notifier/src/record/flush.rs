//! The one task that writes results.
//!
//! A flush takes whatever waits, up to 256 and up to 8 MiB of bodies, in one transaction, and is
//! redone until it is durable. Two failures are not met by trying the same again: a transaction
//! that takes too long, and one that fails twice in the same way while the store is there. Then
//! the batch is halved, down to one, so that a result that the record refuses keeps nobody else
//! waiting: it is set [apart], and tried anew for as long as somebody waits for it.

mod apart;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::entry::Moved;
use super::failure::Failure;
use super::writer::{Found, Task, Writer, answer, entries};
use crate::alarm;
use crate::backoff::Backoff;
use crate::store_health::Access;

/// The most results in one transaction.
const MOST: usize = 256;

/// The most bytes of bodies in one transaction; a single result may exceed it.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The most results that are set apart. If more are refused it is the store that fails, and
/// everything waits.
const MOST_APART: usize = 16;

/// Writes until every [`super::Record`] is gone.
#[derive(Debug)]
pub(crate) struct Flusher {
    writer: Arc<Writer>,
    inbox: mpsc::Receiver<Task>,
    apart: JoinSet<()>,
}

/// What trying has led to.
enum Tried {
    /// All is durable: one answer for each entry.
    Durable(Vec<Moved>),
    /// Not as it is.
    Refused(Failure),
}

impl Flusher {
    pub(super) fn new(writer: Writer, inbox: mpsc::Receiver<Task>) -> Self {
        Self {
            writer: Arc::new(writer),
            inbox,
            apart: JoinSet::new(),
        }
    }

    /// Runs until the last handle on the record is dropped and everything is written.
    pub(crate) async fn run(mut self) {
        let mut received = Vec::with_capacity(MOST);
        while self.inbox.recv_many(&mut received, MOST).await > 0 {
            let mut waiting = VecDeque::from(std::mem::take(&mut received));
            while !waiting.is_empty() {
                let batch = within_bytes(&mut waiting);
                self.writer.health.writing();
                self.write(batch).await;
                self.writer.health.written();
            }
        }
        while self.apart.join_next().await.is_some() {}
    }

    /// Returns when all of the batch is durable or set apart.
    async fn write(&mut self, batch: Vec<Task>) {
        let mut batches = vec![batch];
        while let Some(mut batch) = batches.pop() {
            match self.until_durable(&mut batch).await {
                Tried::Durable(moved) => answer(batch, moved),
                Tried::Refused(_) if batch.len() > 1 => {
                    let half = batch.split_off(batch.len() / 2);
                    batches.extend([half, batch]);
                }
                Tried::Refused(error) => {
                    for task in batch {
                        alarm::record_refused(task.key(), &error);
                        self.apart.spawn(apart::retry(self.writer.clone(), task));
                    }
                }
            }
        }
    }

    /// Tries until the batch is durable, or shows that it will not be as it is.
    async fn until_durable(&mut self, batch: &mut [Task]) -> Tried {
        let mut backoff = Backoff::new();
        let mut before: Option<String> = None;
        loop {
            let error = match self.writer.flush(batch).await {
                Ok(moved) => {
                    self.writer.health.up(Access::Write);
                    return Tried::Durable(moved);
                }
                Err(error) => error,
            };
            if error.is_duplicate() {
                tracing::debug!(event = "row_made_elsewhere");
            } else {
                self.writer.health.down(Access::Write, &error);
            }
            backoff.wait().await;
            match self.writer.look_again(batch).await {
                Ok(Found::AlreadyDurable) => {
                    return Tried::Durable(vec![Moved::No; entries(batch).len()]);
                }
                // Only now is it certain that none of it is durable.
                Ok(Found::Fresh) => {
                    let text = error.may_be_the_batch().then(|| error.to_string());
                    let same = text.is_some() && text == before;
                    let too_large = error.is_deadline() && batch.len() > 1;
                    if too_large || (same && (batch.len() > 1 || self.has_room_apart())) {
                        return Tried::Refused(error);
                    }
                    before = text;
                }
                Err(error) => self.writer.health.down(Access::Write, &error),
            }
        }
    }

    fn has_room_apart(&mut self) -> bool {
        while self.apart.try_join_next().is_some() {}
        self.apart.len() < MOST_APART
    }
}

/// Takes from the front what fits into one transaction, and at least one.
fn within_bytes(waiting: &mut VecDeque<Task>) -> Vec<Task> {
    let mut bytes = 0;
    let mut fits = |task: &&Task| {
        bytes += task.bytes();
        bytes <= MOST_BYTES
    };
    let count = waiting.iter().take_while(&mut fits).count();
    waiting.drain(..count.max(1)).collect()
}

#[cfg(test)]
mod tests;
