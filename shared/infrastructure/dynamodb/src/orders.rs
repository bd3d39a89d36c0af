//! Orders: taken and looked up.

use application::deadline::Deadline;
use application::outcome::{Failure, WriteTry};
use application::ports::{
    IdempotencyKey, IdempotencyRecord, OrderReader, OrderRepository, Placement, PlacementCancelled,
};
use aws_sdk_dynamodb::Client;
use domain::identity::{OrderId, UserId};
use domain::order::Order;
use domain::timestamp::Timestamp;

use crate::config::{EventsTable, OrdersTable};
use crate::item::{CorruptRecord, from_item, number};
use crate::keys;
use crate::reading::get;
use crate::records::{EventRecord, IdempotencyItem, OrderItem, TransactionRecord};
use crate::transaction::{Reasons, Transaction, write};

/// Takes orders: the order, its event, the attempt's record and the key's record in one transaction
/// under the attempt's `ClientRequestToken`.
#[derive(Debug, Clone)]
pub struct DynamoOrderRepository {
    client: Client,
    orders: OrdersTable,
    events: EventsTable,
}

impl DynamoOrderRepository {
    /// Stores in these tables.
    pub const fn new(client: Client, orders: OrdersTable, events: EventsTable) -> Self {
        Self { client, orders, events }
    }

    fn transaction(&self, placement: &Placement<'_>) -> Result<Transaction, Failure> {
        let Placement { order, event, idempotency, now } = placement;
        let events = self.events.as_str();
        let attempt = TransactionRecord::committed(event.transaction_id, *now);
        let transaction = Transaction::default()
            .under(event.transaction_id)
            .put_if_absent(self.orders.as_str(), &OrderItem::from(*order))?
            .put_if_absent(events, &EventRecord::from(*event))?
            .put_if_absent(events, &attempt)?;
        let Some((key, record)) = idempotency else { return Ok(transaction) };
        transaction.put_if(
            events,
            &IdempotencyItem::new(order.user_id(), key, record),
            IdempotencyItem::ABSENT_OR_EXPIRED,
            vec![(":now", number(now.as_millis()))],
        )
    }
}

/// The reasons in the order in which [`DynamoOrderRepository::transaction`] adds the items.
fn cancelled(mut reasons: Reasons) -> PlacementCancelled {
    PlacementCancelled {
        order: reasons.next_read(|_| Ok::<_, CorruptRecord>(())),
        event: reasons.next_read(|_| Ok::<_, CorruptRecord>(())),
        transaction: reasons.next_read(|item| from_item::<TransactionRecord>(item)?.state()),
        idempotency: reasons.next_read(|item| from_item::<IdempotencyItem>(item)?.try_into()),
    }
}

impl OrderRepository for DynamoOrderRepository {
    async fn place(
        &self,
        placement: &Placement<'_>,
        deadline: Deadline,
    ) -> WriteTry<PlacementCancelled> {
        write(self.transaction(placement), &self.client, deadline, cancelled).await
    }

    async fn remembered(
        &self,
        user_id: UserId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, Failure> {
        let key = keys::simple(keys::idempotency(user_id, key));
        let found: Option<IdempotencyItem> = get(&self.client, self.events.as_str(), key).await?;
        let record = found.map(IdempotencyRecord::try_from).transpose()?;
        Ok(record.filter(|record| now < record.expires_at))
    }
}

/// Looks orders up by their user and their identifier, so that another user's can't even be asked
/// for.
#[derive(Debug, Clone)]
pub struct DynamoOrderReader {
    client: Client,
    orders: OrdersTable,
}

impl DynamoOrderReader {
    /// Reads from this table.
    pub const fn new(client: Client, orders: OrdersTable) -> Self {
        Self { client, orders }
    }
}

impl OrderReader for DynamoOrderReader {
    async fn find(&self, user_id: UserId, order_id: OrderId) -> Result<Option<Order>, Failure> {
        let key = keys::of_order(user_id, order_id);
        let found: Option<OrderItem> = get(&self.client, self.orders.as_str(), key).await?;
        Ok(found.map(Order::try_from).transpose()?)
    }
}
