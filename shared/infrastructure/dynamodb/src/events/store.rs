//! Reads and changes aggregates with their pending events.

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::outcome::{Failure, WriteTry};
use application::ports::pending::{AggregateChange, Found, PendingEventStore};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use domain::aggregate::AggregateKey;

use super::DynamoAggregates;
use super::change::update_of;
use crate::connect::one_try;
use crate::error::failed_try;
use crate::expression::ItemUpdate;
use crate::item::{CorruptRecord, Item};
use crate::keys;
use crate::reading::consistent_get;
use crate::records::{account_events, is_order, mail_events, session_events, stored_order};
use crate::transaction::too_late;

impl<Stock: Send + Sync> PendingEventStore for DynamoAggregates<Stock> {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        let table = self.tables.holding(key);
        let found = consistent_get(&self.client, table, keys::of_aggregate(key)).await?;
        Ok(found.filter(|item| is_aggregate(key, item)).map(|item| read(key, item)).transpose()?)
    }

    async fn change(&self, change: &AggregateChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        self.update(change.key(), update_of(change), deadline).await
    }
}

impl<Stock> DynamoAggregates<Stock> {
    /// Makes one try of an update, if it could be built. A cancelled try contains what was found.
    pub(crate) async fn update(
        &self,
        key: AggregateKey,
        update: Result<ItemUpdate, Failure>,
        deadline: Deadline,
    ) -> WriteTry<Found> {
        if deadline.has_passed() {
            return WriteTry::NotBegun(too_late());
        }
        let update = match update {
            Ok(update) => update,
            Err(failure) => return WriteTry::NotBegun(failure),
        };
        let written = update
            .on(self.client.update_item().table_name(self.tables.holding(key)))
            .return_values_on_condition_check_failure(AllOld)
            .customize()
            .config_override(one_try(deadline.remaining()))
            .send()
            .await;
        match written {
            Ok(_) => WriteTry::Done,
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    WriteTry::Cancelled(failed.item.clone().and_then(|item| found(key, item)))
                }
                _ => failed_try(error),
            },
        }
    }
}

/// Whether the item at a key is an aggregate. At an order's key there may be a tombstone.
fn is_aggregate(key: AggregateKey, item: &Item) -> bool {
    match key {
        AggregateKey::Order { .. } => is_order(item),
        AggregateKey::Account { .. } | AggregateKey::Session { .. } | AggregateKey::Mail { .. } => {
            true
        }
    }
}

/// The aggregate of an item.
///
/// # Errors
///
/// [`CorruptRecord`] if the item is not an aggregate with this key.
pub(super) fn read(key: AggregateKey, item: Item) -> Result<StoredAggregate, CorruptRecord> {
    Ok(match key {
        AggregateKey::Order { .. } => StoredAggregate::Order(stored_order(item)?),
        AggregateKey::Account { user_id } => StoredAggregate::User(account_events(user_id, item)?),
        AggregateKey::Session { session_id } => {
            StoredAggregate::User(session_events(session_id, item)?)
        }
        AggregateKey::Mail { mail_id } => StoredAggregate::User(mail_events(mail_id, item)?),
    })
}

/// The aggregate that prevented a change, if it can be read.
fn found(key: AggregateKey, item: Item) -> Found {
    let item = Some(item).filter(|item| is_aggregate(key, item))?;
    read(key, item)
        .inspect_err(|error| tracing::error!(%error, "a stored aggregate is unreadable"))
        .ok()
}
