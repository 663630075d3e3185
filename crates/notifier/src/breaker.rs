//! A lane's circuit breaker: whether an endpoint is worth an attempt. Pure; time is an argument.
//!
//! *Closed*, it lets everything through and keeps a level: a refusal raises it by one, an attempt
//! without an answer by five (it held a slot until its deadline), a good answer lowers it by four, and
//! time lets it run out within five minutes. So it opens after `failures` refusals in a row, after a
//! fifth as many silences, and also when more than four of five attempts go wrong for long. A single
//! notification on an ordinary ladder never opens it.
//!
//! *Open*, it lets nothing through: no attempt, so no rung. When its interval is over it is *half
//! open*: one attempt is the probe. Answered well, the breaker closes; else it opens again for twice as
//! long, up to `longest`. What was under way when it opened says nothing any more.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::BreakerRule;

/// What an attempt without an answer weighs.
const SILENCE: f64 = 5.0;

/// What a good answer takes away.
const FORGIVEN: f64 = 4.0;

/// The time in which a level at its limit runs out by itself.
const RUNS_OUT: Duration = Duration::from_secs(300);

/// What an attempt says about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers: delivered, or a rejection of this one message.
    Well,
    /// It answers and refuses.
    Refusing,
    /// There was no whole answer.
    Silent,
}

/// The right to one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    /// How often the breaker had opened before.
    opened: u64,
    probes: bool,
}

/// Why nothing is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shut {
    /// When a probe may be made.
    pub probe_at: Instant,
    /// Since when the endpoint has not been well.
    pub since: Instant,
}

/// What a report has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// From now on nothing is let through; first time, or after a probe that failed.
    Opened { first: bool, probe_in: Duration },
    /// The endpoint is well again, after so long.
    Closed { after: Duration },
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { level: f64, at: Instant },
    Open(Shut),
    HalfOpen { since: Instant },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// `None`: it lets everything through.
    rule: Option<BreakerRule>,
    state: State,
    /// How long it opens for, or was open last.
    interval: Duration,
    closed_at: Option<Instant>,
    opened: u64,
}

impl Breaker {
    pub(crate) fn new(rule: Option<BreakerRule>, now: Instant) -> Self {
        Self {
            rule,
            state: State::Closed {
                level: 0.0,
                at: now,
            },
            interval: Duration::ZERO,
            closed_at: None,
            opened: 0,
        }
    }

    /// Goes by another rule; none closes it.
    pub(crate) fn rule(&mut self, rule: Option<BreakerRule>, now: Instant) {
        if rule.is_none() {
            self.state = State::Closed {
                level: 0.0,
                at: now,
            };
        }
        self.rule = rule;
    }

    /// Why nothing is let through now; looks and changes nothing.
    pub(crate) fn shut(&self, now: Instant) -> Option<Shut> {
        match self.state {
            State::Open(shut) if now < shut.probe_at => Some(shut),
            State::HalfOpen { since } => Some(Shut {
                probe_at: now + self.interval,
                since,
            }),
            State::Open(_) | State::Closed { .. } => None,
        }
    }

    /// Since when the endpoint has not been well, and when the next probe may be made.
    pub(crate) fn unwell(&self, now: Instant) -> Option<Shut> {
        match self.state {
            State::Open(shut) => Some(shut),
            State::HalfOpen { .. } => self.shut(now),
            State::Closed { .. } => None,
        }
    }

    /// Whether it is closed.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Lets an attempt through, or not. Who has a pass reports with it or gives it back.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Pass, Shut> {
        if let Some(shut) = self.shut(now) {
            return Err(shut);
        }
        let probes = match self.state {
            State::Open(Shut { since, .. }) => {
                self.state = State::HalfOpen { since };
                true
            }
            State::Closed { .. } | State::HalfOpen { .. } => false,
        };
        Ok(Pass {
            opened: self.opened,
            probes,
        })
    }

    /// An attempt that was let through was not made.
    pub(crate) fn give_back(&mut self, pass: Pass, now: Instant) {
        if let (true, State::HalfOpen { since }) = (pass.probes, self.state) {
            self.state = State::Open(Shut {
                probe_at: now,
                since,
            });
        }
    }

    /// Takes in how an attempt went.
    pub(crate) fn report(&mut self, pass: Pass, health: Health, now: Instant) -> Option<Change> {
        let rule = self.rule?;
        match self.state {
            _ if pass.opened != self.opened => None,
            State::Closed { level, at } => {
                let level = after(level, health, rule, now.saturating_duration_since(at));
                self.state = State::Closed { level, at: now };
                // What ran out in the seconds of a streak does not count.
                (level.ceil() >= f64::from(rule.failures)).then(|| self.open(rule, now, now))
            }
            State::HalfOpen { since } if pass.probes => Some(match health {
                Health::Well => {
                    self.state = State::Closed {
                        level: 0.0,
                        at: now,
                    };
                    self.closed_at = Some(now);
                    Change::Closed {
                        after: now.saturating_duration_since(since),
                    }
                }
                Health::Refusing | Health::Silent => self.open(rule, now, since),
            }),
            State::HalfOpen { .. } | State::Open(_) => None,
        }
    }

    /// Opens for its first interval, or for twice the last one if that is not long ago.
    fn open(&mut self, rule: BreakerRule, now: Instant, since: Instant) -> Change {
        let first = since == now;
        let recent = |closed: Instant| now.saturating_duration_since(closed) < rule.longest;
        let relapse = !first || self.closed_at.is_some_and(recent);
        let doubled = (self.interval * 2).max(rule.first);
        self.interval = if relapse { doubled } else { rule.first }.min(rule.longest);
        self.opened += 1;
        self.state = State::Open(Shut {
            probe_at: now + self.interval,
            since,
        });
        Change::Opened {
            first,
            probe_in: self.interval,
        }
    }
}

/// The level after one more attempt, `elapsed` after the last.
fn after(level: f64, health: Health, rule: BreakerRule, elapsed: Duration) -> f64 {
    let run_out = f64::from(rule.failures) * elapsed.as_secs_f64() / RUNS_OUT.as_secs_f64();
    let change = match health {
        Health::Well => -FORGIVEN,
        Health::Refusing => 1.0,
        Health::Silent => SILENCE,
    };
    ((level - run_out).max(0.0) + change).max(0.0)
}

#[cfg(test)]
mod tests;
