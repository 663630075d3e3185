//! The databases of one run of the demo on a server: made before it, dropped after it.

use database::Server;
use demo::DatabaseUrls;

use crate::failure::Failure;

/// Three databases of this run's own.
pub(super) struct Databases {
    server: Server,
    run: String,
}

const SERVICES: [&str; 3] = ["bank1", "bank2", "notifier"];

impl Databases {
    /// Makes them on the server at `url`.
    ///
    /// # Errors
    /// It is no server's URL, or the server can't be reached or lets nobody make databases.
    pub(super) async fn make(url: &str) -> Result<Self, Failure> {
        let server = Server::new(url).map_err(|error| {
            Failure::usage(format!("--database: {error}"))
                .help("The demo makes databases of its own there: mysql://root@127.0.0.1:3307/")
        })?;
        let now = service::clock::now_ms();
        let run = format!("ringback_demo_{now:x}_{:x}", std::process::id());
        let databases = Self { server, run };
        for service in SERVICES {
            let made = databases.server.create(&databases.name(service)).await;
            if let Err(error) = made {
                let failure = Failure::operation(format!("--database: {error}"));
                databases.discard().await?;
                return Err(failure);
            }
        }
        Ok(databases)
    }

    /// What opens each.
    pub(super) fn urls(&self) -> DatabaseUrls {
        let url = |service| self.server.config(&self.name(service)).url;
        DatabaseUrls {
            bank1: url("bank1"),
            bank2: url("bank2"),
            notifier: url("notifier"),
        }
    }

    /// Drops them.
    ///
    /// # Errors
    /// The server can't be reached any more: they stay behind there, and the message names them.
    pub(super) async fn discard(self) -> Result<(), Failure> {
        for service in SERVICES {
            let name = self.name(service);
            self.server.discard(&name).await.map_err(|error| {
                Failure::operation(format!("database {name} stays behind: {error}"))
            })?;
        }
        Ok(())
    }

    /// Where the server is.
    pub(super) fn shown(&self) -> String {
        let url = self.server.shown();
        url.rsplit('@')
            .next()
            .unwrap_or(&url)
            .trim_end_matches('/')
            .to_owned()
    }

    fn name(&self, service: &str) -> String {
        format!("{}_{service}", self.run)
    }
}
