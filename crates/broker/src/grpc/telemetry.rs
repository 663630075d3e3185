//! The telemetry stream, heartbeats and termination: how a client becomes known and unknown.

use std::time::Instant;

use rocketmq_wire::metadata::LANGUAGE;
use rocketmq_wire::v2;
use rocketmq_wire::v2::telemetry_command::Command;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};

use super::refusal::{self, Refusal};
use super::settings::agree;
use super::{Service, client_id, group_name};
use crate::clients::Commands;

/// Commands on their way to one client.
const COMMANDS: usize = 256;

impl Service {
    /// Opens the stream. It ends when the client closes its side, says something impossible, or
    /// the broker stops.
    pub(super) fn open_telemetry(
        &self,
        request: Request<Streaming<v2::TelemetryCommand>>,
    ) -> ReceiverStream<Result<v2::TelemetryCommand, Status>> {
        let (commands, stream) = mpsc::channel(COMMANDS);
        let service = self.clone();
        let id = client_id(&request);
        let has_language = request.metadata().get(LANGUAGE).is_some();
        self.streams.spawn(async move {
            let last = match id {
                Err(refused) => Some(Ok(says(refused.into()))),
                Ok(id) => {
                    let heard = service.listen(&id, has_language, request.into_inner(), &commands);
                    let end = tokio::select! {
                        end = heard => end,
                        () = service.stopping.cancelled() => Ok(()),
                    };
                    service.clients.hung_up(&id, &commands);
                    end.err().map(Err)
                }
            };
            if let Some(last) = last {
                // The client may have gone: then it needs no last word.
                drop(commands.send(last).await);
            }
        });
        ReceiverStream::new(stream)
    }

    async fn listen(
        &self,
        id: &str,
        has_language: bool,
        mut said: Streaming<v2::TelemetryCommand>,
        commands: &Commands,
    ) -> Result<(), Status> {
        // A broken stream ends as a closed one does.
        while let Ok(Some(command)) = said.message().await {
            let Some(Command::Settings(settings)) = command.command else {
                continue;
            };
            if !has_language {
                return Err(Status::internal(
                    "process client telemetryCommand failed. No enum constant \
                     org.apache.rocketmq.remoting.protocol.LanguageCode.",
                ));
            }
            let agreed = agree(settings, &self.catalog)?;
            if !self
                .clients
                .put(id, agreed.clone(), commands.clone(), Instant::now())
            {
                return Err(Status::resource_exhausted("too many clients"));
            }
            let reply = v2::TelemetryCommand {
                status: Some(refusal::ok()),
                command: Some(Command::Settings(agreed)),
            };
            if commands.send(Ok(reply)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) fn answer_heartbeat(
        &self,
        request: Request<v2::HeartbeatRequest>,
    ) -> v2::HeartbeatResponse {
        let status = self
            .heartbeat(&request)
            .err()
            .map_or_else(refusal::ok, Into::into);
        v2::HeartbeatResponse {
            status: Some(status),
        }
    }

    fn heartbeat(&self, request: &Request<v2::HeartbeatRequest>) -> Result<(), Refusal> {
        let id = client_id(request)?;
        // What its Settings say it is, not what the request says.
        if self.clients.consumes(&id, Instant::now()) {
            let group = group_name(request.get_ref().group.as_ref())?;
            if self.catalog.group(&group).is_none() {
                return Err(Refusal::new(
                    v2::Code::IllegalConsumerGroup,
                    format!("group not found: {group}"),
                ));
            }
        }
        if self.clients.heard(&id, Instant::now()) {
            Ok(())
        } else {
            Err(unknown_client())
        }
    }

    pub(super) fn answer_termination(
        &self,
        request: Request<v2::NotifyClientTerminationRequest>,
    ) -> v2::NotifyClientTerminationResponse {
        let ended = client_id(&request).and_then(|id| {
            if self.clients.consumes(&id, Instant::now()) {
                group_name(request.get_ref().group.as_ref())?;
            }
            if self.clients.forget(&id, Instant::now()) {
                Ok(())
            } else {
                Err(unknown_client())
            }
        });
        let status = ended.err().map_or_else(refusal::ok, Into::into);
        v2::NotifyClientTerminationResponse {
            status: Some(status),
        }
    }
}

fn says(status: v2::Status) -> v2::TelemetryCommand {
    v2::TelemetryCommand {
        status: Some(status),
        command: None,
    }
}

fn unknown_client() -> Refusal {
    Refusal::new(
        v2::Code::UnrecognizedClientType,
        "cannot find client settings for this client",
    )
}
