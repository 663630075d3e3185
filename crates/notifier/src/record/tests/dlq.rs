//! What the broker moved by itself gets its letter once, by the same rules as everything else.

use notification::{LetterState, NotificationState as State, TxNo};

use super::*;
use crate::copy::Reading;
use crate::record::dlq::{Advanced, Buried, Dead, Page, Position};

const STORED: i64 = NOW - 5_000;

fn position() -> Position {
    Position {
        group: copy().key.group,
        broker: "broker-a".into(),
        queue_id: 0,
    }
}

fn dead(copy: Copy) -> Dead {
    let aside = (copy.reading == Reading::Malformed).then(|| {
        let mut aside = copy.clone();
        aside.key.tx_no = TxNo::derived(1, "01ABC");
        aside.key.source = "-".parse().unwrap();
        aside.generation = 0;
        Arc::new(aside)
    });
    Dead {
        copy: Arc::new(copy),
        aside,
        endpoint: EndpointId::new("bank2").unwrap(),
        stored_ms: STORED,
    }
}

fn malformed() -> Copy {
    Copy {
        reading: Reading::Malformed,
        ..copy()
    }
}

impl Fixture {
    /// Begins the queue and puts a page of one message on record, from where the queue stands.
    async fn moved(&self, copy: Copy) -> Vec<Buried> {
        let from = self
            .record
            .dlq_offset_or_begin(&position(), 3)
            .await
            .unwrap();
        match self.page(from, &[dead(copy)]).await {
            Advanced::Yes(buried) => buried,
            Advanced::Elsewhere => panic!("nobody else was there"),
        }
    }

    async fn page(&self, from: i64, dead: &[Dead]) -> Advanced {
        let page = Page {
            position: &position(),
            from,
            to: from + 1,
            missed: 0,
            dead,
        };
        self.record.dlq_advance(&page).await.unwrap()
    }

    async fn letters(&self) -> Vec<(String, i64, String, Option<i64>)> {
        let rows = self
            .rows("SELECT tx_no, generation, reason, forwarded_ms FROM dead_letter ORDER BY generation")
            .await;
        let letter = |row: &AnyRow| (row.get(0), row.get(1), row.get(2), row.get(3));
        rows.iter().map(letter).collect()
    }

    async fn next_offset(&self) -> i64 {
        self.count("SELECT next_offset FROM dlq_position").await
    }
}

#[tokio::test]
async fn a_first_sight_in_the_topic_is_accepted_and_dead_with_its_letter() {
    let fixture = Fixture::new().await;
    let buried = fixture.moved(copy()).await;
    assert_eq!(
        (buried.len(), buried[0].reason),
        (1, DeadReason::BrokerMoved)
    );
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.attempts), (State::Dead, 0));
    assert_eq!(fixture.outcomes().await, ["accepted", "dead"]);
    let letter = &fixture.rows("SELECT * FROM dead_letter").await[0];
    assert_eq!(letter.get::<String, _>("class"), "pipeline");
    assert_eq!(letter.get::<String, _>("reason"), "broker_moved");
    assert_eq!(letter.get::<String, _>("state"), "open");
    assert_eq!(letter.get::<Vec<u8>, _>("body"), b"{}");
    // It is in the topic already: nobody has to forward it.
    assert_eq!(letter.get::<i64, _>("forwarded_ms"), STORED);
    assert_eq!(fixture.next_offset().await, 4);
}

#[tokio::test]
async fn what_waits_dies_with_the_attempts_that_it_had() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), again(1_000)).await;
    fixture.attempt(&copy(), again(2_000)).await;
    fixture.moved(copy()).await;
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.attempts), (State::Dead, 2));
    assert_eq!(row.next_due_ms, None);
    let attempts = "SELECT attempts FROM dead_letter";
    assert_eq!(fixture.count(attempts).await, 2);
    assert_eq!(fixture.outcomes().await, ["accepted", "dead"]);
}

#[tokio::test]
async fn what_the_notifier_forwarded_is_recognised_and_noted_as_forwarded() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), USED_UP).await;
    assert_eq!(fixture.moved(copy()).await, []);
    let letters = fixture.letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].2.as_str(), letters[0].3),
        ("ladder_used_up", Some(STORED))
    );
    assert_eq!(fixture.outcomes().await, ["accepted", "dead"]);
    assert_eq!(fixture.next_offset().await, 4, "it is passed all the same");
}

#[tokio::test]
async fn what_is_delivered_or_superseded_gets_no_letter() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), Then::Delivered).await;
    assert_eq!(fixture.moved(copy()).await, []);
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), again(1_000)).await;
    fixture.execute(REVIVE).await;
    assert_eq!(fixture.moved(copy()).await, []);
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.generation), (State::Waiting, 1));
    assert_eq!(fixture.letters().await, []);
    assert_eq!(fixture.next_offset().await, 4);
}

#[tokio::test]
async fn of_two_replicas_with_the_same_page_one_writes_it() {
    let fixture = Fixture::new().await;
    let other = open(&fixture.database, Clock::system()).await;
    let begun = [
        fixture
            .record
            .dlq_offset_or_begin(&position(), 3)
            .await
            .unwrap(),
        other.dlq_offset_or_begin(&position(), 0).await.unwrap(),
    ];
    assert_eq!(begun, [3, 3], "who comes second begins where the first did");
    let (position, dead) = (position(), [dead(copy())]);
    let page = Page {
        position: &position,
        from: 3,
        to: 4,
        missed: 0,
        dead: &dead,
    };
    let (one, two) = tokio::join!(fixture.record.dlq_advance(&page), other.dlq_advance(&page));
    let answers = [one.unwrap(), two.unwrap()];
    let wrote = |answer: &&Advanced| matches!(answer, Advanced::Yes(buried) if buried.len() == 1);
    assert_eq!(answers.iter().filter(wrote).count(), 1);
    assert!(answers.contains(&Advanced::Elsewhere), "{answers:?}");
    assert_eq!(fixture.letters().await.len(), 1);
    assert_eq!(fixture.outcomes().await, ["accepted", "dead"]);
    assert_eq!(fixture.next_offset().await, 4);
}

