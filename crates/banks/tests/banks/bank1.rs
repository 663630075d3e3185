//! bank1: what its callers are told, and that money moves only when it says so.

use std::time::Duration;

use banks::Demo;
use database::testing::Vacant;
use notification::BusinessState;
use notification::api::ResultView;
use notification::api::bank1::TransfersPage;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Bank, Folder, answer, broker, fresh_tx_no};

const OPENING_FEN: i64 = 1_000_000;

fn transfer(tx_no: &impl ToString, amount_fen: i64) -> Value {
    json!({ "tx_no": tx_no.to_string(), "from_account": "1", "to_account": "2", "amount_fen": amount_fen })
}

#[tokio::test]
async fn a_transfer_is_debited_once_however_often_it_is_asked_for() {
    let folder = Folder::new();
    let broker = broker(&folder).await;
    let bank = Bank::one(&folder, broker.address(), Demo::Off).await;
    let tx_no = fresh_tx_no();

    let (status, first) = bank.post("/transfers", transfer(&tx_no, 1000)).await;
    assert_eq!((status, first["state"].as_str()), (201, Some("committed")));
    assert!(
        first["took_ms"]["half"].is_u64() && first["took_ms"]["ended"].is_u64(),
        "{first}"
    );

    let (status, again) = bank.post("/transfers", transfer(&tx_no, 1000)).await;
    assert_eq!((status, again["state"].as_str()), (200, Some("committed")));
    let (status, other) = bank.post("/transfers", transfer(&tx_no, 2000)).await;
    assert_eq!((status, other["field"].as_str()), (409, Some("tx_no")));

    assert_eq!(bank.balance_fen().await, OPENING_FEN - 1000);
    let result: ResultView = bank.get(&format!("/results/{tx_no}")).await;
    assert_eq!(result.state, BusinessState::Committed);
}

#[tokio::test]
async fn a_bad_account_or_amount_is_named_and_moves_nothing() {
    let folder = Folder::new();
    let broker = broker(&folder).await;
    let bank = Bank::one(&folder, broker.address(), Demo::Off).await;
    let ask = async |from: &str, to: &str, amount_fen: i64| {
        let body = json!({ "from_account": from, "to_account": to, "amount_fen": amount_fen });
        bank.post("/transfers", body).await
    };
    for (from, to, amount_fen, field) in [
        ("9", "2", 1000, "from_account"),
        ("", "2", 1000, "from_account"),
        ("1", "no/slash", 1000, "to_account"),
        ("1", "2", 0, "amount_fen"),
        ("1", "2", -1000, "amount_fen"),
        ("1", "2", i64::MAX, "amount_fen"),
        ("1", "2", OPENING_FEN + 1, "amount_fen"),
    ] {
        let (status, problem) = ask(from, to, amount_fen).await;
        assert_eq!(
            (status, problem["field"].as_str()),
            (422, Some(field)),
            "{problem}"
        );
        assert!(
            problem["limit"].is_string() && problem["detail"].is_string(),
            "{problem}"
        );
    }
    let (_, overdraft) = ask("1", "2", OPENING_FEN + 1).await;
    assert_eq!(
        overdraft["limit"],
        "at most the account's balance of 10,000.00 yuan"
    );
    assert_eq!(bank.balance_fen().await, OPENING_FEN);
    // Refused is rolled back, not forgotten: the whole balance can still go.
    assert_eq!(ask("1", "2", OPENING_FEN).await.0, 201);
    assert_eq!(bank.balance_fen().await, 0);
}

#[tokio::test]
async fn a_request_that_can_not_be_read_says_what_is_wrong() {
    let folder = Folder::new();
    let no_broker = Vacant::new();
    let bank = Bank::one(&folder, no_broker.address(), Demo::Off).await;
    let (status, problem) = bank
        .post("/transfers", transfer(&"not-a-number", 1000))
        .await;
    assert_eq!(
        (status, problem["field"].as_str()),
        (422, Some("tx_no")),
        "{problem}"
    );
    let (status, problem) = bank
        .post("/transfers", json!({ "from_account": "1" }))
        .await;
    assert_eq!(
        (status, problem["field"].as_str()),
        (422, Some("to_account")),
        "{problem}"
    );
    let mut unknown = transfer(&fresh_tx_no(), 1000);
    unknown["amount_yuan"] = json!(10);
    let (status, problem) = bank.post("/transfers", unknown).await;
    assert_eq!(
        (status, problem["field"].as_str()),
        (422, Some("amount_yuan")),
        "{problem}"
    );
    let (status, problem) = answer(bank.request(Method::POST, "/transfers").body("{")).await;
    assert_eq!(status, 400, "{problem}");
    for path in ["/transfers?limit=501", "/transfers?limit=0"] {
        let (status, problem) = answer(bank.request(Method::GET, path)).await;
        assert_eq!(
            (status, problem["field"].as_str()),
            (422, Some("limit")),
            "{problem}"
        );
    }
    let (status, problem) = answer(bank.request(Method::GET, "/bank1/transfer?accountNo=1")).await;
    assert_eq!(
        (status, problem["field"].as_str()),
        (400, Some("amount")),
        "{problem}"
    );
}

