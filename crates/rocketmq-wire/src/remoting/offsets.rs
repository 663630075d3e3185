//! Offsets: of a queue's first message (31) and after its last (30), and of a group in it: read
//! (14), and set (15).

use super::field::{FieldError, fields, number, text};
use super::{CONSUMER_OFFSET, Frame, MAX_OFFSET, MIN_OFFSET, SET_CONSUMER_OFFSET};

/// Which end of a queue is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The first message that is still kept.
    First,
    /// After the last message: where the next one goes.
    Next,
}

/// Requests 30 and 31: an end of a queue. Servers answer 0 for a queue that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetRequest {
    /// Which end.
    pub end: End,
    /// The topic.
    pub topic: String,
    /// The queue's number, from 0.
    pub queue_id: u32,
}

impl OffsetRequest {
    /// The request as a frame.
    #[must_use]
    pub fn to_frame(&self, opaque: i32) -> Frame {
        let code = match self.end {
            End::First => MIN_OFFSET,
            End::Next => MAX_OFFSET,
        };
        Frame {
            ext_fields: fields([
                ("topic", self.topic.clone()),
                ("queueId", self.queue_id.to_string()),
            ]),
            ..Frame::request(code, opaque)
        }
    }

    /// Reads the request out of a frame.
    ///
    /// # Errors
    /// Names the field that is absent or wrong.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        let end = match frame.code {
            MIN_OFFSET => End::First,
            MAX_OFFSET => End::Next,
            code => return Err(FieldError::new("code", format!("{code} is neither end"))),
        };
        Ok(Self {
            end,
            topic: text(frame, "topic")?.to_owned(),
            queue_id: number(frame, "queueId")?,
        })
    }
}

/// Request 14: up to where a group has received a queue. Code 22 answers: nothing yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerOffsetRequest {
    /// The consumer group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The queue's number, from 0.
    pub queue_id: u32,
    /// Whether a queue of which all is kept is answered 0 for a group that received nothing.
    pub or_zero: bool,
}

impl ConsumerOffsetRequest {
    /// The request as a frame.
    #[must_use]
    pub fn to_frame(&self, opaque: i32) -> Frame {
        Frame {
            ext_fields: fields([
                ("consumerGroup", self.group.clone()),
                ("topic", self.topic.clone()),
                ("queueId", self.queue_id.to_string()),
                ("setZeroIfNotFound", self.or_zero.to_string()),
            ]),
            ..Frame::request(CONSUMER_OFFSET, opaque)
        }
    }

    /// Reads the request out of a frame.
    ///
    /// # Errors
    /// Names the field that is absent or wrong.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        let or_zero = frame.ext_fields.get("setZeroIfNotFound");
        Ok(Self {
            group: text(frame, "consumerGroup")?.to_owned(),
            topic: text(frame, "topic")?.to_owned(),
            queue_id: number(frame, "queueId")?,
            or_zero: or_zero.is_none_or(|value| value != "false"),
        })
    }
}

/// Request 15: from where on a group receives a queue. The answer carries nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetConsumerOffset {
    /// The consumer group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The queue's number, from 0.
    pub queue_id: u32,
    /// The first message that the group has not received.
    pub offset: i64,
}

impl SetConsumerOffset {
    /// The request as a frame.
    #[must_use]
    pub fn to_frame(&self, opaque: i32) -> Frame {
        Frame {
            ext_fields: fields([
                ("consumerGroup", self.group.clone()),
                ("topic", self.topic.clone()),
                ("queueId", self.queue_id.to_string()),
                ("commitOffset", self.offset.to_string()),
            ]),
            ..Frame::request(SET_CONSUMER_OFFSET, opaque)
        }
    }

    /// Reads the request out of a frame.
    ///
    /// # Errors
    /// Names the field that is absent or wrong.
    pub fn from_frame(frame: &Frame) -> Result<Self, FieldError> {
        Ok(Self {
            group: text(frame, "consumerGroup")?.to_owned(),
            topic: text(frame, "topic")?.to_owned(),
            queue_id: number(frame, "queueId")?,
            offset: number(frame, "commitOffset")?,
        })
    }
}

/// The offset in an answer to 14, 30 or 31.
///
/// # Errors
/// When there is none.
pub fn offset(answer: &Frame) -> Result<i64, FieldError> {
    number(answer, "offset")
}

/// Puts the offset into an answer.
#[must_use]
pub fn with_offset(answer: Frame, offset: i64) -> Frame {
    Frame {
        ext_fields: fields([("offset", offset.to_string())]),
        ..answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_survive_their_frames() {
        for end in [End::First, End::Next] {
            let request = OffsetRequest {
                end,
                topic: "%DLQ%bank2".to_owned(),
                queue_id: 3,
            };
            assert_eq!(OffsetRequest::from_frame(&request.to_frame(1)), Ok(request));
        }
    }

    #[test]
    fn a_groups_offset_survives_its_frame() {
        for or_zero in [true, false] {
            let request = ConsumerOffsetRequest {
                group: "bank2".to_owned(),
                topic: "t".to_owned(),
                queue_id: 0,
                or_zero,
            };
            let frame = request.to_frame(1);
            assert_eq!(ConsumerOffsetRequest::from_frame(&frame), Ok(request));
        }
    }

    #[test]
    fn an_offset_to_set_survives_its_frame() {
        let request = SetConsumerOffset {
            group: "bank2".to_owned(),
            topic: "t".to_owned(),
            queue_id: 7,
            offset: 41,
        };
        assert_eq!(
            SetConsumerOffset::from_frame(&request.to_frame(1)),
            Ok(request)
        );
    }

    #[test]
    fn an_offset_that_is_no_number_is_named() {
        let frame = with_offset(Frame::default(), 7);
        assert_eq!(offset(&frame), Ok(7));
        let frame = Frame {
            ext_fields: fields([("offset", "seven".to_owned())]),
            ..Frame::default()
        };
        assert_eq!(
            offset(&frame).unwrap_err().to_string(),
            "offset: \"seven\" is no number in its range"
        );
    }
}
