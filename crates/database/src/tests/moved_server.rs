//! A server that falls silent, goes in the middle, or says that it is ending: nobody waits for its old connections,
//! and nobody runs against it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::query_scalar;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::on_mariadb::ledger;
use crate::testing::Switch;
use crate::{Config, Database, DatabaseError, Migrations};

#[tokio::test]
async fn statements_that_were_given_up_leave_the_pool_its_connections() {
    let Some((_databases, config, _)) = ledger().await else {
        return;
    };
    let config = Config {
        readers: 2,
        answer_wait: Duration::from_secs(1),
        ..config
    };
    let (switch, config) = Switch::before(&config).await;
    let database = Database::open(&config).await.unwrap();
    let taken = [
        database.read().await.unwrap(),
        database.read().await.unwrap(),
    ];
    // Given a host that loses its power while each connection has a statement under way,
    switch.fall_silent();
    for mut reader in taken {
        let asked = database.in_time(async {
            let one: i64 = query_scalar("SELECT 1").fetch_one(&mut *reader).await?;
            Ok::<_, DatabaseError>(one)
        });
        let error = asked.await.unwrap_err();
        assert!(matches!(error, DatabaseError::NoAnswer { .. }), "{error:?}");
        drop(reader);
    }
    // then the address, which leads elsewhere by now, serves as many as before.
    let _taken = [
        database.read().await.unwrap(),
        database.read().await.unwrap(),
    ];
}

#[tokio::test]
async fn a_connection_that_fell_silent_while_it_lay_idle_is_replaced_within_the_wait() {
    let Some((_databases, config, _)) = ledger().await else {
        return;
    };
    let (switch, config) = Switch::before(&config).await;
    let database = Database::open(&config).await.unwrap();
    for _ in 0..2 {
        let (reader, writer) = (
            database.read().await.unwrap(),
            database.write().await.unwrap(),
        );
        drop((reader, writer));
        // Both lie in their pools again once they have been asked.
        database.read().await.unwrap();
        database.write().await.unwrap();
        switch.fall_silent();
        let mut reader = database.read().await.unwrap();
        let one: i64 = query_scalar("SELECT 1")
            .fetch_one(&mut *reader)
            .await
            .unwrap();
        assert_eq!(one, 1);
        database.begin().await.unwrap().rollback().await.unwrap();
    }
}

const TABLES: Migrations = Migrations {
    name: "moved",
    files: &[(
        1,
        "line",
        "CREATE TABLE moved_line (id INT NOT NULL PRIMARY KEY) ENGINE=InnoDB",
    )],
};

#[tokio::test]
async fn a_server_that_goes_between_opening_and_migrating_is_waited_for() {
    let Some((_databases, config, direct)) = ledger().await else {
        return;
    };
    let (switch, config) = Switch::before(&config).await;
    let (switch, tries) = (Arc::new(switch), Arc::new(AtomicU32::new(0)));
    let made = Database::ready_when_there(&config, |database| {
        let (switch, tries) = (Arc::clone(&switch), Arc::clone(&tries));
        async move {
            let mut held = database.write().await?;
            if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                switch.cut();
            }
            let _one: i64 = query_scalar("SELECT 1").fetch_one(&mut *held).await?;
            database.migrate(&TABLES).await
        }
    });
    made.await.unwrap();
    assert_eq!(tries.load(Ordering::Relaxed), 2);
    assert_eq!(direct.schema(&TABLES).await.unwrap().version, 1);
    // What waiting can't mend is told at once.
    let broken = Database::ready_when_there(&config, |database| async move {
        let mut held = database.write().await?;
        let none: i64 = query_scalar("SELECT nothing").fetch_one(&mut *held).await?;
        Ok(none)
    });
    broken.await.unwrap_err();
}

#[tokio::test]
async fn a_server_that_goes_before_one_more_migration_is_waited_for() {
    let Some((_databases, config, direct)) = ledger().await else {
        return;
    };
    let server = |config: &Config| {
        let (_, rest) = config.url.split_once('@').unwrap();
        rest.split_once('/').unwrap().0.to_owned()
    };
    let (switch, by_switch) = Switch::before(&config).await;
    let database = Database::open(&by_switch).await.unwrap();
    let (full, asked) = refusing(1040, "Too many connections").await;
    switch.lead_to(&server(&full));
    switch.cut();
    let back = async {
        while asked.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        switch.lead_to(&server(&config));
    };
    let (migrated, ()) = tokio::join!(database.migrate_when_there(&TABLES), back);
    migrated.unwrap();
    assert_eq!(direct.schema(&TABLES).await.unwrap().version, 1);
}

/// A server that greets everybody with an error; counts them.
async fn refusing(number: u16, message: &'static str) -> (Config, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let length = u8::try_from(3 + message.len()).unwrap();
            let mut packet = vec![length, 0, 0, 0, 0xff];
            packet.extend(number.to_le_bytes());
            packet.extend(message.as_bytes());
            stream.write_all(&packet).await.unwrap();
        }
    });
    (Config::new(format!("mysql://u:p@{address}/x")), asked)
}

#[tokio::test]
async fn a_server_that_says_not_now_is_away_and_is_asked_once() {
    for (number, message) in [
        (1040, "Too many connections"),
        (1047, "WSREP has not yet prepared node"),
        (1053, "Server shutdown in progress"),
        (1205, "Lock wait timeout exceeded"),
        (1927, "Connection was killed"),
    ] {
        let (config, asked) = refusing(number, message).await;
        let began = Instant::now();
        let error = Database::open(&config).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Away { .. }), "{error:?}");
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(asked.load(Ordering::Relaxed), 1, "{:?}", began.elapsed());
    }
    let (config, _) = refusing(1130, "Host is not allowed to connect").await;
    let error = Database::open(&config).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Open { .. }), "{error:?}");
}
