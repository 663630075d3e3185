//! `ringback status`: what became of one transfer.

use crate::cli::{Output, Services};
use crate::failure::{Failure, Outcome};

/// Flags of `status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The tx_no, or its unique ending of 4 characters or more
    #[arg(value_name = "ENDING")]
    pub ending: String,
    #[command(flatten)]
    pub services: Services,
    #[command(flatten)]
    pub output: Output,
}

/// Joins what bank1 and the notifier know.
pub async fn run(_args: Args) -> Outcome {
    Err(Failure::operation("status is not written yet"))
}
