//! Fences attempts that have created no order.

use application::outcome::WriteTry;
use application::ports::Fences;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::identity::{OrderId, TransactionId, UserId};
use domain::order::FENCED_MAX;
use domain::timestamp::Timestamp;

use super::DynamoOrders;
use crate::connect::{TRY_LIMIT, one_try};
use crate::error::{condition_held, failed_try};
use crate::expression::{Change, ItemUpdate};
use crate::item::number;
use crate::keys;
use crate::records::SCHEMA_VERSION;

impl<Stock: Send + Sync> Fences for DynamoOrders<Stock> {
    async fn fence(
        &self,
        user_id: UserId,
        order_id: OrderId,
        attempt: TransactionId,
        tombstone_until: Timestamp,
    ) -> WriteTry<()> {
        let fenced = fenced(user_id, order_id, attempt, tombstone_until);
        let call = fenced.on(self.client.update_item().table_name(self.orders.as_str()));
        let written = call.customize().config_override(one_try(TRY_LIMIT)).send().await;
        match condition_held(written) {
            Ok(true) => WriteTry::Done,
            Ok(false) => WriteTry::Cancelled(()),
            Err(error) => failed_try(error),
        }
    }
}

/// Adds an attempt to the tombstone. Each addition extends the tombstone's life: the table deletes
/// it after `tombstone_until`, and it counts while it exists.
fn fenced(
    user_id: UserId,
    order_id: OrderId,
    attempt: TransactionId,
    tombstone_until: Timestamp,
) -> ItemUpdate {
    let attempt = Blob::new(attempt.as_uuid().as_bytes());
    let change = Change {
        key: keys::of_order(user_id, order_id),
        update: "SET #tombstone_until = :until, \
                 #schema_version = if_not_exists(#schema_version, :version) \
                 ADD #fenced :attempts",
        condition: "attribute_not_exists(#attempt) AND (attribute_not_exists(#fenced) \
                    OR size(#fenced) < :max OR contains(#fenced, :attempt))",
        values: vec![
            (":until", number(tombstone_until.as_secs())),
            (":version", number(SCHEMA_VERSION)),
            (":attempts", AttributeValue::Bs(vec![attempt.clone()])),
            (":attempt", AttributeValue::B(attempt)),
            (":max", AttributeValue::N(FENCED_MAX.to_string())),
        ],
    };
    change.into()
}
