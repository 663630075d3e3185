//! Each notification once.
//!
//! The number goes in first and the business change follows in the same transaction; the unique key
//! decides between two that come at once, on both databases, without reading first. A duplicate is
//! data: it is rolled back and then read on another connection, since a transaction on MariaDB
//! would not see the row that beat it.
//!
//! A row with state `cancelled` is a tombstone: the promise never to apply that number. It sits in
//! the same unique key, so that a promise and an application exclude each other.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use database::{CommitError, Database, DatabaseError, Kind, Tx};
use notification::{Applied, InboxState, Source, TxNo};
use service::Clock;

mod error;
mod retention;
mod store;

pub use error::{BusinessError, InboxError};

/// How long a number is remembered, and the age from which an unknown one is refused: 90 days,
/// well beyond the month in which an initiator gives up.
pub const RETENTION: Duration = Duration::from_secs(90 * 86_400);

/// How often to look again where a row was there and was gone a moment later.
const LOOKS: usize = 3;

/// What a business closure returns: its future, boxed, since it borrows the transaction.
pub type BusinessFuture<'a> = Pin<Box<dyn Future<Output = Result<(), BusinessError>> + Send + 'a>>;

/// The inbox, in the database of the business it protects. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Inbox {
    database: Database,
    clock: Clock,
    retention: Duration,
}

impl Inbox {
    /// An inbox in a database that has been migrated with [`crate::MIGRATIONS`].
    pub fn new(database: Database) -> Self {
        Self {
            database,
            clock: Clock::system(),
            retention: RETENTION,
        }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The same with another retention.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Runs `business` if this number was never applied, in the transaction that remembers it.
    /// `body_hash` is [`notification::body_hash`] of the body: another body under the same number
    /// is refused.
    ///
    /// On any error nothing was applied, with one exception: [`InboxError::Database`] from a lost
    /// COMMIT leaves that open. Answer 5xx and the next ring will tell.
    pub async fn apply_once<F>(
        &self,
        source: &Source,
        tx_no: &TxNo,
        body_hash: &str,
        business: F,
    ) -> Result<Applied, InboxError>
    where
        F: for<'a> FnOnce(&'a mut Tx) -> BusinessFuture<'a> + Send,
    {
        let now_ms = self.clock.now_ms();
        self.check_age(tx_no, now_ms)?;
        for _ in 0..LOOKS {
            let mut tx = self.database.begin().await?;
            let inserting = store::insert(&mut tx, source, tx_no, body_hash, now_ms);
            match self.database.in_time(inserting).await {
                Ok(()) => return finish(&self.database, tx, business).await,
                Err(error) => {
                    abandon(tx).await;
                    if error.kind() != Kind::Duplicate {
                        return Err(error.into());
                    }
                }
            }
            let found = self.database.in_time(async {
                let mut reader = self.database.read().await?;
                store::find(&mut reader, source, tx_no).await
            });
            if let Some(row) = found.await? {
                return judge(&row, body_hash);
            }
        }
        Err(InboxError::Unsettled)
    }

    /// What is known of each number; one that has no row is `unknown`.
    pub async fn states(
        &self,
        source: &Source,
        tx_nos: &[TxNo],
    ) -> Result<Vec<(TxNo, InboxState)>, DatabaseError> {
        let reading = self.database.in_time(async {
            let mut reader = self.database.read().await?;
            store::states(&mut reader, source, tx_nos).await
        });
        let known = reading.await?;
        let state = |tx_no: &TxNo| known.get(tx_no).copied().unwrap_or(InboxState::Unknown);
        Ok(tx_nos.iter().map(|tx_no| (*tx_no, state(tx_no))).collect())
    }

    /// The database that it is in.
    pub fn database(&self) -> &Database {
        &self.database
    }

    fn check_age(&self, tx_no: &TxNo, now_ms: i64) -> Result<(), InboxError> {
        let now = u64::try_from(now_ms).unwrap_or(0);
        let retention = u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX);
        if tx_no.unix_ms() < now.saturating_sub(retention) {
            let retention = self.retention;
            return Err(InboxError::TooOld { retention });
        }
        Ok(())
    }
}

/// Runs the business change behind the inserted row, and commits both or neither. One that takes longer than
/// the database's answers may is undone.
async fn finish<F>(database: &Database, mut tx: Tx, business: F) -> Result<Applied, InboxError>
where
    F: for<'a> FnOnce(&'a mut Tx) -> BusinessFuture<'a> + Send,
{
    match database.in_time(business(&mut tx)).await {
        Ok(()) => match tx.commit().await {
            Ok(()) => Ok(Applied::Applied),
            Err(CommitError::RolledBack(error) | CommitError::Unknown(error)) => Err(error.into()),
        },
        Err(error) => {
            abandon(tx).await;
            Err(error.into())
        }
    }
}

/// What a row that was there first means for this request.
fn judge(row: &store::Row, body_hash: &str) -> Result<Applied, InboxError> {
    match row.state {
        InboxState::Applied if row.body_hash == body_hash => Ok(Applied::Duplicate),
        InboxState::Applied => Err(InboxError::OtherBody),
        InboxState::Cancelled => Err(InboxError::Cancelled),
        InboxState::Unknown => Err(InboxError::Unsettled),
    }
}

/// Rolls back. If that fails the connection is closed, which rolls back too.
async fn abandon(tx: Tx) {
    if let Err(error) = tx.rollback().await {
        tracing::warn!(event = "inbox_rollback_unconfirmed", %error);
    }
}

#[cfg(test)]
mod tests;
