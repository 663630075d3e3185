//! A cluster of Apache RocketMQ with two brokers and two proxies, of which each is killed in its turn under
//! load: traffic goes on, what is back is used again, nothing is lost, nothing is applied twice.
//!
//! `RINGBACK_ROCKETMQ_CLUSTER` names the script that runs the cluster; `just cluster-test` does it all.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use demo::{BrokerChoice, eventually};
use notification::TxNo;
use ringback_tests::settings::cluster;
use ringback_tests::{
    BankRun, Load, PATIENCE, Setting, TestStage, Transferred, longest_gap, under_test,
};
use rocketmq::{Admin, AdminConfig};
use tokio::process::Command;
use tokio::time::Instant;

/// How soon a broker or proxy that is back has to be used again.
const USED_AGAIN: Duration = Duration::from_secs(30);
/// How long a dead one is done without.
const WITHOUT: Duration = Duration::from_secs(15);
/// The longest time without any commit when one of two is killed.
const GAP: Duration = Duration::from_secs(5);
/// Until all has arrived: what the kills cut off is checked back once the broker is back, or sent by the relay.
const ALL_ARRIVED: Duration = Duration::from_secs(180);
/// A proxy tells the brokers of its producers every 20 s, and this cluster's 15 checks take 30 s: those of a half
/// may all come while no proxy that lives is known, so that only the relay is left.
const RELAY: &str = "relay_after = [\"1m\"]";

/// The cluster, by its script, and a topic and a group of this run alone.
struct Cluster {
    script: PathBuf,
    topic: String,
    group: String,
}

impl Cluster {
    async fn does(&self, args: &[&str]) -> String {
        let done = Command::new(&self.script)
            .arg("cluster")
            .args(args)
            .env("TOPIC", &self.topic)
            .env("GROUP", &self.group)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            done.status.success(),
            "{args:?}: {said}{}",
            String::from_utf8_lossy(&done.stderr)
        );
        said
    }

    async fn up(script: PathBuf) -> (Cluster, BTreeMap<String, String>) {
        let run = fastrand::u64(..);
        let cluster = Cluster {
            script,
            topic: format!("two_brokers_{run:016x}"),
            group: format!("two_brokers_{run:016x}_bank2"),
        };
        cluster.does(&["up"]).await;
        let place = cluster.does(&["where"]).await;
        let place = place.lines().filter_map(|line| line.split_once('='));
        let place = place.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let place = place.collect();
        (cluster, place)
    }

    fn setting(&self, address: &str) -> Setting {
        let (topic, group) = (self.topic.clone(), self.group.clone());
        let list = address
            .split(',')
            .map(|one| format!("\"{one}\""))
            .collect::<Vec<_>>()
            .join(", ");
        let config = move |text: String| {
            let lines = text.lines().map(|line| match line {
                _ if line.starts_with("address = ") => format!("address = [{list}]"),
                _ if line.starts_with("topic = ") => format!("topic = \"{topic}\""),
                _ if line.starts_with("group = ") => format!("group = \"{group}\""),
                _ if line.starts_with("accepted_by = ") => {
                    format!("accepted_by = [\"{group}\"]\n{RELAY}")
                }
                _ => line.to_owned(),
            });
            lines.map(|line| line + "\n").collect()
        };
        Setting {
            broker: BrokerChoice::Elsewhere {
                address: address.to_owned(),
                admin: None,
            },
            config: Box::new(config),
            // Long enough for a receiver that a busy machine makes slow: this is about the brokers.
            ladder: "1s,2s,3s,10s,20s,30s",
            ..Setting::default()
        }
    }
}

/// What lies at each broker, by the messages' keys.
struct Brokers {
    admin: Admin,
    topic: String,
    group: String,
}

impl Brokers {
    /// Where each queue of `broker` ends.
    async fn ends(&self, broker: &str) -> anyhow::Result<Vec<rocketmq::QueueOffsets>> {
        let queues = self.admin.queues(&self.topic).await?;
        let mine = queues.into_iter().filter(|queue| queue.broker == broker);
        Ok(mine.collect())
    }

    /// The transfers whose messages lie at `broker` beyond `ends`.
    async fn beyond(
        &self,
        broker: &str,
        ends: &[rocketmq::QueueOffsets],
    ) -> anyhow::Result<Vec<TxNo>> {
        let mut found = Vec::new();
        for queue in self.ends(broker).await? {
            let before = ends.iter().find(|end| end.queue_id == queue.queue_id);
            let mut offset = before.map_or(queue.min, |end| end.max);
            while offset < queue.max {
                let pulled = self.admin.pull(&queue.queue(), offset, 32).await?;
                let keys = pulled.messages.iter().flat_map(|message| message.keys());
                found.extend(keys.filter_map(|key| key.parse::<TxNo>().ok()));
                if pulled.next_offset <= offset {
                    break;
                }
                offset = pulled.next_offset;
            }
        }
        Ok(found)
    }

    /// How far the group has come at `broker`, over all its queues.
    async fn received(&self, broker: &str) -> anyhow::Result<i64> {
        let mut sum = 0;
        for queue in self.ends(broker).await? {
            let queue = queue.queue();
            sum += self
                .admin
                .group_offset(&self.group, &queue)
                .await?
                .unwrap_or(0);
        }
        Ok(sum)
    }
}

