//! The delays between attempts.
//!
//! A ladder of n rungs gives 1 + n attempts. It is written as a preset's name (`rocketmq`), as a
//! list (`1s,2s,3s` or `10s 30s 1m`), as `fixed(interval, rungs)` or as
//! `exponential(first, factor, cap, rungs)`. Any of them may be followed by a maximum age and by
//! jitter, as in `exponential(10s, 2, 1h, 20) max 2d jitter 0.1`. See [`PRESETS`] and the limits.
//!
//! Jitter lengthens each rung at random by up to its share, so that what was refused at one moment
//! does not come back at one moment; it never shortens one. Without the word there is none.

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
    /// The share of a rung by which it may be lengthened, in thousandths.
    jitter: u16,
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
            jitter: 0,
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

    /// The same rungs, each lengthened at random by up to this share of it, from 0.001 to 1.
    pub fn with_jitter(mut self, share: f64) -> Result<Self, Invalid> {
        let thousandths = (share * 1000.0).round();
        if !(1.0..=1000.0).contains(&thousandths) {
            return Err(Invalid::new(FIELD, share, "jitter from 0.001 to 1"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within its range"
        )]
        let thousandths = thousandths as u16;
        self.jitter = thousandths;
        Ok(self)
    }

    /// The share by which a rung may be lengthened; 0 without jitter.
    pub fn jitter(&self) -> f64 {
        f64::from(self.jitter) / 1000.0
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

    /// The same, lengthened by its jitter. `dice`, from 0 to 1, says by how much of it.
    pub fn rung_with_jitter(&self, after_attempt: u32, dice: f64) -> Option<Duration> {
        let rung = self.rung(after_attempt)?;
        let dice = if dice.is_nan() {
            0.0
        } else {
            dice.clamp(0.0, 1.0)
        };
        Some(rung + rung.mul_f64(self.jitter() * dice))
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
            jitter: 0,
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
    /// `10s 30s 1m`, then ` max 7d` and ` jitter 0.1` if it has them; reads back as the same ladder.
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
        if self.jitter > 0 {
            write!(f, " jitter {}", self.jitter())?;
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
