//! `[alarm]`: who is told, and how often.

use std::path::PathBuf;
use std::time::Duration;

use notification::{Invalid, Secret};
use serde::Deserialize;

use crate::board::Rules;
use crate::catalogue::{self, Severity};

/// `[alarm]` of `ringback.toml`. Without a webhook and a command, alarms are only log events.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where each notice is posted, signed like a notification.
    pub webhook: Option<String>,
    /// What signs it. Read from `secrets_file` if empty.
    pub secrets: Vec<Secret>,
    /// One `whsec_…` a line.
    pub secrets_file: Option<PathBuf>,
    /// A program and its arguments; it is given each notice as JSON on its standard input.
    pub command: Vec<String>,
    /// Only alarms this bad, or worse, are told.
    pub least: Severity,
    /// Names that are not told.
    pub mute: Vec<String>,
    /// From a name's first event to its first notice, so that what comes together is told together.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
    /// Between two notices of one name.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// What goes on unchanged is told again after this.
    #[serde(with = "humantime_serde")]
    pub repeat: Duration,
    /// An alarm without an ending event is over when it was not heard for this long.
    #[serde(with = "humantime_serde")]
    pub quiet: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            webhook: None,
            secrets: Vec::new(),
            secrets_file: None,
            command: Vec::new(),
            least: Severity::Warning,
            mute: Vec::new(),
            wait: Duration::from_secs(10),
            interval: Duration::from_secs(60),
            repeat: Duration::from_secs(4 * 3600),
            quiet: Duration::from_secs(15 * 60),
        }
    }
}

impl Config {
    /// Checks each value and that they fit together.
    ///
    /// # Errors
    /// Names the field, the value and the limit.
    pub fn check(&self) -> Result<(), Invalid> {
        if let Some(url) = &self.webhook {
            let http = reqwest::Url::parse(url)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !http {
                let limit = "http:// or https:// with a host";
                return Err(Invalid::new("alarm.webhook", url, limit));
            }
        }
        let given = !self.secrets.is_empty() || self.secrets_file.is_some();
        if given != self.webhook.is_some()
            || !self.secrets.is_empty() && self.secrets_file.is_some()
        {
            let limit = "either `secrets` or `secrets_file`, exactly with `webhook`";
            return Err(Invalid::new("alarm.secrets", "(hidden)", limit));
        }
        if self.command.first().is_some_and(String::is_empty) {
            let limit = "a program, then its arguments";
            return Err(Invalid::new("alarm.command", "\"\"", limit));
        }
        if let Some(name) = self
            .mute
            .iter()
            .find(|name| catalogue::find(name).is_none())
        {
            let names: Vec<&str> = catalogue::ALARMS.iter().map(|alarm| alarm.name).collect();
            return Err(Invalid::new("alarm.mute", name, names.join(", ")));
        }
        let spans = [
            ("wait", self.wait, 0, 600),
            ("interval", self.interval, 1, 3600),
            ("repeat", self.repeat, 60, 7 * 24 * 3600),
            ("quiet", self.quiet, 10, 24 * 3600),
        ];
        for (name, span, least, most) in spans {
            let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
            if !(least..=most).contains(&span) {
                let limit = format!("{least:?} to {most:?}");
                return Err(Invalid::new(
                    format!("alarm.{name}"),
                    format!("{span:?}"),
                    limit,
                ));
            }
        }
        Ok(())
    }

    /// The secrets, from the file if they stand there.
    ///
    /// # Errors
    /// The file can't be read, or a line of it is no secret.
    pub fn read_secrets(&self) -> Result<Vec<Secret>, Invalid> {
        let field = "alarm.secrets_file";
        let Some(path) = &self.secrets_file else {
            return Ok(self.secrets.clone());
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| Invalid::new(field, path.display(), format!("readable: {error}")))?;
        Secret::from_lines(&text, field)
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            wait: self.wait,
            interval: self.interval,
            repeat: self.repeat,
            quiet: self.quiet,
        }
    }

    /// Whether anybody is to be told of that one.
    pub(crate) fn tells(&self, name: &str, severity: Severity) -> bool {
        severity >= self.least && !self.mute.iter().any(|muted| muted == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let config: Config = toml::from_str(text).unwrap();
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn errors_name_field_value_and_limit() {
        assert!(
            refusal("webhook = \"ftp://x\"\nsecrets_file = \"s\"")
                .contains("alarm.webhook: \"ftp://x\"")
        );
        assert!(refusal("webhook = \"http://x\"").contains("alarm.secrets"));
        assert!(refusal("mute = [\"dead_leter\"]").contains("dead_letter_receiver"));
        assert!(
            refusal("interval = \"0s\"")
                .contains("alarm.interval: \"0ns\" is refused: 1s to 3600s")
        );
        assert!(refusal("command = [\"\"]").contains("alarm.command"));
    }

    #[test]
    fn nothing_at_all_is_a_configuration() {
        let config: Config = toml::from_str("").unwrap();
        config.check().unwrap();
        assert!(config.tells("clock_skew", Severity::Warning));
    }

    #[test]
    fn what_is_muted_or_not_bad_enough_is_not_told() {
        let config: Config =
            toml::from_str("least = \"critical\"\nmute = [\"worker_died\"]").unwrap();
        config.check().unwrap();
        assert!(!config.tells("clock_skew", Severity::Warning));
        assert!(!config.tells("worker_died", Severity::Critical));
        assert!(config.tells("record_refused", Severity::Critical));
    }
}
