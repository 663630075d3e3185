//! Why a request is refused: a code, and words for whoever reads the log.

use rocketmq_wire::v2;

use crate::StoreError;

/// A reply's status that is not OK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: v2::Code,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: v2::Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The proxy's answer to whatever it did not expect.
    pub(super) fn server_error(message: impl Into<String>) -> Self {
        Self::new(v2::Code::InternalServerError, message)
    }

    /// Something that Apache RocketMQ can do and this broker cannot.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(v2::Code::Unsupported, message)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::server_error(error.to_string())
    }
}

impl From<Refusal> for v2::Status {
    fn from(refusal: Refusal) -> Self {
        rocketmq_wire::status(refusal.code, refusal.message)
    }
}

impl From<Refusal> for Option<v2::Status> {
    fn from(refusal: Refusal) -> Self {
        Some(refusal.into())
    }
}

/// The proxy's answer for a topic that it has no route to.
pub(super) fn no_such_topic(topic: &str) -> Refusal {
    Refusal::new(
        v2::Code::TopicNotFound,
        format!("No topic route info in name server for the topic: {topic}"),
    )
}

/// The status of a request that went well.
pub(super) fn ok() -> v2::Status {
    rocketmq_wire::status(v2::Code::Ok, "OK")
}