#[tokio::test]
async fn read_again_from_the_beginning_nothing_is_written_twice() {
    let fixture = Fixture::new().await;
    fixture.moved(copy()).await;
    fixture
        .execute("UPDATE dlq_position SET next_offset = 0")
        .await;
    assert_eq!(fixture.moved(copy()).await, []);
    assert_eq!(fixture.letters().await.len(), 1);
    assert_eq!(fixture.outcomes().await, ["accepted", "dead"]);
}

#[tokio::test]
async fn a_page_that_fails_moves_nothing() {
    let fixture = Fixture::new().await;
    let from = fixture
        .record
        .dlq_offset_or_begin(&position(), 3)
        .await
        .unwrap();
    fixture
        .execute("ALTER TABLE outcome RENAME TO elsewhere")
        .await;
    let page = Page {
        position: &position(),
        from,
        to: 4,
        missed: 0,
        dead: &[dead(copy())],
    };
    assert!(fixture.record.dlq_advance(&page).await.is_err());
    fixture
        .execute("ALTER TABLE elsewhere RENAME TO outcome")
        .await;
    assert_eq!(fixture.next_offset().await, 3);
    assert_eq!(fixture.standing(&copy()).await, None);
    assert_eq!(fixture.moved(copy()).await.len(), 1);
}

#[tokio::test]
async fn a_resend_that_the_broker_moved_forgets_its_send_request() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), USED_UP).await;
    fixture.execute(REVIVE).await;
    fixture
        .execute(
            "INSERT INTO send_request VALUES \
             ('bank2', '0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11', 'bank1', 1, 0, 1, 0)",
        )
        .await;
    assert_eq!(fixture.moved(resent(1)).await.len(), 1);
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.generation), (State::Dead, 1));
    assert_eq!(fixture.count("SELECT COUNT(*) FROM send_request").await, 0);
}

#[tokio::test]
async fn a_record_that_a_backup_took_back_learns_from_the_topic() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), USED_UP).await;
    let buried = fixture.moved(resent(2)).await;
    assert_eq!(
        (buried[0].generation, buried[0].caught_up_from),
        (2, Some(0))
    );
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!(
        (row.state, row.generation, row.attempts),
        (State::Dead, 2, 0)
    );
    let states = "SELECT state FROM dead_letter ORDER BY generation";
    assert_eq!(fixture.texts(states).await, ["resent", "open"]);
}

#[tokio::test]
async fn a_malformed_one_gets_a_key_of_its_own_and_moves_nobodys_row() {
    let fixture = Fixture::new().await;
    fixture.write(&copy(), parked(10_000)).await;
    let buried = fixture.moved(malformed()).await;
    assert_eq!(buried[0].key.source.as_str(), "-");
    assert_eq!(buried[0].key.tx_no, TxNo::derived(1, "01ABC"));
    assert_eq!(buried[0].reason, DeadReason::Malformed);
    let row = fixture.standing(&copy()).await.unwrap();
    assert_eq!((row.state, row.parks), (State::Waiting, 1));
    // Again, from the beginning: it has its letter.
    assert_eq!(fixture.moved(malformed()).await, []);
    assert_eq!(fixture.letters().await.len(), 1);
}

#[tokio::test]
async fn a_malformed_one_that_the_notifier_forwarded_keeps_its_letter() {
    let fixture = Fixture::new().await;
    let died = Event::Died(DeadReason::Malformed);
    fixture.write(&malformed(), died).await;
    assert_eq!(fixture.moved(malformed()).await, []);
    let letters = fixture.letters().await;
    assert_eq!((letters.len(), letters[0].3), (1, Some(STORED)));
}

#[tokio::test]
async fn operators_tools_read_where_each_letter_stands() {
    let fixture = Fixture::new().await;
    fixture.attempt(&copy(), USED_UP).await;
    let letters = || crate::letters_on_record(&fixture.database);
    let letter = letters().await.unwrap().remove(0);
    assert_eq!(
        (letter.state, letter.forwarded_ms),
        (LetterState::Open, None)
    );
    assert_eq!(letter.tx_no, copy().key.tx_no.to_string());
    let died_ms = fixture.count("SELECT died_ms FROM dead_letter").await;
    assert_eq!(letter.died_ms, died_ms);
    fixture.moved(copy()).await;
    assert_eq!(letters().await.unwrap()[0].forwarded_ms, Some(STORED));
}

#[tokio::test]
async fn what_was_missed_is_written_down_with_the_position() {
    let fixture = Fixture::new().await;
    let record = &fixture.record;
    record.dlq_offset_or_begin(&position(), 3).await.unwrap();
    assert_eq!(record.dlq_missed().await.unwrap(), []);
    let mut page = Page {
        position: &position(),
        from: 3,
        to: 7,
        missed: 4,
        dead: &[],
    };
    record.dlq_advance(&page).await.unwrap();
    // Another that comes late with the same page adds nothing.
    assert_eq!(
        record.dlq_advance(&page).await.unwrap(),
        Advanced::Elsewhere
    );
    (page.from, page.to, page.missed) = (7, 9, 2);
    record.dlq_advance(&page).await.unwrap();
    assert_eq!(record.dlq_missed().await.unwrap(), [(position(), 6)]);
}
