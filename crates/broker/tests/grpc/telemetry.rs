//! How clients become known, and unknown again.

use std::time::Duration;

use broker::GroupConfig;
use rocketmq_wire::resource;
use rocketmq_wire::v2::retry_policy::Strategy;
use rocketmq_wire::v2::settings::PubSub;
use rocketmq_wire::v2::{self, Code};

use crate::support::*;

async fn heartbeat(client: &mut Client, group: &str) -> Code {
    let request = client.request(v2::HeartbeatRequest {
        group: Some(resource(group)),
        client_type: v2::ClientType::SimpleConsumer.into(),
    });
    code(
        client
            .grpc
            .heartbeat(request)
            .await
            .unwrap()
            .into_inner()
            .status,
    )
}

async fn terminate(client: &mut Client) -> Code {
    let request = client.request(v2::NotifyClientTerminationRequest {
        group: Some(resource(GROUP)),
    });
    code(
        client
            .grpc
            .notify_client_termination(request)
            .await
            .unwrap()
            .into_inner()
            .status,
    )
}

fn delays(settings: &v2::Settings) -> (i32, Vec<i64>) {
    let policy = settings.backoff_policy.as_ref().unwrap();
    let Some(Strategy::CustomizedBackoff(backoff)) = &policy.strategy else {
        panic!("{policy:?}")
    };
    (
        policy.max_attempts,
        backoff.next.iter().map(|next| next.seconds).collect(),
    )
}

#[tokio::test]
async fn a_consumer_is_told_its_groups_policy() {
    let running = start(|config| {
        let delays = [10, 30].map(Duration::from_secs).to_vec();
        config.groups.push(GroupConfig {
            name: "own".into(),
            retry_max_times: 5,
            delays,
        });
    })
    .await;
    let mut telemetry = running.client("c").await.open_telemetry().await;
    let settings = telemetry.settings(consumer_settings("own")).await.unwrap();
    assert_eq!(delays(&settings), (6, vec![10, 30]));
    let Some(PubSub::Subscription(subscription)) = settings.pub_sub else {
        panic!("a subscription")
    };
    assert_eq!(subscription.receive_batch_size, Some(32));
    assert_eq!(subscription.long_polling_timeout.unwrap().seconds, 20);
    // Each Settings gets a reply, on the same stream too.
    let (max, default) = delays(&telemetry.settings(consumer_settings(GROUP)).await.unwrap());
    assert_eq!(
        (max, default.len(), &default[..3]),
        (3, 18, &[1, 5, 10][..])
    );
}

#[tokio::test]
async fn a_producer_is_told_the_brokers_limits() {
    let running = start(|_| {}).await;
    let mut telemetry = running.client("p").await.open_telemetry().await;
    let settings = telemetry
        .settings(producer_settings(&["unknown topic"]))
        .await
        .unwrap();
    let policy = settings.backoff_policy.unwrap();
    assert_eq!(policy.max_attempts, 3);
    assert!(matches!(
        policy.strategy,
        Some(Strategy::ExponentialBackoff(_))
    ));
    let Some(PubSub::Publishing(publishing)) = settings.pub_sub else {
        panic!("publishing")
    };
    assert_eq!(
        (publishing.max_body_size, publishing.validate_message_type),
        (4_194_304, true)
    );
}

#[tokio::test]
async fn settings_that_make_no_sense_end_the_stream() {
    use tonic::Code as Grpc;
    let running = start(|_| {}).await;
    let with = |kind: v2::ClientType| v2::Settings {
        client_type: Some(kind.into()),
        ..consumer_settings(GROUP)
    };
    for (settings, expected) in [
        (v2::Settings::default(), Grpc::InvalidArgument),
        (consumer_settings("nobody-made-me"), Grpc::InvalidArgument),
        (consumer_settings(""), Grpc::InvalidArgument),
        (
            with(v2::ClientType::LitePushConsumer),
            Grpc::InvalidArgument,
        ),
        (with(v2::ClientType::PullConsumer), Grpc::Internal),
    ] {
        let mut telemetry = running.client("c").await.open_telemetry().await;
        let refused = telemetry.settings(settings.clone()).await.unwrap_err();
        assert_eq!(refused.code(), expected, "{settings:?}");
    }
}

#[tokio::test]
async fn a_client_without_settings_cannot_receive() {
    let running = start(|_| {}).await;
    let mut client = running.client("stranger").await;
    assert_eq!(
        heartbeat(&mut client, GROUP).await,
        Code::UnrecognizedClientType
    );
    let (status, _) = client
        .receive_with(receive(GROUP, NORMAL, Duration::ZERO))
        .await;
    assert_eq!(status.code(), Code::InternalServerError);
    assert!(
        status.message.contains("NullPointerException"),
        "{}",
        status.message
    );
}

#[tokio::test]
async fn a_client_that_terminates_is_forgotten_at_once() {
    let running = start(|_| {}).await;
    let (mut client, _telemetry) = running.consumer().await;
    assert_eq!(heartbeat(&mut client, GROUP).await, Code::Ok);
    assert_eq!(
        heartbeat(&mut client, " ").await,
        Code::IllegalConsumerGroup
    );
    assert_eq!(terminate(&mut client).await, Code::Ok);
    assert_eq!(
        heartbeat(&mut client, GROUP).await,
        Code::UnrecognizedClientType
    );
    assert_eq!(terminate(&mut client).await, Code::UnrecognizedClientType);
}

#[tokio::test]
async fn a_client_that_sends_no_heartbeat_is_forgotten_until_it_resends_its_settings() {
    let running = start(|config| config.client_idle = Duration::from_millis(300)).await;
    let (mut client, mut telemetry) = running.consumer().await;
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    loop {
        // Receiving is not hearing: it must not keep the client awake.
        let (status, _) = client
            .receive_with(receive(GROUP, NORMAL, Duration::ZERO))
            .await;
        if status.code() == Code::InternalServerError {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "never forgotten");
    }
    assert_eq!(
        heartbeat(&mut client, GROUP).await,
        Code::UnrecognizedClientType
    );
    telemetry.settings(consumer_settings(GROUP)).await.unwrap();
    assert_eq!(heartbeat(&mut client, GROUP).await, Code::Ok);
}

#[tokio::test]
async fn telemetry_without_an_id_gets_one_status_and_ends() {
    let running = start(|_| {}).await;
    let mut client = running.client("any").await;
    let (say, said) = tokio::sync::mpsc::channel(1);
    let stream = tokio_stream::wrappers::ReceiverStream::new(said);
    let mut hear = client
        .grpc
        .telemetry(tonic::Request::new(stream))
        .await
        .unwrap()
        .into_inner();
    let only = hear.message().await.unwrap().unwrap();
    assert_eq!(code(only.status), Code::ClientIdRequired);
    assert!(hear.message().await.unwrap().is_none());
    drop(say);
}

#[tokio::test]
async fn a_stream_that_the_client_closes_ends_cleanly() {
    let running = start(|_| {}).await;
    let (_client, telemetry) = running.consumer().await;
    let Telemetry { say, mut hear } = telemetry;
    drop(say);
    assert!(hear.message().await.unwrap().is_none());
}
