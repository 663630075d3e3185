//! Where an endpoint's URL leads now, for whoever checks a configuration from outside of a notifier.

use std::net::{IpAddr, SocketAddr};

use notification::EndpointId;

use crate::config::EgressConfig;
use crate::egress::{Egress, Whither};

/// Why an endpoint leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nowhere {
    /// The rules of `[egress]` refuse it.
    #[error("{why}")]
    Refused {
        /// In words.
        why: String,
        /// The address that would have to be allowed, if that is what is missing.
        address: Option<IpAddr>,
    },
    /// It is no URL, or its name does not resolve.
    #[error("{0}")]
    Unknown(String),
}

/// The addresses that a notifier with these rules would connect to for this endpoint: its own, or its proxy's.
///
/// # Errors
/// There is none that it would connect to.
pub async fn whither(
    egress: &EgressConfig,
    endpoint: &EndpointId,
    url: &str,
) -> Result<Vec<SocketAddr>, Nowhere> {
    let url = reqwest::Url::parse(url).map_err(|error| Nowhere::Unknown(error.to_string()))?;
    let found = Egress::new(egress).addresses(endpoint, &url).await;
    found.map_err(|why| match why {
        Whither::Refused(refusal) => Nowhere::Refused {
            address: refusal.address(),
            why: refusal.to_string(),
        },
        Whither::Unknown(error) => Nowhere::Unknown(error.to_string()),
    })
}
