//! Who owns which account: the banks are asked, and where they don't answer the number stands for the name.

use std::time::Duration;

use notification::api::bank1::Accounts;

use crate::reach::{Reach, Who};

/// Names are a courtesy: nobody waits longer for them.
const NAMES_WITHIN: Duration = Duration::from_secs(1);

/// The owners' names as far as the banks told them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    bank1: Option<Accounts>,
    bank2: Option<Accounts>,
}

/// Asks both banks; a bank that is away or hangs costs its names, nothing more.
pub(crate) async fn of(reach: &Reach) -> Names {
    let (bank1, bank2) = tokio::join!(
        reach.get_within(NAMES_WITHIN, Who::Bank1, "/accounts", &()),
        reach.get_within(NAMES_WITHIN, Who::Bank2, "/accounts", &())
    );
    Names {
        bank1: bank1.ok(),
        bank2: bank2.ok(),
    }
}

impl Names {
    /// The owner of bank1's account, or its number.
    pub(crate) fn at_bank1(&self, account_no: &str) -> String {
        owner(self.bank1.as_ref(), account_no)
    }

    /// The owner of bank2's account, or its number.
    pub(crate) fn at_bank2(&self, account_no: &str) -> String {
        owner(self.bank2.as_ref(), account_no)
    }
}

fn owner(accounts: Option<&Accounts>, account_no: &str) -> String {
    let account = accounts.and_then(|all| {
        all.accounts
            .iter()
            .find(|account| account.account_no == account_no)
    });
    account.map_or_else(
        || format!("account {account_no}"),
        |account| account.name.clone(),
    )
}
