//! RocketMQ's older protocol, "remoting", as far as administration and browsing need it: the frame,
//! and the requests and answers as values, to and from frames. One place knows the field names, for
//! the client that writes them and the broker that reads them.
//!
//! Pure: the codec works on buffers, whoever owns a socket feeds it. A response carries the
//! request's `opaque` number and bit 0 of `flag`; code 0 is success.

mod cluster;
mod field;
mod frame;
mod groups;
pub mod json;
mod kind;
mod offsets;
mod pull;
mod settings;
#[cfg(test)]
mod tests;
mod topics;

pub use cluster::{BrokerData, ClusterAnswer, QueueData, RouteAnswer, RouteRequest, cluster};
pub use field::FieldError;
pub use frame::{Frame, FrameError, MAX_FRAME};
pub use groups::{CreateGroup, GroupEntry, GroupList, groups};
pub use kind::TopicKind;
pub use offsets::{
    ConsumerOffsetRequest, End, OffsetRequest, SetConsumerOffset, offset, with_offset,
};
pub use pull::{PullAnswer, PullOutcome, PullRequest};
pub use settings::{
    RuntimeInfo, VERSION, broker_settings, read_settings, runtime_info, settings_body,
};
pub use topics::{CreateTopic, READ_WRITE, TopicEntry, TopicList, topics};

/// Request code: read a queue by offset ([`PullRequest`]).
pub const PULL: i32 = 11;
/// Request code: how far a group has come in a queue ([`ConsumerOffsetRequest`]).
pub const CONSUMER_OFFSET: i32 = 14;
/// Request code: from where on a group receives a queue ([`SetConsumerOffset`]).
pub const SET_CONSUMER_OFFSET: i32 = 15;
/// Request code: create or change a topic ([`CreateTopic`]).
pub const CREATE_TOPIC: i32 = 17;
/// Request code: all topics of a broker ([`topics`]).
pub const TOPICS: i32 = 21;
/// Request code: a broker's configuration ([`broker_settings`]). 25 would change it.
pub const BROKER_SETTINGS: i32 = 26;
/// Request code: a broker's state ([`runtime_info`]).
pub const RUNTIME_INFO: i32 = 28;
/// Request code: where a queue's next message goes ([`OffsetRequest`]).
pub const MAX_OFFSET: i32 = 30;
/// Request code: a queue's first message ([`OffsetRequest`]).
pub const MIN_OFFSET: i32 = 31;
/// Request code: where a topic's queues are ([`RouteRequest`]).
pub const ROUTE: i32 = 105;
/// Request code: all brokers that a name server knows ([`cluster()`]).
pub const CLUSTER: i32 = 106;
/// Request code: create or change a consumer group ([`CreateGroup`]).
pub const CREATE_GROUP: i32 = 200;
/// Request code: all groups of a broker ([`groups`]).
pub const GROUPS: i32 = 201;

/// Response code: done.
pub const SUCCESS: i32 = 0;
/// Response code: the server failed.
pub const SYSTEM_ERROR: i32 = 1;
/// Response code: the server is overloaded.
pub const SYSTEM_BUSY: i32 = 2;
/// Response code: the server knows no such request.
pub const REQUEST_CODE_NOT_SUPPORTED: i32 = 3;
/// Response code: the server is starting or stopping.
pub const SERVICE_NOT_AVAILABLE: i32 = 14;
/// Response code: not allowed; also what wrong credentials are answered.
pub const NO_PERMISSION: i32 = 16;
/// Response code: there is no such topic.
pub const TOPIC_NOT_FOUND: i32 = 17;
/// Response code: no message at that offset.
pub const PULL_NOT_FOUND: i32 = 19;
/// Response code: no message there now, try the next offset.
pub const PULL_RETRY_IMMEDIATELY: i32 = 20;
/// Response code: the offset lies outside the queue.
pub const PULL_OFFSET_MOVED: i32 = 21;
/// Response code: the group has no offset there.
pub const QUERY_NOT_FOUND: i32 = 22;
/// Response code: there is no such consumer group.
pub const GROUP_NOT_FOUND: i32 = 26;
/// Response code: the request has an impossible value.
pub const INVALID_PARAMETER: i32 = 29;
