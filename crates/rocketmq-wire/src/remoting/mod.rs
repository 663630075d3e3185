//! RocketMQ's older protocol, "remoting", as far as administration needs it: the frame and the
//! requests that make topics and consumer groups.
//!
//! Pure: the codec works on buffers, whoever owns a socket feeds it. A response carries the
//! request's `opaque` number and bit 0 of `flag`; code 0 is success.

mod frame;
mod requests;

pub use frame::{Frame, FrameError, MAX_FRAME};
pub use requests::{CreateGroup, CreateTopic, RequestError, TopicKind};

/// Request code: create or change a topic ([`CreateTopic`]).
pub const CREATE_TOPIC: i32 = 17;
/// Request code: create or change a consumer group ([`CreateGroup`]).
pub const CREATE_GROUP: i32 = 200;

/// Response code: done.
pub const SUCCESS: i32 = 0;
/// Response code: the server failed.
pub const SYSTEM_ERROR: i32 = 1;
/// Response code: the server is overloaded.
pub const SYSTEM_BUSY: i32 = 2;
/// Response code: the server knows no such request.
pub const REQUEST_CODE_NOT_SUPPORTED: i32 = 3;
