//! A MariaDB server of one test's own, to be killed, filled and set read-only: `scripts/mariadb.sh` on a folder
//! and a port that nobody else has. Where all tests run on SQLite there is none.

use std::path::Path;
use std::process::Command;

use demo::{DatabaseUrls, Ports, UsualPorts};
use tempfile::TempDir;

/// The server; it is killed with the test.
pub struct MariaDb {
    folder: TempDir,
    port: u16,
    arguments: &'static str,
}

impl MariaDb {
    /// Starts one with these further options of `mariadbd`; none if the tests run on SQLite, which is said.
    pub async fn start(arguments: &'static str) -> Option<MariaDb> {
        let databases = database::testing::Databases::new();
        if !databases.on_server() {
            return None;
        }
        let mut ports = Ports::new(UsualPorts::Avoid, fastrand::Rng::new());
        let server = MariaDb {
            folder: tempfile::tempdir().expect("a temporary folder"),
            port: ports.pick(0).expect("some port is free").port(),
            arguments,
        };
        server.script("up").await;
        Some(server)
    }

    /// SIGKILL.
    pub async fn kill9(&self) {
        self.script("kill9").await;
    }

    /// Starts it again, on what it has on disk.
    pub async fn start_again(&self) {
        self.script("start").await;
    }

    /// Carries out a statement as root.
    pub async fn sql(&self, statement: &str) -> String {
        self.run(&["sql", "-N", "-e", statement]).await
    }

    /// Makes a stored routine as root: its text has semicolons in it.
    pub async fn routine(&self, statement: &str) -> String {
        self.run(&["sql", "-N", "--delimiter=//", "-e", statement])
            .await
    }

    /// Makes the three services' databases, for an account that may do nothing else.
    pub async fn databases(&self) -> DatabaseUrls {
        self.sql("CREATE USER ringback@'%' IDENTIFIED BY 'ringback'")
            .await;
        for name in ["bank1", "bank2", "notifier"] {
            self.sql(&format!(
                "CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; \
                 GRANT ALL ON {name}.* TO ringback@'%'"
            ))
            .await;
        }
        DatabaseUrls {
            bank1: self.url("bank1"),
            bank2: self.url("bank2"),
            notifier: self.url("notifier"),
        }
    }

    /// The URL of a database for that account.
    pub fn url(&self, name: &str) -> String {
        format!("mysql://ringback:ringback@127.0.0.1:{}/{name}", self.port)
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    async fn script(&self, what: &str) -> String {
        self.run(&[what]).await
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let output = tokio::process::Command::from(self.command(arguments))
            .output()
            .await
            .expect("the script runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said} {complaint}");
        said
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut command = Command::new(repository.join("scripts/mariadb.sh"));
        command
            .args(arguments)
            .env("MARIADB_DIR", self.folder.path())
            .env("MARIADB_PORT", self.port.to_string())
            .env("MARIADB_ARGS", self.arguments);
        command
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // It may be dead already, which the script calls a failure.
        if let Err(error) = self.command(&["kill9"]).output() {
            eprintln!("a test's server is left behind: {error}");
        }
    }
}
