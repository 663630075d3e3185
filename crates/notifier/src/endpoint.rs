//! An endpoint as the lane, the ring and the verdict use it: its configuration, made ready.

use std::sync::Arc;
use std::time::Duration;

use notification::{Acceptance, EndpointId, Invalid, Ladder, Secret};
use reqwest::Url;

use crate::alarm::Seldom;
use crate::config::EndpointConfig;

/// One receiver.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub id: EndpointId,
    pub url: Url,
    /// The same as text, shared by all attempts' rows.
    pub url_text: Arc<str>,
    pub secrets: Vec<Secret>,
    /// `None`: the group's policy, as the broker tells it.
    pub ladder: Option<Ladder>,
    pub timeout: Duration,
    pub acceptance: Acceptance,
    /// Keeps the alarm about its clock rare.
    pub skew_alarm: Seldom,
}

impl Endpoint {
    /// Reads the secrets and parses the URL. `ladder` replaces the endpoint's own.
    pub(crate) fn new(config: &EndpointConfig, ladder: Option<&Ladder>) -> Result<Self, Invalid> {
        let field = format!("endpoint {}: url", config.id);
        let url = Url::parse(&config.url)
            .map_err(|error| Invalid::new(field, &config.url, error.to_string()))?;
        Ok(Self {
            id: config.id.clone(),
            url,
            url_text: config.url.as_str().into(),
            secrets: config.read_secrets()?,
            ladder: ladder.or(config.ladder.as_ref()).cloned(),
            timeout: config.timeout,
            acceptance: config.acceptance(),
            skew_alarm: Seldom::default(),
        })
    }
}
