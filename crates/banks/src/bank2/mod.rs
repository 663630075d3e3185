//! bank2, the receiver: verifies who speaks, and credits each notification once.

mod http;
mod memory;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use database::{Database, Migrations};
use receiver::{Inbox, SourceKeys};
use service::clock::Clock;
use service::shutdown::Shutdown;

use crate::Demo;
use crate::health::AWAITS_DATABASE;
use crate::hold::Holds;

/// bank2's own tables; the receiver's are beside them.
pub const MIGRATIONS: Migrations = Migrations {
    name: "bank2",
    files: &[
        (
            1,
            "accounts",
            include_str!("../../../../sql/bank2/0001_accounts.sql"),
        ),
        (
            2,
            "demo",
            include_str!("../../../../sql/bank2/0002_demo.sql"),
        ),
    ],
};

/// The one step at which bank2 can be held: the credit is committed, the answer not given.
const AFTER_APPLY: &str = "after_apply";

/// What bank2 needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether set amounts misbehave.
    pub demo: Demo,
    /// Who may notify it, and the secrets that prove it.
    pub sources: Vec<SourceKeys>,
    /// Its own database; the inbox is in it too.
    pub database: database::Config,
}

/// bank2 as its handlers see it.
#[derive(Clone)]
struct Bank2 {
    database: Database,
    inbox: Inbox,
    sources: Arc<[SourceKeys]>,
    holds: Option<Arc<Holds>>,
    clock: Clock,
}

/// Runs bank2 until the shutdown's soft phase, then finishes what is under way. `ready` is told the address that it
/// listens at.
///
/// # Errors
/// The address is taken, or the database can't be opened or migrated.
pub async fn run(
    config: Config,
    shutdown: Shutdown,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let listener = service::http::bind(config.listen).await?;
    let address = listener
        .local_addr()
        .context("the address that was bound")?;
    let soft = shutdown.soft();
    let opening = Database::ready_when_there(&config.database, |database| async move {
        database.migrate(&receiver::MIGRATIONS).await?;
        database.migrate(&MIGRATIONS).await
    });
    let opening = soft.run_until_cancelled(opening);
    let (listener, opened) = service::http::meanwhile(listener, AWAITS_DATABASE, opening).await;
    let opened = opened
        .transpose()
        .context("opening bank2's database and its tables")?;
    let Some((database, ())) = opened else {
        tracing::info!(event = "bank2_stopped", reason = "asked to while it waited");
        return Ok(());
    };
    let bank = Bank2 {
        inbox: Inbox::new(database.clone()),
        database,
        sources: config.sources.into(),
        holds: (config.demo == Demo::On).then(|| Arc::new(Holds::at(&[AFTER_APPLY]))),
        clock: Clock::system(),
    };
    let database = bank.database.clone();
    let forgetting = soft.run_until_cancelled_owned(bank.inbox.clone().forget_for_ever());
    let forgetting = tokio::spawn(forgetting);
    ready(address);
    let served = service::http::serve(listener, http::routes(bank), shutdown).await;
    forgetting.abort();
    database.close().await;
    served.context("serving bank2's HTTP")
}
