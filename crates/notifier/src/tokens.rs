//! The tokens that open the API: the one in the data folder, and those in the table.
//!
//! A token is `rbt_<id>_<secret>`: the public id finds its row, and of the whole the row keeps
//! SHA-256. The rows are read at most once a second, however often a token is shown, so that nobody
//! can wear the database out from outside.
//!
//! The invariant: no answer of the table that was asked for more than a second ago opens the door.
//! So what one replica revokes is refused by all of them within two; and while the table can't be
//! read, only the data folder's token is let in.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use database::{Database, DatabaseError};
use notification::api::notifier::Role;
use service::clock::Clock;
use service::request_id::RequestId;
use service::shutdown::Shutdown;
use service::token::{fingerprint, random_hex};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::config::OperatorToken;
use crate::operator::Operator;
use crate::record::columns::parsed;

/// How long ago the table may have been asked.
const FRESH: Duration = Duration::from_secs(1);

/// How long the table may take to answer: less than a request may.
const PATIENCE: Duration = Duration::from_secs(3);

/// `last_used_ms` is right to this.
const USE_GRAIN_MS: i64 = 60_000;

/// How often uses are written down.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// The id and the name of the token in the data folder.
pub(crate) const FILE: &str = "file";

/// The most tokens that may be in force at a time.
pub(crate) const MOST: usize = 1000;

const IN_FORCE: &str = "SELECT token_id, name, role, hash, last_used_ms, expires_ms FROM token \
     WHERE revoked_ms IS NULL";

const USED: &str = "UPDATE token SET last_used_ms = ? \
     WHERE token_id = ? AND (last_used_ms IS NULL OR last_used_ms < ?)";

/// Clones share what is known.
#[derive(Debug, Clone)]
pub(crate) struct Tokens(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    clock: Clock,
    file: OperatorToken,
    /// Asynchronous, so that of many requests one reads the table and the others wait for it.
    known: tokio::sync::Mutex<Option<Known>>,
    used: std::sync::Mutex<HashMap<String, i64>>,
}

/// What the table said, and when it was asked.
#[derive(Debug)]
struct Known {
    asked: Instant,
    tokens: Result<HashMap<String, Held>, Unreadable>,
}

/// A token in force.
#[derive(Debug, Clone)]
struct Held {
    name: String,
    role: Role,
    hash: String,
    last_used_ms: Option<i64>,
    expires_ms: Option<i64>,
}

/// Why a token does not open the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such token, or not any more.
    Unknown,
    /// It was good once; since when it is not.
    Expired { name: String },
    /// The table does not answer.
    Unreadable(Unreadable),
}

/// The table could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(String);

/// A token as it is made: its public id, and the whole.
pub(crate) struct Fresh {
    pub id: String,
    pub token: String,
}

impl Fresh {
    /// 48 random bits to find it by, 256 to know it by.
    pub(crate) fn make() -> Self {
        let id = random_hex::<6>();
        let token = format!("rbt_{id}_{}", random_hex::<32>());
        Self { id, token }
    }
}

