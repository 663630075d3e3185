//! An inbox on a real database, with a business of one counter.

use std::collections::BTreeMap;

use database::testing::Databases;
use notification::body_hash;

use super::*;

struct Bank {
    inbox: Inbox,
    database: Database,
    source: Source,
    _databases: Databases,
}

const BORN_MS: u64 = 1_700_000_000_000;

fn number(n: u8) -> TxNo {
    TxNo::from_parts(BORN_MS, [n; 10])
}

async fn bank() -> Bank {
    let databases = Databases::new();
    let config = databases.config("bank2");
    let database = Database::open(&config).await.unwrap();
    database.migrate(&crate::MIGRATIONS).await.unwrap();
    run(&database, "CREATE TABLE credits (tx_no VARCHAR(36))").await;
    let (clock, _hand) = Clock::manual(i64::try_from(BORN_MS).unwrap());
    Bank {
        inbox: Inbox::new(database.clone()).with_clock(clock),
        database,
        source: Source::new("bank1").unwrap(),
        _databases: databases,
    }
}

async fn run(database: &Database, sql: &'static str) {
    let mut connection = database.write().await.unwrap();
    sqlx::query(sql).execute(&mut *connection).await.unwrap();
}

impl Bank {
    async fn credit(&self, n: u8, body: &[u8]) -> Result<Applied, InboxError> {
        let tx_no = number(n);
        let hash = body_hash(body);
        self.inbox
            .apply_once(&self.source, &tx_no, &hash, |tx| {
                Box::pin(insert_credit(tx, tx_no))
            })
            .await
    }

    async fn refuse(&self, n: u8) -> Result<Applied, InboxError> {
        let tx_no = number(n);
        let hash = body_hash(b"x");
        self.inbox
            .apply_once(&self.source, &tx_no, &hash, |tx| {
                Box::pin(async move {
                    insert_credit(tx, tx_no).await?;
                    Err(BusinessError::refused("no such account"))
                })
            })
            .await
    }

    async fn count(&self, table: &'static str) -> i64 {
        let mut reader = self.database.read().await.unwrap();
        let sql = match table {
            "inbox" => "SELECT COUNT(*) FROM inbox",
            _ => "SELECT COUNT(*) FROM credits",
        };
        let count = sqlx::query_scalar(sql).fetch_one(&mut *reader).await;
        count.unwrap()
    }
}

