//! Changes orders together with the stock and the counts of open units.

use std::collections::BTreeSet;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, ItemReason, WriteTry};
use application::ports::pending::OrderChange;
use application::ports::stock::{
    RESERVATION_ITEMS_MAX, ReservationCancelled, Reservations, Returning, StockReturns, Taking,
};
use domain::identity::ProductId;
use domain::order::OpenCount;

use super::DynamoOrders;
use crate::config::{CatalogTable, OrdersTable};
use crate::events::DynamoAggregates;
use crate::events::change::update_of_order;
use crate::expression::Change;
use crate::item::{CorruptRecord, Item, from_item, number};
use crate::keys;
use crate::records::{OpenUnitsRecord, ProductRecord, SCHEMA_VERSION, stored_order};
use crate::transaction::{Reasons, Transaction, write};

/// How long a count of open units is kept after its period, for clocks that are apart.
const COUNT_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// Changes of orders, of the stock and of counts of open units in one transaction.
fn transaction(
    orders: &OrdersTable,
    catalog: &CatalogTable,
    changes: &[OrderChange<'_>],
    of_stock: impl ExactSizeIterator<Item = Change>,
    of_counts: impl ExactSizeIterator<Item = Change>,
) -> Result<Transaction, Failure> {
    if changes.len() + of_stock.len() + of_counts.len() > RESERVATION_ITEMS_MAX {
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
    for change in of_counts {
        transaction = transaction.update(orders.as_str(), change)?;
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

/// Raises a count of open units, which begins with 0. The condition fails if it would be more than
/// `most`.
fn counted(count: OpenCount, units: u32, most: u32) -> Change {
    let until = count.period.end().plus(COUNT_KEPT).as_secs();
    let condition = if units <= most {
        "attribute_not_exists(#units) OR #units <= :before"
    } else {
        "#units <= :before"
    };
    Change {
        key: keys::open_units(count),
        update: "SET #units = if_not_exists(#units, :none) + :units, #schema_version = :version, \
                 #tombstone_until = :until",
        condition,
        values: vec![
            (":before", number(i64::from(most) - i64::from(units))),
            (":none", number(0)),
            (":units", number(units)),
            (":version", number(SCHEMA_VERSION)),
            (":until", number(until)),
        ],
    }
}

/// Lowers a count of open units. The condition fails if it is lower than `units`, or not there.
fn uncounted(count: OpenCount, units: u32) -> Change {
    Change {
        key: keys::open_units(count),
        update: "SET #units = #units - :units",
        condition: "#units >= :units",
        values: vec![(":units", number(units))],
    }
}

/// The reasons in the order in which [`transaction`] adds the items.
fn cancelled<'a>(
    mut reasons: Reasons,
    changes: &[OrderChange<'_>],
    products: impl Iterator<Item = &'a ProductId>,
    counts: impl Iterator<Item = &'a OpenCount>,
) -> ReservationCancelled {
    let orders = changes.iter().map(|_| reasons.next_read(stored_order)).collect();
    let stock = products.map(|id| (*id, found(reasons.next(), stock_of))).collect();
    let open = counts.map(|count| (*count, found(reasons.next(), units_of))).collect();
    ReservationCancelled { orders, stock, open }
}

/// The reason for a product or a count. An unreadable one counts as busy, not as missing.
fn found(
    reason: ItemReason<Item>,
    read: impl Fn(Item) -> Result<u32, CorruptRecord>,
) -> ItemReason<u32> {
    match reason {
        ItemReason::None => ItemReason::None,
        ItemReason::Busy => ItemReason::Busy,
        ItemReason::ConditionFailed(None) => ItemReason::ConditionFailed(None),
        ItemReason::ConditionFailed(Some(item)) => match read(item) {
            Ok(units) => ItemReason::ConditionFailed(Some(units)),
            Err(error) => {
                tracing::error!(%error, "a stored product or count of open units is unreadable");
                ItemReason::Busy
            }
        },
    }
}

fn stock_of(product: Item) -> Result<u32, CorruptRecord> {
    Ok(from_item::<ProductRecord>(product)?.stock())
}

fn units_of(count: Item) -> Result<u32, CorruptRecord> {
    Ok(from_item::<OpenUnitsRecord>(count)?.units())
}

/// A reservation needs no token. A second try recognises the first one by the orders' revisions,
/// and a token that no second try repeats would only be kept by the store for ten minutes.
impl Reservations for DynamoAggregates<CatalogTable> {
    async fn reserve(
        &self,
        changes: &[OrderChange<'_>],
        take: &Taking,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let Taking { stock, open, open_max } = take;
        let of_stock = stock.iter().map(|(product_id, quantity)| taken(*product_id, *quantity));
        let of_counts = open.iter().map(|(count, units)| counted(*count, *units, *open_max));
        let transaction =
            transaction(&self.tables.orders, &self.stock, changes, of_stock, of_counts);
        let cancelled = |reasons| cancelled(reasons, changes, stock.keys(), open.keys());
        write(transaction, &self.client, deadline, cancelled).await
    }
}

/// Like a reservation, this needs no token.
impl StockReturns for DynamoOrders<CatalogTable> {
    async fn give_back(
        &self,
        change: &OrderChange<'_>,
        give: &Returning,
        deadline: Deadline,
    ) -> WriteTry<ReservationCancelled> {
        let Returning { stock, open } = give;
        let changes = std::slice::from_ref(change);
        let of_stock =
            stock.iter().map(|(product_id, quantity)| given_back(*product_id, *quantity));
        let of_counts = open.iter().map(|(count, units)| uncounted(*count, *units));
        let transaction = transaction(&self.orders, &self.stock, changes, of_stock, of_counts);
        let cancelled = |reasons| {
            cancelled(reasons, changes, stock.keys(), open.iter().map(|(count, _)| count))
        };
        write(transaction, &self.client, deadline, cancelled).await
    }
}
