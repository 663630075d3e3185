//! A topic and a group of this run's own on a broker that somebody else runs.

use std::time::Duration;

use rocketmq::{Admin, AdminConfig, Credentials, GroupSpec, TopicKind, TopicSpec};

use crate::failure::Failure;

/// Where Apache RocketMQ's broker answers administration.
const ADMIN_PORT: u16 = 10_911;

/// What was made, and where.
pub(super) struct Names {
    pub(super) admin: String,
    pub(super) topic: String,
    pub(super) group: String,
}

/// Makes both. Names carry a random number, so that two runs on one broker never meet.
pub(super) async fn make(
    broker: &str,
    admin: Option<&str>,
    credentials: Option<Credentials>,
) -> Result<Names, Failure> {
    let admin = admin.map_or_else(|| beside(broker), |address| Ok(address.to_owned()))?;
    let run = fastrand::u32(..);
    let names = Names {
        admin: admin.clone(),
        topic: format!("ringback_demo_{run:08x}"),
        group: format!("ringback_demo_{run:08x}_bank2"),
    };
    let topic = TopicSpec {
        name: names.topic.clone(),
        kind: TopicKind::Transaction,
        queues: 4,
    };
    let group = GroupSpec {
        name: names.group.clone(),
        retry_max_times: 1000,
        delays: [1, 2, 3].map(Duration::from_secs).to_vec(),
    };
    let made = async {
        let admin = Admin::new(AdminConfig {
            addresses: vec![admin.clone()],
            credentials,
            ..AdminConfig::default()
        })?;
        admin.create_topic(&topic).await?;
        admin.create_group(&group).await
    };
    match made.await {
        Ok(()) => Ok(names),
        Err(error) => Err(Failure::operation(format!("no topic and group for this run at {admin}: {error}"))
            .help("Is the broker up (scripts/rocketmq.sh up)? Its administration is named with --broker-admin.")),
    }
}

fn beside(broker: &str) -> Result<String, Failure> {
    let address = broker
        .split_once("://")
        .map_or(broker, |(_, address)| address);
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(format!("{host}:{ADMIN_PORT}"))
        }
        _ => Err(Failure::usage(format!(
            "--broker {broker}: not an address, expected host:port"
        ))
        .help("For example: ringback demo --broker 127.0.0.1:8081")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administration_is_looked_for_on_the_brokers_host() {
        assert_eq!(beside("rocketmq:8081").unwrap(), "rocketmq:10911");
        assert_eq!(beside("[::1]:8081").unwrap(), "[::1]:10911");
        assert_eq!(beside("https://rocketmq:8081").unwrap(), "rocketmq:10911");
        assert!(
            beside("rocketmq").is_err()
                && beside(":8081").is_err()
                && beside("rocketmq:grpc").is_err()
        );
    }
}
