//! Dead letters as operators deal with them: one at a time, or many by a job.
//!
//! [`deal`] is what is done about one letter (N6, N7), in whatever transaction the caller has begun.
//! A job is an order about all letters that a filter chooses: a row, which any replica carries under
//! a claim with a deadline. `step` is one transaction of it: the claim is confirmed, some letters are
//! dealt with, each is listed with what became of it, and the place reached moves on, all or nothing.
//! So a kill at any instruction neither loses a letter nor deals with one twice. `carrier` is the loop.
//!
//! A job takes its turn behind fresh traffic. It goes no faster than its rate, keeps no more than a
//! second's worth of it on the way (what was asked for and has left no record yet), and rests while
//! the endpoint's lane is busy. It pauses when the endpoint fails again. One for several endpoints
//! leaves those that take nothing now to walks of their own (`walk`), and waits for none of them.

mod arrange;
mod carrier;
pub(crate) mod chosen;
pub(crate) mod deal;
mod endpoint_now;
pub(crate) mod failing;
pub(crate) mod id;
pub(crate) mod job;
mod pace;
mod step;
mod walk;

pub(crate) use carrier::{Carrier, claimant};
pub(crate) use step::unsendable;
