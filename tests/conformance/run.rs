//! The brokers, and the behaviours on each: side by side as far as they can be, and at the end,
//! alone, those that kill.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use broker::{Broker, Config};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rocketmq::Credentials;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::bench::{self, Bench, Kind};
use crate::remote::{self, Remote};
use crate::restart::{self, Restart};
use crate::suite::{Behaviour, Needs};
use crate::table::{Row, Seen, Table};

/// Behaviours at a time on one broker.
const SIDE_BY_SIDE: usize = 24;
/// More than any behaviour takes.
const TOO_LONG: Duration = Duration::from_secs(240);

/// Judges whatever brokers there are.
pub(crate) async fn run(chosen: &[Behaviour]) -> anyhow::Result<Table> {
    let start = Instant::now();
    let embedded = judge_embedded(chosen);
    let rocketmq = judge_rocketmq(chosen);
    let (embedded, rocketmq) = tokio::try_join!(embedded, rocketmq)?;
    let with_rocketmq = rocketmq.is_some();
    let rocketmq = rocketmq.unwrap_or_else(|| vec![Seen::NotRun; chosen.len()]);
    let rows = chosen.iter().zip(embedded).zip(rocketmq);
    Ok(Table {
        rows: rows
            .map(|((behaviour, embedded), rocketmq)| Row {
                behaviour: *behaviour,
                embedded,
                rocketmq,
            })
            .collect(),
        with_rocketmq,
        took: start.elapsed(),
    })
}

async fn judge_embedded(chosen: &[Behaviour]) -> anyhow::Result<Vec<Seen>> {
    let folder = TempDir::new()?;
    let config = Config {
        data: folder.path().join("broker"),
        listen: ([127, 0, 0, 1], 0).into(),
        remoting_listen: Some(([127, 0, 0, 1], 0).into()),
        check_after: bench::CHECK_AFTER,
        check_interval: bench::CHECK_INTERVAL,
        check_max: bench::CHECK_MAX,
        ..Config::default()
    };
    let broker = Broker::start(config).await?;
    let remoting = broker
        .remoting_address()
        .context("remoting was asked for")?;
    let bench = Bench::new(
        Kind::Embedded,
        broker.address().to_string(),
        None,
        open_remote(remoting),
        None,
    );
    let mut seen = side_by_side(&bench, chosen).await;
    if chosen
        .iter()
        .any(|behaviour| behaviour.needs == Needs::Restart)
    {
        let (restart, grpc, remoting) = restart::embedded().await?;
        let bench = Bench::new(
            Kind::Embedded,
            grpc.to_string(),
            None,
            open_remote(remoting),
            Some(restart),
        );
        alone(&bench, chosen, &mut seen).await;
    }
    broker.stop().await?;
    Ok(seen)
}

async fn judge_rocketmq(chosen: &[Behaviour]) -> anyhow::Result<Option<Vec<Seen>>> {
    let (Some(grpc), Some(admin)) = (given("RINGBACK_ROCKETMQ"), given("RINGBACK_ROCKETMQ_ADMIN"))
    else {
        return Ok(None);
    };
    let credentials = match (
        given("RINGBACK_ROCKETMQ_ACCESS_KEY"),
        given("RINGBACK_ROCKETMQ_SECRET_KEY"),
    ) {
        (Some(access), Some(secret)) => Some(Credentials::new(access, secret)?),
        _ => None,
    };
    let ca = given("RINGBACK_ROCKETMQ_CA").map(std::fs::read_to_string);
    let ca = ca.transpose().context("RINGBACK_ROCKETMQ_CA")?;
    let remote = Remote {
        address: admin,
        credentials,
    };
    let (remoting, version) = remote::broker_of(remote).await?;
    let restart =
        given("RINGBACK_ROCKETMQ_RESTART").map(|script| Restart::Script(PathBuf::from(script)));
    let bench = Bench::new(Kind::RocketMq(version), grpc, ca, remoting, restart);
    let mut seen = side_by_side(&bench, chosen).await;
    if bench.can_restart() {
        alone(&bench, chosen, &mut seen).await;
    }
    Ok(Some(seen))
}

/// Remoting that asks nobody who they are.
fn open_remote(address: SocketAddr) -> Remote {
    Remote {
        address: address.to_string(),
        credentials: None,
    }
}

async fn side_by_side(bench: &Bench, chosen: &[Behaviour]) -> Vec<Seen> {
    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut running = FuturesUnordered::new();
    for (at, behaviour) in chosen.iter().enumerate() {
        if behaviour.needs == Needs::Restart {
            continue;
        }
        let (bench, places) = (bench.clone(), Arc::clone(&places));
        running.push(async move {
            // The semaphore is never closed.
            let _place = places.acquire_owned().await.ok();
            (at, judge(bench, *behaviour).await)
        });
    }
    let mut seen = vec![Seen::NotRun; chosen.len()];
    while let Some((at, outcome)) = running.next().await {
        if let Seen::Failed(why) = &outcome {
            eprintln!("{} on {bench}: {why}", chosen[at].id);
        }
        seen[at] = outcome;
    }
    seen
}

async fn alone(bench: &Bench, chosen: &[Behaviour], seen: &mut [Seen]) {
    for (behaviour, place) in chosen.iter().zip(seen) {
        if behaviour.needs == Needs::Restart {
            *place = judge(bench.clone(), *behaviour).await;
        }
    }
}

async fn judge(bench: Bench, behaviour: Behaviour) -> Seen {
    if behaviour.since.is_some_and(|since| bench.is_before(since)) {
        return Seen::NotRun;
    }
    let differs = behaviour.differs.filter(|_| bench.is_embedded());
    // A task of its own, so that a panic fails this one alone.
    let running = tokio::task::spawn_local((behaviour.run)(bench));
    match tokio::time::timeout(TOO_LONG, running).await {
        Ok(Ok(Ok(()))) => match differs {
            Some(why) => Seen::Differs(why),
            None => Seen::Ok,
        },
        Ok(Ok(Err(why))) => Seen::Failed(format!("{why:#}")),
        Ok(Err(panicked)) => Seen::Failed(panicked.to_string()),
        Err(_) => Seen::Failed(format!("no end within {TOO_LONG:?}")),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests read their environment in one place"
)]
fn given(variable: &str) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())
}
