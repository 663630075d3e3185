//! The broker: whether it is there, which version, and whether topics, groups and settings are right.

use std::collections::BTreeMap;
use std::time::Duration;

use super::evidence::{BrokerFacts, NodeFacts};
use super::{Evidence, Finding, Level};
use crate::setup::{self, Action, Change, History, Step};

/// Where the version's known faults are told.
const SPINS: &str = "https://github.com/apache/rocketmq/issues/10966";
/// A check interval shorter than this finds halves whose end is not written yet.
const QUICK_CHECKS: Duration = Duration::from_secs(3);
/// For how long check-backs should go on while the initiator is away.
const CHECKED_FOR: Duration = Duration::from_secs(120);
/// The longest that a message is put off at once; longer rungs are cut into pieces.
const LONGEST_DEFERRAL: Duration = Duration::from_secs(12 * 3600);

pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (address, grpc) = &evidence.grpc;
    findings.push(match grpc {
        Ok(()) => Finding::ok("broker gRPC", format!("{address} answers")),
        Err(why) => Finding::bad(
            Level::Fail,
            "broker gRPC",
            why,
            "answers the services' client",
            "start the broker's gRPC proxy, or correct [broker] address",
        ),
    });
    let facts = match &evidence.broker {
        Some(Ok(facts)) => facts,
        Some(Err(why)) => {
            findings.push(Finding::bad(
                Level::Fail,
                "broker administration",
                why,
                "answers over remoting",
                "correct [broker] admin: a name server's port 9876, or a broker's 10911",
            ));
            return findings;
        }
        None => {
            findings.push(Finding::bad(
                Level::Warn,
                "broker administration",
                "not configured: topics, groups, settings and dead-letter topics can't be checked or watched",
                "[broker] admin",
                format!("add to {}: [broker] admin = [\"127.0.0.1:9876\"]", evidence.config),
            ));
            return findings;
        }
    };
    let names: Vec<&str> = facts.nodes.iter().map(|node| node.name.as_str()).collect();
    findings.push(Finding::ok(
        "broker administration",
        format!("{} answers", names.join(", ")),
    ));
    for node in &facts.nodes {
        findings.extend(version(evidence, node));
        findings.extend(settings(evidence, node));
    }
    findings.extend(topics_and_groups(evidence, facts));
    findings.push(out_of_checks(evidence, facts));
    findings
}

/// `V5_5_0` as numbers.
fn numbers(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version
        .trim_start_matches(['V', 'v'])
        .split(['_', '.', '-']);
    let mut next = || parts.next()?.parse().ok();
    Some((next()?, next()?, next()?))
}

fn version(evidence: &Evidence, node: &NodeFacts) -> Vec<Finding> {
    let subject = format!("{} version", node.name);
    let said = match &node.version {
        Ok(Some(said)) => said,
        Ok(None) => return vec![Finding::unknown(subject, "the broker does not tell it")],
        Err(why) => return vec![Finding::unknown(subject, why)],
    };
    let Some(version) = numbers(said) else {
        return vec![Finding::ok(subject, said)];
    };
    let mut findings = Vec::new();
    if version < (5, 5, 0) {
        let off = evidence.crashes_workers_after == 0;
        findings.push(Finding::bad(
            if off { Level::Warn } else { Level::Fail },
            subject,
            format!("{said}: deferring a message counts as a delivery"),
            "5.5.0 or newer, or [notifier] crashes_workers_after = 0",
            "set [notifier] crashes_workers_after = 0: a message that was put off often would be taken to crash workers",
        ));
    } else if version == (5, 5, 0) {
        findings.push(Finding::bad(
            Level::Warn,
            subject,
            format!("{said}: one core spins for good after the first transaction"),
            "a version with the fix",
            format!("harmless but for the core; see {SPINS}"),
        ));
    } else {
        findings.push(Finding::ok(subject, said));
    }
    findings
}

