//! Consumer groups: making one (200), and the list of all that a broker has (201).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::field::{FieldError, body};
use super::{CREATE_GROUP, Frame, GROUPS};

/// Redeliveries of a group that was made without saying how many.
const DEFAULT_RETRIES: u32 = 16;

/// Request 200: create a consumer group, or change the one of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateGroup {
    /// The group's name.
    pub group: String,
    /// Redeliveries before the broker dead-letters a message by itself: one less than deliveries,
    /// the first delivery included.
    pub retry_max_times: u32,
    /// The delays that clients are told to ask for between attempts. Empty: the server's default,
    /// which starts at 1 s.
    pub delays: Vec<Duration>,
}

/// A group in the body of request 200, and in the list.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupBody {
    #[serde(default)]
    group_name: String,
    // The server takes it for absent, not for wrong, when it is left out.
    #[serde(default = "sixteen")]
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
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customized_retry_policy: Option<CustomizedBody>,
}

#[derive(Serialize, Deserialize)]
struct CustomizedBody {
    #[serde(default)]
    next: Vec<u64>,
}

fn sixteen() -> u32 {
    DEFAULT_RETRIES
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

impl GroupBody {
    fn new(group: &str, retry_max_times: u32, delays: &[Duration], consume_enable: bool) -> Self {
        let next = delays
            .iter()
            .map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        let policy = RetryPolicyBody {
            kind: "CUSTOMIZED".to_owned(),
            customized_retry_policy: Some(CustomizedBody {
                next: next.collect(),
            }),
        };
        Self {
            group_name: group.to_owned(),
            retry_max_times,
            retry_queue_nums: 1,
            consume_enable,
            group_retry_policy: (!delays.is_empty()).then_some(policy),
        }
    }

    fn delays(&self) -> Vec<Duration> {
        let policy = self.group_retry_policy.as_ref();
        let policy = policy.filter(|policy| policy.kind == "CUSTOMIZED" || policy.kind.is_empty());
        let next = policy.and_then(|policy| policy.customized_retry_policy.as_ref());
        next.map_or_else(Vec::new, |policy| {
            let next = policy.next.iter().copied();
            next.map(Duration::from_millis).collect()
        })
    }
}

impl CreateGroup {
    /// The request as a frame.
    ///
    /// # Errors
    /// [`FieldError`] if the body cannot be written, which no value here leads to.
    pub fn to_frame(&self, opaque: i32) -> Result<Frame, FieldError> {
        let body = GroupBody::new(&self.group, self.retry_max_times, &self.delays, true);
        let body = serde_json::to_vec(&body)
            .map_err(|error| FieldError::new("body", error.to_string()))?;
        Ok(Frame {
            body: body.into(),
            ..Frame::request(CREATE_GROUP, opaque)
        })
    }

    /// The request that makes of the group, as a broker lists it in the answer to [`groups`], what is
    /// asked for, and leaves all else about it as it is: servers take the body for the whole
    /// configuration. `None` if nothing differs; a group that is not listed is made.
    ///
    /// # Errors
    /// [`FieldError`] if the list is not the JSON it should be.
    pub fn over(&self, listed: &Frame, opaque: i32) -> Result<Option<Frame>, FieldError> {
        let list: WholeList = body(listed)?;
        let Some(mut whole) = list.subscription_group_table.get(&self.group).cloned() else {
            return self.to_frame(opaque).map(Some);
        };
        let unreadable = |error: serde_json::Error| FieldError::new("body", error.to_string());
        let now: GroupBody = serde_json::from_value(whole.clone().into()).map_err(unreadable)?;
        if now.retry_max_times == self.retry_max_times && now.delays() == self.delays {
            return Ok(None);
        }
        whole.insert("retryMaxTimes".to_owned(), self.retry_max_times.into());
        if now.delays() != self.delays {
            let wanted = GroupBody::new(&self.group, self.retry_max_times, &self.delays, true);
            let policy = serde_json::to_value(wanted.group_retry_policy).map_err(unreadable)?;
            whole.insert("groupRetryPolicy".to_owned(), policy);
        }
        // Servers keep these, and take them in a request for changes (`+name`) of them.
        whole.remove("attributes");
        let body = serde_json::to_vec(&whole).map_err(unreadable)?;
        Ok(Some(Frame {
            body: body.into(),
            ..Frame::request(CREATE_GROUP, opaque)
        }))
    }

    /// Reads the request out of a frame.
    ///
    /// # Errors
    /// When the body is not the JSON it should be, or names no group.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        let body: GroupBody = body(frame)?;
        if body.group_name.is_empty() {
            return Err(FieldError::new("groupName", "absent"));
        }
        Ok(Self {
            delays: body.delays(),
            group: body.group_name,
            retry_max_times: body.retry_max_times,
        })
    }
}

/// Request 201: all groups of a broker, its own included.
#[must_use]
pub fn groups(opaque: i32) -> Frame {
    Frame::request(GROUPS, opaque)
}

/// A group as a broker lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEntry {
    /// The group's name.
    pub group: String,
    /// Redeliveries before the broker dead-letters a message by itself.
    pub retry_max_times: u32,
    /// The delays that clients are told to ask for. Empty: the server's default, or a policy of
    /// another kind than a list.
    pub delays: Vec<Duration>,
    /// Whether its consumers are served at all.
    pub consume_enabled: bool,
}

