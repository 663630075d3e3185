//! One alarm for several replicas: they lay what they see side by side in a database, and one of them tells.
//!
//! Each writes down what it sees, by alarm and subject. Whoever holds the word, for some seconds at a time, puts together
//! what all of them see, and tells what has changed since it was last told, be it by another: what was told is written
//! down once it went out. An alarm that an event ends is over when no replica sees it any more. What one saw that is
//! gone is over once nobody has heard of it for as long as an alarm without an end is: most often that one is started
//! anew, and sees it again.
//!
//! The invariant: nothing is left untold. Who told and did not get to write it down is followed by one who tells it
//! again; and while the database can't be asked, each replica tells by itself what it sees, as if it were alone. What it
//! told then it lays down when the database is back, and the end of it is told once.

mod rows;
mod to_tell;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use database::{Database, DatabaseError, Tx};
use service::clock::millis;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::board::{AllTold, Board, Rules, Sight, Told};
use crate::catalogue::{self, Ends};
use crate::notice::Notice;

pub(crate) use to_tell::{Outgoing, ToTell};

/// Between two looks at the others.
const EVERY: Duration = Duration::from_secs(1);

/// A look that takes longer is given up.
const WITHIN: Duration = Duration::from_secs(5);

/// Without a look for this long a replica tells by itself.
const ALONE_AFTER: Duration = Duration::from_secs(10);

/// How long the others may take to be back after an outage of the database: they may have told the same.
const REJOINED: Duration = Duration::from_secs(6);

/// Without a word of whoever tells for this long another may.
const GONE_AFTER: Duration = Duration::from_secs(10);

/// How long a notice may take to go out when the process ends.
const LAST: Duration = Duration::from_secs(1);

/// The most changes of one look; the others come with the next.
const MOST_CHANGES: usize = 500;

