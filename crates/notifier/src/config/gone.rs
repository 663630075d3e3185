//! When an endpoint is disabled because it says that it is gone.
//!
//! A single 410 rejects its message. Several over minutes, and nothing delivered in between, mean
//! the receiver as a whole: what is sent there from then on would all die. Spelled `"off"`, or
//! `{ count = 3, over = "1m", within = "10m" }`.

use std::time::Duration;

use notification::Invalid;
use serde::{Deserialize, Serialize};

const FIELD: &str = "disable_when_gone";

/// The rule; `None` inside: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelled", into = "Spelled")]
pub struct GoneRule(Option<Several>);

/// How many, over how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Several {
    /// So many answers of 410 at least.
    #[serde(default = "default_count")]
    pub count: u32,
    /// The first and the last of them at least this far apart.
    #[serde(default = "default_over", with = "humantime_serde")]
    pub over: Duration,
    /// All of them, and nothing delivered since the first, within this.
    #[serde(default = "default_within", with = "humantime_serde")]
    pub within: Duration,
}

const fn default_count() -> u32 {
    3
}

const fn default_over() -> Duration {
    Duration::from_secs(60)
}

const fn default_within() -> Duration {
    Duration::from_secs(10 * 60)
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = r#""off", or { count = 3, over = "1m", within = "10m" }"#
)]
enum Spelled {
    Word(String),
    Several(Several),
}

impl GoneRule {
    /// `None`: no answer disables the endpoint.
    pub(crate) fn several(self) -> Option<Several> {
        self.0
    }
}

impl Default for GoneRule {
    fn default() -> Self {
        Self(Some(Several {
            count: default_count(),
            over: default_over(),
            within: default_within(),
        }))
    }
}

impl TryFrom<Spelled> for GoneRule {
    type Error = Invalid;

    fn try_from(spelled: Spelled) -> Result<Self, Invalid> {
        let several = match spelled {
            Spelled::Word(word) if word == "off" => return Ok(Self(None)),
            Spelled::Word(word) => {
                let limit = r#""off", or { count = 3, over = "1m", within = "10m" }"#;
                return Err(Invalid::new(FIELD, word, limit));
            }
            Spelled::Several(several) => several,
        };
        let text = |span| humantime::format_duration(span).to_string();
        if !(2..=1000).contains(&several.count) {
            let limit = "2 to 1000: a single 410 rejects its message only";
            return Err(Invalid::new(format!("{FIELD}.count"), several.count, limit));
        }
        if several.within > Duration::from_secs(7 * 86_400) || several.within.is_zero() {
            let field = format!("{FIELD}.within");
            return Err(Invalid::new(field, text(several.within), "1s to 7d"));
        }
        if several.over > several.within {
            let limit = format!("at most `within`, {}", text(several.within));
            return Err(Invalid::new(
                format!("{FIELD}.over"),
                text(several.over),
                limit,
            ));
        }
        Ok(Self(Some(several)))
    }
}

impl From<GoneRule> for Spelled {
    fn from(rule: GoneRule) -> Self {
        match rule.0 {
            None => Self::Word("off".to_owned()),
            Some(several) => Self::Several(several),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rule(value: Value) -> Result<GoneRule, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn it_is_spelled_as_a_word_or_with_its_numbers() {
        assert_eq!(rule(json!("off")).unwrap().several(), None);
        let several = rule(json!({"count": 5})).unwrap().several().unwrap();
        assert_eq!((several.count, several.within), (5, default_within()));
        let back = serde_json::to_value(GoneRule::default()).unwrap();
        assert_eq!(rule(back).unwrap(), GoneRule::default());
    }

    #[test]
    fn one_answer_is_not_several_and_a_span_is_longer_than_its_part() {
        for bad in [
            json!("on"),
            json!({"count": 1}),
            json!({"within": "8d"}),
            json!({"over": "11m"}),
            json!({"often": 3}),
        ] {
            assert!(rule(bad.clone()).is_err(), "{bad}");
        }
    }
}
