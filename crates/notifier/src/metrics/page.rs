//! The page that is scraped: everything that was counted, and the gauges as they are now.

use std::fmt;
use std::sync::Arc;

use notification::{Group, Topic};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use service::metrics::{Labels, Metric, Page, count, seconds, truth};

use super::{Meters, Told};
use crate::carry::Permits;
use crate::directory::{Directory, Line};
use crate::lane::LaneView;
use crate::record::Record;

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

/// What a lane shows at the moment.
type LaneGauge = fn(&LaneView) -> f64;

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
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
                .map(move |(verdict, took)| (with(verdict), took.histogram()))
        });
        page.histograms(&super::ATTEMPT, took)?;
        let results = lines.iter().flat_map(|line| {
            let with = |result| vec![endpoint(line), ("result", result)];
            line.meters
                .results()
                .map(move |(result, count)| (with(result), count))
        });
        page.counters(&super::ATTEMPTS, results)?;
        let ages = lines
            .iter()
            .map(|line| (vec![endpoint(line)], line.meters.age.histogram()));
        page.histograms(&super::DELIVERY_AGE, ages)?;
        let attempts = lines
            .iter()
            .map(|line| (vec![endpoint(line)], line.meters.attempts.histogram()));
        page.histograms(&super::DELIVERY_ATTEMPTS, attempts)?;
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
        page.histograms(&super::FLUSH, [(vec![], meters.took.histogram())])?;
        page.histograms(
            &super::FLUSH_RESULTS,
            [(vec![], meters.results.histogram())],
        )?;
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

fn endpoint(line: &Line) -> (&'static str, &str) {
    ("endpoint", line.id().as_str())
}
