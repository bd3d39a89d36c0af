use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::pending::AggregateChange;
use application::ports::{
    DeadLetter, DeadLetterId, DeadLetterMoves, DeadLetterReader, DeadLetterRemoval,
    DeadLetterSummary, LetterNotFound, MoveCancelled, Page,
};
use aws_sdk_dynamodb::Client;

use super::{DynamoDeadLetterMoves, DynamoDeadLetterReader, DynamoDeadLetterRemoval};
use crate::config::{DeadLettersTable, OrdersTable, UsersTable};

/// The dead letters with every operation that operators need.
#[derive(Debug, Clone)]
pub struct DynamoLetters {
    reader: DynamoDeadLetterReader,
    removal: DynamoDeadLetterRemoval,
    moves: DynamoDeadLetterMoves,
}

impl DynamoLetters {
    /// Uses the table of letters, and the tables of the aggregates to which events return.
    pub fn new(
        client: Client,
        orders: OrdersTable,
        users: UsersTable,
        letters: DeadLettersTable,
    ) -> Self {
        Self {
            reader: DynamoDeadLetterReader::new(client.clone(), letters.clone()),
            removal: DynamoDeadLetterRemoval::new(client.clone(), letters.clone()),
            moves: DynamoDeadLetterMoves::new(client, orders, users, letters),
        }
    }
}

impl DeadLetterReader for DynamoLetters {
    type Position = <DynamoDeadLetterReader as DeadLetterReader>::Position;

    async fn find(&self, id: &DeadLetterId) -> Result<Option<DeadLetter>, Failure> {
        self.reader.find(id).await
    }

    async fn page(
        &self,
        after: Option<Self::Position>,
    ) -> Result<Page<DeadLetterSummary, Self::Position>, Failure> {
        self.reader.page(after).await
    }
}

impl DeadLetterRemoval for DynamoLetters {
    async fn discard(&self, letter: &DeadLetter, deadline: Deadline) -> WriteTry<LetterNotFound> {
        self.removal.discard(letter, deadline).await
    }
}

impl DeadLetterMoves for DynamoLetters {
    async fn bury(
        &self,
        letter: &DeadLetter,
        ends: Option<&AggregateChange<'_>>,
        deadline: Deadline,
    ) -> WriteTry<MoveCancelled> {
        self.moves.bury(letter, ends, deadline).await
    }

    async fn remove(
        &self,
        letter: &DeadLetter,
        change: &AggregateChange<'_>,
        deadline: Deadline,
    ) -> WriteTry<MoveCancelled> {
        self.moves.remove(letter, change, deadline).await
    }
}
