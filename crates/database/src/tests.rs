//! The promises of this crate, on real SQLite files and, where one is named, on a real MariaDB.

mod migrate;
mod moved_server;
mod on_mariadb;
mod on_sqlite;
mod open;
mod transactions;
