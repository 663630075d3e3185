//! The command line: every subcommand in one place, and the flags that several of them share.
//!
//! A flag wins over its `RINGBACK_<FLAG>` variable, that over `ringback.toml`, that over the default; clap does the
//! first half of it, [`crate::config`] the second. `demo` and `up` keep their own flags beside their code.

mod databases;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::commands::{
    accounts, audit, bank2_repair, demo, dlq, doctor, endpoint, erase, half, health, init, ladder,
    notification, pending, serve, status, token, transfer, up,
};
use crate::screen::Format;

pub use databases::{ServiceDatabase, ServiceDatabases};

/// What the simulated amounts do; shown wherever they matter.
pub const DEMO_AMOUNTS: &str = "\
Amounts that misbehave (only with --demo; every other amount is an ordinary transfer):
   3.00  bank1 fails after the debit, inside the transaction: rolled back, nothing is sent
   4.00  bank2 fails twice, then works: delivered with the third attempt
   5.00  bank2 is broken until `ringback bank2 repair`: the ladder is used up, the notification is dead
   6.00  bank2 refuses for good (422): dead after one attempt
   7.00  bank1's process dies after the half message: the check-back says rolled back
   8.00  bank1's process dies after its database commit: the check-back says committed, it is delivered";

const EXAMPLES: &str = "\
Examples:
  ringback demo                            the whole story, processes killed and all, in under a minute
  ringback up --demo --ladder 1s,2s,3s     keep the whole system up (Ctrl-C ends it; data stays)
  ringback transfer --amount 10.00 --wait  move money from bank1 to bank2 and watch it arrive
  ringback accounts                        both banks, and what is under way between them
  ringback dlq list                        what could not be delivered

Every flag may be set by an environment variable too: --data-dir is RINGBACK_DATA_DIR, and so on.
Exit codes: 0 done; 1 the operation failed; 2 wrong usage or configuration.";

const BY_HAND: &str = "\
The system by hand, a terminal each; the first one makes the data folder and its configuration:
  ringback broker --log stderr
  ringback notifier --log stderr
  ringback bank2 --log stderr
  ringback bank1 --log stderr";

const ABOUT: &str = "\
Best-effort notification on Apache RocketMQ 5.

A service commits a business change; the other company's HTTP API must hear of it: exactly
the changes that committed, none that rolled back, tried again on a widening ladder, then
parked where a person sees it.";

/// The command line as a whole.
#[derive(Debug, Parser)]
#[command(name = "ringback", version, about = ABOUT, long_about = None, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play the whole story once: kills, retries, a dead letter and its resend; ends with a table
    Demo(demo::Args),
    /// Keep the whole system up; a killed service restarts; Ctrl-C stops everything
    #[command(after_help = DEMO_AMOUNTS)]
    Up(up::Args),
    /// Move money from bank1's account to bank2's, and with --wait watch it arrive
    Transfer(transfer::Args),
    /// Show both banks' accounts and what is under way: the sum never changes
    Accounts(accounts::Args),
    /// Tell what became of one transfer, from bank1's and the notifier's records together
    Status(status::Args),
    /// The notifier's records: list or show them, ring one now, withdraw one
    Notification(notification::Args),
    /// Dead letters: list, show, resend, discard or export them, one or many
    Dlq(dlq::Args),
    /// Show what is undelivered: how much, for whom, the oldest first
    Pending(pending::Args),
    /// Endpoints, who is notified: add, change, pause, disable, test; their secrets
    Endpoint(endpoint::Args),
    /// Who may use the notifier's API: add, list or revoke tokens
    Token(token::Args),
    /// What operators did, and why
    Audit(audit::Args),
    /// Erase what others wrote about one notification; what became of it stays
    Erase(erase::Args),
    /// Set up the broker: topics, groups, policies, and each group's place in its topics
    Init(init::Args),
    /// Ask a service whether it is healthy: exit code 0 or 1 (health checks of containers)
    Health(health::Args),
    /// Check broker, topics, groups, databases, services and receivers; each finding with how to mend it
    Doctor(doctor::Args),
    /// Every attempt that a ladder gives, and when; or the ladders that have a name
    Ladder(ladder::Args),
    /// Half messages at the broker, and what will become of each
    Half(half::Args),
    /// Run the embedded broker in this process
    #[command(after_help = BY_HAND)]
    Broker(serve::BrokerArgs),
    /// Run the notifier in this process
    #[command(after_help = BY_HAND)]
    Notifier(serve::NotifierArgs),
    /// Run bank1, the initiator, in this process
    #[command(after_help = DEMO_AMOUNTS)]
    Bank1(serve::Bank1Args),
    /// Run bank2, the receiver, in this process; or `bank2 repair` it
    #[command(after_help = DEMO_AMOUNTS, args_conflicts_with_subcommands = true)]
    Bank2(Bank2Command),
}

