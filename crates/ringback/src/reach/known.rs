//! Where the services are, flags aside: as `run.json` says, else `ringback.toml`, else as usual.

use std::net::SocketAddr;
use std::path::Path;

use super::Who;
use crate::config::{self, file::File};
use crate::failure::Failure;

/// Where the services are, flags aside.
pub(super) struct Known {
    pub(super) bank1: SocketAddr,
    pub(super) bank2: SocketAddr,
    pub(super) notifier: SocketAddr,
}

impl Known {
    pub(super) fn read(data: &Path) -> Result<Self, Failure> {
        let run = ::demo::RunFile::read(data)?;
        let path = config::paths::config(data);
        // The file is looked into only if it can matter.
        let complete = run.as_ref().is_some_and(|run| {
            [Who::Bank1, Who::Bank2, Who::Notifier]
                .iter()
                .all(|who| run.address(who.name()).is_some())
        });
        let file = if complete || !path.exists() {
            File::default()
        } else {
            File::read(&path)?
        };
        let running = |who: Who| run.as_ref().and_then(|run| run.address(who.name()));
        Ok(Self {
            bank1: running(Who::Bank1)
                .or(file.bank1.listen)
                .unwrap_or(config::usual::BANK1),
            bank2: running(Who::Bank2)
                .or(file.bank2.listen)
                .unwrap_or(config::usual::BANK2),
            notifier: running(Who::Notifier).unwrap_or(file.notifier.listen),
        })
    }
}