#[tokio::test]
async fn the_tutorials_route_takes_yuan() {
    let folder = Folder::new();
    let broker = broker(&folder).await;
    let bank = Bank::one(&folder, broker.address(), Demo::Off).await;
    let (status, told) =
        answer(bank.request(Method::GET, "/bank1/transfer?accountNo=1&amount=10.50")).await;
    assert_eq!((status, told["state"].as_str()), (201, Some("committed")));
    assert_eq!(bank.balance_fen().await, OPENING_FEN - 1050);
    let (status, problem) =
        answer(bank.request(Method::GET, "/bank1/transfer?accountNo=1&amount=ten")).await;
    assert_eq!(
        (status, problem["field"].as_str()),
        (422, Some("amount")),
        "{problem}"
    );
}

#[tokio::test]
async fn with_the_broker_away_nothing_moves_and_503_says_so() {
    let folder = Folder::new();
    let no_broker = Vacant::new();
    let bank = Bank::one(&folder, no_broker.address(), Demo::Off).await;
    let tx_no = fresh_tx_no();
    let (status, problem) = bank.post("/transfers", transfer(&tx_no, 1000)).await;
    assert_eq!(status, 503, "{problem}");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("nothing was moved"),
        "{problem}"
    );
    assert_eq!(bank.balance_fen().await, OPENING_FEN);
    let page: TransfersPage = bank.get("/transfers").await;
    assert!(page.transfers.is_empty());
    let result: ResultView = bank.get(&format!("/results/{tx_no}")).await;
    assert_eq!(result.state, BusinessState::Unknown);
}

#[tokio::test]
async fn a_failure_after_the_debit_takes_the_debit_back_but_only_in_demo_mode() {
    let folder = Folder::new();
    let broker = broker(&folder).await;
    let bank = Bank::one(&folder, broker.address(), Demo::On).await;
    let (status, problem) = bank.post("/transfers", transfer(&fresh_tx_no(), 300)).await;
    assert_eq!(
        (status, problem["state"].as_str()),
        (500, Some("rolled_back")),
        "{problem}"
    );
    assert_eq!(bank.balance_fen().await, OPENING_FEN);
    bank.stop().await;

    let bank = Bank::one(&folder, broker.address(), Demo::Off).await;
    let (status, _) = bank.post("/transfers", transfer(&fresh_tx_no(), 300)).await;
    assert_eq!(status, 201);
    assert_eq!(bank.balance_fen().await, OPENING_FEN - 300);
    let (status, _) = bank
        .post("/demo/hold", json!({ "step": "after_half" }))
        .await;
    assert_eq!(status, 404, "barriers are for the demo alone");
}

#[tokio::test]
async fn a_held_transfer_goes_on_when_it_is_released_although_its_caller_hung_up() {
    let folder = Folder::new();
    let broker = broker(&folder).await;
    let bank = Bank::one(&folder, broker.address(), Demo::On).await;
    let tx_no = fresh_tx_no();
    let (status, problem) = bank.post("/demo/hold", json!({ "step": "half_way" })).await;
    assert_eq!((status, problem["field"].as_str()), (422, Some("step")));
    assert_eq!(
        bank.post(
            "/demo/hold",
            json!({ "step": "before_commit", "tx_no": tx_no })
        )
        .await
        .0,
        204
    );

    let request = bank
        .request(Method::POST, "/transfers")
        .json(&transfer(&tx_no, 1000));
    let caller = tokio::spawn(request.send());
    let held = bank.held().await;
    assert_eq!(
        (held[0].step.as_str(), held[0].tx_no, held[0].pid),
        ("before_commit", tx_no, std::process::id())
    );
    caller.abort();
    assert_eq!(
        bank.balance_fen().await,
        OPENING_FEN,
        "not committed while it is held"
    );
    assert_eq!(bank.post("/demo/release", json!({})).await.0, 204);

    let committed = async {
        while bank
            .get::<ResultView>(&format!("/results/{tx_no}"))
            .await
            .state
            != BusinessState::Committed
        {}
    };
    tokio::time::timeout(Duration::from_secs(10), committed)
        .await
        .expect("released, it commits");
    assert_eq!(bank.balance_fen().await, OPENING_FEN - 1000);
}

#[tokio::test]
async fn committed_transfers_are_listed_page_by_page() {
    let folder = Folder::new();
    let broker = broker(&folder).await;
    let bank = Bank::one(&folder, broker.address(), Demo::Off).await;
    let mut made = Vec::new();
    for amount_fen in [100, 200, 300] {
        let tx_no = fresh_tx_no();
        assert_eq!(
            bank.post("/transfers", transfer(&tx_no, amount_fen))
                .await
                .0,
            201
        );
        made.push(tx_no);
    }
    made.sort();
    let first: TransfersPage = bank.get("/transfers?limit=2").await;
    assert_eq!(
        first.transfers.iter().map(|t| t.tx_no).collect::<Vec<_>>(),
        made[..2]
    );
    assert_eq!(first.next, Some(made[1]));
    let second: TransfersPage = bank
        .get(&format!("/transfers?limit=2&after={}", made[1]))
        .await;
    assert_eq!(
        second.transfers.iter().map(|t| t.tx_no).collect::<Vec<_>>(),
        made[2..]
    );
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn the_hard_phase_waits_for_no_sending() {
    let folder = Folder::new();
    let broker = broker(&folder).await;
    let bank = Bank::one(&folder, broker.address(), Demo::On).await;
    let tx_no = fresh_tx_no();
    let hold = json!({ "step": "before_half", "tx_no": tx_no });
    assert_eq!(bank.post("/demo/hold", hold).await.0, 204);
    let request = bank
        .request(Method::POST, "/transfers")
        .json(&transfer(&tx_no, 1000));
    let caller = tokio::spawn(request.send());
    bank.held().await;
    bank.force().await;
    caller.abort();
}
