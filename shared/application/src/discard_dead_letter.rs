//! Removes a dead letter for good: what its handler has not done is never done.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::outcome::{Failure, FailureClass};
use crate::ports::{DeadLetter, DeadLetterId, DeadLetterReader, DeadLetterRemoval, LetterGone};
use crate::retry::{Unsettled, until_settled};

/// How long it may take, with all its tries.
const REMOVAL: Duration = Duration::from_secs(10);

/// Discards dead letters.
#[derive(Debug, Clone)]
pub struct DiscardDeadLetter<Letters, Removal> {
    /// Where dead letters are looked up.
    pub letters: Letters,
    /// Where they leave.
    pub removal: Removal,
}

/// A dead letter was not discarded, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// There is no such letter, or there is none any more.
    #[error("there is no such dead letter; it was redriven or discarded, or has expired")]
    NotThere,
    /// It is still there.
    #[error("it is unchanged, because the table could not be read or written")]
    Failed(#[source] Failure),
    /// It may be gone, or be so soon.
    #[error(
        "whether this discarded it is unknown: repeat it; a letter that is gone was discarded or redriven"
    )]
    Unknown(#[source] Failure),
}

impl<Letters: DeadLetterReader, Removal: DeadLetterRemoval> DiscardDeadLetter<Letters, Removal> {
    /// Removes a dead letter and returns what it was. One that came in its place meanwhile, with a
    /// later message of the same event, stays.
    ///
    /// # Errors
    ///
    /// [`DiscardError`]
    pub async fn discard(&self, id: &DeadLetterId) -> Result<DeadLetter, DiscardError> {
        let found = self.letters.find(id).await.map_err(DiscardError::Failed)?;
        let letter = found.ok_or(DiscardError::NotThere)?;
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
            // Gone it is, by an earlier try of ours or by someone else's redrive.
            Err(LetterGone) if in_doubt => {
                let cause = "the letter is gone after a try whose answer was lost";
                let failure = Failure::new(FailureClass::Conflict, cause);
                Some(Err(DiscardError::Unknown(failure)))
            }
            Err(LetterGone) => Some(Err(DiscardError::NotThere)),
        });
        settled.await.unwrap_or_else(|unsettled| Err(given_up(unsettled)))
    }
}

fn given_up(Unsettled { failure, in_doubt }: Unsettled) -> DiscardError {
    if in_doubt { DiscardError::Unknown(failure) } else { DiscardError::Failed(failure) }
}
