//! The four services for one test: a folder and random ports of their own, demo mode, short deadlines.

use std::path::Path;
use std::time::Duration;

use database::Dialect;
use database::testing::Databases;
use demo::{
    Addresses, BrokerChoice, ConfigFile, DataFolder, DatabaseUrls, DemoAmounts, Ports, Program,
    Stage, StagePlan, Timings, UsualPorts, World,
};
use tempfile::TempDir;

/// How long a test waits for something that has to happen, on a machine with other things to do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a test wants otherwise than the demo has it.
pub struct Setting {
    /// The ladder.
    pub ladder: &'static str,
    /// The broker.
    pub broker: BrokerChoice,
    /// Changes the text of `ringback.toml` before the services read it.
    pub config: Box<dyn Fn(String) -> String>,
    /// Databases on a server of the test's own; otherwise SQLite, or the server that all tests run on.
    pub databases: Option<DatabaseUrls>,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting {
            ladder: "1s,2s,3s",
            broker: BrokerChoice::Embedded,
            config: Box::new(|text| text),
            databases: None,
        }
    }
}

impl Setting {
    /// The notifications go to this URL, one at a time, instead of to bank2.
    pub fn one_at_a_time_to(url: String) -> Setting {
        let config = move |text: String| {
            let bank2 = text
                .lines()
                .find(|line| line.starts_with("url = "))
                .expect("an endpoint has a URL");
            text.replace(bank2, &format!("url = \"{url}\"\nconcurrency = 1"))
        };
        Setting {
            config: Box::new(config),
            ..Setting::default()
        }
    }
}

/// Running services and a client of them. Dropping it kills the services.
pub struct TestStage {
    /// The services.
    pub stage: Stage,
    /// A client of them.
    pub world: World,
    /// Their folder.
    pub folder: DataFolder,
    temporary: Option<TempDir>,
    /// Dropped behind the services that use them.
    _databases: Databases,
}

impl TestStage {
    /// Raises the services of `program`.
    pub async fn raise(program: &Path, setting: Setting) -> TestStage {
        let temporary = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = DataFolder::keep(temporary.path()).expect("a fresh folder is free");
        let plan = StagePlan {
            program: Program {
                path: program.to_path_buf(),
                without: Vec::new(),
            },
            broker: setting.broker.clone(),
            amounts: DemoAmounts::On,
            ladder: None,
        };
        let databases = Databases::within(folder.path());
        let mut config = ConfigFile::new(setting.ladder, Timings::DEMO);
        config.databases = setting.databases.or_else(|| urls(&databases));
        let mut ports = Ports::new(UsualPorts::Avoid, fastrand::Rng::new());
        // Another process may take a port between the look and the bind; then with others.
        let mut tries = 0;
        let stage = loop {
            let addresses = addresses(&setting.broker, &mut ports);
            let file = config
                .write(folder.path(), &addresses)
                .expect("the folder can be written to");
            let text = std::fs::read_to_string(&file).expect("just written");
            std::fs::write(&file, (setting.config)(text)).expect("just written");
            tries += 1;
            match Stage::raise_at(&plan, &folder, file, addresses).await {
                Ok(stage) => break stage,
                Err(error) => assert!(tries < 3, "the services do not come up: {error}"),
            }
        };
        let world = World::new(http(), &stage.addresses, folder.path())
            .expect("the token is made at start");
        TestStage {
            stage,
            world,
            folder,
            temporary: Some(temporary),
            _databases: databases,
        }
    }
}

impl Drop for TestStage {
    fn drop(&mut self) {
        if let (true, Some(temporary)) = (std::thread::panicking(), self.temporary.take()) {
            println!(
                "the services' logs are kept: {}",
                temporary.keep().join("logs").display()
            );
        }
    }
}

/// The services' databases on the server that all tests run on, if one is named.
fn urls(databases: &Databases) -> Option<DatabaseUrls> {
    let url = |name| databases.config(name).url;
    match databases.dialect() {
        Dialect::Sqlite => None,
        Dialect::MariaDb => Some(DatabaseUrls {
            bank1: url("bank1"),
            bank2: url("bank2"),
            notifier: url("notifier"),
        }),
    }
}

/// A client as the services have it.
pub fn http() -> reqwest::Client {
    service::http_client::build(&service::http_client::HttpOptions::default())
        .expect("a client can be built")
}

fn addresses(broker: &BrokerChoice, ports: &mut Ports) -> Addresses {
    Addresses::pick(broker, ports).expect("some port is free")
}
