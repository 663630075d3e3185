//! Random bytes and the ids that are made of them.

use ring::rand::{SecureRandom, SystemRandom};

/// Ten random bytes: what a UUIDv7 needs beside the time.
pub fn random10() -> [u8; 10] {
    random()
}

/// Random bytes from the operating system, fit for secrets.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system has random bytes");
    bytes
}

/// A fresh UUIDv7, lower-case and hyphenated, of the given time.
pub fn uuid7(now_ms: i64) -> String {
    let ms = u64::try_from(now_ms).unwrap_or(0);
    let uuid = uuid::Builder::from_unix_timestamp_millis(ms, &random10()).into_uuid();
    uuid.hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_their_time_and_never_repeat() {
        let (early, late) = (uuid7(1_700_000_000_000), uuid7(1_700_000_000_001));
        assert!(early < late);
        assert_eq!(early.len(), 36);
        assert_eq!(early.as_bytes()[14], b'7');
        assert_ne!(uuid7(5), uuid7(5));
    }
}
