//! What `demo` and `up` share: the program their services run, and how a person stops them.

use std::ffi::OsString;

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// This same program, without the settings that were meant for the stage: its services get theirs
/// as flags. What concerns logs reaches them.
pub(super) fn program() -> Result<demo::Program, Failure> {
    let path = std::env::current_exe().map_err(|error| {
        Failure::operation(format!("this program's own file is not found: {error}"))
    })?;
    let without = std::env::vars_os()
        .map(|(name, _)| name)
        .filter(is_for_the_stage)
        .collect();
    Ok(demo::Program { path, without })
}

fn is_for_the_stage(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("RINGBACK_") && !name.starts_with("RINGBACK_LOG")
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
