//! One process's alarms, from what is heard to what is sent.

use std::sync::atomic::Ordering;
use std::time::Duration;

use service::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::board::{Board, Event};
use crate::config::Config;
use crate::listen::Heard;
use crate::notice::{Notice, State};
use crate::send::Senders;

/// How often the board is looked at.
const TICK: Duration = Duration::from_millis(500);

/// Notices that wait for a webhook that does not answer; more push out nothing and are only logged.
const MOST_UNSENT: usize = 256;

/// Whose alarms they are.
#[derive(Debug, Clone)]
pub struct Process {
    /// `notifier`, `bank1`, …
    pub service: String,
    /// `host:pid`.
    pub worker: String,
}

/// Folds what is heard and sends what is to be told, until the process ends. Without a webhook and a command it
/// writes the folded alarms to the log.
///
/// # Errors
/// The configuration is refused, or names a file that can't be read.
pub async fn run(
    config: Config,
    process: Process,
    heard: Heard,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    config.check()?;
    let (queue, unsent) = mpsc::channel(MOST_UNSENT);
    let senders = Senders::new(&config, process)?;
    let sending = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { shutdown.unless_forced(senders.run(unsent)).await }
    });
    fold(&config, heard, queue, &shutdown).await;
    let _forced = sending.await?.is_none();
    Ok(())
}

/// Until the soft phase of the shutdown: what is told last is what was due by then.
async fn fold(config: &Config, heard: Heard, queue: mpsc::Sender<Notice>, shutdown: &Shutdown) {
    let Heard { mut events, missed } = heard;
    let soft = shutdown.soft();
    let mut board = Board::new(config.rules());
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = soft.cancelled() => return,
            event = events.recv() => match event {
                Some(event) => board.hear(event),
                None => return,
            },
            _ = tick.tick() => {
                let now_ms = service::clock::now_ms();
                let lost = missed.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    board.hear(not_heard(lost, now_ms));
                }
                for notice in board.due(now_ms) {
                    tell(config, &queue, notice);
                }
            }
        }
    }
}

fn not_heard(lost: u64, at_ms: i64) -> Event {
    Event {
        name: "alarms_not_heard".to_owned(),
        at_ms,
        fields: [("missed".to_owned(), lost.to_string())].into(),
    }
}

fn tell(config: &Config, queue: &mpsc::Sender<Notice>, notice: Notice) {
    let Notice { name, firing, .. } = &notice;
    let subjects: Vec<&str> = notice.subjects.iter().map(|s| s.about.as_str()).collect();
    let (subjects, severity) = (subjects.join(", "), notice.severity);
    match notice.state {
        State::Firing => {
            tracing::error!(event = "alarm", alarm = name, ?severity, firing, subjects);
        }
        State::Resolved => tracing::info!(event = "alarm_resolved", alarm = name, subjects),
    }
    if config.tells(&notice.name, notice.severity) && queue.try_send(notice).is_err() {
        tracing::error!(event = "alarm_not_sent", error = "too many wait to be sent");
    }
}
