//! What the adapters of aggregates store, item by item, over both emulators of DynamoDB.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::outcome::{FailureClass, ItemReason, WriteTry};
use application::ports::pending::{
    DueAggregate, Found, IndexChange, OrderChange, PendingEventIndex, PendingEventStore,
};
use application::ports::stock::{Reservations, Taking};
use application::ports::{
    DeadLetter, DeadLetterMoves, Fences, MessageId, OrderCreation, OrderKeys, Topic,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::aggregate::AggregateKey;
use domain::event::EventStamp;
use domain::identity::{EventId, OrderId, ProductId, TransactionId, UserId};
use domain::money::Money;
use domain::order::{
    AtKey, FENCED_MAX, NewOrder, Order, OrderLine, OrderLines, StoredOrder, Tombstone,
};
use domain::pending::{PendingEvent, PendingEvents, Publication, Rank};
use domain::product::Product;
use domain::timestamp::Timestamp;
use dynamodb::administration::put_products;
use dynamodb::keys;
use testkit::contract::TableFixture;

use crate::dynamodb_tables::Tables;

impl Tables {
    async fn order_item(&self) -> BTreeMap<String, AttributeValue> {
        let get = self.client.get_item().table_name(self.orders.name().as_str());
        let key = |text: String| AttributeValue::S(text);
        let get = get.key("pk", key(keys::user(user()))).key("sk", key(keys::order(order_id(0))));
        get.send().await.unwrap().item.unwrap_or_default().into_iter().collect()
    }

    async fn letter(&self, letter: &DeadLetter) -> Option<String> {
        let get = self.client.get_item().table_name(self.dead_letters.name().as_str());
        let key = AttributeValue::S(keys::dead_letter(&letter.id()));
        let found = get.key("pk", key).send().await.unwrap().item?;
        Some(found["message_id"].as_s().unwrap().clone())
    }

    async fn stock(&self, product: u64) -> String {
        let get = self.client.get_item().table_name(self.catalog.name().as_str());
        let key = AttributeValue::S(keys::product(ProductId::new(product).unwrap()));
        let found = get.key("pk", key).send().await.unwrap().item.unwrap();
        found["stock"].as_n().unwrap().clone()
    }

    /// The attribute names of each item in a partition of an index of orders.
    async fn index(&self, name: &str, attribute: &str, partition: String) -> Vec<String> {
        let found = self.client.query().table_name(self.orders.name().as_str());
        let found = found
            .index_name(name)
            .key_condition_expression("#partition = :partition")
            .expression_attribute_names("#partition", attribute)
            .expression_attribute_values(":partition", AttributeValue::S(partition))
            .send()
            .await
            .unwrap();
        let names = |item: &HashMap<String, AttributeValue>| {
            let names: BTreeSet<_> = item.keys().map(String::as_str).collect();
            names.into_iter().collect::<Vec<_>>().join(" ")
        };
        found.items().iter().map(names).collect()
    }

    async fn created(&self, number: u128, attempt_number: u128) -> StoredOrder {
        let new = new(number, attempt_number);
        assert_done(self.order_keys().create(&new, soon()).await);
        self.find(number).await
    }

    async fn find(&self, number: u128) -> StoredOrder {
        let key = AggregateKey::Order { user_id: user(), order_id: order_id(number) };
        let Some(StoredAggregate::Order(found)) = self.aggregates().find(key).await.unwrap() else {
            panic!("no order {number}");
        };
        found
    }
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

fn user() -> UserId {
    UserId::new(123).unwrap()
}

fn order_id(number: u128) -> OrderId {
    let id = 0x0189_0a5d_ac96_774b_bcce_b302_099a_8000 + number;
    uuid_text(id).parse().unwrap()
}

fn event_id(number: u128) -> EventId {
    uuid_text(number).parse().unwrap()
}

fn attempt(number: u128) -> TransactionId {
    uuid_text(number).parse().unwrap()
}

fn uuid_text(number: u128) -> String {
    let hex = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex[range].to_owned());
    parts.join("-")
}

fn product(id: u64, stock: u32) -> Product {
    let unit_price = Money::from_minor(500).unwrap();
    Product { id: ProductId::new(id).unwrap(), name: "x".to_owned(), unit_price, stock }
}

fn new(number: u128, attempt_number: u128) -> NewOrder {
    let line = |id| OrderLine { product_id: ProductId::new(id).unwrap(), quantity: 2 };
    let lines = OrderLines::merge(&[line(1), line(2)]).unwrap();
    let price = |_| Money::from_minor(500);
    let stamp = EventStamp::untraced(event_id(number * 10 + 1), 1);
    let (order, _) = Order::create(order_id(number), user(), &lines, price, at(0), stamp).unwrap();
    let pending = PendingEvent::sent(attempt(attempt_number), at(0), at(60_000));
    NewOrder::new(order, attempt(attempt_number), pending)
}

/// CONFIRMED, with `OrderConfirmed` pending instead of `OrderCreated`.
fn confirmation(before: &StoredOrder, number: u128) -> OrderChange<'_> {
    let stamp = EventStamp {
        traceparent: Some("00-trace-01".to_owned()),
        ..EventStamp::untraced(event_id(number * 10 + 2), 1)
    };
    let follows = stamp.event_id;
    let (order, _) = before.order.undecided().unwrap().confirm(at(10), stamp);
    let mut pending = before.pending.clone();
    pending.remove(before.created_event());
    pending.put(follows, PendingEvent::sent(attempt(77), at(10), at(60_010)));
    let index = IndexChange::between(&before.pending, &pending);
    OrderChange {
        before,
        reached: Some(order.history().latest().clone()),
        notified: Some((before.created_event(), at(11))),
        pending,
        index,
    }
}

