//! The notifier between a real broker and a real receiver, in one process.

mod dying;
mod leases;
mod ringing;
mod support;
