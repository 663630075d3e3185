//! The four services, by name.

/// The four services a stage runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceKind {
    /// The embedded broker.
    Broker,
    /// The initiator of the demo.
    Bank1,
    /// Its receiver.
    Bank2,
    /// What stands between them.
    Notifier,
}

impl ServiceKind {
    /// The subcommand that runs it, its name in `run.json` and of its log.
    pub fn name(self) -> &'static str {
        match self {
            ServiceKind::Broker => "broker",
            ServiceKind::Bank1 => "bank1",
            ServiceKind::Bank2 => "bank2",
            ServiceKind::Notifier => "notifier",
        }
    }
}

impl std::fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
