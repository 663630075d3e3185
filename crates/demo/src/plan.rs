//! What a stage is raised from: the program, the broker, and how the banks behave.

use std::ffi::OsString;
use std::path::PathBuf;

/// The program that runs a service as `<program> <service> …`.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Environment variables its services shall not see: settings meant for the stage itself.
    pub without: Vec<OsString>,
}

/// Which broker the services talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerChoice {
    /// A child of the stage.
    Embedded,
    /// Somebody else's.
    Elsewhere {
        /// Its gRPC service, `host:port`.
        address: String,
        /// Its administration (remoting), if that was told.
        admin: Option<String>,
    },
}

/// Whether the banks misbehave at the amounts 3.00 to 8.00 and can be held at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoAmounts {
    /// They do.
    On,
    /// They are ordinary banks.
    Off,
}

/// What a stage is raised from, besides its addresses.
#[derive(Debug, Clone)]
pub struct StagePlan {
    /// What to run.
    pub program: Program,
    /// With which broker.
    pub broker: BrokerChoice,
    /// With or without the simulated exceptions.
    pub amounts: DemoAmounts,
    /// A ladder that goes before the configuration's.
    pub ladder: Option<String>,
}
