//! `apache.rocketmq.v2.MessagingService`, answered as Apache RocketMQ's proxy answers it.
//!
//! Each file is one call or a family of them: it judges the request, asks the writer, and puts the
//! answer in words. Errors are replies with a code, not gRPC errors, but where the proxy makes them
//! gRPC errors too.

use std::sync::Arc;
use std::time::Duration;

use rocketmq_wire::v2;
use rocketmq_wire::v2::messaging_service_server::MessagingService;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use crate::catalog::{Catalog, Topic};
use crate::clients::Clients;
use crate::clock::Clock;
use crate::names;
use crate::writer::queue::Queue;

pub(crate) mod delivery;
mod judge;
mod recall;
mod receive;
mod refusal;
mod route;
mod send;
mod settings;
mod settle;
mod telemetry;
mod transaction;

use refusal::Refusal;

/// What every call needs.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) queue: Queue,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) clock: Clock,
    /// Telemetry streams.
    pub(crate) streams: TaskTracker,
    /// The broker is stopping.
    pub(crate) stopping: CancellationToken,
    pub(crate) rules: Arc<ServiceRules>,
}

/// What the calls go by.
#[derive(Clone, Debug)]
pub(crate) struct ServiceRules {
    /// What routes tell clients to use.
    pub(crate) endpoints: v2::Endpoints,
    /// `store_host` of messages.
    pub(crate) host: String,
    pub(crate) check_after: Duration,
    pub(crate) long_poll_min: Duration,
    pub(crate) long_poll_max: Duration,
    pub(crate) recall_enabled: bool,
}

impl Service {
    /// A topic that a client names: it must be legal and there.
    fn topic(&self, resource: Option<&v2::Resource>) -> Result<(String, Topic), Refusal> {
        let name = topic_name(resource)?;
        let topic = self
            .catalog
            .topic(&name)
            .ok_or_else(|| refusal::no_such_topic(&name))?;
        Ok((name, topic))
    }
}

/// A legal topic name that a client gave.
fn topic_name(resource: Option<&v2::Resource>) -> Result<String, Refusal> {
    let name = resource.map_or("", |resource| resource.name.as_str());
    names::check_topic(name)
        .map_err(|bad| Refusal::new(v2::Code::IllegalTopic, bad.to_string()))?;
    Ok(name.to_owned())
}

/// A legal group name that a client gave.
fn group_name(resource: Option<&v2::Resource>) -> Result<String, Refusal> {
    let name = resource.map_or("", |resource| resource.name.as_str());
    names::check_group(name)
        .map_err(|bad| Refusal::new(v2::Code::IllegalConsumerGroup, bad.to_string()))?;
    Ok(name.to_owned())
}

/// The client's id, without which nothing is answered.
fn client_id<T>(request: &Request<T>) -> Result<String, Refusal> {
    let id = request.metadata().get(rocketmq_wire::metadata::CLIENT_ID);
    match id
        .and_then(|id| id.to_str().ok())
        .filter(|id| !id.trim().is_empty())
    {
        Some(id) => Ok(id.to_owned()),
        None => Err(Refusal::new(
            v2::Code::ClientIdRequired,
            "client id cannot be empty",
        )),
    }
}

fn unimplemented(method: &str) -> Status {
    Status::unimplemented(format!(
        "Method apache.rocketmq.v2.MessagingService/{method} is unimplemented"
    ))
}

/// A stream that is sent as it lies.
type Replies<T> = tokio_stream::Iter<std::vec::IntoIter<Result<T, Status>>>;

#[tonic::async_trait]
impl MessagingService for Service {
    type ReceiveMessageStream = Replies<v2::ReceiveMessageResponse>;
    type PullMessageStream = Replies<v2::PullMessageResponse>;
    type TelemetryStream = ReceiverStream<Result<v2::TelemetryCommand, Status>>;

    async fn query_route(
        &self,
        request: Request<v2::QueryRouteRequest>,
    ) -> Result<Response<v2::QueryRouteResponse>, Status> {
        Ok(Response::new(self.answer_route(request)))
    }

