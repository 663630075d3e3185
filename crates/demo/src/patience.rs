//! Waiting for a fact: ask again until it holds or the deadline has passed.
//!
//! A deadline that passes reports what was asked last, so that the line of the table says what was
//! seen instead.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks until the answer is `Ok(Some(_))`. An answer that is an error counts as "not yet": services
/// are being killed while the question is asked.
pub async fn eventually<T, F>(
    what: &str,
    within: Duration,
    mut ask: impl FnMut() -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let deadline = Instant::now() + within;
    loop {
        let last = match ask().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            let last = last.map_or(String::new(), |error| format!(" (last answer: {error:#})"));
            anyhow::bail!("{what}: not within {within:?}{last}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
