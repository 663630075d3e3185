//! What a scenario stands on: a folder, a broker, a notifier, a sink, and a loader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use demo::{Ports, UsualPorts};
use rocketmq::{Admin, AdminConfig, GroupSpec, TopicKind, TopicSpec};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::args::Run;
use crate::config::{Names, Places, Plan};
use crate::load::Loader;
use crate::process::{Process, Usage};
use crate::record::Rows;
use crate::report::Figures;
use crate::sink::Told;

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(20);

/// Everything of one scenario. Dropping it ends the processes.
#[derive(Debug)]
pub(crate) struct Rig {
    folder: PathBuf,
    temporary: Option<TempDir>,
    program: PathBuf,
    places: Places,
    database: String,
    broker: Option<Process>,
    notifier: Option<Process>,
    sink: Process,
    pub loader: Loader,
    before: BTreeMap<&'static str, Usage>,
}

impl Rig {
    /// Raises all but the notifier.
    pub(crate) async fn raise(run: &Run, plan: &Plan) -> anyhow::Result<Self> {
        let mut temporary = tempfile::Builder::new();
        temporary.prefix("ringback-bench-");
        let temporary = match &run.folder {
            Some(folder) => temporary.tempdir_in(folder),
            None => temporary.tempdir(),
        };
        let temporary = temporary.context("a folder for the run")?;
        let folder = temporary.path().to_path_buf();
        let program = program(run)?;
        let (places, names) = (places(run)?, names());
        let text = plan.render(&places, &names, run.database.as_deref());
        std::fs::write(folder.join("ringback.toml"), text)?;
        let broker = if places.embedded {
            let args = service("broker", &folder);
            let log = folder.join("broker.stderr");
            Some(Process::start("broker", &program, &args, &log).await?)
        } else {
            make(&places, &names, plan).await?;
            None
        };
        let mut args = vec!["sink".to_owned(), "--listen".to_owned()];
        args.push(places.sink.to_string());
        if !plan.rungs_ms.is_empty() {
            let rungs: Vec<String> = plan.rungs_ms.iter().map(u64::to_string).collect();
            args.extend(["--rungs-ms".to_owned(), rungs.join(",")]);
        }
        let this = std::env::current_exe().context("this program's path")?;
        let sink = Process::start("sink", &this, &args, &folder.join("sink.stderr")).await?;
        let file = format!("sqlite://{}", folder.join("notifier.sqlite").display());
        let mut rig = Self {
            temporary: Some(temporary),
            program,
            database: run.database.clone().unwrap_or(file),
            broker,
            notifier: None,
            sink,
            loader: Loader::start(&places.broker, &names.topic).await?,
            before: BTreeMap::new(),
            places,
            folder,
        };
        if run.keep
            && let Some(temporary) = rig.temporary.take()
        {
            eprintln!("kept: {}", temporary.keep().display());
        }
        Ok(rig)
    }

    /// Starts the notifier.
    pub(crate) async fn notify(&mut self) -> anyhow::Result<()> {
        let args = service("notifier", &self.folder);
        let log = self.folder.join("notifier.stderr");
        let notifier = Process::start("notifier", &self.program, &args, &log).await?;
        self.notifier = Some(notifier);
        Ok(())
    }

    /// The group's first poll, before there is anything to poll: a group that is new to a topic with
    /// a history may begin near its end. Ends with the notifier stopped.
    pub(crate) async fn poll_once(&mut self, endpoint: &str) -> anyhow::Result<()> {
        self.notify().await?;
        let endpoint = endpoint.to_owned();
        self.loader.one(endpoint).await?;
        self.until_count(1, Duration::from_secs(60)).await?;
        self.stop_notifier().await?;
        self.sink.ask("reset").await.map(drop)
    }

    /// Stops it in order: what it holds is recorded and settled.
    pub(crate) async fn stop_notifier(&mut self) -> anyhow::Result<()> {
        match self.notifier.take() {
            Some(notifier) => notifier.stop().await,
            None => Ok(()),
        }
    }

    /// From here on processor time counts, and arrivals.
    pub(crate) async fn begin(&mut self) -> anyhow::Result<()> {
        self.sink.ask("reset").await?;
        self.before = self.usages()?;
        Ok(())
    }

