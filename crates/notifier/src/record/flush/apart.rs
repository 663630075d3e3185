//! A result that the record refuses, tried anew by itself while others are written.

use std::sync::Arc;
use std::time::Duration;

use crate::record::entry::Moved;
use crate::record::writer::{Found, Task, Writer, answer, entries};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Tries until it is durable, or nobody waits for it any more: its message then comes back.
pub(super) async fn retry(writer: Arc<Writer>, task: Task) {
    let mut batch = vec![task];
    let mut wait = FIRST;
    while batch.iter().all(Task::is_awaited) {
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST);
        match writer.look_again(&mut batch).await {
            Ok(Found::AlreadyDurable) => {
                let moved = vec![Moved::No; entries(&batch).len()];
                return answer(batch, moved);
            }
            Ok(Found::Fresh) => {}
            Err(_) => continue,
        }
        match writer.flush(&batch).await {
            Ok(moved) => return answer(batch, moved),
            Err(error) => tracing::debug!(event = "still_refused", %error),
        }
    }
}
