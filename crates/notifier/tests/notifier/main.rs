//! The notifier between a real broker and a real receiver, in one process.

mod asking;
mod dying;
mod lanes;
mod leases;
mod ringing;
mod store;
mod support;
