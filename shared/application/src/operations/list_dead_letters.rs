//! Lists the dead letters for an operator.

use crate::operations::listing::{Listing, Selection};
use crate::outcome::Failure;
use crate::ports::{DeadLetterReader, DeadLetterSummary};

/// Selects dead letters. A letter must match every condition that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterFilter {
    pub handler: Option<String>,
    /// A text that the reason contains.
    pub reason: Option<String>,
}

impl DeadLetterFilter {
    pub fn fits(&self, letter: &DeadLetterSummary) -> bool {
        let by_handler = self.handler.is_none() || self.handler == letter.handler;
        by_handler && self.reason.as_ref().is_none_or(|part| letter.reason.contains(part.as_str()))
    }
}

#[derive(Debug, Clone)]
pub struct ListDeadLetters<Letters> {
    pub letters: Letters,
}

impl<Letters: DeadLetterReader> ListDeadLetters<Letters> {
    /// The letters that match, the newest first, at most `limit`. After each page, `progress` gets
    /// the number of matches so far.
    ///
    /// # Errors
    ///
    /// [`Failure`] if not all letters could be read.
    pub async fn newest(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
        mut progress: impl FnMut(u64),
    ) -> Result<Listing<DeadLetterSummary>, Failure> {
        let mut selection =
            Selection::new(limit, |a: &DeadLetterSummary, b: &DeadLetterSummary| {
                b.first_failed_at.cmp(&a.first_failed_at).then_with(|| a.id.cmp(&b.id))
            });
        let mut matching = 0;
        let mut unreadable = 0;
        let mut after = None;
        loop {
            let page = self.letters.page(after).await?;
            unreadable += page.unreadable;
            for letter in page.items.into_iter().filter(|letter| filter.fits(letter)) {
                matching += 1;
                selection.add(letter);
            }
            progress(matching);
            after = page.next;
            if after.is_none() {
                return Ok(selection.finish(unreadable));
            }
        }
    }
}
