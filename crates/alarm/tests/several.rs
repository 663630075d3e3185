//! Several replicas that tell as one: on one database, to a webhook on a real socket.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alarm::{Config, Ears, Notice, Process, State};
use axum::Router;
use axum::routing::post;
use database::testing::Databases;
use database::{Database, Migrations};
use service::shutdown::Shutdown;
use tokio::task::JoinHandle;
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;

const DEADLINE: Duration = Duration::from_secs(60);
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

const TABLES: Migrations = Migrations {
    name: "notifier",
    files: &[(
        11,
        "alarm",
        include_str!("../../../sql/notifier/0011_alarm.sql"),
    )],
};

/// What the webhook was told, and by whom.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(String, Notice)>>>);

impl Told {
    fn all(&self) -> Vec<(String, Notice)> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, state: State) -> Vec<(String, Notice)> {
        let all = self.all().into_iter();
        all.filter(|(_, notice)| notice.state == state).collect()
    }
}

async fn webhook() -> (String, Told) {
    let told = Told::default();
    let keep = {
        let told = told.clone();
        move |body: axum::body::Bytes| async move {
            let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let worker = said["worker"].as_str().unwrap().to_owned();
            let notice = serde_json::from_value(said).unwrap();
            told.0.lock().unwrap().push((worker, notice));
        }
    };
    let router = Router::new().route("/", post(keep));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, told)
}

async fn until(what: &str, told: &Told, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(DEADLINE, waiting).await;
    assert!(
        in_time.is_ok(),
        "not within {DEADLINE:?}: {what}; {:?}",
        told.all()
    );
}

/// One process: what it logs, and the task that tells.
struct Replica {
    log: Dispatch,
    running: JoinHandle<anyhow::Result<()>>,
    shutdown: Shutdown,
}

impl Replica {
    fn start(name: &str, url: &str, store: &database::Config) -> Self {
        let config = Config {
            webhook: Some(url.to_owned()),
            secrets: vec![SECRET.parse().unwrap()],
            wait: Duration::from_secs(4),
            interval: Duration::from_secs(1),
            quiet: Duration::from_secs(10),
            ..Config::default()
        };
        let (ears, heard): (Ears, _) = alarm::listen();
        let process = Process {
            service: "notifier".to_owned(),
            worker: name.to_owned(),
        };
        let shutdown = Shutdown::new();
        let run = alarm::run(
            config,
            process,
            Some(store.clone()),
            heard,
            shutdown.clone(),
        );
        Self {
            log: Dispatch::new(tracing_subscriber::registry().with(ears)),
            running: tokio::spawn(run),
            shutdown,
        }
    }

    fn fails(&self, endpoint: &str) {
        let say = || tracing::warn!(event = "endpoint_failing", endpoint, minutes = 5);
        tracing::dispatcher::with_default(&self.log, say);
    }

    fn recovers(&self, endpoint: &str) {
        let say = || tracing::info!(event = "endpoint_recovered", endpoint);
        tracing::dispatcher::with_default(&self.log, say);
    }

    /// As a kill would: nothing more is done or said.
    async fn killed(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }

    async fn stopped(self) {
        self.shutdown.request();
        self.running.await.unwrap().unwrap();
    }
}

async fn store(databases: &Databases) -> database::Config {
    let config = databases.config("notifier");
    let database = Database::open(&config).await.unwrap();
    database.migrate(&TABLES).await.unwrap();
    database.close().await;
    config
}

