//! The named steps of a sending, where a test or the demo may hold it, kill it, or lose an answer.
//!
//! A step is a barrier: [`Steps::reached`] is awaited, so a test knows that the step was reached and
//! nothing after it has happened yet. In production it is [`NoSteps`], which returns at once. No
//! configuration leads here: whoever wants a fault must pass a `Steps` of their own in code.

use std::str::FromStr;

use futures::future::BoxFuture;
use notification::{Invalid, TxNo};

/// A point in [`send_in_transaction`](crate::Initiator::send_in_transaction), in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The request was found valid; nothing has left this process.
    BeforeHalf,
    /// The broker holds the half message; the local transaction has not begun.
    AfterHalf,
    /// The `outgoing` row is inserted, the business change is not made.
    AfterInsert,
    /// The business change is made; COMMIT was not sent.
    BeforeCommit,
    /// The database confirmed the COMMIT; the broker was not told (this is also "before end").
    AfterCommit,
    /// The broker was told to end the half message, with whatever success.
    AfterEnd,
}

impl Step {
    /// All steps, in the order in which a sending meets them.
    pub const ALL: [Step; 6] = [
        Step::BeforeHalf,
        Step::AfterHalf,
        Step::AfterInsert,
        Step::BeforeCommit,
        Step::AfterCommit,
        Step::AfterEnd,
    ];

    /// The name in the demo's API and in the tests' output.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::BeforeHalf => "before_half",
            Step::AfterHalf => "after_half",
            Step::AfterInsert => "after_insert",
            Step::BeforeCommit => "before_commit",
            Step::AfterCommit => "after_commit",
            Step::AfterEnd => "after_end",
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Step {
    type Err = Invalid;

    fn from_str(name: &str) -> Result<Step, Invalid> {
        Step::ALL
            .into_iter()
            .find(|step| step.as_str() == name)
            .ok_or_else(|| Invalid::new("step", name, "a step of a sending: before_half, after_half, after_insert, before_commit, after_commit or after_end"))
    }
}

/// What becomes of a COMMIT on the wire. Anything but [`CommitFate::Heard`] is a fault, which only a
/// test's `Steps` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFate {
    /// The database gets it and its answer arrives.
    Heard,
    /// The database commits, but the connection is lost before the answer.
    AnswerLost,
    /// The connection is lost before the database gets it: the database rolls back by itself, unheard.
    CommandLost,
}

/// Told of each step as it is reached; the sending goes on when the future is done.
pub trait Steps: Send + Sync {
    /// The sending of `tx_no` has reached `step` and waits there.
    fn reached<'a>(&'a self, step: Step, tx_no: &'a TxNo) -> BoxFuture<'a, ()>;

    /// Asked once, when COMMIT is about to be sent.
    fn commit_fate(&self, _tx_no: &TxNo) -> CommitFate {
        CommitFate::Heard
    }
}

/// What production uses: no step holds anything up.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSteps;

impl Steps for NoSteps {
    fn reached<'a>(&'a self, _step: Step, _tx_no: &'a TxNo) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}
