//! Which of the record's words an HTTP client's error is.
//!
//! The client wraps its causes several deep; the innermost that says something decides. What is
//! recorded is one word; the chain of causes goes to `last_error` for whoever investigates.

use std::error::Error;
use std::io::ErrorKind;

use notification::AttemptError;

use crate::copy::cut;
use crate::egress::Refusal;

/// The most characters of a failure that are kept.
pub(super) const DETAIL: usize = 200;

/// Classifies an error of the client.
pub(super) fn classify(error: &reqwest::Error) -> AttemptError {
    if causes(error).any(|cause| cause.is::<Refusal>()) {
        return AttemptError::AddressRefused;
    }
    if error.is_timeout() {
        return AttemptError::Timeout;
    }
    if error.is_dns() {
        return AttemptError::Dns;
    }
    // A server may say only after the handshake that it does not take our certificate.
    let alert = causes(error).any(|cause| cause.is::<rustls::Error>());
    if alert || (error.is_connect() && causes(error).any(in_handshake)) {
        return AttemptError::Tls;
    }
    if error.is_connect() {
        return AttemptError::Connect;
    }
    let kinds = causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    let broken = |kind| {
        matches!(
            kind,
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
                | ErrorKind::NotConnected
        )
    };
    let cut_off = causes(error)
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(|cause| cause.is_incomplete_message() || cause.is_canceled() || cause.is_closed());
    let endless = causes(error)
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_parse_too_large);
    if endless {
        return AttemptError::TooLarge;
    }
    if cut_off || kinds.map(std::io::Error::kind).any(broken) {
        AttemptError::Reset
    } else {
        AttemptError::Protocol
    }
}

/// Whether a failed connection had got as far as TLS: what the operating system reports of TCP wraps
/// nothing, what the handshake reports is wrapped.
fn in_handshake(cause: &(dyn Error + 'static)) -> bool {
    let io = cause.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.get_ref().is_some())
}

/// The innermost cause in words: the outer ones only say that sending failed.
pub(super) fn detail(error: &reqwest::Error) -> String {
    let innermost = causes(error).last();
    let text = innermost.map_or_else(|| error.to_string(), ToString::to_string);
    cut(&text, DETAIL)
}

/// The chain of causes, with what hides inside `io::Error`s.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let outermost: &(dyn Error + 'static) = error;
    std::iter::successors(Some(outermost), |cause| inner(*cause))
}

fn inner<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = cause
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => cause.source(),
    }
}
