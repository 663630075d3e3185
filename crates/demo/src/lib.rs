//! The stage: Ringback's services as child processes that can be killed for real.
//!
//! Three things stand on it: `ringback demo` (a story with real SIGKILLs and a closing table),
//! `ringback up` (the same services, supervised until Ctrl-C) and the chaos tests. The crate knows
//! services only from outside: a command line, a ready line on stdout, an HTTP API.
//!
//! What holds throughout:
//! - A child outlives its stage by no more than its own grace: its stdin is a pipe that the stage
//!   holds, and a service started with `--with-parent` ends when that pipe closes. The kernel
//!   closes it, so this holds also when the stage itself is killed with SIGKILL.
//! - The stage signals only processes that it started itself, through their [`tokio::process::Child`].
//! - A restarted service gets the address it had: addresses lie outside the ephemeral range.
//! - No line of the closing table is written from an expectation: each is what the banks, the
//!   notifier and the processes answered, compared with what was expected.

mod addresses;
mod config_file;
mod container;
mod data_folder;
mod money;
mod patience;
mod plan;
mod ports;
mod process;
mod run_file;
mod service;
mod service_kind;
mod stage;
mod stage_error;
pub mod story;
mod supervise;
mod table;
mod world;

pub use addresses::Addresses;
pub use config_file::{ConfigFile, DatabaseUrls, Timings};
pub use container::Containers;
pub use data_folder::{DataFolder, FolderError};
pub use money::Money;
pub use patience::eventually;
pub use plan::{BrokerChoice, DemoAmounts, Program, StagePlan};
pub use ports::{Ports, UsualPorts};
pub use run_file::{RunFile, Running};
pub use service::Service;
pub use service_kind::ServiceKind;
pub use stage::Stage;
pub use stage_error::StageError;
pub use supervise::{Restart, supervise};
pub use table::{Note, Row, Scene, Seen, Verdict};
pub use world::{Bank, Posted, World};
