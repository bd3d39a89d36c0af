//! Orders with what is pending of them.

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::pending::{Found, OrderChange, PendingEventStore};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use domain::aggregate::AggregateKey;

use super::DynamoOrders;
use super::change::update_of;
use crate::connect::one_try;
use crate::error::failed_try;
use crate::item::Item;
use crate::keys;
use crate::reading::consistent_get;
use crate::records::{is_order, stored_order};
use crate::transaction::too_late;

impl<Stock: Send + Sync> PendingEventStore for DynamoOrders<Stock> {
    async fn find(&self, key: AggregateKey) -> Result<Option<StoredAggregate>, Failure> {
        let key = key_of_order(key)?;
        let found = consistent_get(&self.client, self.orders.as_str(), key).await?;
        let order = found.filter(is_order).map(stored_order).transpose()?;
        Ok(order.map(StoredAggregate::Order))
    }

    async fn change(&self, change: &OrderChange<'_>, deadline: Deadline) -> WriteTry<Found> {
        if deadline.has_passed() {
            return WriteTry::Refused(too_late());
        }
        let update = match update_of(change) {
            Ok(update) => update,
            Err(failure) => return WriteTry::Refused(failure),
        };
        let written = update
            .on(self.client.update_item().table_name(self.orders.as_str()))
            .return_values_on_condition_check_failure(AllOld)
            .customize()
            .config_override(one_try(deadline.remaining()))
            .send()
            .await;
        match written {
            Ok(_) => WriteTry::Done,
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    WriteTry::Cancelled(failed.item.clone().and_then(found))
                }
                _ => failed_try(error),
            },
        }
    }
}

/// The key of an order's item.
///
/// # Errors
///
/// [`Failure`] of class `Permanent` if the aggregate is not an order.
pub(super) fn key_of_order(key: AggregateKey) -> Result<Item, Failure> {
    match key {
        AggregateKey::Order { user_id, order_id } => Ok(keys::of_order(user_id, order_id)),
        AggregateKey::Account { .. } | AggregateKey::Session { .. } => {
            let cause = format!("{key} is not in the table of orders");
            Err(Failure::new(FailureClass::Permanent, cause))
        }
    }
}

/// What stands against a change, if it is an order that can be read.
fn found(item: Item) -> Found {
    let order = Some(item).filter(is_order).map(stored_order)?;
    let order =
        order.inspect_err(|error| tracing::error!(%error, "a stored order is unreadable")).ok();
    order.map(StoredAggregate::Order)
}
