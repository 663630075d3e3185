//! What clients say of themselves, and what they are told to go by.

use std::time::Duration;

use anyhow::{Context, ensure};
use rocketmq_wire::v2::retry_policy::Strategy;
use rocketmq_wire::v2::settings::PubSub;
use rocketmq_wire::v2::telemetry_command::Command;
use rocketmq_wire::{resource, v2};

use crate::bench::Bench;
use crate::client::Client;
use crate::consuming::receive;
use crate::suite::{Outcome, behaviours};
use crate::telemetry::{Telemetry, consumer_settings, producer_settings};
use crate::wire::{fails, half, message, ok, says, seconds, span};

behaviours! {
    "settings.producer-minimum": "a producer needs a publishing part, and nothing in it" => producer_minimum;
    "settings.neither": "Settings without publishing and subscription are refused" => neither;
    "settings.consumer-minimum": "a consumer needs its kind and a group that exists; no subscriptions, or to unknown topics, will do" => consumer_minimum;
    "settings.consumer-refused": "no group, an unknown one, a pull consumer, a lite consumer of an ordinary group are refused" => consumer_refused;
    "settings.echo": "what a client says of itself comes back" => echo;
    "settings.producer-rules": "a producer is told its back-off, the largest body and to check types" => producer_rules;
    "settings.consumer-rules": "a consumer is told attempts, the default ladder and the limits of its polls, be it push or simple" => consumer_rules;
    "settings.group-policy": "a group's own ladder and number of attempts reach its consumers" => group_policy;
    "settings.each-answered": "each Settings is answered; other commands are not" => each_answered;
    "settings.half-close": "a client that ends its side ends the stream" => half_close;
    "settings.without": "without telemetry all works but receiving, heartbeats and termination" => without;
}

async fn heard(client: &Client, settings: v2::Settings) -> anyhow::Result<v2::Settings> {
    Telemetry::open(client).settings(settings).await
}

async fn producer_minimum(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    heard(&client, producer_settings(&[])).await?;
    heard(&client, producer_settings(&["no_such_topic"])).await?;
    let nameless = v2::Settings {
        client_type: None,
        ..producer_settings(&[])
    };
    heard(&client, nameless).await.map(drop)
}

/// What telemetry makes of a refusal as whom one is.
const UNAUTHORIZED: (tonic::Code, &str) = (tonic::Code::PermissionDenied, "UNAUTHORIZED");

async fn neither(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let refused = Telemetry::open(&client)
        .try_settings(v2::Settings::default())
        .await?;
    let usual = (
        tonic::Code::InvalidArgument,
        "no publishing or subscription",
    );
    let asked = (
        tonic::Code::PermissionDenied,
        "doesn't have publishing or subscription",
    );
    let (code, words) = bench.asked_who(usual, asked);
    fails(refused, code, words)
}

fn subscribed(group: &str, topic: &str) -> v2::Settings {
    let subscription = v2::Subscription {
        group: Some(resource(group)),
        subscriptions: vec![v2::SubscriptionEntry {
            topic: Some(resource(topic)),
            expression: None,
        }],
        ..Default::default()
    };
    v2::Settings {
        pub_sub: Some(PubSub::Subscription(subscription)),
        ..consumer_settings(group)
    }
}

async fn consumer_minimum(bench: Bench) -> Outcome {
    let (client, group) = (bench.client().await?, bench.group().await?);
    heard(&client, consumer_settings(&group)).await?;
    heard(&client, subscribed(&group, "no_such_topic"))
        .await
        .map(drop)
}

