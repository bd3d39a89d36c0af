//! Given a stored order, when it changes, then the update names only what changes.

use std::collections::BTreeMap;

use domain::account::UserEvents;
use domain::event::EventStamp;
use domain::identity::{EventId, ProductId, TransactionId, UserId};
use domain::money::Money;
use domain::order::{
    NewOrder, Order, OrderLine, OrderLines, OrderStatus, StatusChange, StoredOrder,
};
use domain::pending::{Publication, Rank};
use domain::timestamp::Timestamp;
use uuid::Uuid;

use super::*;

const CREATED: &str = "00000000-0000-0000-0000-000000000001";
const CONFIRMED: &str = "00000000-0000-0000-0000-000000000002";

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn event_id(text: &str) -> EventId {
    text.parse().unwrap()
}

fn sent(since: Timestamp, due: Timestamp) -> PendingEvent {
    PendingEvent::sent(TransactionId::new(Uuid::from_u128(9)), since, due)
}

fn stored() -> StoredOrder {
    let line = OrderLine { product_id: ProductId::new(7).unwrap(), quantity: 3 };
    let lines = OrderLines::merge(&[line]).unwrap();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let user_id = UserId::new(123).unwrap();
    let price = |_| Money::from_minor(1_250);
    let stamp = EventStamp::untraced(event_id(CREATED), 1);
    let (order, _) = Order::create(id, user_id, &lines, price, at(1), stamp).unwrap();
    let attempt = TransactionId::new(Uuid::from_u128(8));
    NewOrder::new(order, attempt, sent(at(1), at(60_001))).into_stored()
}

/// A change of only the pending events.
fn change_of_pending(
    before: &StoredOrder,
    pending: PendingEvents,
    index: IndexChange,
) -> AggregateChange<'_> {
    AggregateChange::Order(OrderChange { before, reached: None, notified: None, pending, index })
}

/// An update and its condition, with values in place of their placeholders.
fn written(change: &AggregateChange<'_>) -> (String, String) {
    let update = update_of(change).unwrap();
    assert_eq!(update.key, keys::of_aggregate(change.key()));
    readable(update)
}

fn readable(update: ItemUpdate) -> (String, String) {
    let ItemUpdate { update, condition, names, values, .. } = update;
    let names = BTreeMap::from_iter(names.unwrap());
    let values = BTreeMap::from_iter(values.unwrap());
    let resolved = |mut text: String| {
        // Backwards, because `:v1` is the beginning of `:v10`.
        for (placeholder, value) in values.iter().rev() {
            text = text.replace(placeholder, &shown(value));
        }
        for (placeholder, name) in names.iter().rev().filter(|(_, name)| name.contains('-')) {
            text = text.replace(placeholder, name);
        }
        text
    };
    (resolved(update), resolved(condition))
}

fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => text.clone(),
        AttributeValue::N(number) => number.clone(),
        AttributeValue::B(bytes) => format!("{} bytes", bytes.as_ref().len()),
        AttributeValue::M(map) => format!("map of {}", map.len()),
        AttributeValue::L(list) => format!("list of {}", list.len()),
        AttributeValue::Ss(texts) => texts.join("+"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_is_conditional_on_the_attempt_and_the_revision_and_raises_the_revision() {
    let before = StoredOrder { revision: 41, ..stored() };
    let change = change_of_pending(&before, before.pending.clone(), IndexChange::Keep);
    let (update, condition) = written(&change);
    assert_eq!(update, "SET #revision = 42");
    assert_eq!(condition, "#attempt = 16 bytes AND #revision = 41");
}

#[test]
fn a_new_status_is_written_with_its_pending_event_and_the_end_of_the_last_one() {
    let before = stored();
    let event = EventStamp::untraced(event_id(CONFIRMED), 1);
    let reached =
        StatusChange { status: OrderStatus::Confirmed, at: at(2), event, open_period: None };
    let pending = PendingEvents::one(event_id(CONFIRMED), sent(at(2), at(60_002)));
    let notified = Some((event_id(CREATED), at(3)));
    let index = IndexChange::Keep;
    let change = OrderChange { before: &before, reached: Some(reached), notified, pending, index };
    let (update, _) = written(&AggregateChange::Order(change));
    assert_eq!(
        update,
        format!(
            "SET #revision = 2, #status = CONFIRMED, #version = 2, \
             #history = list_append(#history, list of 1), #notifications.{CREATED} = 3, \
             #pending.{CONFIRMED} = map of 4 REMOVE #pending.{CREATED}"
        )
    );
}

#[test]
fn only_the_changed_attributes_of_an_entry_are_written() {
    let mut before = stored();
    let entry = PendingEvent { unanswered_since: Some(at(5)), ..sent(at(1), at(60_001)) };
    before.pending.put(event_id(CREATED), entry);
    let entry = PendingEvent {
        publication: Publication::Found,
        due: at(120_001),
        failures: 1,
        ..sent(at(1), at(60_001))
    };
    let mut pending = PendingEvents::one(event_id(CREATED), entry);
    let (update, _) = written(&change_of_pending(&before, pending.clone(), IndexChange::Keep));
    let path = format!("#pending.{CREATED}");
    assert_eq!(
        update,
        format!(
            "SET #revision = 2, {path}.#due_ms = 120001, {path}.#failures = 1, \
             {path}.#publication = found REMOVE {path}.#unanswered_since_ms"
        )
    );
    // An unchanged entry is not written at all.
    before.pending = pending.clone();
    pending.put(event_id(CONFIRMED), PendingEvent::unsent(TransactionId::new(Uuid::nil()), at(7)));
    let (update, _) = written(&change_of_pending(&before, pending, IndexChange::Keep));
    assert_eq!(update, format!("SET #revision = 2, #pending.{CONFIRMED} = map of 4"));
}

#[test]
fn the_index_gets_the_time_of_the_event_that_is_pending_longest() {
    let before = stored();
    let mut pending = before.pending.clone();
    pending.put(event_id(CONFIRMED), sent(at(2), at(60_002)));
    let index = IndexChange::Move { due: at(60_001), rank: Rank::Second };
    let (update, _) = written(&change_of_pending(&before, pending, index));
    assert_eq!(
        update,
        format!(
            "SET #revision = 2, #pending.{CONFIRMED} = map of 4, #shard = 2#23, \
             #due_ms = 60001, #since_ms = 1"
        )
    );
}

#[test]
fn an_order_leaves_the_index_only_with_its_last_pending_event() {
    let before = stored();
    let leaves = change_of_pending(&before, PendingEvents::default(), IndexChange::Leave);
    let (update, _) = written(&leaves);
    assert_eq!(
        update,
        format!("SET #revision = 2 REMOVE #pending.{CREATED}, #shard, #due_ms, #since_ms")
    );
    let too_early = change_of_pending(&before, before.pending.clone(), IndexChange::Leave);
    assert_eq!(update_of(&too_early).unwrap_err().class, FailureClass::Permanent);
}

#[test]
fn a_session_expires_once_its_event_is_handled_and_not_while_it_is_pending_or_a_dead_letter() {
    let pending: PendingEvents =
        [(event_id(CREATED), sent(at(1), at(60_001)))].into_iter().collect();
    let session_id = "01890a5d-ac96-774b-bcce-b302099a8058".parse().unwrap();
    let key = AggregateKey::Session { session_id };
    let expires_at = Some(at(90_000));
    let logged_in = UserEvents { key, raised: Vec::new(), pending, revision: 1, expires_at };
    let ended = UserEvents { pending: PendingEvents::default(), ..logged_in.clone() };
    let change =
        |before, pending, index| AggregateChange::User(UserChange { before, pending, index });
    let ends = change(&logged_in, PendingEvents::default(), IndexChange::Leave);
    let (handled, _) = readable(update_of(&ends).unwrap());
    assert!(handled.starts_with("SET #revision = 2, #expires_at = 90 REMOVE "), "{handled}");
    let (given_up, _) = readable(update_of_given_up(&ends).unwrap());
    assert!(!given_up.contains("#expires_at"), "{given_up}");
    let due = IndexChange::Move { due: at(60_001), rank: Rank::First };
    let returns = change(&ended, logged_in.pending.clone(), due);
    let (returned, _) = readable(update_of(&returns).unwrap());
    assert!(returned.ends_with(" REMOVE #expires_at"), "{returned}");
    let stays_ended = change(&ended, PendingEvents::default(), IndexChange::Keep);
    let (discarded, _) = readable(update_of(&stays_ended).unwrap());
    assert_eq!(discarded, "SET #revision = 2, #expires_at = 90");
}

#[test]
fn every_try_of_a_change_is_the_same_request() {
    let before = stored();
    let mut pending = PendingEvents::default();
    for number in 10..30 {
        pending.put(EventId::new(Uuid::from_u128(number)), sent(at(1), at(2)));
    }
    let change = change_of_pending(&before, pending, IndexChange::Keep);
    // `Debug` prints maps in iteration order, which is also the order in which the SDK writes them.
    let first = format!("{:?}", update_of(&change).unwrap());
    for _ in 0..100 {
        assert_eq!(format!("{:?}", update_of(&change).unwrap()), first);
    }
}
