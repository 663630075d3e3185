//! What the notifier says of several subscriptions, and of what a queue has lost.

use std::sync::Arc;

use notification::{Envelope, Outcome, OutcomeKind, TxNo};
use producer::relay::{self, Pass};
use producer::{Initiator, NoSteps};

use crate::fake_notifier::FakeNotifier;
use crate::stage::{GROUP, SOURCE, Stage, eventually, group};
use crate::transfers::{debit, fresh, result, transfer};

const T: u64 = 1_700_000_000_000;

async fn committed(initiator: &Initiator) -> TxNo {
    let tx_no = fresh();
    initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await
        .expect("committed");
    tx_no
}

async fn becomes(initiator: &Initiator, tx_no: &TxNo, expected: Outcome) {
    eventually(expected.as_str(), async || {
        result(initiator, tx_no).await.outcome == Some(expected)
    })
    .await;
}

/// The line of the feed that the note was made of, and when it is due.
async fn noted(initiator: &Initiator, tx_no: &TxNo) -> Option<(String, Option<i64>)> {
    let mut connection = initiator.database().read().await.expect("a connection");
    sqlx::query_as("SELECT outcome_id, next_send_ms FROM outgoing_lost WHERE tx_no = ?")
        .bind(tx_no.to_string())
        .fetch_optional(&mut *connection)
        .await
        .expect("read")
}

/// Waits until the newest line said is noted, and makes a pass.
async fn pass_over(initiator: &Initiator, notifier: &FakeNotifier, tx_no: &TxNo) -> Pass {
    let newest = notifier.feed(|feed| feed.lines.last().expect("a line").id.clone());
    eventually("the loss is noted", async || {
        noted(initiator, tx_no)
            .await
            .is_some_and(|(id, _)| id == newest)
    })
    .await;
    pass(initiator).await
}

async fn pass(initiator: &Initiator) -> Pass {
    let now_ms = service::clock::now_ms();
    relay::pass(initiator, now_ms).await.expect("a pass")
}

