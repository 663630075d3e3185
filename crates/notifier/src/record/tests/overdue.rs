//! What sleeps too long is told once by whoever finds it, and again as long as it sleeps.

use std::time::Duration;

use super::super::overdue::{Sleeper, page};
use super::*;

const MINUTE: i64 = 60_000;

impl Fixture {
    /// What was due before now, as a look finds it.
    async fn overdue(&self) -> Vec<Sleeper> {
        let mut db = self.database.read().await.unwrap();
        page(&mut db, None, self.record.now_ms(), 10).await.unwrap()
    }

    fn pass_to(&self, ms: i64) {
        let now_ms = self.record.now_ms();
        let ms = u64::try_from(ms - now_ms).unwrap();
        self.hand.advance(Duration::from_millis(ms));
    }
}

fn first(sleepers: &[Sleeper]) -> Vec<(Sleeper, u32)> {
    sleepers.iter().map(|one| (one.clone(), 1)).collect()
}

#[tokio::test]
async fn of_two_replicas_that_find_the_same_one_tells() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), again(MINUTE)).await;
    assert_eq!(fixture.overdue().await, [], "not due yet");
    fixture.pass_to(NOW + 11 * MINUTE);
    let found = fixture.overdue().await;
    assert_eq!(found.len(), 1);
    let other = open(&fixture.database, Clock::manual(NOW + 11 * MINUTE).0).await;
    let told = fixture.record.tell_lost(&first(&found)).await.unwrap();
    assert_eq!(told.len(), 1);
    assert!(other.tell_lost(&first(&found)).await.unwrap().is_empty());
    assert_eq!(fixture.outcomes().await, ["accepted", "lost"]);
    let lost = &fixture
        .rows("SELECT * FROM outcome WHERE kind = 'lost'")
        .await[0];
    assert_eq!(lost.get::<String, _>("tx_no"), copy().key.tx_no.to_string());
    assert_eq!(lost.get::<i64, _>("generation"), 0);
}

#[tokio::test]
async fn what_has_moved_since_it_was_found_is_not_lost() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), again(MINUTE)).await;
    fixture.pass_to(NOW + 11 * MINUTE);
    let found = fixture.overdue().await;
    fixture.attempt(&copy(), again(20 * MINUTE)).await;
    assert!(
        fixture
            .record
            .tell_lost(&first(&found))
            .await
            .unwrap()
            .is_empty()
    );
    fixture.attempt(&copy(), Then::Delivered).await;
    assert!(
        fixture
            .record
            .tell_lost(&first(&found))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(fixture.outcomes().await, ["accepted", "delivered"]);
}

#[tokio::test]
async fn a_resend_that_has_left_no_trace_is_its_requests_business() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), USED_UP).await;
    fixture.execute(REVIVE).await;
    fixture
        .execute("UPDATE notification SET next_due_ms = 1")
        .await;
    let found = fixture.overdue().await;
    assert!(!found[0].seen);
    assert!(
        fixture
            .record
            .tell_lost(&first(&found))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn it_is_told_again_with_growing_gaps_and_anew_after_it_was_awake() {
    let fixture = Fixture::new().await;
    let gap = Duration::from_secs(600);
    fixture.attempt(&copy(), again(MINUTE)).await;
    let mut told = Vec::new();
    for minute in (0..200).map(|tens| 10 * tens) {
        fixture.pass_to(NOW + (minute + 5) * MINUTE);
        let now_ms = fixture.record.now_ms();
        let found = fixture.overdue().await;
        let Some(sleeper) = found.first() else {
            continue;
        };
        if let Some(times) = sleeper.telling(gap, now_ms) {
            let one = [(sleeper.clone(), times)];
            assert_eq!(fixture.record.tell_lost(&one).await.unwrap().len(), 1);
            told.push(minute);
        }
    }
    // Each gap is twice the one before; the last one is a day at most.
    assert_eq!(told, [0, 10, 30, 70, 150, 310, 630, 1270]);
    let now_ms = fixture.record.now_ms();
    let due = Then::Again {
        next_due_ms: now_ms + MINUTE,
    };
    fixture.attempt(&copy(), due).await;
    fixture.pass_to(now_ms + 2 * MINUTE);
    let found = fixture.overdue().await;
    assert_eq!(found[0].telling(gap, fixture.record.now_ms()), Some(1));
}

#[tokio::test]
async fn pages_hold_each_sleeper_once() {
    let fixture = Fixture::new().await;
    let mut all = Vec::new();
    for number in 0..7_u8 {
        let mut one = copy();
        one.key.tx_no = notification::TxNo::from_parts(1_700_000_000_000, [number; 10]);
        // Several of one flush are due at the same millisecond.
        fixture.attempt(&one, again(i64::from(number / 3))).await;
        all.push(one.key.tx_no);
    }
    fixture.pass_to(NOW + MINUTE);
    let (mut found, mut behind) = (Vec::new(), None);
    loop {
        let mut db = fixture.database.read().await.unwrap();
        let next = page(&mut db, behind.as_ref(), NOW + MINUTE, 2)
            .await
            .unwrap();
        found.extend(next.iter().map(|one| one.key.tx_no));
        match next.into_iter().last() {
            Some(last) => behind = Some(last),
            None => break,
        }
    }
    found.sort_unstable();
    assert_eq!(found, all);
}
