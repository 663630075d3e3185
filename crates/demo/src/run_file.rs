//! `run.json` in the data folder: which services run, where, under which pid.
//!
//! It is how the CLI finds the ports of a running system. Written by the stage on every start of a
//! service, by rename, so that a reader never sees half a file; removed when the stage ends.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

const NAME: &str = "run.json";

/// One running service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process; `None` for a broker that somebody else runs.
    pub pid: Option<u32>,
}

/// The content of `run.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// By service name: `broker`, `bank1`, `bank2`, `notifier`.
    pub services: BTreeMap<String, Running>,
}

impl RunFile {
    /// Reads `<data>/run.json`; `None` when nothing runs on that folder (no such file).
    pub fn read(data: &Path) -> anyhow::Result<Option<RunFile>> {
        let path = data.join(NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let file = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a run file", path.display()))?;
        Ok(Some(file))
    }

    /// Where `service` listens, if it runs.
    pub fn address(&self, service: &str) -> Option<SocketAddr> {
        self.services.get(service).map(|running| running.address)
    }

    fn write(&self, data: &Path) -> anyhow::Result<()> {
        let path = data.join(NAME);
        let fresh = data.join(format!("{NAME}.new"));
        let mut text = serde_json::to_string_pretty(self).context("rendering run.json")?;
        text.push('\n');
        std::fs::File::create(&fresh)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| std::fs::rename(&fresh, &path))
            .with_context(|| format!("writing {}", path.display()))
    }
}

/// The stage's handle on its run file, shared by its services.
#[derive(Debug)]
pub(crate) struct RunFileWriter {
    data: PathBuf,
    content: std::sync::Mutex<RunFile>,
}

impl RunFileWriter {
    pub(crate) fn new(data: &Path) -> RunFileWriter {
        RunFileWriter {
            data: data.to_path_buf(),
            content: std::sync::Mutex::default(),
        }
    }

    /// Records that `service` runs, and writes the file.
    pub(crate) fn record(&self, service: &str, running: Running) -> anyhow::Result<()> {
        // A poisoned lock means another writer panicked between two plain assignments: the map is whole.
        let mut content = self
            .content
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        content.services.insert(service.to_owned(), running);
        content.write(&self.data)
    }

    /// Removes the file: nothing runs any more.
    pub(crate) fn remove(&self) -> std::io::Result<()> {
        match std::fs::remove_file(self.data.join(NAME)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stage_writes_the_cli_reads() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(RunFile::read(data.path()).unwrap(), None);
        let writer = RunFileWriter::new(data.path());
        let bank1 = Running {
            address: "127.0.0.1:20001".parse().unwrap(),
            pid: Some(12),
        };
        writer.record("bank1", bank1.clone()).unwrap();
        writer
            .record(
                "bank1",
                Running {
                    pid: Some(13),
                    ..bank1
                },
            )
            .unwrap();
        let read = RunFile::read(data.path()).unwrap().unwrap();
        assert_eq!(
            read.address("bank1"),
            Some("127.0.0.1:20001".parse().unwrap())
        );
        assert_eq!(read.services["bank1"].pid, Some(13));
        writer.remove().unwrap();
        assert_eq!(RunFile::read(data.path()).unwrap(), None);
    }
}
