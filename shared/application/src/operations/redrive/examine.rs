//! What a redrive would do with a letter.

use contracts::event::Event;
use domain::aggregate::AggregateKey;

use super::{Redrive, RedriveError};
use crate::ports::pending::PendingEventStore;
use crate::ports::{
    Clock, DeadLetter, DeadLetterId, DeadLetterMoves, DeadLetterReader, DeadLetterRemoval,
    IdentitySource, TransactionalPublisher,
};

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

impl<Letters, Aggregates, Identities, Publisher, Time>
    Redrive<Letters, Aggregates, Identities, Publisher, Time>
where
    Letters: DeadLetterReader + DeadLetterMoves + DeadLetterRemoval + Clone,
    Aggregates: PendingEventStore,
    Identities: IdentitySource,
    Publisher: TransactionalPublisher,
    Time: Clock,
{
    /// Reads a dead letter and what a redrive would do with it. It changes nothing.
    ///
    /// # Errors
    ///
    /// [`RedriveError::NotFound`] and [`RedriveError::Failed`]
    pub async fn examine(&self, id: &DeadLetterId) -> Result<Examined, RedriveError> {
        let found = DeadLetterReader::find(&self.letters, id).await;
        let letter = found.map_err(RedriveError::Failed)?.ok_or(RedriveError::NotFound)?;
        let plan = match self.aggregate_of(&letter).await {
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
