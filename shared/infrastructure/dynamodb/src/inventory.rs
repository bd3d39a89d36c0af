//! The stock and the orders that wait for it.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{EffectCancelled, InboxRecord, Inventory, StockDecision};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::identity::ProductId;
use domain::order::{Order, OrderStatus, Quantity};

use crate::config::{CatalogTable, EventsTable, OrdersTable};
use crate::effects::with_inbox;
use crate::expression::Change;
use crate::item::{number, text, to_item};
use crate::keys;
use crate::records::{EventRecord, StatusChangeRecord, TransactionRecord};
use crate::transaction::{Part, Transaction, effect_cancelled, write};

/// Stores what inventory decides: at most 54 items, of the 100 that a transaction may have.
#[derive(Debug, Clone)]
pub struct DynamoInventory {
    client: Client,
    orders: OrdersTable,
    events: EventsTable,
    catalog: CatalogTable,
}

/// What the items are, in the order in which [`DynamoInventory::transaction`] adds them.
const PARTS: [Part; 5] = [Part::Inbox, Part::Subject, Part::Along, Part::Along, Part::Stock];

impl DynamoInventory {
    /// Writes to these tables.
    pub const fn new(
        client: Client,
        orders: OrdersTable,
        events: EventsTable,
        catalog: CatalogTable,
    ) -> Self {
        Self { client, orders, events, catalog }
    }

    fn transaction(
        &self,
        inbox: &InboxRecord,
        decision: &StockDecision<'_>,
    ) -> Result<Transaction, Failure> {
        let events = self.events.as_str();
        let attempt = TransactionRecord::committed(decision.event.transaction_id, inbox.at);
        let mut transaction = with_inbox(&self.events, inbox)?
            .update(self.orders.as_str(), decided(decision.order)?)?
            .put_if_absent(events, &EventRecord::from(decision.event))?
            .put_if_absent(events, &attempt)?;
        for (product_id, quantity) in decision.reserve.into_iter().flat_map(|lines| lines.iter()) {
            transaction = transaction.update(self.catalog.as_str(), taken(product_id, quantity))?;
        }
        Ok(transaction)
    }
}

/// The change of an order that is CREATED to what it is after the decision.
fn decided(order: &Order) -> Result<Change, Failure> {
    let last = order.history().latest();
    let reached = AttributeValue::M(to_item(&StatusChangeRecord::from(last))?);
    Ok(Change {
        key: keys::of_order(order.user_id(), order.id()),
        update: "SET #status = :status, #history = list_append(#history, :reached), \
                 #version = #version + :one",
        condition: "#status = :created",
        values: vec![
            (":status", text(last.status.as_str())),
            (":reached", AttributeValue::L(vec![reached])),
            (":one", number(1)),
            (":created", text(OrderStatus::Created.as_str())),
        ],
    })
}

/// The change of a product's stock. A product that isn't there has no stock to compare with.
fn taken(product_id: ProductId, quantity: Quantity) -> Change {
    Change {
        key: keys::simple(keys::product(product_id)),
        update: "SET #stock = #stock - :quantity",
        condition: "#stock >= :quantity",
        values: vec![(":quantity", number(quantity.get()))],
    }
}

impl Inventory for DynamoInventory {
    async fn decide(
        &self,
        inbox: &InboxRecord,
        decision: &StockDecision<'_>,
        deadline: Deadline,
    ) -> WriteTry<EffectCancelled> {
        let transaction = self.transaction(inbox, decision);
        write(transaction, &self.client, deadline, |reasons| effect_cancelled(reasons, &PARTS))
            .await
    }
}
