//! The stock and the orders that wait for it.

use std::collections::{BTreeMap, BTreeSet};

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, ItemReason, WriteTry};
use application::ports::pending::{
    OrderChange, RESERVATION_ITEMS_MAX, ReservationCancelled, Reservations,
};
use domain::identity::ProductId;

use super::DynamoAggregates;
use super::change::update_of_order;
use crate::config::CatalogTable;
use crate::expression::Change;
use crate::item::{CorruptRecord, Item, from_item, number};
use crate::keys;
use crate::records::{ProductRecord, stored_order};
use crate::transaction::{Reasons, Transaction, write};

impl DynamoAggregates<CatalogTable> {
    fn transaction(
        &self,
        changes: &[OrderChange<'_>],
        take: &BTreeMap<ProductId, u32>,
    ) -> Result<Transaction, Failure> {
        if changes.len() + take.len() > RESERVATION_ITEMS_MAX {
            let cause = "a reservation has more items than a transaction may have";
            return Err(Failure::new(FailureClass::Permanent, cause));
        }
        // DynamoDB refuses a transaction with an item twice; Amazon's emulator (3.1) only cancels it.
        let orders: BTreeSet<_> = changes.iter().map(|change| change.before.key()).collect();
        if orders.len() < changes.len() {
            let cause = "a reservation has an order twice";
            return Err(Failure::new(FailureClass::Permanent, cause));
        }
        let mut transaction = Transaction::default();
        for change in changes {
            transaction =
                transaction.update(self.tables.orders.as_str(), update_of_order(change)?)?;
        }
        for (product_id, quantity) in take {
            let taken = taken(*product_id, *quantity);
            transaction = transaction.update(self.stock.as_str(), taken)?;
        }
        Ok(transaction)
    }
}

/// The change of a product's stock. A product that isn't there has no stock to compare with.
fn taken(product_id: ProductId, quantity: u32) -> Change {
    Change {
        key: keys::simple(keys::product(product_id)),
        update: "SET #stock = #stock - :quantity",
        condition: "#stock >= :quantity",
        values: vec![(":quantity", number(quantity))],
    }
}

/// The reasons in the order in which [`DynamoAggregates::transaction`] adds the items.
fn cancelled(
    mut reasons: Reasons,
    changes: &[OrderChange<'_>],
    take: &BTreeMap<ProductId, u32>,
) -> ReservationCancelled {
    let orders = changes.iter().map(|_| reasons.next_read(stored_order)).collect();
    let stock = take.keys().map(|product_id| (*product_id, stock(reasons.next())));
    ReservationCancelled { orders, stock: stock.collect() }
}

/// What a product has to do with a cancellation. One that can't be read is not one that is missing.
fn stock(reason: ItemReason<Item>) -> ItemReason<u32> {
    match reason {
        ItemReason::None => ItemReason::None,
        ItemReason::Busy => ItemReason::Busy,
        ItemReason::ConditionFailed(None) => ItemReason::ConditionFailed(None),
        ItemReason::ConditionFailed(Some(product)) => match stock_of(product) {
            Ok(stock) => ItemReason::ConditionFailed(Some(stock)),
            Err(error) => {
                tracing::error!(%error, "a stored product is unreadable");
                ItemReason::Busy
            }
        },
    }
}

fn stock_of(product: Item) -> Result<u32, CorruptRecord> {
    Ok(from_item::<ProductRecord>(product)?.stock())
}

/// A reservation needs no token. A second try finds the first by the orders' revisions, and a token
/// that no second try repeats would only make the store keep it for ten minutes.
impl Reservations for DynamoAggregates<CatalogTable> {
    async fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &BTreeMap<ProductId, u32>,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let transaction = self.transaction(changes, take);
        let cancelled = |reasons| cancelled(reasons, changes, take);
        write(transaction, &self.client, deadline, cancelled).await
    }
}
