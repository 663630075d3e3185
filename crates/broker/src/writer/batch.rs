//! One batch: a write transaction that several requests share, and what is to be told once it is
//! on disk. Nothing is answered before.

use tokio::sync::oneshot;

use super::op::{Orphan, Reply, Taken};
use super::state::State;
use crate::StoreError;
use crate::catalog::{Group, Topic};
use crate::clock::UnixMs;
use crate::store::tables::Tables;

/// A batch that is being filled.
pub(super) struct Batch<'b, 't> {
    pub(super) tables: &'b mut Tables<'t>,
    pub(super) state: &'b mut State,
    /// The one time that holds for the whole batch.
    pub(super) now_ms: UnixMs,
    pub(super) effects: Effects,
}

/// One answer, waiting to hear how the commit went.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What follows from a batch.
#[derive(Default)]
pub(super) struct Effects {
    /// Something was written: there is something to commit.
    pub(super) dirty: bool,
    /// Topics that messages were added to.
    pub(super) arrivals: Vec<u32>,
    /// Half messages were added.
    pub(super) halves_arrived: bool,
    /// Answers, to be given after the commit.
    answers: Vec<Answer>,
    /// Receives to be answered after the commit.
    pub(super) handed: Vec<(Reply<Taken>, Taken)>,
    /// Check-backs to be sent after the commit.
    pub(super) orphans: Vec<Orphan>,
    /// Topics made.
    pub(super) topics: Vec<(String, Topic)>,
    /// Groups made or changed.
    pub(super) groups: Vec<(String, Group)>,
}

impl Effects {
    /// Remembers an answer.
    pub(super) fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, value: T) {
        self.answers.push(Box::new(move |outcome| {
            tell(reply, outcome.map(|()| value))
        }));
    }

    /// Gives the answers: the values if the commit went well, else its error.
    pub(super) fn give_answers(&mut self, outcome: &Result<(), StoreError>) {
        for answer in self.answers.drain(..) {
            answer(outcome.clone());
        }
    }
}

/// Answers whoever asked; who has gone in the meantime misses nothing that matters.
fn tell<T>(reply: oneshot::Sender<Result<T, StoreError>>, value: Result<T, StoreError>) {
    drop(reply.send(value));
}
