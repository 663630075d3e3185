//! Many results at once, and other processes on the same database.

use futures::future::join_all;
use notification::{NotificationState as State, TxNo};

use super::*;

/// Transfers with numbers of their own.
fn copies(count: u8) -> Vec<Copy> {
    let numbered = |n| {
        let mut copy = copy();
        copy.key.tx_no = TxNo::from_parts(1_700_000_000_000, [n; 10]);
        copy
    };
    (0..count).map(numbered).collect()
}

#[tokio::test]
async fn a_full_flush_of_every_kind_of_result_is_exact() {
    let fixture = Fixture::new().await;
    let copies = copies(200);
    let events = |n: usize| match n % 4 {
        0 => attempted(1, Then::Delivered),
        1 => attempted(1, again(1_000)),
        2 => attempted(1, Then::Dead(DeadReason::Rejected)),
        _ => parked(10_000),
    };
    let writes = copies.iter().enumerate();
    let moved = join_all(writes.map(|(n, copy)| fixture.write(copy, events(n)))).await;
    assert!(moved.iter().all(|moved| *moved == Moved::Yes));
    let keys: Vec<_> = copies.iter().map(|copy| copy.key.clone()).collect();
    let rows = fixture.record.read(&keys).await.unwrap();
    for (n, copy) in copies.iter().enumerate() {
        let row = rows[&copy.key];
        let expected = match n % 4 {
            0 => (State::Delivered, 1, 0),
            1 => (State::Waiting, 1, 0),
            2 => (State::Dead, 1, 0),
            _ => (State::Waiting, 0, 1),
        };
        assert_eq!((row.state, row.attempts, row.parks), expected, "{n}");
    }
    assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 150);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM dead_letter").await, 50);
    assert_eq!(fixture.outcomes().await.len(), 200 + 50 + 50);
}

#[tokio::test]
async fn two_processes_that_see_it_first_leave_one_row_and_both_attempts() {
    let fixture = Fixture::new().await;
    let other = open(&fixture.database, Clock::manual(NOW).0).await;
    // Both read "no row" before either writes.
    for copy in copies(20) {
        let ours = entry(&copy, None, attempted(1, again(1_000)));
        let theirs = entry(&copy, None, attempted(1, Then::Delivered));
        let both = tokio::join!(fixture.record.write(ours), other.write(theirs));
        assert!(both.0.is_ok() && both.1 == Ok(Moved::Yes));
        let row = fixture.standing(&copy).await.unwrap();
        assert_eq!((row.state, row.attempts), (State::Delivered, 1));
    }
    assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 40);
    let accepted = "SELECT COUNT(*) FROM outcome WHERE kind = 'accepted'";
    assert_eq!(fixture.count(accepted).await, 20);
    let delivered = "SELECT COUNT(*) FROM outcome WHERE kind = 'delivered'";
    assert_eq!(fixture.count(delivered).await, 20);
}

#[tokio::test]
async fn a_duplicate_rolls_back_the_whole_flush_and_every_entry_is_redone() {
    let fixture = Fixture::new().await;
    let copies = copies(30);
    // One of thirty has a row already, made by somebody who was quicker.
    fixture.write(&copies[17], attempted(1, again(1_000))).await;
    let entries = copies
        .iter()
        .map(|copy| entry(copy, None, attempted(1, Then::Delivered)));
    let writes = entries.map(|entry| fixture.record.write(entry));
    let moved = join_all(writes).await;
    assert!(moved.iter().all(|moved| *moved == Ok(Moved::Yes)));
    let delivered = "SELECT COUNT(*) FROM notification WHERE state = 'delivered'";
    assert_eq!(fixture.count(delivered).await, 30);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 31);
    assert_eq!(fixture.outcomes().await.len(), 30 + 30);
}

