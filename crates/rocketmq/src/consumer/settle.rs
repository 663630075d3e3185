//! The calls that change a message's fate at the broker, one message each.

use std::time::Duration;

use rocketmq_wire::{resource, v2};

use super::Core;
use super::lease::Lease;
use crate::call::check;
use crate::error::Error;
use crate::session::wire_span;

/// Whether a change of the invisible time leaves the broker's attempt counter alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspend {
    Yes,
    No,
}

/// Hides the message for `time` from now; the new receipt handle. `time` is 0 to 12 h.
pub(super) async fn change_invisible(
    core: &Core,
    lease: &Lease,
    handle: String,
    time: Duration,
    suspend: Suspend,
    timeout: Duration,
) -> Result<String, Error> {
    const OPERATION: &str = "change invisible duration";
    let request = v2::ChangeInvisibleDurationRequest {
        group: Some(resource(&core.config.group)),
        topic: Some(resource(&lease.topic)),
        receipt_handle: handle,
        invisible_duration: Some(wire_span(time)),
        message_id: lease.message_id.clone(),
        lite_topic: None,
        suspend: Some(suspend == Suspend::Yes),
    };
    let reply = core
        .caller
        .call(
            OPERATION,
            &lease.address,
            timeout,
            request,
            |mut service, request| async move { service.change_invisible_duration(request).await },
        )
        .await?;
    check(OPERATION, reply.status.as_ref())?;
    Ok(reply.receipt_handle)
}

/// Moves the message to the group's dead-letter topic, which also acks it.
pub(super) async fn forward(
    core: &Core,
    lease: &Lease,
    handle: String,
    attempt: u32,
) -> Result<(), Error> {
    const OPERATION: &str = "forward to dead-letter queue";
    let most = core
        .policy
        .borrow()
        .as_ref()
        .map_or(0, |policy| policy.max_attempts);
    let request = v2::ForwardMessageToDeadLetterQueueRequest {
        group: Some(resource(&core.config.group)),
        topic: Some(resource(&lease.topic)),
        receipt_handle: handle,
        message_id: lease.message_id.clone(),
        delivery_attempt: i32::try_from(attempt).unwrap_or(i32::MAX),
        max_delivery_attempts: i32::try_from(most).unwrap_or(i32::MAX),
        lite_topic: None,
    };
    let reply = core
        .caller
        .call(
            OPERATION,
            &lease.address,
            core.caller.timeout(),
            request,
            |mut service, request| async move {
                service.forward_message_to_dead_letter_queue(request).await
            },
        )
        .await?;
    check(OPERATION, reply.status.as_ref())
}
