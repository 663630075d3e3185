//! Dead letters: the notifier's record against the broker's dead-letter topics.

use std::time::Duration;

use super::evidence::{BrokerFacts, DeadFacts, LetterId};
use super::{Evidence, Finding, Level};

pub(super) const SUBJECT: &str = "dead letters";

/// How many are named.
const NAMED: usize = 5;

/// Which letters and messages disagree, and are no longer merely on their way.
struct Amiss<'a> {
    /// Forwarded, and not in the topic.
    absent: Vec<&'a LetterId>,
    /// In the topic, and without a letter.
    unknown: Vec<&'a LetterId>,
    /// Not forwarded yet.
    waiting: Vec<&'a LetterId>,
}

impl<'a> Amiss<'a> {
    fn of(evidence: &Evidence, facts: &'a DeadFacts) -> Self {
        let broker = evidence
            .broker
            .as_ref()
            .and_then(|facts| facts.as_ref().ok());
        let keeps = broker.and_then(BrokerFacts::keeps);
        let age = |since_ms: i64| {
            let ms = evidence.now_ms.saturating_sub(since_ms);
            Duration::from_millis(u64::try_from(ms).unwrap_or(0))
        };
        // The broker deletes what is older, letter or not; the record keeps the whole.
        let is_kept = |since_ms: i64| keeps.is_none_or(|keeps| age(since_ms) < keeps);
        let is_late = |since_ms: i64| age(since_ms) > evidence.under_way;
        let forwarded = facts.forwarded.iter();
        let absent = forwarded.filter(|(id, _)| !facts.in_topic.contains_key(id));
        let in_topic = facts.in_topic.iter();
        let unknown = in_topic.filter(|(id, _)| !facts.known.contains(*id));
        let waiting = facts.unforwarded.iter();
        Self {
            absent: ids(absent.filter(|(_, forwarded_ms)| is_kept(**forwarded_ms))),
            unknown: ids(unknown.filter(|(_, stored_ms)| is_late(**stored_ms))),
            waiting: ids(waiting.filter(|(_, died_ms)| is_late(**died_ms) && is_kept(**died_ms))),
        }
    }
}

/// The open letters that the topic lacks, which `--mend` brings there; `None`: nobody could look.
pub(super) fn lacking(evidence: &Evidence) -> Option<Vec<LetterId>> {
    let facts = evidence.dead.as_ref()?.as_ref().ok()?;
    let Amiss {
        absent, waiting, ..
    } = Amiss::of(evidence, facts);
    Some(absent.into_iter().chain(waiting).cloned().collect())
}

pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    let facts = match &evidence.dead {
        None => return Vec::new(),
        Some(Err(why)) => return vec![Finding::unknown(SUBJECT, why)],
        Some(Ok(facts)) => facts,
    };
    let Amiss {
        absent,
        unknown,
        waiting,
    } = Amiss::of(evidence, facts);
    let mut findings = Vec::new();
    if !absent.is_empty() {
        findings.push(Finding::bad(
            Level::Warn,
            SUBJECT,
            format!(
                "{} forwarded, and no longer in the topic: {}",
                absent.len(),
                named(&absent)
            ),
            "in both, for as long as the broker keeps messages",
            "ringback doctor --mend; nothing is lost, the letters hold the messages whole",
        ));
    }
    if !unknown.is_empty() {
        findings.push(Finding::bad(
            Level::Fail,
            SUBJECT,
            format!(
                "{} in the topic have no letter: {}",
                unknown.len(),
                named(&unknown)
            ),
            "a letter each: the notifier writes those that the broker moved by itself",
            "start a notifier that has [broker] admin; then: ringback dlq list",
        ));
    }
    if !waiting.is_empty() {
        findings.push(Finding::bad(
            Level::Warn,
            SUBJECT,
            format!(
                "{} not forwarded to the topic yet: {}",
                waiting.len(),
                named(&waiting)
            ),
            "forwarded within a lease of their death",
            "start the notifier, which forwards them when they are delivered to it again; \
             if the broker has lost them: ringback doctor --mend",
        ));
    }
    if facts.unreadable > 0 {
        findings.push(Finding::unknown(
            SUBJECT,
            format!(
                "{} in the topic can't be decoded and were not compared; the log names them",
                facts.unreadable
            ),
        ));
    }
    if facts.strangers > 0 {
        findings.push(Finding::unknown(
            SUBJECT,
            format!("{} in the topic are no notifications and were not compared: ringback dlq topic list", facts.strangers),
        ));
    }
    if findings.is_empty() {
        let lie = crate::render::count(
            facts.in_topic.len().try_into().unwrap_or(u64::MAX),
            "letter",
        );
        findings.push(Finding::ok(
            SUBJECT,
            format!("{lie} in the topic, all on record"),
        ));
    }
    findings
}

fn ids<'a>(letters: impl Iterator<Item = (&'a LetterId, &'a i64)>) -> Vec<&'a LetterId> {
    letters.map(|(id, _)| id).collect()
}

pub(super) fn named(ids: &[&LetterId]) -> String {
    let end = |number: &str| {
        let skip = number.chars().count().saturating_sub(6);
        format!("…{}", number.chars().skip(skip).collect::<String>())
    };
    let mut names: Vec<String> = ids.iter().take(NAMED).map(|id| end(&id.2)).collect();
    if ids.len() > NAMED {
        names.push("…".to_owned());
    }
    names.join(", ")
}
