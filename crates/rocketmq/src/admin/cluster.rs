//! Which brokers there are.
//!
//! A name server tells all of them. A broker, when it is asked, knows nothing of others: then the
//! brokers whose addresses were given are the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rocketmq_wire::remoting::{
    self, ClusterAnswer, REQUEST_CODE_NOT_SUPPORTED, SUCCESS, read_settings,
};

use super::{Admin, done, unreadable};
use crate::error::{Error, ErrorKind};

const OPERATION: &str = "find the cluster";

/// One broker process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BrokerNode {
    /// The cluster's name.
    pub cluster: String,
    /// The broker's name, which a master shares with its replicas.
    pub name: String,
    /// 0 for a master, more for a replica.
    pub id: i64,
    /// `host:port` of its remoting.
    pub address: String,
}

/// The brokers that there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cluster {
    /// By name, then id.
    pub brokers: Vec<BrokerNode>,
}

impl Cluster {
    /// Those that take writes.
    pub fn masters(&self) -> impl Iterator<Item = &BrokerNode> {
        self.brokers.iter().filter(|broker| broker.id == 0)
    }

    /// One broker of each name: the master while there is one, else the first replica.
    pub fn leading(&self) -> impl Iterator<Item = &BrokerNode> {
        let mut named = BTreeMap::new();
        for broker in &self.brokers {
            named.entry(broker.name.as_str()).or_insert(broker);
        }
        named.into_values()
    }
}

/// What was found, and what kept the rest from being found.
struct Found {
    cluster: Cluster,
    missing: Option<Error>,
}

impl Admin {
    /// All brokers of the cluster, asked anew.
    ///
    /// # Errors
    /// When none of the addresses answers.
    pub async fn cluster(&self) -> Result<Cluster, Error> {
        Ok(self.find().await?.cluster)
    }

    /// The brokers to read from, one of each name.
    pub(super) async fn leading(&self) -> Result<Vec<BrokerNode>, Error> {
        let cluster = match self.known() {
            Some(cluster) => cluster,
            None => Arc::new(self.cluster().await?),
        };
        Ok(cluster.leading().cloned().collect())
    }

    /// The broker of that name to read from.
    pub(super) async fn broker(&self, name: &str) -> Result<BrokerNode, Error> {
        let find = |brokers: Vec<BrokerNode>| brokers.into_iter().find(|node| node.name == name);
        if let Some(broker) = find(self.leading().await?) {
            return Ok(broker);
        }
        self.remember(None);
        find(self.leading().await?).ok_or_else(|| {
            let kind = ErrorKind::Unreachable {
                address: self.addresses.join(", "),
                reason: format!("no broker {name} is known there"),
            };
            Error::new(OPERATION, kind)
        })
    }

    /// Every master, or an error: what is written must not miss one.
    pub(super) async fn masters(&self, operation: &'static str) -> Result<Vec<BrokerNode>, Error> {
        let Found { cluster, missing } = self.find().await?;
        if let Some(error) = missing {
            return Err(error);
        }
        let masters: Vec<_> = cluster.masters().cloned().collect();
        let clusters: BTreeSet<_> = masters.iter().map(|node| node.cluster.as_str()).collect();
        if clusters.len() > 1 {
            let clusters: Vec<_> = clusters.into_iter().collect();
            let reason = format!(
                "the name server knows several clusters ({}): give the brokers' own addresses",
                clusters.join(", ")
            );
            return Err(Error::invalid(operation, "address", reason));
        }
        if masters.is_empty() {
            let kind = ErrorKind::Unreachable {
                address: self.addresses.join(", "),
                reason: "no master broker is known there".to_owned(),
            };
            return Err(Error::new(operation, kind));
        }
        Ok(masters)
    }

    async fn find(&self) -> Result<Found, Error> {
        let (mut brokers, mut missing) = (Vec::new(), None);
        for address in &self.addresses {
            match self.look(address).await {
                Ok(Seen::Cluster(cluster)) => {
                    self.remember(Some(Arc::new(cluster.clone())));
                    let missing = None;
                    return Ok(Found { cluster, missing });
                }
                Ok(Seen::Broker(broker)) => brokers.push(broker),
                Err(error) => {
                    tracing::debug!(event = "admin_address_failed", %address, %error);
                    missing = Some(error);
                }
            }
        }
        if let (true, Some(error)) = (brokers.is_empty(), &missing) {
            return Err(error.clone());
        }
        brokers.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        brokers.dedup_by(|a, b| (&a.name, a.id) == (&b.name, b.id));
        let cluster = Cluster { brokers };
        if missing.is_none() {
            self.remember(Some(Arc::new(cluster.clone())));
        }
        Ok(Found { cluster, missing })
    }

    /// Asks one address what it knows.
    async fn look(&self, address: &str) -> Result<Seen, Error> {
        let answer = self
            .links
            .ask(OPERATION, address, remoting::cluster(0))
            .await?;
        match answer.code {
            SUCCESS => {
                let answer = ClusterAnswer::from_frame(&answer)
                    .map_err(|error| unreadable(OPERATION, address, error))?;
                Ok(Seen::Cluster(told(answer)))
            }
            REQUEST_CODE_NOT_SUPPORTED => Ok(Seen::Broker(self.itself(address).await?)),
            _ => Err(done(OPERATION, answer).err().unwrap_or_else(|| {
                unreadable(OPERATION, address, "neither an answer nor a refusal")
            })),
        }
    }

    /// The broker at `address`, as it describes itself.
    async fn itself(&self, address: &str) -> Result<BrokerNode, Error> {
        let request = remoting::broker_settings(0);
        let answer = done(
            OPERATION,
            self.links.ask(OPERATION, address, request).await?,
        )?;
        let settings =
            read_settings(&answer).map_err(|error| unreadable(OPERATION, address, error))?;
        let setting = |name: &str| settings.get(name).cloned().unwrap_or_default();
        let id = setting("brokerId");
        Ok(BrokerNode {
            cluster: setting("brokerClusterName"),
            name: setting("brokerName"),
            id: id.parse().map_err(|_| {
                unreadable(OPERATION, address, format!("brokerId: {id:?} is no number"))
            })?,
            address: address.to_owned(),
        })
    }
}

/// What an address turned out to be.
enum Seen {
    Cluster(Cluster),
    Broker(BrokerNode),
}

fn told(answer: ClusterAnswer) -> Cluster {
    // Brokers of one name lie under that name, whatever the entry says of itself.
    let brokers = answer
        .broker_addr_table
        .into_iter()
        .flat_map(|(name, data)| {
            let cluster = data.cluster;
            data.broker_addrs
                .into_iter()
                .map(move |(id, address)| BrokerNode {
                    cluster: cluster.clone(),
                    name: name.clone(),
                    id,
                    address,
                })
        });
    Cluster {
        brokers: brokers.collect(),
    }
}
