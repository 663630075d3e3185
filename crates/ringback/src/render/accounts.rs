//! Both banks and what is under way, in one line that must add up.

use notification::api::bank1::Accounts;
use notification::yuan;
use serde::Serialize;

use crate::screen::Paint;

/// Everything that `accounts` found out. Nothing in it is computed as a remainder: the sum can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Books {
    /// bank1's accounts.
    pub bank1: Accounts,
    /// bank2's accounts.
    pub bank2: Accounts,
    /// Committed at bank1, not applied at bank2, and on its way.
    pub in_flight_fen: i64,
    /// Committed at bank1, not applied at bank2, and dead.
    pub dead_fen: i64,
    /// Committed at bank1, withdrawn by an operator before bank2 took it.
    pub withdrawn_fen: i64,
    /// Committed at bank1, not applied at bank2, while the notifier doesn't say which of the two.
    pub undelivered_fen: i64,
}

impl Books {
    /// All money that was found.
    pub fn sum_fen(&self) -> i64 {
        balances(&self.bank1)
            + balances(&self.bank2)
            + self.in_flight_fen
            + self.dead_fen
            + self.withdrawn_fen
            + self.undelivered_fen
    }

    /// All money that there was at first.
    pub fn opening_fen(&self) -> i64 {
        let opening = |accounts: &Accounts| {
            accounts
                .accounts
                .iter()
                .map(|account| account.opening_fen)
                .sum::<i64>()
        };
        opening(&self.bank1) + opening(&self.bank2)
    }

    /// Whether nothing was lost and nothing made.
    pub fn conserved(&self) -> bool {
        self.sum_fen() == self.opening_fen()
    }
}

fn balances(accounts: &Accounts) -> i64 {
    accounts
        .accounts
        .iter()
        .map(|account| account.balance_fen)
        .sum()
}

/// `bank1 张三 9,985.00   bank2 李四 10.00   dead 5.00   sum 10,000.00 ok`.
pub fn text(books: &Books, paint: Paint) -> String {
    let mut parts = vec![bank("bank1", &books.bank1), bank("bank2", &books.bank2)];
    for (name, fen) in [
        ("in flight", books.in_flight_fen),
        ("dead", books.dead_fen),
        ("withdrawn", books.withdrawn_fen),
        (
            "not delivered (the notifier does not answer)",
            books.undelivered_fen,
        ),
    ] {
        if fen != 0 {
            parts.push(paint.notice(&format!("{name} {}", yuan(fen))));
        }
    }
    let sum = yuan(books.sum_fen());
    parts.push(if books.conserved() {
        format!("sum {sum} {}", paint.good("ok"))
    } else {
        format!(
            "sum {sum} {}",
            paint.bad(&format!(
                "WRONG: it was {} at first",
                yuan(books.opening_fen())
            ))
        )
    });
    parts.join("   ")
}

fn bank(name: &str, accounts: &Accounts) -> String {
    let each = accounts
        .accounts
        .iter()
        .map(|account| format!("{} {}", account.name, yuan(account.balance_fen)));
    format!("{name} {}", each.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::account;

    fn books(dead_fen: i64) -> Books {
        Books {
            bank1: account("1", "张三", 998_500, 1_000_000),
            bank2: account("2", "李四", 1_000, 0),
            in_flight_fen: 0,
            dead_fen,
            withdrawn_fen: 0,
            undelivered_fen: 0,
        }
    }

    #[test]
    fn what_is_dead_belongs_to_the_sum() {
        assert_eq!(
            text(&books(500), Paint::Plain),
            "bank1 张三 9,985.00   bank2 李四 10.00   dead 5.00   sum 10,000.00 ok"
        );
    }

    #[test]
    fn money_that_is_missing_is_called_wrong() {
        assert_eq!(
            text(&books(0), Paint::Plain),
            "bank1 张三 9,985.00   bank2 李四 10.00   sum 9,995.00 WRONG: it was 10,000.00 at first"
        );
    }

    #[test]
    fn what_is_under_way_is_named_and_coloured_only_on_request() {
        let books = Books {
            in_flight_fen: 300,
            withdrawn_fen: 200,
            ..books(0)
        };
        let plain = text(&books, Paint::Plain);
        assert!(
            plain.contains("   in flight 3.00   withdrawn 2.00   sum 10,000.00 ok"),
            "{plain}"
        );
        assert!(text(&books, Paint::Colour).contains("\u{1b}[32mok\u{1b}[0m"));
    }
}
