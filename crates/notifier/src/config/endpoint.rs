//! `[[endpoint]]`: one receiver, and how it wants to be rung.

use std::path::PathBuf;
use std::time::Duration;

use notification::{Accept, Acceptance, EndpointId, Invalid, Ladder, SigningSecret};
use serde::{Deserialize, Serialize};

use super::{GoneRule, UrlPattern};

use super::BreakerConfig;
use super::towards::{Basic, Headers, Hidden, TowardsTls};
use crate::rate::RateLimit;

/// `[[endpoint]]` of `ringback.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointConfig {
    /// Lanes, attempts and alarms are keyed by it.
    pub id: EndpointId,
    /// Where notifications are posted.
    pub url: String,
    /// All of them sign, each until its end; the first is the newest. Read from `secrets_file` if absent.
    #[serde(default)]
    pub secrets: Vec<SigningSecret>,
    /// One `whsec_…` a line, with `until` and a moment behind it if it has an end; blank lines and `#` comments aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_file: Option<PathBuf>,
    /// The delays between attempts; absent, the group's policy as the broker tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ladder: Option<Ladder>,
    /// One deadline over the whole attempt: name, connection, request and the answer's body.
    #[serde(default = "default_timeout", with = "humantime_serde")]
    pub timeout: Duration,
    /// Attempts in flight at a time.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// Messages that wait for their turn; more are parked.
    #[serde(default = "default_queue")]
    pub queue: usize,
    /// The most attempts in a second, minute or hour, such as `50/s`; absent, as many as there are.
    #[serde(default)]
    pub rate: Option<RateLimit>,
    /// When it is left alone for a while: `"off"`, or a table.
    #[serde(default)]
    pub breaker: BreakerConfig,
    /// Which answers mean delivered.
    #[serde(default = "default_accept")]
    pub accept: Accept,
    /// Which statuses mean never.
    #[serde(default = "default_reject")]
    pub reject: Vec<u16>,
    /// Headers of its own.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// Basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<Basic>,
    /// A bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<Hidden>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_file: Option<PathBuf>,
    /// Whom we trust, and the certificate that we show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TowardsTls>,
    /// How long an old secret goes on signing beside the one that replaces it.
    #[serde(default = "default_overlap", with = "humantime_serde")]
    pub secret_overlap: Duration,
    /// Where a message's own `notify-url` may lead; absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_url_pattern: Option<UrlPattern>,
    /// Several answers of 410 over minutes disable it.
    #[serde(default)]
    pub disable_when_gone: GoneRule,
}

/// The longest overlap of secrets.
pub(crate) const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 86_400);

const fn default_overlap() -> Duration {
    Duration::from_secs(86_400)
}

const fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

const fn default_concurrency() -> usize {
    16
}

const fn default_queue() -> usize {
    256
}

fn default_accept() -> Accept {
    Acceptance::default().accept
}

fn default_reject() -> Vec<u16> {
    Acceptance::default().reject
}

impl EndpointConfig {
    /// The rule for its answers.
    pub(crate) fn acceptance(&self) -> Acceptance {
        Acceptance {
            accept: self.accept.clone(),
            reject: self.reject.clone(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let refuse = |name: &str, value: String, limit: &str| {
            let field = format!("endpoint {}: {name}", self.id);
            Err(Invalid::new(field, value, limit))
        };
        let http = reqwest::Url::parse(&self.url)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !http || self.url.len() > 1024 {
            let limit = "http:// or https:// with a host, at most 1024 characters";
            return refuse("url", self.url.clone(), limit);
        }
        if self.secrets.is_empty() == self.secrets_file.is_none() {
            let (given, limit) = match self.secrets_file {
                None => ("none given", "give either `secrets` or `secrets_file`"),
                Some(_) => (
                    "both given",
                    "give either `secrets` or `secrets_file`, not both",
                ),
            };
            return refuse("secrets", given.to_owned(), limit);
        }
        if self.secrets_file.is_none() {
            SigningSecret::check(&self.secrets, &format!("endpoint {}: secrets", self.id))?;
        }
        let shortest = Duration::from_millis(100);
        if !(shortest..=Duration::from_secs(60)).contains(&self.timeout) {
            let given = humantime::format_duration(self.timeout).to_string();
            return refuse("timeout", given, "100ms to 1m");
        }
        if self.secret_overlap > LONGEST_OVERLAP {
            let given = humantime::format_duration(self.secret_overlap).to_string();
            return refuse("secret_overlap", given, "0s to 30d");
        }
        if !(1..=4096).contains(&self.concurrency) {
            return refuse("concurrency", self.concurrency.to_string(), "1 to 4096");
        }
        if !(1..=65_536).contains(&self.queue) {
            return refuse("queue", self.queue.to_string(), "1 to 65536");
        }
        match self
            .reject
            .iter()
            .find(|status| !(400..=599).contains(*status))
        {
            Some(status) => refuse("reject", status.to_string(), "statuses from 400 to 599"),
            None => Ok(()),
        }
    }

    pub(crate) fn parsed_url(&self) -> Result<reqwest::Url, Invalid> {
        let field = format!("endpoint {}: url", self.id);
        reqwest::Url::parse(&self.url)
            .map_err(|error| Invalid::new(field, &self.url, error.to_string()))
    }

    /// The secrets, from the file if they stand there.
    pub(crate) fn read_secrets(&self) -> Result<Vec<SigningSecret>, Invalid> {
        let Some(path) = &self.secrets_file else {
            return Ok(self.secrets.clone());
        };
        let field = format!("endpoint {}: secrets_file", self.id);
        let text = std::fs::read_to_string(path)
            .map_err(|error| Invalid::new(&field, path.display(), format!("readable: {error}")))?;
        let secrets = SigningSecret::from_lines(&text, &field)?;
        SigningSecret::check(&secrets, &field)?;
        Ok(secrets)
    }
}
