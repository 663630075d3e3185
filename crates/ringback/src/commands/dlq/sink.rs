//! JSON lines, to standard output or to a file that is synced before the command ends.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::failure::Failure;
use crate::screen;

/// Where JSON lines go.
pub(super) enum Sink {
    Stdout,
    File {
        path: PathBuf,
        out: std::io::BufWriter<std::fs::File>,
    },
}

impl Sink {
    /// A file must not exist yet.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::Stdout);
        };
        let file = std::fs::File::options()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|error| lost(path, &error))?;
        Ok(Self::File {
            path: path.to_path_buf(),
            out: std::io::BufWriter::new(file),
        })
    }

    /// One line.
    pub(super) fn write(&mut self, message: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(message)
            .map_err(|error| Failure::operation(format!("no JSON: {error}")))?;
        match self {
            Self::Stdout => screen::line(&line),
            Self::File { path, out } => {
                writeln!(out, "{line}").map_err(|error| lost(path, &error))?;
            }
        }
        Ok(())
    }

    /// A file is on disk before the command says that it is done.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout => Ok(()),
            Self::File { path, mut out } => out
                .flush()
                .and_then(|()| out.get_ref().sync_all())
                .map_err(|error| lost(&path, &error)),
        }
    }
}

fn lost(path: &Path, error: &std::io::Error) -> Failure {
    Failure::operation(format!("{} can't be written: {error}", path.display()))
}
