//! What has waited since before a time, and what has not.

use super::super::oldest::{Waiting, seen_before};
use super::*;

const HOUR: i64 = 3_600_000;

impl Fixture {
    async fn waiting_since_before(&self, before_ms: i64) -> Vec<Waiting> {
        let mut db = self.database.read().await.unwrap();
        seen_before(&mut db, before_ms).await.unwrap()
    }
}

#[tokio::test]
async fn what_waits_counts_from_its_first_sight_until_it_is_delivered() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.waiting_since_before(NOW + HOUR).await, []);
    fixture.attempt(&copy(), again(HOUR)).await;
    assert_eq!(fixture.waiting_since_before(NOW - HOUR).await, []);
    let found = fixture.waiting_since_before(NOW + HOUR).await;
    let [one] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(one.count, 1);
    assert!((NOW..NOW + HOUR).contains(&one.oldest_ms), "{one:?}");
    // A further attempt makes it no younger.
    fixture.hand.advance(std::time::Duration::from_secs(7200));
    fixture.attempt(&copy(), again(HOUR)).await;
    assert_eq!(fixture.waiting_since_before(NOW + HOUR).await, found);
    fixture.attempt(&copy(), Then::Delivered).await;
    assert_eq!(fixture.waiting_since_before(NOW + HOUR).await, []);
}
