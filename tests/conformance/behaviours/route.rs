//! Where a topic's messages are.

use anyhow::{Context, ensure};
use rocketmq_wire::remoting::TopicKind;
use rocketmq_wire::{resource, v2};

use crate::bench::Bench;
use crate::suite::{Outcome, behaviours};
use crate::wire::{KINDS, ok, says};

behaviours! {
    "route.fields": "a queue of a route says topic, number, permission, broker, address and the one type it takes" => fields;
    "route.queues": "a route names every queue" => queues, differs "a topic has one queue; order is not promised by either";
    "route.endpoints-unread": "the endpoints of a request change nothing" => endpoints_unread;
    "route.unknown-topic": "an unknown topic has no route" => unknown_topic;
    "route.illegal-topic": "an illegal topic is refused as such" => illegal_topic;
    "route.assignment": "an assignment is one queue, -1, for a broker, whatever the group" => assignment;
}

async fn fields(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    for (kind, accepts) in KINDS {
        let topic = bench.topic(kind).await?;
        let reply = client.route(&topic).await?;
        ok(reply.status)?;
        let [queue] = &reply.message_queues[..] else {
            anyhow::bail!("{} queues instead of one", reply.message_queues.len());
        };
        ensure!(
            queue.topic.as_ref().is_some_and(|t| t.name == topic),
            "{:?}",
            queue.topic
        );
        ensure!(queue.id == 0, "id {}", queue.id);
        ensure!(queue.permission() == v2::Permission::ReadWrite, "{queue:?}");
        let broker = queue.broker.as_ref().context("no broker")?;
        ensure!(!broker.name.is_empty() && broker.id == 0, "{broker:?}");
        let endpoints = broker.endpoints.as_ref().context("no endpoints")?;
        let port: i32 = bench
            .grpc()
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .parse()?;
        ensure!(
            endpoints.addresses.iter().all(|a| a.port == port),
            "{endpoints:?}"
        );
        ensure!(
            queue.accept_message_types == [i32::from(accepts)],
            "{queue:?}"
        );
    }
    Ok(())
}

async fn queues(bench: Bench) -> Outcome {
    let (client, topic) = (
        bench.client().await?,
        bench.topic_with(TopicKind::Normal, 4).await?,
    );
    let ids: Vec<i32> = client
        .route(&topic)
        .await?
        .message_queues
        .iter()
        .map(|q| q.id)
        .collect();
    let expected = bench.either(vec![0, 1, 2, 3], vec![0]);
    ensure!(ids == expected, "{ids:?}");
    Ok(())
}

async fn endpoints_unread(bench: Bench) -> Outcome {
    let (client, topic) = (bench.client().await?, bench.normal().await?);
    let elsewhere = v2::Endpoints {
        scheme: v2::AddressScheme::DomainName.into(),
        addresses: vec![v2::Address {
            host: "localhost".into(),
            port: 9999,
        }],
    };
    let request = client.request(v2::QueryRouteRequest {
        topic: Some(resource(&topic)),
        endpoints: Some(elsewhere),
    });
    let told = client.grpc.clone().query_route(request).await?.into_inner();
    ensure!(
        told.message_queues == client.route(&topic).await?.message_queues,
        "{told:?}"
    );
    Ok(())
}

async fn unknown_topic(bench: Bench) -> Outcome {
    let (client, group) = (bench.client().await?, bench.group().await?);
    let words = "No topic route info";
    says(
        client.route("no_such_topic").await?.status,
        v2::Code::TopicNotFound,
        words,
    )?;
    let assigned = client.assignment(&group, "no_such_topic").await?;
    says(assigned.status, v2::Code::TopicNotFound, words)
}

async fn illegal_topic(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    says(
        client.route("a.b").await?.status,
        v2::Code::IllegalTopic,
        "contains illegal characters",
    )
}

async fn assignment(bench: Bench) -> Outcome {
    let client = bench.client().await?;
    let topic = bench.topic_with(TopicKind::Normal, 4).await?;
    for group in [bench.group().await?, "no_such_group".to_owned()] {
        let reply = client.assignment(&group, &topic).await?;
        ok(reply.status)?;
        let [assignment] = &reply.assignments[..] else {
            anyhow::bail!("{} assignments instead of one", reply.assignments.len());
        };
        let queue = assignment.message_queue.as_ref().context("no queue")?;
        ensure!(queue.id == -1, "id {}", queue.id);
        ensure!(queue.permission() == v2::Permission::ReadWrite, "{queue:?}");
        ensure!(queue.accept_message_types.is_empty(), "{queue:?}");
    }
    Ok(())
}
