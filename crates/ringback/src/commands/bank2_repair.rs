//! `ringback bank2 repair`: from now on a bank2 in demo mode accepts transfers of 5.00.

use crate::cli::{Output, Services};
use crate::failure::{Failure, Outcome};

/// Flags of `bank2 repair`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub services: Services,
    #[command(flatten)]
    pub output: Output,
}

/// Asks bank2.
pub async fn run(_args: Args) -> Outcome {
    Err(Failure::operation("repair is not written yet"))
}
