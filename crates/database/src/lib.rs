//! One way to a database, SQLite or MariaDB, over `sqlx::Any`.
//!
//! What the two do differently and what sqlx leaves to the caller is dealt with here, once:
//!
//! - **Transactions** ([`Tx`]) take the write lock when they begin (`BEGIN IMMEDIATE` on SQLite, on
//!   its one write connection) and end in a word: committed, rolled back, or nobody knows. A `Tx`
//!   that is dropped half-way takes its connection with it, so that nothing of it can come back.
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
mod error;
mod kind;
mod migrate;
mod schema;
mod sqlite_file;
mod tx;

use std::sync::Arc;

use sqlx::Any;
use sqlx::pool::{Pool, PoolConnection};

pub use config::{Config, Dialect};
pub use error::{CommitError, DatabaseError};
pub use kind::{Kind, kind};
pub use migrate::Migrations;
pub use schema::Schema;
pub use tx::Tx;

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
}

impl Database {
    /// Opens a database, and makes its file if it is SQLite's and absent (the folder must be there).
    /// The first connection is made at once, so that what is wrong is told here.
    pub async fn open(config: &Config) -> Result<Self, DatabaseError> {
        let dialect = config.check()?;
        let (writers, readers) = connect::pools(config, dialect).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                dialect,
                writers,
                readers,
            }),
        })
    }

    /// Brings the tables of one set of migrations up to date. Any number of processes may do this
    /// at once. A database that a newer program has migrated further is refused.
    pub async fn migrate(&self, migrations: &Migrations) -> Result<(), DatabaseError> {
        migrate::run(self, migrations).await
    }

    /// Begins a transaction, with the write lock taken on SQLite. Waits at most the configured
    /// lock wait for it; then the error's kind is [`Kind::Retry`].
    pub async fn begin(&self) -> Result<Tx, DatabaseError> {
        Tx::begin(self.inner.writers.acquire().await?, self.inner.dialect).await
    }

    /// A connection to read with, outside of any transaction: each statement sees what is
    /// committed then. On SQLite it refuses to write.
    pub async fn read(&self) -> Result<PoolConnection<Any>, DatabaseError> {
        Ok(self.inner.readers.acquire().await?)
    }

    /// A connection on which each statement commits by itself.
    pub async fn write(&self) -> Result<PoolConnection<Any>, DatabaseError> {
        Ok(self.inner.writers.acquire().await?)
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

    fn writers(&self) -> &Pool<Any> {
        &self.inner.writers
    }
}

#[cfg(test)]
mod tests;
