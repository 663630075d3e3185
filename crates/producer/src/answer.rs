//! What a caller of `send_in_transaction` passes in and gets back.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use database::{DatabaseError, Tx};
use notification::{
    BusinessKey, BusinessState, ContentType, EndpointId, EventType, Invalid, Outcome, TxNo,
};

/// A notification as its caller knows it: source and topic are the initiator's own.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// Chosen by the caller, so that it can ask again; unique in this initiator for ever.
    pub tx_no: TxNo,
    /// What happened, for receivers that distinguish.
    pub event_type: EventType,
    /// What an operator recognises it by.
    pub business_key: BusinessKey,
    /// The media type of `body`.
    pub content_type: ContentType,
    /// The endpoint that it goes to, where the notifier's subscription leaves that to the message.
    pub endpoint: Option<EndpointId>,
    /// Another path or host inside the endpoint's pattern.
    pub notify_url: Option<String>,
    /// The W3C trace context to go on with.
    pub traceparent: Option<String>,
    /// The bytes that the receiver gets: no clock in them, so that a repeated request has the same hash.
    pub body: Bytes,
}

/// The business change, made in the transaction whose first statement has recorded the notification.
///
/// It may be dropped halfway when the deadline passes; the transaction is then rolled back.
pub type Business = Box<
    dyn for<'a> FnOnce(
            &'a mut Tx,
        )
            -> Pin<Box<dyn Future<Output = Result<(), BusinessError>> + Send + 'a>>
        + Send,
>;

/// Why the business change was not made.
#[derive(Debug, thiserror::Error)]
pub enum BusinessError {
    /// The caller's own reason, given back to it untouched.
    #[error("refused: {0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for BusinessError {
    fn from(error: sqlx::Error) -> Self {
        BusinessError::Database(error.into())
    }
}

/// What became of a sending whose fate is known, or is being found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// Committed just now.
    Committed {
        /// How long each step took.
        took: Took,
    },
    /// The same request was made before under this `tx_no`; nothing was done again.
    Already {
        /// What became of the business then.
        state: BusinessState,
        /// What the notifier has said of it since.
        outcome: Outcome,
    },
    /// COMMIT was sent and its answer didn't come. The check-back finds out; so may the caller, by
    /// asking for the result.
    Unknown,
}

/// When the steps of a sending were done, from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// The broker held the half message.
    pub half: Duration,
    /// The business change was made.
    pub debited: Duration,
    /// The database confirmed the COMMIT.
    pub committed: Duration,
    /// The broker confirmed the end; none if it did not. That is no failure: the check-back ends it.
    pub ended: Option<Duration>,
}

/// Why nothing was committed.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The request is ill-formed; no half message was sent.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The broker didn't take the half message; no transaction was begun.
    #[error("the broker didn't take the message, nothing was moved: {0}")]
    Unavailable(#[source] rocketmq::Error),
    /// The transaction didn't get as far as its row. Nothing was moved by this call; what became of an
    /// earlier one with this `tx_no` is not known: ask for the result, or call again.
    #[error("the transaction was not begun, nothing was moved: {0}")]
    NotBegun(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// This `tx_no` belongs to a different request.
    #[error("tx_no {0} was used for a different request")]
    OtherRequest(TxNo),
    /// This `tx_no` was rolled back for good (a check-back fenced it).
    #[error("tx_no {0} was rolled back: use a new tx_no")]
    RolledBack(TxNo),
    /// The caller's business closure refused; rolled back.
    #[error("the business refused: {0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The transaction took longer than its deadline; rolled back.
    #[error("the transaction didn't end within {}; it was rolled back", humantime::format_duration(*.0))]
    DeadlinePassed(Duration),
    /// The database failed before COMMIT; rolled back.
    #[error("the database failed, the transaction was rolled back: {0}")]
    Database(#[source] DatabaseError),
    /// The business closure panicked before COMMIT. The database rolls back by itself; the check-back
    /// makes it definite.
    #[error("the business panicked; the transaction can't commit any more")]
    Panicked,
}
