//! The table as it grows, and below it on a terminal what is being waited for.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use demo::Row;
use demo::story::Board;

use crate::screen::{self, Paint};

/// The line under the table; only a terminal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Written over again and again.
    Shown,
    /// Standard error is a file or a pipe: nothing there but errors.
    Absent,
}

impl Progress {
    /// Shown if standard error is a terminal.
    pub(super) fn on_terminal() -> Progress {
        if std::io::stderr().is_terminal() {
            Progress::Shown
        } else {
            Progress::Absent
        }
    }

    /// A board that prints its lines to standard output.
    pub(super) fn board(self, logs: PathBuf) -> Arc<Board> {
        let show = move |row: &Row| {
            self.clear();
            screen::line(&paint(row, &row.render(&logs)));
        };
        Arc::new(Board::new(show, move |what| self.say(what)))
    }

    fn say(self, what: &str) {
        self.write(&format!("\r\u{1b}[2K… {what}"));
    }

    /// Takes the line away.
    pub(super) fn clear(self) {
        self.write("\r\u{1b}[2K");
    }

    fn write(self, text: &str) {
        if self == Progress::Shown {
            let mut out = std::io::stderr().lock();
            // A closed terminal has nobody to tell.
            let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
}

fn paint(row: &Row, text: &str) -> String {
    if row.is_broken() {
        Paint::for_stdout().bad(text)
    } else {
        text.to_owned()
    }
}
