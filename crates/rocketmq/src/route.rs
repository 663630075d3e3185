//! stub
/// Where a topic's messages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The topic.
    pub topic: String,
    /// The brokers that have queues of it.
    pub brokers: Vec<BrokerRoute>,
}
/// One broker of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRoute {
    /// The broker's name.
    pub name: String,
    /// `host:port` of the endpoints that serve it.
    pub endpoints: Vec<String>,
    /// How many queues of the topic it has.
    pub queues: usize,
}
