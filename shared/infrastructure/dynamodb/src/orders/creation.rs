//! Creates orders.

use application::deadline::Deadline;
use application::outcome::WriteTry;
use application::ports::OrderCreation;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use domain::order::{AtKey, NewOrder};

use super::DynamoOrders;
use crate::connect::one_try;
use crate::error::failed_try;
use crate::expression::{names, values};
use crate::item::{Item, binary, to_item};
use crate::records::{StoredOrderItem, at_key};
use crate::transaction::too_late;

/// The condition that there is neither an order nor a tombstone that holds the attempt. Without the
/// middle term an order would be replaced: an item without the set contains nothing, so the
/// negation would hold.
const FREE_FOR_ATTEMPT: &str = "attribute_not_exists(#pk) OR \
                                (attribute_exists(#fenced) AND NOT contains(#fenced, :attempt))";

impl<Stock: Send + Sync> OrderCreation for DynamoOrders<Stock> {
    async fn create(&self, new: &NewOrder, deadline: Deadline) -> WriteTry<AtKey> {
        if deadline.has_passed() {
            return WriteTry::NotBegun(too_late());
        }
        let item = match to_item(&StoredOrderItem::from(&new.clone().into_stored())) {
            Ok(item) => item,
            Err(failure) => return WriteTry::NotBegun(failure),
        };
        let attempt = binary(new.attempt().as_uuid().as_bytes());
        let put = self.client.put_item().table_name(self.orders.as_str());
        let written = put
            .set_item(Some(item))
            .condition_expression(FREE_FOR_ATTEMPT)
            .set_expression_attribute_names(names(&[FREE_FOR_ATTEMPT]))
            .set_expression_attribute_values(values(vec![(":attempt", attempt)]))
            .return_values_on_condition_check_failure(AllOld)
            .customize()
            .config_override(one_try(deadline.remaining()))
            .send()
            .await;
        match written {
            Ok(_) => WriteTry::Done,
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    WriteTry::Cancelled(found(failed.item.clone()))
                }
                _ => failed_try(error),
            },
        }
    }
}

/// The item that prevented the creation. `Absent` if the answer has no item, or one that can't be
/// read.
fn found(item: Option<Item>) -> AtKey {
    let Some(item) = item else { return AtKey::Absent };
    at_key(item).unwrap_or_else(|error| {
        tracing::error!(%error, "the item at an order's key is unreadable");
        AtKey::Absent
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{in_stable_order, text};

    #[test]
    fn an_unreadable_item_counts_as_absent() {
        let unreadable = in_stable_order([("pk".to_owned(), text("USER#1"))]);
        for item in [None, Some(unreadable)] {
            assert_eq!(found(item), AtKey::Absent);
        }
    }
}
