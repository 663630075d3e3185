//! What `init` did, or would do, a line for each thing that it looked at.

use super::{columns, count};
use crate::screen::Paint;
use crate::setup::{Action, Change};

/// Whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was.
    Yes,
    /// `--dry-run`.
    No,
}

/// The lines and the sum below them.
pub fn text(changes: &[Change], done: Done, paint: Paint) -> String {
    let rows = changes
        .iter()
        .map(|change| {
            [
                change.subject.clone(),
                change.action.as_str().to_owned(),
                change.detail.clone(),
            ]
        })
        .collect();
    format!("{}\n{}", columns(rows), foot(changes, done, paint))
}

fn foot(changes: &[Change], done: Done, paint: Paint) -> String {
    let to_do = changes
        .iter()
        .filter(|change| change.action != Action::Unchanged)
        .count();
    let unchanged = changes.len() - to_do;
    match (to_do, done) {
        (0, _) => paint.good("Nothing to do: all is as it should be."),
        (_, Done::Yes) => paint.good(&format!(
            "Done: {to_do} carried out, {unchanged} unchanged."
        )),
        (_, Done::No) => format!(
            "Dry run: {} would be carried out; nothing was changed.",
            count(u64::try_from(to_do).unwrap_or(u64::MAX), "step")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(subject: &str, action: Action, detail: &str) -> Change {
        Change {
            subject: subject.into(),
            action,
            detail: detail.into(),
            step: None,
        }
    }

    #[test]
    fn each_thing_has_its_line_and_the_sum_stands_below() {
        let changes = [
            change(
                "topic topic_txmsg",
                Action::Created,
                "TRANSACTION, 8 queues",
            ),
            change("group bank2", Action::Changed, "policy 1s 5s -> 10s 30s"),
            change(
                "group bank2",
                Action::Unchanged,
                "has its place in every queue of topic_txmsg",
            ),
        ];
        assert_eq!(
            text(&changes, Done::Yes, Paint::Plain),
            "\
topic topic_txmsg  created    TRANSACTION, 8 queues
group bank2        changed    policy 1s 5s -> 10s 30s
group bank2        unchanged  has its place in every queue of topic_txmsg
Done: 2 carried out, 1 unchanged."
        );
        assert!(
            text(&changes, Done::No, Paint::Plain)
                .ends_with("Dry run: 2 steps would be carried out; nothing was changed.")
        );
        assert!(
            text(&changes[2..], Done::No, Paint::Plain)
                .ends_with("Nothing to do: all is as it should be.")
        );
    }
}
