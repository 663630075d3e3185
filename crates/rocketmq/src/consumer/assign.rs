//! Which brokers to poll: asked anew now and then, and the polls adjusted to it.
//!
//! A broker that is gone from the answer is polled on for [`LINGER`]: it was most often killed and comes
//! back, and servers tell of its return later than it answers. Then its running polls end by themselves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_wire::{resource, v2};
use tokio::sync::mpsc;
use tokio::time::Instant;
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
/// How often the assignments are asked for. Proxies of 5.5.0 learn within 20 s that a broker is back;
/// this and the age of a route come on top.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long a broker is polled on that no answer names any more.
const LINGER: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is assigned, by broker and queue.
type Assigned = HashMap<String, Assignment>;
/// What is polled, by broker and queue.
type Polled = HashMap<String, Polling>;

/// The polls of one assignment.
#[derive(Debug)]
struct Polling {
    addresses: Vec<Address>,
    /// When an answer named it last.
    named: Instant,
    stop: CancellationToken,
}

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
    polled.retain(|key, polling| {
        let keep = match assigned.get(key) {
            Some(assigned) => assigned.addresses == polling.addresses,
            None => polling.named.elapsed() < LINGER,
        };
        if !keep {
            polling.stop.cancel();
        }
        keep
    });
    let wanted: Vec<_> = polled
        .values()
        .map(|polling| &polling.addresses)
        .chain(assigned.values().map(|assigned| &assigned.addresses))
        .flatten()
        .cloned()
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
        let named = Instant::now();
        let polling = polled.entry(key).or_insert_with(|| {
            let stop = core.stop.child_token();
            let first = fastrand::usize(..=usize::from(u16::MAX));
            for number in 0..core.config.polls {
                polls.spawn(poll_until_stopped(
                    Arc::clone(core),
                    sessions.clone(),
                    assignment.clone(),
                    first + number,
                    deliver.clone(),
                    stop.clone(),
                ));
            }
            Polling {
                addresses: assignment.addresses,
                named,
                stop,
            }
        });
        polling.named = named;
    }
}

/// What is assigned to this consumer, and why that may not be all: asked of one endpoint of each
/// broker in the route, for a proxy may know only its own; proxies that serve several brokers are
/// asked once. All at a time, so that a broker that is away holds up no other.
async fn ask(core: &Core) -> (Assigned, Option<Error>) {
    let route = match core.caller.route(&core.config.topic).await {
        Ok(route) => route,
        Err(error) => return (Assigned::new(), Some(error)),
    };
    let mut places: Vec<&[Address]> = Vec::new();
    for broker in &route.brokers {
        if !places.contains(&broker.addresses.as_slice()) {
            places.push(&broker.addresses);
        }
    }
    let asking = places.into_iter().map(|place| ask_one_of(core, place));
    let mut assigned = Assigned::new();
    let mut failure = None;
    for answer in futures::future::join_all(asking).await {
        match answer {
            Ok(assignments) => assigned.extend(assignments),
            Err(error) => failure = Some(error),
        }
    }
    (assigned, failure)
}

/// Asks one endpoint after the other within one request's deadline, of which each has its share.
async fn ask_one_of(
    core: &Core,
    addresses: &[Address],
) -> Result<Vec<(String, Assignment)>, Error> {
    let request = v2::QueryAssignmentRequest {
        topic: Some(resource(&core.config.topic)),
        group: Some(resource(&core.config.group)),
        endpoints: Some(Address::to_wire(addresses)),
    };
    let deadline = Instant::now() + core.caller.timeout();
    let ordered = core.caller.shared.endpoints.in_order(addresses);
    let mut failure = None;
    for (tried, address) in ordered.addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let reply = core
            .caller
            .call(
                OPERATION,
                address,
                ordered.share(tried, left),
                request.clone(),
                |mut service, request| async move { service.query_assignment(request).await },
            )
            .await;
        let told = reply.and_then(|reply| {
            check(OPERATION, reply.status.as_ref())?;
            Ok(reply.assignments)
        });
        match told {
            Ok(assignments) => {
                let queues = assignments
                    .into_iter()
                    .filter_map(|assigned| assigned.message_queue);
                return Ok(queues.filter_map(|queue| read(queue, addresses)).collect());
            }
            Err(error) if error.is_unreachable() || error.is_of_the_server() => {
                failure = Some(error);
            }
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
    let mut addresses = if named.is_empty() {
        asked.to_vec()
    } else {
        named
    };
    // The order says nothing; the same endpoints in another one are no new assignment.
    addresses.sort();
    let key = format!("{}/{}", broker.name, queue.id);
    Some((key, Assignment { queue, addresses }))
}
