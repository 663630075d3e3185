//! Topics: making one (17), and the list of all that a broker has (21).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::field::{FieldError, body, fields, number, text};
use super::kind::MESSAGE_TYPE;
use super::{CREATE_TOPIC, Frame, TOPICS, TopicKind};

/// Readable (4) and writable (2).
pub const READ_WRITE: u32 = 6;

/// Request 17: create a topic, or change the one of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTopic {
    /// The topic's name.
    pub topic: String,
    /// How many queues, to read and to write.
    pub queues: u32,
    /// Which messages it takes.
    pub kind: TopicKind,
}

impl CreateTopic {
    /// The request as a frame.
    #[must_use]
    pub fn to_frame(&self, opaque: i32) -> Frame {
        Frame {
            ext_fields: fields([
                ("topic", self.topic.clone()),
                ("defaultTopic", "TBW102".to_owned()),
                ("readQueueNums", self.queues.to_string()),
                ("writeQueueNums", self.queues.to_string()),
                ("perm", READ_WRITE.to_string()),
                ("topicFilterType", "SINGLE_TAG".to_owned()),
                ("topicSysFlag", "0".to_owned()),
                ("order", "false".to_owned()),
                ("attributes", self.kind.attribute()),
            ]),
            ..Frame::request(CREATE_TOPIC, opaque)
        }
    }

    /// Reads the request out of a frame.
    ///
    /// # Errors
    /// Names the field that is absent or wrong.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        let attributes = frame.ext_fields.get("attributes");
        let attributes = attributes.map_or("", String::as_str);
        Ok(Self {
            topic: text(frame, "topic")?.to_owned(),
            queues: number(frame, "writeQueueNums")?,
            kind: TopicKind::from_attributes(attributes).ok_or_else(|| {
                FieldError::new("attributes", format!("{attributes:?} name no known kind"))
            })?,
        })
    }
}

/// Request 21: all topics of a broker, its own included.
#[must_use]
pub fn topics(opaque: i32) -> Frame {
    Frame::request(TOPICS, opaque)
}

/// A topic as a broker lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicEntry {
    /// The topic's name.
    pub topic: String,
    /// Queues to read from.
    pub read_queues: u32,
    /// Queues to write to.
    pub write_queues: u32,
    /// Readable 4, writable 2, inherited 1.
    pub permission: u32,
    /// Which messages it takes.
    pub kind: TopicKind,
}

