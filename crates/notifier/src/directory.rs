//! Every endpoint there is just now, and the lane of each.
//!
//! Some are defined in the configuration, for as long as the process lives; the others in the
//! table `endpoint`, which also says of both whether they may be rung. [`refresh`] keeps the
//! directory as the table has it.
//!
//! Whoever carries a copy looks its endpoint up at that moment and uses what it found for one
//! attempt: an [`Endpoint`] is a snapshot that never changes. A change of settings replaces the
//! snapshot and leaves the [`Line`] with its lane in place, so that what waits there goes on
//! waiting and is then treated by the new settings.

mod refresh;
pub(crate) mod settings;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use notification::api::endpoint::ClockShown;
use notification::{EndpointId, Invalid, Ladder, Operation};
use tokio::sync::Notify;

use crate::alarm::{self, Seldom};
use crate::breaker::Health;
use crate::config::{Config, EndpointConfig};
use crate::copy::Key;
use crate::egress::Egress;
use crate::endpoint::Endpoint;
use crate::failing::{Failing, News};
use crate::lane::Lane;
use crate::metrics::LineMeters;
use crate::sealing::Sealing;

use self::settings::Unusable;
use self::table::Row;

pub(crate) use self::refresh::Refresher;

/// The endpoints by their ids; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: RwLock<Lines>,
    /// What the configuration defines.
    from_file: BTreeMap<EndpointId, EndpointConfig>,
    maker: Maker,
    unknown_alarm: Seldom,
    changed_here: Notify,
}

#[derive(Debug, Default)]
struct Lines {
    by_id: BTreeMap<EndpointId, Arc<Line>>,
    /// Those of the table that can't be used, and why.
    unusable: BTreeMap<EndpointId, String>,
}

/// Makes endpoints ready.
#[derive(Debug)]
struct Maker {
    /// Replaces each endpoint's own.
    ladder: Option<Ladder>,
    egress: Egress,
    sealing: Sealing,
}

/// Keeps the alarm that an endpoint is disabled rare, and its end true.
#[derive(Debug, Default)]
struct Disabled {
    alarm: Seldom,
    /// The revision of the endpoint that was told to be disabled; 0: none, or the end was told too.
    told: AtomicI64,
}

/// One endpoint as it is now, and its lane, which outlives changes of the endpoint's settings.
#[derive(Debug)]
pub(crate) struct Line {
    pub lane: Lane,
    /// Keeps the alarm about the receiver's clock rare.
    pub skew_alarm: Seldom,
    disabled: Disabled,
    /// Keeps the alarm about an address that may not be rung rare.
    pub egress_alarm: Seldom,
    /// Keeps the alarm about messages with a URL outside of what is allowed rare.
    pub url_alarm: Seldom,
    failing: Mutex<Failing>,
    clock: Mutex<Option<ClockShown>>,
    pub meters: LineMeters,
    id: EndpointId,
    endpoint: RwLock<Arc<Endpoint>>,
}

impl Directory {
    /// The endpoints that the configuration names.
    ///
    /// # Errors
    /// One of them can't be made ready: see [`Endpoint::new`].
    pub(crate) fn new(config: &Config, egress: Egress, sealing: Sealing) -> Result<Self, Invalid> {
        let maker = Maker {
            ladder: config.ladder.clone(),
            egress,
            sealing,
        };
        let mut lines = Lines::default();
        let mut from_file = BTreeMap::new();
        for endpoint in &config.endpoints {
            let line = Line::new(maker.ready(endpoint)?, endpoint);
            lines.by_id.insert(endpoint.id.clone(), Arc::new(line));
            from_file.insert(endpoint.id.clone(), endpoint.clone());
        }
        Ok(Self(Arc::new(Shared {
            lines: RwLock::new(lines),
            from_file,
            maker,
            unknown_alarm: Seldom::default(),
            changed_here: Notify::new(),
        })))
    }

    /// The line of an endpoint; `None` if there is no such endpoint just now.
    pub(crate) fn line(&self, id: &EndpointId) -> Option<Arc<Line>> {
        let lines = self.0.lines.read().unwrap_or_else(PoisonError::into_inner);
        lines.by_id.get(id).cloned()
    }

