//! Lets one of several sweeps at a time deal with an order.

use application::events::StoredAggregate;
use application::outcome::{Failure, FailureClass};
use application::ports::pending::{Claim, Claims, DueAggregate};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::ReturnValue;
use domain::order::StoredOrder;
use domain::timestamp::Timestamp;

use super::DynamoOrders;
use super::store::key_of_order;
use crate::connect::{TRY_LIMIT, one_try};
use crate::error::failure;
use crate::expression::{Change, ItemUpdate};
use crate::item::number;
use crate::records::stored_order;

impl<Stock: Send + Sync> Claims for DynamoOrders<Stock> {
    async fn claim(&self, due: &DueAggregate, until: Timestamp) -> Claim {
        let key = match key_of_order(due.key) {
            Ok(key) => key,
            Err(failure) => return Claim::Unknown(failure),
        };
        let claimed = ItemUpdate::from(Change {
            key,
            update: "SET #due_ms = :until",
            condition: "#due_ms = :expected AND attribute_exists(#attempt)",
            values: vec![
                (":until", number(until.as_millis())),
                (":expected", number(due.due.as_millis())),
            ],
        });
        let written = claimed
            .on(self.client.update_item().table_name(self.orders.as_str()))
            .return_values(ReturnValue::AllNew)
            .customize()
            .config_override(one_try(TRY_LIMIT))
            .send()
            .await;
        match written {
            Ok(answer) => match claimed_order(answer) {
                Ok(order) => Claim::Won(Box::new(StoredAggregate::Order(order))),
                Err(failure) => Claim::Unknown(failure),
            },
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Claim::Lost,
                _ => Claim::Unknown(failure(error)),
            },
        }
    }
}

fn claimed_order(answer: UpdateItemOutput) -> Result<StoredOrder, Failure> {
    let item = answer.attributes.ok_or_else(|| {
        Failure::new(FailureClass::Permanent, "a claim was answered without its order")
    })?;
    Ok(stored_order(item)?)
}
