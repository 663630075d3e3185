//! What the outcome feed does to the rows.

use std::sync::Arc;

use notification::{Outcome, OutcomeKind, TxNo};
use producer::{Initiator, NoSteps, relay};

use crate::fake_notifier::FakeNotifier;
use crate::stage::{Stage, eventually};
use crate::transfers::{debit, fresh, result, transfer};

async fn committed(initiator: &Initiator) -> TxNo {
    let tx_no = fresh();
    initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await
        .expect("committed");
    tx_no
}

async fn outcome(initiator: &Initiator, tx_no: &TxNo) -> Option<Outcome> {
    result(initiator, tx_no).await.outcome
}

async fn becomes(initiator: &Initiator, tx_no: &TxNo, expected: Outcome) {
    eventually(expected.as_str(), async || {
        outcome(initiator, tx_no).await == Some(expected)
    })
    .await;
}

/// When the row moved last, and when it would be sent anew.
async fn times(initiator: &Initiator, tx_no: &TxNo) -> (Option<i64>, Option<i64>) {
    let mut connection = initiator.database().read().await.expect("a connection");
    sqlx::query_as("SELECT outcome_ms, next_send_ms FROM outgoing WHERE tx_no = ?")
        .bind(tx_no.to_string())
        .fetch_one(&mut *connection)
        .await
        .expect("the row")
}

