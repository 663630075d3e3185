//! The flags of `endpoint add|list|show|edit|…`.

use std::path::PathBuf;

use notification::{EndpointId, Operation};

use crate::cli::{Output, Services};

/// What can be done with endpoints.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// Add one to the notifier's table; its secret is made and told once
    Add(AddArgs),
    /// List endpoints, those of ringback.toml too
    List(ListArgs),
    /// Show one: settings, operation, the secrets' fingerprints
    Show(ShowArgs),
    /// Change settings of one that is in the table
    Edit(EditArgs),
    /// Hold everything for it; nothing is counted
    Pause(ActionArgs),
    /// End a pause
    Resume(ActionArgs),
    /// Park everything for it, with an alarm
    Disable(ActionArgs),
    /// Ring it again
    Enable(ActionArgs),
    /// Say that its receiver works again: what failed before refuses no resend any more
    Repaired(ActionArgs),
    /// Sign with a new secret, and with the old one too for a while
    RotateSecret(RotateArgs),
    /// Send it one signed test notification (`ringback.test`) and show the answer
    Test(TestArgs),
    /// Take it out of the table
    Remove(RemoveArgs),
}

/// Settings, as several commands take them.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Settings {
    /// Where notifications are posted
    #[arg(long, env = "RINGBACK_URL", value_name = "URL")]
    pub url: Option<String>,
    /// A setting by its key in [[endpoint]]: ladder=1s,2s  timeout=5s  concurrency=4  headers.x-tenant=acme
    #[arg(long, env = "RINGBACK_SET", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A file with settings, TOML with the keys of [[endpoint]]; - reads standard input
    #[arg(long, env = "RINGBACK_FILE", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Flags of `endpoint add`.
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// Its id: letters, digits, . _ -
    #[arg(value_name = "ID")]
    pub id: EndpointId,
    /// Its settings.
    #[command(flatten)]
    pub settings: Settings,
    /// Why, for the record
    #[arg(long, env = "RINGBACK_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `endpoint list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only those that are open, paused or disabled
    #[arg(long, env = "RINGBACK_OPERATION", value_name = "OPERATION")]
    pub operation: Option<Operation>,
    /// How many at most
    #[arg(long, env = "RINGBACK_LIMIT", value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `endpoint show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Its id
    #[arg(value_name = "ID")]
    pub id: EndpointId,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `endpoint edit`.
#[derive(Debug, clap::Args)]
pub struct EditArgs {
    /// Its id
    #[arg(value_name = "ID")]
    pub id: EndpointId,
    /// What changes.
    #[command(flatten)]
    pub settings: Settings,
    /// A setting that goes back to its default
    #[arg(long, env = "RINGBACK_UNSET", value_name = "KEY")]
    pub unset: Vec<String>,
    /// Change it only if it is still at this revision
    #[arg(long, env = "RINGBACK_REVISION", value_name = "NUMBER")]
    pub revision: Option<i64>,
    /// Why, for the record
    #[arg(long, env = "RINGBACK_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `endpoint pause|resume|disable|enable|repaired`.
#[derive(Debug, clap::Args)]
pub struct ActionArgs {
    /// Its id
    #[arg(value_name = "ID")]
    pub id: EndpointId,
    /// Why, for the record
    #[arg(long, env = "RINGBACK_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `endpoint test`.
pub type TestArgs = ActionArgs;
/// Flags of `endpoint remove`.
pub type RemoveArgs = ActionArgs;

/// Flags of `endpoint rotate-secret`.
#[derive(Debug, clap::Args)]
pub struct RotateArgs {
    /// Its id
    #[arg(value_name = "ID")]
    pub id: EndpointId,
    /// How long the old secret goes on signing beside the new one [default: the endpoint's secret_overlap, 24h]
    #[arg(long, env = "RINGBACK_OVERLAP", value_name = "SPAN")]
    pub overlap: Option<String>,
    /// A file with the new secret, whsec_…; without it one is made and told once
    #[arg(long, env = "RINGBACK_SECRET_FILE", value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Why, for the record
    #[arg(long, env = "RINGBACK_REASON", value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the services are.
    #[command(flatten)]
    pub services: Services,
    /// How the result is written.
    #[command(flatten)]
    pub output: Output,
}