/// Answer to [`groups`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupList {
    /// By name.
    pub groups: Vec<GroupEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListBody {
    #[serde(default)]
    subscription_group_table: BTreeMap<String, GroupBody>,
}

/// The list with all that it says of each group.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WholeList {
    #[serde(default)]
    subscription_group_table: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
}

impl GroupList {
    /// The answer's body.
    ///
    /// # Errors
    /// [`FieldError`] if it cannot be written, which no value here leads to.
    pub fn to_body(&self) -> Result<Vec<u8>, FieldError> {
        let groups = self.groups.iter().map(|group| {
            let body = GroupBody::new(
                &group.group,
                group.retry_max_times,
                &group.delays,
                group.consume_enabled,
            );
            (group.group.clone(), body)
        });
        let subscription_group_table = groups.collect();
        serde_json::to_vec(&ListBody {
            subscription_group_table,
        })
        .map_err(|error| FieldError::new("body", error.to_string()))
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// When the body is not the JSON it should be.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        let list: ListBody = body(frame)?;
        let groups = list.subscription_group_table.into_iter();
        Ok(Self {
            groups: groups
                .map(|(group, body)| GroupEntry {
                    group,
                    retry_max_times: body.retry_max_times,
                    delays: body.delays(),
                    consume_enabled: body.consume_enable,
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_change_leaves_all_else_about_the_group_as_it_is() {
        let listed = Frame {
            body: br#"{"subscriptionGroupTable":{"bank2":{"attributes":{"a":"1"},"brokerId":0,"consumeBroadcastEnable":false,"consumeEnable":true,"consumeMessageOrderly":true,"consumeTimeoutMinute":7,"groupName":"bank2","groupRetryPolicy":{"type":"CUSTOMIZED"},"groupSysFlag":1,"notifyConsumerIdsChangedEnable":false,"retryMaxTimes":16,"retryQueueNums":4,"whichBrokerWhenConsumeSlowly":2}}}"#.as_slice().into(),
            ..Frame::default()
        };
        let mut wanted = CreateGroup {
            group: "bank2".to_owned(),
            retry_max_times: 1000,
            delays: vec![Duration::from_secs(10)],
        };
        let frame = wanted.over(&listed, 1).unwrap().unwrap();
        let sent: serde_json::Value = serde_json::from_slice(&frame.body).unwrap();
        let should: serde_json::Value = serde_json::from_str(r#"{"brokerId":0,"consumeBroadcastEnable":false,"consumeEnable":true,"consumeMessageOrderly":true,"consumeTimeoutMinute":7,"groupName":"bank2","groupRetryPolicy":{"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[10000]}},"groupSysFlag":1,"notifyConsumerIdsChangedEnable":false,"retryMaxTimes":1000,"retryQueueNums":4,"whichBrokerWhenConsumeSlowly":2}"#).unwrap();
        assert_eq!(sent, should);
        // What is so already is not sent at all, and what is not there is made.
        wanted.retry_max_times = 16;
        wanted.delays.clear();
        assert_eq!(wanted.over(&listed, 1), Ok(None));
        wanted.group = "other".to_owned();
        assert_eq!(wanted.over(&listed, 1), wanted.to_frame(1).map(Some));
    }

    #[test]
    fn a_group_request_without_a_name_says_so() {
        let frame = Frame {
            body: "{}".into(),
            ..Frame::default()
        };
        let error = CreateGroup::from_frame(&frame).unwrap_err();
        assert_eq!(error.field, "groupName");
    }

    #[test]
    fn a_list_of_groups_survives_its_body() {
        let entry = |group: &str, delays: &[u64], consume_enabled| GroupEntry {
            group: group.to_owned(),
            retry_max_times: 3,
            delays: delays.iter().copied().map(Duration::from_millis).collect(),
            consume_enabled,
        };
        let list = GroupList {
            groups: vec![entry("bank2", &[10_000], true), entry("off", &[], false)],
        };
        let frame = Frame {
            body: list.to_body().unwrap().into(),
            ..Frame::default()
        };
        assert_eq!(GroupList::from_frame(&frame), Ok(list));
    }

    #[test]
    fn groups_are_read_as_a_broker_of_5_5_0_lists_them() {
        let body = br#"{"dataVersion":{"counter":1},"forbiddenTable":{},"subscriptionGroupTable":{"bank2":{"attributes":{},"brokerId":0,"consumeEnable":true,"groupName":"bank2","groupRetryPolicy":{"customizedRetryPolicy":{"next":[10000,30000]},"type":"CUSTOMIZED"},"retryMaxTimes":1000,"retryQueueNums":1},"plain":{"consumeEnable":false,"groupName":"plain","groupRetryPolicy":{"type":"CUSTOMIZED"},"retryMaxTimes":16},"exponential":{"groupRetryPolicy":{"exponentialRetryPolicy":{"initial":5000,"max":7200000,"multiplier":2},"type":"EXPONENTIAL"}}}}"#;
        let frame = Frame {
            body: body.as_slice().into(),
            ..Frame::default()
        };
        let groups = GroupList::from_frame(&frame).unwrap().groups;
        let shown: Vec<_> = groups
            .iter()
            .map(|group| {
                (
                    group.group.as_str(),
                    group.retry_max_times,
                    group.delays.len(),
                    group.consume_enabled,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("bank2", 1000, 2, true),
                ("exponential", 16, 0, true),
                ("plain", 16, 0, false),
            ]
        );
    }
}
