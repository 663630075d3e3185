//! Keeps sessions with every endpoint of some topics' routes, as the routes change.
//!
//! Only for roles that must be found by the servers (check-backs) before they send anything.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Sessions;
use crate::address::Address;
use crate::error::ErrorKind;

/// How often routes are looked up; the cache asks the servers no more often than it must.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long a session is kept with an endpoint that no route names any more: its broker may restart.
const GONE: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// When a route named an endpoint last.
type Named = HashMap<Address, Instant>;

/// Takes out what no route has named for [`GONE`].
fn gone(named: &mut Named, now: Instant) -> Vec<Address> {
    let gone = named.extract_if(|_, at| now.saturating_duration_since(*at) >= GONE);
    gone.map(|(address, _)| address).collect()
}

impl Sessions {
    /// Starts following the routes of `topics` in the background.
    pub(crate) fn follow(&self, topics: Vec<String>) {
        if topics.is_empty() {
            return;
        }
        let sessions = self.clone();
        self.tasks.spawn(async move {
            let stop = sessions.stop.clone();
            stop.run_until_cancelled(sessions.follow_for_ever(&topics))
                .await;
        });
    }

    async fn follow_for_ever(&self, topics: &[String]) {
        let mut failures = 0u32;
        let mut named = Named::new();
        loop {
            let all = self.look_up(topics, failures, &mut named).await;
            for address in gone(&mut named, Instant::now()) {
                self.end(&address);
            }
            if all {
                failures = 0;
                tokio::time::sleep(INTERVAL).await;
            } else {
                failures = failures.saturating_add(1);
                let pause = FIRST_PAUSE * 2u32.saturating_pow(failures.min(10));
                tokio::time::sleep(
                    pause
                        .min(LONGEST_PAUSE)
                        .mul_f64(0.5 + fastrand::f64() / 2.0),
                )
                .await;
            }
        }
    }

    /// Whether every topic's route was found.
    async fn look_up(&self, topics: &[String], failures: u32, named: &mut Named) -> bool {
        let mut all = true;
        for topic in topics {
            match self.role.caller.route(topic).await {
                Ok(route) => {
                    for address in route.addresses(0) {
                        self.open(&address);
                        named.insert(address, Instant::now());
                    }
                }
                Err(error) => {
                    all = false;
                    if failures == 0 || error.is_to_be_told(failures) {
                        let missing = matches!(error.kind(), ErrorKind::TopicNotFound { .. });
                        if missing {
                            tracing::warn!(event = "topic_missing", topic, failures, %error);
                        } else {
                            tracing::warn!(event = "route_unknown", topic, failures, %error);
                        }
                    }
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_gone_when_no_route_has_named_it_for_a_while() {
        let address = |text| Address::parse(text).unwrap();
        let start = Instant::now();
        let mut named = Named::from([
            (address("a:1"), start),
            (address("b:1"), start + Duration::from_secs(1)),
        ]);
        assert_eq!(gone(&mut named, start + GONE), [address("a:1")]);
        assert!(named.contains_key(&address("b:1")));
    }
}
