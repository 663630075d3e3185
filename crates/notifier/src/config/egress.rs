//! `[egress]`: which addresses may be rung.
//!
//! It stands in the file alone, with what single endpoints may beyond it: whoever defines endpoints over the API can
//! open nothing by that.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use notification::{EndpointId, Invalid};
use serde::Deserialize;
use service::http_client::ProxyUrl;

use crate::egress::canonical;

/// `[egress]` of `ringback.toml`. By default public addresses may be rung and no others, over http and https, on the
/// ports 80, 443 and from 1024.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressConfig {
    /// Addresses that may be rung although they are not public.
    pub allow: Option<Vec<AddressRange>>,
    /// Addresses that may not be rung, whatever else is said.
    pub deny: Option<Vec<AddressRange>>,
    /// `http`, `https`.
    pub schemes: Option<Vec<Scheme>>,
    /// Ports, or ranges of them: `443`, `"8000-8999"`.
    pub ports: Option<Vec<Ports>>,
    /// The proxy that everything goes through.
    pub proxy: Option<ProxySetting>,
    /// `[egress.endpoint.<id>]`: what is given there stands in place of the general, for this endpoint alone.
    pub endpoint: BTreeMap<EndpointId, EgressRules>,
}

/// `[egress.endpoint.<id>]`: as [`EgressConfig`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressRules {
    /// In place of the general list.
    pub allow: Option<Vec<AddressRange>>,
    /// In place of the general list.
    pub deny: Option<Vec<AddressRange>>,
    /// In place of the general list.
    pub schemes: Option<Vec<Scheme>>,
    /// In place of the general list.
    pub ports: Option<Vec<Ports>>,
    /// In place of the general one.
    pub proxy: Option<ProxySetting>,
}

impl EgressConfig {
    /// What holds for every endpoint.
    pub(crate) fn general(&self) -> EgressRules {
        EgressRules {
            allow: self.allow.clone(),
            deny: self.deny.clone(),
            schemes: self.schemes.clone(),
            ports: self.ports.clone(),
            proxy: self.proxy.clone(),
        }
    }
}

impl EgressRules {
    /// These, and of `general` what they leave open.
    pub(crate) fn over(self, general: Self) -> Self {
        Self {
            allow: self.allow.or(general.allow),
            deny: self.deny.or(general.deny),
            schemes: self.schemes.or(general.schemes),
            ports: self.ports.or(general.ports),
            proxy: self.proxy.or(general.proxy),
        }
    }
}

/// An address, or all that begin alike: `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct AddressRange(IpNet);

impl AddressRange {
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether it names one address and no other.
    pub(crate) fn is_one(self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }
}

impl FromStr for AddressRange {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |limit: String| Err(Invalid::new("address range", text, limit));
        let net = match (text.parse::<IpAddr>(), text.parse::<IpNet>()) {
            (Ok(address), _) => IpNet::from(address),
            (_, Ok(net)) => net,
            _ => return refuse("an address or a CIDR range such as 10.0.0.0/8".into()),
        };
        if net != net.trunc() {
            return refuse(format!("{}, or the address alone", net.trunc()));
        }
        if canonical(net.addr()) != net.addr() {
            return refuse("the IPv4 addresses themselves: they are what is compared".into());
        }
        Ok(Self(net))
    }
}

impl TryFrom<String> for AddressRange {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

/// A port, or all of a range.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "SpelledPorts")]
pub struct Ports(pub(crate) RangeInclusive<u16>);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = r#"a port such as 443, or a range such as "8000-8999""#
)]
enum SpelledPorts {
    One(u16),
    Range(String),
}

impl TryFrom<SpelledPorts> for Ports {
    type Error = Invalid;

    fn try_from(spelled: SpelledPorts) -> Result<Self, Invalid> {
        let range = match spelled {
            SpelledPorts::One(port) => port..=port,
            SpelledPorts::Range(text) => {
                let ends = text.split_once('-');
                let ends = ends.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                let Some((first, last)) = ends.filter(|(first, last)| first <= last) else {
                    let limit = r#"a range such as "8000-8999""#;
                    return Err(Invalid::new("ports", text, limit));
                };
                first..=last
            }
        };
        Ok(Self(range))
    }
}

/// A proxy, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum ProxySetting {
    /// `"none"`.
    None,
    /// Its URL.
    Through(ProxyUrl),
}

impl TryFrom<String> for ProxySetting {
    type Error = Invalid;

    /// The error repeats nothing: the URL may hold a password.
    fn try_from(text: String) -> Result<Self, Invalid> {
        if text == "none" {
            return Ok(Self::None);
        }
        let url = ProxyUrl::parse(&text);
        url.map(Self::Through)
            .map_err(|limit| Invalid::new("proxy", "(hidden)", format!("{limit}, or none")))
    }
}