/// A replica's side of it.
pub(crate) struct Shared {
    config: database::Config,
    database: Option<Database>,
    rules: Rules,
    /// This process, and no other life of it.
    worker: String,
    looked: Instant,
    due: Instant,
    /// Telling by itself.
    alone: bool,
    /// As it was at the last look.
    told: AllTold,
    /// What was written down of what is seen here.
    laid_down: BTreeMap<(&'static str, String), i64>,
    /// On its way to whoever is told.
    going_out: BTreeMap<&'static str, GoingOut>,
    /// Went out, and is to be written down.
    went_out: BTreeMap<&'static str, Telling>,
}

/// What is to be told, and what is true once it was.
#[derive(Debug)]
struct Telling {
    told: Told,
    /// Subjects that are over, and when each was heard last.
    over: Vec<(String, i64)>,
}

struct GoingOut {
    telling: Telling,
    /// Told when it went out, or was given up after it was tried for long.
    gone: oneshot::Receiver<()>,
}

/// What a look has found, to be believed once it is committed.
#[derive(Default)]
struct Found {
    told: AllTold,
    laid_down: BTreeMap<(&'static str, String), i64>,
    /// Of what is seen here, what was told as over.
    over: Vec<(&'static str, String)>,
    /// What is to be told; `None`: another does.
    to_tell: Option<Vec<(Notice, Telling)>>,
}

impl Shared {
    pub(crate) fn new(config: database::Config, worker: &str, rules: Rules) -> Self {
        let life = service::ids::uuid7(service::clock::now_ms());
        let life = life.get(life.len().saturating_sub(12)..).unwrap_or(&life);
        let worker: String = worker.chars().take(50).collect();
        let now = Instant::now();
        Self {
            config,
            database: None,
            rules,
            worker: format!("{worker}#{life}"),
            looked: now,
            due: now + EVERY,
            alone: false,
            told: AllTold::new(),
            laid_down: BTreeMap::new(),
            going_out: BTreeMap::new(),
            went_out: BTreeMap::new(),
        }
    }

    /// Whether it is time for the next look; what went out is written down soon.
    pub(crate) fn is_due(&self) -> bool {
        let mut out = self.going_out.values();
        Instant::now() >= self.due || (!self.alone && out.any(|out| !out.gone.is_empty()))
    }

    /// Whether nobody else tells, as far as is known; `board` learns what was told if that is news.
    pub(crate) fn is_alone(&mut self, board: &mut Board) -> bool {
        if !self.alone && self.looked.elapsed() >= ALONE_AFTER {
            self.alone = true;
            let mut told = self.told.clone();
            let out = self.going_out.iter();
            let out = out.map(|(name, out)| (*name, out.telling.told.clone()));
            told.extend(out);
            let went = self.went_out.iter();
            told.extend(went.map(|(name, telling)| (*name, telling.told.clone())));
            board.take_over(&told);
            // Written down later, it would undo what is told alone by then.
            self.going_out.clear();
            self.went_out.clear();
            tracing::info!(event = "alarms_told_alone");
        }
        self.alone
    }

    /// Lays down what `board` sees, and gives what is to be told from here.
    pub(crate) async fn look(&mut self, board: &mut Board, now_ms: i64) -> Vec<ToTell> {
        let looking = timeout(WITHIN, self.exchange(board, now_ms));
        let found = match looking.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return self.not_looked(&error.to_string()),
            Err(_) => return self.not_looked("it takes too long"),
        };
        self.due = Instant::now() + EVERY;
        self.looked = Instant::now();
        self.told = found.told;
        self.laid_down = found.laid_down;
        if self.alone {
            self.alone = false;
            board.hand_over();
            tracing::info!(event = "alarms_told_together");
        }
        for (name, about) in found.over {
            board.forget(name, &about);
        }
        self.went_out.clear();
        let Some(tellings) = found.to_tell else {
            // What went out from here and is not written down is told again by whoever has the word now.
            self.going_out.clear();
            return Vec::new();
        };
        let mut to_tell = Vec::new();
        for (notice, telling) in tellings {
            let Some(alarm) = catalogue::find(&notice.name) else {
                continue;
            };
            let (gone, going) = oneshot::channel();
            let out = GoingOut {
                telling,
                gone: going,
            };
            self.going_out.insert(alarm.name, out);
            to_tell.push(ToTell { notice, gone });
        }
        to_tell
    }

    fn not_looked(&mut self, why: &str) -> Vec<ToTell> {
        self.due = Instant::now() + EVERY;
        tracing::debug!(event = "alarms_not_shared", why);
        Vec::new()
    }

    /// When the process ends: what still goes out is written down, and another may tell.
    pub(crate) async fn finish(mut self) {
        let deadline = Instant::now() + LAST;
        for (name, out) in std::mem::take(&mut self.going_out) {
            if let Ok(Ok(())) = timeout_at(deadline, out.gone).await {
                self.went_out.insert(name, out.telling);
            }
        }
        let Some(database) = &self.database else {
            return;
        };
        let last = async {
            let now_ms = service::clock::now_ms();
            let mut tx = database.begin().await?;
            if rows::lead(&mut tx, &self.worker, now_ms, now_ms - 1).await? {
                self.write_down(&mut tx).await?;
            }
            tx.commit().await?;
            anyhow::Ok(())
        };
        if let Ok(Err(error)) = timeout(LAST, last).await {
            tracing::info!(event = "alarms_not_handed_over", %error);
        }
        database.close().await;
    }

    async fn exchange(&mut self, board: &Board, now_ms: i64) -> anyhow::Result<Found> {
        let database = match &self.database {
            Some(database) => database.clone(),
            None => {
                let opened = Database::open(&self.config).await?;
                self.database.insert(opened).clone()
            }
        };
        for (name, mut out) in std::mem::take(&mut self.going_out) {
            match out.gone.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.going_out.insert(name, out);
                }
                Ok(()) => {
                    self.went_out.insert(name, out.telling);
                }
                // Nobody carried it: it is still to be told.
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
        let mine = board.sights();
        let is_quiet = mine.is_empty()
            && self.laid_down.is_empty()
            && self.going_out.is_empty()
            && self.went_out.is_empty()
            && !self.alone;
        if is_quiet {
            let any = rows::any(&mut *database.read().await?).await?;
            if !any {
                return Ok(Found::default());
            }
        }
        let mut tx = database.begin().await?;
        let found = self.within(&mut tx, board, &mine, now_ms).await?;
        tx.commit().await?;
        Ok(found)
    }

    async fn within(
        &self,
        tx: &mut Tx,
        board: &Board,
        mine: &[Sight],
        now_ms: i64,
    ) -> Result<Found, DatabaseError> {
        let mut found = Found::default();
        let shared = rows::read(tx).await?;
        self.lay_down(tx, mine, &shared, &mut found).await?;
        if self.alone {
            for (name, told) in board.told() {
                let before = shared.told.get(name).cloned().unwrap_or_default();
                let rejoined_ms = now_ms.saturating_add(millis(REJOINED));
                if let Some(both) = before.and(told, rejoined_ms) {
                    rows::tell(tx, name, &both).await?;
                }
            }
        }
        let until_ms = now_ms.saturating_add(millis(GONE_AFTER));
        if !mine.is_empty() {
            rows::lives(tx, &self.worker, until_ms).await?;
        }
        if !rows::lead(tx, &self.worker, now_ms, until_ms).await? {
            found.told = shared.told;
            return Ok(found);
        }
        self.write_down(tx).await?;
        let gone_ms = now_ms.saturating_sub(millis(self.rules.quiet));
        rows::bury(tx, gone_ms).await?;
        let alive = rows::alive(tx).await?;
        let shared = rows::read(tx).await?;
        for (worker, sight) in &shared.sights {
            if is_gone(&alive, worker, sight) {
                rows::delete(tx, worker, sight).await?;
            }
        }
        found.to_tell = Some(self.to_tell(&shared, &alive, now_ms));
        found.told = shared.told;
        Ok(found)
    }

    /// Makes this worker's rows what it sees.
    async fn lay_down(
        &self,
        tx: &mut Tx,
        mine: &[Sight],
        shared: &rows::Shared,
        found: &mut Found,
    ) -> Result<(), DatabaseError> {
        let own = shared.sights.iter().filter(|(by, _)| *by == self.worker);
        let mut own: BTreeMap<(&'static str, &str), &Sight> = own
            .map(|(_, sight)| ((sight.name, sight.about.as_str()), sight))
            .collect();
        let mut changes = 0;
        for sight in mine {
            let before = own.remove(&(sight.name, sight.about.as_str()));
            let key = (sight.name, sight.about.clone());
            let may_change = changes < MOST_CHANGES;
            match before {
                None if self.was_over(sight) => {
                    found.over.push(key);
                    continue;
                }
                None if may_change => rows::insert(tx, &self.worker, sight).await?,
                Some(before) if before != sight && may_change => {
                    rows::update(tx, &self.worker, sight).await?;
                }
                Some(before) => {
                    found.laid_down.insert(key, before.last_ms);
                    continue;
                }
                None => continue,
            }
            changes += 1;
            found.laid_down.insert(key, sight.last_ms);
        }
        for over in own.into_values() {
            rows::delete(tx, &self.worker, over).await?;
        }
        Ok(())
    }

    /// It was laid down, nothing was heard since, and it is gone: its silence was told as its end.
    fn was_over(&self, sight: &Sight) -> bool {
        let key = (sight.name, sight.about.clone());
        ends(sight) == Some(Ends::Quiet)
            && self
                .laid_down
                .get(&key)
                .is_some_and(|last_ms| *last_ms >= sight.last_ms)
    }

    async fn write_down(&self, tx: &mut Tx) -> Result<(), DatabaseError> {
        for (name, telling) in &self.went_out {
            rows::tell(tx, name, &telling.told).await?;
            for (about, last_ms) in &telling.over {
                rows::over(tx, name, about, *last_ms).await?;
            }
        }
        Ok(())
    }

    /// What has changed since it was told, but for alarms of which something is on its way.
    fn to_tell(
        &self,
        shared: &rows::Shared,
        alive: &BTreeSet<String>,
        now_ms: i64,
    ) -> Vec<(Notice, Telling)> {
        let waits = |name: &str| self.going_out.contains_key(name);
        let seen = shared.sights.iter();
        let seen = seen.filter(|(worker, sight)| !is_gone(alive, worker, sight));
        let seen: Vec<&Sight> = seen
            .map(|(_, sight)| sight)
            .filter(|sight| !waits(sight.name))
            .collect();
        let told = shared.told.iter().filter(|(name, _)| !waits(name));
        let told: AllTold = told.map(|(name, told)| (*name, told.clone())).collect();
        let mut board = Board::merged(self.rules, seen.iter().copied().cloned(), &told, now_ms);
        let notices = board.due(now_ms);
        let mut after = board.told();
        let telling = |notice: Notice| {
            let told = after.remove(notice.name.as_str()).unwrap_or_default();
            let over = seen.iter().filter(|sight| {
                sight.name == notice.name && !told.subjects.contains_key(&sight.about)
            });
            let over = over.map(|sight| (sight.about.clone(), sight.last_ms));
            let over = over.collect();
            (notice, Telling { told, over })
        };
        notices.into_iter().map(telling).collect()
    }
}

fn ends(sight: &Sight) -> Option<Ends> {
    catalogue::find(sight.name).map(|alarm| alarm.ends)
}

/// Who is long gone sees nothing any more; what it heard and no event ends is over by its own silence.
fn is_gone(alive: &BTreeSet<String>, worker: &str, sight: &Sight) -> bool {
    ends(sight) != Some(Ends::Quiet) && !alive.contains(worker)
}
