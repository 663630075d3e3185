//! Where the scenes, which run side by side, write their lines, and where these are read in order.

use std::fmt;
use std::sync::Mutex;

use super::scenes;
use crate::table::{Row, Seen};

type Shown = dyn Fn(&Row) + Send + Sync;
type Told = dyn Fn(&str) + Send + Sync;

/// The lines so far. A line is shown once it and all above it are known.
pub struct Board {
    state: Mutex<State>,
    shown: Box<Shown>,
    told: Box<Told>,
}

struct State {
    rows: Vec<Option<Row>>,
    next: usize,
}

impl Board {
    /// An empty board. `shown` gets each line in order; `told` gets what goes on in between.
    pub fn new(
        shown: impl Fn(&Row) + Send + Sync + 'static,
        told: impl Fn(&str) + Send + Sync + 'static,
    ) -> Board {
        let rows = scenes::ALL.iter().map(|_| None).collect();
        Board {
            state: Mutex::new(State { rows, next: 0 }),
            shown: Box::new(shown),
            told: Box::new(told),
        }
    }

    /// Says what goes on.
    pub(super) fn tell(&self, what: &str) {
        tracing::info!(event = "scene", what);
        (self.told)(what);
    }

    /// Judges a scene and shows what can be shown.
    pub(super) fn set(&self, scene: usize, seen: anyhow::Result<Seen>) {
        self.put(scene, Row::judge(scenes::ALL[scene], seen));
    }

    /// Leaves a scene out.
    pub(super) fn skip(&self, scene: usize, why: &str) {
        self.put(scene, Row::skipped(scenes::ALL[scene], why));
    }

    fn put(&self, scene: usize, row: Row) {
        // A poisoned lock means that `shown` panicked: the rows themselves are whole.
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let is_shown = scene < state.next;
        state.rows[scene] = Some(row.clone());
        if is_shown {
            (self.shown)(&row);
        }
        while let Some(Some(row)) = state.rows.get(state.next).cloned() {
            (self.shown)(&row);
            state.next += 1;
        }
    }

    /// The line of a scene, if it is known.
    pub(super) fn row(&self, scene: usize) -> Option<Row> {
        let state = self
            .state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        state.rows[scene].clone()
    }

    /// All lines; a scene nobody reported on counts as failed.
    pub fn rows(&self) -> Vec<Row> {
        let state = self
            .state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let missing = |scene| Row::judge(scene, Err(anyhow::anyhow!("the scene was not played")));
        state
            .rows
            .iter()
            .zip(scenes::ALL)
            .map(|(row, scene)| row.clone().unwrap_or_else(|| missing(scene)))
            .collect()
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn lines_are_shown_in_order_whichever_scene_ends_first() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&shown);
        let board = Board::new(
            move |row| seen.lock().unwrap().push(row.scene.title),
            |_| {},
        );
        board.set(1, Ok(Seen::new("rolled back", "nothing sent")));
        assert!(shown.lock().unwrap().is_empty());
        board.set(0, Ok(Seen::new("delivered", "1 attempt")));
        assert_eq!(
            *shown.lock().unwrap(),
            ["ordinary transfer", "bank1 fails inside the tx"]
        );
        assert!(board.rows()[2].is_broken());
    }
}
