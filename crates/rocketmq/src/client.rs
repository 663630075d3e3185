//! What all producers and consumers of one cluster share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rocketmq_wire::message_id::MessageIds;

use crate::address::Address;
use crate::call::Caller;
use crate::clock;
use crate::config::ClientConfig;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::route::{Route, RouteCache};
use crate::tls::{Tls, TlsConfig};

/// Longest wait for a connection, so that a machine that swallows packets leaves time for the next
/// endpoint within one request's deadline.
const LONGEST_CONNECT: Duration = Duration::from_secs(1);

/// The connections to one cluster; cheap to clone. Nothing is connected before it is used, and a
/// connection that is lost is made again at its next use.
#[derive(Debug, Clone)]
pub struct Client {
    caller: Caller,
}

/// Connections, routes and ids, shared by every role.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: ClientConfig,
    pub(crate) addresses: Vec<Address>,
    pub(crate) endpoints: Endpoints,
    pub(crate) routes: RouteCache,
    ids: MessageIds,
    turn: AtomicUsize,
}

impl Shared {
    /// A fresh message id.
    pub(crate) fn message_id(&self) -> String {
        self.ids.next(clock::unix_s())
    }

    /// Counts up, to spread sends over brokers.
    pub(crate) fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}

impl Client {
    /// A client; nothing is connected yet.
    ///
    /// # Errors
    /// Only for an address, a name or a deadline that cannot be one.
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        const OPERATION: &str = "client";
        if config.endpoints.is_empty() {
            return Err(Error::invalid(
                OPERATION,
                "endpoints",
                "at least one is needed",
            ));
        }
        let (addresses, tls) = read_endpoints(&config.endpoints, config.tls.as_ref())
            .map_err(|reason| Error::invalid(OPERATION, "endpoints", reason))?;
        let tls = tls.map(|tls| Tls::read(&tls)).transpose()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if config.name.is_empty() || !config.name.chars().all(plain) {
            let reason = format!("{:?}: letters, digits and -_. only", config.name);
            return Err(Error::invalid(OPERATION, "name", reason));
        }
        if config.request_timeout.is_zero() {
            return Err(Error::invalid(
                OPERATION,
                "request_timeout",
                "must be longer than zero",
            ));
        }
        let shared = Arc::new(Shared {
            endpoints: Endpoints::new(LONGEST_CONNECT.min(config.request_timeout / 2), tls),
            config,
            addresses,
            routes: RouteCache::default(),
            ids: MessageIds::new(fastrand::u64(..).to_be_bytes()),
            turn: AtomicUsize::new(0),
        });
        Ok(Self {
            caller: Caller::new(&shared),
        })
    }

    /// Where `topic` is.
    ///
    /// # Errors
    /// When no endpoint answers, or the topic does not exist.
    pub async fn route(&self, topic: &str) -> Result<Route, Error> {
        self.caller.route(topic).await.map(Arc::unwrap_or_clone)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.caller.shared
    }
}

/// The addresses, and whether they are spoken to over TLS: a scheme may say so, or the
/// configuration, and where both do they must agree.
fn read_endpoints(
    texts: &[String],
    tls: Option<&TlsConfig>,
) -> Result<(Vec<Address>, Option<TlsConfig>), String> {
    let mut addresses = Vec::with_capacity(texts.len());
    let mut secure = tls.is_some();
    for (number, text) in texts.iter().enumerate() {
        let (asked, address) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some((scheme, _)) => {
                return Err(format!(
                    "{text:?}: {scheme} is not spoken, only http and https are"
                ));
            }
            None => (tls.is_some(), text.as_str()),
        };
        if tls.is_some() && !asked {
            return Err(format!(
                "{text:?} asks for plain text where TLS is configured"
            ));
        }
        if number == 0 {
            secure = asked;
        }
        if secure != asked {
            return Err(format!(
                "{text:?}: all of a cluster's endpoints are https:// or none is"
            ));
        }
        addresses.push(Address::parse(address.trim_end_matches('/'))?);
    }
    let tls = secure.then(|| tls.cloned().unwrap_or_default());
    Ok((addresses, tls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn refused_field(config: ClientConfig) -> &'static str {
        match Client::new(config).unwrap_err().kind() {
            ErrorKind::Invalid { field, .. } => field,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_bad_address_or_name_is_refused_by_its_field() {
        let bad = |endpoint: &str| ClientConfig {
            endpoints: vec![endpoint.to_owned()],
            ..Default::default()
        };
        assert_eq!(refused_field(bad("nowhere")), "endpoints");
        assert_eq!(
            refused_field(ClientConfig {
                endpoints: vec![],
                ..Default::default()
            }),
            "endpoints"
        );
        assert_eq!(
            refused_field(ClientConfig {
                name: "a\nb".to_owned(),
                ..Default::default()
            }),
            "name"
        );
    }

    #[test]
    fn a_scheme_and_the_configuration_agree_on_tls() {
        let read = |texts: &[&str], tls: Option<&TlsConfig>| {
            let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
            read_endpoints(&texts, tls).map(|(addresses, tls)| (addresses.len(), tls.is_some()))
        };
        let tls = TlsConfig::default();
        assert_eq!(read(&["a:1", "b:1"], None), Ok((2, false)));
        assert_eq!(read(&["http://a:1", "b:1"], None), Ok((2, false)));
        assert_eq!(read(&["https://a:1", "https://b:1/"], None), Ok((2, true)));
        assert_eq!(read(&["a:1", "https://b:1"], Some(&tls)), Ok((2, true)));
        for bad in [
            &["https://a:1", "b:1"][..],
            &["a:1", "https://b:1"],
            &["ftp://a:1"],
        ] {
            assert!(read(bad, None).is_err(), "{bad:?}");
        }
        assert!(read(&["http://a:1"], Some(&tls)).is_err());
    }
}
