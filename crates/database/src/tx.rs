//! A transaction that ends in a word.
//!
//! sqlx's own transaction swallows its connection when COMMIT fails, and counts nesting in a way
//! that an automatic rollback of SQLite's (disk full) throws off for good. So BEGIN, COMMIT and
//! ROLLBACK are said here, and a connection whose transaction did not end cleanly is closed: the
//! database then rolls back by itself, whatever was in flight.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Executor, raw_sql};

use crate::config::Dialect;
use crate::kind::sqlite_code;
use crate::{CommitError, DatabaseError, Kind, kind};

/// A transaction in progress. Dropped, it is rolled back sooner or later, unconfirmed.
#[derive(Debug)]
pub struct Tx {
    connection: Option<PoolConnection<Any>>,
}

impl Tx {
    pub(crate) async fn begin(
        connection: PoolConnection<Any>,
        dialect: Dialect,
    ) -> Result<Self, DatabaseError> {
        // Wrapped before BEGIN is sent, so that a caller who gives up waiting closes it.
        let mut tx = Self {
            connection: Some(connection),
        };
        let begin = match dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::MariaDb => "START TRANSACTION",
        };
        match tx.execute(raw_sql(begin)).await {
            Ok(_) => Ok(tx),
            Err(error) => {
                if kind(&error) == Kind::Retry {
                    // Nothing began: the connection is as good as before.
                    drop(tx.connection.take());
                }
                Err(error.into())
            }
        }
    }

    /// Commits. `Ok` means durable.
    pub async fn commit(mut self) -> Result<(), CommitError> {
        match self.execute(raw_sql("COMMIT")).await {
            Ok(_) => {
                drop(self.connection.take());
                Ok(())
            }
            // The connection is closed as `self` goes, which ends what COMMIT left open.
            Err(error) if surely_not_committed(&error) => {
                Err(CommitError::RolledBack(error.into()))
            }
            Err(error) => Err(CommitError::Unknown(error.into())),
        }
    }

    /// Rolls back. `Ok` means that the database confirmed it.
    pub async fn rollback(mut self) -> Result<(), DatabaseError> {
        match self.execute(raw_sql("ROLLBACK")).await {
            Ok(_) => {}
            // A full disk, for one, makes SQLite roll back by itself.
            Err(error) if no_transaction(&error) => {}
            Err(error) => return Err(error.into()),
        }
        drop(self.connection.take());
        Ok(())
    }
}

/// Whether a failed COMMIT leaves no doubt: the database answered that it did not commit, and the
/// transaction is open or gone. A failing disk is no such answer.
fn surely_not_committed(error: &sqlx::Error) -> bool {
    const CONSTRAINT: i32 = 19;
    let code = error.as_database_error().and_then(sqlite_code);
    let answered = matches!(error, sqlx::Error::Database(_));
    answered && (kind(error) == Kind::Retry || code == Some(CONSTRAINT) || no_transaction(error))
}

/// Whether SQLite says that there is no transaction to end.
fn no_transaction(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|reported| {
        sqlite_code(reported) == Some(1) && reported.message().contains("no transaction is active")
    })
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        self.connection.as_ref().expect("taken only on the way out")
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        self.connection.as_mut().expect("taken only on the way out")
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}
