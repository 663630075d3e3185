//! When the relay sends, and when it doesn't.

use std::sync::Arc;
use std::time::Duration;

use notification::TxNo;
use producer::relay::{self, Pass, Pause};
use producer::{Initiator, NoSteps};
use sqlx::Row as _;

use crate::fake_notifier::FakeNotifier;
use crate::log;
use crate::stage::{Stage, eventually};
use crate::transfers::{debit, fresh, transfer};
use crate::wire::Wire;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

async fn committed(initiator: &Initiator, count: usize) -> Vec<TxNo> {
    let numbers: Vec<TxNo> = (0..count).map(|_| fresh()).collect();
    for tx_no in &numbers {
        initiator
            .send_in_transaction(transfer(*tx_no), debit(*tx_no))
            .await
            .expect("committed");
    }
    numbers
}

async fn pass(initiator: &Initiator, now_ms: i64) -> Pass {
    relay::pass(initiator, now_ms)
        .await
        .expect("the pass is made")
}

/// A pass once the feed is read: before that it only pauses.
async fn pass_when_read(initiator: &Initiator, now_ms: i64) -> Pass {
    let mut made = Pass::default();
    eventually("the feed is read", async || {
        made = pass(initiator, now_ms).await;
        made.paused != Some(Pause::FeedUnread)
    })
    .await;
    made
}

/// A row's `created_ms`, `next_send_ms` and `sends`.
async fn row(initiator: &Initiator, tx_no: &TxNo) -> (i64, Option<i64>, i32) {
    let mut connection = initiator.database().read().await.expect("a connection");
    let row = sqlx::query("SELECT created_ms, next_send_ms, sends FROM outgoing WHERE tx_no = ?")
        .bind(tx_no.to_string())
        .fetch_one(&mut *connection)
        .await
        .expect("the row");
    (row.get(0), row.get(1), row.get(2))
}

fn sent(count: usize) -> Pass {
    Pass {
        sent: count,
        ..Pass::default()
    }
}

