//! What the calls answer, out of the fake's state and the test's script.

use std::time::Duration;

use rocketmq_wire::{status, v2};
use tokio::time::Instant;

use super::State;
use super::service::FakeService;

impl FakeService {
    pub(super) fn known(&self, client: &str) -> bool {
        let clients = self.state.clients.lock().unwrap();
        clients
            .get(client)
            .is_some_and(|client| client.settings.is_some())
    }

    pub(super) fn brokers(&self) -> Vec<v2::Broker> {
        let own = self.state.address.lock().unwrap().expect("it listens");
        let mut route = self.state.script.lock().unwrap().route.clone();
        if route.is_empty() {
            route.push(("broker-a".to_owned(), vec![own]));
        }
        let brokers = route.into_iter().map(|(name, addresses)| v2::Broker {
            name,
            id: 0,
            endpoints: Some(v2::Endpoints {
                scheme: v2::AddressScheme::IPv4.into(),
                addresses: addresses
                    .iter()
                    .map(|address| v2::Address {
                        host: address.ip().to_string(),
                        port: i32::from(address.port()),
                    })
                    .collect(),
            }),
        });
        brokers.collect()
    }

    /// The status of a proxy that cannot reach its broker, as often as the script has it.
    pub(super) fn broker_away(&self) -> Option<v2::Status> {
        let mut script = self.state.script.lock().unwrap();
        let left = script.broker_away.checked_sub(1)?;
        script.broker_away = left;
        Some(status(
            v2::Code::InternalServerError,
            "connect to <127.0.0.1:10911> failed. RemotingConnectException",
        ))
    }

    /// The status of a broker that has too much to do, as often as the script has it.
    pub(super) fn busy(&self) -> Option<v2::Status> {
        let mut script = self.state.script.lock().unwrap();
        let left = script.busy.checked_sub(1)?;
        script.busy = left;
        Some(status(
            v2::Code::TooManyRequests,
            "[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while",
        ))
    }

    pub(super) fn missing(&self) -> Option<v2::Status> {
        let missing = self.state.script.lock().unwrap().topic_missing;
        missing.then(|| {
            status(
                v2::Code::TopicNotFound,
                "CODE: 17  DESC: No topic route info for the topic: topic_a\nFor",
            )
        })
    }

    /// Up to `most` messages, waiting for the first.
    pub(super) async fn pop(state: &State, most: usize) -> Vec<v2::Message> {
        let asked = state.script.lock().unwrap().long_poll;
        let wait = if asked.is_zero() {
            Duration::from_millis(200)
        } else {
            asked
        };
        let until = Instant::now() + wait;
        loop {
            let arrived = state.arrived.notified();
            let mut popped: Vec<_> = {
                let mut ready = state.ready.lock().unwrap();
                let count = most.min(ready.len());
                ready.drain(..count).collect()
            };
            if !popped.is_empty() {
                for message in &mut popped {
                    let system = message.system_properties.as_mut().unwrap();
                    system.receipt_handle = Some(state.new_handle(&system.message_id));
                }
                return popped;
            }
            if tokio::time::timeout_at(until, arrived).await.is_err() {
                return popped;
            }
        }
    }

    /// Uses a handle up, if it is the good one.
    pub(super) fn settle(&self, message_id: &str, handle: &str) -> v2::Status {
        let refused = self
            .state
            .script
            .lock()
            .unwrap()
            .refused_handles
            .iter()
            .any(|refused| handle.starts_with(refused));
        let mut handles = self.state.handles.lock().unwrap();
        if refused || handles.get(message_id).is_none_or(|good| good != handle) {
            return status(v2::Code::InvalidReceiptHandle, "receipt handle is expired");
        }
        handles.remove(message_id);
        status(v2::Code::Ok, "OK")
    }

    /// The group's, which every client is told.
    pub(super) fn backoff_policy() -> v2::RetryPolicy {
        let next = vec![prost_types::Duration {
            seconds: 7,
            nanos: 0,
        }];
        v2::RetryPolicy {
            max_attempts: 3,
            strategy: Some(v2::retry_policy::Strategy::CustomizedBackoff(
                v2::CustomizedBackoff { next },
            )),
        }
    }
}
