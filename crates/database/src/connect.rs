//! Making connections: the pools, and the first connection, which tells what's wrong.
//!
//! sqlx's pool retries a connection whose set-up fails until its own time-out and then reports
//! only that. So the first connection is made by hand, and its error is the one that people see;
//! and what keeps later ones from being made is noted, for the error of whoever waited in vain.

use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::Pool;
use sqlx::{Any, ConnectOptions, Connection, Executor, raw_sql};

use crate::config::{Config, Dialect};
use crate::drivers::{self, CONNECT_WAIT};
use crate::session::{self, Role};
use crate::trouble::Trouble;
use crate::{DatabaseError, Kind, kind, server, sqlite_file};

/// How long a caller waits for its turn on a connection.
pub(crate) fn acquire_wait(config: &Config, dialect: Dialect) -> Duration {
    match dialect {
        // Waiting for the one writer is waiting for a lock.
        Dialect::Sqlite => config.lock_wait,
        Dialect::MariaDb => config.lock_wait.max(CONNECT_WAIT),
    }
}

/// The pool to write with and the pool to read with.
pub(crate) async fn pools(
    config: &Config,
    dialect: Dialect,
    trouble: &Trouble,
) -> Result<(Pool<Any>, Pool<Any>), DatabaseError> {
    drivers::install();
    let options: AnyConnectOptions = match dialect {
        Dialect::Sqlite => sqlite_file::url(config)?.parse()?,
        Dialect::MariaDb => config.url.parse()?,
    };
    first(config, dialect, &options).await?;
    let pool = |role| {
        let most = match (dialect, role) {
            (Dialect::Sqlite, Role::Write) => 1,
            _ => config.readers,
        };
        pool_options(config, dialect, role, trouble)
            .max_connections(most)
            .connect_lazy_with(options.clone())
    };
    Ok((pool(Role::Write), pool(Role::Read)))
}

fn pool_options(
    config: &Config,
    dialect: Dialect,
    role: Role,
    trouble: &Trouble,
) -> AnyPoolOptions {
    let settings = session::settings(config, dialect, role);
    let noted = trouble.clone();
    let options = AnyPoolOptions::new()
        .acquire_timeout(acquire_wait(config, dialect))
        .after_connect(move |connection, _| {
            let (settings, noted) = (settings.clone(), noted.clone());
            Box::pin(async move {
                let done = session::set_up(connection, &settings, dialect).await;
                noted.take_note_of_fresh(done)
            })
        });
    match dialect {
        // A file's connections don't go stale.
        Dialect::Sqlite => options
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None),
        // In place of sqlx's ping, and as good as one: a server that became read-only meanwhile is
        // left, and the pool asks the address for another connection.
        Dialect::MariaDb => {
            let noted = trouble.clone();
            options
                .test_before_acquire(false)
                .before_acquire(move |connection, _| {
                    let noted = noted.clone();
                    Box::pin(async move {
                        let good = session::still_good(connection).await;
                        noted.take_note(good).map(|()| true)
                    })
                })
                .after_release(|connection, _| {
                    Box::pin(async move { session::comes_back(connection).await.map(|()| true) })
                })
        }
    }
}

/// Connects once, sets up, tries to write, and closes.
async fn first(
    config: &Config,
    dialect: Dialect,
    options: &AnyConnectOptions,
) -> Result<(), DatabaseError> {
    let deadline = tokio::time::Instant::now() + config.lock_wait.max(CONNECT_WAIT);
    let settings = session::settings(config, dialect, Role::Write);
    loop {
        match tokio::time::timeout_at(deadline, try_out(dialect, options, &settings)).await {
            Ok(Ok(())) => return Ok(()),
            // Many processes starting at once on a new file: the busy time-out does not cover
            // every step of the change to WAL.
            Ok(Err(error)) if dialect == Dialect::Sqlite && kind(&error) == Kind::Retry => {
                if tokio::time::Instant::now() >= deadline {
                    return Err(unusable(config, dialect, error));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(Err(error)) => return Err(unusable(config, dialect, error)),
            Err(_) => return Err(unusable(config, dialect, sqlx::Error::PoolTimedOut)),
        }
    }
}

async fn try_out(
    dialect: Dialect,
    options: &AnyConnectOptions,
    settings: &str,
) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    session::set_up(&mut connection, settings, dialect).await?;
    if dialect == Dialect::Sqlite {
        let begin = raw_sql("BEGIN IMMEDIATE; ROLLBACK");
        // Where somebody else is writing, it can be written to.
        if let Err(error) = connection.execute(begin).await
            && kind(&error) != Kind::Retry
        {
            return Err(error);
        }
    }
    connection.close().await
}

/// `Away` if waiting may help, `Open` if somebody has to do something about it.
fn unusable(config: &Config, dialect: Dialect, error: sqlx::Error) -> DatabaseError {
    let url = config.shown();
    match dialect {
        Dialect::Sqlite if kind(&error) == Kind::Retry => error.into(),
        Dialect::Sqlite => DatabaseError::Open {
            url,
            reason: sqlite_file::reason(&error).map_or_else(|| error.to_string(), str::to_owned),
        },
        Dialect::MariaDb => server::unusable(url, &error),
    }
}
