//! `ringback bank2 repair`: from now on a bank2 in demo mode accepts transfers of 5.00.
//!
//! The notifier is told as well: the endpoint's failures before the repair then no longer speak against a resend.

use std::process::ExitCode;

use notification::EndpointId;
use notification::api::notifier::RepairedRequest;
use serde_json::{Value, json};

use crate::cli::{Output, Services};
use crate::failure::{Failure, Outcome};
use crate::reach::{AskError, Reach, Who};
use crate::screen::{self, Format};

/// Flags of `bank2 repair`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The notifier's endpoint that is bank2
    #[arg(
        long,
        env = "RINGBACK_ENDPOINT",
        value_name = "ID",
        default_value = "bank2"
    )]
    pub endpoint: EndpointId,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Asks bank2, then tells the notifier.
pub async fn run(args: Args) -> Outcome {
    let reach = Reach::find(&args.services)?;
    match reach
        .post::<()>(Who::Bank2, "/demo/repair", &json!({}))
        .await
    {
        Ok(()) => {}
        Err(AskError::Refused(problem)) if problem.status == 404 => {
            let failure =
                Failure::operation("bank2 does not run in demo mode: there is nothing to repair");
            return Err(failure.help("Start the system with the demo amounts: ringback up --demo"));
        }
        Err(error) => return Err(error.into()),
    }
    let path = format!("/v1/endpoints/{}/repaired", args.endpoint);
    let word = RepairedRequest {
        reason: Some("ringback bank2 repair".to_owned()),
    };
    if let Err(error) = reach.post::<Value>(Who::Notifier, &path, &word).await {
        let cause = Failure::from(error).message;
        let failure = Failure::operation(format!(
            "bank2 is repaired, but the notifier was not told: {cause}"
        ));
        return Err(
            failure.help("Resend what died all the same: ringback dlq resend <ID> --anyway")
        );
    }
    match args.output.format() {
        Format::Text => {
            screen::line("bank2 is repaired: transfers of 5.00 are accepted from now on.")
        }
        Format::Json => screen::json(&json!({ "repaired": true }))?,
    }
    Ok(ExitCode::SUCCESS)
}
