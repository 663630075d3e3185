//! The process's spans on their way to its collector.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;

use super::batch::Batches;
use super::{Config, Span};

static TOLD: OnceLock<Told> = OnceLock::new();

#[derive(Debug)]
struct Told {
    batches: Arc<Batches>,
    sample: f64,
}

/// What sends the process's spans.
#[derive(Debug)]
pub struct Exporter(Arc<Batches>);

impl Exporter {
    /// Sends the process's spans to the configured collector from now on, as this service's; `None` if there is none.
    /// The runtime that it is called on has to last as long as the exporter.
    ///
    /// # Errors
    /// As [`Config::check`]; or spans are sent already.
    pub fn start(config: &Config, service: &str) -> anyhow::Result<Option<Self>> {
        config.check()?;
        let Some(given) = &config.otlp else {
            return Ok(None);
        };
        let worker = crate::worker::name();
        let batches = Arc::new(Batches::start(&traces(given)?, service, worker)?);
        let told = Told {
            batches: batches.clone(),
            sample: config.sample,
        };
        anyhow::ensure!(TOLD.set(told).is_ok(), "spans are sent already");
        Ok(Some(Self(batches)))
    }

    /// Sends what waits, for so long at most. What ends afterwards is told to nobody.
    pub async fn finish(self, within: Duration) {
        let finishing = tokio::task::spawn_blocking(move || self.0.finish(within));
        match finishing.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::info!(event = "spans_left_unsent", %error),
            Err(error) => tracing::info!(event = "spans_left_unsent", %error),
        }
    }
}

/// Where spans go below the collector's address.
fn traces(given: &str) -> anyhow::Result<String> {
    let refused =
        || format!("telemetry.otlp: {given:?} is refused: http://host:port or https://host:port");
    let url = format!("{}/v1/traces", given.trim_end_matches('/'));
    let url = reqwest::Url::parse(&url).with_context(refused)?;
    anyhow::ensure!(matches!(url.scheme(), "http" | "https"), refused());
    Ok(url.into())
}

pub(super) fn check(given: &str) -> anyhow::Result<()> {
    traces(given).map(|_| ())
}

pub(super) fn is_on() -> bool {
    TOLD.get().is_some()
}

pub(super) fn sample() -> Option<f64> {
    TOLD.get().map(|told| told.sample)
}

pub(super) fn tell(span: Span) {
    if let Some(told) = TOLD.get() {
        told.batches.take(span);
    }
}
