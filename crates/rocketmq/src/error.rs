//! What can go wrong, and what a caller may do about it.
//!
//! A kind exists where a caller acts on it; everything else a server says is `Rejected` with its
//! code. [`Retry`] is the kind's own answer, so that callers need no table of codes.

use std::fmt;
use std::time::Duration;

use rocketmq_wire::{remoting, v2};

/// Whether the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing is wrong with the request; try it again after a short while.
    Soon,
    /// The request itself is refused: again would be refused again.
    Never,
}

/// A request that did not succeed: what was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {kind}")]
pub struct Error {
    operation: &'static str,
    kind: ErrorKind,
    /// There was no connection to send the request over, or no route to know which.
    unsent: bool,
}

/// What came of a request that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection, or it broke; whether the request arrived is not known.
    Unreachable {
        /// The last endpoint that was tried.
        address: String,
        /// What the connection said.
        reason: String,
    },
    /// No answer within the deadline; whether the request arrived is not known.
    Timeout {
        /// The endpoint that did not answer.
        address: String,
        /// The deadline.
        after: Duration,
    },
    /// The server answered what cannot be read.
    Unreadable {
        /// The endpoint that answered so.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server has no such topic.
    TopicNotFound {
        /// The topic.
        topic: String,
    },
    /// The server has no such consumer group.
    GroupNotFound {
        /// What the server said.
        message: String,
    },
    /// The server does not know who this client is: no credentials, an unknown access key, or a
    /// secret that is not its own.
    NotAuthenticated {
        /// What the server said.
        message: String,
    },
    /// The server knows who this client is, and does not allow it this.
    NotAllowed {
        /// What the server said; it names what is missing.
        message: String,
    },
    /// The topic takes another kind of message.
    WrongTopicType {
        /// What the server said.
        message: String,
    },
    /// Body or properties exceed a limit.
    TooLarge {
        /// Which limit, and by what.
        message: String,
    },
    /// The receipt handle is no longer good: the lease is over.
    HandleExpired,
    /// The server has forgotten this client's Settings; they are being sent again.
    NotRegistered,
    /// A value that no server would take; nothing was sent.
    Invalid {
        /// The value's name.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The client was closed.
    Closed,
    /// The server refused, for a reason that has no kind of its own.
    Rejected {
        /// The code of `apache.rocketmq.v2`, or of remoting.
        code: i32,
        /// What the server said.
        message: String,
    },
}

impl Error {
    pub(crate) fn new(operation: &'static str, kind: ErrorKind) -> Self {
        Self {
            operation,
            kind,
            unsent: false,
        }
    }

    /// The same, where the request was not sent: there was no connection, or no route.
    pub(crate) fn unsent(self) -> Self {
        Self {
            unsent: true,
            ..self
        }
    }

    pub(crate) fn invalid(
        operation: &'static str,
        field: &'static str,
        reason: impl Into<String>,
    ) -> Self {
        let reason = reason.into();
        Self::new(operation, ErrorKind::Invalid { field, reason })
    }

    /// What came of it.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.kind.retry()
    }

    /// Whether a message whose sending ended so may have been stored all the same. It is when a
    /// request was sent and nobody answered it ([`ErrorKind::Unreachable`] and [`ErrorKind::Timeout`],
    /// but not for want of a connection or a route), and when the answer itself leaves it open: see
    /// [`ErrorKind::leaves_open`].
    #[must_use]
    pub fn may_have_been_stored(&self) -> bool {
        !self.unsent && (self.is_unreachable() || self.kind.leaves_open())
    }

    /// Whether the failure, the so manieth in a row, is to be told: at first, then ever more rarely, so
    /// that a server that is away all night fills no log; but each minute or so (pauses grow to
    /// 5 s) where only an operator can help.
    pub(crate) fn is_to_be_told(&self, failures: u32) -> bool {
        let needs_an_operator = matches!(
            self.kind,
            ErrorKind::NotAuthenticated { .. }
                | ErrorKind::NotAllowed { .. }
                | ErrorKind::TopicNotFound { .. }
                | ErrorKind::GroupNotFound { .. }
        );
        failures.is_power_of_two() || (needs_an_operator && failures.is_multiple_of(16))
    }

    /// Whether it is not known if the request arrived.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unreachable { .. } | ErrorKind::Timeout { .. }
        )
    }

    /// Whether the server blames itself: a proxy whose broker is away, a broker that cannot write or
    /// is busy. It lives, so it is no dead endpoint; another one, or the same one with the next
    /// broker, or a little later, may do better.
    pub(crate) fn is_of_the_server(&self) -> bool {
        matches!(self.kind, ErrorKind::Rejected { .. }) && self.retry() == Retry::Soon
    }

    /// Whether the server has so much to do that it did not begin with this.
    pub(crate) fn is_flow_control(&self) -> bool {
        let busy = i32::from(v2::Code::TooManyRequests);
        matches!(self.kind, ErrorKind::Rejected { code, .. } if code == busy)
    }
}

