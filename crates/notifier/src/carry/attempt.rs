//! The attempt: one signed POST, its verdict, its record, and what becomes of the copy.

use std::time::Duration;

use notification::api::endpoint::ClockShown;
use notification::{AttemptError, EndpointId};

use super::gate::Open;
use super::spans::Way;
use super::{Carrier, Parcel, gone, millis};
use crate::alarm;
use crate::breaker::Change;
use crate::decide::Decision;
use crate::directory::Line;
use crate::endpoint::Target;
use crate::lane::Turn;
use crate::record::entry::{Attempt, Event, Moved, Then};
use crate::ring::Rung;
use crate::verdict::{self, Judgement};

/// Beyond this difference between the receiver's clock and ours an alarm is raised.
const MOST_SKEW_S: u64 = 60;

impl Carrier {
    /// Makes the attempt, writes it down, settles. What is due again so soon that it waits
    /// here is kept, with its next decision.
    pub(super) async fn ring(
        &self,
        parcel: Parcel,
        number: u32,
        turn: Turn,
        open: Open,
    ) -> Option<(Parcel, Decision)> {
        let Open {
            line,
            endpoint,
            target,
        } = open;
        self.meters.decided(&Decision::Ring {
            number,
            not_before_ms: 0,
        });
        let mut way = Way::of(&parcel, &line, number);
        // Boxed, so that a task that waits, for its turn or for the record, is small.
        let rung = Box::pin(self.ringer.ring(&endpoint, &parcel.copy, number)).await;
        self.mind_the_clock(&line, &rung);
        if rung.result == Err(AttemptError::AddressRefused)
            && line.egress_alarm.is_due(rung.finished_ms)
        {
            let why = rung.detail.as_deref().unwrap_or_default();
            alarm::address_refused(line.id(), &why);
        }
        let age = self.age(&parcel, rung.finished_ms);
        let ladder = self.ladders.of(endpoint.ladder.as_ref());
        let dice = fastrand::f64();
        let judgement = verdict::judge(&endpoint.acceptance, &ladder, number, age, &rung, dice);
        line.heard(judgement.heard.health, rung.finished_ms);
        mind_the_breaker(line.id(), turn.report(judgement.heard, rung.took));
        let (verdict, error) = (judgement.verdict, judgement.error);
        line.meters
            .attempted(verdict, rung.status, error, rung.took);
        let (then, status, finished_ms) = (judgement.then, rung.status, rung.finished_ms);
        way.rung(&rung, &judgement);
        let attempt = Self::attempt_row(&target, number, rung, judgement);
        let event = Event::Attempted { attempt, then };
        let moved = self.write(&parcel, event).await?;
        way.recorded(&self.clock);
        let kept = match then {
            Then::Delivered => {
                if moved == Moved::Yes {
                    line.meters
                        .delivered(number, parcel.age_since_birth(finished_ms));
                }
                self.acknowledge(parcel).await;
                None
            }
            Then::Again { next_due_ms } => {
                let kept = self.keep_or_give_back(parcel, next_due_ms).await;
                kept.map(|parcel| (parcel, next_due_ms))
            }
            Then::Dead(reason) => {
                self.bury(parcel, moved, reason).await;
                None
            }
        };
        match &kept {
            Some(_) => way.kept(&self.clock),
            None => way.settled(&self.clock),
        }
        if status == Some(gone::GONE) {
            Box::pin(self.mind_gone(&endpoint)).await;
        }
        let (mut parcel, next_due_ms) = kept?;
        parcel.received_ms = self.clock.now_ms();
        let decision = self.decide_again(&mut parcel, next_due_ms).await;
        Some((parcel, decision))
    }

    fn attempt_row(target: &Target, number: u32, rung: Rung, judgement: Judgement) -> Attempt {
        Attempt {
            id: rung.id,
            number,
            url: target.text.clone(),
            started_ms: rung.started_ms,
            took_ms: i32::try_from(rung.took.as_millis()).unwrap_or(i32::MAX),
            verdict: judgement.verdict,
            status: rung.status,
            error: judgement.error,
            detail: judgement.detail,
            excerpt: rung.excerpt(),
        }
    }

    /// Receivers refuse what was signed long ago, by their clock.
    fn mind_the_clock(&self, line: &Line, rung: &Rung) {
        let Some(skew_s) = rung.skew else { return };
        line.tells_the_time(ClockShown {
            ahead_s: skew_s,
            read_ms: rung.finished_ms,
        });
        if skew_s.unsigned_abs() > MOST_SKEW_S && line.skew_alarm.is_due(rung.finished_ms) {
            alarm::clock_skew(line.id(), skew_s);
        }
    }

    /// How long the generation has been under way: since its first sight, or since its resend.
    fn age(&self, parcel: &Parcel, now_ms: i64) -> Duration {
        let since_ms = match (parcel.copy.generation, parcel.standing) {
            (0, Some(row)) => row.first_seen_ms,
            (0, None) => now_ms,
            _ => parcel.copy.born_ms,
        };
        millis(now_ms - since_ms)
    }
}

/// An alarm for each time that it opens, not for each probe.
fn mind_the_breaker(endpoint: &EndpointId, change: Option<Change>) {
    match change {
        Some(Change::Opened {
            first: true,
            probe_in,
        }) => alarm::breaker_opened(endpoint, probe_in),
        Some(Change::Closed { after }) => alarm::breaker_closed(endpoint, after),
        Some(Change::Opened { first: false, .. }) | None => {}
    }
}
