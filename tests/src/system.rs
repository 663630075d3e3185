//! `ringback up` in a folder of its own, as a user has it in the first terminal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::{Finished, PATIENCE, run, send, spawn};

/// The running system. Dropping it kills `up`, whose services then end by themselves.
pub struct System {
    program: PathBuf,
    folder: TempDir,
    up: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl System {
    /// Runs `up` with these arguments in a fresh folder. It still has to be awaited with
    /// [`System::says`].
    pub fn up(program: &Path, args: &[&str]) -> System {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        System::up_in(program, folder, args)
    }

    /// The same in a folder where a system was before.
    pub fn up_in(program: &Path, folder: TempDir, args: &[&str]) -> System {
        let mut up = spawn(program, folder.path(), &[&["up"], args].concat());
        let stdout = up.stdout.take().expect("stdout is piped");
        System {
            program: program.to_path_buf(),
            folder,
            up,
            said: BufReader::new(stdout).lines(),
        }
    }

    /// Waits until `up` has printed a line with `part` in it. Gives all lines up to there.
    pub async fn says(&mut self, part: &str) -> String {
        let mut lines = String::new();
        let reading = async {
            loop {
                let line = self
                    .said
                    .next_line()
                    .await
                    .expect("the program prints UTF-8");
                let line =
                    line.unwrap_or_else(|| panic!("`up` ended before it said {part:?}:\n{lines}"));
                lines.push_str(&line);
                lines.push('\n');
                if line.contains(part) {
                    break;
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reading).await;
        assert!(waited.is_ok(), "`up` did not say {part:?}:\n{lines}");
        lines
    }

    /// Runs a command beside it, as in the second terminal.
    pub async fn run(&self, args: &[&str]) -> Finished {
        run(&self.program, self.folder.path(), args).await
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join(".ringback")
    }

    /// Presses Ctrl-C and waits for the end. Gives the exit code and the folder.
    pub async fn ctrl_c(mut self) -> (Option<i32>, TempDir) {
        send(self.up.id().expect("`up` runs"), Signal::SIGINT);
        let within = Duration::from_secs(90);
        let status = tokio::time::timeout(within, self.up.wait())
            .await
            .expect("`up` ends after Ctrl-C");
        (
            status.expect("a child can be waited for").code(),
            self.folder,
        )
    }
}
