//! Creating an order.

use application::deadline::Deadline;
use application::outcome::WriteTry;
use application::ports::creating::OrderCreation;
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

/// That there is neither an order nor a tombstone that holds the attempt. Without the middle term
/// an order would be replaced: where there is no set, it contains nothing, and the negation holds.
const FREE_FOR_ATTEMPT: &str = "attribute_not_exists(#pk) OR \
                                (attribute_exists(#fenced) AND NOT contains(#fenced, :attempt))";

impl OrderCreation for DynamoOrders {
    async fn create(&self, new: &NewOrder, deadline: Deadline) -> WriteTry<AtKey> {
        if deadline.has_passed() {
            return WriteTry::Refused(too_late());
        }
        let item = match to_item(&StoredOrderItem::from(&new.clone().into_stored())) {
            Ok(item) => item,
            Err(failure) => return WriteTry::Refused(failure),
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

/// What stands against an order. An answer that doesn't say, or says what can't be read, says
/// nothing.
fn found(item: Option<Item>) -> AtKey {
    let Some(item) = item else { return AtKey::Absent };
    at_key(item).unwrap_or_else(|error| {
        tracing::error!(%error, "what is at an order's key is unreadable");
        AtKey::Absent
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{steady, text};

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let unreadable = steady([("pk".to_owned(), text("USER#1"))]);
        for item in [None, Some(unreadable)] {
            assert_eq!(found(item), AtKey::Absent);
        }
    }
}
