//! Keeping a service up: what ends is started again, at the same address, with a widening pause.
//!
//! The pause protects the machine from a service that can't start; a service that held out for a
//! while begins again with the shortest pause.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::service::Service;
use crate::service_kind::ServiceKind;
use crate::stage::Stage;
use crate::stage_error::StageError;

/// The first pause before a restart; doubled up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(10);
/// A service that was up this long is healthy again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// What the supervisor saw and did; shown to whoever watches `up`.
#[derive(Debug)]
pub enum Restart {
    /// The service ended by itself or was killed.
    Ended {
        /// Which.
        service: ServiceKind,
        /// How; `None` if it never came up.
        status: Option<ExitStatus>,
    },
    /// It is back, under this pid.
    Back {
        /// Which.
        service: ServiceKind,
        /// Its new process.
        pid: u32,
    },
    /// It did not come back; another try follows after the pause.
    Failed {
        /// Which.
        service: ServiceKind,
        /// Why.
        error: StageError,
        /// The pause.
        again_in: Duration,
    },
}

/// Watches the services of a stage until `stop`, and gives the stage back for its orderly end.
/// `seen` hears of every restart.
pub async fn supervise(
    mut stage: Stage,
    stop: CancellationToken,
    seen: impl Fn(Restart),
) -> Result<Stage, StageError> {
    let broker = async {
        match &mut stage.broker {
            Some(broker) => watch(broker, &stop, &seen).await,
            None => Ok(()),
        }
    };
    let (broker, bank1, bank2, notifier) = tokio::join!(
        broker,
        watch(&mut stage.bank1, &stop, &seen),
        watch(&mut stage.bank2, &stop, &seen),
        watch(&mut stage.notifier, &stop, &seen),
    );
    broker.and(bank1).and(bank2).and(notifier)?;
    Ok(stage)
}

/// Watches one started service until `stop`.
pub(crate) async fn watch(
    service: &mut Service,
    stop: &CancellationToken,
    seen: &impl Fn(Restart),
) -> Result<(), StageError> {
    let mut pause = SHORTEST;
    loop {
        let started = Instant::now();
        let status = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            ended = service.ended_by_itself() => ended?,
        };
        seen(Restart::Ended {
            service: service.kind(),
            status,
        });
        if started.elapsed() >= HEALTHY_AFTER {
            pause = SHORTEST;
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST);
            match restart(service).await {
                Ok(pid) => {
                    seen(Restart::Back {
                        service: service.kind(),
                        pid,
                    });
                    break;
                }
                Err(error) => {
                    seen(Restart::Failed {
                        service: service.kind(),
                        error,
                        again_in: pause,
                    });
                }
            }
        }
    }
}

async fn restart(service: &mut Service) -> Result<u32, StageError> {
    service.start().await?;
    service.pid().ok_or_else(|| StageError::Io {
        service: service.kind(),
        source: std::io::Error::other("started without a pid"),
    })
}