impl ErrorKind {
    /// Whether the server answered a send without saying if the message is stored:
    ///
    /// | Code | Meaning | Stored |
    /// |---|---|---|
    /// | 50000, 50001 | the server failed, most often to reach its broker | no; but open when its text names a `RemotingTimeoutException` |
    /// | 50002 | the broker has stored it, and no replica | maybe |
    /// | 50400 | the proxy's broker did not answer it | maybe |
    /// | 50401, 50402 | stored, and not in time on disk or on a replica | maybe |
    /// | 40800 | the request's time was over | maybe |
    /// | 50100, 50500, 50501 and all other codes below 50000 | refused | no |
    /// | 0 (no status), any other from 50000 | not known to this client | maybe |
    #[must_use]
    pub fn leaves_open(&self) -> bool {
        let Self::Rejected { code, message } = self else {
            return matches!(self, Self::Unreadable { .. });
        };
        match v2::Code::try_from(*code) {
            Ok(v2::Code::InternalError | v2::Code::InternalServerError) => {
                message.contains("RemotingTimeoutException")
            }
            Ok(v2::Code::NotImplemented | v2::Code::Unsupported | v2::Code::VersionUnsupported) => {
                false
            }
            Ok(v2::Code::RequestTimeout) => true,
            _ => *code == 0 || *code >= 50_000,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            // A topic or group may be about to be made.
            | Self::TopicNotFound { .. }
            | Self::GroupNotFound { .. }
            // The request itself is sound: an operator mends the user, and it goes through.
            | Self::NotAuthenticated { .. }
            | Self::NotAllowed { .. }
            | Self::NotRegistered => Retry::Soon,
            Self::Unreadable { .. }
            | Self::WrongTopicType { .. }
            | Self::TooLarge { .. }
            | Self::HandleExpired
            | Self::Invalid { .. }
            | Self::Closed => Retry::Never,
            // Of remoting, whose codes are small numbers.
            Self::Rejected { code: remoting::SYSTEM_BUSY | remoting::SERVICE_NOT_AVAILABLE, .. } => Retry::Soon,
            // Below 5xxxx the server blames the request, but for these.
            Self::Rejected { code, .. } => match v2::Code::try_from(*code) {
                Ok(v2::Code::TooManyRequests | v2::Code::RequestTimeout) => Retry::Soon,
                Ok(v2::Code::NotImplemented | v2::Code::Unsupported | v2::Code::VersionUnsupported) => Retry::Never,
                _ if *code >= 50_000 => Retry::Soon,
                _ => Retry::Never,
            },
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { address, reason } => {
                write!(f, "{address} cannot be reached: {reason}")
            }
            Self::Timeout { address, after } => {
                write!(f, "{address} did not answer within {after:?}")
            }
            Self::Unreadable { address, reason } => {
                write!(f, "{address} answered what cannot be read: {reason}")
            }
            Self::TopicNotFound { topic } => write!(f, "topic {topic} does not exist"),
            Self::GroupNotFound { message } => write!(f, "no such consumer group: {message}"),
            Self::NotAuthenticated { message } => {
                write!(
                    f,
                    "the server does not accept the credentials ({message}); check the access key and \
                     its secret, and that the server knows them"
                )
            }
            Self::NotAllowed { message } => {
                write!(
                    f,
                    "the server does not allow it ({message}); grant the right to this access key"
                )
            }
            Self::WrongTopicType { message } => {
                write!(f, "the topic takes another kind of message: {message}")
            }
            Self::TooLarge { message } => write!(f, "too large: {message}"),
            Self::HandleExpired => f.write_str("the receipt handle has expired"),
            Self::NotRegistered => f.write_str("the server does not know this client's settings"),
            Self::Invalid { field, reason } => write!(f, "{field}: {reason}"),
            Self::Closed => f.write_str("the client is closed"),
            Self::Rejected { code, message } => write!(f, "refused with code {code}: {message}"),
        }
    }
}

/// Why a message was not settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The lease is over, or it is not known to hold: the message comes back by itself.
    #[error("the lease on the message is lost")]
    LeaseLost,
    /// The broker did not settle it; the message comes back after its lease.
    #[error(transparent)]
    Failed(#[from] Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_leaves_open_whether_a_message_is_stored_is_told_from_one_that_does_not() {
        let open = |code: i32, text: &str| {
            let message = text.to_owned();
            Error::new("send", ErrorKind::Rejected { code, message }).may_have_been_stored()
        };
        for code in [50_002, 50_400, 50_401, 50_402, 40_800, 0, 50_999] {
            assert!(open(code, ""), "{code}");
        }
        for code in [50_000, 50_001, 50_100, 50_500, 50_501, 40_011, 42_900] {
            assert!(!open(code, "connect to <127.0.0.1:10911> failed"), "{code}");
        }
        assert!(open(
            50_001,
            "wait response timeout. RemotingTimeoutException"
        ));
    }

    #[test]
    fn a_request_for_which_there_was_no_connection_was_stored_by_nobody() {
        let kind = ErrorKind::Unreachable {
            address: "a:1".to_owned(),
            reason: String::new(),
        };
        let error = Error::new("send", kind);
        assert!(error.may_have_been_stored());
        assert!(!error.unsent().may_have_been_stored());
    }
}
