//! `ringback erase`: what others wrote about one number is forgotten; what became of it stays.

use std::process::ExitCode;

use notification::TxNo;
use notification::api::erasure::{EraseRequest, Erased};

use crate::cli::{Output, Services};
use crate::failure::Outcome;
use crate::reach::{Reach, Who};
use crate::screen::{self, Format};

const ABOUT: &str = "\
Blanks, in the notifier's record: the excerpts of the receiver's answers, the URLs, the bodies of dead letters
(which can't be resent then), the business key. States, times and counts stay. A notification that is under way is
refused. What the broker still holds, its dead-letter topic included, goes with the broker's own retention, and
what the initiator and the receiver keep is theirs.";

/// Flags of `erase`.
#[derive(Debug, clap::Args)]
#[command(after_help = ABOUT)]
pub struct Args {
    /// The whole number: what is erased is gone
    #[arg(value_name = "TX_NO")]
    pub tx_no: TxNo,
    /// Why, for the audit
    #[arg(long, env = "RINGBACK_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Asks the notifier.
pub async fn run(args: Args) -> Outcome {
    let reach = Reach::find(&args.services)?;
    let path = format!("/v1/notifications/{}/content", args.tx_no);
    let request = EraseRequest {
        reason: args.reason,
    };
    let erased: Erased = reach.delete(Who::Notifier, &path, &request).await?;
    match args.output.format() {
        Format::Text => screen::line(&text(&erased)),
        Format::Json => screen::json(&erased)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(erased: &Erased) -> String {
    let lines = erased.erased.iter().map(|record| {
        format!(
            "Erased: {}/{}/{} stays {}; content of {} attempts and {} dead letters is gone.",
            record.group,
            record.source,
            erased.tx_no,
            record.state,
            record.attempts,
            record.letters
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
