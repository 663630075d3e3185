//! Reading topics of the broker without consuming them: by pulling, which moves nobody's place.
//!
//! [`walk`] goes through the queues of a topic from the oldest message on, a [`cursor`] remembers where a page ended,
//! [`filter`] leaves out what was not asked for, [`when`] understands times as people write them, [`dead`] says what a
//! dead message is. All but `walk` is pure. What a broker stores is what strangers sent: nothing here trusts it.

pub mod cursor;
pub mod dead;
pub mod filter;
pub mod walk;
pub mod when;

pub use cursor::Cursor;
pub use dead::DeadMessage;
pub use filter::Filter;
pub use walk::Walk;
