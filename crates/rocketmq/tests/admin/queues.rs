//! Reading queues by offset.

use std::io::Write as _;
use std::time::Duration;

use rocketmq::{ErrorKind, HalfAt, Message, QueueRef, TopicKind};
use rocketmq_wire::properties::{CHECK_MAX_TOPIC, CHECK_TIMES, HALF_TOPIC, dlq_topic};
use rocketmq_wire::v2::messaging_service_client::MessagingServiceClient;
use rocketmq_wire::{metadata, resource, v2};

use crate::stage::{Stage, stages};

#[tokio::test]
async fn messages_are_read_with_all_that_they_carry_and_nothing_moves() {
    for stage in stages().await {
        let name = stage.name;
        let topic = stage.topic("read", TopicKind::Normal).await;
        let group = stage.group().await;
        let producer = stage.producer(&topic).await;
        let mut ids = Vec::new();
        for n in 0..5 {
            let message = Message::new(&topic, format!("body {n}"))
                .tag("tag")
                .key("key-1")
                .key(format!("key-{n}"))
                .property("colour", "红");
            ids.push(producer.send(message).await.unwrap().message_id);
        }
        let stored = stage.until("five messages", async || {
            let all = stage.everything(&topic).await;
            (all.len() == 5).then_some(all)
        });
        for (queue, message) in stored.await {
            let id = message.message_id().expect("an id");
            let n = ids
                .iter()
                .position(|known| known == id)
                .expect("a known id");
            assert_eq!(message.body, format!("body {n}"), "{name}");
            assert_eq!(message.tags(), Some("tag"), "{name}");
            let keys: Vec<_> = message.keys().map(str::to_owned).collect();
            assert_eq!(keys, ["key-1".to_owned(), format!("key-{n}")], "{name}");
            assert_eq!(message.properties["colour"], "红", "{name}");
            assert_eq!(message.topic, topic, "{name}");
            assert_eq!(message.queue_id, i32::try_from(queue.queue_id).unwrap());
            assert_eq!(message.reconsume_times, 0, "{name}");
            let apart = message.stored_ms - message.born_ms;
            assert!((-1000..10_000).contains(&apart), "{name}: {message:?}");
            let admin = stage.admin();
            assert_eq!(
                admin.group_offset(&group, &queue).await.unwrap(),
                None,
                "{name}"
            );
        }
        // It was looked at, and is all still there.
        let (consumer, received) = stage.receive(&group, &topic, 5).await;
        for delivery in received {
            assert_eq!(delivery.message().delivery_attempt, 1, "{name}");
            delivery.ack().await.unwrap();
        }
        consumer.close().await;
        let admin = stage.admin();
        let caught_up = stage.until("an offset at the end", async || {
            for ends in admin.queues(&topic).await.unwrap() {
                let offset = admin.group_offset(&group, &ends.queue()).await.unwrap();
                if ends.max > 0 && offset != Some(ends.max) {
                    return None;
                }
            }
            Some(())
        });
        caught_up.await;
        assert_eq!(stage.everything(&topic).await.len(), 5, "{name}");
    }
}

#[tokio::test]
async fn a_queue_is_read_page_by_page_and_its_ends_are_told() {
    for stage in stages().await {
        let name = stage.name;
        let topic = stage.topic("pages", TopicKind::Normal).await;
        let producer = stage.producer(&topic).await;
        // One queue has at least three of them.
        for n in 0..6 {
            producer
                .send(Message::new(&topic, format!("{n}")))
                .await
                .unwrap();
        }
        let admin = stage.admin();
        let ends = stage.until("three in one queue", async || {
            let queues = admin.queues(&topic).await.unwrap();
            queues.into_iter().find(|queue| queue.max >= 3)
        });
        let ends = ends.await;
        let queue = ends.queue();
        let page = admin.pull(&queue, ends.min, 2).await.unwrap();
        let offsets: Vec<_> = page
            .messages
            .iter()
            .map(|message| message.queue_offset)
            .collect();
        assert_eq!(offsets, [0, 1], "{name}");
        assert_eq!((page.next_offset, page.min_offset), (2, 0), "{name}");
        assert_eq!(page.max_offset, ends.max, "{name}");
        let end = admin.pull(&queue, ends.max, 2).await.unwrap();
        assert!(end.messages.is_empty(), "{name}");
        assert_eq!(end.next_offset, ends.max, "{name}");
        let beyond = admin.pull(&queue, ends.max + 10, 2).await.unwrap();
        assert!(beyond.messages.is_empty(), "{name}");
        assert!(beyond.next_offset <= ends.max, "{name}: {beyond:?}");
        assert_eq!(beyond.max_offset, ends.max, "{name}");
    }
}

