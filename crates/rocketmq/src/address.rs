//! `host:port` of a server, as configurations and routes have it.

use std::fmt;
use std::sync::Arc;

use rocketmq_wire::v2;
use tonic::transport::Endpoint;

/// `host:port` of an endpoint; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address(Arc<str>);

impl Address {
    /// Reads `host:port`; an IPv6 host stands in brackets.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("{text:?} is not host:port");
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || port.parse::<u16>().is_err() || (host.contains(':') && !bracketed) {
            return Err(invalid());
        }
        Endpoint::from_shared(format!("http://{text}")).map_err(|_| invalid())?;
        Ok(Self(text.into()))
    }

    /// The addresses of an endpoint message; what cannot be one is left out.
    pub(crate) fn from_wire(endpoints: &v2::Endpoints) -> Vec<Self> {
        let texts = endpoints.addresses.iter().map(|address| {
            if address.host.contains(':') && !address.host.starts_with('[') {
                format!("[{}]:{}", address.host, address.port)
            } else {
                format!("{}:{}", address.host, address.port)
            }
        });
        texts.filter_map(|text| Self::parse(&text).ok()).collect()
    }

    /// Addresses as an endpoint message.
    pub(crate) fn to_wire(addresses: &[Self]) -> v2::Endpoints {
        let parts = addresses
            .iter()
            .filter_map(|address| address.0.rsplit_once(':'));
        let addresses: Vec<_> = parts
            .map(|(host, port)| v2::Address {
                host: host.trim_matches(['[', ']']).to_owned(),
                port: port.parse().unwrap_or_default(),
            })
            .collect();
        let host = addresses
            .first()
            .map_or("", |address| address.host.as_str());
        let scheme = match host.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(_)) => v2::AddressScheme::IPv4,
            Ok(std::net::IpAddr::V6(_)) => v2::AddressScheme::IPv6,
            Err(_) => v2::AddressScheme::DomainName,
        };
        v2::Endpoints {
            scheme: scheme.into(),
            addresses,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port_and_nothing_else() {
        for good in ["127.0.0.1:8081", "broker:1", "[::1]:8081"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "broker",
            "broker:",
            ":8081",
            "broker:99999",
            "::1:8081",
            "http://broker:8081",
            "a b:1",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_survives_the_wire_also_as_ipv6() {
        let addresses = |texts: &[&str]| -> Vec<Address> {
            let parsed = texts.iter().map(|text| Address::parse(text));
            parsed.collect::<Result<_, _>>().unwrap()
        };
        for all in [
            addresses(&["127.0.0.1:8081", "127.0.0.2:1"]),
            addresses(&["[::1]:8081"]),
            addresses(&["b:7"]),
        ] {
            assert_eq!(Address::from_wire(&Address::to_wire(&all)), all);
        }
    }
}
