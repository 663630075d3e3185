//! The calls.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::Stream;
use rocketmq_wire::v2::messaging_service_server::MessagingService;
use rocketmq_wire::v2::receive_message_response::Content;
use rocketmq_wire::v2::telemetry_command::Command;
use rocketmq_wire::{metadata, resource, status, v2};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::running::{About, OpenStream};
use super::{Call, ClientState, State};

pub(crate) struct FakeService {
    pub(crate) state: Arc<State>,
}

type Reply<T> = Result<Response<T>, Status>;
type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn ok() -> Option<v2::Status> {
    Some(status(v2::Code::Ok, "OK"))
}

fn client_id<T>(request: &Request<T>) -> String {
    let id = request.metadata().get(metadata::CLIENT_ID);
    id.expect("every call names its client")
        .to_str()
        .unwrap()
        .to_owned()
}

#[tonic::async_trait]
impl MessagingService for FakeService {
    type ReceiveMessageStream = Boxed<v2::ReceiveMessageResponse>;
    type PullMessageStream = Boxed<v2::PullMessageResponse>;
    type TelemetryStream = Boxed<v2::TelemetryCommand>;

    async fn query_route(
        &self,
        _: Request<v2::QueryRouteRequest>,
    ) -> Reply<v2::QueryRouteResponse> {
        self.state.routes_asked.fetch_add(1, Ordering::SeqCst);
        self.state.routes_pass.pass().await;
        if let missing @ Some(_) = self.missing().or_else(|| self.broker_away()) {
            return Ok(Response::new(v2::QueryRouteResponse {
                status: missing,
                ..Default::default()
            }));
        }
        let message_queues = self.brokers().into_iter().map(|broker| v2::MessageQueue {
            broker: Some(broker),
            ..Default::default()
        });
        Ok(Response::new(v2::QueryRouteResponse {
            status: ok(),
            message_queues: message_queues.collect(),
        }))
    }

    async fn query_assignment(
        &self,
        _: Request<v2::QueryAssignmentRequest>,
    ) -> Reply<v2::QueryAssignmentResponse> {
        self.state.assignments_pass.pass().await;
        if let away @ Some(_) = self.broker_away() {
            return Ok(Response::new(v2::QueryAssignmentResponse {
                status: away,
                ..Default::default()
            }));
        }
        let left_out = self.state.script.lock().unwrap().unassigned.clone();
        let named = self.brokers().into_iter();
        let named = named.filter(|broker| !left_out.contains(&broker.name));
        let assignments = named.map(|broker| v2::Assignment {
            message_queue: Some(v2::MessageQueue {
                topic: Some(resource(super::TOPIC)),
                id: -1,
                broker: Some(broker),
                ..Default::default()
            }),
        });
        Ok(Response::new(v2::QueryAssignmentResponse {
            status: ok(),
            assignments: assignments.collect(),
        }))
    }

    async fn telemetry(
        &self,
        request: Request<Streaming<v2::TelemetryCommand>>,
    ) -> Reply<Self::TelemetryStream> {
        let client = client_id(&request);
        let mut inbox = request.into_inner();
        let (stream, outbox) = mpsc::channel(16);
        let state = Arc::clone(&self.state);
        let known = ClientState {
            settings: None,
            stream,
        };
        state.clients.lock().unwrap().insert(client.clone(), known);
        let open = OpenStream::begin(&state);
        tokio::spawn(async move {
            let _open = open;
            while let Ok(Some(command)) = inbox.message().await {
                let Some(Command::Settings(settings)) = command.command else {
                    continue;
                };
                state.log(Call::Settings(settings.clone()));
                let answer = v2::TelemetryCommand {
                    status: ok(),
                    command: Some(Command::Settings(v2::Settings {
                        backoff_policy: Some(Self::backoff_policy()),
                        ..settings.clone()
                    })),
                };
                let stream = {
                    let mut clients = state.clients.lock().unwrap();
                    let Some(known) = clients.get_mut(&client) else {
                        return;
                    };
                    known.settings = Some(settings);
                    known.stream.clone()
                };
                if stream.send(Ok(answer)).await.is_err() {
                    return;
                }
                if state.script.lock().unwrap().ends_streams {
                    state.clients.lock().unwrap().remove(&client);
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outbox))))
    }

