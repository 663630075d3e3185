//! What may be asked of the writer, and what it answers.

use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::StoreError;
use crate::TopicKind;
use crate::catalog::Policy;
use crate::clock::UnixMs;
use crate::store::receipt::Receipt;

/// Where the answer goes, once what was asked is on disk.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A message as it comes in.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    /// The tag, or nothing.
    pub(crate) tag: String,
    /// The encoded `v2::Message`.
    pub(crate) message: Bytes,
}

/// Which messages a receive wants. What it does not want is passed over for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TagFilter {
    All,
    Any(Vec<String>),
}

impl TagFilter {
    /// Reads `*`, or tags with `||` between them.
    pub(crate) fn parse(expression: &str) -> Self {
        let tags: Vec<String> = expression
            .split("||")
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(Into::into)
            .collect();
        if tags.is_empty() || tags.iter().any(|tag| tag == "*") {
            return Self::All;
        }
        Self::Any(tags)
    }

    pub(crate) fn matches(&self, tag: &str) -> bool {
        match self {
            Self::All => true,
            Self::Any(tags) => tags.iter().any(|wanted| wanted == tag),
        }
    }
}

/// How the next delivery of a deferred message is numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextAttempt {
    /// One more than this one.
    Counted,
    /// As this one (`suspend`).
    Same,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Commit,
    Rollback,
    /// Neither: the half stays open, but the record that allows ending it is used up.
    Unspecified,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Done,
    /// The handle's time is over.
    Expired,
    /// No such message was ever handed out.
    Unknown,
}

/// A message that was handed out.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    pub(crate) receipt: Receipt,
    /// The stored form ([`crate::store::record`]).
    pub(crate) record: Bytes,
}

/// The answer to a receive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) messages: Vec<Delivered>,
    /// Messages that were moved to the dead-letter topic instead of being handed out.
    pub(crate) buried: u32,
}

/// A receive.
#[derive(Debug)]
pub(crate) struct Take {
    /// A group that does not exist is made, with the default policy.
    pub(crate) group: String,
    pub(crate) topic: u32,
    pub(crate) max: usize,
    pub(crate) invisible_ms: u64,
    pub(crate) filter: TagFilter,
    /// When to answer without messages.
    pub(crate) deadline: Instant,
    pub(crate) reply: Reply<Taken>,
}

/// A half message whose client is to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Orphan {
    pub(crate) topic: String,
    pub(crate) transaction_id: String,
    /// Its number among half messages.
    pub(crate) half: u64,
    /// This check-back's number, from 1.
    pub(crate) checks: u32,
    /// The stored form.
    pub(crate) record: Bytes,
}

/// One request.
#[derive(Debug)]
pub(crate) enum Op {
    /// Answers the first message's offset.
    Append {
        topic: u32,
        messages: Vec<NewMessage>,
        reply: Reply<u64>,
    },
    /// Stores a half message; answers its number.
    Hold {
        topic: u32,
        transaction_id: String,
        message: NewMessage,
        check_after_ms: UnixMs,
        reply: Reply<u64>,
    },
    /// Keeps a message until its time; answers its number.
    Delay {
        topic: u32,
        message_id: String,
        message: NewMessage,
        due_ms: UnixMs,
        reply: Reply<u64>,
    },
    /// Takes back a delayed message; answers whether there was one.
    Recall {
        topic: u32,
        message_id: String,
        due_ms: UnixMs,
        reply: Reply<bool>,
    },
    /// Answers whether there was a transaction to end.
    End {
        topic: u32,
        transaction_id: String,
        ending: Ending,
        reply: Reply<bool>,
    },
    Take(Take),
    /// Answers one result a receipt, in their order.
    Ack {
        receipts: Vec<Receipt>,
        reply: Reply<Vec<Settled>>,
    },
    Change {
        receipt: Receipt,
        invisible_ms: u64,
        next: NextAttempt,
        reply: Reply<Result<Receipt, Settled>>,
    },
    /// Moves the message to the dead-letter topic of `group`.
    Bury {
        receipt: Receipt,
        group: String,
        reply: Reply<Settled>,
    },
    CreateTopic {
        name: String,
        kind: TopicKind,
        reply: Reply<()>,
    },
    CreateGroup {
        name: String,
        policy: Policy,
        reply: Reply<()>,
    },
    /// Sets the first message that a group receives next.
    Place {
        group: String,
        topic: u32,
        offset: u64,
        reply: Reply<()>,
    },
    /// Answers every waiting receive, and every later one, without waiting.
    EndPolls,
    /// Ends the writer after this batch.
    Stop,
}
