//! An endpoint as the lane, the ring and the verdict use it: its configuration, made ready.
//!
//! It is a snapshot: a change of settings makes another one, and whoever holds the old one
//! finishes its attempt with it.

use std::sync::Arc;
use std::time::Duration;

use notification::{Acceptance, EndpointId, Invalid, Ladder, Operation, Secret};
use reqwest::{Client, Url};

use crate::config::EndpointConfig;

/// One receiver.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub id: EndpointId,
    /// Whether it may be rung.
    pub operation: Operation,
    /// Since when, in UTC milliseconds.
    pub operation_since_ms: i64,
    pub url: Url,
    /// The same as text, shared by all attempts' rows.
    pub url_text: Arc<str>,
    pub secrets: Vec<Secret>,
    /// What it is rung with: the TLS options are the client's.
    pub client: Client,
    /// `None`: the group's policy, as the broker tells it.
    pub ladder: Option<Arc<Ladder>>,
    pub timeout: Duration,
    pub acceptance: Acceptance,
}

impl Endpoint {
    /// Reads the secrets and parses the URL. `ladder` replaces the endpoint's own.
    ///
    /// # Errors
    /// The URL is none, or the secrets can't be read: the error names the endpoint and the field.
    pub(crate) fn new(
        config: &EndpointConfig,
        ladder: Option<&Ladder>,
        client: &Client,
    ) -> Result<Self, Invalid> {
        let field = format!("endpoint {}: url", config.id);
        let url = Url::parse(&config.url)
            .map_err(|error| Invalid::new(field, &config.url, error.to_string()))?;
        let ladder = ladder.or(config.ladder.as_ref());
        Ok(Self {
            id: config.id.clone(),
            operation: Operation::Open,
            operation_since_ms: 0,
            url,
            url_text: config.url.as_str().into(),
            secrets: config.read_secrets()?,
            client: client.clone(),
            ladder: ladder.cloned().map(Arc::new),
            timeout: config.timeout,
            acceptance: config.acceptance(),
        })
    }
}
