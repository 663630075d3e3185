//! One way to a database, SQLite or MariaDB, over `sqlx::Any`.
//!
//! What the two do differently and what sqlx leaves to the caller is dealt with here, once:
//!
//! - **Transactions** ([`Tx`]) take the write lock when they begin (`BEGIN IMMEDIATE` on SQLite, on
//!   its one write connection) and end in a word: committed, rolled back, or nobody knows. A `Tx`
//!   that is dropped half-way takes its connection with it, so that nothing of it can come back.
//!   On MariaDB a transaction that the server ended half-way never reaches COMMIT.
//! - **Deadlines**: connecting, BEGIN, COMMIT and ROLLBACK each wait no longer than configured;
//!   [`Database::in_time`] does it for statements. A connection whose statement was given up does not
//!   come back unless its server says at once that it is good.
//! - **A read-only server** is refused, when it is opened and whenever a connection is taken, to read as
//!   well: it may be the primary of yesterday. So an address that has moved on is followed at once.
//! - **Errors** come as [`Kind`]: a duplicate is data, a busy database is worth another try, a lost
//!   connection means that nobody knows.
//! - **Migrations** ([`Database::migrate`]) run under a lock of our own, since sqlx's does nothing
//!   on either database, and each set keeps its own table, so that several sets share a database.
//!
//! The invariant: `Ok` from [`Tx::commit`] means durable, `Ok` from [`Tx::rollback`] means undone,
//! and anything else is never taken for either.
//!
//! SQL is written once for both: `?` for parameters; BIGINT, INT, SMALLINT, VARCHAR, TEXT and BLOBs
//! only; no RETURNING and no ON CONFLICT (insert, and take the duplicate as data); sums cast by
//! `CAST(SUM(x) AS SIGNED)`; each CREATE TABLE ends in MariaDB's engine and character set, in a
//! comment to SQLite. Lengths are checked in Rust: SQLite ignores `VARCHAR(n)`.

mod config;
mod connect;
mod drivers;
mod error;
mod kind;
mod migrate;
mod schema;
mod server;
mod session;
mod sqlite_file;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod trouble;
mod tx;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Any;
use sqlx::pool::{Pool, PoolConnection};

pub use config::{Config, Dialect};
pub use error::{CommitError, DatabaseError};
pub use kind::{Kind, kind};
pub use migrate::Migrations;
pub use schema::Schema;
pub use server::Server;
pub use tx::Tx;

use trouble::Trouble;

/// An open database: a pool to write and a pool to read. Cloning shares both.
#[derive(Debug, Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dialect: Dialect,
    writers: Pool<Any>,
    readers: Pool<Any>,
    trouble: Trouble,
    lock_wait: Duration,
    answer_wait: Duration,
}

/// Between two tries to reach a database that is away.
const AWAY_PAUSE: Duration = Duration::from_secs(2);