async fn consumer_refused(bench: Bench) -> Outcome {
    let (client, group) = (bench.client().await?, bench.group().await?);
    let refused = async |kind: v2::ClientType, group: &str| {
        let settings = v2::Settings {
            client_type: Some(kind.into()),
            ..consumer_settings(group)
        };
        Telemetry::open(&client).try_settings(settings).await
    };
    let simple = v2::ClientType::SimpleConsumer;
    let invalid = tonic::Code::InvalidArgument;
    let usual = (invalid, "the specified group is blank");
    let (code, words) = bench.asked_who(usual, UNAUTHORIZED);
    fails(refused(simple, "").await?, code, words)?;
    let unknown = refused(simple, "no_such_group").await?;
    match bench.since_5_5(Some("group not found: no_such_group"), None) {
        Some(words) => fails(unknown, invalid, words)?,
        // Before 5.5.0 a group is not looked for.
        None => drop(unknown?),
    }
    let pull = refused(v2::ClientType::PullConsumer, &group).await?;
    fails(pull, tonic::Code::Internal, "Client type is not consumer")?;
    let lite = refused(v2::ClientType::LitePushConsumer, &group).await?;
    let (code, words) = bench.since_5_5(
        (invalid, "cannot use LITE mode"),
        (tonic::Code::Internal, "Client type is not consumer"),
    );
    fails(lite, code, words)
}

async fn echo(bench: Bench) -> Outcome {
    let (client, group) = (bench.client().await?, bench.group().await?);
    let said = v2::Settings {
        access_point: Some(v2::Endpoints {
            scheme: v2::AddressScheme::IPv4.into(),
            addresses: vec![v2::Address {
                host: "127.0.0.1".into(),
                port: 9,
            }],
        }),
        request_timeout: Some(span(Duration::from_secs(7))),
        user_agent: Some(v2::Ua {
            language: v2::Language::Rust.into(),
            version: "0.0.0".into(),
            platform: "somewhere".into(),
            hostname: "host".into(),
        }),
        ..subscribed(&group, "no_such_topic")
    };
    let back = heard(&client, said.clone()).await?;
    ensure!(
        back.client_type == said.client_type,
        "client_type {:?}",
        back.client_type
    );
    ensure!(
        back.access_point == said.access_point,
        "access_point {:?}",
        back.access_point
    );
    ensure!(
        back.user_agent == said.user_agent,
        "user_agent {:?}",
        back.user_agent
    );
    ensure!(
        back.request_timeout == said.request_timeout,
        "{:?}",
        back.request_timeout
    );
    ensure!(
        back.metric == Some(v2::Metric::default()),
        "metric {:?}",
        back.metric
    );
    let Some(PubSub::Subscription(subscription)) = back.pub_sub else {
        anyhow::bail!("no subscription comes back");
    };
    ensure!(
        subscription.subscriptions.len() == 1,
        "{:?}",
        subscription.subscriptions
    );
    let silent = heard(&client, consumer_settings(&group)).await?;
    ensure!(
        silent.request_timeout.is_none(),
        "{:?}",
        silent.request_timeout
    );
    Ok(())
}

async fn producer_rules(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let own = v2::RetryPolicy {
        max_attempts: 9,
        strategy: None,
    };
    let said = v2::Settings {
        backoff_policy: Some(own),
        ..producer_settings(&["no_such_topic"])
    };
    let back = heard(&client, said).await?;
    let policy = back.backoff_policy.context("no back-off")?;
    ensure!(
        policy.max_attempts == 3,
        "max_attempts {}",
        policy.max_attempts
    );
    let Some(Strategy::ExponentialBackoff(backoff)) = policy.strategy else {
        anyhow::bail!("{:?}", policy.strategy);
    };
    ensure!(
        backoff.initial == Some(span(Duration::from_millis(10))),
        "{backoff:?}"
    );
    ensure!(
        backoff.max == Some(span(Duration::from_secs(1))),
        "{backoff:?}"
    );
    ensure!(
        (backoff.multiplier - 2.0).abs() < f32::EPSILON,
        "{backoff:?}"
    );
    let Some(PubSub::Publishing(publishing)) = back.pub_sub else {
        anyhow::bail!("no publishing comes back");
    };
    ensure!(
        publishing.topics == [resource("no_such_topic")],
        "{publishing:?}"
    );
    ensure!(publishing.max_body_size == 4_194_304, "{publishing:?}");
    ensure!(publishing.validate_message_type, "{publishing:?}");
    Ok(())
}

