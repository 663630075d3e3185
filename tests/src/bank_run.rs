//! Transfers of one test, and the account that every chaos test ends with.

use std::time::Duration;

use demo::{Bank, Posted, World, eventually};
use notification::{BusinessState, TxNo};

/// The transfers that were asked for, whatever became of them.
#[derive(Debug, Default)]
pub struct BankRun {
    asked: Vec<(TxNo, i64)>,
}

impl BankRun {
    /// Notes that a transfer is going to be asked for.
    pub fn asks(&mut self, tx_no: TxNo, amount_fen: i64) {
        self.asked.push((tx_no, amount_fen));
    }

    /// Asks for a transfer that has to be committed.
    pub async fn commit(&mut self, world: &World, amount_fen: i64) -> TxNo {
        let tx_no = world.fresh_tx_no();
        self.asks(tx_no, amount_fen);
        let posted = world
            .transfer(&tx_no, amount_fen)
            .await
            .expect("bank1 is asked");
        assert_eq!(posted, Posted::Committed);
        tx_no
    }

    /// How many were asked for.
    pub fn len(&self) -> usize {
        self.asked.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Waits until all that is committed has arrived, then asserts that bank2's credits are bank1's committed
    /// debits: no transfer lost, doubled or made up, in the sums and one by one.
    pub async fn balances(&self, world: &World, within: Duration) {
        let arrived = eventually("everything committed has arrived", within, || async {
            Ok(world.not_arrived().await?.is_empty().then_some(()))
        })
        .await;
        if let Err(error) = arrived {
            panic!("{error:#}\n{}", missing(world).await);
        }
        let committed = world.committed().await.expect("bank1 lists its transfers");
        for (tx_no, amount_fen) in &self.asked {
            let listed = committed.iter().find(|transfer| transfer.tx_no == *tx_no);
            let state = world.result(tx_no).await.expect("bank1 answers").state;
            let is_committed = state == BusinessState::Committed;
            assert_eq!(
                is_committed,
                listed.is_some(),
                "{tx_no}: {state}, yet its debit says otherwise"
            );
            assert!(
                listed.is_none_or(|transfer| transfer.amount_fen == *amount_fen),
                "{tx_no}: another amount"
            );
            let is_applied = world.is_applied(tx_no).await.expect("bank2 answers");
            assert_eq!(
                is_applied, is_committed,
                "{tx_no}: {state}, applied: {is_applied}"
            );
        }
        let debits: i64 = committed.iter().map(|transfer| transfer.amount_fen).sum();
        assert_eq!(
            moved(world, Bank::Bank1).await,
            -debits,
            "bank1's accounts differ from its transfers"
        );
        assert_eq!(
            moved(world, Bank::Bank2).await,
            debits,
            "bank2's credits differ from bank1's debits"
        );
    }
}

/// How much more a bank holds than it opened with.
async fn moved(world: &World, bank: Bank) -> i64 {
    let accounts = world
        .accounts(bank)
        .await
        .expect("a bank lists its accounts");
    accounts
        .iter()
        .map(|account| account.balance_fen - account.opening_fen)
        .sum()
}

/// What is known of some that have not arrived, in words.
async fn missing(world: &World) -> String {
    const SHOWN: usize = 5;
    let missing = world
        .not_arrived()
        .await
        .expect("the banks list their transfers");
    let mut text = format!("{} have not arrived:", missing.len());
    for transfer in missing.iter().take(SHOWN) {
        let tx_no = &transfer.tx_no;
        let result = world.result(tx_no).await;
        let record = world.notification(tx_no).await;
        text += &format!("\n{tx_no}\n  bank1: {result:?}\n  notifier: {record:?}");
    }
    text
}
