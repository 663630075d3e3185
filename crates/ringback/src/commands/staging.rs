//! What `demo` and `up` share: the program their services run, and how a person stops them.

use demo::BrokerChoice;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::access::Environment;
use crate::failure::Failure;

/// This same program, without the settings that were meant for the stage: its services get theirs
/// as flags. What concerns logs reaches them, and so do the secrets of a broker elsewhere, which are
/// no flags.
pub(super) fn program(broker: &BrokerChoice) -> Result<demo::Program, Failure> {
    let path = std::env::current_exe().map_err(|error| {
        Failure::operation(format!("this program's own file is not found: {error}"))
    })?;
    let without = std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| is_for_the_stage(&name.to_string_lossy(), broker))
        .collect();
    Ok(demo::Program { path, without })
}

fn is_for_the_stage(name: &str, broker: &BrokerChoice) -> bool {
    let is_secret = matches!(broker, BrokerChoice::Elsewhere { .. }) && Environment::asks(name);
    name.starts_with("RINGBACK_") && !name.starts_with("RINGBACK_LOG") && !is_secret
}

/// Completes on Ctrl-C or SIGTERM.
pub(super) async fn interrupted() -> Result<(), Failure> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Failure::operation(format!("no signals to listen for: {error}")))
    };
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Exit code of a program that was interrupted, as shells know it.
pub(super) const INTERRUPTED: u8 = 130;

/// A stage that did not come up: a service's complaint about its configuration is one of the whole.
pub(super) fn unraised(error: anyhow::Error) -> Failure {
    let configuration = error
        .downcast_ref::<demo::StageError>()
        .is_some_and(demo::StageError::is_configuration);
    let failure = Failure::from(error);
    if configuration {
        Failure::usage(failure.message)
    } else {
        failure
    }
}

/// A folder that can't be used: another one has to be named, or the other process stopped.
pub(super) fn folder(error: &demo::FolderError) -> Failure {
    match error {
        demo::FolderError::NotOurs(_) => Failure::usage(error.to_string()),
        _ => Failure::operation(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_given_the_secrets_of_a_broker_elsewhere_and_of_no_other() {
        let elsewhere = BrokerChoice::Elsewhere {
            address: "rocketmq:8081".to_owned(),
            admin: None,
        };
        for (name, of_embedded, of_elsewhere) in [
            ("RINGBACK_BROKER", true, true),
            ("RINGBACK_BROKER_RESTART", true, true),
            ("RINGBACK_BROKER_SECRET_KEY", true, false),
            ("RINGBACK_BROKER_CA_FILE", true, false),
            ("RINGBACK_LOG_FILTER", false, false),
            ("PATH", false, false),
        ] {
            let taken = |broker| is_for_the_stage(name, broker);
            assert_eq!(taken(&BrokerChoice::Embedded), of_embedded, "{name}");
            assert_eq!(taken(&elsewhere), of_elsewhere, "{name}");
        }
    }
}
