//! The configuration: what a service runs with, out of flags, environment, `ringback.toml` and defaults.
//!
//! [`file`] is the file as a typed value. [`compose`] makes each crate's own `Config` of it, and lets what the
//! command line says (clap has asked the environment already) win over the file. [`databases`] says where each service's database is. [`paths`] says what lies where in
//! a data folder. Nothing else in the workspace knows files, flags or variables.

pub mod access;
pub mod compose;
pub mod databases;
pub mod file;
pub mod paths;
pub mod usual;

pub use file::File;
