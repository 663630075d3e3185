//! One process's alarms, from what is heard to what is sent.

use std::sync::atomic::Ordering;
use std::time::Duration;

use service::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::board::{Board, Event};
use crate::config::Config;
use crate::listen::Heard;
use crate::notice::{Notice, Process, State};
use crate::send;
use crate::shared::{Outgoing, Shared, ToTell};

/// How often the board is looked at.
const TICK: Duration = Duration::from_millis(500);

/// What is kept of the events that are heard during a look at the other replicas.
const MOST_HEARD: usize = 65_536;

/// Notices that wait for a webhook that does not answer; more push out nothing and are only logged.
const MOST_UNSENT: usize = 256;

/// What waits to be sent to one destination.
struct Queue {
    to: &'static str,
    queue: mpsc::Sender<Outgoing>,
}

/// Folds what is heard and sends what is to be told, until the process ends. Without a webhook and a command it
/// writes the folded alarms to the log. Replicas that are given one `store`, whose tables are there sooner or later,
/// tell as one; where nobody is told but the log, each has its own.
///
/// # Errors
/// The configuration is refused, or names a file that can't be read.
pub async fn run(
    config: Config,
    process: Process,
    store: Option<database::Config>,
    heard: Heard,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    config.check()?;
    let somebody = config.webhook.is_some() || !config.command.is_empty();
    let shared = store.filter(|_| somebody);
    let shared = shared.map(|store| Shared::new(store, &process.worker, config.rules()));
    let (mut queues, mut sending) = (Vec::new(), JoinSet::new());
    for destination in send::destinations(&config, &process)? {
        let (queue, unsent) = mpsc::channel(MOST_UNSENT);
        let to = destination.name();
        queues.push(Queue { to, queue });
        let shutdown = shutdown.clone();
        sending.spawn(async move { shutdown.unless_forced(destination.run(unsent)).await });
    }
    fold(&config, heard, queues, shared, &shutdown).await;
    while let Some(ended) = sending.join_next().await {
        let _forced = ended?.is_none();
    }
    Ok(())
}

/// Until the soft phase of the shutdown: what is told last is what was due by then.
async fn fold(
    config: &Config,
    heard: Heard,
    queues: Vec<Queue>,
    mut shared: Option<Shared>,
    shutdown: &Shutdown,
) {
    let Heard { mut events, missed } = heard;
    let soft = shutdown.soft();
    let mut board = Board::new(config.rules());
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = soft.cancelled() => break,
            event = events.recv() => match event {
                Some(event) => board.hear(event),
                None => break,
            },
            _ = tick.tick() => {
                let now_ms = service::clock::now_ms();
                let lost = missed.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    board.hear(not_heard(lost, now_ms));
                }
                if let Some(shared) = &mut shared {
                    let looking = look(shared, &mut board, &mut events);
                    for to_tell in soft.run_until_cancelled(looking).await.into_iter().flatten() {
                        tell(config, &queues, to_tell);
                    }
                    if !shared.is_alone(&mut board) {
                        continue;
                    }
                }
                for notice in board.due(now_ms) {
                    tell(config, &queues, notice.into());
                }
            }
        }
    }
    drop(queues);
    if let Some(shared) = shared {
        shared.finish().await;
    }
}

/// Looks at the other replicas if it is time to, and goes on hearing meanwhile.
async fn look(
    shared: &mut Shared,
    board: &mut Board,
    events: &mut mpsc::Receiver<Event>,
) -> Vec<ToTell> {
    if !shared.is_due() {
        return Vec::new();
    }
    let mut heard = Vec::new();
    let to_tell = {
        let mut looking = std::pin::pin!(shared.look(board, service::clock::now_ms()));
        loop {
            tokio::select! {
                to_tell = &mut looking => break to_tell,
                Some(event) = events.recv(), if heard.len() < MOST_HEARD => heard.push(event),
            }
        }
    };
    for event in heard {
        board.hear(event);
    }
    to_tell
}

fn not_heard(lost: u64, at_ms: i64) -> Event {
    Event {
        name: "alarms_not_heard".to_owned(),
        at_ms,
        fields: [("missed".to_owned(), lost.to_string())].into(),
    }
}

fn tell(config: &Config, queues: &[Queue], to_tell: ToTell) {
    let notice = &to_tell.notice;
    let Notice { name, firing, .. } = notice;
    let subjects: Vec<&str> = notice.subjects.iter().map(|s| s.about.as_str()).collect();
    let (subjects, severity) = (subjects.join(", "), notice.severity);
    match notice.state {
        State::Firing => {
            tracing::error!(event = "alarm", alarm = name, ?severity, firing, subjects);
        }
        State::Resolved => tracing::info!(event = "alarm_resolved", alarm = name, subjects),
    }
    if !config.tells(name, severity) {
        to_tell.has_gone();
        return;
    }
    let told = to_tell.into_outgoing(queues.len());
    for Queue { to, queue } in queues {
        if let Err(unsent) = queue.try_send(told.clone()) {
            tracing::error!(
                event = "alarm_not_sent",
                what = to,
                error = "too many wait to be sent"
            );
            unsent.into_inner().was_given_up();
        }
    }
}