async fn insert_credit(tx: &mut Tx, tx_no: TxNo) -> Result<(), BusinessError> {
    sqlx::query("INSERT INTO credits (tx_no) VALUES (?)")
        .bind(tx_no.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_second_ring_is_a_duplicate_and_applies_nothing() {
    let bank = bank().await;
    assert_eq!(bank.credit(1, b"x").await.unwrap(), Applied::Applied);
    assert_eq!(bank.credit(1, b"x").await.unwrap(), Applied::Duplicate);
    assert_eq!(bank.credit(2, b"x").await.unwrap(), Applied::Applied);
    assert_eq!(bank.count("credits").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_rings_at_once_apply_once() {
    let bank = std::sync::Arc::new(bank().await);
    let mut rings = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let bank = bank.clone();
        rings.spawn(async move { bank.credit(1, b"x").await.unwrap() });
    }
    let answers = rings.join_all().await;
    let applied = answers.iter().filter(|a| **a == Applied::Applied).count();
    assert_eq!((applied, answers.len()), (1, 16));
    assert_eq!(bank.count("credits").await, 1);
    assert_eq!(bank.count("inbox").await, 1);
}

#[tokio::test]
async fn another_body_under_the_same_number_is_refused_for_good() {
    let bank = bank().await;
    bank.credit(1, b"x").await.unwrap();
    let error = bank.credit(1, b"y").await.unwrap_err();
    assert!(matches!(error, InboxError::OtherBody));
    assert_eq!(error.status(), 422);
    assert_eq!(bank.count("credits").await, 1);
}

#[tokio::test]
async fn a_business_refusal_leaves_no_row_and_the_number_may_come_again() {
    let bank = bank().await;
    match bank.refuse(1).await.unwrap_err() {
        InboxError::Business(error) => assert_eq!(error.to_string(), "no such account"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bank.count("credits").await, 0);
    assert_eq!(bank.count("inbox").await, 0);
    assert_eq!(bank.credit(1, b"x").await.unwrap(), Applied::Applied);
}

#[tokio::test]
async fn a_failed_statement_of_the_business_undoes_the_row_too() {
    let bank = bank().await;
    run(&bank.database, "DROP TABLE credits").await;
    let error = bank.credit(1, b"x").await.unwrap_err();
    assert!(matches!(error, InboxError::Database(_)), "{error:?}");
    assert_eq!(error.status(), 500);
    assert_eq!(bank.count("inbox").await, 0);
}

#[tokio::test]
async fn a_ring_that_is_given_up_half_way_leaves_nothing() {
    let bank = bank().await;
    let tx_no = number(1);
    let (entered, at_entry) = tokio::sync::oneshot::channel();
    let hash = body_hash(b"x");
    let ring = bank.inbox.apply_once(&bank.source, &tx_no, &hash, |tx| {
        Box::pin(async move {
            insert_credit(tx, tx_no).await?;
            entered.send(()).unwrap();
            std::future::pending().await
        })
    });
    tokio::select! {
        result = ring => panic!("{result:?}"),
        entered = at_entry => entered.unwrap(),
    }
    assert_eq!(bank.credit(1, b"x").await.unwrap(), Applied::Applied);
    assert_eq!(bank.count("credits").await, 1);
}

#[tokio::test]
async fn a_tombstone_is_never_applied() {
    let bank = bank().await;
    let mut writer = bank.database.write().await.unwrap();
    sqlx::query("INSERT INTO inbox VALUES (?, ?, '', 'cancelled', 0)")
        .bind(bank.source.as_str())
        .bind(number(1).to_string())
        .execute(&mut *writer)
        .await
        .unwrap();
    drop(writer);
    let error = bank.credit(1, b"x").await.unwrap_err();
    assert!(matches!(error, InboxError::Cancelled));
    assert_eq!(error.status(), 409);
    assert_eq!(bank.count("credits").await, 0);
}

#[tokio::test]
async fn the_same_number_of_two_sources_is_two_notifications() {
    let mut bank = bank().await;
    bank.credit(1, b"x").await.unwrap();
    bank.source = Source::new("shop").unwrap();
    assert_eq!(bank.credit(1, b"y").await.unwrap(), Applied::Applied);
}

#[tokio::test]
async fn a_number_older_than_the_retention_is_refused() {
    let bank = bank().await;
    let day_ms = 86_400_000;
    let born = i64::try_from(BORN_MS).unwrap();
    for (age_days, taken) in [(90, true), (91, false)] {
        let (clock, _hand) = Clock::manual(born + age_days * day_ms);
        let bank = Bank {
            inbox: bank.inbox.clone().with_clock(clock),
            database: bank.database.clone(),
            source: bank.source.clone(),
            _databases: Databases::new(),
        };
        let result = bank.credit(1, b"x").await;
        assert_eq!(result.is_ok(), taken, "{age_days}: {result:?}");
    }
}

#[tokio::test]
async fn states_tell_applied_cancelled_and_unknown_per_source() {
    let bank = bank().await;
    bank.credit(1, b"x").await.unwrap();
    let mut asked: Vec<TxNo> = (1..=3).map(number).collect();
    asked.extend((0..1200).map(|n| TxNo::from_parts(n, [9; 10])));
    let states: BTreeMap<_, _> = bank
        .inbox
        .states(&bank.source, &asked)
        .await
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(states.len(), 1203);
    assert_eq!(states[&number(1)], InboxState::Applied);
    assert_eq!(states[&number(2)], InboxState::Unknown);
    let other = Source::new("shop").unwrap();
    let elsewhere = bank.inbox.states(&other, &[number(1)]).await.unwrap();
    assert_eq!(elsewhere, [(number(1), InboxState::Unknown)]);
    assert!(bank.inbox.states(&other, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_number_is_forgotten_when_it_is_refused_anyway_and_not_before() {
    let bank = bank().await;
    let (clock, hand) = Clock::manual(i64::try_from(BORN_MS).unwrap());
    let inbox = bank.inbox.clone().with_clock(clock);
    for n in 0..=255 {
        bank.credit(n, b"x").await.unwrap();
    }
    // Made by a clock that is a year ahead: its row is as old as the others'.
    let ahead = TxNo::from_parts(BORN_MS + 365 * 86_400_000, [1; 10]);
    let hash = body_hash(b"x");
    let apply = || {
        inbox.apply_once(&bank.source, &ahead, &hash, |tx| {
            Box::pin(insert_credit(tx, ahead))
        })
    };
    assert_eq!(apply().await.unwrap(), Applied::Applied);
    hand.advance(RETENTION);
    assert_eq!(inbox.forget().await.unwrap(), 0);
    hand.advance(Duration::from_secs(2 * 3600));
    assert_eq!(inbox.forget().await.unwrap(), 256);
    assert_eq!(bank.count("inbox").await, 1);
    assert_eq!(apply().await.unwrap(), Applied::Duplicate);
}
