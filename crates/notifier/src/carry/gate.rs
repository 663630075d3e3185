//! Whether a copy's endpoint may be rung just now.
//!
//! It is asked when a copy is about to enter the lane, and again when it leaves it: whoever pauses
//! or disables an endpoint, or takes it away, means what waits there too.

use std::sync::Arc;

use notification::{EndpointId, Operation};

use super::{Carrier, Parcel, millis};
use crate::alarm;
use crate::copy::Copy;
use crate::decide::{self, Decision, ParkReason};
use crate::directory::Line;
use crate::endpoint::{Endpoint, Target};
use crate::lane::Busy;
use crate::parking;

/// A line with its endpoint as it is now.
pub(super) struct Open {
    pub line: Arc<Line>,
    pub endpoint: Arc<Endpoint>,
    pub target: Target,
}

impl Carrier {
    /// Whose lane a copy belongs to; `None` if it should say so and does not.
    fn endpoint_of<'a>(&'a self, copy: &'a Copy) -> Option<&'a EndpointId> {
        let named = copy.content.endpoint.as_ref();
        self.subscription.endpoint.one().or(named)
    }

    /// The same for the record, where a dash stands for nobody.
    pub(super) fn destination(&self, copy: &Copy) -> EndpointId {
        let nobody = || EndpointId::new("-").expect("a dash is a name");
        self.endpoint_of(copy).cloned().unwrap_or_else(nobody)
    }

    /// The lane that would turn this copy away at this moment, and why. Whatever else may be the matter
    /// with its endpoint is [`Carrier::gate`]'s business.
    pub(super) fn refused_at_the_door(&self, copy: &Copy) -> Option<(Arc<Line>, Busy)> {
        let line = self.directory.line(self.endpoint_of(copy)?)?;
        if line.endpoint().operation != Operation::Open {
            return None;
        }
        let busy = line.lane.refuses(self.company())?;
        Some((line, busy))
    }

    /// The endpoint to ring, or what to do instead.
    pub(super) fn gate(&self, parcel: &Parcel) -> Result<Open, Decision> {
        let (now_ms, key) = (self.clock.now_ms(), &parcel.copy.key);
        let row = parcel.standing.as_ref();
        let Some(id) = self.endpoint_of(&parcel.copy) else {
            if self.directory.unknown_alarm().is_due(now_ms) {
                alarm::no_endpoint_named(key);
            }
            return Err(decide::park(ParkReason::NoEndpoint, row));
        };
        let Some(line) = self.directory.line(id) else {
            if self.directory.unknown_alarm().is_due(now_ms) {
                alarm::endpoint_unknown(id, key);
            }
            return Err(decide::park(ParkReason::UnknownEndpoint, row));
        };
        let endpoint = line.endpoint();
        match endpoint.operation {
            Operation::Open => {
                let notify_url = parcel.copy.content.notify_url.as_deref();
                let target = endpoint.target(notify_url).map_err(|outside| {
                    if line.url_alarm.is_due(now_ms) {
                        alarm::notify_url_outside(id, key, &outside);
                    }
                    decide::park(ParkReason::UrlOutside, row)
                })?;
                endpoint.policy.check(&target.url).map_err(|refusal| {
                    if line.egress_alarm.is_due(now_ms) {
                        alarm::address_refused(id, &refusal);
                    }
                    decide::park(ParkReason::AddressRefused, row)
                })?;
                Ok(Open {
                    line,
                    endpoint,
                    target,
                })
            }
            Operation::Paused => {
                let paused_for = millis(now_ms - endpoint.operation_since_ms);
                Err(Decision::Hold(parking::hold(paused_for)))
            }
            Operation::Disabled => {
                line.met_disabled(&endpoint, key, now_ms);
                Err(decide::park(ParkReason::Disabled, row))
            }
        }
    }
}
