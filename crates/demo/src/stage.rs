//! The stage: four services (three beside a broker that somebody else runs) on one data folder.
//!
//! The services are fields, so that an act borrows exactly those that it kills. Starting picks
//! addresses, writes the configuration and raises the services together; when one of the addresses
//! was taken by somebody between the look and the bind, it starts over with others.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::addresses::Addresses;
use crate::config_file::ConfigFile;
use crate::data_folder::DataFolder;
use crate::plan::{BrokerChoice, DemoAmounts, StagePlan};
use crate::ports::{Ports, is_free};
use crate::run_file::{RunFileWriter, Running};
use crate::service::{Service, Spec};
use crate::service_kind::ServiceKind;
use crate::stage_error::StageError;

/// How often a start is repeated on other ports.
const TRIES: u32 = 4;

/// How long the broker of a stage that was killed may take to end.
const ORPHAN_ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Between two tries to take its folder over.
const ORPHAN_PAUSE: Duration = Duration::from_millis(300);
/// What the broker says of a folder that another one holds.
const FOLDER_IN_USE: &str = "is in use by another broker";

/// The running services. Dropping it kills them.
#[derive(Debug)]
pub struct Stage {
    /// The embedded broker; `None` beside somebody else's.
    pub broker: Option<Service>,
    /// The initiator.
    pub bank1: Service,
    /// The receiver.
    pub bank2: Service,
    /// The notifier.
    pub notifier: Service,
    /// Where they listen.
    pub addresses: Addresses,
    run_file: Arc<RunFileWriter>,
}

impl Stage {
    /// Picks free addresses, writes `config` with them, raises the services.
    pub async fn raise(
        plan: &StagePlan,
        folder: &DataFolder,
        config: &ConfigFile,
        ports: &mut Ports,
    ) -> anyhow::Result<Stage> {
        let mut tries = 1;
        loop {
            let addresses = Addresses::pick(&plan.broker, ports)?;
            let file = config.write(folder.path(), &addresses)?;
            let error = match Stage::raise_at(plan, folder, file, addresses.clone()).await {
                Ok(stage) => return Ok(stage),
                Err(error) => error,
            };
            if tries == TRIES || !lost_a_port(&error, &addresses) {
                return Err(error.into());
            }
            tries += 1;
        }
    }

    /// Raises the services at these addresses with a configuration that exists.
    pub async fn raise_at(
        plan: &StagePlan,
        folder: &DataFolder,
        config: PathBuf,
        addresses: Addresses,
    ) -> Result<Stage, StageError> {
        let run_file = Arc::new(RunFileWriter::new(folder.path()));
        let make = |kind, address: SocketAddr| {
            let spec = Spec {
                kind,
                program: plan.program.clone(),
                args: arguments(plan, kind, address, &config, folder.path()),
                address,
                logs: folder.logs(),
            };
            Service::new(spec, Arc::clone(&run_file))
        };
        let mut stage = Stage {
            broker: addresses
                .broker_listen
                .map(|address| make(ServiceKind::Broker, address)),
            bank1: make(ServiceKind::Bank1, addresses.bank1),
            bank2: make(ServiceKind::Bank2, addresses.bank2),
            notifier: make(ServiceKind::Notifier, addresses.notifier),
            addresses,
            run_file,
        };
        stage.start().await?;
        Ok(stage)
    }

    /// The broker first, so that nobody's first connection fails; then the rest side by side.
    async fn start(&mut self) -> Result<(), StageError> {
        match &mut self.broker {
            Some(broker) => start_after_orphan(broker).await?,
            None => self.record_broker_elsewhere()?,
        }
        let (bank1, bank2, notifier) = tokio::join!(
            self.bank1.start(),
            self.bank2.start(),
            self.notifier.start()
        );
        bank1.and(bank2).and(notifier)
    }

