//! What is around the broker: clocks, databases, services, receivers.

use super::evidence::{DatabaseFacts, ServiceFacts, Unreached};
use super::{Evidence, Finding, Level};

/// Beyond this, signatures are refused and times mislead.
const MOST_SKEW_MS: u64 = 5_000;

pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(Ok(facts)) = &evidence.broker {
        findings.push(match facts.clock_ahead_ms {
            Some(ahead) => clock(
                "broker",
                ahead,
                "the newest messages show no difference (they would not show each)",
            ),
            None => Finding::unknown(
                "broker clock",
                "only messages show it, and there is none yet in the configured topics",
            ),
        });
    }
    findings.extend(evidence.databases.iter().flat_map(database));
    for service in &evidence.services {
        findings.push(self::service(service));
        if let Some(ahead) = service.clock_ahead_ms {
            let agrees = "agrees with this machine's to within 5 s";
            findings.push(clock(&service.name, ahead, agrees));
        }
    }
    for (id, address, answer) in &evidence.endpoints {
        let subject = format!("endpoint {id}");
        findings.push(match answer {
            Ok(()) => Finding::ok(subject, format!("{address} takes connections")),
            Err(Unreached::Refused { why, allow }) => Finding::bad(
                Level::Fail,
                subject,
                format!("{address}: {why}"),
                "an address that [egress] lets be rung; until then its messages are parked or climb its ladder",
                match allow {
                    Some(address) => format!(
                        "correct the endpoint's url, or add to {}: [egress.endpoint.{id}] allow = [\"{address}\"]",
                        evidence.config
                    ),
                    None => "correct the endpoint's url, or [egress]".to_owned(),
                },
            ),
            Err(Unreached::Silent(why)) => Finding::bad(
                Level::Fail,
                subject,
                format!("{address}: {why}"),
                "takes connections",
                "start the receiver, or correct the endpoint's url; until then attempts climb its ladder",
            ),
        });
    }
    findings
}

/// `agrees` says what is known when nothing is wrong.
fn clock(whose: &str, ahead_ms: i64, agrees: &str) -> Finding {
    let subject = format!("{whose} clock");
    let apart_ms = ahead_ms.unsigned_abs();
    if apart_ms <= MOST_SKEW_MS {
        return Finding::ok(subject, agrees);
    }
    let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
    Finding::bad(
        Level::Warn,
        subject,
        format!("{} s {direction} this machine's", apart_ms / 1000),
        "within 5 s",
        "timedatectl set-ntp true   (on both machines)",
    )
}

fn database(facts: &DatabaseFacts) -> Vec<Finding> {
    let subject = format!("{} database", facts.service);
    let schemas = match &facts.schemas {
        Ok(Some(schemas)) => schemas,
        Ok(None) => {
            return vec![Finding::unknown(
                subject,
                format!(
                    "not there yet: {} makes it at its first start",
                    facts.service
                ),
            )];
        }
        Err(why) => {
            return vec![Finding::bad(
                Level::Fail,
                subject,
                why,
                "can be read and written",
                "start the database server, or correct the database's url",
            )];
        }
    };
    let each = schemas.iter().map(|schema| {
        let subject = format!("{subject} {}", schema.name);
        if let Some(newest) = schema.unknown.last() {
            return Finding::bad(
                Level::Fail,
                subject,
                format!("schema {newest}: a newer program has migrated it"),
                format!(
                    "schema {}",
                    schema.version - i64::try_from(schema.unknown.len()).unwrap_or(0)
                ),
                "run the newer program, or restore a backup",
            );
        }
        if schema.pending.is_empty() {
            Finding::ok(subject, format!("schema {}", schema.version))
        } else {
            Finding::bad(
                Level::Warn,
                subject,
                format!("schema {}", schema.version),
                format!("schema {}", schema.pending.last().copied().unwrap_or(0)),
                format!(
                    "start {}: it migrates at its start; or ringback init --migrate",
                    facts.service
                ),
            )
        }
    });
    each.collect()
}

fn service(facts: &ServiceFacts) -> Finding {
    let subject = facts.name.clone();
    match &facts.lacks {
        Ok(lacks) if lacks.is_empty() => Finding::ok(subject, format!("{} is ready", facts.url)),
        Ok(lacks) => Finding::bad(
            Level::Fail,
            subject,
            format!("{} lacks: {}", facts.url, lacks.join("; ")),
            "ready",
            "see the findings above, and its log",
        ),
        Err(why) => Finding::bad(
            Level::Fail,
            subject,
            why,
            "answers",
            "ringback up   (or start the service)",
        ),
    }
}
