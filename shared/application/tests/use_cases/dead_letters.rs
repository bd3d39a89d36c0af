//! A dead letter is listed, and redriven or discarded, and what was done stays done.

use std::time::Duration;

use application::consume_events::ConsumptionReport;
use application::create_order::CreateOrderCommand;
use application::deadline::Deadline;
use application::discard_dead_letter::{DiscardDeadLetter, DiscardError};
use application::lifetimes;
use application::list_dead_letters::{DeadLetterFilter, ListDeadLetters};
use application::outcome::FailureClass;
use application::ports::{
    Clock, DeadLetter, DeadLetterId, DeadLetters, IdentitySource, TransactionState,
};
use application::redelivery::RedeliveryRefused;
use application::redrive_dead_letter::{RedriveError, RedrivePublication, Redriven};
use application::sweep::SweepReport;
use contracts::event::{Event, EventType};
use contracts::message;
use domain::identity::{EventId, OrderId};
use domain::order::OrderStatus;
use domain::timestamp::Timestamp;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::samples::{TakenOrder, dead_letter, lines, product, product_id, taken, user};
use testkit::tables::MemoryTables;
use testkit::world::{MemoryRedrive, World};

const BROKEN: Fault = Fault::Refused(FailureClass::Permanent);

/// A window in which everything that can be handled is.
const WINDOW: Duration = Duration::from_secs(60);

fn world() -> World {
    let world = World::default();
    world.tables.put_product(product(1, 10));
    world
}

/// Consumes as event-consumer does, but gives up after two attempts.
async fn consume(world: &World) -> ConsumptionReport {
    let mut consumer = world.consume_events(world.registry());
    consumer.pace.attempts_max = 2;
    consumer.run(Deadline::after(WINDOW)).await
}

/// Takes an order whose event goes to the dead letters because of one handler; the handlers before
/// it have done their parts.
async fn taken_and_given_up(world: &World, broken: Operation) -> (OrderId, DeadLetter) {
    let command = CreateOrderCommand {
        user_id: user(123),
        lines: lines(&[(1, 2)]),
        key: None,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    };
    let within = Deadline::after(Duration::from_secs(10));
    let id = world.create_order().execute(&command, within).await.unwrap().order_id;
    world.tables.break_down(broken, BROKEN);
    consume(world).await;
    world.tables.heal(broken);
    let is_of_order = |letter: &DeadLetter| {
        let created = Event::decode(&letter.body).ok();
        created.is_some_and(|event| event.data.event_type() == EventType::OrderCreated)
    };
    (id, world.tables.dead_letters().into_iter().find(is_of_order).unwrap())
}

/// Lets go of every other letter, so that one alone is left to be looked at.
async fn keep_only(world: &World, kept: &DeadLetter) {
    for letter in world.tables.dead_letters().iter().filter(|letter| *letter != kept) {
        redrive(world, &letter.id()).await.unwrap();
    }
    consume(world).await;
}

async fn redrive(world: &World, id: &DeadLetterId) -> Result<Redriven, RedriveError> {
    world.redrive().redrive(id).await
}

fn without_broker(world: &World) -> MemoryRedrive {
    MemoryRedrive { publication: None, ..world.redrive() }
}

/// What a sweep counted.
async fn sweep(world: &World) -> SweepReport {
    let report = world.sweep().run(Deadline::after(Duration::from_secs(50))).await;
    SweepReport { oldest: Duration::ZERO, ..report }
}

async fn bury(world: &World, letter: &DeadLetter) -> DeadLetterId {
    let buried = world.tables.bury(letter, Deadline::after(WINDOW)).await;
    assert!(matches!(buried, application::outcome::Settled::Done));
    letter.id()
}

/// How many messages of an event consumers see or saw.
fn copies(world: &World, event_id: EventId) -> usize {
    let bodies = world.broker.visible().into_iter();
    let ids = bodies.filter_map(|body| Event::decode(body.as_bytes()).ok());
    ids.filter(|event| event.id == *event_id.as_uuid()).count()
}

