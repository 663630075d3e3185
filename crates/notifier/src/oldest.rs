//! Tells of endpoints whose oldest undelivered notification has waited for too long.
//!
//! Each alarm has its cause told elsewhere: an endpoint that fails, a breaker, a sleeper that was lost. This one asks
//! only what the receiver would ask, whatever the cause is: is there something that it should know since long ago? So
//! it tells of paused and disabled endpoints too, of a ladder that is longer than the bound, and of what waits behind
//! a crowd. An endpoint is told of once, and once more when nothing of it has waited for so long any more.

use std::collections::BTreeSet;
use std::time::Duration;

use notification::EndpointId;
use service::shutdown::Shutdown;

use crate::alarm;
use crate::record::Record;
use crate::record::failure::Failure;
use crate::record::oldest::{self, Waiting};

/// The longest time between two looks: each goes over all that waits.
const INTERVAL: Duration = Duration::from_secs(300);

/// Looks for what has waited for too long.
pub(crate) struct Oldest {
    pub record: Record,
    /// See [`crate::Settings::oldest_waiting`]; zero: nobody looks.
    pub bound: Duration,
}

impl Oldest {
    /// Runs until the soft phase begins.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        if self.bound.is_zero() {
            return;
        }
        let soft = shutdown.soft();
        let mut told = Told::default();
        let interval = (self.bound / 4).min(INTERVAL);
        while soft
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            match self.look().await {
                Ok(found) => tell(&told.news(found), self.record.now_ms()),
                Err(error) => tracing::info!(event = "oldest_not_looked_for", %error),
            }
        }
    }

    async fn look(&self) -> Result<Vec<Waiting>, Failure> {
        let bound_ms = service::clock::millis(self.bound);
        let before_ms = self.record.now_ms().saturating_sub(bound_ms);
        let database = self.record.database();
        let found = database.in_time(async {
            let mut db = database.read().await?;
            oldest::seen_before(&mut db, before_ms).await
        });
        Ok(found.await?)
    }
}

fn tell(news: &News, now_ms: i64) {
    for waiting in &news.begun {
        let age_ms = now_ms - waiting.oldest_ms;
        alarm::oldest_waiting(&waiting.endpoint, waiting.count, age_ms);
    }
    for endpoint in &news.over {
        alarm::oldest_waiting_over(endpoint);
    }
}

/// Whom was told of and is not over.
#[derive(Debug, Default)]
struct Told(BTreeSet<EndpointId>);

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
struct News {
    begun: Vec<Waiting>,
    over: Vec<EndpointId>,
}

impl Told {
    /// Takes in what a look has found.
    fn news(&mut self, found: Vec<Waiting>) -> News {
        let now: BTreeSet<EndpointId> = found.iter().map(|one| one.endpoint.clone()).collect();
        let before = std::mem::replace(&mut self.0, now);
        News {
            over: before.difference(&self.0).cloned().collect(),
            begun: found
                .into_iter()
                .filter(|one| !before.contains(&one.endpoint))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(endpoint: &str) -> Waiting {
        Waiting {
            endpoint: endpoint.parse().unwrap(),
            count: 1,
            oldest_ms: 1,
        }
    }

    #[test]
    fn an_endpoint_is_told_of_once_and_again_after_its_end() {
        let mut told = Told::default();
        let news = |begun: &[&str], over: &[&str]| News {
            begun: begun.iter().map(|id| waiting(id)).collect(),
            over: over.iter().map(|id| id.parse().unwrap()).collect(),
        };
        assert_eq!(told.news(vec![]), news(&[], &[]));
        let both = || vec![waiting("a"), waiting("b")];
        assert_eq!(told.news(both()), news(&["a", "b"], &[]));
        assert_eq!(told.news(both()), news(&[], &[]));
        assert_eq!(told.news(vec![waiting("b")]), news(&[], &["a"]));
        assert_eq!(told.news(both()), news(&["a"], &[]));
        assert_eq!(told.news(vec![]), news(&[], &["a", "b"]));
    }
}
