//! What a service stands on before it starts: data folder, log, configuration, token, signals.

use std::path::{Path, PathBuf};
use std::time::Duration;

use demo::{Addresses, ConfigFile, DataFolder, Timings};
use service::shutdown::{Shutdown, Stdin};
use service::telemetry::{self, LogOutput};
use service::traces::Exporter;
use tokio::task::JoinHandle;

use super::flags::Common;
use crate::cli::Log;
use crate::config::{File, paths};
use crate::failure::Failure;

/// From the soft phase of a shutdown to the hard one.
const GRACE: Duration = Duration::from_secs(30);

/// How long spans may take to be sent once the service has ended.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// How long alarms may take to be told once the service has ended.
const LAST_ALARMS: Duration = Duration::from_secs(3);

/// What a service stands on before it starts.
pub(super) struct Place {
    pub(super) data: PathBuf,
    pub(super) config: PathBuf,
    pub(super) file: File,
    pub(super) token: String,
    pub(super) shutdown: Shutdown,
    pub(super) alarms: Alarms,
}

/// The task that tells alarms, and what tells spans.
pub(super) struct Alarms {
    telling: JoinHandle<anyhow::Result<()>>,
    spans: Option<Exporter>,
}

impl Alarms {
    /// Waits a little for what is still to be told.
    pub(super) async fn told(self) {
        if let Some(spans) = self.spans {
            spans.finish(LAST_SPANS).await;
        }
        match tokio::time::timeout(LAST_ALARMS, self.telling).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                tracing::error!(event = "alarm_not_sent", error = %format!("{error:#}"))
            }
            Ok(Err(_)) | Err(_) => tracing::info!(event = "alarms_left_untold"),
        }
    }
}

/// The same failure with the file that it is about.
pub(super) fn named(config: &Path) -> impl FnOnce(Failure) -> Failure {
    let start = format!("configuration {}: ", config.display());
    move |failure| Failure {
        message: start + &failure.message,
        ..failure
    }
}

/// Makes the folder, starts the log, reads (or makes) configuration and token, and listens for signals. `store` says
/// where the replicas of a service tell their alarms as one.
pub(super) fn prepare(
    common: &Common,
    service: &str,
    store: impl FnOnce(&File, &Path) -> Result<Option<database::Config>, Failure>,
) -> Result<Place, Failure> {
    let folder = |error: std::io::Error| {
        let folder = common.data.data_dir.display();
        Failure::operation(format!("the data folder {folder} can't be used: {error}"))
            .help("Choose another with --data-dir.")
    };
    let data = std::path::absolute(&common.data.data_dir).map_err(folder)?;
    DataFolder::make(&data).map_err(folder)?;
    let output = match common.log {
        Log::File => LogOutput::File(paths::log(&data, service)),
        Log::Stderr => LogOutput::Stderr,
    };
    let (ears, heard) = alarm::listen();
    telemetry::init(&output, &common.log_filter, ears)
        .map_err(|error| Failure::usage(format!("{error:#}")))?;
    let config = match &common.config {
        Some(path) => path.clone(),
        None => made(&data)?,
    };
    let file = File::read(&config)?;
    let token = service::token::create_or_read(&paths::token(&data))?;
    let shutdown = Shutdown::new();
    let stdin = if common.with_parent {
        Stdin::EndsIt
    } else {
        Stdin::Ignored
    };
    shutdown
        .watch(stdin, GRACE)
        .map_err(|error| Failure::operation(format!("signals can't be watched: {error}")))?;
    let process = alarm::Process {
        service: service.to_owned(),
        worker: service::worker::name(),
    };
    let alarms = file.alarm.clone();
    alarms
        .check()
        .map_err(|invalid| named(&config)(Failure::usage(invalid.to_string())))?;
    alarms
        .read_secrets()
        .map_err(|invalid| named(&config)(Failure::usage(invalid.to_string())))?;
    let spans = Exporter::start(&file.telemetry, service)
        .map_err(|error| named(&config)(Failure::usage(format!("{error:#}"))))?;
    let store = store(&file, &data).map_err(named(&config))?;
    let telling = alarm::run(alarms, process, store, heard, shutdown.clone());
    Ok(Place {
        data,
        config,
        file,
        token,
        alarms: Alarms {
            telling: tokio::spawn(telling),
            spans,
        },
        shutdown,
    })
}

/// The data folder's own configuration, made with fresh secrets if there is none.
fn made(data: &Path) -> Result<PathBuf, Failure> {
    let path = paths::config(data);
    if path.exists() {
        return Ok(path);
    }
    let path =
        ConfigFile::new("rocketmq", Timings::USUAL).write_if_absent(data, &Addresses::usual())?;
    tracing::info!(event = "configuration_made", path = %path.display());
    Ok(path)
}
