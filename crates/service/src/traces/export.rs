//! The process's spans on their way to its collector.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::batch::Batches;
use super::{Config, Span, traces_url};

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
        let batches = Arc::new(Batches::start(
            traces_url(given)?.as_str(),
            service,
            worker,
        )?);
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
