//! The business transaction number: a UUIDv7, so that it sorts by the time it was made.

use std::fmt;
use std::str::FromStr;

use ring::digest;
use uuid::Uuid;

use crate::Invalid;

/// A notification's number, unique per initiator. It is the message's key and the `webhook-id`.
///
/// One spelling only, lower-case and hyphenated, since it is compared as text in three databases,
/// the broker's key index and the receiver.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct TxNo(Uuid);

impl TxNo {
    /// Makes a number from a time and 74 random bits (the rest of the ten bytes is overwritten by
    /// the version and variant).
    pub fn from_parts(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
    }

    /// The number of a message that came without a usable one: always the same for the same
    /// message, so that two copies of it meet in one record. `unix_ms` must come from the message.
    pub fn derived(unix_ms: u64, message_id: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, message_id.as_bytes());
        let mut random = [0; 10];
        random.copy_from_slice(&hash.as_ref()[..10]);
        Self::from_parts(unix_ms, random)
    }

    /// The time it was made, in milliseconds since 1970.
    pub fn unix_ms(&self) -> u64 {
        let (high, _) = self.0.as_u64_pair();
        high >> 16
    }

    /// Its last eight bytes: random but for two bits, and never all zero.
    pub fn tail(&self) -> [u8; 8] {
        let (_, low) = self.0.as_u64_pair();
        low.to_be_bytes()
    }

    /// The characters in reverse order, so that an index finds a number by its ending.
    pub fn reversed(&self) -> String {
        self.to_string().chars().rev().collect()
    }
}

impl fmt::Display for TxNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = Uuid::encode_buffer();
        f.pad(self.0.hyphenated().encode_lower(&mut buffer))
    }
}

impl FromStr for TxNo {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || {
            Invalid::new(
                "tx_no",
                text,
                "a lower-case hyphenated UUIDv7 (36 characters)",
            )
        };
        let uuid = Uuid::try_parse(text).map_err(|_| refused())?;
        let tx_no = Self(uuid);
        let rfc = uuid.get_variant() == uuid::Variant::RFC4122;
        if uuid.get_version_num() == 7 && rfc && tx_no.to_string() == text {
            Ok(tx_no)
        } else {
            Err(refused())
        }
    }
}

impl TryFrom<String> for TxNo {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl schemars::JsonSchema for TxNo {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TxNo".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "uuid",
            "description": "A lower-case hyphenated UUIDv7.",
        })
    }
}

impl From<TxNo> for String {
    fn from(tx_no: TxNo) -> String {
        tx_no.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11";

    #[test]
    fn only_the_canonical_spelling_of_version_7_is_taken() {
        assert_eq!(GOOD.parse::<TxNo>().unwrap().to_string(), GOOD);
        for bad in [
            "",
            "9f52",
            "0198F3C2-7A41-7C10-9B1E-5D3F0A6C2E11",
            "0198f3c27a417c109b1e5d3f0a6c2e11",
            "{0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11}",
            "0198f3c2-7a41-4c10-9b1e-5d3f0a6c2e11",
            "0198f3c2-7a41-7c10-cb1e-5d3f0a6c2e11",
        ] {
            assert!(bad.parse::<TxNo>().is_err(), "{bad}");
        }
    }

    #[test]
    fn it_carries_its_time_and_sorts_by_it() {
        let early = TxNo::from_parts(1_700_000_000_000, [0xff; 10]);
        let late = TxNo::from_parts(1_700_000_000_001, [0; 10]);
        assert_eq!(early.unix_ms(), 1_700_000_000_000);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse::<TxNo>().unwrap(), early);
    }

    #[test]
    fn reversed_text_starts_with_the_ending() {
        let tx_no: TxNo = GOOD.parse().unwrap();
        assert!(tx_no.reversed().starts_with("11e2c6"));
    }

    #[test]
    fn a_derived_number_is_stable_and_valid() {
        let one = TxNo::derived(5, "01ABC");
        assert_eq!(one, TxNo::derived(5, "01ABC"));
        assert_ne!(one, TxNo::derived(5, "01ABD"));
        assert_eq!(one.to_string().parse::<TxNo>().unwrap(), one);
    }
}
