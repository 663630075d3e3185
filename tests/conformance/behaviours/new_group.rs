//! Where a new group begins.

use std::time::Duration;

use anyhow::ensure;

use crate::bench::Bench;
use crate::suite::{Outcome, behaviours};
use crate::wire::message;

behaviours! {
    "new-group.beginning": "a new group, made or made by receiving, begins at the first message while that is in memory" => beginning;
}

async fn beginning(bench: Bench) -> Outcome {
    let (client, topic, first) = (
        bench.client().await?,
        bench.normal().await?,
        bench.group().await?,
    );
    let _stream = client.consume(&first).await?;
    ok_all(&client, &topic).await?;
    let read = client
        .collect(&first, &topic, 20, Duration::from_secs(20))
        .await?;
    ensure!(read.len() == 20, "{}", read.len());
    for later in [bench.group().await?, bench.name("made_by_receiving")] {
        let read = client
            .collect(&later, &topic, 20, Duration::from_secs(20))
            .await?;
        ensure!(read.len() == 20, "{}", read.len());
    }
    Ok(())
}

async fn ok_all(client: &crate::client::Client, topic: &str) -> Outcome {
    for _ in 0..20 {
        client.send(message(topic)).await?;
    }
    Ok(())
}
