//! The `[initiator]` section of `ringback.toml`, and the bounds between its values.

use std::collections::BTreeSet;
use std::time::Duration;

use notification::{Group, Invalid, Source, Topic};
use serde::Deserialize;

/// What the cursor's column takes.
const FEED_NAME: usize = 64;

/// How this service sends notifications. One transactional topic per initiator database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name under which receivers and the notifier know this initiator.
    pub source: Source,
    /// The transactional topic that all its notifications go to.
    pub topic: Topic,
    /// From the half message's sending to the COMMIT's: what takes longer is rolled back.
    #[serde(with = "humantime_serde", default = "defaults::transaction_deadline")]
    pub transaction_deadline: Duration,
    /// When the broker asks for the first time what became of a half message. Whole seconds, at least
    /// one more than the deadline, so that a slow business isn't asked about before it can have ended.
    #[serde(with = "humantime_serde", default = "defaults::check_back_after")]
    pub check_back_after: Duration,
    /// The subscriptions that must accept a notification before the relay leaves it alone, 1 to 16 of
    /// them. Its outcome is accepted when each has accepted it, delivered when all have delivered it, dead
    /// if any is dead.
    pub accepted_by: Vec<Group>,
    /// The delays after which a committed notification that nobody accepted is sent anew; the last
    /// repeats.
    #[serde(deserialize_with = "spans", default = "defaults::relay_after")]
    pub relay_after: Vec<Duration>,
    /// When the relay gives a notification up, with the alarm `never_accepted`.
    #[serde(with = "humantime_serde", default = "defaults::relay_max_age")]
    pub relay_max_age: Duration,
    /// How long what is over stays in `outgoing`, and the age from which a `tx_no` is refused: longer
    /// than `relay_max_age`.
    #[serde(with = "humantime_serde", default = "defaults::retention")]
    pub retention: Duration,
    /// The notifier's base URL, whose outcome feed is read.
    pub notifier: String,
    /// The operator's token for that feed. Never in the file: whoever composes the service reads it
    /// from the data folder.
    #[serde(skip)]
    pub token: Token,
}

/// The bearer token, kept out of logs.
#[derive(Clone, Default)]
pub struct Token(String);

impl Token {
    /// Takes the token as it stands in an `Authorization: Bearer` header.
    pub fn new(token: impl Into<String>) -> Token {
        Token(token.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Config {
    /// Checks what one value alone can't show.
    ///
    /// # Errors
    /// Names the field, its value and the limit.
    pub fn check(&self) -> Result<(), Invalid> {
        let after = self.check_back_after;
        if after.subsec_nanos() != 0 || after < self.transaction_deadline + Duration::from_secs(1) {
            return Err(invalid(
                "check_back_after",
                humantime::format_duration(after),
                "whole seconds, and at least 1 s more than transaction_deadline",
            ));
        }
        if self.transaction_deadline.is_zero() {
            return Err(invalid("transaction_deadline", "0s", "more than zero"));
        }
        let groups: BTreeSet<&Group> = self.accepted_by.iter().collect();
        if !(1..=16).contains(&groups.len()) || groups.len() != self.accepted_by.len() {
            return Err(invalid(
                "accepted_by",
                format!("{:?}", self.names()),
                "1 to 16 subscriptions, each once",
            ));
        }
        if self.relay_after.is_empty() || self.relay_after.iter().any(Duration::is_zero) {
            return Err(invalid(
                "relay_after",
                format!("{:?}", self.relay_after),
                "at least one delay, none of them zero",
            ));
        }
        if self.retention <= self.relay_max_age {
            let text = |span| humantime::format_duration(span).to_string();
            let limit = format!("longer than relay_max_age ({})", text(self.relay_max_age));
            return Err(invalid("retention", text(self.retention), &limit));
        }
        let url = reqwest::Url::parse(&self.notifier);
        if !url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(invalid("notifier", &self.notifier, "an http or https URL"));
        }
        Ok(())
    }

    /// The first of `relay_after`, in milliseconds.
    pub(crate) fn first_relay_ms(&self) -> i64 {
        let first = self
            .relay_after
            .first()
            .copied()
            .unwrap_or(self.relay_max_age);
        service::clock::millis(first)
    }

    /// The name of the feed's cursor. Whoever lets other subscriptions count reads the feed from its
    /// beginning: what they said before was passed over.
    pub(crate) fn feed(&self) -> String {
        let mut names = self.names();
        names.sort_unstable();
        let all = names.join(",");
        if all.len() <= FEED_NAME {
            all
        } else {
            notification::body_hash(all.as_bytes())
        }
    }

    fn names(&self) -> Vec<&str> {
        self.accepted_by.iter().map(Group::as_str).collect()
    }
}

fn invalid(field: &str, value: impl std::fmt::Display, limit: &str) -> Invalid {
    Invalid::new(format!("initiator.{field}"), value, limit)
}

fn spans<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    let spans = Vec::<humantime_serde::Serde<Duration>>::deserialize(deserializer)?;
    Ok(spans
        .into_iter()
        .map(humantime_serde::Serde::into_inner)
        .collect())
}

mod defaults {
    use std::time::Duration;