    /// All of them, by id.
    pub(crate) fn lines(&self) -> Vec<Arc<Line>> {
        let lines = self.0.lines.read().unwrap_or_else(PoisonError::into_inner);
        lines.by_id.values().cloned().collect()
    }

    /// What the configuration says of an endpoint, if it defines it.
    pub(crate) fn in_file(&self, id: &EndpointId) -> Option<&EndpointConfig> {
        self.0.from_file.get(id)
    }

    /// Everything that the configuration defines, by id.
    pub(crate) fn all_in_file(&self) -> impl Iterator<Item = &EndpointConfig> {
        self.0.from_file.values()
    }

    /// Why an endpoint of the table can't be used here, if it can't.
    pub(crate) fn unusable(&self, id: &EndpointId) -> Option<String> {
        let lines = self.0.lines.read().unwrap_or_else(PoisonError::into_inner);
        lines.unusable.get(id).cloned()
    }

    /// Makes settings ready as the refresh will: what fails here would fail there, or could not be
    /// rung.
    pub(crate) fn try_out(&self, config: &EndpointConfig) -> Result<Endpoint, Invalid> {
        let maker = &self.0.maker;
        maker.egress.check(&config.id, &config.parsed_url()?)?;
        maker.ready(config)
    }

    /// What the table's texts are sealed with.
    pub(crate) fn sealing(&self) -> &Sealing {
        &self.0.maker.sealing
    }

    /// Keeps the alarm about messages for unknown endpoints rare.
    pub(crate) fn unknown_alarm(&self) -> &Seldom {
        &self.0.unknown_alarm
    }

    /// Rung by whoever has changed the table in this process.
    pub(crate) fn changed_here(&self) -> &Notify {
        &self.0.changed_here
    }

    /// Takes over what the table holds now. Lines of endpoints that stay keep their lanes, and
    /// endpoints that did not change their snapshots.
    fn apply(&self, rows: Vec<Row>) {
        let shared = &self.0;
        let rows: BTreeMap<EndpointId, Row> =
            rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut next = Lines::default();
        for (id, config) in &shared.from_file {
            let row = rows.get(id);
            if row.is_some_and(|row| row.defined.is_some()) {
                alarm::endpoint_defined_twice(id);
            }
            let made = || Ok((shared.maker.ready(config)?, config.clone()));
            self.carry_over(&mut next, id, row, made);
        }
        for (id, row) in &rows {
            if let Some(defined) = &row.defined
                && !shared.from_file.contains_key(id)
            {
                let made = || {
                    let config = settings::open(id, defined, &shared.maker.sealing)?;
                    Ok((shared.maker.ready(&config)?, config))
                };
                self.carry_over(&mut next, id, Some(row), made);
            }
        }
        let mut lines = shared.lines.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *lines, next);
        let taken_away = before
            .by_id
            .iter()
            .filter(|(id, _)| !lines.by_id.contains_key(*id));
        taken_away.for_each(|(_, line)| line.disabled_is_over());
    }

    /// Tells of endpoints that are disabled no more. Asked again and again: a message that met its endpoint just before it was
    /// enabled may tell of it just after.
    fn mind_enabled(&self) {
        let lines = self.0.lines.read().unwrap_or_else(PoisonError::into_inner);
        lines.by_id.values().for_each(|line| line.mind_enabled());
    }

    /// One endpoint's line into the lines to come.
    fn carry_over(
        &self,
        next: &mut Lines,
        id: &EndpointId,
        row: Option<&Row>,
        made: impl FnOnce() -> Result<(Endpoint, EndpointConfig), Unusable>,
    ) {
        let line = self.line(id);
        let revision = row.map_or(0, |row| row.revision);
        if let Some(line) = &line
            && line.endpoint().revision == revision
        {
            next.by_id.insert(id.clone(), line.clone());
            if let Some(why) = self.unusable(id) {
                next.unusable.insert(id.clone(), why);
            }
            return;
        }
        let line = match (made(), line) {
            (Ok((endpoint, config)), Some(line)) => {
                line.replace(endpoint.operated(row), &config);
                line
            }
            (Ok((endpoint, config)), None) => Arc::new(Line::new(endpoint.operated(row), &config)),
            (Err(error), line) => {
                alarm::endpoint_unusable(id, &error);
                next.unusable.insert(id.clone(), error.to_string());
                // The settings that were known last; whether it may be rung is known all the same.
                let Some(line) = line else { return };
                let known = Endpoint::clone(&line.endpoint());
                line.put(known.operated(row));
                line
            }
        };
        next.by_id.insert(id.clone(), line);
    }
}