fn millis(settings: &BTreeMap<String, String>, name: &str) -> Option<Duration> {
    settings.get(name)?.parse().ok().map(Duration::from_millis)
}

fn settings(evidence: &Evidence, node: &NodeFacts) -> Vec<Finding> {
    let name = &node.name;
    let settings = match &node.settings {
        Ok(settings) => settings,
        Err(why) => return vec![Finding::unknown(format!("{name} settings"), why)],
    };
    let update = |key: &str, value: &str| {
        format!(
            "mqadmin updateBrokerConfig -b {} -k {key} -v {value}   (and in broker.conf)",
            node.address
        )
    };
    let mut findings = Vec::new();
    let subject = format!("{name} flushDiskType");
    findings.push(match settings.get("flushDiskType").map(String::as_str) {
        Some("SYNC_FLUSH") => Finding::ok(subject, "SYNC_FLUSH"),
        Some(other) => Finding::bad(
            Level::Warn,
            subject,
            format!("{other}: a machine that loses power loses what it had confirmed"),
            "SYNC_FLUSH",
            "flushDiskType=SYNC_FLUSH in broker.conf, and a restart",
        ),
        None => Finding::unknown(subject, "the broker does not tell it"),
    });
    findings.push(retention(evidence, node, &update));
    findings.extend(checks(evidence, node, settings, &update));
    findings
}

/// How long messages are kept against how long one is put off.
fn retention(
    evidence: &Evidence,
    node: &NodeFacts,
    update: &dyn Fn(&str, &str) -> String,
) -> Finding {
    let name = &node.name;
    let embedded = node.is_embedded();
    let subject = if embedded {
        format!("{name} retention")
    } else {
        format!("{name} fileReservedTime")
    };
    let Some(kept) = node.keeps() else {
        return Finding::unknown(subject, "the broker does not tell it");
    };
    if embedded {
        let is = format!("{}; what was put off is kept until its time", span(kept));
        return Finding::ok(subject, is);
    }
    // A message is written anew for each redelivery, so it must outlive one wait, not the ladder.
    let groups = evidence.wanted.groups.values();
    let rungs = groups.flat_map(|group| &group.delays).copied();
    let longest = rungs.max().unwrap_or_default().min(LONGEST_DEFERRAL);
    let enough = longest.saturating_mul(2);
    let level = match kept {
        kept if kept > enough => {
            let is = format!("{}, longest wait {}", span(kept), span(longest));
            return Finding::ok(subject, is);
        }
        kept if kept > longest => Level::Warn,
        _ => Level::Fail,
    };
    let hours = enough.as_secs().div_ceil(3600).saturating_add(1).max(48);
    Finding::bad(
        level,
        subject,
        format!(
            "{}: a message that waits for its next attempt can be deleted",
            span(kept)
        ),
        format!("longer than twice the longest wait, {}", span(longest)),
        update("fileReservedTime", &hours.to_string()),
    )
}

