//! Logs, by `tracing`: JSON lines in a file, or text for a person on standard error.
//!
//! A log line never holds a secret or a body. Events have stable names, in the field `event`.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// Where logs go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOutput {
    /// Appended to this file; its folder is made if it is absent.
    File(PathBuf),
    /// Standard error.
    Stderr,
}

/// Starts logging for the process; once. `filter` is a level or a list such as
/// `info,notifier=debug`; `ears` hear every event of level INFO or above, whatever the
/// filter leaves out.
pub fn init(
    output: &LogOutput,
    filter: &str,
    ears: impl Layer<Registry> + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let targets = targets(filter)?;
    let layer = match output {
        LogOutput::File(path) => json(append(path)?).boxed(),
        LogOutput::Stderr => fmt::layer().with_writer(std::io::stderr).boxed(),
    };
    let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> =
        // Without a filter of their own they would switch every crate's TRACE on.
        vec![
            ears.with_filter(LevelFilter::INFO).boxed(),
            layer.with_filter(targets).boxed(),
        ];
    Registry::default()
        .with(layers)
        .try_init()
        .context("logging was started before")
}

/// Reads a filter. `Targets` would take a misspelt level for the name of a target, and log nothing.
fn targets(filter: &str) -> anyhow::Result<Targets> {
    let refused = || {
        anyhow::anyhow!(
            "log filter: {filter:?} is refused: a level (off, error, warn, info, debug, trace) \
             or a list such as info,notifier=debug"
        )
    };
    // An empty text would parse as a level.
    let level = |text: &str| !text.is_empty() && text.parse::<LevelFilter>().is_ok();
    let well_formed = filter.split(',').all(|part| match part.split_once('=') {
        Some((target, at)) => !target.is_empty() && level(at),
        None => level(part),
    });
    match filter.parse() {
        Ok(targets) if well_formed => Ok(targets),
        _ => Err(refused()),
    }
}

/// One line an event, written whole: a kill cuts at most the last one.
fn json<S>(file: File) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_writer(Mutex::new(file))
}

fn append(path: &Path) -> anyhow::Result<File> {
    let shown = path.display();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("making the folder of the log file {shown}"))?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("opening the log file {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_one_json_line_an_event_below_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/x.log");
        for run in ["first", "second"] {
            let layer = json(append(&path).unwrap());
            let subscriber = Registry::default().with(layer);
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(event = "started", run);
            });
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["event"], "started");
        assert_eq!(lines[1]["run"], "second");
        assert_eq!(lines[1]["level"], "INFO");
    }

    #[test]
    fn a_filter_is_levels_and_targets_and_nothing_misspelt() {
        for good in [
            "info",
            "off",
            "info,notifier=debug",
            "warn,sqlx=off,a::b=trace",
        ] {
            assert!(targets(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "loud",
            "infos,notifier=debug",
            "notifier=loud",
            "=info",
            "info,",
        ] {
            let error = targets(bad).unwrap_err().to_string();
            assert!(error.contains("info,notifier=debug"), "{bad}: {error}");
        }
    }
}
