//! `breaker` of an `[[endpoint]]`, and what of an endpoint bounds its lane.

use std::time::Duration;

use notification::Invalid;
use serde::{Deserialize, Serialize};

use super::EndpointConfig;
use crate::lane::LaneLimits;

/// `"off"`, or when an endpoint is left alone: see [`BreakerRule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelled", into = "Spelled")]
pub enum BreakerConfig {
    /// Every message is attempted when it is due, whatever became of the others.
    Off,
    /// The usual.
    On(BreakerRule),
}

/// When an endpoint is left alone, and how soon it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerRule {
    /// Refusals in a row after which no attempt is made; an attempt without an answer counts five.
    pub failures: u32,
    /// How long until the first probe.
    #[serde(with = "humantime_serde")]
    pub first: Duration,
    /// Each probe that fails doubles the wait for the next, up to this.
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
}

/// The configuration's two forms.
#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = r#""off", or { failures = 50, first = "1s", longest = "5m" }"#
)]
enum Spelled {
    Word(String),
    Rule(BreakerRule),
}

impl Default for BreakerRule {
    fn default() -> Self {
        Self {
            failures: 50,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(300),
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self::On(BreakerRule::default())
    }
}

impl TryFrom<Spelled> for BreakerConfig {
    type Error = Invalid;

    fn try_from(spelled: Spelled) -> Result<Self, Invalid> {
        match spelled {
            Spelled::Word(word) if word == "off" => Ok(Self::Off),
            Spelled::Word(word) => Err(Invalid::new(
                "breaker",
                word,
                r#""off", or a table of failures, first and longest"#,
            )),
            Spelled::Rule(rule) => rule.checked().map(Self::On),
        }
    }
}

impl From<BreakerConfig> for Spelled {
    fn from(config: BreakerConfig) -> Self {
        match config {
            BreakerConfig::Off => Self::Word("off".to_owned()),
            BreakerConfig::On(rule) => Self::Rule(rule),
        }
    }
}

impl BreakerRule {
    fn checked(self) -> Result<Self, Invalid> {
        if !(1..=100_000).contains(&self.failures) {
            return Err(Invalid::new(
                "breaker.failures",
                self.failures,
                "1 to 100000",
            ));
        }
        let text = |span| humantime::format_duration(span).to_string();
        let hour = Duration::from_secs(3600);
        if !(Duration::from_millis(100)..=hour).contains(&self.first) {
            return Err(Invalid::new(
                "breaker.first",
                text(self.first),
                "100ms to 1h",
            ));
        }
        if !(self.first..=hour).contains(&self.longest) {
            let limit = "from `first` to 1h";
            return Err(Invalid::new("breaker.longest", text(self.longest), limit));
        }
        Ok(self)
    }
}

impl EndpointConfig {
    /// The bounds of its lane.
    pub(crate) fn lane_limits(&self) -> LaneLimits {
        LaneLimits {
            queue: self.queue,
            concurrency: self.concurrency,
            rate: self.rate,
            breaker: match self.breaker {
                BreakerConfig::Off => None,
                BreakerConfig::On(rule) => Some(rule),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BreakerConfig, String> {
        #[derive(Deserialize)]
        struct File {
            breaker: BreakerConfig,
        }
        let file = toml::from_str::<File>(text);
        file.map(|file| file.breaker)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_are_read_and_what_is_left_out_is_the_usual() {
        assert_eq!(read(r#"breaker = "off""#), Ok(BreakerConfig::Off));
        assert_eq!(read("breaker = {}"), Ok(BreakerConfig::default()));
        let rule = BreakerRule {
            failures: 7,
            ..BreakerRule::default()
        };
        assert_eq!(
            read("breaker = { failures = 7 }"),
            Ok(BreakerConfig::On(rule))
        );
    }

    #[test]
    fn what_is_refused_is_told_its_field_and_limit() {
        for (text, said) in [
            (r#"breaker = "on""#, "table of failures, first and longest"),
            ("breaker = 5", "failures = 50"),
            ("breaker = { failures = 0 }", "1 to 100000"),
            (r#"breaker = { first = "1ms" }"#, "100ms to 1h"),
            (
                r#"breaker = { first = "2m", longest = "1m" }"#,
                "from `first` to 1h",
            ),
            (r#"breaker = { longest = "2h" }"#, "from `first` to 1h"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        for breaker in [BreakerConfig::Off, BreakerConfig::default()] {
            let json = serde_json::to_string(&breaker).unwrap();
            assert_eq!(
                serde_json::from_str::<BreakerConfig>(&json).unwrap(),
                breaker
            );
        }
    }
}
