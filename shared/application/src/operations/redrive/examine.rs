//! What a redrive would do with a letter.

use contracts::event::{DecodeError, Event};
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
    /// The letter.
    pub letter: DeadLetter,
    /// What a redrive would do.
    pub way: WayBack,
}

/// A letter's way back.
#[derive(Debug)]
pub enum WayBack {
    /// Its event is pending again in the aggregate that raised it.
    Aggregate(AggregateKey),
    /// No aggregate of this deployment raised its event: it is published as it came.
    Topic,
    /// It could only come back.
    None(DecodeError),
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
    /// A dead letter, and what a redrive would do with it. It changes nothing.
    ///
    /// # Errors
    ///
    /// [`RedriveError::NotThere`] and [`RedriveError::Failed`]
    pub async fn examine(&self, id: &DeadLetterId) -> Result<Examined, RedriveError> {
        let found = DeadLetterReader::find(&self.letters, id).await;
        let letter = found.map_err(RedriveError::Failed)?.ok_or(RedriveError::NotThere)?;
        let is_ours = self.aggregate_of(&letter).await?.is_some();
        let way = match letter.aggregate.filter(|_| is_ours) {
            Some(key) => WayBack::Aggregate(key),
            None => Event::decode(&letter.body).map_or_else(WayBack::None, |_| WayBack::Topic),
        };
        Ok(Examined { letter, way })
    }
}