    pub(super) fn transaction_deadline() -> Duration {
        Duration::from_secs(25)
    }

    pub(super) fn check_back_after() -> Duration {
        Duration::from_secs(30)
    }

    pub(super) fn relay_after() -> Vec<Duration> {
        [600, 3_600, 86_400].map(Duration::from_secs).to_vec()
    }

    pub(super) fn retention() -> Duration {
        Duration::from_secs(90 * 86_400)
    }

    pub(super) fn relay_max_age() -> Duration {
        Duration::from_secs(30 * 86_400)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn config() -> Config {
        let text = r#"{"source":"bank1","topic":"topic_txmsg","accepted_by":["bank2"],"notifier":"http://127.0.0.1:8190"}"#;
        serde_json::from_str(text).unwrap()
    }

    fn refused(change: impl FnOnce(&mut Config)) -> String {
        let mut config = config();
        change(&mut config);
        config.check().unwrap_err().field
    }

    #[test]
    fn the_defaults_are_those_of_the_contract_and_agree() {
        let config = config();
        config.check().unwrap();
        assert_eq!(config.transaction_deadline, Duration::from_secs(25));
        assert_eq!(config.check_back_after, Duration::from_secs(30));
        assert_eq!(
            config.relay_after,
            [600, 3_600, 86_400].map(Duration::from_secs)
        );
        assert_eq!(config.relay_max_age, Duration::from_secs(2_592_000));
    }

    #[test]
    fn spans_are_written_like_10m() {
        let text = r#"{"source":"a","topic":"t","accepted_by":["g"],"notifier":"http://n","relay_after":["1m","2h"],
            "transaction_deadline":"4s","check_back_after":"5s"}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        config.check().unwrap();
        assert_eq!(config.relay_after, [60, 7_200].map(Duration::from_secs));
    }

    #[test]
    fn a_check_back_never_comes_before_the_deadline_has_passed() {
        let field = "initiator.check_back_after";
        assert_eq!(
            refused(|config| config.check_back_after = Duration::from_secs(25)),
            field
        );
        assert_eq!(
            refused(|config| config.check_back_after = Duration::from_millis(26_500)),
            field
        );
        let mut config = config();
        config.check_back_after = Duration::from_secs(26);
        config.check().unwrap();
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        assert_eq!(
            refused(|config| config.accepted_by.clear()),
            "initiator.accepted_by"
        );
        assert_eq!(
            refused(|config| config.accepted_by.push(config.accepted_by[0].clone())),
            "initiator.accepted_by"
        );
        assert_eq!(
            refused(|config| config.relay_after.clear()),
            "initiator.relay_after"
        );
        assert_eq!(
            refused(|config| config.notifier = "127.0.0.1:8190".into()),
            "initiator.notifier"
        );
        assert_eq!(
            refused(|config| config.transaction_deadline = Duration::ZERO),
            "initiator.transaction_deadline"
        );
    }

    #[test]
    fn the_cursor_is_that_of_all_who_must_accept() {
        let mut config = config();
        assert_eq!(config.feed(), "bank2");
        config.accepted_by = ["ledger", "bank2"].map(|g| Group::new(g).unwrap()).into();
        config.check().unwrap();
        assert_eq!(config.feed(), "bank2,ledger");
        let long = |n| Group::new(format!("{n}{}", "x".repeat(40))).unwrap();
        config.accepted_by = vec![long(1), long(2)];
        assert_eq!(config.feed().len(), FEED_NAME);
    }

    #[test]
    fn no_token_and_no_fault_comes_from_configuration() {
        for key in ["token", "steps", "commit_fate", "relay"] {
            let text = format!(
                r#"{{"source":"a","topic":"t","accepted_by":["g"],"notifier":"http://n","{key}":"x"}}"#
            );
            let error = serde_json::from_str::<Config>(&text)
                .unwrap_err()
                .to_string();
            assert!(error.contains("unknown field"), "{error}");
        }
        assert_eq!(format!("{:?}", Token::new("secret")), "Token(…)");
    }
}