/// `bank2` alone runs the service; `bank2 repair` asks a running one.
#[derive(Debug, Args)]
// Its name is also that of the flags' group in `serve`; clap wants one only.
#[group(skip)]
pub struct Bank2Command {
    /// What to ask of a running bank2.
    #[command(subcommand)]
    pub action: Option<Bank2Action>,
    /// How to run bank2 here.
    #[command(flatten)]
    pub serve: serve::Bank2Args,
}

/// What a running bank2 can be asked.
#[derive(Debug, Subcommand)]
pub enum Bank2Action {
    /// Mend bank2 in demo mode: transfers of 5.00 are accepted from now on
    Repair(bank2_repair::Args),
}

impl Command {
    /// How this command's result and errors are written.
    pub fn format(&self) -> Format {
        let json = match self {
            Self::Transfer(args) => args.output.json,
            Self::Accounts(args) => args.output.json,
            Self::Status(args) => args.output.json,
            Self::Dlq(args) => args.json(),
            Self::Endpoint(args) => args.json(),
            Self::Notification(args) => args.json(),
            Self::Token(args) => args.json(),
            Self::Audit(args) => args.output.json,
            Self::Pending(args) => args.output.json,
            Self::Init(args) => args.output.json,
            Self::Erase(args) => args.output.json,
            Self::Half(args) => args.json(),
            Self::Ladder(args) => args.json(),
            Self::Doctor(args) => args.output.json,
            Self::Bank2(Bank2Command {
                action: Some(Bank2Action::Repair(args)),
                ..
            }) => args.output.json,
            Self::Demo(_) | Self::Up(_) | Self::Health(_) => false,
            Self::Broker(_) | Self::Notifier(_) | Self::Bank1(_) | Self::Bank2(_) => false,
        };
        if json { Format::Json } else { Format::Text }
    }
}

/// Where everything lies.
#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Folder of databases, logs, ringback.toml and the operator's token
    #[arg(
        long,
        env = "RINGBACK_DATA_DIR",
        value_name = "FOLDER",
        default_value = ".ringback"
    )]
    pub data_dir: PathBuf,
}

impl DataDir {
    /// What a command that is suggested needs, to ask the same system: nothing for the usual folder.
    pub(crate) fn flag(&self) -> String {
        if self.data_dir == std::path::Path::new(".ringback") {
            String::new()
        } else {
            format!(" --data-dir {}", self.data_dir.display())
        }
    }
}

/// Over the flags that say where the services are: seldom needed.
const HEADING: &str = "Where the services are [default: as the data folder says]";

/// How a command that asks the services finds them.
#[derive(Debug, Clone, Args)]
pub struct Services {
    /// The data folder.
    #[command(flatten)]
    pub data: DataDir,
    /// Their URLs.
    #[command(flatten)]
    pub urls: ServiceUrls,
    /// The operator's token
    #[arg(long, env = "RINGBACK_TOKEN", value_name = "TOKEN", help_heading = HEADING)]
    pub token: Option<String>,
}

