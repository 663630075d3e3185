//! Every metric of the embedded broker's: its name, kind, unit, labels, what it says, and the page that shows them.
//!
//! Commits are counted as they are made. What the broker holds is counted when somebody asks, by a walk over it: scrape it
//! every half a minute, not every second.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use broker::{Broker, Commits, Counter, GroupStats, Stats};
use service::Problem;
use service::metrics::{Collector, DescriptorEncoder, Labels, Page, Registered, count};
use service::shutdown::Shutdown;
use tokio::net::TcpListener;

service::metrics! {
    BUILD = "ringback_broker_build", Gauge, ["version"],
        "Always 1, with the version that runs";
    MESSAGES = "ringback_broker_messages", Gauge, ["topic"],
        "Visible messages that are kept; those of %DLQ%<group> are the group's dead";
    HALVES = "ringback_broker_halves", Gauge, ["topic"],
        "Half messages whose transaction is open";
    READY = "ringback_broker_ready", Gauge, ["group", "topic"],
        "Messages that a group has never received, or that are due again";
    INVISIBLE = "ringback_broker_invisible", Gauge, ["group", "topic"],
        "Messages that a group holds, or has deferred to a later time";
    COMMIT = "ringback_broker_commit_seconds", Histogram, [],
        "How long commits took, from the first request taken up to its being on disk";
    COMMIT_REQUESTS = "ringback_broker_commit_requests", Histogram, [],
        "Requests carried out in one commit; 0 where only time had come for something";
    COMMIT_FAILURES = "ringback_broker_commit_failures_total", Counter, [],
        "Commits that failed, each with all its requests";
}

/// Serves the page until the soft phase; without a listener nothing is served, for ever.
pub(super) fn serve(
    listener: Option<TcpListener>,
    broker: &Broker,
    shutdown: Shutdown,
) -> impl Future<Output = anyhow::Result<()>> + use<> {
    let watched = Watched {
        counter: broker.counter(),
        commits: broker.commits(),
    };
    async move {
        let Some(listener) = listener else {
            return std::future::pending().await;
        };
        let address = listener.local_addr()?;
        tracing::info!(event = "metrics_served", %address);
        let router = Router::new()
            .route("/metrics", get(page))
            .with_state(watched);
        service::http::serve(listener, router, shutdown).await
    }
}

#[derive(Clone)]
struct Watched {
    counter: Counter,
    commits: Arc<Commits>,
}

async fn page(State(watched): State<Watched>) -> Response {
    let commits = watched.commits;
    match watched.counter.count().await {
        Ok(stats) => Registered::new(Moment { stats, commits }).into_response(),
        Err(error) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

/// What is shown at one moment.
#[derive(Debug)]
struct Moment {
    stats: Stats,
    commits: Arc<Commits>,
}

impl Moment {
    fn groups(&self, value: fn(&GroupStats) -> u64) -> impl Iterator<Item = (Labels<'_>, f64)> {
        let groups = self.stats.groups.iter();
        groups.flat_map(move |(group, topics)| {
            topics.iter().map(move |(topic, stats)| {
                let labels = vec![("group", group.as_str()), ("topic", topic.as_str())];
                (labels, count(value(stats)))
            })
        })
    }
}

impl Collector for Moment {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        page.gauges(&BUILD, [(version, 1.0)])?;
        let topics = || self.stats.topics.iter();
        page.gauges(
            &MESSAGES,
            topics().map(|(name, stats)| (vec![("topic", name.as_str())], count(stats.messages))),
        )?;
        page.gauges(
            &HALVES,
            topics().map(|(name, stats)| (vec![("topic", name.as_str())], count(stats.halves))),
        )?;
        page.gauges(&READY, self.groups(|stats| stats.ready))?;
        page.gauges(&INVISIBLE, self.groups(|stats| stats.invisible))?;
        page.histograms(&COMMIT, [(vec![], Some(self.commits.seconds()))])?;
        page.histograms(&COMMIT_REQUESTS, [(vec![], Some(self.commits.requests()))])?;
        page.counters(&COMMIT_FAILURES, [(vec![], self.commits.failures())])
    }
}

#[cfg(test)]
mod tests {
    use service::metrics::Kind;

    use super::ALL;

    const DOCUMENTED: &str = include_str!("../../../../../docs/observability.md");
    const DASHBOARD: &str = include_str!("../../../../../docs/grafana/broker.json");

    #[test]
    fn every_metric_is_documented_and_the_dashboard_asks_for_what_there_is() {
        for metric in ALL {
            let row = format!("| `{}` |", metric.name);
            let row = DOCUMENTED.lines().find(|line| line.starts_with(&row));
            let row = row.unwrap_or_else(|| panic!("{} has no row", metric.name));
            for label in metric.labels {
                assert!(row.contains(&format!("`{label}`")), "{row}: {label}");
            }
            let total = metric.name.ends_with("_total");
            assert_eq!(total, metric.kind == Kind::Counter, "{}", metric.name);
        }
        let words = |text: &'static str| {
            text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .filter(|word| word.starts_with("ringback_broker_"))
        };
        assert!(words(DASHBOARD).count() >= 6);
        for word in words(DASHBOARD).chain(words(DOCUMENTED)) {
            let is_one = ALL
                .iter()
                .any(|metric| match word.strip_prefix(metric.name) {
                    Some("") => true,
                    Some("_bucket" | "_sum" | "_count") => metric.kind == Kind::Histogram,
                    _ => false,
                });
            assert!(is_one, "{word} is no metric");
        }
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(DASHBOARD);
        parsed.unwrap();
    }
}
