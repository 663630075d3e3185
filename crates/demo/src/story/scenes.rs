//! The scenes in the order of the table, and how each has to end.

use crate::table::{Note, Scene};

const fn scene(amount_fen: i64, title: &'static str, ending: &'static str, note: Note) -> Scene {
    Scene {
        amount_fen,
        title,
        ending,
        note,
    }
}

pub(super) const ORDINARY: usize = 0;
pub(super) const FAILS_INSIDE: usize = 1;
pub(super) const FAILS_TWICE: usize = 2;
pub(super) const BROKEN: usize = 3;
pub(super) const REJECTS: usize = 4;
pub(super) const KILLED_BEFORE_COMMIT: usize = 5;
pub(super) const KILLED_AFTER_COMMIT: usize = 6;
pub(super) const NOTIFIER_KILLED: usize = 7;
pub(super) const BROKER_KILLED: usize = 8;
pub(super) const RESENT: usize = 9;

/// All of them.
pub(super) const ALL: [Scene; 10] = [
    scene(
        1000,
        "ordinary transfer",
        "delivered",
        Note::Is("1 attempt"),
    ),
    scene(
        300,
        "bank1 fails inside the tx",
        "rolled back",
        Note::Is("nothing sent"),
    ),
    scene(
        400,
        "bank2 fails twice",
        "delivered",
        Note::Is("3 attempts"),
    ),
    scene(500, "bank2 broken", "dead", Note::Is("4 attempts")),
    scene(
        600,
        "bank2 answers 422",
        "dead",
        Note::Is("1 attempt, rejected"),
    ),
    scene(
        700,
        "bank1 KILLED before commit",
        "rolled back",
        Note::WithPid("check-back answered by new pid "),
    ),
    scene(
        800,
        "bank1 KILLED after commit",
        "delivered",
        Note::WithPid("check-back answered by new pid "),
    ),
    scene(
        1100,
        "notifier KILLED during POST",
        "delivered",
        Note::Is("1 attempt, rung twice, applied once"),
    ),
    scene(
        1200,
        "broker KILLED during transfer",
        "delivered",
        Note::Is("1 attempt"),
    ),
    scene(
        500,
        "bank2 repaired, dead one resent",
        "delivered",
        Note::Is(""),
    ),
];
