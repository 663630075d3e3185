//! Where an attempt may go: by default to public addresses and nowhere else.
//!
//! Whoever can name a URL could otherwise make the notifier speak to what only it can reach: a database's port, a
//! colleague's service, the cloud's metadata. Two checks close that, and both are needed. The URL is checked before the
//! attempt ([`Policy::check`]): scheme, port, and the address if it stands there as one, since such a one is never looked
//! up. A name is checked when it is resolved for a connection (`names`): the client connects to what the rules leave of
//! the answer. Redirects are not followed, so there is no third way.
//!
//! An address is judged in its plainest form: IPv4 that comes wrapped in IPv6 is unwrapped first. The URL's own odd
//! spellings of an address (`0x7f.1`, `2130706433`) are read by the URL's parser, which is the one that the client uses.
//!
//! Through a proxy the proxy connects, so it is the proxy that has to refuse names; addresses are refused here as well.
//!
//! One client serves all endpoints that have the same rules and the same TLS: a thousand endpoints share one pool, one
//! resolver and one set of the system's certificates.

mod names;
mod policy;
mod special;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use notification::{EndpointId, Invalid};
use reqwest::{Client, Url};
use service::http_client::{self, HttpOptions, TlsOptions};

use crate::config::EgressConfig;

pub(crate) use names::Names;
pub(crate) use policy::{Policy, Refusal};
pub(crate) use special::canonical;

/// A connection that takes longer is given up for the name's next address, if it has another.
const CONNECT: Duration = Duration::from_secs(5);

/// Longer than any endpoint's own deadline, which is the one that counts.
const LONGEST: Duration = Duration::from_secs(120);

type Clients = Mutex<HashMap<(Arc<Policy>, TlsOptions), Weak<Client>>>;

/// The rules of all endpoints, and the clients that keep them; clones share them.
#[derive(Clone)]
pub(crate) struct Egress {
    general: Arc<Policy>,
    own: Arc<BTreeMap<EndpointId, Arc<Policy>>>,
    names: Names,
    clients: Arc<Clients>,
}

impl Egress {
    pub(crate) fn new(config: &EgressConfig) -> Self {
        Self::resolving(config, Names::system())
    }

    pub(crate) fn resolving(config: &EgressConfig, names: Names) -> Self {
        let own = config.endpoint.iter().map(|(id, rules)| {
            let rules = rules.clone().over(config.general());
            (id.clone(), Arc::new(Policy::new(rules)))
        });
        Self {
            general: Arc::new(Policy::new(config.general())),
            own: Arc::new(own.collect()),
            names,
            clients: Arc::default(),
        }
    }

    /// The rules for one endpoint.
    pub(crate) fn policy(&self, endpoint: &EndpointId) -> Arc<Policy> {
        self.own.get(endpoint).unwrap_or(&self.general).clone()
    }

    /// Whether this endpoint may have this URL. Where a name leads is not asked.
    pub(crate) fn check(&self, endpoint: &EndpointId, url: &Url) -> Result<(), Invalid> {
        let refuse = |refusal: Refusal| {
            let field = format!("endpoint {endpoint}: url");
            Invalid::new(field, refusal.of(url), refusal.to_string())
        };
        self.policy(endpoint).check(url).map_err(refuse)
    }

    /// Where an endpoint's URL leads now, or why it must not be rung there.
    pub(crate) async fn addresses(
        &self,
        endpoint: &EndpointId,
        url: &Url,
    ) -> Result<Vec<SocketAddr>, Whither> {
        let policy = self.policy(endpoint);
        policy.check(url).map_err(Whither::Refused)?;
        let (host, port) = policy.dials(url).ok_or(Whither::Refused(Refusal::NoHost))?;
        let found = match host.parse() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                let found = self.names.lookup(host).await.map_err(Whither::Unknown)?;
                policy.sift(host, found).map_err(Whither::Refused)?
            }
        };
        let with_port = found.into_iter().map(|mut address| {
            address.set_port(port);
            address
        });
        Ok(with_port.collect())
    }

    /// The client for one endpoint: shared with all that have the same rules and the same TLS.
    pub(crate) fn client(
        &self,
        endpoint: &EndpointId,
        tls: &TlsOptions,
    ) -> anyhow::Result<Arc<Client>> {
        let policy = self.policy(endpoint);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (policy, tls.clone());
        if let Some(client) = clients.get(&key).and_then(Weak::upgrade) {
            return Ok(client);
        }
        clients.retain(|_, client| client.strong_count() > 0);
        let options = HttpOptions {
            timeout: LONGEST,
            connect_timeout: CONNECT,
            // An endpoint never has more than its concurrency: there is nothing to cut off.
            idle_per_host: usize::MAX,
            proxy: key.0.proxy().cloned(),
            tls: tls.clone(),
            ..HttpOptions::default()
        };
        let sifted = names::Sifted {
            names: self.names.clone(),
            policy: key.0.clone(),
        };
        let client = Arc::new(http_client::build_resolving(&options, Arc::new(sifted))?);
        clients.insert(key, Arc::downgrade(&client));
        Ok(client)
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress")
            .field("general", &self.general)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

/// Why it is not known where a URL leads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Whither {
    /// Nowhere that may be rung.
    #[error("{0}")]
    Refused(Refusal),
    /// The name could not be resolved.
    #[error("{0}")]
    Unknown(Arc<std::io::Error>),
}

#[cfg(test)]
mod tests;
