//! What a client's Settings become: echoed, with the broker's own rules put in. Pure.

use std::time::Duration;

use rocketmq_wire::limits::{MAX_BATCH, MAX_BODY, MAX_LONG_POLL};
use rocketmq_wire::v2;
use rocketmq_wire::v2::retry_policy::Strategy;
use rocketmq_wire::v2::settings::PubSub;
use tonic::Status;

use crate::catalog::{Catalog, Policy};

const PRODUCER_ATTEMPTS: i32 = 3;
const PRODUCER_FIRST: Duration = Duration::from_millis(10);
const PRODUCER_MOST: Duration = Duration::from_secs(1);
const LITE_QUOTA: i32 = 2000;
const LITE_TOPIC_SIZE: i32 = 64;

/// The Settings that the client is to go by; a gRPC error if they make no sense.
pub(super) fn agree(settings: v2::Settings, catalog: &Catalog) -> Result<v2::Settings, Status> {
    let kind = settings.client_type();
    let (pub_sub, policy) = match settings.pub_sub.clone() {
        None => {
            return Err(invalid(
                "there is no publishing or subscription data in settings",
            ));
        }
        Some(PubSub::Publishing(publishing)) => (publishing_rules(publishing), producer_policy()),
        Some(PubSub::Subscription(subscription)) => {
            let group = subscription
                .group
                .as_ref()
                .map_or("", |group| group.name.as_str());
            let policy = consumer_policy(kind, group, catalog)?;
            (subscription_rules(subscription), policy)
        }
    };
    Ok(v2::Settings {
        backoff_policy: Some(policy),
        pub_sub: Some(pub_sub),
        metric: Some(v2::Metric::default()),
        ..settings
    })
}

fn publishing_rules(publishing: v2::Publishing) -> PubSub {
    let max_body_size = i32::try_from(MAX_BODY).unwrap_or(i32::MAX);
    PubSub::Publishing(v2::Publishing {
        max_body_size,
        validate_message_type: true,
        ..publishing
    })
}

fn subscription_rules(subscription: v2::Subscription) -> PubSub {
    PubSub::Subscription(v2::Subscription {
        fifo: Some(false),
        receive_batch_size: i32::try_from(MAX_BATCH).ok(),
        long_polling_timeout: Some(wire_duration(MAX_LONG_POLL)),
        lite_subscription_quota: Some(LITE_QUOTA),
        max_lite_topic_size: Some(LITE_TOPIC_SIZE),
        ..subscription
    })
}

fn producer_policy() -> v2::RetryPolicy {
    let backoff = v2::ExponentialBackoff {
        initial: Some(wire_duration(PRODUCER_FIRST)),
        max: Some(wire_duration(PRODUCER_MOST)),
        multiplier: 2.0,
    };
    v2::RetryPolicy {
        max_attempts: PRODUCER_ATTEMPTS,
        strategy: Some(Strategy::ExponentialBackoff(backoff)),
    }
}

fn consumer_policy(
    kind: v2::ClientType,
    group: &str,
    catalog: &Catalog,
) -> Result<v2::RetryPolicy, Status> {
    match kind {
        v2::ClientType::PushConsumer | v2::ClientType::SimpleConsumer => {}
        v2::ClientType::LitePushConsumer | v2::ClientType::LiteSimpleConsumer => {
            return Err(invalid(format!(
                "regular group cannot use LITE mode: {group}"
            )));
        }
        other => {
            let kind = other.as_str_name();
            return Err(Status::internal(said(format!(
                "Client type is not consumer, type: {kind}"
            ))));
        }
    }
    if group.trim().is_empty() {
        return Err(invalid(said("the specified group is blank")));
    }
    let known = catalog
        .group(group)
        .ok_or_else(|| invalid(said(format!("group not found: {group}"))))?;
    Ok(group_policy(&known.policy))
}

fn group_policy(policy: &Policy) -> v2::RetryPolicy {
    let next = policy.delays().into_iter().map(wire_duration).collect();
    v2::RetryPolicy {
        max_attempts: i32::try_from(policy.max_attempts()).unwrap_or(i32::MAX),
        strategy: Some(Strategy::CustomizedBackoff(v2::CustomizedBackoff { next })),
    }
}

fn wire_duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or_default(),
    }
}

fn said(what: impl std::fmt::Display) -> String {
    format!("process client telemetryCommand failed. {what}")
}

fn invalid(message: impl Into<String>) -> Status {
    Status::invalid_argument(message)
}
