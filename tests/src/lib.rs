//! What the tests that cross crates stand on.
//!
//! - [`under_test!`] names the program; [`run`] runs one command of it to its end; [`TestStage`]
//!   raises the four services on a folder and on ports of their own.
//! - [`FakeReceiver`] is an HTTP server with a script of behaviours and a log of what reached it.
//! - [`eventually`] waits for a fact under a deadline; nothing here sleeps and hopes.
//! - [`settings`] reads the few variables that make a run longer or repeat it.

mod bank_run;
mod fake_receiver;
mod leftovers;
mod run;
pub mod settings;
mod stage;
mod system;
mod transcript;

pub use bank_run::BankRun;
pub use demo::eventually;
pub use fake_receiver::{Behaviour, FakeReceiver, Ring};
pub use leftovers::{lives, pids_of, send};
pub use run::{Finished, run, run_within, spawn};
pub use stage::{PATIENCE, Setting, TestStage, http};
pub use system::System;
pub use transcript::{Typed, normalised, readme_transcript, typed};

/// The program under test: only a test's own crate can name it.
#[macro_export]
macro_rules! under_test {
    () => {
        std::path::Path::new(env!("CARGO_BIN_EXE_ringback-under-test"))
    };
}
