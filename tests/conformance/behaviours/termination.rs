//! Taking one's leave.

use rocketmq_wire::v2;
use rocketmq_wire::v2::ClientType;

use crate::bench::Bench;
use crate::consuming::receive;
use crate::suite::{Outcome, behaviours};
use crate::wire::{message, ok, says};

behaviours! {
    "termination.forgotten": "a client that terminates, a consumer with its group, is forgotten at once; it may still send" => forgotten;
}

async fn forgotten(bench: Bench) -> Outcome {
    let (client, topic, group) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&group).await?;
    let nameless = bench.client().await?;
    let _nameless = nameless.consume(&group).await?;
    let blank = nameless.terminate(None).await?;
    says(blank, v2::Code::IllegalConsumerGroup, "group is blank")?;
    ok(client.terminate(Some(&group)).await?)?;
    let (unknown, words) = (
        v2::Code::UnrecognizedClientType,
        "cannot find client settings",
    );
    says(
        client
            .heartbeat(Some(&group), ClientType::SimpleConsumer)
            .await?,
        unknown,
        words,
    )?;
    says(client.terminate(Some(&group)).await?, unknown, words)?;
    let refused = client.receive_with(receive(&group, &topic)).await?;
    says(
        refused.status,
        v2::Code::InternalServerError,
        "\"settings\" is null",
    )?;
    ok(client.try_send(message(&topic)).await?)
}
