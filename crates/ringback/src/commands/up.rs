//! `ringback up`: the whole system, kept up.

use crate::cli::DataDir;
use crate::failure::{Failure, Outcome};

/// Flags of `up`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub data: DataDir,
}

/// Starts the services and restarts those that end, until Ctrl-C.
pub async fn run(_args: Args) -> Outcome {
    Err(Failure::operation("supervision is not written yet"))
}
