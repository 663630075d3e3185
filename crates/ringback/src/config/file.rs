//! `ringback.toml` as a typed value: the sections of all services in one file, unknown keys refused.
//!
//! Each section is read by the type of the crate that owns it; here stand only the ones that belong to no crate
//! (where a bank listens) or that say more than their crate knows (the embedded broker's groups name a ladder, the
//! broker itself knows delays).

mod complaint;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notification::Ladder;
use serde::Deserialize;

use self::complaint::complaint;
use super::access::{CredentialsSection, TlsSection, beside};
use crate::failure::Failure;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where the broker is, and how the embedded one runs.
    #[serde(default)]
    pub broker: BrokerSection,
    /// How bank1 sends notifications.
    pub initiator: Option<producer::Config>,
    /// The notifier's own settings.
    #[serde(default)]
    pub notifier: notifier::Settings,
    /// Who is notified.
    #[serde(default)]
    pub endpoint: Vec<notifier::EndpointConfig>,
    /// Which addresses may be rung.
    #[serde(default)]
    pub egress: notifier::EgressConfig,
    /// Which group's messages go to which endpoint.
    #[serde(default)]
    pub subscription: Vec<notifier::SubscriptionConfig>,
    /// Who is told of alarms.
    #[serde(default)]
    pub alarm: alarm::Config,
    /// Where spans are sent.
    #[serde(default)]
    pub telemetry: service::traces::Config,
    /// bank1's own settings.
    #[serde(default)]
    pub bank1: Bank1Section,
    /// bank2's own settings.
    #[serde(default)]
    pub bank2: Bank2Section,
}

/// `[broker]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerSection {
    /// gRPC addresses, endpoints of one cluster.
    pub address: Option<OneOrMany>,
    /// Remoting addresses for administration: name servers, or brokers.
    pub admin: Option<OneOrMany>,
    /// Who we are to the broker; absent: nobody.
    pub credentials: Option<CredentialsSection>,
    /// Whether it is spoken to over TLS; absent: in plain text.
    pub tls: Option<TlsSection>,
    /// Read by `ringback broker` only.
    #[serde(default)]
    pub embedded: EmbeddedSection,
}

/// One address or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "an address such as \"127.0.0.1:8081\", or a list of them"
)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl From<OneOrMany> for Vec<String> {
    fn from(addresses: OneOrMany) -> Self {
        match addresses {
            OneOrMany::One(address) => vec![address],
            OneOrMany::Many(addresses) => addresses,
        }
    }
}

/// `[broker.embedded]`. What is absent is as the broker has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedSection {
    /// Where the gRPC service listens.
    pub listen: Option<SocketAddr>,
    /// Where remoting listens; absent: nowhere.
    pub remoting_listen: Option<SocketAddr>,
    /// Where its metrics are served over HTTP; absent: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Between two rounds of check-backs.
    #[serde(default, with = "humantime_serde")]
    pub check_interval: Option<Duration>,
    /// How many check-backs before a half message is given up.
    pub check_max: Option<u32>,
    /// How long a message is kept.
    #[serde(default, with = "humantime_serde")]
    pub retention: Option<Duration>,
    /// Whether delayed messages may be taken back; no, if absent.
    #[serde(default)]
    pub recall_enabled: bool,
    /// Topics that exist from the start.
    #[serde(default)]
    pub topic: Vec<broker::TopicConfig>,
    /// Groups that exist from the start.
    #[serde(default)]
    pub group: Vec<GroupSection>,
}

/// `[[broker.embedded.group]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSection {
    /// The group's name.
    pub name: String,
    /// Its delays, by name or as a list; Settings tell them to the group's clients.
    pub ladder: Ladder,
    /// The safety net beyond any ladder.
    #[serde(default = "thousand")]
    pub retry_max_times: u32,
}

fn thousand() -> u32 {
    1000
}

/// `[bank1]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank1Section {
    /// Where it listens.
    pub listen: Option<SocketAddr>,
    /// Its database; absent: SQLite in the data folder. May hold a password.
    pub database: Option<String>,
    /// A file that holds the URL instead.
    pub database_file: Option<PathBuf>,
}

/// `[bank2]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank2Section {
    /// Where it listens.
    pub listen: Option<SocketAddr>,
    /// Its database; absent: SQLite in the data folder. May hold a password.
    pub database: Option<String>,
    /// A file that holds the URL instead.
    pub database_file: Option<PathBuf>,
    /// Who may notify it, each with the secrets that prove it.
    #[serde(default)]
    pub source: Vec<receiver::SourceKeys>,
}