async fn consumer_rules(bench: Bench) -> Outcome {
    let (client, group) = (bench.client().await?, bench.group().await?);
    let ladder = [
        1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
    ];
    for kind in [v2::ClientType::PushConsumer, v2::ClientType::SimpleConsumer] {
        let settings = v2::Settings {
            client_type: Some(kind.into()),
            ..consumer_settings(&group)
        };
        let back = heard(&client, settings).await?;
        let policy = back.backoff_policy.context("no back-off")?;
        ensure!(
            policy.max_attempts == 17,
            "max_attempts {}",
            policy.max_attempts
        );
        let next = ladder
            .map(|s| prost_types::Duration {
                seconds: s,
                nanos: 0,
            })
            .to_vec();
        let expected = Strategy::CustomizedBackoff(v2::CustomizedBackoff { next });
        ensure!(policy.strategy == Some(expected), "{:?}", policy.strategy);
        let Some(PubSub::Subscription(told)) = back.pub_sub else {
            anyhow::bail!("no subscription comes back");
        };
        ensure!(told.fifo == Some(false), "{told:?}");
        ensure!(told.receive_batch_size == Some(32), "{told:?}");
        ensure!(told.long_polling_timeout == seconds(20), "{told:?}");
        // Before 5.5.0 there are no lite topics.
        let (quota, size) = bench.since_5_5((Some(2000), Some(64)), (None, None));
        ensure!(told.lite_subscription_quota == quota, "{told:?}");
        ensure!(told.max_lite_topic_size == size, "{told:?}");
    }
    Ok(())
}

async fn group_policy(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let delays = [Duration::from_secs(10), Duration::from_secs(30)];
    for (retries, delays) in [(5, &delays[..]), (2, &[]), (15, &[])] {
        let group = bench.group_with(retries, delays).await?;
        let policy = heard(&client, consumer_settings(&group))
            .await?
            .backoff_policy;
        let policy = policy.context("no back-off")?;
        let attempts = i32::try_from(retries)? + 1;
        ensure!(
            policy.max_attempts == attempts,
            "-r {retries}: {}",
            policy.max_attempts
        );
        let Some(Strategy::CustomizedBackoff(told)) = policy.strategy else {
            anyhow::bail!("{:?}", policy.strategy);
        };
        if !delays.is_empty() {
            let expected: Vec<_> = delays.iter().copied().map(span).collect();
            ensure!(told.next == expected, "{told:?}");
        }
    }
    Ok(())
}

async fn each_answered(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let mut telemetry = Telemetry::open(&client);
    let trace = v2::ThreadStackTrace {
        nonce: "n".into(),
        thread_stack_trace: None,
    };
    // Were it answered, that answer would be taken for the one to the Settings, and refused.
    telemetry.say(Command::ThreadStackTrace(trace)).await?;
    for topic in ["a", "b", "c"] {
        let back = telemetry.settings(producer_settings(&[topic])).await?;
        let Some(PubSub::Publishing(publishing)) = back.pub_sub else {
            anyhow::bail!("no publishing comes back");
        };
        ensure!(publishing.topics == [resource(topic)], "{publishing:?}");
    }
    Ok(())
}

async fn half_close(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let mut telemetry = Telemetry::open(&client);
    telemetry.settings(producer_settings(&[])).await?;
    telemetry.half_close().await
}

async fn without(bench: Bench) -> Outcome {
    let (normal, transactional) = (bench.normal().await?, bench.transactional().await?);
    let group = bench.group().await?;
    let (silent, consumer) = (bench.client().await?, bench.client().await?);
    ok(silent.route(&normal).await?.status)?;
    ok(silent.assignment(&group, &normal).await?.status)?;
    silent.send(message(&normal)).await?;
    let sent = silent.send(half(&transactional)).await?;
    ok(silent.commit(&transactional, &sent.transaction_id).await?)?;
    let _stream = consumer.consume(&group).await?;
    let received = consumer.one(&group, &normal).await?;
    let handle = crate::wire::MessageExt::handle(&received);
    ok(silent.ack(&group, &normal, &handle).await?)?;

    let refused = silent.receive_with(receive(&group, &normal)).await?;
    says(
        refused.status,
        v2::Code::InternalServerError,
        "NullPointerException",
    )?;
    let unknown = v2::Code::UnrecognizedClientType;
    let words = "cannot find client settings";
    says(
        silent.heartbeat(None, v2::ClientType::Producer).await?,
        unknown,
        words,
    )?;
    says(silent.terminate(None).await?, unknown, words)
}