#[tokio::test]
async fn a_flush_that_is_found_durable_is_not_written_twice() {
    let fixture = Fixture::new().await;
    let event = attempted(1, again(1_000));
    fixture.write_as_read(&copy(), None, event.clone()).await;
    // As after a COMMIT whose answer was lost: the same entry comes again.
    let again = fixture.write_as_read(&copy(), None, event).await;
    assert_eq!(again, Moved::No);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 1);
    assert_eq!(fixture.standing(&copy()).await.unwrap().attempts, 1);
}

#[tokio::test]
async fn a_result_that_the_record_refuses_keeps_nobody_else_waiting() {
    let fixture = Fixture::new().await;
    let copies = copies(40);
    // The store refuses one of forty, as a strict one refuses what does not fit its column.
    fixture
        .execute(match fixture.database.dialect() {
            database::Dialect::Sqlite => {
                "CREATE TRIGGER refuse BEFORE INSERT ON notification \
                 WHEN NEW.business_key = 'poison' BEGIN SELECT RAISE(ABORT, 'refused'); END"
            }
            database::Dialect::MariaDb => {
                "CREATE TRIGGER refuse BEFORE INSERT ON notification FOR EACH ROW \
                 IF NEW.business_key = 'poison' THEN \
                 SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'; END IF"
            }
        })
        .await;
    let mut poison = copies[17].clone();
    poison.content.business_key = "poison".into();
    let blocked = fixture
        .record
        .write(entry(&poison, None, attempted(1, Then::Delivered)));
    let blocked = std::pin::pin!(blocked);
    let others = copies.iter().filter(|copy| copy.key != poison.key);
    let others = join_all(others.map(|copy| {
        let entry = entry(copy, None, attempted(1, Then::Delivered));
        fixture.record.write(entry)
    }));
    let deadline = std::time::Duration::from_secs(60);
    let all = async { futures::future::join(blocked, others).await };
    let mend = async {
        let started = std::time::Instant::now();
        while fixture.count("SELECT COUNT(*) FROM notification").await < 39 {
            assert!(started.elapsed() < deadline, "the others are written");
            tokio::task::yield_now().await;
        }
        fixture.execute("DROP TRIGGER refuse").await;
    };
    let (written, ()) = tokio::time::timeout(deadline, futures::future::join(all, mend))
        .await
        .unwrap();
    assert_eq!(written.0, Ok(Moved::Yes), "once its cause is mended");
    assert!(written.1.iter().all(|moved| *moved == Ok(Moved::Yes)));
    assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 40);
}

#[tokio::test]
async fn outcomes_sort_behind_older_ones_when_the_clock_is_set_back() {
    let fixture = Fixture::new().await;
    let copies = copies(3);
    fixture
        .write(&copies[0], attempted(1, Then::Delivered))
        .await;
    let newest = "SELECT MAX(outcome_id) FROM outcome";
    let before = fixture.texts(newest).await;
    // Another process begins a minute earlier by its clock.
    let (clock, _hand) = Clock::manual(NOW - 60_000);
    let other = open(&fixture.database, clock).await;
    let late = entry(&copies[1], None, attempted(1, Then::Delivered));
    other.write(late).await.unwrap();
    let late = "SELECT MIN(outcome_id) FROM outcome WHERE tx_no = \
         (SELECT MAX(tx_no) FROM outcome)";
    assert!(fixture.texts(late).await > before);
}

/// What a batch of known rows came to: its answers, and its rows.
async fn second_results(
    fixture: &Fixture,
    copies: &[Copy],
    event: impl Fn(usize) -> Event,
) -> (Vec<Moved>, Vec<Standing>) {
    let read: Vec<_> = join_all(copies.iter().map(|copy| fixture.standing(copy))).await;
    // Somebody else delivers one of each kind in between.
    for copy in &copies[16..20] {
        let number = fixture.standing(copy).await.unwrap().attempts + 1;
        let theirs = attempted(number, Then::Delivered);
        fixture.write(copy, theirs).await;
    }
    let entries = copies.iter().zip(read).enumerate();
    let writes = entries.map(|(n, (copy, read))| fixture.record.write(entry(copy, read, event(n))));
    let moved = join_all(writes).await.into_iter().map(Result::unwrap);
    let moved = moved.collect();
    let rows = join_all(copies.iter().map(|copy| fixture.standing(copy))).await;
    (moved, rows.into_iter().flatten().collect())
}

