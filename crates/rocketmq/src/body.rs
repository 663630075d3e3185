//! Unpacking bodies. A sender may pack with gzip; whoever receives need not know.

use std::io::Read as _;

use bytes::Bytes;
use rocketmq_wire::{limits, v2};

/// Largest body after unpacking. Servers bound only the packed size, and a small one can unpack to
/// gigabytes.
const MAX_UNPACKED: usize = 4 * limits::MAX_BODY;

/// The body as its sender wrote it, or why it cannot be had.
pub(crate) fn unpack(body: Bytes, encoding: i32) -> (Bytes, Option<String>) {
    match v2::Encoding::try_from(encoding) {
        Ok(v2::Encoding::Unspecified | v2::Encoding::Identity) => (body, None),
        Ok(v2::Encoding::Gzip) => match gunzip(&body, MAX_UNPACKED) {
            Ok(unpacked) => (unpacked, None),
            Err(reason) => (body, Some(reason)),
        },
        Err(_) => (body, Some(format!("unknown body encoding {encoding}"))),
    }
}

fn gunzip(packed: &[u8], most: usize) -> Result<Bytes, String> {
    let mut unpacked = Vec::with_capacity((packed.len() * 4).min(most));
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::MultiGzDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut unpacked)
        .map_err(|error| format!("gzip: {error}"))?;
    if unpacked.len() > most {
        return Err(format!("gzip: unpacks to more than {most} bytes"));
    }
    Ok(unpacked.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn pack(body: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn a_packed_body_comes_out_as_it_was_written() {
        let (body, error) = unpack(pack(b"ten yuan"), v2::Encoding::Gzip.into());
        assert_eq!((&body[..], error), (&b"ten yuan"[..], None));
    }

    #[test]
    fn a_body_that_is_not_gzip_is_handed_on_with_the_reason() {
        let (body, error) = unpack(Bytes::from_static(b"plain"), v2::Encoding::Gzip.into());
        assert_eq!(&body[..], b"plain");
        assert!(error.is_some_and(|reason| reason.starts_with("gzip")));
    }

    #[test]
    fn a_small_body_that_unpacks_to_much_is_not_unpacked() {
        let packed = pack(&vec![0; 100_000]);
        assert!(packed.len() < 1000);
        assert!(gunzip(&packed, 99_999).is_err());
        assert!(gunzip(&packed, 100_000).is_ok());
    }

    #[test]
    fn an_encoding_of_the_future_is_an_error_on_the_message_only() {
        assert!(unpack(Bytes::from_static(b"x"), 77).1.is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_unpacking_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut damaged = pack(&bytes).to_vec();
            if let Some(byte) = damaged.get_mut(12) { *byte ^= 0x55; }
            unpack(bytes.into(), v2::Encoding::Gzip.into());
            unpack(damaged.into(), v2::Encoding::Gzip.into());
        }
    }
}
