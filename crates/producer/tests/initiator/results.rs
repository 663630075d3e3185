//! The result API over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use notification::{BusinessState, Outcome, TxNo, api};
use producer::{Initiator, NoSteps, result_routes};

use crate::stage::Stage;
use crate::transfers::{debit, fresh, transfer};

async fn serve(initiator: Initiator) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        axum::serve(listener, result_routes(initiator))
            .await
            .expect("serves to the end")
    });
    address
}

async fn ask(address: SocketAddr, tx_no: &str) -> reqwest::Response {
    let http = service::http_client::build(&service::http_client::HttpOptions::default())
        .expect("a client");
    http.get(format!("http://{address}/results/{tx_no}"))
        .send()
        .await
        .expect("an answer")
}

async fn view(address: SocketAddr, tx_no: &TxNo) -> api::ResultView {
    let response = ask(address, &tx_no.to_string()).await;
    assert_eq!(response.status(), 200);
    response.json().await.expect("a result")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_has_a_result_also_an_unknown_one() {
    let stage = Stage::start().await;
    let initiator = stage.initiator(Arc::new(NoSteps)).await;
    let address = serve(initiator.clone()).await;
    let tx_no = fresh();
    let unknown = view(address, &tx_no).await;
    assert_eq!(
        (unknown.state, unknown.outcome),
        (BusinessState::Unknown, None)
    );
    initiator
        .send_in_transaction(transfer(tx_no), debit(tx_no))
        .await
        .expect("committed");
    let committed = view(address, &tx_no).await;
    assert_eq!(
        (committed.state, committed.outcome),
        (BusinessState::Committed, Some(Outcome::None))
    );
    assert_eq!(committed.checked_by, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ill_formed_number_is_named_as_such() {
    let stage = Stage::start().await;
    let address = serve(stage.initiator(Arc::new(NoSteps)).await).await;
    let response = ask(address, "9f52").await;
    assert_eq!(response.status(), 422);
    let problem: api::Problem = response.json().await.expect("a problem");
    assert_eq!(problem.field.as_deref(), Some("tx_no"));
}
