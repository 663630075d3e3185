//! Receives that found nothing and wait: in the order in which they came, a queue for each reading.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use super::op::{Reply, TagFilter, Take, Taken};
use super::take::Wish;

/// A waiting receive.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Unique among the waiting: two may share a deadline.
    number: u64,
    max: usize,
    invisible_ms: u64,
    filter: TagFilter,
    deadline: Instant,
    pub(super) reply: Reply<Taken>,
}

impl Waiter {
    pub(super) fn wish(&self) -> Wish<'_> {
        Wish {
            max: self.max,
            invisible_ms: self.invisible_ms,
            filter: &self.filter,
        }
    }

    /// Whoever asked has gone.
    pub(super) fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queues: HashMap<u32, VecDeque<Waiter>>,
    deadlines: BTreeMap<(Instant, u64), u32>,
    next_number: u64,
}

impl Waiting {
    pub(super) fn waiter(&mut self, take: Take) -> Waiter {
        let number = self.next_number;
        self.next_number += 1;
        let Take {
            max,
            invisible_ms,
            filter,
            deadline,
            reply,
            ..
        } = take;
        Waiter {
            number,
            max,
            invisible_ms,
            filter,
            deadline,
            reply,
        }
    }

    /// Lets it wait, behind the others.
    pub(super) fn park(&mut self, reading: u32, waiter: Waiter) {
        self.deadlines
            .insert((waiter.deadline, waiter.number), reading);
        self.queues.entry(reading).or_default().push_back(waiter);
    }

    /// Readings that something waits for.
    pub(super) fn readings(&self) -> impl Iterator<Item = u32> {
        self.queues.keys().copied()
    }

    /// Whoever waits longest for the reading.
    pub(super) fn front(&self, reading: u32) -> Option<&Waiter> {
        self.queues.get(&reading)?.front()
    }

    /// Takes off whoever waits longest for the reading.
    pub(super) fn pop_front(&mut self, reading: u32) -> Option<Waiter> {
        let queue = self.queues.get_mut(&reading)?;
        let waiter = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&reading);
        }
        let waiter = waiter?;
        self.deadlines.remove(&(waiter.deadline, waiter.number));
        Some(waiter)
    }

    /// The next moment at which someone has waited long enough.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.keys().next().map(|(deadline, _)| *deadline)
    }

    /// Takes off those that have waited long enough.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Waiter> {
        let mut overdue = Vec::new();
        while let Some((&(deadline, number), &reading)) = self.deadlines.first_key_value() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            let Some(queue) = self.queues.get_mut(&reading) else {
                continue;
            };
            if let Some(at) = queue.iter().position(|waiter| waiter.number == number) {
                overdue.extend(queue.remove(at));
            }
            if queue.is_empty() {
                self.queues.remove(&reading);
            }
        }
        overdue
    }

    /// Takes off all of them.
    pub(super) fn all(&mut self) -> Vec<Waiter> {
        self.deadlines.clear();
        self.queues.drain().flat_map(|(_, queue)| queue).collect()
    }
}