#[tokio::test]
async fn a_queue_that_does_not_exist_is_said_to() {
    for stage in stages().await {
        let admin = stage.admin();
        let absent = admin.queues("absent").await.unwrap_err();
        let kind = ErrorKind::TopicNotFound {
            topic: "absent".to_owned(),
        };
        assert_eq!(absent.kind(), &kind, "{}", stage.name);
        let topic = stage.topic("one", TopicKind::Normal).await;
        let broker = admin.cluster().await.unwrap().brokers[0].name.clone();
        let mut queue = QueueRef {
            topic: "absent".to_owned(),
            broker,
            queue_id: 0,
        };
        let absent = admin.pull(&queue, 0, 1).await.unwrap_err();
        assert_eq!(absent.kind(), &kind, "{}", stage.name);
        queue.topic = topic;
        queue.queue_id = 99;
        let absent = admin.pull(&queue, 0, 1).await.unwrap_err();
        assert!(
            matches!(absent.kind(), ErrorKind::Rejected { code: 29, .. }),
            "{}: {absent}",
            stage.name
        );
        queue.broker = "nobody".to_owned();
        let absent = admin.pull(&queue, 0, 1).await.unwrap_err();
        assert!(absent.to_string().contains("nobody"), "{absent}");
    }
}

#[tokio::test]
async fn a_body_that_was_sent_packed_is_read_unpacked() {
    for stage in stages().await {
        let topic = stage.topic("packed", TopicKind::Normal).await;
        send_packed(&stage, &topic, "packed", b"ten yuan").await;
        let message = stage.stored(&topic, "packed").await;
        assert_eq!(message.not_unpacked, None, "{}", stage.name);
        assert_eq!(&message.body[..], b"ten yuan", "{}", stage.name);
    }
}

async fn send_packed(stage: &Stage, topic: &str, id: &str, body: &[u8]) {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body).unwrap();
    let system = v2::SystemProperties {
        message_id: id.to_owned(),
        body_encoding: v2::Encoding::Gzip.into(),
        message_type: v2::MessageType::Normal.into(),
        ..Default::default()
    };
    let message = v2::Message {
        topic: Some(resource(topic)),
        system_properties: Some(system),
        body: gzip.finish().unwrap().into(),
        ..Default::default()
    };
    let mut client = MessagingServiceClient::connect(format!("http://{}", stage.grpc))
        .await
        .unwrap();
    let mut request = tonic::Request::new(v2::SendMessageRequest {
        messages: vec![message],
    });
    let headers = request.metadata_mut();
    headers.insert(metadata::CLIENT_ID, "packer".parse().unwrap());
    headers.insert(metadata::LANGUAGE, "RUST".parse().unwrap());
    let reply = client.send_message(request).await.unwrap().into_inner();
    assert_eq!(reply.status.unwrap().code(), v2::Code::Ok, "{}", stage.name);
}

#[tokio::test]
async fn a_dead_letter_is_read_with_its_origin_and_its_count() {
    for stage in stages().await {
        let name = stage.name;
        let topic = stage.topic("deadly", TopicKind::Normal).await;
        let group = stage.group().await;
        let message = Message::new(&topic, "refused").key("key");
        let sent = stage.producer(&topic).await.send(message).await.unwrap();
        let (consumer, mut received) = stage.receive(&group, &topic, 1).await;
        received.remove(0).dead_letter().await.unwrap();
        consumer.close().await;
        let dead = stage.stored(&dlq_topic(&group), &sent.message_id).await;
        assert_eq!(dead.topic, dlq_topic(&group), "{name}");
        assert_eq!(dead.origin(), Some(topic.as_str()), "{name}: {dead:?}");
        assert_eq!(dead.reconsume_times, 1, "{name}");
        assert_eq!(&dead.body[..], b"refused", "{name}");
        assert_eq!(dead.keys().collect::<Vec<_>>(), ["key"], "{name}");
    }
}

