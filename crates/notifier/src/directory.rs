//! Every endpoint there is just now, and the lane of each.
//!
//! Whoever carries a copy looks its endpoint up at that moment and uses what it found for one
//! attempt: an [`Endpoint`] is a snapshot that never changes. A change of settings replaces the
//! snapshot and leaves the [`Line`] with its lane in place, so that what waits there goes on
//! waiting and is then treated by the new settings.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use notification::{EndpointId, Invalid};

use crate::alarm::Seldom;
use crate::config::Config;
use crate::egress::Egress;
use crate::endpoint::Endpoint;
use crate::lane::Lane;

/// The endpoints by their ids; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: RwLock<BTreeMap<EndpointId, Arc<Line>>>,
    unknown_alarm: Seldom,
}

/// One endpoint as it is now, and its lane, which outlives changes of the endpoint's settings.
#[derive(Debug)]
pub(crate) struct Line {
    pub lane: Lane,
    /// Keeps the alarm about the receiver's clock rare.
    pub skew_alarm: Seldom,
    /// Keeps the alarm about messages for a disabled endpoint rare.
    pub disabled_alarm: Seldom,
    /// Keeps the alarm about an address that may not be rung rare.
    pub egress_alarm: Seldom,
    id: EndpointId,
    endpoint: RwLock<Arc<Endpoint>>,
}

impl Directory {
    /// The endpoints that the configuration names.
    ///
    /// # Errors
    /// One of them can't be made ready: see [`Endpoint::new`].
    pub(crate) fn new(config: &Config, egress: &Egress) -> Result<Self, Invalid> {
        let line = |endpoint| {
            let ready = Endpoint::new(endpoint, config.ladder.as_ref(), egress)?;
            let line = Line::new(ready, Lane::new(endpoint.lane_limits()));
            Ok((endpoint.id.clone(), Arc::new(line)))
        };
        let lines = config
            .endpoints
            .iter()
            .map(line)
            .collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(Shared {
            lines: RwLock::new(lines),
            unknown_alarm: Seldom::default(),
        })))
    }

    /// The line of an endpoint; `None` if there is no such endpoint just now.
    pub(crate) fn line(&self, id: &EndpointId) -> Option<Arc<Line>> {
        let lines = self.0.lines.read().unwrap_or_else(PoisonError::into_inner);
        lines.get(id).cloned()
    }

    /// All of them, by id.
    pub(crate) fn lines(&self) -> Vec<Arc<Line>> {
        let lines = self.0.lines.read().unwrap_or_else(PoisonError::into_inner);
        lines.values().cloned().collect()
    }

    /// Keeps the alarm about messages for unknown endpoints rare.
    pub(crate) fn unknown_alarm(&self) -> &Seldom {
        &self.0.unknown_alarm
    }
}

impl Line {
    fn new(endpoint: Endpoint, lane: Lane) -> Self {
        Self {
            lane,
            skew_alarm: Seldom::default(),
            disabled_alarm: Seldom::default(),
            egress_alarm: Seldom::default(),
            id: endpoint.id.clone(),
            endpoint: RwLock::new(Arc::new(endpoint)),
        }
    }

    /// Whose line it is.
    pub(crate) fn id(&self) -> &EndpointId {
        &self.id
    }

    /// The endpoint as it is now.
    pub(crate) fn endpoint(&self) -> Arc<Endpoint> {
        let endpoint = self.endpoint.read().unwrap_or_else(PoisonError::into_inner);
        endpoint.clone()
    }
}
