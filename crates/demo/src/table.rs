//! The closing table: a line a scene, written from what was seen and judged against what was expected.
//!
//! The text of a line never comes from the expectation. A line that does not hold shows both, and
//! where the logs are.

use std::path::Path;

use notification::yuan;

/// How a scene ended, as observed: the two right-hand columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `delivered`, `dead`, `rolled back`, …
    pub ending: String,
    /// What else was seen: attempts, who answered the check-back.
    pub note: String,
}

impl Seen {
    /// An ending and a note.
    pub fn new(ending: impl Into<String>, note: impl Into<String>) -> Seen {
        Seen {
            ending: ending.into(),
            note: note.into(),
        }
    }
}

/// What the note of a line must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// Exactly this.
    Is(&'static str),
    /// This, and then the number of a process.
    WithPid(&'static str),
}

impl Note {
    fn fits(self, note: &str) -> bool {
        match self {
            Note::Is(text) => note == text,
            Note::WithPid(start) => note
                .strip_prefix(start)
                .is_some_and(|pid| pid.parse::<u32>().is_ok()),
        }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Note::Is(text) => f.write_str(text),
            Note::WithPid(start) => write!(f, "{start}<pid>"),
        }
    }
}

/// One scene of the story and how it has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// The amount that is transferred.
    pub amount_fen: i64,
    /// What happens.
    pub title: &'static str,
    /// How it must end.
    pub ending: &'static str,
    /// And with what note.
    pub note: Note,
}

/// What became of a scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It ended as expected.
    Held(Seen),
    /// It ended otherwise.
    Broken(Seen),
    /// It could not be played to its end.
    Failed(String),
    /// It was not played, for this reason.
    Skipped(String),
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was played.
    pub scene: Scene,
    /// What came of it.
    pub verdict: Verdict,
}

impl Row {
    /// Judges what was seen.
    pub fn judge(scene: Scene, seen: anyhow::Result<Seen>) -> Row {
        let verdict = match seen {
            Ok(seen) if seen.ending == scene.ending && scene.note.fits(&seen.note) => {
                Verdict::Held(seen)
            }
            Ok(seen) => Verdict::Broken(seen),
            Err(error) => Verdict::Failed(format!("{error:#}")),
        };
        Row { scene, verdict }
    }

    /// A scene that was not played.
    pub fn skipped(scene: Scene, why: &str) -> Row {
        Row {
            scene,
            verdict: Verdict::Skipped(why.to_owned()),
        }
    }

    /// Whether nothing speaks against it.
    pub fn is_broken(&self) -> bool {
        matches!(self.verdict, Verdict::Broken(_) | Verdict::Failed(_))
    }

    /// The line, and for one that does not hold what was expected and where to look.
    pub fn render(&self, logs: &Path) -> String {
        let line = |ending: &str, note: &str| {
            let amount = yuan(self.scene.amount_fen);
            let line = format!("{amount:>7}  {:<34}{ending:<13}{note}", self.scene.title);
            line.trim_end().to_owned()
        };
        match &self.verdict {
            Verdict::Held(seen) => line(&seen.ending, &seen.note),
            Verdict::Skipped(why) => line("skipped", why),
            Verdict::Broken(seen) => {
                format!(
                    "{}\n{}",
                    line(&seen.ending, &seen.note),
                    self.complaint(None, logs)
                )
            }
            Verdict::Failed(why) => format!(
                "{}\n{}",
                line("FAILED", ""),
                self.complaint(Some(why), logs)
            ),
        }
    }

    fn complaint(&self, why: Option<&String>, logs: &Path) -> String {
        let expected = Seen::new(self.scene.ending, self.scene.note.to_string());
        let note = if expected.note.is_empty() {
            String::new()
        } else {
            format!(", {}", expected.note)
        };
        let why = why.map_or(String::new(), |why| format!("\n         seen      {why}"));
        format!(
            "         expected  {}{note}{why}\n         logs      {}",
            expected.ending,
            logs.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: Scene = Scene {
        amount_fen: 700,
        title: "bank1 KILLED before commit",
        ending: "rolled back",
        note: Note::WithPid("check-back answered by new pid "),
    };

    #[test]
    fn a_line_that_holds_shows_what_was_seen() {
        let row = Row::judge(
            KILLED,
            Ok(Seen::new(
                "rolled back",
                "check-back answered by new pid 4188",
            )),
        );
        assert!(!row.is_broken());
        assert_eq!(
            row.render(Path::new("/logs")),
            "   7.00  bank1 KILLED before commit        rolled back  check-back answered by new pid 4188"
        );
    }

    #[test]
    fn a_line_that_does_not_hold_shows_what_was_expected_and_the_logs() {
        let row = Row::judge(
            KILLED,
            Ok(Seen::new(
                "rolled back",
                "check-back answered by old pid 4188",
            )),
        );
        assert!(row.is_broken());
        let text = row.render(Path::new("/logs"));
        assert!(
            text.contains("expected  rolled back, check-back answered by new pid <pid>"),
            "{text}"
        );
        assert!(text.contains("/logs"), "{text}");
    }
}
