//! A stage in one process: the embedded broker, a receiver with a script, and notifiers.

mod alarms;
mod proxy;
mod receiver;
mod running;
mod series;
mod world;

use std::time::{Duration, Instant};

pub(crate) use alarms::{Apart, alarms, listen};
pub(crate) use proxy::Proxy;
pub(crate) use receiver::{Behaviour, Call, Receiver};
pub(crate) use running::Running;
pub(crate) use series::counted;
pub(crate) use world::{TOKEN, TOPIC, World, bare, envelope, reach, subscription};

/// The longest that any condition is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}

/// The same for what may take longer by its nature, such as the end of an outage.
pub(crate) async fn within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < patience, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
