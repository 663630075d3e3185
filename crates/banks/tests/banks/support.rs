//! Banks that run in this process, on ports, folders and databases of their own.

use std::net::SocketAddr;
use std::time::Duration;

use banks::{Demo, bank1, bank2};
use database::testing::{Databases, Vacant};
use notification::api::bank1::{Accounts, Held};
use notification::{Secret, TxNo, sign};
use receiver::SourceKeys;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use service::http_client::{self, HttpOptions};
use service::shutdown::Shutdown;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const TOPIC: &str = "topic_txmsg";

/// The secret that bank2 knows bank1 by.
pub(crate) fn secret() -> Secret {
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap()
}

/// A number of now, different each time.
pub(crate) fn fresh_tx_no() -> TxNo {
    TxNo::from_parts(
        u64::try_from(service::clock::now_ms()).unwrap(),
        service::ids::random10(),
    )
}

/// A broker with the one topic.
pub(crate) async fn broker(folder: &Folder) -> broker::Broker {
    folder
        .broker(broker::Config::default().check_interval)
        .await
}

async fn broker_that_checks(folder: &Folder, check_interval: Duration) -> broker::Broker {
    let topic = broker::TopicConfig {
        name: TOPIC.into(),
        kind: broker::TopicKind::Transaction,
    };
    let config = broker::Config {
        data: folder.path.path().join("broker"),
        listen: any_port(),
        topics: vec![topic],
        check_interval,
        check_max: 1_000,
        ..broker::Config::default()
    };
    broker::Broker::start(config).await.unwrap()
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A bank that runs until it is dropped or stopped.
pub(crate) struct Bank {
    pub(crate) url: String,
    http: reqwest::Client,
    shutdown: Shutdown,
    running: Option<JoinHandle<anyhow::Result<()>>>,
    /// Where bank1 looks for its notifier, kept until the end.
    no_notifier: Option<Vacant>,
}

impl Bank {
    pub(crate) async fn one(folder: &Folder, broker: SocketAddr, demo: Demo) -> Bank {
        Self::one_on(folder.databases.config("bank1"), broker, demo).await
    }

    /// bank1 on this database, with deadlines that a test can wait for.
    pub(crate) async fn one_on(database: database::Config, broker: SocketAddr, demo: Demo) -> Bank {
        let no_notifier = Vacant::new();
        let initiator = serde_json::json!({
            "source": "bank1",
            "topic": TOPIC,
            "accepted_by": ["bank2"],
            "notifier": format!("http://{}", no_notifier.address()),
            "transaction_deadline": "4s",
            "check_back_after": "5s",
        });
        let config = bank1::Config {
            listen: any_port(),
            demo,
            initiator: serde_json::from_value(initiator).unwrap(),
            broker: producer::BrokerAccess {
                endpoints: vec![broker.to_string()],
                ..Default::default()
            },
            database,
        };
        let run = |shutdown, ready| tokio::spawn(bank1::run(config, shutdown, ready));
        let mut bank = Self::started(run).await;
        bank.no_notifier = Some(no_notifier);
        bank
    }

    pub(crate) async fn two(folder: &Folder, demo: Demo) -> Bank {
        let config = bank2::Config {
            listen: any_port(),
            demo,
            sources: vec![SourceKeys {
                name: "bank1".parse().unwrap(),
                secrets: vec![secret()],
            }],
            database: folder.databases.config("bank2"),
        };
        Self::started(|shutdown, ready| tokio::spawn(bank2::run(config, shutdown, ready))).await
    }

    async fn started(
        start: impl FnOnce(
            Shutdown,
            Box<dyn FnOnce(SocketAddr) + Send>,
        ) -> JoinHandle<anyhow::Result<()>>,
    ) -> Bank {
        let shutdown = Shutdown::new();
        let (tell, told) = oneshot::channel();
        let ready = Box::new(move |address| {
            let _test_is_gone = tell.send(address);
        });
        let mut running = start(shutdown.clone(), ready);
        let address = tokio::select! {
            address = told => address.unwrap(),
            ended = &mut running => panic!("the bank ended before it was ready: {ended:?}"),
        };
        let http = http_client::build(&HttpOptions {
            timeout: Duration::from_secs(20),
            ..Default::default()
        })
        .unwrap();
        Bank {
            url: format!("http://{address}"),
            http,
            shutdown,
            running: Some(running),
            no_notifier: None,
        }
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.request();
        self.running.take().unwrap().await.unwrap().unwrap();
    }

    /// Begins the hard phase and waits for the end.
    pub(crate) async fn force(mut self) {
        self.shutdown.force();
        let running = self.running.take().unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
        ended.expect("it ends at once").unwrap().unwrap();
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let response = self.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    /// The balance of the bank's one account.
    pub(crate) async fn balance_fen(&self) -> i64 {
        self.get::<Accounts>("/accounts").await.accounts[0].balance_fen
    }

    /// A signed notification with this body.
    pub(crate) async fn notify(&self, tx_no: &TxNo, body: &str) -> (u16, Value) {
        let now_s = service::clock::now_ms() / 1000;
        answer(self.signed(tx_no, body, now_s, &secret())).await
    }

    pub(crate) fn signed(
        &self,
        tx_no: &TxNo,
        body: &str,
        at_s: i64,
        secret: &Secret,
    ) -> RequestBuilder {
        let signature = sign(
            std::slice::from_ref(secret),
            &tx_no.to_string(),
            at_s,
            body.as_bytes(),
        );
        self.request(Method::POST, "/notifications")
            .header("webhook-id", tx_no.to_string())
            .header("webhook-timestamp", at_s.to_string())
            .header("webhook-signature", signature)
            .header("content-type", "application/json")
            .body(body.to_owned())
    }

    /// Waits until someone is held, and says where.
    pub(crate) async fn held(&self) -> Vec<Held> {
        let listed = async {
            loop {
                let held: Vec<Held> = self.get("/demo/held").await;
                if !held.is_empty() {
                    return held;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), listed)
            .await
            .expect("the step was reached")
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        self.shutdown.force();
    }
}

/// Status and JSON of an answer; an empty body is null.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    let json = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    (status, json)
}

/// A folder and databases for one test.
pub(crate) struct Folder {
    pub(crate) databases: Databases,
    path: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        let path = tempfile::tempdir().unwrap();
        Folder {
            databases: Databases::within(path.path()),
            path,
        }
    }

    /// A broker in it that checks back this often.
    pub(crate) async fn broker(&self, check_interval: Duration) -> broker::Broker {
        broker_that_checks(self, check_interval).await
    }
}
