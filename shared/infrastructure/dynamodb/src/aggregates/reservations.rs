//! Changes orders together with the stock.

use std::collections::{BTreeMap, BTreeSet};

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, ItemReason, WriteTry};
use application::ports::pending::{
    OrderChange, RESERVATION_ITEMS_MAX, ReservationCancelled, Reservations, StockReturns,
};
use aws_sdk_dynamodb::Client;
use domain::identity::ProductId;

use super::DynamoAggregates;
use super::change::update_of_order;
use crate::config::{CatalogTable, OrdersTable};
use crate::expression::Change;
use crate::item::{CorruptRecord, Item, from_item, number};
use crate::keys;
use crate::records::{ProductRecord, stored_order};
use crate::transaction::{Reasons, Transaction, write};

/// Changes of orders and of the stock in one transaction.
fn transaction(
    orders: &OrdersTable,
    catalog: &CatalogTable,
    changes: &[OrderChange<'_>],
    of_stock: impl ExactSizeIterator<Item = Change>,
) -> Result<Transaction, Failure> {
    if changes.len() + of_stock.len() > RESERVATION_ITEMS_MAX {
        let cause = "a reservation has more items than a transaction may have";
        return Err(Failure::new(FailureClass::Permanent, cause));
    }
    // DynamoDB refuses a transaction with an item twice; Amazon's emulator (3.1) only cancels it.
    let keys: BTreeSet<_> = changes.iter().map(|change| change.before.key()).collect();
    if keys.len() < changes.len() {
        let cause = "a reservation contains an order twice";
        return Err(Failure::new(FailureClass::Permanent, cause));
    }
    let mut transaction = Transaction::default();
    for change in changes {
        transaction = transaction.update(orders.as_str(), update_of_order(change)?)?;
    }
    for change in of_stock {
        transaction = transaction.update(catalog.as_str(), change)?;
    }
    Ok(transaction)
}

/// Takes units out of a product's stock. The condition also fails if the product does not exist.
fn taken(product_id: ProductId, quantity: u32) -> Change {
    Change {
        key: keys::simple(keys::product(product_id)),
        update: "SET #stock = #stock - :quantity",
        condition: "#stock >= :quantity",
        values: vec![(":quantity", number(quantity))],
    }
}

/// Returns units to a product's stock. The condition fails if the product does not exist.
fn given_back(product_id: ProductId, quantity: u32) -> Change {
    Change {
        key: keys::simple(keys::product(product_id)),
        update: "SET #stock = #stock + :quantity",
        condition: "attribute_exists(#stock)",
        values: vec![(":quantity", number(quantity))],
    }
}

/// The reasons in the order in which [`transaction`] adds the items.
fn cancelled(
    mut reasons: Reasons,
    changes: &[OrderChange<'_>],
    quantities: &BTreeMap<ProductId, u32>,
) -> ReservationCancelled {
    let orders = changes.iter().map(|_| reasons.next_read(stored_order)).collect();
    let stock = quantities.keys().map(|product_id| (*product_id, stock(reasons.next())));
    ReservationCancelled { orders, stock: stock.collect() }
}

/// The reason for a product. An unreadable product counts as busy, not as missing.
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

/// A reservation needs no token. A second try recognises the first one by the orders' revisions,
/// and a token that no second try repeats would only be kept by the store for ten minutes.
impl Reservations for DynamoAggregates<CatalogTable> {
    async fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &BTreeMap<ProductId, u32>,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let of_stock = take.iter().map(|(product_id, quantity)| taken(*product_id, *quantity));
        let transaction = transaction(&self.tables.orders, &self.stock, changes, of_stock);
        let cancelled = |reasons| cancelled(reasons, changes, take);
        write(transaction, &self.client, deadline, cancelled).await
    }
}

/// Returns the stock of orders. It needs `UpdateItem` of orders and of the catalog. Clones share
/// the client.
#[derive(Debug, Clone)]
pub struct DynamoStockReturns {
    client: Client,
    orders: OrdersTable,
    catalog: CatalogTable,
}

impl DynamoStockReturns {
    /// Writes to these tables.
    pub const fn new(client: Client, orders: OrdersTable, catalog: CatalogTable) -> Self {
        Self { client, orders, catalog }
    }
}

/// Like a reservation, this needs no token.
impl StockReturns for DynamoStockReturns {
    async fn give_back(
        &self,
        change: &OrderChange<'_>,
        give: &BTreeMap<ProductId, u32>,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let changes = std::slice::from_ref(change);
        let of_stock = give.iter().map(|(product_id, quantity)| given_back(*product_id, *quantity));
        let transaction = transaction(&self.orders, &self.catalog, changes, of_stock);
        let cancelled = |reasons| cancelled(reasons, changes, give);
        write(transaction, &self.client, deadline, cancelled).await
    }
}