fn abouts(notice: &Notice) -> Vec<(&str, u64)> {
    let subjects = notice.subjects.iter();
    subjects.map(|s| (s.about.as_str(), s.count)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_tell_once_and_when_the_one_that_told_dies_the_other_tells_the_end() {
    let databases = Databases::new();
    let config = store(&databases).await;
    let (url, told) = webhook().await;
    let mut replicas = vec![
        Replica::start("a:1", &url, &config),
        Replica::start("b:1", &url, &config),
    ];
    replicas[0].fails("bank2");
    replicas[1].fails("bank2");
    replicas[1].fails("bank2");
    until("the first notice", &told, || !told.all().is_empty()).await;
    let (teller, first) = told.all().remove(0);
    assert_eq!(first.state, State::Firing);
    assert_eq!(abouts(&first), [("endpoint=bank2", 3)], "what both saw");

    // One of them sees another one fail: that alone is news, whoever tells it.
    replicas[0].fails("other");
    until("the second notice", &told, || told.all().len() == 2).await;
    assert_eq!(abouts(&told.all()[1].1), [("endpoint=other", 1)]);
    assert_eq!(told.all()[1].1.firing, 2);

    // When one sees the end and the other does not, it goes on.
    let dies = usize::from(teller == "b:1");
    replicas[dies].recovers("bank2");
    replicas[0].recovers("other");
    until("an end", &told, || told.all().len() == 3).await;
    let (_, third) = &told.all()[2];
    assert_eq!(
        (abouts(third), third.firing),
        (vec![("endpoint=other", 1)], 1)
    );

    // When the one that told dies, the other tells the end of it, once.
    let database = Database::open(&config).await.unwrap();
    let written_down = async {
        let text = "SELECT COUNT(*) FROM alarm_sight WHERE about = 'endpoint=other'";
        let left = async || -> i64 {
            let mut db = database.read().await.unwrap();
            sqlx::query_scalar(text).fetch_one(&mut *db).await.unwrap()
        };
        while left().await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, written_down).await.unwrap();
    replicas.remove(dies).killed().await;
    replicas[0].recovers("bank2");
    until("the end", &told, || told.of(State::Resolved).len() == 1).await;
    let (by, end) = told.all().pop().unwrap();
    assert_ne!(by, teller);
    assert_eq!((end.firing, end.subjects.len()), (0, 1));

    // One that died without a word takes what it saw along, after a while.
    let third = Replica::start("c:1", &url, &config);
    third.fails("bank2");
    until("a firing one", &told, || told.all().len() == 5).await;
    third.killed().await;
    until("its end", &told, || told.of(State::Resolved).len() == 2).await;
    assert_eq!(told.all().len(), 6, "{:?}", told.all());
    replicas.remove(0).stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_by_one_that_ended_is_not_told_again_by_its_successor() {
    let databases = Databases::new();
    let config = store(&databases).await;
    let (url, told) = webhook().await;
    let first = Replica::start("a:1", &url, &config);
    first.fails("bank2");
    until("the first notice", &told, || told.all().len() == 1).await;
    first.stopped().await;
    // In a container its name is the same.
    let second = Replica::start("a:1", &url, &config);
    second.fails("bank2");
    second.fails("other");
    until("what is news", &told, || told.all().len() == 2).await;
    assert_eq!(abouts(&told.all()[1].1), [("endpoint=other", 1)]);
    second.recovers("bank2");
    second.recovers("other");
    until("both ends", &told, || told.of(State::Resolved).len() == 1).await;
    second.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_store_away_each_tells_by_itself_and_the_end_is_told_once_it_is_back() {
    let databases = Databases::new();
    let config = store(&databases).await;
    let (url, told) = webhook().await;
    let a = Replica::start("a:1", &url, &config);
    let b = Replica::start("b:1", &url, &config);
    a.fails("before");
    until("told together", &told, || told.all().len() == 1).await;

    // Its tables are gone, as they are while a backup is restored.
    let database = Database::open(&config).await.unwrap();
    let away = [
        "ALTER TABLE alarm_sight RENAME TO gone",
        "ALTER TABLE gone RENAME TO alarm_sight",
    ];
    let rename = async |text: &'static str| {
        let mut db = database.write().await.unwrap();
        sqlx::query(text).execute(&mut *db).await.unwrap();
    };
    rename(away[0]).await;
    a.fails("bank2");
    b.fails("bank2");
    until("told by both", &told, || told.all().len() >= 3).await;
    let mut by: Vec<String> = told.all()[1..].iter().map(|(by, _)| by.clone()).collect();
    by.sort_unstable();
    assert_eq!(by, ["a:1", "b:1"]);
    for (_, notice) in &told.all()[1..] {
        assert_eq!(
            abouts(notice),
            [("endpoint=bank2", 1)],
            "not again what was told"
        );
    }

    rename(away[1]).await;
    let record = async || {
        let mut db = database.read().await.unwrap();
        let all: Vec<(String,)> = sqlx::query_as("SELECT worker FROM alarm_sight")
            .fetch_all(&mut *db)
            .await
            .unwrap();
        all.len()
    };
    // Two that were told, one seen by one and one by both.
    let waiting = async {
        while record().await < 5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap();
    for replica in [&a, &b] {
        replica.recovers("bank2");
    }
    a.recovers("before");
    until("the end of both", &told, || {
        told.of(State::Resolved).len() == 1
    })
    .await;
    let ends: usize = told.all()[3..].iter().map(|(_, n)| n.subjects.len()).sum();
    assert_eq!(ends, 2, "each once: {:?}", told.all());
    a.stopped().await;
    b.stopped().await;
}
