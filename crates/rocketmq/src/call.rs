//! One call: the caller's metadata, a deadline, the endpoint's health, and an [`Error`] with a kind.
//!
//! Every request of this crate goes through [`Caller::call`], so that none is without a deadline
//! and none leaves the health memory untouched.

use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_wire::v2::messaging_service_client::MessagingServiceClient;
use rocketmq_wire::{metadata, v2};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::address::Address;
use crate::client::Shared;
use crate::clock;
use crate::error::{Error, ErrorKind};

pub(crate) type Service = MessagingServiceClient<Channel>;

/// One client in the server's eyes: a client id, and what its calls carry.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) shared: Arc<Shared>,
    metadata: Arc<MetadataMap>,
}

impl Caller {
    /// A caller with an id of its own.
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let id = format!("{}@{:016x}", shared.config.name, fastrand::u64(..));
        let mut map = MetadataMap::new();
        let mut insert = |name: &'static str, value: AsciiMetadataValue| {
            map.insert(name, value);
        };
        insert(
            metadata::CLIENT_ID,
            id.parse()
                .expect("Client::new took only names that metadata can carry"),
        );
        insert(
            metadata::LANGUAGE,
            AsciiMetadataValue::from_static(metadata::LANGUAGE_RUST),
        );
        insert(
            metadata::PROTOCOL,
            AsciiMetadataValue::from_static(metadata::PROTOCOL_V2),
        );
        insert(
            metadata::CLIENT_VERSION,
            AsciiMetadataValue::from_static(env!("CARGO_PKG_VERSION")),
        );
        Self {
            shared: Arc::clone(shared),
            metadata: Arc::new(map),
        }
    }

    /// The deadline of an ordinary call.
    pub(crate) fn timeout(&self) -> Duration {
        self.shared.config.request_timeout
    }

    /// A request with the caller's metadata, signed as of now.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let map = request.metadata_mut();
        map.clone_from(&self.metadata);
        if let Some(credentials) = &self.shared.config.credentials {
            for (name, value) in credentials.headers(clock::unix_s()) {
                let mut value: AsciiMetadataValue = value
                    .parse()
                    .expect("Credentials::new took only what metadata can carry");
                // Out of HTTP/2's header compression, and out of what tonic and hyper log.
                value.set_sensitive(true);
                map.insert(name, value);
            }
        }
        request
    }

    /// Makes one unary call at `address` and remembers whether it was answered.
    pub(crate) async fn call<T, R, F>(
        &self,
        operation: &'static str,
        address: &Address,
        timeout: Duration,
        message: T,
        method: impl FnOnce(Service, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let mut request = self.request(message);
        request.set_timeout(timeout);
        let service = self.service(operation, address)?;
        let answer = tokio::time::timeout(timeout, method(service, request)).await;
        self.settle(
            operation,
            address,
            timeout,
            answer.map(|answer| answer.map(Response::into_inner)),
        )
    }

    /// The service at `address`.
    pub(crate) fn service(
        &self,
        operation: &'static str,
        address: &Address,
    ) -> Result<Service, Error> {
        let service = self.shared.endpoints.service(address);
        service.map_err(|kind| {
            self.shared.endpoints.failed(address);
            Error::new(operation, kind).unsent()
        })
    }

    /// Turns what a call brought into a result, and remembers whether the endpoint answered.
    pub(crate) fn settle<R>(
        &self,
        operation: &'static str,
        address: &Address,
        timeout: Duration,
        answer: Result<Result<R, Status>, tokio::time::error::Elapsed>,
    ) -> Result<R, Error> {
        let mut unsent = false;
        let kind = match answer {
            Ok(Ok(reply)) => {
                self.shared.endpoints.answered(address);
                return Ok(reply);
            }
            Ok(Err(status)) => {
                unsent = causes(&status).any(|cause| cause.is::<tonic::ConnectError>());
                let explain = |cause: &_| self.shared.endpoints.explain(cause);
                from_transport(&status, address, timeout, explain)
            }
            Err(_elapsed) => ErrorKind::Timeout {
                address: address.to_string(),
                after: timeout,
            },
        };
        let error = Error::new(operation, kind);
        if error.is_unreachable() {
            self.shared.endpoints.failed(address);
        }
        Err(if unsent { error.unsent() } else { error })
    }
}

