//! The `ringback.toml` of a run.

use std::fmt::Write;
use std::net::SocketAddr;

/// The secret that signs; what it is does not matter here.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A receiver of the run.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub id: String,
    /// How the sink behaves: `/ok`, `/fail`, `/rungs`, `/hang`.
    pub path: &'static str,
    pub concurrency: u32,
    pub queue: u32,
}

/// What a scenario asks for.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub endpoints: Vec<Endpoint>,
    pub ladder: String,
    /// Delays of `ladder` in milliseconds, for the sink.
    pub rungs_ms: Vec<u64>,
}

/// Where everything listens.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// gRPC.
    pub broker: String,
    /// Remoting.
    pub admin: String,
    /// Whether the broker is a child of ours.
    pub embedded: bool,
    pub notifier: SocketAddr,
    pub sink: SocketAddr,
}

/// Names of this run alone: a broker that is there keeps what earlier runs left.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub topic: String,
    pub group: String,
}

impl Endpoint {
    /// One that may take much at a time, as who drains a backlog would set it.
    pub(crate) fn wide(id: &str, path: &'static str) -> Self {
        Self {
            id: id.to_owned(),
            path,
            concurrency: 64,
            queue: 1024,
        }
    }

    /// One with the limits that an endpoint has if nothing is said.
    pub(crate) fn usual(id: String, path: &'static str) -> Self {
        Self {
            id,
            path,
            concurrency: 16,
            queue: 256,
        }
    }
}

impl Plan {
    /// The file.
    pub(crate) fn render(&self, places: &Places, names: &Names, database: Option<&str>) -> String {
        let Places {
            broker,
            admin,
            embedded,
            notifier,
            sink,
        } = places;
        let Names { topic, group } = names;
        let ladder = &self.ladder;
        let mut text = format!("[broker]\naddress = \"{broker}\"\nadmin = \"{admin}\"\n");
        if *embedded {
            let section = format!(
                "[broker.embedded]\nlisten = \"{broker}\"\nremoting_listen = \"{admin}\"\n\
                 [[broker.embedded.topic]]\nname = \"{topic}\"\ntype = \"normal\"\n\
                 [[broker.embedded.group]]\nname = \"{group}\"\nladder = \"{ladder}\"\n"
            );
            text.push_str(&section);
        }
        let line = |url: &str| format!("database = \"{url}\"\n");
        let database = database.map_or(String::new(), line);
        let mut add = |part: String| text.push_str(&part);
        add(format!("[notifier]\nlisten = \"{notifier}\"\n{database}"));
        add("[egress]\nallow = [\"127.0.0.0/8\"]\n".to_owned());
        for endpoint in &self.endpoints {
            let Endpoint {
                id,
                path,
                concurrency,
                queue,
            } = endpoint;
            // What refuses everything is measured here, not shut off.
            let breaker = match *path {
                "/fail" | "/rungs" => "breaker = \"off\"\n",
                _ => "",
            };
            add(format!(
                "[[endpoint]]\nid = \"{id}\"\nurl = \"http://{sink}{path}\"\nsecrets = [\"{SECRET}\"]\n\
                 ladder = \"{ladder}\"\nconcurrency = {concurrency}\nqueue = {queue}\n{breaker}"
            ));
        }
        let endpoint = match self.endpoints.as_slice() {
            [only] => &only.id,
            _ => "*",
        };
        // Writing to a String can't fail.
        let _infallible = write!(
            text,
            "[[subscription]]\ngroup = \"{group}\"\ntopic = \"{topic}\"\nendpoint = \"{endpoint}\"\n"
        );
        text
    }
}
