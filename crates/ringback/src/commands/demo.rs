//! `ringback demo`: the whole story once, with real kills, ending in a table.

use crate::cli::DataDir;
use crate::failure::{Failure, Outcome};

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub data: DataDir,
}

/// Plays the story; exit code 0 only if every line of the table holds.
pub async fn run(_args: Args) -> Outcome {
    Err(Failure::operation("the story is not written yet"))
}
