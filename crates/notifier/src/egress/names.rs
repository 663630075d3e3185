//! Names to addresses: asked once at a time, and sifted by the rules.
//!
//! The HTTP client connects to what comes out of here and to nothing else, so the address that is judged is the
//! address that is connected to: a name that leads somewhere else at the next question gains nothing by it.
//!
//! A name whose servers do not answer holds a thread of the system's resolver for many seconds, longer than any
//! attempt lasts. So of all who ask for one name at the same time one asks the system and the others wait for its
//! answer: a receiver without a working name takes one thread, however many notifications it has.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Policy;

/// Asks the system for a name.
pub(crate) type Ask =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

type Answer = Result<Vec<SocketAddr>, Arc<io::Error>>;

/// The names that are being asked for; clones share them.
#[derive(Clone)]
pub(crate) struct Names {
    ask: Ask,
    asking: Arc<Mutex<HashMap<String, Shared<BoxFuture<'static, Answer>>>>>,
}

impl Names {
    /// Those of the system.
    pub(crate) fn system() -> Self {
        Self::asking(Arc::new(|name| {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
        }))
    }

    pub(crate) fn asking(ask: Ask) -> Self {
        Self {
            ask,
            asking: Arc::default(),
        }
    }

    /// A name's addresses, all of them.
    pub(crate) async fn lookup(&self, name: &str) -> Answer {
        let answer = {
            let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
            match asking.get(name) {
                Some(asked) => asked.clone(),
                None => {
                    let asked = self.clone().begin(name.to_owned());
                    asking.insert(name.to_owned(), asked.clone());
                    asked
                }
            }
        };
        answer.await
    }

    /// Asks in a task of its own: whoever began it may give up, the others get their answer all the same.
    fn begin(self, name: String) -> Shared<BoxFuture<'static, Answer>> {
        let task = tokio::spawn(async move {
            let answer = (self.ask)(name.clone()).await;
            let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
            asking.remove(&name);
            answer.map_err(Arc::new)
        });
        let answer =
            task.map(|ended| ended.unwrap_or_else(|died| Err(Arc::new(io::Error::other(died)))));
        answer.boxed().shared()
    }
}

/// The resolver of one policy's client.
pub(super) struct Sifted {
    pub(super) names: Names,
    pub(super) policy: Arc<Policy>,
}

impl Resolve for Sifted {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, policy) = (self.names.clone(), self.policy.clone());
        Box::pin(async move {
            let found = names.lookup(name.as_str()).await?;
            let permitted = policy.sift(name.as_str(), found)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}
