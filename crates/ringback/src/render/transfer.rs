//! A transfer as it is watched: the steps at bank1, each attempt, and how it ended.

use notification::api::ResultView;
use notification::api::bank1::TookMs;
use notification::api::notifier::{Attempt, NotificationView};
use notification::{TxNo, Verdict, yuan};

use super::moment::{offset, span};
use super::{attempt, count, ending};
use crate::screen::Paint;

/// `tx 0198…   张三 → 李四   10.00`.
pub fn heading(tx_no: &TxNo, from: &str, to: &str, amount_fen: i64) -> String {
    format!("tx {tx_no}   {from} → {to}   {}", yuan(amount_fen))
}

/// `  +0.004 half message held     +0.006 debited     +0.008 committed`.
pub fn steps(took: &TookMs) -> String {
    let at = |ms: u64| offset(i64::try_from(ms).unwrap_or(i64::MAX));
    let unconfirmed = match took.ended {
        Some(_) => "",
        None => "     (end not confirmed: the check-back will tell the broker)",
    };
    format!(
        "  {} half message held     {} debited     {} committed{unconfirmed}",
        at(took.half),
        at(took.debited),
        at(took.committed)
    )
}

/// One attempt while it is watched. A first one that was delivered shows where it went; any other what comes next.
pub fn attempt(view: &NotificationView, attempt: &Attempt, start_ms: i64) -> String {
    if attempt.verdict == Verdict::Delivered && attempt.number == 1 && attempt.generation == 0 {
        let at = offset(attempt.started_ms - start_ms);
        return format!("  {at} POST {} → {}", attempt.url, attempt::answer(attempt));
    }
    format!("  {}", attempt::line(view, attempt))
}

/// `DELIVERED in 16 ms`, counted to the end of the attempt that delivered.
pub fn delivered(view: &NotificationView, start_ms: i64, paint: Paint) -> String {
    format!(
        "{} in {}",
        paint.good("DELIVERED"),
        span(last_end(view) - start_ms)
    )
}

/// How it died, where the money is, and what to type.
pub fn dead(view: &NotificationView, start_ms: i64, paint: Paint) -> String {
    let record = &view.notification;
    format!(
        "{} after {}, {}. Money left bank1, has not reached bank2.\nSee: ringback dlq show {}",
        paint.bad("DEAD"),
        count(u64::from(record.attempts), "attempt"),
        span(last_end(view).max(record.updated_ms) - start_ms),
        ending(&record.tx_no)
    )
}

/// bank1 says that nothing happened; a check-back's answer names the process that gave it.
pub fn rolled_back(result: &ResultView, paint: Paint) -> String {
    let by = match &result.checked_by {
        Some(process) => format!(" (check-back answered by {process})"),
        None => String::new(),
    };
    format!(
        "{}{by}. No money was moved, nothing is sent.",
        paint.bad("ROLLED BACK")
    )
}

/// The waiting is over and nothing is decided.
pub fn still_trying(
    tx_no: &TxNo,
    view: Option<&NotificationView>,
    waited_ms: i64,
    now_ms: i64,
    paint: Paint,
) -> String {
    let so_far = match view {
        None => "nothing accepted yet".to_owned(),
        Some(view) => {
            let attempts = count(u64::from(view.notification.attempts), "attempt");
            match view.notification.next_due_ms {
                Some(due) => format!("{attempts}, the next in {}", span(due - now_ms)),
                None => attempts,
            }
        }
    };
    format!(
        "{} after {}: {so_far}.\nSee: ringback status {}",
        paint.notice("STILL TRYING"),
        span(waited_ms),
        ending(tx_no)
    )
}

/// When the newest attempt was over.
fn last_end(view: &NotificationView) -> i64 {
    let end = |attempt: &Attempt| {
        attempt
            .started_ms
            .saturating_add(i64::try_from(attempt.took_ms).unwrap_or(i64::MAX))
    };
    view.attempts
        .iter()
        .map(end)
        .max()
        .unwrap_or(view.notification.updated_ms)
}

#[cfg(test)]
mod tests {
    use notification::{BusinessState, NotificationState};

    use super::*;
    use crate::render::samples::{self, T0, tx_no};

    #[test]
    fn an_ordinary_transfer_reads_like_the_readme() {
        let mut view = samples::dead();
        view.notification = samples::record(NotificationState::Delivered, 0, 1);
        view.attempts = vec![samples::attempt(
            0,
            1,
            200,
            r#"{"result":"applied"}"#,
            T0 + 13,
        )];
        let took = TookMs {
            half: 0,
            debited: 6,
            committed: 8,
            ended: Some(10),
        };
        let text = [
            heading(&tx_no(), "张三", "李四", 1000),
            steps(&took),
            attempt(&view, &view.attempts[0], T0),
            delivered(&view, T0, Paint::Plain),
        ];
        assert_eq!(
            text.join("\n"),
            "tx 0198f3c2-91d0-7aa3-8c02-77ab41e09f52   张三 → 李四   10.00\n  \
             +0.000 half message held     +0.006 debited     +0.008 committed\n  \
             +0.013 POST http://127.0.0.1:8182/notifications → 200 in 3 ms\n\
             DELIVERED in 16 ms"
        );
    }

    #[test]
    fn a_dead_one_says_where_the_money_is_and_what_to_type() {
        assert_eq!(
            dead(&samples::dead(), T0, Paint::Plain),
            "DEAD after 4 attempts, 6.1 s. Money left bank1, has not reached bank2.\nSee: ringback dlq show 9f52"
        );
        let rejected = NotificationView {
            notification: samples::record(NotificationState::Dead, 0, 1),
            ..samples::dead()
        };
        assert!(dead(&rejected, T0, Paint::Plain).starts_with("DEAD after 1 attempt, "));
    }

    #[test]
    fn a_rollback_by_check_back_names_who_answered() {
        let result = |checked_by: Option<&str>| ResultView {
            tx_no: tx_no(),
            state: BusinessState::RolledBack,
            outcome: None,
            checked_by: checked_by.map(ToOwned::to_owned),
        };
        assert_eq!(
            rolled_back(&result(Some("host:4188")), Paint::Plain),
            "ROLLED BACK (check-back answered by host:4188). No money was moved, nothing is sent."
        );
        assert_eq!(
            rolled_back(&result(None), Paint::Plain),
            "ROLLED BACK. No money was moved, nothing is sent."
        );
    }

    #[test]
    fn whoever_gives_up_waiting_hears_how_far_it_is() {
        let mut view = samples::dead();
        view.notification = samples::record(NotificationState::Waiting, 0, 3);
        view.notification.next_due_ms = Some(T0 + 145_000);
        assert_eq!(
            still_trying(&tx_no(), Some(&view), 120_000, T0 + 120_000, Paint::Plain),
            "STILL TRYING after 2 min: 3 attempts, the next in 25 s.\nSee: ringback status 9f52"
        );
        assert_eq!(
            still_trying(&tx_no(), None, 120_000, T0, Paint::Plain),
            "STILL TRYING after 2 min: nothing accepted yet.\nSee: ringback status 9f52"
        );
    }

    #[test]
    fn an_unconfirmed_end_is_no_failure_and_is_told() {
        let took = TookMs {
            half: 4,
            debited: 6,
            committed: 8,
            ended: None,
        };
        assert!(
            steps(&took).ends_with(
                "committed     (end not confirmed: the check-back will tell the broker)"
            )
        );
    }
}
