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
use crate::endpoint::Endpoint;
use crate::parking;

/// A line with its endpoint as it is now.
pub(super) struct Open {
    pub line: Arc<Line>,
    pub endpoint: Arc<Endpoint>,
}

impl Carrier {
    /// Whose lane a copy belongs to.
    pub(super) fn endpoint_of(&self, _copy: &Copy) -> &EndpointId {
        &self.subscription.endpoint
    }

    /// The endpoint to ring, or what to do instead.
    pub(super) fn gate(&self, parcel: &Parcel) -> Result<Open, Decision> {
        let id = self.endpoint_of(&parcel.copy);
        let (now_ms, key) = (self.clock.now_ms(), &parcel.copy.key);
        let row = parcel.standing.as_ref();
        let Some(line) = self.directory.line(id) else {
            if self.directory.unknown_alarm().is_due(now_ms) {
                alarm::endpoint_unknown(id, key);
            }
            return Err(decide::park(ParkReason::UnknownEndpoint, row));
        };
        let endpoint = line.endpoint();
        match endpoint.operation {
            Operation::Open => match endpoint.policy.check(&endpoint.url) {
                Ok(()) => Ok(Open { line, endpoint }),
                Err(refusal) => {
                    if line.egress_alarm.is_due(now_ms) {
                        alarm::address_refused(id, &refusal);
                    }
                    Err(decide::park(ParkReason::AddressRefused, row))
                }
            },
            Operation::Paused => {
                let paused_for = millis(now_ms - endpoint.operation_since_ms);
                Err(Decision::Hold(parking::hold(paused_for)))
            }
            Operation::Disabled => {
                if line.disabled_alarm.is_due(now_ms) {
                    alarm::endpoint_disabled(id, key);
                }
                Err(decide::park(ParkReason::Disabled, row))
            }
        }
    }
}
