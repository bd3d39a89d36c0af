//! The meaning of calls to the table for orders, as the DynamoDB adapters make them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use uuid::Uuid;

use crate::table_proxy::TableCall;

/// An attempt to create an order, as a call names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub transaction_id: String,
    pub order_id: String,
}

#[must_use]
pub fn created_by(call: &TableCall) -> Option<Attempt> {
    if call.operation != "PutItem" {
        return None;
    }
    let attempt = uuid(call.body.pointer("/Item/attempt")?)?;
    Some(Attempt { transaction_id: attempt, order_id: order_of(call)? })
}

/// Whether the call creates an order that has a half message.
#[must_use]
pub fn creates_with_half_message(call: &TableCall) -> bool {
    let pending = call.body.pointer("/Item/pending/M").and_then(Value::as_object);
    let is_sent = |entry: &Value| entry.pointer("/M/publication/S") == Some(&"sent".into());
    created_by(call).is_some() && pending.is_some_and(|events| events.values().all(is_sent))
}

#[must_use]
pub fn fenced_by(call: &TableCall) -> Option<Attempt> {
    if call.operation != "UpdateItem" || !update(&call.body)?.contains("ADD #fenced") {
        return None;
    }
    let attempt = uuid(call.body.pointer("/ExpressionAttributeValues/:attempt")?)?;
    Some(Attempt { transaction_id: attempt, order_id: order_of(call)? })
}

/// Whether the call reserves stock for orders and ends their `OrderCreated`.
#[must_use]
pub fn reserves(call: &TableCall) -> bool {
    !reserved_by(call).is_empty()
}

