//! A ladder as its attempts.

use std::time::Duration;

use notification::Ladder;
use serde_json::{Value, json};

use super::{columns, count, moment};

/// One attempt of a ladder, at its earliest.
struct Step {
    number: u64,
    rung: Option<Duration>,
    offset: Duration,
}

/// The attempts that are made if each is refused at once: all, or those before the maximum age.
fn steps(ladder: &Ladder) -> Vec<Step> {
    let mut steps = vec![Step {
        number: 1,
        rung: None,
        offset: Duration::ZERO,
    }];
    let mut offset = Duration::ZERO;
    for (number, rung) in (2..).zip(ladder.rungs()) {
        offset += *rung;
        if ladder.max_age().is_some_and(|age| offset > age) {
            break;
        }
        steps.push(Step {
            number,
            rung: Some(*rung),
            offset,
        });
    }
    steps
}

/// A table of the attempts, and what comes after the last.
pub fn shown(ladder: &Ladder) -> String {
    let steps = steps(ladder);
    let header = ["attempt", "after", "since the first"].map(str::to_owned);
    let rows = steps.iter().map(|step| {
        let rung = step.rung.map_or("-".to_owned(), span);
        [step.number.to_string(), rung, span(step.offset)]
    });
    let table = columns(std::iter::once(header).chain(rows).collect());
    let attempts = count(steps.len() as u64, "attempt");
    let total = steps.last().map_or(Duration::ZERO, |step| step.offset);
    let mut text = format!(
        "{table}\nthen the dead-letter queue: {attempts}, {} at the earliest",
        span(total)
    );
    if let Some(age) = ladder.max_age() {
        text += &format!("\nmaximum age {}: no attempt beyond it", span(age));
        let left_out = ladder.attempts() as usize - steps.len();
        if left_out > 0 {
            text += &format!(", which leaves {} out", count(left_out as u64, "attempt"));
        }
    }
    if ladder.jitter() > 0.0 {
        text += &format!(
            "\njitter {}: each rung up to that share longer, never shorter",
            ladder.jitter()
        );
    }
    text
}

/// The ladders that have a name: a line each.
pub fn listed(named: &[(&str, Ladder)]) -> String {
    let header = ["name", "attempts", "in all", "rungs"].map(str::to_owned);
    let rows = named.iter().map(|(name, ladder)| {
        let total: Duration = ladder.rungs().iter().sum();
        [
            (*name).to_owned(),
            ladder.attempts().to_string(),
            span(total),
            ladder.to_string(),
        ]
    });
    columns(std::iter::once(header).chain(rows).collect())
}

/// The same for a program; spans in milliseconds.
pub fn json(ladder: &Ladder) -> Value {
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let attempts = steps(ladder).into_iter().map(|step| {
        json!({ "number": step.number, "rung_ms": step.rung.map(ms), "offset_ms": ms(step.offset) })
    });
    let attempts: Vec<Value> = attempts.collect();
    json!({
        "ladder": ladder.to_string(),
        "attempts": attempts,
        "max_age_ms": ladder.max_age().map(ms),
        "jitter": ladder.jitter(),
    })
}

fn span(span: Duration) -> String {
    moment::span(service::clock::millis(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_is_shown_with_its_offset() {
        let ladder = "10s 1m 1h jitter 0.1".parse().unwrap();
        assert_eq!(
            shown(&ladder),
            "\
attempt  after  since the first
1        -      0 ms
2        10 s   10 s
3        1 min  1 min 10 s
4        1 h    1 h 1 min
then the dead-letter queue: 4 attempts, 1 h 1 min at the earliest
jitter 0.1: each rung up to that share longer, never shorter"
        );
    }

    #[test]
    fn the_maximum_age_leaves_attempts_out_and_says_so() {
        let text = shown(&"10s 1m 1h max 30m".parse().unwrap());
        assert!(
            text.contains("then the dead-letter queue: 3 attempts, 1 min 10 s"),
            "{text}"
        );
        assert!(
            text.ends_with("maximum age 30 min: no attempt beyond it, which leaves 1 attempt out"),
            "{text}"
        );
        let json = json(&"10s 1m 1h max 30m".parse().unwrap());
        assert_eq!(json["attempts"].as_array().unwrap().len(), 3);
        assert_eq!(json["attempts"][2]["offset_ms"], 70_000);
        assert_eq!(json["max_age_ms"], 1_800_000);
    }

    #[test]
    fn rocketmqs_sixteen_levels_are_seventeen_attempts() {
        let text = shown(&Ladder::default());
        assert_eq!(text.lines().count(), 1 + 17 + 1);
        assert!(text.contains("17 attempts, 4 h 45 min"), "{text}");
    }

    #[test]
    fn names_are_listed_with_what_they_give() {
        let text = listed(&[("widening", "widening".parse().unwrap())]);
        let line = text.lines().nth(1).unwrap();
        assert_eq!(
            line,
            "widening  9         18 h 46 min  1m 5m 10m 30m 1h 2h 5h 10h"
        );
    }
}
