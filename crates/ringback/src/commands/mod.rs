//! One file a subcommand. Each has its flags (`Args`) and `run`, which gives the exit code or a [`Failure`].
//!
//! [`Failure`]: crate::failure::Failure

pub mod accounts;
pub mod audit;
pub mod bank2_repair;
pub mod demo;
pub mod dlq;
pub mod doctor;
pub mod endpoint;
pub mod erase;
pub mod half;
pub mod health;
pub mod init;
pub mod ladder;
mod named;
pub mod notification;
pub mod pending;
pub mod serve;
mod staging;
pub mod status;
pub mod token;
pub mod transfer;
pub mod up;
mod watch;

use crate::cli::{Bank2Action, Bank2Command, Command};
use crate::failure::Outcome;

/// Runs the command that the arguments name.
pub async fn run(command: Command) -> Outcome {
    match command {
        Command::Demo(args) => Box::pin(demo::run(args)).await,
        Command::Up(args) => Box::pin(up::run(args)).await,
        Command::Transfer(args) => Box::pin(transfer::run(args)).await,
        Command::Accounts(args) => Box::pin(accounts::run(args)).await,
        Command::Status(args) => Box::pin(status::run(args)).await,
        Command::Notification(args) => Box::pin(notification::run(args)).await,
        Command::Token(args) => Box::pin(token::run(args)).await,
        Command::Audit(args) => Box::pin(audit::run(args)).await,
        Command::Dlq(args) => Box::pin(dlq::run(args)).await,
        Command::Endpoint(args) => Box::pin(endpoint::run(args)).await,
        Command::Pending(args) => Box::pin(pending::run(args)).await,
        Command::Doctor(args) => Box::pin(doctor::run(args)).await,
        Command::Erase(args) => erase::run(args).await,
        Command::Half(args) => Box::pin(half::run(args)).await,
        Command::Ladder(args) => ladder::run(&args),
        Command::Init(args) => Box::pin(init::run(args)).await,
        Command::Health(args) => Box::pin(health::run(args)).await,
        Command::Broker(args) => Box::pin(serve::broker(args)).await,
        Command::Notifier(args) => Box::pin(serve::notifier(args)).await,
        Command::Bank1(args) => Box::pin(serve::bank1(args)).await,
        Command::Bank2(Bank2Command {
            action: None,
            serve,
        }) => Box::pin(serve::bank2(serve)).await,
        Command::Bank2(Bank2Command {
            action: Some(Bank2Action::Repair(args)),
            ..
        }) => bank2_repair::run(args).await,
    }
}
