//! One poll after another at one broker: permit, receive, deliver.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rocketmq_wire::v2::receive_message_response::Content;
use rocketmq_wire::{limits, resource, v2};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Core;
use super::delivery::Delivery;
use super::rush::Rush;
use crate::address::Address;
use crate::body;
use crate::call::check;
use crate::clock::millis;
use crate::error::{Error, ErrorKind};
use crate::message::ReceivedMessage;
use crate::session::{Sessions, filter, wire_span};

const OPERATION: &str = "receive";
/// What a poll's deadline has beyond its long poll: what servers want to have left, and a second.
const MARGIN: Duration = Duration::from_secs(6);
/// An empty answer that comes sooner than this was no long poll; the next one waits a little.
const TOO_SOON: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A body below this is much less than the buffer that it came in, bytes.
const SMALL: usize = 4096;

/// One broker's messages for the group.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    /// Of broker and queue.
    pub(super) name: String,
    pub(super) queue: v2::MessageQueue,
    pub(super) addresses: Vec<Address>,
}

/// When it polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polls {
    Always,
    /// Only while there is more than the others bring.
    InARush,
}

/// One of an assignment's.
#[derive(Debug, Clone)]
pub(super) struct Poller {
    /// Of several endpoints of the broker it prefers this one, so that a consumer's polls spread over
    /// them.
    pub(super) turn: usize,
    pub(super) polls: Polls,
    /// Shared by the assignment's.
    pub(super) rush: Rush,
}

