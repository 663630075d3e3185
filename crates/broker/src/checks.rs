//! Carrying check-backs to the clients: the writer says which half is due, this finds whom to ask.

use std::sync::Arc;
use std::time::Instant;

use rocketmq_wire::v2;
use rocketmq_wire::v2::telemetry_command::Command;
use tokio::sync::mpsc;

use crate::clients::Clients;
use crate::grpc::delivery;
use crate::writer::op::Orphan;

/// Check-backs on their way; when it is full the writer waits with further ones.
pub(crate) const ON_THE_WAY: usize = 256;

/// Carries check-backs until the writer ends. Who publishes the topic is asked in turn, and who
/// does not read its stream is passed over, so that it holds nobody else up; if nobody is left, the
/// check-back is lost, and counted.
pub(crate) async fn carry(mut orphans: mpsc::Receiver<Orphan>, clients: Arc<Clients>) {
    while let Some(orphan) = orphans.recv().await {
        let streams = clients.publishers(&orphan.topic, Instant::now());
        if streams.is_empty() {
            tracing::debug!(
                event = "check_back_unheard",
                topic = orphan.topic,
                checks = orphan.checks
            );
            continue;
        }
        let command = match command(orphan) {
            Ok(command) => command,
            Err(error) => {
                tracing::error!(event = "half_unreadable", %error);
                continue;
            }
        };
        let heard = streams
            .iter()
            .any(|stream| stream.try_send(Ok(command.clone())).is_ok());
        if !heard {
            tracing::warn!(
                event = "check_back_lost",
                "no client that publishes the topic reads its stream"
            );
        }
    }
}

fn command(orphan: Orphan) -> Result<v2::TelemetryCommand, crate::StoreError> {
    let transaction_id = orphan.transaction_id.clone();
    let message = delivery::checked(&orphan)?;
    let recover = v2::RecoverOrphanedTransactionCommand {
        message: Some(message),
        transaction_id,
    };
    Ok(v2::TelemetryCommand {
        status: None,
        command: Some(Command::RecoverOrphanedTransactionCommand(recover)),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prost::Message as _;
    use rocketmq_wire::v2::settings::PubSub;

    use super::*;
    use crate::store::record::Record;

    fn orphan(topic: &str) -> Orphan {
        let message = v2::Message {
            topic: Some(rocketmq_wire::resource(topic)),
            body: "body".into(),
            system_properties: Some(v2::SystemProperties::default()),
            ..Default::default()
        };
        let record = Record {
            store_ms: 1,
            base: 0,
            tag: "",
            origin: "",
            message: &message.encode_to_vec(),
        };
        Orphan {
            topic: topic.into(),
            transaction_id: topic.into(),
            half: 0,
            checks: 1,
            record: record.to_vec().into(),
        }
    }

    fn publishes(topic: &str) -> v2::Settings {
        let publishing = v2::Publishing {
            topics: vec![rocketmq_wire::resource(topic)],
            ..Default::default()
        };
        v2::Settings {
            pub_sub: Some(PubSub::Publishing(publishing)),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_holds_nobody_up() {
        let clients = Arc::new(Clients::new(Duration::from_secs(120)));
        let ((stuck, _unread), (lively, mut heard)) = (mpsc::channel(1), mpsc::channel(1));
        assert!(clients.put("stuck", publishes("a"), stuck, Instant::now()));
        assert!(clients.put("lively", publishes("b"), lively, Instant::now()));
        let (orphans, orphans_out) = mpsc::channel(ON_THE_WAY);
        for topic in ["a"; 30].into_iter().chain(["b"]) {
            orphans.send(orphan(topic)).await.unwrap();
        }
        let carried = tokio::spawn(carry(orphans_out, clients));
        let told = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await;
        assert!(told.expect("nobody waits for the stuck client").is_some());
        drop(orphans);
        carried.await.unwrap();
    }
}
