//! Stores the tokens of mails that are about to be sent.

use application::deadline::Deadline;
use application::outcome::WriteTry;
use application::ports::TokenRecord;
use application::ports::mail::MailTokens;
use application::ports::pending::{AggregateChange, Found};

use crate::events::DynamoAggregates;
use crate::events::change::update_of_with_token;

impl<Stock: Send + Sync> MailTokens for DynamoAggregates<Stock> {
    async fn issue(
        &self,
        change: &AggregateChange<'_>,
        token: &TokenRecord,
        deadline: Deadline,
    ) -> WriteTry<Found> {
        self.update(change.key(), update_of_with_token(change, token), deadline).await
    }
}
