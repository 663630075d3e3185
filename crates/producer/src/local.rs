//! The local transaction: the `outgoing` row first, then the business change, then COMMIT, before a
//! deadline.
//!
//! What it returns says exactly as much as is known. Only [`Local::RolledBack`] is a rollback that the
//! database confirmed (or a transaction that never began), so only there may the half message be
//! rolled back: a ROLLBACK on suspicion could drop the word of a change that did commit.

use std::time::Duration;

use database::{CommitError, DatabaseError, Kind, Tx};
use notification::Notification;
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::{Business, BusinessError};
use crate::initiator::Shared;
use crate::outgoing;
use crate::steps::{CommitFate, Step};

/// How long a rollback's confirmation is waited for.
const ROLLBACK_WAIT: Duration = Duration::from_secs(3);

/// What became of the local transaction.
pub(crate) enum Local {
    /// The database confirmed the COMMIT.
    Committed {
        debited: Instant,
        committed: Instant,
    },
    /// It is certain that nothing of it will ever be seen.
    RolledBack(Why),
    /// COMMIT was never sent, but the database didn't confirm the rollback either.
    Abandoned(Why),
    /// COMMIT was sent and nothing came back.
    Unknown,
}

impl Local {
    /// What went wrong, in words that repeat.
    pub(crate) fn failure(&self) -> Option<&'static str> {
        match self {
            Local::Committed { .. } => None,
            Local::RolledBack(_) => Some("rolled back"),
            Local::Abandoned(_) => Some("rollback not confirmed"),
            Local::Unknown => Some("commit not confirmed"),
        }
    }
}

/// Why the local transaction didn't commit.
pub(crate) enum Why {
    /// The `tx_no` has a row already.
    Duplicate,
    /// The business closure refused.
    Refused(Box<dyn std::error::Error + Send + Sync>),
    /// It didn't get as far as the row: the database or the deadline was in the way.
    NotBegun(Box<dyn std::error::Error + Send + Sync>),
    /// A later statement failed.
    Database(DatabaseError),
    /// The deadline passed.
    DeadlinePassed,
}

/// Runs the local transaction; COMMIT is not sent after `deadline`, nor waited for beyond `last_word`.
pub(crate) async fn transact(
    shared: &Shared,
    notification: &Notification,
    business: Business,
    deadline: Instant,
    last_word: Instant,
) -> Local {
    let begin = async {
        shared
            .steps
            .reached(Step::AfterHalf, &notification.tx_no)
            .await;
        shared.database.begin().await
    };
    let mut tx = match timeout_at(deadline, begin).await {
        Ok(Ok(tx)) => tx,
        Ok(Err(error)) => return Local::RolledBack(Why::NotBegun(error.into())),
        Err(elapsed) => return Local::RolledBack(Why::NotBegun(elapsed.into())),
    };
    match timeout_at(deadline, record(shared, notification, &mut tx)).await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => return roll_back(tx, why).await,
        Err(elapsed) => return roll_back(tx, Why::NotBegun(elapsed.into())).await,
    }
    let changed = timeout_at(deadline, change(shared, notification, business, &mut tx)).await;
    match changed {
        // A stall between the last statement and here may have outlasted the deadline unnoticed.
        Ok(Ok(debited)) if Instant::now() < deadline => {
            commit(shared, notification, tx, debited, last_word).await
        }
        Ok(Ok(_)) | Err(_) => roll_back(tx, Why::DeadlinePassed).await,
        Ok(Err(why)) => roll_back(tx, why).await,
    }
}

/// The first statement: whoever comes second under a `tx_no` learns it here, before any business.
async fn record(shared: &Shared, notification: &Notification, tx: &mut Tx) -> Result<(), Why> {
    let now_ms = shared.clock.now_ms();
    let next_send_ms = now_ms.saturating_add(shared.config.first_relay_ms());
    outgoing::record(tx, notification, now_ms, next_send_ms)
        .await
        .map_err(|error| match error.kind() {
            Kind::Duplicate => Why::Duplicate,
            _ => Why::NotBegun(error.into()),
        })
}

async fn change(
    shared: &Shared,
    notification: &Notification,
    business: Business,
    tx: &mut Tx,
) -> Result<Instant, Why> {
    shared
        .steps
        .reached(Step::AfterInsert, &notification.tx_no)
        .await;
    business(tx).await.map_err(|error| match error {
        BusinessError::Refused(reason) => Why::Refused(reason),
        BusinessError::Database(error) => Why::Database(error),
    })?;
    let debited = Instant::now();
    shared
        .steps
        .reached(Step::BeforeCommit, &notification.tx_no)
        .await;
    Ok(debited)
}

async fn commit(
    shared: &Shared,
    notification: &Notification,
    tx: Tx,
    debited: Instant,
    last_word: Instant,
) -> Local {
    let tx_no = &notification.tx_no;
    let fate = shared.steps.commit_fate(tx_no);
    if fate == CommitFate::CommandLost {
        drop(tx);
        return Local::Unknown;
    }
    match timeout_at(last_word, tx.commit()).await {
        Ok(Ok(())) if fate == CommitFate::AnswerLost => Local::Unknown,
        Ok(Ok(())) => Local::Committed {
            debited,
            committed: Instant::now(),
        },
        Ok(Err(CommitError::RolledBack(error))) => Local::RolledBack(Why::Database(error)),
        Ok(Err(CommitError::Unknown(error))) => {
            tracing::warn!(event = "commit_unknown", %tx_no, %error);
            Local::Unknown
        }
        Err(_elapsed) => {
            tracing::warn!(event = "commit_unknown", %tx_no, error = "no answer in time");
            Local::Unknown
        }
    }
}

async fn roll_back(tx: Tx, why: Why) -> Local {
    match timeout(ROLLBACK_WAIT, tx.rollback()).await {
        Ok(Ok(())) => Local::RolledBack(why),
        Ok(Err(error)) => {
            tracing::warn!(event = "rollback_unconfirmed", %error);
            Local::Abandoned(why)
        }
        Err(_elapsed) => {
            tracing::warn!(event = "rollback_unconfirmed", error = "no answer in time");
            Local::Abandoned(why)
        }
    }
}
