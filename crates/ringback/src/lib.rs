//! The `ringback` program as a library: the command line, the configuration, and nothing else.
//!
//! [`main`] reads the arguments ([`cli`]), and hands over to one command ([`commands`]). A command that *is* a
//! service (`broker`, `notifier`, `bank1`, `bank2`) composes that crate's configuration out of `ringback.toml`,
//! the environment and the flags ([`config`]) and runs it in this process. A command that *asks* a service
//! (`transfer`, `accounts`, `status`, `dlq`, `bank2 repair`) speaks HTTP to it ([`reach`]) and turns the answer
//! into text ([`render`], pure). `demo` and `up` start the services as children of this same program.
//!
//! Only this crate knows clap, the environment and where files lie. Exit codes: 0 done, 1 the operation failed,
//! 2 usage or configuration ([`failure`]).

mod administer;
pub mod browse;
pub mod cli;
pub mod commands;
pub mod config;
pub mod doctor;
pub mod failure;
pub mod half;
mod names;
pub mod reach;
pub mod render;
pub mod screen;
pub mod setup;

use std::process::ExitCode;

/// Parses the process's arguments, runs the command they name, and gives the process's exit code.
pub fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(error) => return cli::report(&error),
    };
    let errors = screen::Errors::from(&cli);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure =
                failure::Failure::operation(format!("the runtime did not start: {error}"));
            return errors.report(&failure);
        }
    };
    let outcome = runtime.block_on(Box::pin(commands::run(cli.command)));
    // A thread of the runtime may still sit in a read of standard input: nobody waits for it.
    runtime.shutdown_background();
    match outcome.and_then(|code| screen::written().map(|()| code)) {
        Ok(code) => code,
        Err(failure) => errors.report(&failure),
    }
}
