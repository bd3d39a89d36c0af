//! Whatever became of its half message, an order's event reaches its topic.

use std::time::Duration;

use application::create_order::{CreateOrderCommand, OrderTaken};
use application::deadline::Deadline;
use application::outcome::FailureClass;
use application::ports::{Clock, Resolution, TransactionState};
use application::sweep::SweepReport;
use testkit::fault::{BrokerFault, Fault, Operation};
use testkit::samples::{lines, product, user};
use testkit::world::World;

/// A little more than the time after which the sweep looks at an event.
const T: Duration = Duration::from_secs(61);

fn world() -> World {
    let world = World::default();
    world.tables.put_product(product(1, 1_000));
    world
}

fn command() -> CreateOrderCommand {
    CreateOrderCommand { user_id: user(123), lines: lines(&[(1, 1)]), key: None, traceparent: None }
}

async fn take(world: &World) -> OrderTaken {
    let deadline = Deadline::after(Duration::from_secs(10));
    world.create_order().execute(&command(), deadline).await.unwrap()
}

/// Takes an order whose commit is lost and whose half message is then discarded: nobody will ever
/// check it.
async fn take_and_lose(world: &World) -> OrderTaken {
    world.broker.script(BrokerFault::EndLost, 1);
    let taken = take(world).await;
    world.broker.discard_open_halves();
    assert!(world.broker.visible().is_empty(), "its event is gone");
    taken
}

/// What a sweep counted. How often it looked, and how long events had waited, is for tests of their
/// own.
async fn sweep(world: &World, window: Duration) -> SweepReport {
    let report = world.sweep().run(Deadline::after(window)).await;
    SweepReport { looks: 0, oldest: Duration::ZERO, ..report }
}

