//! Check-backs: who answers, what, and where to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rocketmq::{
    OrphanedHalf, Resolution, TransactionChecker, TransactionConfig, TransactionProducer,
};
use rocketmq_wire::v2;
use tokio::sync::Semaphore;

use crate::fake::{Fake, TOPIC, eventually};

/// Answers by the message id's first word.
#[derive(Default)]
struct ById {
    running: AtomicUsize,
    seen: AtomicUsize,
    go_on: Option<Semaphore>,
}

impl TransactionChecker for ById {
    fn check<'a>(&'a self, half: &'a OrphanedHalf) -> BoxFuture<'a, Resolution> {
        async move {
            self.seen.fetch_add(1, Ordering::SeqCst);
            match half.message_id.split('-').next().unwrap() {
                "commit" => Resolution::Commit,
                "rollback" => Resolution::Rollback,
                "unknown" => Resolution::Unknown,
                "slow" => {
                    self.running.fetch_add(1, Ordering::SeqCst);
                    self.go_on
                        .as_ref()
                        .unwrap()
                        .acquire()
                        .await
                        .unwrap()
                        .forget();
                    Resolution::Commit
                }
                _ => panic!("a checker that panics on purpose"),
            }
        }
        .boxed()
    }
}

async fn start(fake: &Fake, checker: &Arc<ById>, checks_in_flight: usize) -> TransactionProducer {
    let config = TransactionConfig {
        topics: vec![TOPIC.to_owned()],
        checks_in_flight,
        ..Default::default()
    };
    let checker: Arc<dyn TransactionChecker> = Arc::clone(checker) as _;
    let producer = TransactionProducer::start(&fake.client(), config, Some(checker))
        .await
        .unwrap();
    wait_for_publisher(fake).await;
    producer
}

async fn wait_for_publisher(fake: &Fake) {
    eventually("a publisher is known", || {
        let clients = fake.state.clients.lock().unwrap();
        clients.values().any(|client| client.settings.is_some())
    })
    .await;
}

#[tokio::test]
async fn a_check_back_is_answered_with_what_the_checker_says() {
    let fake = Fake::start().await;
    let checker = Arc::new(ById::default());
    let _producer = start(&fake, &checker, 4).await;
    assert!(fake.check_back("commit-1", 1).await);
    assert!(fake.check_back("rollback-1", 2).await);
    eventually("both are answered", || fake.ends().len() == 2).await;
    for end in fake.ends() {
        let expected = if end.message_id == "commit-1" {
            v2::TransactionResolution::Commit
        } else {
            v2::TransactionResolution::Rollback
        };
        assert_eq!(end.resolution, i32::from(expected));
        assert_eq!(
            end.source,
            i32::from(v2::TransactionSource::SourceServerCheck)
        );
        assert_eq!(end.transaction_id, format!("tx-{}", end.message_id));
    }
}

#[tokio::test]
async fn unknown_and_a_panic_answer_nothing_and_hold_nobody_up() {
    let fake = Fake::start().await;
    let checker = Arc::new(ById::default());
    let _producer = start(&fake, &checker, 1).await;
    for id in ["panic-1", "unknown-1", "panic-2"] {
        let before = checker.seen.load(Ordering::SeqCst);
        // With one slot, the next check is taken only when the one before has given it back.
        eventually("the check is taken", || {
            let check = fake.check_back(id, 1).now_or_never();
            assert_ne!(check, Some(false));
            checker.seen.load(Ordering::SeqCst) > before
        })
        .await;
    }
    eventually("a later check is answered", || {
        let check = fake.check_back("commit-1", 1).now_or_never();
        assert_ne!(check, Some(false));
        !fake.ends().is_empty()
    })
    .await;
    assert!(fake.ends().iter().all(|end| end.message_id == "commit-1"));
}

#[tokio::test]
async fn checks_beyond_the_bound_are_answered_nothing() {
    let fake = Fake::start().await;
    let checker = Arc::new(ById {
        go_on: Some(Semaphore::new(0)),
        ..Default::default()
    });
    let _producer = start(&fake, &checker, 2).await;
    for n in 0..5 {
        assert!(fake.check_back(&format!("slow-{n}"), 1).await);
    }
    eventually("two are being checked", || {
        checker.running.load(Ordering::SeqCst) == 2
    })
    .await;
    checker.go_on.as_ref().unwrap().add_permits(5);
    eventually("those two are answered", || fake.ends().len() == 2).await;
    assert!(fake.check_back("commit-1", 1).await);
    eventually("and later ones again", || fake.ends().len() == 3).await;
    assert_eq!(checker.running.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_answer_goes_to_the_endpoint_that_asked() {
    let (one, two) = (Fake::start().await, Fake::start().await);
    one.script().route = vec![
        ("a".to_owned(), vec![one.address]),
        ("b".to_owned(), vec![two.address]),
    ];
    let checker = Arc::new(ById::default());
    let _producer = start(&one, &checker, 4).await;
    wait_for_publisher(&two).await;
    assert!(two.check_back("commit-2", 1).await);
    assert!(one.check_back("commit-1", 1).await);
    eventually("both are answered", || {
        one.ends().len() == 1 && two.ends().len() == 1
    })
    .await;
    assert_eq!(one.ends()[0].message_id, "commit-1");
    assert_eq!(two.ends()[0].message_id, "commit-2");
}

#[tokio::test]
async fn check_backs_come_again_after_the_stream_was_lost() {
    let fake = Fake::start().await;
    let checker = Arc::new(ById::default());
    let _producer = start(&fake, &checker, 4).await;
    fake.end_streams();
    wait_for_publisher(&fake).await;
    assert!(fake.check_back("commit-1", 1).await);
    eventually("it is answered", || fake.ends().len() == 1).await;
}

#[tokio::test]
async fn whoever_declares_no_topic_is_not_asked() {
    let fake = Fake::start().await;
    let producer = TransactionProducer::start(&fake.client(), TransactionConfig::default(), None)
        .await
        .unwrap();
    let half = producer
        .begin(rocketmq::Message::new(TOPIC, "x"))
        .await
        .unwrap();
    wait_for_publisher(&fake).await;
    assert!(!fake.check_back("commit-1", 1).await);
    half.commit().await.unwrap();
}
