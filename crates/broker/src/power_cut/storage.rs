//! A disk in memory that can lose power.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

/// What is left of writes that were not synced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Survives {
    Nothing,
    /// Each with a chance of one half, some of them cut short.
    RandomPart,
}

#[derive(Clone, Debug)]
enum Change {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Length(length) => to.resize(*length, 0),
            Self::Bytes(at, bytes) => {
                let end = at + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Platter {
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    /// What a running system sees.
    seen: Vec<u8>,
    writes_left: Option<usize>,
    dark: bool,
}

impl Platter {
    fn lit(&self) -> io::Result<()> {
        if self.dark {
            Err(io::Error::other("the power is out"))
        } else {
            Ok(())
        }
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.lit()?;
        change.apply(&mut self.seen);
        self.unsynced.push(change);
        if let Some(left) = &mut self.writes_left {
            *left -= 1;
            self.dark = *left == 0;
        }
        self.lit()
    }
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    /// The power goes with the `writes`-th write from now.
    pub(super) fn cut_after(&self, writes: usize) {
        self.platter().writes_left = Some(writes);
    }

    /// Power again, and what is left.
    pub(super) fn power_up(&self, survives: Survives, rng: &mut fastrand::Rng) {
        let mut platter = self.platter();
        assert!(platter.dark, "the load ended before the cut");
        let mut left = std::mem::take(&mut platter.synced);
        for mut change in std::mem::take(&mut platter.unsynced) {
            if matches!(survives, Survives::Nothing) || rng.bool() {
                continue;
            }
            if let Change::Bytes(_, bytes) = &mut change
                && rng.u8(0..8) == 0
            {
                bytes.truncate(rng.usize(0..=bytes.len()));
            }
            change.apply(&mut left);
        }
        *platter = Platter {
            synced: left.clone(),
            seen: left,
            ..Platter::default()
        };
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let platter = self.platter();
        platter.lit()?;
        Ok(platter.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        platter.lit()?;
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let found = platter.seen.get(at..at + out.len());
        out.copy_from_slice(found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.platter().change(Change::Length(
            usize::try_from(len).map_err(io::Error::other)?,
        ))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.lit()?;
        let Platter {
            synced, unsynced, ..
        } = &mut *platter;
        for change in unsynced.drain(..) {
            change.apply(synced);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        self.platter().change(Change::Bytes(at, data.to_vec()))
    }
}
