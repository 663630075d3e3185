//! Which brokers to poll: asked anew now and then, and the polls adjusted to it.
//!
//! Each broker is judged by itself, so that one that fails holds up no change of another. One whose
//! addresses have changed is polled at the new ones at once. One that is gone from the answer of the
//! place that used to name it is polled on for [`LINGER`]: it was most often killed and comes back, and
//! servers tell of its return later than it answers. One whose place does not answer is polled on for
//! [`LONGEST_LINGER`]. Running polls end by themselves.

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
use super::poll::{Assignment, Poller, Polls, poll_until_stopped};
use super::rush::Rush;
use crate::address::Address;
use crate::call::check;
use crate::error::{Error, ErrorKind};
use crate::session::Sessions;

const OPERATION: &str = "query assignment";
/// How often the assignments are asked for. Proxies of 5.5.0 learn within 20 s that a broker is back;
/// this and the age of a route come on top.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long a broker is polled on that the place which used to name it names no more.
const LINGER: Duration = Duration::from_secs(120);
/// How long a broker is polled on that nobody names, whoever answers: its place may be gone for good.
const LONGEST_LINGER: Duration = Duration::from_secs(600);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Endpoints that are asked as one.
type Place = Vec<Address>;
/// What is assigned, by broker and queue, and who said so.
type Assigned = HashMap<String, (Assignment, Place)>;
/// What is polled, by broker and queue.
type Polled = HashMap<String, Polling>;

/// The polls of one assignment.
#[derive(Debug)]
struct Polling {
    addresses: Vec<Address>,
    /// Who named it last, and when.
    place: Place,
    named: Instant,
    stop: CancellationToken,
}

/// What one round of questions brought.
#[derive(Debug, Default)]
struct Answers {
    assigned: Assigned,
    /// The places that answered.
    answered: Vec<Place>,
    /// Why that may not be all.
    failure: Option<Error>,
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
    while let Some(answers) = stop.run_until_cancelled(ask(&core)).await {
        let_go(&mut polled, &answers, Instant::now());
        begin(
            &core,
            &sessions,
            &polls,
            &deliver,
            &mut polled,
            answers.assigned,
        );
        core.lookout.watch(polled.keys());
        let wanted: Vec<_> = polled
            .values()
            .flat_map(|polling| &polling.addresses)
            .cloned()
            .collect();
        sessions.keep_only(&wanted);
        let pause = match answers.failure {
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
        ErrorKind::TopicNotFound { .. } => {
            tracing::warn!(event = "topic_missing", group, topic, failures)
        }
        ErrorKind::GroupNotFound { .. } => {
            tracing::warn!(event = "group_missing", group, topic, failures)
        }
        _ => tracing::warn!(event = "assignment_unknown", group, topic, failures, %error),
    }
}

/// Tells the polls to stop of what is assigned at other addresses, or no longer. A broker that is
/// silent for a while is still assigned, and its polls try by themselves.
fn let_go(polled: &mut Polled, answers: &Answers, now: Instant) {
    polled.retain(|key, polling| {
        let unnamed = now.saturating_duration_since(polling.named);
        let keep = match answers.assigned.get(key) {
            Some((assigned, _)) => assigned.addresses == polling.addresses,
            None if answers.tell_of(&polling.place) => unnamed < LINGER,
            None => unnamed < LONGEST_LINGER,
        };
        if !keep {
            polling.stop.cancel();
        }
        keep
    });
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
    for (key, (assignment, place)) in assigned {
        let named = Instant::now();
        let polling = polled.entry(key).or_insert_with(|| {
            let stop = core.stop.child_token();
            let first = fastrand::usize(..=usize::from(u16::MAX));
            let rush = Rush::none();
            for number in 0..core.config.polls + core.config.more_polls {
                let poller = Poller {
                    turn: first + number,
                    polls: match number < core.config.polls {
                        true => Polls::Always,
                        false => Polls::InARush,
                    },
                    rush: rush.clone(),
                };
                polls.spawn(poll_until_stopped(
                    Arc::clone(core),
                    sessions.clone(),
                    assignment.clone(),
                    poller,
                    deliver.clone(),
                    stop.clone(),
                ));
            }
            Polling {
                addresses: assignment.addresses,
                place: Place::new(),
                named,
                stop,
            }
        });
        polling.named = named;
        polling.place = place;
    }
}

/// What is assigned to this consumer: asked of one endpoint of each broker in the route, for a proxy
/// may know only its own; proxies that serve several brokers are asked once. All at a time, so that a
/// broker that is away holds up no other.
async fn ask(core: &Core) -> Answers {
    let mut answers = Answers::default();
    let route = match core.caller.route(&core.config.topic).await {
        Ok(route) => route,
        Err(error) => {
            answers.failure = Some(error);
            return answers;
        }
    };
    let mut places: Vec<Place> = Vec::new();
    for broker in &route.brokers {
        if !places.contains(&broker.addresses) {
            places.push(broker.addresses.clone());
        }
    }
    let asking = places.iter().map(|place| ask_one_of(core, place));
    let told = futures::future::join_all(asking).await;
    for (place, told) in places.iter().zip(told) {
        match told {
            Ok(assignments) => {
                for (key, assignment) in assignments {
                    answers.name(key, assignment, place);
                }
                answers.answered.push(place.clone());
            }
            Err(error) => answers.failure = Some(error),
        }
    }
    answers
}

impl Answers {
    /// Takes an assignment in. Where two places name it differently, as while one of them has yet to
    /// learn that it moved, the one that names itself knows better.
    fn name(&mut self, key: String, assignment: Assignment, place: &Place) {
        let itself = assignment.addresses.iter().all(|one| place.contains(one));
        if itself || !self.assigned.contains_key(&key) {
            self.assigned.insert(key, (assignment, place.clone()));
        }
    }

