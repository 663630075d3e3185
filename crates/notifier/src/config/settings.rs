//! `[notifier]`: what concerns the process as a whole.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use notification::Invalid;
use serde::Deserialize;

use crate::seal::{Bodies, Excerpts, Sealer};

/// `[notifier]` of `ringback.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// How long a received message stays invisible to others; renewed at half of it.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// The most messages of one subscription that are held at a time. A message's permit is also
    /// the slot for its result, so this is the size of the results buffer.
    pub permits: usize,
    /// Outcome pages end this long ago: by then every writer has committed or given up. At least
    /// twice the record's own write deadline, which follows it down.
    #[serde(with = "humantime_serde")]
    pub feed_lag: Duration,
    /// A message delivered this many times more often than it was attempted or parked is taken to
    /// crash its workers. 0 turns that off, as it must be on brokers older than RocketMQ 5.5.0,
    /// which count deferrals as deliveries.
    pub crashes_workers_after: u32,
    /// The longest that the broker is asked to hide a message at a time; a longer rung is deferred again
    /// when it is over. 12h is RocketMQ's own limit; lower it where the proxies' is lower.
    #[serde(with = "humantime_serde")]
    pub longest_deferral: Duration,
    /// How often the groups' dead-letter topics are read for what the broker moved there by itself.
    #[serde(with = "humantime_serde")]
    pub dlq_interval: Duration,
    /// A file with 32 bytes as base64, the same for all replicas: what is secret about endpoints is
    /// encrypted with it in the record's database. Absent: it lies there in clear.
    pub encryption_key_file: Option<std::path::PathBuf>,
    /// What was due so long ago and has not come is told as lost, and sent anew by its initiator. At
    /// least two leases, whatever stands here.
    #[serde(with = "humantime_serde")]
    pub overdue_after: Duration,
    /// An alarm is told of each endpoint of which something was accepted so long ago and is not delivered. At least a
    /// second; zero: none is.
    #[serde(with = "humantime_serde")]
    pub oldest_waiting: Duration,
    /// How long what is over stays on record: at least the longest ladder and `resend_window`.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    /// How long an initiator may send the same notification anew: the longest `relay_max_age` of all
    /// initiators. What is delivered must be remembered for as long, or it would be rung again.
    #[serde(with = "humantime_serde")]
    pub resend_window: Duration,
    /// How long it is kept what operators did, a line each.
    #[serde(with = "humantime_serde")]
    pub audit_retention: Duration,
    /// What becomes of the beginnings of receivers' answers: `keep`, `omit` or `encrypt`.
    pub excerpts: Excerpts,
    /// What becomes of dead letters' bodies: `keep` or `encrypt`.
    pub bodies: Bodies,
    /// The keys that they are encrypted with: `<id> <base64 of 32 bytes>` a line, the newest first.
    pub content_keys_file: Option<std::path::PathBuf>,

    /// Who may read the metrics, at `GET /metrics` of the API's address.
    pub metrics: Scraping,
    /// The name under which this process signs its attempts; `host:pid` if absent.
    pub worker: Option<String>,
    /// Where the record lies. Like `database_file` it is read by whoever makes [`super::Config::database`]
    /// of it.
    pub database: Option<String>,
    /// A file that holds that URL instead.
    pub database_file: Option<std::path::PathBuf>,
}

/// In seconds.
const DAY: u64 = 86_400;

/// `[notifier] metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scraping {
    /// Whoever reaches the API's address, as most who scrape expect. The page names endpoints and
    /// groups, and no notification.
    #[default]
    Open,
    /// Whoever has a token, of either role.
    Token,
    /// Nobody: there is no such page.
    Off,
}

/// The longest that a transaction on the record may take before it is given up and redone.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8190)),
            lease: Duration::from_secs(30),
            permits: 1024,
            feed_lag: Duration::from_secs(10),
            crashes_workers_after: 50,
            longest_deferral: Duration::from_secs(12 * 3600),
            dlq_interval: Duration::from_secs(10),
            encryption_key_file: None,
            overdue_after: Duration::from_secs(600),
            oldest_waiting: Duration::from_secs(DAY),
            retention: Duration::from_secs(90 * DAY),
            resend_window: Duration::from_secs(30 * DAY),
            audit_retention: Duration::from_secs(730 * DAY),
            excerpts: Excerpts::default(),
            bodies: Bodies::default(),
            content_keys_file: None,

            metrics: Scraping::default(),
            worker: None,
            database: None,
            database_file: None,
        }
    }
}