/// The orders that the call confirms with their stock.
#[must_use]
pub fn reserved_by(call: &TableCall) -> Vec<String> {
    if call.operation != "TransactWriteItems" || !call.touches("PRODUCT#") {
        return Vec::new();
    }
    let items = call.body.get("TransactItems").and_then(Value::as_array);
    let keys = items.into_iter().flatten().filter_map(|item| item.pointer("/Update/Key/sk/S"));
    let orders = keys.filter_map(|key| key.as_str()?.strip_prefix("ORDER#"));
    orders.map(ToOwned::to_owned).collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderUpdate {
    pub order_id: String,
    /// Such as `CONFIRMED`.
    pub status: Option<String>,
    /// Events that become pending.
    pub raised: Vec<String>,
    /// Events that are no longer pending.
    pub ended: Vec<String>,
    /// Whether a sweep claims the order's pending events.
    pub is_claim: bool,
}

#[must_use]
pub fn updates_of(call: &TableCall) -> Vec<OrderUpdate> {
    match call.operation.as_str() {
        "UpdateItem" => update_in(&call.body).into_iter().collect(),
        "TransactWriteItems" => {
            let items = call.body.get("TransactItems").and_then(Value::as_array);
            let updates = items.into_iter().flatten().filter_map(|item| item.get("Update"));
            updates.filter_map(update_in).collect()
        }
        _ => Vec::new(),
    }
}

/// Of an update such as `SET #status = :v1, … REMOVE #pending.#n0`.
fn update_in(request: &Value) -> Option<OrderUpdate> {
    let key = request.pointer("/Key/sk/S")?.as_str()?.strip_prefix("ORDER#")?;
    let update = update(request)?;
    let value = |placeholder: &str| {
        request.get("ExpressionAttributeValues")?.get(placeholder)?.get("S")?.as_str()
    };
    let status = update.split_once("#status = ").and_then(|(_, rest)| {
        value(rest.split([',', ' ']).next().unwrap_or_default()).map(ToOwned::to_owned)
    });
    let (set, removed) = update.split_once("REMOVE ").unwrap_or((update, ""));
    let names = request.get("ExpressionAttributeNames");
    let event = |path: &str| {
        let placeholder = path.strip_prefix("#pending.").filter(|rest| !rest.contains('.'))?;
        Some(names?.get(placeholder)?.as_str()?.to_owned())
    };
    let raised = set.split([',', ' ']).filter_map(event).collect();
    let ended = removed.split([',', ' ']).filter_map(event).collect();
    let condition = request.get("ConditionExpression").and_then(Value::as_str);
    let is_claim = condition.is_some_and(|text| text.contains("#due_ms = "));
    Some(OrderUpdate { order_id: key.to_owned(), status, raised, ended, is_claim })
}

/// The events that the call ends with a notification of the user.
#[must_use]
pub fn notified_by(call: &TableCall) -> Vec<String> {
    match call.operation.as_str() {
        "UpdateItem" => notified_in(&call.body).into_iter().collect(),
        "TransactWriteItems" => {
            let items = call.body.get("TransactItems").and_then(Value::as_array);
            let updates = items.into_iter().flatten().filter_map(|item| item.get("Update"));
            updates.filter_map(notified_in).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether the call ends an event with a notification, and changes nothing else.
#[must_use]
pub fn ends_alone(call: &TableCall) -> bool {
    call.operation == "UpdateItem" && notified_in(&call.body).is_some()
}

#[must_use]
pub fn reads_order(call: &TableCall) -> bool {
    call.operation == "GetItem" && call.touches("ORDER#")
}

#[must_use]
pub fn is_done(call: &TableCall) -> bool {
    call.answer.as_ref().is_some_and(|answer| answer.status.is_success())
}

fn order_of(call: &TableCall) -> Option<String> {
    Some(call.key_of("ORDER#")?.trim_start_matches("ORDER#").to_owned())
}

fn update(request: &Value) -> Option<&str> {
    request.get("UpdateExpression")?.as_str()
}

/// From `SET #notifications.#n0 = …`; the placeholder stands for the event's name.
fn notified_in(request: &Value) -> Option<String> {
    let (_, rest) = update(request)?.split_once("#notifications.")?;
    let placeholder = rest.split(' ').next()?;
    let names = request.get("ExpressionAttributeNames")?;
    Some(names.get(placeholder)?.as_str()?.to_owned())
}

/// The identifier in an attribute of 16 bytes.
fn uuid(attribute: &Value) -> Option<String> {
    let bytes = STANDARD.decode(attribute.get("B")?.as_str()?).ok()?;
    Some(Uuid::from_slice(&bytes).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use application::deadline::Deadline;
    use application::events::StoredAggregate;
    use application::outcome::WriteTry;
    use application::ports::pending::{IndexChange, OrderChange, PendingEventStore};
    use application::ports::stock::{Reservations, Taking};
    use application::ports::{Clock, Fences, IdentitySource, OrderCreation};
    use domain::event::EventStamp;
    use domain::identity::{EventId, ProductId, UserId};
    use domain::money::Money;
    use domain::order::{NewOrder, Order, OrderLine, OrderLines};
    use domain::pending::{PendingEvent, PendingEvents};
    use domain::product::Product;
    use dynamodb::administration::put_products;
    use dynamodb::config::{CatalogTable, OrdersTable, TableName, UsersTable};
    use dynamodb::{DynamoAggregates, DynamoOrders};
    use local_lambda::Template;
    use platform::clock::SystemClock;
    use platform::identity::UuidIdentitySource;

    use super::*;
    use crate::table::{EmbeddedTable, client, create_tables};
    use crate::table_proxy::TableProxy;

    fn within() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    fn new_order(is_sent: bool) -> NewOrder {
        let line = OrderLine { product_id: ProductId::new(1).unwrap(), quantity: 2 };
        let lines = OrderLines::merge(&[line]).unwrap();
        let (now, attempt) = (SystemClock.now(), UuidIdentitySource.transaction_id());
        let stamp = EventStamp::untraced(UuidIdentitySource.event_id(), 1);
        let (order_id, user_id) = (UuidIdentitySource.order_id(), UserId::new(123).unwrap());
        let price = |_| Money::from_minor(1_250);
        let (order, _) = Order::create(order_id, user_id, &lines, price, now, stamp).unwrap();
        let pending = if is_sent {
            PendingEvent::sent(attempt, now, now)
        } else {
            PendingEvent::unsent(attempt, now)
        };
        NewOrder::new(order, attempt, pending)
    }

    fn attempt_of(new: &NewOrder) -> Attempt {
        Attempt {
            transaction_id: new.attempt().to_string(),
            order_id: new.order().id().to_string(),
        }
    }

    /// Orders and stock behind a proxy that records each call.
    struct Behind {
        orders: DynamoOrders,
        aggregates: DynamoAggregates<CatalogTable>,
        calls: Arc<Mutex<Vec<TableCall>>>,
        _proxy: TableProxy,
        _table: EmbeddedTable,
    }

    impl Behind {
        async fn start() -> Self {
            let table = EmbeddedTable::start(0, None).await.unwrap();
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
            let overrides = BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), "h:1".to_owned())]);
            let template = Template::load(path.as_ref(), "calls", &overrides).unwrap();
            create_tables(&client(&table.url()), &template.tables).await.unwrap();
            let proxy = TableProxy::start(&table.url()).await.unwrap();
            let named = |id| TableName::parse(&template.table(id).unwrap().name).unwrap();
            let orders = OrdersTable::named(named("OrdersTable"));
            let catalog = CatalogTable::named(named("CatalogTable"));
            let tables = dynamodb::connect_to(&proxy.url());
            let product = Product {
                id: ProductId::new(1).unwrap(),
                name: "a".to_owned(),
                unit_price: Money::from_minor(1_250).unwrap(),
                stock: 5,
            };
            put_products(&tables, &catalog, &[product]).await.unwrap();
            let users = UsersTable::named(named("UsersTable"));
            let aggregates = DynamoAggregates::new(tables.clone(), orders.clone(), users);
            let aggregates = aggregates.with_stock(catalog);
            let orders = DynamoOrders::new(tables, orders);
            let calls = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&calls);
            proxy.watch(move |call| seen.lock().unwrap().push(call.clone()));
            Self { orders, aggregates, calls, _proxy: proxy, _table: table }
        }

        fn last(&self) -> TableCall {
            self.calls.lock().unwrap().last().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn a_call_names_the_attempt_that_it_stores_or_fences() {
        let behind = Behind::start().await;
        let orders = &behind.orders;
        for is_sent in [true, false] {
            let new = new_order(is_sent);
            assert!(matches!(orders.create(&new, within()).await, WriteTry::Done));
            assert_eq!(created_by(&behind.last()), Some(attempt_of(&new)));
            assert_eq!(creates_with_half_message(&behind.last()), is_sent);
            assert!(is_done(&behind.last()));
            assert_eq!(fenced_by(&behind.last()), None);
        }
        let fenced = new_order(true);
        let (order, attempt) = (fenced.order(), fenced.attempt());
        let until = SystemClock.now();
        let fence = orders.fence(order.user_id(), order.id(), attempt, until).await;
        assert!(matches!(fence, WriteTry::Done));
        assert_eq!(fenced_by(&behind.last()), Some(attempt_of(&fenced)));
        assert!(matches!(orders.create(&fenced, within()).await, WriteTry::Cancelled(_)));
        assert_eq!(created_by(&behind.last()), Some(attempt_of(&fenced)));
        assert!(!is_done(&behind.last()));
    }

    #[tokio::test]
    async fn a_call_names_the_event_that_it_ends() {
        let behind = Behind::start().await;
        let orders = &behind.orders;
        let new = new_order(true);
        assert!(matches!(orders.create(&new, within()).await, WriteTry::Done));
        let stored = new.into_stored();
        let (created, at) = (stored.created_event(), SystemClock.now());
        let stamp = EventStamp::untraced(UuidIdentitySource.event_id(), 1);
        let (confirmed, _) = stored.order.undecided().unwrap().confirm(at, stamp);
        let follow_up = confirmed.history().latest().event.event_id;
        let entry = PendingEvent::sent(UuidIdentitySource.transaction_id(), at, at);
        let change = OrderChange {
            before: &stored,
            reached: Some(confirmed.history().latest().clone()),
            notified: Some((created, at)),
            pending: PendingEvents::one(follow_up, entry),
            index: IndexChange::Keep,
        };
        let stock = BTreeMap::from([(ProductId::new(1).unwrap(), 2)]);
        let take = Taking { stock, ..Taking::default() };
        assert!(matches!(
            behind.aggregates.reserve(&[change], &take, within()).await,
            WriteTry::Done
        ));
        assert_eq!(reserved_by(&behind.last()), [stored.order.id().to_string()]);
        assert!(reserves(&behind.last()) && !ends_alone(&behind.last()));
        assert_eq!(notified_by(&behind.last()), [created.to_string()]);
        let update = |status: Option<&str>, raised: &[EventId], ended: EventId| OrderUpdate {
            order_id: stored.order.id().to_string(),
            status: status.map(ToOwned::to_owned),
            raised: raised.iter().map(ToString::to_string).collect(),
            ended: vec![ended.to_string()],
            is_claim: false,
        };
        assert_eq!(updates_of(&behind.last()), [update(Some("CONFIRMED"), &[follow_up], created)]);

        let found = behind.aggregates.find(stored.key()).await.unwrap();
        assert!(reads_order(&behind.last()));
        let Some(StoredAggregate::Order(found)) = found else { panic!("{found:?}") };
        let change = OrderChange {
            before: &found,
            reached: None,
            notified: Some((follow_up, at)),
            pending: PendingEvents::default(),
            index: IndexChange::Leave,
        };
        assert!(matches!(behind.aggregates.change(&change.into(), within()).await, WriteTry::Done));
        assert!(ends_alone(&behind.last()) && !reserves(&behind.last()));
        assert_eq!(notified_by(&behind.last()), [follow_up.to_string()]);
        assert_eq!(updates_of(&behind.last()), [update(None, &[], follow_up)]);
    }
}
