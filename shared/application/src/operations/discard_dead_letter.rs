//! Removes a dead letter for good: its event is never handled.
//!
//! A session or a request for a mail is kept while a letter needs it for its redrive. The write
//! that removes the letter also lets the session or the request expire.

use std::time::Duration;

use domain::aggregate::AggregateKey;

use super::WRITE;
use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::events::StoredAggregate;
use crate::outcome::{Failure, FailureClass};
use crate::ports::pending::{IndexChange, PendingEventStore};
use crate::ports::{
    DeadLetter, DeadLetterId, DeadLetterMoves, DeadLetterReader, DeadLetterRemoval, LetterNotFound,
    MoveCancelled,
};
use crate::retry::{Unsettled, until_settled};

#[derive(Debug, Clone)]
pub struct DiscardDeadLetter<Letters, Aggregates> {
    pub letters: Letters,
    pub aggregates: Aggregates,
}

/// A dead letter was not discarded, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    #[error("there is no such dead letter; it was redriven or discarded, or has expired")]
    NotFound,
    /// The letter is still there.
    #[error("it is unchanged, because the table could not be read or written")]
    Failed(#[source] Failure),
    /// The letter may have been removed, or may still be removed.
    #[error(
        "whether this discarded it is unknown: repeat it; if the letter is gone, it was discarded \
         or redriven"
    )]
    Unknown(#[source] Failure),
}

impl<Letters, Aggregates> DiscardDeadLetter<Letters, Aggregates>
where
    Letters: DeadLetterReader + DeadLetterMoves + DeadLetterRemoval,
    Aggregates: PendingEventStore,
{
    /// Removes a dead letter and returns it. A letter of a later message of the same event, which
    /// has replaced it meanwhile, stays.
    ///
    /// # Errors
    ///
    /// [`DiscardError`]
    pub async fn discard(&self, id: &DeadLetterId) -> Result<DeadLetter, DiscardError> {
        let found =
            DeadLetterReader::find(&self.letters, id).await.map_err(DiscardError::Failed)?;
        let letter = found.ok_or(DiscardError::NotFound)?;
        let deadline = Deadline::after(WRITE);
        match self.kept_for(&letter).await? {
            Some(kept) => self.remove_and_let_expire(&letter, kept, deadline).await?,
            None => remove_alone(&self.letters, &letter, deadline).await?,
        }
        Ok(letter)
    }

    /// The aggregate, if it would expire without the letter. Orders and accounts don't expire.
    async fn kept_for(&self, letter: &DeadLetter) -> Result<Option<StoredAggregate>, DiscardError> {
        match letter.aggregate {
            Some(key @ (AggregateKey::Session { .. } | AggregateKey::Mail { .. })) => {
                let found = PendingEventStore::find(&self.aggregates, key).await;
                found.map_err(DiscardError::Failed)
            }
            Some(AggregateKey::Order { .. } | AggregateKey::Account { .. }) | None => Ok(None),
        }
    }

    async fn remove_and_let_expire(
        &self,
        letter: &DeadLetter,
        mut kept: StoredAggregate,
        deadline: Deadline,
    ) -> Result<(), DiscardError> {
        let mut was_in_doubt = false;
        loop {
            let unchanged = kept.pending_change(kept.pending().clone(), IndexChange::Keep);
            let remove = |within| self.letters.remove(letter, &unchanged, within);
            let settled = until_settled(deadline, pause(), remove, |written, in_doubt| {
                let in_doubt = in_doubt || was_in_doubt;
                match written {
                    Ok(()) => Some(Ok(None)),
                    Err(cancelled) if cancelled.letter.condition_failed() => {
                        Some(Err(not_found(in_doubt)))
                    }
                    Err(MoveCancelled { aggregate, .. }) => {
                        aggregate.into_found().map(|found| Ok(Some((found, in_doubt))))
                    }
                }
            });
            match settled.await.unwrap_or_else(|unsettled| Err(given_up(unsettled)))? {
                None => return Ok(()),
                Some(changed) => (kept, was_in_doubt) = changed,
            }
        }
    }
}

/// Removes a letter whose aggregate is not kept for it.
///
/// # Errors
///
/// [`DiscardError`]
pub(super) async fn remove_alone(
    letters: &impl DeadLetterRemoval,
    letter: &DeadLetter,
    deadline: Deadline,
) -> Result<(), DiscardError> {
    let discard = |within| letters.discard(letter, within);
    let settled = until_settled(deadline, pause(), discard, |written, in_doubt| match written {
        Ok(()) => Some(Ok(())),
        Err(LetterNotFound) => Some(Err(not_found(in_doubt))),
    });
    settled.await.unwrap_or_else(|unsettled| Err(given_up(unsettled)))
}

fn pause() -> Backoff {
    Backoff::new(Duration::from_millis(20), Duration::from_millis(500), 0)
}

/// The error if the letter is gone: an earlier try of ours may have removed it, if the answer to
/// one was lost, or somebody else discarded or redrove it.
fn not_found(in_doubt: bool) -> DiscardError {
    if !in_doubt {
        return DiscardError::NotFound;
    }
    let cause = "the letter is gone after a try whose answer was lost";
    DiscardError::Unknown(Failure::new(FailureClass::Conflict, cause))
}

fn given_up(Unsettled { failure, in_doubt }: Unsettled) -> DiscardError {
    if in_doubt { DiscardError::Unknown(failure) } else { DiscardError::Failed(failure) }
}
