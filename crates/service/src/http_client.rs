//! The one place where an HTTP client is built.
//!
//! Every client of ours has rustls with ring, one deadline over a whole exchange, and follows no
//! redirect (a receiver's answer is an answer), uses no proxy from the environment (a notification
//! goes where it is configured to go), repeats no request behind our back (an attempt is one
//! request) and unpacks no answer (none is asked to be packed, so no small answer becomes a large
//! one).

use std::fmt;
use std::sync::{Arc, Once};
use std::time::Duration;

use anyhow::Context;
use reqwest::dns::Resolve;
use reqwest::{Certificate, Identity, Proxy};

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
    /// Everything goes through it, if there is one; never one of the environment's.
    pub proxy: Option<ProxyUrl>,
    /// Beside what is usual: whom to trust, and who we are.
    pub tls: TlsOptions,
}

/// `http://[user:password@]host:port` of a proxy; shown without user and password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProxyUrl(reqwest::Url);

impl ProxyUrl {
    /// Takes a URL with scheme `http` or `https` and a host; the error says what is wrong and repeats nothing.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = reqwest::Url::parse(text).map_err(|_| "a URL: http://host:port")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("http:// or https://");
        }
        Ok(Self(url))
    }

    /// The URL, which may hold a password.
    pub fn url(&self) -> &reqwest::Url {
        &self.0
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({})", self.0.host_str().unwrap_or_default())
    }
}

/// What one server asks for in TLS. PEM; nothing of it is shown.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// Only these certificates vouch for the server; `None`: those that the system trusts.
    pub ca_pem: Option<String>,
    /// Our certificate, those that lead from it to its root, and its key.
    pub identity_pem: Option<String>,
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("ca", &self.ca_pem.is_some())
            .field("identity", &self.identity_pem.is_some())
            .finish()
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            idle_per_host: 64,
            idle_timeout: Duration::from_secs(30),
            proxy: None,
            tls: TlsOptions::default(),
        }
    }
}

/// Builds a client. It is cheap to clone and shares its connections; build one and keep it.
pub fn build(options: &HttpOptions) -> anyhow::Result<reqwest::Client> {
    builder(options)?.build().context("building an HTTP client")
}

/// The same, with names resolved by `resolver`. An address that stands in a URL is not asked about.
pub fn build_resolving(
    options: &HttpOptions,
    resolver: Arc<dyn Resolve>,
) -> anyhow::Result<reqwest::Client> {
    let builder = builder(options)?.dns_resolver(resolver);
    builder.build().context("building an HTTP client")
}

fn builder(options: &HttpOptions) -> anyhow::Result<reqwest::ClientBuilder> {
    install_tls();
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the place that the ban names"
    )]
    let builder = reqwest::Client::builder();
    let mut builder = builder
        .user_agent(concat!("Ringback/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .timeout(options.timeout)
        .connect_timeout(options.connect_timeout.min(options.timeout))
        .pool_max_idle_per_host(options.idle_per_host)
        .pool_idle_timeout(options.idle_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30));
    if let Some(ProxyUrl(url)) = &options.proxy {
        builder = builder.proxy(Proxy::all(url.clone()).context("the proxy's URL")?);
    }
    if let Some(pem) = &options.tls.ca_pem {
        let trusted = Certificate::from_pem_bundle(pem.as_bytes()).context("the CA's PEM")?;
        anyhow::ensure!(!trusted.is_empty(), "no certificate in the CA's PEM");
        builder = builder.tls_certs_only(trusted);
    }
    if let Some(pem) = &options.tls.identity_pem {
        let identity = Identity::from_pem(pem.as_bytes()).context("our certificate and key")?;
        builder = builder.identity(identity);
    }
    Ok(builder)
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
