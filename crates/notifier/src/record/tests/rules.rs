//! N1 to N5, one notification at a time.

use notification::NotificationState as State;

use super::*;

#[tokio::test]
async fn a_first_delivery_is_accepted_and_delivered_in_one_row() {
    let fixture = Fixture::new().await;
    let moved = fixture.attempt(&copy(), Then::Delivered).await;
    assert_eq!(moved, Moved::Yes);
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.attempts), (State::Delivered, 1));
    assert_eq!(fixture.outcomes().await, ["accepted", "delivered"]);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 1);
    let excerpt = fixture.rows("SELECT response_excerpt FROM attempt").await;
    assert_eq!(excerpt[0].get::<Vec<u8>, _>(0), b"because");
}

#[tokio::test]
async fn refusals_climb_and_the_last_one_writes_a_letter() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.attempt(&copy(), again(1_000)).await, Moved::Yes);
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.attempts), (State::Waiting, 1));
    assert_eq!(row.next_due_ms, Some(NOW + 1_000));
    assert_eq!(fixture.attempt(&copy(), again(2_000)).await, Moved::Yes);
    assert_eq!(fixture.attempt(&copy(), USED_UP).await, Moved::Yes);
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.attempts), (State::Dead, 3));
    assert_eq!(row.next_due_ms, None);
    let letter = &fixture.rows("SELECT * FROM dead_letter").await[0];
    assert_eq!(letter.get::<String, _>("reason"), "ladder_used_up");
    assert_eq!(letter.get::<String, _>("class"), "receiver");
    assert_eq!(letter.get::<i64, _>("attempts"), 3);
    assert_eq!(letter.get::<i64, _>("last_status"), 500);
    assert_eq!(letter.get::<Vec<u8>, _>("body"), b"{}");
    assert_eq!(letter.get::<Option<i64>, _>("forwarded_ms"), None);
    assert_eq!(fixture.outcomes().await, ["accepted", "dead"]);
}

#[tokio::test]
async fn a_late_failure_never_overwrites_a_delivery() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), again(1_000)).await;
    let read = fixture.standing(&copy()).await;
    // Another worker delivers attempt 2; ours, which began earlier, fails and comes last.
    fixture
        .write_as_read(&copy(), read, attempted(2, Then::Delivered))
        .await;
    for late in [again(2_000), USED_UP, Then::Dead(DeadReason::Rejected)] {
        let moved = fixture
            .write_as_read(&copy(), read, attempted(2, late))
            .await;
        assert_eq!(moved, Moved::No, "{late:?}");
    }
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.attempts), (State::Delivered, 2));
    assert_eq!(fixture.count("SELECT COUNT(*) FROM dead_letter").await, 0);
    assert_eq!(fixture.outcomes().await, ["accepted", "delivered"]);
    // Each POST is on record all the same, and keeps its number.
    let seconds = "SELECT COUNT(*) FROM attempt WHERE number = 2";
    assert_eq!(fixture.count(seconds).await, 4);
}

#[tokio::test]
async fn only_the_newest_attempt_can_let_it_die() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), again(1_000)).await;
    let early = fixture.standing(&copy()).await;
    fixture.attempt(&copy(), again(2_000)).await;
    let moved = fixture
        .write_as_read(&copy(), early, attempted(2, USED_UP))
        .await;
    assert_eq!(moved, Moved::No);
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.attempts), (State::Waiting, 2));
    assert_eq!(row.next_due_ms, Some(NOW + 2_000));
}

#[tokio::test]
async fn a_second_copy_in_flight_keeps_its_number_and_moves_nothing() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), again(1_000)).await;
    let both = fixture.standing(&copy()).await;
    let first = fixture
        .write_as_read(&copy(), both, attempted(2, again(2_000)))
        .await;
    let second = fixture
        .write_as_read(&copy(), both, attempted(2, again(9_000)))
        .await;
    assert_eq!([first, second], [Moved::Yes, Moved::No]);
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.attempts, row.next_due_ms), (2, Some(NOW + 2_000)));
}

#[tokio::test]
async fn a_delivery_after_death_closes_the_letter() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), again(1_000)).await;
    let read = fixture.standing(&copy()).await;
    fixture
        .write_as_read(&copy(), read, attempted(2, USED_UP))
        .await;
    let late = fixture
        .write_as_read(&copy(), read, attempted(2, Then::Delivered))
        .await;
    assert_eq!(late, Moved::Yes);
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.attempts), (State::Delivered, 2));
    assert_eq!(
        fixture.texts("SELECT state FROM dead_letter").await,
        ["closed"]
    );
    assert_eq!(fixture.outcomes().await, ["accepted", "dead", "delivered"]);
}

#[tokio::test]
async fn a_late_delivery_of_an_old_generation_ends_the_new_one() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), again(1_000)).await;
    let old = fixture.standing(&copy()).await;
    fixture
        .write_as_read(&copy(), old, attempted(2, USED_UP))
        .await;
    fixture.execute(REVIVE).await;
    fixture
        .execute("UPDATE dead_letter SET state = 'resent'")
        .await;
    let late = fixture
        .write_as_read(&copy(), old, attempted(2, Then::Delivered))
        .await;
    assert_eq!(late, Moved::Yes);
    let row = fixture.standing(&copy()).await.unwrap();
    // Its number belongs to the generation before: the new one's count is untouched.
    let expected = (State::Delivered, 1, 0);
    assert_eq!((row.state, row.generation, row.attempts), expected);
    assert_eq!(
        fixture.texts("SELECT state FROM dead_letter").await,
        ["closed"]
    );
}

