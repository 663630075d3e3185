//! One telemetry stream: Settings first, then heartbeats out and the server's commands in, until it
//! breaks; then again, after a pause with jitter.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rocketmq_wire::v2::telemetry_command::Command;
use rocketmq_wire::{limits, status, v2};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;

use super::settings::BackoffPolicy;
use super::{Role, Session, Standing, heartbeat};
use crate::address::Address;
use crate::call::check;
use crate::checks::Checks;
use crate::error::{Error, ErrorKind};

const OPERATION: &str = "telemetry";
/// First and longest pause before connecting again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a stream lives after its Settings were acknowledged before its failures are forgotten: a
/// server that acknowledges and hangs up is no better than one that hangs up at once.
const STEADY: Duration = Duration::from_secs(10);
/// Commands that wait to be sent; each is an answer to one of the server's.
const OUTBOX: usize = 16;

/// Keeps a session with `address` up, for ever.
pub(super) async fn keep_up(role: &Role, address: &Address, session: &Session) {
    let mut failures = 0u32;
    loop {
        let error = match converse(role, address, session, &mut failures).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        session.standing.send_replace(Standing::Unknown);
        failures = failures.saturating_add(1);
        // Once at first, then ever more rarely: a broker that is away all night fills no log.
        if error.is_to_be_told(failures) {
            tracing::warn!(event = "telemetry_lost", %address, client = role.name(), failures, %error);
        }
        tokio::time::sleep(pause(failures, fastrand::f64())).await;
    }
}

/// The pause after so many failures in a row; `random` is in 0..1.
fn pause(failures: u32, random: f64) -> Duration {
    let doubled = FIRST_PAUSE * 2u32.saturating_pow(failures.saturating_sub(1).min(10));
    doubled.min(LONGEST_PAUSE).mul_f64(0.5 + random / 2.0)
}

