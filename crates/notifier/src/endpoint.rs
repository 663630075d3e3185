//! An endpoint as the lane, the ring and the verdict use it: its configuration, made ready.
//!
//! It is a snapshot: a change of settings makes another one, and whoever holds the old one
//! finishes its attempt with it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use notification::{Acceptance, EndpointId, Invalid, Ladder, Operation, SigningSecret};
use reqwest::{Client, Url};

use crate::config::EndpointConfig;
use crate::egress::{Egress, Policy};

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
    pub secrets: Vec<SigningSecret>,
    /// Beside those of every request.
    pub headers: HeaderMap,
    /// Where it may be rung.
    pub policy: Arc<Policy>,
    /// What it is rung with: the TLS options are the client's, and it keeps to the policy.
    pub client: Arc<Client>,
    /// `None`: the group's policy, as the broker tells it.
    pub ladder: Option<Arc<Ladder>>,
    pub timeout: Duration,
    pub acceptance: Acceptance,
}

impl Endpoint {
    /// Reads the files that it names and parses the URL. `ladder` replaces the endpoint's own. Whether the URL may be
    /// rung is not asked here: what may not is parked for as long as that holds.
    ///
    /// # Errors
    /// The URL is none, a file can't be read, a certificate is none: the error names the endpoint and the field.
    pub(crate) fn new(
        config: &EndpointConfig,
        ladder: Option<&Ladder>,
        egress: &Egress,
    ) -> Result<Self, Invalid> {
        let no_client = |error: anyhow::Error| {
            let field = format!("endpoint {}: tls", config.id);
            Invalid::new(field, "(hidden)", format!("{error:#}"))
        };
        let ladder = ladder.or(config.ladder.as_ref());
        Ok(Self {
            id: config.id.clone(),
            operation: Operation::Open,
            operation_since_ms: 0,
            url: config.parsed_url()?,
            url_text: config.url.as_str().into(),
            secrets: config.read_secrets()?,
            headers: config.request_headers()?,
            policy: egress.policy(&config.id),
            client: egress
                .client(&config.id, &config.tls_options()?)
                .map_err(no_client)?,
            ladder: ladder.cloned().map(Arc::new),
            timeout: config.timeout,
            acceptance: config.acceptance(),
        })
    }
}
