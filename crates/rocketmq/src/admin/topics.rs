//! Topics: which there are, where they are, and making them.

use rocketmq_wire::remoting::{
    self, BrokerData, CreateTopic, REQUEST_CODE_NOT_SUPPORTED, RouteAnswer, RouteRequest,
    TOPIC_NOT_FOUND, TopicKind, TopicList,
};

use super::cluster::BrokerNode;
use super::{Admin, done, unreadable};
use crate::error::Error;

/// A topic to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Which messages it takes.
    pub kind: TopicKind,
    /// How many queues it has on each broker.
    pub queues: u32,
}

/// A topic on one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// Which messages it takes there.
    pub kind: TopicKind,
    /// Queues to read from.
    pub read_queues: u32,
    /// Queues to write to.
    pub write_queues: u32,
    /// Readable 4, writable 2, inherited 1.
    pub permission: u32,
    /// The broker's name.
    pub broker: String,
}

/// A topic's queues on one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRoute {
    /// The broker's name.
    pub broker: String,
    /// Queues to read from.
    pub read_queues: u32,
    /// Queues to write to.
    pub write_queues: u32,
    /// Readable 4, writable 2, inherited 1.
    pub permission: u32,
}

/// Where a topic's queues are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicRoute {
    /// One entry a broker name.
    pub queues: Vec<QueueRoute>,
    /// Where those brokers are.
    pub brokers: Vec<BrokerNode>,
}

impl Admin {
    /// All topics of the cluster, the brokers' own included: one entry for each broker that has it.
    ///
    /// # Errors
    /// When a broker cannot be asked.
    pub async fn topics(&self) -> Result<Vec<TopicInfo>, Error> {
        const OPERATION: &str = "list topics";
        let mut topics = Vec::new();
        for broker in self.leading().await? {
            let answer = self.ask(OPERATION, &broker, remoting::topics(0)).await?;
            let list = TopicList::from_frame(&done(OPERATION, answer)?)
                .map_err(|error| unreadable(OPERATION, &broker.address, error))?;
            topics.extend(list.topics.into_iter().map(|topic| TopicInfo {
                name: topic.topic,
                kind: topic.kind,
                read_queues: topic.read_queues,
                write_queues: topic.write_queues,
                permission: topic.permission,
                broker: broker.name.clone(),
            }));
        }
        Ok(topics)
    }

    /// Where a topic's queues are; nothing if there is no such topic. A name server learns of a new
    /// topic within a second.
    ///
    /// # Errors
    /// When none of the addresses answers.
    pub async fn topic_route(&self, topic: &str) -> Result<Option<TopicRoute>, Error> {
        const OPERATION: &str = "find topic";
        let request = RouteRequest {
            topic: topic.to_owned(),
        };
        let mut failed = None;
        let mut brokers_only = false;
        for address in &self.addresses {
            match self
                .links
                .ask(OPERATION, address, request.to_frame(0))
                .await
            {
                Ok(answer) if answer.code == TOPIC_NOT_FOUND => return Ok(None),
                Ok(answer) if answer.code == REQUEST_CODE_NOT_SUPPORTED => brokers_only = true,
                Ok(answer) => {
                    let route = RouteAnswer::from_frame(&done(OPERATION, answer)?);
                    let route = route.map_err(|error| unreadable(OPERATION, address, error))?;
                    return Ok(Some(told(route)));
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if !brokers_only => Err(error),
            _ => self.route_of_brokers(topic).await,
        }
    }

    /// The route that the brokers' own lists of topics make.
    pub(super) async fn route_of_brokers(&self, topic: &str) -> Result<Option<TopicRoute>, Error> {
        let topics = self.topics().await?;
        let queues = topics.into_iter().filter(|info| info.name == topic);
        let queues: Vec<_> = queues
            .map(|info| QueueRoute {
                broker: info.broker,
                read_queues: info.read_queues,
                write_queues: info.write_queues,
                permission: info.permission,
            })
            .collect();
        if queues.is_empty() {
            return Ok(None);
        }
        let mut brokers = self.leading().await?;
        brokers.retain(|broker| queues.iter().any(|queue| queue.broker == broker.name));
        Ok(Some(TopicRoute { queues, brokers }))
    }

    /// Creates a topic on those masters of the cluster that have none of that name; the others keep
    /// theirs as it is. Clients see it within seconds.
    ///
    /// # Errors
    /// When a master refuses or does not answer; those before it have the topic then.
    pub async fn add_topic(&self, topic: &TopicSpec) -> Result<(), Error> {
        const OPERATION: &str = "create topic";
        for broker in self.masters(OPERATION).await? {
            let answer = self.ask(OPERATION, &broker, remoting::topics(0)).await?;
            let list = TopicList::from_frame(&done(OPERATION, answer)?)
                .map_err(|error| unreadable(OPERATION, &broker.address, error))?;
            if list.topics.iter().any(|other| other.topic == topic.name) {
                continue;
            }
            let request = request(topic).to_frame(0);
            done(OPERATION, self.ask(OPERATION, &broker, request).await?)?;
        }
        Ok(())
    }

    /// Creates a topic on every master of the cluster, or changes the one of that name. Clients see
    /// it within seconds.
    ///
    /// # Errors
    /// When a master refuses or does not answer; those before it have the topic then.
    pub async fn create_topic(&self, topic: &TopicSpec) -> Result<(), Error> {
        const OPERATION: &str = "create topic";
        let request = request(topic);
        for broker in self.masters(OPERATION).await? {
            let answer = self.ask(OPERATION, &broker, request.to_frame(0)).await?;
            done(OPERATION, answer)?;
        }
        Ok(())
    }
}

fn request(topic: &TopicSpec) -> CreateTopic {
    CreateTopic {
        topic: topic.name.clone(),
        queues: topic.queues,
        kind: topic.kind,
    }
}

fn told(route: RouteAnswer) -> TopicRoute {
    let nodes = |data: BrokerData| {
        let (cluster, name) = (data.cluster, data.broker_name);
        let addresses = data.broker_addrs.into_iter();
        addresses.map(move |(id, address)| BrokerNode {
            cluster: cluster.clone(),
            name: name.clone(),
            id,
            address,
        })
    };
    let queues = route.queue_datas.into_iter().map(|queue| QueueRoute {
        broker: queue.broker_name,
        read_queues: queue.read_queue_nums,
        write_queues: queue.write_queue_nums,
        permission: queue.perm,
    });
    TopicRoute {
        queues: queues.collect(),
        brokers: route.broker_datas.into_iter().flat_map(nodes).collect(),
    }
}