    /// Whether what `place` has not named is not assigned by it any more: it has answered, if only by
    /// some of its endpoints, or everybody has.
    fn tell_of(&self, place: &Place) -> bool {
        let mut answered = self.answered.iter().flatten();
        self.failure.is_none() || answered.any(|address| place.contains(address))
    }
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
    let name = format!("{}/{}", broker.name, queue.id);
    let assignment = Assignment {
        name: name.clone(),
        queue,
        addresses,
    };
    Some((name, assignment))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        vec![Address::parse(text).unwrap()]
    }

    fn polling(at: &str) -> Polling {
        Polling {
            addresses: place(at),
            place: place(at),
            named: Instant::now(),
            stop: CancellationToken::new(),
        }
    }

    /// Brokers a and b are polled, each named by its own place.
    fn both() -> Polled {
        let both = [("a", polling("a:1")), ("b", polling("b:1"))];
        both.map(|(key, polling)| (key.to_owned(), polling)).into()
    }

    /// What only some place answered, with nothing assigned.
    fn empty_answer_of(text: &str) -> Answers {
        Answers {
            answered: vec![place(text)],
            failure: Some(Error::invalid(OPERATION, "route", "another place failed")),
            ..Answers::default()
        }
    }

    fn left(polled: &Polled) -> Vec<&str> {
        let mut left: Vec<_> = polled.keys().map(String::as_str).collect();
        left.sort_unstable();
        left
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_named_no_more_is_let_go_by_the_place_that_named_it_and_at_last_by_time() {
        let mut polled = both();
        let answers = empty_answer_of("b:1");
        let soon = Instant::now() + LINGER / 2;
        let_go(&mut polled, &answers, soon);
        assert_eq!(left(&polled), ["a", "b"]);
        let later = Instant::now() + LINGER;
        let stopped = polled["b"].stop.clone();
        let_go(&mut polled, &answers, later);
        assert_eq!(left(&polled), ["a"], "a's place did not answer");
        assert!(stopped.is_cancelled());
        let_go(&mut polled, &answers, Instant::now() + LONGEST_LINGER);
        assert!(polled.is_empty());
    }

    #[test]
    fn a_broker_knows_its_own_address_better_than_another_does() {
        let assignment = |at: &str| Assignment {
            name: "b/-1".to_owned(),
            queue: v2::MessageQueue::default(),
            addresses: place(at),
        };
        for first in ["a:1", "b:2"] {
            let second = if first == "a:1" { "b:2" } else { "a:1" };
            let mut answers = Answers::default();
            for teller in [first, second] {
                let said = if teller == "a:1" { "b:1" } else { "b:2" };
                answers.name("b".to_owned(), assignment(said), &place(teller));
            }
            assert_eq!(answers.assigned["b"].0.addresses, place("b:2"));
        }
    }
}