impl Database {
    /// Opens a database, and makes its file if it is SQLite's and absent (the folder must be there).
    /// The first connection is made at once, so that what is wrong is told here.
    pub async fn open(config: &Config) -> Result<Self, DatabaseError> {
        let dialect = config.check()?;
        let trouble = Trouble::default();
        let (writers, readers) = connect::pools(config, dialect, &trouble).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                dialect,
                writers,
                readers,
                trouble,
                lock_wait: config.lock_wait,
                answer_wait: config.answer_wait,
            }),
        })
    }

    /// The same, but a server that is away (not there yet, starting, full, read-only) is waited for,
    /// for ever; the log says what for. Whoever calls decides when that is long enough.
    pub async fn open_when_there(config: &Config) -> Result<Self, DatabaseError> {
        loop {
            match Self::open(config).await {
                Err(error @ DatabaseError::Away { .. }) => {
                    tracing::warn!(event = "database_awaited", %error, "waiting for the database");
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    /// The same, and makes it ready (its tables, and what else is read or written before the first
    /// request): a server that goes away in between is waited for and all of it done again.
    ///
    /// # Errors
    /// What waiting can't mend; on SQLite any error.
    pub async fn ready_when_there<T, F, Fut>(
        config: &Config,
        make_ready: F,
    ) -> Result<(Self, T), DatabaseError>
    where
        F: Fn(Self) -> Fut,
        Fut: Future<Output = Result<T, DatabaseError>>,
    {
        loop {
            let database = Self::open_when_there(config).await?;
            match make_ready(database.clone()).await {
                Ok(made) => return Ok((database, made)),
                Err(error) if database.may_come_back(&error) => {
                    tracing::warn!(event = "database_awaited", %error, "waiting for the database");
                    // Not waited for: connections to a host that is gone take their time to close.
                    drop(database);
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// As [`Self::migrate`], of a database that is open already: a server that has gone meanwhile is
    /// waited for.
    ///
    /// # Errors
    /// What waiting can't mend; on SQLite any error.
    pub async fn migrate_when_there(&self, migrations: &Migrations) -> Result<(), DatabaseError> {
        loop {
            match self.migrate(migrations).await {
                Err(error) if self.may_come_back(&error) => {
                    tracing::warn!(event = "database_awaited", %error, "waiting for the database");
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    fn may_come_back(&self, error: &DatabaseError) -> bool {
        self.inner.dialect == Dialect::MariaDb && matches!(error.kind(), Kind::Retry | Kind::Lost)
    }

    /// Brings the tables of one set of migrations up to date. Any number of processes may do this
    /// at once. A database that a newer program has migrated further is refused.
    pub async fn migrate(&self, migrations: &Migrations) -> Result<(), DatabaseError> {
        migrate::run(self, migrations).await
    }

    /// Begins a transaction, with the write lock taken on SQLite. Waits at most the configured
    /// lock wait for it; then the error's kind is [`Kind::Retry`].
    pub async fn begin(&self) -> Result<Tx, DatabaseError> {
        let inner = &self.inner;
        let connection = self.acquire(&inner.writers).await?;
        Tx::begin(
            connection,
            inner.dialect,
            inner.lock_wait,
            inner.answer_wait,
        )
        .await
    }

    /// A connection to read with, outside of any transaction: each statement sees what is
    /// committed then. It refuses to write. What decides about a write is better read on the
    /// connection that writes: an address may lead elsewhere from one connection to the next.
    pub async fn read(&self) -> Result<PoolConnection<Any>, DatabaseError> {
        self.acquire(&self.inner.readers).await
    }

    /// A connection on which each statement commits by itself.
    pub async fn write(&self) -> Result<PoolConnection<Any>, DatabaseError> {
        self.acquire(&self.inner.writers).await
    }

    /// Which of the two it is.
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// Closes every connection and waits for those in use.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writers.close().await;
    }

    /// Waits for statements no longer than the configured wait for an answer. One that is given up
    /// may have been done: [`Kind::Lost`].
    pub async fn in_time<T, E: From<DatabaseError>>(
        &self,
        statements: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let waited = self.inner.answer_wait;
        match tokio::time::timeout(waited, statements).await {
            Ok(done) => done,
            Err(_elapsed) => Err(DatabaseError::NoAnswer { waited }.into()),
        }
    }

    async fn acquire(&self, pool: &Pool<Any>) -> Result<PoolConnection<Any>, DatabaseError> {
        let began = tokio::time::Instant::now();
        let mut refused = std::pin::pin!(self.inner.trouble.refused().notified());
        refused.as_mut().enable();
        tokio::select! {
            acquired = pool.acquire() => match acquired {
                Ok(connection) => return Ok(connection),
                Err(sqlx::Error::PoolTimedOut) => {}
                Err(error) => return Err(error.into()),
            },
            () = refused => {}
        }
        let usual = match self.inner.dialect {
            Dialect::Sqlite => "others are writing",
            Dialect::MariaDb => "all are in use, or the server does not answer",
        };
        Err(DatabaseError::NoConnection {
            waited: began.elapsed(),
            reason: self
                .inner
                .trouble
                .last()
                .unwrap_or_else(|| usual.to_owned()),
        })
    }

    /// The pool to write with, for SQLite's own way to begin.
    fn writers(&self) -> &Pool<Any> {
        &self.inner.writers
    }
}

#[cfg(test)]
mod tests;
