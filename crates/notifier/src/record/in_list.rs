//! `tx_no IN (?, …)` with few statement texts.
//!
//! As with [`super::insert`], the text decides whether a connection has a statement prepared
//! already. A list that is shorter than its text's is filled up with its last number.

use notification::TxNo;

/// The lengths, shortest first.
const LENGTHS: [usize; 3] = [1, 8, 32];

/// The texts of one statement.
#[derive(Debug)]
pub(super) struct InList {
    texts: [String; LENGTHS.len()],
}

impl InList {
    /// `statement` holds `{}` where the list belongs.
    pub(super) fn new(statement: &str) -> Self {
        let texts = LENGTHS.map(|length| {
            let list = format!("({})", vec!["?"; length].join(", "));
            statement.replacen("{}", &list, 1)
        });
        Self { texts }
    }

    /// Cuts numbers into lists, each with the text that takes it.
    pub(super) fn lists<'a>(
        &'static self,
        numbers: &'a [TxNo],
    ) -> impl Iterator<Item = (&'static str, Vec<String>)> + 'a {
        numbers.chunks(LENGTHS[LENGTHS.len() - 1]).map(|chunk| {
            let fits = LENGTHS.iter().position(|length| *length >= chunk.len());
            let index = fits.expect("no chunk is longer than the longest list");
            let last = chunk[chunk.len() - 1];
            let mut list: Vec<String> = chunk.iter().map(ToString::to_string).collect();
            list.resize(LENGTHS[index], last.to_string());
            (self.texts[index].as_str(), list)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static SELECT: LazyLock<InList> = LazyLock::new(|| InList::new("SELECT 1 WHERE tx_no IN {}"));

    #[test]
    fn every_number_is_asked_for_and_each_text_has_its_places() {
        for count in [0, 1, 2, 8, 9, 32, 33, 100] {
            let numbers: Vec<TxNo> = (0..count).map(|n| TxNo::from_parts(1, [n; 10])).collect();
            let mut asked = Vec::new();
            let statements = SELECT.lists(&numbers).count();
            assert_eq!(
                statements,
                numbers.len().div_ceil(32),
                "a batch is read at once"
            );
            for (text, list) in SELECT.lists(&numbers) {
                assert_eq!(text.matches('?').count(), list.len());
                asked.extend(list);
            }
            asked.dedup();
            let all: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            assert_eq!(asked, all);
        }
    }
}
