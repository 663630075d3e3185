//! What became of one transfer, in one line, out of two records: bank1's and the notifier's.

use notification::api::ResultView;
use notification::api::notifier::NotificationView;
use notification::{BusinessState, LetterState, NotificationState, Verdict, yuan};
use serde::Serialize;

use super::moment::{Now, span};
use crate::screen::Paint;

/// Who paid whom how much, as far as bank1 told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parties {
    /// The payer's name.
    pub from: String,
    /// The payee's name.
    pub to: String,
    /// How much.
    pub amount_fen: i64,
}

/// Both records joined.
#[derive(Debug, Clone, Serialize)]
pub struct Joined {
    /// bank1's side.
    pub result: ResultView,
    /// Absent for what bank1 has not committed.
    pub parties: Option<Parties>,
    /// The notifier's side; absent: not accepted yet, or nobody knows.
    pub notification: Option<NotificationView>,
    /// Why the notifier says nothing at all, if it does not.
    pub notifier_silent: Option<String>,
}

/// `5.00 张三 → 李四    DELIVERED 14:04:12    generation 0: …`.
pub fn text(joined: &Joined, now: &Now, paint: Paint) -> String {
    let what = match (&joined.parties, &joined.notification) {
        (Some(parties), _) => format!(
            "{} {} → {}",
            yuan(parties.amount_fen),
            parties.from,
            parties.to
        ),
        (None, Some(view)) => view.notification.business_key.clone(),
        (None, None) => format!("tx {}", joined.result.tx_no),
    };
    let mut parts = vec![what, state(joined, now, paint)];
    if let Some(view) = &joined.notification {
        parts.extend(
            (0..=view.notification.generation)
                .filter_map(|generation| history(view, generation, now)),
        );
    }
    parts.join("    ")
}

/// The state in capitals, with the moment that it came about.
fn state(joined: &Joined, now: &Now, paint: Paint) -> String {
    if let Some(view) = &joined.notification {
        let record = &view.notification;
        let at = now.clock(record.updated_ms);
        return match record.state {
            NotificationState::Delivered => format!("{} {at}", paint.good("DELIVERED")),
            NotificationState::Dead => format!("{} {at}", paint.bad("DEAD")),
            NotificationState::Skipped => format!("{} {at}", paint.notice("SKIPPED")),
            NotificationState::Cancelled => format!("{} {at}", paint.notice("CANCELLED")),
            NotificationState::Waiting => {
                let due = record.next_due_ms.map(|due| match due - now.ms {
                    ..=0 => ", the next attempt is due".to_owned(),
                    left => format!(", the next attempt in {}", span(left)),
                });
                format!("{}{}", paint.notice("WAITING"), due.unwrap_or_default())
            }
        };
    }
    let checked_by = joined.result.checked_by.as_ref();
    let checked = checked_by
        .map(|process| format!(" (check-back answered by {process})"))
        .unwrap_or_default();
    match joined.result.state {
        BusinessState::Committed => match &joined.notifier_silent {
            None => format!("{}{checked}", paint.notice("COMMITTED, not accepted yet")),
            Some(why) => format!(
                "{}{checked}: {why}",
                paint.notice("COMMITTED, the rest is not known")
            ),
        },
        BusinessState::RolledBack => {
            format!("{}{checked}, nothing is sent", paint.bad("ROLLED BACK"))
        }
        BusinessState::Reversed => paint.notice("REVERSED"),
        BusinessState::Unknown => {
            paint.notice("UNKNOWN: bank1 has no such transfer, or it has not ended yet")
        }
    }
}

/// `generation 0: 4 refused, DEAD 14:03:07`; nothing for a generation without attempts or letter.
fn history(view: &NotificationView, generation: u32, now: &Now) -> Option<String> {
    let attempts = || {
        view.attempts
            .iter()
            .filter(|attempt| attempt.generation == generation)
    };
    let tally = [
        (Verdict::Refused, "refused"),
        (Verdict::Rejected, "rejected"),
        (Verdict::Delivered, "ok"),
    ];
    let mut parts: Vec<String> = tally
        .into_iter()
        .map(|(verdict, word)| {
            (
                attempts()
                    .filter(|attempt| attempt.verdict == verdict)
                    .count(),
                word,
            )
        })
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    for letter in view
        .letters
        .iter()
        .filter(|letter| letter.generation == generation)
    {
        let note = if letter.state == LetterState::Discarded {
            " discarded"
        } else {
            ""
        };
        parts.push(format!("DEAD {}{note}", now.clock(letter.died_ms)));
    }
    (!parts.is_empty()).then(|| format!("generation {generation}: {}", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::moment::Zone;
    use crate::render::samples::{T0, dead, record, resent, tx_no};

    fn joined(state: BusinessState, notification: Option<NotificationView>) -> Joined {
        let parties = Parties {
            from: "张三".into(),
            to: "李四".into(),
            amount_fen: 500,
        };
        Joined {
            result: ResultView {
                tx_no: tx_no(),
                state,
                outcome: None,
                checked_by: None,
            },
            parties: (state == BusinessState::Committed).then_some(parties),
            notification,
            notifier_silent: None,
        }
    }

    fn now() -> Now {
        Now {
            ms: T0 + 100_000,
            zone: Zone::Utc,
        }
    }

    #[test]
    fn a_resent_one_tells_both_generations() {
        assert_eq!(
            text(
                &joined(BusinessState::Committed, Some(resent())),
                &now(),
                Paint::Plain
            ),
            "5.00 张三 → 李四    DELIVERED 14:04:12    generation 0: 4 refused, DEAD 14:03:13    generation 1: 1 ok"
        );
    }

    #[test]
    fn a_dead_one_and_a_waiting_one() {
        assert_eq!(
            text(
                &joined(BusinessState::Committed, Some(dead())),
                &now(),
                Paint::Plain
            ),
            "5.00 张三 → 李四    DEAD 14:03:13    generation 0: 4 refused, DEAD 14:03:13"
        );
        let mut waiting = dead();
        waiting.letters.clear();
        waiting.attempts.truncate(1);
        waiting.notification = record(NotificationState::Waiting, 0, 1);
        waiting.notification.next_due_ms = Some(now().ms + 900);
        assert_eq!(
            text(
                &joined(BusinessState::Committed, Some(waiting)),
                &now(),
                Paint::Plain
            ),
            "5.00 张三 → 李四    WAITING, the next attempt in 900 ms    generation 0: 1 refused"
        );
    }

    #[test]
    fn a_notifier_that_is_away_is_not_taken_for_one_that_has_not_accepted() {
        let silent = Joined {
            notifier_silent: Some("notifier at http://127.0.0.1:8190 does not answer".into()),
            ..joined(BusinessState::Committed, None)
        };
        assert_eq!(
            text(&silent, &now(), Paint::Plain),
            "5.00 张三 → 李四    COMMITTED, the rest is not known: notifier at http://127.0.0.1:8190 does not answer"
        );
    }

    #[test]
    fn without_a_record_bank1_alone_speaks() {
        assert_eq!(
            text(
                &joined(BusinessState::Committed, None),
                &now(),
                Paint::Plain
            ),
            "5.00 张三 → 李四    COMMITTED, not accepted yet"
        );
        assert_eq!(
            text(
                &joined(BusinessState::RolledBack, None),
                &now(),
                Paint::Plain
            ),
            "tx 0198f3c2-91d0-7aa3-8c02-77ab41e09f52    ROLLED BACK, nothing is sent"
        );
        assert!(
            text(&joined(BusinessState::Unknown, None), &now(), Paint::Plain).contains("UNKNOWN")
        );
    }
}
