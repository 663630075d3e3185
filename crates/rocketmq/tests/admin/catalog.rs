//! The cluster, its settings, its topics and groups.

use std::time::Duration;

use rocketmq::{ErrorKind, GroupSpec, TopicKind, TopicSpec};
use tokio::net::TcpSocket;

use crate::stage::stages;

#[tokio::test]
async fn the_cluster_has_a_master_that_says_what_it_is() {
    for stage in stages().await {
        let admin = stage.admin();
        let cluster = admin.cluster().await.unwrap();
        let master = cluster.masters().next().expect("a master").clone();
        assert_eq!(master.id, 0, "{}", stage.name);
        let version = admin.broker_version(&master).await.unwrap().unwrap();
        let expected = if stage.name == "embedded" {
            "EMBEDDED_"
        } else {
            "V5_"
        };
        assert!(version.starts_with(expected), "{}: {version}", stage.name);
        let settings = admin.broker_settings(&master).await.unwrap();
        assert_eq!(settings["brokerName"], master.name, "{}", stage.name);
        assert_eq!(
            settings["brokerClusterName"], master.cluster,
            "{}",
            stage.name
        );
        assert!(
            settings["flushDiskType"].ends_with("_FLUSH"),
            "{}",
            stage.name
        );
        for number in [
            "fileReservedTime",
            "transactionTimeOut",
            "transactionCheckMax",
        ] {
            let value = &settings[number];
            assert!(
                value.parse::<u64>().is_ok(),
                "{}: {number}={value}",
                stage.name
            );
        }
    }
}

#[tokio::test]
async fn a_broker_s_own_address_is_as_good_as_a_name_server_s_and_the_next_one_is_tried() {
    for stage in stages().await {
        // Bound, so that nobody else is given it, and not listening.
        let vacant = TcpSocket::new_v4().unwrap();
        vacant.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let down = vacant.local_addr().unwrap().to_string();
        let cluster = stage.admin().cluster().await.unwrap();
        let master = cluster.masters().next().unwrap();
        let admin = stage.admin_at(&[&down, &master.address]);
        let alone = admin.cluster().await.unwrap();
        assert_eq!(
            alone.brokers,
            std::slice::from_ref(master),
            "{}",
            stage.name
        );
        let topic = stage.topic("direct", TopicKind::Normal).await;
        let route = admin.topic_route(&topic).await.unwrap().expect("a route");
        assert_eq!(route.queues[0].broker, master.name, "{}", stage.name);
        assert_eq!(admin.topic_route("absent").await.unwrap(), None);
        let nobody = stage.admin_at(&[&down]).cluster().await.unwrap_err();
        assert!(nobody.to_string().contains(&down), "{nobody}");
    }
}

#[tokio::test]
async fn what_is_created_is_listed_and_may_be_created_again() {
    for stage in stages().await {
        let admin = stage.admin();
        let mut made = TopicSpec {
            name: format!("{}_made", stage.run),
            kind: TopicKind::Normal,
            queues: 1,
        };
        for kind in [
            TopicKind::Transaction,
            TopicKind::Transaction,
            TopicKind::Normal,
        ] {
            made.kind = kind;
            admin.create_topic(&made).await.unwrap();
            let topics = admin.topics().await.unwrap();
            let listed: Vec<_> = topics
                .iter()
                .filter(|topic| topic.name == made.name)
                .collect();
            assert!(!listed.is_empty(), "{}", stage.name);
            for topic in listed {
                assert_eq!((topic.kind, topic.permission), (kind, 6), "{}", stage.name);
                assert_eq!((topic.read_queues, topic.write_queues), (1, 1));
            }
        }
        // What is there already is left alone.
        made.kind = TopicKind::Transaction;
        admin.add_topic(&made).await.unwrap();
        let topics = admin.topics().await.unwrap();
        let mut listed = topics.iter().filter(|topic| topic.name == made.name);
        assert!(
            listed.all(|topic| topic.kind == TopicKind::Normal),
            "{}",
            stage.name
        );
        made.name.push_str("_added");
        admin.add_topic(&made).await.unwrap();
        let topics = admin.topics().await.unwrap();
        assert!(topics.iter().any(|topic| topic.name == made.name));
        let mut made = GroupSpec {
            name: format!("{}_made", stage.run),
            retry_max_times: 1000,
            delays: [10_000, 1500].map(Duration::from_millis).to_vec(),
        };
        for delays in [made.delays.clone(), vec![Duration::from_secs(7)]] {
            made.delays = delays;
            admin.adjust_group(&made).await.unwrap();
            let groups = admin.groups().await.unwrap();
            let listed = groups.iter().find(|group| group.name == made.name).unwrap();
            assert_eq!(listed.retry_max_times, 1000, "{}", stage.name);
            assert_eq!(listed.delays, made.delays, "{}", stage.name);
            assert!(listed.consume_enabled);
        }
        made.name.push_str("_plain");
        made.delays.clear();
        admin.create_group(&made).await.unwrap();
        let groups = admin.groups().await.unwrap();
        let listed = groups.iter().find(|group| group.name == made.name).unwrap();
        assert!(listed.delays.is_empty(), "{}: {listed:?}", stage.name);
    }
}

#[tokio::test]
async fn an_impossible_topic_is_refused_in_the_broker_s_words() {
    for stage in stages().await {
        let topic = TopicSpec {
            name: "a b".to_owned(),
            kind: TopicKind::Normal,
            queues: 1,
        };
        let refused = stage.admin().create_topic(&topic).await.unwrap_err();
        assert!(
            matches!(refused.kind(), ErrorKind::Rejected { message, .. } if message.contains("illegal characters")),
            "{}: {refused}",
            stage.name
        );
    }
}
