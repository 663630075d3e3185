//! Beside the list of dead letters: whether the broker's topics hold them, where administration is configured.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use notification::api::notifier::LettersPage;
use rocketmq::{Admin, Error};
use tokio::time::Instant;

use crate::browse::dead::DLQ;
use crate::browse::{Cursor, DeadMessage, Walk};
use crate::config::access::Environment;
use crate::config::{File, compose, paths};
use crate::render;

/// How long a list may wait for the broker.
const WITHIN: Duration = Duration::from_secs(5);
/// A letter is written before its message is forwarded: so long it may be absent without being missed.
const FORWARDED_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to say of the broker's topics; nothing where administration is not configured or nothing is listed.
pub(super) async fn topics(data: &Path, page: &LettersPage) -> Option<String> {
    let path = paths::config(data);
    if page.letters.is_empty() || !path.exists() {
        return None;
    }
    let file = File::read(&path).ok()?;
    let over = compose::Overrides {
        environment: Environment::read(),
        ..compose::Overrides::default()
    };
    let admin = Admin::new(compose::admin(&file, &over).ok()??).ok()?;
    match tokio::time::timeout(WITHIN, compared(&admin, page)).await {
        Ok(Ok(said)) => Some(said),
        Ok(Err(error)) => Some(format!("Broker topic not read: {error}")),
        Err(_) => Some(format!(
            "Broker topic not read within {}.",
            humantime::format_duration(WITHIN)
        )),
    }
}

async fn compared(admin: &Admin, page: &LettersPage) -> Result<String, Error> {
    let listed: BTreeSet<&str> = page
        .letters
        .iter()
        .map(|letter| letter.id.as_str())
        .collect();
    let groups: BTreeSet<&str> = listed
        .iter()
        .filter_map(|id| id.split('/').next())
        .collect();
    let names: Vec<String> = groups.iter().map(|group| format!("{DLQ}{group}")).collect();
    // The letter of a malformed message has a number that its message does not know.
    let mut missing = listed;
    missing.retain(|id| id.split('/').nth(1) != Some("-"));
    let until = Instant::now() + FORWARDED_WITHIN;
    let mut cursor = Cursor::default();
    loop {
        let mut walk = Walk::begin(admin, &names, &cursor).await?;
        find(&mut walk, &mut missing).await?;
        if missing.is_empty() || Instant::now() >= until {
            return Ok(render::dlq::topics(&names, walk.size().0, missing.len()));
        }
        cursor = walk.cursor();
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Takes out what the topics hold. They are read no further than to the last of it: the oldest letters
/// lie at the beginning of topics that may hold very many.
async fn find(walk: &mut Walk<'_>, missing: &mut BTreeSet<&str>) -> Result<(), Error> {
    while !missing.is_empty()
        && let Some(found) = walk.next().await?
    {
        let message = DeadMessage::read(&found.broker, &found.message);
        let (group, source, number, generation) = message.letter();
        missing.remove(format!("{group}/{source}/{number}/{generation}").as_str());
    }
    Ok(())
}
