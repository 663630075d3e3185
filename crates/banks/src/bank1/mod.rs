//! bank1, the initiator: debits an account and has bank2 notified of it, both or neither.

mod http;
mod order;
mod simulation;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use database::Migrations;
use producer::{Initiator, NoSteps, Steps};
use service::clock::Clock;
use service::shutdown::Shutdown;

use crate::Demo;
use crate::health::AWAITS_DATABASE;
use simulation::Simulation;

/// bank1's own tables; the producer's are beside them.
pub const MIGRATIONS: Migrations = Migrations {
    name: "bank1",
    files: &[(
        1,
        "accounts",
        include_str!("../../../../sql/bank1/0001_accounts.sql"),
    )],
};

/// What bank1 needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether set amounts misbehave.
    pub demo: Demo,
    /// How it sends notifications.
    pub initiator: producer::Config,
    /// Where the broker is.
    pub broker: producer::BrokerAccess,
    /// Its own database; the initiator's tables are in it too.
    pub database: database::Config,
}

/// bank1 as its handlers see it.
#[derive(Clone)]
struct Bank1 {
    initiator: Initiator,
    simulation: Option<Arc<Simulation>>,
    clock: Clock,
}

/// Runs bank1 until the shutdown's soft phase, then finishes what is under way, or until its hard phase. `ready` is told the address that it
/// listens at. Neither the broker nor the notifier needs to be up; a database server that is away is waited for.
///
/// # Errors
/// The address is taken, the database can't be opened or migrated, or the configuration contradicts itself.
pub async fn run(
    config: Config,
    shutdown: Shutdown,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let listener = service::http::bind(config.listen).await?;
    let address = listener
        .local_addr()
        .context("the address that was bound")?;
    let clock = Clock::system();
    let simulation = (config.demo == Demo::On).then(|| Arc::new(Simulation::new()));
    let steps: Arc<dyn Steps> = match &simulation {
        Some(simulation) => Arc::clone(simulation) as _,
        None => Arc::new(NoSteps),
    };
    let started = Initiator::start(
        config.initiator,
        config.broker,
        config.database,
        steps,
        clock.clone(),
        shutdown.clone(),
    );
    let starting = async {
        let initiator = started.await?;
        let migrated = initiator.database().migrate_when_there(&MIGRATIONS).await;
        migrated.context("migrating bank1's tables")?;
        anyhow::Ok(initiator)
    };
    let starting = Box::pin(shutdown.soft().run_until_cancelled_owned(starting));
    let (listener, started) = service::http::meanwhile(listener, AWAITS_DATABASE, starting).await;
    let Some(initiator) = started.transpose()? else {
        tracing::info!(event = "bank1_stopped", reason = "asked to while it waited");
        return Ok(());
    };
    let bank = Bank1 {
        initiator: initiator.clone(),
        simulation,
        clock,
    };
    ready(address);
    let served = service::http::serve(listener, http::routes(bank), shutdown.clone()).await;
    // What the hard phase cuts off here, the check-backs decide.
    let closed = shutdown.unless_forced(initiator.close()).await;
    tracing::info!(event = "bank1_stopped", in_order = closed.is_some());
    served.context("serving bank1's HTTP")
}
