//! The telemetry stream: Settings said, commands heard.

use std::time::Duration;

use anyhow::{Context, bail};
use rocketmq_wire::v2::settings::PubSub;
use rocketmq_wire::v2::telemetry_command::Command;
use rocketmq_wire::{resource, v2};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::Streaming;
use tonic::metadata::MetadataMap;

use crate::client::Client;

/// For an answer that is expected at once.
const SOON: Duration = Duration::from_secs(15);

/// An open stream; dropping it hangs up.
pub(crate) struct Telemetry {
    say: mpsc::Sender<v2::TelemetryCommand>,
    hear: Hearing,
}

/// A server may keep even its headers until it has something to say.
enum Hearing {
    Opening(AbortOnDropHandle<Result<Streaming<v2::TelemetryCommand>, tonic::Status>>),
    Open(Box<Streaming<v2::TelemetryCommand>>),
}

impl Hearing {
    async fn message(&mut self) -> Result<Option<v2::TelemetryCommand>, tonic::Status> {
        loop {
            match self {
                Hearing::Open(stream) => return stream.message().await,
                Hearing::Opening(opening) => {
                    let opened = opening.await;
                    let opened =
                        opened.map_err(|error| tonic::Status::cancelled(error.to_string()));
                    *self = Hearing::Open(Box::new(opened??));
                }
            }
        }
    }
}

impl Telemetry {
    pub(crate) fn open(client: &Client) -> Self {
        Self::open_with(client, |_| {})
    }

    /// Opens the stream, with other metadata than usual.
    pub(crate) fn open_with(client: &Client, change: impl FnOnce(&mut MetadataMap)) -> Self {
        let (say, said) = mpsc::channel(16);
        let mut request = client.request(ReceiverStream::new(said));
        change(request.metadata_mut());
        let mut grpc = client.grpc.clone();
        let opening = async move { Ok(grpc.telemetry(request).await?.into_inner()) };
        Self {
            say,
            hear: Hearing::Opening(AbortOnDropHandle::new(tokio::spawn(opening))),
        }
    }

    pub(crate) async fn say(&self, command: Command) -> anyhow::Result<()> {
        let command = v2::TelemetryCommand {
            status: None,
            command: Some(command),
        };
        self.say.send(command).await.context("the stream has ended")
    }

    /// The next command, or the error or end that came instead.
    pub(crate) async fn hear(&mut self) -> Result<Option<v2::TelemetryCommand>, tonic::Status> {
        match tokio::time::timeout(SOON, self.hear.message()).await {
            Ok(heard) => heard,
            Err(_) => Err(tonic::Status::deadline_exceeded("nothing was heard")),
        }
    }

    /// Says Settings and hears them back.
    pub(crate) async fn settings(
        &mut self,
        settings: v2::Settings,
    ) -> anyhow::Result<v2::Settings> {
        match self.try_settings(settings).await? {
            Ok(settings) => Ok(settings),
            Err(status) => bail!(
                "Settings are answered by {:?} {:?}",
                status.code(),
                status.message()
            ),
        }
    }

    /// Says Settings and listens to nothing yet.
    pub(crate) async fn settings_unheard(&self, settings: v2::Settings) -> anyhow::Result<()> {
        self.say(Command::Settings(settings)).await
    }

    /// Says Settings; the inner error is the broker's.
    pub(crate) async fn try_settings(
        &mut self,
        settings: v2::Settings,
    ) -> anyhow::Result<Result<v2::Settings, tonic::Status>> {
        self.say(Command::Settings(settings)).await?;
        loop {
            let heard = match self.hear().await {
                Ok(heard) => heard.context("the stream ended")?,
                Err(status) => return Ok(Err(status)),
            };
            match heard.command {
                Some(Command::Settings(settings)) => {
                    crate::wire::ok(heard.status)?;
                    return Ok(Ok(settings));
                }
                // A check-back that was on its way.
                Some(Command::RecoverOrphanedTransactionCommand(_)) => {}
                // Refused before it was looked at, for whom it came from; the stream stays.
                None if crate::wire::code(heard.status.clone()) != v2::Code::Ok => {
                    let status = heard.status.unwrap_or_default();
                    let words = format!("{} {}", status.code().as_str_name(), status.message);
                    return Ok(Err(tonic::Status::permission_denied(words)));
                }
                other => bail!("{other:?} instead of Settings"),
            }
        }
    }

    /// The next check-back within so long, if there is one.
    pub(crate) async fn check(
        &mut self,
        within: Duration,
    ) -> anyhow::Result<Option<v2::RecoverOrphanedTransactionCommand>> {
        let Ok(heard) = tokio::time::timeout(within, self.hear.message()).await else {
            return Ok(None);
        };
        match heard?.context("the stream ended")?.command {
            Some(Command::RecoverOrphanedTransactionCommand(check)) => Ok(Some(check)),
            other => bail!("{other:?} instead of a check-back"),
        }
    }

    /// Ends this side and waits for the other's end.
    pub(crate) async fn half_close(self) -> anyhow::Result<()> {
        let Self { say, mut hear } = self;
        drop(say);
        let ended = tokio::time::timeout(SOON, async {
            while hear.message().await?.is_some() {}
            Ok::<_, tonic::Status>(())
        });
        Ok(ended
            .await
            .context("the server does not end the stream")??)
    }
}

/// The least that a consumer says.
pub(crate) fn consumer_settings(group: &str) -> v2::Settings {
    let subscription = v2::Subscription {
        group: Some(resource(group)),
        ..Default::default()
    };
    v2::Settings {
        client_type: Some(v2::ClientType::SimpleConsumer.into()),
        pub_sub: Some(PubSub::Subscription(subscription)),
        ..Default::default()
    }
}

/// The least that a producer says.
pub(crate) fn producer_settings(topics: &[&str]) -> v2::Settings {
    let publishing = v2::Publishing {
        topics: topics.iter().copied().map(resource).collect(),
        ..Default::default()
    };
    v2::Settings {
        client_type: Some(v2::ClientType::Producer.into()),
        pub_sub: Some(PubSub::Publishing(publishing)),
        ..Default::default()
    }
}
