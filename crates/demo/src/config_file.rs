//! The `ringback.toml` that `demo` and `up` make when there is none: fresh secrets, the addresses of
//! this run, and deadlines short enough to watch or long enough to work.
//!
//! Text, not a serialised struct: a person opens this file next, so it carries its explanations.
//! The `ringback` crate reads it back with unknown keys refused, and a test there holds the two together.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use ring::rand::SecureRandom;

/// The deadlines of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Between two rounds of the embedded broker's check-backs.
    pub check_interval: Duration,
    /// The longest local transaction.
    pub transaction_deadline: Duration,
    /// From the half message to its first check-back; whole seconds, longer than the deadline.
    pub check_back_after: Duration,
    /// How long the notifier may keep a message without renewing; the broker's floor is 10 s.
    pub lease: Duration,
}

impl Timings {
    /// Short enough to watch: a killed bank1's check-back comes within seven seconds.
    pub const DEMO: Timings = Timings {
        check_interval: Duration::from_secs(2),
        transaction_deadline: Duration::from_secs(4),
        check_back_after: Duration::from_secs(5),
        lease: Duration::from_secs(10),
    };
    /// What a system that works has.
    pub const USUAL: Timings = Timings {
        check_interval: Duration::from_secs(30),
        transaction_deadline: Duration::from_secs(25),
        check_back_after: Duration::from_secs(30),
        lease: Duration::from_secs(30),
    };
}

/// Where the four services listen. The broker's is what its clients connect to: for a broker that
/// somebody else runs, a host name is fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The broker's gRPC endpoint as clients name it.
    pub broker: String,
    /// Where the embedded broker listens; `None` for a broker that somebody else runs.
    pub broker_listen: Option<SocketAddr>,
    /// bank1's HTTP API.
    pub bank1: SocketAddr,
    /// bank2's HTTP API.
    pub bank2: SocketAddr,
    /// The notifier's HTTP API.
    pub notifier: SocketAddr,
}

/// What goes into the file.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// The transactional topic.
    pub topic: String,
    /// The consumer group, which is also the subscription's name.
    pub group: String,
    /// The ladder as the configuration spells it: a preset's name or `1s,2s,3s`.
    pub ladder: String,
    /// The deadlines.
    pub timings: Timings,
}

impl ConfigFile {
    /// The names of DESIGN.md with this ladder and these deadlines.
    pub fn new(ladder: &str, timings: Timings) -> ConfigFile {
        ConfigFile {
            topic: "topic_txmsg".to_owned(),
            group: "bank2".to_owned(),
            ladder: ladder.to_owned(),
            timings,
        }
    }

    /// Writes `<data>/ringback.toml`, readable by its owner alone (it holds the signing secret),
    /// and returns its path. Replaces what a failed start left.
    pub fn write(&self, data: &Path, addresses: &Addresses) -> anyhow::Result<PathBuf> {
        let path = data.join("ringback.toml");
        let fresh = data.join("ringback.toml.new");
        let text = self.render(addresses, &secret()?);
        std::fs::File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| std::fs::rename(&fresh, &path))
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    fn render(&self, addresses: &Addresses, secret: &str) -> String {
        let ConfigFile {
            topic,
            group,
            ladder,
            timings,
        } = self;
        let Addresses {
            broker,
            bank1,
            bank2,
            notifier,
            ..
        } = addresses;
        let embedded = addresses
            .broker_listen
            .map_or(String::new(), |listen| self.embedded(listen));
        let deadline = humantime::format_duration(timings.transaction_deadline);
        let check_back = humantime::format_duration(timings.check_back_after);
        let lease = humantime::format_duration(timings.lease);
        format!(
            r#"# Made by ringback. Yours to edit: it is read again at the next start, and not overwritten by `up`.

[broker]
address = "{broker}"
{embedded}
[initiator]
source = "bank1"
topic = "{topic}"
transaction_deadline = "{deadline}"
check_back_after = "{check_back}"   # whole seconds, longer than the deadline
accepted_by = ["{group}"]
notifier = "http://{notifier}"

[notifier]
listen = "{notifier}"
lease = "{lease}"

[[endpoint]]
id = "bank2"
url = "http://{bank2}/notifications"
secrets = ["{secret}"]
ladder = "{ladder}"

[[subscription]]
group = "{group}"
topic = "{topic}"
endpoint = "bank2"

[bank1]
listen = "{bank1}"

[bank2]
listen = "{bank2}"

[[bank2.source]]
name = "bank1"
secrets = ["{secret}"]
"#
        )
    }

    fn embedded(&self, listen: SocketAddr) -> String {
        let ConfigFile {
            topic,
            group,
            ladder,
            timings,
        } = self;
        let check_interval = humantime::format_duration(timings.check_interval);
        format!(
            r#"
[broker.embedded]
listen = "{listen}"
check_interval = "{check_interval}"

[[broker.embedded.topic]]
name = "{topic}"
type = "transaction"

[[broker.embedded.group]]
name = "{group}"
ladder = "{ladder}"
retry_max_times = 1000
"#
        )
    }
}

/// A fresh signing secret in the form of Standard Webhooks: `whsec_` and 32 random bytes in base64.
fn secret() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_unspecified| {
            anyhow::anyhow!("the system gives no random bytes for a signing secret")
        })?;
    Ok(format!(
        "whsec_{}",
        base64::engine::general_purpose::STANDARD.encode(bytes)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn addresses() -> Addresses {
        Addresses {
            broker: "127.0.0.1:8081".into(),
            broker_listen: Some("127.0.0.1:8081".parse().unwrap()),
            bank1: "127.0.0.1:8181".parse().unwrap(),
            bank2: "127.0.0.1:8182".parse().unwrap(),
            notifier: "127.0.0.1:8190".parse().unwrap(),
        }
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_every_run_has_its_own_secret() {
        let data = tempfile::tempdir().unwrap();
        let config = ConfigFile::new("1s,2s,3s", Timings::DEMO);
        let path = config.write(data.path(), &addresses()).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let first = std::fs::read_to_string(&path).unwrap();
        config.write(data.path(), &addresses()).unwrap();
        assert_ne!(first, std::fs::read_to_string(&path).unwrap());
    }

    #[test]
    fn a_broker_of_somebody_else_gets_no_embedded_section() {
        let config = ConfigFile::new("1s,2s,3s", Timings::DEMO);
        let outside = Addresses {
            broker: "rocketmq:8081".into(),
            broker_listen: None,
            ..addresses()
        };
        let text = config.render(&outside, "whsec_x");
        assert!(text.contains("address = \"rocketmq:8081\"") && !text.contains("embedded"));
    }
}
