//! `ringback transfer`: move money, and with `--wait` watch it arrive.
//!
//! The number is made here, so that bank1 can be asked about it however the request ended: a bank1 that dies in the
//! middle breaks the connection, and the check-back decides what became of the money.

use std::process::ExitCode;
use std::time::Duration;

use notification::api::ResultView;
use notification::api::bank1::{TookMs, TransferAnswer, TransferRequest};
use notification::api::notifier::NotificationView;
use notification::{BusinessState, Invalid, TxNo, fen_from_yuan};
use serde::Serialize;
use tokio::time::Instant;

use super::watch::{Ended, Watch};
use crate::cli::{DEMO_AMOUNTS, Output, Services};
use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, Reach, Who};
use crate::screen::{self, Format, Paint};
use crate::{names, render};

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

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Report {
    tx_no: TxNo,
    from_account: String,
    to_account: String,
    amount_fen: i64,
    /// `committed`, `delivered`, `dead`, `rolled_back`, `unknown` or `still_trying`.
    result: &'static str,
    took_ms: Option<TookMs>,
    checked_by: Option<String>,
    notification: Option<NotificationView>,
}

/// How it ended, with what is known by then.
struct Told {
    result: &'static str,
    text: String,
    checked_by: Option<String>,
    notification: Option<NotificationView>,
}

impl Told {
    fn new(result: &'static str, text: impl Into<String>) -> Self {
        Self {
            result,
            text: text.into(),
            checked_by: None,
            notification: None,
        }
    }
}

/// Makes the transfer.
pub async fn run(args: Args) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let names = names::of(&reach).await;
    let transfer = Transfer {
        tx_no: args.tx_no.unwrap_or_else(fresh_tx_no),
        start_ms: service::clock::now_ms(),
        until: Instant::now() + args.timeout,
        format: args.output.format(),
        paint: Paint::for_stdout(),
        reach: &reach,
        args: &args,
    };
    transfer.say(&render::transfer::heading(
        &transfer.tx_no,
        &names.at_bank1(&args.from),
        &names.at_bank2(&args.to),
        args.amount,
    ));
    let (took_ms, told) = transfer.make().await?;
    transfer.report(took_ms, told)
}

fn fresh_tx_no() -> TxNo {
    let now = u64::try_from(service::clock::now_ms()).unwrap_or(0);
    TxNo::from_parts(now, service::ids::random10())
}

/// One transfer while it is made and watched.
struct Transfer<'a> {
    tx_no: TxNo,
    start_ms: i64,
    until: Instant,
    format: Format,
    paint: Paint,
    reach: &'a Reach,
    args: &'a Args,
}

