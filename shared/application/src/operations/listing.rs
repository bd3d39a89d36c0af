//! Listings that are read page by page, with a limit on the memory that they need.

use std::cmp::Ordering;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<Item> {
    /// The first items, in the order of the listing.
    pub items: Vec<Item>,
    /// The number of all matching items.
    pub found: u64,
    /// The number of records that couldn't be read.
    pub unreadable: u64,
}

/// Keeps the first `limit` items in an order.
pub(crate) struct Selection<Item, Compare> {
    limit: usize,
    order: Compare,
    kept: Vec<Item>,
    found: u64,
}

impl<Item, Compare: Fn(&Item, &Item) -> Ordering> Selection<Item, Compare> {
    pub(crate) const fn new(limit: usize, order: Compare) -> Self {
        Self { limit, order, kept: Vec::new(), found: 0 }
    }

    pub(crate) fn add(&mut self, item: Item) {
        self.found += 1;
        self.kept.push(item);
        // Sorted only from time to time, so that each item costs little.
        if self.kept.len() > self.limit.saturating_mul(2).saturating_add(1_000) {
            self.shorten();
        }
    }

    pub(crate) fn finish(mut self, unreadable: u64) -> Listing<Item> {
        self.shorten();
        Listing { items: self.kept, found: self.found, unreadable }
    }

    fn shorten(&mut self) {
        self.kept.sort_by(&self.order);
        self.kept.truncate(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_however_many_come() {
        let mut selection = Selection::new(3, u32::cmp);
        for n in (0..10_000).rev() {
            selection.add(n);
            assert!(selection.kept.len() <= 1_007);
        }
        let listing = selection.finish(2);
        assert_eq!(listing, Listing { items: vec![0, 1, 2], found: 10_000, unreadable: 2 });
    }
}
