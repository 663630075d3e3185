//! The way into the writer: a bounded queue, entered by permit.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::op::{Op, Reply};
use crate::StoreError;

/// Requests that may wait for the writer; whoever comes on top waits for a permit.
const CAPACITY: usize = 4096;

/// A request and its place in the queue, which it leaves when the writer takes it up.
pub(super) struct Request {
    pub(super) op: Op,
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

/// A handle on the writer's queue. The writer ends when the last one is gone.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: SyncSender<Request>,
    places: Arc<Semaphore>,
}

impl Queue {
    pub(super) fn new() -> (Self, Receiver<Request>) {
        let (sender, receiver) = sync_channel(CAPACITY + 1);
        (
            Self {
                sender,
                places: Arc::new(Semaphore::new(CAPACITY)),
            },
            receiver,
        )
    }

    /// Asks for one thing and waits until it is on disk.
    ///
    /// Giving up waiting does not undo what was asked, but for a receive: what a receive would have
    /// handed out becomes visible again.
    pub(crate) async fn ask<T>(&self, op: impl FnOnce(Reply<T>) -> Op) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.tell(op(reply)).await?;
        answer.await.map_err(|_| StoreError::Unanswered)?
    }

    /// Hands in a request and does not wait for it.
    pub(crate) async fn tell(&self, op: Op) -> Result<(), StoreError> {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Stopped)?;
        // There is room: the permits are as many as the places.
        self.sender
            .try_send(Request {
                op,
                _place: Some(place),
            })
            .map_err(|_| StoreError::Stopped)
    }

    /// Ends the writer, after what it was asked before.
    pub(crate) fn stop(&self) {
        // The queue has one place more than permits, for this. If it is taken, the writer is
        // ending already, and if the queue is closed it has ended.
        drop(self.sender.try_send(Request {
            op: Op::Stop,
            _place: None,
        }));
    }
}
