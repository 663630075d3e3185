//! Dead letters: the notifier's record against the broker's dead-letter topics.

use super::evidence::LetterId;
use super::{Evidence, Finding, Level};

/// How many are named.
const NAMED: usize = 5;

pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    const SUBJECT: &str = "dead letters";
    let facts = match &evidence.dead {
        None => return Vec::new(),
        Some(Err(why)) => return vec![Finding::unknown(SUBJECT, why)],
        Some(Ok(facts)) => facts,
    };
    let mut findings = Vec::new();
    let absent: Vec<&LetterId> = facts.forwarded.difference(&facts.in_topic).collect();
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
            "nothing is lost: the letters hold the messages whole; ringback dlq list",
        ));
    }
    let known = |id: &LetterId| facts.forwarded.contains(id) || facts.unforwarded.contains(id);
    let unknown: Vec<&LetterId> = facts.in_topic.iter().filter(|id| !known(id)).collect();
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
    let waiting: Vec<&LetterId> = facts.unforwarded.iter().collect();
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
            "start the notifier; it forwards them when they are delivered to it again",
        ));
    }
    if facts.strangers > 0 {
        findings.push(Finding::unknown(
            SUBJECT,
            format!("{} in the topic are no notifications and were not compared: ringback dlq topic list", facts.strangers),
        ));
    }
    if findings.is_empty() {
        let both = facts.forwarded.len();
        findings.push(Finding::ok(
            SUBJECT,
            format!("record and topic agree on {both}"),
        ));
    }
    findings
}

fn named(ids: &[&LetterId]) -> String {
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
