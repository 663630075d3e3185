//! The frame: int32 length of what follows; int32 with the serialization type (0 = JSON) in its
//! top byte and the header's length in the low three; the header as JSON; the body.
//!
//! The decoder is fed by strangers: it must never panic, never allocate by a length it was merely
//! told, and consume nothing until a frame is whole.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// Largest frame that is decoded, in bytes after the length field. RocketMQ's own limit.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// Bit of `flag` that marks a response.
const RESPONSE: i32 = 1;

/// One request or response of the remoting protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// A request's code, or a response's result (0 = success).
    pub code: i32,
    /// The sender's language, e.g. `JAVA`; servers know a fixed set.
    pub language: String,
    /// The sender's version number; opaque.
    pub version: i32,
    /// Correlates a response with its request.
    pub opaque: i32,
    /// Bit 0: a response. Bit 1: one-way, no response is wanted.
    pub flag: i32,
    /// What a response says about its code.
    pub remark: Option<String>,
    /// The request's or response's named fields.
    pub ext_fields: BTreeMap<String, String>,
    /// Whatever follows the header.
    pub body: Bytes,
}

/// Bytes that are no frame. The connection they came on is of no further use.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length field is negative, shorter than a header, or above the limit.
    #[error("a remoting frame of {length} bytes (4 to {limit} are allowed)")]
    Length {
        /// The length that was announced.
        length: i64,
        /// The most that is read, [`MAX_FRAME`] or less.
        limit: usize,
    },
    /// The header's length does not fit its frame.
    #[error("a remoting header of {header} bytes in a frame of {frame}")]
    HeaderLength {
        /// The header's announced length.
        header: usize,
        /// The frame's announced length.
        frame: usize,
    },
    /// The header is serialized in another way than JSON.
    #[error("remoting serialization type {0} is not supported, only 0 (JSON) is")]
    Serialization(u8),
    /// The header is not the JSON it should be.
    #[error("remoting header: {0}")]
    Header(#[from] serde_json::Error),
}

/// The header as JSON has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    code: i32,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    version: i32,
    #[serde(default)]
    opaque: i32,
    #[serde(default)]
    flag: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ext_fields: Option<BTreeMap<String, Option<String>>>,
    #[serde(rename = "serializeTypeCurrentRPC", default)]
    serialize_type: Option<String>,
}

impl Frame {
    /// A request with a code, a correlation number and named fields.
    #[must_use]
    pub fn request(code: i32, opaque: i32) -> Self {
        Self {
            code,
            opaque,
            language: "RUST".to_owned(),
            ..Self::default()
        }
    }

    /// The response to `self`.
    #[must_use]
    pub fn response(&self, code: i32, remark: Option<String>) -> Self {
        Self {
            code,
            opaque: self.opaque,
            language: "RUST".to_owned(),
            flag: RESPONSE,
            remark,
            ..Self::default()
        }
    }