fn of_pending(before: &StoredOrder, pending: PendingEvents) -> OrderChange<'_> {
    let index = IndexChange::at(&pending);
    OrderChange { before, reached: None, notified: None, pending, index }
}

fn end_of(before: &StoredOrder, event: EventId) -> OrderChange<'_> {
    let mut pending = before.pending.clone();
    pending.remove(event).unwrap();
    OrderChange { notified: Some((event, at(20))), ..of_pending(before, pending) }
}

fn assert_done<R: std::fmt::Debug>(tried: WriteTry<R>) {
    assert!(matches!(tried, WriteTry::Done), "{tried:?}");
}

fn cancelled<R: std::fmt::Debug>(tried: WriteTry<R>) -> R {
    match tried {
        WriteTry::Cancelled(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn order_of(found: Found) -> StoredOrder {
    let Some(StoredAggregate::Order(order)) = found else { panic!("{found:?}") };
    order
}

async fn a_put_finds_each_state_of_its_key(tables: Tables) {
    let (orders, aggregates) = (tables.order_keys(), tables.aggregates());
    assert_eq!(orders.at_key(user(), order_id(0)).await.unwrap(), AtKey::Absent);
    assert_done(orders.fence(user(), order_id(0), attempt(1), at(9_000)).await);
    let tombstone = AtKey::Tombstone(Tombstone::from_iter([attempt(1)]));
    assert_eq!(orders.at_key(user(), order_id(0)).await.unwrap(), tombstone);
    let key = AggregateKey::Order { user_id: user(), order_id: order_id(0) };
    assert_eq!(aggregates.find(key).await.unwrap(), None);
    assert_eq!(cancelled(orders.create(&new(0, 1), soon()).await), tombstone);
    assert_done(orders.create(&new(0, 2), soon()).await);
    let item = tables.order_item().await;
    assert!(!item.contains_key("tombstone_until") && !item.contains_key("fenced"));
    let stored = new(0, 2).into_stored();
    assert_eq!(orders.at_key(user(), order_id(0)).await.unwrap(), stored.clone().into());
    // Its own order, and another attempt's, in any status.
    assert_eq!(cancelled(orders.create(&new(0, 2), soon()).await), stored.clone().into());
    assert_done(aggregates.change(&confirmation(&stored, 0).into(), soon()).await);
    let confirmed = tables.find(0).await;
    assert_eq!(cancelled(orders.create(&new(0, 2), soon()).await), confirmed.clone().into());
    assert_eq!(cancelled(orders.create(&new(0, 3), soon()).await), confirmed.clone().into());
    assert_eq!(tables.find(0).await, confirmed);
    // Absent.
    assert_done(orders.create(&new(1, 1), soon()).await);
}

async fn a_fence_finds_each_state_of_its_key(tables: Tables) {
    let orders = tables.order_keys();
    let fence = |number| {
        orders.fence(user(), order_id(0), attempt(number), at(i64::try_from(number).unwrap()))
    };
    for number in 0..FENCED_MAX as u128 {
        assert_done(fence(number).await);
    }
    assert_done(fence(7).await);
    cancelled(fence(1_000).await);
    let AtKey::Tombstone(tombstone) = orders.at_key(user(), order_id(0)).await.unwrap() else {
        panic!("no tombstone");
    };
    assert!(tombstone.is_full() && tombstone.holds(attempt(7)));
    let item = tables.order_item().await;
    assert_eq!(item["tombstone_until"].as_n().unwrap(), &at(7).as_secs().to_string());
    assert_eq!(
        item.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        BTreeSet::from(["fenced", "pk", "schema_version", "sk", "tombstone_until"])
    );
    let stored = tables.created(1, 1).await;
    cancelled(orders.fence(user(), order_id(1), attempt(1), at(0)).await);
    assert_eq!(tables.find(1).await, stored);
}

async fn a_change_finds_each_state_of_its_order(tables: Tables) {
    let (orders, aggregates) = (tables.order_keys(), tables.aggregates());
    let created = tables.created(0, 1).await;
    assert_done(aggregates.change(&confirmation(&created, 0).into(), soon()).await);
    let confirmed = tables.find(0).await;
    assert_eq!(confirmed.revision, 2);
    assert_eq!(confirmed.order.version(), 2);
    assert_eq!(confirmed.order.history().latest().event.event_id, event_id(2));
    let notifications = confirmed.order.notifications();
    assert_eq!(notifications.len(), 1);
    assert_eq!(notifications[0].event_type, "OrderCreated");
    assert_eq!((confirmed.pending.len(), confirmed.pending.holds(event_id(2))), (1, true));
    // Stale by the revision and by the attempt, and for an order that does not exist.
    let stale =
        order_of(cancelled(aggregates.change(&confirmation(&created, 0).into(), soon()).await));
    assert_eq!(stale, confirmed);
    let other = StoredOrder { attempt: attempt(5), ..confirmed.clone() };
    let found = cancelled(aggregates.change(&end_of(&other, event_id(2)).into(), soon()).await);
    assert_eq!(order_of(found), confirmed);
    let absent = new(3, 1).into_stored();
    assert_eq!(cancelled(aggregates.change(&confirmation(&absent, 3).into(), soon()).await), None);
    assert_done(orders.fence(user(), order_id(3), attempt(9), at(0)).await);
    assert_eq!(cancelled(aggregates.change(&confirmation(&absent, 3).into(), soon()).await), None);
    // An entry changes, and an attribute that newer code put into it stays.
    let newer = tables.client.update_item().table_name(tables.orders.name().as_str());
    let key = |text: String| AttributeValue::S(text);
    newer
        .key("pk", key(keys::user(user())))
        .key("sk", key(keys::order(order_id(0))))
        .update_expression("SET pending.#e.gift = :g")
        .expression_attribute_names("#e", event_id(2).to_string())
        .expression_attribute_values(":g", key("ribbon".to_owned()))
        .send()
        .await
        .unwrap();
    let mut pending = confirmed.pending.clone();
    let entry = PendingEvent {
        publication: Publication::Found,
        failures: 2,
        copies: 1,
        done_by: BTreeSet::from(["inventory".to_owned()]),
        unanswered_since: Some(at(4)),
        due: at(90_000),
        ..pending.remove(event_id(2)).unwrap()
    };
    pending.put(event_id(2), entry);
    assert_done(aggregates.change(&of_pending(&confirmed, pending.clone()).into(), soon()).await);
    let touched = tables.find(0).await;
    assert_eq!(touched.pending, pending);
    let item = tables.order_item().await;
    assert_eq!(item["shard"].as_s().unwrap(), "2#00");
    let kept = &item["pending"].as_m().unwrap()[&event_id(2).to_string()].as_m().unwrap()["gift"];
    assert_eq!(kept.as_s().unwrap(), "ribbon");
    // The last pending event ends: the order leaves the index.
    assert_done(aggregates.change(&end_of(&touched, event_id(2)).into(), soon()).await);
    let handled = tables.find(0).await;
    assert!(handled.pending.is_empty());
    assert_eq!(handled.order.notifications().len(), 2);
    let item = tables.order_item().await;
    assert!(["shard", "due_ms", "since_ms"].iter().all(|name| !item.contains_key(*name)));
    assert!(aggregates.due(Topic::Orders, at(9_000_000), 10).await.unwrap().aggregates.is_empty());
    // A redrive makes the event pending again.
    let returned = PendingEvents::one(event_id(2), PendingEvent::unsent(attempt(6), at(50)));
    assert_done(aggregates.change(&of_pending(&handled, returned).into(), soon()).await);
    assert_eq!(aggregates.due(Topic::Orders, at(9_000_000), 10).await.unwrap().aggregates.len(), 1);
    let late = Deadline::after(Duration::ZERO);
    let refused =
        aggregates.change(&of_pending(&handled, PendingEvents::default()).into(), late).await;
    assert!(matches!(refused, WriteTry::NotBegun(_)), "{refused:?}");
}

fn taking(products: &[(u64, u32)]) -> Taking {
    let stock = products.iter().map(|(id, quantity)| (ProductId::new(*id).unwrap(), *quantity));
    Taking { stock: stock.collect(), ..Taking::default() }
}

async fn a_reservation_finds_each_state_of_orders_and_stock(tables: Tables) {
    put_products(&tables.client, &tables.catalog, &[product(1, 5), product(2, 100)]).await.unwrap();
    let aggregates = tables.aggregates();
    let first = tables.created(0, 1).await;
    let second = tables.created(1, 2).await;
    let id = |id| ProductId::new(id).unwrap();
    let take = |quantity| taking(&[(1, quantity), (2, quantity)]);
    let both = [confirmation(&first, 0), confirmation(&second, 1)];
    let short = cancelled(aggregates.reserve(&both, &take(6), soon()).await);
    assert_eq!(short.orders, [ItemReason::None, ItemReason::None]);
    assert_eq!(short.stock[&id(1)], ItemReason::ConditionFailed(Some(5)));
    assert_eq!(short.stock[&id(2)], ItemReason::None);
    let unknown = taking(&[(99, 1)]);
    let short = cancelled(aggregates.reserve(&both[..1], &unknown, soon()).await);
    assert_eq!(short.stock[&id(99)], ItemReason::ConditionFailed(None));
    assert_done(aggregates.reserve(&both, &take(4), soon()).await);
    assert_eq!((tables.stock(1).await.as_str(), tables.stock(2).await.as_str()), ("1", "96"));
    let confirmed = tables.find(1).await;
    assert_eq!((confirmed.revision, confirmed.order.version()), (2, 2));
    let third = tables.created(2, 3).await;
    let stale = [confirmation(&third, 2), confirmation(&second, 1)];
    let stale = cancelled(aggregates.reserve(&stale, &take(1), soon()).await);
    assert_eq!(stale.orders[0], ItemReason::None);
    assert_eq!(stale.orders[1], ItemReason::ConditionFailed(Some(confirmed)));
    assert_eq!(tables.find(2).await, third);
    assert_eq!(tables.stock(1).await, "1");
    let many: Vec<_> = (0..100).map(|number| (number, 1)).collect();
    let many = taking(&many);
    match aggregates.reserve(&both[..1], &many, soon()).await {
        WriteTry::NotBegun(failure) => assert_eq!(failure.class, FailureClass::Permanent),
        other => panic!("{other:?}"),
    }
}

async fn a_sweep_finds_due_aggregates_in_their_order(tables: Tables) {
    let aggregates = tables.aggregates();
    let found = |stored: &StoredOrder, due| {
        let entry = stored.pending.get(stored.created_event()).unwrap().clone();
        let entry = PendingEvent { publication: Publication::Found, due, ..entry };
        PendingEvents::one(stored.created_event(), entry)
    };
    let mut stored = Vec::new();
    for number in 0..4 {
        stored.push(tables.created(number, number).await);
    }
    // 0 and 1 wait for their consumer, and are due before 2 and 3, which may be on no topic.
    for (number, due) in [(0, at(200)), (1, at(100))] {
        let before = &stored[number];
        assert_done(
            aggregates.change(&of_pending(before, found(before, due)).into(), soon()).await,
        );
    }
    for (number, due) in [(2, at(400)), (3, at(300))] {
        let before = &stored[number];
        let mut pending = before.pending.clone();
        let entry = pending.remove(before.created_event()).unwrap();
        pending.put(before.created_event(), PendingEvent { due, ..entry });
        assert_done(aggregates.change(&of_pending(before, pending).into(), soon()).await);
    }
    let key = |number| AggregateKey::Order { user_id: user(), order_id: order_id(number) };
    let due = |number, due| DueAggregate { key: key(number), due };
    let first = [due(3, at(300)), due(2, at(400))];
    let all = aggregates.due(Topic::Orders, at(400), 100).await.unwrap();
    assert_eq!(all.aggregates, [first[0], first[1], due(1, at(100)), due(0, at(200))]);
    assert_eq!((all.more, all.unreadable), (false, 0));
    let few = aggregates.due(Topic::Orders, at(400), 2).await.unwrap();
    assert_eq!(few.aggregates, first);
    assert!(few.more);
    assert_eq!(aggregates.due(Topic::Orders, at(399), 100).await.unwrap().aggregates.len(), 3);
    // An item that can't be read hides no item behind it.
    for number in 0..3 {
        let put = tables.client.put_item().table_name(tables.orders.name().as_str());
        let text = |text: &str| AttributeValue::S(text.to_owned());
        put.item("pk", text("USER#123"))
            .item("sk", text(&format!("RECORD{number}")))
            .item("shard", text("1#02"))
            .item("due_ms", AttributeValue::N("1".to_owned()))
            .send()
            .await
            .unwrap();
    }
    let more = aggregates.due(Topic::Orders, at(400), 2).await.unwrap();
    assert_eq!((more.aggregates, more.unreadable), (first.to_vec(), 3));

    // An aggregate that can't be read is postponed; the one behind it is not changed.
    aggregates.postpone(&first[0], at(60_300)).await.unwrap();
    assert_eq!(aggregates.due(Topic::Orders, at(400), 1).await.unwrap().aggregates, first[1..]);
    assert_eq!(tables.find(3).await.revision, stored[3].revision + 1);
}

async fn a_letter_is_moved_with_its_order_or_not_at_all(tables: Tables) {
    let letters = tables.letter_moves();
    let created = tables.created(0, 1).await;
    let event = created.created_event();
    let letter = |message_id: &str| DeadLetter {
        event_id: Some(event),
        aggregate: Some(created.key()),
        message_id: MessageId::of(message_id),
        body: b"{}".to_vec(),
        body_bytes: 2,
        traceparent: None,
        reason: "it failed".to_owned(),
        handler: None,
        attempts: 16,
        done_by: BTreeSet::new(),
        first_failed_at: at(1),
        expires_at: None,
    };
    let ends = OrderChange { notified: None, ..end_of(&created, event) };
    assert_done(letters.record(&letter("m1"), Some(&ends.clone().into()), soon()).await);
    assert_eq!(tables.letter(&letter("m1")).await.as_deref(), Some("m1"));
    let recorded = tables.find(0).await;
    assert!(recorded.pending.is_empty());
    let stale = cancelled(letters.record(&letter("m2"), Some(&ends.clone().into()), soon()).await);
    assert_eq!(stale.letter, ItemReason::None);
    let found = ItemReason::ConditionFailed(Some(StoredAggregate::Order(recorded.clone())));
    assert_eq!(stale.aggregate, found);
    assert_eq!(tables.letter(&letter("m1")).await.as_deref(), Some("m1"));

    let pending = PendingEvents::one(event, PendingEvent::unsent(attempt(8), at(30)));
    let returns = of_pending(&recorded, pending);
    let other = cancelled(letters.remove(&letter("m2"), &returns.clone().into(), soon()).await);
    assert_eq!(other.letter, ItemReason::ConditionFailed(None));
    assert_eq!(other.aggregate, ItemReason::None);
    assert_done(letters.remove(&letter("m1"), &returns.clone().into(), soon()).await);
    assert_eq!(tables.letter(&letter("m1")).await, None);
    let returned = tables.find(0).await;
    assert_eq!((returned.pending.len(), returned.pending.holds(event)), (1, true));
    let gone = cancelled(letters.remove(&letter("m1"), &returns.clone().into(), soon()).await);
    assert!(gone.letter.condition_failed() && gone.aggregate.condition_failed());

    // A stored letter with the same id is replaced, and a letter without an order is stored alone.
    let ends = OrderChange { notified: None, ..end_of(&returned, event) };
    assert_done(letters.record(&letter("m3"), None, soon()).await);
    assert_done(letters.record(&letter("m4"), Some(&ends.clone().into()), soon()).await);
    assert_eq!(tables.letter(&letter("m4")).await.as_deref(), Some("m4"));
}

async fn indexes_hold_what_the_template_says(tables: Tables) {
    let described =
        tables.client.describe_table().table_name(tables.orders.name().as_str()).send().await;
    let described = described.unwrap().table.unwrap();
    let mut indexes: Vec<_> = described
        .global_secondary_indexes()
        .iter()
        .map(|index| {
            let others = index.projection().unwrap().non_key_attributes();
            (index.index_name().unwrap(), others.join(" "))
        })
        .collect();
    indexes.sort();
    assert_eq!(indexes, [("by_user", String::new()), ("pending", "since_ms".to_owned())]);

    tables.created(0, 1).await;
    // A tombstone is in neither index.
    let orders = tables.order_keys();
    assert_done(orders.fence(user(), order_id(1), attempt(1), at(9_000)).await);
    let shard = keys::pending_shard(
        Rank::First,
        AggregateKey::Order { user_id: user(), order_id: order_id(0) },
    );
    let pending = tables.index("pending", "shard", shard).await;
    assert_eq!(pending, ["due_ms pk shard since_ms sk"]);
    let of_user = tables.index("by_user", "pk", keys::user(user())).await;
    assert_eq!(of_user, ["created_at_ms pk sk"]);
}

on_both!(
    a_put_finds_each_state_of_its_key,
    a_fence_finds_each_state_of_its_key,
    a_change_finds_each_state_of_its_order,
    a_reservation_finds_each_state_of_orders_and_stock,
    a_sweep_finds_due_aggregates_in_their_order,
    a_letter_is_moved_with_its_order_or_not_at_all,
    indexes_hold_what_the_template_says
);
