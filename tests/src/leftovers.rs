//! Processes that should, or should no longer, be there. Only those that a run file names.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The pids of the services that run on a data folder; empty while nothing does.
pub fn pids_of(data: &Path) -> Vec<u32> {
    let run = demo::RunFile::read(data).expect("a run file is always whole");
    run.map(|run| {
        run.services
            .values()
            .filter_map(|service| service.pid)
            .collect()
    })
    .unwrap_or_default()
}

/// Whether a process is there, and not merely waiting to be buried.
pub fn lives(pid: u32) -> bool {
    if kill(raw(pid), None) == Err(Errno::ESRCH) {
        return false;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    // Without /proc a process that is not buried yet counts as alive.
    !stat.is_ok_and(|stat| {
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    })
}

/// Sends a signal to a process that the test started.
pub fn send(pid: u32, signal: Signal) {
    kill(raw(pid), signal).unwrap_or_else(|error| panic!("{signal} to {pid}: {error}"));
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a pid fits"))
}
