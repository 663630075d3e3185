//! Looking a route up: one question a topic at a time, and nobody waits for it who can do without.
//!
//! The question runs in a task of its own, so that it neither ends with the caller who began it nor
//! is asked once more by the next one. It asks the configured endpoints in turn within one request's
//! deadline, of which each has its share: one that hangs never keeps the others from being asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rocketmq_wire::{resource, v2};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::address::Address;
use crate::call::{Caller, check};
use crate::client::Shared;
use crate::error::{Error, ErrorKind};
use crate::route::{Known, Route};

const OPERATION: &str = "query route";
/// How long whoever begins a question waits for a newer route although an old one is known: long
/// enough for a server that lives, too short to be missed from a send's deadline.
const GRACE: Duration = Duration::from_millis(100);

/// What a question brought; `None` while it runs.
type Answer = Option<Result<Arc<Route>, Error>>;

/// The questions under way, by topic.
#[derive(Debug, Default)]
pub(crate) struct Asking(Mutex<HashMap<String, watch::Receiver<Answer>>>);

impl Asking {
    fn questions(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is under way; dropped, also with its task half-way, it is so no more.
struct Question {
    shared: Arc<Shared>,
    topic: String,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.shared.routes.asking.questions().remove(&self.topic);
    }
}

/// How a caller came by a question.
enum Asked {
    Begun(watch::Receiver<Answer>),
    Joined(watch::Receiver<Answer>),
}

impl Caller {
    /// The route of `topic`: from the cache while fresh, else asked of the configured endpoints. An
    /// old one is used while the question runs.
    pub(crate) async fn route(&self, topic: &str) -> Result<Arc<Route>, Error> {
        let old = match self.shared.routes.get(topic) {
            Known::Fresh(route) => return Ok(route),
            Known::Old(route) => Some(route),
            Known::Nothing => None,
        };
        let (asked, old) = match (self.ask(topic), old) {
            (Asked::Begun(answer) | Asked::Joined(answer), None) => {
                return self.answered(answer).await;
            }
            (Asked::Joined(_), Some(old)) => return Ok(old),
            (Asked::Begun(answer), Some(old)) => (answer, old),
        };
        let grace = GRACE.min(self.timeout() / 4);
        match tokio::time::timeout(grace, self.answered(asked)).await {
            Ok(Ok(newer)) => Ok(newer),
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::TopicNotFound { .. }) => Err(error),
            Ok(Err(_)) | Err(_) => Ok(old),
        }
    }

    /// Begins to ask for a route, unless someone does already.
    fn ask(&self, topic: &str) -> Asked {
        let mut questions = self.shared.routes.asking.questions();
        if let Some(question) = questions.get(topic) {
            return Asked::Joined(question.clone());
        }
        let (tell, answer) = watch::channel(None);
        questions.insert(topic.to_owned(), answer.clone());
        drop(questions);
        let question = Question {
            shared: Arc::clone(&self.shared),
            topic: topic.to_owned(),
        };
        let caller = self.clone();
        tokio::spawn(async move {
            let found = caller.ask_in_turn(&question.topic).await;
            match &found {
                Ok(route) => caller.shared.routes.put(&question.topic, route),
                Err(error) if matches!(error.kind(), ErrorKind::TopicNotFound { .. }) => {
                    caller.shared.routes.forget(&question.topic);
                }
                Err(_) => {}
            }
            drop(question);
            tell.send_replace(Some(found));
        });
        Asked::Begun(answer)
    }

    /// Waits for a question's answer.
    async fn answered(&self, mut answer: watch::Receiver<Answer>) -> Result<Arc<Route>, Error> {
        let answer = match answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            // The task is gone without an answer: it panicked, or its runtime ends.
            Err(_) => None,
        };
        answer.unwrap_or_else(|| Err(self.unanswered()))
    }

    /// Asks one configured endpoint after the other.
    async fn ask_in_turn(&self, topic: &str) -> Result<Arc<Route>, Error> {
        let request = v2::QueryRouteRequest {
            topic: Some(resource(topic)),
            endpoints: Some(Address::to_wire(&self.shared.addresses)),
        };
        let deadline = Instant::now() + self.timeout();
        let ordered = self.shared.endpoints.in_order(&self.shared.addresses);
        let mut failure = None;
        for (tried, address) in ordered.addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let reply = self
                .call(
                    OPERATION,
                    address,
                    ordered.share(tried, left),
                    request.clone(),
                    |mut service, request| async move { service.query_route(request).await },
                )
                .await;
            let told = reply.and_then(|reply| {
                check(OPERATION, reply.status.as_ref())?;
                Ok(Route::from_wire(topic, reply.message_queues))
            });
            match told {
                Ok(route) => return Ok(Arc::new(route)),
                Err(error) if error.is_unreachable() || error.is_of_the_server() => {
                    failure = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure.unwrap_or_else(|| self.unanswered()))
    }

    fn unanswered(&self) -> Error {
        let address: Vec<_> = self.shared.addresses.iter().map(Address::as_str).collect();
        Error::new(
            OPERATION,
            ErrorKind::Unreachable {
                address: address.join(", "),
                reason: "nobody was asked to the end".to_owned(),
            },
        )
    }
}
