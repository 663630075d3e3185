//! What an attempt means, and what it leads to: pure, from values to a value.
//!
//! The endpoint's rule turns the answer into a verdict, the ladder turns the verdict into what
//! happens next. Each attempt uses one rung, by its number on record; `Retry-After` can lengthen
//! the rung, never shorten it.

use std::time::Duration;

use notification::{
    Acceptance, AttemptError, Circumstances, Ladder, Settlement, Verdict, settlement_in, verdict,
};

use crate::breaker::Health;
use crate::lane::Heard;
use crate::record::entry::Then;
use crate::ring::Rung;

/// An attempt, judged.
#[derive(Debug, Clone)]
pub(crate) struct Judgement {
    pub verdict: Verdict,
    /// The failure's word, for the attempt's row.
    pub error: Option<AttemptError>,
    /// The failure in a few words, for `last_error`.
    pub detail: Option<String>,
    pub then: Then,
    /// What it says about the endpoint.
    pub heard: Heard,
}

/// The statuses whose `Retry-After` is meant for whoever asks, not for one message.
const LATER: [u16; 2] = [429, 503];

/// Judges attempt `number`. `age` is how long the generation has been under way; `dice`, from 0 to 1,
/// how much of the ladder's jitter is used.
pub(crate) fn judge(
    acceptance: &Acceptance,
    ladder: &Ladder,
    number: u32,
    age: Duration,
    rung: &Rung,
    dice: f64,
) -> Judgement {
    let (verdict, error, detail) = of(acceptance, rung);
    let reply = rung.result.as_ref().ok();
    let circumstances = Circumstances {
        age,
        retry_after: reply.and_then(|reply| reply.retry_after),
        dice,
    };
    let then = match settlement_in(ladder, number, verdict, circumstances) {
        Settlement::Ack => Then::Delivered,
        Settlement::DeadLetter(reason) => Then::Dead(reason),
        Settlement::Defer(delay) => Then::Again {
            next_due_ms: after(rung.finished_ms, delay),
        },
    };
    Judgement {
        verdict,
        error,
        detail,
        then,
        heard: Heard {
            health: match (verdict, reply) {
                (_, None) => Health::Silent,
                (Verdict::Refused, Some(_)) => Health::Refusing,
                (_, Some(_)) => Health::Well,
            },
            pause: reply
                .filter(|reply| LATER.contains(&reply.status))
                .and_then(|reply| reply.retry_after),
        },
    }
}

/// What an attempt means by itself, the failure's word, and the failure in a few words.
pub(crate) fn of(
    acceptance: &Acceptance,
    rung: &Rung,
) -> (Verdict, Option<AttemptError>, Option<String>) {
    let (verdict, error) = verdict(acceptance, &rung.result);
    (verdict, error, detail(verdict, error, rung))
}

/// A rung counts from the end of the attempt.
fn after(finished_ms: i64, delay: Duration) -> i64 {
    let ms = service::clock::millis(delay);
    finished_ms.saturating_add(ms)
}

fn detail(verdict: Verdict, error: Option<AttemptError>, rung: &Rung) -> Option<String> {
    match (verdict, error, rung.status) {
        (Verdict::Delivered, ..) => None,
        (_, Some(AttemptError::NotAccepted), Some(status)) => Some(format!(
            "status {status}, but not the body that is asked for"
        )),
        (_, Some(error), _) => Some(match &rung.detail {
            Some(detail) => format!("{}: {detail}", error.as_str()),
            None => error.as_str().to_owned(),
        }),
        (_, None, Some(status)) => Some(format!("status {status}")),
        (_, None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use notification::{DeadReason, Reply};

    use super::*;

    const FINISHED_MS: i64 = 1_000_000;

    fn answered(status: u16, retry_after: Option<u64>) -> Rung {
        Rung {
            id: crate::record::ids::one(FINISHED_MS),
            started_ms: FINISHED_MS - 7,
            finished_ms: FINISHED_MS,
            took: Duration::from_millis(7),
            status: Some(status),
            result: Ok(Reply {
                status,
                body: Bytes::from_static(b"hello"),
                cut: false,
                retry_after: retry_after.map(Duration::from_secs),
            }),
            detail: None,
            skew: None,
        }
    }

    fn judged(number: u32, rung: &Rung) -> Judgement {
        let ladder: Ladder = "1s,2s,3s".parse().unwrap();
        judge(
            &Acceptance::default(),
            &ladder,
            number,
            Duration::ZERO,
            rung,
            0.0,
        )
    }

    #[test]
    fn a_2xx_is_delivered_at_any_attempt() {
        for number in [1, 4, 9] {
            let judgement = judged(number, &answered(204, None));
            assert_eq!(judgement.then, Then::Delivered);
            assert_eq!(judgement.detail, None);
        }
    }

    #[test]
    fn a_refusal_takes_the_rung_of_its_number_from_the_end_of_the_attempt() {
        let due: Vec<Then> = (1..=4)
            .map(|n| judged(n, &answered(500, None)).then)
            .collect();
        let again = |ms| Then::Again {
            next_due_ms: FINISHED_MS + ms,
        };
        let dead = Then::Dead(DeadReason::LadderUsedUp);
        assert_eq!(due, [again(1_000), again(2_000), again(3_000), dead]);
    }

    #[test]
    fn retry_after_lengthens_the_rung_and_never_shortens_it() {
        let due = |retry_after| judged(2, &answered(503, Some(retry_after))).then;
        let again = |ms| Then::Again {
            next_due_ms: FINISHED_MS + ms,
        };
        assert_eq!(due(1), again(2_000));
        assert_eq!(due(60), again(60_000));
    }

    #[test]
    fn a_rejection_ends_it_with_rungs_left() {
        let judgement = judged(1, &answered(422, None));
        assert_eq!(judgement.verdict, Verdict::Rejected);
        assert_eq!(judgement.then, Then::Dead(DeadReason::Rejected));
        assert_eq!(judgement.detail.as_deref(), Some("status 422"));
    }

    #[test]
    fn what_an_attempt_says_about_its_endpoint() {
        let heard = |status| judged(1, &answered(status, None)).heard.health;
        assert_eq!([heard(204), heard(422)], [Health::Well; 2]);
        assert_eq!([heard(500), heard(302), heard(429)], [Health::Refusing; 3]);
        let silent = Rung {
            result: Err(AttemptError::Timeout),
            ..answered(200, None)
        };
        assert_eq!(
            judged(1, &silent).heard.health,
            Health::Silent,
            "though it began"
        );
    }

    #[test]
    fn only_429_and_503_ask_for_a_pause_of_the_whole_endpoint() {
        let pause = |status| judged(1, &answered(status, Some(60))).heard.pause;
        let minute = Some(Duration::from_secs(60));
        assert_eq!([pause(429), pause(503)], [minute; 2]);
        assert_eq!([pause(200), pause(500), pause(422)], [None; 3]);
        assert_eq!(judged(1, &answered(429, None)).heard.pause, None);
    }

    #[test]
    fn a_redirect_is_a_refusal() {
        assert_eq!(judged(1, &answered(302, None)).verdict, Verdict::Refused);
    }

    #[test]
    fn a_failure_keeps_its_word_and_its_words() {
        let rung = Rung {
            status: None,
            result: Err(AttemptError::Connect),
            detail: Some("connection refused".into()),
            ..answered(0, None)
        };
        let judgement = judged(1, &rung);
        assert_eq!(judgement.error, Some(AttemptError::Connect));
        let detail = judgement.detail.unwrap();
        assert_eq!(detail, "connect: connection refused");
    }
}
