//! Databases of one test's own, behind the feature `testing`.
//!
//! SQLite files in a folder; or, where `RINGBACK_TEST_DATABASE` names a server
//! (`mysql://root@127.0.0.1:3307/`, as `scripts/mariadb.sh url` prints it), fresh databases there, which are
//! dropped with it. So every test that opens a database runs on both.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::pool::PoolConnection;
use sqlx::{Any, AssertSqlSafe, Executor, query_scalar, raw_sql};
use tempfile::TempDir;

use crate::{Config, Database, DatabaseError, Dialect, Server};

mod switch;
mod vacant;

pub use switch::Switch;
pub use vacant::Vacant;

/// The variable that names the server.
pub const VARIABLE: &str = "RINGBACK_TEST_DATABASE";

/// Set to 1, it makes a test fail that needs a server and has none: what CI sets, so that none is passed over.
pub const REQUIRED: &str = "RINGBACK_REQUIRE_MARIADB";

/// The databases of one test, by name; all are gone with it.
#[derive(Debug)]
pub struct Databases {
    place: Place,
    _folder: Option<TempDir>,
}

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Server {
        server: Server,
        prefix: String,
        made: Mutex<BTreeMap<String, Config>>,
    },
}

impl Databases {
    /// In a temporary folder, or on the server.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Place::of(folder.path());
        Self {
            place,
            _folder: Some(folder),
        }
    }

    /// In `folder`, as `<name>.sqlite`, or on the server.
    pub fn within(folder: &Path) -> Self {
        Self {
            place: Place::of(folder),
            _folder: None,
        }
    }

    /// What opens the database of that name: the same one each time, empty at first.
    pub fn config(&self, name: &str) -> Config {
        match &self.place {
            Place::Folder(folder) => Config::sqlite(folder.join(format!("{name}.sqlite"))),
            Place::Server {
                server,
                prefix,
                made,
            } => {
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                let make = || {
                    let (server, name) = (server.clone(), format!("{prefix}_{name}"));
                    elsewhere(async move { server.create(&name).await })
                        .unwrap_or_else(|error| panic!("{VARIABLE}: {error}"))
                };
                made.entry(name.to_owned()).or_insert_with(make).clone()
            }
        }
    }

    /// Whether they are on a server, for a test that shows what only MariaDB does. If not, it says on stderr that
    /// the test is skipped, past the capture of what a passed test prints.
    ///
    /// # Panics
    /// There is no server, and [`REQUIRED`] is set.
    pub fn on_server(&self) -> bool {
        if self.dialect() == Dialect::MariaDb {
            return true;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "tests have no configuration but the environment"
        )]
        let required = std::env::var(REQUIRED).is_ok_and(|value| value == "1");
        assert!(!required, "{REQUIRED} is 1, and {VARIABLE} names no server");
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        // Nobody can be told if stderr is closed.
        let _unsaid = writeln!(
            std::io::stderr(),
            "skipped: {test}: {VARIABLE} names no server"
        );
        false
    }

    /// Which of the two they are.
    pub fn dialect(&self) -> Dialect {
        match &self.place {
            Place::Folder(_) => Dialect::Sqlite,
            Place::Server { .. } => Dialect::MariaDb,
        }
    }
}

impl Place {
    fn of(folder: &Path) -> Place {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests have no configuration but the environment"
        )]
        let named = std::env::var(VARIABLE);
        match named {
            Ok(url) if !url.is_empty() => Place::Server {
                server: Server::new(&url).unwrap_or_else(|error| panic!("{VARIABLE}: {error}")),
                prefix: unique(),
                made: Mutex::default(),
            },
            _ => Place::Folder(folder.to_path_buf()),
        }
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        let Place::Server { server, made, .. } = &self.place else {
            return;
        };
        let made = made.lock().unwrap_or_else(PoisonError::into_inner);
        for name in made.values().filter_map(|config| config.name()) {
            let (server, name) = (server.clone(), name.to_owned());
            let dropped: Result<(), DatabaseError> =
                elsewhere(async move { server.discard(&name).await });
            if let Err(error) = dropped {
                // A test that has the server killed leaves nothing to drop; no other may fail for it.
                eprintln!("a test's database stays behind: {error}");
            }
        }
    }
}

/// Everybody's writing, held up, while they may read: as a backup or somebody's shell does it.
#[derive(Debug)]
pub struct HeldWrites(PoolConnection<Any>);

impl HeldWrites {
    /// Holds it up until [`HeldWrites::let_go`].
    pub async fn of(database: &Database) -> HeldWrites {
        let mut connection = database.write().await.expect("a connection");
        connection.close_on_drop();
        let hold = match database.dialect() {
            Dialect::Sqlite => "BEGIN IMMEDIATE".to_owned(),
            Dialect::MariaDb => {
                let names = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";
                let names: Vec<String> = query_scalar(names)
                    .fetch_all(&mut *connection)
                    .await
                    .expect("the tables' names");
                format!("LOCK TABLES {} READ", names.join(" READ, "))
            }
        };
        let held = connection.execute(raw_sql(AssertSqlSafe(hold))).await;
        held.expect("the lock is free");
        HeldWrites(connection)
    }

    /// Lets everybody write again.
    pub async fn let_go(self) {
        self.0.close().await.expect("the lock is given back");
    }
}

/// A name that no other test has, of this or another process.
fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    #[expect(
        clippy::disallowed_methods,
        reason = "a name that must not repeat, not a time"
    )]
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("ringback_test_{now:x}_{:x}_{count}", std::process::id())
}

/// Runs on a thread and a runtime of its own, so that `config` and `drop` need not be async.
fn elsewhere<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(work)
    };
    std::thread::spawn(run).join().expect("no panic")
}
