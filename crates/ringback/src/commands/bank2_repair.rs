//! `ringback bank2 repair`: from now on a bank2 in demo mode accepts transfers of 5.00.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Output, Services};
use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, Reach, Who};
use crate::screen::{self, Format};

/// Flags of `bank2 repair`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Asks bank2.
pub async fn run(args: Args) -> Outcome {
    let reach = Reach::find(&args.services)?;
    match reach.post::<()>(Who::Bank2, "/demo/repair", &json!({})).await {
        Ok(()) => {}
        Err(AskError::Refused(problem)) if problem.status == 404 => {
            let failure = Failure::operation("bank2 does not run in demo mode: there is nothing to repair");
            return Err(failure.help("Start the system with the demo amounts: ringback up --demo"));
        }
        Err(error) => return Err(error.into()),
    }
    match args.output.format() {
        Format::Text => screen::line(
            "bank2 is repaired: transfers of 5.00 are accepted from now on.\n\
             Send what died meanwhile: ringback dlq list, then ringback dlq resend <ID>",
        ),
        Format::Json => screen::json(&json!({ "repaired": true }))?,
    }
    Ok(ExitCode::SUCCESS)
}
