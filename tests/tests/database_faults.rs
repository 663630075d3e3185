//! The database server under bank1's load: killed, read-only, full of connections, full of data. Nothing is lost,
//! nothing doubled, and nobody is told more than is known. These run where `RINGBACK_TEST_DATABASE` names a server,
//! each on a server of its own.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use demo::{Posted, World, eventually};
use ringback_tests::{BankRun, MariaDb, PATIENCE, Setting, TestStage, under_test};
use tokio::task::JoinSet;

async fn stage(server: &MariaDb) -> TestStage {
    let setting = Setting {
        databases: Some(server.databases().await),
        ..Setting::default()
    };
    TestStage::raise(under_test!(), setting).await
}

/// Asks for so many transfers at once.
fn load(world: &World, run: &mut BankRun, many: i64) -> JoinSet<anyhow::Result<Posted>> {
    let mut asking = JoinSet::new();
    for n in 0..many {
        let (tx_no, amount_fen) = (world.fresh_tx_no(), 1_001 + n);
        run.asks(tx_no, amount_fen);
        let world = world.clone();
        asking.spawn(async move { world.transfer(&tx_no, amount_fen).await });
    }
    asking
}

/// Waits until a transfer commits again.
async fn works_again(on: &TestStage, run: &mut BankRun) {
    let world = &on.world;
    let tried = std::sync::Mutex::new(Vec::new());
    eventually("a transfer commits", PATIENCE, || async {
        let tx_no = world.fresh_tx_no();
        tried.lock().unwrap().push(tx_no);
        let posted = world.transfer(&tx_no, 2_001).await?;
        Ok((posted == Posted::Committed).then_some(()))
    })
    .await
    .unwrap();
    for tx_no in tried.into_inner().unwrap() {
        run.asks(tx_no, 2_001);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_under_load_neither_loses_nor_makes_money() {
    let Some(server) = MariaDb::start("").await else {
        return;
    };
    let on = stage(&server).await;
    let mut run = BankRun::default();
    for _ in 0..3 {
        let mut asking = load(&on.world, &mut run, 8);
        // Some are answered, the others are somewhere in the middle.
        asking.join_next().await.unwrap().unwrap().unwrap();
        server.kill9().await;
        server.start_again().await;
        while let Some(answer) = asking.join_next().await {
            println!("{}", answer.unwrap().unwrap());
        }
        works_again(&on, &mut run).await;
    }
    run.balances(&on.world, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_becomes_read_only_is_named_and_loses_nothing() {
    let Some(server) = MariaDb::start("").await else {
        return;
    };
    let on = stage(&server).await;
    let mut run = BankRun::default();
    run.commit(&on.world, 1_001).await;
    server.sql("SET GLOBAL read_only = 1").await;
    let mut asking = load(&on.world, &mut run, 3);
    while let Some(answer) = asking.join_next().await {
        let told = answer.unwrap().unwrap().to_string();
        assert!(told.contains("read-only"), "{told}");
    }
    server.sql("SET GLOBAL read_only = 0").await;
    works_again(&on, &mut run).await;
    run.balances(&on.world, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_follows_the_address_from_an_old_primary_to_the_new_one() {
    let (Some(old), Some(new)) = (MariaDb::start("").await, MariaDb::start("").await) else {
        return;
    };
    for server in [&old, &new] {
        server.databases().await;
        server
            .sql("CREATE TABLE bank1.seen (id INT NOT NULL)")
            .await;
    }
    let config = database::Config::new(old.url("bank1"));
    let (switch, config) = database::testing::Switch::before(&config).await;
    let database = database::Database::open(&config).await.unwrap();
    // Given readers that lie idle on the old primary,
    assert_eq!(seen(&database).await.unwrap(), 0);
    // when another one takes over, and the old one stays up, behind and read-only,
    switch.lead_to(&new.address());
    old.sql("SET GLOBAL read_only = 1").await;
    new.sql("INSERT INTO bank1.seen VALUES (1)").await;
    // then whoever reads does so there, at once.
    assert_eq!(seen(&database).await.unwrap(), 1);
    // And with nothing but a read-only server behind the address nothing is read at all.
    new.sql("SET GLOBAL read_only = 1").await;
    let error = seen(&database).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    new.sql("SET GLOBAL read_only = 0").await;
    assert_eq!(seen(&database).await.unwrap(), 1);
}

async fn seen(database: &database::Database) -> Result<i64, database::DatabaseError> {
    let mut reader = database.read().await?;
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM seen");
    Ok(count.fetch_one(&mut *reader).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_free_connection_is_waited_for() {
    let Some(server) = MariaDb::start("--max-connections=60").await else {
        return;
    };
    let on = stage(&server).await;
    let mut run = BankRun::default();
    run.commit(&on.world, 1_001).await;
    // Others take what was left, so that no pool can grow any more.
    let hog = hog(&server.url("bank1")).await;
    let taken = server
        .sql("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'ringback'")
        .await;
    server
        .sql(&format!("SET GLOBAL max_connections = {}", taken.trim()))
        .await;
    let mut asking = load(&on.world, &mut run, 12);
    let mut refused = 0;
    while let Some(answer) = asking.join_next().await {
        let told = answer.unwrap().unwrap().to_string();
        println!("{told}");
        refused += usize::from(told.contains("Too many connections"));
    }
    assert!(refused > 0, "nobody was refused for want of a connection");
    drop(hog);
    server.sql("SET GLOBAL max_connections = 60").await;
    works_again(&on, &mut run).await;
    run.balances(&on.world, PATIENCE).await;
}

/// Ten connections that do nothing but be there.
async fn hog(url: &str) -> Vec<sqlx::pool::PoolConnection<sqlx::Any>> {
    let mut all = Vec::new();
    for _ in 0..10 {
        let config = database::Config::new(url);
        let database = database::Database::open(&config).await.unwrap();
        all.push(database.read().await.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_transfers_and_loses_none() {
    // The tables share one file that may grow to 24 MB: InnoDB says of it what it says of a full disk.
    let full = "--innodb-file-per-table=0 --innodb-data-file-path=ibdata1:12M:autoextend:max:24M";
    let Some(server) = MariaDb::start(full).await else {
        return;
    };
    let on = stage(&server).await;
    let mut run = BankRun::default();
    run.commit(&on.world, 1_001).await;
    server
        .sql("CREATE DATABASE filler; CREATE TABLE filler.rows_of_it (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(4000)) ENGINE=InnoDB")
        .await;
    fill(&server).await;
    let refused = eventually("a transfer is refused", PATIENCE, || async {
        let tx_no = on.world.fresh_tx_no();
        let posted = on.world.transfer(&tx_no, 1_001).await?;
        Ok((posted != Posted::Committed).then(|| posted.to_string()))
    });
    println!("{}", refused.await.unwrap());
    server.sql("DROP DATABASE filler").await;
    works_again(&on, &mut run).await;
    run.balances(&on.world, PATIENCE).await;
}

/// Inserts until the server says that there is no more room.
async fn fill(server: &MariaDb) {
    server
        .routine(
            "CREATE PROCEDURE filler.fill() BEGIN \
             DECLARE CONTINUE HANDLER FOR 1114 SET @full = 1; \
             SET @full = 0; \
             WHILE @full = 0 DO INSERT INTO filler.rows_of_it (text) VALUES (REPEAT('x', 4000)); END WHILE; \
             END",
        )
        .await;
    server.sql("CALL filler.fill()").await;
}