#[tokio::test]
async fn a_late_failure_of_an_old_generation_moves_nothing() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), USED_UP).await;
    fixture.execute(REVIVE).await;
    let revived = fixture.standing(&copy()).await;
    for late in [attempted(1, again(5)), attempted(1, USED_UP), parked(5)] {
        let moved = fixture.write_as_read(&copy(), revived, late).await;
        assert_eq!(moved, Moved::No);
    }
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.attempts, row.parks), (State::Waiting, 0, 0));
}

#[tokio::test]
async fn the_first_trace_of_a_resend_forgets_its_send_request() {
    let request = "INSERT INTO send_request VALUES \
         ('bank2', '0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11', 'bank1', 1, 0, 1, 0)";
    let left = "SELECT COUNT(*) FROM send_request";
    for trace in [
        attempted(1, again(5)),
        attempted(1, Then::Delivered),
        parked(5),
        Event::Held { due_ms: NOW },
    ] {
        let fixture = Fixture::new().await;
        fixture.attempt(&copy(), USED_UP).await;
        fixture.execute(REVIVE).await;
        fixture.execute(request).await;
        // Nothing that an old copy does counts as having seen the new generation.
        let old = fixture.standing(&copy()).await;
        fixture
            .write_as_read(&copy(), old, attempted(1, again(5)))
            .await;
        assert_eq!(fixture.count(left).await, 1);
        fixture.write(&resent(1), trace).await;
        assert_eq!(fixture.count(left).await, 0);
        assert!(fixture.standing(&copy()).await.unwrap().seen);
    }
}

#[tokio::test]
async fn parks_count_themselves_and_use_no_rung() {
    let fixture = Fixture::new().await;
    fixture.write(&copy(), parked(10_000)).await;
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.attempts, row.parks), (State::Waiting, 0, 1));
    fixture.write(&copy(), parked(30_000)).await;
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.attempts, row.parks), (0, 2));
    assert_eq!(row.parked_ms, 40_000, "how long they last, in all");
    assert_eq!(row.next_due_ms, Some(NOW + 30_000));
    assert_eq!(fixture.outcomes().await, ["accepted"]);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM attempt").await, 0);
}

#[tokio::test]
async fn what_dies_without_an_attempt_is_the_pipelines() {
    let fixture = Fixture::new().await;
    let died = Event::Died(DeadReason::Malformed);
    assert_eq!(fixture.write(&copy(), died.clone()).await, Moved::Yes);
    assert_eq!(
        fixture.texts("SELECT class FROM dead_letter").await,
        ["pipeline"]
    );
    // A second copy of it finds the letter written.
    let read = fixture.standing(&copy()).await;
    assert_eq!(fixture.write_as_read(&copy(), read, died).await, Moved::No);
    assert_eq!(fixture.count("SELECT COUNT(*) FROM dead_letter").await, 1);
}

#[tokio::test]
async fn a_letter_waits_to_be_forwarded_until_it_was() {
    let fixture = Fixture::new().await;
    let key = copy().key;
    let burial = async || fixture.record.burial(&key, 0).await.unwrap();
    let without = Burial::Awaited(None);
    assert_eq!(
        burial().await,
        without,
        "a copy without a letter is kept somewhere"
    );
    fixture.attempt(&copy(), USED_UP).await;
    let awaited = Burial::Awaited(Some(DeadReason::LadderUsedUp));
    assert_eq!(burial().await, awaited);
    fixture.record.forwarded(key.clone(), 0).await.unwrap();
    assert_eq!(burial().await, Burial::Done);
    let forwarded_ms = "SELECT forwarded_ms FROM dead_letter";
    let first = fixture.count(forwarded_ms).await;
    fixture.hand.advance(std::time::Duration::from_secs(1));
    fixture.record.forwarded(key.clone(), 0).await.unwrap();
    let second = fixture.count(forwarded_ms).await;
    assert_eq!(first, second, "the first time counts");
}

#[tokio::test]
async fn a_long_failure_is_cut_to_what_its_column_takes() {
    let fixture = Fixture::new().await;
    for then in [again(1_000), USED_UP] {
        let number = fixture
            .standing(&copy())
            .await
            .map_or(1, |row| row.attempts + 1);
        let mut event = attempted(number, then);
        if let Event::Attempted { attempt, .. } = &mut event {
            // Two bytes each: what counts is characters.
            attempt.detail = Some(format!("tls: {}", "é".repeat(200)));
        }
        fixture.write(&copy(), event).await;
    }
    for text in [
        "SELECT last_error FROM notification",
        "SELECT last_error FROM dead_letter",
    ] {
        let kept = &fixture.texts(text).await[0];
        assert_eq!(kept.chars().count(), 200, "{text}");
    }
}

#[tokio::test]
async fn a_letter_keeps_of_a_huge_malformed_body_only_its_beginning() {
    let fixture = Fixture::new().await;
    let mut huge = copy();
    huge.reading = crate::copy::Reading::Malformed;
    huge.content.body = Bytes::from(vec![7; 300_000]);
    fixture
        .write(&huge, Event::Died(DeadReason::Malformed))
        .await;
    let kept = "SELECT LENGTH(body) FROM dead_letter";
    assert_eq!(fixture.count(kept).await, 262_144);
}

#[tokio::test]
async fn a_malformed_copy_moves_nobodys_row() {
    let fixture = Fixture::new().await;
    fixture.write(&copy(), parked(10_000)).await;
    let mut malformed = copy();
    malformed.reading = crate::copy::Reading::Malformed;
    let died = Event::Died(DeadReason::Malformed);
    assert_eq!(fixture.write(&malformed, died).await, Moved::No);
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.parks), (State::Waiting, 1));
    assert_eq!(fixture.count("SELECT COUNT(*) FROM dead_letter").await, 0);
}
