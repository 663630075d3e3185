//! Fifteen check-backs that nobody heard: the half messages are gone, and the relay makes it good.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use notification::{OutcomeKind, TxNo};
use producer::relay::{self, Pass, Pause};
use producer::{Initiator, NoSteps, Step};

use crate::barrier::Barrier;
use crate::fake_notifier::FakeNotifier;
use crate::stage::{Stage, eventually};
use crate::transfers::fresh;

const ACCEPTED: usize = 10_000;
const EXPIRED: usize = 100;
/// Past the relay's first rung, in milliseconds.
const ELEVEN_MINUTES: i64 = 11 * 60_000;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_expired_halves_among_ten_thousand_accepted_exactly_those_are_resent() {
    let notifier = FakeNotifier::start().await;
    let mut stage = Stage::with_check_max(15).await;
    stage.notifier = notifier.url();
    // Long enough for all to commit before the first check-back.
    stage.deadline = Duration::from_secs(14);
    // Given a hundred transfers that committed just before their process died,
    let barrier = Barrier::open();
    let gate = barrier.close(Step::AfterCommit);
    let process = stage.process(barrier).await;
    let expired: BTreeSet<TxNo> = (0..EXPIRED).map(|_| fresh()).collect();
    let numbers: Vec<TxNo> = expired.iter().copied().collect();
    for (done, some) in numbers.chunks(10).enumerate() {
        some.iter().for_each(|tx_no| process.send(*tx_no));
        gate.arrived(done * 10 + some.len()).await;
    }
    process.kill();
    // whose check-backs nobody heard,
    eventually("the broker gives the halves up", async || {
        stage.halves() == 0
    })
    .await;
    assert_eq!(stage.visible(), 0);
    // and ten thousand that the notifier has accepted,
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    accepted_before(&initiator, &notifier).await;
    // when their ten minutes have passed,
    let now_ms = service::clock::now_ms() + ELEVEN_MINUTES;
    let (mut began, mut first) = (Instant::now(), Pass::default());
    eventually("the feed's end is read", async || {
        began = Instant::now();
        first = relay::pass(&initiator, now_ms)
            .await
            .expect("the pass is made");
        first.paused != Some(Pause::FeedUnread)
    })
    .await;
    // then exactly the hundred are sent anew, no faster than fifty a second, once.
    assert_eq!(
        first,
        Pass {
            sent: EXPIRED,
            ..Pass::default()
        }
    );
    assert!(
        began.elapsed() >= Duration::from_millis(20) * 99,
        "{:?}",
        began.elapsed()
    );
    let again = relay::pass(&initiator, now_ms)
        .await
        .expect("the pass is made");
    assert_eq!(again, Pass::default());
    stage.settles_at(100).await;
    let received: BTreeSet<TxNo> = stage.receive(EXPIRED).await.into_iter().collect();
    assert_eq!(received, expired);
}

/// Ten thousand committed rows that the relay would send anew, and their acceptance, read.
async fn accepted_before(initiator: &Initiator, notifier: &FakeNotifier) {
    let now_ms = service::clock::now_ms();
    let mut tx = initiator.database().begin().await.expect("a transaction");
    for _ in 0..ACCEPTED {
        let tx_no = fresh();
        sqlx::query(
            "INSERT INTO outgoing (tx_no, state, outcome, generation, request_hash, topic, event_type, business_key, \
             content_type, notify_url, traceparent, body, created_ms, next_send_ms, sends) \
             VALUES (?, 'committed', 'none', 0, '', 'topic_txmsg', 'transfer', 'k', 'text/plain', '', '', ?, ?, ?, 0)",
        )
        .bind(tx_no.to_string())
        .bind(b"{}".to_vec())
        .bind(now_ms)
        .bind(now_ms + 600_000)
        .execute(&mut *tx)
        .await
        .expect("a row");
        notifier.say(tx_no.unix_ms(), tx_no, OutcomeKind::Accepted);
    }
    tx.commit().await.expect("committed");
    eventually("the feed is read", async || {
        accepted(initiator).await == i64::try_from(ACCEPTED).expect("fits")
    })
    .await;
}

async fn accepted(initiator: &Initiator) -> i64 {
    let mut connection = initiator.database().read().await.expect("a connection");
    sqlx::query_scalar(
        "SELECT COUNT(*) FROM outgoing WHERE outcome = 'accepted' AND next_send_ms IS NULL",
    )
    .fetch_one(&mut *connection)
    .await
    .expect("counted")
}
