//! Each service's own `Config`, out of the file and what the command line says; the command line wins.
//!
//! The file is read, the token is made and the data folder exists by now; what is still read here are files with the
//! broker's secrets.

use std::net::SocketAddr;
use std::path::Path;

use banks::{Demo, bank1, bank2};
use notification::{Invalid, Ladder};
use rocketmq::{AdminConfig, ClientConfig};

pub use super::databases::database;

use super::access::{Access, Environment};
use super::file::{EmbeddedSection, File};
use super::{paths, usual};
use crate::failure::Failure;

/// What flags and variables say; what is absent is left to the file. It may hold a password, so it has no `Debug`.
#[derive(Clone, Default, PartialEq)]
pub struct Overrides {
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// Where the broker is; empty: as the file says.
    pub broker: Vec<String>,
    /// Where the broker's administration is; empty: as the file says.
    pub broker_admin: Vec<String>,
    /// The ladder of every endpoint and group.
    pub ladder: Option<Ladder>,
    /// Whether the banks misbehave.
    pub demo: Demo,
    /// Credentials and TLS, as variables say.
    pub environment: Environment,
    /// Where the service's database is.
    pub database: Option<String>,
}

/// The embedded broker's configuration.
pub fn broker(file: File, over: &Overrides, data: &Path) -> broker::Config {
    let EmbeddedSection {
        listen,
        remoting_listen,
        metrics_listen: _,
        check_interval,
        check_max,
        retention,
        recall_enabled,
        topic,
        group,
    } = file.broker.embedded;
    let usual = broker::Config::default();
    let groups = group.into_iter().map(|group| broker::GroupConfig {
        delays: over
            .ladder
            .as_ref()
            .unwrap_or(&group.ladder)
            .rungs()
            .to_vec(),
        name: group.name,
        retry_max_times: group.retry_max_times,
    });
    broker::Config {
        data: paths::broker(data),
        listen: over.listen.or(listen).unwrap_or(usual::BROKER),
        remoting_listen,
        check_interval: check_interval.unwrap_or(usual.check_interval),
        check_max: check_max.unwrap_or(usual.check_max),
        retention: retention.unwrap_or(usual.retention),
        recall_enabled,
        topics: topic,
        groups: groups.collect(),
        ..usual
    }
}

/// The notifier's configuration.
///
/// # Errors
/// The sections contradict themselves or each other.
pub fn notifier(
    file: File,
    over: &Overrides,
    data: &Path,
    token: &str,
) -> Result<notifier::Config, Failure> {
    let broker = client("notifier", &file, over)?;
    let database = database("notifier", &file, over.database.as_deref(), data)?;
    let admin = admin(&file, over)?;
    let mut settings = file.notifier;
    settings.listen = over.listen.unwrap_or(settings.listen);
    let config = notifier::Config {
        notifier: settings,
        endpoints: file.endpoint,
        subscriptions: file.subscription,
        egress: file.egress,
        ladder: over.ladder.clone(),
        database,
        broker,
        admin,
        token: notifier::OperatorToken::new(token),
    };
    config.check().map_err(refused)?;
    Ok(config)
}

/// bank1's configuration.
///
/// # Errors
/// `[initiator]` is missing, or contradicts itself.
pub fn bank1(
    file: File,
    over: &Overrides,
    data: &Path,
    token: &str,
) -> Result<bank1::Config, Failure> {
    let broker = client("bank1", &file, over)?;
    let database = database("bank1", &file, over.database.as_deref(), data)?;
    let Some(mut initiator) = file.initiator else {
        return Err(Failure::usage(
            "[initiator] is missing: bank1 needs it to send notifications",
        ));
    };
    initiator.token = producer::Token::new(token);
    initiator.check().map_err(refused)?;
    Ok(bank1::Config {
        listen: over.listen.or(file.bank1.listen).unwrap_or(usual::BANK1),
        demo: over.demo,
        initiator,
        broker,
        database,
    })
}

/// bank2's configuration.
///
/// # Errors
/// Nobody is listed who may notify it.
pub fn bank2(file: File, over: &Overrides, data: &Path) -> Result<bank2::Config, Failure> {
    if file.bank2.source.is_empty() {
        return Err(Failure::usage(
            "[[bank2.source]] is missing: bank2 would refuse everybody's notifications",
        ));
    }
    let database = database("bank2", &file, over.database.as_deref(), data)?;
    Ok(bank2::Config {
        listen: over.listen.or(file.bank2.listen).unwrap_or(usual::BANK2),
        demo: over.demo,
        sources: file.bank2.source,
        database,
    })
}

/// How administration is reached: as the command line says, else the file, else where the embedded broker listens for
/// it; `None` if nobody says.
///
/// # Errors
/// As [`Access::of`].
pub fn admin(file: &File, over: &Overrides) -> Result<Option<AdminConfig>, Failure> {
    let embedded = &file.broker.embedded;
    let addresses = match (&over.broker_admin, &file.broker.admin) {
        (given, _) if !given.is_empty() => given.clone(),
        (_, Some(listed)) => listed.clone().into(),
        // The embedded broker's remoting says nothing about another broker.
        (_, None) if over.broker.is_empty() && is_embedded(file) => embedded
            .remoting_listen
            .iter()
            .map(ToString::to_string)
            .collect(),
        (_, None) => Vec::new(),
    };
    if addresses.is_empty() {
        return Ok(None);
    }
    let Access { credentials, .. } = Access::of(
        file.broker.credentials.as_ref(),
        file.broker.tls.as_ref(),
        &over.environment,
    )?;
    Ok(Some(AdminConfig {
        addresses,
        credentials,
        ..AdminConfig::default()
    }))
}

/// Whether the services talk to the embedded broker.
fn is_embedded(file: &File) -> bool {
    let listen = file.broker.embedded.listen.unwrap_or(usual::BROKER);
    let listed = file.broker.address.clone().map(Vec::from);
    listed.is_none_or(|listed| listed == [listen.to_string()])
}

/// How the broker is reached: as the command line and the variables say, else the file, else where the embedded one
/// listens.
///
/// # Errors
/// As [`Access::of`].
pub fn client(name: &str, file: &File, over: &Overrides) -> Result<ClientConfig, Failure> {
    let endpoints = match (&over.broker, &file.broker.address) {
        (given, _) if !given.is_empty() => given.clone(),
        (_, Some(listed)) => listed.clone().into(),
        (_, None) => vec![
            file.broker
                .embedded
                .listen
                .unwrap_or(usual::BROKER)
                .to_string(),
        ],
    };
    let Access { credentials, tls } = Access::of(
        file.broker.credentials.as_ref(),
        file.broker.tls.as_ref(),
        &over.environment,
    )?;
    Ok(ClientConfig {
        endpoints,
        name: name.to_owned(),
        credentials,
        tls,
        ..ClientConfig::default()
    })
}

fn refused(invalid: Invalid) -> Failure {
    Failure::usage(invalid.to_string())
}

#[cfg(test)]
mod tests;
