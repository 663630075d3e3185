//! Which brokers to poll: asked anew now and then, and the polls adjusted to it.
//!
//! A broker that is gone from the answer is polled no more, but its running polls end by themselves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_wire::{resource, v2};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Core;
use super::delivery::Delivery;
use super::poll::{Assignment, poll_until_stopped};
use crate::call::check;
use crate::endpoints::Address;
use crate::error::{Error, ErrorKind};
use crate::session::Sessions;

const OPERATION: &str = "query assignment";
/// How often the assignments are asked for.
const INTERVAL: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is assigned, by broker and queue.
type Assigned = HashMap<String, Assignment>;
/// What is polled, where, and what ends it.
type Polled = HashMap<String, (Vec<Address>, CancellationToken)>;

/// Polls every assigned broker until the consumer is told to stop. What the polls bring goes to
/// `deliver`, of which each poll holds a clone: it closes when the last poll has ended.
pub(super) async fn poll_all(
    core: Arc<Core>,
    sessions: Sessions,
    polls: TaskTracker,
    deliver: mpsc::Sender<Vec<Delivery>>,
) {
    let stop = core.stop.clone();
    let mut polled = Polled::new();
    let mut failures = 0u32;
    while let Some((assigned, failure)) = stop.run_until_cancelled(ask(&core)).await {
        if failure.is_none() {
            let_go(&sessions, &mut polled, &assigned);
        }
        begin(&core, &sessions, &polls, &deliver, &mut polled, assigned);
        let pause = match failure {
            None => {
                failures = 0;
                INTERVAL
            }
            Some(error) => {
                failures = failures.saturating_add(1);
                warn(&core, failures, &error);
                core.caller.shared.routes.doubt(&core.config.topic);
                (FIRST_PAUSE * 2u32.saturating_pow(failures.min(10))).min(LONGEST_PAUSE)
            }
        };
        let pause = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}

fn warn(core: &Core, failures: u32, error: &Error) {
    if !error.is_to_be_told(failures) {
        return;
    }
    let (group, topic) = (&core.config.group, &core.config.topic);
    match error.kind() {
        ErrorKind::TopicNotFound { .. } => tracing::warn!(group, topic, failures, "topic_missing"),
        ErrorKind::GroupNotFound { .. } => tracing::warn!(group, topic, failures, "group_missing"),
        _ => tracing::warn!(group, topic, failures, %error, "assignment_unknown"),
    }
}

/// Tells the polls of what is no longer assigned to stop. Only for a full answer: a broker that is
/// silent for a while is still assigned, and its polls try by themselves.
fn let_go(sessions: &Sessions, polled: &mut Polled, assigned: &Assigned) {
    polled.retain(|key, (addresses, stop)| {
        let same = assigned
            .get(key)
            .is_some_and(|assigned| assigned.addresses == *addresses);
        if !same {
            stop.cancel();
        }
        same
    });
    let wanted: Vec<_> = assigned
        .values()
        .flat_map(|assigned| assigned.addresses.iter().cloned())
        .collect();
    sessions.keep_only(&wanted);
}

/// Begins the polls that are missing.
fn begin(
    core: &Arc<Core>,
    sessions: &Sessions,
    polls: &TaskTracker,
    deliver: &mpsc::Sender<Vec<Delivery>>,
    polled: &mut Polled,
    assigned: Assigned,
) {
    for (key, assignment) in assigned {
        polled.entry(key).or_insert_with(|| {
            let stop = core.stop.child_token();
            for _ in 0..core.config.polls {
                polls.spawn(poll_until_stopped(
                    Arc::clone(core),
                    sessions.clone(),
                    assignment.clone(),
                    deliver.clone(),
                    stop.clone(),
                ));
            }
            (assignment.addresses, stop)
        });
    }
}

/// What is assigned to this consumer, and why that may not be all: asked of one endpoint of each
/// broker in the route, for a proxy may know only its own.
async fn ask(core: &Core) -> (Assigned, Option<Error>) {
    let route = match core.caller.route(&core.config.topic).await {
        Ok(route) => route,
        Err(error) => return (Assigned::new(), Some(error)),
    };
    let mut assigned = Assigned::new();
    let mut failure = None;
    for broker in &route.brokers {
        match ask_one_of(
            core,
            &core.caller.shared.endpoints.in_order(&broker.addresses),
        )
        .await
        {
            Ok(assignments) => assigned.extend(assignments),
            Err(error) => failure = Some(error),
        }
    }
    (assigned, failure)
}

async fn ask_one_of(
    core: &Core,
    addresses: &[Address],
) -> Result<Vec<(String, Assignment)>, Error> {
    let request = v2::QueryAssignmentRequest {
        topic: Some(resource(&core.config.topic)),
        group: Some(resource(&core.config.group)),
        endpoints: Some(Address::to_wire(addresses)),
    };
    let mut failure = None;
    for address in addresses {
        let reply = core
            .caller
            .call(
                OPERATION,
                address,
                core.caller.timeout(),
                request.clone(),
                |mut service, request| async move { service.query_assignment(request).await },
            )
            .await;
        match reply {
            Ok(reply) => {
                check(OPERATION, reply.status.as_ref())?;
                let queues = reply
                    .assignments
                    .into_iter()
                    .filter_map(|assigned| assigned.message_queue);
                return Ok(queues.filter_map(|queue| read(queue, addresses)).collect());
            }
            Err(error) if error.is_unreachable() => failure = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(failure.unwrap_or_else(|| Error::invalid(OPERATION, "route", "a broker without endpoints")))
}

/// An assignment off the wire. Queues of one broker are polled as one by today's servers (id -1);
/// where they come singly, each is polled.
fn read(queue: v2::MessageQueue, asked: &[Address]) -> Option<(String, Assignment)> {
    let broker = queue.broker.as_ref()?;
    let named = broker
        .endpoints
        .as_ref()
        .map(Address::from_wire)
        .unwrap_or_default();
    let addresses = if named.is_empty() {
        asked.to_vec()
    } else {
        named
    };
    let key = format!("{}/{}", broker.name, queue.id);
    Some((key, Assignment { queue, addresses }))
}
