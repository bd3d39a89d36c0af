//! A map that keeps its newest entries.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A map with at most `limit` entries: a new one removes the oldest.
#[derive(Debug)]
pub(crate) struct Ring<Key, Value> {
    limit: usize,
    /// The oldest first. A key is here as often as in `entries`: once.
    order: VecDeque<Key>,
    entries: HashMap<Key, Value>,
}

impl<Key: Hash + Eq + Clone, Value> Ring<Key, Value> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, order: VecDeque::new(), entries: HashMap::new() }
    }

    /// Adds an entry, or replaces the value of one that is there.
    pub(crate) fn put(&mut self, key: Key, value: Value) {
        if self.entries.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        self.entries.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &Key) -> Option<&mut Value> {
        self.entries.get_mut(key)
    }

    /// The values, the newest first.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &Value> {
        self.order.iter().rev().filter_map(|key| self.entries.get(key))
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    #[test]
    fn only_the_newest_entries_are_kept() {
        let mut ring = Ring::new(2);
        for (key, value) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            ring.put(key, value);
        }
        assert_eq!(ring.get(&"a"), None);
        assert_eq!(ring.newest().copied().collect::<Vec<_>>(), [4, 2]);
        *ring.get_mut(&"b").unwrap() = 5;
        assert_eq!(ring.get(&"b"), Some(&5));
    }
}
