//! stub
use std::time::Duration;

use rocketmq_wire::remoting::TopicKind;

use crate::Error;
/// A topic to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Which messages it takes.
    pub kind: TopicKind,
    /// How many queues.
    pub queues: u32,
}
/// A consumer group to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Redeliveries before the broker dead-letters a message by itself.
    pub retry_max_times: u32,
    /// The retry policy's delays.
    pub delays: Vec<Duration>,
}
/// Administers one broker.
#[derive(Debug)]
pub struct Admin {}
impl Admin {
    /// Connects to a broker's remoting address.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn connect(_address: &str) -> Result<Self, Error> {
        todo!()
    }
    /// Creates or changes a topic.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_topic(&self, _topic: &TopicSpec) -> Result<(), Error> {
        todo!()
    }
    /// Creates or changes a group.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_group(&self, _group: &GroupSpec) -> Result<(), Error> {
        todo!()
    }
}
