//! Where a topic's messages are, and for how long that is believed.
//!
//! A route is kept for [`FRESH`]; how it is asked for is the business of [`crate::lookup`]. An old one
//! is better than none; when a call by it fails, it is doubted and asked for anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocketmq_wire::v2;
use tokio::time::Instant;

use crate::address::Address;
use crate::lookup::Asking;

/// How long a route is used without asking again. Proxies of 5.5.0 learn within 20 s that a broker is
/// back; this comes on top.
const FRESH: Duration = Duration::from_secs(5);
/// Most routes that are kept; beyond that the cache starts anew.
const MOST: usize = 1024;

/// Where a topic's messages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The topic.
    pub topic: String,
    /// The brokers that have queues of it, by name.
    pub brokers: Vec<BrokerRoute>,
}

/// One broker of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRoute {
    /// The broker's name.
    pub name: String,
    /// How many queues of the topic it has.
    pub queues: usize,
    /// The endpoints that serve it.
    pub(crate) addresses: Vec<Address>,
}

impl BrokerRoute {
    /// `host:port` of the endpoints that serve it.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(Address::as_str)
    }
}

impl Route {
    pub(crate) fn from_wire(topic: &str, queues: Vec<v2::MessageQueue>) -> Self {
        let mut brokers: Vec<BrokerRoute> = Vec::new();
        for broker in queues.into_iter().filter_map(|queue| queue.broker) {
            match brokers.iter_mut().find(|known| known.name == broker.name) {
                Some(known) => known.queues += 1,
                None => brokers.push(BrokerRoute {
                    addresses: broker
                        .endpoints
                        .as_ref()
                        .map(Address::from_wire)
                        .unwrap_or_default(),
                    name: broker.name,
                    queues: 1,
                }),
            }
        }
        brokers.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            topic: topic.to_owned(),
            brokers,
        }
    }

    /// Every endpoint of the route, each once, beginning at broker number `start` so that senders
    /// that count up spread over the brokers, and after each round over the brokers at their next
    /// endpoint: proxies that all serve every broker are all used.
    pub(crate) fn addresses(&self, start: usize) -> Vec<Address> {
        let mut all = Vec::new();
        let count = self.brokers.len().max(1);
        for broker in turned(&self.brokers, start) {
            for address in turned(&broker.addresses, start / count) {
                if !all.contains(address) {
                    all.push(address.clone());
                }
            }
        }
        all
    }
}

/// `all`, beginning at number `start`, which may be beyond the end.
pub(crate) fn turned<T>(all: &[T], start: usize) -> impl Iterator<Item = &T> {
    all.iter()
        .cycle()
        .skip(start % all.len().max(1))
        .take(all.len())
}

/// The routes that are known.
#[derive(Debug, Default)]
pub(crate) struct RouteCache {
    routes: Mutex<HashMap<String, (Arc<Route>, Instant)>>,
    /// The questions that are under way.
    pub(crate) asking: Asking,
}

/// What is known of a topic's route.
#[derive(Debug)]
pub(crate) enum Known {
    /// Not asked yet, or the topic was missing.
    Nothing,
    /// Young enough to be used without asking.
    Fresh(Arc<Route>),
    /// To be asked for anew, and used for want of a newer one.
    Old(Arc<Route>),
}

impl RouteCache {
    pub(crate) fn get(&self, topic: &str) -> Known {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        match routes.get(topic) {
            None => Known::Nothing,
            Some((route, asked)) if asked.elapsed() < FRESH => Known::Fresh(Arc::clone(route)),
            Some((route, _)) => Known::Old(Arc::clone(route)),
        }
    }

    pub(crate) fn put(&self, topic: &str, route: &Arc<Route>) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if routes.len() >= MOST && !routes.contains_key(topic) {
            routes.clear();
        }
        routes.insert(topic.to_owned(), (Arc::clone(route), Instant::now()));
    }

    /// Makes the next look-up ask the servers; what is known stays for when they are silent.
    pub(crate) fn doubt(&self, topic: &str) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, asked)) = routes.get_mut(topic)
            && let Some(long_ago) = asked.checked_sub(FRESH)
        {
            *asked = long_ago;
        }
    }

    pub(crate) fn forget(&self, topic: &str) {
        self.routes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(broker: &str, host: &str) -> v2::MessageQueue {
        v2::MessageQueue {
            broker: Some(v2::Broker {
                name: broker.to_owned(),
                id: 0,
                endpoints: Some(Address::to_wire(&[Address::parse(host).unwrap()])),
            }),
            ..Default::default()
        }
    }

    #[test]
    fn a_route_lists_each_broker_once_with_its_queues() {
        let route = Route::from_wire(
            "t",
            vec![queue("b", "2:1"), queue("a", "1:1"), queue("b", "2:1")],
        );
        let brokers: Vec<_> = route
            .brokers
            .iter()
            .map(|b| (b.name.as_str(), b.queues))
            .collect();
        assert_eq!(brokers, [("a", 1), ("b", 2)]);
    }

    #[test]
    fn senders_that_count_up_begin_at_each_broker_in_turn() {
        let route = Route::from_wire("t", vec![queue("a", "one:1"), queue("b", "two:1")]);
        assert_eq!(route.addresses(0)[0].as_str(), "one:1");
        assert_eq!(route.addresses(1)[0].as_str(), "two:1");
        assert_eq!(route.addresses(2)[0].as_str(), "one:1");
        assert_eq!(route.addresses(1).len(), 2);
    }

    #[test]
    fn of_proxies_that_serve_every_broker_each_is_the_first_in_its_turn() {
        let both = [
            Address::parse("one:1").unwrap(),
            Address::parse("two:1").unwrap(),
        ];
        let queue = |broker: &str| v2::MessageQueue {
            broker: Some(v2::Broker {
                name: broker.to_owned(),
                id: 0,
                endpoints: Some(Address::to_wire(&both)),
            }),
            ..Default::default()
        };
        let route = Route::from_wire("t", vec![queue("a"), queue("b")]);
        let first: Vec<_> = (0..4)
            .map(|turn| route.addresses(turn)[0].clone())
            .collect();
        for address in &both {
            assert_eq!(first.iter().filter(|&one| one == address).count(), 2);
        }
        assert_eq!(route.addresses(3).len(), 2);
    }
}
