//! The writer: one thread owns every write, and many requests share one commit.
//!
//! Requests come through a bounded [`Queue`]. The thread takes whatever is waiting, carries it out
//! in one write transaction, commits once, and only then answers: so an answer means "on disk", and
//! the more there is to do the cheaper each piece becomes. Receives are part of it: a receive that
//! finds nothing waits inside the writer and is served by the very batch that brings its message.
//!
//! - [`op`]: what may be asked; [`queue`]: the way in;
//! - [`thread`]: the loop; [`commit`]: a batch from request to answer; [`batch`]: what a
//!   transaction works on; [`state`]: the numbers kept in memory;
//! - [`append`], [`delayed`], [`take`], [`settle`], [`half`], [`create`], [`retain`]: the operations;
//! - [`waiting`]: receives that wait.

mod append;
mod batch;
mod commit;
mod create;
mod delayed;
pub(crate) mod half;
pub(crate) mod op;
pub(crate) mod queue;
mod retain;
mod settle;
mod state;
mod take;
pub(crate) mod thread;
mod waiting;
