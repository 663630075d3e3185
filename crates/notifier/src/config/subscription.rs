//! `[[subscription]]`: a consumer group on a topic, and the endpoint that its messages go to.

use notification::{EndpointId, Group, Topic};
use serde::Deserialize;

/// `[[subscription]]` of `ringback.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionConfig {
    /// The consumer group, which is the subscription's name.
    pub group: Group,
    /// The topic it reads.
    pub topic: Topic,
    /// The id of an `[[endpoint]]`.
    pub endpoint: EndpointId,
}
