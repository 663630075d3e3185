//! Listening, serving and draining.

mod meanwhile;

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::{Problem, Shutdown, request_id};

pub use meanwhile::meanwhile;

/// Listens. The error names the setting and the address; a port of 0 takes any free one.
pub async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen)
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
                "listen: {listen} is in use by another program; stop it, or choose another port"
            ),
            _ => anyhow::Error::new(error).context(format!("listen: cannot listen on {listen}")),
        })
}

/// Serves until the soft phase, then finishes the requests that have begun; the hard phase cuts
/// those off. A path or method that no route has gets a problem as well, and every answer its
/// request's id.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let router = router
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn(request_id::attach));
    // Answers are small and waited for: never hold one back to fill a packet.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(event = "nodelay_failed", %error);
        }
    });
    let soft = shutdown.soft();
    let drained = axum::serve(listener, router).with_graceful_shutdown(soft.cancelled_owned());
    match shutdown.unless_forced(drained.into_future()).await {
        Some(served) => served.context("serving HTTP"),
        None => Ok(()),
    }
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("no such path: {}", uri.path()),
    )
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{method} is not a method of {}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests;
