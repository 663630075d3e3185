//! `ringback transfer`: move money, and with `--wait` watch it arrive.

use std::time::Duration;

use crate::cli::{Output, Services};
use crate::failure::{Failure, Outcome};

/// Flags of `transfer`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How much, in yuan with two decimals, such as 10.00
    #[arg(long, env = "RINGBACK_AMOUNT", value_name = "YUAN")]
    pub amount: String,
    /// bank1's account that pays
    #[arg(long, env = "RINGBACK_FROM", value_name = "ACCOUNT", default_value = "1")]
    pub from: String,
    /// bank2's account that receives
    #[arg(long, env = "RINGBACK_TO", value_name = "ACCOUNT", default_value = "2")]
    pub to: String,
    /// The business transaction's number, a UUIDv7 [default: a fresh one]; the same one again moves nothing twice
    #[arg(long, env = "RINGBACK_TX_NO", value_name = "UUID")]
    pub tx_no: Option<String>,
    /// Wait until the transfer is delivered (exit code 0) or dead (1)
    #[arg(long, env = "RINGBACK_WAIT")]
    pub wait: bool,
    /// How long to wait with --wait
    #[arg(long, env = "RINGBACK_TIMEOUT", value_name = "SPAN", default_value = "120s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    #[command(flatten)]
    pub services: Services,
    #[command(flatten)]
    pub output: Output,
}

/// Makes the transfer.
pub async fn run(_args: Args) -> Outcome {
    Err(Failure::operation("transfer is not written yet"))
}