#[tokio::test]
async fn a_half_message_is_read_while_nobody_can_receive_it() {
    for stage in stages().await {
        let name = stage.name;
        let topic = stage.topic("held", TopicKind::Transaction).await;
        let producer = stage.halves(Duration::from_secs(60)).await;
        let half = producer
            .begin(Message::new(&topic, "half").key("key"))
            .await
            .unwrap();
        let id = half.message_id().to_owned();
        let held = stage.stored(HALF_TOPIC, &id).await;
        assert_eq!(held.origin(), Some(topic.as_str()), "{name}: {held:?}");
        assert_eq!(&held.body[..], b"half", "{name}");
        assert!(stage.everything(&topic).await.is_empty(), "{name}");
        let admin = stage.admin();
        let open = async || {
            let halves = admin.halves().await.unwrap().open;
            halves
                .iter()
                .any(|half| half.message.message_id() == Some(&id))
        };
        assert!(open().await, "{name}");
        half.commit().await.unwrap();
        let visible = stage.stored(&topic, &id).await;
        assert_eq!(visible.origin(), None, "{name}: {visible:?}");
        // Apache RocketMQ may first use up its checks of what is committed.
        stage
            .until("ended", async || (!open().await).then_some(()))
            .await;
        assert_eq!(visible.keys().collect::<Vec<_>>(), ["key"], "{name}");
    }
}

#[tokio::test]
async fn a_half_message_that_ran_out_of_checks_is_read_where_it_was_put() {
    for stage in stages().await {
        let name = stage.name;
        let topic = stage.topic("given_up", TopicKind::Transaction).await;
        let producer = stage.halves(Duration::from_secs(1)).await;
        let half = producer.begin(Message::new(&topic, "half")).await.unwrap();
        let id = half.message_id().to_owned();
        drop(half);
        let given_up = stage.stored(CHECK_MAX_TOPIC, &id).await;
        assert_eq!(
            given_up.origin(),
            Some(topic.as_str()),
            "{name}: {given_up:?}"
        );
        let checks: u32 = given_up.properties[CHECK_TIMES].parse().unwrap();
        assert!(checks >= 3, "{name}: {checks}");
        let halves = stage.admin().halves().await.unwrap();
        let of_it = |half: &&HalfAt| half.message.message_id() == Some(&id);
        assert_eq!(halves.given_up.iter().filter(of_it).count(), 1, "{name}");
        assert_eq!(halves.open.iter().filter(of_it).count(), 0, "{name}");
        assert_eq!(halves.unreadable, 0, "{name}");
        assert!(stage.everything(&topic).await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_group_begins_where_its_offset_is_set() {
    for stage in stages().await {
        let name = stage.name;
        let topic = stage.topic("history", TopicKind::Normal).await;
        let group = stage.group().await;
        let producer = stage.producer(&topic).await;
        for n in 0..6 {
            let message = Message::new(&topic, format!("{n}"));
            producer.send(message).await.unwrap();
        }
        let admin = stage.admin();
        let queues = stage.until("six messages", async || {
            let queues = admin.queues(&topic).await.unwrap();
            let lie: i64 = queues.iter().map(|ends| ends.max - ends.min).sum();
            (lie == 6).then_some(queues)
        });
        let mut expected = Vec::new();
        for ends in queues.await {
            let (queue, from) = (ends.queue(), ends.min + i64::from(ends.max > ends.min));
            admin.set_group_offset(&group, &queue, from).await.unwrap();
            let set = admin.group_offset(&group, &queue).await.unwrap();
            assert_eq!(set, Some(from), "{name}");
            let rest = admin.pull(&queue, from, 32).await.unwrap().messages;
            expected.extend(rest.into_iter().map(|message| message.body));
        }
        assert!(!expected.is_empty() && expected.len() < 6, "{name}");
        let (consumer, received) = stage.receive(&group, &topic, expected.len()).await;
        let mut bodies = Vec::new();
        for delivery in received {
            bodies.push(delivery.message().body.clone());
            delivery.ack().await.unwrap();
        }
        consumer.close().await;
        bodies.sort_unstable();
        expected.sort_unstable();
        assert_eq!(bodies, expected, "{name}");
    }
}

#[tokio::test]
async fn an_offset_is_set_for_no_group_and_in_no_topic_that_is_not_there() {
    for stage in stages().await {
        let name = stage.name;
        let topic = stage.topic("place", TopicKind::Normal).await;
        let group = stage.group().await;
        let admin = stage.admin();
        let mut queue = admin.queues(&topic).await.unwrap()[0].queue();
        let absent = admin.set_group_offset("absent", &queue, 0).await;
        assert!(
            matches!(absent.unwrap_err().kind(), ErrorKind::GroupNotFound { .. }),
            "{name}"
        );
        queue.topic = "absent".to_owned();
        let absent = admin.set_group_offset(&group, &queue, 0).await;
        assert!(
            matches!(absent.unwrap_err().kind(), ErrorKind::TopicNotFound { .. }),
            "{name}"
        );
    }
}
