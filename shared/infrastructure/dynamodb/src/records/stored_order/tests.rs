//! A stored order is read unchanged or not at all, and its item is small.

use aws_sdk_dynamodb::primitives::Blob;
use domain::identity::{INTEGER_IDENTIFIER_MAX, ProductId};
use domain::order::{NewOrder, OrderLine, OrderLines, Tombstone};
use domain::pending::{PendingEvent, Publication};

use super::*;
use crate::item::{binary, in_stable_order, number, text, to_item};

/// The longest `traceparent` (<https://www.w3.org/TR/trace-context/#traceparent-header>).
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_780_000_000_000 + millis)
}

fn event_id(number: u128) -> EventId {
    EventId::new(Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8000 + number))
}

fn attempt(number: u128) -> TransactionId {
    TransactionId::new(Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099b_8000 + number))
}

fn stamp(number: u128) -> EventStamp {
    EventStamp {
        event_id: event_id(number),
        schema_version: 1,
        traceparent: Some(TRACEPARENT.to_owned()),
    }
}

fn pending(number: u128, since: Timestamp) -> PendingEvent {
    PendingEvent::sent(attempt(number), since, since.plus(std::time::Duration::from_secs(60)))
}

/// An order of two lines with the largest possible numbers.
fn created() -> StoredOrder {
    let line = |below| OrderLine {
        product_id: ProductId::new(INTEGER_IDENTIFIER_MAX - below).unwrap(),
        quantity: 999,
    };
    let lines = OrderLines::merge(&[line(1), line(0)]).unwrap();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let user_id = UserId::new(INTEGER_IDENTIFIER_MAX).unwrap();
    let price = |_| Money::from_minor(99_999_999);
    let (order, _) = Order::create(id, user_id, &lines, price, at(0), stamp(1)).unwrap();
    NewOrder::new(order, attempt(1), pending(1, at(0))).into_stored()
}

/// The order after its stock was reserved: the event of the confirmation is pending.
fn confirmed() -> StoredOrder {
    let created = created();
    let (order, _) = created.order.undecided().unwrap().confirm(at(2_500), stamp(2));
    let order = notified(&order, &[1]);
    let pending = PendingEvents::one(event_id(2), pending(2, at(2_500)));
    StoredOrder { order, pending, revision: 2, ..created }
}

/// The order after all of its events were handled.
fn handled() -> StoredOrder {
    let confirmed = confirmed();
    let order = notified(&confirmed.order, &[1, 2]);
    StoredOrder { order, pending: PendingEvents::default(), revision: 3, ..confirmed }
}

fn notified(order: &Order, versions: &[u32]) -> Order {
    let notification = |version: &u32| Notification {
        event_type: ["OrderCreated", "OrderConfirmed"][*version as usize - 1].to_owned(),
        aggregate_version: *version,
        at: at(3_000),
    };
    Order::rehydrate(OrderRecord {
        id: order.id(),
        user_id: order.user_id(),
        currency: order.currency(),
        lines: order.lines().to_vec(),
        total: order.total(),
        history: order.history().iter().cloned().collect(),
        notifications: versions.iter().map(notification).collect(),
        version: order.version(),
    })
    .unwrap()
}

fn item_of(stored: &StoredOrder) -> Item {
    to_item(&StoredOrderItem::from(stored)).unwrap()
}

#[test]
fn an_order_is_read_as_it_was_stored() {
    for stored in [created(), confirmed(), handled()] {
        assert_eq!(stored_order(item_of(&stored)).unwrap(), stored);
        assert_eq!(at_key(item_of(&stored)).unwrap(), AtKey::from(stored));
    }
}

#[test]
fn identifiers_of_writes_and_events_are_16_bytes() {
    let item = item_of(&created());
    assert_eq!(item["attempt"], binary(attempt(1).as_uuid().as_bytes()));
    let change = item["history"].as_l().unwrap()[0].as_m().unwrap();
    assert_eq!(change["event_id"], binary(event_id(1).as_uuid().as_bytes()));
    let entry = item["pending"].as_m().unwrap()[&event_id(1).to_string()].as_m().unwrap();
    assert_eq!(entry["transaction_id"], binary(attempt(1).as_uuid().as_bytes()));
}

#[test]
fn the_maps_that_later_writes_add_to_exist_from_the_beginning() {
    let empty = AttributeValue::M(Item::new());
    assert_eq!(item_of(&created())["notifications"], empty);
    assert_eq!(item_of(&handled())["pending"], empty);
}

