//! A COMMIT that is cut off between bank1 and a real server: nobody is told more than is known, and the check-back
//! finds the truth. No notifier runs, so the relay rests and masks nothing. These run where
//! `RINGBACK_TEST_DATABASE` names a server.

use std::time::Duration;

use banks::Demo;
use notification::TxNo;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Bank, Folder, TOPIC, fresh_tx_no};
use crate::wire::{Cut, Wire};

/// What a transfer of 10.00 leaves, when its COMMIT is cut off there.
struct Left {
    state: &'static str,
    moved_fen: i64,
    visible: u64,
}

async fn cut_off(cut: Cut, left: Left) {
    let folder = Folder::new();
    if !folder.databases.on_server() {
        return;
    }
    let broker = folder.broker(Duration::from_millis(200)).await;
    let (wire, config) = Wire::to(&folder.databases.config("bank1")).await;
    let bank = Bank::one_on(config, broker.address(), Demo::Off).await;
    let opening = bank.balance_fen().await;

    // Given a transfer whose COMMIT is cut off,
    wire.cut(cut);
    let tx_no = fresh_tx_no();
    let (status, body) = ask(&bank, &tx_no).await;
    assert!(wire.has_cut());
    // then its caller is told that nobody knows,
    assert_eq!((status, &body["state"]), (202, &json!("unknown")), "{body}");
    // and the check-back finds what became of it: the half message ends, visible or not.
    let deadline = Instant::now() + Duration::from_secs(60);
    let told: Value = loop {
        let told: Value = bank.get(&format!("/results/{tx_no}")).await;
        if told["checked_by"].is_string() {
            break told;
        }
        assert!(Instant::now() < deadline, "in vain: a check-back, {told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(told["state"], left.state, "{told}");
    while broker.stats().halves(TOPIC) > 0 {
        assert!(Instant::now() < deadline, "in vain: the half ends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(broker.stats().topic(TOPIC).messages, left.visible);
    assert_eq!(bank.balance_fen().await, opening - left.moved_fen);

    // Whoever asks again under the same number is told the same, and nothing is done again.
    let (status, body) = ask(&bank, &tx_no).await;
    match left.state {
        "committed" => assert_eq!((status, &body["state"]), (200, &json!("committed"))),
        _ => assert_eq!((status, &body["state"]), (409, &json!("rolled_back"))),
    }
    assert_eq!(bank.balance_fen().await, opening - left.moved_fen);
    bank.stop().await;
}

async fn ask(bank: &Bank, tx_no: &TxNo) -> (u16, Value) {
    let asked = json!({"tx_no": tx_no, "from_account": "1", "to_account": "2", "amount_fen": 1000});
    bank.post("/transfers", asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_server_never_got_is_found_rolled_back() {
    let left = Left {
        state: "rolled_back",
        moved_fen: 0,
        visible: 0,
    };
    cut_off(Cut::Before, left).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_cut_off_is_found_committed() {
    let left = Left {
        state: "committed",
        moved_fen: 1000,
        visible: 1,
    };
    cut_off(Cut::After, left).await;
}
