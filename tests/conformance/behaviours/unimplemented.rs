//! What the protocol has and the proxy has not.

use anyhow::Context;
use rocketmq_wire::{resource, v2};

use crate::bench::Bench;
use crate::suite::{Outcome, behaviours};
use crate::wire::{fails, says};

behaviours! {
    "unimplemented.pull": "pulling and offsets over gRPC are not implemented" => pull;
    "unimplemented.lite": "a lite subscription of an ordinary group is refused (before 5.5.0 it is not implemented)" => lite;
}

async fn pull(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let mut grpc = client.grpc.clone();
    let refused = |result, method: &str| {
        fails(
            result,
            tonic::Code::Unimplemented,
            &format!("{method} is unimplemented"),
        )
        .with_context(|| method.to_owned())
    };
    let pull = grpc
        .pull_message(client.request(v2::PullMessageRequest::default()))
        .await;
    // A stream may open before it fails.
    let pull = match pull {
        Ok(stream) => stream.into_inner().message().await.map(drop),
        Err(status) => Err(status),
    };
    refused(pull, "PullMessage")?;
    let query = grpc
        .query_offset(client.request(v2::QueryOffsetRequest::default()))
        .await;
    refused(query.map(drop), "QueryOffset")?;
    let get = grpc
        .get_offset(client.request(v2::GetOffsetRequest::default()))
        .await;
    refused(get.map(drop), "GetOffset")?;
    let update = grpc
        .update_offset(client.request(v2::UpdateOffsetRequest::default()))
        .await;
    refused(update.map(drop), "UpdateOffset")
}

async fn lite(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let request = client.request(v2::SyncLiteSubscriptionRequest {
        topic: Some(resource(&topic)),
        group: Some(resource(&group)),
        ..Default::default()
    });
    let reply = client.grpc.clone().sync_lite_subscription(request).await;
    match bench.since_5_5(Some("lite"), None) {
        Some(words) => says(reply?.into_inner().status, v2::Code::IllegalTopic, words),
        None => fails(
            reply,
            tonic::Code::Unimplemented,
            "SyncLiteSubscription is unimplemented",
        ),
    }
}
