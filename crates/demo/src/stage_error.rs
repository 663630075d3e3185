//! What can go wrong between a spawn and a ready line, told so that a person knows where to look.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::service_kind::ServiceKind;

impl StageError {
    /// Whether the service refused its configuration: its program ends with 2 then, and trying again changes nothing.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Ended { status, .. } if status.code() == Some(2))
    }
}

/// Why a service did not come up; each names the log that says more.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The program could not be executed.
    #[error("cannot run {program}: {source}")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It ended before it was ready.
    #[error("{service} ended before it was ready ({status}): {said}\nlogs in {}", .logs.display())]
    Ended {
        /// Which service.
        service: ServiceKind,
        /// How its process ended.
        status: ExitStatus,
        /// The last of what it wrote to stderr.
        said: String,
        /// Where its logs lie.
        logs: PathBuf,
    },
    /// It lives, and has not said that it is ready.
    #[error("{service} was not ready within {within:?}\nlogs in {}", .logs.display())]
    NotReady {
        /// Which service.
        service: ServiceKind,
        /// The deadline.
        within: Duration,
        /// Where its logs lie.
        logs: PathBuf,
    },
    /// A file of the stage could not be written.
    #[error("{service}: {source}")]
    Io {
        /// For which service.
        service: ServiceKind,
        /// Why not.
        source: std::io::Error,
    },
}