#[test]
fn an_order_is_in_the_index_while_an_event_is_pending() {
    let item = item_of(&created());
    assert_eq!(item["shard"], text("1#23"));
    assert_eq!(item["due_ms"], number(at(60_000).as_millis()));
    assert_eq!(item["since_ms"], number(at(0).as_millis()));
    let mut found = created();
    let entry = PendingEvent { publication: Publication::Found, ..pending(1, at(0)) };
    found.pending.put(event_id(1), entry);
    assert_eq!(item_of(&found)["shard"], text("2#23"));
    let item = item_of(&handled());
    assert!(["shard", "due_ms", "since_ms"].iter().all(|name| !item.contains_key(*name)));
}

#[test]
fn no_order_has_the_attribute_by_which_the_table_deletes() {
    for stored in [created(), confirmed(), handled()] {
        let item = item_of(&stored);
        assert!(!item.contains_key("tombstone_until") && !item.contains_key("expires_at"));
    }
}

#[test]
fn an_order_that_breaks_a_rule_is_not_read() {
    for (attribute, value) in [
        ("attempt", binary(&[7; 15])),
        ("currency", text("XXX")),
        ("history", AttributeValue::L(Vec::new())),
        ("lines", AttributeValue::L(Vec::new())),
        (
            "notifications",
            AttributeValue::M(in_stable_order([(event_id(9).to_string(), number(1))])),
        ),
        ("pending", AttributeValue::M(in_stable_order([("event".to_owned(), number(1))]))),
        ("pending", AttributeValue::L(Vec::new())),
        ("schema_version", text("1")),
        ("status", text("CREATED")),
        ("total", number(1)),
        ("user_id", number(124)),
        ("version", number(7)),
    ] {
        let mut item = item_of(&confirmed());
        item.insert(attribute.to_owned(), value);
        assert!(stored_order(item).is_err(), "{attribute}");
    }
}

#[test]
fn a_version_next_to_this_one_is_read_as_far_as_its_attributes_allow() {
    let stored = confirmed();
    let mut next = item_of(&stored);
    next.insert("schema_version".to_owned(), number(SCHEMA_VERSION + 1));
    next.insert("gift".to_owned(), text("a ribbon"));
    assert_eq!(at_key(next.clone()).unwrap(), AtKey::from(stored));
    next.insert("lines".to_owned(), text("elsewhere"));
    let unreadable = AtKey::Created { attempt: attempt(1), stored: None };
    assert_eq!(at_key(next).unwrap(), unreadable);
}

#[test]
fn only_the_attempt_of_a_newer_version_is_read() {
    let mut newer = item_of(&confirmed());
    newer.insert("schema_version".to_owned(), number(SCHEMA_VERSION + 2));
    assert!(stored_order(newer.clone()).is_err());
    let unreadable = AtKey::Created { attempt: attempt(1), stored: None };
    assert_eq!(at_key(newer.clone()).unwrap(), unreadable);
    newer.retain(|name, _| ["pk", "sk", "attempt"].contains(&name.as_str()));
    assert_eq!(at_key(newer).unwrap(), unreadable);
}

#[test]
fn a_tombstone_is_read_whatever_its_version() {
    let set = |attempts: &[&[u8]]| {
        AttributeValue::Bs(attempts.iter().map(|bytes| Blob::new(*bytes)).collect())
    };
    let [first, second] = [attempt(1), attempt(2)];
    let fenced = set(&[first.as_uuid().as_bytes(), second.as_uuid().as_bytes()]);
    let mut item = in_stable_order([
        ("fenced".to_owned(), fenced),
        ("schema_version".to_owned(), number(SCHEMA_VERSION + 7)),
    ]);
    let tombstone = Tombstone::from_iter([first, second]);
    assert_eq!(at_key(item.clone()).unwrap(), AtKey::Tombstone(tombstone));
    assert!(!is_order(&item));
    item.insert("fenced".to_owned(), set(&[&[7; 15]]));
    assert!(at_key(item.clone()).is_err());
    item.remove("fenced");
    assert!(at_key(item).is_err());
}

/// The bytes of an item
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>).
fn bytes_of_item(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + bytes_of(value)).sum()
}

fn bytes_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::L(list) => 3 + list.iter().map(|one| 1 + bytes_of(one)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.len() + bytes_of_item(map),
        other => panic!("no rule here for {other:?}"),
    }
}

#[test]
fn an_order_of_two_lines_stays_below_1_kb_for_its_whole_life() {
    for stored in [created(), confirmed(), handled()] {
        let bytes = bytes_of_item(&item_of(&stored));
        assert!(bytes < 1_024, "{bytes} bytes at revision {}", stored.revision);
    }
}
