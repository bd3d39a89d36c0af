//! Events that can't be handled become dead letters, and no other event waits for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use application::deadline::Deadline;
use application::events::StoredAggregate;
use application::events::consume::Registry;
use application::lifetimes;
use application::outcome::FailureClass;
use application::ports::{BODY_BYTES_MAX, Clock, DeadLetterId};
use domain::order::OrderStatus;
use testkit::broker::MESSAGE_NAME;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::world::World;

use super::handlers::counting;
use super::{LONG, SHORT, assert_confirmed_once, consume, created, raised_by_newer_code, stored};
use crate::orders::create::world;

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_a_dead_letter_at_once_and_ends_no_event() {
    let world = world();
    world.broker.become_unreachable();
    let id = created(&world, 2).await;
    world.broker.become_reachable();
    let event_id = stored(&world, id).created_event().to_string();
    let key = stored(&world, id).key().to_string();
    let properties = [("event_id", event_id.as_str()), ("aggregate", &key)];
    world.broker.put(b"not an event", &properties);
    world.broker.put(&vec![b'a'; BODY_BYTES_MAX + 1], &properties);
    let report = consume(&world, SHORT).await;
    assert_eq!((report.dead_lettered, report.unannounced), (2, 0));
    let letters = world.tables.dead_letters();
    assert!(letters.iter().all(|letter| letter.expires_at.is_some() && letter.aggregate.is_none()));
    assert_eq!(letters.iter().map(|letter| letter.body.len()).max(), Some(BODY_BYTES_MAX + 1));
    assert_eq!(stored(&world, id).pending.len(), 1, "the sweep sends a good copy");
}

#[tokio::test(start_paused = true)]
async fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    for (bytes, dead_lettered) in [(BODY_BYTES_MAX, 0), (BODY_BYTES_MAX + 1, 1)] {
        let world = world();
        let (body, key) = unpublished(&world).await;
        let padded = format!("{body}{}", " ".repeat(bytes - body.len()));
        world.broker.put(padded.as_bytes(), &[("aggregate", &key)]);
        let report = consume(&world, SHORT).await;
        assert_eq!(report.dead_lettered, dead_lettered, "{bytes} bytes");
        for letter in world.tables.dead_letters() {
            assert_eq!(letter.reason, "its body has 65537 bytes, more than 65536");
        }
    }
}

/// The body of an order's event, which is on no topic, and the order's key.
async fn unpublished(world: &World) -> (String, String) {
    world.broker.become_unreachable();
    let id = created(world, 2).await;
    world.broker.become_reachable();
    let stored = stored(world, id);
    let (event_id, key) = (stored.created_event(), stored.key().to_string());
    (StoredAggregate::Order(stored).message(event_id).unwrap().body, key)
}