impl Transfer<'_> {
    fn say(&self, text: &str) {
        if self.format == Format::Text {
            screen::line(text);
        }
    }

    /// Asks bank1 for it, and goes on asking if it must.
    async fn make(&self) -> Result<(Option<TookMs>, Told), Failure> {
        let request = TransferRequest {
            tx_no: Some(self.tx_no),
            from_account: self.args.from.clone(),
            to_account: self.args.to.clone(),
            amount_fen: self.args.amount,
        };
        match self
            .reach
            .post::<TransferAnswer>(Who::Bank1, "/transfers", &request)
            .await
        {
            Ok(answer) if answer.state == BusinessState::Unknown => Ok((
                None,
                self.unknown("bank1 does not know yet whether it committed")
                    .await?,
            )),
            Ok(answer) => {
                if let Some(took) = &answer.took_ms {
                    self.say(&render::transfer::steps(took));
                }
                Ok((answer.took_ms, self.committed().await?))
            }
            Err(AskError::Broken(failure)) => Ok((None, self.unknown(&failure.message).await?)),
            Err(AskError::NotThere(failure)) => Err(failure),
            Err(AskError::Refused(problem)) if problem.status == 500 && problem.state.is_some() => {
                let text = format!(
                    "{}: {}. No money was moved, nothing is sent.",
                    self.paint.bad("ROLLED BACK"),
                    problem
                );
                Ok((None, Told::new("rolled_back", text)))
            }
            Err(AskError::Refused(problem)) => Err(refused(&problem)),
        }
    }

    /// bank1 broke off, or does not know itself: with `--wait` it is asked until it does.
    async fn unknown(&self, why: &str) -> Result<Told, Failure> {
        let end = render::ending(&self.tx_no);
        if !self.args.wait {
            let failure = Failure::operation(format!(
                "{why}; what became of the transfer is not known yet"
            ));
            return Err(failure.help(format!("Ask again: ringback status {end}")));
        }
        self.say(&format!(
            "  {}",
            self.paint
                .notice(&format!("{why}; asking what became of it"))
        ));
        match self.result().await? {
            Some(result) if result.state == BusinessState::RolledBack => {
                let text = render::transfer::rolled_back(&result, self.paint);
                Ok(Told {
                    checked_by: result.checked_by,
                    ..Told::new("rolled_back", text)
                })
            }
            Some(result) => {
                let by = result
                    .checked_by
                    .as_ref()
                    .map(|by| format!(" (check-back answered by {by})"));
                self.say(&format!("  committed{}", by.unwrap_or_default()));
                Ok(Told {
                    checked_by: result.checked_by,
                    ..self.committed().await?
                })
            }
            None => {
                let text = format!(
                    "{}: bank1 has not said what became of it.\nSee: ringback status {end}",
                    self.paint.notice("UNKNOWN")
                );
                Ok(Told::new("unknown", text))
            }
        }
    }

    /// Polls bank1's result until it is definite; `None` when the time is up.
    async fn result(&self) -> Result<Option<ResultView>, Failure> {
        let path = format!("/results/{}", self.tx_no);
        let progress = screen::Progress::new(self.format);
        while Instant::now() < self.until {
            match self.reach.get::<ResultView>(Who::Bank1, &path, &()).await {
                Ok(result) if result.state != BusinessState::Unknown => return Ok(Some(result)),
                Ok(_) => progress.show("waiting for the check-back …"),
                Err(AskError::Refused(problem)) if problem.status != 503 => {
                    return Err(refused(&problem));
                }
                Err(_) => progress.show("waiting for bank1 to come back …"),
            }
            tokio::time::sleep(super::watch::PAUSE).await;
        }
        Ok(None)
    }

    /// Committed: with `--wait` the notifier is asked until it is settled.
    async fn committed(&self) -> Result<Told, Failure> {
        if !self.args.wait {
            let text = format!(
                "{}. See: ringback status {}",
                self.paint.good("COMMITTED"),
                render::ending(&self.tx_no)
            );
            return Ok(Told::new("committed", text));
        }
        let watch = Watch {
            reach: self.reach,
            tx_no: self.tx_no,
            generation: 0,
            until: self.until,
            format: self.format,
        };
        let line = |view: &NotificationView, attempt: &_| {
            render::transfer::attempt(view, attempt, self.start_ms)
        };
        Ok(match watch.settled(line).await? {
            Ended::Delivered(view) => Told {
                text: render::transfer::delivered(&view, self.start_ms, self.paint),
                notification: Some(view),
                ..Told::new("delivered", "")
            },
            Ended::Dead(view) => Told {
                text: render::transfer::dead(&view, self.start_ms, self.paint),
                notification: Some(view),
                ..Told::new("dead", "")
            },
            Ended::StillTrying(view) => {
                let now = service::clock::now_ms();
                let waited = now - self.start_ms;
                let text = render::transfer::still_trying(
                    &self.tx_no,
                    view.as_ref(),
                    waited,
                    now,
                    self.paint,
                );
                Told {
                    notification: view,
                    ..Told::new("still_trying", text)
                }
            }
        })
    }

    fn report(&self, took_ms: Option<TookMs>, told: Told) -> Outcome {
        match self.format {
            Format::Text => screen::line(&told.text),
            Format::Json => screen::json(&Report {
                tx_no: self.tx_no,
                from_account: self.args.from.clone(),
                to_account: self.args.to.clone(),
                amount_fen: self.args.amount,
                result: told.result,
                took_ms,
                checked_by: told.checked_by,
                notification: told.notification,
            })?,
        }
        let good = matches!(told.result, "committed" | "delivered");
        Ok(if good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// bank1 refused: what, why, and what to do.
fn refused(problem: &notification::api::Problem) -> Failure {
    let failure = crate::reach::refusal(problem);
    match problem.status {
        409 => failure.help("Leave --tx-no out: each transfer gets a fresh number."),
        422 => failure.help("See the accounts: ringback accounts"),
        503 => failure.help("Nothing was moved. Is the broker up? Start the system: ringback up"),
        _ => failure,
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
