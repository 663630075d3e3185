//! What a service's page of metrics is written with: OpenMetrics text, and names that are said once.
//!
//! A service keeps its names in one file, as a list that [`metrics!`](crate::metrics!) makes, its counts at what does the
//! work, and gathers them in a collector when somebody asks. There is nothing global: several services in one process
//! count apart. Reading a page must ask nobody, or it would not answer when something is wrong.

use std::fmt;
use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
pub use prometheus_client::collector::Collector;
pub use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
pub use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::Problem;

/// OpenMetrics, which Prometheus and whatever speaks like it reads.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How a metric is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process starts anew. Its name ends in `_total`.
    Counter,
    /// As it is now.
    Gauge,
    /// Counts by size: `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// As it stands in a query; a unit is its ending.
    pub name: &'static str,
    /// How it is to be read.
    pub kind: Kind,
    /// The labels' names.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// Names metrics: `NAME = "name", Kind, ["label"], "what it says";` and so on, as constants of the caller's and, for its
/// tests, all of them as `ALL`.
#[macro_export]
macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:ident, [$($label:literal),*], $help:literal;)+) => {
        $(
            #[doc = $help]
            pub(crate) const $constant: $crate::metrics::Metric = $crate::metrics::Metric {
                name: $name,
                kind: $crate::metrics::Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )+

        /// All of them, in the order of their page.
        #[cfg(test)]
        pub(crate) const ALL: &[$crate::metrics::Metric] = &[$($constant),+];
    };
}

/// Writes a service's page; clones share what it is made of.
#[derive(Debug, Clone)]
pub struct Registered(Arc<Registry>);

impl Registered {
    /// A page of what this collector gathers.
    pub fn new(collector: impl Collector) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(collector));
        Self(Arc::new(registry))
    }

    /// The page, in OpenMetrics text.
    ///
    /// # Errors
    /// None that is known: writing into a text does not fail.
    fn page(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.0)?;
        Ok(page)
    }
}

impl IntoResponse for &Registered {
    fn into_response(self) -> Response {
        match self.page() {
            Ok(page) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response(),
            Err(error) => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
            }
        }
    }
}

/// A series' labels, each a name and a value.
pub type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes metrics, each with all its series.
#[derive(Debug)]
pub struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    /// What a collector is given to write to.
    pub fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// A counter that never counted is left out, but where it has no labels: there it shows 0.
    ///
    /// # Errors
    /// None that is known: writing into a text does not fail. So it is with the others.
    pub fn counters<'l>(
        &mut self,
        metric: &Metric,
        series: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.family(metric)?;
        for (labels, count) in series {
            if labels.is_empty() {
                encoder.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
            } else if count > 0 {
                let labels = labels.as_slice();
                let mut one = encoder.encode_family(&labels)?;
                one.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    /// As it is now.
    ///
    /// # Errors
    /// As with counters.
    pub fn gauges<'l>(
        &mut self,
        metric: &Metric,
        series: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        let mut encoder = self.family(metric)?;
        for (labels, value) in series {
            if labels.is_empty() {
                encoder.encode_gauge(&value)?;
            } else {
                let labels = labels.as_slice();
                encoder.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    /// Of those in which something was observed.
    ///
    /// # Errors
    /// As with counters.
    pub fn histograms<'l>(
        &mut self,
        metric: &Metric,
        series: impl IntoIterator<Item = (Labels<'l>, Option<&'l Histogram>)>,
    ) -> fmt::Result {
        let mut encoder = self.family(metric)?;
        for (labels, histogram) in series {
            let Some(histogram) = histogram else {
                continue;
            };
            if labels.is_empty() {
                return histogram.encode(encoder);
            }
            let labels = labels.as_slice();
            histogram.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// The format wants the unit and a counter's ending apart from the name.
    fn family<'s>(&'s mut self, metric: &'s Metric) -> Result<MetricEncoder<'s>, fmt::Error> {
        let (kind, ending) = match metric.kind {
            Kind::Counter => (MetricType::Counter, "_total"),
            Kind::Gauge => (MetricType::Gauge, ""),
            Kind::Histogram => (MetricType::Histogram, ""),
        };
        let name = metric.name.strip_suffix(ending).unwrap_or(metric.name);
        let (name, unit) = match name.strip_suffix("_seconds") {
            Some(name) => (name, Some(&Unit::Seconds)),
            None => (name, None),
        };
        self.0.encode_descriptor(name, metric.help, unit, kind)
    }
}

/// 1 or 0.
pub fn truth(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// Unix time, or a span, in seconds.
pub fn seconds(ms: i64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "exact until the year 287396")]
    let ms = ms as f64;
    ms / 1000.0
}

/// A count as a gauge; beyond 4 billion it stands still.
pub fn count(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