/// Holds one conversation until it fails. Resets `failures` when it has held for [`STEADY`].
async fn converse(
    role: &Role,
    address: &Address,
    session: &Session,
    failures: &mut u32,
) -> Result<std::convert::Infallible, Error> {
    let caller = &role.caller;
    let timeout = caller.timeout();
    let (outbox, sent) = mpsc::channel(OUTBOX);
    // Never waits: a server that does not read what it asked for is as good as gone.
    let say = |command| {
        outbox
            .try_send(command)
            .map_err(|_| unreachable(address, "the server does not read"))
    };
    say(settings_of(role))?;
    session.standing.send_replace(Standing::Told);

    let mut service = caller.service(OPERATION, address)?;
    let opening = service.telemetry(caller.request(ReceiverStream::new(sent)));
    let answer = tokio::time::timeout(timeout, opening).await;
    let mut inbox = caller
        .settle(OPERATION, address, timeout, answer)?
        .into_inner();

    let mut beat_at = tokio::time::interval_at(
        Instant::now() + limits::HEARTBEAT_INTERVAL,
        limits::HEARTBEAT_INTERVAL,
    );
    beat_at.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // At most one: a heartbeat ends by its deadline before the next is due.
    let mut beats = FuturesUnordered::new();
    let mut acknowledged_by = Some(Instant::now() + timeout);
    let mut steady_at = None;
    loop {
        tokio::select! {
            command = inbox.next() => match command {
                Some(Ok(command)) => {
                    if let Some(error) = failure(&command) {
                        return Err(error);
                    }
                    if matches!(command.command, Some(Command::Settings(_))) {
                        acknowledged_by = None;
                        if *failures > 0 && steady_at.is_none() {
                            steady_at = Some(Instant::now() + STEADY);
                        }
                    }
                    if let Some(answer) = obey(role, address, session, command)? {
                        say(answer)?;
                    }
                }
                Some(Err(status)) => {
                    return caller.settle(OPERATION, address, timeout, Ok(Err(status)));
                }
                None => return Err(unreachable(address, "the server ended the stream")),
            },
            _ = beat_at.tick() => beats.push(caller.call(
                "heartbeat", address, timeout, heartbeat(role),
                |mut service, request| async move { service.heartbeat(request).await },
            )),
            Some(beat) = beats.next() => {
                match beat.and_then(|reply| check("heartbeat", reply.status.as_ref())) {
                    Ok(()) => {}
                    Err(error) if error.kind() == &ErrorKind::NotRegistered => session.send_settings_again(),
                    Err(error) => return Err(error),
                }
            }
            () = session.forgotten.notified() => {
                tracing::info!(event = "settings_sent_again", %address, client = role.name());
                say(settings_of(role))?;
                session.standing.send_replace(Standing::Told);
                acknowledged_by = Some(Instant::now() + timeout);
            }
            () = until(steady_at) => {
                steady_at = None;
                *failures = 0;
                tracing::info!(event = "telemetry_restored", %address, client = role.name());
            }
            () = until(acknowledged_by) => {
                let address = address.to_string();
                return Err(Error::new(OPERATION, ErrorKind::Timeout { address, after: timeout }));
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn unreachable(address: &Address, reason: &str) -> Error {
    let (address, reason) = (address.to_string(), reason.to_owned());
    Error::new(OPERATION, ErrorKind::Unreachable { address, reason })
}

fn settings_of(role: &Role) -> v2::TelemetryCommand {
    v2::TelemetryCommand {
        status: None,
        command: Some(Command::Settings(role.settings.clone())),
    }
}

/// The error that a command carries in its status, if it does.
fn failure(command: &v2::TelemetryCommand) -> Option<Error> {
    check(OPERATION, Some(command.status.as_ref()?)).err()
}

/// Does what the server asks; the answer, where there is one. An error ends the stream.
fn obey(
    role: &Role,
    address: &Address,
    session: &Session,
    command: v2::TelemetryCommand,
) -> Result<Option<v2::TelemetryCommand>, Error> {
    let unsupported = |command| v2::TelemetryCommand {
        status: Some(status(
            v2::Code::Unsupported,
            "not supported by this client",
        )),
        command: Some(command),
    };
    match command.command {
        Some(Command::Settings(settings)) => {
            let policy = settings
                .backoff_policy
                .as_ref()
                .and_then(BackoffPolicy::from_wire);
            role.policy.send_if_modified(|known| {
                let changed = policy.is_some() && *known != policy;
                if changed {
                    *known = policy;
                }
                changed
            });
            session.standing.send_replace(Standing::Ready);
        }
        Some(Command::RecoverOrphanedTransactionCommand(orphan)) => match &role.checks {
            Some(checks) => Checks::answer(checks, &role.caller, address, orphan),
            None => {
                tracing::debug!(event = "check_back_without_checker", %address, transaction = orphan.transaction_id)
            }
        },
        Some(Command::ReconnectEndpointsCommand(_)) => {
            return Err(unreachable(address, "the server asked to connect again"));
        }
        Some(Command::PrintThreadStackTraceCommand(asked)) => {
            return Ok(Some(unsupported(Command::ThreadStackTrace(
                v2::ThreadStackTrace {
                    nonce: asked.nonce,
                    thread_stack_trace: None,
                },
            ))));
        }
        Some(Command::VerifyMessageCommand(asked)) => {
            let result = v2::VerifyMessageResult { nonce: asked.nonce };
            return Ok(Some(unsupported(Command::VerifyMessageResult(result))));
        }
        // Lite topics are not used, and the others are only ever sent by clients.
        _ => {}
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_keep_their_jitter() {
        assert_eq!(pause(1, 1.0), FIRST_PAUSE);
        assert_eq!(pause(1, 0.0), FIRST_PAUSE / 2);
        assert_eq!(pause(3, 1.0), FIRST_PAUSE * 4);
        assert_eq!(pause(u32::MAX, 1.0), LONGEST_PAUSE);
    }
}
