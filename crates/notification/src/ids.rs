//! Names as types, each with its alphabet and length, so that a topic is never taken for a group.
//!
//! The lengths are those of the columns that hold them: SQLite ignores `VARCHAR(n)` and MariaDB
//! pads, so the check happens here and nowhere else.

use crate::Invalid;

/// Declares a newtype over a string that its check has passed.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $field:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes a text if it fits.
            pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
                let text = text.into();
                let check: fn(&str) -> Result<(), String> = $check;
                match check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(limit) => Err(Invalid::new($field, text, limit)),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Invalid;
            fn try_from(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "minLength": 1 })
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

checked_text!(
    /// The initiator's name, unique over all initiators: `bank1`.
    Source, "source", plain_name
);
checked_text!(
    /// A consumer group, which is the name of a subscription: `bank2`.
    Group, "group", plain_name
);
checked_text!(
    /// The id under which an endpoint is configured.
    EndpointId, "endpoint", plain_name
);
checked_text!(
    /// The name of whoever has a token of the notifier's API.
    TokenName, "name", plain_name
);
checked_text!(
    /// What happened, in the initiator's words: `transfer`. It is the message's tag.
    EventType, "event_type", plain_name
);
checked_text!(
    /// A RocketMQ topic, in the broker's own alphabet (which has no dot) and length.
    Topic, "topic", |text| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'%' | b'|');
        within(text, 127, "letters, digits, _ - % |", |text| text.bytes().all(fits))
    }
);
checked_text!(
    /// What a person searches for: `transfer 10.00`.
    BusinessKey, "business_key", |text| {
        within(text, 128, "without control characters", |text| !text.chars().any(char::is_control))
    }
);
checked_text!(
    /// The media type of the body: `application/json`.
    ContentType, "content_type", |text| {
        within(text, 128, "a media type such as application/json", |text| {
            let mut halves = text.splitn(2, '/');
            text.bytes().all(|b| (b' '..=b'~').contains(&b))
                && halves.next().is_some_and(|kind| !kind.trim().is_empty())
                && halves.next().is_some_and(|rest| !rest.trim().is_empty())
        })
    }
);
checked_text!(
    /// The random id that an initiator keeps in its database: two databases never share one.
    InitiatorId, "initiator_id", |text| {
        let uuid = uuid::Uuid::try_parse(text).is_ok_and(|id| id.hyphenated().to_string() == text);
        uuid.then_some(()).ok_or_else(|| "a lower-case hyphenated UUID".to_owned())
    }
);

/// The alphabet of most names: `[A-Za-z0-9._-]`, 1 to 64. Not `.` and `..`: names stand in paths.
fn plain_name(text: &str) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    within(text, 64, "letters, digits, . _ -, not . or ..", |text| {
        text.bytes().all(fits) && !matches!(text, "." | "..")
    })
}

/// 1 to `most` characters that pass `fits`; `what` describes them.
fn within(text: &str, most: usize, what: &str, fits: impl Fn(&str) -> bool) -> Result<(), String> {
    let length = text.chars().count();
    if (1..=most).contains(&length) && fits(text) {
        Ok(())
    } else {
        Err(format!("1 to {most} characters, {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_alphabet_and_length() {
        for good in ["bank1", "a", "A.b_c-9", &"x".repeat(64), "-"] {
            assert!(Source::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "bank 1",
            "银行",
            "a/b",
            "a\n",
            ".",
            "..",
            &"x".repeat(65),
        ] {
            let error = Source::new(bad).unwrap_err();
            assert_eq!(error.field, "source");
            assert!(error.limit.contains("1 to 64"), "{error}");
        }
    }

    #[test]
    fn a_topic_has_the_brokers_alphabet() {
        assert!(Topic::new("topic_txmsg").is_ok());
        assert!(Topic::new("%DLQ%bank2").is_ok());
        assert!(Topic::new("t".repeat(127)).is_ok());
        assert!(Topic::new("t".repeat(128)).is_err());
        assert!(Topic::new("a.b").is_err());
    }

    #[test]
    fn a_business_key_counts_characters_and_refuses_control() {
        assert!(BusinessKey::new("张".repeat(128)).is_ok());
        assert!(BusinessKey::new("张".repeat(129)).is_err());
        assert!(BusinessKey::new("transfer\u{1}10").is_err());
        assert!(BusinessKey::new("").is_err());
    }

    #[test]
    fn a_content_type_has_two_halves_of_ascii() {
        assert!(ContentType::new("application/json; charset=utf-8").is_ok());
        for bad in ["json", "/json", "text/", "text/\r\nx: y", "文/本"] {
            assert!(ContentType::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn json_is_a_string_and_is_checked() {
        let source: Source = serde_json::from_str("\"bank1\"").unwrap();
        assert_eq!(serde_json::to_string(&source).unwrap(), "\"bank1\"");
        let error = serde_json::from_str::<Source>("\"a b\"").unwrap_err();
        assert!(error.to_string().contains("1 to 64"), "{error}");
    }

    #[test]
    fn an_initiator_id_is_a_canonical_uuid() {
        assert!(InitiatorId::new("0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11").is_ok());
        assert!(InitiatorId::new("0198F3C2-7A41-7C10-9B1E-5D3F0A6C2E11").is_err());
        assert!(InitiatorId::new("0198f3c27a417c109b1e5d3f0a6c2e11").is_err());
    }
}