/// Without the database's URL, which may hold a password.
impl fmt::Debug for Bank1Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bank1Section")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// Without the database's URL, which may hold a password.
impl fmt::Debug for Bank2Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bank2Section")
            .field("listen", &self.listen)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl File {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// The file can't be read, is no TOML, has a key that nobody reads, or a value of the wrong kind: the error
    /// names the file, the line and the key.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!(
                "configuration {} can't be read: {error}",
                path.display()
            ))
            .help("Name another with --config, or let `ringback up` make one in a data folder.")
        })?;
        Self::parse(&text, path)
    }

    /// Parses the text of the file at `path`, which is named in errors, and beside which the files lie that it names.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        let mut file: Self = toml::from_str(text).map_err(|error| {
            Failure::usage(format!(
                "configuration {}: {}",
                path.display(),
                complaint(&error, text)
            ))
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        if let Some(credentials) = &mut file.broker.credentials {
            credentials.beside(folder);
        }
        beside(&mut file.notifier.encryption_key_file, folder);
        if let Some(tls) = &mut file.broker.tls {
            tls.beside(folder);
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let failure =
            File::parse(text, Path::new("my/ringback.toml")).expect_err("this text is refused");
        assert_eq!(failure.kind, crate::failure::Kind::Usage);
        failure.message
    }

    #[test]
    fn an_empty_file_is_a_file_of_defaults() {
        let file = File::parse("", Path::new("ringback.toml")).unwrap();
        assert!(
            file.initiator.is_none() && file.endpoint.is_empty() && file.bank1.listen.is_none()
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_its_file_and_line() {
        let message = refusal("[bank1]\nlisten = \"127.0.0.1:8181\"\nlissten = 1\n");
        for part in [
            "my/ringback.toml",
            "line 3",
            "unknown field `lissten`",
            "expected one of `listen`",
        ] {
            assert!(message.contains(part), "{part} in:\n{message}");
        }
    }

    #[test]
    fn an_unknown_section_and_an_unknown_key_deep_down_are_refused() {
        assert!(refusal("[bank3]\n").contains("unknown field `bank3`"));
        assert!(
            refusal("[broker.embedded]\ncheck_intervall = \"2s\"\n")
                .contains("unknown field `check_intervall`")
        );
        assert!(
            refusal("[[bank2.source]]\nname = \"bank1\"\nsecret = 1\n")
                .contains("unknown field `secret`")
        );
        assert!(refusal("[notifier]\nleese = \"30s\"\n").contains("unknown field `leese`"));
    }

    #[test]
    fn broken_toml_names_file_line_and_what_was_expected() {
        let message = refusal("[bank1]\nlisten = \"127.0.0.1:8181\n");
        for part in ["my/ringback.toml", "line 2", "listen = \"127.0.0.1:8181"] {
            assert!(message.contains(part), "{part} in:\n{message}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_names_its_line() {
        let message = refusal("[bank1]\nlisten = \"8181\"\n");
        assert!(
            message.contains("line 2") && message.contains("socket address"),
            "{message}"
        );
        let message = refusal("[broker]\naddress = 8081\n");
        assert!(message.contains("an address such as"), "{message}");
    }

    /// `up` and `demo` write the file in the crate `demo`; here is who reads it.
    #[test]
    fn the_file_that_is_made_is_one_that_every_service_takes() {
        use crate::config::compose::{self, Overrides};

        let data = tempfile::tempdir().unwrap();
        let made = demo::ConfigFile::new("1s,2s,3s", demo::Timings::DEMO);
        let path = made
            .write_if_absent(data.path(), &demo::Addresses::usual())
            .unwrap();
        let file = || File::read(&path).unwrap();
        let (over, token) = (Overrides::default(), "0123456789abcdef");

        let broker = compose::broker(file(), &over, data.path());
        assert_eq!(broker.check_interval, Duration::from_secs(2));
        assert_eq!(broker.groups[0].delays.len(), 3);
        let bank1 = compose::bank1(file(), &over, data.path(), token).unwrap();
        assert_eq!(bank1.initiator.check_back_after, Duration::from_secs(5));
        assert_eq!(bank1.broker.endpoints, [broker.listen.to_string()]);
        let notifier = compose::notifier(file(), &over, data.path(), token).unwrap();
        assert_eq!(notifier.endpoints[0].secrets.len(), 1);
        compose::bank2(file(), &over, data.path()).unwrap();
    }

    #[test]
    fn a_broker_may_have_several_addresses() {
        let parsed =
            File::parse("[broker]\naddress = [\"a:1\", \"b:2\"]\n", Path::new("x")).unwrap();
        assert_eq!(Vec::from(parsed.broker.address.unwrap()), ["a:1", "b:2"]);
    }
}
