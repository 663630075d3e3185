//! Reading a queue by offset (11): moves nothing, and reads any topic, dead letters and half
//! messages too.

use bytes::Bytes;

use super::field::{FieldError, fields, number, number_or, text};
use super::{Frame, PULL, PULL_NOT_FOUND, PULL_OFFSET_MOVED, PULL_RETRY_IMMEDIATELY, SUCCESS};

/// The group in whose name administration reads; brokers have it from the start.
const TOOLS: &str = "TOOLS_CONSUMER";
/// The request carries its subscription (and asks for no long poll, and no commit).
const WITH_SUBSCRIPTION: u32 = 4;

/// Request 11.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// The topic.
    pub topic: String,
    /// The queue's number, from 0.
    pub queue_id: u32,
    /// From which message on.
    pub offset: i64,
    /// At most so many; servers stop earlier at a few hundred kilobytes.
    pub max: u32,
}

impl PullRequest {
    /// The request as a frame.
    #[must_use]
    pub fn to_frame(&self, opaque: i32) -> Frame {
        Frame {
            ext_fields: fields([
                ("consumerGroup", TOOLS.to_owned()),
                ("topic", self.topic.clone()),
                ("queueId", self.queue_id.to_string()),
                ("queueOffset", self.offset.to_string()),
                ("maxMsgNums", self.max.to_string()),
                ("sysFlag", WITH_SUBSCRIPTION.to_string()),
                ("commitOffset", "0".to_owned()),
                ("suspendTimeoutMillis", "0".to_owned()),
                ("subscription", "*".to_owned()),
                ("subVersion", "0".to_owned()),
                ("expressionType", "TAG".to_owned()),
            ]),
            ..Frame::request(PULL, opaque)
        }
    }

    /// Reads the request out of a frame.
    ///
    /// # Errors
    /// Names the field that is absent or wrong.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        Ok(Self {
            topic: text(frame, "topic")?.to_owned(),
            queue_id: number(frame, "queueId")?,
            offset: number(frame, "queueOffset")?,
            max: number_or(frame, "maxMsgNums", 32)?,
        })
    }
}

/// What a pull found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullOutcome {
    /// Messages.
    Found,
    /// None at that offset yet.
    NotFound,
    /// None there now; there may be at the next offset.
    Retry,
    /// The offset lies outside the queue.
    OffsetMoved,
}

/// Answer to [`PullRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullAnswer {
    /// What was found.
    pub outcome: PullOutcome,
    /// Where to go on.
    pub next_offset: i64,
    /// The queue's first message.
    pub min_offset: i64,
    /// After the queue's last message.
    pub max_offset: i64,
    /// The messages as they are stored ([`StoredMessage`](crate::StoredMessage)), one after the
    /// other; nothing unless some were found.
    pub messages: Bytes,
}

impl PullAnswer {
    /// The answer to `request` as a frame.
    #[must_use]
    pub fn to_frame(&self, request: &Frame) -> Frame {
        let (code, remark) = match self.outcome {
            PullOutcome::Found => (SUCCESS, "FOUND"),
            PullOutcome::NotFound => (PULL_NOT_FOUND, "NO_MESSAGE_IN_QUEUE"),
            PullOutcome::Retry => (PULL_RETRY_IMMEDIATELY, "NO_MATCHED_MESSAGE"),
            PullOutcome::OffsetMoved => (PULL_OFFSET_MOVED, "OFFSET_MOVED"),
        };
        Frame {
            ext_fields: fields([
                ("suggestWhichBrokerId", "0".to_owned()),
                ("nextBeginOffset", self.next_offset.to_string()),
                ("minOffset", self.min_offset.to_string()),
                ("maxOffset", self.max_offset.to_string()),
            ]),
            body: self.messages.clone(),
            ..request.response(code, Some(remark.to_owned()))
        }
    }

    /// Reads the answer; nothing if it is a refusal.
    ///
    /// # Errors
    /// Names the field that is absent or wrong.
    pub fn from_frame(frame: &Frame) -> Result<Option<Self>, FieldError> {
        let outcome = match frame.code {
            SUCCESS => PullOutcome::Found,
            PULL_NOT_FOUND => PullOutcome::NotFound,
            PULL_RETRY_IMMEDIATELY => PullOutcome::Retry,
            PULL_OFFSET_MOVED => PullOutcome::OffsetMoved,
            _ => return Ok(None),
        };
        Ok(Some(Self {
            outcome,
            next_offset: number(frame, "nextBeginOffset")?,
            min_offset: number(frame, "minOffset")?,
            max_offset: number(frame, "maxOffset")?,
            messages: match outcome {
                PullOutcome::Found => frame.body.clone(),
                _ => Bytes::new(),
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_survives_its_frame() {
        let request = PullRequest {
            topic: "RMQ_SYS_TRANS_HALF_TOPIC".to_owned(),
            queue_id: 0,
            offset: 40,
            max: 16,
        };
        assert_eq!(PullRequest::from_frame(&request.to_frame(1)), Ok(request));
    }

    #[test]
    fn each_outcome_survives_its_frame_and_a_refusal_is_none() {
        for outcome in [
            PullOutcome::Found,
            PullOutcome::NotFound,
            PullOutcome::Retry,
            PullOutcome::OffsetMoved,
        ] {
            let answer = PullAnswer {
                outcome,
                next_offset: 3,
                min_offset: 1,
                max_offset: 9,
                messages: if outcome == PullOutcome::Found {
                    "messages".into()
                } else {
                    Bytes::new()
                },
            };
            let frame = answer.to_frame(&Frame::request(PULL, 1));
            assert_eq!(PullAnswer::from_frame(&frame), Ok(Some(answer)));
        }
        let refusal = Frame::request(PULL, 1).response(super::super::TOPIC_NOT_FOUND, None);
        assert_eq!(PullAnswer::from_frame(&refusal), Ok(None));
    }
}