impl Maker {
    fn ready(&self, config: &EndpointConfig) -> Result<Endpoint, Invalid> {
        Endpoint::new(config, self.ladder.as_ref(), &self.egress)
    }
}

impl Endpoint {
    /// As the table says that it is operated; open if it says nothing.
    fn operated(mut self, row: Option<&Row>) -> Self {
        self.operation = row.map_or(Operation::Open, |row| row.operation);
        self.operation_since_ms = row.map_or(0, |row| row.operation_ms);
        self.revision = row.map_or(0, |row| row.revision);
        self
    }
}

impl Line {
    fn new(endpoint: Endpoint, config: &EndpointConfig) -> Self {
        Self {
            lane: Lane::new(config.lane_limits()),
            skew_alarm: Seldom::default(),
            disabled: Disabled::default(),
            egress_alarm: Seldom::default(),
            url_alarm: Seldom::default(),
            failing: Mutex::default(),
            clock: Mutex::default(),
            meters: LineMeters::default(),
            id: endpoint.id.clone(),
            endpoint: RwLock::new(Arc::new(endpoint)),
        }
    }

    /// Whose line it is.
    pub(crate) fn id(&self) -> &EndpointId {
        &self.id
    }

    /// There is a message for it, and it is disabled.
    pub(crate) fn met_disabled(&self, disabled: &Endpoint, key: &Key, now_ms: i64) {
        if self.disabled.alarm.is_due(now_ms) {
            alarm::endpoint_disabled(&self.id, key);
            self.disabled
                .told
                .store(disabled.revision, Ordering::Relaxed);
        }
    }

    /// Its receiver is gone: a rule has disabled it, as this revision of it.
    pub(crate) fn gone(&self, revision: i64, why: &str) {
        alarm::endpoint_gone(&self.id, why);
        self.disabled.told.store(revision, Ordering::Relaxed);
    }

    /// Tells the end of that if it was told and has come.
    fn mind_enabled(&self) {
        let (told, endpoint) = (self.disabled.told.load(Ordering::Relaxed), self.endpoint());
        // A revision that was not read yet says nothing.
        let is_over = endpoint.operation != Operation::Disabled && endpoint.revision >= told;
        if told != 0 && is_over {
            self.disabled_is_over();
        }
    }

    fn disabled_is_over(&self) {
        if self.disabled.told.swap(0, Ordering::Relaxed) != 0 {
            alarm::endpoint_enabled(&self.id);
        }
    }

    /// Takes in how an attempt ended; tells what there is to tell of it.
    pub(crate) fn heard(&self, health: Health, now_ms: i64) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let news = match health {
            Health::Well => failing.well(now_ms),
            Health::Refusing | Health::Silent => failing.failed(now_ms),
        };
        drop(failing);
        match news {
            Some(News::Failing { since_ms, attempts }) => {
                alarm::endpoint_failing(&self.id, now_ms - since_ms, attempts);
            }
            Some(News::Recovered { after_ms }) => alarm::endpoint_recovered(&self.id, after_ms),
            None => {}
        }
    }

    /// Takes in what the receiver's clock said.
    pub(crate) fn tells_the_time(&self, clock: ClockShown) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock);
    }

    /// The receiver's clock as it was read last.
    pub(crate) fn clock(&self) -> Option<ClockShown> {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The endpoint as it is now.
    pub(crate) fn endpoint(&self) -> Arc<Endpoint> {
        let endpoint = self.endpoint.read().unwrap_or_else(PoisonError::into_inner);
        endpoint.clone()
    }

    /// Other settings, also for the lane.
    fn replace(&self, endpoint: Endpoint, config: &EndpointConfig) {
        self.put(endpoint);
        self.lane.resize(config.lane_limits());
    }

    fn put(&self, endpoint: Endpoint) {
        let mut current = self
            .endpoint
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(endpoint);
    }
}
