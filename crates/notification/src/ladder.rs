//! The delays between attempts.
//!
//! A ladder of n rungs gives 1 + n attempts. It is written as a preset's name (`rocketmq`), as a
//! list (`1s,2s,3s` or `10s 30s 1m`), as `fixed(10s, 5)` or as `exponential(1s, 2, 1h, 10)`; any of
//! them may end in a maximum age, as in `stripe max 2d`. See [`PRESETS`] and the limits.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Invalid;

mod parse;
mod presets;

pub use presets::PRESETS;

/// The most rungs.
pub const MAX_RUNGS: usize = 100;
/// The longest rung.
pub const LONGEST_RUNG: Duration = Duration::from_secs(30 * 86_400);
/// The shortest rung.
pub const SHORTEST_RUNG: Duration = Duration::from_millis(1);
/// The longest maximum age.
pub const LONGEST_AGE: Duration = Duration::from_secs(365 * 86_400);

/// The field that errors name.
const FIELD: &str = "ladder";

/// 1 to [`MAX_RUNGS`] delays, and perhaps an age beyond which no attempt is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelled", into = "String")]
pub struct Ladder {
    rungs: Vec<Duration>,
    max_age: Option<Duration>,
}

/// A ladder as configuration spells it: one text or a list of delays.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = r#"a text such as "rocketmq" or "1s,2s,3s", or a list of delays"#
)]
enum Spelled {
    Text(String),
    List(Vec<String>),
}

impl Ladder {
    /// Takes delays, first rung first.
    pub fn from_delays(rungs: Vec<Duration>) -> Result<Self, Invalid> {
        if !(1..=MAX_RUNGS).contains(&rungs.len()) {
            let limit = format!("1 to {MAX_RUNGS} rungs");
            return Err(Invalid::new(FIELD, format!("{} rungs", rungs.len()), limit));
        }
        for rung in &rungs {
            if !(SHORTEST_RUNG..=LONGEST_RUNG).contains(rung) {
                let limit = "each rung from 1ms to 30d";
                return Err(Invalid::new(
                    FIELD,
                    humantime::format_duration(*rung),
                    limit,
                ));
            }
        }
        Ok(Self {
            rungs,
            max_age: None,
        })
    }

    /// The same rungs, ended at an age.
    pub fn with_max_age(mut self, max_age: Duration) -> Result<Self, Invalid> {
        if !(SHORTEST_RUNG..=LONGEST_AGE).contains(&max_age) {
            let value = humantime::format_duration(max_age);
            return Err(Invalid::new(FIELD, value, "a maximum age from 1ms to 365d"));
        }
        self.max_age = Some(max_age);
        Ok(self)
    }

    /// The delays, first rung first; never empty.
    pub fn rungs(&self) -> &[Duration] {
        &self.rungs
    }

    /// The delay after the attempt with this number (1 is the first), if a rung is left.
    pub fn rung(&self, after_attempt: u32) -> Option<Duration> {
        let index = usize::try_from(after_attempt.checked_sub(1)?).ok()?;
        self.rungs.get(index).copied()
    }

    /// The age, counted from first sight, beyond which no attempt is made.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// How many attempts it gives at most: one more than rungs.
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.rungs.len()).map_or(u32::MAX, |rungs| rungs + 1)
    }

    /// The delays in milliseconds, as the notifier's API shows them.
    pub fn rungs_ms(&self) -> Vec<u64> {
        let ms = |rung: &Duration| u64::try_from(rung.as_millis()).unwrap_or(u64::MAX);
        self.rungs.iter().map(ms).collect()
    }
}

impl Default for Ladder {
    /// RocketMQ's sixteen levels.
    fn default() -> Self {
        Self {
            rungs: presets::rocketmq(),
            max_age: None,
        }
    }
}

impl FromStr for Ladder {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse::ladder(text)
    }
}

impl TryFrom<Spelled> for Ladder {
    type Error = Invalid;

    fn try_from(spelled: Spelled) -> Result<Self, Invalid> {
        match spelled {
            Spelled::Text(text) => text.parse(),
            Spelled::List(delays) => {
                let rungs = delays.iter().map(|delay| parse::delay(delay));
                Self::from_delays(rungs.collect::<Result<_, _>>()?)
            }
        }
    }
}

impl From<Ladder> for String {
    fn from(ladder: Ladder) -> String {
        ladder.to_string()
    }
}

impl fmt::Display for Ladder {
    /// `10s 30s 1m`, and ` max 7d` if it has a maximum age; reads back as the same ladder.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rung) in self.rungs.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write_span(f, *rung)?;
        }
        if let Some(max_age) = self.max_age {
            f.write_str(" max ")?;
            write_span(f, max_age)?;
        }
        Ok(())
    }
}

/// A span without blanks: `1m30s`, `1d`.
fn write_span(f: &mut fmt::Formatter<'_>, span: Duration) -> fmt::Result {
    let mut rest = span.as_nanos();
    for (unit, size) in [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ] {
        if rest >= size {
            write!(f, "{}{unit}", rest / size)?;
            rest %= size;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