    async fn heartbeat(
        &self,
        request: Request<v2::HeartbeatRequest>,
    ) -> Reply<v2::HeartbeatResponse> {
        self.state.log(Call::Heartbeat);
        let status = if self.known(&client_id(&request)) {
            ok()
        } else {
            Some(status(
                v2::Code::UnrecognizedClientType,
                "cannot find client settings for this client",
            ))
        };
        Ok(Response::new(v2::HeartbeatResponse { status }))
    }

    async fn notify_client_termination(
        &self,
        request: Request<v2::NotifyClientTerminationRequest>,
    ) -> Reply<v2::NotifyClientTerminationResponse> {
        self.state.log(Call::Goodbye);
        if let Some(client) = self
            .state
            .clients
            .lock()
            .unwrap()
            .get_mut(&client_id(&request))
        {
            client.settings = None;
        }
        Ok(Response::new(v2::NotifyClientTerminationResponse {
            status: ok(),
        }))
    }

    async fn send_message(
        &self,
        request: Request<v2::SendMessageRequest>,
    ) -> Reply<v2::SendMessageResponse> {
        let message = request.into_inner().messages.remove(0);
        let number = self.state.sends.fetch_add(1, Ordering::SeqCst);
        let hangs = self.state.script.lock().unwrap().hanging.contains(&number);
        self.state.log(Call::Send(message.clone()));
        if hangs {
            std::future::pending::<()>().await;
        }
        self.state.sends_pass.pass().await;
        let refusal = self.state.script.lock().unwrap().send_status.clone();
        let refusal = refusal
            .or_else(|| self.broker_away())
            .or_else(|| self.busy());
        if refusal.is_some() {
            return Ok(Response::new(v2::SendMessageResponse {
                status: refusal,
                ..Default::default()
            }));
        }
        let message_id = message.system_properties.unwrap_or_default().message_id;
        let entry = v2::SendResultEntry {
            status: ok(),
            transaction_id: message_id.clone(),
            message_id,
            ..Default::default()
        };
        Ok(Response::new(v2::SendMessageResponse {
            status: ok(),
            entries: vec![entry],
        }))
    }

    async fn end_transaction(
        &self,
        request: Request<v2::EndTransactionRequest>,
    ) -> Reply<v2::EndTransactionResponse> {
        self.state.log(Call::End(request.into_inner()));
        Ok(Response::new(v2::EndTransactionResponse { status: ok() }))
    }