    /// Waits until the sink has so many.
    pub(crate) async fn until_count(&mut self, count: u64, within: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + within;
        loop {
            let arrived: u64 = self.sink.ask("count").await?.parse()?;
            if arrived >= count {
                return Ok(());
            }
            let late = Instant::now() >= until;
            anyhow::ensure!(!late, "{arrived} of {count} arrived within {within:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the record has so many in a state.
    pub(crate) async fn until_recorded(&self, state: &str, count: u64) -> anyhow::Result<()> {
        let rows = Rows::open(&self.database).await?;
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let found = rows.in_state(state).await?;
            if found >= count {
                rows.close().await;
                return Ok(());
            }
            let late = Instant::now() >= until;
            anyhow::ensure!(!late, "{found} of {count} are {state} on record");
            tokio::time::sleep(LOOK * 10).await;
        }
    }

    /// Attempts on record.
    pub(crate) async fn attempts(&self) -> anyhow::Result<u64> {
        let rows = Rows::open(&self.database).await?;
        let attempts = rows.attempts().await?;
        rows.close().await;
        Ok(attempts)
    }

    pub(crate) async fn told(&mut self) -> anyhow::Result<Told> {
        Ok(serde_json::from_str(&self.sink.ask("tell").await?)?)
    }

    /// Processor time since [`Rig::begin`], by process and message, and the most memory.
    pub(crate) fn figures(&self, scenario: &'static str, count: u64) -> anyhow::Result<Figures> {
        let mut figures = Figures {
            scenario,
            broker: if self.places.embedded {
                "embedded"
            } else {
                "rocketmq"
            },
            database: if self.database.starts_with("sqlite") {
                "sqlite"
            } else {
                "mariadb"
            },
            count,
            rate_per_s: None,
            p50_ms: None,
            p99_ms: None,
            max_ms: None,
            cpu_us_per_message: BTreeMap::new(),
            rss_mib: BTreeMap::new(),
            note: String::new(),
        };
        for (name, usage) in self.usages()? {
            let before = self.before.get(name).copied().unwrap_or_default();
            let cpu_us = usage.cpu_us.saturating_sub(before.cpu_us);
            figures
                .cpu_us_per_message
                .insert(name, ratio(cpu_us, count));
            figures.rss_mib.insert(name, ratio(usage.peak_kib, 1024));
        }
        Ok(figures)
    }

    /// Memory of the notifier at this moment, in MiB.
    pub(crate) fn notifier_rss_mib(&self) -> anyhow::Result<f64> {
        let notifier = self.notifier.as_ref().context("the notifier runs")?;
        Ok(ratio(notifier.usage()?.rss_kib, 1024))
    }

    fn usages(&self) -> anyhow::Result<BTreeMap<&'static str, Usage>> {
        let processes = [
            self.broker.as_ref(),
            self.notifier.as_ref(),
            Some(&self.sink),
        ];
        let usages = processes.into_iter().flatten();
        usages.map(|p| Ok((p.name(), p.usage()?))).collect()
    }

    /// Ends everything in order.
    pub(crate) async fn lower(mut self) -> anyhow::Result<()> {
        self.stop_notifier().await?;
        if let Some(broker) = self.broker.take() {
            broker.stop().await?;
        }
        self.sink.stop().await
    }
}

/// Per second, per message, per kibibyte.
pub(crate) fn ratio(of: u64, by: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (of, by) = (of as f64, by.max(1) as f64);
    of / by
}

/// The program to measure.
fn program(run: &Run) -> anyhow::Result<PathBuf> {
    let beside = || {
        let this = std::env::current_exe().context("this program's path")?;
        anyhow::Ok(this.with_file_name("ringback"))
    };
    let program = run.ringback.clone().map_or_else(beside, Ok)?;
    let shown = program.display();
    anyhow::ensure!(
        program.is_file(),
        "{shown} is not there: build it (cargo build --release -p ringback -p ringback-bench) or name it with --ringback"
    );
    Ok(program)
}

fn service(name: &str, folder: &Path) -> Vec<String> {
    let config = folder.join("ringback.toml");
    [
        name,
        "--config",
        &config.display().to_string(),
        "--data-dir",
        &folder.display().to_string(),
        "--with-parent",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn places(run: &Run) -> anyhow::Result<Places> {
    let mut ports = Ports::new(UsualPorts::Avoid, fastrand::Rng::new());
    let mut port = || ports.pick(0);
    let (broker, admin) = match (&run.broker, &run.broker_admin) {
        (Some(broker), Some(admin)) => (broker.clone(), admin.clone()),
        _ => (port()?.to_string(), port()?.to_string()),
    };
    Ok(Places {
        broker,
        admin,
        embedded: run.broker.is_none(),
        notifier: port()?,
        sink: port()?,
    })
}

fn names() -> Names {
    let run = fastrand::u32(..);
    Names {
        topic: format!("bench_{run:08x}"),
        group: format!("bench_{run:08x}"),
    }
}

/// Topic and group at a broker that is there.
async fn make(places: &Places, names: &Names, plan: &Plan) -> anyhow::Result<()> {
    let admin = Admin::new(AdminConfig {
        addresses: vec![places.admin.clone()],
        ..AdminConfig::default()
    })?;
    let topic = TopicSpec {
        name: names.topic.clone(),
        kind: TopicKind::Normal,
        queues: 8,
    };
    admin
        .create_topic(&topic)
        .await
        .context("making the topic")?;
    let ladder: notification::Ladder = plan.ladder.parse()?;
    let group = GroupSpec {
        name: names.group.clone(),
        retry_max_times: 1000,
        delays: ladder.rungs().to_vec(),
    };
    admin.create_group(&group).await.context("making the group")
}
