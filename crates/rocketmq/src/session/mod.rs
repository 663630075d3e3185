//! Telemetry: one session per (role, endpoint), kept up in the background.
//!
//! A session is what makes a server know a client: it holds the Settings, and check-backs come over
//! it. Servers forget Settings without a word, so the session sends them on every connect, and again
//! whenever a heartbeat or a receive shows that they are gone. The invariant: after
//! [`Sessions::open`], whatever the endpoint does, the session comes back without anyone asking.

mod follow;
mod settings;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocketmq_wire::{resource, v2};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::settings::BackoffPolicy;
pub(crate) use self::settings::{filter, publishing, subscription, wire_span};
use crate::address::Address;
use crate::call::Caller;
use crate::checks::Checks;

/// What a client is to the servers, and what it does with what they send.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) caller: Caller,
    pub(crate) settings: v2::Settings,
    /// Who answers check-backs; nobody does for a role that declares no topics.
    pub(crate) checks: Option<Arc<Checks>>,
    /// Where the group's retry policy goes.
    pub(crate) policy: watch::Sender<Option<BackoffPolicy>>,
}

impl Role {
    /// The consumer group, if this is a consumer.
    fn group(&self) -> Option<v2::Resource> {
        match &self.settings.pub_sub {
            Some(v2::settings::PubSub::Subscription(subscription)) => subscription.group.clone(),
            _ => None,
        }
    }

    fn name(&self) -> String {
        self.group()
            .map_or_else(|| "producer".to_owned(), |group| group.name)
    }
}

/// What the server knows of this client, as far as the client can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Unknown,
    /// The Settings are on their way.
    Told,
    /// The server has acknowledged them.
    Ready,
}

/// One telemetry session, as its users see it.
#[derive(Debug)]
pub(crate) struct Session {
    standing: watch::Sender<Standing>,
    forgotten: Notify,
    stop: CancellationToken,
}

impl Session {
    /// Waits until the server has acknowledged the Settings.
    pub(crate) async fn ready(&self) {
        // Fails only when the sender is gone, and `self` holds it.
        let _ = self
            .standing
            .subscribe()
            .wait_for(|standing| *standing == Standing::Ready)
            .await;
    }

    /// The server showed that it has no Settings: sends them again.
    pub(crate) fn send_settings_again(&self) {
        self.standing.send_replace(Standing::Unknown);
        self.forgotten.notify_one();
    }
}

/// All sessions of one role. Cheap to clone; they end when the role's owner drops the guard from
/// [`Sessions::stop_on_drop`], or by [`Sessions::close`].
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    role: Arc<Role>,
    open: Arc<Mutex<HashMap<Address, Arc<Session>>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Sessions {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role: Arc::new(role),
            open: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<Address, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the sessions when the guard is dropped.
    pub(crate) fn stop_on_drop(&self) -> tokio_util::sync::DropGuard {
        self.stop.clone().drop_guard()
    }

    /// The session with `address`, begun if there is none.
    pub(crate) fn open(&self, address: &Address) -> Arc<Session> {
        let mut open = self.map();
        if let Some(session) = open.get(address) {
            return Arc::clone(session);
        }
        let session = Arc::new(Session {
            standing: watch::Sender::new(Standing::Unknown),
            forgotten: Notify::new(),
            stop: self.stop.child_token(),
        });
        open.insert(address.clone(), Arc::clone(&session));
        let (role, kept, address) = (
            Arc::clone(&self.role),
            Arc::clone(&session),
            address.clone(),
        );
        self.tasks.spawn(async move {
            let stop = kept.stop.clone();
            // Cut off at any await: nothing here needs an orderly end but the goodbye, see `close`.
            stop.run_until_cancelled(stream::keep_up(&role, &address, &kept))
                .await;
        });
        session
    }

    /// Ends the sessions with endpoints that are in no route any more.
    pub(crate) fn keep_only(&self, wanted: &[Address]) {
        self.map().retain(|address, session| {
            let keep = wanted.contains(address);
            if !keep {
                session.stop.cancel();
            }
            keep
        });
    }

    /// Ends the session with an endpoint that is in no route any more.
    pub(crate) fn end(&self, address: &Address) {
        if let Some(session) = self.map().remove(address) {
            session.stop.cancel();
        }
    }

    /// Says goodbye to every server that may know this client, then ends the sessions.
    pub(crate) async fn close(&self) {
        const OPERATION: &str = "notify client termination";
        let open: Vec<_> = self.map().drain().collect();
        let caller = &self.role.caller;
        let goodbyes = open
            .iter()
            .filter(|(_, session)| *session.standing.borrow() != Standing::Unknown)
            .map(|(address, _)| async move {
                let request = v2::NotifyClientTerminationRequest {
                    group: self.role.group(),
                };
                let reply = caller
                    .call(
                        OPERATION,
                        address,
                        caller.timeout(),
                        request,
                        |mut service, request| async move {
                            service.notify_client_termination(request).await
                        },
                    )
                    .await;
                if let Err(error) = reply {
                    // The server forgets silent clients by itself.
                    tracing::debug!(event = "goodbye_not_said", %address, %error);
                }
            });
        futures::future::join_all(goodbyes).await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Where a role's retry policy goes that nobody asks for.
pub(crate) fn unwatched_policy() -> watch::Sender<Option<BackoffPolicy>> {
    watch::Sender::new(None)
}

/// The heartbeat of a role.
fn heartbeat(role: &Role) -> v2::HeartbeatRequest {
    v2::HeartbeatRequest {
        group: role.group().map(|group| resource(group.name)),
        client_type: role.settings.client_type.unwrap_or_default(),
    }
}