/// Answer to [`topics`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicList {
    /// By name.
    pub topics: Vec<TopicEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListBody {
    #[serde(default)]
    topic_config_table: BTreeMap<String, EntryBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryBody {
    #[serde(default)]
    topic_name: String,
    #[serde(default)]
    read_queue_nums: u32,
    #[serde(default)]
    write_queue_nums: u32,
    #[serde(default)]
    perm: u32,
    #[serde(default = "single_tag")]
    topic_filter_type: String,
    #[serde(default)]
    topic_sys_flag: i32,
    #[serde(default)]
    order: bool,
    /// Absent before 5.0.
    #[serde(default)]
    attributes: Option<BTreeMap<String, String>>,
}

fn single_tag() -> String {
    "SINGLE_TAG".to_owned()
}

impl TopicList {
    /// The answer's body.
    ///
    /// # Errors
    /// [`FieldError`] if it cannot be written, which no value here leads to.
    pub fn to_body(&self) -> Result<Vec<u8>, FieldError> {
        let entry = |topic: &TopicEntry| EntryBody {
            topic_name: topic.topic.clone(),
            read_queue_nums: topic.read_queues,
            write_queue_nums: topic.write_queues,
            perm: topic.permission,
            topic_filter_type: single_tag(),
            topic_sys_flag: 0,
            order: false,
            attributes: Some([(MESSAGE_TYPE.to_owned(), topic.kind.to_string())].into()),
        };
        let named = |topic: &TopicEntry| (topic.topic.clone(), entry(topic));
        let topic_config_table = self.topics.iter().map(named).collect();
        serde_json::to_vec(&ListBody { topic_config_table })
            .map_err(|error| FieldError::new("body", error.to_string()))
    }

    /// Reads the answer. A topic without a kind is normal, one of an unknown kind `Unspecified`.
    ///
    /// # Errors
    /// When the body is not the JSON it should be.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        let list: ListBody = body(frame)?;
        let topics = list.topic_config_table.into_iter().map(|(topic, entry)| {
            let attributes = entry.attributes.unwrap_or_default();
            let kind = attributes
                .get(MESSAGE_TYPE)
                .map_or(TopicKind::Normal, |word| {
                    TopicKind::from_word(word).unwrap_or(TopicKind::Unspecified)
                });
            TopicEntry {
                topic,
                read_queues: entry.read_queue_nums,
                write_queues: entry.write_queue_nums,
                permission: entry.perm,
                kind,
            }
        });
        Ok(Self {
            topics: topics.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_request_survives_its_frame() {
        for kind in [
            TopicKind::Normal,
            TopicKind::Fifo,
            TopicKind::Delay,
            TopicKind::Transaction,
        ] {
            let request = CreateTopic {
                topic: "topic_txmsg".to_owned(),
                queues: 8,
                kind,
            };
            assert_eq!(CreateTopic::from_frame(&request.to_frame(7)), Ok(request));
        }
    }

    #[test]
    fn a_request_without_its_topic_says_so() {
        let mut frame = CreateTopic {
            topic: "t".to_owned(),
            queues: 1,
            kind: TopicKind::Normal,
        }
        .to_frame(1);
        frame.ext_fields.remove("topic");
        assert_eq!(CreateTopic::from_frame(&frame).unwrap_err().field, "topic");
    }

    #[test]
    fn a_list_of_topics_survives_its_body() {
        let entry = |topic: &str, kind| TopicEntry {
            topic: topic.to_owned(),
            read_queues: 8,
            write_queues: 4,
            permission: READ_WRITE,
            kind,
        };
        let list = TopicList {
            topics: vec![
                entry("%DLQ%bank2", TopicKind::Normal),
                entry("topic_txmsg", TopicKind::Transaction),
            ],
        };
        let frame = Frame {
            body: list.to_body().unwrap().into(),
            ..Frame::default()
        };
        assert_eq!(TopicList::from_frame(&frame), Ok(list));
    }

    #[test]
    fn topics_are_read_as_a_broker_of_5_5_0_lists_them() {
        let body = br#"{"dataVersion":{"counter":3,"stateVersion":0,"timestamp":1},"topicConfigTable":{"t":{"attributes":{"message.type":"TRANSACTION"},"order":false,"perm":6,"readQueueNums":8,"topicFilterType":"SINGLE_TAG","topicName":"t","topicSysFlag":0,"writeQueueNums":8},"RMQ_SYS_TRANS_HALF_TOPIC":{"attributes":{},"order":false,"perm":6,"readQueueNums":1,"topicFilterType":"SINGLE_TAG","topicName":"RMQ_SYS_TRANS_HALF_TOPIC","topicSysFlag":0,"writeQueueNums":1},"odd":{"attributes":{"message.type":"SPARKLING"},"perm":4}}}"#;
        let frame = Frame {
            body: body.as_slice().into(),
            ..Frame::default()
        };
        let list = TopicList::from_frame(&frame).unwrap().topics;
        let kinds: Vec<_> = list
            .iter()
            .map(|topic| (topic.topic.as_str(), topic.kind, topic.read_queues))
            .collect();
        assert_eq!(
            kinds,
            [
                ("RMQ_SYS_TRANS_HALF_TOPIC", TopicKind::Normal, 1),
                ("odd", TopicKind::Unspecified, 0),
                ("t", TopicKind::Transaction, 8),
            ]
        );
    }
}
