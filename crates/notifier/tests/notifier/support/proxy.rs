//! A gRPC proxy before the broker that can keep the answers of renewals to itself, or have messages given
//! back late.
//!
//! It speaks the protocol on both sides with the generated server and client. Routes are rewritten
//! to name the proxy, so that a client stays with it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketmq_wire::v2;
use rocketmq_wire::v2::messaging_service_client::MessagingServiceClient;
use rocketmq_wire::v2::messaging_service_server::{MessagingService, MessagingServiceServer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};

pub(crate) struct Proxy {
    address: SocketAddr,
    switches: Arc<Switches>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Switches {
    drop_renewals: AtomicBool,
    dropped: AtomicUsize,
    /// Whose renewals were.
    dropped_of: Mutex<Vec<String>>,
    /// In milliseconds.
    asked_to_hide: Mutex<Vec<u64>>,
    /// By how many milliseconds more they are hidden.
    late_ms: AtomicU64,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxy {
    pub(crate) async fn before(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let switches = Arc::<Switches>::default();
        let channel = Channel::from_shared(format!("http://{broker}")).unwrap();
        let forward = Forward {
            broker: MessagingServiceClient::new(channel.connect_lazy()),
            address,
            switches: switches.clone(),
        };
        let server = Server::builder().add_service(MessagingServiceServer::new(forward));
        let incoming = TcpListenerStream::new(listener);
        let serving = tokio::spawn(async move {
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self {
            address,
            switches,
            serving,
        }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Renewals still reach the broker from now on, but their answers don't come back.
    pub(crate) fn drop_renewal_answers(&self) {
        self.switches.drop_renewals.store(true, Ordering::SeqCst);
    }

    /// Everything passes again.
    pub(crate) fn pass_everything(&self) {
        self.switches.drop_renewals.store(false, Ordering::SeqCst);
    }

    /// The broker hides messages for so much longer than it was asked to from now on.
    pub(crate) fn give_back_late(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap();
        self.switches.late_ms.store(ms, Ordering::SeqCst);
    }

    /// For how long the broker was asked to hide messages, renewals among them; in milliseconds.
    pub(crate) fn asked_to_hide_ms(&self) -> Vec<u64> {
        self.switches.asked_to_hide.lock().unwrap().clone()
    }

    /// The messages whose renewals' answers were kept.
    pub(crate) fn dropped_of(&self) -> Vec<String> {
        self.switches.dropped_of.lock().unwrap().clone()
    }

    pub(crate) fn dropped(&self) -> usize {
        self.switches.dropped.load(Ordering::SeqCst)
    }
}

struct Forward {
    broker: MessagingServiceClient<Channel>,
    address: SocketAddr,
    switches: Arc<Switches>,
}

impl Forward {
    fn broker(&self) -> MessagingServiceClient<Channel> {
        self.broker.clone()
    }

    /// Names the proxy as the broker's address.
    fn rename(&self, queue: &mut v2::MessageQueue) {
        let endpoints = queue
            .broker
            .as_mut()
            .and_then(|broker| broker.endpoints.as_mut());
        for address in endpoints
            .into_iter()
            .flat_map(|endpoints| &mut endpoints.addresses)
        {
            address.host = self.address.ip().to_string();
            address.port = i32::from(self.address.port());
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl MessagingService for Forward {
    type ReceiveMessageStream = Streaming<v2::ReceiveMessageResponse>;
    type PullMessageStream = Streaming<v2::PullMessageResponse>;
    type TelemetryStream = Streaming<v2::TelemetryCommand>;

    async fn query_route(
        &self,
        request: Request<v2::QueryRouteRequest>,
    ) -> Answer<v2::QueryRouteResponse> {
        let mut answer = self.broker().query_route(request).await?;
        let queues = &mut answer.get_mut().message_queues;
        queues.iter_mut().for_each(|queue| self.rename(queue));
        Ok(answer)
    }

    async fn query_assignment(
        &self,
        request: Request<v2::QueryAssignmentRequest>,
    ) -> Answer<v2::QueryAssignmentResponse> {
        let mut answer = self.broker().query_assignment(request).await?;
        let assignments = &mut answer.get_mut().assignments;
        let queues = assignments
            .iter_mut()
            .filter_map(|a| a.message_queue.as_mut());
        queues.for_each(|queue| self.rename(queue));
        Ok(answer)
    }

    async fn change_invisible_duration(
        &self,
        mut request: Request<v2::ChangeInvisibleDurationRequest>,
    ) -> Answer<v2::ChangeInvisibleDurationResponse> {
        if let Some(span) = &mut request.get_mut().invisible_duration {
            let ms = span.seconds * 1_000 + i64::from(span.nanos) / 1_000_000;
            let ms = u64::try_from(ms).unwrap();
            self.switches.asked_to_hide.lock().unwrap().push(ms);
            let late = ms + self.switches.late_ms.load(Ordering::SeqCst);
            span.seconds = i64::try_from(late / 1_000).unwrap();
            span.nanos = i32::try_from(late % 1_000).unwrap() * 1_000_000;
        }
        // Judged when it arrives: what is under way when the switch is thrown passes.
        let dropped = self.switches.drop_renewals.load(Ordering::SeqCst);
        let message_id = request.get_ref().message_id.clone();
        let answer = self.broker().change_invisible_duration(request).await?;
        if dropped {
            self.switches.dropped_of.lock().unwrap().push(message_id);
            self.switches.dropped.fetch_add(1, Ordering::SeqCst);
            return std::future::pending().await;
        }
        Ok(answer)
    }

    async fn heartbeat(
        &self,
        request: Request<v2::HeartbeatRequest>,
    ) -> Answer<v2::HeartbeatResponse> {
        self.broker().heartbeat(request).await
    }

    async fn send_message(
        &self,
        request: Request<v2::SendMessageRequest>,
    ) -> Answer<v2::SendMessageResponse> {
        self.broker().send_message(request).await
    }

    async fn receive_message(
        &self,
        request: Request<v2::ReceiveMessageRequest>,
    ) -> Answer<Self::ReceiveMessageStream> {
        self.broker().receive_message(request).await
    }

    async fn ack_message(
        &self,
        request: Request<v2::AckMessageRequest>,
    ) -> Answer<v2::AckMessageResponse> {
        self.broker().ack_message(request).await
    }

    async fn forward_message_to_dead_letter_queue(
        &self,
        request: Request<v2::ForwardMessageToDeadLetterQueueRequest>,
    ) -> Answer<v2::ForwardMessageToDeadLetterQueueResponse> {
        self.broker()
            .forward_message_to_dead_letter_queue(request)
            .await
    }

    async fn pull_message(
        &self,
        request: Request<v2::PullMessageRequest>,
    ) -> Answer<Self::PullMessageStream> {
        self.broker().pull_message(request).await
    }

    async fn update_offset(
        &self,
        request: Request<v2::UpdateOffsetRequest>,
    ) -> Answer<v2::UpdateOffsetResponse> {
        self.broker().update_offset(request).await
    }

    async fn get_offset(
        &self,
        request: Request<v2::GetOffsetRequest>,
    ) -> Answer<v2::GetOffsetResponse> {
        self.broker().get_offset(request).await
    }

    async fn query_offset(
        &self,
        request: Request<v2::QueryOffsetRequest>,
    ) -> Answer<v2::QueryOffsetResponse> {
        self.broker().query_offset(request).await
    }

    async fn end_transaction(
        &self,
        request: Request<v2::EndTransactionRequest>,
    ) -> Answer<v2::EndTransactionResponse> {
        self.broker().end_transaction(request).await
    }

    async fn telemetry(
        &self,
        request: Request<Streaming<v2::TelemetryCommand>>,
    ) -> Answer<Self::TelemetryStream> {
        let (metadata, extensions, commands) = request.into_parts();
        let commands = tokio_stream::StreamExt::map_while(commands, Result::ok);
        let request = Request::from_parts(metadata, extensions, commands);
        self.broker().telemetry(request).await
    }

    async fn notify_client_termination(
        &self,
        request: Request<v2::NotifyClientTerminationRequest>,
    ) -> Answer<v2::NotifyClientTerminationResponse> {
        self.broker().notify_client_termination(request).await
    }

    async fn recall_message(
        &self,
        request: Request<v2::RecallMessageRequest>,
    ) -> Answer<v2::RecallMessageResponse> {
        self.broker().recall_message(request).await
    }

    async fn sync_lite_subscription(
        &self,
        request: Request<v2::SyncLiteSubscriptionRequest>,
    ) -> Answer<v2::SyncLiteSubscriptionResponse> {
        self.broker().sync_lite_subscription(request).await
    }
}
