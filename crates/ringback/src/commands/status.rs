//! `ringback status`: what became of one transfer.
//!
//! Two records are joined: bank1 knows what became of the business, the notifier what became of telling it. The
//! notifier finds a number by its ending; what it has not accepted yet is looked for among bank1's transfers.

use std::process::ExitCode;

use notification::api::bank1::{Transfer, TransfersPage, TransfersQuery};
use notification::api::notifier::NotificationView;
use notification::api::{Problem, ResultView};
use notification::{BusinessState, NotificationState, TxNo};

use super::named::Named;
use crate::cli::{Output, Services};
use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, Reach, Who};
use crate::render::moment::Now;
use crate::render::status::{Joined, Parties};
use crate::screen::{self, Format, Paint};
use crate::{names, render};

const EXAMPLES: &str = "\
Example:
  ringback status 9f52     5.00 张三 → 李四    DELIVERED 14:04:12    generation 0: 4 refused, DEAD 14:03:07    …

Exit code 0 if it is delivered or on its way, 1 if it is dead, rolled back or unknown.";

/// The fewest characters of an ending.
const SHORTEST: usize = 4;

/// Flags of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The tx_no, or its unique ending of 4 characters or more; of several groups, group/source/tx_no
    #[arg(value_name = "ENDING")]
    pub named: Named,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// An ending as it is typed or pasted: `9f52`, `…9f52`, a whole number.
pub(in crate::commands) fn ending(text: &str) -> Result<String, String> {
    let ending = text.trim().trim_start_matches('…').to_ascii_lowercase();
    let fits =
        ending.len() >= SHORTEST && ending.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if fits && ending.len() <= 36 {
        return Ok(ending);
    }
    Err(format!(
        "a tx_no or its ending: at least {SHORTEST} of the characters 0-9, a-f and -"
    ))
}

/// Joins what bank1 and the notifier know.
pub async fn run(args: Args) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let (notification, notifier_silent) = match at_notifier(&reach, &args.named).await {
        Ok(found) => (found, None),
        Err(AskError::Refused(problem)) => return Err(crate::reach::refusal(&problem)),
        Err(
            AskError::NotThere(failure) | AskError::NoToken(failure) | AskError::Broken(failure),
        ) => (None, Some(failure.message)),
    };
    let tx_no = match &notification {
        Some(view) => view.notification.tx_no,
        None => at_bank1(&reach, &args.named.ending).await?,
    };
    let result: ResultView = reach
        .get(Who::Bank1, &format!("/results/{tx_no}"), &())
        .await?;
    let parties = parties(&reach, &tx_no).await?;
    let joined = Joined {
        result,
        parties,
        notification,
        notifier_silent,
    };
    match args.output.format() {
        Format::Text => {
            let now = Now::here();
            screen::line(&render::status::text(&joined, &now, Paint::for_stdout()));
        }
        Format::Json => screen::json(&joined)?,
    }
    Ok(exit_code(&joined))
}

/// Good is what is delivered or may still be.
fn exit_code(joined: &Joined) -> ExitCode {
    let state = joined
        .notification
        .as_ref()
        .map(|view| view.notification.state);
    match (state, joined.result.state) {
        (
            Some(
                NotificationState::Delivered
                | NotificationState::Waiting
                | NotificationState::Skipped,
            ),
            _,
        ) => ExitCode::SUCCESS,
        (None, BusinessState::Committed) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

async fn at_notifier(reach: &Reach, named: &Named) -> Result<Option<NotificationView>, AskError> {
    match reach.get(Who::Notifier, &named.path(""), &()).await {
        Ok(view) => Ok(Some(view)),
        Err(AskError::Refused(problem)) if problem.status == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number with that ending: the whole number itself, or one of bank1's transfers.
async fn at_bank1(reach: &Reach, ending: &str) -> Result<TxNo, Failure> {
    if let Ok(tx_no) = ending.parse() {
        return Ok(tx_no);
    }
    let mut found: Vec<TxNo> = Vec::new();
    let mut query = TransfersQuery::default();
    loop {
        let page: TransfersPage = reach.get(Who::Bank1, "/transfers", &query).await?;
        found.extend(
            page.transfers
                .iter()
                .map(|transfer| transfer.tx_no)
                .filter(|tx_no| tx_no.to_string().ends_with(ending)),
        );
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::operation(format!(
            "no transfer ends in {ending}: neither bank1 nor the notifier has one"
        ))
        .help("Give the whole tx_no: what was rolled back is found by nothing less.")),
        several => Err(crate::reach::refusal(&Problem {
            status: 409,
            detail: format!("{} transfers end in {ending}", several.len()),
            matches: several.iter().take(10).map(ToString::to_string).collect(),
            ..Problem::default()
        })),
    }
}

/// Who paid whom, if bank1 has committed it. Numbers sort by their time, so the page that begins just before this one
/// has it near its start.
async fn parties(reach: &Reach, tx_no: &TxNo) -> Result<Option<Parties>, Failure> {
    let mut query = TransfersQuery {
        after: Some(TxNo::from_parts(
            tx_no.unix_ms().saturating_sub(1),
            [0xff; 10],
        )),
        limit: None,
    };
    loop {
        let page: TransfersPage = reach.get(Who::Bank1, "/transfers", &query).await?;
        if let Some(transfer) = page
            .transfers
            .iter()
            .find(|transfer| transfer.tx_no == *tx_no)
        {
            return Ok(Some(named(reach, transfer).await));
        }
        match page.next {
            Some(next) if next < *tx_no => query.after = Some(next),
            _ => return Ok(None),
        }
    }
}

async fn named(reach: &Reach, transfer: &Transfer) -> Parties {
    let names = names::of(reach).await;
    Parties {
        from: names.at_bank1(&transfer.from_account),
        to: names.at_bank2(&transfer.to_account),
        amount_fen: transfer.amount_fen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_taken_as_it_stands_in_the_list() {
        assert_eq!(ending("…9f52").unwrap(), "9f52");
        assert_eq!(ending("9F52").unwrap(), "9f52");
        for bad in [
            "",
            "f52",
            "xyz1",
            "9f52/../..",
            "0198f3c2-91d0-7aa3-8c02-77ab41e09f52-and-more",
        ] {
            assert!(ending(bad).is_err(), "{bad}");
        }
    }
}
