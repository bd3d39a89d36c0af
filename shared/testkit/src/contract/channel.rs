//! `TransactionalPublisher`, `PublishedEvents`, `EventSubscription` and `DeadLetterChannel`.

use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::WriteTry;
use application::ports::{
    DeadLetter, DeadLetterChannel, Delivery, EventSubscription, IdentitySource, PublishedEvents,
    Resolution, Topic, TransactionalPublisher,
};
use contracts::event::SCHEMA_VERSION;
use contracts::message;
use tokio::time::Instant;

use super::{Announced, ChannelFixture, moment};
use crate::identities::SequentialIdentities;
use crate::samples::{SampleOrder, created, dead_letter, user};

const PATIENCE: Duration = Duration::from_secs(60);

const CALL: Duration = Duration::from_secs(10);

type Receipt<Fixture> = <<Fixture as ChannelFixture>::Publisher as TransactionalPublisher>::Receipt;
type Received<Fixture> = <<Fixture as ChannelFixture>::Subscription as EventSubscription>::Delivery;

#[derive(Default)]
struct Events(SequentialIdentities);

impl Events {
    fn next(&self) -> SampleOrder {
        created(&self.0, user(123), &[(1, 2)], moment(0))
    }
}

async fn prepare<Fixture: ChannelFixture>(
    fixture: &Fixture,
    event: &SampleOrder,
) -> Receipt<Fixture> {
    let half = event.half(moment(3));
    // A new topic may not be known to every broker and name server yet.
    let deadline = Instant::now() + PATIENCE;
    loop {
        match fixture.publisher().prepare(&half, Deadline::after(CALL)).await {
            Ok(receipt) => return receipt,
            Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn end<Fixture: ChannelFixture>(
    fixture: &Fixture,
    receipt: &Receipt<Fixture>,
    resolution: Resolution,
) {
    fixture.publisher().end(receipt, resolution, Deadline::after(CALL)).await.unwrap();
}

async fn send<Fixture: ChannelFixture>(fixture: &Fixture, event: &SampleOrder) {
    let receipt = prepare(fixture, event).await;
    end(fixture, &receipt, Resolution::Commit).await;
}

/// Receives `count` messages. Fails if more arrive.
async fn receive<Fixture: ChannelFixture>(
    fixture: &Fixture,
    count: usize,
) -> Vec<Received<Fixture>> {
    let deadline = Instant::now() + PATIENCE;
    let mut received = Vec::new();
    while received.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} messages arrived", received.len());
        match fixture.subscription().receive(32, Deadline::after(CALL)).await {
            Ok(deliveries) => received.extend(deliveries),
            Err(failure) => assert!(Instant::now() < deadline, "{failure:?}"),
        }
    }
    assert_eq!(received.len(), count, "more messages arrived than were sent");
    received
}

async fn acknowledge<Fixture: ChannelFixture>(fixture: &Fixture, delivery: &Received<Fixture>) {
    let settled = fixture.subscription().acknowledge(delivery).await;
    assert!(matches!(settled, WriteTry::Done), "{settled:?}");
}

fn event_id(delivery: &impl Delivery) -> &str {
    delivery.property(message::EVENT_ID).unwrap()
}

/// Asserts that the event's message arrives, and no other one.
async fn assert_only<Fixture: ChannelFixture>(fixture: &Fixture, event: &SampleOrder) {
    let received = receive(fixture, 1).await;
    assert_eq!(event_id(&received[0]), event.message.event_id.to_string());
    acknowledge(fixture, &received[0]).await;
}

/// An unacknowledged message would be delivered again once it is visible again.
pub async fn a_committed_half_message_is_delivered_until_it_is_acknowledged_and_no_longer(
    fixture: &impl ChannelFixture,
) {
    let events = Events::default();
    let (acknowledged, unacknowledged) = (events.next(), events.next());
    send(fixture, &acknowledged).await;
    send(fixture, &unacknowledged).await;
    for delivery in &receive(fixture, 2).await {
        assert_eq!(delivery.redeliveries(), 0);
        if event_id(delivery) == acknowledged.message.event_id.to_string() {
            acknowledge(fixture, delivery).await;
        }
    }
    // Both were invisible for the same time, so a second delivery of either would come by now.
    let received = receive(fixture, 1).await;
    assert_eq!(event_id(&received[0]), unacknowledged.message.event_id.to_string());
    assert_eq!(received[0].redeliveries(), 1);
    acknowledge(fixture, &received[0]).await;
    let last = events.next();
    send(fixture, &last).await;
    assert_only(fixture, &last).await;
}

pub async fn a_half_message_that_is_rolled_back_is_never_delivered(fixture: &impl ChannelFixture) {
    let events = Events::default();
    let receipt = prepare(fixture, &events.next()).await;
    end(fixture, &receipt, Resolution::Rollback).await;
    let marker = events.next();
    send(fixture, &marker).await;
    assert_only(fixture, &marker).await;
}

pub async fn a_half_message_that_has_no_end_is_not_delivered(fixture: &impl ChannelFixture) {
    let events = Events::default();
    prepare(fixture, &events.next()).await;
    let marker = events.next();
    send(fixture, &marker).await;
    assert_only(fixture, &marker).await;
}

pub async fn each_new_delivery_counts_one_redelivery_more(fixture: &impl ChannelFixture) {
    let event = Events::default().next();
    send(fixture, &event).await;
    let mut message_id = None;
    for redeliveries in 0..3 {
        let received = receive(fixture, 1).await;
        let delivery = &received[0];
        assert_eq!(delivery.redeliveries(), redeliveries);
        assert_eq!(delivery.body(), Ok(event.message.body.as_bytes()));
        assert_eq!(event_id(delivery), event.message.event_id.to_string());
        let first = message_id.get_or_insert_with(|| delivery.message_id().clone());
        assert_eq!(*delivery.message_id(), *first);
        if redeliveries == 2 {
            acknowledge(fixture, delivery).await;
        } else {
            let delay = Duration::from_secs(1);
            let settled = fixture.subscription().retry_after(delivery, delay).await;
            assert!(matches!(settled, WriteTry::Done), "{settled:?}");
        }
    }
}

pub async fn body_and_properties_arrive_as_they_were_sent(fixture: &impl ChannelFixture) {
    let mut event = Events::default().next();
    event.message.body = "{\"name\":\"Grüße, 世界 🛒\"}".to_owned();
    send(fixture, &event).await;
    let received = receive(fixture, 1).await;
    let delivery = &received[0];
    let sent = &event.message;
    assert_eq!(delivery.body(), Ok(sent.body.as_bytes()));
    for (name, value) in [
        (message::EVENT_ID, Some(sent.event_id.to_string())),
        (message::TRANSACTION_ID, Some(event.order.attempt().to_string())),
        (message::DEADLINE_MS, Some(moment(3).as_millis().to_string())),
        (message::SCHEMA_VERSION, Some(SCHEMA_VERSION.to_string())),
        (message::AGGREGATE_VERSION, Some(sent.aggregate_version.to_string())),
        (message::TRACEPARENT, sent.traceparent.clone()),
        ("no_such_property", None),
    ] {
        assert_eq!(delivery.property(name), value.as_deref(), "{name}");
    }
    acknowledge(fixture, delivery).await;
}

/// A fact about the Java broker on which the protocol relies.
pub async fn each_commit_makes_a_visible_copy(fixture: &impl ChannelFixture) {
    let event = Events::default().next();
    let receipt = prepare(fixture, &event).await;
    for _ in 0..2 {
        end(fixture, &receipt, Resolution::Commit).await;
    }
    for delivery in &receive(fixture, 2).await {
        assert_eq!(event_id(delivery), event.message.event_id.to_string());
        acknowledge(fixture, delivery).await;
    }
}

/// A fact about the Java broker that makes the fence necessary.
pub async fn a_commit_after_a_rollback_makes_the_message_visible(fixture: &impl ChannelFixture) {
    let event = Events::default().next();
    let receipt = prepare(fixture, &event).await;
    end(fixture, &receipt, Resolution::Rollback).await;
    end(fixture, &receipt, Resolution::Commit).await;
    assert_only(fixture, &event).await;
}

/// Even if there is nothing to receive.
pub async fn a_receiver_is_not_kept_beyond_its_deadline(fixture: &impl ChannelFixture) {
    // The first call may have to connect.
    let _connected = fixture.subscription().receive(32, Deadline::after(CALL)).await;
    let started = Instant::now();
    let limit = Duration::from_secs(1);
    let received = fixture.subscription().receive(32, Deadline::after(limit)).await.unwrap();
    assert!(received.is_empty());
    // Half a second for the scheduler of a busy machine.
    assert!(started.elapsed() < limit + Duration::from_millis(500), "{:?}", started.elapsed());
}

async fn is_published<Fixture: ChannelFixture>(fixture: &Fixture, event: &SampleOrder) -> bool {
    let (event_id, attempt) = (event.message.event_id, event.order.attempt());
    let deadline = Deadline::after(CALL);
    fixture.publisher().is_published(Topic::Orders, event_id, attempt, deadline).await.unwrap()
}

/// The broker's index may be late.
pub async fn an_event_is_published_once_its_half_message_is_committed<Fixture: ChannelFixture>(
    fixture: &Fixture,
) {
    let events = Events::default();
    let (committed, rolled_back, open) = (events.next(), events.next(), events.next());
    let receipt = prepare(fixture, &rolled_back).await;
    end(fixture, &receipt, Resolution::Rollback).await;
    prepare(fixture, &open).await;
    send(fixture, &committed).await;
    let deadline = Instant::now() + PATIENCE;
    while !is_published(fixture, &committed).await {
        assert!(Instant::now() < deadline, "the event is not found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!is_published(fixture, &rolled_back).await);
    assert!(!is_published(fixture, &open).await);
    assert!(!is_published(fixture, &events.next()).await, "it was never sent");
    let redriven = SampleOrder { order: events.next().order, ..committed.clone() };
    assert!(!is_published(fixture, &redriven).await, "its message is another publication's");
}

async fn announce<Fixture: ChannelFixture>(fixture: &Fixture, letter: &DeadLetter) {
    // A new topic may not be known to every broker and name server yet.
    let deadline = Instant::now() + PATIENCE;
    loop {
        match fixture.dead_letters().announce(letter).await {
            WriteTry::Done => return,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn announced<Fixture: ChannelFixture>(fixture: &Fixture, count: usize) -> Vec<Announced> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let announced = fixture.announced().await;
        if announced.len() >= count {
            return announced;
        }
        assert!(Instant::now() < deadline, "{} of {count} arrived", announced.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether or not the event could be read.
pub async fn a_dead_letter_is_announced_with_its_body_and_why_it_was_given_up(
    fixture: &impl ChannelFixture,
) {
    let event_id = SequentialIdentities::default().event_id();
    let unreadable = DeadLetter {
        body: vec![0xff, 0, 0x7b],
        body_bytes: 3,
        handler: None,
        attempts: 1,
        ..dead_letter(None, moment(1))
    };
    let letters = [dead_letter(Some(event_id), moment(0)), unreadable];
    for letter in &letters {
        announce(fixture, letter).await;
    }
    let announced = announced(fixture, letters.len()).await;
    for letter in &letters {
        assert!(announced.contains(&Announced::from(letter)), "{letter:?} in {announced:?}");
    }
}

pub async fn a_repeated_announcement_is_sent_again(fixture: &impl ChannelFixture) {
    let letter = dead_letter(None, moment(0));
    announce(fixture, &letter).await;
    announce(fixture, &letter).await;
    let once = Announced::from(&letter);
    assert_eq!(announced(fixture, 2).await, [once.clone(), once]);
}