fn sent(sent: u64) -> SweepReport {
    SweepReport { sent, ..SweepReport::default() }
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_half_message_was_discarded_is_sent_once() {
    let world = world();
    let taken = take_and_lose(&world).await;
    assert_eq!(sweep(&world, Duration::from_secs(50)).await, SweepReport::default());
    world.clock.advance(T);
    assert_eq!(sweep(&world, Duration::from_secs(50)).await, sent(1));
    assert_eq!(world.broker.visible().len(), 1);
    let half = world.broker.halves().pop().unwrap();
    assert_eq!(half.message.subject, taken.order_id.to_string());
    let committed = (half.transaction_id, TransactionState::Committed);
    assert_eq!(world.tables.attempts(), [committed], "it is the attempt that recorded it");
    assert_eq!(half.ends, [Resolution::Commit]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_on_its_topic_is_not_sent_again_however_long_nobody_sees_it() {
    let world = world();
    take(&world).await;
    let mut looks = Vec::new();
    let mut overdue = 0;
    let started = world.clock.now();
    for _ in 0..60 {
        let report = sweep(&world, Duration::from_secs(60)).await;
        assert_eq!((report.sent, report.left), (0, 0));
        if report.found > 0 {
            looks.push(world.clock.now().since(started).as_secs() / 60);
        }
        overdue += report.overdue;
    }
    assert_eq!(world.broker.visible().len(), 1);
    assert!(overdue > 0, "an operator is told");
    let pauses: Vec<_> = looks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted(), "the looks come further apart: {pauses:?} minutes");
    assert_eq!(pauses.last(), Some(&10));
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_answer_of_the_broker_counts_as_none() {
    let world = world();
    take_and_lose(&world).await;
    world.clock.advance(T);
    world.broker.script(BrokerFault::LookupFails, 1);
    let report = sweep(&world, Duration::from_secs(10)).await;
    assert_eq!(report, SweepReport { left: 1, ..SweepReport::default() });
    assert!(world.broker.visible().is_empty(), "it may be there already");
    assert_eq!(sweep(&world, Duration::from_secs(20)).await, sent(1), "it came up again");
}

#[tokio::test(start_paused = true)]
async fn while_the_broker_is_away_nothing_is_lost() {
    let world = world();
    take_and_lose(&world).await;
    world.clock.advance(T);
    world.broker.go_away();
    let report = sweep(&world, Duration::from_secs(130)).await;
    assert!(report.sent == 0 && report.left >= 9, "{report:?}");
    world.broker.come_back();
    let soon = Duration::from_secs(20);
    assert_eq!(sweep(&world, soon).await, sent(1), "no claim has to run out");
    assert_eq!(world.broker.visible().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn sweeps_whose_windows_overlap_send_nothing_twice() {
    let world = world();
    for _ in 0..300 {
        world.broker.script(BrokerFault::EndLost, 1);
        take(&world).await;
    }
    world.broker.discard_open_halves();
    world.clock.advance(T);
    let window = Duration::from_secs(50);
    let (one, other) = tokio::join!(sweep(&world, window), sweep(&world, window));
    assert_eq!(one.sent + other.sent, 300);
    assert_eq!(world.broker.visible().len(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_fate_is_unknown_is_left_until_it_runs_out() {
    for fault in [Fault::ReplyLost, Fault::RequestLost] {
        let world = world();
        take_and_lose(&world).await;
        world.clock.advance(T);
        world.tables.script(Operation::Claim, [fault]);
        let report = sweep(&world, Duration::from_secs(120)).await;
        assert_eq!((report.sent, report.left), (1, 1), "{fault:?}");
        assert_eq!(world.broker.visible().len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_is_looked_at_again() {
    let away = Fault::Refused(FailureClass::Unavailable);
    let world = world();
    take_and_lose(&world).await;
    world.clock.advance(T);
    world.tables.script(Operation::Due, [away]);
    world.tables.script(Operation::FindEvent, [away]);
    let report = sweep(&world, Duration::from_secs(120)).await;
    let expected = SweepReport { sent: 1, left: 1, failed_looks: 1, ..SweepReport::default() };
    assert_eq!(report, expected);
}

#[tokio::test(start_paused = true)]
async fn an_unobserved_event_is_told_by_its_age() {
    let world = world();
    take_and_lose(&world).await;
    let oldest = async || world.sweep().run(Deadline::after(T)).await.oldest;
    world.clock.advance(T);
    assert!((T..2 * T).contains(&oldest().await), "it was on no topic");
    world.clock.advance(10 * T);
    assert!(oldest().await >= 11 * T, "it is on its topic, and nobody consumes");
    world.consume_events(world.registry()).run(Deadline::after(T)).await;
    world.clock.advance(20 * T);
    assert_eq!(oldest().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_observed_event_is_not_looked_at() {
    let world = world();
    take(&world).await;
    let consumer = world.consume_events(world.registry());
    consumer.run(Deadline::after(Duration::from_secs(10))).await;
    world.clock.advance(T);
    assert_eq!(sweep(&world, Duration::from_secs(50)).await, SweepReport::default());
}

#[tokio::test(start_paused = true)]
async fn a_check_of_what_the_sweep_sent_commits_it() {
    let world = world();
    take_and_lose(&world).await;
    world.clock.advance(T);
    world.broker.script(BrokerFault::EndLost, 1);
    let report = sweep(&world, Duration::from_secs(50)).await;
    assert_eq!(report, SweepReport { left: 1, ..SweepReport::default() });
    assert!(world.broker.visible().is_empty());
    world.broker.check_back(&world.answer_check()).await;
    assert_eq!(world.broker.visible().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_worked_off_without_waiting_for_the_next_look() {
    let world = world();
    for _ in 0..600 {
        world.broker.script(BrokerFault::EndLost, 1);
        take(&world).await;
    }
    world.broker.discard_open_halves();
    world.clock.advance(T);
    assert_eq!(sweep(&world, Duration::from_secs(6)).await, sent(600), "one look tells 256");
}
