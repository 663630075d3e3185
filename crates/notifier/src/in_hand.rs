//! Which notifications this process carries at the moment.
//!
//! A broker that was killed repeats much, so two copies of one notification can be received a
//! moment apart. The second must not be rung while the first's result is not on record: it is
//! sent back for one lease. A key is taken *before* the record is read, or the first copy could
//! be recorded and let go between the second's read and its check.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::copy::Key;

/// The set of keys between reading and record.
#[derive(Debug, Clone, Default)]
pub(crate) struct InHand(Arc<Mutex<HashSet<Key>>>);

/// A key that is taken; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Hold {
    set: InHand,
    key: Key,
}

impl InHand {
    /// Takes a key, unless another copy has it.
    pub(crate) fn take(&self, key: &Key) -> Option<Hold> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.clone()).then(|| Hold {
            set: self.clone(),
            key: key.clone(),
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut keys = self.set.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::tests::copy;

    #[test]
    fn a_key_is_taken_once_until_it_is_let_go() {
        let in_hand = InHand::default();
        let key = copy().key;
        let hold = in_hand.take(&key).unwrap();
        assert!(in_hand.take(&key).is_none());
        drop(hold);
        assert!(in_hand.take(&key).is_some());
    }
}
