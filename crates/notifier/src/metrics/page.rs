//! The page that is scraped: everything that was counted, and the gauges as they are now.

use std::fmt;
use std::sync::Arc;

use notification::{Group, Topic};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::{Kind, Meters, Metric, Spread, Told};
use crate::carry::Permits;
use crate::directory::{Directory, Line};
use crate::lane::LaneView;
use crate::record::Record;

/// OpenMetrics, which Prometheus and whatever speaks like it reads.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A subscription whose counts are shown.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub group: Group,
    pub topic: Topic,
    pub meters: Arc<Meters>,
    pub permits: Permits,
}

/// Where the counts are.
#[derive(Debug)]
pub(crate) struct Sources {
    pub started_ms: i64,
    pub directory: Directory,
    pub subscriptions: Vec<Watched>,
    pub record: Record,
}

/// Writes the page; clones share what it is made of.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(Arc<Registry>);

/// What a lane shows at the moment.
type LaneGauge = fn(&LaneView) -> f64;

impl Metrics {
    pub(crate) fn new(sources: Sources) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(sources));
        Self(Arc::new(registry))
    }

    /// The page, in OpenMetrics text.
    ///
    /// # Errors
    /// None that is known: writing into a text does not fail.
    pub(crate) fn page(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.0)?;
        Ok(page)
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.process(&mut page)?;
        self.endpoints(&mut page)?;
        self.groups(&mut page)?;
        self.record(&mut page)
    }
}