/// Waits until the feed was read over the overlap once more.
async fn read_again(notifier: &FakeNotifier) {
    let before = notifier.feed(|feed| feed.asked.len());
    eventually("the overlap is read", async || {
        notifier.feed(|feed| {
            let end = feed.lines.last().expect("a line").id.clone();
            feed.asked[before..]
                .iter()
                .filter(|after| **after < end)
                .count()
                >= 1
        })
    })
    .await;
    // The page that was asked for is applied before the next one is asked for.
    let asked = notifier.feed(|feed| feed.asked.len());
    eventually("another is asked for", async || {
        notifier.feed(|feed| feed.asked.len() > asked)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_queue_has_lost_goes_out_once_more_each_time_the_notifier_says_so() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let tx_no = committed(&initiator).await;
    notifier.say(T, tx_no, OutcomeKind::Accepted);
    becomes(&initiator, &tx_no, Outcome::Accepted).await;
    stage.settles_at(1).await;

    // A second life, asleep after an operator's resend, is lost.
    notifier.say_line(GROUP, SOURCE, T + 1, tx_no, 2, OutcomeKind::Lost);
    let lost = |lost| Pass {
        lost,
        ..Pass::default()
    };
    let made = pass_over(&initiator, &notifier, &tx_no).await;
    // The relay's own passes may have been quicker.
    assert!(made == lost(1) || made == lost(0), "{made:?}");
    stage.settles_at(2).await;
    read_again(&notifier).await;
    assert_eq!(pass(&initiator).await, lost(0), "the same line again");
    stage.settles_at(2).await;

    notifier.say_line(GROUP, SOURCE, T + 2, tx_no, 2, OutcomeKind::Lost);
    let made = pass_over(&initiator, &notifier, &tx_no).await;
    assert!(made == lost(1) || made == lost(0), "{made:?}");
    stage.settles_at(3).await;

    let received = stage.receive_whole(3).await;
    let anew: Vec<&Envelope> = received.iter().filter(|e| e.generation == 2).collect();
    assert_eq!(anew.len(), 2, "{received:?}");
    for envelope in anew {
        assert_eq!(envelope.notification.tx_no, tx_no);
        assert_eq!(envelope.for_group, Some(group(GROUP)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_meanwhile_or_never_committed_is_not_sent_anew() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let (tx_no, unknown) = (committed(&initiator).await, fresh());
    stage.settles_at(1).await;
    notifier.feed(|feed| feed.page = 3);
    notifier.say(T, tx_no, OutcomeKind::Lost);
    notifier.say(T + 1, unknown, OutcomeKind::Lost);
    notifier.say(T + 2, tx_no, OutcomeKind::Delivered);
    becomes(&initiator, &tx_no, Outcome::Delivered).await;
    assert_eq!(pass(&initiator).await, Pass::default());
    stage.settles_at(1).await;
    assert_eq!(noted(&initiator, &unknown).await, None);
    assert_eq!(
        noted(&initiator, &tx_no).await.map(|(_, due)| due),
        Some(None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_subscriptions_each_has_to_accept_and_to_deliver() {
    let notifier = FakeNotifier::start().await;
    let mut stage = Stage::with_notifier(&notifier).await;
    stage.accepted_by.push(group("ledger"));
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let tx_no = committed(&initiator).await;
    let say =
        |group: &str, after: u64, kind| notifier.say_as(group, SOURCE, T + after, tx_no, kind);

    say(GROUP, 1, OutcomeKind::Accepted);
    say(GROUP, 2, OutcomeKind::Delivered);
    // The relay goes on for the one that has not accepted.
    let late = service::clock::now_ms() + 11 * 60_000;
    let mut made = Pass::default();
    eventually("the relay sends", async || {
        made = relay::pass(&initiator, late).await.expect("a pass");
        made.paused.is_none()
    })
    .await;
    assert_eq!(made.sent, 1);
    assert_eq!(
        result(&initiator, &tx_no).await.outcome,
        Some(Outcome::None)
    );

    say("ledger", 3, OutcomeKind::Accepted);
    becomes(&initiator, &tx_no, Outcome::Accepted).await;
    let hours_later = late + 30 * 3_600_000;
    let made = relay::pass(&initiator, hours_later).await.expect("a pass");
    assert_eq!(made.sent, 0, "accepted by all");
    say("ledger", 4, OutcomeKind::Dead);
    becomes(&initiator, &tx_no, Outcome::Dead).await;
    say("archive", 5, OutcomeKind::Delivered);
    say("ledger", 6, OutcomeKind::Delivered);
    becomes(&initiator, &tx_no, Outcome::Delivered).await;
}

/// How far the feed was read.
async fn cursor(initiator: &Initiator) -> String {
    let mut connection = initiator.database().read().await.expect("a connection");
    sqlx::query_scalar("SELECT last_id FROM feed_position")
        .fetch_one(&mut *connection)
        .await
        .expect("the position")
}

async fn execute(initiator: &Initiator, text: &'static str) {
    let mut connection = initiator.database().write().await.expect("a connection");
    let statement = sqlx::raw_sql(text);
    sqlx::Executor::execute(&mut *connection, statement)
        .await
        .expect("executed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_passes_a_loss_only_together_with_its_note() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let tx_no = committed(&initiator).await;
    notifier.say(T, tx_no, OutcomeKind::Accepted);
    becomes(&initiator, &tx_no, Outcome::Accepted).await;
    stage.settles_at(1).await;
    let before = cursor(&initiator).await;
    execute(&initiator, "ALTER TABLE outgoing_lost RENAME TO away").await;
    notifier.say(T + 1, tx_no, OutcomeKind::Lost);
    // It is read, and can't be noted: again and again.
    let asked = notifier.feed(|feed| feed.asked.len());
    eventually("it is read twice", async || {
        notifier.feed(|feed| feed.asked.len() > asked + 2)
    })
    .await;
    assert_eq!(cursor(&initiator).await, before);
    execute(&initiator, "ALTER TABLE away RENAME TO outgoing_lost").await;
    eventually("it goes out anew", async || stage.visible() == 2).await;
    let line = notifier.feed(|feed| feed.lines.last().expect("a line").id.clone());
    eventually("the cursor has passed it", async || {
        cursor(&initiator).await >= line
    })
    .await;
}
