//! What a call must carry beside its message.

use anyhow::ensure;
use rocketmq_wire::metadata::{CLIENT_ID, LANGUAGE};
use rocketmq_wire::v2;

use crate::bench::Bench;
use crate::suite::{Outcome, behaviours};
use crate::telemetry::{Telemetry, producer_settings};
use crate::wire::{fails, message, ok, says};

behaviours! {
    "metadata.client-id": "a call without a client id is refused" => client_id;
    "metadata.client-id-telemetry": "telemetry without a client id hears one refusal, then the end" => client_id_telemetry;
    "metadata.language": "telemetry without a language is a gRPC error, and sending without one is not" => language;
}

async fn client_id(bench: Bench) -> Outcome {
    let (topic, client) = (bench.normal().await?, bench.client().await?);
    let mut request = client.request(v2::SendMessageRequest {
        messages: vec![message(&topic)],
    });
    request.metadata_mut().remove(CLIENT_ID);
    let reply = client
        .grpc
        .clone()
        .send_message(request)
        .await?
        .into_inner();
    says(
        reply.status,
        v2::Code::ClientIdRequired,
        "client id cannot be empty",
    )
}

async fn client_id_telemetry(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let mut telemetry = Telemetry::open_with(&client, |metadata| {
        metadata.remove(CLIENT_ID);
    });
    telemetry.settings_unheard(producer_settings(&[])).await?;
    let heard = telemetry.hear().await?;
    let status = heard.and_then(|command| command.status);
    says(
        status,
        v2::Code::ClientIdRequired,
        "client id cannot be empty",
    )?;
    ensure!(telemetry.hear().await?.is_none(), "the stream goes on");
    Ok(())
}

async fn language(bench: Bench) -> Outcome {
    let (topic, client) = (bench.normal().await?, bench.client().await?);
    let mut telemetry = Telemetry::open_with(&client, |metadata| {
        metadata.remove(LANGUAGE);
    });
    let refused = telemetry.try_settings(producer_settings(&[&topic])).await?;
    fails(refused, tonic::Code::Internal, "LanguageCode")?;

    let mut request = client.request(v2::SendMessageRequest {
        messages: vec![message(&topic)],
    });
    request.metadata_mut().remove(LANGUAGE);
    ok(client
        .grpc
        .clone()
        .send_message(request)
        .await?
        .into_inner()
        .status)
}