/// Without the database's URL, which may hold a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .field("lease", &self.lease)
            .field("permits", &self.permits)
            .field("feed_lag", &self.feed_lag)
            .field("crashes_workers_after", &self.crashes_workers_after)
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let span = |name: &str, value: Duration, least_ms: u64, most: u64| {
            let (low, high) = (Duration::from_millis(least_ms), Duration::from_secs(most));
            if (low..=high).contains(&value) {
                return Ok(());
            }
            let text = |d| humantime::format_duration(d).to_string();
            let limit = format!("{} to {}", text(low), text(high));
            Err(Invalid::new(format!("notifier.{name}"), text(value), limit))
        };
        span("lease", self.lease, 10_000, 12 * 3600)?;
        span("feed_lag", self.feed_lag, 1_000, 3600)?;
        span("longest_deferral", self.longest_deferral, 1_000, 12 * 3600)?;
        span("dlq_interval", self.dlq_interval, 100, 3600)?;
        span("overdue_after", self.overdue_after, 1_000, 7 * 24 * 3600)?;
        if !self.oldest_waiting.is_zero() {
            span("oldest_waiting", self.oldest_waiting, 1_000, 365 * DAY)?;
        }
        span("retention", self.retention, 1, 3650 * DAY)?;
        span("resend_window", self.resend_window, 0, 365 * DAY)?;
        let most = 3650 * DAY;
        span("audit_retention", self.audit_retention, DAY * 1000, most)?;
        if !(1..=65_536).contains(&self.permits) {
            return Err(Invalid::new("notifier.permits", self.permits, "1 to 65536"));
        }
        match &self.worker {
            Some(name) if name.is_empty() || name.chars().count() > 64 => {
                Err(Invalid::new("notifier.worker", name, "1 to 64 characters"))
            }
            _ => Ok(()),
        }
    }

    /// Longer than a worker's death delays a message.
    pub(crate) fn overdue_after(&self) -> Duration {
        self.overdue_after.max(self.lease * 2)
    }

    /// Refuses a retention that forgets what may still be asked about. `longest` is the time that the
    /// longest ladder takes, and whose it is.
    pub(crate) fn check_retention(&self, longest: (Duration, &str)) -> Result<(), Invalid> {
        let (climbed, whose) = longest;
        let least = climbed + self.resend_window;
        if self.retention >= least {
            return Ok(());
        }
        let limit = format!(
            "at least {}: the longest ladder ({whose}: {}) and notifier.resend_window ({})",
            in_days(least),
            in_days(climbed),
            in_days(self.resend_window),
        );
        Err(Invalid::new(
            "notifier.retention",
            in_days(self.retention),
            limit,
        ))
    }

    /// What seals content, with its keys read.
    pub(crate) fn sealer(&self) -> Result<Sealer, Invalid> {
        Sealer::new(
            self.excerpts,
            self.bodies,
            self.content_keys_file.as_deref(),
        )
    }

    /// The name to sign attempts with.
    pub(crate) fn worker(&self) -> String {
        self.worker.clone().unwrap_or_else(service::worker::name)
    }

    /// Half the feed's lag at most, so that what a page left out can't commit behind it.
    pub(crate) fn write_deadline(&self) -> Duration {
        WRITE_DEADLINE.min(self.feed_lag / 2)
    }
}

/// A long span as it is configured: `33d 1h`, where others count months.
fn in_days(span: Duration) -> String {
    let days = span.as_secs() / DAY;
    let rest = span - Duration::from_secs(days * DAY);
    match (days, rest.is_zero()) {
        (0, _) => humantime::format_duration(span).to_string(),
        (_, true) => format!("{days}d"),
        (_, false) => format!("{days}d {}", humantime::format_duration(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_field_value_and_limit() {
        let settings = Settings {
            lease: Duration::from_secs(5),
            ..Settings::default()
        };
        assert_eq!(
            settings.check().unwrap_err().to_string(),
            r#"notifier.lease: "5s" is refused: 10s to 12h"#
        );
    }

    #[test]
    fn writers_give_up_well_before_a_page_would_miss_them() {
        let settings = |seconds| Settings {
            feed_lag: Duration::from_secs(seconds),
            ..Settings::default()
        };
        assert_eq!(settings(10).write_deadline(), Duration::from_secs(5));
        assert_eq!(settings(2).write_deadline(), Duration::from_secs(1));
        assert_eq!(settings(60).write_deadline(), Duration::from_secs(5));
    }
}