/// What a user saw in the time from `from` on.
fn tell(what: &str, decided: &[Transferred], from: Instant) -> Duration {
    let gap = longest_gap(decided, from, from + WITHOUT);
    let during = decided
        .iter()
        .filter(|one| one.decided >= from && one.asked <= from + WITHOUT);
    let during: Vec<_> = during.collect();
    let slowest = during.iter().map(|one| one.decided - one.asked).max();
    let refused: Vec<_> = during.iter().flat_map(|one| &one.refusals).collect();
    let given_up = during.iter().filter(|one| !one.committed).count();
    println!(
        "{what}: {} transfers in {WITHOUT:?}, longest time without a commit {gap:?}, slowest {:?}, \
         refused and asked for again {}, with a fresh number {given_up}",
        during.len(),
        slowest.unwrap_or_default(),
        refused.len(),
    );
    for text in refused.iter().take(3) {
        println!("  a user saw: {text}");
    }
    gap
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_and_then_each_proxy_is_killed_under_load_and_comes_back() {
    let Some(script) = cluster() else {
        println!(
            "skipped: RINGBACK_ROCKETMQ_CLUSTER names no script that runs a cluster (`just cluster-test` sets it)"
        );
        return;
    };
    let (cluster, place) = Cluster::up(script).await;
    let on = TestStage::raise(under_test!(), cluster.setting(&place["grpc"])).await;
    let config = AdminConfig {
        addresses: vec![place["namesrv"].clone()],
        ..AdminConfig::default()
    };
    let brokers = Brokers {
        admin: Admin::new(config).unwrap(),
        topic: cluster.topic.clone(),
        group: cluster.group.clone(),
    };
    let load = Load::begin(&on.world, 4);

    // Both are sent to and received from.
    for broker in ["broker-a", "broker-b"] {
        let used = eventually(broker, PATIENCE, || async {
            let many = brokers.beyond(broker, &[]).await?.len();
            Ok((many >= 10 && brokers.received(broker).await? >= 10).then_some(()))
        });
        used.await.unwrap();
    }

    // One broker dies: transfers go on, and what they send is delivered.
    let ends = brokers.ends("broker-b").await.unwrap();
    cluster.does(&["kill9", "broker-b"]).await;
    let killed = Instant::now();
    tokio::time::sleep(WITHOUT).await;
    let gap = tell("broker-b killed", &load.decided(), killed);
    assert!(gap < GAP, "{gap:?} without a commit");
    let meanwhile: Vec<_> = load
        .decided()
        .into_iter()
        .filter(|one| one.committed)
        .collect();
    let meanwhile = meanwhile.iter().filter(|one| one.asked > killed);
    let mut delivered = 0;
    for one in meanwhile {
        delivered += usize::from(on.world.is_applied(&one.tx_no).await.unwrap());
    }
    assert!(
        delivered >= 20,
        "{delivered} were delivered while broker-b was away"
    );

    // It is back: sent to and received from again.
    cluster.does(&["start", "broker-b"]).await;
    let back = Instant::now();
    let sent = eventually("a message at broker-b", USED_AGAIN, || async {
        let decided = load.decided();
        let fresh = |tx_no: &TxNo| {
            let one = decided.iter().find(|one| one.tx_no == *tx_no);
            one.is_some_and(|one| one.asked >= back)
        };
        // While the name server does not know it yet, its queues are not found.
        let beyond = brokers.beyond("broker-b", &ends).await.unwrap_or_default();
        Ok(beyond.into_iter().find(fresh))
    });
    let sent = sent.await.unwrap_or_else(|error| {
        tell("broker-b is back", &load.decided(), back);
        panic!("{error:#}")
    });
    let sent_after = back.elapsed();
    let left = USED_AGAIN.saturating_sub(sent_after);
    let received = eventually("a message from broker-b", left, || async {
        Ok(on.world.is_applied(&sent).await?.then_some(()))
    });
    received.await.unwrap();
    println!(
        "broker-b back: sent to after {sent_after:?}, delivered from after {:?}",
        back.elapsed()
    );

    // One proxy dies and comes back, and then the other one: the first has to be in use again.
    for (proxy, other) in [("proxy-b", "proxy-a"), ("proxy-a", "proxy-b")] {
        cluster.does(&["kill9", proxy]).await;
        let killed = Instant::now();
        tokio::time::sleep(WITHOUT).await;
        let gap = tell(&format!("{proxy} killed"), &load.decided(), killed);
        assert!(gap < GAP, "{gap:?} without a commit by {other} alone");
        cluster.does(&["start", proxy]).await;
        let back = Instant::now();
        let used = eventually(proxy, USED_AGAIN, || async {
            Ok(connections_to(cluster_port(&place["grpc"], proxy)).then_some(()))
        });
        used.await.unwrap();
        println!("{proxy} back: connected to after {:?}", back.elapsed());
    }

    let mut account = BankRun::default();
    let decided = load.end(&mut account).await;
    account.balances(&on.world, ALL_ARRIVED).await;
    let refused: usize = decided.iter().map(|one| one.refusals.len()).sum();
    println!(
        "{} transfers, {} committed, {refused} refusals; credits are committed debits",
        decided.len(),
        decided.iter().filter(|one| one.committed).count()
    );
}

/// The port of a proxy: `where` names them in the order of their names.
fn cluster_port(grpc: &str, proxy: &str) -> u16 {
    let number = usize::from(proxy == "proxy-b");
    let address = grpc.split(',').nth(number).unwrap();
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Whether anybody holds a connection to this port of 127.0.0.1.
fn connections_to(port: u16) -> bool {
    const ESTABLISHED: &str = "01";
    let remote = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next() == Some(remote.as_str()) && fields.next() == Some(ESTABLISHED)
    })
}
