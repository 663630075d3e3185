//! A transaction that ends in a word.
//!
//! sqlx's own transaction swallows its connection when COMMIT fails, and counts nesting in a way
//! that an automatic rollback of SQLite's (disk full) throws off for good. So BEGIN, COMMIT and
//! ROLLBACK are said here, each under a deadline, and a connection whose transaction did not end
//! cleanly is closed: the database then rolls back by itself, whatever was in flight.
//!
//! MariaDB, too, ends transactions by itself (a deadlock rolls the whole back, DDL commits it), and
//! whoever passes over that error would go on in a new one: what was written before is not in it.
//! So a transaction begins with a savepoint, and COMMIT is said only behind its release, which fails
//! when it went with the transaction that set it; and autocommit is off meanwhile, so that what came
//! afterwards is undone with the connection.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Executor, raw_sql};
use tokio::time::timeout;

use crate::config::Dialect;
use crate::kind::{mysql_number, sqlite_code};
use crate::{CommitError, DatabaseError, Kind, kind};

/// MariaDB: SAVEPOINT does not exist.
const NO_SUCH_SAVEPOINT: u16 = 1305;
/// MariaDB's refusals of a COMMIT that leave no doubt: a lock wait, a deadlock (a cluster's other node
/// was first), a changed row, a server that has become read-only. Each rolls back.
const COMMIT_REFUSED: [u16; 5] = [1205, 1213, 1020, 1290, 1836];

/// A transaction in progress. Dropped, it is rolled back sooner or later, unconfirmed.
#[derive(Debug)]
pub struct Tx {
    connection: Option<PoolConnection<Any>>,
    dialect: Dialect,
    /// How long each word of the database is waited for.
    answer_wait: Duration,
}

impl Tx {
    pub(crate) async fn begin(
        connection: PoolConnection<Any>,
        dialect: Dialect,
        lock_wait: Duration,
        answer_wait: Duration,
    ) -> Result<Self, DatabaseError> {
        // Wrapped before BEGIN is sent, so that a caller who gives up waiting closes it.
        let mut tx = Self {
            connection: Some(connection),
            dialect,
            answer_wait,
        };
        let (begin, wait) = match dialect {
            Dialect::Sqlite => ("BEGIN IMMEDIATE", lock_wait + answer_wait),
            Dialect::MariaDb => (
                "SET SESSION autocommit = 0; START TRANSACTION; SAVEPOINT ringback",
                answer_wait,
            ),
        };
        match timeout(wait, tx.execute(raw_sql(begin))).await {
            Ok(Ok(_)) => Ok(tx),
            Ok(Err(error)) => {
                if dialect == Dialect::Sqlite && kind(&error) == Kind::Retry {
                    // Nothing began: the connection is as good as before.
                    drop(tx.connection.take());
                }
                Err(error.into())
            }
            Err(_elapsed) => Err(DatabaseError::NoAnswer { waited: wait }),
        }
    }

    /// Commits. `Ok` means durable. An answer that does not come in time is
    /// [`CommitError::Unknown`], and the connection is closed.
    pub async fn commit(mut self) -> Result<(), CommitError> {
        let waited = self.answer_wait;
        let commit = match self.dialect {
            Dialect::Sqlite => "COMMIT",
            Dialect::MariaDb => "RELEASE SAVEPOINT ringback; COMMIT; SET SESSION autocommit = 1",
        };
        match timeout(waited, self.execute(raw_sql(commit))).await {
            Ok(Ok(_)) => {
                drop(self.connection.take());
                Ok(())
            }
            // The connection is closed as `self` goes, which ends what COMMIT left open.
            Ok(Err(error)) if surely_not_committed(&error) => {
                Err(CommitError::RolledBack(error.into()))
            }
            Ok(Err(error)) if mysql_number(&error) == Some(NO_SUCH_SAVEPOINT) => {
                Err(CommitError::Unknown(DatabaseError::Ended))
            }
            Ok(Err(error)) => Err(CommitError::Unknown(error.into())),
            Err(_elapsed) => Err(CommitError::Unknown(DatabaseError::NoAnswer { waited })),
        }
    }

    /// Rolls back. `Ok` means that the database confirmed it.
    pub async fn rollback(mut self) -> Result<(), DatabaseError> {
        let waited = self.answer_wait;
        let rollback = match self.dialect {
            Dialect::Sqlite => "ROLLBACK",
            Dialect::MariaDb => "ROLLBACK; SET SESSION autocommit = 1",
        };
        match timeout(waited, self.execute(raw_sql(rollback))).await {
            Ok(Ok(_)) => {}
            // A full disk, for one, makes SQLite roll back by itself.
            Ok(Err(error)) if no_transaction(&error) => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_elapsed) => return Err(DatabaseError::NoAnswer { waited }),
        }
        drop(self.connection.take());
        Ok(())
    }
}

/// Whether a failed COMMIT leaves no doubt: the database answered that it did not commit, and the
/// transaction is open or gone. A failing disk is no such answer.
fn surely_not_committed(error: &sqlx::Error) -> bool {
    /// SQLite: busy, locked, a constraint that is looked at on COMMIT.
    const REFUSED: [i32; 3] = [5, 6, 19];
    let Some(reported) = error.as_database_error() else {
        return false;
    };
    match mysql_number(error) {
        Some(number) => COMMIT_REFUSED.contains(&number),
        None => {
            no_transaction(error)
                || sqlite_code(reported).is_some_and(|code| REFUSED.contains(&code))
        }
    }
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
