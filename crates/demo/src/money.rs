//! Where all the money is: counted from the accounts and the transfers, never a remainder.

use notification::yuan;

/// Where all the money is, from both banks' accounts and the transfers that have not arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Money {
    /// Sum of bank1's balances.
    pub bank1_fen: i64,
    /// Sum of bank2's balances.
    pub bank2_fen: i64,
    /// Committed at bank1, unknown to bank2, dead at the notifier.
    pub dead_fen: i64,
    /// Committed at bank1, unknown to bank2, on its way.
    pub in_flight_fen: i64,
    /// What both banks opened with.
    pub opening_fen: i64,
}

impl Money {
    /// Whether none was made and none was lost.
    pub fn is_conserved(&self) -> bool {
        self.sum() == self.opening_fen
    }

    fn sum(&self) -> i64 {
        self.bank1_fen + self.bank2_fen + self.dead_fen + self.in_flight_fen
    }

    /// `bank1 9,944.00 + bank2 50.00 + dead 6.00 = 10,000.00  conserved`
    pub fn render(&self) -> String {
        let mut parts = vec![
            format!("bank1 {}", yuan(self.bank1_fen)),
            format!("bank2 {}", yuan(self.bank2_fen)),
            format!("dead {}", yuan(self.dead_fen)),
        ];
        if self.in_flight_fen != 0 {
            parts.push(format!("in flight {}", yuan(self.in_flight_fen)));
        }
        let judged = if self.is_conserved() {
            "conserved".to_owned()
        } else {
            format!("NOT CONSERVED: both opened with {}", yuan(self.opening_fen))
        };
        format!("{} = {}  {judged}", parts.join(" + "), yuan(self.sum()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_that_is_missing_is_not_called_conserved() {
        let whole = Money {
            bank1_fen: 994_400,
            bank2_fen: 5_000,
            dead_fen: 600,
            in_flight_fen: 0,
            opening_fen: 1_000_000,
        };
        assert_eq!(
            whole.render(),
            "bank1 9,944.00 + bank2 50.00 + dead 6.00 = 10,000.00  conserved"
        );
        let short = Money {
            bank2_fen: 4_900,
            ..whole
        };
        assert!(!short.is_conserved());
        assert!(
            short
                .render()
                .ends_with("= 9,999.00  NOT CONSERVED: both opened with 10,000.00")
        );
    }
}