    /// Whether this is a response.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.flag & RESPONSE != 0
    }

    /// Appends the frame to `buffer`.
    ///
    /// # Errors
    /// [`FrameError::Length`] if it is larger than [`MAX_FRAME`]; `buffer` is then unchanged.
    pub fn encode(&self, buffer: &mut BytesMut) -> Result<(), FrameError> {
        let header = serde_json::to_vec(&Header {
            code: self.code,
            language: Some(self.language.clone()),
            version: self.version,
            opaque: self.opaque,
            flag: self.flag,
            remark: self.remark.clone(),
            ext_fields: (!self.ext_fields.is_empty()).then(|| {
                let fields = self.ext_fields.iter();
                fields.map(|(k, v)| (k.clone(), Some(v.clone()))).collect()
            }),
            serialize_type: Some("JSON".to_owned()),
        })?;
        let length = 4 + header.len() + self.body.len();
        if length > MAX_FRAME {
            return Err(FrameError::Length {
                length: i64::try_from(length).unwrap_or(i64::MAX),
                limit: MAX_FRAME,
            });
        }
        buffer.reserve(4 + length);
        // Both fit: MAX_FRAME is 2^24, and the header is shorter than that.
        buffer.put_u32(length as u32);
        buffer.put_u32(header.len() as u32);
        buffer.put_slice(&header);
        buffer.put_slice(&self.body);
        Ok(())
    }

    /// Takes the first frame out of `buffer`, or nothing when it is not whole yet.
    ///
    /// # Errors
    /// When the bytes cannot be a frame, whatever follows.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        Self::decode_within(buffer, MAX_FRAME)
    }

    /// As [`decode`](Self::decode), of frames with at most `limit` bytes after the length field.
    ///
    /// # Errors
    /// When the bytes cannot be such a frame, whatever follows.
    pub fn decode_within(buffer: &mut BytesMut, limit: usize) -> Result<Option<Self>, FrameError> {
        let Some(length_field) = buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let announced = i32::from_be_bytes(*length_field);
        let length = usize::try_from(announced)
            .ok()
            .filter(|length| (4..=limit).contains(length))
            .ok_or(FrameError::Length {
                length: i64::from(announced),
                limit,
            })?;
        if buffer.len() < 4 + length {
            return Ok(None);
        }
        buffer.advance(4);
        let mut frame = buffer.split_to(length);
        let field = frame.get_u32();
        let serialization = (field >> 24) as u8;
        if serialization != 0 {
            return Err(FrameError::Serialization(serialization));
        }
        let header_length = (field & 0x00FF_FFFF) as usize;
        if header_length > frame.len() {
            return Err(FrameError::HeaderLength {
                header: header_length,
                frame: length,
            });
        }
        let header: Header = serde_json::from_slice(&frame.split_to(header_length))?;
        Ok(Some(Self {
            code: header.code,
            language: header.language.unwrap_or_default(),
            version: header.version,
            opaque: header.opaque,
            flag: header.flag,
            remark: header.remark,
            ext_fields: header
                .ext_fields
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
            body: frame.freeze(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::soak::cases;

    fn any_frame() -> impl Strategy<Value = Frame> {
        (
            (
                any::<i32>(),
                ".{0,8}",
                any::<i32>(),
                any::<i32>(),
                any::<i32>(),
            ),
            proptest::option::of(".{0,20}"),
            proptest::collection::btree_map(".{0,6}", ".{0,12}", 0..5),
            proptest::collection::vec(any::<u8>(), 0..200),
        )
            .prop_map(
                |((code, language, version, opaque, flag), remark, ext_fields, body)| Frame {
                    code,
                    language,
                    version,
                    opaque,
                    flag,
                    remark,
                    ext_fields,
                    body: body.into(),
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(cases(256)))]

        #[test]
        fn whatever_is_encoded_is_decoded_also_byte_by_byte(frames in proptest::collection::vec(any_frame(), 1..4)) {
            let mut wire = BytesMut::new();
            for frame in &frames {
                frame.encode(&mut wire).unwrap();
            }
            let mut fed = BytesMut::new();
            let mut decoded = Vec::new();
            for byte in wire {
                fed.put_u8(byte);
                if let Some(frame) = Frame::decode(&mut fed).unwrap() {
                    decoded.push(frame);
                }
            }
            prop_assert_eq!(decoded, frames);
            prop_assert!(fed.is_empty());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = Frame::decode(&mut buffer) {}
        }

        #[test]
        fn a_damaged_frame_is_an_error_or_another_frame_never_a_panic(
            frame in any_frame(), at in any::<prop::sample::Index>(), with in any::<u8>()
        ) {
            let mut wire = BytesMut::new();
            frame.encode(&mut wire).unwrap();
            let at = at.index(wire.len());
            wire[at] = with;
            while let Ok(Some(_)) = Frame::decode(&mut wire) {}
        }
    }

    #[test]
    fn a_frame_that_is_announced_too_long_is_refused_before_it_is_awaited() {
        let mut buffer = BytesMut::from(&[0x7F, 0xFF, 0xFF, 0xFF][..]);
        assert!(matches!(
            Frame::decode(&mut buffer),
            Err(FrameError::Length { .. })
        ));
        let mut buffer = BytesMut::from(&[0xFF, 0xFF, 0xFF, 0xFF][..]);
        assert!(matches!(
            Frame::decode(&mut buffer),
            Err(FrameError::Length { length: -1, .. })
        ));
    }

    #[test]
    fn the_binary_header_serialization_is_refused_by_name() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 4, 1, 0, 0, 0][..]);
        assert!(matches!(
            Frame::decode(&mut buffer),
            Err(FrameError::Serialization(1))
        ));
    }

    #[test]
    fn a_header_longer_than_its_frame_is_refused() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 4, 0, 0, 0, 9][..]);
        assert!(matches!(
            Frame::decode(&mut buffer),
            Err(FrameError::HeaderLength {
                header: 9,
                frame: 4
            })
        ));
    }
}