    fn record_broker_elsewhere(&self) -> Result<(), StageError> {
        // The run file holds addresses; a broker that is named by a host name is found by the configuration.
        let Ok(address) = self.addresses.broker.parse() else {
            return Ok(());
        };
        let broker = Running { address, pid: None };
        self.run_file
            .record(ServiceKind::Broker.name(), broker)
            .map_err(|error| StageError::Io {
                service: ServiceKind::Broker,
                source: std::io::Error::other(error),
            })
    }

    /// Ends all services: those that talk to the broker before the broker. Each may take `grace`.
    pub async fn stop(mut self, grace: Duration) -> Result<(), StageError> {
        let (bank1, notifier) = tokio::join!(self.bank1.stop(grace), self.notifier.stop(grace));
        let bank2 = self.bank2.stop(grace).await;
        let broker = match &mut self.broker {
            Some(broker) => broker.stop(grace).await,
            None => Ok(()),
        };
        let run_file = self.run_file.remove();
        bank1.and(notifier).and(bank2).and(broker)?;
        run_file.map_err(|source| StageError::Io {
            service: ServiceKind::Broker,
            source,
        })
    }
}

/// Starts the broker. One that was left behind by a stage that was killed ends by itself, but not at once, and holds
/// its folder until then: that is waited for.
async fn start_after_orphan(broker: &mut Service) -> Result<(), StageError> {
    let until = Instant::now() + ORPHAN_ENDS_WITHIN;
    let mut told = false;
    loop {
        match broker.start().await {
            Err(StageError::Ended { said, .. })
                if said.contains(FOLDER_IN_USE) && Instant::now() < until =>
            {
                if !told {
                    told = true;
                    let mut err = std::io::stderr().lock();
                    // A courtesy: who does not see it waits all the same.
                    let _unseen = writeln!(
                        err,
                        "another broker still holds the data folder; waiting up to {} s for it to end",
                        ORPHAN_ENDS_WITHIN.as_secs()
                    );
                }
                tokio::time::sleep(ORPHAN_PAUSE).await;
            }
            other => return other,
        }
    }
}

/// The command line of one service.
fn arguments(
    plan: &StagePlan,
    kind: ServiceKind,
    address: SocketAddr,
    config: &Path,
    data: &Path,
) -> Vec<String> {
    let (config, data) = (config.display().to_string(), data.display().to_string());
    let mut args = vec![kind.name().to_owned(), "--config".to_owned(), config];
    args.extend([
        "--data-dir".to_owned(),
        data,
        "--listen".to_owned(),
        address.to_string(),
    ]);
    args.push("--with-parent".to_owned());
    let is_bank = matches!(kind, ServiceKind::Bank1 | ServiceKind::Bank2);
    if is_bank && plan.amounts == DemoAmounts::On {
        args.push("--demo".to_owned());
    }
    let meets_broker = matches!(kind, ServiceKind::Bank1 | ServiceKind::Notifier);
    if let (true, BrokerChoice::Elsewhere { address, .. }) = (meets_broker, &plan.broker) {
        args.extend(["--broker".to_owned(), address.clone()]);
    }
    let climbs = matches!(kind, ServiceKind::Broker | ServiceKind::Notifier);
    if let (true, Some(ladder)) = (climbs, &plan.ladder) {
        args.extend(["--ladder".to_owned(), ladder.clone()]);
    }
    args
}

/// Whether a service ended at once because its address was taken meanwhile. By now the stage's own
/// services are dead (dropped), so an address that is taken is taken by somebody else.
fn lost_a_port(error: &StageError, addresses: &Addresses) -> bool {
    let Addresses {
        broker_listen,
        broker_admin,
        bank1,
        bank2,
        notifier,
        ..
    } = addresses;
    let remoting: Option<SocketAddr> = broker_listen
        .and(broker_admin.as_ref())
        .and_then(|address| address.parse().ok());
    let taken = broker_listen
        .iter()
        .chain(&remoting)
        .chain([bank1, bank2, notifier])
        .any(|address| !is_free(*address));
    matches!(error, StageError::Ended { .. }) && taken
}