fn unread() -> Pass {
    Pass {
        paused: Some(Pause::FeedUnread),
        ..Pass::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_that_is_away_is_no_reason_to_resend() {
    let notifier = FakeNotifier::start().await;
    notifier.feed(|feed| feed.away = true);
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    committed(&initiator, 3).await;
    let late = service::clock::now_ms() + 11 * MINUTE;
    assert_eq!(pass(&initiator, late).await, unread());
    assert_eq!(stage.visible(), 3, "only the first sends");

    notifier.feed(|feed| feed.away = false);
    assert_eq!(pass_when_read(&initiator, late).await, sent(3));
    stage.settles_at(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_whose_end_was_read_more_than_a_minute_ago_is_not_trusted() {
    let notifier = FakeNotifier::start().await;
    let (clock, hands) = service::clock::Clock::manual(service::clock::now_ms());
    let mut stage = Stage::with_notifier(&notifier).await;
    stage.clock = clock.clone();
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    committed(&initiator, 1).await;
    assert_eq!(
        pass_when_read(&initiator, clock.now_ms() + 11 * MINUTE).await,
        sent(1)
    );

    let asked = notifier.feed(|feed| {
        feed.away = true;
        feed.asked.len()
    });
    hands.advance(Duration::from_secs(61));
    committed(&initiator, 1).await;
    assert_eq!(
        pass(&initiator, clock.now_ms() + 11 * MINUTE).await,
        unread()
    );
    assert_eq!(notifier.feed(|feed| feed.asked.len()), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rung_sends_once_and_the_last_repeats() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let numbers = committed(&initiator, 1).await;
    let (created_ms, next_send_ms, sends) = row(&initiator, &numbers[0]).await;
    assert_eq!((next_send_ms, sends), (Some(created_ms + 10 * MINUTE), 0));

    let mut now_ms = created_ms + 10 * MINUTE;
    assert_eq!(pass(&initiator, now_ms - 1).await, Pass::default());
    assert_eq!(pass_when_read(&initiator, now_ms).await, sent(1));
    for (number, wait_ms) in [(2, HOUR), (3, DAY), (4, DAY), (5, DAY)] {
        assert_eq!(
            pass(&initiator, now_ms + wait_ms - 1).await,
            Pass::default()
        );
        now_ms += wait_ms;
        assert_eq!(pass(&initiator, now_ms).await, sent(1));
        assert_eq!(row(&initiator, &numbers[0]).await.2, number);
    }
    stage.settles_at(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_maximum_age_a_row_is_given_up_with_an_alarm() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let numbers = committed(&initiator, 1).await;
    let (created_ms, ..) = row(&initiator, &numbers[0]).await;
    let late = created_ms + 30 * DAY + 1;
    assert_eq!(
        pass_when_read(&initiator, late).await,
        Pass {
            given_up: 1,
            ..Pass::default()
        }
    );
    assert_eq!(
        log::count(&["WARN", "never_accepted", &numbers[0].to_string()]),
        1
    );
    assert_eq!(row(&initiator, &numbers[0]).await.1, None);
    assert_eq!(pass(&initiator, late + DAY).await, Pass::default());
    stage.settles_at(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_relays_one_sends_each_row() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let one = stage.initiator(Arc::new(NoSteps)).await;
    let other = stage.initiator(Arc::new(NoSteps)).await;
    // Given two relays that both trust the feed,
    committed(&one, 1).await;
    let late = service::clock::now_ms() + 11 * MINUTE;
    assert_eq!(pass_when_read(&one, late).await, sent(1));
    assert_eq!(pass_when_read(&other, late + HOUR).await, sent(1));
    // when both make a pass over the same rows,
    committed(&one, 20).await;
    let (first, second) = tokio::join!(pass(&one, late), pass(&other, late));
    // then each row is sent once.
    assert_eq!(first.sent + second.sent, 20, "{first:?} {second:?}");
    stage.settles_at(1 + 2 + 20 + 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_uses_no_rung() {
    let notifier = FakeNotifier::start().await;
    let mut stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let numbers = committed(&initiator, 2).await;
    let before = row(&initiator, &numbers[0]).await;
    stage.stop_broker().await;
    let late = service::clock::now_ms() + 11 * MINUTE;
    let made = pass_when_read(&initiator, late).await;
    assert_eq!(
        made,
        Pass {
            paused: Some(Pause::BrokerAway),
            ..Pass::default()
        }
    );
    assert_eq!(row(&initiator, &numbers[0]).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_under_a_half_uses_the_rung() {
    let notifier = FakeNotifier::start().await;
    let wire = Wire::start().await;
    let stage = Stage::behind(&wire, &notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let numbers = committed(&initiator, 2).await;
    // When what becomes of a half is not known, because the connection breaks,
    wire.cut();
    let late = service::clock::now_ms() + 11 * MINUTE;
    let made = pass_when_read(&initiator, late).await;
    // then the pass ends,
    let paused = Pass {
        paused: Some(Pause::BrokerAway),
        ..Pass::default()
    };
    assert_eq!(made, paused);
    // and the one that may have been stored is not sent with each pass that follows.
    let mut used = Vec::new();
    for tx_no in &numbers {
        let (_, next_send_ms, sends) = row(&initiator, tx_no).await;
        used.push((next_send_ms == Some(late + HOUR), sends));
    }
    used.sort_unstable();
    assert_eq!(used, [(false, 0), (true, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_topic_is_gone_holds_up_no_other() {
    let notifier = FakeNotifier::start().await;
    let stage = Stage::with_notifier(&notifier).await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let numbers = committed(&initiator, 2).await;
    // Given that the row whose turn is first names a topic that the broker doesn't have,
    let mut connection = initiator.database().write().await.expect("a connection");
    sqlx::query("UPDATE outgoing SET topic = 'gone', next_send_ms = 1 WHERE tx_no = ?")
        .bind(numbers[0].to_string())
        .execute(&mut *connection)
        .await
        .expect("the row is changed");
    drop(connection);
    // when a pass is made, then the other is sent,
    let late = service::clock::now_ms() + 11 * MINUTE;
    assert_eq!(pass_when_read(&initiator, late).await, sent(1));
    assert_eq!(row(&initiator, &numbers[1]).await.2, 1);
    // and the first waits for its next rung.
    let (_, next_send_ms, sends) = row(&initiator, &numbers[0]).await;
    assert_eq!((next_send_ms, sends), (Some(late + HOUR), 1));
}
