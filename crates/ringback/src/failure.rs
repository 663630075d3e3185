//! Why a command could not do what it was asked, and which exit code says so.
//!
//! Every failure that a person sees ends with the command that helps, when there is one.

use std::process::ExitCode;

/// What kind of failure it is: this decides the exit code alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line or the configuration is wrong: exit code 2. Trying again changes nothing.
    Usage,
    /// The operation failed: exit code 1.
    Operation,
    /// A service works, and says no: exit code 1.
    Refused,
}

impl Kind {
    /// The word before the message.
    pub fn label(self) -> &'static str {
        match self {
            Self::Usage | Self::Operation => "error:",
            Self::Refused => "refused:",
        }
    }
}

/// A failed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Usage or operation.
    pub kind: Kind,
    /// What happened, naming the field, the value and the limit where there are such.
    pub message: String,
    /// What to do now; most often a command to type.
    pub help: Option<String>,
}

/// What every command gives back.
pub type Outcome = Result<ExitCode, Failure>;

impl Failure {
    /// The command line or the configuration is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            message: message.into(),
            help: None,
        }
    }

    /// The operation failed.
    pub fn operation(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Operation,
            message: message.into(),
            help: None,
        }
    }

    /// A service says no.
    pub fn refused(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Refused,
            message: message.into(),
            help: None,
        }
    }

    /// The same failure with the command that helps.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Usage => ExitCode::from(2),
            Kind::Operation | Kind::Refused => ExitCode::from(1),
        }
    }
}

impl From<anyhow::Error> for Failure {
    /// Whatever a service or the stage reports is a failed operation; its causes are told in one line.
    fn from(error: anyhow::Error) -> Self {
        let mut message = error.to_string();
        for cause in error.chain().skip(1).map(ToString::to_string) {
            // Many an error repeats its cause in its own text.
            if !message.contains(&cause) {
                message = format!("{message}: {cause}");
            }
        }
        Self::operation(message)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n{help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_the_error_repeats_is_told_once() {
        let cause = || std::io::Error::other("no space left");
        let plain = anyhow::Error::from(cause()).context("writing");
        assert_eq!(Failure::from(plain).message, "writing: no space left");
        let repeated = anyhow::Error::from(cause()).context("writing: no space left");
        assert_eq!(Failure::from(repeated).message, "writing: no space left");
    }
}