#[tokio::test]
async fn of_many_known_rows_each_moves_by_its_own_rule_and_what_somebody_else_moved_is_told() {
    let fixture = Fixture::new().await;
    let copies = copies(160);
    let firsts = copies
        .iter()
        .map(|copy| fixture.write(copy, attempted(1, again(1_000))));
    join_all(firsts).await;
    let event = |n: usize| match n % 4 {
        0 => attempted(2, Then::Delivered),
        1 => attempted(2, again(2_000 + i64::try_from(n).unwrap())),
        2 => attempted(2, USED_UP),
        _ => parked(3_000 + i64::try_from(n).unwrap()),
    };
    let (moved, rows) = second_results(&fixture, &copies, event).await;
    for (n, (moved, row)) in moved.into_iter().zip(rows).enumerate() {
        let due = |after_ms: i64| Some(NOW + after_ms + i64::try_from(n).unwrap());
        let expected = match n {
            16..20 => (Moved::No, State::Delivered, 2, None),
            _ => match n % 4 {
                0 => (Moved::Yes, State::Delivered, 2, None),
                1 => (Moved::Yes, State::Waiting, 2, due(2_000)),
                2 => (Moved::Yes, State::Dead, 2, None),
                _ => (Moved::Yes, State::Waiting, 1, due(3_000)),
            },
        };
        let found = (moved, row.state, row.attempts, row.next_due_ms);
        assert_eq!(found, expected, "{n}");
    }
    let letters = "SELECT COUNT(*) FROM dead_letter WHERE last_status = 500";
    assert_eq!(fixture.count(letters).await, 39);
    let attempts = "SELECT COUNT(*) FROM attempt WHERE number = 2";
    assert_eq!(fixture.count(attempts).await, 4 + 120);
}

#[tokio::test]
async fn a_death_its_letter_its_attempt_and_its_outcome_are_on_record_together_or_not_at_all() {
    for (away, back) in [
        (
            "ALTER TABLE dead_letter RENAME TO away",
            "ALTER TABLE away RENAME TO dead_letter",
        ),
        (
            "ALTER TABLE attempt RENAME TO away",
            "ALTER TABLE away RENAME TO attempt",
        ),
        (
            "ALTER TABLE outcome RENAME TO away",
            "ALTER TABLE away RENAME TO outcome",
        ),
    ] {
        let fixture = Fixture::new().await;
        fixture.attempt(&copy(), again(1_000)).await;
        let read = fixture.standing(&copy()).await;
        fixture.execute(away).await;
        let written = entry(&copy(), read, attempted(2, USED_UP));
        let written = tokio::spawn({
            let record = fixture.record.clone();
            async move { record.write(written).await }
        });
        let began = std::time::Instant::now();
        while fixture.record.health().reason().is_none() {
            assert!(
                began.elapsed() < std::time::Duration::from_secs(60),
                "{away}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let row = fixture.standing(&copy()).await.unwrap();
        assert_eq!((row.state, row.attempts), (State::Waiting, 1), "{away}");
        fixture.execute(back).await;
        assert_eq!(written.await.unwrap(), Ok(Moved::Yes), "{away}");
        let row = fixture.standing(&copy()).await.unwrap();
        assert_eq!((row.state, row.attempts), (State::Dead, 2));
        assert_eq!(fixture.count("SELECT COUNT(*) FROM dead_letter").await, 1);
        assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 2);
        assert_eq!(fixture.outcomes().await, ["accepted", "dead"]);
    }
}
