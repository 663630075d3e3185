//! `ringback broker|notifier|bank1|bank2`: one service in this process.
//!
//! Configuration is composed, logging started, the service run until it is asked to stop. Once it is ready it says
//! so with one JSON line on standard output, which is what `up`, `demo` and the tests wait for.

mod broker_metrics;
mod flags;
mod place;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

pub use self::flags::{Bank1Args, Bank2Args, BrokerArgs, Common, NotifierArgs};
use self::place::{named, prepare};
use crate::config::access::Environment;
use crate::config::compose::{self, Overrides};
use crate::failure::{Failure, Outcome};

/// Runs the embedded broker.
pub async fn broker(args: BrokerArgs) -> Outcome {
    let over = Overrides {
        ladder: args.ladder.ladder,
        ..overrides(&args.common)
    };
    let place = prepare(&args.common, "broker", |_, _| Ok(None))?;
    let scraped = match place.file.broker.embedded.metrics_listen {
        Some(address) => Some(service::http::bind(address).await?),
        None => None,
    };
    let config = compose::broker(place.file, &over, &place.data);
    let broker = broker::Broker::start(config)
        .await
        .map_err(|error| unstarted(error, &place.config))?;
    let scraping = broker_metrics::serve(scraped, &broker, place.shutdown.clone());
    announce("broker", broker.address());
    let soft = place.shutdown.soft();
    tokio::select! {
        () = soft.cancelled() => {}
        ended = scraping => ended?,
        // A store that has failed once refuses everything: better to end, so that whoever
        // supervises this process starts it anew.
        failure = broker.failed() => {
            place.shutdown.request();
            place.alarms.told().await;
            return Err(Failure::from(anyhow::Error::from(failure).context("the store failed")));
        }
    }
    broker
        .stop()
        .await
        .map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    place.alarms.told().await;
    Ok(ExitCode::SUCCESS)
}

/// Runs the notifier.
pub async fn notifier(args: NotifierArgs) -> Outcome {
    let over = Overrides {
        broker: args.broker.broker,
        ladder: args.ladder.ladder,
        database: args.database.database,
        ..overrides(&args.common)
    };
    let place = prepare(&args.common, "notifier", |file, data| {
        compose::database("notifier", file, over.database.as_deref(), data).map(Some)
    })?;
    let config = compose::notifier(place.file, &over, &place.data, &place.token)
        .map_err(named(&place.config))?;
    Box::pin(notifier::run(config, place.shutdown, |address| {
        announce("notifier", address)
    }))
    .await?;
    place.alarms.told().await;
    Ok(ExitCode::SUCCESS)
}

/// Runs bank1.
pub async fn bank1(args: Bank1Args) -> Outcome {
    let over = Overrides {
        broker: args.broker.broker,
        demo: args.demo.into(),
        database: args.database.database,
        ..overrides(&args.common)
    };
    let place = prepare(&args.common, "bank1", |_, _| Ok(None))?;
    let config = compose::bank1(place.file, &over, &place.data, &place.token)
        .map_err(named(&place.config))?;
    Box::pin(banks::bank1::run(config, place.shutdown, |address| {
        announce("bank1", address)
    }))
    .await?;
    place.alarms.told().await;
    Ok(ExitCode::SUCCESS)
}

/// Runs bank2.
pub async fn bank2(args: Bank2Args) -> Outcome {
    let over = Overrides {
        demo: args.demo.into(),
        database: args.database.database,
        ..overrides(&args.common)
    };
    let place = prepare(&args.common, "bank2", |_, _| Ok(None))?;
    let config = compose::bank2(place.file, &over, &place.data).map_err(named(&place.config))?;
    Box::pin(banks::bank2::run(config, place.shutdown, |address| {
        announce("bank2", address)
    }))
    .await?;
    place.alarms.told().await;
    Ok(ExitCode::SUCCESS)
}

/// A broker that did not start: over its configuration, or over the machine.
fn unstarted(error: broker::StartError, config: &Path) -> Failure {
    let configuration = matches!(
        error,
        broker::StartError::Name { .. } | broker::StartError::Value { .. }
    );
    let failure = Failure::from(anyhow::Error::from(error));
    if configuration {
        named(config)(Failure::usage(failure.message))
    } else {
        failure
    }
}

fn overrides(common: &Common) -> Overrides {
    Overrides {
        listen: common.listen,
        environment: Environment::read(),
        ..Overrides::default()
    }
}

/// Says that the service is ready. Nobody listening is no reason to stop.
fn announce(service: &str, address: SocketAddr) {
    tracing::info!(event = "ready", %address, pid = std::process::id());
    if let Err(error) = service::ready::announce(service, address) {
        tracing::warn!(event = "ready_line_not_read", %error);
    }
}