/// Check-backs against the initiator's deadlines.
fn checks(
    evidence: &Evidence,
    node: &NodeFacts,
    settings: &BTreeMap<String, String>,
    update: &dyn Fn(&str, &str) -> String,
) -> Vec<Finding> {
    let Some(deadlines) = evidence.initiator else {
        return Vec::new();
    };
    let name = &node.name;
    let subject = format!("{name} check-backs");
    let interval = millis(settings, "transactionCheckInterval");
    let most = settings
        .get("transactionCheckMax")
        .and_then(|most| most.parse::<u32>().ok());
    let (Some(interval), Some(most)) = (interval, most) else {
        return vec![Finding::unknown(
            subject,
            "the broker does not tell their interval",
        )];
    };
    // A half carries its own time to the first check-back, so transactionTimeOut is of no account.
    let window = deadlines
        .check_back_after
        .saturating_add(interval.saturating_mul(most));
    let slower = if node.is_embedded() {
        "[broker.embedded] check_interval = \"30s\", and a restart of the broker".to_owned()
    } else {
        update("transactionCheckInterval", "30000")
    };
    let mut findings = Vec::new();
    findings.push(if window < CHECKED_FOR {
        Finding::bad(
            Level::Warn,
            subject,
            format!("{most} of them, {} apart: an initiator that is away for {} loses its half messages", span(interval), span(window)),
            format!("at least {}; what committed is sent anew by the relay all the same", span(CHECKED_FOR)),
            slower.clone(),
        )
    } else {
        Finding::ok(subject, format!("up to {most}, {} apart", span(interval)))
    });
    if interval < QUICK_CHECKS && !node.is_embedded() {
        findings.push(Finding::bad(
            Level::Warn,
            format!("{name} transactionCheckInterval"),
            format!(
                "{}: committed half messages are often checked and become visible twice",
                span(interval)
            ),
            format!(
                "{} or more; the record keeps copies from ringing",
                span(QUICK_CHECKS)
            ),
            slower,
        ));
    }
    findings
}

/// What `init` would do is what is wrong.
fn topics_and_groups(evidence: &Evidence, facts: &BrokerFacts) -> Vec<Finding> {
    let init = format!("ringback init --config {}", evidence.config);
    let changes = match setup::plan(&evidence.wanted, &facts.found, History::Received) {
        Ok(changes) => changes,
        Err(failure) => {
            let each = failure.message.lines().map(|line| {
                let (is, fix) = line.split_once(". ").unwrap_or((line, "ringback init"));
                Finding::bad(
                    Level::Fail,
                    "topics and groups",
                    is,
                    "as the configuration says",
                    fix,
                )
            });
            return each.collect();
        }
    };
    let judged = changes.into_iter().map(|change| match change.action {
        Action::Unchanged => Finding::ok(change.subject, change.detail),
        Action::Created => Finding::bad(
            Level::Fail,
            change.subject,
            "missing",
            change.detail,
            init.clone(),
        ),
        Action::Begun => begins(change, facts, &init),
        Action::Changed | Action::Migrated => Finding::bad(
            Level::Fail,
            change.subject,
            "differs",
            change.detail,
            init.clone(),
        ),
    });
    judged.collect()
}

/// A group that has no place in a topic yet.
fn begins(change: Change, facts: &BrokerFacts, init: &str) -> Finding {
    let Some(Step::Begin { group, topic, .. }) = change.step else {
        return Finding::unknown(change.subject, change.detail);
    };
    if facts.found.embedded {
        let is = format!("begins with the first message that lies in {topic}");
        return Finding::ok(change.subject, is);
    }
    let lie = facts.found.places.get(&(group, topic.clone()));
    match lie.map_or(0, |place| place.history) {
        0 => Finding::bad(
            Level::Warn,
            change.subject,
            format!(
                "has no place in {topic} yet: it may begin behind what is sent before its first poll"
            ),
            change.detail,
            init,
        ),
        lie => Finding::bad(
            Level::Fail,
            change.subject,
            format!(
                "has no place in {topic}, where {} lie: it may begin behind them and never receive them",
                crate::render::count(lie, "message")
            ),
            change.detail,
            format!("{init}   (before its notifier starts; to pass over them: --skip-history)"),
        ),
    }
}

fn out_of_checks(evidence: &Evidence, facts: &BrokerFacts) -> Finding {
    let subject = "halves out of checks";
    match &facts.out_of_checks {
        Ok(0) => Finding::ok(subject, "none"),
        Ok(number) => Finding::bad(
            Level::Warn,
            subject,
            format!(
                "{number} in TRANS_CHECK_MAX_TIME_TOPIC: nobody answered their check-backs in time"
            ),
            "none; those that committed were sent anew by the relay",
            format!("ringback half list --config {}", evidence.config),
        ),
        Err(why) => Finding::unknown(subject, why),
    }
}

fn span(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}
