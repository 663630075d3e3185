//! One attempt as a line: what was answered, and what comes next.

use notification::Verdict;
use notification::api::notifier::{Attempt, NotificationView};

use super::moment::span;

/// The most characters of an answer's body that a line repeats.
const LONGEST_QUOTE: usize = 80;

/// `attempt 1 → 500 "bank2 is broken"   retry 1/3 in 1 s`.
pub fn line(view: &NotificationView, attempt: &Attempt) -> String {
    let generation = match attempt.generation {
        0 => String::new(),
        generation => format!(" (generation {generation})"),
    };
    format!(
        "attempt {}{generation} → {}{}",
        attempt.number,
        answer(attempt),
        consequence(view, attempt)
    )
}

/// `200 in 3 ms`, `500 "bank2 is broken"`, `no answer (connect)`.
pub fn answer(attempt: &Attempt) -> String {
    match (attempt.verdict, attempt.status) {
        (Verdict::Delivered, Some(status)) => format!("{status} in {}", span(ms(attempt.took_ms))),
        (_, Some(status)) => match (attempt.error, quote(attempt.excerpt.as_deref())) {
            (Some(error), Some(quote)) => format!("{status} {quote} ({})", words(error.as_str())),
            (Some(error), None) => format!("{status} ({})", words(error.as_str())),
            (None, Some(quote)) => format!("{status} {quote}"),
            (None, None) => status.to_string(),
        },
        (_, None) => {
            let error = attempt.error.map_or("unknown", |error| error.as_str());
            format!(
                "no answer ({}) after {}",
                words(error),
                span(ms(attempt.took_ms))
            )
        }
    }
}

/// What follows from it: the next rung, or the end.
fn consequence(view: &NotificationView, attempt: &Attempt) -> String {
    let finished = attempt.started_ms.saturating_add(ms(attempt.took_ms));
    match (attempt.verdict, attempt.next_due_ms) {
        (Verdict::Delivered, _) => String::new(),
        (Verdict::Rejected, _) => "   rejected for good".to_owned(),
        (Verdict::Refused, Some(due)) => {
            let rungs = view.ladder_ms.len();
            format!(
                "   retry {}/{rungs} in {}",
                attempt.number,
                span(due - finished)
            )
        }
        (Verdict::Refused, None) => "   ladder used up".to_owned(),
    }
}

/// The answer's own words in quotation marks: of a problem document its detail, of anything else the beginning.
fn quote(excerpt: Option<&str>) -> Option<String> {
    let text = excerpt?.trim();
    let told = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|json| {
            ["detail", "title"]
                .iter()
                .find_map(|key| json.get(key)?.as_str().map(ToOwned::to_owned))
        });
    let whole = told.unwrap_or_else(|| text.to_owned());
    // A receiver's words go to a terminal: nothing in them may move its cursor.
    let shown: String = whole
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_QUOTE)
        .collect();
    let cut = if whole.chars().count() > LONGEST_QUOTE {
        "…"
    } else {
        ""
    };
    (!shown.is_empty()).then(|| format!("\"{shown}{cut}\""))
}

/// `ladder_used_up` as a person says it.
pub fn words(word: &str) -> String {
    word.replace('_', " ")
}

fn ms(span: u64) -> i64 {
    i64::try_from(span).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use notification::AttemptError;

    use super::*;
    use crate::render::samples::{T0, attempt, dead, resent};

    #[test]
    fn each_refusal_says_which_rung_comes_next() {
        let view = dead();
        let lines: Vec<String> = view
            .attempts
            .iter()
            .map(|attempt| line(&view, attempt))
            .collect();
        assert_eq!(
            lines,
            [
                "attempt 1 → 500 \"bank2 is broken\"   retry 1/3 in 1 s",
                "attempt 2 → 500 \"bank2 is broken\"   retry 2/3 in 2 s",
                "attempt 3 → 500 \"bank2 is broken\"   retry 3/3 in 3 s",
                "attempt 4 → 500 \"bank2 is broken\"   ladder used up",
            ]
        );
    }

    #[test]
    fn a_later_generation_says_so() {
        let view = resent();
        assert_eq!(
            line(&view, &view.attempts[4]),
            "attempt 1 (generation 1) → 200 in 3 ms"
        );
    }

    #[test]
    fn a_rejection_is_for_good() {
        let rejected = attempt(0, 1, 422, "{\"detail\":\"no such account\"}", T0);
        assert_eq!(
            line(&dead(), &rejected),
            "attempt 1 → 422 \"no such account\"   rejected for good"
        );
    }

    #[test]
    fn no_answer_says_why_and_after_how_long() {
        let mut silent = attempt(0, 1, 500, "", T0);
        (silent.status, silent.error, silent.took_ms) = (None, Some(AttemptError::Timeout), 10_000);
        assert_eq!(answer(&silent), "no answer (timeout) after 10 s");
    }

    #[test]
    fn what_a_receiver_says_can_not_move_the_cursor() {
        let nasty = attempt(0, 1, 500, "\u{1b}[2Jgone\r\n", T0);
        assert_eq!(answer(&nasty), "500 \"[2Jgone\"");
    }
}
