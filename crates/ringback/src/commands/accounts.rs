//! `ringback accounts`: both banks, and what is under way between them.

use crate::cli::{Output, Services};
use crate::failure::{Failure, Outcome};

/// Flags of `accounts`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub services: Services,
    #[command(flatten)]
    pub output: Output,
}

/// Adds up the accounts.
pub async fn run(_args: Args) -> Outcome {
    Err(Failure::operation("accounts is not written yet"))
}