    async fn heartbeat(
        &self,
        request: Request<v2::HeartbeatRequest>,
    ) -> Result<Response<v2::HeartbeatResponse>, Status> {
        Ok(Response::new(self.answer_heartbeat(request)))
    }

    async fn send_message(
        &self,
        request: Request<v2::SendMessageRequest>,
    ) -> Result<Response<v2::SendMessageResponse>, Status> {
        Ok(Response::new(self.answer_send(request).await))
    }

    async fn query_assignment(
        &self,
        request: Request<v2::QueryAssignmentRequest>,
    ) -> Result<Response<v2::QueryAssignmentResponse>, Status> {
        Ok(Response::new(self.answer_assignment(request)))
    }

    async fn receive_message(
        &self,
        request: Request<v2::ReceiveMessageRequest>,
    ) -> Result<Response<Self::ReceiveMessageStream>, Status> {
        Ok(Response::new(tokio_stream::iter(
            self.answer_receive(request).await,
        )))
    }

    async fn ack_message(
        &self,
        request: Request<v2::AckMessageRequest>,
    ) -> Result<Response<v2::AckMessageResponse>, Status> {
        Ok(Response::new(self.answer_ack(request).await))
    }

    async fn forward_message_to_dead_letter_queue(
        &self,
        request: Request<v2::ForwardMessageToDeadLetterQueueRequest>,
    ) -> Result<Response<v2::ForwardMessageToDeadLetterQueueResponse>, Status> {
        Ok(Response::new(self.answer_forward(request).await))
    }

    async fn pull_message(
        &self,
        _: Request<v2::PullMessageRequest>,
    ) -> Result<Response<Self::PullMessageStream>, Status> {
        Err(unimplemented("PullMessage"))
    }

    async fn update_offset(
        &self,
        _: Request<v2::UpdateOffsetRequest>,
    ) -> Result<Response<v2::UpdateOffsetResponse>, Status> {
        Err(unimplemented("UpdateOffset"))
    }

    async fn get_offset(
        &self,
        _: Request<v2::GetOffsetRequest>,
    ) -> Result<Response<v2::GetOffsetResponse>, Status> {
        Err(unimplemented("GetOffset"))
    }

    async fn query_offset(
        &self,
        _: Request<v2::QueryOffsetRequest>,
    ) -> Result<Response<v2::QueryOffsetResponse>, Status> {
        Err(unimplemented("QueryOffset"))
    }

    async fn end_transaction(
        &self,
        request: Request<v2::EndTransactionRequest>,
    ) -> Result<Response<v2::EndTransactionResponse>, Status> {
        Ok(Response::new(self.answer_end(request).await))
    }

    async fn telemetry(
        &self,
        request: Request<tonic::Streaming<v2::TelemetryCommand>>,
    ) -> Result<Response<Self::TelemetryStream>, Status> {
        Ok(Response::new(self.open_telemetry(request)))
    }

    async fn notify_client_termination(
        &self,
        request: Request<v2::NotifyClientTerminationRequest>,
    ) -> Result<Response<v2::NotifyClientTerminationResponse>, Status> {
        Ok(Response::new(self.answer_termination(request)))
    }

    async fn change_invisible_duration(
        &self,
        request: Request<v2::ChangeInvisibleDurationRequest>,
    ) -> Result<Response<v2::ChangeInvisibleDurationResponse>, Status> {
        Ok(Response::new(self.answer_change(request).await))
    }

    async fn recall_message(
        &self,
        request: Request<v2::RecallMessageRequest>,
    ) -> Result<Response<v2::RecallMessageResponse>, Status> {
        Ok(Response::new(self.answer_recall(request).await))
    }

    async fn sync_lite_subscription(
        &self,
        _: Request<v2::SyncLiteSubscriptionRequest>,
    ) -> Result<Response<v2::SyncLiteSubscriptionResponse>, Status> {
        let status = Refusal::new(v2::Code::IllegalTopic, "this broker has no lite groups");
        Ok(Response::new(v2::SyncLiteSubscriptionResponse {
            status: status.into(),
        }))
    }
}