/// Polls until told to stop: by the consumer, or because the assignment is gone.
pub(super) async fn poll_until_stopped(
    core: Arc<Core>,
    sessions: Sessions,
    mut assignment: Assignment,
    poller: Poller,
    deliver: mpsc::Sender<Vec<Delivery>>,
    stop: CancellationToken,
) {
    let turn = poller.turn % assignment.addresses.len().max(1);
    assignment.addresses.rotate_left(turn);
    let mut failures = 0u32;
    // Everything but the poll itself may be cut off.
    while let Some(Some((permit, address))) = stop
        .run_until_cancelled(prepare(&core, &sessions, &assignment, &poller))
        .await
    {
        let (began, asked) = (Instant::now(), permit.num_permits());
        let poll = receive(&core, &assignment.queue, &address, permit).await;
        let empty = poll.deliveries.is_empty();
        let full = poll.deliveries.len() == asked;
        poller.rush.found(full);
        if poll.outcome.is_ok() && !full {
            core.lookout.drained(&assignment.name);
        }
        if !empty {
            // Never waits (see `Consumer::start`); fails when the consumer was dropped, and then the
            // messages come back after their lease.
            let _ = deliver.send(poll.deliveries).await;
        }
        let pause = match poll.outcome {
            Ok(()) => {
                failures = 0;
                if empty && began.elapsed() < TOO_SOON {
                    FIRST_PAUSE
                } else {
                    Duration::ZERO
                }
            }
            Err(error) => {
                if error.kind() == &ErrorKind::NotRegistered {
                    sessions.open(&address).send_settings_again();
                }
                failures = failures.saturating_add(1);
                if error.is_to_be_told(failures) {
                    let (group, topic) = (&core.config.group, &core.config.topic);
                    tracing::warn!(event = "receive_failed", %address, group, topic, failures, %error);
                }
                let pause = FIRST_PAUSE * 2u32.saturating_pow(failures.min(10));
                pause
                    .min(LONGEST_PAUSE)
                    .mul_f64(0.5 + fastrand::f64() / 2.0)
            }
        };
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// What a poll needs first: an endpoint that knows this client, and permits. `None` when the
/// consumer is gone.
///
/// A busy consumer's permits come back one by one; polling for each alone would make a request of
/// every message. So a batch is waited for, but never for more than a sixteenth of all permits.
async fn prepare(
    core: &Core,
    sessions: &Sessions,
    assignment: &Assignment,
    poller: &Poller,
) -> Option<(OwnedSemaphorePermit, Address)> {
    if poller.polls == Polls::InARush {
        poller.rush.is_on().await;
    }
    let ordered = core.caller.shared.endpoints.in_order(&assignment.addresses);
    let address = registered(sessions, &ordered.addresses).await?;
    let (all, batch) = (core.config.permits, core.config.batch);
    let first = u32::try_from((all / 16).clamp(1, batch)).ok()?;
    let mut permit = Arc::clone(&core.permits)
        .acquire_many_owned(first)
        .await
        .ok()?;
    let more = (batch - permit.num_permits().min(batch)).min(core.permits.available_permits());
    if let Ok(more @ 1..) = u32::try_from(more)
        && let Ok(more) = Arc::clone(&core.permits).try_acquire_many_owned(more)
    {
        permit.merge(more);
    }
    Some((permit, address))
}

/// The first endpoint, in this order, whose server knows this client.
async fn registered(sessions: &Sessions, ordered: &[Address]) -> Option<Address> {
    let waiting = ordered.iter().map(|address| {
        let session = sessions.open(address);
        Box::pin(async move {
            session.ready().await;
            address.clone()
        })
    });
    // In order: among those that are ready at once, `select_all` takes the first.
    let waiting: Vec<_> = waiting.collect();
    if waiting.is_empty() {
        return None;
    }
    Some(futures::future::select_all(waiting).await.0)
}

/// What a poll brought: also one that fails at its end may have brought messages before.
struct Poll {
    deliveries: Vec<Delivery>,
    outcome: Result<(), Error>,
}

/// One poll, never cut off: it ends by the server's answer or by its deadline.
async fn receive(
    core: &Arc<Core>,
    queue: &v2::MessageQueue,
    address: &Address,
    mut permits: OwnedSemaphorePermit,
) -> Poll {
    let mut deliveries = Vec::with_capacity(permits.num_permits());
    let long_poll = core
        .config
        .long_poll
        .clamp(limits::MIN_LONG_POLL, limits::MAX_LONG_POLL);
    let deadline = long_poll + MARGIN;
    let mut request = core.caller.request(v2::ReceiveMessageRequest {
        group: Some(resource(&core.config.group)),
        message_queue: Some(queue.clone()),
        filter_expression: Some(filter(&core.config)),
        batch_size: i32::try_from(permits.num_permits()).unwrap_or(1),
        invisible_duration: Some(wire_span(core.config.lease)),
        auto_renew: false,
        long_polling_timeout: Some(wire_span(long_poll)),
        attempt_id: None,
    });
    request.set_timeout(deadline);
    let mut service = match core.caller.service(OPERATION, address) {
        Ok(service) => service,
        Err(error) => {
            return Poll {
                deliveries,
                outcome: Err(error),
            };
        }
    };
    let streaming = async {
        let mut stream = service.receive_message(request).await?.into_inner();
        let mut status = None;
        let mut from = None;
        while let Some(response) = stream.message().await? {
            // The lease runs from the pop; what came first was sent right after it.
            let from = *from.get_or_insert_with(Instant::now);
            match response.content {
                Some(Content::Status(said)) => status = Some(said),
                Some(Content::Message(message)) => {
                    deliveries.extend(delivery(core, address, message, from, &mut permits));
                }
                Some(Content::DeliveryTimestamp(_)) | None => {}
            }
        }
        Ok(status)
    };
    let answer = tokio::time::timeout(deadline, streaming).await;
    let outcome = core.caller.settle(OPERATION, address, deadline, answer);
    let outcome = outcome.and_then(|status| match &status {
        Some(status) if status.code == i32::from(v2::Code::MessageNotFound) => Ok(()),
        status => check(OPERATION, status.as_ref()),
    });
    Poll {
        deliveries,
        outcome,
    }
}

/// A message with its permit and lease. `None` (and a warning) for one that cannot be settled, for
/// lack of a handle, or that came beyond what was asked for: it comes back after its lease.
fn delivery(
    core: &Arc<Core>,
    address: &Address,
    message: v2::Message,
    from: Instant,
    permits: &mut OwnedSemaphorePermit,
) -> Option<Delivery> {
    let (message, handle) = read(message);
    let (Some(handle), Some(permit)) = (handle, permits.split(1)) else {
        tracing::warn!(event = "message_without_handle_or_permit", message_id = message.message_id, %address);
        return None;
    };
    let lease = core.leases.begin(
        address.clone(),
        message.topic.clone(),
        message.message_id.clone(),
        handle,
        from,
    );
    Some(Delivery::new(Arc::clone(core), message, lease, permit))
}

/// A small body for itself: off the wire it is a part of the buffer in which its whole batch came, which
/// it would keep for as long as it is held.
fn detached(body: Bytes) -> Bytes {
    if body.len() < SMALL {
        return Bytes::copy_from_slice(&body);
    }
    body
}

/// The message off the wire, and its receipt handle.
fn read(message: v2::Message) -> (ReceivedMessage, Option<String>) {
    let system = message.system_properties.unwrap_or_default();
    let (body, body_error) = body::unpack(detached(message.body), system.body_encoding);
    let received = ReceivedMessage {
        topic: message.topic.map(|topic| topic.name).unwrap_or_default(),
        tag: system.tag,
        keys: system.keys,
        properties: message.user_properties,
        body,
        body_error,
        delivery_attempt: u32::try_from(system.delivery_attempt.unwrap_or(1)).unwrap_or(1),
        born_ms: millis(system.born_timestamp.as_ref()),
        store_ms: millis(system.store_timestamp.as_ref()),
        message_id: system.message_id,
    };
    (received, system.receipt_handle)
}