/// Waits until the feed was asked so many times more.
async fn asked_again(notifier: &FakeNotifier, times: usize) {
    let before = notifier.feed(|feed| feed.asked.len());
    eventually("the feed is asked", async || {
        notifier.feed(|feed| feed.asked.len()) >= before + times
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_move_a_row_forward_in_whatever_order_they_come() {
    use OutcomeKind::{Accepted, Cancelled, Dead, Delivered, Skipped};
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let cases: [(&[OutcomeKind], Outcome); 11] = [
        (&[Accepted], Outcome::Accepted),
        (&[Skipped], Outcome::Accepted),
        (&[Accepted, Dead], Outcome::Dead),
        (&[Dead, Accepted], Outcome::Dead),
        (&[Accepted, Delivered], Outcome::Delivered),
        (&[Delivered, Accepted], Outcome::Delivered),
        (&[Accepted, Dead, Accepted, Delivered], Outcome::Delivered),
        (&[Delivered, Dead, Accepted], Outcome::Delivered),
        (&[Accepted, Dead, Cancelled], Outcome::Cancelled),
        (&[Cancelled, Accepted, Delivered], Outcome::Cancelled),
        (&[Delivered, Cancelled], Outcome::Delivered),
    ];
    for (number, (kinds, expected)) in (0_u64..).zip(cases) {
        let tx_no = committed(&initiator).await;
        assert_eq!(outcome(&initiator, &tx_no).await, Some(Outcome::None));
        for (place, kind) in (0_u64..).zip(kinds) {
            notifier.say(1_700_000_000_000 + number * 100 + place, tx_no, *kind);
        }
        becomes(&initiator, &tx_no, expected).await;
        asked_again(&notifier, 2).await;
        assert_eq!(
            outcome(&initiator, &tx_no).await,
            Some(expected),
            "{kinds:?}"
        );
        assert_eq!(times(&initiator, &tx_no).await.1, None, "nothing to resend");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_the_feed_again_changes_nothing() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let tx_no = committed(&initiator).await;
    notifier.say(1_700_000_000_000, tx_no, OutcomeKind::Accepted);
    notifier.say(1_700_000_000_005, tx_no, OutcomeKind::Delivered);
    becomes(&initiator, &tx_no, Outcome::Delivered).await;
    let before = times(&initiator, &tx_no).await;
    assert_eq!(before.0, Some(1_700_000_000_005));
    // A second reader overlaps what the first has read.
    let other = stage.initiator(Arc::new(NoSteps)).await;
    asked_again(&notifier, 4).await;
    assert_eq!(times(&other, &tx_no).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_was_written_late_behind_the_cursor_is_found() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let (early, late) = (committed(&initiator).await, committed(&initiator).await);
    notifier.say(1_700_000_010_000, early, OutcomeKind::Accepted);
    becomes(&initiator, &early, Outcome::Accepted).await;
    notifier.say(1_700_000_005_000, late, OutcomeKind::Accepted);
    becomes(&initiator, &late, Outcome::Accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_outlives_the_process() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let process = stage.process(Arc::new(NoSteps)).await;
    let tx_no = fresh();
    process.send(tx_no);
    notifier.say(1_700_000_010_000, tx_no, OutcomeKind::Accepted);
    eventually("accepted", async || {
        outcome(&process.initiator, &tx_no).await == Some(Outcome::Accepted)
    })
    .await;
    process.kill();
    notifier.feed(|feed| feed.asked.clear());
    let _again = stage.initiator(Arc::new(NoSteps)).await;
    asked_again(&notifier, 1).await;
    let first = notifier.feed(|feed| feed.asked[0].clone());
    assert!(
        first > TxNo::from_parts(1_699_999_999_999, [0xff; 10]).to_string(),
        "from near the end, not from {first:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_epoch_is_read_from_the_beginning() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let (before, after) = (committed(&initiator).await, committed(&initiator).await);
    notifier.say(1_700_000_100_000, before, OutcomeKind::Accepted);
    becomes(&initiator, &before, Outcome::Accepted).await;
    // The record was made anew, and its clock stood lower: nothing there lies beyond the old cursor.
    notifier.feed(|feed| {
        feed.epoch = "e2".into();
        feed.lines.clear();
    });
    notifier.say(1_600_000_000_000, after, OutcomeKind::Delivered);
    becomes(&initiator, &after, Outcome::Delivered).await;
    assert_eq!(outcome(&initiator, &before).await, Some(Outcome::Accepted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_feed_is_read_page_by_page() {
    let notifier = FakeNotifier::start().await;
    notifier.feed(|feed| feed.page = 3);
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let mut numbers = Vec::new();
    for place in 0..10 {
        let tx_no = committed(&initiator).await;
        notifier.say(1_700_000_000_000 + place, tx_no, OutcomeKind::Delivered);
        numbers.push(tx_no);
    }
    for tx_no in &numbers {
        becomes(&initiator, tx_no, Outcome::Delivered).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_acceptors_word_about_our_own_source_counts() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let (tx_no, last) = (committed(&initiator).await, committed(&initiator).await);
    notifier.say_as(
        "archive",
        "bank1",
        1_700_000_000_000,
        tx_no,
        OutcomeKind::Delivered,
    );
    notifier.say_as(
        "bank2",
        "bank9",
        1_700_000_000_001,
        tx_no,
        OutcomeKind::Delivered,
    );
    notifier.say(1_700_000_000_002, last, OutcomeKind::Accepted);
    becomes(&initiator, &last, Outcome::Accepted).await;
    assert_eq!(outcome(&initiator, &tx_no).await, Some(Outcome::None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_with_two_epochs_at_once_is_not_read_in_circles_and_not_trusted() {
    let notifier = FakeNotifier::start().await;
    notifier.feed(|feed| feed.restless = true);
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let tx_no = committed(&initiator).await;
    asked_again(&notifier, 4).await;
    let late = service::clock::now_ms() + 11 * 60_000;
    let pass = relay::pass(&initiator, late)
        .await
        .expect("the pass is made");
    assert_eq!(pass.paused, Some(relay::Pause::FeedUnread));
    let asked = notifier.feed(|feed| feed.asked.len());
    assert!(asked < 100, "asked {asked} times in a few seconds");

    notifier.feed(|feed| feed.restless = false);
    notifier.say(1_700_000_000_000, tx_no, OutcomeKind::Accepted);
    becomes(&initiator, &tx_no, Outcome::Accepted).await;
}
