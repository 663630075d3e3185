//! Commands of the program under test, run as a user would run them.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Finished {
    /// Its exit code; a command that died of a signal fails the test.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| panic!("no exit code: {self:?}"))
    }

    /// Asserts exit code and that each of `parts` was said on stderr.
    #[track_caller]
    pub fn refuses(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code(), code, "{self:?}");
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "{part:?} is missing in:\n{}",
                self.stderr
            );
        }
    }
}

/// Runs a command to its end, within a minute.
pub async fn run(program: &Path, folder: &Path, args: &[&str]) -> Finished {
    run_within(Duration::from_secs(60), program, folder, args).await
}

/// Runs a command to its end in `folder`. One that takes longer is killed and fails the test.
pub async fn run_within(
    within: Duration,
    program: &Path,
    folder: &Path,
    args: &[&str],
) -> Finished {
    let child = spawn(program, folder, args);
    let output = tokio::time::timeout(within, child.wait_with_output())
        .await
        .unwrap_or_else(|_| {
            panic!(
                "`ringback {}` did not end within {within:?}",
                args.join(" ")
            )
        })
        .expect("a child that was spawned can be waited for");
    Finished {
        status: output.status,
        stdout: String::from_utf8(output.stdout).expect("the program prints UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("the program prints UTF-8"),
    }
}

/// Starts a command in `folder`, without any `RINGBACK_…` variable of this process; killed when dropped.
pub fn spawn(program: &Path, folder: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RINGBACK_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()))
}
