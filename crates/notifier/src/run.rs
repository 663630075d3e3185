//! One notifier, from its configuration to its end.
//!
//! It ends in the order in which messages flow: polls end by themselves, what was received is
//! carried to its record and settled or given back, the record is flushed, the store is closed.
//! The hard phase cuts each of these steps off; nothing is lost by that, only repeated.

mod assemble;

use std::net::SocketAddr;

use anyhow::Context;
use database::Database;
use service::clock::Clock;
use service::shutdown::Shutdown;
use tokio::task::JoinSet;

use self::assemble::Notifier;
use crate::api;
use crate::carry::Shelf;
use crate::config::Config;
use crate::record::{Record, RecordOptions};
use crate::seal::Sealer;

/// What it answers while the record store is not there yet.
const AWAITS_DATABASE: &str = "waiting for the record store; the log says which and why";

/// Runs a notifier until the shutdown's soft phase has been worked through or its hard one begins.
/// `ready` is told the API's address once everything is under way; the broker need not be up.
pub async fn run(
    config: Config,
    shutdown: Shutdown,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    config.check()?;
    let sealer = config.notifier.sealer()?;
    let listener = service::http::bind(config.notifier.listen).await?;
    let address = listener.local_addr().context("the API's address")?;
    let clock = Clock::system();
    let soft = shutdown.soft();
    let opening = Database::ready_when_there(&config.database, |database| {
        let (options, clock) = (record_options(&config, sealer.clone()), clock.clone());
        async move { Record::open(database, options, clock).await }
    });
    let opening = soft.run_until_cancelled(opening);
    let (listener, opened) = service::http::meanwhile(listener, AWAITS_DATABASE, opening).await;
    let Some((database, (record, flusher))) = opened.transpose()? else {
        tracing::info!(
            event = "notifier_stopped",
            reason = "asked to while it waited"
        );
        return Ok(());
    };
    let notifier = Notifier::start(&config, &record, clock, &shutdown).await?;
    let mut flushing = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { shutdown.unless_forced(flusher.run()).await }
    });
    let router = api::router(notifier.api_state(&config, &record));
    let serving = tokio::spawn(service::http::serve(listener, router, shutdown.clone()));
    ready(address);
    tracing::info!(event = "notifier_started", %address);

    drop(record);
    let mut running = std::pin::pin!(notifier.run(&shutdown));
    tokio::select! {
        ended = &mut running => {
            ended?;
            serving.await.context("the API's task")??;
            flushing.await.context("the record's task")?;
        }
        // In order, it ends when the last handle on the record is gone, which is during a shutdown.
        ended = &mut flushing => {
            ended.context("the record's task")?;
            anyhow::ensure!(shutdown.is_requested(), "the record's task ended before its time");
            running.await?;
            serving.await.context("the API's task")??;
        }
    }
    let closed = shutdown.unless_forced(database.close()).await;
    tracing::info!(event = "notifier_stopped", in_order = closed.is_some());
    Ok(())
}

impl Notifier {
    /// Until the soft phase has been worked through.
    async fn run(self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let mut loops = JoinSet::new();
        let (mut refresher, refreshing) = (self.refresher, shutdown.clone());
        // What was not read yet must not be taken for absent.
        let read = shutdown.unless_forced(refresher.first(shutdown)).await;
        if read != Some(true) {
            return Ok(());
        }
        loops.spawn(async move {
            let run = refresher.run(refreshing.clone());
            refreshing.unless_forced(run).await
        });
        for (receiver, on_shelf) in self.receivers {
            let shutdown = shutdown.clone();
            loops.spawn(async move {
                let run = Box::pin(receiver.run(on_shelf));
                shutdown.unless_forced(run).await
            });
        }
        let (resender, resending) = (self.resender, shutdown.clone());
        loops.spawn(async move {
            let run = Box::pin(resender.run(resending.clone()));
            resending.unless_forced(run).await
        });
        let (tokens, noting) = (self.tokens, shutdown.clone());
        loops.spawn(async move {
            let run = tokens.note_uses(noting.clone());
            noting.unless_forced(run).await
        });
        let (jobs, carrying) = (self.jobs, shutdown.clone());
        loops.spawn(async move {
            let run = Box::pin(jobs.run(carrying.clone()));
            carrying.unless_forced(run).await
        });
        let (overdue, looking) = (self.overdue, shutdown.clone());
        loops.spawn(async move {
            let run = Box::pin(overdue.run(looking.clone()));
            looking.unless_forced(run).await
        });
        let (oldest, looking) = (self.oldest, shutdown.clone());
        loops.spawn(async move {
            let run = Box::pin(oldest.run(looking.clone()));
            looking.unless_forced(run).await
        });
        if let Some(reader) = self.dlq {
            let reading = shutdown.clone();
            loops.spawn(async move {
                let run = Box::pin(reader.run(reading.clone()));
                reading.unless_forced(run).await
            });
        }
        let (retention, expiring) = (self.retention, shutdown.clone());
        loops.spawn(async move {
            let run = Box::pin(retention.run(expiring.clone()));
            expiring.unless_forced(run).await
        });
        while let Some(ended) = loops.join_next().await {
            ended.context("a loop of the notifier's")?;
        }
        self.tasks.close();
        self.tasks.wait().await;
        shutdown.unless_forced(self.producer.close()).await;
        Ok(())
    }
}

fn record_options(config: &Config, sealer: Sealer) -> RecordOptions {
    RecordOptions {
        sealer,
        places: (config.notifier.permits + Shelf::AT_ONCE) * config.subscriptions.len(),
        write_deadline: config.notifier.write_deadline(),
        worker: config.notifier.worker(),
    }
}
