//! Goes through the notes of a life that was cut off: was every promise kept?

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::load::id_of;
use super::{Asked, Fate, GROUP, LONG_MS, NORMAL, Notes, Running, TRANSACTIONAL};
use crate::names::dead_letter_topic;
use crate::writer::op::{Op, TagFilter, Take};

/// Long enough for the writer's next look at its half messages.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where messages are found.
struct Found {
    /// With the number of the delivery.
    visible: HashMap<String, u32>,
    dead: HashMap<String, u32>,
    asked_about: HashSet<String>,
}

/// Looks at everything that is left; answers how many promises were checked, or the broken one.
pub(super) async fn check(mut running: Running, notes: &Notes) -> Result<usize, String> {
    let mut visible = drain(&running, GROUP, NORMAL).await;
    visible.extend(drain(&running, GROUP, TRANSACTIONAL).await);
    let dead = drain(&running, "undertaker", &dead_letter_topic(GROUP)).await;
    let must_be_asked = notes
        .values()
        .filter(|fate| must_be_asked_about(fate))
        .count();
    let mut asked_about = HashSet::new();
    let deadline = Instant::now() + PATIENCE;
    // Whoever must be asked about comes sooner or later; others may come between.
    while notes
        .iter()
        .filter(|(id, fate)| must_be_asked_about(fate) && asked_about.contains(*id))
        .count()
        < must_be_asked
    {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, running.orphans.recv()).await {
            Ok(Some(orphan)) => asked_about.insert(orphan.transaction_id),
            _ => break,
        };
    }
    while let Ok(orphan) = running.orphans.try_recv() {
        asked_about.insert(orphan.transaction_id);
    }
    running.stop();
    let found = Found {
        visible,
        dead,
        asked_about,
    };
    notes.iter().map(|(id, fate)| judge(id, fate, &found)).sum()
}

fn must_be_asked_about(fate: &Fate) -> bool {
    fate.held == Asked::Done && fate.committed == Asked::No && fate.rolled_back == Asked::No
}

/// One message's promises: answers how many, or which one was broken.
fn judge(id: &str, fate: &Fate, found: &Found) -> Result<usize, String> {
    let attempt = found.visible.get(id).copied();
    let visible = attempt.is_some();
    let dead = found.dead.contains_key(id);
    let asked_about = found.asked_about.contains(id);
    let settled = fate.acked != Asked::No || fate.buried != Asked::No;
    let was_sent = fate.sent == Asked::Done || fate.committed == Asked::Done;
    let promises = [
        (
            was_sent && !settled,
            visible,
            "an acknowledged message is not visible",
        ),
        (
            fate.handed > 0 && !settled,
            attempt.is_some_and(|attempt| attempt > fate.handed),
            "a message that was handed out is gone, or its deliveries are numbered anew",
        ),
        (
            fate.acked == Asked::Done,
            !visible,
            "an acked message is delivered again",
        ),
        (
            fate.buried == Asked::Done,
            dead && !visible,
            "a dead message is not where the dead are",
        ),
        (
            fate.buried == Asked::Unanswered,
            dead != visible,
            "a message is dead and alive, or neither",
        ),
        (
            must_be_asked_about(fate),
            asked_about && !visible,
            "an open half message is not asked about",
        ),
        (
            fate.committed == Asked::Unanswered && !settled,
            visible != asked_about,
            "a half message is lost or doubled",
        ),
        (
            fate.rolled_back != Asked::No,
            !visible && !dead,
            "a rolled-back message is visible",
        ),
        (
            fate.rolled_back == Asked::Done,
            !asked_about,
            "a rolled-back message is asked about",
        ),
        (
            fate.held != Asked::No && fate.committed == Asked::No,
            !visible,
            "a half message is visible",
        ),
    ];
    let broken = promises
        .iter()
        .find(|(promised, kept, _)| *promised && !kept);
    match broken {
        Some((_, _, what)) => Err(format!("{id}: {what}: {fate:?}")),
        None => Ok(promises.iter().filter(|(promised, ..)| *promised).count()),
    }
}

/// Everything that the group can receive, with the number of the delivery.
async fn drain(running: &Running, group: &str, topic: &str) -> HashMap<String, u32> {
    let mut ids = HashMap::new();
    let Some(topic) = running.topic(topic) else {
        return ids;
    };
    loop {
        let take = |reply| {
            Op::Take(Take {
                group: group.into(),
                topic,
                max: 1000,
                invisible_ms: LONG_MS,
                filter: TagFilter::All,
                deadline: Instant::now(),
                reply,
            })
        };
        let taken = running
            .queue
            .ask(take)
            .await
            .expect("the store is whole")
            .messages;
        if taken.is_empty() {
            return ids;
        }
        ids.extend(
            taken
                .iter()
                .map(|delivered| (id_of(&delivered.record), delivered.receipt.attempt)),
        );
    }
}