    async fn receive_message(
        &self,
        request: Request<v2::ReceiveMessageRequest>,
    ) -> Reply<Self::ReceiveMessageStream> {
        let known = self.known(&client_id(&request));
        let most = usize::try_from(request.into_inner().batch_size).unwrap();
        let (send, receive) = mpsc::channel(64);
        let state = Arc::clone(&self.state);
        state.polls_begun.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let say = |content| {
                Ok(v2::ReceiveMessageResponse {
                    content: Some(content),
                })
            };
            let popped = if known {
                Self::pop(&state, most).await
            } else {
                Vec::new()
            };
            let said = match (known, popped.is_empty()) {
                (false, _) => status(
                    v2::Code::InternalServerError,
                    "Cannot invoke \"apache.rocketmq.v2.Settings.getClientType()\" because \"settings\" is null. NullPointerException",
                ),
                (true, true) => status(v2::Code::MessageNotFound, "no new message"),
                (true, false) => status(v2::Code::Ok, "OK"),
            };
            // A client that went away leaves the poll counted as begun and not as ended.
            if send.send(say(Content::Status(said))).await.is_err() {
                return;
            }
            for message in popped {
                if send.send(say(Content::Message(message))).await.is_err() {
                    return;
                }
            }
            state.polls_ended.fetch_add(1, Ordering::SeqCst);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    async fn ack_message(
        &self,
        request: Request<v2::AckMessageRequest>,
    ) -> Reply<v2::AckMessageResponse> {
        let request = request.into_inner();
        self.state.log(Call::Ack(request.clone()));
        let _about: Vec<_> = request
            .entries
            .iter()
            .map(|e| About::begin(&self.state, &e.message_id))
            .collect();
        let entries: Vec<_> = request
            .entries
            .into_iter()
            .map(|entry| v2::AckMessageResultEntry {
                status: Some(self.settle(&entry.message_id, &entry.receipt_handle)),
                message_id: entry.message_id,
                receipt_handle: entry.receipt_handle,
            })
            .collect();
        let first = entries[0].status.clone().unwrap();
        let same = entries
            .iter()
            .all(|entry| entry.status.as_ref().unwrap().code == first.code);
        let whole = if same {
            first
        } else {
            status(v2::Code::MultipleResults, "")
        };
        Ok(Response::new(v2::AckMessageResponse {
            status: Some(whole),
            entries,
        }))
    }

    async fn change_invisible_duration(
        &self,
        request: Request<v2::ChangeInvisibleDurationRequest>,
    ) -> Reply<v2::ChangeInvisibleDurationResponse> {
        let request = request.into_inner();
        let _about = About::begin(&self.state, &request.message_id);
        self.state.log(Call::Change(request.clone()));
        self.state.changes_pass.pass().await;
        let settled = self.settle(&request.message_id, &request.receipt_handle);
        let receipt_handle = if settled.code == i32::from(v2::Code::Ok) {
            self.state.new_handle(&request.message_id)
        } else {
            String::new()
        };
        Ok(Response::new(v2::ChangeInvisibleDurationResponse {
            status: Some(settled),
            receipt_handle,
        }))
    }

    async fn forward_message_to_dead_letter_queue(
        &self,
        request: Request<v2::ForwardMessageToDeadLetterQueueRequest>,
    ) -> Reply<v2::ForwardMessageToDeadLetterQueueResponse> {
        let request = request.into_inner();
        let _about = About::begin(&self.state, &request.message_id);
        self.state.log(Call::Forward(request.clone()));
        let status = Some(self.settle(&request.message_id, &request.receipt_handle));
        Ok(Response::new(v2::ForwardMessageToDeadLetterQueueResponse {
            status,
        }))
    }

    async fn pull_message(
        &self,
        _: Request<v2::PullMessageRequest>,
    ) -> Reply<Self::PullMessageStream> {
        Err(Status::unimplemented("PullMessage"))
    }

    async fn update_offset(
        &self,
        _: Request<v2::UpdateOffsetRequest>,
    ) -> Reply<v2::UpdateOffsetResponse> {
        Err(Status::unimplemented("UpdateOffset"))
    }

    async fn get_offset(&self, _: Request<v2::GetOffsetRequest>) -> Reply<v2::GetOffsetResponse> {
        Err(Status::unimplemented("GetOffset"))
    }

    async fn query_offset(
        &self,
        _: Request<v2::QueryOffsetRequest>,
    ) -> Reply<v2::QueryOffsetResponse> {
        Err(Status::unimplemented("QueryOffset"))
    }

    async fn recall_message(
        &self,
        _: Request<v2::RecallMessageRequest>,
    ) -> Reply<v2::RecallMessageResponse> {
        Err(Status::unimplemented("RecallMessage"))
    }

    async fn sync_lite_subscription(
        &self,
        _: Request<v2::SyncLiteSubscriptionRequest>,
    ) -> Reply<v2::SyncLiteSubscriptionResponse> {
        Err(Status::unimplemented("SyncLiteSubscription"))
    }
}
