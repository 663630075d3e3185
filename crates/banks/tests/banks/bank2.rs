//! bank2: whom it believes, and that it credits once.

use banks::Demo;
use notification::api::bank2::InboxStates;
use notification::{InboxState, TxNo};
use serde_json::json;

use crate::support::{Bank, Folder, answer, fresh_tx_no, secret};

fn body(tx_no: &TxNo, amount_fen: i64) -> String {
    to_account(tx_no, amount_fen, "2")
}

fn to_account(tx_no: &TxNo, amount_fen: i64, account: &str) -> String {
    json!({ "tx_no": tx_no, "from_account": "1", "to_account": account, "amount_fen": amount_fen })
        .to_string()
}

async fn state(bank: &Bank, tx_no: &TxNo) -> InboxState {
    let (status, states) = bank
        .post(
            "/inbox/states",
            json!({ "source": "bank1", "tx_nos": [tx_no] }),
        )
        .await;
    assert_eq!(status, 200, "{states}");
    serde_json::from_value::<InboxStates>(states)
        .unwrap()
        .states[tx_no]
}

#[tokio::test]
async fn a_notification_is_credited_once_however_often_it_is_rung() {
    let folder = Folder::new();
    let bank = Bank::two(&folder, Demo::Off).await;
    let tx_no = fresh_tx_no();
    assert_eq!(state(&bank, &tx_no).await, InboxState::Unknown);
    assert_eq!(
        bank.notify(&tx_no, &body(&tx_no, 1000)).await,
        (200, json!({ "result": "applied" }))
    );
    assert_eq!(
        bank.notify(&tx_no, &body(&tx_no, 1000)).await,
        (200, json!({ "result": "duplicate" }))
    );
    assert_eq!(
        bank.notify(&tx_no, &body(&tx_no, 2000)).await.0,
        422,
        "another body under the same number"
    );
    assert_eq!(bank.balance_fen().await, 1000);
    assert_eq!(state(&bank, &tx_no).await, InboxState::Applied);
}

#[tokio::test]
async fn who_can_not_sign_is_not_believed() {
    let folder = Folder::new();
    let bank = Bank::two(&folder, Demo::Off).await;
    let tx_no = fresh_tx_no();
    let now_s = service::clock::now_ms() / 1000;
    let stranger = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let forged = bank.signed(&tx_no, &body(&tx_no, 1000), now_s, &stranger);
    assert_eq!(answer(forged).await.0, 401);
    let old = bank.signed(&tx_no, &body(&tx_no, 1000), now_s - 3600, &secret());
    assert_eq!(answer(old).await.0, 401);
    let changed = bank
        .signed(&tx_no, &body(&tx_no, 1000), now_s, &secret())
        .body(body(&tx_no, 9000));
    assert_eq!(answer(changed).await.0, 401);
    let (status, problem) = bank.post("/notifications", json!({})).await;
    assert_eq!(
        (status, problem["field"].as_str()),
        (401, Some("webhook-id"))
    );
    assert_eq!(bank.balance_fen().await, 0);
}

#[tokio::test]
async fn what_will_never_be_right_is_refused_for_good_and_leaves_no_row() {
    let folder = Folder::new();
    let bank = Bank::two(&folder, Demo::Off).await;
    let (tx_no, other) = (fresh_tx_no(), fresh_tx_no());
    for (text, field) in [
        (to_account(&tx_no, 1000, "9"), "to_account"),
        (body(&tx_no, 0), "amount_fen"),
        (body(&other, 1000), "tx_no"),
        ("{\"hello\":1}".to_owned(), "body"),
    ] {
        let (status, problem) = bank.notify(&tx_no, &text).await;
        assert_eq!(
            (status, problem["field"].as_str()),
            (422, Some(field)),
            "{problem}"
        );
    }
    assert_eq!(state(&bank, &tx_no).await, InboxState::Unknown);
    // The number is still free for what is right.
    assert_eq!(bank.notify(&tx_no, &body(&tx_no, 1000)).await.0, 200);
    assert_eq!(bank.balance_fen().await, 1000);
}

