//! A notifier in this process, and its API as an operator uses it.

use std::net::SocketAddr;

use notification::TxNo;
use notification::api::notifier::{LettersPage, NotificationView, OutcomesPage};
use notifier::Config;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use service::http_client::{self, HttpOptions};
use service::shutdown::Shutdown;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::eventually;
use super::world::TOKEN;

pub(crate) struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<anyhow::Result<()>>,
    http: reqwest::Client,
}

/// An answer with its headers.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    headers: HeaderMap,
}

impl Answer {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        Self {
            status,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            headers,
        }
    }

    /// A header's text; empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn content_type(&self) -> &str {
        self.header("content-type")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.force();
    }
}

impl Running {
    pub(crate) async fn start(config: Config) -> Self {
        let shutdown = Shutdown::new();
        let (told, ready) = oneshot::channel();
        let run = notifier::run(config, shutdown.clone(), |address| {
            told.send(address).unwrap();
        });
        let task = tokio::spawn(run);
        let Ok(address) = ready.await else {
            panic!("the notifier did not start: {:?}", task.await.unwrap());
        };
        Self {
            address,
            shutdown,
            task,
            http: http_client::build(&HttpOptions::default()).unwrap(),
        }
    }

    /// The soft way: waits until it has finished and settled.
    pub(crate) async fn stop(mut self) {
        self.shutdown.request();
        (&mut self.task).await.unwrap().unwrap();
    }

    /// The hard way, as far as a process can do it to itself.
    pub(crate) async fn kill(mut self) {
        self.shutdown.force();
        (&mut self.task).await.unwrap().unwrap();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self.http.request(method, self.url(path)).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let bytes = response.bytes().await.unwrap();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    /// The same as whoever has this token, with all of the answer.
    pub(crate) async fn ask_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.http.request(method, self.url(path)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    /// The same under a name that the client gives its request.
    pub(crate) async fn ask_named(
        &self,
        name: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.http.request(method, self.url(path)).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.header("x-request-id", name)).await
    }

    /// A body that need be no JSON.
    pub(crate) async fn raw(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: &'static str,
    ) -> Answer {
        let request = self.http.request(method, self.url(path)).bearer_auth(TOKEN);
        Answer::of(request.header("content-type", kind).body(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// The answer, which must be of this status.
    pub(crate) async fn told(&self, method: Method, path: &str, body: Value, status: u16) -> Value {
        let (answered, told) = self.ask(method, path, Some(body)).await;
        assert_eq!(answered.as_u16(), status, "{path}: {told}");
        told
    }

    /// The notification as one group has it, once it is so.
    pub(crate) async fn until_of(
        &self,
        group: &str,
        tx_no: TxNo,
        what: &str,
        so: impl Fn(&NotificationView) -> bool,
    ) -> NotificationView {
        eventually(&format!("{tx_no} of {group} {what}"), async || {
            let path = format!("/v1/notifications/{tx_no}?group={group}");
            let (status, body) = self.get(&path).await;
            let view: NotificationView =
                (status == StatusCode::OK).then(|| serde_json::from_value(body).unwrap())?;
            so(&view).then_some(view)
        })
        .await
    }

    /// The notification, if there is a record of it.
    pub(crate) async fn find(&self, tx_no: TxNo) -> Option<NotificationView> {
        let (status, body) = self.get(&format!("/v1/notifications/{tx_no}")).await;
        let found = status == StatusCode::OK;
        found.then(|| serde_json::from_value(body).unwrap())
    }

    /// Waits until the notification is in a state.
    pub(crate) async fn until(&self, tx_no: TxNo, state: &str) -> NotificationView {
        eventually(&format!("{tx_no} {state}"), async || {
            let view = self.find(tx_no).await?;
            (view.notification.state.as_str() == state).then_some(view)
        })
        .await
    }

    pub(crate) async fn letters(&self) -> LettersPage {
        let (status, body) = self.get("/v1/dead-letters?state=open").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_value(body).unwrap()
    }

    /// The feed from its beginning.
    pub(crate) async fn outcomes(&self) -> OutcomesPage {
        let (status, body) = self.get("/v1/outcomes?source=bank1").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_value(body).unwrap()
    }
}
