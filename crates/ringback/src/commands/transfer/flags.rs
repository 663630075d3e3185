//! The flags of `transfer`.

use std::time::Duration;

use notification::{Invalid, TxNo, fen_from_yuan};

use crate::cli::{DEMO_AMOUNTS, Output, Services};

const EXAMPLES: &str = "\
Examples:
  ringback transfer --amount 10.00 --wait     10 yuan from account 1 to account 2; exit code 0 once delivered
  ringback transfer --amount 10.00            ends as soon as bank1 has committed
  ringback transfer --amount 5.00 --json      the result as JSON";

/// Flags of `transfer`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{DEMO_AMOUNTS}"))]
pub struct Args {
    /// How much, in yuan with two decimals, such as 10.00
    #[arg(long, env = "RINGBACK_AMOUNT", value_name = "YUAN", value_parser = amount)]
    pub amount: i64,
    /// bank1's account that pays
    #[arg(
        long,
        env = "RINGBACK_FROM",
        value_name = "ACCOUNT",
        default_value = "1"
    )]
    pub from: String,
    /// bank2's account that receives
    #[arg(long, env = "RINGBACK_TO", value_name = "ACCOUNT", default_value = "2")]
    pub to: String,
    /// The transaction's number, a UUIDv7 [default: a fresh one]; the same one again moves nothing twice
    #[arg(long, env = "RINGBACK_TX_NO", value_name = "UUID")]
    pub tx_no: Option<TxNo>,
    /// Wait until the transfer is delivered (exit code 0), rolled back or dead (1)
    #[arg(long, env = "RINGBACK_WAIT", value_parser = clap::builder::FalseyValueParser::new())]
    pub wait: bool,
    /// How long to wait with --wait, such as 30s or 5m
    #[arg(long, env = "RINGBACK_TIMEOUT", value_name = "SPAN", default_value = "120s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// An amount in yuan as fen: at least 0.01.
fn amount(text: &str) -> Result<i64, Invalid> {
    match fen_from_yuan(text)? {
        0 => Err(Invalid::new("amount", text, "at least 0.01")),
        fen => Ok(fen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_yuan_and_more_than_nothing() {
        assert_eq!(amount("10.00").unwrap(), 1000);
        assert_eq!(amount("ten").unwrap_err().field, "amount");
        assert!(
            amount("0.00")
                .unwrap_err()
                .to_string()
                .contains("at least 0.01")
        );
    }
}
