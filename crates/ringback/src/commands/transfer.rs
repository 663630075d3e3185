//! `ringback transfer`: move money, and with `--wait` watch it arrive.
//!
//! The number is made here, so that bank1 can be asked about it however the request ended: a bank1 that dies in the
//! middle breaks the connection, and the check-back decides what became of the money.

mod flags;
mod told;

use std::process::ExitCode;

use notification::api::ResultView;
use notification::api::bank1::{TookMs, TransferAnswer, TransferRequest};
use notification::api::notifier::NotificationView;
use notification::{BusinessState, TxNo, yuan};
use tokio::time::Instant;

pub use self::flags::Args;
use self::told::{Report, Told};
use super::watch::{Ended, Watch, within};
use crate::failure::{Failure, Outcome};
use crate::reach::{ANSWER_WITHIN, AskError, Reach, TRANSACTION_WITHIN, Who};
use crate::screen::{self, Format, Paint};
use crate::{names, render};

/// Makes the transfer.
pub async fn run(args: Args) -> Outcome {
    let until = Instant::now() + args.timeout;
    let reach = Reach::find(&args.services)?;
    let transfer = Transfer {
        tx_no: args.tx_no.unwrap_or_else(fresh_tx_no),
        start_ms: service::clock::now_ms(),
        until,
        format: args.output.format(),
        paint: Paint::for_stdout(),
        reach: &reach,
        args: &args,
    };
    // The names adorn the first line; the money does not wait for them.
    let ((), asked) = tokio::join!(transfer.head(), transfer.ask());
    let (took_ms, told) = transfer.make(asked).await?;
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

    /// The first line: who pays whom.
    async fn head(&self) {
        if self.format == Format::Text {
            let names = names::of(self.reach).await;
            self.say(&render::transfer::heading(
                &self.tx_no,
                &names.at_bank1(&self.args.from),
                &names.at_bank2(&self.args.to),
                self.args.amount,
            ));
        }
    }

    /// Asks bank1 for it.
    async fn ask(&self) -> Result<TransferAnswer, AskError> {
        let request = TransferRequest {
            tx_no: Some(self.tx_no),
            from_account: self.args.from.clone(),
            to_account: self.args.to.clone(),
            amount_fen: self.args.amount,
        };
        let within = within(self.until, TRANSACTION_WITHIN);
        self.reach
            .post_within(within, Who::Bank1, "/transfers", &request)
            .await
    }

    /// Follows up on what bank1 said, and goes on asking if it must.
    async fn make(
        &self,
        asked: Result<TransferAnswer, AskError>,
    ) -> Result<(Option<TookMs>, Told), Failure> {
        match asked {
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
            Err(AskError::NotThere(failure) | AskError::NoToken(failure)) => Err(failure),
            Err(AskError::Refused(problem)) if problem.status == 500 && problem.state.is_some() => {
                let text = format!(
                    "{}: {}. No money was moved, nothing is sent.",
                    self.paint.bad("ROLLED BACK"),
                    problem
                );
                Ok((None, Told::new("rolled_back", text)))
            }
            Err(AskError::Refused(problem)) => Err(refused(&problem, self.args.amount)),
        }
    }

    /// bank1 broke off, or does not know itself: with `--wait` it is asked until it does.
    async fn unknown(&self, why: &str) -> Result<Told, Failure> {
        // The whole number: an ending is looked for among what is on record, and this may not be.
        if !self.args.wait {
            let failure = Failure::operation(format!(
                "{why}; what became of the transfer is not known yet"
            ));
            return Err(failure.help(format!("Ask again: ringback status {}", self.tx_no)));
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
                    "{}: bank1 has not said what became of it.\nSee: ringback status {}",
                    self.paint.notice("UNKNOWN"),
                    self.tx_no
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
            let within = within(self.until, ANSWER_WITHIN);
            match self
                .reach
                .get_within::<ResultView>(within, Who::Bank1, &path, &())
                .await
            {
                Ok(result) if result.state != BusinessState::Unknown => return Ok(Some(result)),
                Ok(_) => progress.show("waiting for the check-back …"),
                Err(AskError::Refused(problem)) if problem.status != 503 => {
                    return Err(refused(&problem, self.args.amount));
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
fn refused(problem: &notification::api::Problem, amount_fen: i64) -> Failure {
    let mut failure = crate::reach::refusal(problem);
    if let (Some("amount_fen"), Some(limit)) = (problem.field.as_deref(), &problem.limit) {
        // bank1 speaks of fen; whoever typed the amount typed yuan.
        failure.message = format!("amount {} is refused: {limit}", yuan(amount_fen));
    }
    match problem.status {
        409 => failure.help("Leave --tx-no out: each transfer gets a fresh number."),
        422 => failure.help("See the accounts: ringback accounts"),
        503 => failure.help("Nothing was moved. Is the broker up? Start the system: ringback up"),
        _ => failure,
    }
}
