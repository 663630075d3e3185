//! Carrying check-backs to the clients: the writer says which half is due, this finds whom to ask.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_wire::v2;
use rocketmq_wire::v2::telemetry_command::Command;
use tokio::sync::mpsc;

use crate::clients::Clients;
use crate::grpc::delivery;
use crate::writer::op::Orphan;

/// Check-backs on their way; when it is full the writer waits with further ones.
pub(crate) const ON_THE_WAY: usize = 256;
/// How long a client that reads nothing may hold up the others.
const PATIENCE: Duration = Duration::from_secs(1);

/// Carries check-backs until the writer ends. Who publishes the topic is asked in turn; if nobody
/// does, the check-back is lost, and counted.
pub(crate) async fn carry(mut orphans: mpsc::Receiver<Orphan>, clients: Arc<Clients>) {
    while let Some(orphan) = orphans.recv().await {
        let streams = clients.publishers(&orphan.topic, Instant::now());
        let Some(first) = streams.first() else {
            tracing::debug!(
                event = "check_back_unheard",
                topic = orphan.topic,
                checks = orphan.checks
            );
            continue;
        };
        let command = match command(orphan) {
            Ok(command) => command,
            Err(error) => {
                tracing::error!(event = "half_unreadable", %error);
                continue;
            }
        };
        if streams
            .iter()
            .any(|stream| stream.try_send(Ok(command.clone())).is_ok())
        {
            continue;
        }
        if first.send_timeout(Ok(command), PATIENCE).await.is_err() {
            tracing::warn!(
                event = "check_back_lost",
                "the client does not read its stream"
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
