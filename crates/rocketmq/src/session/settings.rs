//! What a client tells of itself, and what the server's answer says about retries.

use std::time::Duration;

use rocketmq_wire::{resource, v2};

use crate::address::Address;
use crate::call::Caller;
use crate::config::ConsumerConfig;

/// Most delays that an exponential policy is spelt out to.
const MOST_DELAYS: u32 = 1000;

/// A group's retry policy, as its broker tells it. The broker does not apply it: a consumer asks
/// for each delay by deferring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackoffPolicy {
    /// Deliveries before the broker dead-letters a message by itself, the first one included.
    pub max_attempts: u32,
    /// The delay after the first attempt, after the second, and so on. An exponential policy is
    /// spelt out.
    pub delays: Vec<Duration>,
}

impl BackoffPolicy {
    /// Reads the policy; `None` when it names no delays.
    pub(crate) fn from_wire(policy: &v2::RetryPolicy) -> Option<Self> {
        let max_attempts = u32::try_from(policy.max_attempts).unwrap_or(0);
        let delays = match policy.strategy.as_ref()? {
            v2::retry_policy::Strategy::CustomizedBackoff(backoff) => {
                backoff.next.iter().map(|delay| span(Some(delay))).collect()
            }
            v2::retry_policy::Strategy::ExponentialBackoff(backoff) => {
                let (longest, factor) = (
                    span(backoff.max.as_ref()),
                    f64::from(backoff.multiplier).max(1.0),
                );
                let mut delay = span(backoff.initial.as_ref()).min(longest);
                let retries = max_attempts.saturating_sub(1).min(MOST_DELAYS);
                (0..retries)
                    .map(|_| {
                        let seconds = (delay.as_secs_f64() * factor).min(longest.as_secs_f64());
                        std::mem::replace(
                            &mut delay,
                            Duration::try_from_secs_f64(seconds).unwrap_or(longest),
                        )
                    })
                    .collect()
            }
        };
        Some(Self {
            max_attempts,
            delays,
        })
    }
}

/// A span off the wire; what is absent or negative is zero.
fn span(duration: Option<&prost_types::Duration>) -> Duration {
    duration
        .and_then(|duration| Duration::try_from(*duration).ok())
        .unwrap_or_default()
}

/// A span for the wire.
pub(crate) fn wire_span(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

fn common(
    caller: &Caller,
    client_type: v2::ClientType,
    pub_sub: v2::settings::PubSub,
) -> v2::Settings {
    v2::Settings {
        client_type: Some(client_type.into()),
        access_point: Some(Address::to_wire(&caller.shared.addresses)),
        request_timeout: Some(wire_span(caller.timeout())),
        user_agent: Some(v2::Ua {
            language: v2::Language::Rust.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        }),
        pub_sub: Some(pub_sub),
        ..Default::default()
    }
}

/// Settings of a producer. It is given check-backs of the topics it declares.
pub(crate) fn publishing(caller: &Caller, topics: &[String]) -> v2::Settings {
    let publishing = v2::Publishing {
        topics: topics.iter().map(resource).collect(),
        ..Default::default()
    };
    common(
        caller,
        v2::ClientType::Producer,
        v2::settings::PubSub::Publishing(publishing),
    )
}

/// Settings of a consumer that renews its own leases.
pub(crate) fn subscription(caller: &Caller, config: &ConsumerConfig) -> v2::Settings {
    let subscription = v2::Subscription {
        group: Some(resource(&config.group)),
        subscriptions: vec![v2::SubscriptionEntry {
            topic: Some(resource(&config.topic)),
            expression: Some(filter(config)),
        }],
        receive_batch_size: i32::try_from(config.batch).ok(),
        long_polling_timeout: Some(wire_span(config.long_poll)),
        ..Default::default()
    };
    common(
        caller,
        v2::ClientType::SimpleConsumer,
        v2::settings::PubSub::Subscription(subscription),
    )
}

/// The consumer's tag filter.
pub(crate) fn filter(config: &ConsumerConfig) -> v2::FilterExpression {
    v2::FilterExpression {
        r#type: v2::FilterType::Tag.into(),
        expression: config.filter.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> prost_types::Duration {
        prost_types::Duration { seconds, nanos: 0 }
    }

    #[test]
    fn a_customized_policy_is_taken_as_it_is() {
        let policy = v2::RetryPolicy {
            max_attempts: 17,
            strategy: Some(v2::retry_policy::Strategy::CustomizedBackoff(
                v2::CustomizedBackoff {
                    next: vec![seconds(10), seconds(30)],
                },
            )),
        };
        let read = BackoffPolicy::from_wire(&policy).unwrap();
        assert_eq!(read.max_attempts, 17);
        assert_eq!(
            read.delays,
            [Duration::from_secs(10), Duration::from_secs(30)]
        );
    }

    #[test]
    fn an_exponential_policy_is_spelt_out_up_to_its_longest_delay() {
        let policy = v2::RetryPolicy {
            max_attempts: 5,
            strategy: Some(v2::retry_policy::Strategy::ExponentialBackoff(
                v2::ExponentialBackoff {
                    initial: Some(seconds(1)),
                    max: Some(seconds(3)),
                    multiplier: 2.0,
                },
            )),
        };
        let delays = BackoffPolicy::from_wire(&policy).unwrap().delays;
        assert_eq!(delays, [1, 2, 3, 3].map(Duration::from_secs));
    }

    #[test]
    fn absurd_policies_are_read_without_harm() {
        let exponential = |multiplier, max_attempts| v2::RetryPolicy {
            max_attempts,
            strategy: Some(v2::retry_policy::Strategy::ExponentialBackoff(
                v2::ExponentialBackoff {
                    initial: Some(seconds(-1)),
                    max: Some(seconds(i64::MAX)),
                    multiplier,
                },
            )),
        };
        for policy in [
            exponential(f32::NAN, i32::MAX),
            exponential(f32::INFINITY, 3),
            exponential(-1.0, -4),
        ] {
            let read = BackoffPolicy::from_wire(&policy).unwrap();
            assert!(read.delays.len() <= MOST_DELAYS as usize);
        }
        assert_eq!(BackoffPolicy::from_wire(&v2::RetryPolicy::default()), None);
    }
}
