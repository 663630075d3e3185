//! What the notifier is told: its own settings, the endpoints and the subscriptions.
//!
//! The sections are those of `ringback.toml`; reading files and the environment is the binary's
//! business. [`Config::check`] refuses what does not fit together before anything is started.

mod egress;
mod endpoint;
mod gone;
mod lane;
mod settings;
mod subscription;
mod towards;
mod url_pattern;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use notification::{Invalid, Ladder};

use crate::egress::Egress;

pub use egress::{AddressRange, EgressConfig, EgressRules, Ports, ProxySetting, Scheme};
pub use endpoint::EndpointConfig;
pub(crate) use endpoint::LONGEST_OVERLAP;
pub use gone::GoneRule;
pub(crate) use gone::Several;
pub use lane::{BreakerConfig, BreakerRule};
pub use settings::{Scraping, Settings};
pub use subscription::{Destination, Filter, Pattern, SubscriptionConfig};
pub use towards::{Basic, Headers, Hidden, TowardsTls};
pub use url_pattern::UrlPattern;

/// Everything one notifier needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[notifier]`.
    pub notifier: Settings,
    /// `[[endpoint]]`.
    pub endpoints: Vec<EndpointConfig>,
    /// `[[subscription]]`.
    pub subscriptions: Vec<SubscriptionConfig>,
    /// `[egress]`.
    pub egress: EgressConfig,
    /// Replaces the ladder of every endpoint (`--ladder`).
    pub ladder: Option<Ladder>,
    /// Where the record lives.
    pub database: database::Config,
    /// How to reach the broker.
    pub broker: rocketmq::ClientConfig,
    /// How to administer the broker: its dead-letter topics are read so. `None`: they are not.
    pub admin: Option<rocketmq::AdminConfig>,
    /// Who may use `/v1`.
    pub token: OperatorToken,
}

/// The bearer token of the operator's API. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct OperatorToken(String);

impl OperatorToken {
    /// Takes the token as it stands in its file.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// Whether this is the token that was given.
    pub(crate) fn matches(&self, given: &str) -> bool {
        service::token::matches(&self.0, given)
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(…)")
    }
}

impl Config {
    /// How long the longest ladder of the file's endpoints is climbed, and whose it is. What an
    /// endpoint leaves to its group's policy counts as RocketMQ's own.
    fn longest_ladder(&self) -> (Duration, &str) {
        let usual = Ladder::default();
        let climbed = |endpoint: &EndpointConfig| {
            let own = self.ladder.as_ref().or(endpoint.ladder.as_ref());
            let ladder = own.unwrap_or(&usual);
            let rungs: Duration = ladder.rungs().iter().sum();
            ladder.max_age().map_or(rungs, |age| rungs.min(age))
        };
        let endpoints = self.endpoints.iter();
        endpoints
            .map(|endpoint| (climbed(endpoint), endpoint.id.as_str()))
            .max()
            .unwrap_or((Duration::ZERO, "there is none"))
    }

    /// Checks each section and that they fit together.
    pub fn check(&self) -> Result<(), Invalid> {
        self.notifier.check()?;
        let mut ids = BTreeSet::new();
        let egress = Egress::new(&self.egress);
        for endpoint in &self.endpoints {
            endpoint.check()?;
            egress.check(&endpoint.id, &endpoint.parsed_url()?)?;
            endpoint.request_headers()?;
            endpoint.tls_options()?;
            if !ids.insert(&endpoint.id) {
                return Err(Invalid::new("endpoint.id", &endpoint.id, "each id once"));
            }
        }
        self.notifier.check_retention(self.longest_ladder())?;
        let mut pairs = BTreeSet::new();
        for subscription in &self.subscriptions {
            // Its endpoint may be one of the table: see `alarm::endpoint_unknown`.
            subscription.filter.check(&subscription.group)?;
            if !pairs.insert((&subscription.group, &subscription.topic)) {
                let limit = "each pair of group and topic once";
                return Err(Invalid::new(
                    "subscription.group",
                    &subscription.group,
                    limit,
                ));
            }
        }
        if self.subscriptions.is_empty() {
            return Err(Invalid::new(
                "subscription",
                "none",
                "at least one [[subscription]]",
            ));
        }
        if self.token.0.len() < 16 {
            return Err(Invalid::new("token", "(hidden)", "at least 16 characters"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
