//! The broker as an operator's commands see it: administration over remoting, and the configuration that says where
//! both it and gRPC are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rocketmq::{Admin, AdminConfig, Client, Error, ErrorKind};

use crate::cli::DataDir;
use crate::config::access::Environment;
use crate::config::{File, compose, paths};
use crate::failure::Failure;

/// How long one request to the broker may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Over the flags that say where the broker is.
const HEADING: &str = "Where the broker is [default: as the configuration says]";

/// How a command that administers the broker finds it.
#[derive(Debug, Clone, clap::Args)]
pub struct BrokerSide {
    /// The data folder.
    #[command(flatten)]
    pub data: DataDir,
    /// Configuration [default: ringback.toml in the data folder]
    #[arg(long, env = "RINGBACK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The broker's gRPC address, host:port; several by commas: endpoints of one cluster
    #[arg(long, env = "RINGBACK_BROKER", value_name = "ADDRESS", value_delimiter = ',', help_heading = HEADING)]
    pub broker: Vec<String>,
    /// Its administration (remoting), host:port: name servers, or brokers; several by commas
    #[arg(long, env = "RINGBACK_BROKER_ADMIN", value_name = "ADDRESS", value_delimiter = ',', help_heading = HEADING)]
    pub broker_admin: Vec<String>,
}

impl BrokerSide {
    /// Where the configuration is.
    pub fn path(&self) -> PathBuf {
        self.config
            .clone()
            .unwrap_or_else(|| paths::config(&self.data.data_dir))
    }

    /// The configuration.
    ///
    /// # Errors
    /// As [`File::read`].
    pub fn read(&self) -> Result<File, Failure> {
        File::read(&self.path())
    }

    /// What the flags say over the file.
    pub fn overrides(&self) -> compose::Overrides {
        compose::Overrides {
            broker: self.broker.clone(),
            broker_admin: self.broker_admin.clone(),
            environment: Environment::read(),
            ..compose::Overrides::default()
        }
    }

    /// Administration as configured; it connects when it is first asked.
    ///
    /// # Errors
    /// Nothing says where it is.
    pub fn admin(&self, file: &File) -> Result<Admin, Failure> {
        let Some(config) = self.admin_config(file)? else {
            return Err(unconfigured(&self.path()));
        };
        Admin::new(config).map_err(|error| Failure::usage(format!("[broker] admin: {error}")))
    }

    /// How administration is reached, if anything says so.
    ///
    /// # Errors
    /// A secret that can't be read.
    pub(crate) fn admin_config(&self, file: &File) -> Result<Option<AdminConfig>, Failure> {
        let config = compose::admin(file, &self.overrides())?;
        Ok(config.map(|config| AdminConfig {
            request_timeout: REQUEST_TIMEOUT,
            ..config
        }))
    }

    /// The gRPC addresses as a reader is told them.
    ///
    /// # Errors
    /// A secret that can't be read.
    pub(crate) fn grpc_shown(&self, file: &File) -> Result<String, Failure> {
        let config = compose::client("doctor", file, &self.overrides())?;
        Ok(config.endpoints.join(", "))
    }

    /// A client of the gRPC service.
    ///
    /// # Errors
    /// The addresses are no addresses.
    pub fn client(&self, file: &File, name: &str) -> Result<Client, Failure> {
        Client::new(compose::client(name, file, &self.overrides())?)
            .map_err(|error| Failure::usage(format!("[broker] address: {error}")))
    }
}

/// Administration is needed and nothing says where it is.
fn unconfigured(config: &Path) -> Failure {
    Failure::usage("where the broker's administration (remoting) is, nobody says").help(format!(
        "Add to {}:  [broker]  admin = [\"127.0.0.1:9876\"]   (a name server, or a broker's port 10911)\nor give --broker-admin.",
        config.display()
    ))
}

/// A failed question to the broker, with what helps.
pub(crate) fn failed(error: &Error) -> Failure {
    let failure = Failure::operation(error.to_string());
    match error.kind() {
        ErrorKind::Unreachable { .. } | ErrorKind::Timeout { .. } => failure.help(
            "Is the broker up? An Apache RocketMQ answers administration at its name server (9876) or broker (10911), \
             not at the gRPC port; the embedded one at [broker.embedded] remoting_listen.",
        ),
        _ => failure,
    }
}
