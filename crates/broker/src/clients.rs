//! The clients that are there: their Settings, and the stream on which each can be told something.
//!
//! A client is known by its id from its Settings until it terminates or sends no heartbeat for the
//! idle time; then it is forgotten without a word, as Apache RocketMQ does. All of it is memory: a
//! broker that restarts knows nobody, and clients send their Settings anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rocketmq_wire::v2;
use rocketmq_wire::v2::settings::PubSub;
use tokio::sync::mpsc;

/// The way to a client: what its telemetry stream sends next.
pub(crate) type Commands = mpsc::Sender<Result<v2::TelemetryCommand, tonic::Status>>;

/// More clients than this are refused.
const MOST: usize = 10_000;

struct Client {
    settings: v2::Settings,
    /// `None`: its stream has ended, its Settings have not.
    commands: Option<Commands>,
    last_heard: Instant,
}

impl Client {
    fn publishes(&self, topic: &str) -> bool {
        matches!(&self.settings.pub_sub, Some(PubSub::Publishing(publishing))
            if publishing.topics.iter().any(|resource| resource.name == topic))
    }
}

#[derive(Default)]
struct Known {
    clients: HashMap<String, Client>,
    /// By topic: how many check-backs were given out, so that they go round.
    turns: HashMap<String, usize>,
}

/// All clients.
pub(crate) struct Clients {
    known: Mutex<Known>,
    idle: Duration,
}

impl Clients {
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            known: Mutex::default(),
            idle,
        }
    }

    /// Takes up a client's Settings; false if there are too many clients.
    pub(crate) fn put(
        &self,
        id: &str,
        settings: v2::Settings,
        commands: Commands,
        now: Instant,
    ) -> bool {
        let mut known = self.known();
        if !known.clients.contains_key(id) {
            known
                .clients
                .retain(|_, client| now.duration_since(client.last_heard) < self.idle);
            if known.clients.len() >= MOST {
                return false;
            }
        }
        let client = Client {
            settings,
            commands: Some(commands),
            last_heard: now,
        };
        known.clients.insert(id.to_owned(), client);
        true
    }

    /// A heartbeat; false if the client is not known.
    pub(crate) fn heard(&self, id: &str, now: Instant) -> bool {
        let mut known = self.known();
        let Some(client) = known.awake(id, now, self.idle) else {
            return false;
        };
        client.last_heard = now;
        true
    }

    /// Whether the client is known. Asking is not hearing.
    pub(crate) fn knows(&self, id: &str, now: Instant) -> bool {
        self.known().awake(id, now, self.idle).is_some()
    }

    /// Forgets a client; false if it was not known.
    pub(crate) fn forget(&self, id: &str, now: Instant) -> bool {
        let mut known = self.known();
        let was_known = known.awake(id, now, self.idle).is_some();
        known.clients.remove(id);
        was_known
    }

    /// Whether the client is there and said that it consumes.
    pub(crate) fn consumes(&self, id: &str, now: Instant) -> bool {
        let mut known = self.known();
        known
            .awake(id, now, self.idle)
            .is_some_and(|client| matches!(client.settings.pub_sub, Some(PubSub::Subscription(_))))
    }

    /// The client's stream has ended. Its Settings stay, unless another stream has taken over.
    pub(crate) fn hung_up(&self, id: &str, commands: &Commands) {
        if let Some(client) = self.known().clients.get_mut(id)
            && client
                .commands
                .as_ref()
                .is_some_and(|current| current.same_channel(commands))
        {
            client.commands = None;
        }
    }

    /// Hangs up on everyone, so that their streams end.
    pub(crate) fn hang_up_all(&self) {
        self.known().clients.clear();
    }

    /// The streams of those who publish `topic`, beginning with whose turn it is.
    pub(crate) fn publishers(&self, topic: &str, now: Instant) -> Vec<Commands> {
        let mut known = self.known();
        let mut found: Vec<(&str, &Commands)> = known
            .clients
            .iter()
            .filter(|(_, client)| {
                now.duration_since(client.last_heard) < self.idle && client.publishes(topic)
            })
            .filter_map(|(id, client)| Some((id.as_str(), client.commands.as_ref()?)))
            .filter(|(_, commands)| !commands.is_closed())
            .collect();
        if found.is_empty() {
            return Vec::new();
        }
        found.sort_unstable_by_key(|(id, _)| *id);
        let mut streams: Vec<Commands> = found
            .into_iter()
            .map(|(_, commands)| commands.clone())
            .collect();
        let turn = known.turns.entry(topic.to_owned()).or_default();
        *turn = turn.wrapping_add(1);
        let first = *turn % streams.len();
        streams.rotate_left(first);
        streams
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is a single insert or remove: a panic elsewhere leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The client, unless it has been silent for too long: then it is forgotten here.
    fn awake(&mut self, id: &str, now: Instant, idle: Duration) -> Option<&mut Client> {
        let asleep = now.duration_since(self.clients.get(id)?.last_heard) >= idle;
        if asleep {
            self.clients.remove(id);
        }
        self.clients.get_mut(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(120);

    fn producer(topics: &[&str]) -> v2::Settings {
        let topics = topics
            .iter()
            .copied()
            .map(rocketmq_wire::resource)
            .collect();
        let publishing = v2::Publishing {
            topics,
            ..Default::default()
        };
        v2::Settings {
            pub_sub: Some(PubSub::Publishing(publishing)),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_silent_client_is_forgotten_and_asking_about_it_does_not_wake_it() {
        let (clients, start) = (Clients::new(IDLE), Instant::now());
        assert!(clients.put("a", producer(&["t"]), mpsc::channel(1).0, start));
        assert!(clients.knows("a", start + IDLE / 2));
        assert!(!clients.knows("a", start + IDLE));
        assert!(!clients.heard("a", start + IDLE));
    }

    #[tokio::test]
    async fn check_backs_go_round_those_who_publish_the_topic() {
        let (clients, now) = (Clients::new(IDLE), Instant::now());
        let streams = ["a", "b", "c"].map(|_| mpsc::channel(1));
        for (id, topic, (commands, _)) in [
            ("a", "t", &streams[0]),
            ("b", "other", &streams[1]),
            ("c", "t", &streams[2]),
        ] {
            assert!(clients.put(id, producer(&[topic]), commands.clone(), now));
        }
        let firsts: Vec<bool> = (0..4)
            .map(|_| clients.publishers("t", now)[0].same_channel(&streams[0].0))
            .collect();
        assert_eq!(
            firsts.iter().filter(|first| **first).count(),
            2,
            "{firsts:?}"
        );
        assert_ne!(firsts[0], firsts[1]);
    }

    #[tokio::test]
    async fn an_old_streams_end_does_not_hang_up_the_new_one() {
        let (clients, now) = (Clients::new(IDLE), Instant::now());
        let ((old, _old), (new, _new)) = (mpsc::channel(1), mpsc::channel(1));
        assert!(clients.put("a", producer(&["t"]), old.clone(), now));
        assert!(clients.put("a", producer(&["t"]), new, now));
        clients.hung_up("a", &old);
        assert_eq!(clients.publishers("t", now).len(), 1);
    }
}
