//! Unpacking bodies. RocketMQ's own clients pack with zlib; what came packed over gRPC is gzip,
//! under the same flag.

use std::io::Read;

use bytes::Bytes;

use super::{PACKED, PACKING};
use crate::limits::MAX_BODY;

/// Largest body after unpacking: the packed size is all that servers bound.
const MAX_UNPACKED: usize = 4 * MAX_BODY;
const LZ4: i32 = 0x100;
const ZSTD: i32 = 0x200;
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];

/// The body as its sender wrote it, or as it is stored and why.
pub(super) fn unpack(body: Bytes, sys_flag: i32) -> (Bytes, Option<String>) {
    if sys_flag & PACKED == 0 {
        return (body, None);
    }
    let unpacked = match sys_flag & PACKING {
        LZ4 => Err("it is packed with LZ4, which is not supported".to_owned()),
        ZSTD => Err("it is packed with Zstandard, which is not supported".to_owned()),
        _ if body.starts_with(GZIP_MAGIC) => read(flate2::read::MultiGzDecoder::new(&body[..])),
        _ => read(flate2::read::ZlibDecoder::new(&body[..])),
    };
    match unpacked {
        Ok(unpacked) => (unpacked, None),
        Err(reason) => (body, Some(reason)),
    }
}

fn read(packed: impl Read) -> Result<Bytes, String> {
    let mut unpacked = Vec::new();
    packed
        .take(
            u64::try_from(MAX_UNPACKED)
                .unwrap_or(u64::MAX)
                .saturating_add(1),
        )
        .read_to_end(&mut unpacked)
        .map_err(|error| format!("it cannot be unpacked: {error}"))?;
    if unpacked.len() > MAX_UNPACKED {
        return Err(format!("it unpacks to more than {MAX_UNPACKED} bytes"));
    }
    Ok(unpacked.into())
}
