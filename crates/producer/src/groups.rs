//! What several subscriptions say of one notification, and the one word that comes of it.
//!
//! Each subscription's word only moves forward, as a single one's does. The whole is made from all of
//! them whenever one moves: nothing until each has accepted, so that the relay goes on for whoever has
//! not; then dead if any is, delivered when all are. It may go from dead back to accepted: when what was
//! dead for one is delivered after all, and another still tries. The row in `outgoing` is locked first, so
//! that of two readers the second sees what the first wrote.

use database::DatabaseError;
use notification::{Group, Outcome, OutcomeKind, TxNo};
use sqlx::{AnyConnection, Row as _};

use crate::outgoing::word;

const LOCK: &str = "UPDATE outgoing SET outcome_ms = outcome_ms WHERE tx_no = ?";

const ALL: &str = "SELECT group_name, outcome FROM outgoing_group WHERE tx_no = ?";

const FIRST: &str =
    "INSERT INTO outgoing_group (outcome, outcome_ms, tx_no, group_name) VALUES (?, ?, ?, ?)";

const FURTHER: &str =
    "UPDATE outgoing_group SET outcome = ?, outcome_ms = ? WHERE tx_no = ? AND group_name = ?";

const WHOLE: &str = "UPDATE outgoing SET outcome = ?, next_send_ms = NULL, outcome_ms = ? \
     WHERE tx_no = ? AND outcome NOT IN ('delivered', 'cancelled')";

/// Applies one subscription's outcome, one of those that must accept.
pub(crate) async fn apply(
    tx: &mut AnyConnection,
    required: &[Group],
    group: &Group,
    tx_no: &TxNo,
    kind: OutcomeKind,
    at_ms: i64,
) -> Result<(), DatabaseError> {
    let locked = sqlx::query(LOCK)
        .bind(tx_no.to_string())
        .execute(&mut *tx)
        .await?;
    if locked.rows_affected() == 0 {
        return Ok(());
    }
    let mut said = said(tx, tx_no).await?;
    let before = said.iter().find(|(name, _)| name == group).map(|(_, o)| *o);
    let Some(after) = further(before.unwrap_or(Outcome::None), kind) else {
        return Ok(());
    };
    let text = if before.is_some() { FURTHER } else { FIRST };
    sqlx::query(text)
        .bind(after.as_str())
        .bind(at_ms)
        .bind(tx_no.to_string())
        .bind(group.as_str())
        .execute(&mut *tx)
        .await?;
    said.retain(|(name, _)| name != group);
    said.push((group.clone(), after));
    let whole = whole(required.iter().map(|group| {
        let word = said.iter().find(|(name, _)| name == group);
        word.map_or(Outcome::None, |(_, outcome)| *outcome)
    }));
    if whole == Outcome::None {
        return Ok(());
    }
    sqlx::query(WHOLE)
        .bind(whole.as_str())
        .bind(at_ms)
        .bind(tx_no.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

async fn said(
    tx: &mut AnyConnection,
    tx_no: &TxNo,
) -> Result<Vec<(Group, Outcome)>, DatabaseError> {
    let rows = sqlx::query(ALL)
        .bind(tx_no.to_string())
        .fetch_all(tx)
        .await?;
    rows.iter()
        .map(|row| {
            let group = word(&row.try_get::<String, _>("group_name")?)?;
            Ok((group, word(&row.try_get::<String, _>("outcome")?)?))
        })
        .collect()
}

/// Where a subscription's word moves to, if it moves.
fn further(before: Outcome, kind: OutcomeKind) -> Option<Outcome> {
    use Outcome::{Accepted, Cancelled, Dead, Delivered, None as Nothing};
    let after = match kind {
        OutcomeKind::Accepted | OutcomeKind::Skipped => Accepted,
        OutcomeKind::Dead | OutcomeKind::Withdrawn => Dead,
        OutcomeKind::Delivered => Delivered,
        OutcomeKind::Cancelled => Cancelled,
        OutcomeKind::Lost => return None,
    };
    let moves = match after {
        Accepted => before == Nothing,
        Dead => matches!(before, Nothing | Accepted),
        Delivered | Cancelled => matches!(before, Nothing | Accepted | Dead),
        Nothing => false,
    };
    moves.then_some(after)
}

/// The one word for all of them.
fn whole(said: impl Iterator<Item = Outcome> + Clone) -> Outcome {
    let all = |word: Outcome| said.clone().all(|outcome| outcome == word);
    let any = |word: Outcome| said.clone().any(|outcome| outcome == word);
    if any(Outcome::None) {
        Outcome::None
    } else if all(Outcome::Delivered) {
        Outcome::Delivered
    } else if all(Outcome::Cancelled) {
        Outcome::Cancelled
    } else if any(Outcome::Dead) || any(Outcome::Cancelled) {
        // Cancelled for one and not for another needs a person as much as a dead one does.
        Outcome::Dead
    } else {
        Outcome::Accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Accepted, Cancelled, Dead, Delivered, None as Nothing};

    #[test]
    fn the_whole_is_accepted_by_all_delivered_by_all_and_dead_by_any() {
        for (said, expected) in [
            ([Nothing, Nothing], Nothing),
            ([Delivered, Nothing], Nothing),
            ([Dead, Nothing], Nothing),
            ([Accepted, Accepted], Accepted),
            ([Delivered, Accepted], Accepted),
            ([Delivered, Delivered], Delivered),
            ([Dead, Accepted], Dead),
            ([Dead, Delivered], Dead),
            ([Cancelled, Cancelled], Cancelled),
            ([Cancelled, Delivered], Dead),
        ] {
            assert_eq!(whole(said.into_iter()), expected, "{said:?}");
            assert_eq!(whole(said.into_iter().rev()), expected, "{said:?}");
        }
    }

    #[test]
    fn one_subscriptions_word_never_moves_back() {
        assert_eq!(further(Nothing, OutcomeKind::Skipped), Some(Accepted));
        assert_eq!(further(Dead, OutcomeKind::Delivered), Some(Delivered));
        for (before, kind) in [
            (Delivered, OutcomeKind::Accepted),
            (Delivered, OutcomeKind::Dead),
            (Delivered, OutcomeKind::Cancelled),
            (Cancelled, OutcomeKind::Delivered),
            (Dead, OutcomeKind::Accepted),
            (Accepted, OutcomeKind::Lost),
        ] {
            assert_eq!(further(before, kind), None, "{before:?} {kind:?}");
        }
    }
}
