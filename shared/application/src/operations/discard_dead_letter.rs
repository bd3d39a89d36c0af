//! Removes a dead letter for good: its event is never handled.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass};
use crate::ports::{DeadLetter, DeadLetterId, DeadLetterReader, DeadLetterRemoval, LetterNotFound};
use crate::retry::{Unsettled, until_settled};

/// How long the removal may take, with all its tries.
const REMOVAL: Duration = Duration::from_secs(10);

/// Discards dead letters.
#[derive(Debug, Clone)]
pub struct DiscardDeadLetter<Letters, Removal> {
    /// Reads dead letters.
    pub letters: Letters,
    /// Removes dead letters.
    pub removal: Removal,
}

/// A dead letter was not discarded, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// The letter does not exist, or no longer.
    #[error("there is no such dead letter; it was redriven or discarded, or has expired")]
    NotFound,
    /// The letter is still there.
    #[error("it is unchanged, because the table could not be read or written")]
    Failed(#[source] Failure),
    /// It may have been removed, or may still be.
    #[error(
        "whether this discarded it is unknown: repeat it; if the letter is gone, it was discarded \
         or redriven"
    )]
    Unknown(#[source] Failure),
}

impl<Letters: DeadLetterReader, Removal: DeadLetterRemoval> DiscardDeadLetter<Letters, Removal> {
    /// Removes a dead letter and returns it. A letter of a later message of the same event, which
    /// has replaced it meanwhile, stays.
    ///
    /// # Errors
    ///
    /// [`DiscardError`]
    pub async fn discard(&self, id: &DeadLetterId) -> Result<DeadLetter, DiscardError> {
        let found = self.letters.find(id).await.map_err(DiscardError::Failed)?;
        let letter = found.ok_or(DiscardError::NotFound)?;
        self.remove(&letter).await?;
        Ok(letter)
    }

    /// Repeats the removal until it is done or its time is over.
    async fn remove(&self, letter: &DeadLetter) -> Result<(), DiscardError> {
        let deadline = Deadline::after(REMOVAL);
        let pause = Backoff::new(Duration::from_millis(20), Duration::from_millis(500), 0);
        let discard = |within| self.removal.discard(letter, within);
        let settled = until_settled(deadline, pause, discard, |written, in_doubt| match written {
            Ok(()) => Some(Ok(())),
            // It is gone, by an earlier try of ours or because somebody else redrove it.
            Err(LetterNotFound) if in_doubt => {
                let cause = "the letter is gone after a try whose answer was lost";
                let failure = Failure::new(FailureClass::Conflict, cause);
                Some(Err(DiscardError::Unknown(failure)))
            }
            Err(LetterNotFound) => Some(Err(DiscardError::NotFound)),
        });
        settled.await.unwrap_or_else(|unsettled| Err(given_up(unsettled)))
    }
}

fn given_up(Unsettled { failure, in_doubt }: Unsettled) -> DiscardError {
    if in_doubt { DiscardError::Unknown(failure) } else { DiscardError::Failed(failure) }
}
