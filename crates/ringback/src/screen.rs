//! Where the program writes: results to standard output, errors to standard error.
//!
//! Colour only on a terminal and only if `NO_COLOR` is unset; `--json` never has any. A reader that closes the
//! pipe (`ringback dlq list | head -1`) ends the output, not the program with a panic.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::cli::Cli;
use crate::failure::Failure;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a person.
    Text,
    /// One JSON document, for a program.
    Json,
}

/// Whether text may carry colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// No escape sequences.
    Plain,
    /// ANSI colours.
    Colour,
}

impl Paint {
    /// Colour if standard output is a terminal and nobody asked otherwise.
    pub fn for_stdout() -> Self {
        Self::choose(std::io::stdout().is_terminal())
    }

    fn choose(is_terminal: bool) -> Self {
        if is_terminal && std::env::var_os("NO_COLOR").is_none() {
            Self::Colour
        } else {
            Self::Plain
        }
    }

    /// The text of something that went well.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// The text of something that went wrong.
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// The text of something to wait for or to notice.
    pub fn notice(self, text: &str) -> String {
        self.wrap("33", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// Why standard output lost something, the first time it did.
static LOST: OnceLock<String> = OnceLock::new();

/// Whether all results were written: a full disk must not look like success.
///
/// # Errors
/// Something could not be written, and not because the reader had closed the pipe.
pub fn written() -> Result<(), Failure> {
    match LOST.get() {
        Some(error) => Err(Failure::operation(format!(
            "the result could not be written to standard output: {error}"
        ))),
        None => Ok(()),
    }
}

/// Writes one line (or several) to standard output. A closed pipe is the reader's choice and no error; what else
/// goes wrong is told by [`written`] at the end.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            tracing::debug!(event = "output_closed");
        }
        Err(error) => {
            LOST.get_or_init(|| error.to_string());
        }
    }
}

/// Writes one line to standard error: what a person may want to know while the command works.
pub fn notice(text: &str) {
    // A courtesy: who does not see it loses nothing.
    let _unseen = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes one JSON document to standard output.
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        Failure::operation(format!("the answer could not be written as JSON: {error}"))
    })?;
    line(&text);
    Ok(())
}

/// One line on standard error that is written over while something is waited for; only on a terminal, so that
/// nobody's log fills with it. Dropping it clears the line.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
}

impl Progress {
    /// Shows itself if a person watches.
    pub fn new(format: Format) -> Self {
        Self {
            shown: format == Format::Text && std::io::stderr().is_terminal(),
        }
    }

    /// Replaces the line.
    pub fn show(&self, text: &str) {
        self.write(&format!("  {text}"));
    }

    /// Removes the line, before something is written that stays.
    pub fn clear(&self) {
        self.write("");
    }

    fn write(&self, text: &str) {
        if self.shown {
            let mut err = std::io::stderr().lock();
            // The line is a courtesy: if it can't be written, nothing is lost.
            let _unseen = write!(err, "\r\u{1b}[2K{text}").and_then(|()| err.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How failures are told, known before the command runs.
#[derive(Debug, Clone, Copy)]
pub struct Errors(Format);

impl From<&Cli> for Errors {
    fn from(cli: &Cli) -> Self {
        Self(cli.command.format())
    }
}

impl Errors {
    /// Tells the failure on standard error and gives its exit code.
    pub fn report(self, failure: &Failure) -> ExitCode {
        let text = match self.0 {
            Format::Json => {
                serde_json::json!({ "error": failure.message, "help": failure.help }).to_string()
            }
            Format::Text => {
                let paint = Paint::choose(std::io::stderr().is_terminal());
                let help = failure
                    .help
                    .as_ref()
                    .map(|help| format!("\n{help}"))
                    .unwrap_or_default();
                format!(
                    "{} {}{help}",
                    paint.bad(failure.kind.label()),
                    failure.message
                )
            }
        };
        // Nobody is left to tell if standard error is closed too.
        let _closed = writeln!(std::io::stderr().lock(), "{text}");
        failure.exit_code()
    }
}
