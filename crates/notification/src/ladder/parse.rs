//! Reading a ladder from text.

use std::time::Duration;

use super::{FIELD, LONGEST_RUNG, Ladder, MAX_RUNGS, PRESETS, presets};
use crate::Invalid;

/// The words that may follow the rungs, each once and in any order.
const MAX: &str = " max ";
const JITTER: &str = " jitter ";

/// Reads rungs, then an optional ` max <age>` and an optional ` jitter <share>`.
pub(super) fn ladder(text: &str) -> Result<Ladder, Invalid> {
    let mut rungs = text.trim();
    let (mut max_age, mut jitter) = (None, None);
    while let Some((before, word, value)) = last_clause(rungs) {
        let twice = match word {
            MAX => max_age.replace(delay(value)?).is_some(),
            _ => jitter.replace(share(value)?).is_some(),
        };
        if twice {
            let limit = format!("one{word}clause").replace("  ", " ");
            return Err(Invalid::new(FIELD, text, limit));
        }
        rungs = before;
    }
    let mut ladder = Ladder::from_delays(delays(rungs)?)?;
    if let Some(age) = max_age {
        ladder = ladder.with_max_age(age)?;
    }
    match jitter {
        Some(share) => ladder.with_jitter(share),
        None => Ok(ladder),
    }
}

/// What stands before the last of the words, the word, and what stands behind it.
fn last_clause(text: &str) -> Option<(&str, &'static str, &str)> {
    let found = [MAX, JITTER].into_iter();
    let found = found.filter_map(|word| text.rfind(word).map(|at| (at, word)));
    let (at, word) = found.max()?;
    Some((text[..at].trim_end(), word, text[at + word.len()..].trim()))
}

fn share(text: &str) -> Result<f64, Invalid> {
    let share = text.parse().ok().filter(|share: &f64| share.is_finite());
    share.ok_or_else(|| Invalid::new(FIELD, text, "jitter as a share, from 0.001 to 1"))
}

fn delays(text: &str) -> Result<Vec<Duration>, Invalid> {
    if let Some(arguments) = call(text, "fixed")? {
        return fixed(text, &arguments);
    }
    if let Some(arguments) = call(text, "exponential")? {
        return exponential(text, &arguments);
    }
    if let Some(rungs) = presets::find(text) {
        return list(rungs);
    }
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) || text.is_empty() {
        let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
        let limit = format!(
            "one of {}, a list such as 1s,2s,3s, fixed(10s, 5) or exponential(1s, 2, 1h, 10)",
            names.join(" ")
        );
        return Err(Invalid::new(FIELD, text, limit));
    }
    list(text)
}

/// Delays with blanks or commas between them.
fn list(text: &str) -> Result<Vec<Duration>, Invalid> {
    text.split([',', ' '])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(delay)
        .collect()
}

/// One delay: a number and a unit.
pub(super) fn delay(text: &str) -> Result<Duration, Invalid> {
    humantime::parse_duration(text.trim())
        .map_err(|_| Invalid::new(FIELD, text, "a delay such as 500ms, 10s, 1m30s, 2h or 1d"))
}

/// The arguments, if the text is a call of this name.
fn call<'a>(text: &'a str, name: &str) -> Result<Option<Vec<&'a str>>, Invalid> {
    let Some(rest) = text.strip_prefix(name) else {
        return Ok(None);
    };
    let inside = rest.trim_start().strip_prefix('(');
    match inside.and_then(|rest| rest.strip_suffix(')')) {
        Some(inside) => Ok(Some(inside.split(',').map(str::trim).collect())),
        None => Err(Invalid::new(
            FIELD,
            text,
            format!("{name}(…) with its arguments"),
        )),
    }
}

fn fixed(text: &str, arguments: &[&str]) -> Result<Vec<Duration>, Invalid> {
    let [interval, n] = arguments else {
        return Err(Invalid::new(FIELD, text, "fixed(interval, rungs)"));
    };
    Ok(vec![delay(interval)?; count(n)?])
}

fn exponential(text: &str, arguments: &[&str]) -> Result<Vec<Duration>, Invalid> {
    let [first, factor, cap, n] = arguments else {
        let limit = "exponential(first, factor, cap, rungs)";
        return Err(Invalid::new(FIELD, text, limit));
    };
    let (first, cap) = (delay(first)?, delay(cap)?);
    if cap < first || cap > LONGEST_RUNG {
        let limit = "a cap from the first rung to 30d";
        return Err(Invalid::new(FIELD, text, limit));
    }
    let growth: f64 = match factor.parse() {
        Ok(growth) if (1.0..=1000.0).contains(&growth) => growth,
        _ => return Err(Invalid::new(FIELD, factor, "a factor from 1 to 1000")),
    };
    let next = |rung: &Duration| Some(cap.min(rung.mul_f64(growth)));
    let rungs = std::iter::successors(Some(first), next);
    Ok(rungs.take(count(n)?).collect())
}

/// A number of rungs, checked before anything of that size is made.
fn count(text: &str) -> Result<usize, Invalid> {
    match text.parse() {
        Ok(n) if (1..=MAX_RUNGS).contains(&n) => Ok(n),
        _ => Err(Invalid::new(FIELD, text, format!("1 to {MAX_RUNGS} rungs"))),
    }
}
