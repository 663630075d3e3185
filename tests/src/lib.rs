//! What the tests that cross crates stand on.
//!
//! - [`under_test!`] names the program; [`run`] runs one command of it to its end; [`TestStage`]
//!   raises the four services on a folder and on ports of their own; [`Replica`] is one more process
//!   of a service, beside the stage's or in its place.
//! - [`Straight`] sends notifications by the thousand, without a bank.
//! - [`Load`] transfers on and on, and [`BankRun`] is the account at the end.
//! - [`FakeReceiver`] is an HTTP server with a script of behaviours and a log of what reached it.
//! - [`Collector`] is where spans go.
//! - [`eventually`] waits for a fact under a deadline; nothing here sleeps and hopes.
//! - [`MariaDb`] is a database server of one test's own, to be killed, filled and set read-only.
//! - [`settings`] reads the few variables that make a run longer or repeat it.

mod bank_run;
mod collector;
mod fake_receiver;
mod leftovers;
mod load;
mod mariadb;
mod replica;
mod run;
pub mod settings;
mod stage;
mod straight;
mod system;
mod transcript;

pub use bank_run::BankRun;
pub use collector::{Collector, ToldSpan};
pub use demo::eventually;
pub use fake_receiver::{Behaviour, FakeReceiver, Ring};
pub use leftovers::{lives, pids_of, send};
pub use load::{Load, Transferred, longest_gap};
pub use mariadb::MariaDb;
pub use replica::{Replica, arguments};
pub use run::{Finished, run, run_within, spawn};
pub use stage::{PATIENCE, Setting, TestStage, http};
pub use straight::Straight;
pub use system::System;
pub use transcript::{Typed, normalised, readme_transcript, typed};

/// The program under test: only a test's own crate can name it.
#[macro_export]
macro_rules! under_test {
    () => {
        std::path::Path::new(env!("CARGO_BIN_EXE_ringback-under-test"))
    };
}