#[tokio::test(start_paused = true)]
async fn an_event_is_given_up_by_the_failures_of_all_its_copies() {
    let world = world();
    let (body, key) = unpublished(&world).await;
    // Neither copy has the event's identifier as a property.
    for _ in 0..2 {
        world.broker.put(body.as_bytes(), &[("aggregate", &key)]);
    }
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    let mut consumer = world.consume_pending(Registry::default());
    consumer.pace.attempts_max = 3;
    let began = world.clock.now();
    let report = consumer.run(Deadline::after(SHORT)).await;
    assert_eq!(report.dead_lettered, 1, "{report:?}");
    let letter = world.tables.dead_letters().remove(0);
    assert_eq!(letter.event_id, Some(world.tables.stored_orders()[0].created_event()));
    assert_eq!(letter.attempts, 3);
    // The third failure came after 1 s. Of one copy, three come with pauses of 1 s and 2 s.
    assert_eq!(letter.first_failed_at, began.minus(Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn a_letter_names_the_handlers_that_were_done_with_the_event() {
    let world = world();
    created(&world, 2).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    let mut consumer = world.consume_pending(counting(&world, &Arc::default(), 0));
    consumer.pace.attempts_max = 1;
    consumer.run(Deadline::after(SHORT)).await;
    let letter = world.tables.dead_letters().remove(0);
    assert_eq!(letter.done_by, BTreeSet::from(["counter".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_broken_copy_leaves_the_letter_of_an_event_of_ours() {
    let world = world();
    let id = created(&world, 2).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    consume(&world, LONG).await;
    let letter = world.tables.dead_letters().remove(0);
    let event_id = stored(&world, id).created_event().to_string();
    let upper = event_id.to_uppercase();
    world.broker.put(b"a broken copy", &[("event_id", &event_id)]);
    // A producer may give its message any name, and so that of our letter.
    for name in [&event_id, &upper] {
        world.broker.put(b"another", &[("event_id", &event_id), (MESSAGE_NAME, name)]);
    }
    let report = consume(&world, SHORT).await;
    assert_eq!(report.dead_lettered, 3, "{report:?}");
    let letters = world.tables.dead_letters();
    assert_eq!(letters.len(), 4);
    assert!(letters.contains(&letter));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_may_have_any_name() {
    let world = world();
    let names = ["x".repeat(2_044), "x".repeat(256), "two words".to_owned(), "Grüße".to_owned()];
    for name in &names {
        world.broker.put(b"not an event", &[(MESSAGE_NAME, name)]);
    }
    // Its next delivery records the same letter.
    world.tables.script(Operation::RecordLetter, [Fault::ReplyLost]);
    let report = consume(&world, SHORT).await;
    assert_eq!(report.dead_lettered, 4, "{report:?}");
    assert_eq!(world.broker.unacknowledged(), 0);
    let letters = world.tables.dead_letters();
    assert_eq!(letters.len(), names.len());
    for letter in letters {
        let id = letter.id();
        assert_eq!(DeadLetterId::parse(id.as_str()), Ok(id), "an operator can name it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_answer_was_lost_is_counted() {
    let world = world();
    created(&world, 2).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    world.tables.script(Operation::RecordLetter, [Fault::ReplyLost]);
    let report = consume(&world, LONG).await;
    assert_eq!((report.dead_lettered, report.unannounced), (1, 1), "{report:?}");
    assert_eq!(world.tables.dead_letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_is_missing_does_not_keep_the_message_alive() {
    let world = world();
    world.broker.script(BrokerFault::AnnouncementFails, 1_000);
    world.broker.put(b"not an event", &[]);
    let report = consume(&world, SHORT).await;
    assert_eq!((report.dead_lettered, report.unannounced), (1, 1));
    assert_eq!((world.broker.announced().len(), world.broker.unacknowledged()), (0, 0));
}

/// A body as only newer code can read it: of another schema version, and of another type.
fn newer(body: &str) -> [String; 2] {
    [
        body.replace("\"schemaversion\":1", "\"schemaversion\":2"),
        body.replace("OrderCreated", "OrderPainted"),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_event_of_ours_that_newer_code_raised_is_tried_again_and_never_given_up() {
    let world = world();
    let (body, key) = unpublished(&world).await;
    let id = world.tables.stored_orders()[0].order.id();
    raised_by_newer_code(&world, id);
    let event_id = stored(&world, id).created_event().to_string();
    for body in newer(&body) {
        world.broker.put(body.as_bytes(), &[("event_id", &event_id), ("aggregate", &key)]);
    }
    let report = consume(&world, lifetimes::NEWER_CODE * 2).await;
    assert_eq!((report.dead_lettered, report.foreign, report.handled), (0, 0, 0), "{report:?}");
    assert!(report.newer > 400, "{report:?}");
    assert_eq!(report.postponed, report.newer, "each waits for newer code");
    assert_eq!(world.broker.unacknowledged(), 2);
    assert!(stored(&world, id).pending.holds(stored(&world, id).created_event()));
}

#[tokio::test(start_paused = true)]
async fn what_no_aggregate_raised_waits_for_newer_code_for_a_day() {
    let world = world();
    let (body, key) = unpublished(&world).await;
    let (event_id, absent) = ("01890a5d-ac96-774b-bcce-b302099a8057", "USER#1/ORDER#none");
    let ours = stored(&world, world.tables.stored_orders()[0].order.id()).created_event();
    let ours = ours.to_string();
    let properties: [&[_]; 6] = [
        &[],
        &[("event_id", event_id)],
        &[("event_id", event_id), ("aggregate", &key)],
        &[("event_id", &ours), ("aggregate", absent)],
        &[("event_id", "none"), ("aggregate", &key)],
        &[("aggregate", &key), (MESSAGE_NAME, &ours)],
    ];
    for (number, properties) in properties.into_iter().enumerate() {
        world.broker.put(newer(&body)[number % 2].as_bytes(), properties);
    }
    let report = consume(&world, lifetimes::NEWER_CODE).await;
    assert_eq!((report.dead_lettered, report.newer), (0, report.postponed), "{report:?}");
    assert_eq!(world.broker.unacknowledged(), properties.len());
    let report = consume(&world, LONG).await;
    assert_eq!((report.dead_lettered, report.unannounced), (6, 0), "{report:?}");
    assert_eq!(world.broker.unacknowledged(), 0);
    let letters = world.tables.dead_letters();
    assert_eq!(letters.len(), 6);
    for letter in letters {
        assert_eq!((letter.event_id, letter.aggregate), (None, None));
        assert!(letter.expires_at.is_some() && letter.attempts > 150, "{letter:?}");
        assert!(letter.reason.starts_with("no newer code has read it: "), "{}", letter.reason);
    }
    assert_eq!(world.tables.pending_events(), 1, "our event is pending as before");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_newer_code_may_read_ends_with_the_event_that_it_names() {
    let world = world();
    let (body, key) = unpublished(&world).await;
    let id = world.tables.stored_orders()[0].order.id();
    let event_id = stored(&world, id).created_event().to_string();
    // The first ends the event, from its aggregate; the other finds that it has ended.
    for body in newer(&body) {
        world.broker.put(body.as_bytes(), &[("event_id", &event_id), ("aggregate", &key)]);
    }
    let report = consume(&world, SHORT).await;
    assert_eq!((report.newer, report.foreign, report.dead_lettered), (0, 0, 0), "{report:?}");
    assert_eq!(world.broker.unacknowledged(), 0);
    assert_confirmed_once(&world, id);
}

#[tokio::test(start_paused = true)]
async fn a_schema_version_that_never_was_waits_for_no_newer_code() {
    let world = world();
    let (body, key) = unpublished(&world).await;
    let body = body.replace("\"schemaversion\":1", "\"schemaversion\":0");
    world.broker.put(body.as_bytes(), &[("aggregate", &key)]);
    let report = consume(&world, SHORT).await;
    assert_eq!((report.dead_lettered, report.postponed), (1, 0), "{report:?}");
    assert_eq!(world.tables.dead_letters()[0].reason, "schema version 0 is not 1");
    assert_eq!(world.tables.pending_events(), 1, "it ends no event");
}

#[tokio::test(start_paused = true)]
async fn what_fails_sixteen_times_is_a_dead_letter_with_the_end_of_its_event() {
    let world = world();
    let id = created(&world, 2).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    let report = consume(&world, LONG).await;
    assert_eq!(report.dead_lettered, 1);
    let letters = world.tables.dead_letters();
    let letter = &letters[0];
    assert_eq!((letter.attempts, letter.handler.as_deref()), (16, Some("inventory")));
    assert_eq!(letter.expires_at, None, "it leaves by redrive or discard");
    assert_eq!(letter.aggregate, Some(stored(&world, id).key()));
    assert!(stored(&world, id).pending.is_empty());
    assert_eq!(world.tables.index_entry(id), None);
    assert_eq!((world.broker.announced().len(), world.broker.unacknowledged()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_does_not_affect_others_and_is_kept_as_it_came() {
    let world = world();
    world.broker.put(b"not json", &[]);
    world.broker.put(&[0xff, 0xfe], &[]);
    let id = created(&world, 2).await;
    let report = consume(&world, SHORT).await;
    assert_eq!((report.dead_lettered, report.handled, report.postponed), (2, 2, 0));
    assert_confirmed_once(&world, id);
    let letters = world.tables.dead_letters();
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.attempts == 1 && letter.handler.is_none()));
    let letter = letters.iter().find(|letter| letter.body == b"not json").unwrap();
    assert!(letter.is_whole());
    assert!(letter.reason.starts_with("not a CloudEvent"), "{}", letter.reason);
    assert_eq!((world.broker.announced().len(), world.broker.unacknowledged()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_is_tried_as_often_as_the_pace_says() {
    let world = world();
    let id = created(&world, 2).await;
    world.tables.fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
    let mut consumer = world.consume_pending(Registry::default());
    consumer.pace.attempts_max = 3;
    let began = world.clock.now();
    let report = consumer.run(Deadline::after(SHORT)).await;
    assert_eq!((report.handled, report.postponed, report.dead_lettered), (0, 2, 1));
    assert_eq!((world.broker.deliveries(), world.broker.unacknowledged()), (vec![3], 0));
    let letter = world.tables.dead_letters().remove(0);
    assert_eq!(letter.attempts, 3);
    // It failed for the last time after pauses of 1 s and 2 s.
    assert_eq!(letter.first_failed_at, began);
    assert_eq!(stored(&world, id).order.status(), OrderStatus::Created);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_not_acknowledged_before_its_letter_is_stored() {
    for is_readable in [false, true] {
        let world = world();
        if is_readable {
            created(&world, 2).await;
            world
                .tables
                .fail_every_call(Operation::Reserve, Fault::Refused(FailureClass::Permanent));
        } else {
            world.broker.put(b"not json", &[]);
        }
        let unavailable = Fault::Refused(FailureClass::Unavailable);
        world.tables.fail_every_call(Operation::RecordLetter, unavailable);
        let consume = async |world: &World, window| {
            let mut consumer = world.consume_pending(Registry::default());
            consumer.pace.attempts_max = 1;
            consumer.run(Deadline::after(window)).await
        };
        let report = consume(&world, SHORT).await;
        assert!(report.postponed > 0, "{report:?}");
        assert_eq!((report.dead_lettered, world.broker.unacknowledged()), (0, 1));
        assert_eq!(
            (world.broker.announced(), world.tables.pending_events()),
            (vec![], usize::from(is_readable))
        );
        world.tables.heal(Operation::RecordLetter);
        let report = consume(&world, Duration::from_secs(120)).await;
        assert_eq!((report.dead_lettered, world.broker.unacknowledged()), (1, 0));
        assert_eq!(world.tables.dead_letters().len(), 1);
        assert_eq!(world.broker.announced().len(), 1);
    }
}
