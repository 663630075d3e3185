//! One set of rules, made ready, and what it refuses.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use service::http_client::ProxyUrl;

use super::special::{Special, canonical, special};
use crate::config::{AddressRange, EgressRules, Ports, ProxySetting, Scheme};

/// Rules; equal ones share a client.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Policy {
    allow: Vec<AddressRange>,
    deny: Vec<AddressRange>,
    schemes: Vec<Scheme>,
    ports: Vec<Ports>,
    proxy: Option<ProxyUrl>,
}

/// Why something must not be rung: nothing has been sent to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("has no host")]
    NoHost,
    #[error("must not hold user and password: `basic` is the place for them")]
    Credentials,
    #[error("{0} is not among [egress] schemes")]
    Scheme(String),
    #[error("port {0} is not among [egress] ports")]
    Port(u16),
    #[error("{address} is {what}, and not in [egress] allow")]
    Special { address: IpAddr, what: &'static str },
    #[error("{0} is in [egress] deny")]
    Denied(IpAddr),
    #[error("{name} leads to a refused address: {why}")]
    Name { name: String, why: Box<Refusal> },
}

impl Refusal {
    /// What of a URL may be shown with it.
    pub(super) fn of(&self, url: &Url) -> String {
        match self {
            Self::Credentials => "(hidden)".to_owned(),
            _ => url.to_string(),
        }
    }

    /// The address that would have to be allowed.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Special { address, .. } => Some(*address),
            Self::Name { why, .. } => why.address(),
            _ => None,
        }
    }
}

impl Policy {
    pub(super) fn new(rules: EgressRules) -> Self {
        let usual_ports = || vec![Ports(80..=80), Ports(443..=443), Ports(1024..=u16::MAX)];
        let usual_schemes = || vec![Scheme::Http, Scheme::Https];
        Self {
            allow: rules.allow.unwrap_or_default(),
            deny: rules.deny.unwrap_or_default(),
            schemes: rules.schemes.unwrap_or_else(usual_schemes),
            ports: rules.ports.unwrap_or_else(usual_ports),
            proxy: match rules.proxy {
                Some(ProxySetting::Through(proxy)) => Some(proxy),
                Some(ProxySetting::None) | None => None,
            },
        }
    }

    pub(super) fn proxy(&self) -> Option<&ProxyUrl> {
        self.proxy.as_ref()
    }

    /// What can be said of a URL before its name is resolved.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Refusal> {
        let scheme = match url.scheme() {
            "http" => Some(Scheme::Http),
            "https" => Some(Scheme::Https),
            _ => None,
        };
        if !scheme.is_some_and(|scheme| self.schemes.contains(&scheme)) {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let (host, port) = host_and_port(url).ok_or(Refusal::NoHost)?;
        if !self.ports.iter().any(|Ports(range)| range.contains(&port)) {
            return Err(Refusal::Port(port));
        }
        // As the client reads it: a host that is an address is never looked up.
        match host.parse::<IpAddr>() {
            Ok(address) => self.permit(address),
            Err(_) => Ok(()),
        }
    }

    /// Whether an address may be connected to.
    pub(crate) fn permit(&self, address: IpAddr) -> Result<(), Refusal> {
        let plain = canonical(address);
        let names_it = |range: &AddressRange| range.contains(plain) || range.contains(address);
        if self.deny.iter().any(names_it) {
            return Err(Refusal::Denied(address));
        }
        let Some(special) = special(plain) else {
            return Ok(());
        };
        // A range that happens to hold a metadata service does not open it: it has to be named.
        let opens = |range: &AddressRange| {
            range.contains(plain) && (special != Special::Metadata || range.is_one())
        };
        if self.allow.iter().any(opens) {
            return Ok(());
        }
        Err(Refusal::Special {
            address,
            what: special.as_str(),
        })
    }

    /// Of what a name leads to, that which may be connected to; a refusal if there is nothing else.
    pub(super) fn sift(
        &self,
        name: &str,
        found: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Refusal> {
        // Through a proxy, its own is the only name that is asked for; its operator has chosen it.
        if self.proxy.is_some() {
            return Ok(found);
        }
        let mut refusal = None;
        let permitted = found.into_iter().filter(|address| {
            self.permit(address.ip())
                .inspect_err(|why| refusal = Some(why.clone()))
                .is_ok()
        });
        let permitted: Vec<SocketAddr> = permitted.collect();
        match refusal {
            Some(why) if permitted.is_empty() => Err(Refusal::Name {
                name: name.to_owned(),
                why: Box::new(why),
            }),
            _ => Ok(permitted),
        }
    }

    /// What a connection for this URL is made to: its own host and port, or the proxy's.
    pub(super) fn dials<'a>(&'a self, url: &'a Url) -> Option<(&'a str, u16)> {
        host_and_port(self.proxy.as_ref().map_or(url, ProxyUrl::url))
    }
}

/// The host without the brackets of IPv6.
fn host_and_port(url: &Url) -> Option<(&str, u16)> {
    let host = url.host_str()?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Some((host, url.port_or_known_default()?))
}
