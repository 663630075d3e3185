//! `GET /metrics` of an initiator.

use std::fmt;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use service::metrics::{Metric, Page, Registered, count, seconds};

use super::meters::Tally;
use crate::initiator::Initiator;

/// `GET /metrics`: what the initiator counts, for Prometheus. It names no notification.
pub fn metrics_routes(initiator: Initiator) -> Router {
    Router::new()
        .route("/metrics", get(page))
        .with_state(Registered::new(Sources(initiator)))
}

async fn page(State(registered): State<Registered>) -> Response {
    registered.into_response()
}

struct Sources(Initiator);

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources(…)")
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        let shared = self.0.shared();
        let meters = &shared.meters;
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        page.gauges(&super::BUILD, [(version, 1.0)])?;
        counted(&mut page, &super::SENDINGS, &meters.sendings)?;
        page.histograms(&super::COMMIT, [(vec![], Some(&meters.commit))])?;
        counted(&mut page, &super::HALVES, &meters.halves)?;
        counted(&mut page, &super::ENDS, &meters.ends)?;
        counted(&mut page, &super::CHECK_BACKS, &meters.check_backs)?;
        counted(&mut page, &super::RELAYED, &meters.relayed)?;
        let waiting = meters.waiting();
        let now_ms = shared.clock.now_ms();
        page.gauges(&super::WAITING, waiting.map(|many| (vec![], count(many))))?;
        let lag = waiting.map(|_| (vec![], meters.lag(now_ms).as_secs_f64()));
        page.gauges(&super::RELAY_LAG, lag)?;
        let read = shared.freshness.read_ms().map(|ms| (vec![], seconds(ms)));
        page.gauges(&super::FEED_READ, read)
    }
}

/// A counter with one label.
fn counted<const N: usize>(page: &mut Page<'_>, metric: &Metric, tally: &Tally<N>) -> fmt::Result {
    let label = metric.labels.first().copied().unwrap_or_default();
    let series = tally.each();
    page.counters(
        metric,
        series.map(|(word, many)| (vec![(label, word)], many)),
    )
}
