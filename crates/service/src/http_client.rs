//! The one place where an HTTP client is built.
//!
//! Every client of ours has rustls with ring, one deadline over a whole exchange, and follows no
//! redirect (a receiver's answer is an answer), uses no proxy from the environment (a notification
//! goes where it is configured to go) and repeats no request behind our back (an attempt is one
//! request).

use std::sync::Once;
use std::time::Duration;

use anyhow::Context;

/// What differs between clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// The deadline over everything, from the connection to the last byte of the answer.
    pub timeout: Duration,
    /// The part of it that connecting may take.
    pub connect_timeout: Duration,
    /// Idle connections kept for each host.
    pub idle_per_host: usize,
    /// How long an idle connection is kept. Shorter than most servers' keep-alive, so that a
    /// request seldom meets a connection that the other end is closing.
    pub idle_timeout: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            idle_per_host: 64,
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// Builds a client. It is cheap to clone and shares its connections; build one and keep it.
pub fn build(options: &HttpOptions) -> anyhow::Result<reqwest::Client> {
    install_tls();
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the place that the ban names"
    )]
    let builder = reqwest::Client::builder();
    builder
        .user_agent(concat!("ringback/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .timeout(options.timeout)
        .connect_timeout(options.connect_timeout.min(options.timeout))
        .pool_max_idle_per_host(options.idle_per_host)
        .pool_idle_timeout(options.idle_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .build()
        .context("building an HTTP client")
}

/// Makes ring the process's TLS provider. Whoever else needs TLS may call it too.
pub fn install_tls() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let provider = rustls::crypto::ring::default_provider();
        if provider.install_default().is_err() {
            tracing::debug!(event = "tls_provider_was_installed_before");
        }
    });
}

#[cfg(test)]
mod tests;
