//! Events that no consumer has seen yet.

use application::outcome::Settled;
use application::ports::{ClaimOutcome, Outbox};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use domain::identity::{EventId, TransactionId};
use domain::timestamp::Timestamp;

use crate::config::EventsTable;
use crate::connect::{TRY_LIMIT, one_try};
use crate::error::{condition_held, failure, settled};
use crate::expression::{Change, values};
use crate::item::{number, text};
use crate::keys;

/// Claims events for their publication.
#[derive(Debug, Clone)]
pub struct DynamoOutbox {
    client: Client,
    events: EventsTable,
}

impl DynamoOutbox {
    /// Writes to this table.
    pub const fn new(client: Client, events: EventsTable) -> Self {
        Self { client, events }
    }

    /// Makes one try to change an event. `false` means that its condition failed.
    async fn change(
        &self,
        change: Change,
    ) -> Result<bool, SdkError<UpdateItemError, HttpResponse>> {
        let changed = self
            .client
            .update_item()
            .table_name(self.events.as_str())
            .set_expression_attribute_names(change.names())
            .set_key(Some(change.key))
            .update_expression(change.update)
            .condition_expression(change.condition)
            .set_expression_attribute_values(values(change.values))
            .customize()
            .config_override(one_try(TRY_LIMIT))
            .send()
            .await;
        condition_held(changed)
    }
}

impl Outbox for DynamoOutbox {
    async fn claim(
        &self,
        event_id: EventId,
        expected: Timestamp,
        until: Timestamp,
    ) -> ClaimOutcome {
        let change = Change {
            key: keys::simple(keys::event(event_id)),
            update: "SET #sweep_due_ms = :until",
            condition: "attribute_exists(#unobserved) AND #sweep_due_ms = :expected",
            values: vec![
                (":until", number(until.as_millis())),
                (":expected", number(expected.as_millis())),
            ],
        };
        match self.change(change).await {
            Ok(true) => ClaimOutcome::Won,
            Ok(false) => ClaimOutcome::Lost,
            Err(error) => ClaimOutcome::Unknown(failure(error)),
        }
    }

    async fn mark_published(&self, event_id: EventId, transaction_id: TransactionId) -> Settled {
        let change = Change {
            key: keys::simple(keys::event(event_id)),
            update: "REMOVE #unpublished",
            condition: "#transaction_id = :attempt",
            values: vec![(":attempt", text(transaction_id))],
        };
        match self.change(change).await {
            // An event that is gone has no mark, and another attempt's is not ours to remove.
            Ok(_) => Settled::Done,
            Err(error) => settled(error),
        }
    }
}
