//! Events that were given up.

use std::collections::BTreeMap;
use std::ops::Bound;

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{
    DeadLetter, DeadLetterId, DeadLetterReader, DeadLetterRemoval, DeadLetterSummary,
    LetterNotFound, Page,
};

use super::MemoryTables;
use super::rows::Rows;
use crate::fault::{Fault, Operation};

/// How many items a page has: few, so that tests meet more than one page.
const PAGE: usize = 4;

/// Whether the stored letter is still the one that was read.
fn is_there(rows: &Rows, letter: &DeadLetter) -> bool {
    let found = rows.dead_letters.get(&letter.id());
    found.is_some_and(|found| found.message_id == letter.message_id)
}

impl DeadLetterReader for MemoryTables {
    type Position = DeadLetterId;

    async fn find(&self, id: &DeadLetterId) -> Result<Option<DeadLetter>, Failure> {
        self.read(Operation::FindLetter, |rows| rows.dead_letters.get(id).cloned()).await
    }

    async fn page(
        &self,
        after: Option<DeadLetterId>,
    ) -> Result<Page<DeadLetterSummary, DeadLetterId>, Failure> {
        let read = |rows: &Rows| page_of(&rows.dead_letters, after.clone());
        let Page { items, unreadable, next } = self.read(Operation::PageOfLetters, read).await?;
        let items = items.into_iter().map(DeadLetterSummary::from).collect();
        Ok(Page { items, unreadable, next })
    }
}

impl DeadLetterRemoval for MemoryTables {
    async fn discard(&self, letter: &DeadLetter, deadline: Deadline) -> WriteTry<LetterNotFound> {
        let letter = letter.clone();
        let discarded = self.write(Operation::Discard, deadline, None, move |rows| {
            if !is_there(rows, &letter) {
                return Err(Some(LetterNotFound));
            }
            rows.dead_letters.remove(&letter.id());
            Ok(())
        });
        match discarded.await {
            WriteTry::Done => WriteTry::Done,
            WriteTry::Cancelled(Some(gone)) => WriteTry::Cancelled(gone),
            // A write of one item can be cancelled only for its condition.
            WriteTry::Cancelled(None) => WriteTry::NotBegun(Fault::Busy.failure()),
            WriteTry::NotBegun(failure) => WriteTry::NotBegun(failure),
            WriteTry::Unknown(failure) => WriteTry::Unknown(failure),
        }
    }
}

/// The page that begins after the key `after`.
pub(super) fn page_of<Key: Ord + Clone, Value: Clone>(
    all: &BTreeMap<Key, Value>,
    after: Option<Key>,
) -> Page<Value, Key> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = all.range((start, Bound::Unbounded));
    let page: Vec<_> = rest.by_ref().take(PAGE).collect();
    let last = page.last().map(|(key, _)| (*key).clone());
    let items = page.into_iter().map(|(_, value)| value.clone()).collect();
    Page { items, unreadable: 0, next: rest.next().and(last) }
}