/// Where the services are, for whoever knows better than the data folder.
#[derive(Debug, Clone, Default, Args)]
pub struct ServiceUrls {
    /// bank1's URL
    #[arg(long, env = "RINGBACK_BANK1", value_name = "URL", value_parser = url, help_heading = HEADING)]
    pub bank1: Option<String>,
    /// bank2's URL
    #[arg(long, env = "RINGBACK_BANK2", value_name = "URL", value_parser = url, help_heading = HEADING)]
    pub bank2: Option<String>,
    /// The notifier's URL
    #[arg(long, env = "RINGBACK_NOTIFIER", value_name = "URL", value_parser = url, help_heading = HEADING)]
    pub notifier: Option<String>,
}

/// A service's base URL, without the slash at its end.
fn url(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    let fits = reqwest::Url::parse(trimmed)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if fits {
        Ok(trimmed.to_owned())
    } else {
        Err("an http:// or https:// URL such as http://127.0.0.1:8181".to_owned())
    }
}

/// How the result is written.
#[derive(Debug, Clone, Args)]
pub struct Output {
    /// Write the result as JSON
    #[arg(long, env = "RINGBACK_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub json: bool,
}

impl Output {
    /// The format asked for.
    pub fn format(&self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Text
        }
    }
}

/// Where a service writes its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// To `logs/<service>.log` in the data folder
    File,
    /// To standard error
    Stderr,
}

/// Parses the process's arguments, with what the environment says for those that are absent.
///
/// # Errors
/// Help and version are asked for, or the usage is wrong: see [`report`].
pub fn parse() -> Result<Cli, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The command line, with the variables left out of the help texts: there is one for each flag, and the first page
/// says so.
fn command() -> clap::Command {
    fn quiet(command: clap::Command) -> clap::Command {
        command
            .mut_args(|arg| arg.hide_env(true))
            .mut_subcommands(quiet)
    }
    quiet(Cli::command())
}

/// Prints what clap has to say: help and version are wanted (exit code 0), the rest is wrong usage (2).
pub fn report(error: &clap::Error) -> ExitCode {
    if error.print().is_err() {
        tracing::debug!(event = "usage_not_read");
    }
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    /// Two-page help (`-h` and `--help` different, an empty line after each flag) is what nobody reads.
    #[test]
    fn the_help_is_one_page_for_each_command() {
        fn check(path: &mut Vec<String>, at: &clap::Command) {
            let help = |flag: &str| {
                let words = path.iter().map(String::as_str).chain([flag]);
                command()
                    .try_get_matches_from(words)
                    .unwrap_err()
                    .to_string()
            };
            assert_eq!(help("-h"), help("--help"));
            for below in at.get_subcommands() {
                path.push(below.get_name().to_owned());
                check(path, below);
                path.pop();
            }
        }
        check(&mut vec!["ringback".to_owned()], &command());
    }

    #[test]
    fn every_flag_has_a_variable_of_its_name() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                let expected = format!("RINGBACK_{}", long.replace('-', "_").to_uppercase());
                let exempt = ["help", "version", "with-parent"].contains(&long);
                assert!(
                    exempt || arg.get_env().is_some_and(|name| name == expected.as_str()),
                    "--{long}"
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }

    #[test]
    fn a_services_url_is_one() {
        assert_eq!(
            url("http://127.0.0.1:8181/").unwrap(),
            "http://127.0.0.1:8181"
        );
        for bad in ["", "nonsense", "127.0.0.1:8181", "ftp://x", "http://"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bank2_alone_serves_and_with_repair_asks() {
        let alone = Cli::try_parse_from(["ringback", "bank2", "--demo"]).unwrap();
        assert!(matches!(
            alone.command,
            Command::Bank2(Bank2Command { action: None, .. })
        ));
        let repair = Cli::try_parse_from(["ringback", "bank2", "repair", "--json"]).unwrap();
        assert!(matches!(
            repair.command,
            Command::Bank2(Bank2Command {
                action: Some(Bank2Action::Repair(_)),
                ..
            })
        ));
        assert_eq!(repair.command.format(), Format::Json);
    }
}
