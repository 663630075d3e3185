//! Where brokers are: a topic's route (105) and the whole cluster (106), both of a name server.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::field::{FieldError, body, fields, text};
use super::{CLUSTER, Frame, ROUTE};

/// The brokers of one name: a master, and its replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerData {
    /// The cluster it belongs to.
    #[serde(default)]
    pub cluster: String,
    /// The name that master and replicas share.
    pub broker_name: String,
    /// By id, which is 0 for the master, `host:port` for remoting.
    #[serde(default)]
    pub broker_addrs: BTreeMap<i64, String>,
}

/// A topic's queues at the brokers of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueData {
    /// The brokers' name.
    pub broker_name: String,
    /// Queues to read from.
    #[serde(default)]
    pub read_queue_nums: u32,
    /// Queues to write to.
    #[serde(default)]
    pub write_queue_nums: u32,
    /// Readable 4, writable 2, inherited 1.
    #[serde(default)]
    pub perm: u32,
    /// Flags of the topic that administration has no use for.
    #[serde(default)]
    pub topic_sys_flag: i32,
}

/// Request 105: where a topic's queues are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRequest {
    /// The topic.
    pub topic: String,
}

impl RouteRequest {
    /// The request as a frame.
    #[must_use]
    pub fn to_frame(&self, opaque: i32) -> Frame {
        Frame {
            ext_fields: fields([
                ("topic", self.topic.clone()),
                // Without it keys that are numbers come without quotes.
                ("acceptStandardJsonOnly", "true".to_owned()),
            ]),
            ..Frame::request(ROUTE, opaque)
        }
    }

    /// Reads the request out of a frame.
    ///
    /// # Errors
    /// Names the field that is absent.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        Ok(Self {
            topic: text(frame, "topic")?.to_owned(),
        })
    }
}

/// Answer to [`RouteRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteAnswer {
    /// The topic's queues, by broker.
    #[serde(default)]
    pub queue_datas: Vec<QueueData>,
    /// Where those brokers are.
    #[serde(default)]
    pub broker_datas: Vec<BrokerData>,
}

impl RouteAnswer {
    /// The answer's body.
    ///
    /// # Errors
    /// [`FieldError`] if it cannot be written, which no value here leads to.
    pub fn to_body(&self) -> Result<Vec<u8>, FieldError> {
        serde_json::to_vec(self).map_err(|error| FieldError::new("body", error.to_string()))
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// When the body is not the JSON it should be.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        body(frame)
    }
}

/// Request 106: all brokers that a name server knows.
#[must_use]
pub fn cluster(opaque: i32) -> Frame {
    Frame::request(CLUSTER, opaque)
}

/// Answer to [`cluster`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterAnswer {
    /// By the brokers' name.
    #[serde(default)]
    pub broker_addr_table: BTreeMap<String, BrokerData>,
    /// By cluster, its brokers' names.
    #[serde(default)]
    pub cluster_addr_table: BTreeMap<String, Vec<String>>,
}

impl ClusterAnswer {
    /// The answer's body: proper JSON, which is more than RocketMQ's own name server writes.
    ///
    /// # Errors
    /// [`FieldError`] if it cannot be written, which no value here leads to.
    pub fn to_body(&self) -> Result<Vec<u8>, FieldError> {
        serde_json::to_vec(self).map_err(|error| FieldError::new("body", error.to_string()))
    }

    /// Reads the answer, also with keys that lack their quotes.
    ///
    /// # Errors
    /// When the body is not what passes for JSON.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        body(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &'static [u8]) -> Frame {
        Frame {
            body: body.into(),
            ..Frame::default()
        }
    }

    #[test]
    fn a_cluster_is_read_as_a_name_server_of_5_5_0_writes_it() {
        let frame = answer(
            br#"{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"127.0.0.1:10911",1:"127.0.0.2:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}},"clusterAddrTable":{"DefaultCluster":["broker-a"]}}"#,
        );
        let cluster = ClusterAnswer::from_frame(&frame).unwrap();
        let broker = &cluster.broker_addr_table["broker-a"];
        assert_eq!(broker.broker_addrs[&1], "127.0.0.2:10911");
        let again = Frame {
            body: cluster.to_body().unwrap().into(),
            ..Frame::default()
        };
        assert_eq!(ClusterAnswer::from_frame(&again), Ok(cluster));
    }

    #[test]
    fn a_route_is_read_with_and_without_quotes_round_its_keys() {
        let quoted = answer(
            br#"{"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:10911"},"brokerName":"broker-a","cluster":"DefaultCluster"}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":8}]}"#,
        );
        let bare = answer(
            br#"{"brokerDatas":[{"brokerAddrs":{0:"127.0.0.1:10911"},"brokerName":"broker-a","cluster":"DefaultCluster"}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":8}]}"#,
        );
        let route = RouteAnswer::from_frame(&quoted).unwrap();
        assert_eq!(route.queue_datas[0].read_queue_nums, 8);
        assert_eq!(RouteAnswer::from_frame(&bare), Ok(route.clone()));
        let again = Frame {
            body: route.to_body().unwrap().into(),
            ..Frame::default()
        };
        assert_eq!(RouteAnswer::from_frame(&again), Ok(route));
    }

    #[test]
    fn a_broker_without_a_name_is_refused() {
        let frame = answer(br#"{"brokerAddrTable":{"a":{"brokerAddrs":{}}}}"#);
        let error = ClusterAnswer::from_frame(&frame).unwrap_err().to_string();
        assert!(error.contains("brokerName"), "{error}");
    }
}
