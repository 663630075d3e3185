//! The administrative requests as values, to and from frames: one place knows the field names, for
//! the client that writes them and the broker that reads them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CREATE_GROUP, CREATE_TOPIC, Frame};

/// Prefix of the topic attribute that says which messages a topic takes.
const MESSAGE_TYPE: &str = "+message.type=";

/// Which messages a topic takes; a topic takes one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TopicKind {
    /// Ordinary messages.
    #[default]
    Normal,
    /// Messages that are ordered within a message group.
    Fifo,
    /// Messages that become visible at a set time.
    Delay,
    /// Half messages.
    Transaction,
}

impl TopicKind {
    /// The server's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Fifo => "FIFO",
            Self::Delay => "DELAY",
            Self::Transaction => "TRANSACTION",
        }
    }

    /// The topic attribute, e.g. `+message.type=TRANSACTION`.
    #[must_use]
    pub fn attribute(self) -> String {
        format!("{MESSAGE_TYPE}{}", self.as_str())
    }

    /// The kind that a topic's attributes (comma-separated) name; a topic without one is normal.
    /// `None` when they name an unknown kind.
    #[must_use]
    pub fn from_attributes(attributes: &str) -> Option<Self> {
        let named = attributes
            .split(',')
            .find_map(|attribute| attribute.trim().strip_prefix(MESSAGE_TYPE));
        match named {
            None | Some("NORMAL") => Some(Self::Normal),
            Some("FIFO") => Some(Self::Fifo),
            Some("DELAY") => Some(Self::Delay),
            Some("TRANSACTION") => Some(Self::Transaction),
            Some(_) => None,
        }
    }
}

impl fmt::Display for TopicKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that lacks a field or has an impossible value there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct RequestError {
    /// The field's name on the wire.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl RequestError {
    fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self {
            field,
            reason: reason.into(),
        }
    }
}

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
        let fields = [
            ("topic", self.topic.clone()),
            ("defaultTopic", "TBW102".to_owned()),
            ("readQueueNums", self.queues.to_string()),
            ("writeQueueNums", self.queues.to_string()),
            // Readable (4) and writable (2).
            ("perm", "6".to_owned()),
            ("topicFilterType", "SINGLE_TAG".to_owned()),
            ("topicSysFlag", "0".to_owned()),
            ("order", "false".to_owned()),
            ("attributes", self.kind.attribute()),
        ];
        Frame {
            ext_fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Frame::request(CREATE_TOPIC, opaque)
        }
    }

    /// Reads the request out of a frame.
    ///
    /// # Errors
    /// Names the field that is absent or wrong.
    pub fn from_frame(frame: &Frame) -> Result<Self, RequestError> {
        let fields = &frame.ext_fields;
        let queues = field(fields, "writeQueueNums")?;
        let attributes = fields.get("attributes").map_or("", String::as_str);
        Ok(Self {
            topic: field(fields, "topic")?.to_owned(),
            queues: queues.parse().map_err(|_| {
                RequestError::new("writeQueueNums", format!("{queues:?} is no count"))
            })?,
            kind: TopicKind::from_attributes(attributes).ok_or_else(|| {
                RequestError::new("attributes", format!("{attributes:?} is not known"))
            })?,
        })
    }
}

fn field<'a>(
    fields: &'a BTreeMap<String, String>,
    name: &'static str,
) -> Result<&'a str, RequestError> {
    let value = fields.get(name).filter(|value| !value.is_empty());
    value
        .map(String::as_str)
        .ok_or_else(|| RequestError::new(name, "absent"))
}

/// Request 200: create a consumer group, or change the one of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateGroup {
    /// The group's name.
    pub group: String,
    /// Redeliveries before the server moves a message to the dead-letter topic; clients are told
    /// one more (`max_attempts`), the first delivery included.
    pub retry_max_times: u32,
    /// The delays that clients are told to ask for between attempts. Empty: the server's default,
    /// which starts at 1 s.
    pub delays: Vec<Duration>,
}

/// The body of request 200.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupBody {
    group_name: String,
    retry_max_times: u32,
    #[serde(default = "one")]
    retry_queue_nums: u32,
    #[serde(default = "yes")]
    consume_enable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_retry_policy: Option<RetryPolicyBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryPolicyBody {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customized_retry_policy: Option<CustomizedBody>,
}

#[derive(Serialize, Deserialize)]
struct CustomizedBody {
    next: Vec<u64>,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

impl CreateGroup {
    /// The request as a frame.
    ///
    /// # Errors
    /// [`serde_json::Error`] if the body cannot be written, which no value here leads to.
    pub fn to_frame(&self, opaque: i32) -> Result<Frame, serde_json::Error> {
        let policy = (!self.delays.is_empty()).then(|| RetryPolicyBody {
            kind: "CUSTOMIZED".to_owned(),
            customized_retry_policy: Some(CustomizedBody {
                next: self
                    .delays
                    .iter()
                    .map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
                    .collect(),
            }),
        });
        let body = serde_json::to_vec(&GroupBody {
            group_name: self.group.clone(),
            retry_max_times: self.retry_max_times,
            retry_queue_nums: 1,
            consume_enable: true,
            group_retry_policy: policy,
        })?;
        Ok(Frame {
            body: body.into(),
            ..Frame::request(CREATE_GROUP, opaque)
        })
    }

    /// Reads the request out of a frame.
    ///
    /// # Errors
    /// When the body is not the JSON it should be, or names no group.
    pub fn from_frame(frame: &Frame) -> Result<Self, RequestError> {
        let body: GroupBody = serde_json::from_slice(&frame.body)
            .map_err(|error| RequestError::new("body", error.to_string()))?;
        if body.group_name.is_empty() {
            return Err(RequestError::new("groupName", "absent"));
        }
        let customized = body
            .group_retry_policy
            .and_then(|policy| policy.customized_retry_policy);
        Ok(Self {
            group: body.group_name,
            retry_max_times: body.retry_max_times,
            delays: customized
                .map(|policy| policy.next.into_iter().map(Duration::from_millis).collect())
                .unwrap_or_default(),
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
    fn a_group_request_survives_its_frame_and_keeps_milliseconds() {
        let request = CreateGroup {
            group: "bank2".to_owned(),
            retry_max_times: 1000,
            delays: vec![Duration::from_secs(10), Duration::from_millis(1500)],
        };
        let frame = request.to_frame(7).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&frame.body).unwrap();
        assert_eq!(json["groupRetryPolicy"]["type"], "CUSTOMIZED");
        assert_eq!(
            json["groupRetryPolicy"]["customizedRetryPolicy"]["next"][1],
            1500
        );
        assert_eq!(CreateGroup::from_frame(&frame), Ok(request));
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
    fn an_unknown_topic_kind_is_refused_and_an_absent_one_is_normal() {
        assert_eq!(TopicKind::from_attributes("+message.type=LITE"), None);
        assert_eq!(TopicKind::from_attributes(""), Some(TopicKind::Normal));
        assert_eq!(
            TopicKind::from_attributes("+a=b,+message.type=DELAY"),
            Some(TopicKind::Delay)
        );
    }
}
