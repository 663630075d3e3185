//! `ringback-bench`: how fast, how late, how large.
//!
//! Each scenario raises real processes (the broker, the notifier, a receiver of its own), puts
//! messages with the `rocketmq` client, and measures from outside: arrivals at the receiver,
//! processor time and memory from `/proc`, and the record's rows, by which a run is checked before
//! its figures count. docs/performance.md says how to read them.
//!
//! Read `rig` for what is raised, `sink` for the receiver, `load` for the messages, `scenario` for
//! what is done with them, `report` for what is printed.

mod args;
mod clock;
mod config;
mod load;
mod process;
mod record;
mod report;
mod rig;
mod scenario;
mod sink;
mod spread;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => Box::pin(scenario::run(run)).await,
        Command::Load(load) => load::run(load).await,
        Command::Sink(sink) => sink::run(sink).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringback-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
