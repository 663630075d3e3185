//! Where the database is and how long to wait for its locks.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::DatabaseError;

/// What [`crate::Database::open`] needs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `sqlite:///absolute/path`, `sqlite://relative/path`, or `mysql://user:password@host/name`.
    pub url: String,
    /// Connections to read with: 1 to 64. MariaDB gets as many to write with; SQLite has one.
    #[serde(default = "default_readers")]
    pub readers: u32,
    /// How long a statement waits for a lock: 100 ms to 50 s, on MariaDB in whole seconds.
    #[serde(default = "default_lock_wait", with = "humantime_serde")]
    pub lock_wait: Duration,
    /// How long any one word of the database is waited for, above all COMMIT's: 1 s to 60 s. After it
    /// nobody knows, and the connection is closed.
    #[serde(default = "default_answer_wait", with = "humantime_serde")]
    pub answer_wait: Duration,
}

fn default_answer_wait() -> Duration {
    Duration::from_secs(10)
}

fn default_readers() -> u32 {
    4
}

fn default_lock_wait() -> Duration {
    Duration::from_secs(3)
}

/// The database's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A file.
    Sqlite,
    /// A server, reached by the MySQL protocol.
    MariaDb,
}

impl Config {
    /// The defaults for a URL: four readers, three seconds.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            readers: default_readers(),
            lock_wait: default_lock_wait(),
            answer_wait: default_answer_wait(),
        }
    }

    /// The defaults for an SQLite file.
    pub fn sqlite(path: impl AsRef<Path>) -> Self {
        Self::new(format!("sqlite://{}", path.as_ref().display()))
    }

    /// The same with another wait for answers.
    #[must_use]
    pub fn with_answer_wait(mut self, answer_wait: Duration) -> Self {
        self.answer_wait = answer_wait;
        self
    }

    /// The same with another lock wait.
    #[must_use]
    pub fn with_lock_wait(mut self, lock_wait: Duration) -> Self {
        self.lock_wait = lock_wait;
        self
    }

    /// Checks every field and says what kind of database it names.
    pub(crate) fn check(&self) -> Result<Dialect, DatabaseError> {
        if !(1..=64).contains(&self.readers) {
            return Err(DatabaseError::config("readers", self.readers, "1 to 64"));
        }
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(50));
        if !(least..=most).contains(&self.lock_wait) {
            let wait = format!("{:?}", self.lock_wait);
            return Err(DatabaseError::config("lock_wait", wait, "100ms to 50s"));
        }
        if !(1..=60).contains(&self.answer_wait.as_secs()) {
            let wait = format!("{:?}", self.answer_wait);
            return Err(DatabaseError::config("answer_wait", wait, "1s to 60s"));
        }
        if self.sqlite_path().is_some() {
            Ok(Dialect::Sqlite)
        } else if self.name().is_some() {
            Ok(Dialect::MariaDb)
        } else {
            let limit = "sqlite://<path of a file, without ?> or mysql://user:password@host/name";
            Err(DatabaseError::config("url", self.shown(), limit))
        }
    }

    /// The file, if the URL names one. It is taken as it stands: nothing in it is decoded, and
    /// there are no parameters.
    pub(crate) fn sqlite_path(&self) -> Option<&Path> {
        let path = self.url.strip_prefix("sqlite://")?;
        let file = !path.is_empty() && !path.contains(":memory:") && !path.contains('?');
        file.then(|| Path::new(path))
    }

    /// The name of the database, if the URL names a server's.
    pub fn name(&self) -> Option<&str> {
        let (scheme, rest) = self.url.split_once("://")?;
        let rest = rest.split('?').next().unwrap_or(rest);
        let (host, name) = rest.split_once('/')?;
        let named = matches!(scheme, "mysql" | "mariadb") && !host.is_empty() && !name.is_empty();
        named.then_some(name)
    }

    /// Checks it without opening anything.
    ///
    /// # Errors
    /// The first field that can't be used.
    pub fn validate(&self) -> Result<(), DatabaseError> {
        self.check().map(drop)
    }

    /// The URL without its password, for errors and logs.
    pub fn shown(&self) -> String {
        let hidden = self.url.split_once("://").and_then(|(scheme, rest)| {
            let (user, host) = rest.rsplit_once('@')?;
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            Some(format!("{scheme}://{user}:…@{host}"))
        });
        // What stands behind `?` may name key files, and says nothing about which database it is.
        hidden.unwrap_or_else(|| self.url.clone())
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("url", &self.shown())
            .field("readers", &self.readers)
            .field("lock_wait", &self.lock_wait)
            .field("answer_wait", &self.answer_wait)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_or_a_server() {
        let dialect = |url: &str| Config::new(url).check();
        assert_eq!(dialect("sqlite:///tmp/a.sqlite").unwrap(), Dialect::Sqlite);
        assert_eq!(dialect("sqlite://a.sqlite").unwrap(), Dialect::Sqlite);
        assert_eq!(dialect("mysql://u:p@h/d").unwrap(), Dialect::MariaDb);
        for bad in [
            "",
            "a.sqlite",
            "sqlite::memory:",
            "sqlite:///a.sqlite?mode=ro",
            "sqlite://",
            "postgres://h/d",
            "mysql://h",
            "mysql://u:p@h:3306/",
        ] {
            let error = dialect(bad).unwrap_err().to_string();
            assert!(error.contains("database.url"), "{error}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let config = Config::new("mysql://ringback:s3cr@t@db:3306/ringback");
        assert_eq!(config.shown(), "mysql://ringback:…@db:3306/ringback");
        assert!(!format!("{config:?}").contains("s3cr"));
    }

    #[test]
    fn limits_are_named() {
        let mut config = Config::new("sqlite:///a");
        config.readers = 0;
        assert!(config.check().unwrap_err().to_string().contains("1 to 64"));
        let config = Config::new("sqlite:///a").with_lock_wait(Duration::from_secs(60));
        let error = config.check().unwrap_err().to_string();
        assert!(
            error.contains("lock_wait") && error.contains("50s"),
            "{error}"
        );
    }

    #[test]
    fn configuration_refuses_unknown_keys_and_has_defaults() {
        let config: Config = serde_json::from_str(r#"{"url":"sqlite:///a"}"#).unwrap();
        assert_eq!(config, Config::new("sqlite:///a"));
        assert!(serde_json::from_str::<Config>(r#"{"url":"sqlite:///a","reader":1}"#).is_err());
    }
}
