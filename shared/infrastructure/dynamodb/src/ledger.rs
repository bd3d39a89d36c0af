//! The record of attempts.

use application::outcome::Failure;
use application::ports::{FenceOutcome, TransactionLedger, TransactionState};
use aws_sdk_dynamodb::Client;
use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;

use crate::config::EventsTable;
use crate::connect::{TRY_LIMIT, one_try};
use crate::error::{condition_held, failure};
use crate::expression::{ABSENT, names};
use crate::item::to_item;
use crate::keys;
use crate::reading::get;
use crate::records::{RecordedBy, TransactionRecord};

/// Reads what is recorded of attempts, and fences them.
#[derive(Debug, Clone)]
pub struct DynamoTransactionLedger {
    client: Client,
    events: EventsTable,
}

impl DynamoTransactionLedger {
    /// Reads from and writes to this table.
    pub const fn new(client: Client, events: EventsTable) -> Self {
        Self { client, events }
    }
}

impl TransactionLedger for DynamoTransactionLedger {
    async fn state(
        &self,
        transaction_id: TransactionId,
    ) -> Result<Option<TransactionState>, Failure> {
        let key = keys::simple(keys::transaction(transaction_id));
        let found: Option<TransactionRecord> = get(&self.client, self.events.as_str(), key).await?;
        Ok(found.map(|record| record.state()).transpose()?)
    }

    async fn attempt_that_recorded(
        &self,
        event_id: EventId,
    ) -> Result<Option<TransactionId>, Failure> {
        let key = keys::simple(keys::event(event_id));
        let found: Option<RecordedBy> = get(&self.client, self.events.as_str(), key).await?;
        Ok(found.map(|record| record.transaction_id()).transpose()?)
    }

    async fn fence(&self, transaction_id: TransactionId, expires_at: Timestamp) -> FenceOutcome {
        let item = match to_item(&TransactionRecord::fenced(transaction_id, expires_at)) {
            Ok(item) => item,
            Err(failure) => return FenceOutcome::Unknown(failure),
        };
        let put = self
            .client
            .put_item()
            .table_name(self.events.as_str())
            .set_item(Some(item))
            .condition_expression(ABSENT)
            .set_expression_attribute_names(names(&[ABSENT]))
            .customize()
            .config_override(one_try(TRY_LIMIT))
            .send()
            .await;
        match condition_held(put) {
            Ok(true) => FenceOutcome::Won,
            Ok(false) => FenceOutcome::Lost,
            Err(error) => FenceOutcome::Unknown(failure(error)),
        }
    }
}
