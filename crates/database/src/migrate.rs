//! Migrations under a lock of our own.
//!
//! sqlx's migration lock does nothing on SQLite or MariaDB through `Any`: six simultaneous starts
//! failed. Here SQLite's write lock covers the whole run (its DDL is transactional, so a failure
//! leaves nothing behind), and on MariaDB a named lock does, held on the connection that migrates;
//! that connection is closed afterwards, so that the lock can't outlive the run.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::pool::Pool;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Executor, SqlSafeStr, query_scalar, raw_sql};
use tokio::time::Instant;

use crate::config::Dialect;
use crate::{Database, DatabaseError, Kind, kind};

/// How long to wait for another process that migrates.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// A set of migrations, as a constant of the crate whose tables they make.
#[derive(Debug, Clone, Copy)]
pub struct Migrations {
    /// The set's name, `[a-z0-9_]`, at most 32: what was applied is kept in `_migrations_<name>`.
    pub name: &'static str,
    /// Version, description and SQL text (`include_str!`) of each. A file is never changed once it
    /// was released: its checksum is kept.
    pub files: &'static [(i64, &'static str, &'static str)],
}

impl Migrations {
    /// Where it is kept what was applied.
    pub(crate) fn table(&self) -> String {
        format!("_migrations_{}", self.name)
    }

    /// sqlx's form of it, with our table and without its lock.
    fn migrator(&self) -> Migrator {
        let migration = |(version, description, sql): &(i64, &'static str, &'static str)| {
            let (description, sql) = (Cow::Borrowed(*description), sql.into_sql_str());
            Migration::new(*version, description, MigrationType::Simple, sql, false)
        };
        let mut migrator = Migrator::with_migrations(self.files.iter().map(migration).collect());
        migrator.set_locking(false);
        migrator.dangerous_set_table_name(self.table());
        migrator
    }
}

/// Runs what is pending of one set.
pub(crate) async fn run(database: &Database, migrations: &Migrations) -> Result<(), DatabaseError> {
    let name = migrations.name;
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if !(1..=32).contains(&name.len()) || !name.bytes().all(fits) {
        let limit = "1 to 32 characters, a-z 0-9 _";
        return Err(DatabaseError::config("migrations", name, limit));
    }
    let migrator = migrations.migrator();
    match database.dialect() {
        Dialect::Sqlite => on_sqlite(database.writers(), name, &migrator).await,
        Dialect::MariaDb => on_mariadb(database, name, &migrator).await,
    }
}

async fn on_sqlite(
    writers: &Pool<Any>,
    name: &str,
    migrator: &Migrator,
) -> Result<(), DatabaseError> {
    let deadline = Instant::now() + LOCK_WAIT;
    let mut tx = loop {
        // Each try waits for the busy time-out by itself.
        match writers.begin_with("BEGIN IMMEDIATE").await {
            Ok(tx) => break tx,
            Err(error) if kind(&error) != Kind::Retry => return Err(error.into()),
            Err(_) if Instant::now() >= deadline => return Err(lock_taken(name)),
            Err(_) => {}
        }
    };
    migrate(&mut tx, name, migrator).await?;
    Ok(tx.commit().await?)
}

async fn on_mariadb(
    database: &Database,
    name: &str,
    migrator: &Migrator,
) -> Result<(), DatabaseError> {
    let mut connection = database.write().await?;
    connection.close_on_drop();
    // DDL waits for whoever uses the table: longer than a statement may.
    let patient = AssertSqlSafe(format!(
        "SET SESSION lock_wait_timeout = {}",
        LOCK_WAIT.as_secs()
    ));
    connection.execute(raw_sql(patient)).await?;
    // Lock names are the server's, not the database's, and at most 64 characters.
    let lock = "SELECT GET_LOCK(SHA1(CONCAT('migrations ', DATABASE(), ' ', ?)), ?)";
    let taken: Option<i64> = query_scalar(lock)
        .bind(name)
        .bind(i64::try_from(LOCK_WAIT.as_secs()).unwrap_or(i64::MAX))
        .fetch_one(&mut *connection)
        .await?;
    if taken != Some(1) {
        return Err(lock_taken(name));
    }
    migrate(&mut connection, name, migrator).await
}

async fn migrate(
    connection: &mut AnyConnection,
    name: &str,
    migrator: &Migrator,
) -> Result<(), DatabaseError> {
    let result = migrator.run_direct(None, connection, false).await;
    result.map_err(|error| match error {
        MigrateError::VersionMissing(version) => DatabaseError::Newer {
            name: name.to_owned(),
            version,
        },
        MigrateError::Dirty(version) => DatabaseError::HalfMigrated {
            name: name.to_owned(),
            version,
        },
        MigrateError::Execute(error) => error.into(),
        other => DatabaseError::Migrate {
            name: name.to_owned(),
            source: Box::new(other),
        },
    })
}

fn lock_taken(name: &str) -> DatabaseError {
    DatabaseError::MigrationLock {
        name: name.to_owned(),
        waited_s: LOCK_WAIT.as_secs(),
    }
}