impl Sources {
    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        page.gauges(&super::BUILD, [(version, 1.0)])?;
        page.gauges(&super::STARTED, [(vec![], seconds(self.started_ms))])
    }

    fn endpoints(&self, page: &mut Page<'_>) -> fmt::Result {
        let lines = self.directory.lines();
        let took = lines.iter().flat_map(|line| {
            let with = |verdict| vec![endpoint(line), ("verdict", verdict)];
            line.meters
                .took()
                .map(move |(verdict, took)| (with(verdict), took))
        });
        page.spreads(&super::ATTEMPT, took)?;
        let results = lines.iter().flat_map(|line| {
            let with = |result| vec![endpoint(line), ("result", result)];
            line.meters
                .results()
                .map(move |(result, count)| (with(result), count))
        });
        page.counters(&super::ATTEMPTS, results)?;
        let ages = lines
            .iter()
            .map(|line| (vec![endpoint(line)], &line.meters.age));
        page.spreads(&super::DELIVERY_AGE, ages)?;
        let attempts = lines
            .iter()
            .map(|line| (vec![endpoint(line)], &line.meters.attempts));
        page.spreads(&super::DELIVERY_ATTEMPTS, attempts)?;
        let views: Vec<(&Line, LaneView)> = lines
            .iter()
            .map(|line| (&**line, line.lane.view()))
            .collect();
        let gauges: [(&Metric, LaneGauge); 5] = [
            (&super::LANE_WAITING, |view| count(view.waiting as u64)),
            (&super::LANE_UNDER_WAY, |view| count(view.under_way as u64)),
            (&super::LANE_ASLEEP, |view| count(view.asleep)),
            (&super::LANE_PAUSED, |view| {
                view.paused_for.unwrap_or_default().as_secs_f64()
            }),
            (&super::BREAKER_OPEN, |view| truth(view.open.is_some())),
        ];
        for (metric, value) in gauges {
            let now = views
                .iter()
                .map(|(line, view)| (vec![endpoint(line)], value(view)));
            page.gauges(metric, now)?;
        }
        let operations = lines.iter().map(|line| {
            let operation = line.endpoint().operation.as_str();
            (vec![endpoint(line), ("operation", operation)], 1.0)
        });
        page.gauges(&super::OPERATION, operations)
    }

    fn groups(&self, page: &mut Page<'_>) -> fmt::Result {
        let all = &self.subscriptions;
        let received = all
            .iter()
            .map(|one| (one.labels(), one.meters.received_so_far()));
        page.counters(&super::RECEIVED, received)?;
        let last = all.iter().filter_map(|one| {
            let last_ms = one.meters.last_received_ms()?;
            Some((one.labels(), seconds(last_ms)))
        });
        page.gauges(&super::LAST_RECEIVED, last)?;
        let permits = all
            .iter()
            .map(|one| (one.labels(), count(one.permits.all() as u64)));
        page.gauges(&super::PERMITS, permits)?;
        let in_use = all.iter().map(|one| {
            let used = one.permits.all() - one.permits.free();
            (one.labels(), count(used as u64))
        });
        page.gauges(&super::PERMITS_IN_USE, in_use)?;
        let decisions = all.iter().flat_map(|one| {
            let with = |word| one.labels_and(&[("decision", word)]);
            one.meters
                .decisions()
                .map(move |(word, count)| (with(word), count))
        });
        page.counters(&super::DECISIONS, decisions)?;
        let parks = all.iter().flat_map(|one| {
            let with = |word| one.labels_and(&[("reason", word)]);
            one.meters
                .parks()
                .map(move |(word, count)| (with(word), count))
        });
        page.counters(&super::PARKS, parks)?;
        let settlements = all.iter().flat_map(|one| {
            let with =
                |told: Told, result| one.labels_and(&[("kind", told.as_str()), ("result", result)]);
            let settlements = one.meters.settlements();
            settlements.map(move |(told, result, count)| (with(told, result), count))
        });
        page.counters(&super::SETTLEMENTS, settlements)
    }

    fn record(&self, page: &mut Page<'_>) -> fmt::Result {
        let meters = self.record.meters();
        let up = truth(self.record.health().reason().is_none());
        page.gauges(&super::RECORD_UP, [(vec![], up)])?;
        let waiting = count(self.record.waiting() as u64);
        page.gauges(&super::RECORD_WAITING, [(vec![], waiting)])?;
        page.spreads(&super::FLUSH, [(vec![], &meters.took)])?;
        page.spreads(&super::FLUSH_RESULTS, [(vec![], &meters.results)])?;
        page.counters(&super::FLUSH_FAILURES, [(vec![], meters.failures())])?;
        let outcomes = meters
            .outcomes()
            .map(|(kind, count)| (vec![("kind", kind)], count));
        page.counters(&super::OUTCOMES, outcomes)?;
        let dead = meters.dead_letters();
        let dead = dead.iter().map(|((group, reason), count)| {
            let class = ("class", reason.class().as_str());
            let labels = vec![
                ("group", group.as_str()),
                class,
                ("reason", reason.as_str()),
            ];
            (labels, *count)
        });
        page.counters(&super::DEAD_LETTERS, dead)?;
        let resends = meters
            .resends()
            .map(|(result, count)| (vec![("result", result)], count));
        page.counters(&super::RESENDS, resends)
    }
}

impl Watched {
    fn labels(&self) -> Labels<'_> {
        vec![
            ("group", self.group.as_str()),
            ("topic", self.topic.as_str()),
        ]
    }

    fn labels_and<'a>(&'a self, more: &[(&'static str, &'static str)]) -> Labels<'a> {
        let mut labels = self.labels();
        labels.extend_from_slice(more);
        labels
    }
}

/// A series' labels.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes metrics, each with all its series.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// A counter that never counted is left out, but where it has no labels: there it shows 0.
    fn counters<'l>(
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

    fn gauges<'l>(
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

    fn spreads<'l>(
        &mut self,
        metric: &Metric,
        series: impl IntoIterator<Item = (Labels<'l>, &'l Spread)>,
    ) -> fmt::Result {
        let mut encoder = self.family(metric)?;
        for (labels, spread) in series {
            let Some(histogram) = spread.histogram() else {
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

fn endpoint(line: &Line) -> (&'static str, &str) {
    ("endpoint", line.id().as_str())
}

fn truth(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

fn seconds(ms: i64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "exact until the year 287396")]
    let ms = ms as f64;
    ms / 1000.0
}

fn count(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