fn foreign(world: &World) -> TakenOrder {
    taken(&world.identities, user(9), &[(1, 1)], world.clock.now())
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_is_handled_and_what_was_done_before_is_not_done_again() {
    let world = world();
    let (order_id, letter) = taken_and_given_up(&world, Operation::Notify).await;
    let event_id = letter.event_id.unwrap();
    assert_eq!(letter.handler.as_deref(), Some("notification"));
    assert_eq!(world.tables.stock_of(product_id(1)), Some(8), "inventory has done its part");
    keep_only(&world, &letter).await;

    let redriven = redrive(&world, &letter.id()).await.unwrap();
    assert_eq!(redriven.event_id, event_id);
    assert!(matches!(redriven.publication, RedrivePublication::Acknowledged));
    assert_eq!(world.tables.dead_letters(), []);
    let report = consume(&world).await;
    assert_eq!(report, ConsumptionReport { handled: 1, ..ConsumptionReport::default() });

    assert_eq!(world.tables.stock_of(product_id(1)), Some(8));
    let order = world.tables.order(order_id).unwrap();
    assert_eq!(order.status(), OrderStatus::Confirmed);
    assert_eq!(order.history().version(), 2);
    assert_eq!(order.notifications().len(), 2, "one of each event");
    let stored = world.tables.event(event_id).unwrap();
    assert!(!stored.unobserved && stored.expires_at.is_some());
    assert_eq!(world.tables.handled_by(event_id), ["inventory", "notification", "observer"]);
}

#[tokio::test(start_paused = true)]
async fn a_redriven_event_is_sent_as_it_was_under_an_attempt_that_is_committed() {
    let world = world();
    let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
    let before = world.broker.halves();
    redrive(&world, &letter.id()).await.unwrap();
    let sent = world.broker.halves().pop().unwrap();
    let first = before.iter().find(|half| half.message.event_id == sent.message.event_id).unwrap();
    assert_eq!(sent.message, first.message);
    assert_ne!(sent.transaction_id, first.transaction_id);
    for attempt in [sent.transaction_id, first.transaction_id] {
        assert!(world.tables.attempts().contains(&(attempt, TransactionState::Committed)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_again_is_given_up_again() {
    let world = world();
    let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
    keep_only(&world, &letter).await;
    for _ in 0..3 {
        world.tables.break_down(Operation::Notify, BROKEN);
        redrive(&world, &letter.id()).await.unwrap();
        consume(&world).await;
        let letters = world.tables.dead_letters();
        assert_eq!(letters.len(), 1);
        assert_ne!(letters[0].message_id, letter.message_id, "it is another letter");
        assert_eq!(letters[0].id(), letter.id());
    }
    world.tables.heal(Operation::Notify);
    redrive(&world, &letter.id()).await.unwrap();
    assert_eq!(consume(&world).await.handled, 1);
    assert_eq!(world.tables.dead_letters(), []);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_even_the_observer_gave_up_is_kept_as_long_as_its_letter_and_redriven() {
    let world = world();
    let (order_id, letter) = taken_and_given_up(&world, Operation::Observe).await;
    let event_id = letter.event_id.unwrap();
    let stored = world.tables.event(event_id).unwrap();
    assert!(!stored.unobserved);
    assert_eq!(stored.expires_at, letter.expires_at);
    redrive(&world, &letter.id()).await.unwrap();
    assert_eq!(world.tables.event(event_id).unwrap().expires_at, None, "it is not observed yet");
    consume(&world).await;
    assert_eq!(world.tables.order(order_id).unwrap().status(), OrderStatus::Confirmed);
    assert!(!world.tables.event(event_id).unwrap().unobserved);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_without_a_broker_is_left_to_the_sweep() {
    let world = world();
    let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
    keep_only(&world, &letter).await;
    let event_id = letter.event_id.unwrap();
    let before = copies(&world, event_id);
    let redriven = without_broker(&world).redrive(&letter.id()).await.unwrap();
    assert!(matches!(redriven.publication, RedrivePublication::LeftToSweep));
    assert_eq!(copies(&world, event_id), before);
    let swept = sweep(&world).await;
    assert_eq!((swept.sent, swept.left, swept.failed_looks), (1, 0, 0));
    assert_eq!(copies(&world, event_id), before + 1);
    assert_eq!(consume(&world).await.handled, 1);
    assert_eq!(world.tables.unobserved_events(), 0);
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_the_message_a_redriven_event_is_not_lost() {
    for fault in [
        BrokerFault::PrepareFails,
        BrokerFault::PrepareReplyLost,
        BrokerFault::PrepareDoubtful,
        BrokerFault::EndLost,
        BrokerFault::EndReplyLost,
        BrokerFault::EndRefused,
    ] {
        let world = world();
        let (order_id, letter) = taken_and_given_up(&world, Operation::Notify).await;
        keep_only(&world, &letter).await;
        world.broker.script(fault, 1);
        let redriven = redrive(&world, &letter.id()).await.unwrap();
        assert!(matches!(redriven.publication, RedrivePublication::Failed(_)), "{fault:?}");
        world.broker.discard_open_halves();
        world.clock.advance(lifetimes::SWEEP_AFTER);
        sweep(&world).await;
        consume(&world).await;
        assert_eq!(world.tables.unobserved_events(), 0, "{fault:?}");
        let order = world.tables.order(order_id).unwrap();
        assert_eq!(order.notifications().len(), 2, "{fault:?}");
        assert_eq!(world.tables.stock_of(product_id(1)), Some(8), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_of_what_a_redrive_sent_commits_it() {
    let world = world();
    let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
    world.broker.script(BrokerFault::EndLost, 1);
    redrive(&world, &letter.id()).await.unwrap();
    let before = copies(&world, letter.event_id.unwrap());
    world.broker.check_back(&world.answer_check()).await;
    assert_eq!(copies(&world, letter.event_id.unwrap()), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_whose_answer_was_lost_is_one_redrive() {
    for faults in [
        vec![Fault::ReplyLost],
        vec![Fault::RequestLost],
        vec![Fault::Busy, Fault::Refused(FailureClass::Throttled)],
        vec![Fault::ReplyLost, Fault::Busy],
        vec![Fault::LandsLate],
    ] {
        let world = world();
        let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
        let event_id = letter.event_id.unwrap();
        let before = copies(&world, event_id);
        world.tables.script(Operation::Redrive, faults.clone());
        let redriven = redrive(&world, &letter.id()).await.unwrap();
        assert!(matches!(redriven.publication, RedrivePublication::Acknowledged), "{faults:?}");
        world.tables.land_late_writes();
        assert_eq!(copies(&world, event_id), before + 1, "{faults:?}");
        let unpublished = world.tables.event(event_id).unwrap().event.unpublished;
        assert!(!unpublished, "{faults:?}: a late try must not put it back once more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redrive_that_can_not_be_done_says_whether_anything_may_have_changed() {
    let world = world();
    let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
    let fault_and_doubt = [
        (Fault::Refused(FailureClass::Permanent), false),
        (Fault::Refused(FailureClass::Unavailable), false),
        (Fault::Busy, false),
        (Fault::RequestLost, true),
    ];
    for (fault, in_doubt) in fault_and_doubt {
        world.tables.break_down(Operation::Redrive, fault);
        let error = redrive(&world, &letter.id()).await.unwrap_err();
        assert_eq!(matches!(error, RedriveError::Unknown(_)), in_doubt, "{fault:?}: {error:?}");
        assert_eq!(matches!(error, RedriveError::Failed(_)), !in_doubt, "{fault:?}: {error:?}");
        assert!(world.tables.dead_letters().contains(&letter));
        world.tables.heal(Operation::Redrive);
    }
    redrive(&world, &letter.id()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_two_redrives_at_once_one_is_done() {
    let world = world();
    let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
    let event_id = letter.event_id.unwrap();
    let before = copies(&world, event_id);
    let id = letter.id();
    let (one, other) = tokio::join!(redrive(&world, &id), redrive(&world, &id));
    let lost = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(matches!(lost.as_slice(), [RedriveError::NotThere]), "{lost:?}");
    assert_eq!(copies(&world, event_id), before + 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_older_than_the_inboxes_can_be_trusted_for_is_refused() {
    let world = world();
    let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
    world.clock.advance(lifetimes::REDELIVERY);
    let error = redrive(&world, &letter.id()).await.unwrap_err();
    let RedriveError::Refused(RedeliveryRefused::TooOld { age }) = error else {
        panic!("{error:?}");
    };
    assert!(age > lifetimes::REDELIVERY && age < lifetimes::REDELIVERY + 2 * WINDOW);
    let told = RedeliveryRefused::TooOld { age }.to_string();
    assert!(told.starts_with("it is 10 days old"), "{told}");
    assert!(world.tables.dead_letters().contains(&letter), "it stays");
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_clock_that_was_ahead_is_as_old_as_its_first_delivery() {
    let world = world();
    let ahead = world.clock.now().plus(lifetimes::REDELIVERY);
    let event = taken(&world.identities, user(9), &[(1, 1)], ahead).event;
    let now = world.clock.now();
    let letter = DeadLetter {
        body: event.message.body.clone().into_bytes(),
        body_bytes: event.message.body.len(),
        ..dead_letter(Some(event.message.event_id), now)
    };
    let id = bury(&world, &letter).await;
    world.clock.advance(lifetimes::REDELIVERY + Duration::from_secs(1));
    let error = redrive(&world, &id).await.unwrap_err();
    assert!(matches!(error, RedriveError::Refused(RedeliveryRefused::TooOld { .. })));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_decoded_or_is_not_whole_is_refused() {
    let world = world();
    let now = world.clock.now();
    let id = bury(&world, &dead_letter(None, now)).await;
    let error = redrive(&world, &id).await.unwrap_err();
    assert!(matches!(error, RedriveError::Refused(RedeliveryRefused::Undecodable(_))), "{error:?}");

    let whole = foreign(&world).dead_letter();
    let cut_off = DeadLetter { body_bytes: whole.body.len() + 1, ..whole };
    let id = bury(&world, &cut_off).await;
    let error = redrive(&world, &id).await.unwrap_err();
    let refused = RedriveError::Refused(RedeliveryRefused::CutOff {
        kept: cut_off.body.len(),
        whole: cut_off.body_bytes,
    });
    assert_eq!(format!("{error:?}"), format!("{refused:?}"));
    assert_eq!(world.tables.dead_letters().len(), 2, "they stay");
}

#[tokio::test(start_paused = true)]
async fn a_mangled_message_is_redriven_as_its_outbox_copy_tells_it() {
    let world = world();
    let order = taken(&world.identities, user(123), &[(1, 2)], world.clock.now());
    world.tables.put_order(order.order.clone());
    world.tables.put_event(&order.event);
    let event_id = order.event.message.event_id.to_string();
    world.broker.put(b"{\"specversion\":", &[(message::EVENT_ID, &event_id)]);
    assert_eq!(consume(&world).await.dead_lettered, 1);
    let id = DeadLetterId::parse(&event_id).unwrap();
    redrive(&world, &id).await.unwrap();
    consume(&world).await;
    let order = world.tables.order(order.order.id()).unwrap();
    assert_eq!(order.status(), OrderStatus::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_event_is_recorded_with_its_redrive_and_sent_as_it_came() {
    let world = world();
    let order = foreign(&world);
    let id = bury(&world, &order.dead_letter()).await;
    redrive(&world, &id).await.unwrap();
    let sent = world.broker.halves().pop().unwrap();
    assert_eq!(sent.message, order.event.message);
    let attempts = world.tables.attempts();
    assert_eq!(attempts, [(sent.transaction_id, TransactionState::Committed)]);
    assert_eq!(consume(&world).await.handled, 1);
    let stored = world.tables.event(order.event.message.event_id).unwrap();
    assert!(!stored.unobserved && stored.expires_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn examining_a_letter_changes_nothing() {
    let world = world();
    let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
    let examined = world.redrive().examine(&letter.id()).await.unwrap().unwrap();
    assert_eq!(examined.letter, letter);
    assert_eq!(examined.redrive.unwrap().body.as_bytes(), letter.body);
    assert!(world.tables.dead_letters().contains(&letter));
    let absent = DeadLetterId::parse("absent").unwrap();
    assert!(world.redrive().examine(&absent).await.unwrap().is_none());
    let error = redrive(&world, &absent).await.unwrap_err();
    assert!(matches!(error, RedriveError::NotThere));
}

fn discard(world: &World) -> DiscardDeadLetter<MemoryTables, MemoryTables> {
    DiscardDeadLetter { letters: world.tables.clone(), removal: world.tables.clone() }
}

#[tokio::test(start_paused = true)]
async fn a_discarded_letter_is_gone_and_told_once_more() {
    let world = world();
    let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
    world.tables.script(Operation::Discard, [Fault::Busy, Fault::RequestLost]);
    assert_eq!(discard(&world).discard(&letter.id()).await.unwrap(), letter);
    assert!(!world.tables.dead_letters().contains(&letter));
    let error = discard(&world).discard(&letter.id()).await.unwrap_err();
    assert!(matches!(error, DiscardError::NotThere));
    let stored = world.tables.event(letter.event_id.unwrap()).unwrap();
    assert!(!stored.unobserved && stored.expires_at.is_some(), "its copy still expires");
}

#[tokio::test(start_paused = true)]
async fn a_discard_whose_answer_was_lost_is_not_guessed() {
    let world = world();
    let (_, letter) = taken_and_given_up(&world, Operation::Notify).await;
    world.tables.script(Operation::Discard, [Fault::ReplyLost]);
    let error = discard(&world).discard(&letter.id()).await.unwrap_err();
    assert!(matches!(error, DiscardError::Unknown(_)), "{error:?}");
    world.tables.break_down(Operation::Discard, Fault::Refused(FailureClass::Unavailable));
    let (_, other) = taken_and_given_up(&world, Operation::Notify).await;
    let error = discard(&world).discard(&other.id()).await.unwrap_err();
    assert!(matches!(error, DiscardError::Failed(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn letters_are_listed_the_newest_first_as_far_as_they_fit() {
    let world = world();
    let start = world.clock.now();
    for number in 0..10_u64 {
        let at = start.plus(Duration::from_secs(number * 7 % 10));
        let reason = if number % 2 == 0 { "the service is throttling" } else { "it broke" };
        let handler = (number % 3 > 0).then(|| "inventory".to_owned());
        let letter = dead_letter(Some(world.identities.event_id()), at);
        bury(&world, &DeadLetter { reason: reason.to_owned(), handler, ..letter }).await;
    }
    let (_, created) = taken_and_given_up(&world, Operation::Observe).await;
    let list = ListDeadLetters { letters: world.tables.clone() };
    let mut progress = Vec::new();
    let all = DeadLetterFilter::default();
    let listing = list.newest(&all, 3, |found| progress.push(found)).await.unwrap();
    assert_eq!((listing.found, listing.items.len(), listing.unreadable), (11, 3, 0));
    let times: Vec<Timestamp> = listing.items.iter().map(|letter| letter.first_failed_at).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    assert!(progress.len() > 1 && progress.last() == Some(&11), "{progress:?}");

    let filter = DeadLetterFilter {
        handler: Some("inventory".to_owned()),
        reason: Some("throttling".to_owned()),
    };
    let listing = list.newest(&filter, 100, |_| {}).await.unwrap();
    assert_eq!(listing.found, 3, "those numbered 2, 4 and 8");
    assert!(listing.items.iter().all(|letter| letter.reason.contains("throttling")));

    let filter = DeadLetterFilter { handler: Some("observer".to_owned()), reason: None };
    let listing = list.newest(&filter, 100, |_| {}).await.unwrap();
    let [told] = listing.items.as_slice() else { panic!("{listing:?}") };
    assert_eq!(told.id, created.id());
    assert_eq!(told.event_type, Some(EventType::OrderCreated));
    let order = Event::decode(&created.body).unwrap().data.subject();
    assert_eq!(told.subject, Some(order));
}