/// The kind of a gRPC status: what the transport or the gRPC layer says, not the server's reply.
fn from_transport(
    status: &Status,
    address: &Address,
    timeout: Duration,
    explain: impl Fn(&(dyn std::error::Error + 'static)) -> Option<String>,
) -> ErrorKind {
    let address = address.to_string();
    // tonic says `Unknown` or `Internal` for a connection that breaks under a call, and only then
    // is there a cause.
    let broke = causes(status).next().is_some();
    let expired = causes(status).any(|cause| cause.is::<tonic::TimeoutExpired>());
    match status.code() {
        tonic::Code::DeadlineExceeded => ErrorKind::Timeout {
            address,
            after: timeout,
        },
        tonic::Code::Cancelled if expired || !broke => ErrorKind::Timeout {
            address,
            after: timeout,
        },
        tonic::Code::Unavailable | tonic::Code::Cancelled => unreachable(status, address, explain),
        tonic::Code::Unknown | tonic::Code::Internal if broke => {
            unreachable(status, address, explain)
        }
        tonic::Code::Unimplemented => rejected(v2::Code::NotImplemented, status),
        tonic::Code::ResourceExhausted => rejected(v2::Code::TooManyRequests, status),
        tonic::Code::Unauthenticated => ErrorKind::NotAuthenticated {
            message: status.message().to_owned(),
        },
        tonic::Code::PermissionDenied => ErrorKind::NotAllowed {
            message: status.message().to_owned(),
        },
        tonic::Code::InvalidArgument => rejected(v2::Code::BadRequest, status),
        _ => rejected(v2::Code::InternalError, status),
    }
}

fn rejected(code: v2::Code, status: &Status) -> ErrorKind {
    ErrorKind::Rejected {
        code: code.into(),
        message: status.message().to_owned(),
    }
}

/// What made the transport fail, from the outermost cause to the innermost.
fn causes(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(status.source(), |&cause| cause.source())
}

fn unreachable(
    status: &Status,
    address: String,
    explain: impl Fn(&(dyn std::error::Error + 'static)) -> Option<String>,
) -> ErrorKind {
    if let Some(reason) = causes(status).find_map(explain) {
        return ErrorKind::Unreachable { address, reason };
    }
    // The innermost cause says what happened ("Connection refused"); the others say "transport".
    let cause = causes(status).last();
    let reason = cause.map_or_else(|| status.message().to_owned(), ToString::to_string);
    ErrorKind::Unreachable { address, reason }
}

/// `Ok` when the reply's status is; else its kind.
pub(crate) fn check(operation: &'static str, status: Option<&v2::Status>) -> Result<(), Error> {
    match status {
        Some(status) if status.code == i32::from(v2::Code::Ok) => Ok(()),
        Some(status) => Err(Error::new(operation, from_reply(status))),
        None => Err(Error::new(
            operation,
            ErrorKind::Rejected {
                code: 0,
                message: "the reply has no status".to_owned(),
            },
        )),
    }
}

/// The kind of a server's reply that is not OK.
fn from_reply(status: &v2::Status) -> ErrorKind {
    let message = status.message.clone();
    match v2::Code::try_from(status.code) {
        Ok(v2::Code::TopicNotFound) => ErrorKind::TopicNotFound {
            topic: topic_named_in(&message),
        },
        Ok(v2::Code::ConsumerGroupNotFound) => ErrorKind::GroupNotFound { message },
        // How telemetry says that there is no such group.
        Ok(v2::Code::BadRequest) if message.contains("group not found") => {
            ErrorKind::GroupNotFound { message }
        }
        // 5.4 and 5.5 say both with one code, and only the words tell which.
        Ok(v2::Code::Unauthorized) if message.contains("has no permission") => {
            ErrorKind::NotAllowed { message }
        }
        Ok(v2::Code::Unauthorized) => ErrorKind::NotAuthenticated { message },
        Ok(v2::Code::Forbidden) => ErrorKind::NotAllowed { message },
        Ok(v2::Code::MessagePropertyConflictWithType) => ErrorKind::WrongTopicType { message },
        Ok(
            v2::Code::MessageBodyTooLarge
            | v2::Code::MessagePropertiesTooLarge
            | v2::Code::PayloadTooLarge,
        ) => ErrorKind::TooLarge { message },
        Ok(v2::Code::InvalidReceiptHandle) => ErrorKind::HandleExpired,
        Ok(v2::Code::UnrecognizedClientType) => ErrorKind::NotRegistered,
        // How 5.4 and 5.5 say that they have no Settings for the client that receives.
        Ok(v2::Code::InternalServerError) if message.contains("NullPointerException") => {
            ErrorKind::NotRegistered
        }
        _ => ErrorKind::Rejected {
            code: status.code,
            message,
        },
    }
}

/// The topic in "CODE: 17  DESC: No topic route info in name server for the topic: X\nFor more…".
fn topic_named_in(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.rsplit_once("topic: ")
        .map_or(line, |(_, topic)| topic)
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use rocketmq_wire::status;

    use super::*;
    use crate::error::Retry;

    #[test]
    fn a_missing_topic_is_named_out_of_the_servers_text() {
        let text = "CODE: 17  DESC: No topic route info in name server for the topic: t_x\nFor more information, ...";
        let error = check("route", Some(&status(v2::Code::TopicNotFound, text))).unwrap_err();
        assert_eq!(
            error.kind(),
            &ErrorKind::TopicNotFound {
                topic: "t_x".to_owned()
            }
        );
    }

    #[test]
    fn both_ways_of_forgetting_a_client_are_understood() {
        for (code, text) in [
            (
                v2::Code::UnrecognizedClientType,
                "cannot find client settings for this client",
            ),
            (
                v2::Code::InternalServerError,
                "Cannot invoke getClientType() because \"settings\" is null. NullPointerException",
            ),
            (v2::Code::InternalServerError, "null. NullPointerException"),
        ] {
            let error = check("receive", Some(&status(code, text))).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::NotRegistered);
            assert_eq!(error.retry(), Retry::Soon);
        }
    }

    #[test]
    fn a_refusal_is_not_tried_again_and_a_server_failure_is() {
        let retry = |code| check("send", Some(&status(code, "x"))).unwrap_err().retry();
        assert_eq!(retry(v2::Code::IllegalMessageTag), Retry::Never);
        assert_eq!(retry(v2::Code::MessageBodyTooLarge), Retry::Never);
        assert_eq!(retry(v2::Code::InvalidReceiptHandle), Retry::Never);
        assert_eq!(retry(v2::Code::TooManyRequests), Retry::Soon);
        assert_eq!(retry(v2::Code::InternalServerError), Retry::Soon);
        assert_eq!(retry(v2::Code::NotImplemented), Retry::Never);
    }

    #[test]
    fn a_reply_without_a_status_is_an_error() {
        assert!(check("send", None).is_err());
    }
}
