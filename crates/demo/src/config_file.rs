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

use crate::addresses::Addresses;

/// The file's name in the data folder.
const NAME: &str = "ringback.toml";

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
    /// The services' databases, if they are not files in the data folder. May hold passwords.
    pub databases: Option<DatabaseUrls>,
}

/// A URL for each service that has a database.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrls {
    /// bank1's.
    pub bank1: String,
    /// bank2's.
    pub bank2: String,
    /// The notifier's.
    pub notifier: String,
}

/// Nothing of them: they may hold passwords.
impl std::fmt::Debug for DatabaseUrls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrls(…)")
    }
}

impl ConfigFile {
    /// The usual names with this ladder and these deadlines.
    pub fn new(ladder: &str, timings: Timings) -> ConfigFile {
        ConfigFile {
            topic: "topic_txmsg".to_owned(),
            group: "bank2".to_owned(),
            ladder: ladder.to_owned(),
            timings,
            databases: None,
        }
    }

    /// Writes `<data>/ringback.toml`, readable by its owner alone (it holds the signing secret),
    /// and gives its path. Replaces one that is there.
    pub fn write(&self, data: &Path, addresses: &Addresses) -> anyhow::Result<PathBuf> {
        let path = data.join(NAME);
        let fresh = self.write_beside(data, addresses)?;
        std::fs::rename(&fresh, &path).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// As [`ConfigFile::write`], but keeps one that is there; of several processes that try at
    /// once, one wins and all use its file.
    pub fn write_if_absent(&self, data: &Path, addresses: &Addresses) -> anyhow::Result<PathBuf> {
        let path = data.join(NAME);
        if path.exists() {
            return Ok(path);
        }
        let fresh = self.write_beside(data, addresses)?;
        let linked = std::fs::hard_link(&fresh, &path);
        std::fs::remove_file(&fresh).with_context(|| format!("removing {}", fresh.display()))?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(error).with_context(|| format!("writing {}", path.display()))
            }
            _ => Ok(path),
        }
    }

    /// Writes the text to a file of this process alone, beside the one it is to become.
    fn write_beside(&self, data: &Path, addresses: &Addresses) -> anyhow::Result<PathBuf> {
        let fresh = data.join(format!("{NAME}.{}", std::process::id()));
        let text = self.render(addresses, &secret()?);
        std::fs::File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("writing {}", fresh.display()))?;
        Ok(fresh)
    }

    fn render(&self, addresses: &Addresses, secret: &str) -> String {
        let ConfigFile {
            topic,
            group,
            ladder,
            timings,
            databases,
        } = self;
        let line = |url: fn(&DatabaseUrls) -> &String| {
            databases.as_ref().map_or(String::new(), |urls| {
                format!("database = {}\n", quoted(url(urls)))
            })
        };
        let (bank1_database, bank2_database, record) = (
            line(|urls| &urls.bank1),
            line(|urls| &urls.bank2),
            line(|urls| &urls.notifier),
        );
        let Addresses {
            broker,
            broker_listen,
            broker_admin,
            bank1,
            bank2,
            notifier,
        } = addresses;
        let admin = broker_admin.as_ref().map_or(String::new(), |address| {
            format!(
                "admin = \"{address}\"   # remoting: init, doctor, dlq topic and half list ask it\n"
            )
        });
        let embedded = broker_listen.map_or(String::new(), |listen| {
            self.embedded(listen, broker_admin.as_deref())
        });
        let deadline = humantime::format_duration(timings.transaction_deadline);
        let check_back = humantime::format_duration(timings.check_back_after);
        let lease = humantime::format_duration(timings.lease);
        format!(
            r#"# Made by ringback. Yours to edit: it is read again at the next start, and not overwritten by `up`.

[broker]
address = "{broker}"
{admin}{embedded}
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
{record}
[[endpoint]]
id = "bank2"
url = "http://{bank2}/notifications"
secrets = ["{secret}"]
ladder = "{ladder}"

[egress]
allow = ["127.0.0.0/8", "::1"]   # bank2 runs on this machine; by default only public addresses are rung

[[subscription]]
group = "{group}"
topic = "{topic}"
endpoint = "bank2"

[bank1]
listen = "{bank1}"
{bank1_database}
[bank2]
listen = "{bank2}"
{bank2_database}
[[bank2.source]]
name = "bank1"
secrets = ["{secret}"]
"#
        )
    }

    fn embedded(&self, listen: SocketAddr, admin: Option<&str>) -> String {
        let ConfigFile {
            topic,
            group,
            ladder,
            timings,
            databases: _,
        } = self;
        let check_interval = humantime::format_duration(timings.check_interval);
        let remoting = admin.map_or(String::new(), |address| {
            format!("remoting_listen = \"{address}\"\n")
        });
        format!(
            r#"
[broker.embedded]
listen = "{listen}"
{remoting}check_interval = "{check_interval}"

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

/// A string of TOML's.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
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

    #[test]
    fn the_file_is_for_its_owner_alone_and_every_run_has_its_own_secret() {
        let data = tempfile::tempdir().unwrap();
        let config = ConfigFile::new("1s,2s,3s", Timings::DEMO);
        let path = config.write(data.path(), &Addresses::usual()).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let first = std::fs::read_to_string(&path).unwrap();
        config.write(data.path(), &Addresses::usual()).unwrap();
        assert_ne!(first, std::fs::read_to_string(&path).unwrap());
    }

    #[test]
    fn a_broker_of_somebody_else_gets_no_embedded_section() {
        let config = ConfigFile::new("1s,2s,3s", Timings::DEMO);
        let outside = Addresses {
            broker: "rocketmq:8081".into(),
            broker_listen: None,
            broker_admin: Some("rocketmq:9876".into()),
            ..Addresses::usual()
        };
        let text = config.render(&outside, "whsec_x");
        assert!(text.contains("address = \"rocketmq:8081\"") && !text.contains("embedded"));
        assert!(text.contains("admin = \"rocketmq:9876\""), "{text}");
    }

    #[test]
    fn a_file_that_is_there_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let config = ConfigFile::new("rocketmq", Timings::USUAL);
        let path = config
            .write_if_absent(data.path(), &Addresses::usual())
            .unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        config
            .write_if_absent(data.path(), &Addresses::usual())
            .unwrap();
        assert_eq!(first, std::fs::read_to_string(&path).unwrap());
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);
    }
}
