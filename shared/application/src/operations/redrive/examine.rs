//! What a redrive would do with a letter.

use contracts::event::Event;
use domain::aggregate::AggregateKey;

use super::{RedriveError, aggregate_of, find_letter};
use crate::ports::pending::PendingEventStore;
use crate::ports::{DeadLetter, DeadLetterId, DeadLetterReader};

pub struct ExamineDeadLetter<Letters, Aggregates> {
    pub letters: Letters,
    pub aggregates: Aggregates,
}

/// A dead letter, and what a redrive would do with it.
#[derive(Debug)]
pub struct Examined {
    /// The letter with its body.
    pub letter: DeadLetter,
    pub plan: RedrivePlan,
}

/// How a redrive would return a letter's event.
#[derive(Debug)]
pub enum RedrivePlan {
    /// The event becomes pending again in the aggregate that raised it.
    Aggregate(AggregateKey),
    /// No aggregate of this deployment raised the event: it is published as it was received.
    Topic,
    /// The redrive would fail with this: [`RedriveError::Undecodable`] or
    /// [`RedriveError::NotRaised`].
    Refused(RedriveError),
}

impl<Letters: DeadLetterReader, Aggregates: PendingEventStore>
    ExamineDeadLetter<Letters, Aggregates>
{
    /// Reads a dead letter and what a redrive would do with it. It changes nothing.
    ///
    /// # Errors
    ///
    /// [`RedriveError::NotFound`] and [`RedriveError::Failed`]
    pub async fn examine(&self, id: &DeadLetterId) -> Result<Examined, RedriveError> {
        let letter = find_letter(&self.letters, id).await?;
        let plan = match aggregate_of(&self.aggregates, &letter).await {
            Ok(Some((stored, _))) => RedrivePlan::Aggregate(stored.key()),
            Ok(None) => match Event::decode(&letter.body) {
                Ok(_) => RedrivePlan::Topic,
                Err(error) => RedrivePlan::Refused(RedriveError::Undecodable(error)),
            },
            Err(error @ RedriveError::NotRaised(_)) => RedrivePlan::Refused(error),
            Err(error) => return Err(error),
        };
        Ok(Examined { letter, plan })
    }
}
