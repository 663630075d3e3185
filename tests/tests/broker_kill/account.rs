//! What there is at the end, against what was promised.

use std::collections::HashSet;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::load::{End, Notes, body, client, consumer};
use crate::{AUDITOR, NORMAL, PATIENCE, TRANSACTIONAL};

/// Nothing came for so long: there is nothing more.
const QUIET: Duration = Duration::from_secs(8);

/// Reads everything that is visible, with a group that has read nothing before.
pub(crate) async fn audit(address: &str) -> HashSet<String> {
    let client = client(address, "auditor");
    let mut found = HashSet::new();
    for topic in [NORMAL, TRANSACTIONAL] {
        let consumer = consumer(&client, AUDITOR, topic).await;
        let (mut acks, mut patience) = (JoinSet::new(), PATIENCE);
        while let Ok(Some(batch)) = tokio::time::timeout(patience, consumer.next()).await {
            patience = QUIET;
            for delivery in batch {
                found.insert(body(&delivery.message().body));
                acks.spawn(delivery.ack());
            }
        }
        while let Some(acked) = acks.join_next().await {
            acked.unwrap().unwrap();
        }
        consumer.close().await;
    }
    found
}

/// Every promise, one by one.
pub(crate) fn check(notes: &Notes, visible: &HashSet<String>) {
    let book = notes.book();
    let lost: Vec<_> = book.sent.difference(visible).collect();
    assert!(lost.is_empty(), "acknowledged and not visible: {lost:?}");
    for (id, end) in &book.held {
        let (seen, asked) = (visible.contains(id), book.asked_about.contains(id));
        let kept = match end {
            End::Committed => seen,
            End::CommitAsked => seen || asked,
            End::RollbackAsked => !seen,
            End::None => asked && !seen,
        };
        assert!(
            kept,
            "half {id}: {end:?}, visible: {seen}, asked about: {asked}"
        );
    }
    assert!(
        book.outstanding.is_empty(),
        "received, not acked and not delivered again: {:?}",
        book.outstanding
    );
    let unheard_of: Vec<_> = book.acked.difference(visible).collect();
    assert!(
        unheard_of.is_empty(),
        "a worker got what is not visible: {unheard_of:?}"
    );
}
