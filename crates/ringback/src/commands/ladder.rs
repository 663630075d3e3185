//! `ringback ladder`: what a ladder's spelling means, and which ladders have a name.

use std::process::ExitCode;

use notification::{Ladder, PRESETS};

use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::render;
use crate::screen::{self, Format};

const EXAMPLES: &str = "\
Examples:
  ringback ladder show rocketmq
  ringback ladder show \"10s 1m 10m 1h max 1d\"
  ringback ladder show \"fixed(30s, 20)\"
  ringback ladder show \"exponential(10s, 2, 1h, 20) max 2d jitter 0.1\"

A ladder of n rungs gives 1 + n attempts, then the dead-letter queue. `max` is the age beyond which no attempt is
made; `jitter` lengthens each rung at random by up to that share of it.";

/// `ladder` and its action.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to tell.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be told about ladders.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// Every attempt that a ladder gives, and when it is made at the earliest
    Show(ShowArgs),
    /// The ladders that have a name
    List(ListArgs),
}

/// Flags of `ladder show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// A name, a list of delays, fixed(…) or exponential(…)
    #[arg(value_name = "LADDER")]
    pub ladder: String,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `ladder list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

impl Args {
    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        match &self.action {
            Action::Show(args) => args.output.json,
            Action::List(args) => args.output.json,
        }
    }
}

/// Tells what was asked.
///
/// # Errors
/// The text is no ladder.
pub fn run(args: &Args) -> Outcome {
    match &args.action {
        Action::Show(args) => {
            let ladder = read(&args.ladder)?;
            match args.output.format() {
                Format::Text => screen::line(&render::ladder::shown(&ladder)),
                Format::Json => screen::json(&render::ladder::json(&ladder))?,
            }
        }
        Action::List(args) => {
            let named = PRESETS.iter().map(|(name, _)| Ok((*name, read(name)?)));
            let named = named.collect::<Result<Vec<_>, Failure>>()?;
            match args.output.format() {
                Format::Text => screen::line(&render::ladder::listed(&named)),
                Format::Json => {
                    let all = named.iter().map(|(name, ladder)| {
                        serde_json::json!({ "name": name, "ladder": render::ladder::json(ladder) })
                    });
                    let all: Vec<_> = all.collect();
                    screen::json(&serde_json::json!({ "ladders": all }))?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(text: &str) -> Result<Ladder, Failure> {
    let ladder = text.parse::<Ladder>();
    ladder.map_err(|error| Failure::usage(error.to_string()).help("See: ringback ladder list"))
}