#[tokio::test]
async fn four_yuan_fail_twice_each_and_six_are_rejected() {
    let folder = Folder::new();
    let bank = Bank::two(&folder, Demo::On).await;
    for _ in 0..2 {
        let tx_no = fresh_tx_no();
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(bank.notify(&tx_no, &body(&tx_no, 400)).await.0);
        }
        assert_eq!(statuses, [500, 500, 200]);
    }
    let tx_no = fresh_tx_no();
    assert_eq!(bank.notify(&tx_no, &body(&tx_no, 600)).await.0, 422);
    assert_eq!(bank.balance_fen().await, 800);
}

#[tokio::test]
async fn five_yuan_fail_until_bank2_is_repaired_and_it_stays_repaired() {
    let folder = Folder::new();
    let bank = Bank::two(&folder, Demo::On).await;
    let tx_no = fresh_tx_no();
    let (status, problem) = bank.notify(&tx_no, &body(&tx_no, 500)).await;
    assert_eq!(
        (status, problem["detail"].as_str()),
        (500, Some("bank2 is broken"))
    );
    assert_eq!(bank.post("/demo/repair", json!({})).await.0, 204);
    assert_eq!(bank.post("/demo/repair", json!({})).await.0, 204);
    assert_eq!(bank.notify(&tx_no, &body(&tx_no, 500)).await.0, 200);
    bank.stop().await;

    let bank = Bank::two(&folder, Demo::On).await;
    let tx_no = fresh_tx_no();
    assert_eq!(bank.notify(&tx_no, &body(&tx_no, 500)).await.0, 200);
    assert_eq!(bank.balance_fen().await, 1000);
}

#[tokio::test]
async fn outside_demo_mode_every_amount_is_ordinary_and_nothing_can_be_held() {
    let folder = Folder::new();
    let bank = Bank::two(&folder, Demo::Off).await;
    for amount_fen in [300, 400, 500, 600, 700, 800] {
        let tx_no = fresh_tx_no();
        assert_eq!(bank.notify(&tx_no, &body(&tx_no, amount_fen)).await.0, 200);
    }
    assert_eq!(bank.post("/demo/repair", json!({})).await.0, 404);
    assert_eq!(
        bank.post("/demo/hold", json!({ "step": "after_apply" }))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn held_after_apply_the_credit_stands_before_the_answer() {
    let folder = Folder::new();
    let bank = Bank::two(&folder, Demo::On).await;
    let tx_no = fresh_tx_no();
    assert_eq!(
        bank.post("/demo/hold", json!({ "step": "after_apply" }))
            .await
            .0,
        204
    );
    let now_s = service::clock::now_ms() / 1000;
    let notifier = tokio::spawn(
        bank.signed(&tx_no, &body(&tx_no, 1100), now_s, &secret())
            .send(),
    );
    let held = bank.held().await;
    assert_eq!(
        (held[0].step.as_str(), held[0].tx_no),
        ("after_apply", tx_no)
    );
    assert_eq!(bank.balance_fen().await, 1100);
    // The notifier dies in the middle; the one after it rings again, and is told that it was done.
    notifier.abort();
    assert_eq!(bank.post("/demo/release", json!({})).await.0, 204);
    assert_eq!(
        bank.notify(&tx_no, &body(&tx_no, 1100)).await,
        (200, json!({ "result": "duplicate" }))
    );
    assert_eq!(bank.balance_fen().await, 1100);
}

#[tokio::test]
async fn at_most_five_hundred_states_are_told_at_once() {
    let folder = Folder::new();
    let bank = Bank::two(&folder, Demo::Off).await;
    let tx_nos: Vec<TxNo> = (0..501).map(|_| fresh_tx_no()).collect();
    let (status, problem) = bank
        .post(
            "/inbox/states",
            json!({ "source": "bank1", "tx_nos": tx_nos }),
        )
        .await;
    assert_eq!((status, problem["field"].as_str()), (422, Some("tx_nos")));
    let (status, _) = bank
        .post(
            "/inbox/states",
            json!({ "source": "bank1", "tx_nos": tx_nos[..500] }),
        )
        .await;
    assert_eq!(status, 200);
}
