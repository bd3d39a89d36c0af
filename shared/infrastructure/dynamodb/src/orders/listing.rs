//! Lists a user's orders by creation time.

use std::collections::HashMap;

use application::outcome::Failure;
use application::ports::{OrderListing, OrderPosition, Page, PageLimit};
use domain::identity::{OrderId, UserId};
use domain::order::StoredOrder;
use domain::timestamp::Timestamp;

use super::DynamoOrders;
use crate::error::failure;
use crate::expression::{names, values};
use crate::item::{CorruptRecord, Item, number, text};
use crate::keys;
use crate::reading::read_all;
use crate::records::stored_order;

/// The index of orders by user and creation time. It contains only keys, and changes of the table
/// appear in it within about a second (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html>).
const BY_USER: &str = "by_user";

const ORDERS_OF_USER: &str = "#pk = :pk";

impl<Stock: Send + Sync> OrderListing for DynamoOrders<Stock> {
    async fn page(
        &self,
        user_id: UserId,
        after: Option<OrderPosition>,
        limit: PageLimit,
    ) -> Result<Page<StoredOrder, OrderPosition>, Failure> {
        let found = self
            .client
            .query()
            .table_name(self.orders.as_str())
            .index_name(BY_USER)
            .key_condition_expression(ORDERS_OF_USER)
            .set_expression_attribute_names(names(&[ORDERS_OF_USER]))
            .set_expression_attribute_values(values(vec![(":pk", text(keys::user(user_id)))]))
            .scan_index_forward(false)
            .limit(i32::from(limit.get()))
            .set_exclusive_start_key(after.map(|after| index_key(user_id, after)))
            .send()
            .await
            .map_err(failure)?;
        let next = found.last_evaluated_key.as_ref().map(position).transpose()?;
        let listed = found.items.unwrap_or_default();
        let listed: Vec<_> = listed.iter().map(position).collect::<Result<_, _>>()?;
        let (items, unreadable) = self.orders_at(user_id, &listed).await?;
        Ok(Page { items, unreadable, next })
    }
}

impl<Stock> DynamoOrders<Stock> {
    /// The orders at these places, in their order, and how many of them this code can't read.
    async fn orders_at(
        &self,
        user_id: UserId,
        listed: &[OrderPosition],
    ) -> Result<(Vec<StoredOrder>, u64), Failure> {
        if listed.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let keys = listed.iter().map(|listed| keys::of_order(user_id, listed.order_id)).collect();
        let mut unreadable = 0;
        let mut orders = HashMap::with_capacity(listed.len());
        for item in read_all(&self.client, self.orders.as_str(), keys).await? {
            match stored_order(item) {
                Ok(stored) => drop(orders.insert(stored.order.id(), stored)),
                Err(error) => {
                    unreadable += 1;
                    tracing::error!(%error, user_id = user_id.get(), "an order is unreadable");
                }
            }
        }
        let orders = listed.iter().filter_map(|listed| orders.remove(&listed.order_id));
        Ok((orders.collect(), unreadable))
    }
}

/// The key of an order in the index: the key of its item and that of the index.
fn index_key(user_id: UserId, position: OrderPosition) -> Item {
    let mut key = keys::of_order(user_id, position.order_id);
    key.insert(CREATED_AT.to_owned(), number(position.created_at.as_millis()));
    key
}

const CREATED_AT: &str = "created_at_ms";

/// The position that a key of the index stands for.
fn position(key: &Item) -> Result<OrderPosition, CorruptRecord> {
    let order_id: Option<OrderId> = key.get("sk").and_then(|sk| keys::order_of(sk.as_s().ok()?));
    let created_at = key.get(CREATED_AT).and_then(|at| at.as_n().ok()?.parse().ok());
    match (order_id, created_at) {
        (Some(order_id), Some(at)) => {
            Ok(OrderPosition { created_at: Timestamp::from_millis(at), order_id })
        }
        (_, _) => Err(CorruptRecord::because("it is not a key of the index of a user's orders")),
    }
}
