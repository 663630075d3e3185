//! What a service answers before it can serve: that it lives, and what it waits for.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::Problem;

/// Carries out `work` while every request is answered with 503 and `reason`, but `/health/live` with 200.
/// Gives the listener back, for the service proper.
pub async fn meanwhile<T>(
    listener: TcpListener,
    reason: &'static str,
    work: impl Future<Output = T>,
) -> (TcpListener, T) {
    // No connection outlives this: the next request on one would be answered here again.
    let close = || [(header::CONNECTION, "close")];
    let refuse = move || async move {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason);
        (close(), problem.with("reasons", json!([reason]))).into_response()
    };
    let router = Router::new()
        .route("/health/live", get(move || async move { (close(), "") }))
        .fallback(refuse);
    let listener = Arc::new(listener);
    let done = tokio::select! {
        never = serve(Arc::clone(&listener), router) => match never {},
        done = work => done,
    };
    let listener = Arc::into_inner(listener).expect("its server was dropped with the select");
    (listener, done)
}

async fn serve(listener: Arc<TcpListener>, router: Router) -> Infallible {
    if let Err(error) = axum::serve(Shared(listener), router).await {
        // Nobody is told that the service waits; it waits all the same.
        tracing::warn!(event = "meanwhile_not_served", %error);
    }
    std::future::pending().await
}

/// A listener that is given back.
struct Shared(Arc<TcpListener>);

impl axum::serve::Listener for Shared {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::debug!(event = "accept_failed", %error);
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_client::{self, HttpOptions};

    #[tokio::test]
    async fn a_service_that_waits_says_what_for_and_then_serves() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http = http_client::build(&HttpOptions::default()).unwrap();
        let (listener, ()) = meanwhile(listener, "waiting for the database", async {
            let ready = http
                .get(format!("{url}/health/ready"))
                .send()
                .await
                .unwrap();
            assert_eq!(ready.status(), 503);
            let text = ready.text().await.unwrap();
            assert!(text.contains("waiting for the database"), "{text}");
            let live = http.get(format!("{url}/health/live")).send().await.unwrap();
            assert_eq!(live.status(), 200);
        })
        .await;
        let router = Router::new().route("/health/ready", get(|| async { "ready" }));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let ready = http
            .get(format!("{url}/health/ready"))
            .send()
            .await
            .unwrap();
        assert_eq!(ready.text().await.unwrap(), "ready");
        serving.abort();
    }
}
