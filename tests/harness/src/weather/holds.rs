//! The items of running calls, and the calls that hold them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::schema::ItemKey;

/// Clones share them.
#[derive(Clone, Default)]
pub(super) struct Holds(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    next_transaction: u64,
    items: HashMap<ItemKey, Holder>,
    /// Of running transactions.
    tokens: HashSet<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    Transaction(u64),
    /// Running single writes: they wait for each other, and none is refused.
    Writes(usize),
}

/// The items are held until this is dropped.
#[must_use = "a hold that is dropped holds nothing"]
pub(super) struct Hold {
    holds: Holds,
    keys: Vec<ItemKey>,
    holder: Holder,
    token: Option<String>,
}

/// A transaction with the same request token is running.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InProgress;

impl Holds {
    /// Holds the items of a transaction, and returns for each whether it conflicts: another
    /// transaction or a single write on it is running. The items without a conflict are held in any
    /// case, like prepared items on AWS until the transaction is cancelled.
    ///
    /// # Errors
    /// When a transaction with the same token is running.
    pub(super) fn transaction(
        &self,
        keys: &[ItemKey],
        token: Option<&str>,
    ) -> Result<(Hold, Vec<bool>), InProgress> {
        let mut state = self.state();
        let token = token.map(str::to_owned);
        if let Some(token) = &token
            && !state.tokens.insert(token.clone())
        {
            return Err(InProgress);
        }
        let holder = Holder::Transaction(state.next_transaction);
        state.next_transaction += 1;
        let conflicts: Vec<_> = keys
            .iter()
            .map(|key| *state.items.entry(key.clone()).or_insert(holder) != holder)
            .collect();
        drop(state);
        let held = keys.iter().zip(&conflicts).filter(|(_, conflict)| !**conflict);
        let keys = held.map(|(key, _)| key.clone()).collect();
        Ok((Hold { holds: self.clone(), keys, holder, token }, conflicts))
    }

    /// Holds the item of a single write; `None` if a transaction on the item is running.
    pub(super) fn write(&self, key: &ItemKey) -> Option<Hold> {
        let mut state = self.state();
        match state.items.entry(key.clone()).or_insert(Holder::Writes(0)) {
            Holder::Transaction(_) => return None,
            Holder::Writes(writes) => *writes += 1,
        }
        drop(state);
        let keys = vec![key.clone()];
        Some(Hold { holds: self.clone(), keys, holder: Holder::Writes(1), token: None })
    }

    /// For each item, whether a running call writes it.
    pub(super) fn written(&self, keys: &[ItemKey]) -> Vec<bool> {
        let state = self.state();
        keys.iter().map(|key| state.items.contains_key(key)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.state().items.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.holds.state();
        for key in &self.keys {
            if let Some(Holder::Writes(writes)) = state.items.get_mut(key)
                && *writes > 1
            {
                *writes -= 1;
            } else if state.items.get(key) == Some(&self.holder) {
                state.items.remove(key);
            }
        }
        if let Some(token) = &self.token {
            state.tokens.remove(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::ItemKey;
    use super::{Holds, InProgress};

    fn keys(names: &[&str]) -> Vec<ItemKey> {
        names.iter().map(|name| ItemKey::of("orders", &[name])).collect()
    }

    #[test]
    fn a_transaction_conflicts_for_exactly_the_items_of_another() {
        let holds = Holds::default();
        let (first, conflicts) = holds.transaction(&keys(&["a", "b"]), None).unwrap();
        assert_eq!(conflicts, [false, false]);
        let (second, conflicts) = holds.transaction(&keys(&["c", "b", "d"]), None).unwrap();
        assert_eq!(conflicts, [false, true, false]);
        // The item that the second transaction has prepared is held too, until it is cancelled.
        assert!(holds.write(&keys(&["c"])[0]).is_none());
        drop(second);
        assert!(holds.write(&keys(&["c"])[0]).is_some());
        assert!(holds.write(&keys(&["b"])[0]).is_none());
        drop(first);
        assert_eq!(holds.len(), 0);
    }

    #[test]
    fn single_writes_wait_for_each_other_and_a_transaction_conflicts_with_them() {
        let holds = Holds::default();
        let key = &keys(&["a"])[0];
        let (first, second) = (holds.write(key).unwrap(), holds.write(key).unwrap());
        drop(first);
        let (cancelled, conflicts) = holds.transaction(&keys(&["a", "b"]), None).unwrap();
        assert_eq!(conflicts, [true, false]);
        drop((second, cancelled));
        let (_held, conflicts) = holds.transaction(&keys(&["a", "b"]), None).unwrap();
        assert_eq!(conflicts, [false, false]);
    }

    #[test]
    fn an_item_twice_in_one_transaction_is_not_a_conflict() {
        let holds = Holds::default();
        let (held, conflicts) = holds.transaction(&keys(&["a", "a"]), None).unwrap();
        assert_eq!(conflicts, [false, false]);
        drop(held);
        assert_eq!(holds.len(), 0);
    }

    #[test]
    fn items_of_different_tables_do_not_conflict() {
        let holds = Holds::default();
        let _held = holds.transaction(&keys(&["a"]), None).unwrap();
        assert!(holds.write(&ItemKey::of("users", &["a"])).is_some());
    }

    #[test]
    fn a_token_is_in_progress_as_long_as_its_transaction() {
        let holds = Holds::default();
        let (held, _) = holds.transaction(&keys(&["a"]), Some("token")).unwrap();
        assert_eq!(holds.transaction(&keys(&["b"]), Some("token")).err(), Some(InProgress));
        drop(held);
        assert!(holds.transaction(&keys(&["a"]), Some("token")).is_ok());
    }
}