impl Tokens {
    pub(crate) fn new(database: Database, file: OperatorToken, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            database,
            clock,
            file,
            known: tokio::sync::Mutex::default(),
            used: std::sync::Mutex::default(),
        }))
    }

    /// Whose token this is.
    pub(crate) async fn operator(
        &self,
        given: &str,
        request: &RequestId,
    ) -> Result<Operator, Refusal> {
        let operator = |token_id: &str, name: String, role| Operator {
            token_id: token_id.to_owned(),
            name,
            role,
            request_id: request.as_str().to_owned(),
        };
        if self.0.file.matches(given) {
            return Ok(operator(FILE, FILE.to_owned(), Role::Operate));
        }
        let id = public_id(given).ok_or(Refusal::Unknown)?;
        let held = self.find(id).await.map_err(Refusal::Unreadable)?;
        let right = |held: &Held| service::token::matches(&held.hash, &fingerprint(given));
        let held = held.filter(right).ok_or(Refusal::Unknown)?;
        let now_ms = self.0.clock.now_ms();
        if held
            .expires_ms
            .is_some_and(|expires_ms| expires_ms <= now_ms)
        {
            return Err(Refusal::Expired { name: held.name });
        }
        if held
            .last_used_ms
            .is_none_or(|at_ms| at_ms + USE_GRAIN_MS <= now_ms)
        {
            self.used().insert(id.to_owned(), now_ms);
        }
        Ok(operator(id, held.name, held.role))
    }

    /// After a change here: the next request reads the table.
    pub(crate) async fn forget(&self) {
        *self.0.known.lock().await = None;
    }

    async fn find(&self, id: &str) -> Result<Option<Held>, Unreadable> {
        let mut known = self.0.known.lock().await;
        let fresh = known.as_ref().filter(|known| known.asked.elapsed() < FRESH);
        if let Some(fresh) = fresh {
            return Ok(fresh
                .tokens
                .as_ref()
                .map_err(Clone::clone)?
                .get(id)
                .cloned());
        }
        let asked = Instant::now();
        // A failure is kept as long: a table that hangs is not waited for by each request in turn.
        let tokens = self.read().await.map_err(|error| {
            tracing::info!(event = "tokens_unreadable", %error);
            Unreadable(error.to_string())
        });
        let found = tokens.as_ref().map(|tokens| tokens.get(id).cloned());
        let found = found.map_err(Clone::clone);
        *known = Some(Known { asked, tokens });
        found
    }

    async fn read(&self) -> Result<HashMap<String, Held>, DatabaseError> {
        let database = &self.0.database;
        let read = async {
            let mut db = database.read().await?;
            let rows = sqlx::query(IN_FORCE).fetch_all(&mut *db).await?;
            Ok(rows.iter().map(held).collect::<Result<_, sqlx::Error>>()?)
        };
        match tokio::time::timeout(PATIENCE, database.in_time(read)).await {
            Ok(read) => read,
            Err(_elapsed) => Err(DatabaseError::NoAnswer { waited: PATIENCE }),
        }
    }

    /// Writes down when tokens were used, until the soft phase begins.
    pub(crate) async fn note_uses(self, shutdown: Shutdown) {
        let soft = shutdown.soft();
        while !soft.is_cancelled() {
            tokio::select! {
                () = soft.cancelled() => {}
                () = tokio::time::sleep(NOTE_EVERY) => {}
            }
            let used: Vec<_> = self.used().drain().collect();
            if let Err(error) = self.0.database.in_time(self.note(&used)).await {
                // The next use is noted: this is a courtesy to whoever tidies up.
                tracing::debug!(event = "token_use_not_noted", %error);
            }
        }
    }

    async fn note(&self, used: &[(String, i64)]) -> Result<(), DatabaseError> {
        if used.is_empty() {
            return Ok(());
        }
        let mut db = self.0.database.write().await?;
        for (id, at_ms) in used {
            let note = sqlx::query(USED)
                .bind(*at_ms)
                .bind(id.as_str())
                .bind(*at_ms);
            note.execute(&mut *db).await?;
        }
        Ok(())
    }

    fn used(&self) -> std::sync::MutexGuard<'_, HashMap<String, i64>> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id in `rbt_<id>_<secret>`.
fn public_id(token: &str) -> Option<&str> {
    let (id, secret) = token.strip_prefix("rbt_")?.split_once('_')?;
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    (id.len() == 12 && secret.len() == 64 && hex(id) && hex(secret)).then_some(id)
}

fn held(row: &AnyRow) -> Result<(String, Held), sqlx::Error> {
    let held = Held {
        name: row.try_get("name")?,
        role: parsed(row, "role")?,
        hash: row.try_get("hash")?,
        last_used_ms: row.try_get("last_used_ms")?,
        expires_ms: row.try_get("expires_ms")?,
    };
    Ok((row.try_get("token_id")?, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_public_half() {
        let fresh = Fresh::make();
        assert_eq!(public_id(&fresh.token), Some(fresh.id.as_str()));
        let cut = &fresh.token[..fresh.token.len() - 1];
        for bad in ["", "rbt_", "rbt_abc_def", cut, &fresh.token[1..]] {
            assert_eq!(public_id(bad), None, "{bad}");
        }
    }
}
