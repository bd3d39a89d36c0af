//! What a redrive would do with a letter.

use contracts::event::Event;
use domain::aggregate::AggregateKey;

use super::{Redrive, RedriveError};
use crate::ports::letters::DeadLetterMoves;
use crate::ports::pending::PendingEventStore;
use crate::ports::{
    Clock, DeadLetter, DeadLetterId, DeadLetterReader, DeadLetterRemoval, IdentitySource,
    TransactionalPublisher,
};

/// A dead letter, and what a redrive would do with it.
#[derive(Debug)]
pub struct Examined {
    /// The letter with its body.
    pub letter: DeadLetter,
    /// What a redrive would do.
    pub way: WayBack,
}

/// How a redrive would return a letter's event.
#[derive(Debug)]
pub enum WayBack {
    /// The event becomes pending again in the aggregate that raised it.
    Aggregate(AggregateKey),
    /// No aggregate of this deployment raised the event: it is published as it was received.
    Topic,
    /// The redrive would fail with this: [`RedriveError::Undecodable`] or
    /// [`RedriveError::NotRaised`].
    None(RedriveError),
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
    /// [`RedriveError::NotThere`] and [`RedriveError::Failed`]
    pub async fn examine(&self, id: &DeadLetterId) -> Result<Examined, RedriveError> {
        let found = DeadLetterReader::find(&self.letters, id).await;
        let letter = found.map_err(RedriveError::Failed)?.ok_or(RedriveError::NotThere)?;
        let way = match self.aggregate_of(&letter).await {
            Ok(Some((stored, _))) => WayBack::Aggregate(stored.key()),
            Ok(None) => match Event::decode(&letter.body) {
                Ok(_) => WayBack::Topic,
                Err(error) => WayBack::None(RedriveError::Undecodable(error)),
            },
            Err(error @ RedriveError::NotRaised(_)) => WayBack::None(error),
            Err(error) => return Err(error),
        };
        Ok(Examined { letter, way })
    }
}
