//! An endpoint as the lane, the ring and the verdict use it: its configuration, made ready.
//!
//! It is a snapshot: a change of settings makes another one, and whoever holds the old one
//! finishes its attempt with it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use notification::{Acceptance, EndpointId, Invalid, Ladder, Operation, SigningSecret};
use reqwest::{Client, Url};

use crate::config::{EndpointConfig, GoneRule, UrlPattern};
use crate::egress::{Egress, Policy};

/// One receiver.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub id: EndpointId,
    /// Whether it may be rung.
    pub operation: Operation,
    /// Since when, in UTC milliseconds.
    pub operation_since_ms: i64,
    /// Of its row in the table; 0 if it has none.
    pub revision: i64,
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
    /// Where a message's own URL may lead.
    pub notify_url_pattern: Option<UrlPattern>,
    /// When answers of 410 disable it.
    pub gone: GoneRule,
}

/// Where one notification is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub url: Url,
    /// The same as text.
    pub text: Arc<str>,
}

impl Endpoint {
    /// Its own URL, or the one that a message names, if that lies within the pattern.
    ///
    /// # Errors
    /// It lies outside, or there is no pattern.
    pub(crate) fn target(&self, notify_url: Option<&str>) -> Result<Target, Invalid> {
        let Some(text) = notify_url else {
            return Ok(Target {
                url: self.url.clone(),
                text: self.url_text.clone(),
            });
        };
        let Some(pattern) = &self.notify_url_pattern else {
            let limit = "the endpoint has no notify_url_pattern";
            return Err(Invalid::new("notify_url", text, limit));
        };
        let url = pattern.admit(text)?;
        Ok(Target {
            text: url.as_str().into(),
            url,
        })
    }

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
            revision: 0,
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
            notify_url_pattern: config.notify_url_pattern.clone(),
            gone: config.disable_when_gone,
        })
    }
}
